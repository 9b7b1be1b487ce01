"""An invented Earth: fields, rivers, seasons and clouds, as reflectances of satellites' bands.

Everything is arithmetic on the coordinates of a sensor's pixel, so any part of it can be made at
any time, alike wherever and in whatever order it is asked for.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .questions import Tie
from .sampling import containing, coordinates
from .values import Grid, Projection

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Whole = npt.NDArray[np.integer]

PIXEL: Final = 30
DAY_MS: Final = 86_400_000
#: What is on the ground, as :attr:`View.surface` has it.
LAND, WATER, SNOW = range(3)
#: What is above it, as :attr:`View.sky` has it.
CLEAR, DILATED, SHADOW, CLOUD = range(4)

# WGS 84: rectifying radius × UTM's scale, and Krüger's series from UTM to the sphere (Karney 2011).
_RADIUS: Final = 6_367_449.1458 * 0.9996
_KRUEGER: Final = (8.377318206e-4, 5.905870e-8)
_EARTH: Final = 6_378_137.0
_ECCENTRICITY: Final = 0.0818191908426
#: From conformal to geodetic latitude (Snyder 1987, equation 3-5).
_CONFORMAL: Final = (3.356551e-3, 6.57187e-6)
_FALSE_NORTHING: Final = 10_000_000
#: Radius of the sphere of MODIS's grid, metres.
SPHERE: Final = 6_371_007.181
_SINUSOIDAL: Final = (
    'PROJCS["MODIS Sinusoidal",GEOGCS["unnamed",DATUM["unnamed",SPHEROID["unnamed",6371007.181,0]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Sinusoidal"],'
    'PARAMETER["longitude_of_center",0],PARAMETER["false_easting",0],PARAMETER["false_northing",0],'
    'UNIT["metre",1]]'
)

# Metres from the ground to the clouds; the lowest sun, in degrees, whose shadows are as long as
# it makes them; how far clouds are dilated, as a part of what they vary by.
_CLOUD_BASE: Final = 1_200
_LOWEST_SUN: Final = 15
_DILATION: Final = 0.25
# Wavelengths of clouds and of cirrus, metres.
_CUMULUS: Final = (2_100, 3_400, 5_300, 8_700, 14_000)
_CIRRUS: Final = (4_100, 11_000, 23_000)

#: Reflectance of bare soil, of dense vegetation, of water, of snow, by common names of bands.
SPECTRA: Final = {
    "coastal": (0.065, 0.025, 0.055, 0.9),
    "blue": (0.08, 0.03, 0.06, 0.88),
    "green": (0.12, 0.07, 0.055, 0.86),
    "red": (0.16, 0.035, 0.035, 0.84),
    "nir": (0.24, 0.45, 0.02, 0.75),
    "swir1": (0.31, 0.17, 0.01, 0.12),
    "swir2": (0.26, 0.08, 0.007, 0.08),
    "rededge1": (0.18, 0.09, 0.03, 0.82),
    "rededge2": (0.2, 0.28, 0.025, 0.8),
    "rededge3": (0.22, 0.38, 0.022, 0.78),
    "nir_narrow": (0.245, 0.46, 0.019, 0.74),
    "nir_broad": (0.24, 0.45, 0.02, 0.75),
    "water_vapour": (0.25, 0.45, 0.018, 0.7),
    "nir2": (0.3, 0.36, 0.012, 0.4),
    "cirrus": (0.002, 0.002, 0.001, 0.004),
}


class Land(NamedTuple):
    """What doesn't change from day to day, each (height, width).

    Attributes
    ----------
    column, row : array of int
        Pixel of the lattice.
    x, y : array of float
        Mercator coordinates, metres, the same from whichever zone.
    sine : array of float
        Of the conformal latitude.
    water : array of bool
        Rivers.
    phase : array of float
        When a parcel is greenest, a fraction of the year.
    base, swing : array of float
        Greenness out of season, and what the season adds.
    tone : array of float
        Brightness of a parcel's soil, about 1.
    """

    column: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    sine: Floats
    water: Mask
    phase: Floats
    base: Floats
    swing: Floats
    tone: Floats


class Weather(NamedTuple):
    """What is between the ground and the satellite.

    Attributes
    ----------
    pattern : int
        Which pattern of clouds; they drift by nothing else.
    clouds, cirrus : float
        Part of the sky that they cover, from 0 to 1.
    """

    pattern: int
    clouds: float
    cirrus: float


class Sun(NamedTuple):
    """Where the sun stands, degrees: clockwise from north, and above the horizon."""

    azimuth: float
    elevation: float


class View(NamedTuple):
    """What a satellite sees at one pass, each (height, width).

    Attributes
    ----------
    surface, sky : array of int
        Kinds of ground and of what is above it.
    cirrus : array of bool
        Thin high cloud; it may be over any other.
    depth : array of float
        Thickness of a cloud.
    green : array of float
        Greenness.
    warmth : array of float
        Kelvin of the bare ground.
    sun : Sun
        One for the scene.
    """

    surface: npt.NDArray[np.uint8]
    sky: npt.NDArray[np.uint8]
    cirrus: Mask
    depth: Floats
    green: Floats
    warmth: Floats
    sun: Sun


class Utm(NamedTuple):
    """The pixels of a UTM zone: columns from its false origin, rows from the equator south.

    Attributes
    ----------
    zone : int
    pixel : int
        Metres.
    is_south : bool
        Whether it is the zone of the southern hemisphere; Landsat's are northern on both sides of
        the equator.
    """

    zone: int
    pixel: int = PIXEL
    is_south: bool = False

    @property
    def projection(self) -> Projection:
        """Of the pixels."""
        crs = f"EPSG:{(32700 if self.is_south else 32600) + self.zone}"
        return Projection(crs, (self.pixel, 0, 0, 0, -self.pixel, 0))

    def mercator(self, column: Whole, row: Whole) -> tuple[Doubles, Doubles]:
        """Mercator coordinates of pixels' centres, metres."""
        northing = (row + 0.5) * -self.pixel
        if self.is_south:
            northing = northing - _FALSE_NORTHING
        return _mercator((column + 0.5) * self.pixel, northing, self.zone)


