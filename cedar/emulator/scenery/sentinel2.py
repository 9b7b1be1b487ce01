"""Sentinel-2: two satellites, each every ten days, in granules of MGRS tiles.

One granule in eight has no Cloud Score+.

Not modelled: Sentinel-2C, granules that were processed twice, and the gaps of the first years.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from ... import sensors
from ...sensors.sentinel2 import COLLECTIONS
from ..landscape import CLEAR, CLOUD, DILATED, SHADOW, Land, View
from ..values import Image
from .base import always, by_kind, draw, milliseconds, moment, written
from .granules import Granule, Granules, Satellite
from .tiles import Tile, by_name
from .tracks import Track

_NOON: Final = 10 * 3_600_000 + 30 * 60_000
_DAYS: Final = 10
_SWATH: Final = 145_000


def satellite(name: str, first: dt.date, days_behind: int) -> Satellite:
    """One of the two: 143 orbits in ten days, southwards at 10:30."""
    start = milliseconds(dt.date(2015, 6, 27) + dt.timedelta(days_behind)) + _NOON
    return Satellite(name, Track(143, _DAYS, 0.0, start, 98.62, _SWATH), milliseconds(first))


A: Final = satellite("Sentinel-2A", dt.date(2015, 6, 27), 0)
B: Final = satellite("Sentinel-2B", dt.date(2017, 3, 14), 5)


def datatake(granule: Granule) -> int:
    """When the pass began that a granule is of: north of all land. In ms since 1970."""
    track, (cycle, orbit, _) = granule.satellite.track, granule.flown
    return int(track.time(cycle, orbit, -90))


def orbit_number(granule: Granule) -> int:
    """The number of its orbit, from 1."""
    return granule.flown.orbit + 1


def _classes() -> np.ndarray:
    """SCL of every sky, surface and cirrus; vegetation is told apart where it is seen."""
    table = np.zeros((4, 3, 2), np.uint8)
    table[CLEAR] = [[5, 10], [6, 10], [11, 11]]
    table[DILATED], table[SHADOW], table[CLOUD] = 8, 3, 9
    return table


_SCL: Final = by_kind(_classes())


def _scene_classes(band: sensors.Band, here: Land, seen: View) -> np.ndarray:
    classes = _SCL(band, here, seen)
    return np.where((classes == 5) & (seen.green > 0.4), 4, classes)


class _Sentinel2(Granules):
    """Level 2A."""

    physical = {"scl": _scene_classes, "aot": always(0.12), "wvp": always(2.1)}  # noqa: RUF012

    def pixel(self, band: sensors.Band) -> int:
        """10, 20 or 60 m."""
        if band.native in ("B2", "B3", "B4", "B8", "AOT", "WVP"):
            return 10
        return 60 if band.native in ("B1", "B9") else 20

    def index(self, granule: Granule) -> str:
        """Sensing time of the datatake, generation of the product, tile."""
        start = datatake(granule)
        times = (written(time, "%Y%m%dT%H%M%S") for time in (start, start + 4_321_000))
        return f"{'_'.join(times)}_T{granule.tile.name}"

    def image(self, index: str, start: int, end: int) -> Image | None:
        """The granule ``<time>_<time>_T21JXM``."""
        match = re.fullmatch(r"(\d{8}T\d{6})_\d{8}T\d{6}_T(\w{5})", index)
        began = moment(match[1]) if match else None
        if match is None or began is None:
            return None
        # It flies south for half an orbit.
        span = max(began, start), min(began + 3_600_000, end)
        return self.named(by_name().get(match[2]), index, *span)

    def properties(self, granule: Granule) -> Mapping[str, Any]:
        """As the catalog names them."""
        spacecraft, sun = granule.satellite.name, granule.sun
        began, number = written(datatake(granule), "%Y%m%dT%H%M%S"), orbit_number(granule)
        tile, unit = granule.tile.name, spacecraft[-1]
        return {
            "CLOUDY_PIXEL_PERCENTAGE": granule.cover,
            "MEAN_SOLAR_AZIMUTH_ANGLE": sun.azimuth,
            "MEAN_SOLAR_ZENITH_ANGLE": 90 - sun.elevation,
            "MGRS_TILE": tile,
            "PROCESSING_BASELINE": "05.00",
            "PRODUCT_ID": f"S2{unit}_MSIL2A_{began}_N0500_R{number:03d}_T{tile}_{began}",
            "SENSING_ORBIT_DIRECTION": "DESCENDING",
            "SENSING_ORBIT_NUMBER": number,
            "SPACECRAFT_NAME": spacecraft,
        }


def _score(band: sensors.Band, here: Land, seen: View) -> np.ndarray:  # noqa: ARG001
    """From 0 below what is thick to 1 over what is green; cs_cdf is the stricter."""
    clear = 0.7 + 0.6 * seen.green
    veiled = np.select([seen.sky == DILATED, seen.sky == SHADOW], [0.5, 0.3], 0.4 - seen.depth)
    score: np.ndarray = np.clip(
        np.where(seen.sky == CLEAR, clear, veiled) - 0.2 * seen.cirrus, 0, 1
    )
    return score if band.name == "cs" else score * score


class _CloudScore(_Sentinel2):
    """Cloud Score+: of the same granules, but those that it lacks."""

    physical = dict.fromkeys(("cs", "cs_cdf"), _score)

    def pixel(self, band: sensors.Band) -> int:  # noqa: ARG002
        """10 m."""
        return 10

    def granules(self, tile: Tile, start: int, end: int) -> Iterator[Granule]:
        """Those that it has."""
        for granule in super().granules(tile, start, end):
            if draw(f"{self.index(granule)} score") % 8:
                yield granule

    def properties(self, granule: Granule) -> Mapping[str, Any]:  # noqa: ARG002
        """None that are documented."""
        return {}


_LEVEL_2A, _SCORES = COLLECTIONS
SOURCES: Final = (_Sentinel2(_LEVEL_2A, (A, B)), _CloudScore(_SCORES, (A, B)))
