"""Checksums of files and objects, written ``algorithm:digest``, as every store knows some."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from ..exceptions import StoreError

#: Bytes held in memory while an object is copied or summed.
CHUNK: Final = 1 << 20


class Sum(Protocol):
    """A checksum that grows with what it is given."""

    def update(self, data: bytes, /) -> object:
        """Take more bytes."""

    def text(self) -> str:
        """The digest so far, as ``algorithm:digest``."""


class _Hex:
    """One of :mod:`hashlib`'s, in hexadecimal: as Drive writes MD5."""

    def __init__(self, algorithm: str):
        self._name = algorithm
        # MD5 is what Drive has; it guards against accidents here, not against people.
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self.update = self._hash.update

    def text(self) -> str:
        return f"{self._name}:{self._hash.hexdigest()}"


class _Crc32c:
    """CRC32C, big-endian in Base64: as Cloud Storage writes it."""

    def __init__(self) -> None:
        import google_crc32c

        self._sum = google_crc32c.Checksum()
        self.update = self._sum.update

    def text(self) -> str:
        return f"crc32c:{base64.b64encode(bytes(self._sum.digest())).decode()}"


_ALGORITHMS: Final[dict[str, Callable[[], Sum]]] = {
    "sha256": lambda: _Hex("sha256"),
    "md5": lambda: _Hex("md5"),
    "crc32c": _Crc32c,
}


def algorithm_of(checksum: str) -> str:
    """Return the algorithm of a checksum.

    Raises
    ------
    StoreError
        It isn't one that cedar knows.
    """
    algorithm, colon, _ = checksum.partition(":")
    if not colon or algorithm not in _ALGORITHMS:
        raise StoreError(f"{checksum!r} is no checksum: cedar knows {', '.join(_ALGORITHMS)}")
    return algorithm


def summing(algorithm: str) -> Sum:
    """Start a checksum."""
    return _ALGORITHMS[algorithm]()


def checksum_of(data: bytes, algorithm: str = "sha256") -> str:
    """Checksum of bytes."""
    total = summing(algorithm)
    total.update(data)
    return total.text()


def file_checksum(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """Checksum of a local file."""
    total = summing(algorithm)
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.text()
