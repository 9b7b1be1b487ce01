"""Several writers to one folder of Drive, which has no unique names, with If-Match and without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from drives import ETAGS, Account, asked, between, drive, store_of
from forked import Forked

from cedar import retry
from cedar.emulator import Emulator
from cedar.exceptions import Conflict, NotFoundError, StoreError
from cedar.stores import ABSENT, ANY
from cedar.stores.gdrive import GDriveStore
from cedar.stores.gdrive_files import Files
from cedar.stores.gdrive_session import Http

Serve = Callable[..., Emulator]
#: Adds 1 to a number so often, as another process does.
PROGRAM = """
import sys
from cedar.exceptions import Conflict
from cedar.stores.gdrive import GDriveStore

store, done = GDriveStore("cedar", url=sys.argv[1]), 0
print("ready", flush=True)
sys.stdin.readline()
while done < int(sys.argv[2]):
    data, info = store.load("P/count.json")
    try:
        store.write("P/count.json", b"%d" % (int(data) + 1), info.version)
    except Conflict:
        continue
    done += 1
"""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are waited for only a moment."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr("cedar.stores.gdrive_files._RIVALS_LEAVE", 0.2)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(drive(*faults, **kwds))


def keys(store: GDriveStore, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.objects(prefix))


def alive(emulator: Emulator) -> list[str]:
    """Titles of files and folders that aren't in the trash."""
    files = Account(emulator).files()
    return sorted(file["title"] for file in files if not file["labels"]["trashed"])


def file_of(directory: Path, data: bytes) -> Path:
    path = directory / f"{data.decode()}.tif"
    path.write_bytes(data)
    return path


def together(n: int, work: Callable[[int], object]) -> list[object]:
    """Do `n` things at once; what they returned."""
    start = threading.Barrier(n)

    def begin(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(begin, range(n)))


# Making what isn't there


@pytest.mark.parametrize("clock", ["real", "stepped"])
@pytest.mark.parametrize("name", ["a.json", "a.tif"])
def test_of_many_who_create_one_does(serve: Serve, tmp_path: Path, clock: str, name: str) -> None:
    emulator = serve(clock=clock)

    def create(number: int) -> list[int]:
        store = store_of(emulator)
        with suppress(Conflict):
            if name == "a.json":
                store.write(f"P/{name}", b"%d" % number, ABSENT)
            else:
                store.put(file_of(tmp_path, b"%d" % number), f"P/{name}", ABSENT)
            return [number]
        return []

    (winner,) = (number for won in together(8, create) for number in won)
    assert store_of(emulator).read(f"P/{name}") == b"%d" % winner
    assert alive(emulator) == sorted(["cedar", "P", name])


def test_many_who_begin_at_once_have_one_folder(serve: Serve) -> None:
    for clock in ("real", "stepped"):
        emulator = serve(clock=clock)
        identities = together(6, lambda _, of=emulator: store_of(of).identity()["identity"])
        assert len(set(identities)) == 1
        store_of(emulator).write("P/a", b"")
        assert alive(emulator) == ["P", "a", "cedar"]


def test_who_sees_another_made_before_withdraws(serve: Serve) -> None:
    emulator = serve()
    mine, other = store_of(emulator), store_of(emulator)
    mine.write("P/first", b"")

    def create() -> None:
        other.write("P/a", b"other", ABSENT)

    with between(create, "POST", "/upload/"), pytest.raises(Conflict, match="nothing was expected"):
        mine.write("P/a", b"mine", ABSENT)
    assert mine.read("P/a") == b"other"
    assert Account(emulator).titles() == ["a", "first"]


def test_the_oldest_waits_for_who_saw_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = serve()
    mine, me = store_of(emulator), Account(emulator)
    mine.write("P/first", b"")
    (folder,) = mine.folders("P")
    rival = []

    def create() -> None:
        rival.append(me.file("a", b"rival", folder))

    monkeypatch.setattr("cedar.stores.gdrive_files._RIVALS_LEAVE", 60.0)
    monkeypatch.setattr(
        "cedar.stores.gdrive_files.time.sleep",
        lambda _: rival and me.ask("DELETE", f"/drive/v2/files/{rival.pop()}"),
    )
    with between(create, "POST", "/upload/", after=True):
        mine.write("P/a", b"mine", ABSENT)
    assert not rival
    assert mine.read("P/a") == b"mine"


