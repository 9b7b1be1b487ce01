from __future__ import annotations

import base64
import hashlib
import json

import google_crc32c
import pytest
from google.api_core import exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.service import CloudStorage
from cedar.emulator.settings import Settings
from cedar.emulator.transport import Call

#: Any text of Unicode that may be a name.
names = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=40)
    .filter(lambda name: name not in {".", ".."})
    .filter(lambda name: not name.startswith(".well-known/acme-challenge/"))
)


# ---- what an object is


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, content=st.binary(max_size=200))
def test_any_name_has_its_bytes_for_the_official_client(bucket, name, content):
    blob = bucket.blob(name)
    blob.upload_from_string(content, content_type="image/tiff")
    found = bucket.get_blob(name)
    assert (found.name, found.size, found.content_type) == (name, len(content), "image/tiff")
    assert found.download_as_bytes() == content
    assert name in [each.name for each in bucket.list_blobs(prefix=name)]
    assert found.crc32c == base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
    assert found.md5_hash == base64.b64encode(hashlib.md5(content).digest()).decode()
    found.delete()
    assert not blob.exists()


@pytest.mark.parametrize(
    "name",
    ["a b/ü#?%+&=.tif", "/", "//", "a/../b", "%2F", "..", "x" * 1024, "日本/🛰", "\x00", "~*'()"],
)
def test_odd_names_are_taken_or_refused_but_never_mixed_up(bucket, wire, name):
    if name == "..":
        assert wire.insert(name).status == 400
        return
    bucket.blob(name).upload_from_string(name.encode())
    assert bucket.blob(name).download_as_bytes() == name.encode()
    assert [each.name for each in bucket.list_blobs()] == [name]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a\nb", "a\rb", "x" * 1025, "é" * 513, ".well-known/acme-challenge/a"],
)
def test_a_name_that_none_may_have_is_refused(wire, name):
    refused = wire.insert(name, b"1")
    assert (refused.status, refused.reason) == (400, "invalid")
    begun = wire.ask("POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable", {"name": name})
    assert (begun.status, begun.reason) == (400, "invalid")


@pytest.mark.parametrize("name", ["\ud800", 3, None, ["a"]])
def test_a_name_that_is_no_text_is_refused(wire, name):
    begun = wire.ask("POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable", {"name": name})
    assert (begun.status, begun.reason) == (400, "invalid")


def test_a_resource_says_all_that_is_known(wire, emulator):
    made = wire.insert("a/b c", b"abc", content_type="text/plain").json
    assert made == wire.object("a/b c").json
    base = emulator.urls["gcs"]
    generation = made["generation"]
    assert made["id"] == f"bucket/a/b c/{generation}"
    assert made["selfLink"] == f"{base}/storage/v1/b/bucket/o/a%2Fb%20c"
    link = f"{base}/download/storage/v1/b/bucket/o/a%2Fb%20c?generation={generation}&alt=media"
    assert made["mediaLink"] == link
    assert wire.ask("GET", link.removeprefix(base)).content == b"abc"
    assert {key: made[key] for key in ("bucket", "name", "size", "metageneration")} == {
        "bucket": "bucket",
        "name": "a/b c",
        "size": "3",
        "metageneration": "1",
    }
    assert made["contentType"] == "text/plain"
    assert made["timeCreated"] == made["updated"]
    assert wire.insert("untyped").json["contentType"] == "application/octet-stream"


def test_a_writer_says_what_readers_are_told(bucket):
    blob = bucket.blob("a")
    blob.cache_control, blob.content_language = "no-store", "de"
    blob.content_disposition, blob.metadata = "attachment", {"tile": "h1v2", "ü": "ß"}
    blob.upload_from_string(b"1", content_type="text/plain")
    found = bucket.get_blob("a")
    assert (found.cache_control, found.content_language) == ("no-store", "de")
    assert (found.content_disposition, found.content_type) == ("attachment", "text/plain")
    assert found.metadata == {"tile": "h1v2", "ü": "ß"}
    read = bucket.blob("a")
    read.download_as_bytes()
    assert (read.cache_control, read.content_type) == ("no-store", "text/plain")


@pytest.mark.parametrize(
    "said",
    [
        {"contentType": "text/plain\r\nX-Injected: 1"},
        {"contentType": 3},
        {"cacheControl": ""},
        {"contentDisposition": "日本"},
        {"metadata": {"a": 1}},
        {"metadata": ["a"]},
        {"storageClass": "COLDLINE"},
        {"contentEncoding": "gzip"},
    ],
    ids=str,
)
def test_what_can_not_be_said_of_an_object_is_refused(wire, said):
    begun = wire.ask(
        "POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable", {"name": "a", **said}
    )
    assert (begun.status, begun.reason) == (400, "invalid")
    wire.insert("a")
    assert wire.object("a", verb="PATCH", body=said).status == 400


# ---- change


