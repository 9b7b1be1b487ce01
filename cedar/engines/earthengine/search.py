"""Finding images: one request a collection and tile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import ee
import shapely

from cedar.exceptions import EngineError
from cedar.items import ImageInfo

from .filters import build
from .session import PAYLOAD, ask, translated

if TYPE_CHECKING:
    from cedar.grids import Tile
    from cedar.sensors.base import Collection

_BANDS: Final = "cedar:bands"
_RESOLUTION: Final = "cedar:resolution"
#: Images that one request lists: of 100 characters each they are a twentieth of the 10 MB that it
#: may have, and their rows are no more than one answer holds.
_LISTED: Final = 5_000


def search(
    collection: Collection,
    tile: Tile,
    start: dt.datetime,
    end: dt.datetime,
    filters: Sequence[Mapping[str, Any]],
    images: Sequence[str] | None,
) -> list[ImageInfo]:
    """Find the images of a collection that meet a tile, by time, then index.

    One request; where the range is too large for the service, one for each half of it, and one for
    each so many of the images that are wanted.
    """
    names = ["system:index", "system:time_start", "system:id", "system:version", _BANDS]
    names += [_RESOLUTION] if collection.resolution is None else []
    names += [name for name in collection.properties if name not in names]
    with translated():
        whole = ee.ImageCollection(collection.id).filterBounds(_geometry(tile))
        for recorded in filters:
            whole = whole.filter(build(recorded))
        parts = [whole] if images is None else _listed(whole, images)
    rows = [row for part in parts for row in _rows(part, collection, names, start, end)]
    found = [_info(collection.id, dict(zip(names, row, strict=True))) for row in rows]
    return sorted(found, key=lambda image: (image.time_start, image.index))


def _listed(whole: ee.ImageCollection, images: Sequence[str]) -> list[ee.ImageCollection]:
    """Return what of a collection is listed, in parts that a request can ask for."""
    return [
        whole.filter(ee.Filter.inList("system:index", list(images[first : first + _LISTED])))
        for first in range(0, len(images), _LISTED)
    ]


def _rows(
    images: ee.ImageCollection,
    collection: Collection,
    names: list[str],
    start: dt.datetime,
    end: dt.datetime,
) -> list[list[Any]]:
    """Properties of the images of a half-open range, a row an image."""
    with translated():
        dated = images.filterDate(start.isoformat(), end.isoformat())
        # Only the first may not be null: else rows that lack any property are dropped.
        reducer = ee.Reducer.toList(len(names), len(names) - 1)
        described = dated.map(lambda image: _described(image, collection))
        wanted = described.reduceColumns(reducer, names).get("list")
    try:
        rows: list[list[Any]] = ask(wanted.getInfo)
    except EngineError as error:
        # To whole milliseconds: what a date filter tells apart.
        middle = start + (end - start) // 2
        middle = middle.replace(microsecond=middle.microsecond // 1000 * 1000)
        # A shorter range makes the request itself no shorter.
        if not error.too_large or PAYLOAD in str(error) or not start < middle < end:
            raise
        earlier = _rows(images, collection, names, start, middle)
        return earlier + _rows(images, collection, names, middle, end)
    return rows


def _described(image: ee.Image, collection: Collection) -> ee.Image:
    described = {_BANDS: image.bandNames()}
    if collection.resolution is None:
        described[_RESOLUTION] = image.select([0]).projection().nominalScale()
    return ee.Image(image.set(described))


def _info(collection: str, row: dict[str, Any]) -> ImageInfo:
    index = row.pop("system:index")
    version, bands = row.pop("system:version"), row.pop(_BANDS)
    return ImageInfo(
        # Whether a mapped image keeps its id is not documented; in a plain collection it is this.
        id=row.pop("system:id") or f"{collection}/{index}",
        index=index,
        time_start=int(row.pop("system:time_start")),
        version=None if version is None else int(version),
        bands=None if bands is None else frozenset(bands),
        resolution=row.pop(_RESOLUTION, None),
        properties={name: value for name, value in row.items() if value is not None},
    )


def _geometry(tile: Tile) -> ee.Geometry:
    """Return the tile's outline, shrunk by half a pixel: it holds the pixels' centres.

    So it doesn't touch the neighbours either (`intersects` is closed).
    """
    rings = [[list(part.exterior.coords)] for part in shapely.get_parts(tile.outline(shrink=0.5))]
    if len(rings) == 1:
        return ee.Geometry.Polygon(rings[0], proj="EPSG:4326", geodesic=False)
    return ee.Geometry.MultiPolygon(rings, proj="EPSG:4326", geodesic=False)
