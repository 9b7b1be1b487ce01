"""Synthetic scenes of the Landsat collections: everywhere, every 16 days, made when looked at.

Orbits are arithmetic on WRS-2 (https://landsat.gsfc.nasa.gov/about/the-worldwide-reference-system),
so path, row and time of day are about the real ones; pixels come from :mod:`.landscape`. Every
image has the property ``cedar:synthetic``. Not modelled: night passes, tier 2, and the real
acquisitions' gaps: each scene of each pass exists.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.warp import transform as warp
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from . import landscape
from .catalog import time_order
from .landscape import CLOUD, DAY_MS, PIXEL, SHADOW, WATER
from .values import Band, Geometry, Grid, Image, Pixels, Projection, Query, ServiceError

#: Most images that one search may list.
MAX_IMAGES: Final = 20_000
#: Of every image; another one when the same scene would get other pixels.
VERSION: Final = 1

# WRS-2: 233 orbits in 16 days, each 16 paths west of the one before; 248 rows an orbit, row 60 on
# the equator going south; path 1 crosses it at 64.6° W; inclination 98.2°.
_PATHS: Final = 233
_ROWS: Final = 248
_CYCLE_MS: Final = 16 * DAY_MS
_ORBIT_MS: Final = _CYCLE_MS / _PATHS
_INCLINATION: Final = math.radians(98.2)
_LAST_DAY_ROW: Final = 121
# The pass that time is counted from: Landsat 8 over path 224, row 77.
_PATH_0, _ROW_0 = 224, 77
_TIME_0: Final = int(dt.datetime(2020, 5, 18, 13, 36, 2, tzinfo=dt.UTC).timestamp() * 1000)

#: Columns and rows of every raster. Its data are a parallelogram as high, and as wide at each row
#: as neighbouring paths need to overlap at the equator.
SIZE: Final = (7600, 6000)
_SLANT: Final = 1400


@dataclass(frozen=True)
class _Mission:
    """A satellite's collection: its bands (name, what it measures), phase and dates of service."""

    id: str
    spacecraft: str
    bands: tuple[tuple[str, str], ...]
    phase_days: int
    start: dt.date
    end: dt.date | None = None

    @property
    def has_cirrus(self) -> bool:
        """Whether QA_PIXEL tells of cirrus: OLI's does."""
        return self.bands[0][1] == "coastal"

    def span(self, query: Query) -> tuple[int, int]:
        """Milliseconds, half-open, in which the query and the mission leave images.

        A satellite in service has taken no image after now.
        """
        now = dt.datetime.now(dt.UTC)
        last = _ms(self.end + dt.timedelta(days=1)) if self.end else int(now.timestamp() * 1000)
        first = _ms(self.start)
        start = first if query.start is None else max(first, query.start)
        return start, last if query.end is None else min(last, query.end)