def test_a_new_content_is_a_new_generation_with_nothing_of_the_old(bucket):
    blob = bucket.blob("a")
    blob.metadata = {"of": "the first"}
    blob.upload_from_string(b"1")
    first = blob.generation
    again = bucket.blob("a")
    again.upload_from_string(b"22")
    assert again.generation > first
    found = bucket.get_blob("a")
    assert (found.size, found.metadata, found.metageneration) == (2, None, 1)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a", generation=first).download_as_bytes()
    assert bucket.blob("a", generation=again.generation).download_as_bytes() == b"22"


def test_generations_grow_though_time_stands_still_and_are_never_used_twice(wire_to):
    with Emulator(settings=Settings(object_writes=0), clock="stepped") as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        generations = [int(wire.insert("a").json["generation"]) for _ in range(3)]
        assert wire.object("a", verb="DELETE").status == 204
        generations += [int(wire.insert(name).json["generation"]) for name in "ab"]
        emulator.clock.advance(60)
        generations.append(int(wire.insert("a").json["generation"]))
        assert generations == sorted(set(generations))
        assert generations[-1] == int(emulator.clock.now().timestamp() * 1e6)


def test_what_is_replaced_or_removed_takes_no_room(wire, emulator):
    blobs = emulator._state.blobs
    wire.insert("a", b"1")
    wire.insert("a", b"2")
    assert [path.read_bytes() for path in blobs.iterdir()] == [b"2"]
    assert wire.insert("a", b"3", "&ifGenerationMatch=1").status == 412
    assert wire.insert("a", b"3", x_goog_hash="md5=AAAA").status == 400
    assert len(list(blobs.iterdir())) == 1
    wire.object("a", verb="DELETE")
    assert list(blobs.iterdir()) == []


def test_what_is_said_of_an_object_can_be_changed_and_taken_back(bucket, emulator):
    blob = bucket.blob("a")
    blob.metadata = {"x": "1", "y": "2"}
    blob.upload_from_string(b"1", content_type="text/plain")
    etag, generation = blob.etag, blob.generation
    blob.metadata = {"x": None, "z": "3"}
    blob.content_type = "image/tiff"
    blob.patch()
    assert blob.metadata == {"y": "2", "z": "3"}
    assert (blob.content_type, blob.generation, blob.metageneration) == (
        "image/tiff",
        generation,
        2,
    )
    assert blob.etag != etag
    blob.metadata, blob.content_type = None, None
    blob.patch()
    assert blob.metadata is None
    assert blob.content_type == "application/octet-stream"
    assert blob.download_as_bytes() == b"1"
    assert [each.method for each in emulator.requests].count("objects.patch") == 2


def test_an_object_that_is_gone_is_not_found(bucket, wire):
    wire.insert("a")
    bucket.delete_blob("a")
    for act in (
        lambda: bucket.delete_blob("a"),
        bucket.blob("a").reload,
        bucket.blob("a").download_as_bytes,
        bucket.blob("a").patch,
    ):
        with pytest.raises(exceptions.NotFound, match="No such object: bucket/a"):
            act()
    assert wire.object("a").reason == "notFound"


# ---- preconditions


def holds(condition, generation, metageneration):
    """Whether a condition holds, in Python: what is there, or 0 and 0."""
    name, value = condition
    there = metageneration if "Metageneration" in name else generation
    return (there != value) if "Not" in name else (there == value)


KINDS = [
    f"if{part}{match}"
    for part in ("Generation", "Metageneration")
    for match in ("Match", "NotMatch")
]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["nothing", "what was", "what wasn't"])
def test_an_object_is_made_only_where_the_condition_holds(wire, kind, which, is_there):
    generation = metageneration = 0
    if is_there:
        made = wire.insert("a", b"old").json
        generation, metageneration = int(made["generation"]), int(made["metageneration"])
    there = metageneration if "Meta" in kind else generation
    value = {"nothing": 0, "what was": there, "what wasn't": there + 7}[which]
    answer = wire.insert("a", b"new", f"&{kind}={value}")
    if holds((kind, value), generation, metageneration):
        assert answer.status == 200
        assert wire.download("a").content == b"new"
    else:
        assert (answer.status, answer.reason) == (412, "conditionNotMet")
        after = wire.download("a")
        assert (after.status, after.content) == (200, b"old") if is_there else after.status == 404


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 7])
@pytest.mark.parametrize("verb", ["PATCH", "DELETE", "GET"])
def test_what_is_there_is_changed_or_read_only_where_the_condition_holds(wire, kind, offset, verb):
    made = wire.insert("a").json
    there = int(made["metageneration" if "Meta" in kind else "generation"])
    answer = wire.object("a", f"?{kind}={there + offset}", verb, {} if verb == "PATCH" else b"")
    refused = 304 if verb == "GET" and "Not" in kind else 412
    done = {"PATCH": 200, "DELETE": 204, "GET": 200}[verb]
    assert answer.status == (done if (offset == 0) == ("Not" not in kind) else refused)
    if answer.status == 412:
        assert answer.reason == "conditionNotMet"
    assert wire.object("a").status == (404 if answer.status == 204 else 200)


