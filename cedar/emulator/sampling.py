"""Which native pixels make a pixel that is asked for: nearest, bilinear, mean, reprojection."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.warp import transform

from .bands import WGS84, Resampled, cast
from .questions import Tie, answers
from .shapes import LON_LAT, footprint, parse_crs, shape_in, transforming
from .values import (
    AffineCoefficients,
    Band,
    Geometry,
    Grid,
    Image,
    Pixels,
    Projection,
    ServiceError,
)

#: How much coarser than native may be read without a method for it.
MAX_COARSENING: Final = 1.5

#: Metres a degree: of the equator of WGS 84.
_METRES_A_DEGREE: Final = math.tau * 6378137 / 360
_MAX_REPROJECTED: Final = 2**25

Floats = npt.NDArray[np.float64]


def nominal_scale(crs: str, coefficients: AffineCoefficients) -> float:
    """Metres a pixel, where the projection is true to scale."""
    a, b, _, d, e, _ = coefficients
    units = math.sqrt(abs(a * e - b * d))
    parsed = parse_crs(crs)
    if parsed.is_geographic:
        return units * _METRES_A_DEGREE
    return units * float(parsed.linear_units_factor[1])


def check_scale(band: Band, grid: Grid) -> None:
    """Refuse a read that is coarser than native, if no method for it was asked for.

    Earth Engine would read its pyramids, which the emulator doesn't have; it has no word for
    nearest, so this can only be a rule of the reader's.

    Raises
    ------
    ServiceError
        The grid's pixels are more than 1.5 × the band's.
    """
    if band.size is None:
        return
    wanted = nominal_scale(grid.crs, grid.transform)
    native = nominal_scale(band.projection.crs, band.projection.transform)
    if wanted > MAX_COARSENING * native:
        raise ServiceError(
            f"Band {band.name!r} has pixels of {native:g} m, {wanted:g} m were asked for: the "
            "emulator has no pyramids; use resample or reduceResolution before any mosaic."
        )


def coordinates(grid: Grid, projection: Projection) -> tuple[Floats, Floats]:
    """Column and row, with fractions, of the grid's pixel centres in another projection.

    Those of the first pixel's own centre are both 0.5.
    """
    with transforming(projection.crs):
        x, y = grid.centers_in(projection.crs)
    return _pixels(x, y, projection.transform)


def cells(grid: Grid, projection: Projection) -> tuple[Floats, Floats]:
    """Column and row of the pixels of another projection that the grid's pixel centres are in."""
    return containing(*coordinates(grid, projection), answers().tie)


def containing(column: Floats, row: Floats, tie: Tie) -> tuple[Floats, Floats]:
    """The whole column and row; between two pixels, which of them is an open question."""
    return (
        np.floor(column) if tie.endswith("right") else np.ceil(column) - 1,
        np.floor(row) if tie.startswith("down") else np.ceil(row) - 1,
    )


def _pixels(x: Floats, y: Floats, coefficients: AffineCoefficients) -> tuple[Floats, Floats]:
    a, b, c, d, e, f = coefficients
    if not b and not d:
        return (x - c) / a, (y - f) / e
    determinant = a * e - b * d
    x, y = x - c, y - f
    with np.errstate(over="ignore", invalid="ignore"):  # too far off to have coordinates
        return (e * x - b * y) / determinant, (a * y - d * x) / determinant


def window(projection: Projection, columns: tuple[int, int], rows: tuple[int, int]) -> Grid:
    """The pixels of a projection from the first column and row to before the last."""
    a, b, c, d, e, f = projection.transform
    column, row = columns[0], rows[0]
    origin = (a * column + b * row + c, d * column + e * row + f)
    moved = (a, b, origin[0], d, e, origin[1])
    return Grid(projection.crs, moved, columns[1] - column, rows[1] - row)