class Sinusoidal(NamedTuple):
    """The pixels of MODIS's grid, of so many metres, from where the equator meets Greenwich."""

    pixel: float

    @property
    def projection(self) -> Projection:
        """Of the pixels. Earth Engine's code for it, SR-ORG:6974, is in no list of GDAL's."""
        return Projection(_SINUSOIDAL, (self.pixel, 0, 0, 0, -self.pixel, 0))

    def mercator(self, column: Whole, row: Whole) -> tuple[Doubles, Doubles]:
        """Mercator coordinates of pixels' centres, metres."""
        lat = np.clip((row + 0.5) * -self.pixel / SPHERE, -1.5707, 1.5707)
        lon = (column + 0.5) * self.pixel / (SPHERE * np.cos(lat))
        sine = np.sin(lat)
        return _EARTH * lon, _EARTH * (
            np.arctanh(sine) - _ECCENTRICITY * np.arctanh(_ECCENTRICITY * sine)
        )


Lattice = Utm | Sinusoidal


def longitudes(here: Land) -> Doubles:
    """Of a land's pixels, degrees."""
    return np.asarray(np.degrees(here.x / _EARTH))


def latitude_sines(here: Land) -> Doubles:
    """Of the geodetic latitudes of a land's pixels; Mercator's are conformal."""
    conformal = 2 * np.arctan(np.exp(here.y / _EARTH)) - math.pi / 2
    first, second = _CONFORMAL
    series = first * np.sin(2 * conformal) + second * np.sin(4 * conformal)
    return np.asarray(np.sin(conformal + series))


@lru_cache(maxsize=8)
def land(grid: Grid, lattice: Lattice, tie: Tie) -> Land:
    """The land under a grid's pixel centres, by the pixels of a lattice that they lie in."""
    # Where a place has no coordinates they are infinite. No scene reaches a UTM lattice's origin.
    column, row = (
        np.where(np.isfinite(each), each, 0).astype(np.int32)
        for each in containing(*coordinates(grid, lattice.projection), tie)
    )
    x, y = lattice.mercator(column, row)
    # Bent by some hundred metres, so that parcels and roads follow the land.
    u = x + 260 * np.sin(y / 2900) + 90 * np.sin(x / 1300 + 1)
    v = y + 230 * np.sin(x / 3300) + 90 * np.sin(y / 1100 + 2)
    j = np.floor(v / 620).astype(np.int64)
    i = np.floor(u / 940 + 0.37 * j).astype(np.int64)
    kind, when, tone = _noise(i, j, 1), _noise(i, j, 2), _noise(i, j, 3)
    river = np.abs((v + 5200 * np.sin(u / 9700) + 1700 * np.sin(u / 3100 + 1)) % 21_000 - 10_500)
    woods = (kind < 0.15) | (river < 420)
    road = (u / 940 + 0.37 * j) % 1 < 0.03
    south = np.where(y < 0, np.float32(0.5), np.float32(0))
    return Land(
        column,
        row,
        x,
        y,
        np.tanh(y / _EARTH).astype(np.float32),
        river < 130,
        (0.45 + 0.25 * when + south).astype(np.float32),
        np.where(road, 0.1, np.where(woods, 0.7, 0.12 + 0.2 * kind)).astype(np.float32),
        np.where(road, 0.0, np.where(woods, 0.2, 0.35 + 0.3 * kind)).astype(np.float32),
        (0.75 + 0.5 * tone).astype(np.float32),
    )


