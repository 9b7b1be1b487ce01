"""What a tile grid is made of: the lattice of its edges, its tiles, and the checks of both.

An index is always (row, column): (vertical, horizontal), counted downwards and to the right from
the grid's upper left corner. A size is always (columns, rows), a resolution (x, y).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite
from numbers import Integral, Real
from typing import Any, Self, TypeAlias

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.coords import BoundingBox
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from .exceptions import InputError
from .geometry import LONLAT, full_turn, reproject, split_antimeridian, to_crs

Index: TypeAlias = tuple[int, int]
Limits: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

_KEYS = ("index", "crs", "bounds", "res", "size")


def integers(value: Any, what: str, form: str) -> tuple[int, int]:
    """Check a pair of integers; `form` says in an error what the two are."""
    try:
        first, second = (operator.index(number) for number in value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be two integers {form}, not {value!r}") from error
    return first, second


def numbers(value: Any, what: str, form: str) -> tuple[float, ...]:
    """Check finite numbers, as many as `form` names; integers stay integers."""
    count = form.count(",") + 1
    given = tuple(value) if isinstance(value, Iterable) else ()
    if len(given) != count or not all(_is_finite(number) for number in given):
        raise InputError(f"{what} must be {count} numbers {form}, not {value!r}")
    return tuple(int(n) if isinstance(n, Integral) else float(n) for n in given)


def positive(values: tuple[float, ...], what: str) -> tuple[float, ...]:
    """Check that all of some numbers are above zero."""
    if min(values) <= 0:
        raise InputError(f"{what} must be positive, not {list(values)}")
    return values


def row_and_column_limits(value: Any, what: str) -> Limits:
    """Check the first and last row and column of a grid."""
    try:
        rows, cols = value
    except (TypeError, ValueError) as error:
        form = "((first row, last row), (first column, last column))"
        raise InputError(f"{what} must be {form}, not {value!r}") from error
    rows = integers(rows, what, "(first row, last row)")
    cols = integers(cols, what, "(first column, last column)")
    for first, last in (rows, cols):
        if last < first:
            raise InputError(f"{what}: {first} to {last} is backwards; the first comes first")
    return rows, cols


def checked_keys(
    document: Any, what: str, required: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, Any]:
    """Check a mapping's keys, and return it as keywords."""
    if not isinstance(document, Mapping):
        raise InputError(f"a {what} must be a mapping, not {document!r}")
    known = (*required, *optional)
    if unknown := [key for key in document if key not in known]:
        raise InputError(f"a {what} has no {unknown[0]!r}; it has {', '.join(known)}")
    if missing := [key for key in required if key not in document]:
        raise InputError(f"a {what} needs {', '.join(missing)}")
    return dict(document)


def attributes(thing: Any, what: str, names: Iterable[str]) -> dict[str, Any]:
    """Attributes of an object as keywords."""
    try:
        return {name: getattr(thing, name) for name in names}
    except AttributeError as error:
        raise InputError(f"can't take {type(thing).__name__} for a {what}: {error}") from error


