from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.drive.uploads import CHUNK
from cedar.emulator.settings import Settings

UPLOAD = "/upload/drive/v2/files"


def begin(drive, file_id=None, headers=(), metadata=None, size=None):
    """The session's id."""
    path = f"{UPLOAD}/{file_id}" if file_id else UPLOAD
    head = {"X-Upload-Content-Type": "image/tiff", **dict(headers)}
    if size is not None:
        head["X-Upload-Content-Length"] = str(size)
    verb = "PUT" if file_id else "POST"
    reply = drive.ask(verb, path, metadata or {}, head, uploadType="resumable")
    if reply.status != 200:
        return reply
    return reply.headers["Location"].rpartition("upload_id=")[2]


def send(drive, session, span, data=b""):
    headers = {"Content-Range": f"bytes {span}"} if span else {}
    return drive.ask("PUT", UPLOAD, data, headers, uploadType="resumable", upload_id=session)


def reason(reply):
    return json.loads(bytes(reply.content))["error"]["errors"][0]["reason"]


# ---- in one request


@pytest.mark.parametrize("data", [b"", b"x", b"\r\n--=c\n", b"\n\n", bytes(range(256)) * 5000])
def test_bytes_arrive_with_their_metadata(drive, data):
    file = drive.uploaded(data, title="a", mimeType="a/b")
    assert bytes(drive.download(file["id"]).content) == data
    assert (file["title"], file["mimeType"]) == ("a", "a/b")
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("kind", [{}, {"uploadType": "media"}])
def test_bytes_may_come_alone(drive, kind):
    reply = drive.ask("POST", UPLOAD, b"abc", {"Content-Type": "a/b"}, **kind)
    file = json.loads(reply.content)
    assert (file["title"], file["mimeType"], file["fileSize"]) == ("Untitled", "a/b", "3")


def test_a_new_content_leaves_no_old_bytes(drive, emulator):
    file = drive.uploaded(b"old", title="a")
    view = drive.download(file["id"]).content
    new = drive.uploaded(b"newer", file["id"])
    assert (new["title"], new["fileSize"]) == ("a", "5")
    assert len(list(emulator._state.blobs.iterdir())) == 1
    assert view == b"old"  # whoever reads it still can


def test_an_upload_that_is_none_is_refused(drive, emulator):
    ask = drive.ask
    drive.folder("F")
    assert reason(ask("POST", UPLOAD, b"", uploadType="smoke")) == "invalid"
    assert reason(ask("POST", UPLOAD, b"x", uploadType="multipart")) == "badContent"
    one = {"Content-Type": "multipart/related; boundary=b"}
    body = b"--b\n\n{}\n--b--"
    assert reason(ask("POST", UPLOAD, body, one, uploadType="multipart")) == "badContent"
    assert list(emulator._state.blobs.iterdir()) == []


# ---- in chunks


def test_chunks_become_a_file(drive, emulator):
    data = bytes(2 * CHUNK) + b"end"
    session = begin(drive, metadata={"title": "a.tif"}, size=len(data))
    assert drive.titles() == []
    first = send(drive, session, f"0-{CHUNK - 1}/{len(data)}", data[:CHUNK])
    assert (first.status, first.headers) == (308, {"Range": f"bytes=0-{CHUNK - 1}"})
    second = send(drive, session, f"{CHUNK}-{2 * CHUNK - 1}/*", data[CHUNK : 2 * CHUNK])
    assert (second.status, second.headers["Range"]) == (308, f"bytes=0-{2 * CHUNK - 1}")
    last = send(drive, session, f"{2 * CHUNK}-{len(data) - 1}/{len(data)}", b"end")
    file = json.loads(last.content)
    assert (file["title"], file["mimeType"]) == ("a.tif", "image/tiff")
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()
    assert bytes(drive.download(file["id"]).content) == data
    # Whoever missed the answer asks again, and there is still one file.
    for again in (send(drive, session, "*/*"), send(drive, session, None, data)):
        assert json.loads(again.content) == file
    assert drive.titles() == ["a.tif"]
    assert {request.method for request in emulator.requests[:4]} == {"files.upload", "files.list"}


def test_a_session_says_what_it_has(drive):
    session = begin(drive)
    nothing = send(drive, session, f"*/{CHUNK + 1}")
    assert (nothing.status, nothing.headers) == (308, {})
    send(drive, session, f"0-{CHUNK - 1}/{CHUNK + 1}", bytes(CHUNK))
    some = send(drive, session, f"*/{CHUNK + 1}")
    assert (some.status, some.headers["Range"]) == (308, f"bytes=0-{CHUNK - 1}")


@pytest.mark.parametrize("start", [0, 2 * CHUNK])
def test_a_chunk_that_does_not_go_on_where_the_last_ended_is_not_taken(drive, start):
    session = begin(drive)
    send(drive, session, f"0-{CHUNK - 1}/*", b"a" * CHUNK)
    refused = send(drive, session, f"{start}-{start + CHUNK - 1}/{3 * CHUNK}", b"b" * CHUNK)
    assert (refused.status, refused.headers["Range"]) == (308, f"bytes=0-{CHUNK - 1}")
    file = json.loads(send(drive, session, f"{CHUNK}-{CHUNK}/{CHUNK + 1}", b"c").content)
    assert bytes(drive.download(file["id"]).content) == b"a" * CHUNK + b"c"


