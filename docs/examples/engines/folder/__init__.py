"""An engine that makes stacks of GeoTIFFs on this machine: a folder for each collection.

``DIRECTORY/MY/COLLECTION/anything_20200518.tif`` is an image of the collection ``MY/COLLECTION``.
It ends in its date; its bands' descriptions are their native names; its nodata value masks it.
"""

# ruff: noqa: ARG002 (an engine without filters, options and tasks is told of them all the same)

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rasterio
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from cedar.engines.base import Engine, Progress
from cedar.exceptions import ConfigError, EngineError, InputError
from cedar.grids import Tile
from cedar.items import ExportRequest, ImageInfo
from cedar.metadata import ImageMetadata
from cedar.rasters import Block, write_geotiff

if TYPE_CHECKING:
    from cedar.items import Destination, TaskStatus
    from cedar.sensors import base as sensors

#: JSON Schema (2020-12) of the configuration's section `folder`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "GeoTIFFs in a directory",
    "type": "object",
    "properties": {
        "directory": {"description": "The directory.", "type": "string", "minLength": 1}
    },
    "required": ["directory"],
    "additionalProperties": False,
}


def from_config(section: Mapping[str, Any], directory: Path) -> Folder:
    """Make the engine of a configuration's section `folder`, which fits CONFIG_SCHEMA."""
    return Folder(directory / Path(section["directory"]).expanduser())


