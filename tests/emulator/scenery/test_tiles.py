"""Tiles of MGRS: their names, where they lie, and that they cover the land."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator.scenery.tiles import SIDE, by_name, footprint, near


@pytest.mark.parametrize(
    ("name", "place", "zone"),
    [
        ("31TCJ", (1.44, 43.6), "EPSG:32631"),  # Toulouse
        ("18TWL", (-73.97, 40.78), "EPSG:32618"),  # New York
        ("10SEG", (-122.42, 37.77), "EPSG:32610"),  # San Francisco
        ("56HLH", (151.2, -33.87), "EPSG:32756"),  # Sydney
    ],
)
def test_tiles_have_the_names_that_the_places_are_known_by(name, place, zone):
    tile = by_name()[name]
    assert footprint(tile).shape.contains(shapely.Point(place))
    lattice, projection, size = tile.raster(10)
    assert lattice.projection.crs == projection.crs == zone
    assert size == (10_980, 10_980)


def test_a_tile_begins_where_pixels_of_60_m_do():
    tile = by_name()["31TCJ"]
    assert (tile.left, tile.top) == (300_000, 4_900_020)
    for pixel in (10, 20, 30, 60):
        assert tile.left % pixel == tile.top % pixel == SIDE % pixel == 0


@given(lon=st.floats(-180, 179.99), lat=st.floats(-79.9, 82.8))
def test_every_place_that_sentinel_2_sees_is_in_a_tile_that_is_near(lon, lat):
    place = shapely.Point(lon, lat)
    found = near([place.bounds])
    assert any(footprint(tile).shape.intersects(place) for tile in found)
    assert len(found) < 400


def test_neighbours_overlap_by_9800_metres():
    here, east = by_name()["31TCJ"], by_name()["31TDJ"]
    assert here.left + SIDE - east.left == 9_840
