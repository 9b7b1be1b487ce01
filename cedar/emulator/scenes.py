"""Pixels of synthetic Landsat scenes, in the numbers of Collection 2, with its ways to have none.

Scales, offsets and ranges are those of :mod:`cedar.sensors.landsat`; QA bits the USGS's (LSDS-1618
and LSDS-1619). Whatever a pixel holds follows from the scene and the pixel's place alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..sensors import Band, Collection
from . import landscape
from .landscape import CLEAR, CLOUD, DILATED, PIXEL, SHADOW, SNOW, WATER, Sun, Utm, Weather
from .orbits import Frame, is_data, side
from .questions import answers
from .values import Grid, Pixels

# Without its scan line corrector, Landsat 7 lost wedges from the middle of the swath to its edges,
# where they are 14 pixels high, at every double scan of 33
# (https://www.usgs.gov/landsat-missions/landsat-7); elsewhere in each band.
_SCAN: Final = 33 * PIXEL
_WIDEST_GAP: Final = 14 * PIXEL
_WHOLE_MIDDLE: Final = 0.12
_GAP_SHIFT: Final = 2 * PIXEL

# Bands that aren't reflectances, by their common names.
_QA, _RADSAT, _THERMAL = "qa", "radsat", "thermal"
_TEMPERATURES: Final = (_THERMAL, "thermal2", "thermal_high_gain")
# From where all of a scene is seen, degrees.
_VIEW: Final = {"view_azimuth": 100.0, "view_zenith": 5.0}


class Scene(NamedTuple):
    """What the pixels of an image follow from.

    Attributes
    ----------
    collection : Collection
        Its bands.
    frame : Frame
        Where it lies.
    time : int
        Milliseconds since 1970.
    weather : Weather
        What is between the ground and the satellite.
    sun : Sun
        What lights it.
    has_gaps : bool
        Whether the scan line corrector is off.
    has_temperature : bool
        Whether its surface temperature could be made; else that band is masked.
    """

    collection: Collection
    frame: Frame
    time: int
    weather: Weather
    sun: Sun
    has_gaps: bool
    has_temperature: bool


def read(scene: Scene, band: Band, grid: Grid) -> Pixels:
    """A band at the centres of a grid: the number of the 30 m pixel that each lies in."""
    place = (grid, Utm(scene.frame.zone), answers().tie)
    here = landscape.land(*place)
    along, across = scene.frame.along_and_across(here.column, here.row)
    mask = is_data(along, across)
    if scene.has_gaps:
        shift = scene.collection.bands.index(band) * _GAP_SHIFT
        gap = _WIDEST_GAP * (side(across) - _WHOLE_MIDDLE) / (1 - _WHOLE_MIDDLE)
        mask &= (along + shift) % _SCAN >= gap
    if band.name == _THERMAL and not scene.has_temperature:
        mask[:] = False
    if not mask.any():
        return Pixels(np.zeros(mask.shape, band.dtype), mask)
    seen = landscape.view(*place, scene.time, scene.weather, scene.sun)
    return Pixels(_numbers(scene.collection, band, here, seen), mask)


def _numbers(
    collection: Collection, band: Band, here: landscape.Land, seen: landscape.View
) -> npt.NDArray[Any]:
    if band.name == _QA:
        return np.take(_qa_pixel(has_cirrus(collection)), _kind(seen))
    if band.name == _RADSAT:
        return _saturation(collection, here, seen)
    physical = _physical(band, here, seen)
    if band.dtype == "float32":
        return physical
    low, high = band.valid_range or (-18000, 18000)
    return np.clip(_unlimited(band, physical), low, high).astype(band.dtype)


def _physical(band: Band, here: landscape.Land, seen: landscape.View) -> landscape.Floats:
    if band.name in _TEMPERATURES:
        return landscape.temperature(seen)
    if band.name in landscape.SPECTRA:
        return landscape.reflectance(band.name, here, seen)
    sun = {
        "sun_azimuth": (seen.sun.azimuth + 180) % 360 - 180,
        "sun_zenith": 90 - seen.sun.elevation,
    }
    return np.full(seen.sky.shape, (sun | _VIEW)[band.name], np.float32)


def _unlimited(band: Band, physical: landscape.Floats) -> landscape.Floats:
    return np.asarray(np.rint((physical - band.offset) / band.scale), np.float32)


def _saturation(
    collection: Collection, here: landscape.Land, seen: landscape.View
) -> npt.NDArray[np.uint16]:
    """QA_RADSAT: bit n − 1 where band n would be above its range, and is held in it."""
    bits = np.zeros(seen.sky.shape, np.uint16)
    for band in collection.bands:
        if band.name in landscape.SPECTRA and band.valid_range is not None:
            numbers = _unlimited(band, landscape.reflectance(band.name, here, seen))
            bit = int(band.native.removeprefix("SR_B")) - 1
            bits[numbers > band.valid_range[1]] |= 1 << bit
    return bits


def has_cirrus(collection: Collection) -> bool:
    """Whether QA_PIXEL tells of cirrus: OLI's does."""
    return any("cirrus" in meaning for meaning in collection.qa_bits["QA_PIXEL"].values())


def _kind(seen: landscape.View) -> npt.NDArray[np.intp]:
    """Index of a pixel's sky, surface and cirrus in :func:`_qa_pixel`."""
    return (seen.sky.astype(np.intp) * 3 + seen.surface) * 2 + seen.cirrus


@cache
def _qa_pixel(tells_cirrus: bool) -> npt.NDArray[np.uint16]:
    """QA_PIXEL of every sky, surface and cirrus.

    Bits 8–15 are pairs of confidence: cloud, shadow, snow, cirrus; 1 is low, 3 is high.
    """
    table = np.zeros((4, 3, 2), np.uint16)
    table[:] = 0b00_01_01_01 << 8
    table[[CLEAR, SHADOW]] |= 1 << 6
    table[DILATED] |= 1 << 1
    table[CLOUD] |= 1 << 3 | 0b11 << 8
    table[SHADOW] |= 1 << 4 | 0b11 << 10
    # What is under a cloud isn't seen.
    table[:CLOUD, WATER] |= 1 << 7
    table[:CLOUD, SNOW] |= 1 << 5 | 0b11 << 12
    if tells_cirrus:
        table |= 0b01 << 14
        table[:, :, 1] |= 1 << 2 | 0b11 << 14
    return table.ravel()
