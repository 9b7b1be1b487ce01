"""Cleaning up behind an order: only what its record names, and only as that says it is."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .changes import cleaned, former, is_cleaned
from .copies import has_copy
from .exceptions import CedarError, Conflict, DocumentError, IncompleteError, NotFoundError
from .leftovers import delete_former, documented
from .metadata import TrackingMetadata
from .outputs import current, task_id, with_outputs
from .settling import is_output, own_document
from .states import ACTIVE, TaskState
from .stores.keys import check_key, image_names

if TYPE_CHECKING:
    from .items import ObjectInfo
    from .record import Record
    from .stores.base import Store

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
#: Items whose files are deleted together.
_AT_ONCE: Final = 25
#: Called with a file's name and what it counts: metadata 0, all images of an item together 1.
Callback = Callable[[str, float], None]


def check_cleanable(tracking: TrackingMetadata, force: bool) -> None:
    """Refuse to clean what is under way, or has no verified copy.

    Raises
    ------
    CedarError
        An item is being made; `force` doesn't help.
    DocumentError
        What the record calls an item's image can't be that.
    IncompleteError
        An item isn't finished, or not downloaded and verified on this machine.
    """
    for entry in tracking.orders:
        _check_outputs(tracking, entry)
        if _is_being_made(entry):
            raise CedarError(
                f"{entry['name']} is being made: run `cedar cancel {tracking.name}` first, or wait"
            )
    if force:
        return
    if kept := [entry["name"] for entry in tracking.orders if _is_only_there(entry)]:
        more = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        raise IncompleteError(
            f"no verified copy of {kept[0]}{more} is on this machine: run `cedar download "
            f"{tracking.name}` first, or clean with --force",
            kept,
        )


def _is_being_made(entry: Entry) -> bool:
    return entry["status"]["state"] in (TaskState.RUNNING, TaskState.CANCEL_REQUESTED)


def _is_only_there(entry: Entry) -> bool:
    """Whether an item isn't finished, or has files without a verified copy on this machine."""
    return entry["status"]["state"] in ACTIVE or bool(
        entry["outputs"] and not is_cleaned(entry) and not has_copy(entry)
    )


def _check_outputs(tracking: TrackingMetadata, entry: Entry) -> None:
    """Refuse a record that calls files an item's which by their names are another's."""
    check_key(f"{entry['prefix']}/{entry['name']}")
    for output in entry["outputs"]:
        if entry["name"] not in image_names(output["name"]):
            raise DocumentError(
                f"order {tracking.name} says that {output['name']} is an image of {entry['name']}, "
                "which it can't be by its name: nothing was deleted",
                tracking.name,
            )


def clean(
    tracking: TrackingMetadata,
    record: Record | None,
    store: Store,
    callback: Callback | None,
    force: bool,
    cancel: Callable[[Record, Container[str]], None],
) -> dict[str, list[str]]:
    """Delete an order's images and metadata.

    Parameters
    ----------
    cancel : callable
        Cancels some items of a record.

    Raises
    ------
    CedarError
        An item is being made.
    IncompleteError
        An item has no verified copy, and not `force`.
    """
    if record is not None:
        tracking = current(tracking, record)
    check_cleanable(tracking, force)
    if record is not None and tracking.active:
        # Or a watch would go on to make what nobody has a record of.
        cancel(record, {entry["name"] for entry in tracking.orders})
        tracking = current(tracking, record)
        check_cleanable(tracking, force)
    done: dict[str, list[str]] = {}
    entries = with_outputs(tracking.orders, store)
    for start in range(0, len(entries), _AT_ONCE):
        together = entries[start : start + _AT_ONCE]
        for entry, name in _clean(tracking, together, store):
            done.setdefault(task_id(entry), []).append(name)
            if callback is not None:
                images = [output["name"] for output in entry["outputs"]]
                callback(name, 1.0 / len(images) if name in images else 0.0)
    return done


@dataclass(frozen=True)
class Cleaning:
    """What a clean would do, as :meth:`~.cleaning` finds it.

    Attributes
    ----------
    objects : tuple of ObjectInfo
        What would be deleted, in that order: images first, the record last.
    left : tuple of str
        Keys of what is there, but isn't what the order made.
    refused : mapping of str to str
        Items that are in the way of all of it → why.
    """

    objects: tuple[ObjectInfo, ...]
    left: tuple[str, ...]
    refused: Mapping[str, str]


def planned(
    tracking: TrackingMetadata, record: Record | None, store: Store, with_record: bool, force: bool
) -> Cleaning:
    """Find what a clean would delete, and then the record, if that goes too.

    Raises
    ------
    DocumentError
        What the record calls an item's image can't be that.
    """
    if record is not None:
        tracking = current(tracking, record)
    refused = {}
    for entry in tracking.orders:
        _check_outputs(tracking, entry)
        if _is_being_made(entry):
            refused[entry["name"]] = "it is being made"
        elif not force and _is_only_there(entry):
            refused[entry["name"]] = "no verified copy of it is on this machine"
    entries = with_outputs(tracking.orders, store)
    there = _listed(entries, store)
    documents = _own_documents(tracking, entries, store)
    owned = {
        (key, version): there[key][version]
        for key, (_, version) in documents.items()
        if version in there.get(key, {})
    }
    objects = _images_there(entries, there, store) | owned
    if with_record and record is not None:
        info = store.stat(record.key)
        objects[info.key, info.version] = info
    ours = {info.key for info in objects.values()}
    named = [
        f"{entry['prefix']}/{output['name']}" for entry in entries for output in entry["outputs"]
    ]
    left = [key for key in (*named, *documented(entries)) if key in there and key not in ours]
    return Cleaning(tuple(objects.values()), tuple(left), refused)


