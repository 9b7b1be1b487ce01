"""Which tiles something is about, in all the ways that one may say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .exceptions import InputError
from .geometry import LONLAT
from .regions import read_roi

if TYPE_CHECKING:
    from .grids import Tile, TileGrid


@dataclass(frozen=True)
class Where:
    """Which tiles: all ways to say it may be used at once.

    Attributes
    ----------
    indices : tuple of (row, column)
    boxes : tuple of (west, south, east, north)
        In longitude and latitude: the tiles that each meets.
    points : tuple of (longitude, latitude)
        The tile that holds each.
    rois : tuple of Path
        GeoJSON files: the tiles that each covers.
    """

    indices: tuple[tuple[int, int], ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    points: tuple[tuple[float, float], ...]
    rois: tuple[Path, ...]

    def tiles(self, grid: TileGrid) -> list[tuple[int, int]]:
        """Find the tiles: (row, column) of each.

        Raises
        ------
        InputError
            A place has none, or a file can't be used.
        """
        return [*self.indices, *(tile.index for tile in self._of_places(grid))]

    def _of_places(self, grid: TileGrid) -> Iterator[Tile]:
        for point in self.points:
            yield grid.point_to_tile(*point, crs=LONLAT)
        covered = [
            (f"bbox {' '.join(map(str, box))}", grid.bounds_to_tiles(box, LONLAT))
            for box in self.boxes
        ]
        covered += [(f"roi {roi}", grid.roi_to_tiles(*read_roi(roi))) for roi in self.rois]
        for what, tiles in covered:
            if not tiles:
                raise InputError(f"{what} meets no tile of the grid")
            yield from tiles
