"""A bucket of Cloud Storage as a store, by the official client."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import re
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from google.cloud import storage

from ..credentials import check_url, is_loopback
from ..defaults import MAX_DOCUMENT
from ..exceptions import Conflict, InputError, NotFoundError, StoreError
from ..items import Destination, ObjectInfo
from .base import Store
from .checksums import algorithm_of, checksum_of, file_checksum
from .files import arriving, cache_directory, explained
from .gcs_access import SERVICE
from .gcs_connection import TIMEOUT, Connection, infos_of, look_at
from .gcs_deletion import DELETE, delete_all
from .gcs_download import Slice, download
from .gcs_stream import stream
from .gcs_upload import upload
from .keys import check_key
from .streams import check_object, check_stream
from .versions import ABSENT, ANY, Expect, IfVersion

#: JSON Schema (2020-12) of the configuration's section `gcs`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "description": "The store `gcs`: a bucket of Google Cloud Storage.",
    "type": "object",
    "properties": {
        "bucket": {
            "description": "Name of the bucket, without `gs://`. It has to be there.",
            "type": "string",
            "minLength": 1,
        },
        "project": {
            "description": "Cloud project that pays for the requests, where the bucket is one "
            "whose requesters pay.",
            "type": "string",
            "minLength": 1,
        },
        "credentials": {
            "description": "Key file of a service account or user; without it, what `earthengine "
            "authenticate` wrote, else application default credentials.",
            "type": "string",
            "minLength": 1,
        },
        "url": {
            "description": "Another host of the service, Google's or on this machine: the latter "
            "needs no credentials, and is sent none. `emulator`: the one of section `earthengine`.",
            "type": "string",
            "minLength": 1,
        },
    },
    "required": ["bucket"],
    "additionalProperties": False,
}

DEFAULT_URL: Final = "https://storage.googleapis.com"
#: cloud.google.com/storage/docs/buckets#naming
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_GENERATION: Final = re.compile(r"[1-9][0-9]{0,17}")
#: A generation that none is: they are microseconds since 1970.
_NEVER: Final = 1
_FIELDS: Final = "items(name,size,generation,crc32c,updated),nextPageToken"


def from_config(section: Mapping[str, Any], directory: Path) -> GCSStore:
    """Make the store of a configuration's section `gcs`, which fits CONFIG_SCHEMA.

    Parameters
    ----------
    section : mapping
        The section.
    directory : Path
        What paths in it are relative to.
    """
    key = section.get("credentials")
    return GCSStore(
        section["bucket"],
        project=section.get("project"),
        credentials=None if key is None else directory / Path(key).expanduser(),
        url=section.get("url"),
    )


class GCSStore(Store):
    """Objects in a bucket of Google Cloud Storage.

    An object's version is its generation. The service takes about one write a second of one object.
    Nothing is sent before something is asked, and no credential is looked for where the host is on
    this machine. Safe to use from several threads.

    Parameters
    ----------
    bucket : str
        Its name.
    project : str, optional
        Cloud project that pays for the requests, where the bucket's requesters do.
    credentials : path or google.auth.credentials.Credentials, optional
        A credential, or a file of one that nobody else can read; by default what ``earthengine
        authenticate`` wrote, else application default credentials.
    url : str, optional
        Another host of the service, Google's or on this machine.

    Raises
    ------
    InputError
        No bucket can have the name, or the host is neither Google's nor on this machine.
    """

    kind: ClassVar[str] = "gcs"
    # cloud.google.com/storage/quotas#objects
    write_interval: ClassVar[float] = 1.0
    workers: ClassVar[int] = 40

    def __init__(
        self,
        bucket: str,
        *,
        project: str | None = None,
        credentials: Any = None,
        url: str | None = None,
    ):
        if not _BUCKET.fullmatch(bucket):
            raise InputError(
                f"{bucket!r} can't be a bucket: give its name alone, such as 'my-bucket'"
            )
        if url is not None:
            check_url(url)
        self.bucket, self.project, self.credentials = bucket, project, credentials
        self.url = (url or DEFAULT_URL).rstrip("/")
        self.emulated = is_loopback(self.url)
        #: Starts of keys of which there is more than a page.
        self._crowded: set[str] = set()
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"GCSStore({self.bucket!r})"

    @property
    def connection(self) -> Connection:
        """The connection, made when it is first needed.

        Raises
        ------
        ConfigError
            There is no credential, or it can't be used.
        """
        with self._lock:
            if self._connection is None:
                found = SERVICE.credential(self.credentials, self.emulated).credentials
                self._connection = Connection(self.bucket, found, self.url, self.project)
            return self._connection

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in the order of keys; lazy, a page at a time."""
        token: str | None = None
        while True:
            page = partial(self._page, prefix, token)
            blobs, token = self.connection.ask(page, "list", needs="storage.objects.list")
            yield from infos_of(blobs)
            if not token:
                return

    def under(self, prefixes: Sequence[str]) -> list[Iterator[ObjectInfo]]:
        """Objects that start with each of some `prefixes`: by one request, if a page holds all.

        That is, all that starts as the prefixes themselves do. Where there is more, they are listed
        each by itself, now and from then on.
        """
        start = os.path.commonprefix([*prefixes])  # noqa: RUF071
        if not start or start in self._crowded:
            return super().under(prefixes)
        ask = partial(self._page, start, None)
        blobs, token = self.connection.ask(ask, "list", needs="storage.objects.list")
        if token:
            self._crowded.add(start)
            return super().under(prefixes)
        found = [*infos_of(blobs)]
        return [
            iter([info for info in found if info.key.startswith(prefix)]) for prefix in prefixes
        ]

    def _page(self, prefix: str, token: str | None) -> tuple[list[storage.Blob], str | None]:
        # An iterator of the client's own over several pages ends at an error, as if it were done.
        found = self.connection.client.list_blobs(
            self.connection.bucket,
            prefix=prefix or None,
            page_token=token,
            fields=_FIELDS,
            timeout=TIMEOUT,
            retry=None,
        )
        return list(next(found.pages)), found.next_page_token

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        check_key(key)
        return look_at(self.connection, key)

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default.

        The service has a checksum of a whole object only: so all of it is read, and checked.
        """
        check_key(key)
        start = start or 0
        if start < 0 or (end is not None and end < 0):
            raise InputError(f"can't read bytes {start} to {end} of {key}: count from its start")
        sink = Slice(start, end)
        download(self.connection, key, sink)
        return sink.getvalue()

    def load(self, key: str, most: int = MAX_DOCUMENT) -> tuple[bytes, ObjectInfo]:
        """Read an object whole, if it isn't too large, and what it is; by one request."""
        check_key(key)
        sink = io.BytesIO()
        found = download(self.connection, key, sink, most=most)
        return sink.getvalue(), ObjectInfo(key, found.size, str(found.generation), found.checksum)

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now.

        Where an answer is lost, the request is sent again, and may then lose to itself: so if the
        object has just these bytes after all, they count as ours. If another writer with the same
        expectation writes the very same bytes meanwhile, both are told that they won: who must
        know puts something of its own into the data.
        """
        check_key(key)
        crc32c = checksum_of(data, "crc32c")
        return self._upload(key, io.BytesIO(data), len(data), crc32c, if_version)

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Upload a finished file, and remove it here once it is there; else as :meth:`write`."""
        path = Path(path)
        check_key(key)
        with explained(f"can't put {path} at {key}", key):
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path} can't be put at {key}: it isn't a regular file")
            crc32c = file_checksum(path, "crc32c")
            with path.open("rb") as source:
                size = os.fstat(source.fileno()).st_size
                info = self._upload(key, source, size, crc32c, if_version)
            path.unlink()
        return info

    def _upload(
        self, key: str, source: BinaryIO, size: int, crc32c: str, if_version: IfVersion
    ) -> ObjectInfo:
        resource = {
            "name": key,
            "contentType": mimetypes.guess_type(key)[0] or "application/octet-stream",
            "crc32c": crc32c.removeprefix("crc32c:"),
        }
        try:
            return upload(self.connection, source, size, resource, _generation(if_version))
        except Conflict as error:
            raise self._conflict(key, if_version) from error

    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all.

        It takes one request, and where that breaks off one more for the rest.
        """
        check_key(key)
        path, algorithm = Path(path), "crc32c" if checksum is None else algorithm_of(checksum)
        with explained(f"can't copy {key} to {path}", key), arriving(path) as temp:
            try:
                with temp.open("xb") as sink:
                    copied = download(
                        self.connection, key, sink, _generation(if_version), algorithm
                    )
            except Conflict as error:
                raise self._conflict(key, if_version, missing_ok=False) from error
            if checksum not in (None, copied.checksum):
                raise StoreError(f"{key} is {copied.checksum}, but {checksum} was expected", key)
        return ObjectInfo(
            key,
            copied.size,
            str(copied.generation),
            copied.checksum,
            ref=f"gs://{self.bucket}/{key}",
        )

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object in order, by one request and unchecked.

        They are of one generation, though the object be replaced meanwhile.
        """
        check_stream(key, start, end, if_version)
        if start == end:
            check_object(self.stat(key), end, if_version)
            return
        yield from stream(self.connection, key, start, end, _generation(if_version), timeout)

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object.

        Where an answer is lost, the request is sent again: an object that isn't there then counts
        as deleted.
        """
        check_key(key)
        generation, tries = _generation(if_version), 0

        def send() -> None:
            nonlocal tries
            tries += 1
            self.connection.bucket.delete_blob(
                key, if_generation_match=generation, timeout=TIMEOUT, retry=None
            )

        try:
            try:
                self.connection.ask(send, "delete", key, DELETE)
            except Conflict as error:
                raise self._conflict(key, if_version, missing_ok=False) from error
        except NotFoundError:
            if not missing_ok and tries == 1:
                raise

    def delete_many(self, objects: Mapping[str, IfVersion]) -> dict[str, StoreError]:
        """Delete objects, each if it is at its version; a hundred a request."""
        for key in objects:
            check_key(key)
        generations = {key: _generation(version) for key, version in objects.items()}
        kept = delete_all(self.connection, generations)
        failed = {key: error for key, error in kept.items() if error is not None}
        # By itself it is known why; or by now it may be done.
        alone = {key: objects[key] for key in kept.keys() - failed.keys()}
        return failed | super().delete_many(alone)

    def checksum(self, key: str, algorithm: str = "sha256") -> str:
        """``algorithm:digest`` of an object: without reading it, if it is the service's own."""
        info = self.stat(key)
        if algorithm == "crc32c" and info.checksum is not None:
            return info.checksum
        return download(self.connection, key, Slice(0, 0), algorithm=algorithm).checksum

    def scratch(self, prefix: str) -> Path:
        """A directory of the user's cache, one for each bucket."""
        check_key(prefix)
        bucket = hashlib.sha256(self.identity()["identity"].encode()).hexdigest()
        return cache_directory("scratch", bucket, *prefix.split("/"))

    def destination(self, prefix: str) -> Destination:
        """The bucket, and a folder in it."""
        return Destination(self.kind, self.bucket, prefix)

    def identity(self) -> dict[str, str]:
        """The bucket's name, which is one of its kind in the world, but for an emulator's."""
        emulator = "emulator:" if self.emulated else ""
        return {"kind": self.kind, "identity": f"{emulator}gs://{self.bucket}"}

    def _conflict(self, key: str, if_version: IfVersion, missing_ok: bool = True) -> StoreError:
        """Why the service says that an object isn't as expected."""
        expected = "nothing" if if_version is ABSENT else f"version {if_version}"
        try:
            is_now = f"is at version {self.stat(key).version}"
        except NotFoundError as error:
            if not missing_ok:
                return error
            is_now = "is gone"
        return Conflict(f"gs://{self.bucket}/{key} {is_now}, where {expected} was expected", key)


def _generation(if_version: IfVersion) -> int | None:
    """What the service is told to expect of an object; None: nothing."""
    match if_version:
        case Expect.ANY:
            return None
        case Expect.ABSENT:
            return 0
        case _:
            # A version of another store, or what somebody wrote into a record, is no object's here.
            return int(if_version) if _GENERATION.fullmatch(if_version) else _NEVER
