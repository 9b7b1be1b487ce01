"""Lines of longitude and latitude."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.coords import BoundingBox

from cedar import TileGrid
from cedar.geometry import to_crs
from cedar.graticule import degrees, graticule, place, to_lonlat
from cedar.grids import named_grid

UTM = to_crs("EPSG:32621").wkt
LONLAT = to_crs("EPSG:4326").wkt
SINUSOIDAL = named_grid("MODIS_1KM").crs_wkt


def test_the_lines_of_a_map_in_degrees_are_round_and_straight():
    lines = [*graticule(BoundingBox(-54.9, -25.45, -53.6, -24.9), LONLAT)]
    meridians = [line.value for line in lines if line.is_meridian]
    assert meridians == [-54.5, -54.0]
    assert [line.value for line in lines if not line.is_meridian] == [-25.4, -25.2, -25.0]
    for line in lines:
        assert line.points[:, 0 if line.is_meridian else 1] == pytest.approx(line.value)


def test_a_line_is_where_its_longitude_is():
    view = BoundingBox(700_000, 7_000_000, 900_000, 7_200_000)
    lines = [*graticule(view, UTM)]
    assert {line.is_meridian for line in lines} == {True, False}
    for line in lines:
        found = to_lonlat(line.points, UTM)[:, 0 if line.is_meridian else 1]
        # The ends are cut at the frame, along a straight piece.
        assert found == pytest.approx(line.value, abs=1e-3)
        assert line.points[:, 0].min() >= view.left
        assert line.points[:, 1].max() <= view.top


def test_a_map_of_the_world_has_lines_only_where_the_earth_is():
    lines = [*graticule(BoundingBox(-23e6, -12e6, 23e6, 12e6), SINUSOIDAL)]
    assert [line.value for line in lines if line.is_meridian] == [-120, -60, 0, 60, 120]
    assert {line.value for line in lines if not line.is_meridian} == {-60, 0, 60}
    assert len(lines) < 15
    assert np.abs(np.vstack([line.points for line in lines])).max() < 20_015_110


def test_a_map_across_the_antimeridian_has_lines_on_both_sides():
    grid = TileGrid((500_000, 7_200_000), "EPSG:32601", (30, 30), (10_000, 10_000))
    west = grid[0, -2].bounds
    view = BoundingBox(west.left, west.bottom, grid[0, 0].bounds.right, west.top)
    assert {"180°", "175°W", "175°E"} <= {
        degrees(line.value, "EW") for line in graticule(view, grid.crs_wkt) if line.is_meridian
    }


def test_a_map_of_no_place_has_no_lines():
    assert [*graticule(BoundingBox(30e6, 30e6, 31e6, 31e6), SINUSOIDAL)] == []


def test_places_are_said_in_words():
    assert place(-54.25, -25.5, LONLAT) == "25.5°S 54.25°W"
    assert place(0, 0, LONLAT) == "0° 0°"
    assert place(500_000, 0, UTM, digits=1) == "0° 57°W"
    assert place(-20_015_109, 10_007_554, SINUSOIDAL) == "beyond the earth"
    assert degrees(-190, "EW") == "170°E"
