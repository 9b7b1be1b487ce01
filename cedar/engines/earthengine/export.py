"""Exports: the service computes an item's image, and writes it into a bucket or a Drive."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cedar import defaults
from cedar.exceptions import EngineError, InputError
from cedar.grids import Tile
from cedar.metadata import ImageMetadata

from .build import stack
from .graph import Call, encode
from .grid import pixel_grid
from .operations import find
from .session import execute, images, project, status_of

if TYPE_CHECKING:
    from cedar.items import Destination, ExportRequest, TaskStatus

#: What workload tags don't take, and their longest (``ee.data.setWorkloadTag``).
_NOT_IN_TAGS: Final = re.compile(r"[^a-z0-9_-]")
_TAG_LENGTH: Final = 63
#: Where the service says that a task wrote to: a bucket, or Drive.
_PLACE: Final = re.compile(r"(?:^gs://|/storage/browser/)([^/?#]+)|^https://(drive\.google)\.com/")


def start(request: ExportRequest) -> str:
    """Start a task; see :meth:`Engine.start`.

    The client sends a request with a request id up to six times, over about a minute, where its
    outcome is in doubt: the service starts no second task for it.
    """
    metadata = ImageMetadata(request.metadata)
    body = _body(request, metadata)
    try:
        operation = execute(images().export(project=f"projects/{project()}", body=body))
    except EngineError as error:
        if status_of(error) != HTTPStatus.CONFLICT:
            raise
        return _started_before(request, metadata).name
    match operation:
        case {"name": str(name)}:
            return name
    raise EngineError(
        "Earth Engine: its answer can't be read: it names no operation", transient=True
    )


def _started_before(request: ExportRequest, metadata: ImageMetadata) -> TaskStatus:
    """Find the task that was started with the same request id.

    An operation doesn't carry its request id. What tells it is its description, and that it is no
    older than its order; of several the newest, since one name is ordered again only after the
    other order's.

    Raises
    ------
    EngineError
        It isn't listed yet.
    """
    submitted = dt.datetime.fromisoformat(metadata["order"]["submitted"])
    found = find([request.description], submitted - defaults.SKEW)[request.description]
    for status in found:
        if not _is_elsewhere(status, request.destination):
            return status
    raise EngineError(
        f"Earth Engine says that {request.description} was started before, but lists no such task",
        transient=True,
    )


def _is_elsewhere(status: TaskStatus, destination: Destination) -> bool:
    """Whether the service says of a task that it wrote somewhere else."""
    places = [found[1] or found[2] for found in map(_PLACE.search, status.urls) if found]
    expected = destination.container if destination.kind == "gcs" else "drive.google"
    return bool(places) and expected not in places


def _body(request: ExportRequest, metadata: ImageMetadata) -> dict[str, Any]:
    """Return the body of the request, as the client makes them (ee/batch.py).

    The grid is a field of its own: folded into the expression, as the client's ``Export`` does, it
    would be a reprojection and a clip more.
    """
    tile, options = Tile.from_dict(metadata["tile"]), request.options
    named = Call(
        "Image.rename", input=stack(metadata, metadata.groups), names=list(metadata.band_names)
    )
    priority, tag = options.get("priority"), _workload_tag(metadata["order"]["tracking"] or "")
    return {
        "requestId": request.request_id,
        "expression": encode(named),
        "description": request.description,
        "grid": pixel_grid(tile, 0, 0, tile.height, tile.width),
        "fileExportOptions": {
            "fileFormat": "GEO_TIFF",
            **_destination(request),
            "geoTiffOptions": _geotiff(options, metadata["image"]["nodata"]),
        },
        "maxPixels": {"value": str(options["maxPixels"])},
        **({} if priority is None else {"priority": {"value": priority}}),
        **({"workloadTag": tag} if tag else {}),
    }


def _destination(request: ExportRequest) -> dict[str, Any]:
    to = request.destination
    match to.kind:
        case "gcs":
            prefix = f"{to.prefix}/{request.name}"
            return {"cloudStorageDestination": {"bucket": to.container, "filenamePrefix": prefix}}
        case "gdrive":
            return {"driveDestination": {"folder": to.container, "filenamePrefix": request.name}}
    raise InputError(f"Earth Engine doesn't export into a {to.kind} store")


def _geotiff(options: Mapping[str, Any], nodata: float) -> dict[str, Any]:
    columns, rows = options["fileDimensions"]
    return {
        **({"cloudOptimized": True} if _is_cog(options) else {}),
        "noData": {"floatValue": nodata},
        "tileDimensions": {"width": columns, "height": rows},
        "tileSize": {"value": options["shardSize"]},
        **({"skipEmptyFiles": True} if options.get("skipEmptyTiles") else {}),
    }


def _is_cog(options: Mapping[str, Any]) -> bool:
    return bool(options.get("formatOptions", {}).get("cloudOptimized"))


def _workload_tag(order: str) -> str:
    """Return the tag by which an order's costs are told from others', made of its name."""
    tag = _NOT_IN_TAGS.sub("_", order.lower())
    if len(tag) > _TAG_LENGTH:
        digest = hashlib.sha256(order.encode()).hexdigest()[:8]
        tag = f"{tag[: _TAG_LENGTH - len(digest) - 1]}-{digest}"
    return tag.strip("_-")
