from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

#: Few letters, so that many names begin alike; from each end of Unicode, where UTF-16 has another
#: order than UTF-8.
letters = st.text("/ab\x01é\uffff\U0010ffff", max_size=4)


def expected(names, prefix="", delimiter="", start="", end=""):
    """What a list has, in plain Python: objects and prefixes."""
    objects, prefixes = [], set()
    for name in sorted(names, key=str.encode):
        key, rest = name.encode(), name[len(prefix) :]
        if not name.startswith(prefix) or key < start.encode() or (end and key >= end.encode()):
            continue
        if delimiter and delimiter in rest:
            prefixes.add(prefix + rest[: rest.index(delimiter)] + delimiter)
        else:
            objects.append(name)
    return objects, prefixes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(letters.filter(bool), max_size=12),
    prefix=letters,
    delimiter=st.sampled_from(["", "/", "ab", "é"]),
    start=letters,
    end=letters,
    size=st.integers(1, 5),
)
def test_the_official_client_lists_what_python_would(
    bucket, wire, names, prefix, delimiter, start, end, size
):
    for blob in bucket.list_blobs():
        blob.delete()
    for name in names:
        wire.insert(name)
    listed = bucket.list_blobs(
        prefix=prefix, delimiter=delimiter, start_offset=start, end_offset=end, page_size=size
    )
    objects = [blob.name for blob in listed]
    assert (objects, listed.prefixes) == expected(names, prefix, delimiter, start, end)


def test_a_list_has_a_thousand_entries_a_page_and_each_entry_once(bucket, wire, emulator):
    for i in range(1003):
        wire.insert(f"x/{i:04d}")
    listed = list(bucket.list_blobs())
    assert [blob.name for blob in listed] == [f"x/{i:04d}" for i in range(1003)]
    assert [each.method for each in emulator.requests].count("objects.list") == 2
    pages = list(bucket.list_blobs(page_size=5000).pages)
    assert [page.num_items for page in pages] == [1000, 3]
    assert len(list(bucket.list_blobs(max_results=7))) == 7


def test_prefixes_count_as_entries_of_a_page(wire):
    for name in ("a/1", "a/2", "b", "c/1", "d"):
        wire.insert(name)
    path, seen, token = "/storage/v1/b/bucket/o?delimiter=/&maxResults=2&pageToken=", [], ""
    while token is not None:
        page = wire.ask("GET", path + token).json
        seen.append(([each["name"] for each in page.get("items", [])], page.get("prefixes", [])))
        token = page.get("nextPageToken")
    assert seen == [(["b"], ["a/"]), (["d"], ["c/"])]


def test_the_longest_page_is_a_setting(wire_to, client_of):
    with Emulator(settings=Settings(object_writes=0, page_size=2)) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        for name in "abcde":
            wire.insert(name)
        blobs = client_of(emulator).bucket("bucket").list_blobs(page_size=100)
        assert [page.num_items for page in blobs.pages] == [2, 2, 1]


def test_what_is_written_or_removed_is_in_the_next_list(bucket, wire):
    assert list(bucket.list_blobs()) == []
    assert wire.ask("GET", "/storage/v1/b/bucket/o").json == {"kind": "storage#objects"}
    wire.insert("a", b"1")
    assert [(blob.name, blob.size) for blob in bucket.list_blobs()] == [("a", 1)]
    wire.insert("a", b"22")
    assert [(blob.name, blob.size) for blob in bucket.list_blobs(versions=True)] == [("a", 2)]
    bucket.delete_blob("a")
    assert list(bucket.list_blobs()) == []


def test_a_page_begins_where_the_last_ended_whatever_comes_between(wire):
    for name in "bdf":
        wire.insert(name)
    path = "/storage/v1/b/bucket/o?maxResults=2"
    token = wire.ask("GET", path).json["nextPageToken"]
    for name in "aeg":
        wire.insert(name)
    wire.object("f", verb="DELETE")
    rest = wire.ask("GET", f"{path}&pageToken={token}").json
    assert [each["name"] for each in rest["items"]] == ["g"]


def test_a_bucket_lists_its_own(wire, client_of, emulator):
    wire.insert("a")
    another = client_of(emulator).create_bucket("another")
    another.blob("b").upload_from_string(b"")
    assert [blob.name for blob in another.list_blobs()] == ["b"]


@pytest.mark.parametrize("size", ["0", "1001", "999999999999999999"])
def test_a_page_may_be_asked_to_have_any_size(wire, size):
    wire.insert("a")
    page = wire.ask("GET", f"/storage/v1/b/bucket/o?maxResults={size}")
    assert len(page.json["items"]) == 1
