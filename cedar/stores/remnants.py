"""What killed processes leave on this machine's disk: half-done work, and files of no name yet.

Found by cedar's own names only, in places that are cedar's own. Deleting it is somebody else's
decision; :func:`forget` only keeps from taking what a living process has.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from .base import Store
from .files import cache_root
from .keys import RESERVED
from .local import LocalStore, lock_if_free

#: Names of scratch directories: request ids.
_REQUEST: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What :func:`cedar.stores.files.arriving` writes to.
_ARRIVING: Final = re.compile(r"\.cedar-[0-9a-f]{32}\.part")
#: What a local store writes to, in its ``tmp``; and its claims.
_TEMPORARY: Final = re.compile(r"[0-9a-f]{32}")
_CLAIM: Final = re.compile(r"[0-9a-f]{64}")


def scratches(store: Store) -> list[Path]:
    """List the directories of a store's half-done work; the name of each is its request's id."""
    # Every store makes them beside each other, and nothing else tells where.
    beside = store.scratch(str(uuid.uuid4()))
    with contextlib.suppress(OSError):
        beside.rmdir()
    return [path for path in _named(beside.parent, _REQUEST) if path.is_dir()]


def temporaries(store: Store) -> list[Path]:
    """List the files that were to become others: of a local store, and of the user's cache."""
    found: list[Path] = []
    with contextlib.suppress(RuntimeError):  # A user without a home has no cache.
        found += _arriving(cache_root())
    if isinstance(store, LocalStore):
        own = store.root / RESERVED
        found += _arriving(own)
        found += _named(own / "tmp", _TEMPORARY)
    return [path for path in found if path.is_file()]


def claims(store: Store) -> list[Path]:
    """List a local store's claims that nobody has any more.

    Not the locks beside them: removing one that another process is just about to lock would let two
    write at once. There are 256 of them, all empty.
    """
    if not isinstance(store, LocalStore):
        return []
    return [path for path in _named(store.root / RESERVED / "claims", _CLAIM) if _is_free(path)]


def newest(path: Path) -> float:
    """Return when a file, or anything in a directory, was last written: seconds since 1970.

    Infinity where it is gone.
    """
    times = []
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        with contextlib.suppress(FileNotFoundError):
            times.append(each.lstat().st_mtime)
    return max(times, default=math.inf)


def size(path: Path) -> int:
    """Bytes of a file, or of all in a directory."""
    total = 0
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        with contextlib.suppress(FileNotFoundError):
            total += 0 if each.is_dir() else each.lstat().st_size
    return total


def forget(path: Path) -> None:
    """Delete a file or directory; a claim only if nobody has it now."""
    if _CLAIM.fullmatch(path.name):
        _free(path, remove=True)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _named(directory: Path, name: re.Pattern[str]) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(directory.iterdir()):
            if name.fullmatch(path.name) and not path.is_symlink():
                yield path


def _arriving(root: Path) -> Iterable[Path]:
    found = root.rglob(".cedar-*.part")
    return (path for path in sorted(found) if _ARRIVING.fullmatch(path.name))


def _is_free(path: Path) -> bool:
    return _free(path, remove=False)


def _free(path: Path, remove: bool) -> bool:
    if not path.is_file():
        return False
    lock = lock_if_free(path)
    if lock is None:
        return False
    with lock:
        if remove:
            # While it is locked, as its owner would: who opened it before sees that it is gone.
            path.unlink(missing_ok=True)
    return True