def test_the_oldest_withdraws_from_who_did_not_see_it(serve: Serve) -> None:
    emulator = serve()
    mine, me = store_of(emulator), Account(emulator)
    mine.write("P/first", b"")
    (folder,) = mine.folders("P")

    def create() -> None:
        me.file("a", b"rival", folder)

    with between(create, "POST", "/upload/", after=True), pytest.raises(Conflict):
        mine.write("P/a", b"mine", ABSENT)
    assert mine.read("P/a") == b"rival"
    assert me.titles() == ["a", "first"]


def test_a_file_that_somebody_took_up_is_not_withdrawn(serve: Serve) -> None:
    emulator = serve()
    mine, other, me = store_of(emulator), store_of(emulator), Account(emulator)
    mine.write("P/first", b"")
    (folder,) = mine.folders("P")

    def take_up() -> None:
        info = other.stat("P/a")
        other.write("P/a", b"other", info.version)
        me.file("a", b"rival", folder)

    with between(take_up, "POST", "/upload/", after=True), pytest.raises(Conflict):
        mine.write("P/a", b"mine", ABSENT)
    assert other.read("P/a") == b"other"


def test_what_is_not_listed_yet_is_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("P/first", b"")
    within, looks = Files.within, []

    def late(self: Files, *args: object) -> object:
        looks.append(args)
        # The look for what is there before is the first; then it lags for one.
        return iter(()) if len(looks) == 2 else within(self, *args)

    monkeypatch.setattr(Files, "within", late)
    store.write("P/a", b"1", ABSENT)
    assert len(looks) == 3
    monkeypatch.setattr(Files, "within", lambda *args: iter(()))
    monkeypatch.setattr("cedar.stores.gdrive_files._LISTED", 0.0)
    monkeypatch.setattr("cedar.stores.gdrive.TRIES", 3)
    with pytest.raises(Conflict, match="again and again"):
        store.write("P/b", b"1", ABSENT)


def test_two_who_write_blindly_leave_one_object(serve: Serve, tmp_path: Path) -> None:
    emulator = serve()
    mine, other = store_of(emulator), store_of(emulator)
    mine.write("P/first", b"")
    with between(lambda: other.write("P/a", b"other"), "POST", "/upload/"):
        mine.write("P/a", b"mine")
    assert mine.read("P/a") == other.read("P/a") == b"other"
    assert keys(mine, "P/") == ["P/a", "P/first"]
    assert Account(emulator).titles() == ["a", "a", "first"]
    mine.write("P/a", b"mine")
    assert other.read("P/a") == b"mine"
    mine.delete("P/a")
    assert keys(mine, "P/") == ["P/first"]
    assert Account(emulator).titles() == ["first"]
    path = file_of(tmp_path, b"mine")
    with between(lambda: other.write("P/b.tif", b"other"), "POST", "/upload/"):
        mine.put(path, "P/b.tif")
    assert mine.read("P/b.tif") == b"mine"
    assert Account(emulator).titles() == ["b.tif", "first"]


# Replacing a version


@pytest.mark.parametrize("etag", ETAGS)
@pytest.mark.parametrize("way", ["write", "put"])
def test_of_many_who_replace_a_version_one_does(
    serve: Serve, tmp_path: Path, etag: bool, way: str
) -> None:
    emulator = serve(etag=etag)
    version = store_of(emulator).write("P/a.tif", b"first").version

    def replace(number: int) -> list[int]:
        store = store_of(emulator)
        with suppress(Conflict):
            if way == "write":
                store.write("P/a.tif", b"%d" % number, version)
            else:
                store.put(file_of(tmp_path, b"%d" % number), "P/a.tif", version)
            return [number]
        return []

    (winner,) = (number for won in together(8, replace) for number in won)
    assert store_of(emulator).read("P/a.tif") == b"%d" % winner
    assert keys(store_of(emulator)) == ["P/a.tif"]
    assert Account(emulator).titles() == ["a.tif"]


@pytest.mark.parametrize("etag", ETAGS)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_of_many_who_replace_what_cedar_did_not_make_one_does(
    serve: Serve, tmp_path: Path, etag: bool, elsewhere: bool
) -> None:
    emulator = serve(etag=etag)
    me = Account(emulator)
    store_of(emulator).write("P/first", b"")
    folder = me.folder("P") if elsewhere else store_of(emulator).folders("P")[0]
    me.file("a.tif", b"old", folder)
    version = store_of(emulator).stat("P/a.tif").version

    def replace(number: int) -> list[int]:
        with suppress(Conflict):
            path = file_of(tmp_path, b"%d" % number)
            store_of(emulator).put(path, "P/a.tif", version)
            return [number]
        return []

    (winner,) = (number for won in together(6, replace) for number in won)
    assert store_of(emulator).read("P/a.tif") == b"%d" % winner
    assert me.titles() == ["a.tif", "first"]
    assert me.titles(trashed=True) == ["a.tif"]