def covering(geometry: Geometry, projection: Projection) -> Grid:
    """The pixels of a projection that cover a geometry's bounding box."""
    if geometry.projection == projection:
        west, south, east, north = geometry.shape.bounds
        x, y = np.array([west, east]), np.array([south, north])
    else:
        west, south, east, north = shape_in(geometry, projection.crs).bounds
        corners = np.array([[west, south], [west, north], [east, south], [east, north]])
        x, y = _pixels(corners[:, 0], corners[:, 1], projection.transform)
    # Rounding leaves an edge that lies on a pixel's a hair beside it.
    first = (math.floor(x.min() + 1e-6), math.floor(y.min() + 1e-6))
    last = (math.ceil(x.max() - 1e-6), math.ceil(y.max() - 1e-6))
    return window(projection, (first[0], last[0]), (first[1], last[1]))


@lru_cache(maxsize=32)
def _window_for(grid: Grid, projection: Projection, size: tuple[int, int] | None) -> Grid:
    """The native pixels around all that a grid touches, with one more on each side."""
    a, b, c, d, e, f = grid.transform
    # Pixels' corners instead of their centres: half a pixel up and left, one more each way.
    corner = (a, b, c - (a + b) / 2, d, e, f - (d + e) / 2)
    corners = Grid(grid.crs, corner, grid.width + 1, grid.height + 1)
    columns, rows = coordinates(corners, projection)
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise ServiceError(f"There are points without coordinates in {projection}.")
    left, right = math.floor(columns.min()) - 1, math.floor(columns.max()) + 2
    top, bottom = math.floor(rows.min()) - 1, math.floor(rows.max()) + 2
    if size is not None:
        left, right = _clip(left, right, size[0])
        top, bottom = _clip(top, bottom, size[1])
    width, height = right - left, bottom - top
    if width * height > _MAX_REPROJECTED:
        raise ServiceError(f"Reprojection output too large ({width}x{height} pixels).")
    return window(projection, (left, right), (top, bottom))


def _clip(first: int, last: int, size: int) -> tuple[int, int]:
    """A range within 0…size, never empty: a pixel off the raster is masked like any other."""
    first, last = max(first, 0), min(last, size)
    return (first, last) if first < last else (-1, 0)


def _taken(pixels: Pixels, column: npt.NDArray[Any], row: npt.NDArray[Any]) -> Pixels:
    """Pixels at whole columns and rows; masked outside."""
    height, width = pixels.mask.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    at = (
        np.where(inside, row, 0).astype(np.intp),
        np.where(inside, column, 0).astype(np.intp),
    )
    return Pixels(pixels.values[at], pixels.mask[at] & inside)


def _over_native(
    band: Band, projection: Projection, function: Callable[[Grid, Grid, Pixels], Pixels]
) -> Resampled:
    """A reader that has the band's pixels in a projection."""
    size = band.size if projection == band.projection else None
    return Resampled(band, partial(_window_for, projection=projection, size=size), function)


def reprojected(band: Band, projection: Projection) -> Band:
    """The band as pixels of a projection: every pixel asked for is the one that it is in."""
    read = _over_native(band, projection, _nearest)
    return replace(band, read=read, projection=projection, size=None)


def _nearest(grid: Grid, native: Grid, pixels: Pixels) -> Pixels:
    return _taken(pixels, *cells(grid, Projection(native.crs, native.transform)))


def bilinear(band: Band) -> Band:
    """The band interpolated between the four pixels whose centres are around.

    Masked where one of them with a weight above 0 is, so half a pixel along the raster's edge too.
    The type stays; integers are rounded, the half to the even one. Neither the mask nor the type is
    verified against Earth Engine.
    """
    compute = partial(_bilinear, dtype=band.dtype)
    return replace(band, read=_over_native(band, band.projection, compute))


