"""What outlives a request: rows in SQLite, and the bytes of objects as files beside it.

Several emulators, in several processes, may have one state: as commands do that run at the same
time, each with an emulator of its own.
"""

from __future__ import annotations

import mmap
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from ..exceptions import ConfigError

#: Seconds that a transaction waits for another process's.
_PATIENCE: Final = 60.0


class State:
    """A directory with a database, ``emulator.db``, and the bytes of objects, under ``blobs``.

    Parameters
    ----------
    directory : path, optional
        Made when it is first needed. Without one, a temporary directory that :meth:`close` removes.
    """

    def __init__(self, directory: str | Path | None = None):
        self._given = None if directory is None else Path(directory)
        self._schema: list[str] = []
        self._lock = threading.RLock()

    def add(self, schema: Sequence[str]) -> None:
        """Have tables, by statements ``CREATE … IF NOT EXISTS``; before the state is first used."""
        self._schema += schema

    @cached_property
    def directory(self) -> Path:
        """Where all of it is."""
        return Path(tempfile.mkdtemp(prefix="cedar-")) if self._given is None else self._given

    def exists(self) -> bool:
        """Whether there may be something in it: it has been used, by this process or before."""
        return "_rows" in vars(self) or (
            self._given is not None and (self._given / "emulator.db").exists()
        )

    @property
    def blobs(self) -> Path:
        """Where the bytes of objects are."""
        return self.directory / "blobs"

    @cached_property
    def _rows(self) -> sqlite3.Connection:
        try:
            self.blobs.mkdir(parents=True, exist_ok=True)
            rows = sqlite3.connect(
                self.directory / "emulator.db",
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            # What a power cut takes can be made again: the end of a process loses nothing.
            rows.execute("PRAGMA journal_mode = WAL")
            rows.execute("PRAGMA synchronous = OFF")
            for statement in self._schema:
                rows.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{self.directory} can't hold the emulator's state: {error}"
            ) from error
        rows.row_factory = sqlite3.Row
        return rows

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the database for a block whose changes are made wholly, or not at all if it raises.

        No other thread's or process's block runs meanwhile. Blocks don't nest.

        Raises
        ------
        ConfigError
            The directory can't be used.
        """
        with self._lock:
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield self._rows
            except BaseException:
                self._rows.execute("ROLLBACK")
                raise
            self._rows.execute("COMMIT")

    def new_blob(self) -> Path:
        """A new name for the bytes of an object. They don't change once a row names them."""
        return self.blobs / uuid.uuid4().hex

    def blob(self, name: str) -> memoryview:
        """The bytes of an object, mapped: readable also when its file has been removed since."""
        with (self.blobs / name).open("rb") as file:
            if not file.seek(0, 2):
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def close(self) -> None:
        """Let go of the files; remove them, if they are temporary."""
        with self._lock:
            if rows := self.__dict__.pop("_rows", None):
                rows.close()
            if self._given is None and (directory := self.__dict__.pop("directory", None)):
                shutil.rmtree(directory, ignore_errors=True)
