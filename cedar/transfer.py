"""Bringing an order home, and cleaning up behind it: only what its record names."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .changes import cleaned
from .copies import downloaded, has_copy
from .exceptions import (
    CedarError,
    Conflict,
    DocumentError,
    IncompleteError,
    NotFoundError,
    StoreError,
)
from .items import ObjectInfo, Output
from .leftovers import delete_former, documented
from .metadata import TrackingMetadata
from .settling import images_of, is_older, is_output, own_document, settle_older
from .states import ACTIVE, TaskState
from .stores.base import document_key
from .stores.files import arriving
from .stores.keys import check_key, image_names

if TYPE_CHECKING:
    from .record import Record
    from .stores.base import Store

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
#: Items whose files are deleted together.
_AT_ONCE: Final = 25
#: Called with a file's name and what it counts: metadata 0, all images of an item together 1.
Callback = Callable[[str, float], None]


def current(tracking: TrackingMetadata, record: Record) -> TrackingMetadata:
    """Return what the record in the store says now of the items that a copy of it has."""
    settle_older(record)
    names = {entry["name"] for entry in tracking.orders}
    document = record.metadata.document
    document["orders"] = [entry for entry in document["orders"] if entry["name"] in names]
    return TrackingMetadata(document, record.name)


def task_id(entry: Entry) -> str:
    """Return what results are keyed by: the task's id, or the item's name where it has none."""
    return str(entry["status"].get("id") or entry["name"])


def download_tracked(
    tracking_info: Mapping[str, Any],
    store: Store,
    dest: str | Path,
    overwrite: bool = False,
) -> Iterator[tuple[str, int, Iterator[Path], Iterator[Path]]]:
    """Download stored pre-ARD and metadata described by tracking info.

    Parameters
    ----------
    tracking_info : TrackingMetadata or mapping
        The record.
    store : Store
        Where the files are.
    dest : path
        Directory for them.
    overwrite : bool, optional
        Replace local files that differ; otherwise one is an error. An identical file is never
        fetched again.

    Yields
    ------
    id : str
        Task id, or the item's name where it has none.
    n_images : int
        Number of images.
    metadata : iterator of Path
        Downloads metadata as it is iterated.
    images : iterator of Path
        Downloads images as it is iterated, each verified against the record.
    """
    tracking = TrackingMetadata(tracking_info)
    documents = _documents(tracking, store)
    for entry in _with_outputs(tracking, store):
        yield (
            task_id(entry),
            len(entry["outputs"]),
            _metadata(documents, entry, store, Path(dest), overwrite),
            _images(entry, store, Path(dest), overwrite),
        )


def _documents(tracking: TrackingMetadata, store: Store) -> dict[str, ObjectInfo | None]:
    """Find the items' documents that the record names, by key: one listing a prefix.

    One that the record names and the store hasn't is there, as None.
    """
    keys = {item_document(entry): entry["prefix"] for entry in tracking.orders}
    found: dict[str, ObjectInfo | None] = {key: None for key in tracking["metadata"] if key in keys}
    for prefix in sorted(set(keys.values())):
        infos = {info.key: info for info in store.objects(f"{prefix}/")}
        found |= {key: infos[key] for key in keys if key in infos}
    return found


def item_document(entry: Entry) -> str:
    """Return the key of an item's metadata document."""
    return document_key(entry["name"], entry["prefix"])


def _with_outputs(tracking: TrackingMetadata, store: Store) -> list[Entry]:
    """Return the entries, those of 2019 that name no outputs with the files of their names."""
    older = [entry for entry in tracking.orders if is_older(entry) and not entry["outputs"]]
    images = images_of(older, store)
    return [
        {**entry, "outputs": [vars(Output.of(image)) for image in images[prefix, name]]}
        if (prefix := entry["prefix"], name := entry["name"]) in images
        else entry
        for entry in tracking.orders
    ]


def _metadata(
    documents: Mapping[str, ObjectInfo | None],
    entry: Entry,
    store: Store,
    dest: Path,
    overwrite: bool,
) -> Iterator[Path]:
    key = item_document(entry)
    if key in documents:
        yield store.retrieve(key, dest / key.rpartition("/")[2], overwrite, documents[key])


