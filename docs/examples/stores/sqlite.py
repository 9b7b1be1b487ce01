"""A SQLite file as a store: a row for each object, written in transactions."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from cedar.exceptions import Conflict, InputError, NotFoundError, StoreError
from cedar.items import Destination, ObjectInfo
from cedar.stores import ABSENT, ANY, Store
from cedar.stores.base import IfVersion, check_key
from cedar.stores.checksums import CHUNK, algorithm_of, checksum_of, file_checksum, summing
from cedar.stores.files import arriving, explained, make_directory
from cedar.stores.streams import check_object, check_stream, in_pieces

#: JSON Schema (2020-12) of the configuration's section `sqlite`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A SQLite file as a store",
    "type": "object",
    "properties": {"file": {"description": "The file.", "type": "string", "minLength": 1}},
    "required": ["file"],
    "additionalProperties": False,
}

_TABLES: Final = (
    "CREATE TABLE store (identity TEXT, writes INTEGER)",
    "CREATE TABLE object (version INTEGER PRIMARY KEY, key TEXT UNIQUE, data BLOB, "
    "checksum TEXT, updated TEXT)",
)
#: Objects that are listed at once.
_PAGE: Final = 1000


def from_config(section: Mapping[str, Any], directory: Path) -> SQLiteStore:
    """Make the store of a configuration's section `sqlite`, which fits CONFIG_SCHEMA."""
    return SQLiteStore(directory / Path(section["file"]).expanduser())


