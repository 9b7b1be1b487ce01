"""Bytes to Cloud Storage: in one request, or in parts that go on where a connection broke.

The official client begins an upload in parts anew if its own retries are off, and where checksums
differ at the end it deletes the object, whosever it is by then; a small one takes it twice the time
of the processor. So this speaks the service's JSON API itself
(cloud.google.com/storage/docs/uploads-downloads).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..exceptions import Conflict, NotFoundError
from ..items import ObjectInfo
from .gcs_connection import (
    TIMEOUT,
    Connection,
    conditions,
    look_at,
    object_info,
    objects_path,
    refused,
)

if TYPE_CHECKING:
    import requests

#: Bytes from which an object is uploaded in parts, and of a part: a multiple of 256 KiB, and what
#: the client takes in one request.
PART: Final = 8 << 20
_NEEDS: Final = "storage.objects.create (to replace an object, storage.objects.delete too)"


def upload(
    connection: Connection,
    source: BinaryIO,
    size: int,
    resource: Mapping[str, str],
    generation: int | None,
) -> ObjectInfo:
    """Make an object of a file's bytes; what it is then.

    An answer that is lost may have been that the object is there: if the service then refuses since
    it isn't as expected, but has just these bytes, they count as ours.

    Parameters
    ----------
    connection : Connection
    source : BinaryIO
        The bytes; it can be read anew from anywhere.
    size : int
        How many they are.
    resource : mapping
        What the service is told of the object: ``name``, ``contentType`` and ``crc32c``, by which
        it refuses bytes that arrive damaged.
    generation : int or None
        What the object has to be at (0: absent); None: anything.

    Raises
    ------
    Conflict
        The object isn't at `generation`.
    StoreError
        It can't be written.
    """
    key = resource["name"]
    sender = (Insert if size < PART else Upload)(connection, source, size, resource, generation)
    try:
        while (made := connection.ask(sender.step, "write", key, _NEEDS)) is None:
            pass
    except Conflict:
        if sender.may_be_done:
            with contextlib.suppress(NotFoundError):
                made = look_at(connection, key)
                if (made.size, made.checksum) == (size, f"crc32c:{resource['crc32c']}"):
                    return made
        raise
    return made


class Insert:
    """An upload in one request, of fewer than :data:`PART` bytes; see :func:`upload`."""

    def __init__(
        self,
        connection: Connection,
        source: BinaryIO,
        size: int,
        resource: Mapping[str, str],
        generation: int | None,
    ):
        self._connection, self._source, self._size = connection, source, size
        self._resource, self._generation = resource, generation
        self._tries = 0

    @property
    def may_be_done(self) -> bool:
        """Whether an answer was lost, which may have been that the object is there."""
        return self._tries > 1

    def step(self) -> ObjectInfo:
        """Make the request; what the object is then.

        Raises
        ------
        ConnectionError, TimeoutError, GoogleAPICallError
            It failed. Another generation is 412 (Precondition Failed).
        """
        self._tries += 1
        self._source.seek(0)
        # No line of what is sent may be the boundary.
        boundary = secrets.token_hex(16)
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(self._resource)}\r\n"
            f"--{boundary}\r\nContent-Type: {self._resource['contentType']}\r\n\r\n"
        )
        body = b"".join(
            (head.encode(), self._source.read(self._size), f"\r\n--{boundary}--".encode())
        )
        response = insert(
            self._connection,
            "multipart",
            self._generation,
            data=body,
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
        )
        return _made(self._connection, response)


class Upload:
    """A resumable upload, a part a request; see :func:`upload`. It has one byte at least."""

    def __init__(
        self,
        connection: Connection,
        source: BinaryIO,
        size: int,
        resource: Mapping[str, str],
        generation: int | None,
    ):
        self._connection, self._source, self._size = connection, source, size
        self._resource, self._generation = resource, generation
        self._forgotten = False
        self._address: str | None = None
        #: Bytes that the service has; None: it has to be asked.
        self._sent: int | None = 0

    @property
    def may_be_done(self) -> bool:
        """Whether the service forgot an upload, perhaps because the object is there."""
        return self._forgotten

    def step(self) -> ObjectInfo | None:
        """Make one request; what the object is, once it is there.

        Raises
        ------
        ConnectionError, TimeoutError, GoogleAPICallError
            The next step goes on from there, if the error may pass.
        """
        if self._address is None:
            self._begin()
            return None
        sent, self._sent = self._sent, None
        if sent is None:
            data, extent = b"", "*"
        else:
            self._source.seek(sent)
            data = self._source.read(PART)
            extent = f"{sent}-{sent + len(data) - 1}"
        response = self._connection.session.request(
            "PUT",
            self._address,
            data=data,
            headers={"Content-Range": f"bytes {extent}/{self._size}"},
            timeout=TIMEOUT,
        )
        match response.status_code:
            case HTTPStatus.OK | HTTPStatus.CREATED:
                return _made(self._connection, response)
            case HTTPStatus.PERMANENT_REDIRECT:  # Its meaning here is "go on".
                _, _, last = response.headers.get("Range", "").rpartition("-")
                self._sent = int(last) + 1 if last else 0
                if sent is not None and self._sent <= sent:
                    raise ConnectionError("nothing of it was taken")
                return None
            case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
                self._address, self._forgotten = None, True
                raise ConnectionError("the upload was forgotten")
            case _:
                raise refused(response)

    def _begin(self) -> None:
        response = insert(
            self._connection,
            "resumable",
            self._generation,
            json=self._resource,
            headers={"X-Upload-Content-Length": str(self._size)},
        )
        self._address, self._sent = response.headers["Location"], 0


def insert(
    connection: Connection, kind: str, generation: int | None, **kwds: Any
) -> requests.Response:
    """Send the request that an upload of a kind begins with.

    Raises
    ------
    ConnectionError, TimeoutError, GoogleAPICallError
        It failed.
    """
    bucket = connection.bucket
    response = connection.session.request(
        "POST",
        f"{connection.url}/upload/storage/v1{objects_path(bucket)}",
        params={"uploadType": kind, **conditions(bucket, generation)},
        timeout=TIMEOUT,
        **kwds,
    )
    if response.status_code != HTTPStatus.OK:
        raise refused(response)
    return response


def _made(connection: Connection, response: requests.Response) -> ObjectInfo:
    """Return the object that an answer describes.

    Raises
    ------
    ValueError
        It isn't in the service's form.
    """
    made = response.json()
    try:
        name, size, generation = made["name"], made["size"], made["generation"]
        checksum, updated = made["crc32c"], dt.datetime.fromisoformat(made["updated"])
    except (KeyError, TypeError) as error:
        raise ValueError("the answer describes no object") from error
    return object_info(connection.bucket.name, name, size, generation, checksum, updated)
