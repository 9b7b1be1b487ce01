"""The bytes of objects: files that are written once, with their checksums."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import google_crc32c

from .errors import invalid

_CHUNK: Final = 2**20


class _Sums:
    """CRC32C and MD5 of what it is given, as Cloud Storage writes them."""

    def __init__(self) -> None:
        self._crc32c = google_crc32c.Checksum()
        # Not for security: it is what the service has.
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._crc32c.update(data)
        self._md5.update(data)

    @property
    def crc32c(self) -> str:
        return base64.b64encode(bytes(self._crc32c.digest())).decode()

    @property
    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()


@dataclass(frozen=True)
class Content:
    """The bytes of an object.

    Attributes
    ----------
    path : Path
        A file of their own.
    size : int
        Bytes.
    crc32c, md5 : str
        Base64.
    """

    path: Path
    size: int
    crc32c: str
    md5: str

    @classmethod
    def write(cls, path: Path, body: memoryview) -> Self:
        """Bytes, put into a new file."""
        sums = _Sums()
        with path.open("xb") as file:
            for start in range(0, len(body), _CHUNK):
                part = bytes(body[start : start + _CHUNK])
                sums.update(part)
                file.write(part)
        return cls(path, len(body), sums.crc32c, sums.md5)

    @classmethod
    def of(cls, path: Path) -> Self:
        """The bytes that a file has."""
        sums, size = _Sums(), 0
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                sums.update(part)
                size += len(part)
        return cls(path, size, sums.crc32c, sums.md5)


@dataclass(frozen=True)
class Expected:
    """The checksums that an uploader says the bytes have; None: nothing is said.

    Attributes
    ----------
    crc32c, md5 : str or None
        Base64.
    """

    crc32c: str | None = None
    md5: str | None = None

    @classmethod
    def of(cls, header: str) -> Self:
        """Those in a header ``x-goog-hash``.

        Raises
        ------
        ServiceError
            It isn't one.
        """
        pairs = [each.strip().partition("=") for each in header.split(",")] if header else []
        if wrong := [name for name, _, _ in pairs if name not in {"crc32c", "md5"}]:
            raise invalid(f"x-goog-hash has no {wrong[0][:20]!r}.")
        return cls(**{name: digest for name, _, digest in pairs})

    def check(self, content: Content) -> None:
        """Refuse bytes that are others.

        Raises
        ------
        ServiceError
            They are.
        """
        for name, said, have in (
            ("CRC32C", self.crc32c, content.crc32c),
            ("MD5", self.md5, content.md5),
        ):
            if said not in (None, have):
                raise invalid(
                    f'Provided {name} "{said}" doesn\'t match calculated {name} "{have}".'
                )
