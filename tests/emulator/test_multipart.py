from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator.multipart import MOST_CALLS, batched, parts
from cedar.emulator.transport import Call, Reply, as_json
from cedar.emulator.values import ServiceError

KIND = "multipart/related; boundary=xyz"


def body(newline, pieces):
    lines = b"".join(
        b"--xyz" + newline + b"".join(h + newline for h in headers) + newline + content + newline
        for headers, content in pieces
    )
    return lines + b"--xyz--"


contents = st.binary(max_size=40) | st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"xyz", b"--xy", b"a: b"]), max_size=8
).map(b"".join)


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from([[], [b"A: b"], [b"A: b", b"C-d: e f"]]), contents), max_size=4
    ),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    before=st.sampled_from([b"", b"preamble"]),
)
def test_a_body_comes_apart_as_it_was_put_together(pieces, newline, before):
    # What has the delimiter in it is no part: whoever makes a body sees to that.
    pieces = [each for each in pieces if newline + b"--xyz" not in newline + each[1]]
    text = (before + newline if before else b"") + body(newline, pieces)
    if not pieces:
        assert parts(KIND, text) == []
        return
    found = parts(KIND, text)
    assert [bytes(part.content) for part in found] == [content for _, content in pieces]
    lines = [[header.decode().split(": ", 1) for header in headers] for headers, _ in pieces]
    expected = [{name.lower(): value for name, value in each} for each in lines]
    assert [part.headers for part in found] == expected


def test_a_part_is_a_view_of_the_body():
    text = body(b"\n", [([], b"content")])
    assert parts(KIND, text)[0].content.obj is text


def test_a_part_may_have_nothing_in_it():
    assert [bytes(part.content) for part in parts(KIND, b"--xyz\r\nA: b\r\n--xyz--")] == [b""]
    assert [bytes(part.content) for part in parts(KIND, b"--xyz\r\n--xyz--")] == [b""]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("multipart/related", b"--xyz\n\nx\n--xyz--"),
        ("", b""),
        (KIND, b""),
        (KIND, b"x"),
        (KIND, b"--xyz"),
        (KIND, b"--xyz\n"),
        (KIND, b"--xyz\n\nx\n"),
        (KIND, b"--xyz\n\nx\n--xyz"),
        (KIND, b"--xyz\n\nx\n--xyz\n"),
    ],
)
def test_what_is_no_such_body_is_refused(kind, text):
    with pytest.raises(ServiceError) as refused:
        parts(kind, text)
    assert refused.value.reason == "badContent"


# ---- batches


def batch(requests, handle, headers=()):
    pieces = [([b"Content-Type: application/http", b"Content-ID: <b + %d>" % i], request)
              for i, request in enumerate(requests)]  # fmt: skip
    head = {"content-type": "multipart/mixed; boundary=xyz", **dict(headers)}
    return batched(Call("POST", "/batch", head, body(b"\n", pieces)), handle)


def answers(reply):
    pieces = parts(reply.media_type, reply.content)
    return [(part.headers.get("content-id"), bytes(part.content)) for part in pieces]


def test_each_request_of_a_batch_is_answered_and_named():
    seen = []

    def handle(call):
        seen.append(call)
        if call.verb == "DELETE":
            raise ServiceError("no", 404, reason="notFound")
        return as_json({"a": 1}, headers={"ETag": '"x"'})

    outer = {"authorization": "Bearer me", "host": "here", "x-other": "1"}
    reply = batch(
        [
            b"GET /a?b=c HTTP/1.1\nHost: there\n\n",
            b"DELETE /d HTTP/1.1\r\nIf-Match: \"e\"\r\n\r\nbody\r\nof it",
            b"GET /short\n",
        ],
        handle,
        outer,
    )  # fmt: skip
    assert reply.status == 200
    assert [(call.verb, call.address, call.body) for call in seen] == [
        ("GET", "/a?b=c", b""), ("DELETE", "/d", b"body\r\nof it"), ("GET", "/short", b""),
    ]  # fmt: skip
    assert seen[0].headers == {"authorization": "Bearer me", "host": "there"}
    assert seen[1].headers == {"authorization": "Bearer me", "host": "here", "if-match": '"e"'}
    (first, one), (second, two), (third, _) = answers(reply)
    assert (first, second, third) == ("<response-b + 0>", "<response-b + 1>", "<response-b + 2>")
    assert one.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json")
    assert b'\r\nETag: "x"\r\nContent-Length: 8\r\n\r\n{"a": 1}' in one
    assert two.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b'"reason": "notFound"' in two


def test_a_part_without_a_name_is_answered_without_one():
    text = b"--xyz\n\nGET /a HTTP/1.1\n\n\n--xyz--"
    call = Call("POST", "/batch", {"content-type": KIND}, text)
    assert answers(batched(call, lambda _: Reply(204, "a/b", b"")))[0][0] is None


def test_a_name_that_was_folded_is_answered_unfolded():
    text = b"--xyz\nContent-ID: <b +\n 0>\n\nGET /a HTTP/1.1\n\n\n--xyz--"
    call = Call("POST", "/batch", {"content-type": KIND}, text)
    reply = batched(call, lambda _: as_json({}))
    assert answers(reply)[0][0] == "<response-b + 0>"


def test_a_part_that_is_no_request_is_refused_by_itself():
    requests = [b"GET\n", b"GET /a HTTP/1.1\n\n", b"GET //[ HTTP/1.1\n\n"]
    reply = batch(requests, lambda _: as_json({}))
    assert [content.split(b"\r\n")[0] for _, content in answers(reply)] == [
        b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request",
    ]  # fmt: skip


def test_a_batch_is_no_longer_than_may_be():
    requests = [b"GET /a HTTP/1.1\n\n"] * MOST_CALLS
    assert len(answers(batch(requests, lambda _: as_json({})))) == MOST_CALLS
    with pytest.raises(ServiceError, match=f"at most {MOST_CALLS} calls"):
        batch([*requests, requests[0]], lambda _: as_json({}))
