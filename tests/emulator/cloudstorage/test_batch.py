from __future__ import annotations

import pytest
from google.api_core import exceptions


def batch(wire, *requests):
    """The answers to some requests of one batch: (status, text) each."""
    parts = "".join(
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <{i}>\r\n\r\n{request}\r\n\r\n\r\n"
        for i, request in enumerate(requests)
    )
    answer = wire.ask(
        "POST",
        "/batch/storage/v1",
        f"{parts}--b--".encode(),
        content_type="multipart/mixed; boundary=b",
    )
    assert answer.status == 200, answer.content
    boundary = answer.headers["Content-Type"].partition("boundary=")[2]
    pieces = answer.content.decode().split(f"--{boundary}")[1:-1]
    assert [f"Content-ID: <response-{i}>" in piece for i, piece in enumerate(pieces)]
    inner = [piece.split("\r\n\r\n", 1)[1] for piece in pieces]
    return [(int(each.split()[1]), each) for each in inner]


def test_the_official_client_removes_a_hundred_objects_by_one_request(bucket, wire, emulator):
    names = [f"a b/{i}#ü" for i in range(100)]
    for name in names:
        wire.insert(name)
    before = len(emulator.requests)
    with bucket.client.batch():
        for name in names:
            bucket.delete_blob(name)
    assert [each.method for each in emulator.requests[before:]] == ["batch"]
    assert list(bucket.list_blobs()) == []


def test_each_request_of_a_batch_has_its_own_answer(bucket, wire):
    generation = int(wire.insert("a").json["generation"])
    wire.insert("b")
    with bucket.client.batch(raise_exception=False) as done:
        bucket.delete_blob("a", if_generation_match=generation)
        bucket.delete_blob("b", if_generation_match=generation)
        bucket.delete_blob("none")
    assert [each.status_code for each in done._responses] == [204, 412, 404]
    assert [blob.name for blob in bucket.list_blobs()] == ["b"]
    with pytest.raises(exceptions.NotFound), bucket.client.batch():
        bucket.delete_blob("none")


def test_a_batch_may_say_and_change_what_objects_are(bucket, wire, emulator):
    wire.insert("a")
    blob = bucket.blob("a")
    with bucket.client.batch():
        blob.metadata = {"k": "v"}
        blob.patch()
    assert blob.metadata == {"k": "v"}
    ((status, text),) = batch(wire, "GET /storage/v1/b/bucket/o/a HTTP/1.1")
    assert status == 200
    assert emulator.urls["gcs"] in text


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /download/storage/v1/b/bucket/o/a?alt=media HTTP/1.1",
        "GET /storage/v1/b/bucket/o/a?alt=media HTTP/1.1",
        "GET /bucket/a HTTP/1.1",
        "POST /upload/storage/v1/b/bucket/o?uploadType=media&name=b HTTP/1.1",
        "POST /upload/storage/v1/b/bucket/o?uploadType=resumable&name=b HTTP/1.1",
        "POST /batch/storage/v1 HTTP/1.1",
        "PUT /storage/v1/b/bucket HTTP/1.1",
        "GET http://[ HTTP/1.1",
        "DELETE /storage/v1/b/bucket/o/%FF HTTP/1.1",
        "nonsense",
    ],
)
def test_what_a_batch_can_not_do_is_refused_and_the_rest_is_done(wire, request_line):
    wire.insert("a", b"1")
    (refused, done) = batch(wire, request_line, "DELETE /storage/v1/b/bucket/o/a HTTP/1.1")
    assert (refused[0], done[0]) == (400, 204)


def test_a_batch_of_more_than_a_hundred_is_refused_whole(bucket, wire):
    wire.insert("a")
    batch = bucket.client.batch()
    bucket.client._push_batch(batch)
    for _ in range(101):
        bucket.delete_blob("a")
    bucket.client._pop_batch()
    with pytest.raises(exceptions.BadRequest, match="100"):
        batch.finish()
    assert wire.object("a").status == 200