@lru_cache(maxsize=8)
def view(grid: Grid, lattice: Lattice, tie: Tie, time_ms: int, weather: Weather, sun: Sun) -> View:
    """The land at a moment, under clouds.

    Parameters
    ----------
    grid, lattice, tie
        As for :func:`land`.
    time_ms : int
        Milliseconds since 1970-01-01.
    weather : Weather
        What is above it.
    sun : Sun
        What lights it. Where there is none, there are no shadows.
    """
    here = land(grid, lattice, tie)
    year = time_ms / (365.2425 * DAY_MS) % 1
    season = np.maximum(0, np.cos(2 * np.pi * (np.float32(year) - here.phase))) ** 2
    summer = np.float32(-14 * math.cos(2 * math.pi * (year - 0.04)))  # the north's
    warmth = 304 - 32 * here.sine**2 + summer * here.sine
    # Snow lies longer on some parcels than on others.
    frozen = warmth < 270 + 20 * (here.tone - 0.75)
    surface = np.where(here.water, WATER, np.where(frozen, SNOW, LAND)).astype(np.uint8)
    clouds = _waves(here.x, here.y, weather.pattern, _CUMULUS)
    threshold = _quantile(weather.clouds)
    sky = np.full(surface.shape, CLEAR, np.uint8)
    if sun.elevation > 0:
        away = _CLOUD_BASE / math.tan(math.radians(max(sun.elevation, _LOWEST_SUN)))
        azimuth = math.radians(sun.azimuth)
        east, north = away * math.sin(azimuth), away * math.cos(azimuth)
        casting = _waves(here.x + east, here.y + north, weather.pattern, _CUMULUS)
        sky[casting < threshold] = SHADOW
    sky[clouds < threshold + _DILATION] = DILATED
    sky[clouds < threshold] = CLOUD
    cirrus = _waves(here.x, here.y, weather.pattern + 1, _CIRRUS) < _quantile(weather.cirrus)
    depth = np.maximum(0, threshold - clouds).astype(np.float32)
    return View(surface, sky, cirrus, depth, here.base + here.swing * season, warmth, sun)


def grain(here: Land) -> Floats:
    """What tells one pixel from the next, from 0 to 1."""
    return _noise(here.column, here.row, 4)


def reflectance(name: str, here: Land, seen: View) -> Floats:
    """Surface reflectance of a band of :data:`SPECTRA`; next to none at night."""
    noise = grain(here)
    if seen.sun.elevation <= 0:
        return np.asarray(0.004 * noise - 0.002, np.float32)
    soil, plants, water, snow = SPECTRA[name]
    value = soil * here.tone * (1 - seen.green) + plants * seen.green
    value = np.where(seen.surface == WATER, np.float32(water), value)
    value = np.where(seen.surface == SNOW, np.float32(snow), value)
    value = np.where(seen.sky == SHADOW, value * 0.45, value)
    value = np.where(seen.sky == DILATED, value + 0.08, value)
    value = np.where(seen.sky == CLOUD, 0.45 + 0.3 * seen.depth, value)
    value = np.where(seen.cirrus, value + 0.04, value)
    return np.asarray(value * (0.97 + 0.06 * noise), np.float32)


def temperature(seen: View) -> Floats:
    """Surface temperature in kelvin."""
    value = seen.warmth - 7 * seen.green
    value = np.where(seen.surface == WATER, seen.warmth - 4, value)
    value = np.where(seen.sky == CLOUD, np.maximum(262 - 8 * seen.depth, 205), value)
    return np.asarray(np.where(seen.cirrus, value - 5, value), np.float32)


def _mercator(
    easting: npt.NDArray[np.floating], northing: npt.NDArray[np.floating], zone: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mercator coordinates of a zone's, to a few metres: neighbours see one landscape."""
    plane = (northing + 1j * (easting - 500_000)) / _RADIUS
    sphere = plane - sum(b * np.sin(2 * (k + 1) * plane) for k, b in enumerate(_KRUEGER))
    meridian = math.radians(6 * zone - 183)
    longitude = meridian + np.arctan2(np.sinh(sphere.imag), np.cos(sphere.real))
    sine = np.clip(np.sin(sphere.real) / np.cosh(sphere.imag), -1 + 1e-12, 1 - 1e-12)
    return _EARTH * longitude, _EARTH * np.arctanh(sine)


def _noise(i: npt.NDArray[np.integer], j: npt.NDArray[np.integer], salt: int) -> Floats:
    """A number from 0 to 1 for each pair of integers (the finalizer of splitmix64)."""
    with np.errstate(over="ignore"):
        z = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z ^= j.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(salt)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _waves(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    pattern: int,
    wavelengths: tuple[int, ...],
) -> npt.NDArray[np.float64]:
    """About normally distributed over a scene, so a quantile of it covers that part of the sky."""
    dice = np.random.default_rng(pattern)
    total = np.zeros(x.shape)
    angle = dice.uniform(0, 2 * np.pi)
    for wavelength in wavelengths:
        angle += 2.4  # the golden angle: no two waves run alike
        phase = dice.uniform(0, 2 * np.pi)
        k = 2 * np.pi / wavelength
        total += np.sin(k * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return total * math.sqrt(2 / len(wavelengths))


def _quantile(part: float) -> float:
    """What that part of a normal distribution is below."""
    return NormalDist().inv_cdf(min(max(part, 1e-6), 1 - 1e-6))
