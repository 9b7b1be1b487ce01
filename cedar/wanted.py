"""Files that are wanted on this machine, and what becomes of them: data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from .exceptions import CedarError
from .items import ObjectInfo
from .stores.parts import PIECE


class FileState(StrEnum):
    """How it stands with a file that is wanted."""

    TODO = "to do"
    DOWNLOADING = "downloading"
    #: It was there and right, and wasn't fetched.
    HERE = "already there"
    DONE = "done"
    FAILED = "failed"


#: Those after which nothing happens to a file any more.
FINISHED: Final = frozenset({FileState.HERE, FileState.DONE, FileState.FAILED})


@dataclass(frozen=True)
class Wanted:
    """A file to have.

    Attributes
    ----------
    path : Path
        Where.
    info : ObjectInfo
        What it is a copy of.
    recorded : bool
        Whether `info` is what a record says that it has to be; else it is what the store has now,
        and may change.
    """

    path: Path
    info: ObjectInfo
    recorded: bool = True


@dataclass(frozen=True)
class FileEvent:
    """What has become of a file.

    Attributes
    ----------
    path : Path
        The file.
    state : FileState
    arrived : int
        Bytes of it that are there.
    size : int
        Bytes that it has.
    error : CedarError or None
        Why it failed.
    """

    path: Path
    state: FileState
    arrived: int
    size: int
    error: CedarError | None = None


@dataclass(frozen=True)
class Fetching:
    """How files are fetched.

    Attributes
    ----------
    workers : int or None
        Requests at once; by default as many as suit the store.
    piece : int
        Bytes of a piece: larger files are fetched by several requests at once.
    timeout : float
        Seconds without a byte after which a connection is replaced.
    rate : float or None
        Bytes a second, of all together.
    overwrite : bool
        Replace files that differ; otherwise one is an error.
    """

    workers: int | None = None
    piece: int = PIECE
    timeout: float = 60.0
    rate: float | None = None
    overwrite: bool = True
