"""Files read at the pixel centres of a grid: nearest sampling, by exact coordinates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.windows import Window

from .sampling import cells
from .values import Band, Grid, Pixels, Projection


@dataclass(frozen=True)
class Raster:
    """What there is to know of a file before its pixels are read.

    Attributes
    ----------
    path : Path
        The file.
    names, dtypes : tuple of str
        Of its bands.
    projection : Projection
        CRS (authority code, or WKT where no code is exactly it) and affine coefficients.
    size : (int, int)
        Columns and rows.
    changed : int
        When it was modified, ns since 1970.
    """

    path: Path
    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    projection: Projection
    size: tuple[int, int]
    changed: int

    @classmethod
    def open(cls, path: Path, names: tuple[str, ...], changed: int) -> Self:
        """Look into a file.

        Raises
        ------
        rasterio.errors.RasterioIOError
            It can't be opened.
        ValueError
            It has no CRS, or not one band for each name.
        """
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                raise ValueError("has no CRS")
            if dataset.count != len(names):
                raise ValueError(f"has {dataset.count} bands, but {len(names)} are named")
            return cls(
                path,
                names,
                tuple(dataset.dtypes),
                Projection(_crs_text(dataset.crs), tuple(dataset.transform)[:6]),
                (dataset.width, dataset.height),
                changed,
            )


def _crs_text(crs: CRS) -> str:
    code = crs.to_epsg()
    # to_epsg takes a near match for one.
    return f"EPSG:{code}" if code and CRS.from_epsg(code) == crs else str(crs.to_wkt())


class _Readers(threading.local):
    """Open files of one thread: GDAL's handles must not be used by two at once."""

    def __init__(self) -> None:
        self.open = lru_cache(maxsize=16)(_opened)


def _opened(path: Path, changed: int) -> rasterio.DatasetReader:  # noqa: ARG001 - opens it anew
    return rasterio.open(path)


_readers = _Readers()


def read_band(raster: Raster, band: int, grid: Grid) -> Pixels:
    """A band's values where the grid's pixel centres lie; masked off the raster.

    Parameters
    ----------
    raster : Raster
        The file.
    band : int
        From 1.
    grid : Grid
        The pixels wanted.
    """
    column, row, inside = _cells(grid, raster)
    values = np.zeros(inside.shape, raster.dtypes[band - 1])
    mask = np.zeros(inside.shape, np.bool_)
    if inside.any():
        left, top = int(column.min()), int(row.min())
        window = Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
        dataset = _readers.open(raster.path, raster.changed)
        values[inside] = dataset.read(band, window=window)[row - top, column - left]
        mask[inside] = dataset.read_masks(band, window=window)[row - top, column - left] != 0
    return Pixels(values, mask)


class FileBand(Band):
    """A band of a file that isn't looked into before more than the band's name is needed."""

    _number: int
    _look: Callable[[], Raster]

    @classmethod
    def of(cls, name: str, number: int, look: Callable[[], Raster]) -> Self:
        """A band by its number, from 1, of the file that `look` looks into."""
        band = cls.__new__(cls)
        read = partial(_read, look, number)
        vars(band).update(name=name, read=read, _number=number, _look=look)
        return band

    @cached_property
    def dtype(self) -> str:
        """Of its pixels."""
        return self._look().dtypes[self._number - 1]

    @cached_property
    def projection(self) -> Projection:
        """Of the file."""
        return self._look().projection

    @cached_property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the file."""
        return self._look().size


def _read(look: Callable[[], Raster], number: int, grid: Grid) -> Pixels:
    return read_band(look(), number, grid)


def _cells(
    grid: Grid, raster: Raster
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Columns and rows of those centres that are inside, and which these are."""
    width, height = raster.size
    # Where the transform has no answer its coordinates are infinite.
    with np.errstate(invalid="ignore"):
        column, row = cells(grid, raster.projection)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return column[inside].astype(np.intp), row[inside].astype(np.intp), inside
