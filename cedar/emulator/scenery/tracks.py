"""Where a satellite passes: a circular orbit over a turning Earth, in both directions.

Along an orbit a place is an angle from the descending node: from -90° to 90° the satellite goes
south, from there to 270° north. What lies how far beside the track is measured along the parallel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..landscape import DAY_MS
from ..orbits import wrap

#: Metres a degree of a great circle.
DEGREE: Final = 111_320


class Pass(NamedTuple):
    """One pass: in which cycle, on which of its orbits (from 0), and when, in ms since 1970."""

    cycle: int
    orbit: int
    time: int


class Track(NamedTuple):
    """A satellite's orbit, in sunlight always at one time of the day.

    Attributes
    ----------
    orbits, days : int
        After so many orbits, and days, it comes again.
    node : float
        Longitude at which the first orbit crosses the equator going south, degrees.
    start : int
        When it did, in milliseconds since 1970.
    inclination : float
        Degrees.
    swath : float
        Metres from the track to the edges of what it sees.
    """

    orbits: int
    days: int
    node: float
    start: int
    inclination: float
    swath: float

    @property
    def period(self) -> float:
        """Milliseconds of an orbit."""
        return self.days * DAY_MS / self.orbits

    def along(self, sine: Any, *, is_ascending: bool) -> Any:
        """The angle along the orbit where a latitude is passed, by its sine."""
        highest = math.sin(math.radians(self.inclination))
        south = np.degrees(np.arcsin(np.clip(-np.asarray(sine, np.float64) / highest, -1, 1)))
        return 180 - south if is_ascending else south

    def latitude(self, angle: Any) -> Any:
        """The latitude below an angle along the orbit, degrees."""
        highest = math.sin(math.radians(self.inclination))
        return -np.degrees(np.arcsin(highest * np.sin(np.radians(angle))))

    def longitude(self, orbit: Any, angle: Any) -> Any:
        """The longitude below an angle along an orbit, degrees."""
        radians = np.radians(angle)
        cosine = math.cos(math.radians(self.inclination))
        west = np.degrees(np.arctan2(cosine * np.sin(radians), np.cos(radians)))
        return wrap(self.node + west - (orbit + angle / 360) * 360 * self.days / self.orbits)

    def beside(self, orbit: Any, lon: Any, sine: Any, *, is_ascending: bool) -> Any:
        """Metres from the track along the parallel, to the east, of places."""
        angle = self.along(sine, is_ascending=is_ascending)
        cosine = np.sqrt(np.maximum(1 - np.square(np.asarray(sine, np.float64)), 0))
        return wrap(lon - self.longitude(orbit, angle)) * cosine * DEGREE

    def time(self, cycle: Any, orbit: Any, angle: Any) -> Any:
        """Milliseconds since 1970 of a pass over an angle along the orbit."""
        since = (cycle * self.orbits + orbit + angle / 360) * self.period
        return np.asarray(np.rint(self.start + since), np.int64)

    def cycles(self, first: int, start: int, end: int) -> range:
        """Cycles in which a pass is in [start, end), where `first` is the time of it in cycle 0."""
        cycle = self.days * DAY_MS
        return range(-((first - start) // cycle), -((first - end) // cycle))

    def passes(self, lon: float, lat: float, margin: float, start: int, end: int) -> Iterator[Pass]:
        """Passes southwards that see a place, or miss it by no more than so many metres."""
        sine = math.sin(math.radians(lat))
        angle = self.along(sine, is_ascending=False)
        orbits: npt.NDArray[np.int64] = np.arange(self.orbits)
        away = np.abs(self.beside(orbits, lon, sine, is_ascending=False))
        for orbit in np.flatnonzero(away <= self.swath + margin).tolist():
            for cycle in self.cycles(int(self.time(0, orbit, angle)), start, end):
                yield Pass(cycle, orbit, int(self.time(cycle, orbit, angle)))
