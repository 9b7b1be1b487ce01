"""Bringing an order home: which files of it, where to, and what its record says of them then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

from .assembly import PutTogether, is_put_together, put_together
from .changes import is_cleaned
from .copies import downloaded
from .exceptions import (
    CedarError,
    DownloadError,
    InputError,
    NotFoundError,
)
from .fetching import Fetcher
from .items import Output
from .metadata import TrackingMetadata
from .outputs import current, documents_of, item_document, task_id, with_outputs
from .pacing import parse_rate
from .room import check_room
from .stores.files import arriving
from .templates import LAYOUT, Template, layout_folder
from .wanted import FINISHED, Fetching, FileEvent, FileState, Wanted

if TYPE_CHECKING:
    from .clipping import Region
    from .record import Record
    from .stores.base import Store

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
#: Called with a file's name and what it counts: metadata 0, all images of an item together 1.
Callback = Callable[[str, float], None]
#: Called with what happens to each file, in the thread that asked for the download.
Notify = Callable[[FileEvent], None]

#: Seconds between two writes of the record: what is lost with the process is only looked at again.
_NOTED: Final = 15.0
#: What a chunk is given in.
_MEBIBYTE: Final = 2**20


@dataclass(frozen=True)
class Download:
    """What of an order is brought home, and how.

    Attributes
    ----------
    fetching : Fetching
    layout : str or None
        Where an item's files go, below the order's directory; its last part is ``{name}``, since
        files keep their names. By default they are all together.
    items : sequence of str
        Globs of items' names, or of those that they are parts of; none: all.
    states : sequence of str
        States of items; none: all.
    scheduler : str or None
        Address of a dask.distributed scheduler whose workers fetch; else it is done here.
    together : PutTogether
        What is made of an item's files.
    written : mapping
        How :meth:`making` has that written: parts ``mosaic`` and ``clip`` of the configuration.

    Raises
    ------
    InputError
        The layout can't be used.
    """

    fetching: Fetching = field(default_factory=Fetching)
    layout: str | None = None
    items: Sequence[str] = ()
    states: Sequence[str] = ()
    scheduler: str | None = None
    together: PutTogether = field(default_factory=PutTogether)
    written: Mapping[str, Any] = field(default_factory=dict)
    _folder: Template | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.layout is not None:
            object.__setattr__(self, "_folder", layout_folder(self.layout))

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> Self:
        """Make them of a `section` ``download`` of a configuration, which has been checked."""
        return cls().configured(section)

    def configured(self, section: Mapping[str, Any]) -> Self:
        """Return the same, but for what such a `section` says."""
        given = {key: section[key] for key in ("workers", "timeout") if key in section}
        if "chunk" in section:
            given["piece"] = section["chunk"] * _MEBIBYTE
        if "rate" in section:
            given["rate"] = parse_rate(section["rate"])
        fetching = replace(self.fetching, **given)
        layout = section.get("layout", self.layout)
        written = {**self.written, **{k: section[k] for k in ("mosaic", "clip") if k in section}}
        return replace(self, fetching=fetching, layout=layout, written=written)

    def making(self, mosaic: bool, clip: Region | None) -> Self:
        """Return the same, but for what is made of an item's files: a `mosaic`, a `clip`."""
        return replace(self, together=PutTogether.from_config(self.written, mosaic, clip))

    def replacing(self, overwrite: bool) -> Self:
        """Return the same, but for whether files that differ are replaced, by `overwrite`."""
        return replace(self, fetching=replace(self.fetching, overwrite=overwrite))

    def chooses(self, tracking: TrackingMetadata, entry: Entry) -> bool:
        """Whether the item `entry` of the record `tracking` is asked for."""
        called = {entry["name"], entry["family"] or entry["name"]}
        return (
            not self.items or any(fnmatchcase(n, glob) for n in called for glob in self.items)
        ) and (not self.states or tracking.state(entry) in self.states)

    def folder(self, entry: Entry) -> str:
        """Where the files of the item `entry` go, below the order's directory; empty: into it.

        Raises
        ------
        InputError
            The record doesn't say what the layout asks for, as those of 2019 don't.
        """
        if self._folder is None:
            return ""
        row, column = entry["tile"] or (None, None)
        values = {
            "collection": entry["collection"],
            "tile": None if row is None else SimpleNamespace(vertical=row, horizontal=column),
            "date_start": entry["date_start"],
            "date_end": entry["date_end"],
            "name": entry["family"] or entry["name"],
        }
        fields = self._folder.fields
        if missing := [name for name in fields if values[LAYOUT.fields[name].value] is None]:
            raise InputError(
                f"layout {self.layout!r}: the record doesn't say {missing[0]} of {entry['name']}"
            )
        return self._folder.render(**values)


@dataclass
class _Item:
    """An item whose files are wanted; `left` of them are on their way."""

    entry: Entry
    folder: str
    documents: list[Path]
    images: list[Path]
    left: int
    failed: bool = False
    made: list[Path] = field(default_factory=list)

    def step(self, path: Path) -> float:
        """What a file counts: all images together 1."""
        return 0.0 if path in self.documents else 1 / len(self.images)


