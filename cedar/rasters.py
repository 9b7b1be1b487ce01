"""GeoTIFF in and out, by blocks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.windows import Window

from .exceptions import StoreError

if TYPE_CHECKING:
    from cedar.grids import Tile

#: Side of the tiles inside a GeoTIFF. Blocks that start on multiples of it write each tile once.
TILE_SIDE: Final = 256
#: Of a block that is read at once, whatever the number of its bands.
BLOCK_BYTES: Final = 32 * 2**20
#: Sides that the tiles inside a file may have, so that one with all its bands isn't large.
_SIDES: Final = (TILE_SIDE, 128, 64)
_COG_SIDES: Final = (512, 256, 128)
_COG_TILE_BYTES: Final = 16 * 2**20
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

    @property
    def window(self) -> Window:
        """The rectangle, as rasterio takes it."""
        return Window(self.col, self.row, self.width, self.height)

    @property
    def bands(self) -> list[int]:
        """The bands, counted from 1."""
        return list(range(self.first + 1, self.last + 1))


@dataclass(frozen=True)
class Writing:
    """How a GeoTIFF that is made of others is written.

    Attributes
    ----------
    format : {'COG', 'GTiff'}
        Cloud Optimized or plain.
    compress : {'deflate', 'lzw', 'zstd', 'none'}
        How it is compressed; nothing is lost.
    overviews : bool
        Whether it holds smaller copies of itself (nearest).
    """

    format: Literal["COG", "GTiff"] = "COG"
    compress: Literal["deflate", "lzw", "zstd", "none"] = "deflate"
    overviews: bool = True


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
                    optimize(plain, path, Writing())
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
        "width": tile.width,
        "height": tile.height,
        "count": len(bands),
        "dtype": dtype,
        "crs": tile.crs,
        "transform": tile.transform,
        "nodata": nodata,
        "num_threads": "all_cpus",
        # On imagery zstd is as small as deflate and four times as fast, so that writing keeps up
        # with the service. GDAL and libtiff have read it since 2018. A COG, to be shared, is
        # deflate.
        "zstd_level": 1,
    }
    with created(path, "zstd", TILE_SIDE, profile) as target:
        target.descriptions = tuple(bands)
        target.update_tags(**tags)
        for block, pixels in blocks:
            target.write(pixels, block.bands, window=block.window)


def _tile_side(count: int, itemsize: int) -> int:
    return _fitting(_SIDES, count * itemsize, BLOCK_BYTES)


def blocks_of(count: int, height: int, width: int, itemsize: int) -> Iterator[Block]:
    """Cut a stack into blocks of whole tiles, row by row, of about 32 MiB at the most.

    Parameters
    ----------
    count, height, width : int
        Bands, rows and columns.
    itemsize : int
        Bytes of a pixel of a band.
    """
    side = _tile_side(count, itemsize)
    bands = max(1, min(count, BLOCK_BYTES // (side**2 * itemsize)))
    columns = max(1, BLOCK_BYTES // (bands * side**2 * itemsize)) * side
    for row in range(0, height, side):
        for col in range(0, width, columns):
            rows_left, columns_left = min(side, height - row), min(columns, width - col)
            for first in range(0, count, bands):
                last = min(first + bands, count)
                yield Block(row, col, rows_left, columns_left, first, last)


def write_like(
    path: Path,
    image: Any,
    window: Window,
    tags: Mapping[str, str],
    blocks: Iterable[tuple[Block, npt.NDArray[Any]]],
    writing: Writing,
) -> None:
    """Write a plain GeoTIFF of a window of an image: all that is said of the image is kept.

    Parameters
    ----------
    image : rasterio dataset
        What it is a part of.
    tags
        Beside the image's own.
    blocks
        Each with its pixels; rows and columns count from the window's first.
    writing
        Its compression and overviews.

    Raises
    ------
    OSError
        It couldn't be written whole.
    """
    dtype = np.dtype(image.dtypes[0])
    profile = {
        "width": window.width,
        "height": window.height,
        "count": image.count,
        "dtype": dtype.name,
        "crs": image.crs,
        "transform": image.window_transform(window),
        "nodata": image.nodata,
        # rasterio doesn't let go of the interpreter while it builds overviews, which GDAL's threads
        # then wait for to write through Python.
        "num_threads": 1 if writing.overviews else "all_cpus",
    }
    side = _tile_side(image.count, dtype.itemsize)
    with created(path, writing.compress, side, profile) as target:
        _describe(target, image, tags)
        for block, pixels in blocks:
            target.write(pixels, block.bands, window=block.window)
        if writing.overviews:
            target.build_overviews(_factors(target), Resampling.nearest)


def _describe(target: Any, image: Any, tags: Mapping[str, str]) -> None:
    target.colorinterp = image.colorinterp
    target.descriptions = image.descriptions
    target.scales, target.offsets, target.units = image.scales, image.offsets, image.units
    target.update_tags(**image.tags() | tags)
    for band in image.indexes:
        target.update_tags(band, **image.tags(band))


def _factors(image: Any) -> list[int]:
    """How much smaller each overview is, down to one that is a single tile."""
    longest = max(image.width, image.height)
    return [2**n for n in range(1, 31) if longest > TILE_SIDE * 2 ** (n - 1)]


@contextlib.contextmanager
def created(path: Path, compress: str, side: int, profile: Mapping[str, Any]) -> Iterator[Any]:
    """Give a new GeoTIFF to write to, tiled, each band by itself.

    Parameters
    ----------
    path
        The file.
    compress
        As of :class:`Writing`.
    side
        Of its tiles.
    profile
        What else rasterio.open takes: size, type and place of the pixels.

    Raises
    ------
    OSError
        Something couldn't be written, though GDAL may not have said so.
    """
    files: list[_File] = []

    def opener(name: str, mode: str = "rb") -> _File:
        files.append(_File(name, mode.replace("b", "")))
        return files[-1]

    layout = {
        "driver": "GTiff",
        "tiled": True,
        "blockxsize": side,
        "blockysize": side,
        "interleave": "band",
        "bigtiff": "IF_SAFER",
        "compress": compress,
    }
    if compress != "none":
        layout["predictor"] = 3 if np.dtype(profile["dtype"]).kind == "f" else 2
    # rasterio looks into a file that it replaces, and fails at one that a killed process left.
    path.unlink(missing_ok=True)
    try:
        with rasterio.open(path, "w", opener=opener, **layout, **profile) as target:
            yield target
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


def optimize(plain: Path, path: Path, writing: Writing) -> None:
    """Copy a raster to a COG, and compare them: some failures GDAL tells nobody.

    Raises
    ------
    RasterioIOError
        The copy is another.
    """
    with rasterio.open(plain) as one:
        side = _fitting(_COG_SIDES, one.count * np.dtype(one.dtypes[0]).itemsize, _COG_TILE_BYTES)
    with contextlib.suppress(Exception):  # They are of many kinds; what counts is what is there.
        rasterio.shutil.copy(
            plain,
            path,
            driver="COG",
            compress=writing.compress,
            predictor="no" if writing.compress == "none" else "yes",
            num_threads="all_cpus",
            blocksize=side,
            overviews="auto" if writing.overviews else "none",
            overview_resampling="nearest",
            bigtiff="if_safer",
        )
    compare(plain, path)
    with rasterio.open(path) as image:
        levels = range(len(image.overviews(1)))
    for level in levels:
        with rasterio.open(path, overview_level=level) as overview:
            for block in _blocks(overview):
                overview.read(block.bands, window=block.window)


def compare(plain: Path, path: Path) -> None:
    """Read a raster and its copy, pixel by pixel.

    Raises
    ------
    RasterioIOError
        The copy is another.
    """
    with rasterio.open(plain) as one, rasterio.open(path) as other:
        if not _are_same(one, other):
            raise rasterio.errors.RasterioIOError("the copy is another")


def _fitting(sides: Sequence[int], pixel_bytes: int, most: int) -> int:
    """The longest of some sides that makes tiles of at most so many bytes, else the shortest."""
    return next((side for side in sides if side**2 * pixel_bytes <= most), sides[-1])


def _blocks(image: Any) -> Iterator[Block]:
    itemsize = np.dtype(image.dtypes[0]).itemsize
    return blocks_of(image.count, image.height, image.width, itemsize)


def _are_same(one: Any, other: Any) -> bool:
    described = one.shape, one.dtypes, one.descriptions, one.tags().items()
    copied = (
        other.shape,
        other.dtypes,
        other.descriptions,
        one.tags().items() & other.tags().items(),
    )
    # Bits, not numbers: NaN isn't equal to itself.
    return described == copied and all(
        one.read(block.bands, window=block.window).tobytes()
        == other.read(block.bands, window=block.window).tobytes()
        for block in _blocks(one)
    )


def read_tags(path: Path) -> dict[str, str]:
    """Tags of a GeoTIFF; none where it isn't one."""
    with contextlib.suppress(rasterio.errors.RasterioIOError), rasterio.open(path) as source:
        return dict(source.tags())
    return {}
