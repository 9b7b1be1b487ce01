"""What a tile grid is made of: its tiles, and the checks of what describes them.

An index is always (row, column): (vertical, horizontal), counted downwards and to the right from
the grid's upper left corner. A size is always (columns, rows), a resolution (x, y).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from numbers import Integral, Real
from typing import Any, Self, TypeAlias

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.coords import BoundingBox
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from .exceptions import InputError
from .geometry import (
    LONLAT,
    area,
    full_turn,
    reproject,
    split_antimeridian,
    to_crs,
    transform_point,
)
from .lattice import Index

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
    vars(instance).update(values)


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)


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

    Examples
    --------
    >>> tile = Tile((3, 12), "EPSG:32621", (0, 0, 300, 150), res=(30, 30), size=(10, 5))
    >>> tile.vertical, tile.horizontal, tile.width, tile.height
    (3, 12, 10, 5)
    >>> tile.geojson()["geometry"]["type"]
    'Polygon'
    >>> Tile.from_dict(tile.to_dict()) == tile
    True
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

    @property
    def km2(self) -> float:
        """Area on the ellipsoid (WGS 84), in km²."""
        return area(self.outline())

    @property
    def longitude(self) -> float:
        """Of the centre, in degrees: what makes its days solar."""
        left, bottom, right, top = self.bounds
        return transform_point((left + right) / 2, (bottom + top) / 2, self.crs, to_crs(LONLAT))[0]

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
            Without what is no place: the map of a world may have corners beyond the earth.

        Raises
        ------
        InputError
            All of the tile is beyond the earth, or `crs` can't express it.
        """
        outline = self._outline(shrink, crs)
        if outline.is_empty:
            raise InputError(f"tile {self.index} lies beyond the earth: its map ends before it")
        return outline

    def _outline(self, shrink: float, crs: Any) -> BaseGeometry:
        dx, dy = shrink * self.res[0], shrink * self.res[1]
        left, bottom, right, top = self.bounds
        target = to_crs(crs)
        outline = reproject(
            shapely.box(left + dx, bottom + dy, right - dx, top - dy), self.crs, target
        )
        turn = full_turn(target)
        split = outline if turn is None else split_antimeridian(outline, turn)
        # Counterclockwise: RFC 7946, section 3.1.6.
        parts = [orient(part) for part in shapely.get_parts(split)]
        return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)

    def geojson(self, crs: Any = LONLAT) -> dict[str, Any]:
        """The tile as a GeoJSON Feature; one that lies beyond the earth has no geometry.

        Parameters
        ----------
        crs : object, optional
            System of the coordinates; RFC 7946 knows only the default.
        """
        outline = self._outline(0.0, crs)
        return {
            "type": "Feature",
            "properties": {"horizontal": self.horizontal, "vertical": self.vertical},
            "geometry": None if outline.is_empty else shapely.geometry.mapping(outline),
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

    def _repr_html_(self) -> str:
        from .drawing import Mark, svg
        from .faces import face, placed

        left, bottom, right, top = self.bounds
        width, height = right - left, top - bottom
        lines = (
            [left - width, left, right, right + width],
            [bottom - height, bottom, top, top + height],
        )
        view = BoundingBox(
            left - width / 2, bottom - height / 2, right + width / 2, top + height / 2
        )
        title = f"Tile h{self.horizontal:03d}v{self.vertical:03d}"
        figure = svg([Mark(self.bounds, {"": 1}, title)], self.crs_wkt, lines, title, view)
        facts = {"row, column": f"{self.vertical}, {self.horizontal}"}
        return face(title, facts | placed(self.bounds, self.crs_wkt, self.res, self.size), figure)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read the `document` that :meth:`to_dict` made.

        Raises
        ------
        InputError
            A key is missing or unknown, or its value can't be used.
        """
        return cls(**checked_keys(document, "tile", _KEYS))

    @classmethod
    def from_like(cls, tile: Any) -> Self:
        """Take over any object `tile` with a tile's attributes, such as a Tile of stems."""
        return cls(**attributes(tile, "tile", _KEYS))


def cell(
    index: Index,
    crs: CRS,
    crs_wkt: str,
    bounds: BoundingBox,
    res: tuple[float, float],
    size: tuple[int, int],
) -> Tile:
    """A tile of values that a grid has checked; a grid may have a hundred thousand."""
    tile = object.__new__(Tile)
    freeze(tile, index=index, crs=crs, crs_wkt=crs_wkt, bounds=bounds, res=res, size=size)
    return tile
