"""What an adapter writes for a kind of store: the rest is built on it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..items import Destination, ObjectInfo
from .versions import ANY, IfVersion


@dataclass(frozen=True)
class Origin:
    """What a store was made from, so that another process can make it too.

    Attributes
    ----------
    kind : str
    section : mapping
        Its section of the configuration, in which there are no secrets.
    directory : Path
        What paths in that are relative to.
    """

    kind: str
    section: Mapping[str, Any]
    directory: Path


class Primitives(ABC):
    """Objects (images and JSON documents) by key, each with a version that every write changes.

    A key is one or more parts separated by ``/``. A name is the stem of a document or an image:
    it never carries the prefix, and every method that takes one also takes it with ``.json``.

    In all methods, `key` is an object's key and `prefix` a folder; `path` is a file of this
    machine and `data` all of an object's bytes. `if_version` is the version that the object has to
    be at: one that was seen, ABSENT, or ANY.
    """

    #: The word for it in the configuration and in records.
    kind: ClassVar[str]
    #: Seconds that have to be between two writes of one object.
    write_interval: ClassVar[float] = 0.0
    #: How many objects are read or written at once.
    workers: ClassVar[int] = 8
    #: Whether what it reaches is the emulator's, or what else is on this machine's loopback.
    emulated: bool = False
    #: What it was made from; None: it was made by hand.
    origin: Origin | None = None

    @abstractmethod
    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, character by character; lazy.

        End a folder with ``/``: ``CEDAR`` is also the start of ``CEDAR_TRACKING/…``.
        """

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it.

        Raises
        ------
        NotFoundError
            It isn't there.
        """

    @abstractmethod
    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default.

        Raises
        ------
        InputError
            `start` or `end` is negative.
        NotFoundError
            It isn't there.
        """

    @abstractmethod
    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object in order, by one request and unchecked.

        Nothing is sent, and nothing said of what was given, before the first piece is asked for.
        Nothing is asked again, and no checksum looked at: that is for who puts the pieces together.
        To close the iterator is to give its connection back, or up.

        Parameters
        ----------
        key : str
            The object.
        start, end : int
            The first byte, and the one behind the last.
        if_version : optional
            The version to read.
        timeout : float, optional
            Seconds in which a byte has to come.

        Yields
        ------
        bytes
            From one to 512 KiB of them.

        Raises
        ------
        InputError
            No bytes can be at `start` to `end`, or `if_version` is ABSENT.
        NotFoundError
            It isn't there.
        Conflict
            It isn't at `if_version`, or it is shorter than `end`.
        Interrupted
            The connection broke, no byte came in time, or the service is busy: the rest may be had
            a moment later.
        StoreError
            Anything else.
        """

    @abstractmethod
    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now.

        Raises
        ------
        Conflict
            The object isn't at `if_version`: another version, there against ABSENT, or gone.
        """

    @abstractmethod
    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Move a finished file in, wholly or not at all; what the object is now.

        Raises
        ------
        Conflict
            As in :meth:`write`; the file stays where it was.
        InputError
            `path` isn't a regular file.
        """

    @abstractmethod
    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all.

        Parameters
        ----------
        key : str
            The object.
        path : path-like
            The file; its directory is made, and what was there is replaced.
        checksum : str, optional
            ``algorithm:digest`` that the bytes must have.
        if_version : optional
            The version to copy.

        Returns
        -------
        ObjectInfo
            What was copied, with a checksum of the bytes that were written: of the same algorithm
            as `checksum`, by default the one that the store knows.

        Raises
        ------
        NotFoundError
            It isn't there.
        Conflict
            It isn't at `if_version`.
        StoreError
            The copy isn't what it should be; nothing is left of it.
        """

    @abstractmethod
    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object.

        Raises
        ------
        Conflict
            The object is there, but not at `if_version`.
        NotFoundError
            It isn't there, and `missing_ok` is False.
        """

    @abstractmethod
    def scratch(self, prefix: str) -> Path:
        """A local directory for half-done work, the same at every call; never listed."""

    @abstractmethod
    def destination(self, prefix: str) -> Destination:
        """Where an engine writes what goes under `prefix`."""

    @abstractmethod
    def identity(self) -> dict[str, str]:
        """What it is, wherever it is reached from: ``{"kind": …, "identity": …}``."""
