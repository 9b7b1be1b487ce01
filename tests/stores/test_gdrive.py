"""A folder of Drive as a store, beyond what every store is."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from drives import ETAGS, FOLDER, Account, asked, drive, store_of
from jsonschema import Draft202012Validator

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.exceptions import ConfigError, Conflict, InputError, NotFoundError, StoreError
from cedar.items import Destination
from cedar.stores import ABSENT, ANY, gdrive
from cedar.stores.gdrive import GDriveStore

Serve = Callable[..., Emulator]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(drive(*faults, **kwds))


def keys(store: GDriveStore, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


def file_of(directory: Path, data: bytes) -> Path:
    path = directory / "finished.tif"
    path.write_bytes(data)
    return path


# The configuration


def test_a_section_of_the_configuration_is_a_store(tmp_path: Path) -> None:
    section = {"folder": "cedar", "credentials": "key.json", "permanent": True}
    Draft202012Validator(gdrive.CONFIG_SCHEMA).validate(section)
    store = gdrive.from_config(section, tmp_path)
    assert (store.folder, store.permanent) == ("cedar", True)
    assert store.credentials == tmp_path / "key.json"
    assert not store.emulated
    least = gdrive.from_config({"folder": "id:1a_b-C"}, tmp_path)
    assert (least.credentials, least.permanent) == (None, False)


@pytest.mark.parametrize("section", [{}, {"folder": ""}, {"folder": "a", "bucket": "b"}])
def test_a_section_that_is_wrong_is_refused(section: dict[str, Any]) -> None:
    assert not Draft202012Validator(gdrive.CONFIG_SCHEMA).is_valid(section)


@pytest.mark.parametrize("folder", ["work/cedar", " ", "a\nb", "id:", "id:../x", "id:a b"])
def test_what_can_be_no_folder_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match=r"^gdrive\.folder .*title.*`id:`"):
        GDriveStore(folder)


@pytest.mark.parametrize("url", ["https://drive.example.com", "http://www.googleapis.com"])
def test_a_host_that_is_neither_googles_nor_ours_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="neither Google's"):
        GDriveStore("cedar", url=url)


def test_nothing_is_asked_before_it_is_needed(serve: Serve) -> None:
    emulator = serve()
    store = store_of(emulator)
    assert repr(store) == "GDriveStore('cedar')"
    assert store.destination("P") == Destination("gdrive", "P", "")
    assert asked(emulator) == []
    assert store.emulated


def test_earth_engine_knows_no_folder_in_a_folder(serve: Serve) -> None:
    with pytest.raises(InputError, match="prefix_template without '/'"):
        store_of(serve()).destination("a/b")


# Cedar's folder


def test_the_folder_is_made_by_the_first_write_and_by_nothing_before(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    assert keys(store) == keys(store, "P/") == store.base() == []
    with pytest.raises(NotFoundError, match="a is not in the folder 'cedar' of Drive"):
        store.stat("a")
    store.delete("a")
    assert me.files() == []
    store.write("P/Q/a", b"")
    assert [item["title"] for item in me.files()] == ["cedar", "P", "Q", "a"]


def test_a_folder_is_itself_wherever_it_is_moved(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    identity = store.identity()
    assert identity == {"kind": "gdrive", "identity": f"emulator:{store.base()[0].id}"}
    assert store_of(emulator).identity() == identity
    assert store_of(emulator, "another").identity() != identity
    given = store_of(emulator, f"id:{store.base()[0].id}")
    me.change(store.base()[0].id, title="moved")
    assert given.identity() == store.identity() == identity
    store.write("P/a", b"1")
    assert given.read("P/a") == b"1"


def test_of_several_folders_of_its_title_the_oldest_at_the_top_is_cedars(serve: Serve) -> None:
    emulator = serve(clock="stepped")
    me = Account(emulator)
    me.folder("cedar", me.folder("deeper"))
    me.trash(me.folder("cedar"))
    me.folder("Cedar")
    emulator.clock.advance(1)
    oldest = me.folder("cedar")
    emulator.clock.advance(1)
    newest = me.folder("cedar")
    store = store_of(emulator)
    assert store.identity()["identity"] == f"emulator:{oldest}"
    assert [folder.id for folder in store.base()] == [oldest, newest]


@pytest.mark.parametrize("what", ["nothing", "a file", "in the trash"])
def test_an_id_has_to_be_that_of_a_folder(serve: Serve, what: str) -> None:
    emulator = serve()
    me = Account(emulator)
    ids = {"a file": me.file("a", b"", "root"), "in the trash": me.folder("cedar")}
    me.trash(ids["in the trash"])
    store = store_of(emulator, f"id:{ids.get(what, 'x' * 30)}")
    for ask in (store.identity, store.base, lambda: store.write("a", b""), lambda: keys(store)):
        with pytest.raises(ConfigError, match=r"^gdrive\.folder: no folder of Drive has the id"):
            ask()


@pytest.mark.parametrize("gone", ["deleted", "in the trash"])
@pytest.mark.parametrize("prefix", ["", "P/"])
def test_a_folder_that_vanishes_is_made_again(serve: Serve, gone: str, prefix: str) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a", b"1")
    store.write("b", b"1")
    (folder,) = (item for item in me.files() if item["title"] == ("P" if prefix else "cedar"))
    if gone == "deleted":
        me.ask("DELETE", f"/drive/v2/files/{folder['id']}")
    else:
        me.trash(folder["id"])
    with pytest.raises(NotFoundError):
        store.stat(f"{prefix}a")
    assert keys(store, prefix) == []
    store.write(f"{prefix}a", b"2")
    assert store.read(f"{prefix}a") == b"2"
    assert keys(store, prefix) == [f"{prefix}a"]
    # Nothing but what went with the folder: what we wrote into it by mistake isn't left there.
    assert me.titles(trashed=True).count("a") == (gone == "in the trash")


def test_a_write_into_a_folder_that_is_in_the_trash_is_none(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    version = store.write("P/a", b"1").version
    version = store.write("P/a", b"2", version).version
    me.trash(store.folders("P")[0])
    with pytest.raises(Conflict, match="gone"):
        store.write("P/a", b"3", version)
    with pytest.raises(NotFoundError):
        store.read("P/a")


def test_scratch_is_nobody_elses(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    emulator = serve()
    directory = store_of(emulator).scratch("orders/a")
    assert store_of(emulator).scratch("orders/a") == directory
    assert store_of(emulator, "another").scratch("orders/a") != directory
    assert stat.S_IMODE((tmp_path / "cedar").stat().st_mode) == 0o700
    assert tmp_path / "cedar" in directory.parents


def test_the_quota_is_told(serve: Serve) -> None:
    emulator = serve(settings=Settings(drive_quota=1000))
    store = store_of(emulator)
    store.write("a", b"12345")
    assert store.quota() == (5, 1000)


# Files


@pytest.mark.parametrize("etag", ETAGS)
def test_how_many_requests_it_takes(serve: Serve, tmp_path: Path, etag: bool) -> None:
    emulator = serve(etag=etag)
    store = store_of(emulator)
    store.write("P/first", b"")
    version = store.write("P/a.json", b"0", ABSENT).version
    version = store.write("P/a.json", b"1", version).version
    asked(emulator)
    new_version = ["files.upload"] if etag else ["files.upload", "files.get", "files.trash"]
    info = store.write("P/a.json", b"2", version)
    assert asked(emulator) == new_version
    store.write("P/a.json", b"3")
    assert asked(emulator) == ["files.list", *new_version]
    for look, methods in (
        (lambda: store.stat("P/a.json"), ["files.list"]),
        (lambda: store.read("P/a.json"), ["files.list", "files.download"]),
        (lambda: store.load("P/a.json"), ["files.list", "files.download"]),
        (lambda: store.checksum("P/a.json", "md5"), ["files.list"]),
        (lambda: store.write("P/b.json", b""), ["files.list", "files.upload"]),
        (lambda: store.write("P/c", b"", ABSENT), ["files.list", "files.upload", "files.list"]),
        (lambda: keys(store, "P/"), ["files.list", "files.list"]),
        (lambda: store.delete("P/a.json"), ["files.list", "files.trash"]),
    ):
        look()
        assert asked(emulator) == methods
    assert info.ref is not None


@pytest.mark.parametrize("etag", ETAGS)
def test_a_document_stays_one_file_where_conditions_are_heeded(serve: Serve, etag: bool) -> None:
    emulator = serve(etag=etag)
    store = store_of(emulator)
    first = store.write("a.json", b"1")
    last = store.write("a.json", b"3", store.write("a.json", b"2", first.version).version)
    assert (last.ref == first.ref) == etag
    assert Account(emulator).titles() == ["a.json"]
    assert Account(emulator).titles(trashed=True) == ([] if etag else ["a.json", "a.json"])
    assert Account(emulator).look(str(last.ref))["mimeType"] == "application/json"


@pytest.mark.parametrize("permanent", [True, False])
def test_what_is_deleted_or_replaced_goes_to_the_trash(
    serve: Serve, tmp_path: Path, permanent: bool
) -> None:
    emulator = serve()
    store, me = store_of(emulator, permanent=permanent), Account(emulator)
    version = store.write("a.tif", b"1").version
    new = store.put(file_of(tmp_path, b"2"), "a.tif", version)
    store.write("b", b"")
    store.delete("b")
    assert me.titles(trashed=True) == ([] if permanent else ["a.tif", "b"])
    assert store.delete_many({"a.tif": new.version}) == {}
    assert me.titles(trashed=True) == ([] if permanent else ["a.tif", "a.tif", "b"])
    assert me.titles() == []


def test_a_lease_leaves_nothing_behind(serve: Serve) -> None:
    emulator = serve()
    with store_of(emulator).claim("P/a.tif") as ours:
        assert ours
        assert Account(emulator).titles() == ["a.tif.lease"]
    assert Account(emulator).titles() == Account(emulator).titles(trashed=True) == []


@pytest.mark.parametrize("size", [2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18])
def test_what_is_large_goes_and_comes_in_parts(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    for module in ("gdrive_connection", "gdrive_reading"):
        monkeypatch.setattr(f"cedar.stores.{module}.PART", 2**18)
    emulator = serve()
    store, data = store_of(emulator), os.urandom(size)
    store.write("first", b"")
    asked(emulator)
    put = store.put(file_of(tmp_path, data), "a.tif")
    n_parts = -(-size // 2**18)
    assert asked(emulator).count("files.upload") == (1 if n_parts == 1 else 1 + n_parts)
    store.fetch("a.tif", tmp_path / "copy", if_version=put.version)
    assert (tmp_path / "copy").read_bytes() == data
    assert asked(emulator).count("files.download") == n_parts
    assert store.read("a.tif", size - 3) == data[-3:]


def test_a_checksum_that_drive_lacks_is_computed(serve: Serve) -> None:
    store = store_of(serve())
    store.write("a", b"data")
    assert store.checksum("a", "md5") == "md5:8d777f385d3dfec8815d20f7496026dc"
    assert store.checksum("a", "crc32c") == "crc32c:rth90Q=="


def test_a_record_that_is_too_large_is_not_read(serve: Serve) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("P/a.json", b"123456")
    asked(emulator)
    with pytest.raises(StoreError, match="6 bytes, more than the 5 of any document"):
        store.load("P/a.json", most=5)
    assert "files.download" not in asked(emulator)


# Names that aren't unique


def of_one_name(emulator: Emulator, store: GDriveStore, n: int = 3) -> list[str]:
    """Files of one name, as exports make them, in cedar's folder; their ids."""
    store.write("P/first", b"")
    (folder,) = store.folders("P")
    return [Account(emulator).file("a.tif", b"%d" % i, folder) for i in range(n)]


