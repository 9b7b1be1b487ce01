"""A directory as a store: atomic, conditional writes, contained in its root."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import os
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from ..exceptions import Conflict, InputError, NotFoundError, StoreError
from ..items import Destination, ObjectInfo
from .base import ABSENT, ANY, IfVersion, Store
from .checksums import CHUNK, algorithm_of, summing
from .files import arriving, explained, make_directory, sync
from .keys import RESERVED, check_key
from .streams import check_object, check_stream, in_pieces

if sys.platform != "win32":
    import fcntl

#: JSON Schema (2020-12) of the configuration's section `local`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "description": "The store `local`: a directory.",
    "type": "object",
    "properties": {
        "directory": {
            "description": "Where images and tracking documents are kept; "
            "relative to the configuration file.",
            "type": "string",
            "minLength": 1,
        }
    },
    "required": ["directory"],
    "additionalProperties": False,
}

#: Seconds after which a temporary file can't be that of a living writer.
STALE: Final = 86_400
#: The coarsest step of a file's time on a file system in use (FAT), in nanoseconds.
COARSEST: Final = 2_000_000_000


def from_config(section: Mapping[str, Any], directory: Path) -> LocalStore:
    """Make the store of a configuration's section `local`, which fits CONFIG_SCHEMA.

    Parameters
    ----------
    section : mapping
        The section.
    directory : Path
        What paths in it are relative to.
    """
    try:
        return LocalStore(directory / Path(section["directory"]).expanduser())
    except RuntimeError as error:
        raise InputError(f"local.directory {section['directory']!r}: {error}") from error


class LocalStore(Store):
    """Objects as files below a directory, which is made by the first write.

    An object's version is its file's time and size; every write moves the time forward. What the
    store needs for itself is under ``.cedar/`` in the root, so that moving a file in is a rename.
    Links below the root are refused, since one file would have two keys, or lie outside.

    Writers and claims exclude each other by ``flock``. Some network file systems only pretend to:
    there, work on one store from one machine at a time.

    Parameters
    ----------
    directory : path-like
        The root.

    Raises
    ------
    StoreError
        The system has no ``flock`` (Windows).
    """

    kind: ClassVar[str] = "local"

    def __init__(self, directory: str | os.PathLike[str]):
        if sys.platform == "win32":
            raise StoreError("a local store needs flock, which Windows hasn't: use cedar in WSL")
        self.root = Path(directory).resolve()
        self._swept = False

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in the order of keys; lazy."""
        head, slash, tail = prefix.rpartition("/")
        return self._walk(self._path(head) if slash else self.root, head + slash, tail)

    def _walk(self, directory: Path, base: str, start: str) -> Iterator[ObjectInfo]:
        with explained(f"can't list {directory}"):
            try:
                with os.scandir(directory) as scan:
                    entries = sorted((e for e in scan if e.name.startswith(start)), key=_rank)
            except (FileNotFoundError, NotADirectoryError):
                return
        for entry in entries:
            key = base + entry.name
            try:
                check_key(key)
            except InputError:
                continue  # What couldn't be read by its key isn't listed.
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), f"{key}/", "")
            elif entry.is_file(follow_symlinks=False):
                # Deleted since the directory was read.
                with contextlib.suppress(FileNotFoundError):
                    yield self._info(key, entry.stat(follow_symlinks=False))

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        found = self._find(key)
        if found is None:
            raise self._missing(key)
        return self._info(key, found)

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default."""
        start = start or 0
        if start < 0 or (end is not None and end < 0):
            raise InputError(f"can't read bytes {start} to {end} of {key}: count from its start")
        with self._open(key) as file, explained(f"can't read {key} in {self.root}", key):
            file.seek(start)
            return file.read() if end is None else file.read(max(end - start, 0))

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now."""
        self._path(key)
        with explained(f"can't write {key} in {self.root}", key), self._temporary() as temp:
            temp.write_bytes(data)
            return self._place(temp, key, if_version)

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Move a finished file in: a rename, where it is on the store's file system."""
        path = Path(path)
        self._path(key)
        with explained(f"can't put {path} at {key} in {self.root}", key):
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path} can't be put at {key}: it isn't a regular file")
            try:
                return self._place(path, key, if_version)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            with self._temporary() as temp:
                shutil.copyfile(path, temp)
                info = self._place(temp, key, if_version)
            path.unlink()
            return info

    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all."""
        path, size = Path(path), 0
        total = summing("sha256" if checksum is None else algorithm_of(checksum))
        with (
            self._open(key) as source,
            explained(f"can't copy {key} to {path}", key),
            arriving(path) as temp,
        ):
            found = os.fstat(source.fileno())
            _check_version(key, found, if_version)
            info = self._info(key, found)
            with temp.open("xb") as target:
                while chunk := source.read(CHUNK):
                    total.update(chunk)
                    size += target.write(chunk)
            info = replace(info, checksum=total.text())
            if size != info.size:
                raise StoreError(f"{key} has {info.size} bytes, but {size} were read", key)
            if checksum not in (None, info.checksum):
                raise StoreError(f"{key} is {info.checksum}, but {checksum} was expected", key)
        return info

    def stream(
        self,
        key: str,
        start: int,
        end: int,
        if_version: IfVersion = ANY,
        timeout: float = 60.0,  # noqa: ARG002
    ) -> Generator[bytes, None, None]:
        check_stream(key, start, end, if_version)
        with self._open(key) as file, explained(f"can't read {key} in {self.root}", key):
            info = self._info(key, os.fstat(file.fileno()))
            check_object(info, end, if_version)
            file.seek(start)
            yield from in_pieces(key, file.read, end - start)
            # Another object of the key is another file: this one was changed in its place.
            _check_version(key, os.fstat(file.fileno()), info.version)

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object."""
        path = self._path(key)
        # Looked for before it is locked: deleting what isn't there makes no directory.
        if self._find(key) is not None:
            with explained(f"can't delete {key} in {self.root}", key), self._locked(key):
                found = self._find(key)
                if found is not None:
                    _check_version(key, found, if_version)
                    path.unlink()
                    sync(path.parent)
                    return
        if not missing_ok:
            raise self._missing(key)

    def scratch(self, prefix: str) -> Path:
        """A directory for half-done work on the store's file system; never listed."""
        check_key(prefix)
        path = self._inside(f"{RESERVED}/scratch/{prefix}")
        with explained(f"can't make {path}"):
            return make_directory(path)

    def destination(self, prefix: str) -> Destination:
        """The root, and a folder in it."""
        return Destination(self.kind, str(self.root), prefix)

    def free(self) -> int:
        """Bytes that this user may still write to the disk."""
        there = next(path for path in (self.root, *self.root.parents) if path.exists())
        with explained(f"can't look at the disk of {there}"):
            return shutil.disk_usage(there).free

    def identity(self) -> dict[str, str]:
        """A random id kept in ``.cedar/id``: a directory that was moved stays itself."""
        path = self._inside(f"{RESERVED}/id")
        with explained(f"can't read or make {path}"):
            if not path.exists():
                with self._locked(path.name):
                    if not path.exists():
                        with arriving(path) as temp:
                            temp.write_text(uuid.uuid4().hex)
            return {"kind": self.kind, "identity": path.read_text()}

    @contextlib.contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Own a key for the length of a ``with`` block, by a lock that dies with the process."""
        check_key(key)
        with explained(f"can't claim {key} in {self.root}", key):
            path = self._own("claims") / _digest(key)
            lock = lock_if_free(path)
        if lock is None:
            yield False
            return
        with lock:
            try:
                yield True
            finally:
                # Removed while locked: whoever opened it before sees that the path isn't its file.
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._inside(key)

    def _inside(self, relative: str) -> Path:
        path = self.root / relative
        if os.path.realpath(path) != str(path):
            raise StoreError(f"{path} is, or is behind, a link: a local store takes none", relative)
        return path

    def _own(self, name: str) -> Path:
        return make_directory(self._inside(f"{RESERVED}/{name}"))

    def _find(self, key: str) -> os.stat_result | None:
        path = self._path(key)
        with explained(f"can't look at {key} in {self.root}", key):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _open(self, key: str) -> BinaryIO:
        if self._find(key) is None:
            raise self._missing(key)
        with explained(f"can't read {key} in {self.root}", key):
            return self._path(key).open("rb")

    def _missing(self, key: str) -> NotFoundError:
        return NotFoundError(f"{key} is not in the store {self.root}", key)

    def _info(self, key: str, found: os.stat_result) -> ObjectInfo:
        updated = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
        path = str(self.root / key)
        return ObjectInfo(key, found.st_size, _version(found), updated=updated, ref=path)

    def _place(self, path: Path, key: str, if_version: IfVersion) -> ObjectInfo:
        """Rename a finished file on the store's file system to an object, if the version allows."""
        target = self.root / key
        with self._locked(key):
            old = self._find(key)
            _check_version(key, old, if_version)
            _stamp(path, old)
            sync(path)
            make_directory(target.parent)
            path.replace(target)
            sync(target.parent)
            return self._info(key, target.stat())

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        directory = self._own("tmp")
        if not self._swept:
            _sweep(directory)
            self._swept = True
        temp = directory / uuid.uuid4().hex
        try:
            yield temp
        finally:
            temp.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Exclude other writers of a key. The lock's file is shared by many keys, and stays."""
        path = self._own("locks") / _digest(key)[:2]
        with path.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Closing won't do where a child was forked meanwhile: it has the file open too.
                fcntl.flock(lock, fcntl.LOCK_UN)


