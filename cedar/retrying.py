"""Making again what failed: attempt n + 1, of the same, of less, or of what is there now.

The record keeps every attempt. An item is planned anew in the record first, then its document gets
the new attempt's request id; :func:`cedar.placing.finish` does the second after a crash, too.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .causes import Help, Policy, cause_of
from .changes import (
    Change,
    can_retry,
    description,
    hurried,
    is_put_off,
    now_ms,
    reported,
    retried,
    sent,
    started,
    state_of,
    status,
)
from .documents import counts, new_request_id
from .exceptions import InputError
from .placing import finish
from .recovering import collections_of, document_of, own_metadata, search_again
from .splitting import cut, free_names, in_parts, names_of, part_document
from .states import RETRYABLE, TaskState
from .stores.base import document_key, encode_document
from .tasks import Tasks

if TYPE_CHECKING:
    from .engines.base import Engine
    from .items import Item
    from .ledger import Ledger
    from .metadata import ImageMetadata
    from .record import Record

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]

#: What is made again where nobody says otherwise. What was cancelled was meant to be.
STATES: Final = (TaskState.FAILED, TaskState.UNKNOWN, TaskState.INCOMPLETE)


@dataclass(frozen=True)
class Difference:
    """How a second search of an item differs from the first.

    Attributes
    ----------
    name : str
        The item.
    added, removed : tuple of str
        Ids of images.
    """

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


#: Says whether items may be made of other images than were ordered.
Consent = Callable[[Sequence[Difference]], bool]


def due(record: Record, policy: Policy) -> list[str]:
    """Return the names of failed items that are to be made again by themselves."""
    return [
        entry["name"]
        for entry in record.view.orders
        if entry["status"]["state"] == TaskState.FAILED and _moment(entry, policy) is not None
    ]


def again(record: Record, engine: Engine, policy: Policy) -> None:
    """Plan what is :func:`due`: the next attempt of each, which waits for its time.

    Where another process is preparing items of the order, nothing is done.
    """

    def plan() -> None:
        for name in due(record, policy):
            entry = record.entry(name)
            words = entry["status"].get("error_message")
            moment = _moment(entry, policy)
            fields = {"error_message": words, "not_before_ms": moment}
            record.change(name, retried(entry["attempt"], new_request_id(), **fields))
        record.flush()

    if due(record, policy):
        finish(record, engine, timeout=0, plan=plan)


def _moment(entry: Entry, policy: Policy) -> int | None:
    """When an item is to be tried again by itself, in milliseconds; None: never."""
    if entry["collection"] is None:
        return None
    ended = entry["status"].get("update_timestamp_ms") or now_ms()
    helps = cause_of(entry["status"].get("error_message")).help
    moment = policy.next_try(
        helps, entry["attempt"], dt.datetime.fromtimestamp(ended / 1000, dt.UTC)
    )
    return None if moment is None else int(moment.timestamp() * 1000)


def retry(
    record: Record,
    engine: Engine,
    states: Iterable[str] | None = None,
    items: Iterable[str] | None = None,
    split: bool = False,
    consent: Consent | None = None,
    ledger: Ledger | None = None,
) -> None:
    """Make the next attempt at items that have ended without what was asked for, and start it.

    What failed and is planned again already, but waits for its time, waits no longer.

    Parameters
    ----------
    states : iterable of str, optional
        Of :data:`cedar.states.RETRYABLE`; by default all but CANCELLED.
    items : iterable of str, optional
        Globs, one of which an item's name matches; by default any.
    split : bool, optional
        Cut in two what failed for being too large, and what `items` asks for whatever its cause.
    consent : callable, optional
        Asked before items are made of other images than were ordered, since one of those is gone.
        By default they are left as they are.
    ledger : Ledger, optional
        Keeps the budget; by default there is none.

    Raises
    ------
    InputError
        A state can't be made again, no item matches, or nothing of an item can be cut.
    """
    wanted, globs = _states(states), None if items is None else list(items)
    _look_again(record, engine)
    chosen = [entry for entry in record.metadata.orders if _is_chosen(entry, wanted, globs)]
    if globs and not any(_matches(entry, globs) for entry in record.view.orders):
        raise InputError(f"no item of {record.name} is called {' or '.join(map(repr, globs))}")
    helps = {e["name"]: cause_of(e["status"].get("error_message")).help for e in chosen}
    large = [e for e in chosen if split and (globs or helps[e["name"]] == Help.SMALLER)]
    gone = [e for e in chosen if helps[e["name"]] == Help.SEARCH and e not in large]
    found, refused = _searched(record, engine, gone, consent)
    same = [e for e in chosen if e not in large and e["name"] not in refused]
    late = _put_off(record, globs, split) if TaskState.FAILED in wanted else []
    if same or large or late:
        _begin(record, engine, _Chosen(same, large, late, found), ledger)


def _states(states: Iterable[str] | None) -> frozenset[str]:
    wanted = frozenset(map(str, STATES if states is None else states))
    if wrong := sorted(wanted - RETRYABLE):
        raise InputError(
            f"what is {wrong[0]} isn't made again: states can be {', '.join(sorted(RETRYABLE))}"
        )
    return wanted


def _is_chosen(entry: Entry, states: Container[str], globs: Sequence[str] | None) -> bool:
    """Whether an item is to be made again. Of one of 2019 nobody knows what it is made of."""
    if not can_retry(entry) or entry["collection"] is None or not _matches(entry, globs):
        return False
    return state_of(entry) in states


def _matches(entry: Entry, globs: Sequence[str] | None) -> bool:
    return not globs or any(fnmatchcase(entry["name"], glob) for glob in globs)


def _put_off(record: Record, globs: Sequence[str] | None, split: bool) -> list[str]:
    """Return the names of the items that wait for their time, and needn't."""
    late = [e["name"] for e in record.metadata.orders if is_put_off(e) and _matches(e, globs)]
    if late and split and globs:
        # It was asked for in parts, and what is planned can't be cut.
        _log.warning(
            "left as it is: %s waits to be made again whole; without --split it is begun at once",
            late[0] if len(late) == 1 else f"{late[0]} (and {len(late) - 1} more)",
        )
        return []
    return late


