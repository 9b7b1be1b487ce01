"""Landsat Collection 2: every 16 days, or 8 later, by two satellites at a time.

Their data are turned in the raster, and are not quite where the footprint says. Scenes of a path
overlap, and so do paths. Night passes (WRS_ROW ≥ 122) come every 128 days; far north two passes
meet in a day. Landsat 7 has gaps after 2003-05-31, in each band elsewhere. Some scenes of Level 2
have no temperature (PROCESSING_LEVEL L2SR), some lack a band.

Passes are those of :mod:`..orbits`, pixels of :mod:`..scenes`. Not modelled: the atmosphere of TOA;
that a scene of Tier 2, here every fifth, isn't in Tier 1; and the real acquisitions' gaps: each
day scene of each pass exists, in the polar night too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np

from ... import sensors
from ...sensors.landsat import COLLECTIONS
from ..landscape import DAY_MS, Weather
from ..orbits import CYCLE_MS, PATHS, ROWS, Frame, frame, near, orbit, orbits
from ..scenes import Scene, read
from ..values import Band, Image, Query
from .base import VERSION, Source, check_count, cloud_cover, draw, milliseconds, sun_at, written

#: Days by which a satellite follows Landsat 8.
_PHASES: Final = {"LT04": 8, "LT05": 0, "LE07": 8, "LC08": 0, "LC09": 8}
#: Cycles of 16 days from one night pass of a path to the next.
_NIGHT_CYCLES: Final = 8
#: Parts of all scenes: those without temperature, of which some lack its band; without QA_RADSAT.
_NO_TEMPERATURE, _NO_THERMAL_BAND, _NO_RADSAT_BAND = 1 / 12, 1 / 48, 1 / 40
#: When Landsat 7's scan line corrector failed.
_CORRECTOR_OFF: Final = milliseconds(dt.date(2003, 5, 31))


#: Part of all scenes that Tier 2 has.
_SECOND_TIER: Final = 5


class Landsat(Source):
    """A satellite's collection.

    Parameters
    ----------
    collection : Collection
        What cedar knows of it.
    """

    def __init__(self, collection: sensors.Collection):
        self.collection = collection
        _, self.sensor, _, product = collection.id.split("/")
        self._tier, self._level = product.split("_")
        self._phase = _PHASES[self.sensor] * DAY_MS
        self._bands = sorted(collection.bands, key=_asset_order)

    def search(self, query: Query, start: int, end: int) -> Sequence[Image]:
        """Scenes of the passes over the query's bounds."""
        all_scenes = orbits()
        reached = np.ones(all_scenes.path.shape, np.bool_)
        for shape in query.bounds:
            reached &= near(shape.bounds)
        path, row, first = (
            each[reached].tolist() for each in (all_scenes.path, all_scenes.row, all_scenes.time)
        )
        passes = [
            (each, self._passes(*each, start, end)) for each in zip(path, row, first, strict=True)
        ]
        check_count(self.collection, sum(len(cycles) for _, cycles in passes))
        images = [
            self._image(path, row, cycle)
            for (path, row, _), cycles in passes
            if cycles and _intersects(frame(path, row), query)
            for cycle in cycles
        ]
        return [image for image in images if image is not None]

    def image(self, index: str, start: int, end: int) -> Image | None:
        """The scene ``LC08_<path><row>_<date>`` if the satellite took it then."""
        match = re.fullmatch(r"(\w{4})_(\d{3})(\d{3})_(\d{8})", index)
        if match is None or match[1] != self.sensor:
            return None
        path, row = int(match[2]), int(match[3])
        if not (1 <= path <= PATHS and 1 <= row <= ROWS):
            return None
        try:
            day = milliseconds(dt.date.fromisoformat(match[4]))
        except ValueError:
            return None
        span = max(day, start), min(day + DAY_MS, end)
        cycles = self._passes(path, row, frame(path, row).time, *span)
        return self._image(path, row, cycles[0]) if cycles else None

    def _passes(self, path: int, row: int, time: int, start: int, end: int) -> range:
        """Cycles in which it takes a scene in [start, end), where `time` is that of cycle 0."""
        time += self._phase
        first, last = -((time - start) // CYCLE_MS), -((time - end) // CYCLE_MS)
        if not self._is_night(row):
            return range(first, last)
        # One after the other: in each cycle an eighth of the orbits.
        first += -(first + orbit(path)) % _NIGHT_CYCLES
        return range(first, last, _NIGHT_CYCLES)

    def _is_night(self, row: int) -> bool:
        """Whether the satellite is on the night side."""
        rule = self.collection.night_rule
        return rule is not None and row >= rule[1]

    def _image(self, path: int, row: int, cycle: int) -> Image | None:
        where = frame(path, row)
        time = where.time + self._phase + cycle * CYCLE_MS
        date = written(time, "%Y%m%d")
        place = f"{path:03d}{row:03d}"
        index = f"{self.sensor}_{place}_{date}"
        if self._tier == "T2" and draw(f"T2 {index}") % _SECOND_TIER:
            return None
        # Clouds go over both rows of a pass alike; how many there are is the scene's.
        pattern = draw(f"{self.sensor} {path} {cycle}")
        cover = cloud_cover(index)
        lot, cirrus = _lots(index)
        # Of Level 1 nothing fails to be retrieved.
        retrieved = lot if self._level == "L2" else 0.5
        level = "L1TP" if self._level == "TOA" else "L2SR" if lot < _NO_TEMPERATURE else "L2SP"
        sun = sun_at(time, where.lon, where.lat)
        scene = Scene(
            self.collection,
            where,
            time,
            Weather(pattern, cover / 100, 0.3 * cirrus**2),
            sun,
            has_gaps=self.sensor == "LE07" and time >= _CORRECTOR_OFF,
            has_temperature=level != "L2SR",
        )
        properties = {
            "system:index": index,
            "system:time_start": time,
            "CLOUD_COVER": cover,
            "CLOUD_COVER_LAND": -1 if self._is_night(row) else cover,
            "LANDSAT_PRODUCT_ID": f"{self.sensor}_{level}_{place}_{date}_{date}_02_{self._tier}",
            "PROCESSING_LEVEL": level,
            "SPACECRAFT_ID": f"LANDSAT_{int(self.sensor[2:])}",
            "SUN_AZIMUTH": sun.azimuth,
            "SUN_ELEVATION": sun.elevation,
            "WRS_PATH": path,
            "WRS_ROW": row,
            "cedar:synthetic": True,
        }
        return Image(
            bands=tuple(_band(scene, band) for band in self._bands if not _lacks(retrieved, band)),
            properties=properties,
            footprint=where.footprint,
            id=f"{self.collection.id}/{index}",
            version=VERSION,
        )


def _asset_order(band: sensors.Band) -> tuple[bool, str]:
    """SR, ST and QA of Level 2; B, QA and the angles of TOA."""
    return band.native[0] != "B" and band.native[:2] not in ("SR", "ST"), band.native


def _band(scene: Scene, band: sensors.Band) -> Band:
    where = scene.frame
    return Band(band.native, band.dtype, where.projection, partial(read, scene, band), where.size)


def _intersects(frame: Frame, query: Query) -> bool:
    return all(frame.footprint.shape.intersects(shape) for shape in query.bounds)


def _lots(index: str) -> tuple[float, float]:
    """Two numbers from 0 to 1 that a scene has drawn."""
    drawn = hashlib.blake2b(index.encode(), digest_size=8).digest()
    return int.from_bytes(drawn[:4]) / 2**32, int.from_bytes(drawn[4:]) / 2**32


def _lacks(lot: float, band: sensors.Band) -> bool:
    """Whether a scene's asset doesn't have a band."""
    if band.name == "thermal":
        return lot < _NO_THERMAL_BAND
    return band.name == "radsat" and lot >= 1 - _NO_RADSAT_BAND


SOURCES: Final = tuple(map(Landsat, COLLECTIONS))
