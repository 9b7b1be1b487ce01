"""Downloading by a record alone, file by file as it is asked for: what batch scripts call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .fetching import Fetcher
from .items import ObjectInfo, Output
from .metadata import TrackingMetadata
from .outputs import documents_of, item_document, task_id, with_outputs
from .wanted import Fetching, Wanted

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
    tracking, options = TrackingMetadata(tracking_info), Fetching(overwrite=overwrite)
    documents = documents_of(tracking, tracking.orders, store)
    for entry in with_outputs(tracking.orders, store):
        yield (
            task_id(entry),
            len(entry["outputs"]),
            _metadata(documents, entry, store, Path(dest), options),
            _images(entry, store, Path(dest), options),
        )


def _metadata(
    documents: Mapping[str, ObjectInfo | None],
    entry: Entry,
    store: Store,
    dest: Path,
    options: Fetching,
) -> Iterator[Path]:
    key = item_document(entry)
    if key in documents:
        info = documents[key] or store.stat(key)
        yield _fetch(store, Wanted(dest / key.rpartition("/")[2], info, recorded=False), options)


def _images(entry: Entry, store: Store, dest: Path, options: Fetching) -> Iterator[Path]:
    for output in entry["outputs"]:
        info = Output.listed(output).at(f"{entry['prefix']}/{output['name']}")
        yield _fetch(store, Wanted(dest / output["name"], info), options)


def _fetch(store: Store, wanted: Wanted, options: Fetching) -> Path:
    """Have one file; its path."""
    *_, event = Fetcher(store, options).run([wanted])
    if event.error is not None:
        raise event.error
    return event.path