def _look_again(record: Record, engine: Engine) -> None:
    """See whether what seems to have ended has, so that nothing is made twice."""
    if record.view.file_dimensions is None:
        return
    entries = record.metadata.orders
    unknown = {
        entry["status"]["id"]: entry["name"]
        for entry in entries
        if entry["status"]["state"] == TaskState.UNKNOWN and entry["status"].get("id") is not None
    }
    for task_id, task in (engine.poll(unknown) if unknown else {}).items():
        record.change(unknown[task_id], reported(task))
    # Cancelled while the request was on its way: it may have arrived.
    unsure = {
        description(entry): (entry, moment)
        for entry in entries
        if can_retry(entry) and entry["status"].get("id") is None and (moment := sent(entry))
    }
    if unsure:
        first = min(moment for _, moment in unsure.values()) / 1000
        since = dt.datetime.fromtimestamp(first, dt.UTC) - defaults.SKEW
        for words, tasks in engine.find(unsure.keys(), since).items():
            entry = unsure[words][0]
            if tasks:
                record.change(entry["name"], started(tasks[0].id, entry["attempt"]))
    Tasks(record, engine).refresh()


@dataclass(frozen=True)
class _Cut:
    """An item, its document, and the entries of its two halves."""

    entry: Entry
    metadata: ImageMetadata
    halves: Sequence[Entry]


def _cuts(record: Record, entries: Sequence[Entry], others: bool) -> list[_Cut]:
    """Cut items in two; nothing is changed yet. What can't be cut is left as it is.

    Raises
    ------
    InputError
        None can be cut, and there are no others to be made again.
    """
    taken, cuts = names_of(record.view.orders), []
    refusals: list[InputError] = []
    for entry in entries:
        names = free_names(entry, taken)
        while there := record.store.existing(names, entry["prefix"]):
            taken |= there
            names = free_names(entry, taken)
        try:
            if (found := own_metadata(record, entry)) is None:
                raise InputError(
                    f"{entry['name']}: its metadata document is gone or damaged, so nobody knows "
                    "what to cut: `cedar retry` without --split searches again"
                )
            cuts.append(_Cut(entry, found[0], cut(entry, found[0], names)))
            taken |= set(names)
        except InputError as error:
            refusals.append(error)
    if refusals and not cuts and not others:
        raise refusals[0]
    for refusal in refusals:
        _log.warning("left as it is: %s", refusal)
    return cuts


