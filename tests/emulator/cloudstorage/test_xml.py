"""The XML API, as obstore reads by it."""

from __future__ import annotations

import obstore
import pytest
from obstore.exceptions import NotModifiedError, PreconditionError
from obstore.store import GCSStore

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

NAMES = ["a b/c/d", "a b/ü#?%+&<>.tif", "e", "é"]


def store_of(emulator):
    return GCSStore(
        "bucket",
        base_url=emulator.urls["gcs"],
        skip_signature=True,
        client_options={"allow_http": True},
    )


@pytest.fixture
def store(wire, emulator):
    for i, name in enumerate(NAMES):
        wire.insert(name, bytes(range(10 + i)), content_type="image/tiff")
    return store_of(emulator)


@pytest.mark.parametrize("name", NAMES)
def test_obstore_reads_an_object_and_what_is_known_of_it(store, wire, emulator, name):
    resource = wire.object(name).json
    got = obstore.get(store, name)
    content = bytes(got.bytes())
    assert content == bytes(range(int(resource["size"])))
    assert got.attributes["Content-Type"] == "image/tiff"
    for known in (got.meta, obstore.head(store, name)):
        assert known["path"] == name
        assert known["size"] == len(content)
        assert known["version"] == resource["generation"]
        assert known["e_tag"] == f'"{resource["etag"]}"'
    methods = [each.method for each in emulator.requests[-2:]]
    assert methods == ["objects.download", "objects.get"]


def test_obstore_reads_ranges(store):
    assert bytes(obstore.get_range(store, "e", start=2, end=5)) == bytes(range(2, 5))
    parts = obstore.get_ranges(store, "e", starts=[0, 9], ends=[1, 12], coalesce=0)
    assert [bytes(part) for part in parts] == [b"\x00", bytes(range(9, 12))]
    suffix = obstore.get(store, "e", options={"range": {"suffix": 3}})
    assert bytes(suffix.bytes()) == bytes(range(9, 12))


def test_obstore_reads_a_generation_or_what_matches(store, wire):
    known = obstore.head(store, "e")
    options = {"version": known["version"], "if_match": known["e_tag"]}
    assert len(obstore.get(store, "e", options=options).bytes()) == 12
    with pytest.raises(NotModifiedError):
        obstore.get(store, "e", options={"if_none_match": known["e_tag"]})
    wire.insert("e", b"new")
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "e", options={"version": known["version"]})
    with pytest.raises(PreconditionError):
        obstore.get(store, "e", options={"if_match": known["e_tag"]})


def test_obstore_finds_nothing_where_nothing_is(store):
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "none")
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "none")


def test_obstore_lists_objects(store, wire):
    listed = obstore.list(store).collect()
    assert [each["path"] for each in listed] == NAMES
    assert [each["size"] for each in listed] == [10, 11, 12, 13]
    assert listed[2]["e_tag"] == obstore.head(store, "e")["e_tag"]
    assert [each["path"] for each in obstore.list(store, "a b/c").collect()] == ["a b/c/d"]
    offset = obstore.list(store, offset="a b/c/d").collect()
    assert [each["path"] for each in offset] == NAMES[1:]
    level = obstore.list_with_delimiter(store)
    assert level["common_prefixes"] == ["a b"]
    assert [each["path"] for each in level["objects"]] == ["e", "é"]


def test_obstore_lists_page_after_page(wire_to):
    with Emulator(settings=Settings(object_writes=0, page_size=2)) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        for i in range(5):
            wire.insert(f"x/{i}")
        listed = obstore.list(store_of(emulator)).collect()
        assert [each["path"] for each in listed] == [f"x/{i}" for i in range(5)]
        assert [each.method for each in emulator.requests].count("objects.list") == 3


def test_a_carriage_return_of_a_prefix_stays_one(wire):
    listed = wire.ask("GET", "/bucket/?list-type=2&prefix=a%0D%26")
    assert listed.headers["Content-Type"] == "application/xml; charset=UTF-8"
    assert b"<Prefix>a&#13;&amp;</Prefix>" in listed.content


def test_a_list_of_another_kind_is_refused(wire):
    assert wire.ask("GET", "/bucket?list-type=2&versions").reason == "invalid"


def test_a_head_has_the_headers_and_no_body(wire):
    wire.insert("a", b"abc")
    head = wire.ask("HEAD", "/bucket/a")
    assert (head.status, head.headers["Content-Length"], head.content) == (200, "3", b"")
    assert wire.ask("HEAD", "/bucket/none").status == 404
    assert wire.download("a").content == b"abc"
