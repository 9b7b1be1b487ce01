"""What a catalog's Items say, kept in the user's cache: not all are read anew at each start.

An index holds arrays and JSON texts, in numpy's format for plain arrays: nothing that is executed
when it is read. It is of one version of the catalog, known by the path, length and modification
time of every ``*.json`` in it, so that an Item that was added, removed, moved or changed is seen.
It isn't if it was changed to the same length and given its former time back. What was modified less
than two seconds before it was read is read anew, for some file systems' clocks are no finer.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..exceptions import ConfigError
from ..stores.files import arriving, cache_root
from .stac import Description, Item, fault
from .values import Query

logger = logging.getLogger(__name__)

#: Fewer files are read in a moment, so there is no index of them in the cache.
MIN_FILES: Final = 100
#: What an index begins with, then its CRC-32; another version's is made anew.
_FORMAT: Final = f"cedar {__version__} catalog index 1\n".encode()
_COARSEST_CLOCK_NS: Final = 2_000_000_000


@dataclass(frozen=True, eq=False)
class Index:
    """The Items of a directory, and by what they are found.

    Attributes
    ----------
    names : array of uint8
        Paths of the JSON files from the directory, in the order of a walk, with NUL between.
    stats : array of int64, (files, 2)
        Their modification times (ns) and lengths (bytes).
    read_at : array of int64, ()
        When they were about to be read, ns since 1970.
    rows, ends : array of uint8, array of int64
        What each says, as JSON, one after the other; and where each ends.
    order : array of int64
        The files that are Items, by collection, time and id.
    keys : array of uint64
        Of each in this order: a hash of collection and id.
    times : array of int64
        system:time_start.
    bounds : array of float64, (items, 4)
        West, south, east and north.
    summary : array of uint8
        JSON: first and last place of each collection in the order, and what is not used.
    """

    names: npt.NDArray[np.uint8]
    stats: npt.NDArray[np.int64]
    read_at: npt.NDArray[np.int64]
    rows: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    times: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.float64]
    summary: npt.NDArray[np.uint8]

    @cached_property
    def collections(self) -> Mapping[str, tuple[int, int]]:
        """Ids of the collections, sorted, and their Items' places: first, and after the last."""
        collections: dict[str, tuple[int, int]] = json.loads(self.summary.tobytes())["collections"]
        return collections

    @cached_property
    def unused(self) -> Sequence[str]:
        """What the files hold and cedar doesn't use."""
        unused: list[str] = json.loads(self.summary.tobytes())["unused"]
        return unused

    @cached_property
    def files(self) -> Sequence[str]:
        """Paths of the JSON files from the directory."""
        return os.fsdecode(self.names.tobytes()).split("\0")

    def item(self, place: int) -> Item:
        """The Item at a place in the order."""
        item: Item = json.loads(self._row(int(self.order[place])))["item"]
        return item

    def file(self, place: int) -> tuple[str, int]:
        """The path of its file from the directory, and its modification time, ns."""
        number = int(self.order[place])
        return self.files[number], int(self.stats[number, 0])

    def candidates(self, collection: str, query: Query) -> npt.NDArray[np.intp]:
        """Places of a collection's Items by time, then id, that time and boxes leave of a query."""
        first, last = self.collections[collection]
        times = self.times[first:last]
        start = 0 if query.start is None else int(np.searchsorted(times, query.start))
        end = len(times) if query.end is None else int(np.searchsorted(times, query.end))
        found = np.arange(first + start, first + max(start, end))
        for shape in query.bounds:
            west, south, east, north = shape.bounds
            box = self.bounds[found].T
            meets = (box[0] <= east) & (box[2] >= west) & (box[1] <= north) & (box[3] >= south)
            found = found[meets]
        return found

    def place(self, collection: str, index: str) -> int | None:
        """The place of an Item; None where there is none."""
        for place in np.flatnonzero(self.keys == _key(collection, index)).tolist():
            item = self.item(place)
            if (item["collection"], item["id"]) == (collection, index):
                return int(place)
        return None

    def _row(self, number: int) -> bytes:
        start = self.ends[number - 1] if number else 0
        return self.rows[start : self.ends[number]].tobytes()

    def known(self, files: Sequence[str], stats: npt.NDArray[np.int64]) -> bool:
        """Whether it is of just these files, as they are."""
        return (
            self.names.tobytes() == _joined(files)
            and np.array_equal(self.stats, stats)
            and bool(self._settled.all())
        )

    @property
    def _settled(self) -> npt.NDArray[np.bool_]:
        """Which files can't have been changed since without another modification time."""
        return np.asarray(self.stats[:, 0] < self.read_at - _COARSEST_CLOCK_NS)

    def settled_rows(self) -> Mapping[tuple[str, int, int], bytes]:
        """What each of those says, by path, modification time and length."""
        rows, ends = self.rows.tobytes(), self.ends.tolist()
        parts = zip(self.files, self.stats.tolist(), [0, *ends], ends, self._settled, strict=False)
        return {
            (name, *stat): rows[start:end] for name, stat, start, end, settled in parts if settled
        }


