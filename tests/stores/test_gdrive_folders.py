"""Folders of Drive: where exports may go, and what of others' a store sees."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drives import ME, OTHER, Account, asked, between, drive, store_of

from cedar.emulator import Emulator
from cedar.exceptions import ConfigError, NotFoundError, StoreError
from cedar.stores import ABSENT
from cedar.stores.gdrive import GDriveStore

Serve = Callable[..., Emulator]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(drive(*faults, **kwds))


def keys(store: GDriveStore, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


def test_images_are_found_in_every_folder_of_the_prefixs_name(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a.json", b"")
    store.write("P/a.tif", b"0")
    folders = [me.folder("P"), me.folder("P", me.folder("deeper"))]
    for number, folder in enumerate(folders, 1):
        me.file(f"b{number}.tif", b"%d" % number, folder)
    gone = me.folder("P")
    me.file("c.tif", b"", gone)
    me.trash(gone)
    me.file("d.tif", b"", me.folder("p"))
    with caplog.at_level(logging.INFO, "cedar.stores"):
        assert keys(store, "P/") == ["P/a.json", "P/a.tif", "P/b1.tif", "P/b2.tif"]
        assert keys(store, "P/b") == ["P/b1.tif", "P/b2.tif"]
    assert store.read("P/b2.tif") == b"2"
    assert store.folders("P")[1:] == folders
    (line,) = {r.getMessage() for r in caplog.records if "more folders" in r.getMessage()}
    assert line == f"2 more folders of Drive are called P: {', '.join(folders)}"
    info = store.stat("P/b1.tif")
    store.fetch("P/b1.tif", tmp_path / "copy", info.checksum, info.version)
    store.delete("P/b1.tif", if_version=info.version)
    assert store.delete_many({"P/b2.tif": store.stat("P/b2.tif").version}) == {}
    assert keys(store, "P/") == ["P/a.json", "P/a.tif"]
    assert me.titles(trashed=True) == ["b1.tif", "b2.tif", "c.tif"]


def test_images_are_found_though_cedar_has_no_folder_for_them(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    me.file("a.tif", b"1", me.folder("P"))
    assert keys(store, "P/") == ["P/a.tif"]
    assert store.read("P/a.tif") == b"1"
    assert [item["title"] for item in me.files()] == ["P", "a.tif"]


def test_an_image_elsewhere_is_replaced_by_one_in_cedars_own_folder(
    serve: Serve, tmp_path: Path
) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    me.file("a.tif", b"old", me.folder("P"))
    path = tmp_path / "finished.tif"
    path.write_bytes(b"new")
    store.put(path, "P/a.tif", store.stat("P/a.tif").version)
    assert store.read("P/a.tif") == b"new"
    assert keys(store, "P/") == ["P/a.tif"]
    assert me.look(str(store.stat("P/a.tif").ref))["parents"][0]["id"] == store.folders("P")[0]
    assert me.titles(trashed=True) == ["a.tif"]


def test_documents_elsewhere_are_another_stores(serve: Serve) -> None:
    emulator = serve()
    mine, other = store_of(emulator, "mine"), store_of(emulator, "other")
    other.write("CEDAR_TRACKING/a.json", b"{}")
    other.write("CEDAR_TRACKING/b.json", b"{}")
    assert mine.list("CEDAR_TRACKING") == []
    with pytest.raises(NotFoundError):
        mine.read("CEDAR_TRACKING/a.json")
    mine.write("CEDAR_TRACKING/a.json", b"mine", ABSENT)
    mine.delete("CEDAR_TRACKING/b.json")
    assert mine.list("CEDAR_TRACKING") == ["a"]
    assert other.read("CEDAR_TRACKING/a.json") == b"{}"
    assert other.list("CEDAR_TRACKING") == ["a", "b"]


def test_a_folder_in_a_folder_of_cedars_is_no_other_of_a_prefix(serve: Serve) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("a/b/x.tif", b"1")
    store.write("b/y.tif", b"2")
    assert keys(store) == ["a/b/x.tif", "b/y.tif"]
    assert keys(store, "b/") == ["b/y.tif"]
    with pytest.raises(NotFoundError):
        store.stat("b/x.tif")
    assert len(store.folders("b")) == 1


@pytest.mark.parametrize(("role", "found"), [("writer", ["P/a.tif"]), ("reader", [])])
def test_of_folders_that_others_share_only_those_we_may_write_to_are_looked_into(
    serve: Serve, role: str, found: list[str]
) -> None:
    emulator = serve()
    other = Account(emulator, OTHER)
    folder = other.folder("P")
    other.file("a.tif", b"1", folder)
    assert keys(store_of(emulator), "P/") == []
    other.share(folder, ME, role)
    assert keys(store_of(emulator), "P/") == found


def test_a_folder_that_is_shared_for_reading_is_read(serve: Serve, tmp_path: Path) -> None:
    emulator = serve()
    other = Account(emulator, OTHER)
    folder = other.folder("their cedar")
    other.file("a.json", b"{}", other.folder("P", folder))
    store = store_of(emulator, f"id:{folder}")
    with pytest.raises(ConfigError, match="or it isn't shared with the account"):
        store.list("P")
    other.share(folder, ME, "reader")
    assert store.list("P") == ["a"]
    assert store.read_metadata("a", "P") == {}
    assert store.identity()["identity"] == f"emulator:{folder}"
    for write in (
        lambda: store.write("P/a.json", b"[]"),
        lambda: store.write("P/b.json", b"[]", ABSENT),
        lambda: store.delete("P/a.json"),
    ):
        with pytest.raises(StoreError, match=r"its owner has to do it, or to let the account"):
            write()
    assert store.read("P/a.json") == b"{}"


def test_two_accounts_write_to_one_folder(serve: Serve) -> None:
    emulator = serve()
    mine, other = store_of(emulator), Account(emulator, OTHER)
    version = mine.write("P/a.json", b"1").version
    folder = mine.base()[0].id
    Account(emulator).share(folder, OTHER, "writer")
    (theirs,) = other.ask("GET", "/drive/v2/files?q=title='a.json'")["items"]
    other.ask("PUT", f"/upload/drive/v2/files/{theirs['id']}?uploadType=media", b"2", "text/plain")
    made = other.file("b.json", b"3", mine.folders("P")[0])
    with pytest.raises(StoreError, match="expected"):
        mine.write("P/a.json", b"4", version)
    assert mine.read("P/a.json") == b"2"
    mine.write("P/b.json", b"4", mine.stat("P/b.json").version)
    assert mine.read("P/b.json") == b"4"
    # Nobody puts another's file into the trash.
    with pytest.raises(StoreError, match=r"can't delete P/b\.json in Drive: .*its owner has to"):
        mine.delete("P/b.json")
    assert other.look(made)["labels"]["trashed"] is False


def test_where_another_owns_the_file_before_it_stays_behind_the_new_one(serve: Serve) -> None:
    emulator = serve(etag=False)
    mine, other = store_of(emulator), Account(emulator, OTHER)
    mine.write("P/first", b"")
    Account(emulator).share(mine.base()[0].id, OTHER, "writer")
    other.file("a.json", b"theirs", mine.folders("P")[0])
    info = mine.write("P/a.json", b"mine", mine.stat("P/a.json").version)
    assert mine.read("P/a.json") == b"mine"
    assert mine.list("P") == ["a"]
    info = mine.write("P/a.json", b"mine again", info.version)
    assert (mine.read("P/a.json"), mine.stat("P/a.json").version) == (b"mine again", info.version)


def test_many_folders_of_one_name_take_few_requests(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a.json", b"")
    for number in range(45):
        me.file(f"{number}.tif", b"", me.folder("P"))
    asked(emulator)
    assert len(keys(store, "P/")) == 46
    # Cedar's own, the search for others, and twenty of those at a time.
    assert asked(emulator) == ["files.list"] * (1 + 1 + 3)
    store.stat("P/44.tif")
    assert asked(emulator) == ["files.list"] * (1 + 1 + 3)


def test_a_folder_that_vanishes_in_a_listing_is_said(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a", b"")
    store.write("Q/a", b"")
    folder = store.folders("Q")[0]

    def vanish() -> None:
        me.ask("DELETE", f"/drive/v2/files/{folder}")

    with between(vanish, "GET", folder), pytest.raises(StoreError, match="try again"):
        keys(store)
    assert keys(store) == ["P/a"]


def test_a_listing_of_which_nothing_is_known_yet_begins_again(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a", b"")
    me.ask("DELETE", f"/drive/v2/files/{store.folders('P')[0]}")
    assert keys(store, "P/") == []
    store.write("P/b", b"")
    assert keys(store, "P/") == ["P/b"]


def test_folders_that_vanish_again_and_again_are_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("P/a", b"")

    def vanished(*args: object, **kwds: object) -> Iterator[object]:
        raise NotFoundError("File not found: .")
        yield

    with monkeypatch.context() as patch:
        patch.setattr("cedar.stores.gdrive_files.Files.within", vanished)
        for look in (lambda: store.stat("P/a"), lambda: keys(store), lambda: keys(store, "P/")):
            with pytest.raises(StoreError, match=r"vanish|try again"):
                look()
        patch.setattr("cedar.stores.gdrive_folders.Folders.find", lambda self, key: [])
        patch.setattr("cedar.stores.gdrive_files.Files.insert", vanished)
        with pytest.raises(StoreError, match="can't write P/a"):
            store.write("P/a", b"")
    assert store.read("P/a") == b""
