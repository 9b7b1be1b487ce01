"""Bad days of Cloud Storage, as the official client lives through them."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

DATA = bytes(range(256)) * 1000
AT_ONCE = DEFAULT_RETRY.with_delay(initial=1e-9, maximum=1e-9)


@pytest.fixture
def bad_day(wire_to, client_of):
    """Gives the bucket of an emulator with faults, and a wire to it; an object `a` is there."""
    running = []

    def begin(*faults):
        given = [{"service": "gcs", "nth": 1, **fault} for fault in faults]
        emulator = Emulator(faults=given, settings=Settings(object_writes=0))
        running.append(emulator.__enter__())
        wire = wire_to(emulator)
        wire.make_bucket()
        wire.insert("a", DATA)
        return client_of(emulator).bucket("bucket"), wire

    yield begin
    for emulator in running:
        emulator.__exit__(None, None, None)


@pytest.mark.parametrize("offset", [None, 0, 5000, len(DATA) + 1])
def test_a_corrupt_body_is_whole_but_for_one_bit(bad_day, offset):
    fault = {"method": "objects.download", "action": "corrupt", "count": 2, "value": offset}
    bucket, wire = bad_day(fault)
    answer = wire.download("a")
    assert len(answer.content) == len(DATA)
    wrong = [i for i, (a, b) in enumerate(zip(answer.content, DATA, strict=True)) if a != b]
    assert wrong == [min(len(DATA) // 2 if offset is None else offset, len(DATA) - 1)]
    assert (answer.content[wrong[0]] ^ DATA[wrong[0]]).bit_count() == 1
    with pytest.raises(DataCorruption):
        bucket.blob("a").download_as_bytes(retry=None)
    assert bucket.blob("a").download_as_bytes() == DATA


def test_of_a_corrupt_range_no_one_is_told(bad_day):
    bucket, _ = bad_day({"method": "objects.download", "action": "corrupt"})
    part = bucket.blob("a").download_as_bytes(start=0, end=99, retry=None)
    assert len(part) == 100
    assert part != DATA[:100]


def test_objects_of_json_are_corrupted_and_the_service_s_words_are_not(bad_day):
    bucket, wire = bad_day({"method": "*", "action": "corrupt", "count": 100})
    for content_type in ("application/json", "application/json; charset=UTF-8"):
        wire.insert("b", b'{"revision": 1}', content_type=content_type)
        assert wire.download("b").content != b'{"revision": 1}'
    assert wire.object("b").json["size"] == "15"
    assert b"<Key>a</Key>" in wire.ask("GET", "/bucket").content
    wire.insert("empty")
    assert wire.download("empty").content == b""
    with bucket.client.batch():
        bucket.delete_blob("a")
    assert wire.ask("HEAD", "/bucket/b").status == 200
    assert wire.download("none").reason == "notFound"


def test_a_truncated_body_is_read_on_from_there_by_the_official_client(bad_day):
    bucket, wire = bad_day({"method": "objects.download", "action": "truncate", "value": 0.5})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="128000 more expected"):
        bucket.blob("a").download_as_bytes(retry=None)
    bucket, wire = bad_day({"method": "objects.download", "action": "truncate", "value": 70_000})
    assert bucket.blob("a").download_as_bytes(retry=AT_ONCE) == DATA
    assert [each.status for each in wire.emulator.requests[-2:]] == [200, 206]


@pytest.mark.parametrize(
    ("value", "reason"), [(429, "rateLimitExceeded"), (500, "internalError"), (503, "backendError")]
)
def test_a_refusal_has_the_form_of_the_service(bad_day, value, reason):
    _, wire = bad_day({"method": "objects.get", "action": "status", "value": value})
    refused = wire.object("a")
    assert (refused.status, refused.reason) == (value, reason)


@pytest.mark.parametrize("value", [429, 500, 503, 504])
@pytest.mark.parametrize("action", ["status", "fail-after"])
def test_the_official_client_gets_over_what_passes(bad_day, action, value):
    fault = {"action": action, "value": value}
    bucket, _ = bad_day(
        {"method": "objects.download", **fault},
        {"method": "objects.list", **fault},
        {"method": "objects.upload", "nth": 1, **fault},
        {"method": "objects.upload", "nth": 3, **fault},
    )
    assert bucket.blob("a").download_as_bytes(retry=AT_ONCE) == DATA
    assert [blob.name for blob in bucket.list_blobs(retry=AT_ONCE)] == ["a"]
    blob = bucket.blob("b", chunk_size=2**18)
    with blob.open("wb", retry=AT_ONCE) as file:
        file.write(DATA * 3)
    assert bucket.blob("b").download_as_bytes() == DATA * 3


def test_a_conditional_write_whose_answer_is_lost_has_happened_though_it_says_it_has_not(bad_day):
    lost = {"method": "objects.insert", "action": "fail-after", "nth": 2, "value": 503}
    bucket, wire = bad_day(lost)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("b").upload_from_string(b"1", if_generation_match=0, retry=AT_ONCE)
    assert [each.status for each in wire.emulator.requests[-2:]] == [503, 412]
    assert bucket.blob("b").download_as_bytes() == b"1"


def test_a_removal_whose_answer_is_lost_finds_nothing_the_next_time(bad_day):
    bucket, _ = bad_day({"method": "objects.delete", "action": "fail-after", "value": 503})
    with pytest.raises(exceptions.NotFound):
        bucket.delete_blob("a", retry=AT_ONCE)
    assert not bucket.blob("a").exists()


def test_a_connection_that_is_reset_has_done_nothing(bad_day):
    bucket, wire = bad_day({"method": "objects.insert", "nth": 2, "action": "reset"})
    with pytest.raises(requests.exceptions.ConnectionError):
        bucket.blob("b").upload_from_string(b"1", retry=None)
    assert not bucket.blob("b").exists()
    bucket.blob("b").upload_from_string(b"1")
    assert wire.download("b").content == b"1"
