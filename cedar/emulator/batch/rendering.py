"""An export's files: GeoTIFFs that are computed and written block by block."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

from ..evaluate import evaluate, render
from ..limits import Limit, are_in_force
from ..questions import answers
from ..sampling import covering, window
from ..values import Band, Catalog, Grid, Image, Pixels, ServiceError
from .export import Export

#: Bytes of a block's values and masks, unless a single tile has more.
_BLOCK_BYTES: Final = 16 * 2**20
#: Side of a block: coordinates take memory too, however few the bands are.
_BLOCK_SIDE: Final = 512
#: The least side of a COG's tiles, by GDAL's driver.
_COG_SIDE: Final = 128
#: Memory that GDAL may keep written tiles in; by default it takes a twentieth of the machine's.
_CACHE_BYTES: Final = 64 * 2**20
#: Name of a shard's file until it is where it goes, before its suffix.
LOCAL: Final = "shard"

#: Types of bands as GDAL, and so the service, names them; masks are bytes.
_TYPES: Final = {
    "bool": "Byte",
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}
#: Bytes of a tile's values and masks: field reports, of 80 MiB.
_TILE_BYTES: Final = Limit(
    80 * 2**20,
    "Output of image computation is too large ({bands} bands for {pixels} pixels = {size:.1f} MiB "
    "> 80.0 MiB).\nIf this is a reduction, try specifying a larger 'tileScale' parameter.",
)
_NO_PIXELS: Final = "The image's footprint has none of its pixels."


class Progress(Protocol):
    """Told how far a task has come."""

    def __call__(self, **columns: int) -> None:
        """Note it, or raise what ends the task."""


@dataclass(frozen=True)
class Part:
    """A rectangle of pixels.

    Attributes
    ----------
    row, col, height, width : int
        Counted in the pixels of what it is a part of.
    """

    row: int
    col: int
    height: int
    width: int

    def of(self, grid: Grid) -> Grid:
        """The pixels of a grid that it is."""
        a, b, c, d, e, f = grid.transform
        x, y = a * self.col + b * self.row + c, d * self.col + e * self.row + f
        return Grid(grid.crs, (a, b, x, d, e, y), self.width, self.height)


def cut(height: int, width: int, size: tuple[int, int]) -> list[Part]:
    """Cut a rectangle into parts of at most so many columns and rows, row by row."""
    columns, rows = size
    return [
        Part(row, col, min(rows, height - row), min(columns, width - col))
        for row in range(0, height, rows)
        for col in range(0, width, columns)
    ]


def suffix(shard: Part, *, alone: bool) -> str:
    """What a shard's name has after the prefix; nothing, if it is the only one."""
    dash = "-" if answers().shard_dash else ""
    return "" if alone else f"{dash}{shard.row:010d}-{shard.col:010d}"


def render_shards(
    export: Export, catalog: Catalog, directory: Path, progress: Progress
) -> list[Path]:
    """Make an export's files.

    Parameters
    ----------
    export : Export
    catalog : Catalog
        Where images come from.
    directory : Path
        Where to put them.
    progress : callable
        Called before each block.

    Returns
    -------
    list of Path
        Row by row; the names are :data:`LOCAL` and what is to come after the prefix.

    Raises
    ------
    ServiceError
        What the task fails with.
    """
    image = evaluate(export.expression, catalog)
    if not isinstance(image, Image):
        raise ServiceError("The expression does not evaluate to an image.")
    if not image.bands:
        raise ServiceError("The image has no bands.")
    grid = export.grid or _own_grid(image)
    dtype = _check(image, grid, export)
    shards = cut(grid.height, grid.width, export.file_size)
    side = _block_side(image.bands, export.tile_size)
    parts = [cut(shard.height, shard.width, (side, side)) for shard in shards]
    to_compute = sum(map(len, parts))
    progress(to_compute=to_compute, to_write=len(shards))
    files, computed = [], itertools.count()
    for shard, blocks in zip(shards, parts, strict=True):
        path = directory / f"{LOCAL}{suffix(shard, alone=len(shards) == 1)}.tif"
        here = shard.of(grid)
        bands = _rendered(image, here, blocks, lambda: progress(computed=next(computed)))
        names = [band.name for band in image.bands]
        if _write(path, here, names, dtype, export, bands) or not export.skip_empty:
            files.append(path)
    progress(computed=to_compute)
    return files


def _rendered(
    image: Image, grid: Grid, blocks: Sequence[Part], before_each: Callable[[], None]
) -> Iterator[tuple[Part, Sequence[Pixels]]]:
    """All bands of a grid, block by block."""
    for block in blocks:
        before_each()
        bands = render(image, block.of(grid), strict_scale=are_in_force())
        yield block, [pixels for _, pixels in bands]