def _ms(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days * DAY_MS


_QA: Final = (("QA_PIXEL", "qa"), ("QA_RADSAT", "saturation"))
_TM: Final = (
    ("SR_B1", "blue"), ("SR_B2", "green"), ("SR_B3", "red"), ("SR_B4", "nir"), ("SR_B5", "swir1"),
    ("SR_B7", "swir2"), ("ST_B6", "temperature"), *_QA,
)  # fmt: skip
_OLI: Final = (
    ("SR_B1", "coastal"), ("SR_B2", "blue"), ("SR_B3", "green"), ("SR_B4", "red"),
    ("SR_B5", "nir"), ("SR_B6", "swir1"), ("SR_B7", "swir2"), ("ST_B10", "temperature"), *_QA,
)  # fmt: skip
_MISSIONS: Final = {
    f"LANDSAT/{mission.id}/C02/T1_L2": mission
    for mission in (
        _Mission("LT04", "LANDSAT_4", _TM, 8, dt.date(1982, 8, 22), dt.date(1993, 12, 14)),
        _Mission("LT05", "LANDSAT_5", _TM, 0, dt.date(1984, 3, 16), dt.date(2012, 5, 5)),
        _Mission("LE07", "LANDSAT_7", _TM, 8, dt.date(1999, 5, 28), dt.date(2024, 1, 19)),
        _Mission("LC08", "LANDSAT_8", _OLI, 0, dt.date(2013, 3, 18)),
        _Mission("LC09", "LANDSAT_9", _OLI, 8, dt.date(2021, 10, 31)),
    )
}


class SyntheticCatalog:
    """The Landsat Collection 2 Level 2 collections, made up."""

    def has(self, collection: str) -> bool:
        """Whether it is one of the Landsat collections."""
        return collection in _MISSIONS

    def collections(self) -> Sequence[str]:
        """Ids of the Landsat collections, sorted."""
        return sorted(_MISSIONS)

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        """Scenes of the collection that the query leaves, by time, then system:index.

        Raises
        ------
        ServiceError
            The query's bounding boxes and dates leave more than :data:`MAX_IMAGES`.
        """
        mission = _MISSIONS[collection]
        start, end = mission.span(query)
        orbits = _orbits()
        times = orbits.time + mission.phase_days * DAY_MS
        first = -((times - start) // _CYCLE_MS)
        last = -((times - end) // _CYCLE_MS)
        near = np.flatnonzero(_near(orbits, query) & (first < last))
        count = int((last - first)[near].sum())
        if count > MAX_IMAGES:
            raise ServiceError(
                f"The emulator would list {count} synthetic images of {collection}, more than"
                f" {MAX_IMAGES}: narrow the search by bounds and dates."
            )
        images = [
            _image(mission, int(orbits.path[i]), int(orbits.row[i]), cycle)
            for i in near.tolist()
            if _intersects(_frame(int(orbits.path[i]), int(orbits.row[i])), query)
            for cycle in range(int(first[i]), int(last[i]))
        ]
        return sorted(images, key=time_order)

    def image(self, image_id: str) -> Image | None:
        """The scene ``<collection>/LC08_<path><row>_<date>`` if the satellite passed then."""
        collection, _, index = image_id.rpartition("/")
        mission = _MISSIONS.get(collection)
        match = re.fullmatch(r"(\w{4})_(\d{3})(\d{3})_(\d{8})", index)
        if mission is None or match is None or match[1] != mission.id:
            return None
        path, row = int(match[2]), int(match[3])
        if not (1 <= path <= _PATHS and 1 <= row <= _LAST_DAY_ROW):
            return None
        try:
            day = _ms(dt.date.fromisoformat(match[4]))
        except ValueError:
            return None
        start, end = mission.span(Query(start=day, end=day + DAY_MS))
        time = _frame(path, row).time + mission.phase_days * DAY_MS
        cycle = -((time - start) // _CYCLE_MS)
        return _image(mission, path, row, cycle) if time + cycle * _CYCLE_MS < end else None


class _Orbits(NamedTuple):
    """Centre and first time of every day scene of the globe."""

    path: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    time: npt.NDArray[np.int64]


@cache
def _orbits() -> _Orbits:
    path, row = (
        a.ravel() for a in np.mgrid[1 : _PATHS + 1, 1 : _LAST_DAY_ROW + 1].astype(np.int64)
    )
    lon, lat = _center(path, row)
    return _Orbits(path, row, lon, lat, _time(path, row))


def _center(path: Any, row: Any) -> tuple[Any, Any]:
    """Longitude and latitude of scenes' centres, degrees: a circular orbit over a turning Earth."""
    along = np.radians((row - 60) * 360 / _ROWS)
    lat = -np.degrees(np.arcsin(math.sin(_INCLINATION) * np.sin(along)))
    west = np.degrees(np.arctan2(math.cos(_INCLINATION) * np.sin(along), np.cos(along)))
    turned = (row - 60) / _ROWS * 360 * 16 / _PATHS
    return _wrap(-64.6 - (path - 1) * 360 / _PATHS + west - turned), lat


def _time(path: Any, row: Any) -> Any:
    """Milliseconds since 1970 of scenes' passes in the first cycle, before any phase."""
    # Path p + 16 comes one orbit after p; 102 is the inverse of 16 modulo 233.
    orbit = (path - _PATH_0) * 102 % _PATHS
    late = orbit * _ORBIT_MS + (row - _ROW_0) * _ORBIT_MS / _ROWS
    return np.asarray(np.rint(_TIME_0 + late), np.int64)


def _wrap(lon: Any) -> Any:
    return (lon + 180) % 360 - 180


def _near(orbits: _Orbits, query: Query) -> npt.NDArray[np.bool_]:
    """Which scenes may reach into the bounding box of every shape of the query."""
    near = np.ones(orbits.lon.shape, np.bool_)
    # Half a scene is 114 km × 90 km; it may be turned by a few degrees.
    high = 1.2
    wide = 1.3 / np.cos(np.radians(np.minimum(np.abs(orbits.lat) + high, 89)))
    for shape in query.bounds:
        west, south, east, north = shape.bounds
        near &= (orbits.lat >= south - high) & (orbits.lat <= north + high)
        near &= np.abs(_wrap(orbits.lon - (west + east) / 2)) <= (east - west) / 2 + wide
    return near


class _Frame(NamedTuple):
    """Where the raster of a path and row lies (UTM zone, upper left corner), and its first time."""

    zone: int
    left: int
    top: int
    lon: float
    lat: float
    outline: Geometry
    time: int


@lru_cache(maxsize=4096)
def _frame(path: int, row: int) -> _Frame:
    lon, lat = (float(c) for c in _center(path, row))
    zone = int((lon + 180) // 6) + 1
    crs = f"EPSG:{32600 + zone}"  # Landsat has northern zones on both sides of the equator
    (x,), (y,) = warp("EPSG:4326", crs, [lon], [lat])
    width, height = SIZE
    left = (round(x / PIXEL) - width // 2) * PIXEL
    top = (round(y / PIXEL) + height // 2) * PIXEL
    ring = shapely.box(left, top - height * PIXEL, left + width * PIXEL, top).exterior
    # Straight in UTM is bent in longitude and latitude.
    xs, ys = shapely.get_coordinates(shapely.segmentize(ring, 12_000)).T
    lons, lats = warp(crs, "EPSG:4326", xs, ys)
    shape = shapely.Polygon(np.column_stack([lon + _wrap(np.array(lons) - lon), lats]))
    return _Frame(zone, left, top, lon, lat, Geometry(_split(shape)), int(_time(path, row)))


def _split(shape: BaseGeometry) -> BaseGeometry:
    """A shape over the antimeridian as its parts on either side."""
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    parts = [
        translate(shape.intersection(shapely.box(edge, -90, edge + 360, 90)), -180 - edge)
        for edge in (-540, -180, 180)
    ]
    return shapely.union_all(parts)


def _intersects(frame: _Frame, query: Query) -> bool:
    return all(frame.outline.shape.intersects(shape) for shape in query.bounds)


def _image(mission: _Mission, path: int, row: int, cycle: int) -> Image:
    frame = _frame(path, row)
    time = frame.time + mission.phase_days * DAY_MS + cycle * _CYCLE_MS
    date = (dt.date(1970, 1, 1) + dt.timedelta(time // DAY_MS)).strftime("%Y%m%d")
    index = f"{mission.id}_{path:03d}{row:03d}_{date}"
    # Clouds go over both rows of a pass alike; how many there are is the scene's.
    weather = zlib.crc32(f"{mission.id} {path} {cycle}".encode())
    lot = (zlib.crc32(index.encode()) % 3001) / 3000
    cloud_cover = round(100 * lot**2, 2)
    scene = _Scene(mission, frame, time, weather, cloud_cover / 100)
    azimuth, elevation = _sun(time, frame.lon, frame.lat)
    projection = Projection(
        f"EPSG:{32600 + frame.zone}",
        (float(PIXEL), 0.0, float(frame.left), 0.0, -float(PIXEL), float(frame.top)),
    )
    return Image(
        bands=tuple(
            Band(name, "uint16", projection, partial(_read, scene, measure), SIZE)
            for name, measure in mission.bands
        ),
        properties={
            "system:index": index,
            "system:time_start": time,
            "CLOUD_COVER": cloud_cover,
            "CLOUD_COVER_LAND": cloud_cover,
            "LANDSAT_PRODUCT_ID": f"{mission.id}_L2SP_{path:03d}{row:03d}_{date}_{date}_02_T1",
            "SPACECRAFT_ID": mission.spacecraft,
            "SUN_AZIMUTH": azimuth,
            "SUN_ELEVATION": elevation,
            "WRS_PATH": path,
            "WRS_ROW": row,
            "cedar:synthetic": True,
        },
        footprint=frame.outline,
        id=f"LANDSAT/{mission.id}/C02/T1_L2/{index}",
        version=VERSION,
    )


def _sun(time: int, lon: float, lat: float) -> tuple[float, float]:
    """Azimuth and elevation in degrees, to about one: no equation of time."""
    days = time / DAY_MS
    declination = math.radians(-23.44 * math.cos(2 * math.pi * (days + 10) / 365.2425))
    hour = math.radians((days % 1) * 360 + lon - 180)
    phi = math.radians(lat)
    sine = math.sin(phi) * math.sin(declination)
    sine += math.cos(phi) * math.cos(declination) * math.cos(hour)
    azimuth = math.atan2(
        math.sin(hour),
        math.cos(hour) * math.sin(phi) - math.tan(declination) * math.cos(phi),
    )
    return round(math.degrees(azimuth) + 180, 6), round(math.degrees(math.asin(sine)), 6)


class _Scene(NamedTuple):
    """What the pixels of an image follow from."""

    mission: _Mission
    frame: _Frame
    time: int
    weather: int
    cloudiness: float


def _read(scene: _Scene, measure: str, grid: Grid) -> Pixels:
    """A band at the centres of a grid: the value of the 30 m pixel that each lies in."""
    frame = scene.frame
    here = landscape.land(grid, frame.zone)
    column = here.column - frame.left // PIXEL
    row = frame.top // PIXEL - 1 - here.row
    width, height = SIZE
    lean = _SLANT * row // height
    mask = (row >= 0) & (row < height) & (column >= _SLANT - lean) & (column < width - lean)
    if not mask.any():
        return Pixels(np.zeros(mask.shape, np.uint16), mask)
    seen = landscape.view(grid, frame.zone, scene.time, scene.weather, scene.cloudiness)
    return Pixels(_numbers(scene, measure, here, seen), mask)


def _numbers(
    scene: _Scene, measure: str, here: landscape.Land, seen: landscape.View
) -> npt.NDArray[np.uint16]:
    """Collection 2's numbers: scales, offsets and bits of the USGS's LSDS-1618 and LSDS-1619."""
    if measure == "saturation":
        return np.zeros(seen.cover.shape, np.uint16)
    if measure == "qa":
        return np.take(_qa(scene.mission.has_cirrus), seen.cover)
    if measure == "temperature":
        numbers = (landscape.temperature(here, seen, scene.time) - 149) / 0.00341802
    else:
        numbers = (landscape.reflectance(measure, here, seen) + 0.2) / 2.75e-5
    return np.asarray(np.rint(numbers), np.uint16)


@cache
def _qa(has_cirrus: bool) -> npt.NDArray[np.uint16]:
    """QA_PIXEL of each kind of cover."""
    table = np.zeros(4, np.uint16)
    # Bits 8–15 are pairs of confidence: cloud, shadow, snow, cirrus; 1 is low, 3 is high.
    low = 0b01_01_01_01 if has_cirrus else 0b00_01_01_01
    table[:] = low << 8 | 1 << 6
    table[WATER] |= 1 << 7
    table[SHADOW] |= 1 << 4 | 0b11 << 10
    table[CLOUD] = (low | 0b11) << 8 | 1 << 3
    return table
