from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import threading
import tracemalloc

import google_crc32c
import pytest
from google.api_core import exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.cloudstorage.contents import Content
from cedar.emulator.settings import Settings

QUANTUM = 2**18
DATA = bytes(range(256)) * 4096  # 1 MiB
UPLOAD = "/upload/storage/v1/b/bucket/o"


def crc32c(data):
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def related(resource, data, boundary="=_boundary", content_type="image/tiff"):
    """The body of a multipart upload."""
    said = json.dumps(resource).encode()
    mark = boundary.encode()
    return (
        b"--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
        b"--%s\r\nContent-Type: %s\r\n\r\n%s\r\n--%s--"
        % (mark, said, mark, content_type.encode(), data, mark)
    )


def multipart(wire, resource, data, query="", **headers):
    return wire.ask(
        "POST",
        f"{UPLOAD}?uploadType=multipart{query}",
        related(resource, data),
        content_type='multipart/related; boundary="=_boundary"',
        **headers,
    )


def begin(wire, name="a", query="", resource=None, **headers):
    """Begin a resumable upload: the path of its session."""
    begun = wire.ask(
        "POST",
        f"{UPLOAD}?uploadType=resumable{query}",
        {"name": name, **(resource or {})},
        **headers,
    )
    assert begun.status == 200
    assert begun.content == b""
    location = begun.headers["Location"]
    assert location.endswith(begun.headers["X-GUploader-UploadID"])
    return location.removeprefix(wire.emulator.urls["gcs"])


def send(wire, session, data=b"", content_range=None, verb="PUT", **headers):
    if content_range is not None:
        headers["content_range"] = content_range
    return wire.ask(verb, session, data, **headers)


# ---- at once


def test_what_is_sent_alone_has_the_type_of_the_request(wire, emulator):
    made = wire.insert("a", DATA, content_type="text/plain").json
    assert (made["size"], made["contentType"]) == (str(len(DATA)), "text/plain")
    assert (made["crc32c"], made["md5Hash"]) == (crc32c(DATA), md5(DATA))
    assert emulator.requests[-1].method == "objects.insert"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(), st.text("\r\n-=_ab").map(str.encode)))
def test_what_is_sent_with_its_resource_arrives_byte_for_byte(wire, data):
    made = multipart(wire, {"name": "a", "crc32c": crc32c(data), "metadata": {"k": "v"}}, data)
    assert made.status == 200
    assert (made.json["contentType"], made.json["metadata"]) == ("image/tiff", {"k": "v"})
    assert wire.download("a").content == data


def test_the_name_in_the_address_counts_before_the_resource_s(wire):
    assert multipart(wire, {"name": "a"}, b"1", "&name=b").json["name"] == "b"


def test_the_type_in_the_resource_counts_before_the_part_s(wire):
    made = multipart(wire, {"name": "a", "contentType": "text/plain"}, b"1")
    assert made.json["contentType"] == "text/plain"


@pytest.mark.parametrize(
    ("query", "content_type", "body"),
    [
        ("uploadType=multipart&name=a", "multipart/related", b"--b--"),
        ("uploadType=multipart&name=a", "multipart/related; boundary=b", b""),
        ("uploadType=multipart&name=a", "multipart/related; boundary=b", b"--b--"),
        ("uploadType=multipart&name=a", "multipart/related; boundary=b", b"--b\r\n\r\n{}\r\n--b--"),
        ("uploadType=multipart&name=a", "multipart/related; boundary=b", b"--b\r\n\r\n{}"),
        ("uploadType=multipart&name=a", "multipart/related; boundary==_boundary", related([], b"")),
        ("uploadType=resumable", "application/json", b"no JSON"),
        ("uploadType=other&name=a", "text/plain", b""),
        ("name=a", "text/plain", b""),
        ("uploadType=media", "text/plain", b""),
        ("uploadType=media&name=a&predefinedAcl=private", "text/plain", b""),
        ("uploadType=media&name=a&ifGenerationMatch=x", "text/plain", b""),
    ],
)
def test_an_upload_that_can_not_be_read_is_refused(wire, query, content_type, body):
    refused = wire.ask("POST", f"{UPLOAD}?{query}", body, content_type=content_type)
    assert refused.status == 400
    assert refused.reason in {"invalid", "badContent", "parseError"}
    assert wire.object("a").status == 404


