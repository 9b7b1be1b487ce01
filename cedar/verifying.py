"""Holding what was downloaded of an order against its record: all of it, here, and offline."""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

from .assembly import MADE_OF, cube_names, product_names
from .metadata import TrackingMetadata
from .rasters import read_tags
from .settling import is_own
from .stores.base import document_key
from .stores.checksums import CHUNK, algorithm_of, summing
from .stores.files import explained
from .stores.keys import RESERVED

Entry = Mapping[str, Any]
#: Called with the part that was read, 0 to 1, and a file; never by two threads at once.
Callback = Callable[[float, str], None]

#: Files that are read at once: while one waits for the disk, another is summed.
_WORKERS: Final = min(8, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True)
class Verification:
    """How an order's directory stands to the record in it.

    Attributes
    ----------
    name : str
        The order's.
    directory : Path
        Where its files are.
    complete : bool
        Whether the order was complete when it was downloaded.
    states : mapping of str to int
        How many of its items were in each state then.
    right : tuple of Path
        Files that are as they have to be.
    n_bytes : int
        Bytes of those.
    missing : tuple of Path
        Files that the record names, and that aren't there.
    changed : mapping of Path to str
        Files that aren't what the record says → in what.
    replaced : tuple of Path
        Files that were removed when others were made of them, which no record describes.
    extra : tuple of Path
        Files that the record doesn't name, and that weren't made of those that it does, as cubes
        are.
    unfinished : tuple of Path
        What an interrupted download has left, for the next to take up.
    """

    name: str
    directory: Path
    complete: bool
    states: Mapping[str, int]
    right: tuple[Path, ...]
    n_bytes: int
    missing: tuple[Path, ...]
    changed: Mapping[Path, str]
    replaced: tuple[Path, ...]
    extra: tuple[Path, ...]
    unfinished: tuple[Path, ...]

    @property
    def is_right(self) -> bool:
        """Whether every file that the record names is there and as it has to be."""
        return not self.missing and not self.changed


def verify(
    directory: str | os.PathLike[str],
    name: str | None = None,
    callback: Callback | None = None,
) -> Verification:
    """Read all that was downloaded of an order, and hold it against the record's copy beside it.

    Nothing but that directory is needed: no store, no configuration, no network.

    Parameters
    ----------
    directory : path-like
        What was `dest` of the download: DIR/NAME of ``cedar download``.
    name : str, optional
        The order's; by default the directory's name.
    callback : callable, optional
        Called with the part that was read, 0 to 1, and the file.

    Raises
    ------
    NotFoundError
        There is no record's copy.
    DocumentError
        It is damaged.
    StoreError
        A file can't be read.
    """
    directory = Path(directory)
    name = name or directory.resolve().name
    path = directory / f"{name}.json"
    with explained(f"can't read {path}, the record that `cedar download` writes last"):
        tracking = TrackingMetadata.loads(path.read_bytes(), name)
        there = Directory.read(directory)
    expected = [*_expected(tracking, there)]
    reading = _Reading(sum(each.size or 0 for each in expected), callback)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="cedar-verify") as pool:
        try:
            found = [*pool.map(lambda each: _look(each, tracking, reading), expected)]
        except BaseException:
            reading.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return _verification(tracking, there, [*zip(expected, found, strict=True)])


@dataclass(frozen=True)
class Directory:
    """The files below a directory, by what they are called."""

    root: Path
    files: Mapping[str, Sequence[Path]]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Look what is there.

        Raises
        ------
        OSError
            It can't be read.
        """
        files = defaultdict(list)

        def refuse(error: OSError) -> None:
            raise error

        for folder, folders, names in os.walk(root, onerror=refuse):
            folders.sort()
            for name in sorted(names):
                files[name].append(Path(folder, name))
        return cls(root, files)

    def folder(self, entry: Entry, names: Iterable[str]) -> Path:
        """Return where the files of an item are, or would be.

        The record says it of copies of images, this directory's among them, which may have been
        moved since. Where it doesn't, as of items without images, their files are looked for.
        """
        found = [path.parent for name in names for path in self.files.get(name, ())]
        here = str(self.root.resolve())
        notes = sorted(entry["downloads"], key=lambda note: bool(note["path"] != here))
        noted = [Path(self.root, note.get("folder", "")) for note in notes]
        if noted:
            return next((folder for folder in noted if folder in found), noted[0])
        return found[0] if found else self.root


@dataclass(frozen=True)
class _Expected:
    """A file that has to be there; an item's document, if it has no size."""

    path: Path
    entry: Entry
    size: int | None = None
    checksum: str | None = None


def _expected(tracking: TrackingMetadata, there: Directory) -> Iterator[_Expected]:
    """Yield what the record names: its schema sees to it that no name leads elsewhere."""
    documented = {*tracking["metadata"]}
    for entry in tracking.orders:
        document = document_key(entry["name"], entry["prefix"])
        file = document.rpartition("/")[2]
        names = [file, *(output["name"] for output in entry["outputs"])]
        folder = there.folder(entry, names)
        if document in documented or folder / file in there.files.get(file, ()):
            yield _Expected(folder / file, entry)
        for output in entry["outputs"]:
            yield _Expected(folder / output["name"], entry, output["size"], output["checksum"])


