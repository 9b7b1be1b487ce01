"""Downloading by a record alone, file by file as it is asked for: what batch scripts call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exceptions import Conflict, StoreError
from .items import ObjectInfo, Output
from .metadata import TrackingMetadata
from .outputs import documents_of, item_document, task_id, with_outputs
from .settling import is_output

if TYPE_CHECKING:
    from .stores.base import Store

Entry = Mapping[str, Any]


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
    documents = documents_of(tracking, tracking.orders, store)
    for entry in with_outputs(tracking.orders, store):
        yield (
            task_id(entry),
            len(entry["outputs"]),
            _metadata(documents, entry, store, Path(dest), overwrite),
            _images(entry, store, Path(dest), overwrite),
        )


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