def _rank(entry: os.DirEntry[str]) -> str:
    """By what to sort a directory's entries: a folder sorts with its slash, as its keys do."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}"


def _check_version(key: str, found: os.stat_result | None, if_version: IfVersion) -> None:
    current = ABSENT if found is None else _version(found)
    if if_version not in (ANY, current):
        is_now = "is gone" if found is None else f"is at version {current}"
        expected = "nothing" if if_version is ABSENT else f"version {if_version}"
        raise Conflict(f"{key} {is_now}, where {expected} was expected", key)


def _stamp(path: Path, old: os.stat_result | None) -> None:
    """Give a file a time after that of the one it replaces, so that their versions differ."""
    after = 0 if old is None else old.st_mtime_ns
    now = max(time.time_ns(), after + 1)
    os.utime(path, ns=(now, now))
    if path.stat().st_mtime_ns <= after:
        os.utime(path, ns=(after + COARSEST, after + COARSEST))


def _sweep(directory: Path) -> None:
    """Remove what writers that were killed left behind."""
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # Another writer sweeps too.
            if path.stat().st_mtime < time.time() - STALE:
                path.unlink()


def lock_if_free(path: Path) -> BinaryIO | None:
    """Open the file at `path`, made if need be, and lock it; None where someone has it."""
    while True:
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(path.open("ab"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            # Otherwise its owner removed it between our opening and our locking it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                    stack.pop_all()
                    return lock