class SQLiteStore(Store):
    """Objects as rows of one file, which is made by the first use.

    Parameters
    ----------
    file : path-like
        The file, on a disk of this machine.
    """

    kind: ClassVar[str] = "sqlite"

    def __init__(self, file: str | os.PathLike[str]):
        self.file = Path(file).resolve()

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`; lazy, a page at a time."""
        page = list(self._page(">=", prefix))
        while page:
            for info in page:
                if not info.key.startswith(prefix):
                    return
                yield info
            page = list(self._page(">", page[-1].key))

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        with self._connected(f"can't look at {key}") as connection:
            return _stat(connection, key)

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default."""
        start = start or 0
        if start < 0 or (end is not None and end < 0):
            raise InputError(f"can't read bytes {start} to {end} of {key}: count from its start")
        with self._connected(f"can't read {key}") as connection:
            info = _stat(connection, key)
            start, end = min(start, info.size), info.size if end is None else min(end, info.size)
            with _blob(connection, info) as blob:
                blob.seek(start)
                return blob.read(max(end - start, 0))

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object in order; all of them are of one version."""
        check_stream(key, start, end, if_version)
        with self._connected(f"can't read {key}", timeout) as connection:
            info = _stat(connection, key)
            check_object(info, end, if_version)
            with _blob(connection, info) as blob:
                blob.seek(start)
                yield from in_pieces(key, blob.read, end - start)

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now."""
        return self._insert(key, [data], len(data), checksum_of(data), if_version)

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Copy a finished file in and remove it; what the object is now."""
        path = Path(path)
        with explained(f"can't put {path} at {key} in {self.file}", key):
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path} can't be put at {key}: it isn't a regular file")
            with path.open("rb") as file:
                chunks = iter(lambda: file.read(CHUNK), b"")
                size, checksum = path.stat().st_size, file_checksum(path)
                info = self._insert(key, chunks, size, checksum, if_version)
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
        path = Path(path)
        total = summing("sha256" if checksum is None else algorithm_of(checksum))
        with (
            self._connected(f"can't copy {key}") as connection,
            explained(f"can't copy {key} to {path}", key),
        ):
            info = _stat(connection, key)
            _check_version(key, info, if_version)
            with arriving(path) as temp:
                with temp.open("xb") as target, _blob(connection, info) as blob:
                    for piece in in_pieces(key, blob.read, info.size):
                        total.update(piece)
                        target.write(piece)
                if checksum not in (None, total.text()):
                    raise StoreError(f"{key} is {total.text()}, but {checksum} was expected", key)
        return replace(info, checksum=total.text())

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object."""
        with self._changing(f"can't delete {key}") as connection:
            found = _find(connection, key)
            if found is not None:
                _check_version(key, found, if_version)
                connection.execute("DELETE FROM object WHERE key = ?", (key,))
            elif not missing_ok:
                raise NotFoundError(f"{key} is not in the store", key)

    def scratch(self, prefix: str) -> Path:
        """A directory beside the file; never listed."""
        check_key(prefix)
        path = self.file.with_name(f"{self.file.name}.scratch") / prefix
        with explained(f"can't make {path}"):
            return make_directory(path)

    def destination(self, prefix: str) -> Destination:
        """The file, and a prefix in it."""
        return Destination(self.kind, str(self.file), prefix)

    def identity(self) -> dict[str, str]:
        """A random id that is in the file: one that was moved stays itself."""
        with self._connected("can't read the identity") as connection:
            ((identity,),) = connection.execute("SELECT identity FROM store")
            return {"kind": self.kind, "identity": identity}

    def _page(self, compare: str, key: str) -> Iterator[ObjectInfo]:
        with self._connected("can't list objects") as connection:
            yield from _select(connection, f"key {compare} ? ORDER BY key LIMIT {_PAGE}", key)

    def _insert(
        self,
        key: str,
        chunks: Iterable[bytes],
        size: int,
        checksum: str,
        if_version: IfVersion,
    ) -> ObjectInfo:
        check_key(key)
        with self._changing(f"can't write {key}") as connection:
            _check_version(key, _find(connection, key), if_version)
            ((version,),) = connection.execute(
                "UPDATE store SET writes = writes + 1 RETURNING writes"
            )
            row = version, key, size, checksum, dt.datetime.now(dt.UTC).isoformat()
            connection.execute("REPLACE INTO object VALUES (?, ?, zeroblob(?), ?, ?)", row)
            with connection.blobopen("object", "data", version) as blob:
                for chunk in chunks:
                    blob.write(chunk)
            return _stat(connection, key)

    @contextmanager
    def _changing(self, what: str) -> Iterator[sqlite3.Connection]:
        """Give a connection that nobody else writes beside: all of it happens, or nothing."""
        with self._connected(what, begin="BEGIN IMMEDIATE") as connection:
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _connected(
        self, what: str, timeout: float = 60.0, begin: str = "BEGIN"
    ) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees the store as it is now, whatever is written meanwhile.

        What isn't committed at its end hasn't happened.
        """
        try:
            if not self.file.exists():
                _make(self.file)
            # Whoever ends a stream may be another thread than the one that began it.
            connection = sqlite3.connect(self.file, timeout, check_same_thread=False)
            connection.isolation_level = None
            with closing(connection):
                connection.execute(begin)
                yield connection
        except sqlite3.Error as error:
            raise StoreError(f"{what} in {self.file}: {error}") from error


def _make(file: Path) -> None:
    """Make a store that nobody sees before it is whole, unless somebody else does first."""
    with (
        explained(f"can't make {file}"),
        TemporaryDirectory(dir=make_directory(file.parent)) as own,
    ):
        new = Path(own, file.name)
        with closing(sqlite3.connect(new)) as connection, connection:
            # Readers of a file in WAL mode don't wait for writers, nor these for them.
            connection.execute("PRAGMA journal_mode = WAL")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO store VALUES (?, 0)", (uuid.uuid4().hex,))
        with suppress(FileExistsError):
            file.hardlink_to(new)


def _select(connection: sqlite3.Connection, where: str, key: str) -> Iterator[ObjectInfo]:
    columns = "key, length(data), version, checksum, updated"
    # `where` is one of this module's own.
    rows = connection.execute(f"SELECT {columns} FROM object WHERE {where}", (key,))  # noqa: S608
    for found, size, version, checksum, updated in rows:
        yield ObjectInfo(found, size, str(version), checksum, dt.datetime.fromisoformat(updated))


def _find(connection: sqlite3.Connection, key: str) -> ObjectInfo | None:
    check_key(key)
    return next(_select(connection, "key = ?", key), None)


def _stat(connection: sqlite3.Connection, key: str) -> ObjectInfo:
    found = _find(connection, key)
    if found is None:
        raise NotFoundError(f"{key} is not in the store", key)
    return found


def _check_version(key: str, found: ObjectInfo | None, if_version: IfVersion) -> None:
    current = ABSENT if found is None else found.version
    if if_version not in (ANY, current):
        is_now = "is gone" if found is None else f"is at version {current}"
        expected = "nothing" if if_version is ABSENT else f"version {if_version}"
        raise Conflict(f"{key} {is_now}, where {expected} was expected", key)


@contextmanager
def _blob(connection: sqlite3.Connection, info: ObjectInfo) -> Iterator[sqlite3.Blob]:
    with connection.blobopen("object", "data", int(info.version), readonly=True) as blob:
        yield blob