def load(directory: Path, describe: Callable[[str], Description]) -> Index:
    """The index of a directory, from the cache as far as it is known there.

    Parameters
    ----------
    directory : Path
        Where ``*.json`` lie, at any depth.
    describe : callable
        What the file at a path says.

    Raises
    ------
    ConfigError
        A file can't be used, two describe one image, or none describes any.
    """
    read_at = time.time_ns()
    files, stats = _walk(directory)
    kept = _kept(directory) if len(files) >= MIN_FILES else None
    if kept is not None and kept.known(files, stats):
        return kept
    rows = kept.settled_rows() if kept is not None else {}
    found = [rows.get((name, *stat)) for name, stat in zip(files, stats.tolist(), strict=True)]
    logger.info("catalog %s: reading %d of %d files", directory, found.count(None), len(files))
    texts = [
        row or json.dumps(describe(f"{directory}{os.sep}{name}")).encode()
        for name, row in zip(files, found, strict=True)
    ]
    index = _index(directory, files, stats, read_at, texts)
    if len(files) >= MIN_FILES:
        _keep(directory, index)
    return index


def _walk(directory: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Paths of all ``*.json`` from a directory, and their modification times and lengths."""
    names: list[str] = []
    modified: list[int] = []
    lengths: list[int] = []
    todo = [""]
    try:
        while todo:
            inside = todo.pop()
            here = f"{directory}{os.sep}{inside}"
            folders, files = _listed(here)
            todo += [f"{inside}{name}{os.sep}" for name in folders]
            for name in files:
                found = os.stat(here + name)  # noqa: PTH116 - many of them
                names.append(inside + name)
                modified.append(found.st_mtime_ns)
                lengths.append(found.st_size)
    except OSError as error:
        path = str(error.filename)
        raise ConfigError(fault(path, f"it can't be read: {error.strerror}"), path) from error
    return names, np.array([modified, lengths], np.int64).T


def _listed(directory: str) -> tuple[list[str], list[str]]:
    """Names of the directories in a directory, and of its JSON files, each sorted."""
    folders, files = [], []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.name.endswith(".json"):
                files.append(entry.name)
    return sorted(folders, reverse=True), sorted(files)


def _index(
    directory: Path,
    files: Sequence[str],
    stats: npt.NDArray[np.int64],
    read_at: int,
    rows: Sequence[bytes],
) -> Index:
    found: list[tuple[str, int, str, int, list[float]]] = []
    sources: dict[tuple[str, str], str] = {}
    unused: set[str] = set()
    for number, row in enumerate(rows):
        described: Description = json.loads(row)
        unused.update(described["unused"])
        if (item := described["item"]) is None:
            continue
        image = (item["collection"], item["id"])
        if (source := sources.setdefault(image, files[number])) != files[number]:
            path, problem = directory / files[number], f"is described by {directory / source} too"
            raise ConfigError(fault(path, f"{'/'.join(image)} {problem}"), str(path))
        found.append((item["collection"], item["time"], item["id"], number, item["bounds"]))
    if not found:
        raise ConfigError(f"catalog {directory}: no STAC Item is in it", str(directory))
    found.sort()
    collections: dict[str, tuple[int, int]] = {}
    for place, (collection, *_) in enumerate(found):
        first, _ = collections.get(collection, (place, place))
        collections[collection] = (first, place + 1)
    summary = {"collections": collections, "unused": sorted(unused)}
    return Index(
        _bytes(_joined(files)),
        stats,
        np.array(read_at, np.int64),
        _bytes(b"".join(rows)),
        np.cumsum([len(row) for row in rows], dtype=np.int64),
        np.array([number for _, _, _, number, _ in found], np.int64),
        np.array([_key(collection, index) for collection, _, index, _, _ in found], np.uint64),
        np.array([time for _, time, _, _, _ in found], np.int64),
        np.array([bounds for _, _, _, _, bounds in found], np.float64),
        _bytes(json.dumps(summary).encode()),
    )


def _joined(files: Sequence[str]) -> bytes:
    return os.fsencode("\0".join(files))


def _bytes(content: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)


def _key(collection: str, index: str) -> int:
    name = f"{collection}/{index}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())


def _place(directory: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()
    return cache_root() / "catalogs" / f"{digest[:32]}.index"


def _kept(directory: Path) -> Index | None:
    """The index in the cache; None where there is none that is whole and of this format."""
    try:
        content = _place(directory).read_bytes()
        start = len(_FORMAT) + 4
        checksum = zlib.crc32(memoryview(content)[start:]).to_bytes(4)
        if content[:start] != _FORMAT + checksum:
            return None
        stream = io.BytesIO(content)
        stream.seek(start)
        return Index(*(np.load(stream, allow_pickle=False) for _ in fields(Index)))
    except (OSError, RuntimeError, ValueError):
        return None


def _keep(directory: Path, index: Index) -> None:
    """Put an index into the cache, whole or not at all, whoever else does so now."""
    stream = io.BytesIO()
    for field in fields(index):
        array: npt.NDArray[Any] = getattr(index, field.name)
        np.save(stream, array, allow_pickle=False)
    body = stream.getbuffer()
    try:
        with arriving(_place(directory)) as temp, temp.open("wb") as file:
            file.write(_FORMAT + zlib.crc32(body).to_bytes(4))
            file.write(body)
    except (OSError, RuntimeError) as error:
        logger.info("catalog %s: its index can't be kept, it is read anew: %s", directory, error)
