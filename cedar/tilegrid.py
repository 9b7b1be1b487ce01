"""A tile grid: a tiling scheme, its tiles, and which of them cover a place."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any, Final, Self

import shapely
from affine import Affine
from rasterio.coords import BoundingBox
from rasterio.crs import CRS

from .exceptions import InputError
from .geometry import LONLAT, full_turn, reproject, to_crs, transform_point, translate
from .lattice import Index, Lattice
from .regions import parse_roi
from .tiles import (
    Limits,
    Tile,
    attributes,
    cell,
    checked_keys,
    freeze,
    integers,
    numbers,
    positive,
    row_and_column_limits,
)

_KEYS = ("ul", "crs", "res", "size")
_OPTIONAL_KEYS = ("limits", "name")
_ENDLESS: Final = range(-sys.maxsize, sys.maxsize)


@dataclass(frozen=True, init=False)
class TileGrid(Mapping[Index, Tile]):
    """A tiling scheme: a mapping of (row, column) to tiles.

    Parameters
    ----------
    ul : (float, float)
        X and y of the upper left corner of tile (0, 0).
    crs : object
        Coordinate reference system: anything that pyproj reads.
    res : (float, float)
        Width and height of a pixel, both positive.
    size : (int, int)
        Columns and rows of pixels in a tile.
    limits : ((int, int), (int, int)), optional
        First and last row, first and last column, all inclusive. None: the grid has no end, and
        can't be counted or iterated; negative indices are tiles like others.
    name : str, optional
        What to call it.

    Attributes
    ----------
    crs : rasterio.crs.CRS
        Coordinate reference system.
    crs_wkt : str
        The same as WKT; by this grids are compared.

    Raises
    ------
    InputError
        A value can't be used.

    Examples
    --------
    >>> grid = TileGrid((0, 100), "EPSG:32621", (10, 10), (5, 5), limits=((0, 1), (0, 2)))
    >>> len(grid), (1, 2) in grid, (2, 0) in grid
    (6, True, False)
    >>> grid[1, 2].bounds
    BoundingBox(left=100, bottom=0, right=150, top=50)
    >>> grid.point_to_tile(60, 30).index
    (1, 1)
    >>> [tile.index for tile in grid.bounds_to_tiles((40, 60, 60, 90))]
    [(0, 0), (0, 1)]
    >>> TileGrid.from_dict(grid.to_dict()) == grid
    True
    """

    name: str | None
    ul: tuple[float, float]
    crs: CRS = field(compare=False, repr=False)
    crs_wkt: str
    res: tuple[float, float]
    size: tuple[int, int]
    limits: Limits | None

    def __init__(
        self,
        ul: Sequence[float],
        crs: Any,
        res: Sequence[float],
        size: Sequence[int],
        limits: Sequence[Sequence[int]] | None = None,
        name: str | None = None,
    ):
        if not (name is None or isinstance(name, str)):
            raise InputError(f"tile grid: name must be text, not {name!r}")
        what = "tile grid" if name is None else f"tile grid {name!r}"
        crs = to_crs(crs)
        freeze(
            self,
            name=name,
            ul=numbers(ul, f"{what}: ul", "(x, y)"),
            crs=crs,
            crs_wkt=crs.wkt,
            res=positive(numbers(res, f"{what}: res", "(x, y)"), f"{what}: res"),
            size=positive(integers(size, f"{what}: size", "(columns, rows)"), f"{what}: size"),
            limits=None if limits is None else row_and_column_limits(limits, f"{what}: limits"),
        )

    @property
    def rows(self) -> list[int]:
        """Row numbers of all tiles; InputError if the grid has no limits."""
        return list(self._numbered(0))

    @property
    def cols(self) -> list[int]:
        """Column numbers of all tiles; InputError if the grid has no limits."""
        return list(self._numbered(1))

    @property
    def nrow(self) -> int:
        """Rows of tiles."""
        return len(self._numbered(0))

    @property
    def ncol(self) -> int:
        """Columns of tiles."""
        return len(self._numbered(1))

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel, counted from the grid's corner, to (x, y)."""
        return Affine(self.res[0], 0, self.ul[0], 0, -self.res[1], self.ul[1])

    @cached_property
    def _lattice(self) -> Lattice:
        return Lattice(self.ul, self.res, self.size)

    def __getitem__(self, index: Sequence[int]) -> Tile:
        return self._tile(self._checked(index))

    def __contains__(self, index: object) -> bool:
        try:
            self._checked(index)
        except InputError:
            return False
        return True

    def get(self, index: Any, default: Any = None) -> Any:
        """The tile at an index, or `default` where there is none."""
        try:
            return self[index]
        except InputError:
            return default

    def __iter__(self) -> Iterator[Index]:
        return ((row, col) for row in self._numbered(0) for col in self._numbered(1))

    def __len__(self) -> int:
        return self.nrow * self.ncol

    def __bool__(self) -> bool:
        # Without limits there is no length to tell it by.
        return True

    def tiles(
        self, rows: Iterable[int] | None = None, cols: Iterable[int] | None = None
    ) -> list[Tile]:
        """Every row with every column, row by row.

        Parameters
        ----------
        rows, cols : iterable of int, optional
            Which; None means all of the grid's, an empty one none.

        Raises
        ------
        InputError
            A tile is outside the limits, or all are asked for of a grid without any.
        """
        rows = self._numbered(0) if rows is None else dict.fromkeys(rows)
        cols = self._numbered(1) if cols is None else dict.fromkeys(cols)
        return [self[row, col] for row in rows for col in cols]

    def roi_to_tiles(self, roi: Any, crs: Any = None) -> list[Tile]:
        """Tiles that a region of interest covers, row by row.

        Of the region's polygons, the tiles with which they share area, be it a sliver (the outline
        of a tile in another system meets the neighbours, shrunk by a pixel it doesn't); of its
        lines and points, every tile they touch.

        Parameters
        ----------
        roi : object
            A shapely geometry, GeoJSON as a mapping, or anything with ``__geo_interface__``.
            What crosses the antimeridian is split there (RFC 7946), or has longitudes beyond it.
        crs : object, optional
            Its system. If None: of GeoJSON its ``crs`` member, else longitude and latitude; of
            other objects their attribute ``crs``, else the grid's.

        Returns
        -------
        list of Tile
            Empty where the region and the grid don't meet.

        Raises
        ------
        InputError
            The region can't be read, or not be expressed in the grid's system.
        """
        geometry, source = parse_roi(roi, crs)
        geometry = reproject(geometry, source or self.crs, self.crs, within=self._extent())
        rows, cols = self._searched()
        found: set[Index] = set()
        for shift in self._shifts():
            parts = shapely.get_parts(translate(geometry, shift))
            flat = shapely.get_dimensions(parts) < 2
            for part, edges in ((parts[~flat], False), (parts[flat], True)):
                found.update(self._lattice.meeting(part, rows, cols, edges))
        return [self._tile(index) for index in sorted(found)]

    def bounds_to_tiles(self, bounds: Sequence[float], crs: Any = None) -> list[Tile]:
        """Tiles that share area with a bounding box, row by row.

        Parameters
        ----------
        bounds : (float, float, float, float)
            Left, bottom, right, top. In longitude and latitude, a left greater than the right
            means that the box crosses the antimeridian.
        crs : object, optional
            Its system; the grid's if None.

        Raises
        ------
        InputError
            The bounds can't be used.
        """
        left, bottom, right, top = numbers(bounds, "bounds", "(left, bottom, right, top)")
        source = self.crs if crs is None else to_crs(crs)
        if right < left:
            right += full_turn(source) or 0
        if not (left < right and bottom < top):
            raise InputError(f"bounds {tuple(bounds)} have no area; give left, bottom, right, top")
        return self.roi_to_tiles(shapely.box(left, bottom, right, top), source)

    def point_to_tile(self, x: float, y: float, crs: Any = None) -> Tile:
        """The one tile that holds a point; a tile's left and top edges are its own.

        Parameters
        ----------
        x, y : float
            The point.
        crs : object, optional
            Its system; the grid's if None.

        Raises
        ------
        InputError
            The point is outside the grid's limits.
        """
        source = self.crs if crs is None else to_crs(crs)
        x, y = numbers((x, y), "point", "(x, y)")
        moved_x, moved_y = transform_point(x, y, source, self.crs)
        if isfinite(moved_x) and isfinite(moved_y):
            rows, cols = self._searched()
            row = self._lattice.row(moved_y)
            for shift in self._shifts():
                col = self._lattice.col(moved_x + shift)
                if row in rows and col in cols:
                    return self[row, col]
        raise InputError(f"point ({x}, {y}) is outside {self._described()}")

    def geojson(
        self,
        crs: Any = LONLAT,
        rows: Iterable[int] | None = None,
        cols: Iterable[int] | None = None,
    ) -> dict[str, Any]:
        """Tiles as a GeoJSON FeatureCollection; see :meth:`tiles` and :meth:`Tile.geojson`.

        `rows` and `cols` are of the former, `crs` of the latter.
        """
        features = [tile.geojson(crs) for tile in self.tiles(rows, cols)]
        return {"type": "FeatureCollection", "features": features}

    def to_dict(self) -> dict[str, Any]:
        """The form in which a record keeps a grid; JSON and YAML bring it back equal."""
        return {
            "name": self.name,
            "crs": self.crs_wkt,
            "ul": list(self.ul),
            "res": list(self.res),
            "size": list(self.size),
            "limits": None if self.limits is None else [list(pair) for pair in self.limits],
        }

    def _repr_html_(self) -> str:
        from .drawing import tile_map
        from .faces import face, placed

        (top, bottom), (left, right) = self.limits or ((0, 3), (0, 3))
        bounds = self._lattice.bounds(top, left, bottom, right)
        title = "TileGrid" if self.name is None else f"TileGrid {self.name}"
        facts = {"tiles": "without end; the map shows the first"}
        if self.limits is not None:
            facts["tiles"] = f"{len(self):,}: rows {top} to {bottom}, columns {left} to {right}"
        figure = tile_map(self._lattice, self.crs_wkt, (top, left), (bottom, right), title)
        return face(title, facts | placed(bounds, self.crs_wkt, self.res, self.size), figure)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read the `document` that :meth:`to_dict` made, or the same keys in a configuration.

        Raises
        ------
        InputError
            A key is missing or unknown, or its value can't be used.
        """
        return cls(**checked_keys(document, "tile grid", _KEYS, _OPTIONAL_KEYS))

    @classmethod
    def from_like(cls, grid: Any) -> Self:
        """Take over any object `grid` with a grid's attributes, such as a TileGrid of stems."""
        return cls(**attributes(grid, "tile grid", (*_KEYS, *_OPTIONAL_KEYS)))

    def _checked(self, index: object) -> Index:
        row, col = integers(index, f"index {index!r}", "(row, column)")
        if self.limits and not (row in self._numbered(0) and col in self._numbered(1)):
            raise InputError(f"tile ({row}, {col}) is outside {self._described()}")
        return row, col

    def _tile(self, index: Index) -> Tile:
        row, col = index
        bounds = self._lattice.bounds(row, col, row, col)
        return cell(index, self.crs, self.crs_wkt, bounds, self.res, self.size)

    def _described(self) -> str:
        what = "the tile grid" if self.name is None else f"tile grid {self.name!r}"
        if self.limits is None:
            return what
        (top, bottom), (left, right) = self.limits
        return f"{what}: rows {top} to {bottom}, columns {left} to {right}"

    def _numbered(self, axis: int) -> range:
        if self.limits is None:
            raise InputError(f"{self._described()} has no limits, so its tiles can't be listed")
        return range(self.limits[axis][0], self.limits[axis][1] + 1)

    def _searched(self) -> tuple[range, range]:
        """Rows and columns where a place is looked for."""
        if self.limits is not None:
            return self._numbered(0), self._numbered(1)
        turn = full_turn(self.crs)
        if turn is None:
            return _ENDLESS, _ENDLESS
        # A place has one longitude here, so that it has one tile, too.
        first, last = self._lattice.col(-turn / 2), self._lattice.col(turn / 2)
        return _ENDLESS, range(first, last + (self._lattice.x(last) < turn / 2))

    def _shifts(self) -> tuple[float, ...]:
        """What to add to x to meet a place under every longitude that it has."""
        turn = full_turn(self.crs)
        return (0,) if turn is None else (0, -turn, turn)

    def _extent(self) -> BoundingBox | None:
        if self.limits is None:
            return None
        (top, bottom), (left, right) = self.limits
        return self._lattice.bounds(top, left, bottom, right)