@pytest.mark.parametrize("etag", ETAGS)
def test_a_document_that_cedar_did_not_make_is_updated(serve: Serve, etag: bool) -> None:
    emulator = serve(etag=etag)
    store, other, me = store_of(emulator), store_of(emulator), Account(emulator)
    store.write("P/first", b"")
    me.file("a.json", b"2019", store.folders("P")[0])
    version = store.stat("P/a.json").version
    info = store.write("P/a.json", b"now", version)
    with pytest.raises(Conflict, match="expected"):
        other.write("P/a.json", b"late", version)
    other.write("P/a.json", b"later", info.version)
    assert store.read("P/a.json") == b"later"
    assert me.titles() == ["a.json", "first"]


def count_up(emulator: Emulator, processes: int, times: int) -> None:
    """Have so many processes add 1 to a number, so often each."""
    store_of(emulator).write("P/count.json", b"0")
    with ExitStack() as stack:
        running = [
            stack.enter_context(Forked(PROGRAM, emulator.urls["gdrive"], str(times)))
            for _ in range(processes)
        ]
        for process in running:
            assert process.stdout.readline() == "ready\n"
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.wait() for process in running] == [0] * processes


@pytest.mark.parametrize("etag", ETAGS)
def test_no_increment_is_lost_between_processes(serve: Serve, etag: bool) -> None:
    emulator = serve(etag=etag)
    count_up(emulator, 3, 8)
    assert store_of(emulator).read("P/count.json") == b"24"
    assert Account(emulator).titles() == ["count.json"]


@pytest.mark.parametrize("etag", ETAGS)
def test_increments_by_threads_with_one_store_are_not_lost(serve: Serve, etag: bool) -> None:
    emulator = serve(etag=etag)
    store = store_of(emulator)
    store.write("count", b"0")

    def count(number: int) -> None:
        done = 0
        while done < 6:
            data, info = store.load("count")
            with suppress(Conflict):
                store.write("count", b"%d" % (int(data) + 1), info.version)
                done += 1

    together(4, count)
    assert store.read("count") == b"24"


