"""The squares of MGRS: tiles of 109.8 km every 100 km in each UTM zone, as Sentinel-2 has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import shapely
from rasterio.warp import transform as warp

from ..landscape import Utm
from ..orbits import in_degrees, wrap
from ..values import Geometry, Projection

#: Metres of a tile's side, and from one tile to the next.
SIDE: Final = 109_800
_STEP: Final = 100_000
#: Tiles begin where pixels of 10, 20 and 60 m do.
_ALIGNED: Final = 60
_FALSE_NORTHING: Final = 10_000_000
_COLUMNS: Final = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"
_BANDS: Final = "CDEFGHJKLMNPQRSTUVWX"
#: Half a tile's diagonal, in degrees of a great circle.
_REACH: Final = 0.75


class Tile(NamedTuple):
    """A square.

    Attributes
    ----------
    name : str
        ``21JXM``.
    zone : int
        Of UTM.
    is_south : bool
        Whether the zone is the southern one.
    left, top : int
        Of its corner, in metres.
    lon, lat : float
        Its centre, degrees.
    """

    name: str
    zone: int
    is_south: bool
    left: int
    top: int
    lon: float
    lat: float

    def raster(self, pixel: int) -> tuple[Utm, Projection, tuple[int, int]]:
        """Its pixels of so many metres: of the zone, where they begin, how many."""
        lattice = Utm(self.zone, pixel, self.is_south)
        size = float(pixel)
        transform = (size, 0.0, float(self.left), 0.0, -size, float(self.top))
        return lattice, Projection(lattice.projection.crs, transform), (SIDE // pixel,) * 2


@cache
def _tiles() -> tuple[Sequence[Tile], tuple[np.ndarray, np.ndarray]]:
    """Every tile, and longitudes and latitudes of their centres."""
    found = [tile for zone in range(1, 61) for tile in _of_zone(zone)]
    return found, (np.array([each.lon for each in found]), np.array([each.lat for each in found]))


def _of_zone(zone: int) -> Iterator[Tile]:
    column, row = (each.ravel() for each in np.meshgrid(np.arange(1, 9), np.arange(-88, 94)))
    east, north = (column + 0.5) * _STEP, (row + 0.5) * _STEP
    places = warp(f"EPSG:{32600 + zone}", "EPSG:4326", east, north)
    for i, j, lon, lat in zip(column.tolist(), row.tolist(), *places, strict=True):
        half = 0.5 * _STEP / (111_320 * np.cos(np.radians(min(abs(lat) + 0.5, 89))))
        if abs(wrap(lon - (6 * zone - 183))) <= 3 + half and -80 <= lat < 84:
            letters = _COLUMNS[zone % 3][i - 1] + _ROWS[(j + 5 * (zone % 2 == 0)) % 20]
            is_south = j < 0
            top = (j + 1) * _STEP + _FALSE_NORTHING * is_south
            yield Tile(
                f"{zone:02d}{_BANDS[min(int((lat + 80) / 8), 19)]}{letters}",
                zone,
                is_south,
                i * _STEP // _ALIGNED * _ALIGNED,
                -(-top // _ALIGNED) * _ALIGNED,
                float(wrap(lon)),
                lat,
            )


@cache
def by_name() -> Mapping[str, Tile]:
    """Every tile by its name."""
    return MappingProxyType({each.name: each for each in _tiles()[0]})


def near(bounds: Sequence[tuple[float, float, float, float]]) -> Sequence[Tile]:
    """Tiles that may reach into each of some boxes (west, south, east, north) of degrees."""
    every, (lon, lat) = _tiles()
    reached = np.ones(lon.shape, np.bool_)
    for west, south, east, north in bounds:
        wide = _REACH / np.cos(np.radians(np.minimum(np.abs(lat) + _REACH, 89)))
        reached &= np.abs(wrap(lon - (west + east) / 2)) <= (east - west) / 2 + wide
        reached &= (lat >= south - _REACH) & (lat <= north + _REACH)
    return [every[place] for place in np.flatnonzero(reached).tolist()]


@lru_cache(maxsize=4096)
def footprint(tile: Tile) -> Geometry:
    """A tile's outline, also where the swath covers only a part of it."""
    square = shapely.box(tile.left, tile.top - SIDE, tile.left + SIDE, tile.top)
    return Geometry(in_degrees(square, Utm(tile.zone, 10, tile.is_south).projection.crs, tile.lon))
