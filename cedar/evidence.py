"""What the service, the store and an item's own document tell of it: its entry in a new record."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from . import shards
from .changes import now_ms
from .exceptions import InputError
from .items import ObjectInfo, Output, TaskStatus
from .metadata.document import program
from .metadata.validation import SCHEMA_VERSION
from .rasters import read_tags
from .states import ACTIVE, TaskState
from .stores.base import document_key

if TYPE_CHECKING:
    from .grids import TileGrid
    from .metadata import ImageMetadata
    from .ordering import Templates

_log = logging.getLogger(__name__)

#: A description that can be an item's name, with the attempt that cedar appends. What the service
#: takes for exports: letters, digits and .,:;_- (apidocs, Export.image.toCloudStorage).
_DESCRIPTION: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9.,:;_-]*?)(?:-a([1-9][0-9]{0,5}))?")
#: The name of a part of an item that was too large for one image.
_PART: Final = re.compile(r"(.+)-p[0-9]{2,}")
#: What only an item's document tells.
_DESCRIBED: Final = (
    "collection", "tile", "date_start", "date_end", "n_images", "n_groups", "n_bands", "dtype",
    "nodata", "request_id", "family",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The size of an image, and of a file of it at the most: columns and rows."""

    size: shards.Size
    file_dimensions: shards.Size

    @classmethod
    def of(cls, document: ImageMetadata | None) -> Layout | None:
        """Return the layout of an exported item; None where its document doesn't tell."""
        if document is None:
            return None
        columns, rows = document["tile"]["size"]
        match document["store"]["export_image_kwds"].get("fileDimensions"):
            case int() as side:
                return cls((columns, rows), (side, side))
            case [int() as width, int() as height]:
                return cls((columns, rows), (width, height))
        return None


@dataclass(frozen=True)
class Found:
    """What there is of one item.

    Attributes
    ----------
    name, prefix : str
        Stem and folder of its files.
    tasks : tuple of TaskStatus
        The tasks of that name.
    images : tuple of ObjectInfo
        The images of that name in the folder.
    document : ImageMetadata or None
        Its metadata document.
    written : datetime.datetime or None
        When that was written: before anything was made by it.
    exported : bool
        Whether the engine's service writes there by itself.
    """

    name: str
    prefix: str
    tasks: Sequence[TaskStatus] = ()
    images: Sequence[ObjectInfo] = ()
    document: ImageMetadata | None = None
    written: dt.datetime | None = None
    exported: bool = True

    @property
    def offsets(self) -> list[tuple[int, int]] | None:
        """First pixels of the files that the image comes as; None where that isn't known."""
        if self.document is not None and not self.exported:
            return [(0, 0)]
        layout = Layout.of(self.document)
        return None if layout is None else shards.offsets(layout.size, layout.file_dimensions)


def parse_description(text: str) -> tuple[str, int] | None:
    """Return the item's name and the attempt that a task's description says.

    None where it can't be an item's name.
    """
    match = _DESCRIPTION.fullmatch(text)
    return None if match is None else (match[1], int(match[2] or 1))


