"""A catalog of STAC Items in a directory: the user's own rasters as Earth Engine collections."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import shapely
from rasterio.errors import RasterioIOError
from shapely.geometry.base import BaseGeometry

from ..exceptions import ConfigError
from .index import load
from .rasters import FileBand, Raster
from .stac import Item, describe, fault, located, missing
from .values import Geometry, Image, Query, ServiceError

logger = logging.getLogger(__name__)


class ItemCatalog:
    """Images that STAC Items describe, as they are when it is made.

    An Item's ``collection`` is the collection's id, its ``id`` the ``system:index``,
    ``properties.datetime`` the ``system:time_start``; its other properties come through, and
    ``geometry`` is the footprint. An asset is a band of the asset's key, or the bands that
    ``bands`` or ``eo:bands`` name. What isn't used is named in a log line.

    What Items say is checked here, and kept in the user's cache (:mod:`.index`). That their
    GeoTIFFs are there is checked when the Item is read, and whenever its image is found; that they
    can be opened, when more of a band is needed than its name.

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
        self._directory = Path(directory)
        if not self._directory.is_dir():
            raise ConfigError(f"catalog {directory}: there is no such directory", str(directory))
        self._index = load(self._directory, describe)
        unused = ", ".join(self._index.unused) or "nothing"
        logger.info("catalog %s: not used: %s", directory, unused)

    def has(self, collection: str) -> bool:
        """Whether an Item is in the collection."""
        return collection in self._index.collections

    def collections(self) -> Sequence[str]:
        """Ids of the Items' collections, sorted."""
        return list(self._index.collections)

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        """Images whose footprint and time the query leaves, by time, then system:index.

        Raises
        ------
        ServiceError
            A file of one of them is gone.
        """
        places = self._index.candidates(collection, query)
        items = [self._index.item(place) for place in places.tolist()]
        shapes = shapely.from_wkb([item["footprint"] for item in items])
        found = np.ones(len(items), np.bool_)
        for shape in query.bounds:
            shapely.prepare(shape)
            found &= shapely.intersects(shape, shapes)
        return [
            self._image(place, item, shape)
            for place, item, shape, meets in zip(places.tolist(), items, shapes, found, strict=True)
            if meets
        ]

    def image(self, image_id: str) -> Image | None:
        """The image ``<collection>/<Item's id>``, or None.

        Raises
        ------
        ServiceError
            A file of it is gone.
        """
        collection, _, index = image_id.rpartition("/")
        place = self._index.place(collection, index)
        if place is None:
            return None
        item = self._index.item(place)
        return self._image(place, item, shapely.from_wkb(item["footprint"]))

    def _image(self, place: int, item: Item, shape: BaseGeometry) -> Image:
        name, modified = self._index.file(place)
        path = f"{self._directory}{os.sep}{name}"
        bands: list[FileBand] = []
        for asset in item["assets"]:
            file, names = located(path, asset["href"]), tuple(asset["bands"])
            try:
                changed = os.stat(file).st_mtime_ns  # noqa: PTH116 - many of them
            except OSError as error:
                raise _unusable(path, missing(asset["key"], file)) from error
            look = partial(_look, path, asset["key"], file, names, changed)
            bands += (FileBand.of(band, i, look) for i, band in enumerate(names, 1))
            modified = max(modified, changed)
        return Image(
            bands=tuple(bands),
            properties={
                **item["properties"],
                "system:index": item["id"],
                "system:time_start": item["time"],
            },
            footprint=Geometry(shape),
            id=f"{item['collection']}/{item['id']}",
            # As the service's, it grows when the asset is written anew.
            version=modified // 1000,
        )


@lru_cache(maxsize=16_384)
def _look(path: str, key: str, file: str, names: tuple[str, ...], changed: int) -> Raster:
    """Look into the file of an asset, once for each time that it changes."""
    try:
        return Raster.open(Path(file), names, changed)
    except (RasterioIOError, ValueError) as error:
        raise _unusable(path, f"asset {key!r}: {file}: {error}") from error


def _unusable(path: str, problem: object) -> ServiceError:
    return ServiceError(fault(path, problem), 400, "FAILED_PRECONDITION")


def time_order(image: Image) -> tuple[int, str]:
    """What a collection is sorted by: system:time_start, then system:index."""
    return image.properties["system:time_start"], image.properties["system:index"]
