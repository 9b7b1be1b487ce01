"""What holds of a directory as a store, beyond what holds of every store."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import jsonschema
import pytest
from forked import Forked
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cedar.exceptions import Conflict, InputError, Interrupted, NotFoundError, StoreError
from cedar.stores import ABSENT
from cedar.stores.local import CONFIG_SCHEMA, STALE, LocalStore, from_config
from cedar.stores.streams import PIECE

INCREMENT = """
import sys
from cedar.exceptions import Conflict
from cedar.stores.local import LocalStore
store = LocalStore(sys.argv[1])
done = 0
while done < int(sys.argv[2]):
    version = store.stat("count").version
    number = int(store.read("count")) + 1
    try:
        store.write("count", b"%05d" % number, if_version=version)
    except Conflict:
        continue
    done += 1
"""
# Each write is one letter, of a length that the letter tells.
WRITE_FOREVER = """
import sys
from cedar.stores.local import LocalStore
store = LocalStore(sys.argv[1])
while True:
    for number in range(26):
        store.write("a", bytes([97 + number]) * (number + 1) * 10_000)
        print("written", flush=True)
"""
CLAIM_FOREVER = """
import sys
from cedar.stores.local import LocalStore
with LocalStore(sys.argv[1]).claim("a") as owned:
    print(owned, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def run(program: str, *args: object) -> Forked:
    return Forked(program, *map(str, args))


# Many processes


def test_many_processes_that_count_lose_nothing(store: LocalStore) -> None:
    store.write("count", b"00000")
    counters = [run(INCREMENT, store.root, 50) for _ in range(6)]
    for counter in counters:
        with counter:
            counter.communicate()
        assert counter.returncode == 0
    assert store.read("count") == b"00300"


@pytest.mark.parametrize("kills", [10, pytest.param(300, marks=pytest.mark.stress)])
@pytest.mark.timeout(600)
def test_a_writer_that_is_killed_never_tears_what_is_read(store: LocalStore, kills: int) -> None:
    moment = random.Random(kills)
    for _ in range(kills):
        with run(WRITE_FOREVER, store.root) as writer:
            assert writer.stdout.readline() == "written\n"
            for _ in range(moment.randrange(40)):
                check_whole(store.read("a"))
            writer.kill()
        check_whole(store.read("a"))
        assert [info.key for info in store.objects()] == ["a"]
    store.write("a", b"the lock went with its owner")


def check_whole(data: bytes) -> None:
    assert data == data[:1] * (data[0] - 96) * 10_000


def test_a_claim_ends_with_its_process(store: LocalStore) -> None:
    with run(CLAIM_FOREVER, store.root) as owner:
        assert owner.stdout.readline() == "True\n"
        with store.claim("a") as owned:
            assert not owned
        owner.kill()
    with store.claim("a") as owned:
        assert owned


def test_claims_leave_no_files(store: LocalStore) -> None:
    with store.claim("a"), store.claim("b/c"):
        assert len(list((store.root / ".cedar" / "claims").iterdir())) == 2
    assert list((store.root / ".cedar" / "claims").iterdir()) == []


def test_a_claim_whose_file_was_removed_as_it_was_taken_is_taken_again(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, []

    def owner_leaves_meanwhile(file: BinaryIO, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            (claim,) = (store.root / ".cedar" / "claims").iterdir()
            claim.unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", owner_leaves_meanwhile)
    with store.claim("a") as owned, store.claim("a") as also:
        assert (owned, also) == (True, False)
    assert len(calls) == 3


def test_a_child_that_was_forked_under_a_lock_does_not_keep_it(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, held = fcntl.flock, []

    def forked_meanwhile(file: BinaryIO, operation: int) -> None:
        flock(file, operation)
        if operation == fcntl.LOCK_EX:
            held.append(os.dup(file.fileno()))  # What a child would have.

    monkeypatch.setattr(fcntl, "flock", forked_meanwhile)
    store.write("a", b"1")
    (lock,) = (store.root / ".cedar" / "locks").iterdir()
    with lock.open() as file:
        flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held.pop())
    assert held == []


# Versions


def test_versions_differ_where_the_clock_stands_still_or_goes_back(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = 10**18
    for step, now in enumerate((base, base, base - 10**9, base)):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        assert store.write("a", b"same").version == f"{base + step}-4"


def test_versions_differ_where_the_file_system_keeps_times_to_two_seconds(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    utime, step = os.utime, 2 * 10**9

    def coarse(path: Path, ns: tuple[int, int]) -> None:
        utime(path, ns=(ns[0] // step * step, ns[1] // step * step))

    monkeypatch.setattr(os, "utime", coarse)
    assert len({store.write("a", b"same").version for _ in range(5)}) == 5


def test_a_moved_directory_stays_itself(tmp_path: Path, store: LocalStore) -> None:
    identity = store.identity()
    version = store.write("a", b"1").version
    moved = LocalStore(shutil.move(store.root, tmp_path / "moved"))
    assert moved.identity() == identity
    assert moved.write("a", b"2", if_version=version).size == 1
    assert LocalStore(tmp_path / "store").identity() != identity


# The directory


def test_looking_makes_no_directory(store: LocalStore, tmp_path: Path) -> None:
    assert list(store.objects()) == store.list("P") == store.image_keys("a", "P") == []
    store.delete("a")
    for look in (store.stat, store.read):
        with pytest.raises(NotFoundError):
            look("a")
    store.destination("P")
    assert list(tmp_path.iterdir()) == []


def test_objects_come_in_the_order_of_their_keys(store: LocalStore) -> None:
    keys = sorted(["a/b", "a.tif", "a-1", "a0", "a/b-1/c", "a/b.json", "z", "ä", "B"])
    for key in reversed(keys):
        store.write(key, b"")
    assert [info.key for info in store.objects()] == keys


def test_what_cannot_be_read_by_its_key_is_not_listed(store: LocalStore) -> None:
    store.write("P/a", b"")
    for name in (b"back\\slash", b"new\nline", b"not-\xff-text"):
        Path(os.fsdecode(os.fsencode(store.root / "P") + b"/" + name)).write_bytes(b"")
    os.mkfifo(store.root / "P" / "pipe")
    assert [info.key for info in store.objects()] == ["P/a"]
    with pytest.raises(NotFoundError):
        store.read("P/pipe")


def test_an_object_says_where_its_file_is(store: LocalStore) -> None:
    info = store.write("P/a.tif", b"image")
    assert info.ref == str(store.root / "P" / "a.tif")
    assert info.updated is not None
    assert abs(info.updated.timestamp() - time.time()) < 60


def test_files_honour_the_umask(store: LocalStore, tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        store.write("P/a", b"")
        store.fetch("P/a", tmp_path / "copy")
    finally:
        os.umask(old)
    assert stat.S_IMODE((store.root / "P" / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((store.root / "P").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o640


def test_moving_a_file_in_is_a_rename(store: LocalStore) -> None:
    path = store.scratch("a") / "finished.tif"
    path.write_bytes(b"image")
    inode = path.stat().st_ino
    store.put(path, "P/a.tif")
    assert (store.root / "P" / "a.tif").stat().st_ino == inode


def test_a_file_on_another_file_system_is_moved_in_too(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "finished.tif", Path.replace
    path.write_bytes(b"image")

    def across(self: Path, target: Path) -> Path:
        if self == path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    version = store.put(path, "P/a.tif", if_version=ABSENT).version
    assert store.read("P/a.tif") == b"image"
    assert not path.exists()
    path.write_bytes(b"other")
    with pytest.raises(Conflict):
        store.put(path, "P/a.tif", if_version=f"not-{version}")
    assert path.read_bytes() == b"other"
    assert list((store.root / ".cedar" / "tmp").iterdir()) == []


def test_what_a_killed_writer_left_is_swept_after_a_day(store: LocalStore) -> None:
    store.write("a", b"")
    left, living = (store.root / ".cedar" / "tmp" / name for name in ("left", "living"))
    left.write_bytes(b"half")
    living.write_bytes(b"half")
    old = time.time() - STALE - 60
    os.utime(left, (old, old))
    LocalStore(store.root).write("a", b"")
    assert (left.exists(), living.exists()) == (False, True)


# Errors


def test_a_copy_that_was_cut_short_is_none(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("a", b"data")
    fstat = os.fstat

    def cut_short(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        os.truncate(store.root / "a", 2)
        return found

    monkeypatch.setattr(os, "fstat", cut_short)
    with pytest.raises(StoreError, match="4 bytes, but 2 were read"):
        store.fetch("a", tmp_path / "copies" / "copy")
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_or_forbidden_disk_is_one_clear_line(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    store.write("a", b"old")

    def fails(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match=f"can't write a in .*{os.strerror(error)}$") as caught:
        store.write("a", b"new")
    assert isinstance(caught.value.__cause__, OSError)
    assert "\n" not in str(caught.value)
    assert store.read("a") == b"old"
    assert list((store.root / ".cedar" / "tmp").iterdir()) == []


def test_a_file_where_a_folder_should_be_is_one_clear_line(store: LocalStore) -> None:
    store.write("a", b"")
    store.write("b/c", b"")
    with pytest.raises(StoreError, match="can't write a/b in"):
        store.write("a/b", b"")
    with pytest.raises(StoreError, match="can't write b in"):
        store.write("b", b"")
    with pytest.raises(StoreError, match="File name too long"):
        store.write("x" * 300, b"")


def test_a_system_without_flock_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(StoreError, match="Windows"):
        LocalStore("store")


# Containment


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "theirs").write_bytes(b"theirs")
    return directory


def test_a_link_is_neither_followed_nor_replaced(
    store: LocalStore, tmp_path: Path, outside: Path
) -> None:
    store.write("inside/a", b"mine")
    finished = tmp_path / "finished"
    finished.write_bytes(b"new")
    (store.root / "folder").symlink_to(outside, target_is_directory=True)
    (store.root / "file").symlink_to(outside / "theirs")
    (store.root / "loop").symlink_to(store.root, target_is_directory=True)
    (store.root / "dangling").symlink_to(outside / "new")
    for key in ("folder/theirs", "folder/new", "file", "loop/inside/a", "dangling"):
        for use in (
            store.stat,
            store.read,
            store.delete,
            lambda key: store.write(key, b"new"),
            lambda key: store.put(finished, key),
            lambda key: store.fetch(key, tmp_path / "copy"),
        ):
            with pytest.raises(StoreError, match="link"):
                use(key)
    assert [info.key for info in store.objects()] == ["inside/a"]
    with pytest.raises(StoreError, match="link"):
        store.objects("folder/")
    assert [path.name for path in outside.iterdir()] == ["theirs"]
    assert (outside / "theirs").read_bytes() == b"theirs"


def test_a_link_in_what_is_the_stores_own_is_refused_too(store: LocalStore, outside: Path) -> None:
    store.write("a", b"")
    shutil.rmtree(store.root / ".cedar")
    (store.root / ".cedar").symlink_to(outside, target_is_directory=True)
    for use in (store.scratch, lambda key: store.write(key, b""), lambda key: store.identity()):
        with pytest.raises(StoreError, match="link"):
            use("a")
    assert [path.name for path in outside.iterdir()] == ["theirs"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk", target_is_directory=True)
    LocalStore(tmp_path / "link" / "store").write("a", b"data")
    assert (tmp_path / "disk" / "store" / "a").read_bytes() == b"data"


PARTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", ".cedar", ".CEDAR", "a", "link", "theirs", "\\", "a\0", "~", "*"]
    ),
    st.text(max_size=8),
    st.text(min_size=200, max_size=300),
)


@settings(max_examples=150, deadline=None)
@given(key=st.lists(PARTS, max_size=5).map("/".join))
@example("../outside/theirs")
@example("link/theirs")
@example(".cedar/id")
def test_no_key_touches_anything_but_its_own_object(key: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        outside, store = directory / "outside", LocalStore(directory / "store")
        outside.mkdir()
        (outside / "theirs").write_bytes(b"theirs")
        identity = store.identity()
        (store.root / "link").symlink_to(outside, target_is_directory=True)
        try:
            store.write(key, b"mine")
        except StoreError:
            assert list(store.objects()) == []
        except InputError:
            with pytest.raises(InputError):
                store.read(key)
        else:
            assert store.read(key) == b"mine"
            assert [info.key for info in store.objects()] == [key]
            assert (store.root / key).resolve().is_relative_to(store.root)
            store.delete(key)
            assert list(store.objects()) == []
        for use in (store.delete, store.scratch, store.read, lambda key: list(store.objects(key))):
            with contextlib.suppress(InputError, StoreError):
                use(key)
        assert [path.name for path in outside.iterdir()] == ["theirs"]
        assert (outside / "theirs").read_bytes() == b"theirs"
        assert {path.name for path in directory.iterdir()} == {"outside", "store"}
        assert store.identity() == identity


# Configuration


@pytest.mark.parametrize(
    ("given", "made"),
    [("store", "config/store"), ("../store", "store"), ("~/store", "home/store")],
)
def test_the_directory_is_relative_to_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, made: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    store = from_config({"directory": given}, tmp_path / "config")
    assert store.root == tmp_path / made


def test_a_home_that_nobody_has_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"local\.directory '~nobody-at-all/x'"):
        from_config({"directory": "~nobody-at-all/x"}, tmp_path)


@pytest.mark.parametrize("section", [{}, {"directory": ""}, {"directory": 1}, {"dir": "a"}])
def test_the_section_is_validated(section: dict[str, object]) -> None:
    jsonschema.Draft202012Validator.check_schema(CONFIG_SCHEMA)
    jsonschema.validate({"directory": "store"}, CONFIG_SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(section, CONFIG_SCHEMA)


def test_a_file_that_is_changed_in_its_place_is_no_stream(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    version = store.write("a.tif", b"x" * (PIECE + 1)).version
    stream = store.stream("a.tif", 0, PIECE + 1, version)
    next(stream)
    with Path(store.stat("a.tif").ref).open("r+b") as file:
        file.write(b"y")
    with pytest.raises(Conflict, match=r"a\.tif is at version"):
        list(stream)


def test_a_file_that_is_cut_in_its_place_is_no_stream(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.write("a.tif", b"x" * (3 * PIECE))
    stream = store.stream("a.tif", 0, 3 * PIECE)
    next(stream)
    os.truncate(store.stat("a.tif").ref, 2 * PIECE)
    assert len(next(stream)) == PIECE
    missing = rf"can't read a\.tif: {PIECE} bytes of {3 * PIECE} didn't arrive"
    with pytest.raises(Interrupted, match=missing):
        next(stream)
    with pytest.raises(Conflict, match="is shorter than"):
        next(store.stream("a.tif", 2 * PIECE, 3 * PIECE))
