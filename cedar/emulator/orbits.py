"""Landsat's orbit as arithmetic on WRS-2: where scenes lie, and when a satellite passes.

https://landsat.gsfc.nasa.gov/about/the-worldwide-reference-system: 233 orbits in 16 days, each 16
paths west of the one before; 248 rows an orbit, row 60 on the equator going south; path 1 crosses
it at 64.6° W; inclination 98.2°. Path, row and time of day are about the real ones.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.warp import transform as warp
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from .landscape import DAY_MS, PIXEL, Utm
from .values import Geometry, Projection

PATHS: Final = 233
ROWS: Final = 248
CYCLE_DAYS: Final = 16
CYCLE_MS: Final = CYCLE_DAYS * DAY_MS
_ORBIT_MS: Final = CYCLE_MS / PATHS
_INCLINATION: Final = math.radians(98.2)
# The pass that time is counted from: Landsat 8 over path 224, row 77.
_PATH_0, _ROW_0 = 224, 77
_TIME_0: Final = int(dt.datetime(2020, 5, 18, 13, 36, 2, tzinfo=dt.UTC).timestamp() * 1000)

# Metres from a scene's centre to the edges of its data: 180 km along the track, 185 km across.
_ALONG: Final = 90_000
_ACROSS: Final = 92_500
#: How far a scene's footprint lies ahead of its data, in metres along the track.
FOOTPRINT_AHEAD: Final = 600
# Fill around data and footprint, in pixels.
_MARGIN: Final = 50
# Half the diagonal of the data and the footprint's lead, in degrees of a great circle.
_REACH: Final = 1.2


class Orbits(NamedTuple):
    """Every scene of the globe: path, row, centre (degrees) and time of its first pass (ms)."""

    path: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    time: npt.NDArray[np.int64]


@cache
def orbits() -> Orbits:
    """All scenes of the globe, by path, then row."""
    path, row = (a.ravel() for a in np.mgrid[1 : PATHS + 1, 1 : ROWS + 1].astype(np.int64))
    return Orbits(path, row, *_center(path, row), _time(path, row))


def near(bounds: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    """Which of :func:`orbits` may reach into a box (west, south, east, north) of degrees."""
    west, south, east, north = bounds
    everywhere = orbits()
    wide = _REACH / np.cos(np.radians(np.minimum(np.abs(everywhere.lat) + _REACH, 89)))
    beside = np.abs(wrap(everywhere.lon - (west + east) / 2)) <= (east - west) / 2 + wide
    level = (everywhere.lat >= south - _REACH) & (everywhere.lat <= north + _REACH)
    return np.asarray(beside & level)


def orbit(path: Any) -> Any:
    """How many orbits after the cycle's first a path is flown: p + 16 is flown next after p."""
    # 102 is the inverse of 16 modulo 233.
    return (path - _PATH_0) * 102 % PATHS


def _center(path: Any, row: Any) -> tuple[Any, Any]:
    """Longitude and latitude of scenes' centres, degrees: a circular orbit over a turning Earth."""
    along = np.radians((row - 60) * 360 / ROWS)
    lat = -np.degrees(np.arcsin(math.sin(_INCLINATION) * np.sin(along)))
    west = np.degrees(np.arctan2(math.cos(_INCLINATION) * np.sin(along), np.cos(along)))
    turned = (row - 60) / ROWS * 360 * CYCLE_DAYS / PATHS
    return wrap(-64.6 - (path - 1) * 360 / PATHS + west - turned), lat


def _time(path: Any, row: Any) -> Any:
    """Milliseconds since 1970 of scenes' passes in the first cycle, before any phase."""
    late = orbit(path) * _ORBIT_MS + (row - _ROW_0) * _ORBIT_MS / ROWS
    return np.asarray(np.rint(_TIME_0 + late), np.int64)


def wrap(lon: Any) -> Any:
    """Degrees, from -180 to before 180."""
    return (lon + 180) % 360 - 180


