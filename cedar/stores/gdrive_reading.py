"""Reading from Drive: whole contents, checked, since it has no checksum of a part."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

from ..exceptions import Conflict, NotFoundError, StoreError
from ..items import ObjectInfo
from .checksums import Sum, algorithm_of, summing
from .files import explained
from .gdrive_connection import PART, Connection
from .gdrive_objects import Objects
from .gdrive_resources import file_id
from .streams import check_object
from .versions import ANY, IfVersion

#: How often a content is fetched that arrives damaged, or is replaced meanwhile.
_DAMAGED: Final = 4
_REPLACED: Final = 20


class _Summed:
    """A file to write to, whose content goes first, with checksums of what is written."""

    def __init__(self, sink: Any, *algorithms: str):
        self.size = 0
        self._sink = sink
        self._sums: dict[str, Sum] = {algorithm: summing(algorithm) for algorithm in algorithms}
        if sink is not None:
            sink.seek(0)
            sink.truncate()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        for total in self._sums.values():
            total.update(data)
        if self._sink is not None:
            self._sink.write(data)

    def text(self, algorithm: str) -> str:
        return self._sums[algorithm].text()


class Reader:
    """Reads objects.

    Parameters
    ----------
    connection : Connection
    objects : Objects
    """

    def __init__(self, connection: Connection, objects: Objects):
        self._connection, self._objects = connection, objects
        self._lock = threading.Lock()
        self._looks = WeakValueDictionary[str, threading.Lock]()

    def part(self, key: str, start: int, end: int | None) -> bytes:
        """Read bytes ``[start, end)`` of an object; in memory are they alone, if it is large."""
        here = f"can't keep {key} in {tempfile.gettempdir()} while it is read"
        with explained(here, key), tempfile.SpooledTemporaryFile(PART) as copy:
            self._whole(self._look(key), copy)
            copy.seek(start)
            return copy.read() if end is None else copy.read(max(end - start, 0))

    def load(self, key: str, most: int) -> tuple[bytes, ObjectInfo] | None:
        """Read an object whole, and say what it is at that version; None: it is too large."""
        found = self._look(key)
        if found.size > most:
            return None
        with io.BytesIO() as copy:
            info, _ = self._whole(found, copy)
            return copy.getvalue(), info

    def checksum(self, key: str, algorithm: str) -> str:
        """Compute a checksum of an object, unless Drive knows it."""
        found = self._look(key)
        if found.checksum is not None and algorithm_of(found.checksum) == algorithm:
            return found.checksum
        return self._whole(found, None, algorithm)[1].text(algorithm)

    def fetch(self, key: str, sink: Any, checksum: str | None, if_version: IfVersion) -> ObjectInfo:
        """Write an object to a file.

        Returns
        -------
        ObjectInfo
            With the checksum of what came, of the algorithm of `checksum`, by default MD5.

        Raises
        ------
        NotFoundError
            It isn't there.
        Conflict
            It isn't at the version.
        StoreError
            It comes damaged, again and again.
        """
        algorithm = "md5" if checksum is None else algorithm_of(checksum)
        found = self._believed(key, checksum, if_version) or self._look(key, if_version)
        info, summed = self._whole(found, sink, algorithm, if_version=if_version)
        return replace(info, size=summed.size, checksum=summed.text(algorithm))

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion, timeout: float
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object, unchecked; errors as :meth:`fetch` has them.

        Raises
        ------
        Interrupted
            They didn't all arrive.
        """
        if start == end:
            check_object(self._look(key, if_version), end, if_version)
            return
        try:
            yield from self._connection.stream(self._id(key, if_version), key, start, end, timeout)
        except (Conflict, NotFoundError):
            # It isn't what it was believed to be: by now it is known what it is.
            self._objects.forget_listed(key)
            self._look(key, if_version)
            raise

    def _id(self, key: str, if_version: IfVersion) -> str:
        """Id of the file that an object has; many who ask for one at once look at it once."""
        with self._lock:
            looking = self._looks.setdefault(key, threading.Lock())
        with looking:
            if not isinstance(if_version, str) or not self._objects.was_listed(key, if_version):
                if_version = self._look(key, if_version).version
                self._objects.believe(key, if_version)
        return file_id(if_version) or ""

    def _believed(self, key: str, checksum: str | None, if_version: IfVersion) -> ObjectInfo | None:
        """What an object is, where that can be told without a look."""
        if checksum is None or algorithm_of(checksum) != "md5":
            return None
        if not isinstance(if_version, str) or not self._objects.was_listed(key, if_version):
            return None
        return ObjectInfo(key, 0, if_version, checksum, ref=file_id(if_version))

    def _look(self, key: str, if_version: IfVersion = ANY) -> ObjectInfo:
        return self._objects.current(key, if_version).info(key)

    def _whole(
        self, info: ObjectInfo, sink: Any, *algorithms: str, if_version: IfVersion = ANY
    ) -> tuple[ObjectInfo, _Summed]:
        """Fetch what was found, or what is there by then, until it comes as it should be."""
        n_damaged = 0
        for _ in range(_REPLACED):
            summed = self._fetched(info, sink, *algorithms)
            came = summed and summed.text("md5")
            before = info
            if came is None or came != info.checksum:
                info = self._look(info.key, if_version)
            if summed is not None and came == info.checksum:
                return info, summed
            n_damaged += info.version == before.version
            if n_damaged == _DAMAGED:
                raise StoreError(
                    f"{info.key} arrived damaged from Drive {_DAMAGED} times: is something in "
                    "between, such as a proxy, that changes what is sent?",
                    info.key,
                )
        raise Conflict(f"{info.key} was replaced while it was read: try again", info.key)

    def _fetched(self, info: ObjectInfo, sink: Any, *algorithms: str) -> _Summed | None:
        """Write a file's content to `sink`; None if it is gone."""
        summed = _Summed(sink, "md5", *algorithms)
        try:
            self._connection.download(info.ref or "", summed, info.key)
        except NotFoundError:
            return None
        return summed