def _own_grid(image: Image) -> Grid:
    """The pixels of an image's own projection that cover it, as far as it has some."""
    own = {(band.projection, band.size) for band in image.bands}
    if len(own) != 1 or image.footprint is None:
        raise ServiceError("Unable to export unbounded image.")
    if image.footprint.shape.is_empty:
        raise ServiceError(_NO_PIXELS)
    ((projection, size),) = own
    grid = covering(image.footprint, projection)
    if size is None or image.grid is not None:  # no raster's own, or bounds that were asked for
        return grid
    corner = grid.transform[2], grid.transform[5]
    col, row = (round(place) for place in ~Affine(*projection.transform) * corner)
    columns = max(col, 0), min(col + grid.width, size[0])
    rows = max(row, 0), min(row + grid.height, size[1])
    if columns[0] >= columns[1] or rows[0] >= rows[1]:
        raise ServiceError(_NO_PIXELS)
    return window(projection, columns, rows)


def _check(image: Image, grid: Grid, export: Export) -> str:
    """Refuse what the service refuses; the type that holds all bands."""
    pixels = grid.width * grid.height
    if pixels > export.max_pixels:
        raise ServiceError(
            f"Export too large: specified {pixels} pixels (max: {export.max_pixels}). Specify "
            "higher maxPixels value if you intend to export a large area."
        )
    types = list(dict.fromkeys(_TYPES[band.dtype] for band in image.bands))
    if len(types) > 1 and are_in_force():
        raise ServiceError(
            "Exported bands must have compatible data types; found inconsistent types: "
            f"{', '.join(types[:-1])} and {types[-1]}."
        )
    tile = export.tile_size**2
    size = tile * _bytes_a_pixel(image.bands)
    _TILE_BYTES.check(size, bands=len(image.bands), pixels=tile, size=size / 2**20)
    dtype = np.result_type(*(np.dtype(_numpy(band.dtype)) for band in image.bands))
    if export.no_data is not None and not _holds(dtype, export.no_data):
        raise ServiceError(f"noData is {export.no_data:g}, which no {_TYPES[dtype.name]} can be.")
    return dtype.name


def _numpy(dtype: str) -> str:
    return "uint8" if dtype == "bool" else dtype


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f":
        return True
    info = np.iinfo(dtype)
    return math.isfinite(value) and value == int(value) and info.min <= value <= info.max


def _bytes_a_pixel(bands: Sequence[Band]) -> int:
    """Bytes of a pixel's values; the mask counts, a byte a band."""
    return sum(np.dtype(band.dtype).itemsize + 1 for band in bands)


def _block_side(bands: Sequence[Band], tile_size: int) -> int:
    """Side of the blocks that are computed: whole tiles, so that each is written once."""
    most = min(_BLOCK_SIDE, math.isqrt(_BLOCK_BYTES // _bytes_a_pixel(bands)))
    return max(tile_size, most // tile_size * tile_size)


def _write(
    path: Path,
    grid: Grid,
    names: Sequence[str],
    dtype: str,
    export: Export,
    blocks: Iterator[tuple[Part, Sequence[Pixels]]],
) -> bool:
    """Write a GeoTIFF; tell whether a pixel of it is valid. Masked ones are 0, as in the NPY's."""
    profile = {
        "driver": "GTiff",
        "count": len(names),
        "dtype": dtype,
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "width": grid.width,
        "height": grid.height,
        "nodata": export.no_data,
        "tiled": True,
        "blockxsize": export.tile_size,
        "blockysize": export.tile_size,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 3 if np.dtype(dtype).kind == "f" else 2,
        "bigtiff": "IF_SAFER",
    }
    plain = path.with_suffix(".plain") if export.cloud_optimized else path
    any_valid = False
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        with rasterio.open(plain, "w", **profile) as target:
            target.descriptions = names
            target.update_tags(EMULATED="cedar.emulator")
            for block, bands in blocks:
                there = Window(block.col, block.row, block.width, block.height)
                for i, pixels in enumerate(bands, 1):
                    target.write(pixels.values.astype(dtype, copy=False), i, window=there)
                    any_valid = any_valid or bool(pixels.mask.any())
        if export.cloud_optimized:
            rasterio.shutil.copy(
                plain,
                path,
                driver="COG",
                blocksize=max(export.tile_size, _COG_SIDE),
                compress="deflate",
                overview_resampling="nearest",
                bigtiff="IF_SAFER",
            )
            plain.unlink()
    return any_valid