class Frame(NamedTuple):
    """Where the scenes of a path and row lie.

    Their data are a rectangle along the track, so it is turned in the raster; the rest is fill.

    Attributes
    ----------
    zone : int
        Of UTM.
    projection : Projection
        Of the raster: that zone, from a corner at multiples of 30 m.
    size : (int, int)
        Columns and rows of the raster.
    lon, lat : float
        The centre, degrees.
    center : (float, float)
        The centre: easting and northing in metres.
    ahead : (float, float)
        The direction of flight: a unit vector, east and north in the zone.
    footprint : Geometry
        The outline of the data, but :data:`FOOTPRINT_AHEAD` too far along the track: as with real
        scenes, it is neither within the data nor around them.
    time : int
        Milliseconds since 1970 of the first pass, before any phase.
    """

    zone: int
    projection: Projection
    size: tuple[int, int]
    lon: float
    lat: float
    center: tuple[float, float]
    ahead: tuple[float, float]
    footprint: Geometry
    time: int

    def along_and_across(
        self, column: npt.NDArray[np.integer], row: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Metres from the centre, ahead and to the right, of pixels of the zone's lattice."""
        east = (column + 0.5) * PIXEL - self.center[0]
        north = (row + 0.5) * -PIXEL - self.center[1]
        x, y = self.ahead
        return np.asarray(x * east + y * north), np.asarray(y * east - x * north)


def is_data(
    along: npt.NDArray[np.float64], across: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Whether what lies so far from a scene's centre, in metres, is within its data."""
    return (np.abs(along) <= _ALONG) & (np.abs(across) <= _ACROSS)


def side(across: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How far to a side of the swath it is: 0 in the middle, 1 at the edges."""
    return np.abs(across) / _ACROSS


@lru_cache(maxsize=8192)
def frame(path: int, row: int) -> Frame:
    """Where the scenes of a path and row lie."""
    lons, lats = _center(path, row + np.array([0, -0.5, 0.5]))
    lon, lat = float(lons[0]), float(lats[0])
    zone = int((lon + 180) // 6) + 1
    crs = Utm(zone).projection.crs
    center, before, after = np.array(warp("EPSG:4326", crs, lons, lats)).T
    ahead = (after - before) / np.hypot(*(after - before))
    right = np.array([ahead[1], -ahead[0]])
    turns = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    corners = [center + i * _ALONG * ahead + j * _ACROSS * right for i, j in turns]
    outline = [corner + FOOTPRINT_AHEAD * ahead for corner in corners]
    places = np.array(corners + outline) / PIXEL
    left, bottom = (int(each) - _MARGIN for each in np.floor(places.min(axis=0)))
    end, top = (int(each) + _MARGIN for each in np.ceil(places.max(axis=0)))
    pixel = float(PIXEL)
    return Frame(
        zone,
        Projection(crs, (pixel, 0.0, left * pixel, 0.0, -pixel, top * pixel)),
        (end - left, top - bottom),
        lon,
        lat,
        (float(center[0]), float(center[1])),
        (float(ahead[0]), float(ahead[1])),
        Geometry(in_degrees(shapely.Polygon(outline), crs, lon)),
        int(_time(path, row)),
    )


def in_degrees(shape: shapely.Polygon, crs: str, lon: float) -> BaseGeometry:
    """A polygon in longitude and latitude; over the antimeridian, its parts on each side."""
    # Straight in UTM is bent in longitude and latitude.
    xs, ys = shapely.get_coordinates(shapely.segmentize(shape, 12_000)).T
    lons, lats = warp(crs, "EPSG:4326", xs, ys)
    return on_the_globe(shapely.Polygon(np.column_stack([lon + wrap(np.array(lons) - lon), lats])))


def on_the_globe(moved: shapely.Polygon) -> BaseGeometry:
    """A polygon that may go over the antimeridian, as its parts on each side."""
    west, _, east, _ = moved.bounds
    if west >= -180 and east <= 180:
        return moved
    parts = [
        translate(moved.intersection(shapely.box(edge, -90, edge + 360, 90)), -180 - edge)
        for edge in (-540, -180, 180)
    ]
    return shapely.union_all(parts)
