"""HLS: passes of Landsat 8 and 9, and of Sentinel-2, in one grid of tiles of 30 m.

Not modelled: that Landsat's passes are those of its own collections, to the minute; BRDF.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ... import sensors
from ...sensors.hls import COLLECTIONS
from .. import landscape
from ..landscape import CLOUD, DILATED, SHADOW, SNOW, WATER, Land, View
from ..values import Image
from . import sentinel2
from .base import by_kind, milliseconds, moment, written
from .granules import Granule, Granules, Satellite
from .tiles import by_name
from .tracks import Track

_KELVIN: Final = 273.15


def _landsat(number: int, first: dt.date, days_behind: int) -> Satellite:
    """233 orbits in 16 days, southwards at 10:11."""
    start = milliseconds(dt.date(2013, 4, 11) + dt.timedelta(days_behind)) + 36_660_000
    track = Track(233, 16, 0.0, start, 98.2, 92_500)
    return Satellite(f"LANDSAT_{number}", track, milliseconds(first))


def _fmask() -> np.ndarray:
    """Fmask of every sky, surface and cirrus: low aerosol, and what is seen."""
    table = np.full((4, 3, 2), 1 << 6, np.uint8)
    table[CLOUD] |= 1 << 1
    table[DILATED] |= 1 << 2
    table[SHADOW] |= 1 << 3
    table[:CLOUD, SNOW] |= 1 << 4
    table[:CLOUD, WATER] |= 1 << 5
    return table


def _celsius(band: sensors.Band, here: Land, seen: View) -> np.ndarray:  # noqa: ARG001 - a Physical
    return landscape.temperature(seen) - np.float32(_KELVIN)


class _Harmonized(Granules):
    """L30 or S30."""

    physical = {  # noqa: RUF012 - as the base declares it
        "qa": by_kind(_fmask()),
        "thermal": _celsius,
        "thermal2": _celsius,
    }

    def pixel(self, band: sensors.Band) -> int:  # noqa: ARG002 - the base's
        """All are resampled to 30 m."""
        return 30

    def index(self, granule: Granule) -> str:
        """Tile and sensing time."""
        return f"T{granule.tile.name}_{written(granule.flown.time, '%Y%m%dT%H%M%S')}"

    def image(self, index: str, start: int, end: int) -> Image | None:
        """The granule ``T21JUL_20130427T135010``."""
        match = re.fullmatch(r"T(\w{5})_(\d{8}T\d{6})", index)
        time = moment(match[2]) if match else None
        if match is None or time is None:
            return None
        span = max(time, start), min(time + 1000, end)
        return self.named(by_name().get(match[1]), index, *span)

    def properties(self, granule: Granule) -> Mapping[str, Any]:
        """As the catalog names them."""
        name, tile = granule.satellite.name, granule.tile.name
        date, orbit = written(granule.flown.time, "%Y%m%d"), granule.flown.orbit + 1
        own = {"LANDSAT_PRODUCT_ID": f"LC0{name[-1]}_L1TP_{orbit:03d}000_{date}_{date}_02_T1"}
        if name.startswith("Sentinel"):
            began = written(sentinel2.datatake(granule), "%Y%m%dT%H%M%S")
            product = f"S2{name[-1]}_MSIL1C_{began}_N0500_R{orbit:03d}_T{tile}_{began}"
            own = {"MGRS_TILE_ID": tile, "PRODUCT_URI": f"{product}.SAFE"}
        return {
            "CLOUD_COVERAGE": granule.cover,
            "MEAN_SUN_AZIMUTH_ANGLE": granule.sun.azimuth,
            "MEAN_SUN_ZENITH_ANGLE": 90 - granule.sun.elevation,
            "SPATIAL_COVERAGE": granule.share,
            **own,
        }


_L30, _S30 = COLLECTIONS
SOURCES: Final = (
    _Harmonized(
        _L30, (_landsat(8, dt.date(2013, 4, 11), 0), _landsat(9, dt.date(2021, 10, 31), 8))
    ),
    _Harmonized(_S30, (sentinel2.A, sentinel2.B)),
)
