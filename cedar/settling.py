"""Bringing a record to the truth without making anything: what is there, what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .items import ObjectInfo, Output
from .pump import discard, item_key, status, stopped
from .states import ACTIVE, TaskState

if TYPE_CHECKING:
    from .record import Record
    from .stores.base import Store


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
        entries = record.metadata.orders
        for prefix in sorted({entry["prefix"] for entry in entries}):
            here = [entry for entry in entries if entry["prefix"] == prefix]
            images = record.store.images([entry["name"] for entry in here], prefix)
            for entry in here:
                _settle(record, entry, images[entry["name"]])
        record.flush()


def _settle(record: Record, entry: Mapping[str, Any], images: list[ObjectInfo]) -> None:
    state = entry["status"]["state"]
    if entry["request_id"] is None:
        if state != TaskState.EMPTY and not entry["outputs"]:
            _settle_older(record, entry, images)
    elif state == TaskState.COMPLETED:
        found = {output.name: output for output in map(Output.of, images)}
        kept = [
            output | {"version": found[output["name"]].version}
            for output in entry["outputs"]
            if output["name"] in found
            and is_output(record.store, f"{entry['prefix']}/{output['name']}", output)
        ]
        if kept != entry["outputs"]:
            record.change(entry["name"], lambda changed: changed.update(outputs=kept))


def _settle_older(record: Record, entry: Mapping[str, Any], images: list[ObjectInfo]) -> None:
    """Settle an item whose task nobody can ask about any more."""
    state = entry["status"]["state"]
    if images and (state in ACTIVE or state == TaskState.COMPLETED):
        outputs = [vars(Output.of(image)) for image in images]
        record.change(entry["name"], status(TaskState.COMPLETED))
        record.change(entry["name"], lambda changed: changed.update(outputs=outputs))
    elif state in ACTIVE:
        message = "its task was started by an older cedar, and no file of its name is in the store"
        record.change(entry["name"], status(TaskState.UNKNOWN, error_message=message))


def is_output(store: Store, key: str, output: Mapping[str, Any]) -> bool:
    """Whether the object of a key is the output that the record names.

    By its version; or, since copying a whole store changes those, by its size and checksum.
    """
    info = store.stat(key)
    if info.version == output["version"]:
        return True
    return (
        info.size == output["size"]
        and output["checksum"] is not None
        and store.checksum(key) == output["checksum"]
    )


def cancel(record: Record) -> None:
    """Cancel what hasn't ended. What is finished stays as it is, with its outputs."""

    def requested(entry: dict[str, Any]) -> None:
        match entry["status"]["state"]:
            case TaskState.UNSUBMITTED | TaskState.READY:
                status(TaskState.CANCELLED)(entry)
            case TaskState.RUNNING:
                status(TaskState.CANCEL_REQUESTED)(entry)

    with ExitStack() as claims:
        for name in record.names(ACTIVE):
            record.change(name, requested)
            entry = record.entry(name)
            if entry["status"]["state"] == TaskState.CANCEL_REQUESTED and claims.enter_context(
                record.store.claim(item_key(entry))
            ):
                record.change(name, stopped)
            discard(record, name)
        record.flush()