def record_document(
    found: Sequence[Found],
    name: str,
    submitted: str,
    templates: Templates,
    tile_grid: TileGrid,
    identities: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the record of items, as far as their documents tell what was asked for.

    Parameters
    ----------
    templates, tile_grid
        What a new order would have: the record's where no document tells.
    identities
        Of the store and the engine.
    """
    documents = [each.document for each in found if each.document is not None]
    tiles = {tuple(each["tile"]["index"]): dict(each["tile"]) for each in documents}
    collections = list(dict.fromkeys(each["order"]["collection"] for each in documents))
    options = documents[0]["store"]["export_image_kwds"] if documents else {}
    layout = Layout.of(documents[0] if documents else None)
    store, engine = identities
    return {
        "schema_version": SCHEMA_VERSION,
        "program": program(),
        "store": dict(store),
        "engine": dict(engine),
        "submission": {
            "submitted": submitted,
            "collections": collections,
            "tile_grid": _grid(tiles.values(), tile_grid),
            "tile_indices": [list(index) for index in tiles],
            **_periods(documents),
            "filters": _filters(documents),
            "group_by": {
                each["order"]["collection"]: each["image"]["group_by"]
                for each in documents
                if each["image"]["group_by"] is not None
            },
            "definitions": {},
        },
        "tracking": {
            "submitted": submitted,
            "name": name,
            "prefix": templates.tracking_prefix,
            "collections": collections,
            "tiles": list(tiles.values()),
            "name_template": templates.name.text,
            "prefix_template": templates.prefix.text,
            "export_image_kwds": dict(options),
        },
        "orders": [entry(each, layout) for each in found],
        "metadata": [document_key(each.name, each.prefix) for each in found if each.document],
    }


def _filters(documents: Sequence[ImageMetadata]) -> dict[str, Any]:
    """Return the filters of each collection, of merged ones too."""
    found: dict[str, Any] = {}
    for order in (each["order"] for each in documents):
        given = {order["collection"]: order["filters"], **order.get("member_filters", {})}
        found |= {collection: filters for collection, filters in given.items() if filters}
    return found


def _periods(documents: Sequence[ImageMetadata]) -> dict[str, Any]:
    """Return what periods together cover: how they were cut isn't known."""
    moment = dt.datetime.fromisoformat
    start = min((each["order"]["date_start"] for each in documents), key=moment, default=None)
    end = max((each["order"]["date_end"] for each in documents), key=moment, default=None)
    coverage = None if start is None else [start, end]
    return {"period_start": start, "period_end": end, "period_freq": None, "coverage": coverage}


def _grid(tiles: Iterable[Mapping[str, Any]], tile_grid: TileGrid) -> dict[str, Any]:
    """Return the grid that tiles are of: the one that is used now, or what the first one tells."""
    for tile in tiles:
        if not _is_of(tile, tile_grid):
            (row, col), (left, _, _, top) = tile["index"], tile["bounds"]
            sides = zip(tile["res"], tile["size"], strict=True)
            width, height = (pixel * number for pixel, number in sides)
            return {
                "name": None,
                "crs": tile["crs"],
                "ul": [left - col * width, top + row * height],
                "res": tile["res"],
                "size": tile["size"],
                "limits": None,
            }
    return tile_grid.to_dict()


def _is_of(tile: Mapping[str, Any], tile_grid: TileGrid) -> bool:
    row, col = tile["index"]
    try:
        return bool(tile_grid[row, col].to_dict() == dict(tile))
    except InputError:
        return False  # Outside the grid's limits.


def entry(found: Found, layout: Layout | None) -> dict[str, Any]:
    """Return an item's entry in a record.

    Parameters
    ----------
    layout
        The record's. Of an item with another, or none known, any file of its name counts later.
    """
    tasks = sorted(found.tasks, key=_rank, reverse=True)
    _warn_of_several(found.name, tasks)
    made = _made(found, tasks[0] if tasks else None)
    status = _reported(tasks[0]) if tasks else _settled(found, made)
    state, offsets = status["state"], found.offsets
    has_shards = found.exported and offsets is not None and layout == Layout.of(found.document)
    described = _described(found)
    first = 0 if state == TaskState.EMPTY else 1
    return {
        "name": found.name,
        "prefix": found.prefix,
        **described,
        "attempt": max((_attempt(task) for task in tasks), default=first),
        "attempts": [_archived(task) for task in sorted(tasks[1:], key=_attempt)],
        "status": status,
        "outputs": [] if state in ACTIVE else [asdict(output) for output in made],
        "downloads": [],
        "history": [{"time_ms": now_ms(), "state": state, "cause": "imported"}],
        **({"shards": len(offsets)} if has_shards and offsets is not None else {}),
    }


def _rank(task: TaskStatus) -> tuple[bool, bool, int, int]:
    """By what to choose among tasks of one name: who works, who is done, the last."""
    done = task.state == TaskState.COMPLETED
    return task.state in ACTIVE, done, _attempt(task), task.created or 0


def _attempt(task: TaskStatus) -> int:
    parsed = parse_description(task.description)
    return 1 if parsed is None else parsed[1]


def _warn_of_several(name: str, tasks: Sequence[TaskStatus]) -> None:
    if sum(task.state in ACTIVE for task in tasks) > 1:
        ids = ", ".join(task.id for task in tasks if task.state in ACTIVE)
        _log.warning("%s: tasks %s are at work on it; the first is followed", name, ids)


def _made(found: Found, task: TaskStatus | None) -> list[Output]:
    """Those of the files of an item's name that are its own, as far as can be told."""
    if found.document is not None and not found.document.groups:
        return []
    own = [image for image in found.images if _is_own(image, found, task)]
    chosen = own if found.offsets is None else shards.choose(found.name, found.offsets, own)
    return [Output.of(info) for info in chosen]


def _is_own(image: ObjectInfo, found: Found, task: TaskStatus | None) -> bool:
    if found.document is not None and not found.exported and image.path is not None:
        return read_tags(image.path).get("CEDAR_REQUEST_ID") == found.document.request_id
    # All of these are times of the service that has the files.
    if task is not None:
        since = (task.created or 0) / 1000 - 1
    else:
        since = 0.0 if found.written is None else found.written.timestamp()
    return image.updated is None or image.updated.timestamp() >= since


def _reported(task: TaskStatus) -> dict[str, Any]:
    cost = {} if task.eecu_seconds is None else {"eecu_seconds": task.eecu_seconds}
    return {
        "state": str(task.state),
        "id": task.id,
        "creation_timestamp_ms": task.created,
        "start_timestamp_ms": task.started,
        "update_timestamp_ms": task.updated or now_ms(),
        "progress": 1.0 if task.state == TaskState.COMPLETED else task.progress,
        "output_url": list(task.urls),
        "error_message": task.error,
        **cost,
    }


def _settled(found: Found, made: Sequence[Output]) -> dict[str, Any]:
    """Return the status of an item of which the service knows no task: its files tell."""
    if found.document is not None and not found.document.groups:
        return {"state": TaskState.EMPTY.value}
    number = None if found.offsets is None else len(found.offsets)
    if shards.is_whole(found.name, number, [output.name for output in made]):
        fields = {"progress": 1.0, "error_message": None, "settled_by": "store"}
        return {"state": TaskState.COMPLETED.value, "update_timestamp_ms": now_ms(), **fields}
    if not found.exported and found.document is not None:
        # Pulled by whoever watches the order, as it would have been.
        return {"state": TaskState.UNSUBMITTED.value}
    return {
        "state": TaskState.UNKNOWN.value,
        "update_timestamp_ms": now_ms(),
        "error_message": (
            "Earth Engine lists no task of it, and whether the store has all of its files isn't "
            "known: whether it was made isn't either"
        ),
    }


def _archived(task: TaskStatus) -> dict[str, Any]:
    return {
        "attempt": _attempt(task),
        "request_id": None,
        "description": task.description,
        "status": _reported(task),
        "outputs": [],
    }


def _described(found: Found) -> dict[str, Any]:
    """Return what an item's document tells: nulls where there is none."""
    document = found.document
    if document is None:
        return dict.fromkeys(_DESCRIBED)
    order, groups = document["order"], document.groups
    part = _PART.fullmatch(found.name)
    return {
        "collection": order["collection"],
        "tile": list(document["tile"]["index"]),
        "date_start": order["date_start"],
        "date_end": order["date_end"],
        "n_images": sum(len(group["images"]) for group in groups),
        "n_groups": len(groups),
        "n_bands": document.n_bands,
        "dtype": document.dtype,
        "nodata": document.nodata,
        "request_id": document.request_id,
        "family": None if part is None else part[1],
        **({"composite": True} if document.is_composite else {}),
    }
