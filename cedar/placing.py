"""Placing an order: its record first, then its items' documents, then READY.

Whatever stops this halfway, the record says what was ordered, and :func:`finish` does the rest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .changes import held, is_held, is_prepared, marked, prepared, ready, status
from .comparing import stem
from .documents import counts, image_document, record_document
from .exceptions import InputError
from .forecast import typical
from .ledger import Ledger
from .metadata import ImageMetadata
from .planning import check_free
from .record import Record
from .recovering import collections_of, items_of, renew, search_again
from .retry import delays
from .settling import images_of, own_document
from .starting import Starter
from .states import TaskState
from .stores.base import document_key, encode_document
from .tasks import Tasks

if TYPE_CHECKING:
    from .engines.base import Engine
    from .items import Item
    from .ordering import Order
    from .sensors.base import Collection
    from .stores.base import Store

_log = logging.getLogger(__name__)

#: Seconds between two tries to have a claim: the first, their growth, the longest.
_POLL: Final = (0.1, 1.5, 2.0)

#: Called with an item's name and steps done, as `Tracker.download` does.
Callback = Callable[[str, float], None]


@contextmanager
def claimed(store: Store, key: str, timeout: float | None = None) -> Iterator[bool]:
    """Wait for a claim, and have it for the block. Gives False where the time was over."""
    deadline = None if timeout is None else time.monotonic() + timeout
    for delay in delays(*_POLL):
        with store.claim(key) as ours:
            if ours or (deadline is not None and time.monotonic() > deadline):
                yield ours
                return
        time.sleep(delay)


def place(
    order: Order,
    store: Store,
    engine: Engine,
    callback: Callback | None = None,
    ledger: Ledger | None = None,
    pilot: int | None = None,
) -> Record:
    """Record an order, and make its items ready, or start them.

    Parameters
    ----------
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    pilot : int, optional
        Start so many typical items; hold the others until somebody has seen what those cost.

    Raises
    ------
    InputError
        A pilot of what cedar makes itself, or of no items.
    NameTakenError
        Since it was searched, one of its names has come to exist.
    """
    ledger = ledger or Ledger()
    if pilot is not None:
        _check_pilot(order, pilot)
    prefix = order.templates.tracking_prefix
    key = document_key(order.name, prefix)
    with ExitStack() as going_on, ExitStack() as placing, ThreadPoolExecutor(1) as beside:
        placing.enter_context(claimed(store, f"{prefix}/placing"))
        # Had before there is a record, so that nobody goes on with it before us.
        asked = beside.submit(going_on.enter_context, store.claim(key))
        # Between the first look, when it was searched, and this one somebody may have placed.
        check_free(order, store)
        document = record_document(order, store.identity(), engine.identity())
        _note_replaced(document, order, store)
        if pilot is not None:
            _hold(document, pilot)
        if order.n_shards is not None and not ledger.limits(engine):
            _mark_first(document)
        ours = asked.result()
        record = Record.create(store, prefix, document)
        # Others may place now; giving it back takes a request, which nothing here waits for.
        beside.submit(placing.pop_all().close)
        fresh = ours and record.key == key
        if fresh:
            _prepare(record, order, engine, callback, ledger)
        else:
            going_on.close()
            fresh = _begin(record, order, engine, callback, ledger)
    if order.n_shards is not None:
        if not fresh:
            Starter(record, engine, ledger=ledger).start(defaults.QUEUED_TASKS)
        if record.names({TaskState.CANCEL_REQUESTED}):
            # Cancelled while their requests were on the way.
            Tasks(record, engine).refresh()
    return record


def _begin(
    record: Record, order: Order, engine: Engine, callback: Callback | None, ledger: Ledger
) -> bool:
    """Make the items ready, or start them; whether nobody else had gone on with the order."""
    with claimed(record.store, record.key):
        record.refresh()
        # Else another process went on with it, a moment ago.
        fresh = bool(record.view["revision"] == 1)
        if fresh:
            _prepare(record, order, engine, callback, ledger)
        else:
            _write_missing(record, engine)
            _make_ready(record)
            record.flush()
    return fresh


def _check_pilot(order: Order, pilot: int) -> None:
    if pilot < 1:
        raise InputError(f"a pilot of {pilot} items tells nothing: it takes 1 or more")
    if order.n_shards is None:
        raise InputError(
            "a pilot tells what exports cost, and cedar makes these images itself, of which the "
            "service gives no figures: order few of them, then the others"
        )


def _hold(document: dict[str, Any], pilot: int) -> None:
    """Hold all items but some typical ones, from the record's first writing on."""
    first = set(typical(document["orders"], pilot))
    for listed in document["orders"]:
        if listed["name"] not in first:
            held(listed)


def _mark_first(document: dict[str, Any]) -> None:
    """Mark what is sent first in the record's first writing: that saves a second one."""
    planned = (e for e in document["orders"]
               if e["status"]["state"] == TaskState.UNSUBMITTED and not is_held(e))  # fmt: skip
    for listed in islice(planned, defaults.START_BATCH):
        marked(listed)


