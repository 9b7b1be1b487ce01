from __future__ import annotations

import gzip
import http.client
import json
import tracemalloc

import pytest
from google.api_core import exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CONTENT = bytes(range(100))


def test_an_object_comes_with_what_is_known_of_it(wire):
    made = wire.insert("a", CONTENT, content_type="image/tiff").json
    for answer in (
        wire.download("a"),
        wire.object("a", "?alt=media"),
        wire.ask("GET", "/bucket/a"),
    ):
        assert (answer.status, answer.content) == (200, CONTENT)
        headers = answer.headers
        assert headers["Content-Type"] == "image/tiff"
        assert headers["Content-Length"] == "100"
        assert headers["X-Goog-Hash"] == f"crc32c={made['crc32c']},md5={made['md5Hash']}"
        assert headers["X-Goog-Generation"] == made["generation"]
        assert headers["X-Goog-Metageneration"] == "1"
        assert headers["X-Goog-Stored-Content-Length"] == "100"
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Last-Modified"].endswith(" GMT")
        assert headers["ETag"].strip('"') == made["etag"]
    assert [each.method for each in wire.emulator.requests[-3:]] == ["objects.download"] * 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 120), end=st.none() | st.integers(0, 120))
def test_a_range_is_what_python_would_slice(wire, start, end):
    wire.insert("a", CONTENT)
    last = "" if end is None else end
    answer = wire.download("a", range=f"bytes={start}-{last}")
    assert wire.ask("GET", "/bucket/a", range=f"bytes={start}-{last}").content == answer.content
    if start >= len(CONTENT):
        assert (answer.status, answer.reason) == (416, "requestedRangeNotSatisfiable")
        assert answer.headers["Content-Range"] == "bytes */100"
    elif end is not None and end < start:  # no range, so all of it (RFC 9110, 14.1.1)
        assert (answer.status, answer.content) == (200, CONTENT)
    else:
        part = CONTENT[start : None if end is None else end + 1]
        assert (answer.status, answer.content) == (206, part)
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/100"
        assert answer.headers["X-Goog-Stored-Content-Length"] == "100"


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=-10", 206, CONTENT[-10:]),
        ("bytes=-1000", 206, CONTENT),
        ("bytes=-0", 416, None),
        ("bytes=0-1,5-6", 200, CONTENT),
        ("lines=0-1", 200, CONTENT),
        ("bytes=", 200, CONTENT),
    ],
)
def test_other_ranges_are_of_the_end_or_none(wire, asked, status, content):
    wire.insert("a", CONTENT)
    answer = wire.download("a", range=asked)
    assert answer.status == status
    assert content is None or answer.content == content


def test_an_empty_object_has_bytes_but_no_range_of_them(bucket, wire):
    wire.insert("a")
    assert bucket.blob("a").download_as_bytes() == b""
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        bucket.blob("a").download_as_bytes(start=0, end=0)


def test_a_reader_keeps_to_one_generation(bucket, wire):
    old = int(wire.insert("a", b"old").json["generation"])
    blob = bucket.blob("a")
    assert blob.download_as_bytes(start=0, end=0) == b"o"
    assert blob.generation == old
    wire.insert("a", b"new")
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a", generation=old).download_as_bytes()
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").download_as_bytes(if_generation_match=old)
    assert wire.download("a", f"&generation={old}").reason == "notFound"


def test_what_is_being_read_stays_readable_when_it_is_removed(wire, wire_to, emulator):
    size = 32 * 2**20
    block = bytes(range(256)) * 4096
    wire.insert("a", block * (size // len(block)))
    reader = http.client.HTTPConnection(emulator.urls["gcs"].removeprefix("http://"), timeout=60)
    try:
        reader.request("GET", "/bucket/a")
        response = reader.getresponse()
        assert response.read(len(block)) == block
        assert wire.object("a", verb="DELETE").status == 204
        assert list(emulator._state.blobs.iterdir()) == []
        while part := response.read(len(block)):
            assert part == block
            size -= len(part)
        assert size == len(block)
    finally:
        reader.close()


def test_a_large_object_is_sent_without_being_held(wire, emulator):
    size = 48 * 2**20
    wire.insert("a", bytes(size))
    reader = http.client.HTTPConnection(emulator.urls["gcs"].removeprefix("http://"), timeout=60)
    tracemalloc.start()
    try:
        reader.request("GET", "/bucket/a", headers={"Range": f"bytes=1-{size}"})
        response = reader.getresponse()
        while response.read(2**18):
            size -= 2**18
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        reader.close()
    assert size <= 0
    assert peak < 4 * 2**20


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8"])
def test_an_object_of_json_arrives_as_it_is_stored(wire, content_type):
    record = json.dumps({"orders": ["x" * 5000]}).encode()
    wire.insert("a.json", record, content_type=content_type)
    answer = wire.download("a.json", accept_encoding="gzip")
    assert answer.headers["Content-Encoding"] is None
    assert answer.content == record


def test_what_the_service_says_is_packed_for_those_who_take_that(wire):
    for name in "abc":
        wire.insert(name)
    packed = wire.ask("GET", "/storage/v1/b/bucket/o", accept_encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == wire.ask("GET", "/storage/v1/b/bucket/o").content
