"""Directories that take each other's place, whole."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path
from typing import Final

from cedar.stores.files import sync

#: Of Linux, for the next: relative to the working directory, and exchange the two (renameat2(2)).
_HERE: Final = -100
_EXCHANGE: Final = 2


def replace_directory(made: Path, path: Path) -> None:
    """Put a directory in the place of another, if there is one, which isn't there any more then.

    Where the system can't exchange two at once, there is neither for a moment; what is killed in it
    :func:`recover` puts in order.
    """
    aside = _aside(path)
    if not path.exists():
        made.rename(path)
    elif not _exchanged(made, path):
        path.rename(aside)
        made.rename(path)
    sync(path.parent)
    shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def recover(path: Path) -> None:
    """Put a directory back that a killed process had moved aside, or remove it."""
    aside = _aside(path)
    if not path.exists():
        with contextlib.suppress(FileNotFoundError):
            aside.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".cedar-{path.name}.old")


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two directories at once, if the system can."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return int(call(_HERE, paths[0], _HERE, paths[1], ctypes.c_uint(_EXCHANGE))) == 0