class _Home:
    """What has come home of an order.

    Parameters
    ----------
    dest : Path
        The order's directory.
    record : Record or None
        Where it is noted.
    options : Download
    """

    def __init__(self, dest: Path, record: Record | None, options: Download):
        self._dest, self._record, self._together = dest.resolve(), record, options.together
        self.items: dict[str, _Item] = {}
        self.failures: dict[Path, CedarError] = {}
        self._of: dict[Path, _Item] = {}
        self._noted = time.monotonic()

    def expect(self, entry: Entry, folder: str, documents: list[Path], images: list[Path]) -> None:
        """Note which files an item has."""
        item = _Item(entry, folder, documents, images, len(documents) + len(images))
        self.items[entry["name"]] = item
        self._of |= dict.fromkeys([*documents, *images], item)

    def take(self, event: FileEvent) -> float:
        """Note what has become of a file; what it counts."""
        item = self._of[event.path]
        item.left -= 1
        if event.error is not None:
            item.failed = True
            self.failures[event.path] = event.error
        if item.images and not item.left and not item.failed:
            self._note(item)
            self._make(item)
        return item.step(event.path)

    def _note(self, item: _Item) -> None:
        """Note that an item is here."""
        if self._record is None:
            return
        self._record.change(item.entry["name"], downloaded(self._dest, item.folder))
        if time.monotonic() > self._noted + _NOTED:
            self._record.flush()
            self._noted = time.monotonic()

    def _make(self, item: _Item) -> None:
        """Put an item's images together, as far as that was asked for."""
        try:
            made = put_together(item.entry, item.images, self._together)
        except CedarError as error:
            if not self._together.mosaic and self._together.clip is None:
                _log.warning("%s", error)  # Nobody asked for a VRT.
                return
            self.failures[item.images[0].with_name(item.entry["name"])] = error
        else:
            item.made = [
                path for path in made if path.suffix != ".vrt"
            ]  # It only refers to others.

    def files(self) -> dict[str, list[Path]]:
        """Return the files that are here, by what results are keyed by."""
        return {
            task_id(item.entry): [
                *(
                    path
                    for path in (*item.documents, *item.images)
                    if path not in self.failures and path.exists()
                ),
                *item.made,
            ]
            for item in self.items.values()
        }


def download(
    tracking: TrackingMetadata,
    record: Record | None,
    store: Store,
    dest: Path,
    options: Download,
    callback: Callback | None = None,
    notify: Notify | None = None,
) -> dict[str, list[Path]]:
    """Download what is finished, note it in the record, and write the record's copy last.

    Parameters
    ----------
    callback : callable, optional
        Called as each file is there.
    notify : callable, optional
        Called with what happens to each file.

    Raises
    ------
    DownloadError
        Files could not be had: after all others were.
    StoreError
        There isn't room for them, and nothing was fetched; or the disk filled up meanwhile.
    """
    if record is not None:
        tracking = current(tracking, record)
        _check_there(tracking, record.key)
    home = _Home(dest, record, options)
    wanted, missing = _wanted(tracking, store, home, dest, options)
    check_room(dest, wanted)
    if notify is not None:
        _announce(wanted, notify)
    try:
        for event in chain(missing, _fetched(store, options, wanted)):
            if notify is not None:
                notify(event)
            if event.state in FINISHED:
                step = home.take(event)
                if callback is not None and event.error is None:
                    callback(event.path.name, step)
    finally:
        if record is not None:
            record.flush()
    if record is not None:
        tracking = record.view
    with arriving(dest / f"{tracking.name}.json") as path:
        path.write_text(tracking.dumps() + "\n", encoding="utf-8")
    if home.failures:
        raise DownloadError(home.failures, home.files())
    return home.files()


def _announce(wanted: Iterable[Wanted], notify: Notify) -> None:
    """Say which files there are to do."""
    for each in wanted:
        notify(FileEvent(each.path, FileState.TODO, 0, each.info.size))


def _fetched(store: Store, options: Download, wanted: Sequence[Wanted]) -> Iterator[FileEvent]:
    """Have files, here or by a cluster."""
    if options.scheduler is None:
        return Fetcher(store, options.fetching).run(wanted)
    from .cluster import fetch

    return fetch(options.scheduler, store, options.fetching, wanted)


def _check_there(tracking: TrackingMetadata, key: str) -> None:
    """Refuse to fetch what was deleted, whose copy here would be replaced by a record of nothing.

    Raises
    ------
    NotFoundError
        All of the order was.
    """
    if tracking.orders and all(map(is_cleaned, tracking.orders)):
        raise NotFoundError(
            f"order {tracking.name} was cleaned, so its files aren't in the store: submit it with "
            "--overwrite to have them made again",
            key,
        )


def _wanted(
    tracking: TrackingMetadata, store: Store, home: _Home, dest: Path, options: Download
) -> tuple[list[Wanted], list[FileEvent]]:
    """Say which files are to be had, and which of them the store hasn't."""
    chosen = [
        entry
        for entry in tracking.orders
        if options.chooses(tracking, entry) and not is_cleaned(entry)
    ]
    documents = documents_of(tracking, chosen, store)
    wanted: list[Wanted] = []
    missing: list[FileEvent] = []
    for entry in with_outputs(chosen, store):
        folder = options.folder(entry)
        documented: list[Path] = []
        if (key := item_document(entry)) in documents:
            documented.append(dest / folder / key.rpartition("/")[2])
            if (info := documents[key]) is None:
                error = NotFoundError(f"{key} is not in the store", key)
                missing.append(FileEvent(documented[0], FileState.FAILED, 0, 0, error))
            else:
                wanted.append(Wanted(documented[0], info, recorded=False))
        images: list[Path] = []
        if not _is_made(entry, dest / folder, options.together):
            for output in entry["outputs"]:
                image = Output.listed(output).at(f"{entry['prefix']}/{output['name']}")
                images.append(dest / folder / output["name"])
                wanted.append(Wanted(images[-1], image))
        home.expect(entry, folder, documented, images)
    return wanted, missing


def _is_made(entry: Entry, directory: Path, together: PutTogether) -> bool:
    """Whether an item's images needn't be here, since what was made of them is, and they may go."""
    return not together.keep and is_put_together(entry, directory, together)
