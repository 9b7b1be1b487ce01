"""image:export: what may be asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..pixels import parse_grid
from ..values import Grid, ServiceError
from .messages import flag, message, number, text, whole

# Fields of google.earthengine.v1.ExportImageRequest and of what is in it:
# developers.google.com/earth-engine/reference/rest/v1/projects.image/export.
_FIELDS: Final = frozenset(
    {"expression", "description", "fileExportOptions", "maxPixels", "grid", "requestId"}
    | {"workloadTag", "priority"}
)
_FILE: Final = frozenset(
    {"fileFormat", "driveDestination", "cloudStorageDestination", "geoTiffOptions"}
)
_GEOTIFF: Final = frozenset(
    {"cloudOptimized", "noData", "tileDimensions", "tileSize", "skipEmptyFiles"}
)

_LONGEST_DESCRIPTION: Final = 100
_DESCRIPTION: Final = re.compile("[A-Za-z0-9.,:;_-]*")
_DRIVE_DESCRIPTION: Final = re.compile("[A-Za-z0-9_-]*")
_REQUEST_ID: Final = re.compile("[A-Za-z0-9-]{1,60}")
_TAG: Final = re.compile("[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

#: ``maxPixels`` where it isn't given.
MAX_PIXELS: Final = 10**8
PRIORITY: Final = 100
_HIGHEST_PRIORITY: Final = 9999
#: ``shardSize`` where it isn't given.
TILE_SIZE: Final = 256
#: TIFF 6.0 wants the sides of tiles to be multiples of it.
_TILE_STEP: Final = 16
#: Sides of a file where the request doesn't say: how the service cuts then isn't known.
_FILE_SIDE: Final = 10_240


@dataclass(frozen=True)
class Destination:
    """Where files go.

    Attributes
    ----------
    service : str
        ``gcs`` or ``gdrive``.
    container : str
        The bucket; the title of the folder, or empty: the root.
    prefix : str
        What files' names begin with.
    """

    service: str
    container: str
    prefix: str


@dataclass(frozen=True)
class Export:
    """A request that can be queued.

    Attributes
    ----------
    expression : mapping
        The graph; it isn't looked into before the task runs.
    grid : Grid or None
        None: the image's own.
    destination : Destination
    description : str
    request_id : str
        Empty: none.
    priority : int
    max_pixels : int
        Of the grid.
    tile_size : int
        Side of the tiles that the image is computed in, and of the files' own.
    file_size : (int, int)
        Columns and rows of a file, multiples of `tile_size`.
    cloud_optimized : bool
    no_data : float or None
        What the files' tag says; it changes no pixel.
    skip_empty : bool
        Write no files of masked pixels only.
    """

    expression: Mapping[str, Any]
    grid: Grid | None
    destination: Destination
    description: str
    request_id: str
    priority: int
    max_pixels: int
    tile_size: int
    file_size: tuple[int, int]
    cloud_optimized: bool
    no_data: float | None
    skip_empty: bool

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Export:
        """Read the body of a request.

        Raises
        ------
        ServiceError
            What the service refuses at once, and what the emulator doesn't have.
        """
        message(body, "image:export", _FIELDS)
        expression = body.get("expression")
        if not isinstance(expression, Mapping):
            raise ServiceError("An export needs an expression.")
        files = message(body.get("fileExportOptions"), "fileExportOptions", _FILE)
        if files.get("fileFormat") != "GEO_TIFF":
            raise ServiceError(
                f"The emulator exports no file format {files.get('fileFormat')!r}, only GEO_TIFF."
            )
        options = message(files.get("geoTiffOptions"), "geoTiffOptions", _GEOTIFF)
        destination = _destination(files)
        tile_size = _tile_size(options.get("tileSize"))
        tag = text(body.get("workloadTag"), "workloadTag")
        if tag and not _TAG.fullmatch(tag):
            raise ServiceError(f"Invalid workload tag {tag!r}.")
        return cls(
            expression,
            None if body.get("grid") is None else parse_grid(body["grid"]),
            destination,
            _description(body.get("description"), destination),
            _request_id(body.get("requestId")),
            _priority(body.get("priority")),
            whole(body.get("maxPixels"), "maxPixels", MAX_PIXELS),
            tile_size,
            _file_size(options.get("tileDimensions"), tile_size),
            flag(options.get("cloudOptimized"), "cloudOptimized"),
            number(options.get("noData"), "noData"),
            flag(options.get("skipEmptyFiles"), "skipEmptyFiles"),
        )


def _destination(files: Mapping[str, Any]) -> Destination:
    drive, cloud = files.get("driveDestination"), files.get("cloudStorageDestination")
    if (drive is None) == (cloud is None):
        raise ServiceError("Exactly one export destination must be specified.")
    if cloud is None:
        service, kind = "gdrive", "folder"
        given = message(drive, "driveDestination", {"folder", "filenamePrefix"})
    else:
        service, kind = "gcs", "bucket"
        given = message(cloud, "cloudStorageDestination", {"bucket", "filenamePrefix"})
    container = text(given.get(kind), kind)
    prefix = text(given.get("filenamePrefix"), "filenamePrefix")
    if service == "gcs" and not container:
        raise ServiceError("An export to Cloud Storage needs a bucket.")
    if not prefix or prefix.endswith("/"):
        raise ServiceError("The emulator's exports need a filenamePrefix that ends with a name.")
    return Destination(service, container, prefix)


def _description(given: Any, destination: Destination) -> str:
    description = text(given, "description")
    drive = destination.service == "gdrive"
    allowed, words = (
        # developers.google.com/earth-engine/apidocs/export-image-todrive
        (_DRIVE_DESCRIPTION, '"_" or "-"')
        if drive
        else (_DESCRIPTION, '".", ",", ":", ";", "_" or "-"')
    )
    if len(description) > _LONGEST_DESCRIPTION or not allowed.fullmatch(description):
        raise ServiceError(
            "The task description must contain only the following characters: a..z, A..Z, 0-9, "
            f"{words}. The description must be at most {_LONGEST_DESCRIPTION} characters long."
        )
    return description


def _request_id(given: Any) -> str:
    request_id = text(given, "requestId")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise ServiceError(
            "Invalid request ID: it may hold a..z, A..Z, 0-9 or '-', at most 60 characters."
        )
    return request_id


def _priority(given: Any) -> int:
    priority = whole(given, "priority", PRIORITY)
    if not 0 <= priority <= _HIGHEST_PRIORITY:
        raise ServiceError(f"Priority must be between 0 and {_HIGHEST_PRIORITY}, not {priority}.")
    return priority


def _tile_size(given: Any) -> int:
    size = whole(given, "tileSize", TILE_SIZE)
    if size < 1 or size % _TILE_STEP:
        raise ServiceError(
            f"The emulator's tileSize (shardSize) is a multiple of {_TILE_STEP}, not {size}."
        )
    return size


def _file_size(given: Any, tile_size: int) -> tuple[int, int]:
    if given is None:
        side = max(tile_size, _FILE_SIDE // tile_size * tile_size)
        return side, side
    sides = message(given, "tileDimensions", {"width", "height"})
    width, height = (whole(sides.get(side), side, 0) for side in ("width", "height"))
    if min(width, height) < 1 or width % tile_size or height % tile_size:
        raise ServiceError(
            f"File dimensions ({width}x{height}) must be a multiple of the shard size "
            f"({tile_size})."
        )
    return width, height