def test_of_images_called_alike_all_are_listed_and_one_is_chosen(
    serve: Serve, tmp_path: Path
) -> None:
    emulator = serve()
    store = store_of(emulator)
    ids = of_one_name(emulator, store)
    infos = {info.ref: info for info in store.objects("P/a")}
    assert infos.keys() == set(ids)
    assert store.stat("P/a.tif").ref == ids[0]
    for i, file_id in enumerate(ids):
        version = infos[file_id].version
        assert store.fetch("P/a.tif", tmp_path / "copy", if_version=version).ref == file_id
        assert (tmp_path / "copy").read_bytes() == b"%d" % i
    with pytest.raises(StoreError, match=r"3 files of Drive are called P/a\.tif"):
        store.delete("P/a.tif")
    store.delete("P/a.tif", if_version=infos[ids[1]].version)
    assert [info.ref for info in store.objects("P/a")] == [ids[0], ids[2]]
    put = store.put(file_of(tmp_path, b"new"), "P/a.tif", infos[ids[2]].version)
    assert {info.ref for info in store.objects("P/a")} == {ids[0], put.ref}
    assert store.read("P/a.tif") == b"new"


def test_of_documents_called_alike_the_one_that_cedar_made_counts(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a.json", b"ours")
    (folder,) = store.folders("P")
    me.file("a.json", b"copy", folder)
    assert store.read("P/a.json") == b"ours"
    assert store.list("P") == ["a"]
    with pytest.raises(StoreError, match=r"2 files of Drive are called P/a\.json"):
        store.delete("P/a.json")
    store.delete("P/a.json", if_version=store.stat("P/a.json").version)
    assert store.read("P/a.json") == b"copy"
    store.write("P/a.json", b"ours again")
    assert store.read("P/a.json") == b"ours again"
    assert store.list("P") == ["a"]


def test_titles_that_are_no_keys_are_not_listed(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a", b"")
    (folder,) = store.folders("P")
    for title in ("b/c", "..", "x\\y", ""):
        me.file(title, b"", folder)
    me.file("sheet", b"", folder, "application/vnd.google-apps.spreadsheet")
    me.folder("d/e", folder)
    me.file(".cedar", b"", store.base()[0].id)
    assert keys(store) == keys(store, "P/") == ["P/a"]


def test_case_matters(serve: Serve) -> None:
    store = store_of(serve())
    store.write("P/a", b"1")
    for key in ("P/A", "p/a"):
        with pytest.raises(NotFoundError):
            store.read(key)
        store.write(key, b"2", ABSENT)
    assert store.read("P/a") == b"1"
    assert keys(store) == ["P/A", "P/a", "p/a"]


def test_a_listing_is_lazy(serve: Serve) -> None:
    emulator = serve(settings=Settings(page_size=2))
    store = store_of(emulator)
    for number in range(7):
        store.write(f"P/{number}", b"")
    asked(emulator)
    listing = store.objects("P/")
    assert asked(emulator) == []
    assert next(listing).key == "P/0"
    assert asked(emulator) == ["files.list"]
    assert [info.key for info in listing] == [f"P/{number}" for number in range(1, 7)]
    assert asked(emulator) == ["files.list"] * 4


def test_what_is_there_is_not_deleted_as_absent(serve: Serve) -> None:
    store = store_of(serve())
    store.write("a", b"")
    with pytest.raises(Conflict, match="nothing was expected"):
        store.delete("a", if_version=ABSENT)
    store.delete("b", if_version=ABSENT)
    assert keys(store) == ["a"]


def test_of_many_files_only_the_last_are_remembered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cedar.stores.gdrive_objects._REMEMBERED", 1)
    emulator = serve()
    store = store_of(emulator)
    versions = [store.write(key, b"", ABSENT).version for key in ("a", "b")]
    versions = [
        store.write(key, b"1", old).version for key, old in zip("ab", versions, strict=True)
    ]
    asked(emulator)
    store.write("b", b"2", versions[1])
    assert asked(emulator) == ["files.upload"]
    store.write("a", b"2", versions[0])
    assert asked(emulator) == ["files.list", "files.upload"]


# Versions that name files


@pytest.mark.parametrize("etag", ETAGS)
def test_a_version_reaches_no_file_that_is_not_the_keys(
    serve: Serve, tmp_path: Path, etag: bool
) -> None:
    emulator = serve(etag=etag)
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a.tif", b"1")
    (folder,) = store.folders("P")
    private = me.file("a.tif", b"private", me.folder("letters"))
    other = me.file("b.tif", b"other", folder)
    for file_id in (private, other):
        version = f"{file_id}/{me.look(file_id)['headRevisionId']}"
        for use in (
            lambda version: store.write("P/a.tif", b"2", version),
            lambda version: store.put(file_of(tmp_path, b"2"), "P/a.tif", version),
            lambda version: store.delete("P/a.tif", if_version=version),
            lambda version: store.fetch("P/a.tif", tmp_path / "copy", if_version=version),
        ):
            with pytest.raises(Conflict, match="expected"):
                use(version)
        assert list(store.delete_many({"P/a.tif": version})) == ["P/a.tif"]
        assert me.look(file_id)["labels"]["trashed"] is False
    assert store.read("P/a.tif") == b"1"


@pytest.mark.parametrize("version", ["", "/", "1-1", "../about/x", "a b/c", "x?alt=media/1"])
def test_a_version_that_names_no_file_is_none(serve: Serve, version: str) -> None:
    store = store_of(serve())
    store.write("a", b"1")
    with pytest.raises(Conflict, match="expected"):
        store.write("a", b"2", version)
    assert isinstance(store.delete_many({"a": version})["a"], Conflict)
    assert store.read("a") == b"1"


def test_many_are_deleted_with_few_requests(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    elsewhere = me.folder("P")
    store.write("P/first", b"")
    me.file("x.tif", b"", elsewhere)
    versions = {store.write(f"P/{n}.tif", b"").key: "" for n in range(120)}
    versions = {info.key: info.version for info in store.objects("P/") if info.key != "P/first"}
    asked(emulator)
    assert len(versions) == 121
    assert store.delete_many(versions) == {}
    assert asked(emulator) == ["batch", "batch", "files.list", "batch", "batch"]
    assert keys(store) == ["P/first"]
    assert len(me.titles(trashed=True)) == 121


def test_of_many_that_are_gone_that_is_found_out_with_few_requests(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    versions = {f"P/{n}.tif": store.write(f"P/{n}.tif", b"").version for n in range(30)}
    versions["top.tif"] = store.write("top.tif", b"").version
    assert store.delete_many(versions) == {}
    for version in list(versions.values())[:10]:
        me.ask("DELETE", f"/drive/v2/files/{version.partition('/')[0]}")
    store.write("P/3.tif", b"another's")
    asked(emulator)
    failed = store.delete_many(versions)
    assert len(asked(emulator)) < 12
    assert failed.keys() == versions.keys()
    assert isinstance(failed.pop("P/3.tif"), Conflict)
    assert {type(error) for error in failed.values()} == {NotFoundError}
    assert keys(store) == ["P/3.tif"]


def test_what_is_listed_is_fetched_with_one_request_a_file(serve: Serve, tmp_path: Path) -> None:
    emulator = serve()
    store = store_of(emulator)
    for number in range(5):
        store.write(f"P/{number}.tif", b"%d" % number)
    store = store_of(emulator)
    infos = list(store.objects("P/"))
    asked(emulator)
    for info in infos:
        store.retrieve(info.key, tmp_path / info.key, known=info)
    assert asked(emulator) == ["files.download"] * 5
    assert [(tmp_path / info.key).read_text() for info in infos] == list("01234")


def test_what_was_listed_is_not_believed_for_ever(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/a.tif", b"1")
    (info,) = store.objects("P/")
    me.trash(str(info.ref))
    assert store.fetch("P/a.tif", tmp_path / "a", info.checksum, info.version).size == 1
    monkeypatch.setattr("cedar.stores.gdrive_objects._BELIEVED", 0.0)
    with pytest.raises(NotFoundError):
        store.fetch("P/a.tif", tmp_path / "b", info.checksum, info.version)
    assert not (tmp_path / "b").exists()


def test_documents_that_users_put_there_are_documents(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator, "id:root"), Account(emulator)
    me.file("TRACKING_2019.json", json.dumps({"a": 1}).encode(), me.folder("CEDAR_TRACKING"))
    assert store.list("CEDAR_TRACKING") == ["TRACKING_2019"]
    assert store.read_metadata("TRACKING_2019", "CEDAR_TRACKING") == {"a": 1}
    assert me.files()[0]["mimeType"] == FOLDER
    assert store.delete_many({"CEDAR_TRACKING/TRACKING_2019.json": ANY}) == {}
    assert store.list("CEDAR_TRACKING") == []
