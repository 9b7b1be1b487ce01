"""Bringing a record to the truth without making anything: what is there, what is under way."""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from . import shards
from .changes import is_cleaned, settled, status, stopped
from .exceptions import NotFoundError, OversizedError
from .items import ObjectInfo, Output
from .pump import discard, item_key
from .states import ACTIVE, TaskState
from .stores.base import document_key
from .stores.checksums import algorithm_of

if TYPE_CHECKING:
    from .changes import Change
    from .metadata import TrackingMetadata
    from .record import Record
    from .stores.base import Store

_log = logging.getLogger(__name__)


def update(record: Record) -> None:
    """Hold the record against the store, and write what was found.

    Outputs that are gone, or were replaced by somebody else's, are taken off their entries. RUNNING
    items whose process has died are given back. Items of a record of 2019, which names no outputs,
    are settled by the files of their names.
    """
    with ExitStack() as claims:
        for name in record.names({TaskState.RUNNING}):
            if claims.enter_context(record.store.claim(item_key(record.entry(name)))):
                record.change(name, stopped)
        entries = record.view.orders
        images = images_of(entries, record.store)
        for entry in entries:
            _settle(record, entry, images[entry["prefix"], entry["name"]])
        record.flush()


def settle_older(record: Record) -> None:
    """Do what :func:`update` does of items of 2019, and leave all others."""
    older = [entry for entry in record.view.orders if is_older(entry)]
    images = images_of(older, record.store)
    for entry in older:
        _settle(record, entry, images[entry["prefix"], entry["name"]])
    record.flush()