def test_what_else_changes_about_a_file_is_no_conflict(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    info = store.write("a", b"1")
    info = store.write("a", b"2", info.version)
    me.change(str(info.ref), labels={"starred": True})
    asked(emulator)
    info = store.write("a", b"3", info.version)
    assert asked(emulator) == ["files.upload", "files.get", "files.upload"]
    me.change(str(info.ref), labels={"starred": False})
    store.delete("a", if_version=info.version)
    assert me.titles() == []


def test_a_file_that_changes_all_the_time_is_given_up(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    info = store.write("a", b"1")
    info = store.write("a", b"2", info.version)
    n_changes = 0
    update, remove = Files.update, Files.remove

    def change() -> None:
        nonlocal n_changes
        n_changes += 1
        me.change(str(info.ref), description=str(n_changes))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Files, "update", lambda *args: (change(), update(*args))[1])
        patch.setattr(Files, "remove", lambda *args: (change(), remove(*args))[1])
        with pytest.raises(StoreError, match=r"can't write a: .*changes all the time"):
            store.write("a", b"3", info.version)
        with pytest.raises(StoreError, match="can't delete a: something about it changes all"):
            store.delete("a")
    assert store.read("a") == b"2"


# What happens between two requests of one write


@pytest.mark.parametrize("way", ["changed", "deleted", "in the trash"])
def test_what_takes_the_place_of_another_withdraws_if_that_changed(
    serve: Serve, tmp_path: Path, way: str
) -> None:
    emulator = serve()
    store, other, me = store_of(emulator), store_of(emulator), Account(emulator)
    info = store.write("a.tif", b"1")

    def change() -> None:
        match way:
            case "changed":
                other.write("a.tif", b"other")
            case "deleted":
                me.ask("DELETE", f"/drive/v2/files/{info.ref}")
            case _:
                me.trash(str(info.ref))

    path = file_of(tmp_path, b"2")
    with between(change, "POST", "/upload/"), pytest.raises(Conflict, match="expected"):
        store.put(path, "a.tif", info.version)
    assert path.exists()
    assert keys(store) == (["a.tif"] if way == "changed" else [])
    assert way != "changed" or store.read("a.tif") == b"other"


def test_what_changes_while_it_is_deleted_stays(serve: Serve) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    info = store.write("a", b"1")
    with (
        between(lambda: other.write("a", b"2"), "POST", "/trash"),
        pytest.raises(Conflict, match="expected"),
    ):
        store.delete("a", if_version=info.version)
    assert store.read("a") == b"2"
    with between(lambda: other.write("a", b"3"), "POST", "/trash"):
        store.delete("a", if_version=ANY)
    assert keys(store) == []


@pytest.mark.parametrize("how", ["/trash", "DELETE"])
def test_what_is_gone_while_it_is_deleted_is_deleted(serve: Serve, how: str) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    info = store.write("a", b"1")

    def vanish() -> None:
        if how == "DELETE":
            me.ask("DELETE", f"/drive/v2/files/{info.ref}")
        else:
            me.trash(str(info.ref))

    with between(vanish, "POST", "/trash"):
        store.delete("a", missing_ok=False)
    with pytest.raises(NotFoundError):
        store.delete("a", missing_ok=False)


@pytest.mark.parametrize("etag", ETAGS)
def test_what_a_writer_that_died_left_behind_does_no_harm(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etag: bool
) -> None:
    emulator = serve(etag=etag)
    store, other, me = store_of(emulator), store_of(emulator), Account(emulator)
    version = store.write("P/a.tif", b"1").version

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cedar.stores.gdrive_writing.Writer._retire", die)
        with pytest.raises(KeyboardInterrupt):
            store.put(file_of(tmp_path, b"2"), "P/a.tif", version)
    assert me.titles() == ["a.tif", "a.tif"]
    assert other.read("P/a.tif") == b"2"
    with pytest.raises(Conflict, match="expected"):
        other.write("P/a.tif", b"3", version)
    info = other.put(file_of(tmp_path, b"4"), "P/a.tif", other.stat("P/a.tif").version)
    assert other.read("P/a.tif") == b"4"
    # The first is still behind it: it must not come to light.
    if etag:
        other.delete("P/a.tif", if_version=info.version)
    else:
        assert other.delete_many({"P/a.tif": info.version}) == {}
    assert keys(other) == me.titles() == []


def test_a_writer_that_can_not_withdraw_says_so(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = serve()
    mine, other = store_of(emulator), store_of(emulator)
    mine.write("P/first", b"")

    def fail(*_: object) -> bool:
        raise StoreError("no network")

    monkeypatch.setattr(Files, "discard", fail)
    with (
        between(lambda: other.write("P/a", b"other", ABSENT), "POST", "/upload/"),
        pytest.raises(Conflict),
    ):
        mine.write("P/a", b"mine", ABSENT)
    assert "is left in Drive, and can be deleted: no network" in caplog.text
    assert mine.read("P/a") == b"other"


def make_rival(emulator: Emulator, store: GDriveStore, file: str | None = None) -> None:
    """Make another folder P while the store makes one, and a file in the store's."""
    me = Account(emulator)
    (mine,) = (item["id"] for item in me.files() if item["title"] == "P")
    if file is not None:
        me.file(file, b"", mine)
    me.folder("P", store.base()[0].id)


def test_a_folder_that_another_makes_too_is_withdrawn(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.identity()
    with between(lambda: make_rival(emulator, store), "POST", "/drive/v2/files", after=True):
        store.write("P/a", b"")
    assert keys(store_of(emulator)) == ["P/a"]
    assert len(store_of(emulator).folders("P")) == 1
    assert [f["labels"]["trashed"] for f in me.files() if f["title"] == "P"] == [True, False]


def test_a_folder_that_an_export_found_at_once_is_kept(serve: Serve) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.identity()
    with between(
        lambda: make_rival(emulator, store, "b.tif"), "POST", "/drive/v2/files", after=True
    ):
        store.write("P/a.json", b"")
    assert keys(store, "P/") == keys(store_of(emulator), "P/") == ["P/a.json", "P/b.tif"]
    assert me.titles(trashed=True) == []


def test_a_folder_whose_maker_died_is_taken_over(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.identity()

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Files, "is_alone", die)
        with pytest.raises(KeyboardInterrupt):
            store.write("P/a", b"")
    monkeypatch.setattr("cedar.stores.gdrive_folders._MAKERS_TIME", 0.2)
    other = store_of(emulator)
    other.write("P/a", b"1")
    assert store.read("P/a") == b"1"
    assert alive(emulator) == ["P", "a", "cedar"]


def test_etags_that_are_never_right_are_done_without(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    request = Http.request

    def wrong(self: Http, uri: str, method: str = "GET", **kwds: Any) -> Any:
        headers = dict(kwds.pop("headers", None) or {})
        if headers.get("If-Match", "*") != "*":
            headers["If-Match"] = '"wrong"'
        return request(self, uri, method, headers=headers, **kwds)

    monkeypatch.setattr(Http, "request", wrong)
    info = store.write("a", b"1")
    info = store.write("a", b"2", info.version)
    asked(emulator)
    info = store.write("a", b"3", info.version)
    assert asked(emulator)[0] == "files.upload"
    theirs = other.write("a", b"4", info.version)
    with pytest.raises(Conflict, match="expected"):
        store.write("a", b"5", info.version)
    store.put(file_of(tmp_path, b"6"), "a", theirs.version)
    assert other.read("a") == b"6"
    assert store.delete_many({"a": store.stat("a").version}) == {}
    store.write("b", b"1", ABSENT)
    store.delete("b", if_version=store.stat("b").version)
    assert alive(emulator) == ["cedar"]


def test_who_only_reads_waits_for_no_folder_that_is_being_made(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    store.identity()
    seen: list[object] = []
    with between(lambda: seen.append(keys(other, "P/")), "POST", "/drive/v2/files", after=True):
        store.write("P/a", b"")
    assert seen == [[]]
    assert keys(other, "P/") == ["P/a"]


@pytest.mark.parametrize("way", ["write", "put"])
def test_where_all_have_withdrawn_one_tries_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)
    store.write("P/first", b"")
    me.file("b.tif", b"", store.folders("P")[0])
    is_alone, withdrawn = Files.is_alone, []

    def yielding(self: Files, *args: Any) -> bool:
        withdrawn.append(args)
        return len(withdrawn) % 2 == 0 and is_alone(self, *args)

    monkeypatch.setattr(Files, "is_alone", yielding)
    if way == "write":
        store.write("P/a.tif", b"1", ABSENT)
    else:
        store.put(file_of(tmp_path, b"1"), "P/a.tif", ABSENT)
    store.put(file_of(tmp_path, b"2"), "P/b.tif", store.stat("P/b.tif").version)
    assert len(withdrawn) == 4
    assert (store.read("P/a.tif"), store.read("P/b.tif")) == (b"1", b"2")
    assert me.titles() == ["a.tif", "b.tif", "first"]
    monkeypatch.setattr("cedar.stores.gdrive.TRIES", 2)
    monkeypatch.setattr(Files, "is_alone", lambda *_: False)
    with pytest.raises(Conflict, match="written by others again and again"):
        store.write("P/c", b"", ABSENT)


def test_a_write_that_fails_leaves_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = serve()
    store, me = store_of(emulator), Account(emulator)

    def fail(*_: object) -> bool:
        raise StoreError("no network")

    for key, there in (("P/first", []), ("P/a", ["P", "cedar", "first"])):
        with monkeypatch.context() as patch:
            patch.setattr(Files, "is_alone", fail)
            with pytest.raises(StoreError, match="no network"):
                store.write(key, b"", ABSENT)
        assert alive(emulator) == there
        store.write("P/first", b"")
    assert [file["title"] for file in me.files() if file["labels"]["trashed"]] == ["cedar"]


def test_who_is_late_takes_no_place_that_was_taken_and_left(serve: Serve) -> None:
    emulator = serve(etag=False)
    slow, quick, late = (store_of(emulator) for _ in range(3))
    version = late.write("P/a", b"0").version
    late_writes: list[str] = []

    def meanwhile() -> None:
        # The slow one has written, and hasn't deleted what was there before.
        quick.write("P/a", b"2", quick.stat("P/a").version)
        with pytest.raises(Conflict, match="expected"):
            late.write("P/a", b"3", version)
        late_writes.append("refused")

    with between(meanwhile, "GET", f"/files/{version.partition('/')[0]}"):
        slow.write("P/a", b"1", version)
    assert late_writes == ["refused"]
    assert slow.read("P/a") == b"2"
    assert Account(emulator).titles() == ["a"]


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize("etag", ETAGS)
def test_no_increment_is_lost_in_five_hundred(serve: Serve, etag: bool) -> None:
    emulator = serve(etag=etag)
    count_up(emulator, 5, 100)
    assert store_of(emulator).read("P/count.json") == b"500"
    assert Account(emulator).titles() == ["count.json"]
