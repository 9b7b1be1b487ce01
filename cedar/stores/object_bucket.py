"""A bucket or container by obstore: requests, repeated where they may be, and what they found."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from ..exceptions import Conflict, NotFoundError, StoreError
from ..items import ObjectInfo
from ..retry import persist
from .checksums import CHUNK, file_checksum, summing
from .keys import RESERVED, too_large
from .object_errors import is_transient, outcome, slows_down, told
from .streams import PIECE, check_size, in_pieces, interrupted
from .versions import ABSENT, ANY, IfVersion

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta, PutMode
    from obstore.store import AzureStore, S3Store

    from .object_service import Service

T = TypeVar("T")

#: Bytes of a file above which it is uploaded in parts.
LARGE: Final = 16 << 20
#: Bytes of a part of an upload, and how many are under way at once.
PART: Final = 8 << 20
PARTS_AT_ONCE: Final = 4
#: Parts of one upload that S3 takes.
PARTS: Final = 10_000
#: Bytes of an object that S3 copies.
COPIED: Final = 5 << 30
#: Entries of a page of S3's listings.
PAGE: Final = 1000
#: What no object's ETag is.
NO_VERSION: Final = '"00000000000000000000000000000000"'


class Bucket:
    """What is in a bucket, by keys that were checked before.

    Parameters
    ----------
    service : Service
        Where it is.
    """

    def __init__(self, service: Service):
        self._name, self._service = service.name, service
        self._waiting: dict[float, S3Store | AzureStore] = {}
        #: What may be sent twice is sent again by obstore itself.
        self._patient = service.connect(patient=True)
        #: Of what may not, it has to be known how often it was sent.
        self._once = service.connect(patient=False)
        self._lock = threading.Lock()
        self._keeps_conditions = False

    def objects(self, folder: str) -> Iterator[ObjectInfo]:
        """All that is in a folder, and in those in it; lazy, a page at a time."""
        pages = obstore.list(self._patient, folder or None, chunk_size=PAGE)
        while True:
            with self._told("can't list"):
                page = next(pages, None)
            if page is None:
                return
            yield from (self._info(meta["path"], meta) for meta in page)

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        with self._told("can't look at", key):
            return self._info(key, obstore.head(self._patient, key))

    def read(self, key: str, start: int, end: int | None) -> bytes:
        """Bytes ``[start, end)`` of an object, by one request."""
        options: GetOptions = {}
        if end is not None:
            options["range"] = start, end
        elif start:
            options["range"] = {"offset": start}

        def get() -> bytes:
            try:
                return bytes(obstore.get(self._once, key, options=options).bytes())
            except BaseError as error:
                if outcome(error).status == 416:  # It starts behind the end.
                    return b""
                raise

        return self._persist("can't read", key, get)

    def stream(
        self,
        key: str,
        if_version: IfVersion,
        take: Callable[[bytes], object],
        most: int | None = None,
    ) -> ObjectInfo:
        """Give all bytes of one version to `take`; what the object is.

        A broken connection is taken up where it broke. An object of more than `most` bytes is
        refused before they are read.
        """
        info: ObjectInfo | None = None
        done = 0

        def go_on() -> None:
            nonlocal info, done
            options: GetOptions = {"range": {"offset": done}} if done else {}
            pinned = info.version if info else if_version
            if isinstance(pinned, str):
                options["if_match"] = pinned
            before = done
            try:
                found = obstore.get(self._once, key, options=options)
                info = info or self._info(key, found.meta)
                if most is not None and info.size > most:
                    raise too_large(key, info.size, most)
                for chunk in found.stream(CHUNK):
                    take(bytes(chunk))
                    done += len(chunk)
            except PreconditionError:
                raise conflict(key, pinned, gone=False) from None
            except BaseError as error:
                # After some progress the patience is a new one.
                if done == before or not is_transient(error):
                    raise

        if if_version is ABSENT:
            raise conflict(key, if_version, gone=False)
        while info is None or done < info.size:
            self._persist("can't read", key, go_on)
        return info

    def pieces(
        self, key: str, start: int, end: int, if_version: IfVersion, timeout: float
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object, of which there is one at least, by one request.

        Parameters
        ----------
        timeout : float
            Seconds in which a byte has to come.
        """
        options: GetOptions = {"range": (start, end)}
        if isinstance(if_version, str):
            options["if_match"] = if_version
        with self._told("can't read", key):
            try:
                found = obstore.get(self._within(timeout), key, options=options)
                check_size(key, found.meta["size"], end)
                yield from in_pieces(key, _reader(found), end - start)
            except PreconditionError:
                raise conflict(key, if_version, gone=False) from None
            except BaseError as error:
                status = outcome(error).status
                if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    check_size(key, start, end)
                if not is_transient(error):
                    raise
                raise interrupted(key, error, status, slows_down(error)) from None

    def _within(self, timeout: float) -> S3Store | AzureStore:
        """Return what asks once, and waits so many seconds for a byte."""
        with self._lock:
            if timeout not in self._waiting:
                client = {**self._service.client, "read_timeout": f"{round(timeout * 1000)}ms"}
                self._waiting[timeout] = replace(self._service, client=client).connect(
                    patient=False
                )
            return self._waiting[timeout]

    def write(self, key: str, data: bytes, if_version: IfVersion) -> ObjectInfo:
        """Write an object wholly or not at all."""
        self._check_conditions()
        send = partial(self._send, key, data, if_version)
        version = self._settled(key, send, lambda: self.read(key, 0, None) == data)
        return ObjectInfo(key, len(data), version)

    def upload(self, path: Path, key: str, if_version: IfVersion) -> ObjectInfo:
        """Write a file's bytes, of a large one in parts; the file stays."""
        self._check_conditions()
        size = path.stat().st_size
        if size <= LARGE:
            return self.write(key, path.read_bytes(), if_version)
        if if_version is not ANY:
            self._check_version(key, if_version)
            if size <= COPIED:
                return self._upload_and_copy(path, key, if_version)
        return self._upload_parts(path, key)

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        # Some services say of what is gone already that it isn't there, and some don't.
        with contextlib.suppress(NotFoundError), self._told("can't delete", key):
            obstore.delete(self._patient, key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete objects by few requests, where the service takes them.

        Raises
        ------
        StoreError
            Some are still there, or one was gone already.
        """
        with self._told("can't delete"):
            obstore.delete(self._patient, keys)

    def _info(self, key: str, meta: ObjectMeta) -> ObjectInfo:
        version = self._version(key, meta["e_tag"])
        return ObjectInfo(key, meta["size"], version, updated=meta["last_modified"])

    def _version(self, key: str, tag: str | None) -> str:
        if not tag:
            raise StoreError(
                f"{self._name} tells no ETag of {key}, which cedar needs for a version: "
                "use another service",
                key,
            )
        return tag

    def _told(self, what: str, key: str | None = None) -> contextlib.AbstractContextManager[None]:
        return told(what, self._name, key)

    def _persist(self, what: str, key: str, call: Callable[[], T]) -> T:
        with self._told(what, key):
            return persist(call, is_transient, f"{what} {key}")

    def _check_conditions(self) -> None:
        """Refuse a service that lets a writer overwrite what it doesn't know of."""
        with self._lock:
            if self._keeps_conditions:
                return
            # When it is created for the first time there is nothing to refuse.
            created = self._refuses(ABSENT) or self._refuses(ABSENT)
            if not (created and self._refuses(NO_VERSION)):
                raise StoreError(
                    f"{self._name} ignores the conditions of a write, so that two programs would "
                    "overwrite each other's changes: use a service that keeps to If-Match"
                )
            self._keeps_conditions = True

    def _refuses(self, if_version: IfVersion) -> bool:
        key = f"{RESERVED}/conditions"
        try:
            self._persist("can't write", key, partial(self._send, key, b"", if_version))
        except Conflict:
            return True
        return False

    def _send(self, key: str, data: bytes, if_version: IfVersion) -> str:
        """Write once; the version."""
        mode: PutMode = "create" if if_version is ABSENT else "overwrite"
        if isinstance(if_version, str):
            mode = {"e_tag": if_version}
        try:
            sent = obstore.put(self._once, key, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            if is_transient(error):
                raise
            raise conflict(key, if_version, gone=outcome(error).status == 404) from None
        return self._version(key, sent["e_tag"])

    def _settled(self, key: str, send: Callable[[], str], is_ours: Callable[[], bool]) -> str:
        """Send until there is an answer; the version.

        Where an answer was lost and the next try met a conflict, what is there may be what was
        sent: then there was none.
        """
        sent = 0

        def count_and_send() -> str:
            nonlocal sent
            sent += 1
            return send()

        try:
            return self._persist("can't write", key, count_and_send)
        except Conflict:
            if sent > 1:
                with contextlib.suppress(NotFoundError):
                    version = self.stat(key).version
                    if is_ours():
                        return version
            raise

    def _check_version(self, key: str, if_version: IfVersion) -> None:
        try:
            found = self.stat(key)
        except NotFoundError:
            if isinstance(if_version, str):
                raise conflict(key, if_version, gone=True) from None
        else:
            check_version(found, if_version)

    def _upload_parts(self, path: Path, key: str) -> ObjectInfo:
        size = path.stat().st_size
        with self._told("can't write", key):
            sent = obstore.put(
                self._patient,
                key,
                path,
                use_multipart=True,
                chunk_size=max(PART, size // (PARTS - 1)),
                max_concurrency=PARTS_AT_ONCE,
            )
        return ObjectInfo(key, size, self._version(key, sent["e_tag"]))

    def _upload_and_copy(self, path: Path, key: str, if_version: IfVersion) -> ObjectInfo:
        staged = f"{RESERVED}/incoming/{uuid.uuid4().hex}"
        try:
            size = self._upload_parts(path, staged).size
            self._check_version(key, if_version)
            version = self._settled(
                key,
                partial(self._copy, staged, key, overwrite=if_version is not ABSENT),
                lambda: self._sum(key) == file_checksum(path),
            )
        finally:
            self.delete(staged)
        return ObjectInfo(key, size, version)

    def _copy(self, source: str, key: str, overwrite: bool) -> str:
        """Copy an object once, within the service; the copy's version."""
        try:
            obstore.copy(self._once, source, key, overwrite=overwrite)
        except AlreadyExistsError as error:
            if is_transient(error):
                raise
            raise conflict(key, ABSENT, gone=False) from None
        return self.stat(key).version

    def _sum(self, key: str) -> str:
        total = summing("sha256")
        self.stream(key, ANY, total.update)
        return total.text()


def check_version(found: ObjectInfo, if_version: IfVersion) -> None:
    """Raise Conflict where an object isn't at a version."""
    if if_version not in (ANY, found.version):
        raise conflict(found.key, if_version, gone=False)


def conflict(key: str, if_version: IfVersion, gone: bool) -> Conflict:
    """Say what was expected of an object."""
    expected = f"version {if_version}" if isinstance(if_version, str) else "nothing"
    return Conflict(f"{key} is {'gone' if gone else 'another'}, where {expected} was expected", key)


def _reader(found: GetResult) -> Callable[[int], bytes]:
    """Make what reads at most so many bytes; obstore gives as many as come, and PIECE at least."""
    chunks = iter(found.stream(PIECE))
    rest = memoryview(b"")

    def read(size: int) -> bytes:
        nonlocal rest
        rest = rest or memoryview(next(chunks, b""))
        piece, rest = rest[:size], rest[size:]
        return bytes(piece)

    return read