def test_an_empty_file_has_no_range(drive):
    file = json.loads(send(drive, begin(drive, size=0), None).content)
    assert file["fileSize"] == "0"
    assert json.loads(send(drive, begin(drive), "*/0").content)["fileSize"] == "0"


def test_a_whole_content_without_a_range_begins_again(drive):
    session = begin(drive)
    send(drive, session, f"0-{CHUNK - 1}/*", b"a" * CHUNK)
    file = json.loads(send(drive, session, None, b"whole").content)
    assert drive.download(file["id"]).content == b"whole"


@pytest.mark.parametrize(
    ("span", "data"),
    [
        ("0-9/100", b"0123456789"),  # no multiple of 256 KiB
        ("0-9/*", b"0123456789"),
        ("0-9/10", b"012345678"),
        ("0-9/5", b"0123456789"),
        ("9-0/10", b"0123456789"),
        ("0-9", b"0123456789"),
        ("x", b""),
        ("0-9/" + "9" * 5000, b"0123456789"),
    ],
)
def test_a_chunk_that_cannot_be_is_refused(drive, span, data):
    session = begin(drive)
    refused = send(drive, session, span, data)
    assert (refused.status, reason(refused)) == (400, "badRequest")
    assert send(drive, session, "*/*").headers == {}


def test_a_session_is_there_for_who_began_it(drive, other):
    session = begin(drive)
    for who, which in ((other, session), (drive, "nope")):
        refused = send(who, which, None, b"x")
        assert (refused.status, reason(refused)) == (404, "notFound")


def test_a_session_begins_only_with_what_can_be_stored(drive, other):
    theirs = other.insert("theirs")
    assert begin(drive, "nope").status == begin(drive, theirs["id"]).status == 404
    assert begin(drive, metadata={"parents": [{"id": "gone"}]}).status == 404
    assert begin(drive, size="x").status == begin(drive, size="²").status == 400
    assert begin(drive, metadata=b"[]").status == 400


def test_a_session_of_a_file_gives_it_a_new_content(drive):
    file = drive.uploaded(b"old", title="a", description="why")
    session = begin(drive, file["id"], metadata={"title": "b"})
    new = json.loads(send(drive, session, None, b"new").content)
    assert (new["id"], new["title"], new["description"]) == (file["id"], "b", "why")
    assert new["headRevisionId"] != file["headRevisionId"]
    assert drive.titles() == ["b"]


def test_if_match_holds_when_a_session_begins_and_when_it_ends(drive):
    file = drive.uploaded(b"old", title="a")
    old = {"If-Match": file["etag"]}
    one, two = begin(drive, file["id"], old), begin(drive, file["id"], old)
    assert send(drive, one, None, b"one").status == 200
    assert (send(drive, two, None, b"two").status, begin(drive, file["id"], old).status) == (
        412,
        412,
    )
    assert drive.download(file["id"]).content == b"one"


def test_a_file_that_is_gone_when_a_session_ends_is_not_found(drive):
    file = drive.insert("a")
    session = begin(drive, file["id"])
    drive.json("DELETE", f"files/{file['id']}")
    assert send(drive, session, None, b"x").status == 404


def test_room_is_looked_for_when_a_session_begins_and_when_it_ends(wire):
    with Emulator(settings=Settings(drive_quota=10)) as emulator:
        drive = wire(emulator)
        assert reason(begin(drive, size=11)) == "quotaExceeded"
        session = begin(drive)
        assert reason(send(drive, session, None, b"x" * 11)) == "quotaExceeded"
        assert drive.titles() == []


def test_sessions_are_the_state_s(wire, tmp_path):
    with Emulator(state=tmp_path) as one:
        session = begin(wire(one))
        send(wire(one), session, f"0-{CHUNK - 1}/*", bytes(CHUNK))
    with Emulator(state=tmp_path) as two:
        reply = send(wire(two), session, f"{CHUNK}-{CHUNK}/{CHUNK + 1}", b"x")
        assert json.loads(reply.content)["fileSize"] == str(CHUNK + 1)


def test_a_session_that_two_requests_end_at_once_is_one_file(drive):
    for _ in range(10):
        session = begin(drive)
        with ThreadPoolExecutor(4) as pool:
            ends = [pool.submit(send, drive, session, None, b"x" * CHUNK) for _ in range(4)]
        replies = [end.result() for end in ends]
        assert [reply.status for reply in replies] == [200] * 4
        assert len({json.loads(reply.content)["id"] for reply in replies}) == 1
    assert len(drive.titles()) == 10


@given(sizes=st.lists(st.integers(0, 3), max_size=5), rest=st.integers(0, 1000))
def test_any_chunks_are_one_content(shared_drive, sizes, rest):
    data = b"".join(bytes([i]) * (size * CHUNK) for i, size in enumerate(sizes)) + b"e" * rest
    session, start = begin(shared_drive), 0
    for size in [*(size * CHUNK for size in sizes if size), rest]:
        end = start + size
        span = f"{start}-{end - 1}/{len(data) if end == len(data) else '*'}" if size else f"*/{end}"
        reply = send(shared_drive, session, span, data[start:end])
        start = end
        if reply.status == 200:
            break
    file = json.loads(reply.content)
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()
    shared_drive.json("DELETE", f"files/{file['id']}")


@pytest.fixture(scope="module")
def shared_drive():
    from .conftest import Wire

    with Emulator() as emulator:
        yield Wire(emulator)
