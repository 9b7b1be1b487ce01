"""GeoTIFF in and out, by blocks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from .exceptions import StoreError

if TYPE_CHECKING:
    from cedar.grids import Tile

#: Side of the tiles inside a GeoTIFF. Blocks that start on multiples of it write each tile once.
TILE_SIDE: Final = 256
#: Memory that GDAL may keep written tiles in; by default it takes a twentieth of the machine's.
CACHE_BYTES: Final = 64 * 2**20


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

    Raises
    ------
    StoreError
        It couldn't be written whole, most likely for want of room. Nothing is left of it.
    """
    plain = path.with_suffix(".plain.tif") if cloud_optimized else path
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        with _whole_or_nothing(plain):
            _write(plain, tile, dtype, nodata, bands, tags, blocks)
        if cloud_optimized:
            try:
                with _whole_or_nothing(path):
                    _optimize(plain, path)
            finally:
                plain.unlink()


@contextlib.contextmanager
def _whole_or_nothing(path: Path) -> Iterator[None]:
    """Leave no part of a file that can't be written."""
    try:
        yield
    except BaseException as error:
        path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        gdals = " ".join(str(error.__cause__ or error).split())
        problem = error.strerror or f"{gdals}; is the disk full?"
        raise StoreError(f"can't write {path}: {problem}") from error


def _write(
    path: Path,
    tile: Tile,
    dtype: str,
    nodata: float,
    bands: Sequence[str],
    tags: Mapping[str, str],
    blocks: Iterable[tuple[Block, npt.NDArray[Any]]],
) -> None:
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
        "num_threads": "all_cpus",
        **_compression(dtype),
    }
    files: list[_File] = []

    def opener(name: str, mode: str = "rb") -> _File:
        files.append(_File(name, mode.replace("b", "")))
        return files[-1]

    try:
        with rasterio.open(path, "w", opener=opener, **profile) as target:
            target.descriptions = tuple(bands)
            target.update_tags(**tags)
            for block, pixels in blocks:
                window = Window(block.col, block.row, block.width, block.height)
                target.write(pixels, list(range(block.first + 1, block.last + 1)), window=window)
    finally:
        for file in files:
            if file.error is not None:
                raise file.error


class _File(io.FileIO):
    """A file that GDAL writes through, which keeps the first error for who asks afterwards.

    Of a tile that it can't write GDAL may say nothing, and write an empty one instead as it closes
    the file; or it says so on standard error.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it; what can't be written is lost."""
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) or 0 :]
        except OSError as error:
            self.error = error
        return len(data)


def _optimize(plain: Path, path: Path) -> None:
    """Copy a GeoTIFF to a Cloud Optimized one, and compare them: some failures GDAL tells nobody.

    Raises
    ------
    RasterioIOError
        The copy is another.
    """
    with contextlib.suppress(Exception):  # They are of many kinds; what counts is what is there.
        rasterio.shutil.copy(plain, path, driver="COG", **_COG)
    with rasterio.open(plain) as one, rasterio.open(path) as other:
        described = one.descriptions, one.tags().items()
        same = (other.descriptions, one.tags().items() & other.tags().items()) == described
        if not same or any(one.checksum(band) != other.checksum(band) for band in one.indexes):
            raise rasterio.errors.RasterioIOError("the copy is another")
        levels = range(len(other.overviews(1)))
    for level in levels:
        with rasterio.open(path, overview_level=level) as overview:
            for band in overview.indexes:
                overview.checksum(band)


def _compression(dtype: str) -> dict[str, Any]:
    # On imagery zstd is as small as deflate and four times as fast, so that writing keeps up with
    # the service. GDAL and libtiff have read it since 2018. A COG, to be shared, is deflate.
    predictor = 3 if np.dtype(dtype).kind == "f" else 2
    return {"compress": "zstd", "predictor": predictor, "zstd_level": 1}


_COG: Final = {"overview_resampling": "nearest", "bigtiff": "IF_SAFER", "compress": "deflate"}


def read_tags(path: Path) -> dict[str, str]:
    """Tags of a GeoTIFF; none where it isn't one."""
    with contextlib.suppress(rasterio.errors.RasterioIOError), rasterio.open(path) as source:
        return dict(source.tags())
    return {}
