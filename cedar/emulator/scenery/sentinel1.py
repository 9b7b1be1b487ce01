"""Sentinel-1: two satellites, each every twelve days, that look from both directions of flight.

A pass comes in slices of 25 seconds, each an image. Polewards of 66° they have horizontal
polarization (HH, HV), elsewhere vertical (VV, VH). Not modelled: terrain, noise at the edges of
slices, modes but Interferometric Wide swath, and scenes of one band.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Final, NamedTuple

import numpy as np
import shapely
from rasterio.warp import transform as warp

from ... import sensors
from ...sensors.sentinel1 import COLLECTIONS
from .. import landscape
from ..landscape import (
    DAY_MS,
    SNOW,
    WATER,
    Land,
    Lattice,
    Mask,
    Sun,
    Utm,
    View,
    Weather,
    latitude_sines,
    longitudes,
)
from ..orbits import on_the_globe, wrap
from ..values import Geometry, Image, Projection, Query
from .base import (
    VERSION,
    Physical,
    Scene,
    Source,
    bands,
    check_count,
    draw,
    milliseconds,
    moment,
    written,
)
from .tracks import DEGREE, Track

_SWATH: Final = 125_000
_PIXEL: Final = 10
_SLICE_MS: Final = 25_000
_SLICES: Final = 237
#: Degrees along the orbit of a slice.
_STEP: Final = 360 / _SLICES
#: Slices further polewards aren't taken: their parallels don't cross the track.
_HIGHEST: Final = 78
_POLAR: Final = 66
#: It has none to cast shadows.
_NO_SUN: Final = Sun(0.0, -90.0)
#: Pixels around a slice's data.
_MARGIN: Final = 20


class _Unit(NamedTuple):
    """A satellite: its letter, where it passes, and from when to when, in ms since 1970."""

    letter: str
    track: Track
    first: int
    last: int


def _unit(letter: str, days_behind: int, first: dt.date, last: dt.date) -> _Unit:
    """175 orbits in twelve days, southwards at 6:00."""
    start = milliseconds(dt.date(2014, 10, 3) + dt.timedelta(days_behind)) + DAY_MS // 4
    track = Track(175, 12, 0.0, start, 98.18, _SWATH)
    return _Unit(letter, track, milliseconds(first), milliseconds(last))


_A: Final = _unit("A", 0, dt.date(2014, 10, 3), dt.date(9999, 1, 1))
_B: Final = _unit("B", 6, dt.date(2016, 9, 26), dt.date(2021, 12, 23))
_UNITS: Final = {"A": _A, "B": _B}


class _Slice(NamedTuple):
    """A part of an orbit: the orbit, from 0, and which slice from 90° before the node."""

    orbit: int
    number: int

    @property
    def angles(self) -> tuple[float, float]:
        """Along the orbit, from and to, degrees."""
        return self.number * _STEP - 90, (self.number + 1) * _STEP - 90

    @property
    def is_ascending(self) -> bool:
        """Whether the satellite goes north."""
        return sum(self.angles) / 2 > 90


class _Place(NamedTuple):
    """Where a slice lies: its pixels, their place and number, its outline, its latitude."""

    lattice: Utm
    projection: Projection
    size: tuple[int, int]
    footprint: Geometry
    lat: float


@lru_cache(maxsize=4096)
def _place(part: _Slice) -> _Place:
    track = _A.track
    angle = np.linspace(*part.angles, 5)
    lat, middle = track.latitude(angle), track.longitude(part.orbit, angle)
    lon = float(middle[2])
    middle = lon + wrap(middle - lon)
    half = _SWATH / (DEGREE * np.cos(np.radians(lat)))
    sides = np.column_stack([middle - half, lat]), np.column_stack([middle + half, lat])[::-1]
    outline = shapely.Polygon(np.concatenate(sides))
    zone = int(wrap(lon) + 180) // 6 + 1
    lattice = Utm(zone, _PIXEL, is_south=bool(lat[2] < 0))
    x, y = np.array(warp("EPSG:4326", lattice.projection.crs, *outline.exterior.coords.xy))
    left, bottom = (int(each) // _PIXEL - _MARGIN for each in (x.min(), y.min()))
    right, top = (int(each) // _PIXEL + _MARGIN for each in (x.max(), y.max()))
    pixel = float(_PIXEL)
    projection = Projection(
        lattice.projection.crs, (pixel, 0.0, left * pixel, 0.0, -pixel, top * pixel)
    )
    footprint = Geometry(on_the_globe(outline))
    return _Place(lattice, projection, (right - left, top - bottom), footprint, float(lat[2]))


@cache
def _slices() -> tuple[np.ndarray, ...]:
    """Every slice of the globe: orbit, number, longitude and latitude of the centre."""
    orbit, number = (each.ravel() for each in np.mgrid[0 : _A.track.orbits, 0:_SLICES])
    angle = (number + 0.5) * _STEP - 90
    lon, lat = _A.track.longitude(orbit, angle), _A.track.latitude(angle)
    taken = np.abs(lat) < _HIGHEST
    return orbit[taken], number[taken], lon[taken], lat[taken]


def _near(query: Query) -> Sequence[_Slice]:
    orbit, number, lon, lat = _slices()
    reached = np.ones(lon.shape, np.bool_)
    reach = 1.6
    for shape in query.bounds:
        west, south, east, north = shape.bounds
        wide = reach / np.cos(np.radians(np.abs(lat) + reach))
        reached &= np.abs(wrap(lon - (west + east) / 2)) <= (east - west) / 2 + wide
        reached &= (lat >= south - reach) & (lat <= north + reach)
    return list(map(_Slice, orbit[reached].tolist(), number[reached].tolist()))


def _is_present(part: _Slice, here: Land, lattice: Lattice) -> Mask:
    del lattice
    track, (first, last) = _A.track, part.angles
    sine, rises = latitude_sines(here), part.is_ascending
    angle = track.along(sine, is_ascending=rises)
    away = track.beside(part.orbit, longitudes(here), sine, is_ascending=rises)
    return np.asarray((angle >= first) & (angle < last) & (np.abs(away) <= _SWATH))


def _backscatter(band: sensors.Band, here: Land, seen: View) -> np.ndarray:
    """Decibels: fields, woods, smooth water, wet snow, and speckle."""
    value = -13 + 4 * seen.green + 2 * (here.tone - 1)
    value = np.where(seen.surface == WATER, -21.0, value)
    value = np.where(seen.surface == SNOW, -17.0, value)
    speckle = landscape.grain(here) - 0.5
    return np.asarray(value + 3 * speckle - (6.5 if band.native in ("VH", "HV") else 0))


def _incidence(part: _Slice) -> Physical:
    """Degrees from the vertical: it looks to the right."""

    def physical(band: sensors.Band, here: Land, seen: View) -> np.ndarray:  # noqa: ARG001
        away = _A.track.beside(
            part.orbit, longitudes(here), latitude_sines(here), is_ascending=part.is_ascending
        )
        right = away if part.is_ascending else -away
        return np.asarray(38 + 8 * right / _SWATH)

    return physical


class _Sentinel1(Source):
    """GRD."""

    def __init__(self, collection: sensors.Collection):
        self.collection = collection

    def search(self, query: Query, start: int, end: int) -> Sequence[Image]:
        """Slices that meet the query's bounds."""
        found = [
            (unit, cycle, part)
            for part in _near(query)
            for unit in _UNITS.values()
            for cycle in _cycles(unit, part, start, end)
        ]
        check_count(self.collection, len(found))
        return [
            self._image(*each)
            for each in found
            if all(_place(each[2]).footprint.shape.intersects(shape) for shape in query.bounds)
        ]

    def image(self, index: str, start: int, end: int) -> Image | None:
        """The slice ``S1A_IW_GRDH_1SDV_<start>_<stop>_<orbit>_<datatake>_<unique>``."""
        match = re.fullmatch(r"S1([AB])_IW_GRDH_1SD[VH]_(\d{8}T\d{6})_\w{15}_\d{6}_.{11}", index)
        time = moment(match[2]) if match else None
        if match is None or time is None:
            return None
        unit = _UNITS[match[1]]
        track = unit.track
        # In the middle of it, so that it doesn't matter that the index has whole seconds.
        since = (time + _SLICE_MS / 2 - track.start) / track.period + 0.25
        orbit, part = math.floor(since), math.floor(since % 1 * _SLICES)
        cycle, orbit = divmod(orbit, track.orbits)
        one = _Slice(orbit, part)
        if abs(_place(one).lat) >= _HIGHEST or cycle not in _cycles(unit, one, start, end):
            return None
        found = self._image(unit, cycle, one)
        return found if found.properties["system:index"] == index else None

    def _image(self, unit: _Unit, cycle: int, part: _Slice) -> Image:
        where, time = _place(part), _time(unit, cycle, part)
        polar = abs(where.lat) > _POLAR
        index = _index(unit, cycle, part, time, "H" if polar else "V")
        polarizations = ["HH", "HV"] if polar else ["VV", "VH"]
        scene = Scene(
            time,
            Weather(draw(index), 0.0, 0.0),
            _NO_SUN,
            partial(_is_present, part),
            {
                **dict.fromkeys(("vv", "vh", "hh", "hv"), _backscatter),
                "angle": _incidence(part),
            },
        )
        lacking = ("vv", "vh") if polar else ("hh", "hv")

        def raster(band: sensors.Band) -> tuple[Utm, Projection, tuple[int, int]]:  # noqa: ARG001
            return where.lattice, where.projection, where.size

        return Image(
            bands=bands(scene, self.collection, raster, lacking),
            properties={
                "system:index": index,
                "system:time_start": time,
                "cedar:synthetic": True,
                **_properties(unit, part, polarizations),
            },
            footprint=where.footprint,
            id=f"{self.collection.id}/{index}",
            version=VERSION,
        )


