"""Planning: what of a submission is new, and how what earlier orders have of it stands.

What an order has under the name of an item is in the way, if it is of another request. Of the same
request it is compared with what a search finds now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import shards
from .changes import can_retry, is_cleaned
from .comparing import Request, stem
from .documents import counts
from .earlier import Earlier, Standing
from .exceptions import ConfigError
from .finding import require_images, search_items, split_items
from .listed import lacking
from .metadata import TrackingMetadata
from .ordering import Order, Submission, Templates
from .record import Record, Taken, busy_error, taken_error, taken_names
from .recovering import own_metadata
from .states import ACTIVE, TaskState

if TYPE_CHECKING:
    from .engines.base import Engine
    from .items import Item
    from .stores.base import Store

Entry = Mapping[str, Any]
#: Called with the number of items that a search has answered.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Scope:
    """Which items a submission is about, where that isn't all of its own.

    Attributes
    ----------
    wanted : sequence of Item
        What is asked for.
    compared : sequence of Item
        Items of an earlier order, of which is only said how they stand. What else orders have isn't
        called unwanted.
    """

    wanted: Sequence[Item]
    compared: Sequence[Item]


def find_order(
    submission: Submission,
    templates: Templates,
    store: Store,
    engine: Engine,
    export_image_kwds: Mapping[str, Any],
    save_empty: bool,
    error_if_empty: bool,
    progress: Progress | None = None,
    scope: Scope | None = None,
) -> Order:
    """Find what a submission would order, without writing anything.

    Raises
    ------
    InputError
        An option can't be used, or an item can't be made.
    NameTakenError
        A name exists, and `existing` doesn't say what to do about that; or it would be overwritten
        while another order is at work on it.
    EmptyCollectionError
        An item has no images, and `error_if_empty`.
    """
    options = engine.check_options(export_image_kwds, store.kind)
    collections = {collection.id: collection for collection in submission.collections}
    choice = _Choice(store, engine, submission, templates, options, scope)
    items, earlier, not_found = choice.search(progress)
    if error_if_empty:
        require_images(items)
    skipped, n_shards = choice.skipped(items), None
    if store.kind in engine.exports_to:
        _check_together(store, engine)
        items = split_items(items, collections, engine.max_bands)
        options, n_shards = _export_options(engine, options, items, submission)
    found = tuple(items), tuple(skipped), save_empty, n_shards, tuple(earlier), not_found
    return Order(submission, templates, options, *found, others=choice.others)


def _check_together(store: Store, engine: Engine) -> None:
    """Refuse the emulator's exports into a real store, and the reverse, which neither could do.

    Raises
    ------
    ConfigError
        Only one of the two is real.
    """
    emulated = engine.identity()["emulated"]
    if store.emulated == emulated:
        return
    real, other = ("store", "Earth Engine") if emulated else ("Earth Engine", "store")
    raise ConfigError(
        f"the {real} is the real one and the {other} is the emulator's: give sections "
        f"earthengine and {store.kind} both `url: emulator`, or urls of one `cedar emulator`, or "
        "neither"
    )


def _export_options(
    engine: Engine, options: Mapping[str, Any], items: Sequence[Item], submission: Submission
) -> tuple[dict[str, Any], int]:
    """Complete the options for the largest item, and count the files of each."""
    collections = {collection.id: collection for collection in submission.collections}
    sizes = [
        (n_bands * np.dtype(dtype).itemsize, n_bands, dtype)
        for item in items
        for collection in [collections[item.collection]]
        for n_bands, dtype in [(counts(item, collection)["n_bands"], collection.stack_dtype)]
    ]
    _, n_bands, dtype = max(sizes, default=(0, 0, submission.collections[0].stack_dtype))
    grid = submission.tile_grid.to_dict()
    size = grid["size"][0], grid["size"][1]
    options = engine.export_options(options, size, n_bands, dtype)
    columns, rows = options["fileDimensions"]
    return options, len(shards.offsets(size, (columns, rows)))


def check_free(order: Order, store: Store) -> None:
    """See that nobody else has come to have an order's names since it was searched.

    Raises
    ------
    NameTakenError
        Somebody has.
    """
    # Parts of a family have names that weren't looked for before.
    known = {} if any(item.family for item in order.items) else order.others
    taken = taken_names(store, order.templates.tracking_prefix, order.items, known)
    if taken.busy:
        raise busy_error(taken.busy)
    if order.submission.existing == "overwrite":
        return
    stems, replaced = {item.name: item.family or item.name for item in order.items}, order.replaced
    others = {
        name: owner
        for name, owner in taken.names.items()
        if owner is None or replaced.get(stems[name]) != owner
    }
    if others:
        raise taken_error(others)


def require_new(order: Order) -> None:
    """Refuse an order that leaves items to earlier ones, where its record has to have them all.

    Raises
    ------
    NameTakenError
        It does.
    """
    left = {each.name: each.order for each in order.earlier if each.standing != Standing.UNWANTED}
    if left:
        raise taken_error(left)


@dataclass(frozen=True)
class _Held:
    """An item that an order has, which was asked for as it is now."""

    item: Item
    record: Record
    entries: Sequence[Entry]


class _Choice:
    """What of a submission is to be ordered."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        submission: Submission,
        templates: Templates,
        options: Mapping[str, Any],
        scope: Scope | None,
    ):
        self._store, self._engine, self._submission = store, engine, submission
        self._names_unwanted = scope is None
        scope = scope or Scope(submission.items(templates), ())
        self._wanted, self._compared = scope.wanted, scope.compared
        self._tracking_prefix = templates.tracking_prefix
        self._request = Request(submission, options)
        self._taken = Taken()
        self._held: list[_Held] = []

    def _take(self, taken: Taken) -> None:
        """Note which names exist, and what orders have of the same request.

        Raises
        ------
        NameTakenError
            See :func:`find_order`.
        """
        self._taken = taken
        match self._submission.existing:
            case "overwrite" if taken.busy:
                raise busy_error(taken.busy)
            case "error" | "stale":
                _refuse(self._hold(self._wanted), taken)
                self._hold(self._compared)

    def _hold(self, items: Iterable[Item]) -> dict[str, str]:
        """Keep what orders have of the same request; return what is in the way, and why."""
        refused = {}
        for item in items:
            record = self._taken.owners.get(item.name)
            differs = "" if record is None else self._request.differs(item, record)
            if record is not None and differs is None:
                entries = self._request.entries(item, record)
                self._held.append(_Held(item, record, entries))
            elif item.name in self._taken.names:
                refused[item.name] = differs or ""
        return refused

    def search(
        self, progress: Progress | None
    ) -> tuple[list[Item], list[Earlier], tuple[str, ...]]:
        """Search what is new, and what earlier orders have, together.

        Returned are what is ordered, how the latter stands, and which listed images nothing has.

        Raises
        ------
        NameTakenError
            See :func:`find_order`.
        """
        items = [*self._wanted, *self._compared]
        with ThreadPoolExecutor(1) as beside:
            listing = beside.submit(taken_names, self._store, self._tracking_prefix, items)
            if self._submission.existing in ("error", "stale"):
                # Whatever orders have, all of it is searched, so that needn't wait.
                searched = self._search(items, lambda: self._look(listing), progress)
                self._look(listing, wait=True)
            else:
                self._look(listing, wait=True)
                new = [item for item in self._wanted if self._is_new(item)]
                searched = self._search(new, None, progress)
        found = {item.name: item for item in searched}
        earlier = self._compare(found)
        ordered = {item.name for item in self._wanted if self._is_new(item)} | self._again(earlier)
        if self._names_unwanted:
            earlier += _unwanted(self._held, self._wanted)
        chosen = [found[item.name] for item in self._wanted if item.name in ordered]
        return chosen, earlier, lacking(self._submission.images, searched)

    def _look(self, listing: Future[Taken], wait: bool = False) -> None:
        """Note what a listing has found, once; else when it will have."""
        if (wait or listing.done()) and self._taken is not listing.result():
            self._take(listing.result())

    def _search(
        self,
        items: Sequence[Item],
        meanwhile: Callable[[], None] | None,
        progress: Progress | None,
    ) -> list[Item]:
        """Search items; `meanwhile` is called after each answer, and may end it."""

        def answered(count: int) -> None:
            if meanwhile is not None:
                meanwhile()
            if progress is not None:
                progress(count)

        submission = self._submission
        collections = {collection.id: collection for collection in submission.collections}
        return search_items(
            self._engine, items, collections, submission.filters, submission.images, answered
        )

    @property
    def others(self) -> dict[str, str]:
        """Records that have none of the names, each at the version at which that is so."""
        return self._taken.others

    def skipped(self, ordered: Iterable[Item]) -> list[Item]:
        """Return what is wanted and isn't ordered, since it exists."""
        names = {item.name for item in ordered}
        return [item for item in self._wanted if item.name not in names]

    def _is_new(self, item: Item) -> bool:
        return self._submission.existing == "overwrite" or item.name not in self._taken.names

    def _compare(self, found: Mapping[str, Item]) -> list[Earlier]:
        def one(held: _Held) -> Earlier:
            return _standing(held, found[held.item.name], held.item.name in self._taken.busy)

        with ThreadPoolExecutor(self._store.workers) as pool:
            return [*pool.map(one, self._held)]

    def _again(self, earlier: Iterable[Earlier]) -> set[str]:
        """Return the names of the stale items that are ordered again: none that is being made."""
        if self._submission.existing != "stale":
            return set()
        return {e.name for e in earlier if e.standing == Standing.STALE and not e.active}


