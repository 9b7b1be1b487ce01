"""Cutting an item that was too large in two: by its dates, or where it has one, by its bands."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from .changes import can_retry
from .documents import new_request_id, timestamp, with_bands
from .exceptions import InputError
from .periods import parse_date
from .states import TaskState
from .stores.base import document_key

if TYPE_CHECKING:
    from .changes import Change
    from .metadata import ImageMetadata

Entry = Mapping[str, Any]

#: What a part has in common with the item that it is a part of.
_COMMON: Final = ("prefix", "collection", "tile", "dtype", "nodata", "shards", "bands")


def cut(entry: Entry, metadata: ImageMetadata, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries of an item's two halves; nothing is changed.

    Parameters
    ----------
    metadata : ImageMetadata
        The item's document.
    names : sequence of str
        The halves' names.

    Raises
    ------
    InputError
        The item has one date and one band.
    """
    start, end = parse_date(entry["date_start"]), parse_date(entry["date_end"])
    bands = [band["name"] for band in metadata.bands]
    # A composite of less is another one.
    middle = None if metadata.is_composite else _middle(metadata.groups)
    if middle is not None:
        halves: list[dict[str, Any]] = [
            {"date_start": timestamp(start), "date_end": timestamp(middle)},
            {"date_start": timestamp(middle), "date_end": timestamp(end)},
        ]
    elif len(bands) > 1:
        half = -(-len(bands) // 2)
        period = {"date_start": timestamp(start), "date_end": timestamp(end)}
        halves = [{**period, "bands": bands[:half]}, {**period, "bands": bands[half:]}]
    else:
        raise InputError(
            f"{entry['name']} can't be made smaller, it is one band of one "
            f"{'composite' if metadata.is_composite else 'date'}: order it on a grid of smaller "
            "tiles"
        )
    return [_part(entry, metadata, name, half) for name, half in zip(names, halves, strict=True)]


def _middle(groups: Iterable[Mapping[str, Any]]) -> dt.datetime | None:
    """Return the midnight that parts groups most evenly; None where all are of one date."""
    days = sorted(Counter(group["date"] for group in groups).items())
    before = list(accumulate(count for _, count in days))
    if len(days) < 2:
        return None
    at = min(range(1, len(days)), key=lambda day: abs(2 * before[day - 1] - before[-1]))
    return parse_date(days[at][0])


def _part(
    entry: Entry, metadata: ImageMetadata, name: str, half: Mapping[str, Any]
) -> dict[str, Any]:
    part = {
        **{key: entry[key] for key in _COMMON if key in entry},
        **half,
        "name": name,
        "family": family(entry),
        "request_id": new_request_id(),
        "attempt": 1,
        "attempts": [],
        "status": {"state": str(TaskState.UNSUBMITTED)},
        "outputs": [],
        "downloads": [],
    }
    groups = _groups(part, metadata)
    n_layers = 1 if metadata.is_composite else len(groups)
    n_bands = len(part.get("bands", metadata.bands))
    return {
        **part,
        "n_images": sum(len(group["images"]) for group in groups),
        "n_groups": len(groups),
        "n_bands": n_layers * n_bands,
    }


def family(entry: Entry) -> str:
    """Return the name of the item as it was ordered: its own, or of what it is a part of."""
    return str(entry["family"] or entry["name"])


def names_of(entries: Iterable[Entry]) -> set[str]:
    """Return the names that items have, or had before they were cut."""
    return {
        each["name"] for entry in entries for each in (entry, *entry["attempts"]) if "name" in each
    }


def free_names(entry: Entry, taken: Iterable[str]) -> list[str]:
    """Return names for two parts of an item, with the next numbers that no part ever had."""
    stem = f"{family(entry)}-p"
    numbers = [name.removeprefix(stem) for name in taken if name.startswith(stem)]
    last = max((int(number) for number in numbers if number.isdecimal()), default=0)
    return [f"{stem}{last + 1:02d}", f"{stem}{last + 2:02d}"]


def part_document(metadata: ImageMetadata, part: Entry) -> dict[str, Any]:
    """Return the metadata document of a part, from that of the whole."""
    document = metadata.document
    document["order"] |= {key: part[key] for key in ("date_start", "date_end")}
    document["task"] |= {key: part[key] for key in ("name", "request_id")}
    document["image"] = with_bands(document["image"], part.get("bands"))
    document["image"]["groups"] = _groups(part, metadata)
    if "dropped" in (recipe := document["image"].get("recipe", {})):
        recipe["dropped"] = [date for date in recipe["dropped"] if _is_in(part, date)]
    return document


def _groups(part: Entry, metadata: ImageMetadata) -> list[Mapping[str, Any]]:
    return [group for group in metadata.groups if _is_in(part, group["date"])]


def _is_in(part: Entry, date: str) -> bool:
    return parse_date(part["date_start"]) <= parse_date(date) < parse_date(part["date_end"])


def in_parts(name: str, attempt: int, parts: Sequence[Entry]) -> Change:
    """Return a change to the whole record: parts take an item's place, the first keeps its past."""

    def change(document: dict[str, Any]) -> None:
        orders = document["orders"]
        at = next((i for i, entry in enumerate(orders) if entry["name"] == name), None)
        if at is None or orders[at]["attempt"] != attempt or not can_retry(orders[at]):
            return
        if names_of(orders) & {part["name"] for part in parts}:
            return
        whole = {key: value for key, value in orders[at].items() if key != "attempts"}
        planned = copy.deepcopy(list(parts))
        past = [{"name": name, **kept} for kept in orders[at]["attempts"]]
        planned[0] = {**planned[0], "attempts": [*past, whole]}
        orders[at : at + 1] = planned
        keys = [document_key(part["name"], part["prefix"]) for part in planned]
        document["metadata"] = [*document["metadata"], *keys]

    return change