def _searched(
    record: Record, engine: Engine, entries: Sequence[Entry], consent: Consent | None
) -> tuple[dict[str, Item], set[str]]:
    """Search items again whose images are gone: those found, and those that nobody agreed to."""
    documents = {entry["name"]: own_metadata(record, entry) for entry in entries}
    # Where there is no document, what is found counts, as after a submit that was cut off.
    known = [entry for entry in entries if documents[entry["name"]] is not None]
    found = {item.name: item for item in search_again(record, engine, known)} if known else {}
    differences = [
        difference
        for name, item in found.items()
        if (document := documents[name]) is not None
        and (difference := _difference(item, document[0])) is not None
    ]
    if not differences:
        return {}, set()
    names = {difference.name for difference in differences}
    if consent is not None and consent(differences):
        return {name: found[name] for name in names}, set()
    if consent is None:
        _log.warning(
            "%d items have other images now than were ordered, and were left as they are",
            len(names),
        )
    return {}, names


def _difference(item: Item, before: ImageMetadata) -> Difference | None:
    old, new = before.image_ids, item.image_ids
    if old == new:
        return None
    return Difference(item.name, tuple(sorted(new - old)), tuple(sorted(old - new)))


@dataclass(frozen=True)
class _Chosen:
    """What is to be made again.

    Attributes
    ----------
    same : sequence of Entry
        As it was ordered, or of what was found.
    large : sequence of Entry
        In two parts.
    late : sequence of str
        As it is planned already, and now.
    found : mapping of str to Item
        What items have to be made of now, by their names.
    """

    same: Sequence[Entry]
    large: Sequence[Entry]
    late: Sequence[str]
    found: Mapping[str, Item]


def _begin(record: Record, engine: Engine, chosen: _Chosen, ledger: Ledger | None) -> None:
    """Plan the attempts, write the documents, start what the engine's service makes."""
    collections = collections_of(record) if chosen.found else {}

    def plan() -> None:
        cuts = _cuts(record, chosen.large, bool(chosen.same or chosen.late))
        _write_found(record, chosen.found)
        for name in chosen.late:
            record.change(name, hurried)
        for entry in chosen.same:
            name, request_id = entry["name"], new_request_id()
            record.change(name, retried(entry["attempt"], request_id))
            if (item := chosen.found.get(name)) is not None:
                counted = counts(item, collections[item.collection], entry.get("bands"))
                record.change(name, _made_of(request_id, counted))
        for each in cuts:
            record.edit(in_parts(each.entry["name"], each.entry["attempt"], each.halves))
        record.flush()
        _write_parts(record, cuts)

    finish(record, engine, plan=plan)
    if record.view.file_dimensions is not None:
        Tasks(record, engine, ledger=ledger).starter.start()
    record.flush()


def _write_found(record: Record, found: Mapping[str, Item]) -> None:
    """Write what items are made of now, before they are planned.

    So a retry that is cut off here begins anew with it; the attempt that failed made nothing of it.
    """
    for name, item in found.items():
        entry = record.entry(name)
        data = encode_document(document_of(record, item), name)
        record.store.write(document_key(name, entry["prefix"]), data)


def _made_of(request_id: str, counted: Mapping[str, int]) -> Change:
    """Return a change: an attempt at an item is made of what was found now."""

    def change(entry: dict[str, Any]) -> None:
        if entry["request_id"] != request_id:
            return
        entry |= counted
        if not counted["n_groups"]:
            status(TaskState.EMPTY)(entry)

    return change


def _write_parts(record: Record, cuts: Iterable[_Cut]) -> None:
    """Write the documents of parts, as far as they are in the record."""
    planned = {entry["request_id"] for entry in record.view.orders}
    for each in cuts:
        for part in each.halves:
            if part["request_id"] in planned:
                data = encode_document(part_document(each.metadata, part), part["name"])
                record.store.write(document_key(part["name"], part["prefix"]), data)
