"""What every store can do: primitives that an adapter writes, and what is built on them, once."""

from __future__ import annotations

import builtins
import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

from ..exceptions import Conflict, DocumentError, InputError, StoreError
from ..items import Destination, ObjectInfo
from .files import CHUNK, explained, file_checksum

#: Of the first part of a key, kept for what a store needs for itself.
RESERVED: Final = ".cedar"
#: What Earth Engine appends to the name of an image that it writes as several files: the row and
#: column of the part's first pixel. On Drive a dash comes before it, on Cloud Storage none.
SHARD: Final = re.compile(r"(-?)[0-9]{10}-[0-9]{10}$")


class Expect(Enum):
    """What a conditional write may expect of an object, besides a version."""

    ANY = "any"
    ABSENT = "absent"


#: Whatever is there is replaced.
ANY: Final = Expect.ANY
#: Nothing is there yet.
ABSENT: Final = Expect.ABSENT
IfVersion: TypeAlias = Expect | str


class Store(ABC):
    """Objects (images and JSON documents) by key, each with a version that every write changes.

    A key is one or more parts separated by ``/``. A name is the stem of a document or an image:
    it never carries the prefix, and every method that takes one also takes it with ``.json``.
    """

    #: The word for it in the configuration and in records.
    kind: ClassVar[str]

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
        self, key: str, path: str | os.PathLike[str], checksum: str | None = None
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all.

        Parameters
        ----------
        key : str
            The object.
        path : path-like
            The file; its directory is made, and what was there is replaced.
        checksum : str, optional
            ``sha256:…`` that the bytes must have.

        Returns
        -------
        ObjectInfo
            What was copied, with its sha256.

        Raises
        ------
        NotFoundError
            It isn't there.
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

    @abstractmethod
    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Own a key for the length of a ``with`` block, or until the process dies.

        Gives False, at once, where someone else owns it. It says who works on a key, and guards
        nothing: the object need not exist.
        """

    def checksum(self, key: str) -> str:
        """``sha256:…`` of an object, computed by reading it piecewise.

        Raises
        ------
        NotFoundError
            It isn't there.
        Conflict
            It was replaced meanwhile.
        """
        digest, info = hashlib.sha256(), self.stat(key)
        for start in range(0, info.size, CHUNK):
            digest.update(self.read(key, start, start + CHUNK))
        if self.stat(key).version != info.version:
            raise Conflict(f"{key} was replaced while it was read: try again", key)
        return f"sha256:{digest.hexdigest()}"

    def list(self, path: str | None = None, pattern: str | None = None) -> builtins.list[str]:
        """Names of the JSON documents directly under a prefix, sorted.

        Parameters
        ----------
        path : str, optional
            The prefix; the top of the store by default.
        pattern : str, optional
            Glob that the names match.
        """
        base = _key("", path)
        wanted = "*" if pattern is None else _stem(pattern)
        files = (info.key.removeprefix(base) for info in self.objects(base))
        names = (_stem(file) for file in files if file.endswith(".json") and "/" not in file)
        return sorted(name for name in names if fnmatchcase(name, wanted))

    def store_metadata(
        self, metadata: Mapping[str, Any], name: str, path: str | None = None
    ) -> str:
        """Write a JSON document, over one of that name; its id, which is its key."""
        return self.write(document_key(name, path), encode_document(metadata, name)).key

    def read_metadata(self, name: str, path: str | None = None) -> dict[str, Any]:
        """Read a JSON document.

        Raises
        ------
        DocumentError
            It is damaged.
        NotFoundError
            It isn't there.
        """
        return decode_document(self.read(document_key(name, path)), _stem(name))

    def remove(self, name: str, path: str | None = None) -> str:
        """Delete a JSON document; its name.

        Raises
        ------
        NotFoundError
            It isn't there.
        """
        self.delete(document_key(name, path), missing_ok=False)
        return _stem(name)

    def images(
        self, names: Sequence[str], path: str | None = None
    ) -> dict[str, builtins.list[ObjectInfo]]:
        """The GeoTIFFs of each name directly under a prefix, by key: one listing for all of them.

        A file is an image of a name if it is called ``<name>.tif``, or ``<name>`` with a shard's
        suffix (``[-]<10 digits>-<10 digits>.tif``): sharing a prefix is not enough.
        """
        images: dict[str, builtins.list[ObjectInfo]] = {_stem(name): [] for name in names}
        base = _key("", path)
        # Character by character is how objects() takes a prefix.
        common = os.path.commonprefix([*images])  # noqa: RUF071
        for info in self.objects(base + common):
            for name in _image_names(info.key.removeprefix(base)) & images.keys():
                images[name].append(info)
        return {name: sorted(found, key=lambda info: info.key) for name, found in images.items()}

    def image_keys(self, name: str, path: str | None = None) -> builtins.list[str]:
        """Keys of the GeoTIFFs of one name (see :meth:`images`), sorted."""
        return [info.key for info in self.images([name], path)[_stem(name)]]

    def retrieve(
        self,
        key: str,
        path: str | os.PathLike[str],
        overwrite: bool = True,
        checksum: str | None = None,
    ) -> Path:
        """Have a local copy of an object; an identical file is never copied again.

        Parameters
        ----------
        key : str
            The object.
        path : path-like
            The file.
        overwrite : bool, optional
            Replace a file that differs; otherwise one is an error.
        checksum : str, optional
            ``sha256:…`` that the bytes must have; without it the object is read to compare.

        Raises
        ------
        NotFoundError
            The object isn't there.
        StoreError
            `path` differs and may not be replaced, or the object isn't what it should be.
        """
        path = Path(path)
        info = self.stat(key)
        with explained(f"can't compare {path} with {key}", key):
            if path.exists():
                if path.stat().st_size == info.size and file_checksum(path) == (
                    checksum or self.checksum(key)
                ):
                    return path
                if not overwrite:
                    raise StoreError(
                        f"{path} differs from {key} in the store: move it away or overwrite it", key
                    )
        self.fetch(key, path, checksum)
        return path

    def retrieve_metadata(
        self,
        dest: str | os.PathLike[str],
        name: str,
        path: str | None = None,
        overwrite: bool = True,
    ) -> Iterator[Path]:
        """Copy a JSON document into the directory `dest`, as :meth:`retrieve` does; its path."""
        key = document_key(name, path)
        yield self.retrieve(key, Path(dest, key.rpartition("/")[2]), overwrite)

    def retrieve_image(
        self,
        dest: str | os.PathLike[str],
        name: str,
        path: str | None = None,
        overwrite: bool = True,
    ) -> Iterator[Path]:
        """Copy the images of a name into `dest`, as :meth:`retrieve` does; each path when done."""
        for key in self.image_keys(name, path):
            yield self.retrieve(key, Path(dest, key.rpartition("/")[2]), overwrite)


def check_key(key: str) -> None:
    """Refuse what no store takes for a key, so that none can lead out of its prefix.

    Raises
    ------
    InputError
        It is empty or absolute, has an empty part, ``.``, ``..``, a backslash or a control
        character, isn't Unicode text, or starts with the part ``.cedar``.
    """
    parts = key.split("/")
    # ".CEDAR" too, which is the same to some file systems.
    reserved = parts[0].casefold() == RESERVED
    if reserved or {"", ".", ".."} & {*parts} or re.search(r"[\\\x00-\x1f\x7f]", key):
        raise InputError(f"{key!r} can't be the key of an object: use plain parts joined by '/'")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{key!r} can't be the key of an object: it isn't Unicode text") from error


def document_key(name: str, path: str | None = None) -> str:
    """Key of the JSON document of a name, which may carry ``.json``."""
    return _key(f"{_stem(name)}.json", path)


def encode_document(document: Mapping[str, Any], name: str) -> bytes:
    """Bytes of a JSON document.

    Raises
    ------
    DocumentError
        It holds what JSON can't: NaN, an object of Python's.
    """
    try:
        text = json.dumps(dict(document), indent=1, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()
    except (TypeError, ValueError) as error:
        raise DocumentError(f"{name} can't be written as JSON: {error}", name) from error


def decode_document(data: bytes, name: str) -> dict[str, Any]:
    """Content of a JSON document.

    Raises
    ------
    DocumentError
        It is damaged.
    """
    damaged = f"{name}.json in the store is damaged; put a good copy in its place"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{damaged}: {error}", name) from error
    if not isinstance(document, dict):
        raise DocumentError(f"{damaged}: it isn't a JSON object", name)
    return document


def _key(file: str, path: str | None) -> str:
    return f"{path}/{file}" if path else file


def _stem(name: str) -> str:
    return name.removesuffix(".json")


def _image_names(file: str) -> set[str]:
    """Every name that a file is an image of: what comes before a shard's dash may be part of it."""
    stem = file.removesuffix(".tif")
    if stem == file:
        return set()
    shard = SHARD.search(stem)
    return {stem, stem[: shard.start()], stem[: shard.end(1)]} if shard else {stem}
