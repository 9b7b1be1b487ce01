"""Placing an order: its record first, then its items' documents, then READY.

Whatever stops this halfway, the record says what was ordered, and :func:`finish` does the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .documents import counts, image_document, record_document
from .grids import Tile
from .items import Item
from .ordering import Existing, Order, search_items
from .periods import parse_date
from .pump import ready, status
from .record import Record, busy_error, taken_error, taken_names
from .sensors import resolve
from .settling import has_document, images_of
from .states import TaskState
from .stores.base import document_key, encode_document

if TYPE_CHECKING:
    from .engines.base import Engine
    from .sensors.base import Collection
    from .stores.base import Store

_log = logging.getLogger(__name__)

#: Seconds between two tries to be the one process that places orders.
_POLL: Final = 0.1

#: Called with an item's name and steps done, as `Tracker.download` does.
Callback = Callable[[str, float], None]


@contextmanager
def placing(store: Store, tracking_prefix: str, timeout: float | None = None) -> Iterator[bool]:
    """Be the one process that places orders in a store. Gives False where the time was over."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        with store.claim(f"{tracking_prefix}/placing") as ours:
            if ours or (deadline is not None and time.monotonic() > deadline):
                yield ours
                return
        time.sleep(_POLL)


def free_items(
    store: Store, tracking_prefix: str, items: list[Item], existing: Existing
) -> tuple[list[Item], list[Item]]:
    """Sort items into those to order and those to leave out, because their names exist.

    Raises
    ------
    NameTakenError
        A name exists, and `existing` is ``error``; or it would be overwritten while another order
        is at work on it.
    """
    taken, busy = taken_names(store, tracking_prefix, items)
    if busy and existing != "skip":
        raise busy_error(busy)
    if taken and existing == "error":
        raise taken_error(taken)
    if existing == "overwrite":
        return items, []
    return (
        [item for item in items if item.name not in taken],
        [item for item in items if item.name in taken],
    )


def place(order: Order, store: Store, engine: Engine, callback: Callback | None = None) -> Record:
    """Record an order and make its items ready.

    Raises
    ------
    NameTakenError
        Since it was searched, one of its names has come to exist.
    """
    prefix = order.templates.tracking_prefix
    with placing(store, prefix):
        # Again, now that nobody else can place: between the first look and this one somebody may.
        existing = "error" if order.submission.existing == "skip" else order.submission.existing
        free_items(store, prefix, list(order.items), existing)
        document = record_document(order, store.identity(), engine.identity())
        _note_replaced(document, store)
        record = Record.create(store, prefix, document)
        collections = {collection.id: collection for collection in order.submission.collections}
        documented = [item for item in order.items if item.groups or order.save_empty]
        _write_documents(record, documented, collections, callback)
        _make_ready(record)
    return record


def _note_replaced(document: dict[str, Any], store: Store) -> None:
    """Note which files, at which versions, the order may replace: no others."""
    if document["submission"]["existing"] != "overwrite":
        return
    images = images_of(document["orders"], store)
    for entry in document["orders"]:
        there = images[entry["prefix"], entry["name"]]
        entry["replaces"] = {image.key.rpartition("/")[2]: image.version for image in there}


def _write_documents(
    record: Record,
    items: Iterable[Item],
    collections: dict[str, Collection],
    callback: Callback | None,
) -> None:
    metadata, store = record.metadata, record.store
    service = type(store).__name__

    def write(item: Item) -> str:
        collection = collections[item.collection]
        document = image_document(metadata, metadata.entry(item.name), item, collection, service)
        key = document_key(item.name, item.prefix)
        store.write(key, encode_document(document, item.name))
        return item.name

    with ThreadPoolExecutor(defaults.STORE_WORKERS) as pool:
        for name in pool.map(write, items):
            if callback is not None:
                callback(name, 1.0)


def _make_ready(record: Record) -> None:
    for name in record.names({TaskState.UNSUBMITTED}):
        record.change(name, ready)
    record.flush()


def finish(record: Record, engine: Engine, timeout: float | None = None) -> bool:
    """Bring to its end a submit that was cut off: search what was lost again, and make it ready.

    Waits while another process is placing orders: it may be this one.

    Returns
    -------
    bool
        False where the time was over before that.
    """
    if not record.names({TaskState.UNSUBMITTED}) and record.metadata["revision"] != 1:
        return True
    with placing(record.store, record.key.rpartition("/")[0], timeout) as ours:
        if ours:
            record.refresh()
            _write_missing(record, engine)
            _make_ready(record)
        return ours


def _write_missing(record: Record, engine: Engine) -> None:
    """Write the documents that the record names and the store hasn't, or has of another order."""
    metadata = record.metadata
    submission, named = metadata["submission"], set(metadata["metadata"])
    lost = [
        entry
        for entry in metadata.orders
        if entry["status"]["state"] in (TaskState.UNSUBMITTED, TaskState.EMPTY)
        and document_key(entry["name"], entry["prefix"]) in named
        and not has_document(metadata, entry, record.store)
    ]
    if not lost:
        return
    collections = {
        collection: resolve(collection, submission["definitions"])
        for collection in submission["collections"]
    }
    tiles = {tile.index: tile for tile in map(Tile.from_dict, metadata["tracking"]["tiles"])}
    empty = [_item(e, tiles) for e in lost if e["status"]["state"] == TaskState.EMPTY]
    unsearched = [_item(e, tiles) for e in lost if e["status"]["state"] != TaskState.EMPTY]
    found = search_items(engine, unsearched, collections, submission["filters"])
    for item in found:
        _recount(record, item, collections[item.collection])
    _write_documents(record, [*empty, *found], collections, None)


def _item(entry: Mapping[str, Any], tiles: dict[tuple[int, int], Tile]) -> Item:
    row, col = entry["tile"]
    return Item(
        entry["name"],
        entry["prefix"],
        entry["collection"],
        tiles[row, col],
        parse_date(entry["date_start"]),
        parse_date(entry["date_end"]),
    )


def _recount(record: Record, item: Item, collection: Collection) -> None:
    """Note it where a second search finds other images than the first."""
    counted = counts(item, collection)
    entry = record.entry(item.name)
    if any(entry[key] != value for key, value in counted.items()):
        _log.warning(
            "%s: %d images now, %d when it was ordered",
            item.name,
            counted["n_images"],
            entry["n_images"],
        )
        record.change(item.name, lambda changed: changed.update(counted))
        if not item.groups:
            record.change(item.name, status(TaskState.EMPTY))
