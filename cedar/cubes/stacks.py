"""Which stacks of an order are on this machine, found by its record."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cedar.assembly import MADE_OF, product_names
from cedar.changes import state_of
from cedar.exceptions import CedarError, DocumentError, InputError, NotFoundError
from cedar.metadata import ImageMetadata, TrackingMetadata
from cedar.rasters import read_tags
from cedar.settling import is_older, is_own
from cedar.splitting import family
from cedar.states import TaskState
from cedar.stores.files import explained
from cedar.tiles import Tile
from cedar.verifying import Directory

from .images import Image
from .remade import remade
from .stack import Part, Stack

__all__ = ["Here", "Stack", "look", "stacks"]

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Here:
    """What of an order is on this machine, and what isn't.

    Attributes
    ----------
    stacks : tuple of Stack
        In the order of the record.
    empty : tuple of str
        Items without images, of which there is nothing to have.
    absent : mapping of str to str
        Items that aren't here → why.
    failed : mapping of str to CedarError
        Items whose files can't be used → why.
    """

    stacks: tuple[Stack, ...]
    empty: tuple[str, ...]
    absent: Mapping[str, str]
    failed: Mapping[str, CedarError]


def look(
    tracking: Mapping[str, Any],
    directory: str | os.PathLike[str],
    items: Iterable[str] = (),
    names: Container[str] | None = None,
) -> Here:
    """Look which stacks of an order are in a directory.

    Parameters
    ----------
    tracking : mapping
        Its record.
    directory
        What was downloaded of it: ``DIR/NAME``.
    items
        Patterns of names, as of ``cedar download --item``; none: all.
    names
        The only ones that are looked for.

    Raises
    ------
    NotFoundError
        There is no such directory.
    StoreError
        It can't be read.
    """
    record = TrackingMetadata(tracking)
    with explained(f"can't read {directory}, which `cedar download` writes to"):
        there = Directory.read(Path(directory))
    looking = _Looking(record, there)
    globs = [*items]
    for together in _whole(record.orders):
        if names is not None and not any(entry["name"] in names for entry in together):
            continue
        if not globs or any(_is_called(entry, glob) for entry in together for glob in globs):
            looking.look(together)
    return Here(
        tuple(looking.stacks), tuple(looking.empty), dict(looking.absent), dict(looking.failed)
    )


def stacks(
    tracking: Mapping[str, Any], directory: str | os.PathLike[str], items: Iterable[str] = ()
) -> list[Stack]:
    """Return the stacks of an order that are in a directory; parameters as of :func:`look`.

    Raises
    ------
    CedarError
        An item's files aren't all here, or aren't its own: the one that is amiss is named.
    StoreError
        A file can't be read.
    """
    here = look(tracking, directory, items)
    for error in here.failed.values():
        raise error
    return [*here.stacks]


def _is_called(entry: Entry, glob: str) -> bool:
    return fnmatchcase(entry["name"], glob) or fnmatchcase(family(entry), glob)


def _whole(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Put together the entries that have some of the bands each of the same layers."""
    together: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        period = (entry["date_start"], entry["date_end"]) if "bands" in entry else (entry["name"],)
        together.setdefault((family(entry), *period), []).append(entry)
    yield from together.values()


@dataclass
class _Looking:
    """Looks for one item after another."""

    record: TrackingMetadata
    there: Directory
    stacks: list[Stack] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, CedarError] = field(default_factory=dict)

    def look(self, entries: Sequence[Entry]) -> None:
        """Look for what is one stack."""
        unfinished = {
            entry["name"]: state_of(entry) for entry in entries if not _is_finished(entry)
        }
        for name, state in unfinished.items():
            if state == TaskState.EMPTY:
                self.empty.append(name)
            else:
                self.absent[name] = f"it is {state}"
        if unfinished:
            rest = [entry["name"] for entry in entries if entry["name"] not in unfinished]
            self.absent |= dict.fromkeys(rest, "other bands of it aren't there yet")
            return
        try:
            self._open(entries)
        except CedarError as error:
            self.failed[entries[0]["name"]] = error

    def _open(self, entries: Sequence[Entry]) -> None:
        found = {entry["name"]: _files(entry, self.there, self.record) for entry in entries}
        absent = {name: why for name, why in found.items() if isinstance(why, str)}
        self.absent |= absent
        if not absent:
            parts = [
                _part(entry, [*map(Path, found[entry["name"]])], self.there, self.record)
                for entry in entries
            ]
            tile = _tile(entries[0], parts[0].metadata, self.record)
            self.stacks.append(Stack.of(self.record, tile, parts))


