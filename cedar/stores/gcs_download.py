"""Bytes from Cloud Storage: carried on where a connection broke, and checked at the end.

The official client begins a download anew if its own retries are off, and doesn't check a range: so
this speaks the service's JSON API itself (cloud.google.com/storage/docs/json_api).
"""

from __future__ import annotations

import io
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Final

from ..exceptions import Conflict, StoreError
from .checksums import CHUNK, summing
from .gcs_connection import TIMEOUT, Connection, refused
from .keys import too_large

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger(__name__)

#: How often a body that arrives damaged, or is replaced while it does, is read.
TRIES: Final = 4
_CRC32C: Final = re.compile(r"\bcrc32c=([A-Za-z0-9+/]{6}==)")


def download(
    connection: Connection,
    key: str,
    sink: BinaryIO,
    generation: int | None = None,
    algorithm: str = "crc32c",
    most: int | None = None,
) -> Download:
    """Have all of an object in `sink`, checked; again where it arrives damaged.

    The parameters are those of :class:`Download`.

    Raises
    ------
    Conflict
        The object isn't at `generation`.
    StoreError
        It arrived damaged every time, or didn't arrive.
    """
    for _ in range(TRIES):
        sink.seek(0)
        sink.truncate()
        found = Download(connection, key, sink, generation, algorithm=algorithm, most=most)
        try:
            _run(found, connection, key)
        except Conflict:
            if generation is not None:
                raise
            continue  # It was replaced between two requests for one generation.
        if found.crc32c == found.expected:
            return found
        _log.warning("%s arrived damaged: reading it again", key)
    raise _damaged(key)


def _run(found: Download, connection: Connection, key: str) -> None:
    while not connection.ask(found.step, "read", key):
        pass


def _damaged(key: str) -> StoreError:
    return StoreError(
        f"{key} arrived damaged, or was replaced, {TRIES} times: is something in between, such as "
        "a proxy, that changes what is sent?",
        key,
    )


class Slice(io.BytesIO):
    """Keeps a part of the bytes that are written to it, from `start` to before `end`."""

    def __init__(self, start: int = 0, end: int | None = None):
        super().__init__()
        self._start, self._end, self._passed = start, end, 0

    def truncate(self, size: int | None = None, /) -> int:
        """Begin anew: nothing else is cut off."""
        self._passed = 0
        return super().truncate(size)

    def write(self, data: ReadableBuffer, /) -> int:
        """Take the next bytes, and keep those of the part."""
        view = memoryview(data)
        first = max(0, self._start - self._passed)
        last = len(view) if self._end is None else max(0, self._end - self._passed)
        super().write(view[first:last])
        self._passed += len(view)
        return len(view)


class Download:
    """The bytes of one generation of an object.

    Parameters
    ----------
    connection : Connection
    key : str
        The object.
    sink : BinaryIO
        Where the bytes go, from where it stands.
    generation : int or None
        The one to read; None: the one that is there at the first answer.
    algorithm : str
        Of the checksum that is wanted besides the service's own.
    most : int or None
        Bytes that one answer may have; a larger one isn't read.

    Attributes
    ----------
    generation : int or None
        The one that is read, once it is known.
    size : int
        Bytes that have arrived.
    expected : str or None
        CRC32C of the whole object, as the service says.
    """

    def __init__(
        self,
        connection: Connection,
        key: str,
        sink: BinaryIO,
        generation: int | None = None,
        algorithm: str = "crc32c",
        most: int | None = None,
    ):
        self._most = most
        self._connection, self._key, self._sink = connection, key, sink
        self.generation = generation
        self.size = 0
        self.expected: str | None = None
        self._sums = {each: summing(each) for each in {"crc32c", algorithm}}
        self._algorithm = algorithm

    @property
    def crc32c(self) -> str:
        """CRC32C of what has arrived."""
        return self._sums["crc32c"].text()

    @property
    def checksum(self) -> str:
        """Checksum of what has arrived, by the algorithm that is wanted."""
        return self._sums[self._algorithm].text()

    def step(self) -> bool:
        """Make one request; whether all bytes are there now.

        Raises
        ------
        ConnectionError, TimeoutError
            Nothing arrived.
        GoogleAPICallError
            The service refuses. Another generation is 412 (Precondition Failed).
        """
        before = self.size
        try:
            with self._connection.session.plain_errors():
                self._receive()
        except (ConnectionError, TimeoutError):
            if self.size == before:
                raise
            return False
        return True

    def _receive(self) -> None:
        first = self.size
        # Without this the service would unpack what is stored packed, and its checksum be another.
        headers = {"Accept-Encoding": "gzip"}
        if first:
            headers["Range"] = f"bytes={first}-"
        with self._connection.media(self._key, self.generation, headers, TIMEOUT) as response:
            if response.status_code not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise refused(response)
            if first and response.status_code == HTTPStatus.OK:
                raise StoreError(
                    f"{self._key}: asked for a range, the service sends all", self._key
                )
            size = int(response.headers.get("Content-Length", 0))
            if self._most is not None and size > self._most:
                raise too_large(self._key, size, self._most)
            self.generation = int(response.headers.get("x-goog-generation", ""))
            if found := _CRC32C.search(response.headers.get("x-goog-hash", "")):
                self.expected = self.expected or f"crc32c:{found[1]}"
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                self._sink.write(chunk)
                for total in self._sums.values():
                    total.update(chunk)
                self.size += len(chunk)