def is_older(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is one of 2019: it names no outputs, so the files of its name are they."""
    is_bare = entry["collection"] is None and not entry.get("imported")
    return is_bare and entry["status"]["state"] != TaskState.EMPTY


def images_of(
    entries: Iterable[Mapping[str, Any]], store: Store
) -> dict[tuple[str, str], list[ObjectInfo]]:
    """Find the images of entries' names, by (prefix, name): one listing a prefix."""
    names: dict[str, list[str]] = {}
    for entry in entries:
        names.setdefault(entry["prefix"], []).append(entry["name"])
    return {
        (prefix, name): images
        for prefix, here in names.items()
        for name, images in store.images(here, prefix).items()
    }


def made_of(
    entry: Mapping[str, Any], images: Iterable[ObjectInfo], tracking: TrackingMetadata, since: float
) -> list[Output]:
    """Choose the files that an item's task made among the images of its name, as far as known.

    Parameters
    ----------
    images : iterable of ObjectInfo
        See :func:`images_of`.
    tracking : TrackingMetadata
        The order.
    since : float
        When it was started at the earliest, in seconds since 1970 by the store's clock.
    """
    replaced = set(entry.get("replaces", {}).values())
    made = [
        info
        for info in images
        if info.version not in replaced
        and (info.updated is None or info.updated.timestamp() >= since)
    ]
    if _is_of_any_number(entry):
        return [Output.of(info) for info in made]
    columns, rows = tracking["submission"]["tile_grid"]["size"]
    at = shards.offsets((columns, rows), tracking.file_dimensions or (columns, rows))
    return [Output.of(info) for info in shards.choose(entry["name"], at, made)]


def settled_by(entry: Mapping[str, Any], made: Iterable[Output]) -> Change:
    """Return a change: the files say how the item's task ended, which the service has forgotten."""
    number = None if _is_of_any_number(entry) else entry.get("shards", 1)
    if shards.is_whole(entry["name"], number, [output.name for output in made]):
        return settled(TaskState.COMPLETED, None)
    return settled(
        TaskState.UNKNOWN,
        "Earth Engine has forgotten its task, and its files aren't all in the store: whether it "
        "was made isn't known",
    )


def _is_of_any_number(entry: Mapping[str, Any]) -> bool:
    """Whether nobody knows how many files an item's image comes as."""
    return bool(entry.get("imported")) and "shards" not in entry


def _settle(record: Record, entry: Mapping[str, Any], images: list[ObjectInfo]) -> None:
    found = {output.name: (output, info) for info in images for output in [Output.of(info)]}
    known = {output["name"]: output for output in entry["outputs"]}
    if is_cleaned(entry):
        outputs = entry["outputs"]  # What there was: nobody expects it to be there.
    elif is_older(entry):
        # The version that was seen first is kept, so that what replaced it is nobody's to delete.
        outputs = [known.get(name, vars(output)) for name, (output, _) in found.items()]
        _settle_state(record, entry, bool(outputs))
    else:
        outputs = [
            output | {"version": found[name][1].version}
            for name, output in known.items()
            if name in found and is_output(record.store, found[name][1], output)
        ]
    if outputs != entry["outputs"]:
        record.change(entry["name"], lambda changed: changed.update(outputs=outputs))


def _settle_state(record: Record, entry: Mapping[str, Any], found: bool) -> None:
    """Settle the state of an item whose task nobody can ask about any more."""
    state = entry["status"]["state"]
    if found and state in {*ACTIVE, TaskState.UNKNOWN}:
        record.change(entry["name"], status(TaskState.COMPLETED, error_message=None))
    elif state in ACTIVE:
        message = "its task was started by an older cedar, and no file of its name is in the store"
        record.change(entry["name"], status(TaskState.UNKNOWN, error_message=message))


def is_output(store: Store, info: ObjectInfo, output: Mapping[str, Any]) -> bool:
    """Whether an object is the output that a record names.

    By its version; or, since copying a whole store changes those, by its size and checksum.
    """
    if info.version == output["version"]:
        return True
    wanted = output["checksum"]
    if info.size != output["size"] or wanted is None:
        return False
    if wanted == info.checksum:
        return True
    return bool(store.checksum(info.key, algorithm_of(wanted)) == wanted)


def is_own(document: Any, tracking: TrackingMetadata, entry: Mapping[str, Any]) -> bool:
    """Whether a metadata document says that it is of an item of an order.

    Raises
    ------
    KeyError, TypeError
        It is none.
    """
    order, ours = document["order"], tracking["tracking"]
    if entry["collection"] is None and "tracking" not in order:
        # Of 2019: it doesn't say more than this.
        return bool(document["task"]["name"] == entry["name"])
    if entry.get("imported"):
        # It names the order that it was made with, whose record is lost.
        return bool(document["task"]["request_id"] == entry["request_id"] is not None)
    return (order["tracking"], order["submitted"]) == (ours["name"], ours["submitted"])


def own_document(tracking: TrackingMetadata, entry: Mapping[str, Any], store: Store) -> str | None:
    """Version of an item's metadata document; None where there is none that says it is ours."""
    key = document_key(entry["name"], entry["prefix"])
    try:
        data, info = store.load(key)
        is_ours = is_own(json.loads(data), tracking, entry)
    except NotFoundError:
        return None
    except (KeyError, TypeError, ValueError, RecursionError, OversizedError):
        _log.warning("%s is damaged, so nobody knows whose it is", key)
        return None
    return info.version if is_ours else None


def cancel(record: Record, names: Container[str] | None = None) -> None:
    """Cancel what hasn't ended, of all items or some. What is finished stays, with its outputs."""

    def requested(entry: dict[str, Any]) -> None:
        match entry["status"]["state"]:
            case TaskState.UNSUBMITTED | TaskState.READY:
                status(TaskState.CANCELLED)(entry)
            case TaskState.RUNNING:
                status(TaskState.CANCEL_REQUESTED)(entry)

    with ExitStack() as claims:
        for name in record.names(ACTIVE):
            if names is not None and name not in names:
                continue
            record.change(name, requested)
            entry = record.entry(name)
            if entry["status"]["state"] == TaskState.CANCEL_REQUESTED and claims.enter_context(
                record.store.claim(item_key(entry))
            ):
                record.change(name, stopped)
            discard(record, name)
        record.flush()
