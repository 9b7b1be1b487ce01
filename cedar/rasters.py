"""GeoTIFF in and out, by blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.windows import Window

if TYPE_CHECKING:
    from cedar.grids import Tile

#: Side of the tiles inside a GeoTIFF. Blocks that start on multiples of it write each tile once.
TILE_SIDE: Final = 256


@dataclass(frozen=True)
class Block:
    """A part of a stack: some bands of a rectangle of pixels.

    Attributes
    ----------
    row, col, height, width : int
        The rectangle, in pixels of the tile.
    first, last : int
        Bands from first to before last, counted from 0.
    """

    row: int
    col: int
    height: int
    width: int
    first: int
    last: int


def write_geotiff(
    path: Path,
    tile: Tile,
    dtype: str,
    nodata: float,
    bands: Sequence[str],
    tags: Mapping[str, str],
    blocks: Iterable[tuple[Block, npt.NDArray[Any]]],
    cloud_optimized: bool = False,
) -> None:
    """Write a GeoTIFF from blocks: tiled, compressed, with band descriptions, nodata and tags.

    Parameters
    ----------
    bands
        A description a band, in order.
    blocks
        Each with its pixels, (bands, rows, columns).
    cloud_optimized
        Lay it out as a Cloud Optimized GeoTIFF, with overviews (nearest).
    """
    plain = path.with_suffix(".plain.tif") if cloud_optimized else path
    profile = {
        "driver": "GTiff",
        "width": tile.width,
        "height": tile.height,
        "count": len(bands),
        "dtype": dtype,
        "crs": tile.crs,
        "transform": tile.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": TILE_SIDE,
        "blockysize": TILE_SIDE,
        "interleave": "band",
        "bigtiff": "IF_SAFER",
        **_compression(dtype),
    }
    with rasterio.open(plain, "w", **profile) as target:
        target.descriptions = tuple(bands)
        target.update_tags(**tags)
        for block, pixels in blocks:
            window = Window(block.col, block.row, block.width, block.height)
            target.write(pixels, list(range(block.first + 1, block.last + 1)), window=window)
    if cloud_optimized:
        options = {"overview_resampling": "nearest", "bigtiff": "IF_SAFER", "compress": "deflate"}
        rasterio.shutil.copy(plain, path, driver="COG", **options)
        plain.unlink()


def _compression(dtype: str) -> dict[str, Any]:
    predictor = 3 if np.dtype(dtype).kind == "f" else 2
    return {"compress": "deflate", "predictor": predictor, "zlevel": 6}


def read_tags(path: Path) -> dict[str, str]:
    """Tags of a GeoTIFF; none where it isn't one."""
    with contextlib.suppress(rasterio.errors.RasterioIOError), rasterio.open(path) as source:
        return dict(source.tags())
    return {}
