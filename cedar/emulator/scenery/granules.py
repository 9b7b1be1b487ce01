"""Collections whose images are the parts of passes that lie in tiles: Sentinel-2's, and HLS's.

Footprints are whole tiles, though the swath may cover a part of one: where there is no data, a
search finds images all the same. Tiles overlap, as real ones do.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ... import sensors
from ..landscape import Land, Lattice, Mask, Sun, Utm, Weather, latitude_sines, longitudes
from ..values import Image, Projection, Query
from .base import (
    MAX_IMAGES,
    VERSION,
    Physical,
    Scene,
    Source,
    angles,
    bands,
    check_count,
    cloud_cover,
    draw,
    sun_at,
)
from .tiles import SIDE, Tile, footprint, near
from .tracks import Pass, Track

#: A pass whose edge is so far from a tile's centre still has some of it.
_MARGIN: Final = 50_000


class Satellite(NamedTuple):
    """One of those whose images a collection has.

    Attributes
    ----------
    name : str
        As in its properties.
    track : Track
        Where it passes.
    first : int
        Milliseconds since 1970 of its first image.
    """

    name: str
    track: Track
    first: int


class Granule(NamedTuple):
    """An image that there is: whose, of which pass, where."""

    satellite: Satellite
    flown: Pass
    tile: Tile

    @property
    def cover(self) -> float:
        """Percent of clouds."""
        cycle, orbit, _ = self.flown
        return cloud_cover(f"{self.satellite.name} {cycle} {orbit} {self.tile.name}")

    @property
    def share(self) -> int:
        """Percent of the tile that the swath covers, about."""
        track, (_, orbit, _) = self.satellite.track, self.flown
        sine = math.sin(math.radians(self.tile.lat))
        away = abs(float(track.beside(orbit, self.tile.lon, sine, is_ascending=False)))
        return round(100 * min(max((track.swath + SIDE / 2 - away) / SIDE, 0), 1))

    @property
    def sun(self) -> Sun:
        """Where it stands over the tile."""
        return sun_at(self.flown.time, self.tile.lon, self.tile.lat)

    def is_present(self, here: Land, lattice: Lattice) -> Mask:
        """Where the tile and the swath are."""
        pixel = int(lattice.pixel)
        east = (here.column + 0.5) * pixel - self.tile.left
        south = (here.row + 0.5) * pixel + self.tile.top
        track = self.satellite.track
        sine = latitude_sines(here)
        away = track.beside(self.flown.orbit, longitudes(here), sine, is_ascending=False)
        inside = (east >= 0) & (east < SIDE) & (south >= 0) & (south < SIDE)
        return np.asarray(inside & (np.abs(away) <= track.swath))


class Granules(Source):
    """A collection of granules.

    Parameters
    ----------
    collection : Collection
        What cedar knows of it.
    satellites : sequence of Satellite
        Whose images it has.
    """

    #: How its bands get their values, but reflectances and angles.
    physical: Mapping[str, Physical]

    def __init__(self, collection: sensors.Collection, satellites: Sequence[Satellite]):
        self.collection = collection
        self._satellites = satellites

    @abstractmethod
    def pixel(self, band: sensors.Band) -> int:
        """Metres a pixel."""

    @abstractmethod
    def index(self, granule: Granule) -> str:
        """The system:index."""

    @abstractmethod
    def properties(self, granule: Granule) -> Mapping[str, Any]:
        """Properties besides those of every image."""

    def search(self, query: Query, start: int, end: int) -> Sequence[Image]:
        """Granules of tiles that meet the query's bounds."""
        found: list[Granule] = []
        for tile in near([shape.bounds for shape in query.bounds]):
            if all(footprint(tile).shape.intersects(shape) for shape in query.bounds):
                found += self.granules(tile, start, end)
            # Before more of them are looked for: of the globe there are many.
            if len(found) > MAX_IMAGES:
                break
        check_count(self.collection, len(found))
        return [self.made(granule) for granule in found]

    def granules(self, tile: Tile, start: int, end: int) -> Iterator[Granule]:
        """Those of a tile that were taken in [start, end)."""
        for satellite in self._satellites:
            first = max(start, satellite.first)
            for flown in satellite.track.passes(tile.lon, tile.lat, _MARGIN, first, end):
                yield Granule(satellite, flown, tile)

    def named(self, tile: Tile | None, index: str, start: int, end: int) -> Image | None:
        """The granule of a tile that has an index, of those taken in [start, end)."""
        found = self.granules(tile, start, end) if tile else ()
        return next((self.made(each) for each in found if self.index(each) == index), None)

    def made(self, granule: Granule) -> Image:
        """The image of a granule."""
        cycle, orbit, time = granule.flown
        pattern = draw(f"{granule.satellite.name} {orbit} {cycle}")
        cirrus = 0.3 * (draw(f"{pattern} cirrus") % 1000 / 1000) ** 2
        scene = Scene(
            time,
            Weather(pattern, granule.cover / 100, cirrus),
            granule.sun,
            granule.is_present,
            {**self.physical, **angles(granule.sun, 5, 100)},
        )

        def raster(band: sensors.Band) -> tuple[Utm, Projection, tuple[int, int]]:
            return granule.tile.raster(self.pixel(band))

        index = self.index(granule)
        return Image(
            bands=bands(scene, self.collection, raster),
            properties={
                "system:index": index,
                "system:time_start": time,
                "cedar:synthetic": True,
                **self.properties(granule),
            },
            footprint=footprint(granule.tile),
            id=f"{self.collection.id}/{index}",
            version=VERSION,
        )
