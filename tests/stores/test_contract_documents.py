"""What a user can rely on of documents, images and claims in every store: one body for all."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from store_kinds import Connect, Kind

from cedar.exceptions import Conflict, DocumentError, NotFoundError, StoreError
from cedar.stores import ABSENT, Store

SHARD = "0000000000-0000002560"


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


# Names


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
@pytest.mark.parametrize("is_known", [True, False])
def test_an_identical_file_is_not_copied_again(
    store: Store, tmp_path: Path, overwrite: bool, is_known: bool
) -> None:
    written = store.write("a", b"data")
    known = replace(written, checksum=store.checksum("a")) if is_known else None
    path = store.retrieve("a", tmp_path / "copy", overwrite, known)
    os.utime(path, (0, 0))
    assert store.retrieve("a", path, overwrite, known).stat().st_mtime == 0


def test_what_is_retrieved_is_what_is_known_of_it(store: Store, tmp_path: Path) -> None:
    old = store.write("a", b"old")
    known = replace(old, checksum=store.checksum("a"))
    store.write("a", b"new")
    with pytest.raises(Conflict):
        store.retrieve("a", tmp_path / "copy", known=known)
    assert not (tmp_path / "copy").exists()
    now = store.stat("a")
    with pytest.raises(StoreError, match="was expected"):
        store.retrieve("a", tmp_path / "copy", known=replace(now, checksum=known.checksum))
    assert not (tmp_path / "copy").exists()


def test_what_is_gone_is_not_retrieved(store: Store, tmp_path: Path) -> None:
    written = store.write("a", b"data")
    store.delete("a")
    for known in (written, None):
        with pytest.raises(NotFoundError):
            store.retrieve("a", tmp_path / "copy", known=known)
    assert not (tmp_path / "copy").exists()


# Documents


def test_a_document_is_read_back(store: Store) -> None:
    document = {"name": "año", "numbers": [1, 2.5, None, True], "nested": {"a": {}}}
    assert store.store_metadata(document, "a", "P") == "P/a.json"
    assert store.read_metadata("a", "P") == document
    assert store.read("P/a.json").endswith(b"}\n")


def test_an_object_is_loaded_with_what_it_is(store: Store) -> None:
    store.write("P/a.json", b"old")
    written = store.write("P/a.json", b"12345")
    data, info = store.load("P/a.json", most=5)
    assert data == b"12345"
    assert (info.key, info.size, info.version) == ("P/a.json", 5, written.version)
    with pytest.raises(NotFoundError):
        store.load("P/b.json")


def test_more_bytes_than_a_document_has_are_not_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("P/a.json", b"123456")
    monkeypatch.setattr(store, "read", lambda *args: pytest.fail("it was read"))
    with pytest.raises(StoreError, match="more than the 5 of any document") as caught:
        store.load("P/a.json", most=5)
    assert caught.value.key == "P/a.json"


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


def test_scratch_is_one_for_all_who_use_the_store(connect: Connect) -> None:
    assert connect().scratch("orders/a") == connect().scratch("orders/a")


def test_what_was_made_in_scratch_is_moved_in(store: Store) -> None:
    path = store.scratch("a") / "finished.tif"
    path.write_bytes(b"image")
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


def test_a_destination_names_kind_and_prefix(store: Store, kind: Kind) -> None:
    destination = store.destination("CEDAR_PREARD")
    assert destination.kind == store.kind
    assert destination.container
    where = destination.container if kind.prefix_is_container else destination.prefix
    assert where == "CEDAR_PREARD"


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


def test_a_claim_guards_nothing_and_leaves_nothing(connect: Connect) -> None:
    mine, other = connect(), connect()
    with mine.claim("P/año #1") as owned:
        assert owned
        version = other.write("P/año #1", b"1", if_version=ABSENT).version
        mine.write("P/año #1", b"2", if_version=version)
    assert keys(mine) == ["P/año #1"]
    assert mine.list("P") == []


def test_claims_of_many_keys_are_had_at_once(connect: Connect) -> None:
    mine, other = connect(), connect()
    names = [f"P/{number}" for number in range(6)]
    with ExitStack() as stack:
        assert all(stack.enter_context(mine.claim(name)) for name in names)
        for name in names:
            with other.claim(name) as owned:
                assert not owned
    assert keys(mine) == []


def test_a_claim_ends_with_its_block_however_that_ends(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.claim("a"):
        raise KeyboardInterrupt
    with store.claim("a") as owned:
        assert owned


def test_of_many_who_claim_at_once_never_two_own(connect: Connect) -> None:
    owners: list[int] = []

    def work(number: int) -> int:
        store, owned_times = connect(), 0
        for _ in range(20):
            with store.claim("a") as owned:
                if owned:
                    owned_times += 1
                    owners.append(number)
                    assert owners == [number]
                    owners.remove(number)
        return owned_times

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) > 0