def freeze(instance: Any, **values: Any) -> None:
    """Set the fields of a frozen dataclass while it is being made."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)


@dataclass(frozen=True)
class Lattice:
    """Where the edges of a grid's tiles are.

    Pixels are counted in integers first: a tile's right edge is, to the bit, the next one's left.

    Attributes
    ----------
    ul : (float, float)
        X and y of the upper left corner of cell (0, 0).
    res : (float, float)
        Width and height of a pixel.
    size : (int, int)
        Columns and rows of pixels in a cell.
    """

    ul: tuple[float, float]
    res: tuple[float, float]
    size: tuple[int, int]

    def x(self, col: int) -> float:
        """Left edge of a column."""
        return self.ul[0] + col * self.size[0] * self.res[0]

    def y(self, row: int) -> float:
        """Top edge of a row."""
        return self.ul[1] - row * self.size[1] * self.res[1]

    def col(self, x: float) -> int:
        """Column that holds an x; its left edge is its own."""
        col = floor((x - self.ul[0]) / (self.size[0] * self.res[0]))
        # The division rounds; the edges decide.
        return col + (self.x(col + 1) <= x) - (self.x(col) > x)

    def row(self, y: float) -> int:
        """Row that holds a y; its top edge is its own."""
        row = floor((self.ul[1] - y) / (self.size[1] * self.res[1]))
        return row + (self.y(row + 1) >= y) - (self.y(row) < y)

    def bounds(self, top: int, left: int, bottom: int, right: int) -> BoundingBox:
        """Bounds of the cells from one row and column to another, both inclusive."""
        return BoundingBox(self.x(left), self.y(bottom + 1), self.x(right + 1), self.y(top))

    def meeting(
        self, geometry: BaseGeometry, rows: range, cols: range, edges: bool
    ) -> Iterator[Index]:
        """Those of some cells that a geometry meets; those it only touches if `edges`."""
        if geometry.is_empty:
            return
        left, bottom, right, top = geometry.bounds
        # What lies on an edge touches the cell above or to the left, too.
        rows = _common(rows, range(self.row(top) - 1, self.row(bottom) + 1))
        cols = _common(cols, range(self.col(left) - 1, self.col(right) + 1))
        x = np.array([self.x(col) for col in range(cols.start, cols.stop + 1)], dtype=float)
        shapely.prepare(geometry)
        for row in rows:
            y = np.full(len(cols), self.y(row), dtype=float)
            below = np.full(len(cols), self.y(row + 1), dtype=float)
            boxes = shapely.box(x[:-1], below, x[1:], y)
            met = shapely.intersects(geometry, boxes)
            if not edges:
                met &= ~shapely.touches(geometry, boxes)
            yield from ((row, cols[place]) for place in np.flatnonzero(met))


@dataclass(frozen=True, init=False)
class Tile:
    """One cell of a tile grid.

    Attributes
    ----------
    index : (int, int)
        Row and column in the grid.
    crs : rasterio.crs.CRS
        Coordinate reference system.
    crs_wkt : str
        The same as WKT; by this tiles are compared.
    bounds : rasterio.coords.BoundingBox
        Left, bottom, right, top, in units of the CRS.
    res : (float, float)
        Width and height of a pixel, in units of the CRS.
    size : (int, int)
        Columns and rows of pixels.
    """

    index: Index
    crs: CRS = field(compare=False, repr=False)
    crs_wkt: str
    bounds: BoundingBox
    res: tuple[float, float]
    size: tuple[int, int]

    def __init__(
        self,
        index: Sequence[int],
        crs: Any,
        bounds: Sequence[float],
        res: Sequence[float],
        size: Sequence[int],
    ):
        what = f"tile {index!r}"
        crs = to_crs(crs)
        freeze(
            self,
            index=integers(index, f"{what}: index", "(row, column)"),
            crs=crs,
            crs_wkt=crs.wkt,
            bounds=BoundingBox(*numbers(bounds, f"{what}: bounds", "(left, bottom, right, top)")),
            res=positive(numbers(res, f"{what}: res", "(x, y)"), f"{what}: res"),
            size=positive(integers(size, f"{what}: size", "(columns, rows)"), f"{what}: size"),
        )
        spans = (self.bounds.right - self.bounds.left, self.bounds.top - self.bounds.bottom)
        for span, pixel, count in zip(spans, self.res, self.size, strict=True):
            if abs(span - pixel * count) > pixel / 1000:
                raise InputError(f"{what}: bounds {tuple(self.bounds)} aren't size × res")

    @property
    def vertical(self) -> int:
        """Row of the tile in its grid."""
        return self.index[0]

    @property
    def horizontal(self) -> int:
        """Column of the tile in its grid."""
        return self.index[1]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.size[0]

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.size[1]

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel's upper left corner to (x, y)."""
        return Affine(self.res[0], 0, self.bounds.left, 0, -self.res[1], self.bounds.top)

    @property
    def bbox(self) -> shapely.Polygon:
        """The bounds as a polygon, in the tile's CRS."""
        bbox: shapely.Polygon = shapely.box(*self.bounds)
        return bbox

    def coords(self, center: bool = True) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of the pixels, y (height values, falling) and x (width values, rising).

        Parameters
        ----------
        center : bool, optional
            Of the pixels' centres; else of their upper left corners.
        """
        shift = 0.5 if center else 0.0
        y = self.bounds.top - (np.arange(self.height) + shift) * self.res[1]
        x = self.bounds.left + (np.arange(self.width) + shift) * self.res[0]
        return y, x

    def outline(self, shrink: float = 0.0, crs: Any = LONLAT) -> BaseGeometry:
        """Outline of the tile, edges densified, split at the antimeridian.

        Parameters
        ----------
        shrink : float, optional
            Pixels to leave out along every edge.
        crs : object, optional
            System to give it in; longitude and latitude (WGS 84) if left out.

        Returns
        -------
        shapely Polygon or MultiPolygon
        """
        dx, dy = shrink * self.res[0], shrink * self.res[1]
        left, bottom, right, top = self.bounds
        target = to_crs(crs)
        outline = reproject(
            shapely.box(left + dx, bottom + dy, right - dx, top - dy), self.crs, target
        )
        turn = full_turn(target)
        return outline if turn is None else split_antimeridian(outline, turn)

    def geojson(self, crs: Any = LONLAT) -> dict[str, Any]:
        """The tile as a GeoJSON Feature.

        Parameters
        ----------
        crs : object, optional
            System of the coordinates; RFC 7946 knows only the default.
        """
        return {
            "type": "Feature",
            "properties": {"horizontal": self.horizontal, "vertical": self.vertical},
            "geometry": shapely.geometry.mapping(self.outline(crs=crs)),
        }

    def to_dict(self) -> dict[str, Any]:
        """The form in which a record keeps a tile; JSON and YAML bring it back equal."""
        return {
            "index": list(self.index),
            "crs": self.crs_wkt,
            "bounds": list(self.bounds),
            "res": list(self.res),
            "size": list(self.size),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` made.

        Raises
        ------
        InputError
            A key is missing or unknown, or its value can't be used.
        """
        return cls(**checked_keys(document, "tile", _KEYS))

    @classmethod
    def from_like(cls, tile: Any) -> Self:
        """Take over any object with a tile's attributes, such as a Tile of stems."""
        return cls(**attributes(tile, "tile", _KEYS))
