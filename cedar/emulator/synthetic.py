"""Synthetic scenes of the Landsat collections: everywhere, every 16 days, made when looked at.

They are what real ones are where that bites. Their data are turned in the raster, and are not quite
where the footprint says. Scenes of a path overlap, and so do paths. Night passes (WRS_ROW ≥ 122)
come every 128 days; far north two passes meet in a day. Landsat 7 has gaps after 2003-05-31, in
each band elsewhere. Some scenes have no temperature (PROCESSING_LEVEL L2SR), some lack a band.

Every image has the property ``cedar:synthetic``. Dates of service and bands are those of
:mod:`cedar.sensors.landsat`, passes of :mod:`.orbits`, pixels of :mod:`.scenes`. Not modelled: tier
2, and the real acquisitions' gaps: each day scene of each pass exists, in the polar night too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from .. import sensors
from ..sensors.landsat import COLLECTIONS
from .catalog import time_order
from .landscape import DAY_MS, Sun, Weather
from .orbits import CYCLE_MS, PATHS, ROWS, Frame, frame, near, orbit, orbits
from .scenes import Scene, read
from .values import Band, Image, Query, ServiceError

#: Most images that one search may list.
MAX_IMAGES: Final = 20_000
#: Of every image; another one when the same scene would get other pixels.
VERSION: Final = 2

#: Days by which a satellite follows Landsat 8.
_PHASES: Final = {"LT04": 8, "LT05": 0, "LE07": 8, "LC08": 0, "LC09": 8}
#: Cycles of 16 days from one night pass of a path to the next.
_NIGHT_CYCLES: Final = 8
#: Parts of all scenes: those without temperature, of which some lack its band; without QA_RADSAT.
_NO_TEMPERATURE, _NO_THERMAL_BAND, _NO_RADSAT_BAND = 1 / 12, 1 / 48, 1 / 40


def _ms(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days * DAY_MS


#: When Landsat 7's scan line corrector failed.
_CORRECTOR_OFF: Final = _ms(dt.date(2003, 5, 31))


class _Mission(NamedTuple):
    """A satellite's collection.

    Attributes
    ----------
    collection : Collection
        What cedar knows of it.
    sensor : str
        ``LC08``, say.
    bands : tuple of Band
        In the order of an asset: SR, ST, QA.
    phase : int
        Milliseconds by which it follows Landsat 8.
    """

    collection: sensors.Collection
    sensor: str
    bands: tuple[sensors.Band, ...]
    phase: int

    def passes(self, path: int, row: int, time: int, start: int, end: int) -> range:
        """Cycles in which it takes a scene in [start, end), where `time` is that of cycle 0."""
        time += self.phase
        first, last = -((time - start) // CYCLE_MS), -((time - end) // CYCLE_MS)
        if not self.is_night(row):
            return range(first, last)
        # One after the other: in each cycle an eighth of the orbits.
        first += -(first + orbit(path)) % _NIGHT_CYCLES
        return range(first, last, _NIGHT_CYCLES)

    def is_night(self, row: int) -> bool:
        """Whether the satellite is on the night side."""
        rule = self.collection.night_rule
        return rule is not None and row >= rule[1]


def _mission(collection: sensors.Collection) -> _Mission:
    sensor = collection.id.split("/")[1]
    bands = sorted(
        collection.bands,
        key=lambda band: (("SR", "ST", "QA").index(band.native[:2]), band.native),
    )
    return _Mission(collection, sensor, tuple(bands), _PHASES[sensor] * DAY_MS)


_MISSIONS: Final = {each.id: _mission(each) for each in COLLECTIONS if each.id.endswith("T1_L2")}


class SyntheticCatalog:
    """The Landsat Collection 2 Level 2 collections, made up.

    Parameters
    ----------
    now : callable
        The time in seconds since 1970: no image is younger.
    """

    def __init__(self, now: Callable[[], float] = time.time):
        self._now = now

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
        start, end = self._span(mission, query)
        all_scenes = orbits()
        reached = np.ones(all_scenes.path.shape, np.bool_)
        for shape in query.bounds:
            reached &= near(shape.bounds)
        path, row, first = (
            each[reached].tolist() for each in (all_scenes.path, all_scenes.row, all_scenes.time)
        )
        passes = [
            (each, mission.passes(*each, start, end)) for each in zip(path, row, first, strict=True)
        ]
        count = sum(len(cycles) for _, cycles in passes)
        if count > MAX_IMAGES:
            raise ServiceError(
                f"The emulator would list {count} synthetic images of {collection}, more than"
                f" {MAX_IMAGES}: narrow the search by bounds and dates."
            )
        images = [
            _image(mission, path, row, cycle)
            for (path, row, _), cycles in passes
            if cycles and _intersects(frame(path, row), query)
            for cycle in cycles
        ]
        return sorted(images, key=time_order)

    def image(self, image_id: str) -> Image | None:
        """The scene ``<collection>/LC08_<path><row>_<date>`` if the satellite took it then."""
        collection, _, index = image_id.rpartition("/")
        mission = _MISSIONS.get(collection)
        match = re.fullmatch(r"(\w{4})_(\d{3})(\d{3})_(\d{8})", index)
        if mission is None or match is None or match[1] != mission.sensor:
            return None
        path, row = int(match[2]), int(match[3])
        if not (1 <= path <= PATHS and 1 <= row <= ROWS):
            return None
        try:
            day = _ms(dt.date.fromisoformat(match[4]))
        except ValueError:
            return None
        start, end = self._span(mission, Query(start=day, end=day + DAY_MS))
        cycles = mission.passes(path, row, frame(path, row).time, start, end)
        return _image(mission, path, row, cycles[0]) if cycles else None

    def _span(self, mission: _Mission, query: Query) -> tuple[int, int]:
        """Milliseconds, half-open, in which the query, the mission and the clock leave images."""
        first, last = mission.collection.service_start, mission.collection.service_end
        starts = [query.start, _ms(first) if first else None]
        ends = [query.end, _ms(last) + DAY_MS if last else None, int(self._now() * 1000)]
        return (
            max(start for start in starts if start is not None),
            min(end for end in ends if end is not None),
        )


def _intersects(frame: Frame, query: Query) -> bool:
    return all(frame.footprint.shape.intersects(shape) for shape in query.bounds)


def _image(mission: _Mission, path: int, row: int, cycle: int) -> Image:
    where = frame(path, row)
    time = where.time + mission.phase + cycle * CYCLE_MS
    date = (dt.date(1970, 1, 1) + dt.timedelta(time // DAY_MS)).strftime("%Y%m%d")
    place = f"{path:03d}{row:03d}"
    index = f"{mission.sensor}_{place}_{date}"
    # Clouds go over both rows of a pass alike; how many there are is the scene's.
    pattern = zlib.crc32(f"{mission.sensor} {path} {cycle}".encode())
    cloud_cover = round(100 * ((zlib.crc32(index.encode()) % 3001) / 3000) ** 2, 2)
    lot, cirrus = _lots(index)
    level = "L2SR" if lot < _NO_TEMPERATURE else "L2SP"
    sun = _sun(time, where.lon, where.lat)
    scene = Scene(
        mission.collection,
        where,
        time,
        Weather(pattern, cloud_cover / 100, 0.3 * cirrus**2),
        sun,
        has_gaps=mission.sensor == "LE07" and time >= _CORRECTOR_OFF,
        has_temperature=level == "L2SP",
    )
    return Image(
        bands=tuple(
            Band(band.native, band.dtype, where.projection, partial(read, scene, band), where.size)
            for band in mission.bands
            if not _lacks(lot, band)
        ),
        properties={
            "system:index": index,
            "system:time_start": time,
            "CLOUD_COVER": cloud_cover,
            "CLOUD_COVER_LAND": -1 if mission.is_night(row) else cloud_cover,
            "LANDSAT_PRODUCT_ID": f"{mission.sensor}_{level}_{place}_{date}_{date}_02_T1",
            "PROCESSING_LEVEL": level,
            "SPACECRAFT_ID": f"LANDSAT_{int(mission.sensor[2:])}",
            "SUN_AZIMUTH": sun.azimuth,
            "SUN_ELEVATION": sun.elevation,
            "WRS_PATH": path,
            "WRS_ROW": row,
            "cedar:synthetic": True,
        },
        footprint=where.footprint,
        id=f"{mission.collection.id}/{index}",
        version=VERSION,
    )


def _lots(index: str) -> tuple[float, float]:
    """Two numbers from 0 to 1 that a scene has drawn."""
    drawn = hashlib.blake2b(index.encode(), digest_size=8).digest()
    return int.from_bytes(drawn[:4]) / 2**32, int.from_bytes(drawn[4:]) / 2**32


def _lacks(lot: float, band: sensors.Band) -> bool:
    """Whether a scene's asset doesn't have a band."""
    if band.name == "thermal":
        return lot < _NO_THERMAL_BAND
    return band.name == "radsat" and lot >= 1 - _NO_RADSAT_BAND


def _sun(time: int, lon: float, lat: float) -> Sun:
    """Where the sun stands, to about a degree: no equation of time."""
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
    return Sun(round(math.degrees(azimuth) + 180, 6), round(math.degrees(math.asin(sine)), 6))
