"""A catalog of STAC Items in a directory: the user's own rasters as Earth Engine collections."""

from __future__ import annotations

import datetime as dt
import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import shapely
from rasterio.errors import RasterioIOError

from ..exceptions import ConfigError
from .rasters import Raster, read_band
from .values import Band, Geometry, Image, Query

logger = logging.getLogger(__name__)

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_USED: Final = frozenset({"type", "id", "collection", "geometry", "properties", "assets"})


class ItemCatalog:
    """Images that STAC Items describe; read once, when it is made.

    An Item's ``collection`` is the collection's id, its ``id`` the ``system:index``,
    ``properties.datetime`` the ``system:time_start``; its other properties come through, and
    ``geometry`` is the footprint. An asset is a band of the asset's key, or the bands that
    ``bands`` or ``eo:bands`` name. What isn't used is named in a log line.

    Parameters
    ----------
    directory : path
        Searched for ``*.json`` at any depth; files that aren't a GeoJSON Feature are left.

    Raises
    ------
    ConfigError
        There is no such directory, no Item in it, two Items of one id, or one that can't be used.
    """

    def __init__(self, directory: str | Path):
        directory = Path(directory)
        if not directory.is_dir():
            raise ConfigError(f"catalog {directory}: there is no such directory", str(directory))
        unused: set[str] = set()
        self._images: dict[str, Image] = {}
        sources: dict[str, Path] = {}
        for path in sorted(directory.rglob("*.json")):
            image = _read(path, unused)
            if image is None:
                continue
            image_id = str(image.id)
            if image_id in sources:
                raise _fault(path, f"{image_id} is described by {sources[image_id]} too")
            self._images[image_id], sources[image_id] = image, path
        if not self._images:
            raise ConfigError(f"catalog {directory}: no STAC Item is in it", str(directory))
        logger.info("catalog %s: not used: %s", directory, ", ".join(sorted(unused)) or "nothing")
        self._indexes = _index(self._images.values())

    def has(self, collection: str) -> bool:
        """Whether an Item is in the collection."""
        return collection in self._indexes

    def collections(self) -> Sequence[str]:
        """Ids of the Items' collections, sorted."""
        return sorted(self._indexes)

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        """Images whose footprint and time the query leaves, by time, then system:index."""
        return self._indexes[collection].search(query)

    def image(self, image_id: str) -> Image | None:
        """The image ``<collection>/<Item's id>``, or None."""
        return self._images.get(image_id)


class _Index:
    """Images of one collection, by place and time."""

    def __init__(self, images: Iterable[Image]):
        self._images = sorted(images, key=time_order)
        self._times = [image.properties["system:time_start"] for image in self._images]
        # Every Item has a footprint.
        self._tree = shapely.STRtree([i.footprint.shape for i in self._images if i.footprint])

    def search(self, query: Query) -> Sequence[Image]:
        first = 0 if query.start is None else bisect_left(self._times, query.start)
        last = len(self._times) if query.end is None else bisect_left(self._times, query.end)
        found = set(range(first, last))
        for shape in query.bounds:
            found &= set(self._tree.query(shape, predicate="intersects").tolist())
        return [self._images[i] for i in sorted(found)]


def time_order(image: Image) -> tuple[int, str]:
    """What a collection is sorted by: system:time_start, then system:index."""
    return image.properties["system:time_start"], image.properties["system:index"]


def _index(images: Iterable[Image]) -> dict[str, _Index]:
    members: dict[str, list[Image]] = {}
    for image in images:
        members.setdefault(str(image.id).rpartition("/")[0], []).append(image)
    return {collection: _Index(found) for collection, found in members.items()}


def _fault(path: Path, problem: str) -> ConfigError:
    return ConfigError(f"catalog: {path}: {problem}", str(path))


