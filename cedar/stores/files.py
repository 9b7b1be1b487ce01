"""Files that appear whole or not at all: what stores do on the local file system."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..exceptions import NotFoundError, StoreError


@contextlib.contextmanager
def explained(what: str, key: str | None = None) -> Iterator[None]:
    """Turn the system's errors in a block into one line that starts with `what`.

    Raises
    ------
    NotFoundError
        A file is missing.
    StoreError
        Any other: a full disk, missing permission.
    """
    try:
        yield
    except OSError as error:
        kind = NotFoundError if isinstance(error, FileNotFoundError) else StoreError
        raise kind(f"{what}: {error.strerror or error}", key) from error


@contextlib.contextmanager
def arriving(path: Path) -> Iterator[Path]:
    """Give a new name beside `path` to write to; at the end of the block it becomes `path`.

    If the block fails or is interrupted, `path` is what it was and nothing else is left.
    """
    make_directory(path.parent)
    temp = path.with_name(f".cedar-{uuid.uuid4().hex}.part")
    try:
        yield temp
        sync(temp)
        temp.replace(path)
        sync(path.parent)
    finally:
        temp.unlink(missing_ok=True)


def make_directory(path: Path) -> Path:
    """Make a directory and its parents, to outlast a power cut; the directory."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
    return path


def cache_root() -> Path:
    """Where what can be made again is kept for this user.

    ``cedar`` in $XDG_CACHE_HOME, by default in ``~/.cache``, on macOS in ``~/Library/Caches``.

    Raises
    ------
    RuntimeError
        The user has no home.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # others are to be ignored, says the XDG Base Directory Specification
        return given / "cedar"
    here = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / here / "cedar"


def cache_directory(*parts: str) -> Path:
    """A directory below :func:`cache_root`, the same at every call, that nobody else can look in.

    Parameters
    ----------
    *parts : str
        Names of the directories to it.

    Raises
    ------
    StoreError
        It can't be made.
    """
    try:
        root = cache_root()
    except RuntimeError as error:
        raise StoreError(f"there is no place for a cache: {error}; set $XDG_CACHE_HOME") from error
    path = root.joinpath(*parts)
    with explained(f"can't make {path} (set $XDG_CACHE_HOME to have it elsewhere)"):
        make_directory(root)
        root.chmod(0o700)
        return make_directory(path)


def sync(path: Path) -> None:
    """Bring a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
