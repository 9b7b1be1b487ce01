"""Locks between processes, as files; the system drops them with the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..values import ServiceError

if sys.platform != "win32":
    import fcntl


def _locked(path: Path, *, wait: bool = False) -> BinaryIO:
    """Open a file, made if need be, and lock it."""
    if sys.platform == "win32":
        problem = "The emulator's exports need flock, which Windows hasn't: use cedar in WSL."
        raise ServiceError(problem, 501, "UNIMPLEMENTED")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let no other thread or process into a block of the same path meanwhile."""
    with _locked(path, wait=True):
        yield


class Owner:
    """Who runs tasks: alive as long as it isn't closed and its process lives.

    Parameters
    ----------
    path : Path
        A file of its own.

    Attributes
    ----------
    name : str
        The file's name.
    """

    def __init__(self, path: Path):
        self._path, self.name = path, path.name
        self._file = _locked(path)

    def close(self) -> None:
        """Be no longer alive."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(path: Path) -> bool:
    """Whether the owner with that file is; what a dead one left is removed."""
    try:
        file = _locked(path)
    except BlockingIOError:
        return True
    path.unlink(missing_ok=True)
    file.close()
    return False
