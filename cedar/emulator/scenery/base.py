"""What synthetic scenes of all sensors have in common."""

from __future__ import annotations

import datetime as dt
import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ... import sensors
from .. import landscape
from ..landscape import DAY_MS, Land, Lattice, Mask, Sun, View, Weather
from ..questions import answers
from ..values import Band, Grid, Image, Pixels, Projection, Query, ServiceError

#: Most images that one search may list.
MAX_IMAGES: Final = 20_000
#: Of every image; another one when the same scene would get other pixels.
VERSION: Final = 2

#: A band's physical values: of what is seen of the land by which band.
Physical = Callable[[sensors.Band, Land, View], npt.NDArray[Any]]


class Source(ABC):
    """Where the scenes of a collection come from.

    Attributes
    ----------
    collection : Collection
        What cedar knows of it.
    """

    collection: sensors.Collection

    @abstractmethod
    def search(self, query: Query, start: int, end: int) -> Sequence[Image]:
        """Scenes whose footprint meets the query's bounds, of times in [start, end).

        Raises
        ------
        ServiceError
            They may be more than :data:`MAX_IMAGES`.
        """

    @abstractmethod
    def image(self, index: str, start: int, end: int) -> Image | None:
        """The scene of a system:index, if it was taken in [start, end)."""


def check_count(collection: sensors.Collection, count: int) -> None:
    """Refuse to make more scenes than :data:`MAX_IMAGES`."""
    if count > MAX_IMAGES:
        raise ServiceError(
            f"The emulator would list {count} synthetic images of {collection.id}, more than"
            f" {MAX_IMAGES}: narrow the search by bounds and dates."
        )


def milliseconds(date: dt.date) -> int:
    """Of a date's beginning, since 1970."""
    return (date - dt.date(1970, 1, 1)).days * DAY_MS


def written(time: int, form: str) -> str:
    """Milliseconds since 1970 as text, in the form of ``strftime``."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=time)).strftime(form)


def moment(text: str) -> int | None:
    """Milliseconds since 1970 of ``20200518T133602``; None where there is no such time."""
    try:
        time = dt.datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return round(time.timestamp() * 1000)


def draw(text: str) -> int:
    """A number that a scene has drawn by its name."""
    return zlib.crc32(text.encode())


def cloud_cover(text: str) -> float:
    """Percent that a scene has drawn by its name; most have few."""
    return round(100 * ((draw(text) % 3001) / 3000) ** 2, 2)


def sun_at(time: int, lon: float, lat: float) -> Sun:
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


@dataclass(frozen=True, eq=False)
class Scene:
    """What the pixels of an image follow from.

    Attributes
    ----------
    time : int
        Milliseconds since 1970.
    weather : Weather
        What is between the ground and the satellite.
    sun : Sun
        What lights it.
    is_present : callable
        Land, lattice → where the image has data.
    physical : mapping
        How bands get their values, by common name; others are reflectances.
    """

    time: int
    weather: Weather
    sun: Sun
    is_present: Callable[[Land, Lattice], Mask]
    physical: Mapping[str, Physical] = field(default_factory=dict)


def read(scene: Scene, lattice: Lattice, band: sensors.Band, grid: Grid) -> Pixels:
    """A band at the centres of a grid: the number of the lattice's pixel that each lies in."""
    place = (grid, lattice, answers().tie)
    here = landscape.land(*place)
    mask = scene.is_present(here, lattice)
    if not mask.any():
        return Pixels(np.zeros(mask.shape, band.dtype), mask)
    seen = landscape.view(*place, scene.time, scene.weather, scene.sun)
    physical = scene.physical.get(band.name, reflectance)(band, here, seen)
    return Pixels(encoded(band, physical), mask)


def bands(
    scene: Scene,
    collection: sensors.Collection,
    raster: Callable[[sensors.Band], tuple[Lattice, Projection, tuple[int, int]]],
    lacking: Iterable[str] = (),
) -> tuple[Band, ...]:
    """The own bands of an image, but those of some names; each in its own raster."""
    made = []
    for band in collection.bands:
        if band.name not in lacking and band.joined is None:
            lattice, projection, size = raster(band)
            reading = partial(read, scene, lattice, band)
            made.append(Band(band.native, band.dtype, projection, reading, size))
    return tuple(made)


def reflectance(band: sensors.Band, here: Land, seen: View) -> npt.NDArray[Any]:
    """Of a band that :data:`landscape.SPECTRA` names."""
    return landscape.reflectance(band.name, here, seen)


def always(value: float) -> Physical:
    """One value everywhere."""

    def physical(band: sensors.Band, here: Land, seen: View) -> npt.NDArray[Any]:  # noqa: ARG001
        return np.full(here.x.shape, value)

    return physical


def by_kind(table: npt.NDArray[Any]) -> Physical:
    """Bits or classes of every sky, surface and cirrus: (4, 3, 2)."""

    def physical(band: sensors.Band, here: Land, seen: View) -> npt.NDArray[Any]:  # noqa: ARG001
        return table[seen.sky, seen.surface, seen.cirrus.astype(np.intp)]

    return physical


def angles(sun: Sun, zenith: float, azimuth: float) -> Mapping[str, Physical]:
    """Bands of angles, alike in all of a scene: the sun's, and the satellite's."""
    return {
        "sun_azimuth": always(sun.azimuth),
        "sun_zenith": always(90 - sun.elevation),
        "view_azimuth": always(azimuth),
        "view_zenith": always(zenith),
        "relative_azimuth": always((sun.azimuth - azimuth + 180) % 360 - 180),
    }


def encoded(band: sensors.Band, physical: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Physical values as the band has them: in its scale, its range and its type."""
    numbers = (physical - band.offset) / band.scale
    dtype = np.dtype(band.dtype)
    if dtype.kind == "f":
        return np.asarray(numbers, dtype)
    info = np.iinfo(dtype)
    low, high = band.valid_range or (info.min, info.max)
    return np.clip(np.rint(numbers), low, high).astype(dtype)