class Folder(Engine):
    """Finds and stacks GeoTIFFs below a directory.

    It has no tasks: `exports_to` is empty, so cedar pulls from it into whatever store there is.
    """

    def __init__(self, directory: Path):
        self.directory = directory.resolve()

    def identity(self) -> dict[str, Any]:
        """Say what it is, for the record."""
        url = self.directory.as_uri()
        return {"name": "folder", "url": url, "project": None, "emulated": False}

    def check(self) -> None:
        """Check that the directory is there."""
        if not self.directory.is_dir():
            raise ConfigError(f"folder: {self.directory} is not a directory")

    def record_filter(self, given: Any) -> dict[str, Any]:
        """Refuse every filter."""
        raise InputError(f"folder has no filters, so it can't apply {given!r}: leave it out")

    def check_options(self, options: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Refuse every option."""
        if options:
            raise InputError(f"export_image_kwds: folder has no {next(iter(options))!r}")
        return {}

    def search(
        self,
        collection: sensors.Collection,
        tile: Tile,
        start: dt.datetime,
        end: dt.datetime,
        filters: Sequence[Mapping[str, Any]] = (),
        images: Sequence[str] | None = None,
    ) -> list[ImageInfo]:
        """Find the images of a collection that meet a tile."""
        self.check()
        found = []
        for path in sorted((self.directory / collection.id).glob("*.tif")):
            time = _time(path)
            if start <= time < end and (images is None or path.stem in images):
                with _opened(path) as source:
                    if _meets(source, tile):
                        found.append(_info(collection.id, path, time, source))
        return found

    def prepare(
        self,
        metadata: ImageMetadata,
        destination: Destination,
        options: Mapping[str, Any],
        attempt: int = 1,
    ) -> ExportRequest:
        """Make the request of one attempt at an item."""
        task = metadata["task"]
        return ExportRequest(
            name=task["name"],
            prefix=task["prefix"],
            request_id=task["request_id"],
            description=f"{task['name']}-a{attempt}",
            metadata=metadata,
            destination=destination,
            options=options,
        )

    def pull(self, request: ExportRequest, scratch: Path, progress: Progress) -> Path:
        """Write an item's GeoTIFF, a group at a time."""
        metadata = ImageMetadata(request.metadata)
        image, path = metadata["image"], scratch / f"{request.name}.tif"
        # By the request's id cedar knows an image that it made before it was killed.
        tags = {"CEDAR_REQUEST_ID": request.request_id, "CEDAR_EMULATED": "false"}
        write_geotiff(
            path,
            Tile.from_dict(metadata["tile"]),
            image["dtype"],
            image["nodata"],
            metadata.band_names,
            tags,
            self._layers(metadata, progress),
        )
        return path

    def _layers(
        self, metadata: ImageMetadata, progress: Progress
    ) -> Iterator[tuple[Block, np.ndarray[Any, Any]]]:
        """Give all bands of each group: at each pixel the topmost image supplies all of them."""
        tile, image = Tile.from_dict(metadata["tile"]), metadata["image"]
        shape = len(metadata.bands), tile.height, tile.width
        for number, group in enumerate(metadata.groups):
            progress(number / len(metadata.groups))
            layer = np.full(shape, image["nodata"], image["dtype"])
            for listed in group["images"]:
                values, present = self._read(listed, image, tile)
                layer[:, present] = values[:, present]
            first = number * shape[0]
            yield Block(0, 0, tile.height, tile.width, first, first + shape[0]), layer
        progress(1.0)

    def _read(
        self, listed: Mapping[str, Any], image: Mapping[str, Any], tile: Tile
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Read an image's bands on a tile, and where the image is present."""
        path = self.directory / f"{listed['system:id']}.tif"
        # By default GDAL places pixels to an eighth of one only.
        place = {"crs": tile.crs, "transform": tile.transform, "tolerance": 1e-6}
        values = np.full((len(image["bands"]), tile.height, tile.width), image["nodata"], "float64")
        with (
            _opened(path) as source,
            WarpedVRT(
                source,
                **place,
                width=tile.width,
                height=tile.height,
                add_alpha=source.nodata is None,
            ) as warped,
        ):
            natives = dict(zip(source.descriptions, source.indexes, strict=True))
            for layer, band in zip(values, image["bands"], strict=True):
                if band["name"] not in listed.get("missing", ()):
                    pixels = warped.read(natives[band["native"]], masked=True)
                    layer[...] = pixels.filled(image["nodata"])
            validity = listed.get("validity", image["validity"])
            asked = [band["native"] for band in image.get("presence", image["bands"])]
            asked = [native for native in asked if native in natives]
            indexes = [natives[native] for native in ([validity] if validity else asked)]
            present = warped.read_masks(indexes).any(axis=0)
        kind = np.dtype(image["dtype"])
        if kind.kind in "iu":
            values = values.clip(np.iinfo(kind).min, np.iinfo(kind).max)
        return values.astype(kind), present

    # What an engine without tasks says of tasks.

    def export_options(
        self, options: Mapping[str, Any], size: tuple[int, int], n_bands: int, dtype: str
    ) -> dict[str, Any]:
        """Refuse: there are no exports."""
        raise _no_tasks()

    def start(self, request: ExportRequest) -> str:
        """Refuse: there are no tasks."""
        raise _no_tasks()

    def find(
        self, descriptions: Collection[str], since: dt.datetime
    ) -> dict[str, list[TaskStatus]]:
        """Find no tasks."""
        return {description: [] for description in descriptions}

    def list_tasks(self, since: dt.datetime | None = None) -> Iterator[TaskStatus]:
        """List no tasks."""
        return iter(())

    def poll(self, ids: Collection[str]) -> dict[str, TaskStatus]:
        """Know no task."""
        return {}

    def cancel(self, task_id: str) -> None:
        """Refuse: there are no tasks."""
        raise _no_tasks()

    def room(self) -> int | None:
        """Say nothing of a queue."""
        return None


def _no_tasks() -> EngineError:
    return EngineError("folder has no tasks: cedar makes its images itself")


def _time(path: Path) -> dt.datetime:
    """Noon of the date that a name ends in: that day at any longitude."""
    try:
        day = dt.datetime.strptime(path.stem[-8:], "%Y%m%d")  # noqa: DTZ007 (it gets its zone)
    except ValueError as error:
        raise EngineError(f"folder: the name of {path} doesn't end in a date, YYYYMMDD") from error
    return day.replace(hour=12, tzinfo=dt.UTC)


def _opened(path: Path) -> Any:
    try:
        return rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise EngineError(f"folder: can't read {path}: {error}") from error


def _meets(source: Any, tile: Tile) -> bool:
    left, bottom, right, top = transform_bounds(source.crs, tile.crs, *source.bounds)
    west, south, east, north = tile.bounds
    return bool(left < east and right > west and bottom < north and top > south)


def _info(collection_id: str, path: Path, time: dt.datetime, source: Any) -> ImageInfo:
    is_projected = source.crs.is_projected
    return ImageInfo(
        id=f"{collection_id}/{path.stem}",
        index=path.stem,
        time_start=int(time.timestamp() * 1000),
        # What it was when it was found: a file that is replaced is another version.
        version=path.stat().st_mtime_ns // 1000,
        bands=frozenset(source.descriptions),
        resolution=source.res[0] * source.crs.linear_units_factor[1] if is_projected else None,
    )
