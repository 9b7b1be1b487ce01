"""What tests of orders share: the real scenes, grids over them, trackers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform

from cedar import LocalStore, TileGrid, Tracker
from cedar.engines.earthengine import EarthEngine

LANDSAT = Path(__file__).parent / "data" / "landsat"
COLLECTION = "EXAMPLE/LC08/DN"
COLLECTIONS = {
    COLLECTION: {
        "bands": {"blue": "B2", "green": "B3", "red": "B4"},
        "dtype": "uint16",
        "nodata": 0,
        "properties": ["CLOUD_COVER", "WRS_PATH", "WRS_ROW"],
    }
}
ALBERS = CRS.from_string(
    "+proj=aea +lat_1=-5 +lat_2=-42 +lat_0=-32 +lon_0=-60 +datum=WGS84 +units=m"
)
MAY = ("2020-05-01", "2020-06-01")


def utm_grid(shift=0.0):
    return TileGrid(
        ul=(730005.0 + shift, -2778015.0 - shift),
        crs="EPSG:32621",
        res=(30, 30),
        size=(300, 250),
        limits=((0, 3), (0, 3)),
        name="Paraguay east",
    )


def albers_grid():
    x, y = transform(CRS.from_epsg(32621), ALBERS, [733005.0], [-2780015.0])
    return TileGrid(
        ul=(x[0] // 30 * 30, y[0] // 30 * 30), crs=ALBERS, res=(30, 30), size=(300, 300)
    )


def real_tracker(directory, grid=None, **settings):
    """A tracker over the real scenes, into a local store."""
    settings.setdefault("engine", EarthEngine(url="emulator", catalog=LANDSAT))
    settings.setdefault("collections", COLLECTIONS)
    return Tracker(grid or utm_grid(), LocalStore(directory), **settings)


def reference(tile, tie="down-right"):
    """What the real pass looks like on a tile: (bands, rows, columns), 0 where there is nothing.

    Pixel centres through rasterio.warp.transform, then floor, or on a pixel's edge the pixel that
    `tie` says; row 78, the later, on top.
    """
    down, right = tie.split("-")
    column, row = np.meshgrid(np.arange(tile.width) + 0.5, np.arange(tile.height) + 0.5)
    x, y = tile.transform * (column, row)
    out = np.zeros((3, tile.height, tile.width), "uint16")
    for name in ("LC08_224077_20200518", "LC08_224078_20200518"):
        with rasterio.open(LANDSAT / f"{name}.tif") as source:
            there = transform(tile.crs, source.crs, x.ravel(), y.ravel())
            cols, rows = ~source.transform * (np.array(there[0]), np.array(there[1]))
            cols = (np.floor(cols) if right == "right" else np.ceil(cols) - 1).astype(int)
            rows = (np.floor(rows) if down == "down" else np.ceil(rows) - 1).astype(int)
            pixels = source.read()
        inside = (cols >= 0) & (cols < pixels.shape[2]) & (rows >= 0) & (rows < pixels.shape[1])
        found = np.zeros((3, x.size), "uint16")
        found[:, inside] = pixels[:, rows[inside], cols[inside]]
        found = found.reshape(out.shape)
        present = (found != 0).any(axis=0)
        out[:, present] = found[:, present]
    return out