def _read(path: Path, unused: set[str]) -> Image | None:
    """The image that a file describes; None where it is no Item."""
    try:
        item = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _fault(path, f"it can't be read as JSON: {error}") from error
    if not isinstance(item, dict) or item.get("type") != "Feature":
        unused.add(f"file {path.name}")
        return None
    unused.update(f"Item.{key}" for key in item.keys() - _USED)
    collection, index = _text(path, item, "collection"), _text(path, item, "id")
    if "/" in index:
        raise _fault(path, f"id {index!r} holds a /, so it can't be a system:index")
    time_start = _time_start(path, item)
    rasters = _rasters(path, item, unused)
    return Image(
        bands=_bands(path, rasters),
        properties={
            **_properties(item["properties"], unused),
            "system:index": index,
            "system:time_start": time_start,
        },
        footprint=_footprint(path, item),
        id=f"{collection}/{index}",
        # As the service's, it grows when the asset is written anew.
        version=max(p.stat().st_mtime_ns for p in (path, *(r.path for r in rasters))) // 1000,
    )


def _text(path: Path, item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise _fault(path, f"{key} is missing, or no text")
    return value


def _time_start(path: Path, item: Mapping[str, Any]) -> int:
    properties = item.get("properties")
    given = properties.get("datetime") if isinstance(properties, dict) else None
    try:
        time = dt.datetime.fromisoformat(str(given))
    except ValueError as error:
        raise _fault(path, f"properties.datetime {given!r} is no time") from error
    if time.tzinfo is None:
        raise _fault(path, f"properties.datetime {given!r} has no offset, such as a final Z")
    return (time - _EPOCH) // dt.timedelta(milliseconds=1)


def _properties(given: Mapping[str, Any], unused: set[str]) -> dict[str, Any]:
    """Those that an image can have: numbers, texts, and lists of them."""
    kept = {}
    for key, value in given.items():
        values = value if isinstance(value, list) else [value]
        if all(isinstance(v, str | int | float) for v in values):
            kept[key] = value
        else:
            unused.add(f"properties.{key}")
    del kept["datetime"]
    return kept


def _footprint(path: Path, item: Mapping[str, Any]) -> Geometry:
    try:
        shape = shapely.geometry.shape(item["geometry"])
    except Exception as error:  # shapely raises whatever the wrong JSON leads to
        raise _fault(path, f"geometry is no GeoJSON geometry: {error}") from error
    if shape.is_empty or not shape.is_valid:
        problem = "it is empty" if shape.is_empty else shapely.is_valid_reason(shape)
        raise _fault(path, f"geometry can't be used: {problem}")
    return Geometry(shape)


def _rasters(path: Path, item: Mapping[str, Any], unused: set[str]) -> list[Raster]:
    assets = item.get("assets")
    if not isinstance(assets, dict):
        raise _fault(path, "assets is missing")
    rasters = []
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            raise _fault(path, f"asset {key!r} has no href")
        if not _is_geotiff(asset):
            unused.add(f"asset {key}")
            continue
        rasters.append(_raster(path, key, asset))
    return rasters


def _is_geotiff(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type"))
    return kind.startswith("image/tiff") or asset["href"].lower().endswith((".tif", ".tiff"))


def _raster(path: Path, key: str, asset: Mapping[str, Any]) -> Raster:
    href = path.parent / asset["href"]
    described = asset.get("bands") or asset.get("eo:bands") or [{"name": key}]
    if not isinstance(described, list) or not all(
        isinstance(band, dict) and isinstance(band.get("name"), str) for band in described
    ):
        raise _fault(path, f"asset {key!r} has a band without a name")
    if not href.is_file():
        raise _fault(path, f"asset {key!r}: there is no file {href}")
    try:
        return Raster.open(href, tuple(band["name"] for band in described))
    except (RasterioIOError, ValueError) as error:
        raise _fault(path, f"asset {key!r}: {href}: {error}") from error


def _bands(path: Path, rasters: Sequence[Raster]) -> tuple[Band, ...]:
    bands = tuple(
        Band(
            name,
            raster.dtypes[i],
            raster.projection,
            partial(read_band, raster, i + 1),
            raster.size,
        )
        for raster in rasters
        for i, name in enumerate(raster.names)
    )
    names = [band.name for band in bands]
    if not names:
        raise _fault(path, "no asset is a GeoTIFF")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _fault(path, f"two bands are named {twice[0]!r}")
    return bands
