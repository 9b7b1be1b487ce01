"""What a user can rely on of every store: one body for all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cedar.exceptions import Conflict, DocumentError, InputError, NotFoundError, StoreError
from cedar.stores import ABSENT, ANY, Store
from cedar.stores.base import CHUNK, file_checksum
from cedar.stores.local import LocalStore

Connect = Callable[[], Store]

#: Of each kind: from a directory of the test's own, what connects to the one store in it.
KINDS: dict[str, Callable[[Path], Connect]] = {
    "local": lambda directory: lambda: LocalStore(directory / "store"),
}
SHARD = "0000000000-0000002560"


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def store(connect: Connect) -> Store:
    return connect()


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


def file_of(directory: Path, data: bytes) -> Path:
    path = directory / "finished.tif"
    path.write_bytes(data)
    return path


# Objects


@pytest.mark.parametrize(
    "key", ["a", "a/b/c.tif", "año/ярд 01.json", "日本/é=&?#%20+.tif", "..a/b.."]
)
@pytest.mark.parametrize("data", [b"", b"\x00\r\n\xff", b"x" * (CHUNK + 1)])
def test_what_is_written_is_read_back(store: Store, key: str, data: bytes) -> None:
    written = store.write(key, data)
    assert store.read(key) == data
    assert (written.key, written.size) == (key, len(data))
    assert store.stat(key) == written
    assert list(store.objects()) == [written]


def test_what_one_writes_another_reads(connect: Connect) -> None:
    written = connect().write("a/b", b"data")
    assert connect().read("a/b") == b"data"
    assert connect().stat("a/b").version == written.version


def test_what_is_not_there_is_not_found(store: Store, tmp_path: Path) -> None:
    store.write("folder/file", b"")
    for key in ("missing", "folder", "folder/missing", "missing/file"):
        for look in (store.stat, store.read, store.checksum):
            with pytest.raises(NotFoundError, match=key) as caught:
                look(key)
            assert caught.value.key == key
        with pytest.raises(NotFoundError, match=key):
            store.fetch(key, tmp_path / "copy")
        with pytest.raises(NotFoundError, match=key):
            store.delete(key, missing_ok=False)


@pytest.mark.parametrize(
    ("start", "end"), [(None, 4), (2, None), (2, 5), (0, 0), (5, 2), (8, 99), (99, None), (99, 100)]
)
def test_a_range_is_a_slice(store: Store, start: int | None, end: int | None) -> None:
    store.write("a", b"0123456789")
    assert store.read("a", start, end) == b"0123456789"[start:end]


@pytest.mark.parametrize(("start", "end"), [(-1, None), (None, -1)])
def test_a_range_counts_from_the_start(store: Store, start: int | None, end: int | None) -> None:
    store.write("a", b"0123456789")
    with pytest.raises(InputError, match="bytes"):
        store.read("a", start, end)


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
        lambda key: store.write(key, b""),
        lambda key: store.put(path, key),
        lambda key: store.fetch(key, tmp_path / "copy"),
        lambda key: store.claim(key).__enter__(),
    ):
        with pytest.raises(InputError, match="key"):
            use(key)
    assert keys(store) == []


def test_a_file_is_moved_in(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"image")
    put = store.put(path, "CEDAR_PREARD/a.tif")
    assert store.read("CEDAR_PREARD/a.tif") == b"image"
    assert store.stat("CEDAR_PREARD/a.tif").version == put.version
    assert not path.exists()


def test_only_a_regular_file_is_moved_in(store: Store, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file_of(tmp_path, b"image"))
    for path in (tmp_path, tmp_path / "missing", link):
        with pytest.raises(InputError, match="regular file"):
            store.put(path, "a.tif")
    assert keys(store) == []


def test_deleting_twice_is_deleting(store: Store) -> None:
    store.write("a/b", b"1")
    store.write("a/c", b"2")
    store.delete("a/b")
    store.delete("a/b")
    assert keys(store) == ["a/c"]


# Versions


@pytest.mark.parametrize("way", ["write", "put"])
def test_a_conditional_write_needs_its_version(store: Store, tmp_path: Path, way: str) -> None:
    def write(data: bytes, if_version: object) -> str:
        if way == "write":
            return store.write("a", data, if_version=if_version).version
        return store.put(file_of(tmp_path, data), "a", if_version=if_version).version

    with pytest.raises(Conflict, match="gone"):
        write(b"0", "1-1")
    first = write(b"1", ABSENT)
    with pytest.raises(Conflict, match="expected") as caught:
        write(b"2", ABSENT)
    assert caught.value.key == "a"
    second = write(b"2", first)
    with pytest.raises(Conflict, match="expected"):
        write(b"3", first)
    assert store.read("a") == b"2"
    third = write(b"3", ANY)
    assert store.read("a") == b"3"
    assert len({first, second, third}) == 3


def test_a_file_that_lost_stays_where_it_was(store: Store, tmp_path: Path) -> None:
    store.write("a", b"other")
    path = file_of(tmp_path, b"mine")
    with pytest.raises(Conflict):
        store.put(path, "a", if_version=ABSENT)
    assert path.read_bytes() == b"mine"
    assert store.read("a") == b"other"


def test_no_two_writes_share_a_version(store: Store) -> None:
    versions = [store.write("a", b"same").version for _ in range(20)]
    assert len(set(versions)) == 20


def test_a_conditional_delete_needs_its_version(store: Store) -> None:
    old = store.write("a", b"1").version
    new = store.write("a", b"2").version
    with pytest.raises(Conflict, match="expected"):
        store.delete("a", if_version=old)
    assert store.read("a") == b"2"
    store.delete("a", if_version=new)
    store.delete("a", if_version=new)
    assert keys(store) == []


def test_of_many_who_create_an_object_one_does(connect: Connect) -> None:
    def create(number: int) -> int | None:
        try:
            connect().write("a", b"%d" % number, if_version=ABSENT)
        except Conflict:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(create, range(24)) if number is not None]
    assert [b"%d" % number for number in winners] == [connect().read("a")]


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


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert keys(store) == store.list() == store.list("CEDAR_TRACKING") == []
    assert store.images(["a"], "CEDAR_PREARD") == {"a": []}


def test_names_are_those_of_documents_directly_under_the_prefix(store: Store) -> None:
    for key in ("P/b.json", "P/a.json", "P/a.tif", "P/sub/c.json", "P_2/d.json", "e.json"):
        store.write(key, b"{}")
    assert store.list("P") == ["a", "b"]
    assert store.list() == ["e"]


@pytest.mark.parametrize("pattern", ["TRACKING_[ab]*", "TRACKING_[ab]*.json"])
def test_names_are_narrowed_by_a_glob(store: Store, pattern: str) -> None:
    for name in ("TRACKING_a", "TRACKING_b2", "TRACKING_c", "tracking_a"):
        store.store_metadata({}, name, "P")
    assert store.list("P", pattern) == ["TRACKING_a", "TRACKING_b2"]


# Local copies


def test_a_copy_is_the_object(store: Store, tmp_path: Path) -> None:
    data = os.urandom(CHUNK + 1)
    store.write("a", data)
    path = tmp_path / "new" / "folder" / "copy"
    info = store.fetch("a", path)
    assert path.read_bytes() == data
    assert info.checksum == store.checksum("a") == file_checksum(path)
    assert info.version == store.stat("a").version
    assert list(path.parent.iterdir()) == [path]


def test_a_copy_that_is_not_as_expected_is_none(store: Store, tmp_path: Path) -> None:
    store.write("a", b"damaged")
    path = tmp_path / "copies" / "copy"
    with pytest.raises(StoreError, match="sha256:00 was expected"):
        store.fetch("a", path, checksum="sha256:00")
    assert list(path.parent.iterdir()) == []


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


def test_a_checksum_is_of_one_version(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a", b"1")
    read = store.read

    def read_then_replaced(*args: object) -> bytes:
        data = read(*args)
        store.write("a", b"2")
        return data

    monkeypatch.setattr(store, "read", read_then_replaced)
    with pytest.raises(Conflict, match="replaced"):
        store.checksum("a")


def test_a_file_that_differs_is_replaced_only_if_that_is_wanted(
    store: Store, tmp_path: Path
) -> None:
    store.write("P/a.tif", b"true!")
    path = tmp_path / "a.tif"
    for differing in (b"shorter or longer", b"false"):
        path.write_bytes(differing)
        with pytest.raises(StoreError, match=r"a\.tif differs"):
            list(store.retrieve_image(tmp_path, "a", "P", overwrite=False))
        assert path.read_bytes() == differing
        assert list(store.retrieve_image(tmp_path, "a", "P", overwrite=True)) == [path]
        assert path.read_bytes() == b"true!"


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("checksum_known", [True, False])
def test_an_identical_file_is_not_copied_again(
    store: Store, tmp_path: Path, overwrite: bool, checksum_known: bool
) -> None:
    store.write("a", b"data")
    checksum = store.checksum("a") if checksum_known else None
    path = store.retrieve("a", tmp_path / "copy", overwrite, checksum)
    os.utime(path, (0, 0))
    assert store.retrieve("a", path, overwrite, checksum).stat().st_mtime == 0


# Documents


def test_a_document_is_read_back(store: Store) -> None:
    document = {"name": "año", "numbers": [1, 2.5, None, True], "nested": {"a": {}}}
    assert store.store_metadata(document, "a", "P") == "P/a.json"
    assert store.read_metadata("a", "P") == document
    assert store.read("P/a.json").endswith(b"}\n")


def test_ancestor_13_ancestor_14_what_is_stored_is_listed_and_what_is_listed_is_read(
    store: Store,
) -> None:
    names = ["TRACKING_PERIOD2020-01-01-2020-12-31_TASK20261121T030735", "other"]
    for name in names:
        store.store_metadata({"name": name}, name, "CEDAR_TRACKING")
    assert store.list("CEDAR_TRACKING") == names
    for name in store.list("CEDAR_TRACKING"):
        assert store.read_metadata(name, "CEDAR_TRACKING") == {"name": name}


def test_ancestor_15_a_name_keeps_all_its_letters(store: Store, tmp_path: Path) -> None:
    name = "TRACKING_x_season"
    store.store_metadata({}, f"{name}.json", "P")
    store.write(f"P/{name}.tif", b"")
    assert store.list("P") == [name]
    for given in (name, f"{name}.json"):
        assert store.read_metadata(given, "P") == {}
        assert store.image_keys(given, "P") == [f"P/{name}.tif"]
        assert list(store.retrieve_metadata(tmp_path, given, "P")) == [tmp_path / f"{name}.json"]
        assert list(store.retrieve_image(tmp_path, given, "P")) == [tmp_path / f"{name}.tif"]
    assert store.remove(f"{name}.json", "P") == name


@pytest.mark.parametrize(
    "data", [b"", b'{"a": ', b"\xff\xfe\xfa", b"[]", b"null", b"[" * 100_000], ids=range(6)
)
def test_a_damaged_document_is_named(store: Store, data: bytes) -> None:
    store.write("P/a.json", data)
    with pytest.raises(DocumentError, match=r"^a\.json in the store is damaged") as caught:
        store.read_metadata("a.json", "P")
    assert caught.value.name == "a"


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_not_json_is_not_written(store: Store, value: object) -> None:
    with pytest.raises(DocumentError, match="a can't be written as JSON"):
        store.store_metadata({"value": value}, "a", "P")
    assert keys(store) == []


def test_ancestor_22_removing_a_document_touches_no_other(store: Store) -> None:
    for key in ("P/a.json", "P/ab.json", "P/a.tif", "P2/a.json"):
        store.write(key, b"{}")
    assert store.remove("a", "P") == "a"
    assert keys(store) == ["P/a.tif", "P/ab.json", "P2/a.json"]
    with pytest.raises(NotFoundError):
        store.remove("a", "P")


# Images


def test_ancestor_21_an_order_is_retrieved_and_removed(store: Store, tmp_path: Path) -> None:
    store.store_metadata({"n": 1}, "a", "P")
    store.write("P/a.tif", b"image")
    (document,) = store.retrieve_metadata(tmp_path, "a", "P")
    (image,) = store.retrieve_image(tmp_path, "a", "P")
    assert json.loads(document.read_text()) == {"n": 1}
    assert image.read_bytes() == b"image"
    assert store.remove("a", "P") == "a"
    store.delete("P/a.tif")
    assert keys(store) == []


def test_ancestor_23_a_prefix_is_never_a_longer_one(store: Store, tmp_path: Path) -> None:
    store.store_metadata({}, "a", "CEDAR_TRACKING")
    store.write("CEDAR_TRACKING/a.tif", b"")
    assert store.list("CEDAR") == store.image_keys("a", "CEDAR") == []
    with pytest.raises(NotFoundError):
        store.read_metadata("a", "CEDAR")
    with pytest.raises(NotFoundError):
        list(store.retrieve_metadata(tmp_path, "a", "CEDAR"))


def test_ancestor_24_a_name_that_shares_a_prefix_is_not_taken(store: Store) -> None:
    mine = ["a.tif", f"a-{SHARD}.tif", f"a{SHARD}.tif"]
    others = ["ab.tif", "a_2.tif", "a-2.tif", f"ab{SHARD}.tif", f"a--{SHARD}.tif", f"a{SHARD}.tiff"]
    others += [
        f"a{SHARD}-{SHARD}.tif",
        f"a0{SHARD[1:]}x.tif",
        "a.json",
        "a.tif.aux.xml",
        "sub/a.tif",
    ]
    others += [f"a٠{SHARD[1:]}.tif"]  # A digit, but not one of ours.
    for file in mine + others:
        store.write(f"P/{file}", b"")
    assert store.image_keys("a", "P") == sorted(f"P/{file}" for file in mine)


def test_a_name_may_end_like_the_start_of_a_shard(store: Store) -> None:
    for name in ("a-", "a2020", "a2020-"):
        store.write(f"{name}{SHARD}.tif", b"")
        store.write(f"{name}.tif", b"")
    assert store.image_keys("a2020") == [f"a2020-{SHARD}.tif", "a2020.tif", f"a2020{SHARD}.tif"]
    assert store.image_keys("a-") == ["a-.tif", f"a-{SHARD}.tif"]
    assert store.image_keys("a") == [f"a-{SHARD}.tif"]


def test_shards_are_retrieved_in_order(store: Store, tmp_path: Path) -> None:
    files = [f"a-{row:010d}-{col:010d}.tif" for row in (0, 256) for col in (0, 256)]
    for file in reversed(files):
        store.write(f"P/{file}", file.encode())
    paths = list(store.retrieve_image(tmp_path, "a", "P"))
    assert paths == [tmp_path / file for file in files]
    assert [path.read_text() for path in paths] == files


def test_ancestor_27_one_listing_finds_the_images_of_all_names(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"item_{number:03d}" for number in range(30)]
    for name in names:
        store.write(f"P/{name}{SHARD}.tif", b"")
    listed = []
    objects = store.objects

    def counted(prefix: str = "") -> object:
        listed.append(prefix)
        return objects(prefix)

    monkeypatch.setattr(store, "objects", counted)
    found = store.images(names, "P")
    assert {name: [info.key for info in infos] for name, infos in found.items()} == {
        name: [f"P/{name}{SHARD}.tif"] for name in names
    }
    store.image_keys("item_001", "P")
    assert listed == ["P/item_0", "P/item_001"]


# What else a store is


def test_scratch_is_a_directory_that_is_never_listed(store: Store) -> None:
    directory = store.scratch("orders/a")
    (directory / "half-done").write_bytes(b"")
    assert store.scratch("orders/a") == directory
    assert (directory / "half-done").exists()
    assert store.scratch("orders/b") != directory
    assert keys(store) == []


def test_what_was_made_in_scratch_is_moved_in(store: Store) -> None:
    path = file_of(store.scratch("a"), b"image")
    store.put(path, "P/a.tif")
    assert store.read("P/a.tif") == b"image"
    assert not path.exists()


def test_identity_is_the_stores_own(connect: Connect) -> None:
    identity = connect().identity()
    assert identity.keys() == {"kind", "identity"}
    assert identity["kind"] == connect().kind
    assert connect().identity() == identity


def test_of_many_who_ask_first_all_get_one_identity(connect: Connect) -> None:
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(lambda _: connect().identity()["identity"], range(16)))
    assert len(set(identities)) == 1


def test_a_destination_names_kind_and_prefix(store: Store) -> None:
    destination = store.destination("CEDAR_PREARD")
    assert (destination.kind, destination.prefix) == (store.kind, "CEDAR_PREARD")


def test_a_claim_is_exclusive_until_its_block_ends(connect: Connect) -> None:
    mine, other = connect(), connect()
    with mine.claim("a") as owned:
        assert owned
        for claimant in (mine, other):
            with claimant.claim("a") as also:
                assert not also
            with claimant.claim("b") as another:
                assert another
    for claimant in (other, mine):
        with claimant.claim("a") as again:
            assert again


def test_a_claim_ends_with_its_block_however_that_ends(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.claim("a"):
        raise KeyboardInterrupt
    with store.claim("a") as owned:
        assert owned


def test_of_many_who_claim_at_once_never_two_own(connect: Connect) -> None:
    owners: list[int] = []

    def work(number: int) -> int:
        store, owned_times = connect(), 0
        for _ in range(100):
            with store.claim("a") as owned:
                if owned:
                    owned_times += 1
                    owners.append(number)
                    assert owners == [number]
                    owners.remove(number)
        return owned_times

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) > 0
