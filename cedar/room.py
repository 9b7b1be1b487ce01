"""Whether there is room on this machine for the files that are wanted."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from .exceptions import StoreError
from .stores.files import explained
from .stores.parts import names
from .wanted import Wanted

#: Bytes that st_blocks counts in, whatever the file system's own blocks are.
_BLOCK: Final = 512


def check_room(dest: Path, wanted: Sequence[Wanted]) -> None:
    """Refuse what the disk has no room for.

    Raises
    ------
    StoreError
        It hasn't.
    """
    with explained(f"can't look at the disk of {dest}"):
        there = next(path for path in (dest.absolute(), *dest.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        there_already = _sizes({each.path.parent for each in wanted})
    needed = sum(each.info.size - _arrived(each, there_already) for each in wanted)
    if needed > free:
        raise StoreError(
            f"{there} has room for {free:,} bytes, and {needed:,} are still to come: make room, or "
            "download into another directory; nothing was fetched"
        )


def _sizes(directories: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Of each file in some directories, by its path, its size and how much of it is on the disk."""
    found: dict[str, tuple[int, int]] = {}
    for directory in directories:
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                stat = entry.stat(follow_symlinks=False)
                found[entry.path] = stat.st_size, stat.st_blocks * _BLOCK
    return found


def _arrived(wanted: Wanted, there: Mapping[str, tuple[int, int]]) -> int:
    """Bytes of a file that seem to be there already."""
    size = wanted.info.size
    if there.get(str(wanted.path), (None, 0))[0] == size:
        return size
    return min(size, there.get(str(names(wanted.path)[0]), (0, 0))[1]) if there else 0
