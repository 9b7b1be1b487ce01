"""The files of an order's items, as its record and the store know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .items import ObjectInfo, Output
from .metadata import TrackingMetadata
from .settling import images_of, is_older, settle_older
from .stores.base import document_key

if TYPE_CHECKING:
    from .record import Record
    from .stores.base import Store

Entry = Mapping[str, Any]


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


def item_document(entry: Entry) -> str:
    """Return the key of an item's metadata document."""
    return document_key(entry["name"], entry["prefix"])


def documents_of(
    tracking: TrackingMetadata, entries: Iterable[Entry], store: Store
) -> dict[str, ObjectInfo | None]:
    """Find items' documents, by key: one listing a prefix.

    One that the record names and the store hasn't is there, as None.
    """
    keys = {item_document(entry): entry["prefix"] for entry in entries}
    found: dict[str, ObjectInfo | None] = {key: None for key in tracking["metadata"] if key in keys}
    for prefix in sorted(set(keys.values())):
        infos = {info.key: info for info in store.objects(f"{prefix}/")}
        found |= {key: infos[key] for key in keys if key in infos}
    return found


def with_outputs(entries: Sequence[Entry], store: Store) -> list[Entry]:
    """Return entries, those of 2019 that name no outputs with the files of their names."""
    older = [entry for entry in entries if is_older(entry) and not entry["outputs"]]
    images = images_of(older, store)
    return [
        {**entry, "outputs": [vars(Output.of(image)) for image in images[prefix, name]]}
        if (prefix := entry["prefix"], name := entry["name"]) in images
        else entry
        for entry in entries
    ]