def _images(entry: Entry, store: Store, dest: Path, overwrite: bool) -> Iterator[Path]:
    for output in entry["outputs"]:
        key = f"{entry['prefix']}/{output['name']}"
        known = Output.listed(output).at(key)
        try:
            yield store.retrieve(key, dest / output["name"], overwrite, known)
        except Conflict as error:
            # Its version isn't the one that is recorded: in a copy of a store it may still be it.
            info = store.stat(key)
            if not is_output(store, info, output):
                raise StoreError(
                    f"{key} isn't what the order made: it was replaced since", key
                ) from error
            now = replace(known, version=info.version)
            yield store.retrieve(key, dest / output["name"], overwrite, now)


def download(
    tracking: TrackingMetadata,
    record: Record | None,
    store: Store,
    dest: Path,
    overwrite: bool,
    callback: Callback | None,
) -> dict[str, list[Path]]:
    """Download what is finished, note it in the record, and write the record's copy last.

    Raises
    ------
    CedarError
        A file could not be had: after all others were.
    """
    if record is not None:
        tracking = current(tracking, record)
    done: dict[str, list[Path]] = {}
    failures: list[CedarError] = []
    tracked = download_tracked(tracking, store, dest, overwrite)
    for entry, (task, n_images, metadata, images) in zip(tracking.orders, tracked, strict=True):
        files = done.setdefault(task, [])
        try:
            for path, step in _steps(metadata, images, 1 / max(1, n_images)):
                files.append(path)
                if callback is not None:
                    callback(path.name, step)
        except CedarError as error:
            failures.append(error)
        else:
            if record is not None and entry["outputs"]:
                record.change(entry["name"], downloaded(dest))
    if record is not None:
        record.flush()
        tracking = record.metadata
    with arriving(dest / f"{tracking.name}.json") as path:
        path.write_text(tracking.dumps() + "\n", encoding="utf-8")
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise CedarError(f"{failures[0]}{more}") from failures[0]
    return done


def _steps(
    metadata: Iterator[Path], images: Iterator[Path], step: float
) -> Iterator[tuple[Path, float]]:
    """Yield an item's files with what each counts: metadata 0, all its images together 1."""
    for path in metadata:
        yield path, 0.0
    for path in images:
        yield path, step


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
        if entry["status"]["state"] in (TaskState.RUNNING, TaskState.CANCEL_REQUESTED):
            raise CedarError(
                f"{entry['name']} is being made: run `cedar cancel {tracking.name}` first, or wait"
            )
    if force:
        return
    kept = [
        entry["name"]
        for entry in tracking.orders
        if entry["status"]["state"] in ACTIVE or (entry["outputs"] and not has_copy(entry))
    ]
    if kept:
        more = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        raise IncompleteError(
            f"no verified copy of {kept[0]}{more} is on this machine: run `cedar download "
            f"{tracking.name}` first, or clean with --force",
            kept,
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
    entries = _with_outputs(tracking, store)
    for start in range(0, len(entries), _AT_ONCE):
        together = entries[start : start + _AT_ONCE]
        for entry, name in _clean(tracking, together, store):
            done.setdefault(task_id(entry), []).append(name)
            if callback is not None:
                images = [output["name"] for output in entry["outputs"]]
                callback(name, 1.0 / len(images) if name in images else 0.0)
    return done


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
    for entry in _with_outputs(tracking, store):
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
    documents = documented(entries)
    with ThreadPoolExecutor(store.workers) as pool:
        versions = pool.map(lambda entry: own_document(tracking, entry, store), documents.values())
        found = zip(documents.items(), versions, strict=True)
        owned = {key: (entry, version) for (key, entry), version in found if version}
    failed = store.delete_many({key: version for key, (_, version) in owned.items()})
    for key, (entry, _) in owned.items():
        if key not in failed:
            yield entry, key.rpartition("/")[2]
        elif not isinstance(failed[key], NotFoundError):
            raise failed[key]
    for entry in entries:
        if entry["request_id"] is not None:
            shutil.rmtree(store.scratch(entry["request_id"]), ignore_errors=True)


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
