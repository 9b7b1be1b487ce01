"""Bringing an order home, and cleaning up behind it: only what its record names."""

from __future__ import annotations

import datetime as dt
import logging
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .documents import timestamp
from .exceptions import CedarError, IncompleteError, NotFoundError
from .items import Output
from .metadata import TrackingMetadata
from .settling import cancel, has_document, images_of, is_older, is_output, settle_older
from .states import ACTIVE, TaskState
from .stores.base import document_key
from .stores.files import arriving

if TYPE_CHECKING:
    from .record import Change, Record
    from .stores.base import Store

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
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
    for entry in _with_outputs(tracking, store):
        yield (
            task_id(entry),
            len(entry["outputs"]),
            _metadata(tracking, entry, store, Path(dest), overwrite),
            _images(entry, store, Path(dest), overwrite),
        )


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
    tracking: TrackingMetadata, entry: Entry, store: Store, dest: Path, overwrite: bool
) -> Iterator[Path]:
    try:
        yield from store.retrieve_metadata(dest, entry["name"], entry["prefix"], overwrite)
    except NotFoundError:
        if document_key(entry["name"], entry["prefix"]) in tracking["metadata"]:
            raise


def _images(entry: Entry, store: Store, dest: Path, overwrite: bool) -> Iterator[Path]:
    for output in entry["outputs"]:
        key = f"{entry['prefix']}/{output['name']}"
        yield store.retrieve(key, dest / output["name"], overwrite, output["checksum"])


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


def downloaded(dest: Path) -> Change:
    """Return a change: the item has a verified copy in a directory of this machine."""
    host, path = platform.node(), str(dest.resolve())

    def change(entry: dict[str, Any]) -> None:
        others = [d for d in entry["downloads"] if (d["host"], d["path"]) != (host, path)]
        verified = timestamp(dt.datetime.now(dt.UTC))
        entry["downloads"] = [*others, {"host": host, "path": path, "verified": verified}]

    return change


def has_copy(entry: Entry) -> bool:
    """Whether a verified download of the item's outputs is still on this machine."""
    return any(
        copy["host"] == platform.node()
        and all(
            (path := Path(copy["path"], output["name"])).is_file()
            and path.stat().st_size == output["size"]
            for output in entry["outputs"]
        )
        for copy in entry["downloads"]
    )


def check_cleanable(tracking: TrackingMetadata, force: bool) -> None:
    """Refuse to clean what is under way, or has no verified copy.

    Raises
    ------
    CedarError
        An item is being made; `force` doesn't help.
    IncompleteError
        An item isn't finished, or not downloaded and verified on this machine.
    """
    for entry in tracking.orders:
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


def clean(
    tracking: TrackingMetadata,
    record: Record | None,
    store: Store,
    callback: Callback | None,
    force: bool,
) -> dict[str, list[str]]:
    """Delete an order's images and metadata.

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
    for task, n, names in clean_tracked(tracking, store):
        for name in names:
            done.setdefault(task, []).append(name)
            if callback is not None:
                callback(name, 0.0 if name.endswith(".json") else 1.0 / max(1, n - 1))
    return done


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
        yield task_id(entry), len(entry["outputs"]) + 1, _clean(tracking, entry, store)


def _clean(tracking: TrackingMetadata, entry: Entry, store: Store) -> Iterator[str]:
    for output in entry["outputs"]:
        key = f"{entry['prefix']}/{output['name']}"
        try:
            info = store.stat(key)
        except NotFoundError:
            continue
        if is_output(store, info, output):
            store.delete(key, if_version=info.version)
            yield output["name"]
        else:
            _log.warning("%s isn't what order %s made: left as it is", key, tracking.name)
    if has_document(tracking, entry, store):
        key = document_key(entry["name"], entry["prefix"])
        store.delete(key)
        yield key.rpartition("/")[2]
    if entry["request_id"] is not None:
        shutil.rmtree(store.scratch(entry["request_id"]), ignore_errors=True)