def _listed(entries: Sequence[Entry], store: Store) -> dict[str, dict[str, ObjectInfo]]:
    """List what is where items and their earlier attempts put files: by key and version."""
    there: dict[str, dict[str, ObjectInfo]] = {}
    for prefix in sorted({e["prefix"] for entry in entries for e in (entry, *former(entry))}):
        for info in store.objects(f"{prefix}/"):
            there.setdefault(info.key, {})[info.version] = info
    return there


def _images_there(
    entries: Sequence[Entry], there: Mapping[str, Mapping[str, ObjectInfo]], store: Store
) -> dict[tuple[str, str], ObjectInfo]:
    """Choose items' images among what is there, and after them those of earlier attempts."""
    found: dict[tuple[str, str], ObjectInfo] = {}
    for entry in entries:
        for output in entry["outputs"]:
            for info in there.get(f"{entry['prefix']}/{output['name']}", {}).values():
                if is_output(store, info, output):
                    found[info.key, info.version] = info
    for attempt in (attempt for entry in entries for attempt in former(entry)):
        for output in attempt["outputs"]:
            key, version = f"{attempt['prefix']}/{output['name']}", output["version"]
            if version in there.get(key, {}):
                found[key, version] = there[key][version]
    return found


def note_cleaned(tracking: TrackingMetadata, record: Record) -> None:
    """Note in a record that stays that what a copy of it names was deleted."""
    names = {entry["name"] for entry in tracking.orders}
    for entry in record.metadata.orders:
        if entry["name"] in names:
            record.change(entry["name"], cleaned)
    record.flush()


def clean_tracked(
    tracking_info: Mapping[str, Any], store: Store
) -> Iterator[tuple[str, int, Iterator[str]]]:
    """Delete stored pre-ARD and metadata described by tracking info.

    Only objects that the record names, at the version that it names, and documents that say they
    are this order's. What is not is left where it is, and logged.

    Parameters
    ----------
    tracking_info : TrackingMetadata or mapping
        The record.
    store : Store
        Where the files are.

    Yields
    ------
    id : str
        Task id, or the item's name where it has none.
    n : int
        How many files the item has at the most.
    names : iterator of str
        Deletes a file as it is iterated, images first, and gives its name.
    """
    tracking = TrackingMetadata(tracking_info)
    for entry in with_outputs(tracking.orders, store):
        names = (name for _, name in _clean(tracking, [entry], store))
        yield task_id(entry), len(entry["outputs"]) + 1, names


def _clean(
    tracking: TrackingMetadata, entries: Sequence[Entry], store: Store
) -> Iterator[tuple[Entry, str]]:
    """Delete the files of some items, images first; yield each with its item."""
    images = {f"{e['prefix']}/{o['name']}": (e, o) for e in entries for o in e["outputs"]}
    failed = store.delete_many({key: output["version"] for key, (_, output) in images.items()})
    for key, (entry, output) in images.items():
        error = failed.get(key)
        if error is None or (isinstance(error, Conflict) and _delete_copy(store, key, output)):
            yield entry, output["name"]
        elif isinstance(error, Conflict):
            _log.warning("%s isn't what order %s made: left as it is", key, tracking.name)
        elif not isinstance(error, NotFoundError):
            raise error
    yield from delete_former(entries, store)
    owned = _own_documents(tracking, entries, store)
    failed = store.delete_many({key: version for key, (_, version) in owned.items()})
    for key, (entry, _) in owned.items():
        if key not in failed:
            yield entry, key.rpartition("/")[2]
        elif not isinstance(failed[key], NotFoundError):
            raise failed[key]
    for entry in entries:
        if entry["request_id"] is not None:
            shutil.rmtree(store.scratch(entry["request_id"]), ignore_errors=True)


def _own_documents(
    tracking: TrackingMetadata, entries: Sequence[Entry], store: Store
) -> dict[str, tuple[Entry, str]]:
    """Find the documents that say they are of some items: by key, the item and the version."""
    documents = documented(entries)
    with ThreadPoolExecutor(store.workers) as pool:
        versions = pool.map(lambda entry: own_document(tracking, entry, store), documents.values())
        found = zip(documents.items(), versions, strict=True)
        return {key: (entry, version) for (key, entry), version in found if version}


def _delete_copy(store: Store, key: str, output: Mapping[str, Any]) -> bool:
    """Delete what has another version than the record says, but is it: in a copy of a store."""
    try:
        info = store.stat(key)
        if not is_output(store, info, output):
            return False
        store.delete(key, missing_ok=False, if_version=info.version)
    except NotFoundError:
        return False
    return True
