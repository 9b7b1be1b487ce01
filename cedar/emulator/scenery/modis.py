"""MODIS: an image of the whole globe a day, or every eight days from 1 January.

The daily ones have gaps between the swaths near the equator, which move from day to day. Not
modelled: that each place has its own sun, and the night of the poles.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import shapely

from ... import sensors
from ...sensors.modis import COLLECTIONS, PIXEL
from ..landscape import (
    CLOUD,
    DAY_MS,
    DILATED,
    SHADOW,
    SNOW,
    WATER,
    Land,
    Lattice,
    Mask,
    Sinusoidal,
    Sun,
    View,
    Weather,
    latitude_sines,
    longitudes,
)
from ..values import Geometry, Image, Projection, Query
from .base import (
    VERSION,
    Physical,
    Scene,
    Source,
    angles,
    bands,
    by_kind,
    check_count,
    draw,
    milliseconds,
    written,
)

_GLOBE: Final = Geometry(shapely.box(-180, -90, 180, 90))
_SUN: Final = Sun(140.0, 50.0)
#: Pixels of 500 m around the equator, and from pole to pole.
_COLUMNS, _ROWS = 86_400, 43_200
#: Degrees of longitude from one orbit to the next.
_ORBIT: Final = 24.7
#: Degrees that a day's orbits lie west of the day's before.
_DRIFT: Final = 10.3


def _state_bits() -> np.ndarray:
    """State of every sky, surface and cirrus, of land or inland water, with little aerosol."""
    table = np.full((4, 3, 2), 1 << 3 | 1 << 6, np.uint16)
    table[:, WATER] += 0b10 << 3
    table[CLOUD] |= 1 | 1 << 10
    table[SHADOW] |= 1 << 2
    table[DILATED] |= 1 << 13
    table[:CLOUD, SNOW] |= 1 << 12
    table[:, :, 1] |= 1 << 8
    return table


def _quality(band: sensors.Band, here: Land, seen: View) -> np.ndarray:  # noqa: ARG001 - a Physical
    """Of NBAR: a full inversion, but where thin clouds were."""
    return seen.cirrus.astype(np.uint8)


_STATE: Final = by_kind(_state_bits())


def _everywhere(here: Land, lattice: Lattice) -> Mask:
    """Where the globe is in the sinusoidal grid."""
    del lattice
    return np.asarray(np.abs(longitudes(here)) <= 180)


def _in_swaths(day: int, here: Land, lattice: Lattice) -> Mask:
    """Where a day's orbits saw the ground: wedges between them are left out up to 30°."""
    across = (longitudes(here) + day * _DRIFT) % _ORBIT
    missing = 3.6 * (1 - np.abs(latitude_sines(here)) / math.sin(math.radians(30)))
    return np.asarray(_everywhere(here, lattice) & (across >= missing))


class _Modis(Source):
    """A product.

    Parameters
    ----------
    collection : Collection
        What cedar knows of it.
    days : int
        From one image to the next, counted anew each year.
    """

    def __init__(self, collection: sensors.Collection, days: int):
        self.collection = collection
        self._days = days
        self._is_daily = collection.id.endswith("09GA")
        self._is_nbar = collection.id.endswith("MCD43A4")

    def search(self, query: Query, start: int, end: int) -> Sequence[Image]:
        """The images of the days; each meets all bounds."""
        if any(not _GLOBE.shape.intersects(shape) for shape in query.bounds):
            return []
        dates = list(self._dates(start, end))
        check_count(self.collection, len(dates))
        return [self._image(date) for date in dates]

    def image(self, index: str, start: int, end: int) -> Image | None:
        """The image ``2020_05_18``."""
        try:
            day = milliseconds(dt.datetime.strptime(index, "%Y_%m_%d").date())  # noqa: DTZ007
        except ValueError:
            return None
        dates = list(self._dates(max(day, start), min(day + 1, end)))
        found = self._image(dates[0]) if dates else None
        return found if found is not None and found.properties["system:index"] == index else None

    def _dates(self, start: int, end: int) -> Iterator[dt.date]:
        epoch = dt.date(1970, 1, 1)
        for number in range(-(-start // DAY_MS), -(-end // DAY_MS)):
            date = epoch + dt.timedelta(number)
            if (date.timetuple().tm_yday - 1) % self._days == 0:
                yield date

    def _image(self, date: dt.date) -> Image:
        time = milliseconds(date)
        index = written(time, "%Y_%m_%d")
        pattern = draw(f"{self.collection.id} {index}")
        clouds = 0.0 if self._is_nbar else 0.3
        scene = Scene(
            time + DAY_MS // 2,
            Weather(pattern, clouds, 0.1),
            _SUN,
            partial(_in_swaths, time // DAY_MS) if self._is_daily else _everywhere,
            self._physical(date),
        )
        return Image(
            bands=bands(scene, self.collection, self._raster),
            properties={
                "system:index": index,
                "system:time_start": time,
                "system:time_end": time + self._days * DAY_MS,
                "cedar:synthetic": True,
            },
            footprint=_GLOBE,
            id=f"{self.collection.id}/{index}",
            version=VERSION,
        )

    def _raster(self, band: sensors.Band) -> tuple[Sinusoidal, Projection, tuple[int, int]]:
        """Of 500 m; a day's state and angles have 1 km."""
        times = 2 if self._is_daily and not band.native.startswith("sur_refl") else 1
        pixel, columns, rows = PIXEL * times, _COLUMNS // times, _ROWS // times
        lattice = Sinusoidal(pixel)
        transform = (pixel, 0.0, -columns / 2 * pixel, 0.0, -pixel, rows / 2 * pixel)
        return lattice, Projection(lattice.projection.crs, transform), (columns, rows)

    def _physical(self, date: dt.date) -> dict[str, Physical]:
        first = date.timetuple().tm_yday

        def day_of_year(band: sensors.Band, here: Land, seen: View) -> np.ndarray:  # noqa: ARG001
            return first + (here.column // 100 + here.row // 100) % self._days

        qualities = {
            band.name: _quality for band in self.collection.bands if band.name[-3:] == "_qa"
        }
        west = Sun((_SUN.azimuth + 180) % 360 - 180, _SUN.elevation)
        return {"qa": _STATE, "day_of_year": day_of_year, **qualities, **angles(west, 20, -80)}


SOURCES: Final = tuple(
    _Modis(collection, 8 if collection.id.endswith("MOD09A1") else 1) for collection in COLLECTIONS
)
