"""Files that appear whole or not at all: what stores do on the local file system."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..exceptions import NotFoundError, StoreError

#: Bytes held in memory while an object is copied or summed.
CHUNK: Final = 1 << 20


def file_checksum(path: str | os.PathLike[str]) -> str:
    """``sha256:…`` of a local file."""
    with Path(path).open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


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


def sync(path: Path) -> None:
    """Bring a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
