"""An invented Earth: fields, rivers, seasons and clouds, as reflectances of Landsat's bands.

Everything is arithmetic on the coordinates of a 30 m pixel of a UTM zone, so any part of it can be
made at any time, alike wherever and in whatever order it is asked for.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .values import Grid

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PIXEL: Final = 30
DAY_MS: Final = 86_400_000
#: Kinds of cover, as :attr:`View.cover` has them.
LAND, WATER, SHADOW, CLOUD = range(4)

# WGS 84: rectifying radius × UTM's scale, and Krüger's series from UTM to the sphere (Karney 2011).
_RADIUS: Final = 6_367_449.1458 * 0.9996
_KRUEGER: Final = (8.377318206e-4, 5.905870e-8)
_EARTH: Final = 6_378_137.0

#: Reflectance of bare soil, of dense vegetation, of water.
SPECTRA: Final = {
    "coastal": (0.065, 0.025, 0.055),
    "blue": (0.08, 0.03, 0.06),
    "green": (0.12, 0.07, 0.055),
    "red": (0.16, 0.035, 0.035),
    "nir": (0.24, 0.45, 0.02),
    "swir1": (0.31, 0.17, 0.01),
    "swir2": (0.26, 0.08, 0.007),
}


class Land(NamedTuple):
    """What doesn't change from day to day, each (height, width).

    Attributes
    ----------
    column, row : array of int
        Pixel of the zone's 30 m lattice: easting // 30 and northing // 30.
    x, y : array of float
        Mercator coordinates, metres, the same from whichever zone.
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
    water: Mask
    phase: Floats
    base: Floats
    swing: Floats
    tone: Floats


class View(NamedTuple):
    """What a satellite sees at one pass, each (height, width): cover and greenness."""

    cover: npt.NDArray[np.uint8]
    green: Floats


@lru_cache(maxsize=8)
def land(grid: Grid, zone: int) -> Land:
    """The land under a grid's pixel centres, by the 30 m pixels of a UTM zone that they lie in."""
    easting, northing = grid.centers_in(f"EPSG:{32600 + zone}")
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(easting) & np.isfinite(northing)
    column = np.floor_divide(np.where(usable, easting, 0), PIXEL).astype(np.int32)
    row = np.floor_divide(np.where(usable, northing, 0), PIXEL).astype(np.int32)
    x, y = _mercator((column + 0.5) * PIXEL, (row + 0.5) * PIXEL, zone)
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
        river < 130,
        (0.45 + 0.25 * when + south).astype(np.float32),
        np.where(road, 0.1, np.where(woods, 0.7, 0.12 + 0.2 * kind)).astype(np.float32),
        np.where(road, 0.0, np.where(woods, 0.2, 0.35 + 0.3 * kind)).astype(np.float32),
        (0.75 + 0.5 * tone).astype(np.float32),
    )


@lru_cache(maxsize=8)
def view(grid: Grid, zone: int, time_ms: int, weather: int, cloudiness: float) -> View:
    """The land at a moment, under clouds.

    Parameters
    ----------
    grid, zone
        As for :func:`land`.
    time_ms : int
        Milliseconds since 1970-01-01.
    weather : int
        Which pattern of clouds; they drift by nothing else.
    cloudiness : float
        Part of the sky that clouds cover, from 0 to 1.
    """
    here = land(grid, zone)
    year = np.float32(time_ms / (365.2425 * DAY_MS) % 1)
    season = np.maximum(0, np.cos(2 * np.pi * (year - here.phase))) ** 2
    cover = np.where(here.water, WATER, LAND).astype(np.uint8)
    clouds = _clouds(here.x, here.y, weather)
    shadows = _clouds(here.x - 900, here.y + 1400, weather)
    threshold = NormalDist().inv_cdf(min(max(cloudiness, 1e-6), 1 - 1e-6))
    cover[shadows < threshold] = SHADOW
    cover[clouds < threshold] = CLOUD
    return View(cover, here.base + here.swing * season)


def reflectance(name: str, here: Land, seen: View) -> Floats:
    """Surface reflectance of a band of :data:`SPECTRA`."""
    soil, plants, water = SPECTRA[name]
    value = soil * here.tone * (1 - seen.green) + plants * seen.green
    value = np.where(seen.cover == WATER, np.float32(water), value)
    value = np.where(seen.cover == SHADOW, value * 0.45, value)
    value = np.where(seen.cover == CLOUD, np.float32(0.62), value)
    grain = _noise(here.column, here.row, 4).astype(np.float32)
    return np.asarray(value * (0.97 + 0.06 * grain), np.float32)


def temperature(here: Land, seen: View, time_ms: int) -> Floats:
    """Surface temperature in kelvin."""
    year = time_ms / (365.2425 * DAY_MS) % 1
    latitude = np.arctan(np.sinh(here.y / _EARTH))
    season = -math.cos(2 * math.pi * (year - 0.04)) * np.sin(latitude) * 14
    value = 304 - 32 * np.sin(latitude) ** 2 + season - 7 * seen.green
    value = np.where(seen.cover == WATER, value - 4, value)
    return np.asarray(np.where(seen.cover == CLOUD, 262, value), np.float32)


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


def _clouds(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], weather: int
) -> npt.NDArray[np.float64]:
    """About normally distributed over a scene, so a quantile of it covers that part of the sky."""
    dice = np.random.default_rng(weather)
    total = np.zeros(x.shape)
    angle = dice.uniform(0, 2 * np.pi)
    for wavelength in (2_100, 3_400, 5_300, 8_700, 14_000):
        angle += 2.4  # the golden angle: no two waves run alike
        phase = dice.uniform(0, 2 * np.pi)
        k = 2 * np.pi / wavelength
        total += np.sin(k * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return total * math.sqrt(2 / 5)