def _prepare(
    record: Record, order: Order, engine: Engine, callback: Callback | None, ledger: Ledger
) -> None:
    """Write the items' documents, and make them ready; or start each once it has its own."""
    collections = {collection.id: collection for collection in order.submission.collections}
    items = {item.name: item for item in order.items}
    lock, written = threading.Lock(), set[str]()

    def write(listed: Mapping[str, Any]) -> ImageMetadata:
        item = items[listed["name"]]
        made = _write_document(record, listed, item, collections[item.collection])
        record.change(item.name, prepared)
        with lock:
            written.add(item.name)
            if callback is not None:
                callback(item.name, 1.0)
        return made

    if order.n_shards is not None:
        starter = Starter(record, engine, write, unprepared=True, ledger=ledger)
        starter.send(defaults.QUEUED_TASKS)
    # What the queue has no room for; what isn't to be started; and all that cedar pulls.
    documented = (item.name for item in order.items if item.groups or order.save_empty)
    rest = [record.entry(name) for name in documented if name not in written]
    with ThreadPoolExecutor(record.store.workers) as pool:
        for _ in pool.map(write, rest):
            pass
    _make_ready(record)
    record.flush()


def _note_replaced(document: dict[str, Any], order: Order, store: Store) -> None:
    """Note which files, at which versions, the order may replace: no others."""
    replaced, all_of_it = order.replaced, order.submission.existing == "overwrite"
    entries = [each for each in document["orders"] if all_of_it or stem(each) in replaced]
    images = images_of(entries, store)
    for entry in entries:
        there = images[entry["prefix"], entry["name"]]
        entry["replaces"] = {image.key.rpartition("/")[2]: image.version for image in there}


def _write_documents(
    record: Record, items: Iterable[Item], collections: dict[str, Collection]
) -> None:
    metadata = record.metadata

    def write(item: Item) -> None:
        _write_document(record, metadata.entry(item.name), item, collections[item.collection])

    with ThreadPoolExecutor(record.store.workers) as pool:
        for _ in pool.map(write, items):
            pass


def _write_document(
    record: Record, listed: Mapping[str, Any], item: Item, collection: Collection
) -> ImageMetadata:
    document = image_document(record.view, listed, item, collection, type(record.store).__name__)
    key = document_key(item.name, item.prefix)
    record.store.write(key, encode_document(document, item.name))
    return ImageMetadata.view(document, item.name)


def _make_ready(record: Record) -> None:
    """Note that all items have their documents: what cedar pulls can be pulled."""
    pulled = record.view.file_dimensions is None
    for name in record.names({TaskState.UNSUBMITTED}):
        record.change(name, ready if pulled else prepared)


def finish(
    record: Record,
    engine: Engine,
    timeout: float | None = None,
    plan: Callable[[], None] | None = None,
) -> bool:
    """Bring to its end a submit that was cut off: search what was lost again, and make it ready.

    Waits while another process is at it.

    Parameters
    ----------
    plan : callable, optional
        Plans more first, in the record as it is then, and writes it; no other process does so
        meanwhile.

    Returns
    -------
    bool
        False where the time was over before that.
    """
    if plan is None and record.view["revision"] != 1 and not _unprepared(record):
        return True
    with claimed(record.store, record.key, timeout) as ours:
        if ours:
            record.refresh()
            if plan is not None:
                plan()
            _write_missing(record, engine)
            _make_ready(record)
            record.flush()
        return ours


def _unprepared(record: Record) -> list[str]:
    names = record.names({TaskState.UNSUBMITTED})
    return [name for name in names if not is_prepared(record.entry(name))]


def _write_missing(record: Record, engine: Engine) -> None:
    """Write the documents that the record names and the store hasn't, or has of another order."""
    metadata, renewed = record.view, renew(record, _unprepared(record))
    named = set(metadata["metadata"])
    lost = [
        entry
        for entry in metadata.orders
        if entry["status"]["state"] in (TaskState.UNSUBMITTED, TaskState.EMPTY)
        and not is_prepared(entry)
        and entry["name"] not in renewed
        and document_key(entry["name"], entry["prefix"]) in named
        and own_document(metadata, entry, record.store) is None
    ]
    if not lost:
        return
    empty = items_of(record, [e for e in lost if e["status"]["state"] == TaskState.EMPTY])
    unsearched = [e for e in lost if e["status"]["state"] != TaskState.EMPTY]
    found, collections = search_again(record, engine, unsearched), collections_of(record)
    for item in found:
        _recount(record, item, collections[item.collection])
    _write_documents(record, [*empty, *found], collections)


def _recount(record: Record, item: Item, collection: Collection) -> None:
    """Note it where a second search finds other images than the first."""
    entry = record.entry(item.name)
    counted = counts(item, collection, entry.get("bands"))
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