# ---- checksums


@pytest.mark.parametrize("field", ["crc32c", "md5Hash"])
@pytest.mark.parametrize("how", ["multipart", "resumable"])
def test_bytes_that_are_not_what_was_said_are_refused(wire, field, how):
    resource = {"name": "a", field: (crc32c if field == "crc32c" else md5)(b"another")}
    if how == "multipart":
        refused = multipart(wire, resource, DATA)
    else:
        refused = send(wire, begin(wire, resource=resource), DATA)
    assert (refused.status, refused.reason) == (400, "invalid")
    name = {"crc32c": "CRC32C", "md5Hash": "MD5"}[field]
    assert f'Provided {name} "{resource[field]}" doesn\'t match' in refused.json["error"]["message"]
    assert wire.object("a").status == 404


@pytest.mark.parametrize("how", ["media", "multipart", "resumable"])
def test_a_header_may_say_what_bytes_are_sent(wire, how):
    def upload(said):
        if how == "media":
            return wire.insert("a", DATA, x_goog_hash=said)
        if how == "multipart":
            return multipart(wire, {"name": "a"}, DATA, x_goog_hash=said)
        return send(wire, begin(wire), DATA, x_goog_hash=said)

    assert upload(f"crc32c={crc32c(b'another')}").status == 400
    assert upload(f"crc32c={crc32c(DATA)}, md5={md5(b'another')}").status == 400
    assert upload("sha256=AAAA").reason == "invalid"
    assert wire.object("a").status == 404
    assert upload(f"crc32c={crc32c(DATA)},md5={md5(DATA)}").status == 200


def test_the_official_client_notices_a_checksum_that_is_not_its_own(bucket, monkeypatch):
    write = Content.write.__func__
    monkeypatch.setattr(
        Content, "write", classmethod(lambda cls, path, body: write(cls, path, body[:-1]))
    )
    with pytest.raises(exceptions.BadRequest, match="Provided CRC32C"):
        bucket.blob("a").upload_from_string(DATA)
    assert not bucket.blob("a").exists()


# ---- in pieces


@pytest.mark.parametrize("size", [0, 1, QUANTUM - 1, QUANTUM, QUANTUM + 1, 3 * QUANTUM, len(DATA)])
@pytest.mark.parametrize("is_size_known", [True, False])
def test_the_official_client_uploads_in_pieces(bucket, emulator, size, is_size_known):
    blob = bucket.blob("a/b", chunk_size=QUANTUM)
    given = size if is_size_known else None
    blob.upload_from_file(io.BytesIO(DATA[:size]), size=given, if_generation_match=0)
    assert blob.size == size
    assert bucket.blob("a/b").download_as_bytes() == DATA[:size]
    uploads = [each.status for each in emulator.requests if each.method == "objects.upload"]
    if not is_size_known:
        assert len(uploads) >= 2
    assert set(uploads[1:-1]) <= {308}


