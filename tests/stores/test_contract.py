"""What a user can rely on of the objects in every store: one body for all stores."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from store_kinds import Connect, Kind

from cedar.exceptions import Conflict, InputError, NotFoundError, StoreError
from cedar.items import ObjectInfo
from cedar.stores import ABSENT, ANY, Store
from cedar.stores.checksums import CHUNK, algorithm_of, checksum_of, file_checksum

ALGORITHMS = ("sha256", "md5", "crc32c")
KEYS = (
    *("a", "a/b/c.tif", "..a/b..", "a folder/ both ends ", "año/ярд 01.json", "日本/東京.tif"),
    *("#hash?query=1&x=y%2F#", "a%2Fb", "%", "a+b", 'it\'s/"quoted"', "$(x) `y` ${z}"),
    *("[a]{b}*~!^|<>;:,@", "🛰/👩‍🚀.tif", "e\u0301/\u00e9", "-x/--y", "a" * 200 + ".tif"),
    "/".join(f"level {level}" for level in range(20)),
)
#: More than one part of an upload, more than one chunk of a download.
LARGE = 20 << 20
HUGE = 300 << 20


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


def known(info: ObjectInfo) -> ObjectInfo:
    """What every method tells alike: of times a listing may have more digits than an answer."""
    return replace(info, updated=None)


def file_of(directory: Path, data: bytes, name: str = "finished.tif") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def together(n: int, work: Callable[[int], object]) -> list[object]:
    """Do `n` things at once; what they returned. They start at the same moment."""
    start = threading.Barrier(n)

    def begin(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(begin, range(n)))


# Objects


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_what_is_written_is_read_back_by_any_key(store: Store, key: str, tmp_path: Path) -> None:
    written = store.write(key, b"data")
    assert store.read(key) == b"data"
    assert (written.key, written.size) == (key, 4)
    assert known(store.stat(key)) == known(written)
    assert list(map(known, store.objects())) == [known(written)]
    assert list(map(known, store.objects(key))) == [known(written)]
    store.fetch(key, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"data"
    store.delete(key, missing_ok=False, if_version=written.version)
    assert keys(store) == []


@pytest.mark.parametrize(
    "data", [b"", b"\x00\r\n\xff", b"\xef\xbb\xbf{}", b"x" * (CHUNK + 1)], ids=range(4)
)
def test_bytes_stay_what_they_are(store: Store, data: bytes, tmp_path: Path) -> None:
    assert store.write("a.json", data).size == len(data)
    assert store.read("a.json") == data
    assert store.stat("a.json").size == len(data)
    store.put(file_of(tmp_path, data), "b.tif")
    assert store.read("b.tif") == data


def test_keys_that_look_alike_are_different_objects(store: Store) -> None:
    alike = ["é", "e\u0301", "É", "a/b", "a%2Fb", "a/B", "a b", "a+b", "a%20b", "x", "x ", "X"]
    for key in alike:
        store.write(key, key.encode())
    assert keys(store) == sorted(alike)
    assert {key: store.read(key).decode() for key in alike} == {key: key for key in alike}


def test_what_one_writes_another_reads(connect: Connect) -> None:
    written = connect().write("a/b", b"data")
    assert connect().read("a/b") == b"data"
    assert connect().stat("a/b").version == written.version


def test_a_shorter_object_replaces_a_longer_one_wholly(store: Store) -> None:
    store.write("a", b"a longer text")
    store.write("a", b"short")
    assert store.read("a") == b"short"
    assert store.stat("a").size == 5
    assert keys(store) == ["a"]


def test_the_time_of_writing_is_told_in_utc(store: Store) -> None:
    store.write("a", b"")
    (listed,) = store.objects()
    for info in (listed, store.stat("a")):
        assert info.updated is not None
        assert info.updated.utcoffset() == dt.timedelta(0)
        assert abs(dt.datetime.now(dt.UTC) - info.updated) < dt.timedelta(minutes=2)


@pytest.mark.parametrize("key", ["missing", "folder", "folder/missing", "missing/file", "a b/#?"])
def test_what_is_not_there_is_not_found(store: Store, tmp_path: Path, key: str) -> None:
    store.write("folder/file", b"")
    for look in (
        store.stat,
        store.read,
        store.checksum,
        lambda key: store.read(key, 0, 0),
        lambda key: store.read(key, 5),
        lambda key: store.fetch(key, tmp_path / "copies" / "copy"),
        lambda key: store.retrieve(key, tmp_path / "copies" / "copy"),
        lambda key: store.delete(key, missing_ok=False),
    ):
        with pytest.raises(NotFoundError) as caught:
            look(key)
        assert caught.value.key == key
        assert key in str(caught.value)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.glob("copies/*")) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        *((None, None), (None, 4), (2, None), (2, 5), (0, 0), (0, 10), (5, 2), (3, 3), (9, 10)),
        *((8, 99), (10, None), (10, 12), (99, None), (99, 100)),
    ],
)
def test_a_range_is_a_slice(store: Store, start: int | None, end: int | None) -> None:
    store.write("a", b"0123456789")
    assert store.read("a", start, end) == b"0123456789"[start:end]
    store.write("empty", b"")
    assert store.read("empty", start, end) == b""


@pytest.mark.parametrize(("start", "end"), [(-1, None), (None, -1)])
def test_a_range_counts_from_the_start(store: Store, start: int | None, end: int | None) -> None:
    store.write("a", b"0123456789")
    with pytest.raises(InputError, match="bytes"):
        store.read("a", start, end)


def test_an_object_is_read_piecewise(store: Store) -> None:
    data = os.urandom(3 * CHUNK + 5)
    store.write("a", data)
    pieces = [store.read("a", start, start + 700_001) for start in range(0, len(data), 700_001)]
    assert b"".join(pieces) == data


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/x", "a//b", "a/", ".", "..", "../x", "a/../../x", "a/./b"),
        *("a\\..\\x", "a\0b", "a\nb", "\ud800", ".cedar", ".cedar/id", ".CEDAR/x"),
    ],
)
def test_a_key_that_could_lead_astray_is_refused(store: Store, tmp_path: Path, key: str) -> None:
    path = file_of(tmp_path, b"data")
    for use in (
        store.stat,
        store.read,
        store.delete,
        store.scratch,
        store.checksum,
        lambda key: store.write(key, b""),
        lambda key: store.put(path, key),
        lambda key: store.fetch(key, tmp_path / "copy"),
        lambda key: store.claim(key).__enter__(),
        lambda key: store.delete_many({key: ANY}),
    ):
        with pytest.raises(InputError, match="key"):
            use(key)
    assert path.read_bytes() == b"data"
    assert keys(store) == []


# Files moved in


@pytest.mark.parametrize("size", [0, 5, CHUNK + 1])
def test_a_file_is_moved_in(store: Store, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = file_of(tmp_path, data)
    put = store.put(path, "CEDAR_PREARD/a.tif")
    assert store.read("CEDAR_PREARD/a.tif") == data
    assert known(store.stat("CEDAR_PREARD/a.tif")) == known(put)
    assert (put.key, put.size) == ("CEDAR_PREARD/a.tif", size)
    assert list(tmp_path.glob("*.tif")) == []


def test_a_file_replaces_an_object(store: Store, tmp_path: Path) -> None:
    old = store.write("a.tif", b"a longer image")
    new = store.put(file_of(tmp_path, b"image"), "a.tif")
    assert store.read("a.tif") == b"image"
    assert new.version != old.version
    assert keys(store) == ["a.tif"]


def test_only_a_regular_file_is_moved_in(store: Store, tmp_path: Path) -> None:
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(file_of(tmp_path, b"image"))
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "missing", link, dangling):
        with pytest.raises(InputError, match="regular file"):
            store.put(path, "a.tif")
    assert keys(store) == []


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("expected", ["nothing", "another", "gone"])
def test_a_file_that_lost_stays_where_it_was(
    store: Store, tmp_path: Path, size: int, expected: str
) -> None:
    old = store.write("a", b"old").version
    store.write("a", b"other")
    if expected == "gone":
        store.delete("a")
    path = file_of(tmp_path, b"\0" * size)
    with pytest.raises(Conflict, match="expected") as caught:
        store.put(path, "a", if_version=ABSENT if expected == "nothing" else old)
    assert caught.value.key == "a"
    assert path.stat().st_size == size
    assert keys(store) == ([] if expected == "gone" else ["a"])
    assert expected == "gone" or store.read("a") == b"other"


def test_a_large_file_comes_and_goes(store: Store, tmp_path: Path) -> None:
    comes_and_goes(store, tmp_path, LARGE)


@pytest.mark.stress
def test_a_huge_file_comes_and_goes(store: Store, tmp_path: Path) -> None:
    comes_and_goes(store, tmp_path, HUGE)


def comes_and_goes(store: Store, directory: Path, size: int) -> None:
    """Put a sparse file, conditionally, fetch it back, and put it over itself."""
    path, copy = directory / "large.tif", directory / "copy.tif"
    with path.open("wb") as file:
        file.write(b"first")
        file.seek(size - 4)
        file.write(b"last")
    checksum = file_checksum(path)
    put = store.put(path, "P/large.tif", if_version=ABSENT)
    assert (put.size, path.exists()) == (size, False)
    fetched = store.fetch("P/large.tif", copy, checksum, put.version)
    assert (fetched.size, fetched.checksum, copy.stat().st_size) == (size, checksum, size)
    assert store.read("P/large.tif", size - 4) == b"last"
    again = store.put(copy, "P/large.tif", if_version=put.version)
    assert known(store.stat("P/large.tif")) == known(again)
    assert keys(store) == ["P/large.tif"]


# Versions


@pytest.mark.parametrize("way", ["write", "put"])
def test_a_conditional_write_needs_its_version(store: Store, tmp_path: Path, way: str) -> None:
    def write(data: bytes, if_version: object) -> str:
        if way == "write":
            return store.write("a", data, if_version=if_version).version
        return store.put(file_of(tmp_path, data), "a", if_version=if_version).version

    first = write(b"1", ABSENT)
    with pytest.raises(Conflict, match="expected") as caught:
        write(b"2", ABSENT)
    assert caught.value.key == "a"
    assert "\n" not in str(caught.value)
    second = write(b"2", first)
    with pytest.raises(Conflict, match="expected"):
        write(b"3", first)
    assert store.read("a") == b"2"
    third = write(b"3", ANY)
    assert store.read("a") == b"3"
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("way", ["write", "put"])
def test_what_is_gone_is_at_no_version(store: Store, tmp_path: Path, way: str) -> None:
    version = store.write("a", b"1").version
    store.delete("a")
    path = file_of(tmp_path, b"2")
    ways = {"write": partial(store.write, "a", b"2"), "put": partial(store.put, path, "a")}
    with pytest.raises(Conflict, match="gone"):
        ways[way](if_version=version)
    assert keys(store) == []
    store.write("a", b"3", if_version=ABSENT)
    with pytest.raises(Conflict, match="expected"):
        store.write("a", b"4", if_version=version)
    assert store.read("a") == b"3"


def test_no_two_writes_share_a_version(store: Store, kind: Kind) -> None:
    def data(number: int) -> bytes:
        return b"%d" % number if kind.same_bytes_same_version else b"same"

    versions = [store.write("a", data(number)).version for number in range(20)]
    assert len(set(versions)) == 20


def test_reading_changes_no_version(store: Store, tmp_path: Path) -> None:
    version = store.write("a", b"data").version
    store.read("a")
    store.fetch("a", tmp_path / "copy")
    store.checksum("a")
    assert store.stat("a").version == version
    assert [info.version for info in store.objects()] == [version]
    store.write("a", b"next", if_version=version)


def test_an_objects_version_is_not_anothers(store: Store) -> None:
    other = store.write("b", b"2").version
    store.write("a", b"1")
    with pytest.raises(Conflict, match="expected"):
        store.write("a", b"3", if_version=other)
    assert store.read("a") == b"1"


# Many writers


def test_of_many_who_create_an_object_one_does(connect: Connect) -> None:
    def create(number: int) -> int | None:
        try:
            connect().write("a", b"%d" % number, if_version=ABSENT)
        except Conflict:
            return None
        return number

    winners = [number for number in together(12, create) if number is not None]
    assert [b"%d" % number for number in winners] == [connect().read("a")]


def test_of_many_who_replace_a_version_one_does(connect: Connect) -> None:
    first = connect().write("a", b"first").version

    def replaced(number: int) -> int | None:
        try:
            connect().write("a", b"%d" % number, if_version=first)
        except Conflict:
            return None
        return number

    winners = [number for number in together(12, replaced) if number is not None]
    assert [b"%d" % number for number in winners] == [connect().read("a")]
    assert keys(connect()) == ["a"]


def test_of_many_who_put_a_file_one_does(connect: Connect, tmp_path: Path) -> None:
    def put(number: int) -> int | None:
        path = file_of(tmp_path, b"%d" % number, f"{number}.tif")
        try:
            connect().put(path, "a.tif", if_version=ABSENT)
        except Conflict:
            assert path.read_bytes() == b"%d" % number
            return None
        return number

    winners = [number for number in together(8, put) if number is not None]
    assert [b"%d" % number for number in winners] == [connect().read("a.tif")]


def test_no_increment_is_lost(connect: Connect) -> None:
    connect().write("count", b"0")

    def count(number: int) -> None:
        store, done = connect(), 0
        while done < 5:
            version = store.stat("count").version
            value = int(store.read("count")) + 1
            try:
                store.write("count", b"%d" % value, if_version=version)
            except Conflict:
                continue
            done += 1

    together(4, count)
    assert connect().read("count") == b"20"


def test_of_many_who_overwrite_one_is_last_wholly(connect: Connect) -> None:
    texts = [bytes([97 + number]) * (CHUNK // (number + 1)) for number in range(8)]
    together(8, lambda number: connect().write("a", texts[number]))
    assert connect().read("a") in texts
    assert keys(connect()) == ["a"]


def test_who_reads_while_others_write_reads_one_version(connect: Connect, tmp_path: Path) -> None:
    texts = [bytes([97 + number]) * (100_000 + number) for number in range(10)]
    connect().write("a", texts[0])

    def work(number: int) -> None:
        store = connect()
        for text in texts:
            if number == 0:
                store.write("a", text)
            else:
                assert store.read("a") in texts

    together(4, work)
    assert connect().read("a") == texts[-1]


def test_many_objects_are_written_at_once(connect: Connect) -> None:
    store = connect()
    together(8, lambda number: [store.write(f"{number}/{i}", b"%d" % i) for i in range(5)])
    assert keys(store) == sorted(f"{number}/{i}" for number in range(8) for i in range(5))
    assert store.read("7/4") == b"4"


# Deleting


def test_deleting_twice_is_deleting(store: Store) -> None:
    store.write("a/b", b"1")
    store.write("a/c", b"2")
    store.delete("a/b")
    store.delete("a/b")
    assert keys(store) == ["a/c"]


def test_deleting_touches_no_neighbour(store: Store) -> None:
    others = ["a", "a.tif.aux.xml", "a.tiff", "ab.tif", "b/a.tif"]
    for key in [*others, "a.tif"]:
        store.write(key, b"")
    store.delete("a.tif")
    store.delete("b")
    assert keys(store) == others


def test_a_conditional_delete_needs_its_version(store: Store) -> None:
    old = store.write("a", b"1").version
    new = store.write("a", b"2").version
    with pytest.raises(Conflict, match="expected") as caught:
        store.delete("a", if_version=old)
    assert caught.value.key == "a"
    assert store.read("a") == b"2"
    store.delete("a", if_version=new)
    store.delete("a", if_version=new)
    assert keys(store) == []
    with pytest.raises(NotFoundError):
        store.delete("a", missing_ok=False, if_version=new)


def test_many_are_deleted_each_at_its_version(store: Store) -> None:
    versions = {f"P/{n}": store.write(f"P/{n}", b"%d" % n).version for n in range(6)}
    store.write("P/other", b"")
    changed = store.write("P/1", b"changed").version
    store.delete("P/2")
    failed = store.delete_many({**versions, "P/gone": ANY, "P/5": ANY})
    assert {key: type(error) for key, error in failed.items()} == {
        "P/1": Conflict,
        "P/2": NotFoundError,
        "P/gone": NotFoundError,
    }
    assert {key: error.key for key, error in failed.items()} == {key: key for key in failed}
    assert keys(store) == ["P/1", "P/other"]
    assert store.delete_many({"P/1": changed}) == {}
    assert keys(store) == ["P/other"]


def test_more_are_deleted_than_one_request_takes(store: Store) -> None:
    versions = dict.fromkeys([f"P/año {n}#?" for n in range(230)], "")
    with ThreadPoolExecutor(8) as pool:
        infos = pool.map(lambda key: store.write(key, b""), versions)
        versions = {info.key: info.version for info in infos}
    store.write("P/other", b"")
    assert store.delete_many(versions) == {}
    assert keys(store) == ["P/other"]


def test_deleting_none_is_nothing(store: Store) -> None:
    store.write("a", b"")
    assert store.delete_many({}) == {}
    assert keys(store) == ["a"]


# Listing


def test_a_listing_takes_a_prefix_by_the_letter(store: Store) -> None:
    for key in ("CEDAR/a", "CEDAR/b/c", "CEDAR.txt", "CEDAR_TRACKING/a", "a", "b"):
        store.write(key, b"")
    assert keys(store) == sorted(
        ["CEDAR.txt", "CEDAR/a", "CEDAR/b/c", "CEDAR_TRACKING/a", "a", "b"]
    )
    assert keys(store, "CEDAR/") == ["CEDAR/a", "CEDAR/b/c"]
    assert keys(store, "CEDAR/b") == ["CEDAR/b/c"]
    assert keys(store, "CEDAR/b/") == ["CEDAR/b/c"]
    assert keys(store, "CEDAR_") == ["CEDAR_TRACKING/a"]
    assert keys(store, "CEDAR/a/") == keys(store, "D") == keys(store, "missing/x") == []


def test_several_prefixes_are_listed_together(store: Store) -> None:
    for key in ("P_A/a.json", "P_A/b.tif", "P_B/a.json", "P_C/c.json", "Q/a.json"):
        store.write(key, b"data")
    for prefixes in (["P_B/", "P_A/b"], ["P_A/", "Q/"], ["P_B/", "P_D/"], ["P_C/"], []):
        listed = [[info.key for info in found] for found in store.under(prefixes)]
        assert listed == [keys(store, prefix) for prefix in prefixes]


@pytest.mark.parametrize("prefix", ["año 2020/#?%", 'it\'s "so"/x', "a*b/[c]", "a%2Fb", "日本/東"])
def test_a_prefix_may_have_any_letters(store: Store, prefix: str) -> None:
    store.write(f"{prefix}1", b"")
    store.write(f"{prefix}2/x", b"")
    store.write(prefix[:-1] + "other", b"")
    assert keys(store, prefix) == sorted([f"{prefix}1", f"{prefix}2/x"])


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert keys(store) == store.list() == store.list("CEDAR_TRACKING") == []
    assert store.images(["a"], "CEDAR_PREARD") == {"a": []}


def test_a_listing_knows_what_a_look_knows(store: Store, tmp_path: Path) -> None:
    store.write("P/a", b"1")
    store.put(file_of(tmp_path, b"22"), "P/b")
    store.write("P/a", b"333")
    assert {info.key: known(info) for info in store.objects("P/")} == {
        key: known(store.stat(key)) for key in ("P/a", "P/b")
    }


def test_what_is_deleted_is_listed_no_more(store: Store) -> None:
    for number in range(4):
        store.write(f"P/{number}", b"")
    listing: Iterator[ObjectInfo] = store.objects("P/")
    first = next(listing).key
    store.delete(first)
    assert {info.key for info in listing} <= {f"P/{number}" for number in range(4)} - {first}
    assert keys(store) == sorted({f"P/{number}" for number in range(4)} - {first})


def test_a_listing_of_many_objects_has_each_once(
    store: Store, kind: Kind, fill: Callable[[Store, list[str]], None]
) -> None:
    wanted = [f"P/{number % 7}/{number:05d}.tif" for number in range(kind.many)]
    fill(store, wanted)
    assert keys(store, "P/") == sorted(wanted)
    assert keys(store, "P/3/") == sorted(key for key in wanted if key.startswith("P/3/"))


# Local copies


@pytest.mark.parametrize("size", [0, 5, CHUNK + 1])
def test_a_copy_is_the_object(store: Store, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    store.write("a", data)
    path = tmp_path / "new" / "folder" / "copy"
    info = store.fetch("a", path)
    assert path.read_bytes() == data
    assert info.checksum is not None
    assert info.checksum == file_checksum(path, algorithm_of(info.checksum))
    assert (info.key, info.size) == ("a", size)
    assert info.version == store.stat("a").version
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_is_of_the_bytes(store: Store, tmp_path: Path, algorithm: str) -> None:
    data = os.urandom(CHUNK + 1)
    store.write("a", data)
    expected = checksum_of(data, algorithm)
    assert store.checksum("a", algorithm) == expected
    assert store.fetch("a", tmp_path / "copy", expected).checksum == expected
    known = store.stat("a").checksum
    assert known is None or known == checksum_of(data, algorithm_of(known))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_copy_that_is_not_as_expected_is_none(
    store: Store, tmp_path: Path, algorithm: str
) -> None:
    store.write("a", b"damaged")
    path = tmp_path / "copies" / "copy"
    expected = checksum_of(b"whole", algorithm)
    with pytest.raises(StoreError, match="was expected") as caught:
        store.fetch("a", path, checksum=expected)
    assert expected in str(caught.value)
    assert caught.value.key == "a"
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("checksum", ["sha1:00", "00", ""])
def test_a_checksum_of_no_known_kind_is_refused(
    store: Store, tmp_path: Path, checksum: str
) -> None:
    store.write("a", b"data")
    with pytest.raises(StoreError, match="is no checksum"):
        store.fetch("a", tmp_path / "copy", checksum=checksum)
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_of_the_version_asked_for(store: Store, tmp_path: Path) -> None:
    old = store.write("a", b"old").version
    new = store.write("a", b"new").version
    path = file_of(tmp_path, b"mine", "copy")
    for version in (old, ABSENT):
        with pytest.raises(Conflict, match="expected") as caught:
            store.fetch("a", path, if_version=version)
        assert caught.value.key == "a"
        assert path.read_bytes() == b"mine"
    assert store.fetch("a", path, if_version=new).version == new
    assert path.read_bytes() == b"new"


def test_a_copy_needs_a_file_to_be(store: Store, tmp_path: Path) -> None:
    store.write("a", b"data")
    (tmp_path / "copies" / "directory" / "inside").mkdir(parents=True)
    file_of(tmp_path / "copies", b"", "file")
    for path in (tmp_path / "copies" / "directory", tmp_path / "copies" / "file" / "copy"):
        with pytest.raises(StoreError, match="can't copy a to"):
            store.fetch("a", path)
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["directory", "file"]


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt, OSError(28, "No space left on device")]
)
def test_an_interrupted_copy_leaves_what_was_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    store.write("a", b"new")
    path = tmp_path / "copies" / "copy"
    path.parent.mkdir()
    path.write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        raise interruption

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises((KeyboardInterrupt, StoreError), match=r"^$|No space left"):
        store.fetch("a", path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_many_copies_are_made_at_once(store: Store, tmp_path: Path) -> None:
    texts = [os.urandom(50_000 + number) for number in range(8)]
    for number, text in enumerate(texts):
        store.write(f"P/{number}", text)
    together(8, lambda number: store.fetch(f"P/{number}", tmp_path / "copies" / f"{number}"))
    assert [(tmp_path / "copies" / f"{number}").read_bytes() for number in range(8)] == texts
    assert len(list((tmp_path / "copies").iterdir())) == 8