def _bilinear(grid: Grid, native: Grid, pixels: Pixels, dtype: str) -> Pixels:
    column, row = coordinates(grid, Projection(native.crs, native.transform))
    # Centres of native pixels are at halves. What rounding leaves beside one must not count.
    column, row = np.round(column - 0.5, 6), np.round(row - 0.5, 6)
    left, top = np.floor(column), np.floor(row)
    right, down = column - left, row - top
    values = np.zeros(column.shape)
    mask = np.ones(column.shape, bool)
    for i, j, weight in (
        (0, 0, (1 - right) * (1 - down)),
        (1, 0, right * (1 - down)),
        (0, 1, (1 - right) * down),
        (1, 1, right * down),
    ):
        corner = _taken(pixels, left + i, top + j)
        counts = weight > 0
        mask &= corner.mask | ~counts
        values += np.where(counts & corner.mask, corner.values * weight, 0)
    if np.dtype(dtype).kind != "f":
        values = np.rint(values)
    return Pixels(cast(values, dtype), mask)


def mean(band: Band, max_pixels: int) -> Band:
    """The mean of the native pixels whose centres are in the pixel, without the masked ones.

    A pixel that no centre is in is the nearest one. Earth Engine weighs by the covered part of
    the pixel instead, so that it differs where grids aren't aligned. How it weighs what is masked,
    or off the raster, is not verified.
    """
    read = _over_native(band, band.projection, partial(_mean, max_pixels=max_pixels))
    return replace(band, read=read, dtype="float64")


def _mean(grid: Grid, native: Grid, pixels: Pixels, max_pixels: int) -> Pixels:
    target, inside = _targets(native, grid, answers().tie)
    shape, size = (grid.height, grid.width), grid.height * grid.width
    centers = np.bincount(target, minlength=size)
    if centers.max(initial=0) > max_pixels:
        raise ServiceError(
            f"Image.reduceResolution: {centers.max()} input pixels make one output pixel, more "
            f"than maxPixels ({max_pixels})."
        )
    mask = pixels.mask[inside]
    valid = np.bincount(target, mask, size)
    total = np.bincount(target, np.where(mask, pixels.values[inside], 0), size)
    average = np.divide(total, valid, out=np.zeros(size), where=valid > 0)
    near = _nearest(grid, native, pixels)
    empty = (centers == 0).reshape(shape)
    return Pixels(
        np.where(empty, near.values, average.reshape(shape)),
        np.where(empty, near.mask, (valid > 0).reshape(shape)),
    )


@lru_cache(maxsize=2)
def _targets(
    native: Grid, grid: Grid, tie: Tie
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Of native pixels: the flat index of the pixel of `grid` that each is in, and which are in."""
    x, y = native.centers()
    source, target = parse_crs(native.crs), parse_crs(grid.crs)
    if source != target:  # not Grid.centers_in: it would keep coordinates of millions of pixels
        with transforming(grid.crs):
            moved = transform(source, target, x.ravel(), y.ravel())
        x, y = (np.asarray(each).reshape(x.shape) for each in moved)
    column, row = containing(*_pixels(x, y, grid.transform), tie)
    inside = (column >= 0) & (column < grid.width) & (row >= 0) & (row < grid.height)
    return (row[inside] * grid.width + column[inside]).astype(np.int32), inside


def inside(geometry: Geometry) -> Band:
    """A band that is valid where a pixel's centre is in a geometry or on its edge."""
    shape = shape_in(geometry, geometry.projection.crs)
    shapely.prepare(shape)

    def read(grid: Grid) -> Pixels:
        with transforming(geometry.projection.crs):
            x, y = grid.centers_in(geometry.projection.crs)
        mask = shapely.intersects_xy(shape, x, y)
        return Pixels(mask, mask)

    return Band("inside", "bool", WGS84, read)


def joined_footprint(images: Sequence[Image]) -> Geometry | None:
    """All footprints together; None where one is unbounded, or there is none."""
    geometries = [footprint(image) for image in images]
    bounded = [shape_in(geometry, LON_LAT) for geometry in geometries if geometry is not None]
    if not bounded or len(bounded) < len(geometries):
        return None
    return Geometry(shapely.union_all(bounded))