def _is_finished(entry: Entry) -> bool:
    # A record of 2019 doesn't know better than the files do.
    return is_older(entry) or state_of(entry) in {TaskState.COMPLETED, TaskState.CLEANED}


def _files(entry: Entry, there: Directory, record: TrackingMetadata) -> list[Path] | str:
    """Find an item's files, or say why there are none.

    Raises
    ------
    CedarError
        Some of them are missing: one is named.
    """
    name, names = entry["name"], _names(entry, there)
    folder = _folder(entry, names, there)
    missing = [file for file in names if folder / file not in there.files.get(file, ())]
    if names and not missing:
        return [folder / file for file in names]
    _, mosaic, clipped = (folder / product for product in product_names(name))
    if MADE_OF in read_tags(mosaic):
        return [mosaic]
    if len(missing) < len(names):
        raise NotFoundError(
            f"{folder / missing[0]} is missing, one of the {len(names)} files of {name}: "
            f"`cedar download {record.name}` fetches it",
            name,
        )
    if clipped.exists():
        return f"only {clipped.name} is here, which was cut of it"
    return "its files aren't here"


def _names(entry: Entry, there: Directory) -> list[str]:
    """Return what the files of an item are called."""
    if entry["outputs"] or not is_older(entry):
        return [output["name"] for output in entry["outputs"]]
    called = re.compile(re.escape(entry["name"]) + r"(-?[0-9]{10}-[0-9]{10})?\.tif")
    return sorted(name for name in there.files if called.fullmatch(name))


def _folder(entry: Entry, names: Iterable[str], there: Directory) -> Path:
    return there.folder(entry, [f"{entry['name']}.json", *names, *product_names(entry["name"])])


def _part(entry: Entry, files: Sequence[Path], there: Directory, record: TrackingMetadata) -> Part:
    folder = _folder(entry, (path.name for path in files), there)
    metadata, why = _metadata(entry, folder, record)
    tile = _tile(entry, metadata, record)
    image = Image.of(entry["name"], files, tile)
    if metadata is not None:
        return Part(entry, metadata, image)
    _log.warning(
        "%s: %s; what it is made of is read from the record and the file, without ids of images",
        entry["name"],
        why,
    )
    return Part(entry, remade(record, entry, tile, image.descriptions), image, known=False)


def _metadata(
    entry: Entry, folder: Path, record: TrackingMetadata
) -> tuple[ImageMetadata | None, str]:
    """Read an item's metadata; where there is none, say why."""
    path = folder / f"{entry['name']}.json"
    try:
        data = path.read_bytes()
        metadata = ImageMetadata.loads(data, entry["name"])
        # Whose it is, documents of 2019 say by what they lack.
        if is_own(json.loads(data), record, entry):
            return metadata, ""
    except FileNotFoundError:
        return None, f"{path} is lost"
    except (DocumentError, OSError) as error:
        return None, str(error)
    return None, f"{path} is another order's"


def _tile(entry: Entry, metadata: ImageMetadata | None, record: TrackingMetadata) -> Tile:
    """Return where an item lies.

    Raises
    ------
    InputError
        Neither its metadata nor the record says.
    """
    if metadata is not None:
        return Tile.from_dict(metadata["tile"])
    for tile in record["tracking"]["tiles"]:
        if tile["index"] == entry["tile"]:
            return Tile.from_dict(tile)
    raise InputError(
        f"{entry['name']}: its metadata is lost, and the record doesn't say where it lies"
    )
