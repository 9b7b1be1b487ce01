"""What every store can do: primitives that an adapter writes, and what is built on them, once."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ..defaults import MAX_DOCUMENT
from ..exceptions import Conflict, StoreError
from ..items import ObjectInfo
from .checksums import CHUNK, algorithm_of, file_checksum, summing
from .files import explained
from .keys import (
    check_key,
    decode_document,
    document_key,
    encode_document,
    image_names,
    key_of,
    shared_start,
    stem,
    too_large,
)
from .leases import Leases
from .primitives import Primitives
from .versions import ABSENT, ANY, IfVersion

__all__ = ["ABSENT", "ANY", "IfVersion", "Store", "check_key", "document_key", "encode_document"]

#: How often an object is read that is written at the same time.
_TRIES: Final = 10


class Store(Primitives):
    """A store: its primitives, and what is built on them.

    In what is built on them, `name` is the stem of a document or an image and `names` several,
    `path` the folder in the store that they are in, and `dest` a directory of this machine.
    `overwrite` is as in :meth:`retrieve`.

    Examples
    --------
    Every store does the same; here a directory.

    >>> from cedar import LocalStore
    >>> from cedar.stores import ABSENT
    >>> store = LocalStore("store")
    >>> seen = store.write("notes/a.txt", b"first", if_version=ABSENT)
    >>> [(info.key, info.size) for info in store.objects("notes/")]
    [('notes/a.txt', 5)]
    >>> now = store.write("notes/a.txt", b"second", if_version=seen.version)
    >>> store.write("notes/a.txt", b"third", if_version=seen.version)
    Traceback (most recent call last):
        ...
    cedar.exceptions.Conflict: ...
    >>> store.read("notes/a.txt")
    b'second'
    """

    def free(self) -> int | None:
        """Bytes that still have room; None where there is no limit, or nobody says.

        Raises
        ------
        StoreError
            It can't be asked.
        """
        return None

    @cached_property
    def _leases(self) -> Leases:
        return Leases(self)

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Own a key for the length of a ``with`` block, or until the process dies.

        Gives False, at once, where someone else owns it. It says who works on a key, and guards
        nothing: the object need not exist. By default it is a lease (``cedar/stores/leases.py``).
        """
        check_key(key)
        return self._leases.claim(key)

    def delete_many(self, objects: Mapping[str, IfVersion]) -> dict[str, StoreError]:
        """Delete `objects`, each if it is at its version; in few requests where the service can.

        Returns
        -------
        dict of str to StoreError
            Why each that wasn't deleted wasn't: NotFoundError where it was gone already, Conflict
            where it is at another version.
        """
        failed: dict[str, StoreError] = {}
        for key, version in objects.items():
            try:
                self.delete(key, missing_ok=False, if_version=version)
            except StoreError as error:
                failed[key] = error
        return failed

    def checksum(self, key: str, algorithm: str = "sha256") -> str:
        """``algorithm:digest`` of an object by an `algorithm`, computed by reading it piecewise.

        Raises
        ------
        NotFoundError
            It isn't there.
        Conflict
            It was replaced meanwhile.
        """
        total, info = summing(algorithm), self.stat(key)
        for start in range(0, info.size, CHUNK):
            total.update(self.read(key, start, start + CHUNK))
        if self.stat(key).version != info.version:
            raise Conflict(f"{key} was replaced while it was read: try again", key)
        return total.text()

    def list(self, path: str | None = None, pattern: str | None = None) -> builtins.list[str]:
        """Names of the JSON documents directly under a prefix, sorted.

        Parameters
        ----------
        path : str, optional
            The prefix; the top of the store by default.
        pattern : str, optional
            Glob that the names match.
        """
        wanted = "*" if pattern is None else stem(pattern)
        names = (stem(info.key.rpartition("/")[2]) for info in self.documents(path))
        return sorted(name for name in names if fnmatchcase(name, wanted))

    def under(self, prefixes: Sequence[str]) -> builtins.list[Iterator[ObjectInfo]]:
        """Objects that start with each of some `prefixes`, as ``objects`` gives them.

        A store that can look at several at once does so.
        """
        return [self.objects(prefix) for prefix in prefixes]

    def documents(
        self, path: str | None = None, among: Iterable[ObjectInfo] | None = None
    ) -> Iterator[ObjectInfo]:
        """The JSON documents directly under a prefix; at the top of the store by default.

        They are looked for `among` objects that were listed already, if there are any.
        """
        base = key_of("", path)
        for info in self.objects(base) if among is None else among:
            inside = info.key.removeprefix(base)
            if inside.endswith(".json") and "/" not in inside:
                yield info

    def store_metadata(
        self, metadata: Mapping[str, Any], name: str, path: str | None = None
    ) -> str:
        """Write the document `metadata`, over one of that name; its id, which is its key."""
        return self.write(document_key(name, path), encode_document(metadata, name)).key

    def load(self, key: str, most: int = MAX_DOCUMENT) -> tuple[bytes, ObjectInfo]:
        """Read an object whole, if it isn't too large, and what it is at that version.

        Raises
        ------
        StoreError
            It has more than `most` bytes: it isn't read.
        Conflict
            It was written meanwhile, again and again.
        """
        for _ in range(_TRIES):
            info = self.stat(key)
            if info.size > most:
                raise too_large(key, info.size, most)
            data = self.read(key)
            if self.stat(key).version == info.version:
                return data, info
        raise Conflict(f"{key} was replaced while it was read: try again", key)

    def read_metadata(self, name: str, path: str | None = None) -> dict[str, Any]:
        """Read a JSON document.

        Raises
        ------
        DocumentError
            It is damaged.
        NotFoundError
            It isn't there.
        """
        return decode_document(self.load(document_key(name, path))[0], stem(name))

    def remove(self, name: str, path: str | None = None) -> str:
        """Delete a JSON document; its name.

        Raises
        ------
        NotFoundError
            It isn't there.
        """
        self.delete(document_key(name, path), missing_ok=False)
        return stem(name)

    def images(
        self, names: Sequence[str], path: str | None = None
    ) -> dict[str, builtins.list[ObjectInfo]]:
        """The GeoTIFFs of each name directly under a prefix, by key: one listing for all of them.

        A file is an image of a name if it is called ``<name>.tif``, or ``<name>`` with a shard's
        suffix (``[-]<10 digits>-<10 digits>.tif``): sharing a prefix is not enough.
        """
        images: dict[str, builtins.list[ObjectInfo]] = {stem(name): [] for name in names}
        for file, info in self._files(images, path):
            for name in image_names(file) & images.keys():
                images[name].append(info)
        return {name: sorted(found, key=lambda info: info.key) for name, found in images.items()}

    def existing(
        self,
        names: Iterable[str],
        path: str | None = None,
        among: Iterable[ObjectInfo] | None = None,
    ) -> set[str]:
        """Those of some names that have a JSON document or an image directly under a prefix.

        One listing for all of them; none where it is `among` objects that were listed already.
        """
        wanted, base = {stem(name) for name in names}, key_of("", path)
        found: set[str] = set()
        for info in self.objects(shared_start(wanted, path)) if among is None else among:
            file = info.key.removeprefix(base)
            found |= image_names(file) | ({stem(file)} if file.endswith(".json") else set())
        return found & wanted

    def _files(self, names: Iterable[str], path: str | None) -> Iterator[tuple[str, ObjectInfo]]:
        """Files under a prefix that start as all of some names do."""
        base = key_of("", path)
        found = self.objects(shared_start(names, path))
        return ((info.key.removeprefix(base), info) for info in found)

    def image_keys(self, name: str, path: str | None = None) -> builtins.list[str]:
        """Keys of the GeoTIFFs of one name (see :meth:`images`), sorted."""
        return [info.key for info in self.images([name], path)[stem(name)]]

    def retrieve(
        self,
        key: str,
        path: str | os.PathLike[str],
        overwrite: bool = True,
        known: ObjectInfo | None = None,
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
        known : ObjectInfo, optional
            What the object has to be: of this size and checksum, and at this version. By default
            what the store says it is.

        Raises
        ------
        NotFoundError
            The object isn't there.
        StoreError
            `path` differs and may not be replaced, or the object isn't what it should be.
        """
        path = Path(path)
        wanted = known or self.stat(key)
        with explained(f"can't compare {path} with {key}", key):
            if path.exists():
                if self.is_copy(path, wanted):
                    return path
                if not overwrite:
                    raise StoreError(
                        f"{path} differs from {key} in the store: move it away or overwrite it", key
                    )
        self.fetch(key, path, wanted.checksum, ANY if known is None else known.version)
        return path

    def is_copy(self, path: Path, info: ObjectInfo) -> bool:
        """Whether the local file `path` has the size and checksum of the object `info`."""
        if path.stat().st_size != info.size:
            return False
        checksum = info.checksum or self.checksum(info.key)
        return file_checksum(path, algorithm_of(checksum)) == checksum

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
