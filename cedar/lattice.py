"""Where the edges of a grid's tiles are, and which of its cells geometries meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor
from typing import Final, TypeAlias, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.coords import BoundingBox
from shapely.geometry.base import BaseGeometry

Index: TypeAlias = tuple[int, int]

_Count = TypeVar("_Count", float, NDArray[np.float64])
#: A block of cells that a geometry meets is cut into so many parts each way.
_DIVISION: Final = 4


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

    def x(self, col: _Count) -> _Count:
        """Left edge of a column, or of each of several."""
        return self.ul[0] + col * self.size[0] * self.res[0]

    def y(self, row: _Count) -> _Count:
        """Top edge of a row, or of each of several."""
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
        self, parts: NDArray[np.object_], rows: range, cols: range, edges: bool
    ) -> Iterator[Index]:
        """Those of some cells that geometries meet, some more than once.

        Blocks of cells are divided until a geometry misses or contains them: the work grows with
        the length of its outline, not with its area.

        Parameters
        ----------
        parts : array of shapely geometries
            Points, lines or polygons; they are prepared.
        rows, cols : range
            The cells.
        edges : bool
            Whether cells count that a geometry only touches.
        """
        blocks = np.array([self._around(part, rows, cols) for part in parts], dtype=np.int64)
        blocks = blocks.reshape(-1, 4)
        shapely.prepare(parts)
        while True:
            some = (blocks[:, 0] < blocks[:, 1]) & (blocks[:, 2] < blocks[:, 3])
            parts, blocks = parts[some], blocks[some]
            if not len(parts):
                return
            boxes = self._boxes(blocks)
            met = shapely.intersects(parts, boxes)
            parts, blocks, boxes = parts[met], blocks[met], boxes[met]
            cell = (blocks[:, 1] - blocks[:, 0] == 1) & (blocks[:, 3] - blocks[:, 2] == 1)
            done = cell.copy()
            done[~cell] = shapely.contains_properly(parts[~cell], boxes[~cell])
            done[cell] = edges or _share_area(parts[cell], boxes[cell])
            for top, bottom, left, right in blocks[done].tolist():
                yield from product(range(top, bottom), range(left, right))
            more = ~(done | cell)
            parts, blocks = parts[more].repeat(_DIVISION**2), _divided(blocks[more])

    def _around(self, part: BaseGeometry, rows: range, cols: range) -> Sequence[int]:
        """The block of cells around a geometry: first row and the one after the last, columns."""
        left, bottom, right, top = part.bounds
        # What lies on an edge touches the cell above or to the left, too.
        rows = _common(rows, range(self.row(top) - 1, self.row(bottom) + 1))
        cols = _common(cols, range(self.col(left) - 1, self.col(right) + 1))
        return (rows.start, rows.stop, cols.start, cols.stop)

    def _boxes(self, blocks: NDArray[np.int64]) -> NDArray[np.object_]:
        """Blocks of cells as polygons."""
        top, bottom, left, right = blocks.T.astype(float)
        boxes: NDArray[np.object_] = shapely.box(
            self.x(left), self.y(bottom), self.x(right), self.y(top)
        )
        return boxes


def _share_area(polygons: NDArray[np.object_], boxes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell of pairs that meet which do more than touch."""
    inwards = np.array([np.inf, np.inf, -np.inf, -np.inf])
    shorter = shapely.box(*np.nextafter(shapely.bounds(boxes), inwards).T)
    # Quick, since the polygons are prepared; of those it doesn't find, most only touch.
    share: NDArray[np.bool_] = shapely.intersects(polygons, shorter)
    share[~share] = ~shapely.touches(polygons[~share], boxes[~share])
    return share


def _common(one: range, other: range) -> range:
    start, stop = max(one.start, other.start), min(one.stop, other.stop)
    return range(start, stop) if start < stop else range(0)


def _divided(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut blocks of cells both ways; of a block with few rows or columns, some parts are empty."""
    steps = np.arange(_DIVISION + 1)
    rows, cols = (
        first + (end - first) * steps // _DIVISION
        for first, end in ((blocks[:, 0:1], blocks[:, 1:2]), (blocks[:, 2:3], blocks[:, 3:4]))
    )
    sides = (rows[:, :-1, None], rows[:, 1:, None], cols[:, None, :-1], cols[:, None, 1:])
    return np.stack(np.broadcast_arrays(*sides), axis=-1).reshape(-1, 4)