def _refuse(refused: Mapping[str, str], taken: Taken) -> None:
    """Refuse names that are in the way of a submission.

    Raises
    ------
    NameTakenError
        There is one.
    """
    if not refused:
        return
    if busy := {name: order for name, order in taken.busy.items() if name in refused}:
        raise busy_error(busy)
    why = next(iter(refused.values()))
    raise taken_error(
        {name: taken.names[name] for name in refused}, f", there with {why}" if why else ""
    )


def _standing(held: _Held, found: Item, busy: bool) -> Earlier:
    """Say how an item stands to what is found now."""
    name, order, states = held.item.name, held.record.name, _states(held.entries)
    if not busy and (failed := [state for state, again in states if again]):
        return Earlier(name, order, Standing.FAILED, failed[0])
    state = next((state for state, _ in states if state in ACTIVE), states[0][0])
    new = found.image_ids
    old = _images(held)
    if old is None:
        # What a cleaned item was made of only the record says, by number.
        periods = {(e["date_start"], e["date_end"]): e["n_images"] for e in held.entries}
        same = sum(periods.values()) == found.n_images
        return Earlier(name, order, Standing.UNCHANGED if same else Standing.STALE, state)
    if old == new:
        return Earlier(name, order, Standing.UNCHANGED, state)
    added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
    return Earlier(name, order, Standing.STALE, state, added, removed)


def _states(entries: Iterable[Entry]) -> list[tuple[str, bool]]:
    """Return the state of each part of an item, and whether it is to be made again.

    What was cleaned away lacks its files since somebody asked for that.
    """
    return [
        (TrackingMetadata.state(entry), can_retry(entry) and not is_cleaned(entry))
        for entry in entries
    ]


def _images(held: _Held) -> set[str] | None:
    """Return the ids of what an item was ordered of; None where a document of it is gone."""
    images = set[str]()
    for entry in held.entries:
        if entry["status"]["state"] == TaskState.EMPTY:
            continue
        document = own_metadata(held.record, entry)
        if document is None:
            return None
        images |= document[0].image_ids
    return images


def _unwanted(held: Iterable[_Held], wanted: Iterable[Item]) -> Iterator[Earlier]:
    """Yield what isn't asked for of the orders of which something is."""
    names = {item.name for item in wanted}
    for record in {each.record.name: each.record for each in held}.values():
        states = {stem(entry): TrackingMetadata.state(entry) for entry in record.view.orders}
        for name, state in states.items():
            if name not in names:
                yield Earlier(name, record.name, Standing.UNWANTED, state)
