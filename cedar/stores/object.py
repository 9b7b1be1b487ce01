"""Buckets of S3, of services that speak as S3 does, and containers of Azure, by obstore.

A version is the object's ETag, which is all that S3's conditional writes know. On Azure every write
has its own; on S3 the same bytes written again have the same one, so there a version says which
bytes an object has. What these services or obstore can't do, and what is done instead:

- A delete knows no condition. The version is looked at just before.
- A file uploaded in parts knows none either. It goes to a key under ``.cedar/`` and is copied from
  there: onto nothing by a conditional copy, onto a version after a look at it.
- A service may ignore conditions that it doesn't know, and two writers would lose each other's
  changes. So whether it keeps to them is tried out on ``.cedar/conditions`` before the first write.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from ..defaults import MAX_DOCUMENT
from ..exceptions import InputError, NotFoundError, StoreError
from ..items import Destination, ObjectInfo
from .base import ANY, IfVersion, Store, check_key
from .checksums import algorithm_of, summing
from .files import arriving, cache_directory, explained
from .object_bucket import Bucket, check_version
from .object_service import Service
from .streams import check_object, check_stream

#: JSON Schema (2020-12) of the configuration's section `object`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "description": "The store `object`: a bucket of S3, or a container of Azure.",
    "type": "object",
    "properties": {
        "url": {
            "description": "The bucket and a folder in it, s3://bucket/folder, or the container: "
            "abfss://container@account.dfs.core.windows.net/folder.",
            "type": "string",
            "minLength": 1,
        },
        "options": {
            "description": "What obstore should know of the service: region, endpoint, "
            "skip_signature. Secrets are no options: obstore reads them from the environment.",
            "type": "object",
            "default": {},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
    },
    "required": ["url"],
    "additionalProperties": False,
}

#: Objects that are deleted by one request, and looked at before by so many threads.
BATCH: Final = 100
THREADS: Final = 8


def from_config(section: Mapping[str, Any], directory: Path) -> ObjectStore:  # noqa: ARG001
    """Make the store of a configuration's section `object`, which fits CONFIG_SCHEMA.

    Raises
    ------
    InputError
        The section can't be used, or holds what looks like a secret.
    """
    options = section.get("options", {})
    for name in options:
        if any(word in name.lower() for word in ("secret", "key", "token", "password", "sas")):
            raise InputError(
                f"object.options.{name} looks like a secret, which is none of a configuration's: "
                f"leave it out and set it in the environment, where obstore reads it by itself"
            )
    return ObjectStore(section["url"], options)


class ObjectStore(Store):
    """Objects in a bucket or container, below a folder.

    Nothing is asked of the service before the first use.

    Parameters
    ----------
    url : str
        ``s3://bucket/folder``, ``az://container/folder``, or an ``https`` url that obstore knows
        for one of either.
    options : mapping of str to str, number or bool, optional
        Options of obstore's S3Store or AzureStore. What isn't given obstore reads from the
        environment, ``$AWS_…`` and ``$AZURE_…``, but for where the service is.

    Raises
    ------
    InputError
        The url or an option can't be used.
    """

    kind: ClassVar[str] = "object"

    def __init__(self, url: str, options: Mapping[str, str | float | bool] | None = None):
        self._service = Service.at(url, options or {})
        self._bucket = Bucket(self._service)

    def __repr__(self) -> str:
        return f"ObjectStore({self._service.name!r})"

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`; lazy, a page at a time."""
        for info in self._bucket.objects(prefix.rpartition("/")[0]):
            if info.key.startswith(prefix) and _is_key(info.key):
                yield info

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        check_key(key)
        return self._bucket.stat(key)

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default.

        Nothing but the connection guards them: obstore doesn't tell the services' checksums.
        """
        check_key(key)
        start = start or 0
        if start < 0 or (end is not None and end < 0):
            raise InputError(f"can't read bytes {start} to {end} of {key}: count from its start")
        if end is not None and end <= start:
            self._bucket.stat(key)
            return b""
        return self._bucket.read(key, start, end)

    def load(self, key: str, most: int = MAX_DOCUMENT) -> tuple[bytes, ObjectInfo]:
        """Read an object whole, if it isn't too large, and what it is; by one request."""
        check_key(key)
        chunks: list[bytes] = []
        info = self._bucket.stream(key, ANY, chunks.append, most)
        return b"".join(chunks), info

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now.

        Where the answer to a conditional write was lost and the next try loses, what is there is
        read: if it is what was written, then by us, or by somebody who wrote the same.
        """
        check_key(key)
        return self._bucket.write(key, data, if_version)

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Upload a finished file and remove it; what the object is now.

        One of more than 5 GiB goes straight to its key after a look at what is there: who writes
        there meanwhile is overwritten.
        """
        check_key(key)
        path = Path(path)
        with explained(f"can't put {path} at {key} in {self._service.name}", key):
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path} can't be put at {key}: it isn't a regular file")
            info = self._bucket.upload(path, key, if_version)
            path.unlink()
        return info

    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all."""
        check_key(key)
        path = Path(path)
        total = summing("sha256" if checksum is None else algorithm_of(checksum))
        with explained(f"can't copy {key} to {path}", key), arriving(path) as temp:
            with temp.open("xb") as target:

                def take(chunk: bytes) -> None:
                    total.update(chunk)
                    target.write(chunk)

                info = self._bucket.stream(key, if_version, take)
            info = replace(info, checksum=total.text())
            if checksum not in (None, info.checksum):
                raise StoreError(f"{key} is {info.checksum}, but {checksum} was expected", key)
        return info

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object in order, by one request and unchecked."""
        check_stream(key, start, end, if_version)
        if start == end:
            check_object(self._bucket.stat(key), end, if_version)
            return
        yield from self._bucket.pieces(key, start, end, if_version, timeout)

    def checksum(self, key: str, algorithm: str = "sha256") -> str:
        """``algorithm:digest`` of an object, computed while it is read as one stream."""
        check_key(key)
        total = summing(algorithm)
        self._bucket.stream(key, ANY, total.update)
        return total.text()

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object.

        What somebody writes between the look at its version and the delete is deleted too.
        """
        check_key(key)
        if not missing_ok or if_version is not ANY:
            try:
                check_version(self._bucket.stat(key), if_version)
            except NotFoundError:
                if missing_ok:
                    return
                raise
        self._bucket.delete(key)

    def delete_many(self, objects: Mapping[str, IfVersion]) -> dict[str, StoreError]:
        """Delete objects, each if it is at its version: many by one request, where it takes them.

        As with :meth:`delete`, the versions are looked at just before.
        """
        for key in objects:
            check_key(key)
        keys = list(objects)
        failed: dict[str, StoreError] = {}
        with ThreadPoolExecutor(THREADS) as pool:
            for first in range(0, len(keys), BATCH):
                batch = keys[first : first + BATCH]
                found = pool.map(lambda key: self._obstacle(key, objects[key]), batch)
                obstacles = dict(zip(batch, found, strict=True))
                failed |= {key: error for key, error in obstacles.items() if error is not None}
                failed |= self._delete_together([key for key in batch if obstacles[key] is None])
        return failed

    def scratch(self, prefix: str) -> Path:
        """A directory in the user's cache; never listed."""
        check_key(prefix)
        digest = hashlib.sha256(self._service.identity.encode()).hexdigest()
        return cache_directory(self.kind, digest[:32], "scratch", prefix)

    def destination(self, prefix: str) -> Destination:
        """The bucket or container, and a folder in it."""
        return Destination(self.kind, self._service.name, prefix)

    def identity(self) -> dict[str, str]:
        """The url, and the service's where that isn't the usual one.

        It is the emulator's where the service is on this machine.
        """
        return {"kind": self.kind, "identity": self._service.identity}

    def _obstacle(self, key: str, if_version: IfVersion) -> StoreError | None:
        """Return why an object may not be deleted."""
        try:
            check_version(self._bucket.stat(key), if_version)
        except StoreError as error:
            return error
        return None

    def _delete_together(self, keys: list[str]) -> dict[str, StoreError]:
        failed: dict[str, StoreError] = {}
        try:
            self._bucket.delete_all(keys)
        except StoreError:
            # It doesn't say which of them are still there.
            for key in keys:
                try:
                    self._bucket.delete(key)
                except StoreError as error:
                    failed[key] = error
        return failed


def _is_key(path: str) -> bool:
    """Whether an object could be read by its key: others aren't listed."""
    try:
        check_key(path)
    except InputError:
        return False
    return True