def test_all_of_several_conditions_must_hold(wire):
    generation = int(wire.insert("a").json["generation"])
    both = f"&ifGenerationMatch={generation}&ifMetagenerationMatch="
    assert wire.insert("a", b"", f"{both}2").status == 412
    assert wire.insert("a", b"", f"{both}1").status == 200


def test_a_removal_names_the_generation_it_is_of(bucket, wire):
    old = wire.insert("a").json["generation"]
    new = wire.insert("a").json["generation"]
    with pytest.raises(exceptions.NotFound):
        bucket.delete_blob("a", generation=int(old))
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.delete_blob("a", if_generation_match=int(old))
    bucket.delete_blob("a", generation=int(new), if_generation_match=int(new))
    assert wire.object("a").status == 404


def test_etags_are_conditions_for_readers(bucket, wire):
    blob = bucket.blob("a")
    blob.upload_from_string(b"1")
    etag = bucket.get_blob("a").etag
    assert blob.download_as_bytes(if_etag_match=etag) == b"1"
    with pytest.raises(exceptions.PreconditionFailed):
        blob.download_as_bytes(if_etag_match="another")
    for told, status in ((f'"{etag}"', 304), ("*", 304), (f'W/"{etag}", "x"', 304), ('"x"', 200)):
        answer = wire.download("a", if_none_match=told)
        assert (answer.status, answer.content) == (status, b"1" if status == 200 else b"")
        assert answer.headers["ETag"] == etag
    assert wire.download("a").content == b"1"  # the connection is in order


# ---- how often


def test_an_object_is_written_once_a_second_of_the_clock(wire_to):
    with Emulator(clock="stepped") as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        assert wire.insert("a", b"1").status == 200
        emulator.clock.advance(0.999)
        refused = wire.insert("a", b"2")
        assert (refused.status, refused.reason) == (429, "rateLimitExceeded")
        assert "bucket/a exceeded the rate limit" in refused.json["error"]["message"]
        assert wire.object("a", verb="PATCH", body={}).status == 429
        assert wire.insert("b", b"2").status == 200  # another object
        assert wire.download("a").content == b"1"
        emulator.clock.advance(0.001)
        assert wire.object("a", verb="PATCH", body={}).status == 200
        assert wire.insert("a", b"3").status == 429
        # A condition that doesn't hold is told first, and is no write.
        assert wire.insert("a", b"3", "&ifGenerationMatch=0").status == 412
        emulator.clock.advance(1)
        assert wire.insert("a", b"3", "&ifGenerationMatch=0").status == 412
        assert wire.insert("a", b"4").status == 200


def test_a_removal_counts_as_no_write_but_the_name_stays_warm(wire_to):
    with Emulator(clock="stepped") as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        assert wire.insert("a").status == 200
        assert wire.object("a", verb="DELETE").status == 204
        assert wire.insert("a").status == 429
        emulator.clock.advance(1)
        assert wire.insert("a").status == 200
        emulator.clock.advance(1)
        assert wire.object("a", verb="DELETE").status == 204
        assert wire.insert("a").status == 200


@pytest.mark.parametrize(("rate", "waits"), [(10, 0.1), (0.5, 2)])
def test_how_often_is_a_setting(wire_to, rate, waits):
    with Emulator(settings=Settings(object_writes=rate), clock="stepped") as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        assert wire.insert("a").status == 200
        emulator.clock.advance(0.9 * waits)
        assert wire.insert("a").status == 429
        emulator.clock.advance(0.11 * waits)
        assert wire.insert("a").status == 200


# ---- without a wire


def test_it_answers_without_http(emulator):
    service = emulator._services["gcs"]
    assert isinstance(service, CloudStorage)

    def ask(verb, address, body=b"", headers=None):
        call = Call(verb, address, headers or {}, body)
        return service.answer(service.method(call), call)

    ask("POST", "/storage/v1/b?project=any", b'{"name": "bucket"}')
    upload = "/upload/storage/v1/b/bucket/o"
    made = ask(
        "POST", f"{upload}?uploadType=media&name=a%2Fb", b"1", {"content-type": "image/tiff"}
    )
    said = json.loads(made.content)
    assert (said["name"], said["contentType"], said["size"]) == ("a/b", "image/tiff", "1")
    assert said["selfLink"] == "/storage/v1/b/bucket/o/a%2Fb"
    assert bytes(ask("GET", said["mediaLink"]).content) == b"1"
    begun = ask("POST", f"{upload}?uploadType=resumable", b'{"name": "c"}')
    assert ask("PUT", begun.headers["Location"], b"22").status == 200
    assert bytes(ask("GET", "/bucket/c").content) == b"22"
    assert emulator.requests == []
