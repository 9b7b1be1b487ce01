from __future__ import annotations

import pytest

from cedar.emulator.ranges import ranged
from cedar.emulator.transport import Call


def ask(content, span):
    headers = {} if span is None else {"range": span}
    return ranged(Call("GET", "/x", headers), memoryview(content), "a/b", {"X-Other": "1"})


@pytest.mark.parametrize(
    ("span", "part", "place"),
    [
        ("bytes=0-0", b"0", "0-0"),
        ("bytes=2-4", b"234", "2-4"),
        ("bytes=7-", b"789", "7-9"),
        ("bytes=7-99", b"789", "7-9"),
        ("bytes=-3", b"789", "7-9"),
        ("bytes=-99", b"0123456789", "0-9"),
    ],
)
def test_a_range_is_answered_with_its_bytes(span, part, place):
    reply = ask(b"0123456789", span)
    assert (reply.status, bytes(reply.content), reply.media_type) == (206, part, "a/b")
    assert reply.headers == {
        "Accept-Ranges": "bytes",
        "X-Other": "1",
        "Content-Range": f"bytes {place}/10",
    }


@pytest.mark.parametrize(
    "span",
    [
        None,
        "bytes=",
        "bytes=-",
        "bytes=4-2",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_no_range_is_all_of_it(span):
    reply = ask(b"0123456789", span)
    assert (reply.status, bytes(reply.content)) == (200, b"0123456789")
    assert "Content-Range" not in reply.headers


@pytest.mark.parametrize(
    ("content", "span"), [(b"0123456789", "bytes=10-"), (b"", "bytes=0-9"), (b"01", "bytes=-0")]
)
def test_a_range_with_no_byte_in_it_is_refused(content, span):
    reply = ask(content, span)
    assert (reply.status, bytes(reply.content)) == (416, b"")
    assert reply.headers["Content-Range"] == f"bytes */{len(content)}"