def _properties(unit: _Unit, part: _Slice, polarizations: list[str]) -> Mapping[str, Any]:
    return {
        "familyName": "SENTINEL-1",
        "instrumentMode": "IW",
        "orbitProperties_pass": "ASCENDING" if part.is_ascending else "DESCENDING",
        "platform_number": unit.letter,
        "relativeOrbitNumber_start": part.orbit + 1,
        "resolution": "H",
        "resolution_meters": 10,
        "sliceNumber": part.number + 1,
        "transmitterReceiverPolarisation": polarizations,
    }


def _time(unit: _Unit, cycle: int, part: _Slice) -> int:
    return int(unit.track.time(cycle, part.orbit, part.angles[0]))


def _cycles(unit: _Unit, part: _Slice, start: int, end: int) -> range:
    first = _time(unit, 0, part)
    return unit.track.cycles(first, max(start, unit.first), min(end, unit.last))


def _index(unit: _Unit, cycle: int, part: _Slice, time: int, polarization: str) -> str:
    orbit = cycle * unit.track.orbits + part.orbit + 1
    times = (written(each, "%Y%m%dT%H%M%S") for each in (time, time + _SLICE_MS))
    stem = f"S1{unit.letter}_IW_GRDH_1SD{polarization}_{'_'.join(times)}_{orbit:06d}"
    taken = f"{stem}_{orbit * 8 % 0xFFFFFF:06X}"
    return f"{taken}_{zlib.crc32(taken.encode()) & 0xFFFF:04X}"


SOURCES: Final = tuple(map(_Sentinel1, COLLECTIONS))
