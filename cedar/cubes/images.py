"""Pixels of an image that may be several files, read by blocks of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt, lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Interleaving
from rasterio.windows import Window as RasterWindow

from cedar.exceptions import CedarError
from cedar.mosaics import Mosaic
from cedar.rasters import CACHE_BYTES
from cedar.stores.files import explained

from .blocks import read as read_blocks

if TYPE_CHECKING:
    from cedar.tiles import Tile

#: How far, in pixels, an image may lie from its tile: numbers in files are rounded.
_TOLERANCE: Final = 1e-3


class Window(NamedTuple):
    """A rectangle of pixels of a tile."""

    row: int
    col: int
    height: int
    width: int


class File(NamedTuple):
    """One of an image's files, and where its first pixel lies in the image."""

    path: Path
    row: int
    col: int
    height: int
    width: int
    blocks: tuple[int, int]


@dataclass(frozen=True)
class Image:
    """One image's files, which cover a tile.

    Attributes
    ----------
    files : tuple of File
        In the order of their places.
    dtype : numpy.dtype
        Type of the pixels.
    nodata : float or None
        What the files say stands for nothing.
    descriptions : tuple of str or None
        What the files call their bands.
    is_interleaved : bool
        Whether a block of the files holds all bands, so that reading one reads them all.
    """

    files: tuple[File, ...]
    dtype: np.dtype[Any]
    nodata: float | None
    descriptions: tuple[str | None, ...]
    is_interleaved: bool

    @classmethod
    def of(cls, name: str, files: Sequence[Path], tile: Tile) -> Self:
        """Read where an item's `files` belong, and check that they cover its tile.

        Raises
        ------
        CedarError
            They don't, or aren't one image: the file that is missing or doesn't fit is named.
        StoreError
            A file can't be read.
        """
        mosaic = Mosaic.of(files)
        first = mosaic.shards[0]
        if (mosaic.height, mosaic.width) != (tile.height, tile.width):
            raise CedarError(
                f"{name}: its files in {first.path.parent} have {mosaic.width} × {mosaic.height} "
                f"pixels, and its tile {tile.width} × {tile.height}: {first.path.name} is of "
                "another tile, or others are missing"
            )
        corners = ((0, 0), (tile.width, tile.height))
        there = [~tile.transform * (first.transform * corner) for corner in corners]
        if not np.allclose(there, corners, rtol=0, atol=_TOLERANCE):
            raise CedarError(f"{first.path} doesn't lie on tile {tile.index}, which {name} is of")
        band = first.bands[0]
        return cls(
            files=tuple(
                File(each.path, each.row, each.col, each.height, each.width, each.blocks)
                for each in mosaic.shards
            ),
            dtype=np.dtype(band.dtype),
            nodata=None if band.nodata is None else float(band.nodata),
            descriptions=tuple(each.description for each in first.bands),
            is_interleaved=len(first.bands) > 1 and _is_interleaved(first.path),
        )

    def read(self, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
        """Read some bands of a window, counted from 1: (bands, rows, columns).

        Raises
        ------
        StoreError
            A file can't be read.
        """
        parts = [file for file in self.files if _meet(file, window)]
        if len(parts) == 1:
            return _read(parts[0], window, bands)
        pixels = np.empty((len(bands), window.height, window.width), self.dtype)
        for file in parts:
            part = _common(file, window)
            row, col = part.row - window.row, part.col - window.col
            into = pixels[:, row : row + part.height, col : col + part.width]
            into[...] = _read(file, part, bands)
        return pixels


def _is_interleaved(path: Path) -> bool:
    with explained(f"can't read {path}"), rasterio.open(path) as file:
        return bool(file.interleaving != Interleaving.band)


def _meet(file: File, window: Window) -> bool:
    return (
        file.row < window.row + window.height
        and window.row < file.row + file.height
        and file.col < window.col + window.width
        and window.col < file.col + file.width
    )


def _common(file: File, window: Window) -> Window:
    row, col = max(file.row, window.row), max(file.col, window.col)
    bottom = min(file.row + file.height, window.row + window.height)
    right = min(file.col + file.width, window.col + window.width)
    return Window(row, col, bottom - row, right - col)


def _read(file: File, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
    row, col, height, width = window
    there = RasterWindow(col - file.col, row - file.row, width, height)
    with (
        explained(f"can't read {file.path}"),
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES),
        rasterio.open(file.path) as source,
    ):
        return read_blocks(source, there, bands)


def steps(
    images: Sequence[Image], size: tuple[int, int], most_pixels: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cut images of one tile into rows and columns of windows, by blocks of their files.

    No window is of two files, and none cuts a block: each is read once. They are as square as
    blocks allow.

    Parameters
    ----------
    images
        That lie over each other.
    size
        Columns and rows of each.
    most_pixels : int
        Of a window; but it is one block at least.

    Returns
    -------
    heights, widths : tuple of int
        Of the windows, from the upper left.
    """
    files = [file for image in images for file in image.files]
    height = _block([(file.blocks[0], file.height) for file in files], size[1])
    width = _block([(file.blocks[1], file.width) for file in files], size[0])
    rows, cols = -(-size[1] // height), -(-size[0] // width)
    blocks = max(1, most_pixels // (height * width))
    across = min(cols, blocks, max(1, isqrt(blocks * height // width)))
    down = min(rows, blocks // across)
    across = min(cols, blocks // down)
    return (
        _steps(size[1], down * height, {file.row for file in files}),
        _steps(size[0], across * width, {file.col for file in files}),
    )


def _block(sides: Sequence[tuple[int, int]], length: int) -> int:
    """Side of a block that cuts none, of the (block's, file's) sides; at most a whole length."""
    cutting = {block for block, side in sides if block < side}
    return min(length, lcm(*cutting)) if cutting else length


def _steps(length: int, step: int, starts: Iterable[int]) -> tuple[int, ...]:
    """Lengths of steps that begin anew where a file does."""
    begins = sorted(starts)
    edges = [
        edge
        for start, end in zip(begins, [*begins[1:], length], strict=True)
        for edge in range(start, end, step)
    ]
    return tuple(after - edge for edge, after in zip(edges, [*edges[1:], length], strict=True))