def test_pieces_are_counted_up_to_the_last(wire, emulator):
    session = begin(wire, x_upload_content_type="text/plain")
    total = 2 * QUANTUM + 5
    first = send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    assert (first.status, first.headers["Range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    second = send(
        wire, session, DATA[QUANTUM : 2 * QUANTUM], f"bytes {QUANTUM}-{2 * QUANTUM - 1}/{total}"
    )
    assert (second.status, second.headers["Range"]) == (308, f"bytes=0-{2 * QUANTUM - 1}")
    assert wire.object("a").status == 404
    last = send(
        wire, session, DATA[2 * QUANTUM : total], f"bytes {2 * QUANTUM}-{total - 1}/{total}",
        verb="POST",
    )  # fmt: skip
    assert last.json["size"] == str(total)
    assert last.json["contentType"] == "text/plain"
    assert wire.download("a").content == DATA[:total]
    assert [each.method for each in emulator.requests].count("objects.upload") == 4


def test_a_session_says_how_much_it_has(wire):
    session = begin(wire)
    for asked in ("bytes */*", f"bytes */{len(DATA)}"):
        empty = send(wire, session, content_range=asked)
        assert (empty.status, empty.headers["Range"]) == (308, None)
    send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/{len(DATA)}")
    for asked in ("bytes */*", f"bytes */{len(DATA)}"):
        part = send(wire, session, content_range=asked)
        assert (part.status, part.headers["Range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert wire.object("a").status == 404


def test_an_upload_whose_end_is_found_out_late_is_finished_by_saying_so(wire):
    session = begin(wire)
    send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    done = send(wire, session, content_range=f"bytes */{QUANTUM}")
    assert (done.status, done.json["size"]) == (200, str(QUANTUM))
    nothing = send(wire, begin(wire, "empty"), content_range="bytes */0")
    assert (nothing.status, nothing.json["size"]) == (200, "0")


def test_a_finished_session_gives_the_same_answer_again_and_makes_nothing(wire):
    session = begin(wire)
    made = send(wire, session, DATA).json
    wire.insert("a", b"newer")
    for again in (
        send(wire, session, DATA),
        send(wire, session, content_range="bytes */*"),
        send(wire, session, content_range=f"bytes */{len(DATA)}"),
    ):
        assert (again.status, again.json) == (200, made)
    assert wire.download("a").content == b"newer"


def test_a_piece_sent_again_is_kept_once(wire):
    session = begin(wire)
    total = 2 * QUANTUM
    for _ in range(2):
        answer = send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/{total}")
        assert (answer.status, answer.headers["Range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    # From the beginning once more, and then further.
    assert send(wire, session, DATA[:total], f"bytes 0-{total - 1}/{total}").status == 200
    assert wire.download("a").content == DATA[:total]


def test_of_a_piece_in_the_middle_whole_quanta_are_kept(wire):
    session = begin(wire)
    short = send(wire, session, DATA[:100], f"bytes 0-99/{len(DATA)}")
    assert (short.status, short.headers["Range"]) == (308, None)
    odd = send(wire, session, DATA[: QUANTUM + 9], f"bytes 0-{QUANTUM + 8}/{len(DATA)}")
    assert (odd.status, odd.headers["Range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    rest = DATA[QUANTUM:]
    done = send(wire, session, rest, f"bytes {QUANTUM}-{len(DATA) - 1}/{len(DATA)}")
    assert done.status == 200
    assert wire.download("a").content == DATA


def test_what_a_lost_process_left_behind_a_piece_is_written_over(wire, emulator):
    session = begin(wire)
    send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    (blob,) = emulator._state.blobs.iterdir()
    with blob.open("ab") as file:
        file.write(b"?" * len(DATA))
    total = QUANTUM + 7
    send(wire, session, DATA[QUANTUM:total], f"bytes {QUANTUM}-{total - 1}/{total}")
    assert wire.download("a").content == DATA[:total]


@pytest.mark.parametrize(
    ("size", "content_range", "status"),
    [
        (10, f"bytes {QUANTUM + 1}-{QUANTUM + 10}/*", 503),
        (10, "bytes 0-8/10", 400),
        (10, "bytes 5-4/10", 400),
        (10, "bytes 0-9/5", 400),
        (10, "bytes */10", 400),
        (10, "bytes */*", 400),
        (10, "bytes 0-9", 400),
        (10, "0-9/10", 400),
        (0, "", 400),
        (10, "bytes 0-9/10", 400),
        (0, "bytes */10", 400),
    ],
)
def test_a_piece_that_does_not_fit_is_refused_and_the_upload_goes_on(
    wire, size, content_range, status
):
    session = begin(wire)
    send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    refused = send(wire, session, DATA[:size], content_range)
    assert refused.status == status
    assert refused.reason == ("backendError" if status == 503 else "invalid")
    rest = DATA[QUANTUM:]
    done = send(wire, session, rest, f"bytes {QUANTUM}-{len(DATA) - 1}/{len(DATA)}")
    assert done.json["crc32c"] == crc32c(DATA)


def test_a_cancelled_upload_is_gone_with_its_bytes(wire, emulator):
    session = begin(wire)
    send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    cancelled = send(wire, session, verb="DELETE")
    assert (cancelled.status, cancelled.content) == (499, b"")
    assert list(emulator._state.blobs.iterdir()) == []
    for verb in ("DELETE", "PUT"):
        gone = send(wire, session, verb=verb)
        assert (gone.status, gone.reason) == (404, "notFound")
    assert emulator.requests[-3].status == 499


def test_a_finished_upload_can_not_be_cancelled(wire):
    session = begin(wire)
    send(wire, session, DATA)
    assert send(wire, session, verb="DELETE").status == 404
    assert wire.download("a").content == DATA


@pytest.mark.parametrize("path", [UPLOAD, f"{UPLOAD}?upload_id=none&uploadType=resumable"])
def test_an_upload_that_never_began_is_not_found(wire, path):
    assert wire.ask("PUT", path, b"1").reason == "notFound"


def test_conditions_are_looked_at_when_an_upload_begins_and_when_it_ends(wire):
    wire.insert("a", b"old")
    path = f"{UPLOAD}?uploadType=resumable&ifGenerationMatch=0"
    assert wire.ask("POST", path, {"name": "a"}).reason == "conditionNotMet"
    session = begin(wire, "b", "&ifGenerationMatch=0")
    wire.insert("b", b"faster")
    refused = send(wire, session, DATA)
    assert (refused.status, refused.reason) == (412, "conditionNotMet")
    assert wire.download("b").content == b"faster"
    wire.object("b", verb="DELETE")
    assert send(wire, session, DATA).status == 200


def test_an_upload_that_ends_too_soon_after_another_write_can_end_later(wire_to):
    with Emulator(clock="stepped", settings=Settings()) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        session = begin(wire)
        assert wire.insert("a", b"first").status == 200
        assert send(wire, session, DATA).reason == "rateLimitExceeded"
        emulator.clock.advance(1)
        assert send(wire, session, content_range=f"bytes */{len(DATA)}").status == 200
        assert wire.download("a").content == DATA


def test_two_that_finish_one_upload_make_one_object(wire, wire_to, emulator, monkeypatch):
    session = begin(wire)
    meet = threading.Barrier(2, timeout=30)
    summed = Content.of.__func__

    def together(cls, path):
        content = summed(cls, path)
        meet.wait()
        return content

    monkeypatch.setattr(Content, "of", classmethod(together))
    answers = []
    wires = [wire, wire_to(emulator)]
    threads = [
        threading.Thread(target=lambda each=each: answers.append(send(each, session, DATA)))
        for each in wires
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json


def test_an_upload_that_is_cancelled_while_it_is_finished_is_not_found(wire, monkeypatch):
    session = begin(wire)

    def cancelled(cls, path):
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(Content, "of", classmethod(cancelled))
    assert send(wire, session, DATA).status == 404


def test_an_upload_goes_on_after_a_restart(tmp_path, wire_to):
    with Emulator(state=tmp_path) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        session = begin(wire, "a", "&ifGenerationMatch=0", {"metadata": {"k": "v"}})
        send(wire, session, DATA[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    with Emulator(state=tmp_path) as emulator:
        wire = wire_to(emulator)
        asked = send(wire, session, content_range="bytes */*")
        assert asked.headers["Range"] == f"bytes=0-{QUANTUM - 1}"
        rest = DATA[QUANTUM:]
        made = send(wire, session, rest, f"bytes {QUANTUM}-{len(DATA) - 1}/{len(DATA)}").json
        assert made["metadata"] == {"k": "v"}
        assert wire.download("a").content == DATA


# ---- size


def test_a_body_may_be_larger_than_one_to_earth_engine_and_is_held_once(wire):
    size = 48 * 2**20
    block = bytes(2**20)
    tracemalloc.start()
    try:
        made = wire.ask(
            "POST",
            f"{UPLOAD}?uploadType=media&name=a",
            (block for _ in range(size // len(block))),
            content_length=str(size),
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.json["size"] == str(size)
    assert size < peak < 1.25 * size


def test_a_body_that_no_memory_holds_is_refused(emulator):
    host, port = emulator.urls["gcs"].removeprefix("http://").split(":")
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: any\r\nContent-Length: {'9' * 18}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(head.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"no memory" in answer


def test_a_client_that_leaves_in_the_middle_has_uploaded_nothing(wire, emulator):
    host, port = emulator.urls["gcs"].removeprefix("http://").split(":")
    path = f"{UPLOAD}?uploadType=media&name=a"
    head = f"POST {path} HTTP/1.1\r\nHost: any\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(head.encode() + b"x" * 99)
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(65536) == b""
    assert wire.object("a").status == 404
