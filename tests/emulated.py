"""What tests of the emulator's values share: images of arrays at hand, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from rasterio.warp import transform

from cedar.emulator import Emulator
from cedar.emulator.shapes import shape_in
from cedar.emulator.values import (
    AffineCoefficients,
    Band,
    Geometry,
    Grid,
    Image,
    Pixels,
    Projection,
    Query,
)

#: 30 m pixels, 8 columns and 6 rows.
NATIVE = Projection("EPSG:32619", (30.0, 0.0, 300_000.0, 0.0, -30.0, 4_700_000.0))
WIDTH, HEIGHT = 8, 6


@dataclass
class Memory:
    """A catalog of images at hand; it notes what it is asked, and finds all that is there."""

    images: Sequence[Image] = ()
    collection: str = "MEMORY"
    queries: list[Query] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def has(self, collection: str) -> bool:
        return collection == self.collection

    def collections(self) -> Sequence[str]:
        return [self.collection]

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        self.queries.append(query)
        return self.images

    def image(self, image_id: str) -> Image | None:
        self.loads.append(image_id)
        return next((image for image in self.images if image.id == image_id), None)


@dataclass(eq=False)
class Raster:
    """Reads an array at the pixels that contain the centres asked for; counts its reads."""

    values: np.ndarray
    mask: np.ndarray
    projection: Projection = NATIVE
    reads: int = 0

    def __call__(self, grid: Grid) -> Pixels:
        self.reads += 1
        x, y = grid.centers()
        if grid.crs != self.projection.crs:
            moved = transform(grid.crs, self.projection.crs, x.ravel(), y.ravel())
            x, y = (np.reshape(each, x.shape) for each in moved)
        a, _, c, _, e, f = self.projection.transform
        column, row = np.floor((x - c) / a).astype(int), np.floor((y - f) / e).astype(int)
        height, width = self.values.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = np.where(inside, column, 0), np.where(inside, row, 0)
        return Pixels(self.values[row, column], self.mask[row, column] & inside)


def make_image(index: str, time: int = 0, footprint: Any = "raster", **bands: Any) -> Image:
    """An image of MEMORY: its bands as arrays, masked arrays or (values, mask)."""
    made = []
    for name, given in bands.items():
        values, mask = given if isinstance(given, tuple) else (given, np.ones(given.shape, bool))
        raster = Raster(values, mask)
        size = (values.shape[1], values.shape[0])
        made.append(Band(name, str(values.dtype), NATIVE, raster, size))
    if footprint == "raster":
        outline = Geometry(shapely.box(0, 0, WIDTH, HEIGHT), NATIVE)
        footprint = Geometry(shape_in(outline, "EPSG:4326"))
    properties = {"system:index": index, "system:time_start": time}
    return Image(tuple(made), properties, footprint, f"MEMORY/{index}", 1)


def make_grid(
    width: int = WIDTH, height: int = HEIGHT, column: float = 0, row: float = 0, pixel: float = 1
) -> Grid:
    """Pixels beside the rasters' own: `pixel` times as large, from a column and row on."""
    a, b, c, d, e, f = NATIVE.transform
    moved: AffineCoefficients = (a * pixel, b, c + a * column, d, e * pixel, f + e * row)
    return Grid(NATIVE.crs, moved, width, height)


@contextmanager
def official_client() -> Iterator[Any]:
    """The official client, which knows the functions but sends nothing."""
    import ee
    import ee.deprecation

    ee.deprecation.deprecated_assets = {"": None}
    with Emulator() as emulator:
        ee.Initialize(None, project="any", url=emulator.url, http_transport=emulator.transport)
        yield ee
    ee.Reset()


def expression(built: Any) -> Any:
    """What the client would send."""
    import ee

    return json.loads(json.dumps(ee.serializer.encode(built)))