class _Standing(Enum):
    """How it stands with a file that the record names."""

    RIGHT = "right"
    MISSING = "missing"
    CHANGED = "changed"


#: Files that the record names, how it stands with each, and why it isn't right.
_Found = Sequence[tuple[_Expected, tuple[_Standing, str]]]


class _Reading:
    """Reads files in several threads, and says how far all of it is."""

    def __init__(self, total: int, callback: Callback | None):
        self.stop = threading.Event()
        self._total, self._callback = total, callback
        self._read, self._lock = 0, threading.Lock()

    def checksum(self, path: Path, algorithm: str) -> str:
        """Sum up a file."""
        total = summing(algorithm)
        with path.open("rb") as file:
            while not self.stop.is_set() and (chunk := file.read(CHUNK)):
                total.update(chunk)
                self._tell(len(chunk), path)
        return total.text()

    def _tell(self, count: int, path: Path) -> None:
        with self._lock:
            self._read += count
            if self._callback is not None:
                self._callback(min(1.0, self._read / self._total), path.name)


def _look(
    expected: _Expected, tracking: TrackingMetadata, reading: _Reading
) -> tuple[_Standing, str]:
    """Say how it stands with a file, and why it isn't right. Runs in a thread."""
    path = expected.path
    try:
        size = path.stat().st_size
        if expected.size is None:
            why = "" if _is_document(path, tracking, expected.entry) else "isn't the item's"
        elif size != expected.size:
            why = f"has {size:,} bytes, not {expected.size:,}"
        elif expected.checksum is None:
            why = ""
        else:
            algorithm = algorithm_of(expected.checksum)
            same = reading.checksum(path, algorithm) == expected.checksum
            why = "" if same else f"has another {algorithm} than the record says"
    except FileNotFoundError:
        return _Standing.MISSING, ""
    except OSError as error:
        why = f"can't be read: {error.strerror or error}"
    return (_Standing.CHANGED if why else _Standing.RIGHT), why


def _is_document(path: Path, tracking: TrackingMetadata, entry: Entry) -> bool:
    """Whether a file is the metadata document of an item."""
    try:
        document = json.loads(path.read_bytes())
        named = document["task"]["name"] == entry["name"]
        return bool(named and is_own(document, tracking, entry))
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def _replaced(found: _Found) -> set[Path]:
    """Return missing files of items whose files are all missing, and of which something was made.

    A VRT is no such thing: without the files it refers to it is nothing.
    """
    missing: dict[str, list[Path]] = defaultdict(list)
    for expected, (standing, _) in found:
        if standing is _Standing.MISSING and expected.size is not None:
            missing[expected.entry["name"]].append(expected.path)
    outputs = {expected.entry["name"]: len(expected.entry["outputs"]) for expected, _ in found}
    return {
        path
        for name, paths in missing.items()
        if len(paths) == outputs[name]
        and any(
            MADE_OF in read_tags(paths[0].with_name(product))
            for product in product_names(name)
            if product.endswith(".tif")
        )
        for path in paths
    }


def _verification(tracking: TrackingMetadata, there: Directory, found: _Found) -> Verification:
    paths: dict[_Standing, list[Path]] = {standing: [] for standing in _Standing}
    replaced = _replaced(found)
    for expected, (standing, _) in found:
        if expected.path not in replaced:
            paths[standing].append(expected.path)
    known = {expected.path for expected, _ in found} | {there.root / f"{tracking.name}.json"}
    for expected, _ in found:
        known |= {expected.path.with_name(name) for name in product_names(expected.entry["name"])}
    cubes = {
        cube
        for expected, _ in found
        for cube in cube_names(expected.entry["family"] or expected.entry["name"])
    }
    others = sorted(
        path
        for files in there.files.values()
        for path in files
        if path not in known and not cubes.intersection(path.relative_to(there.root).parts)
    )
    unfinished = dict.fromkeys(
        path
        for path in others
        if any(part.startswith(f"{RESERVED}-") for part in path.relative_to(there.root).parts)
    )
    return Verification(
        name=tracking.name,
        directory=there.root,
        complete=tracking.complete,
        states=tracking.states,
        right=tuple(paths[_Standing.RIGHT]),
        n_bytes=sum(e.size or 0 for e, (standing, _) in found if standing is _Standing.RIGHT),
        missing=tuple(paths[_Standing.MISSING]),
        changed={e.path: why for e, (standing, why) in found if standing is _Standing.CHANGED},
        replaced=tuple(sorted(replaced)),
        extra=tuple(path for path in others if path not in unfinished),
        unfinished=tuple(unfinished),
    )
