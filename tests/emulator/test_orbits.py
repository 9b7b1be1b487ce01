from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform

from cedar.emulator.orbits import FOOTPRINT_AHEAD, PATHS, ROWS, frame, is_data, near, orbits

HOUR = 3_600_000
DAY = 24 * HOUR

paths = st.integers(1, PATHS)
rows = st.integers(1, ROWS)


def data_outline(where):
    """The data's corners in metres of the zone, from the frame's centre and direction."""
    x, y = where.ahead
    ahead, right = np.array([x, y]), np.array([y, -x])
    turns = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    return shapely.Polygon(
        [np.array(where.center) + i * 90_000 * ahead + j * 92_500 * right for i, j in turns]
    )


def in_zone(where, shape):
    return shapely.transform(
        shape,
        lambda xy: np.column_stack(transform("EPSG:4326", where.projection.crs, *xy.T)),
    )


def pixels(outline):
    """Columns and rows of the zone's lattice that an outline's corners are in."""
    x, y = shapely.get_coordinates(outline).T
    return np.floor(x / 30).astype(int), np.floor(-y / 30).astype(int)


def outlines(path, row):
    """Footprint and data in the zone."""
    where = frame(path, row)
    return in_zone(where, where.footprint.shape), data_outline(where)


@given(paths, rows)
def test_the_data_are_a_rectangle_along_the_track(path, row):
    where = frame(path, row)
    outline = data_outline(where)
    along, across = where.along_and_across(*pixels(outline))
    assert np.abs(along) == pytest.approx(90_000, abs=30)
    assert np.abs(across) == pytest.approx(92_500, abs=30)
    inner, outer = outline.buffer(-50), outline.buffer(50, join_style="mitre")
    assert is_data(*where.along_and_across(*pixels(inner))).all()
    assert not is_data(*where.along_and_across(*pixels(outer))).any()


@given(paths, rows)
def test_the_footprint_is_the_data_s_outline_moved_along_the_track(path, row):
    footprint, data = outlines(path, row)
    assert footprint.area == pytest.approx(data.area, rel=1e-3)
    # Neither holds the other, and neither is further from the other than that.
    assert not footprint.contains(data)
    assert not data.contains(footprint)
    assert shapely.hausdorff_distance(footprint, data) == pytest.approx(FOOTPRINT_AHEAD, abs=30)
    x, y = frame(path, row).ahead
    moved = np.array(footprint.centroid.coords[0]) - np.array(data.centroid.coords[0])
    assert moved @ (x, y) == pytest.approx(FOOTPRINT_AHEAD, abs=30)


@given(paths, rows)
def test_the_raster_holds_both_and_they_are_turned_in_it(path, row):
    where = frame(path, row)
    pixel, _, left, _, _, top = where.projection.transform
    width, height = where.size
    assert (left % 30, top % 30) == (0, 0)
    raster = shapely.box(left, top - height * pixel, left + width * pixel, top)
    for outline in outlines(path, row):
        assert raster.contains(outline)
        assert outline.area < 0.98 * raster.area


@given(paths, st.integers(1, ROWS - 1))
def test_neighbours_along_a_path_overlap(path, row):
    upper, lower = frame(path, row), frame(path, row + 1)
    assert lower.time - upper.time == pytest.approx(23_924, abs=2)
    shared = data_outline(upper).intersection(in_zone(upper, lower.footprint.shape))
    # A tenth of a scene; near the poles, where the zone is another one, too.
    assert 0.04 < shared.area / data_outline(upper).area < 0.2


@given(paths, st.integers(50, 70))
def test_neighbouring_paths_overlap_at_the_equator(path, row):
    east, west = frame(path, row), frame(path % PATHS + 1, row)
    shared = data_outline(east).intersection(in_zone(east, west.footprint.shape))
    assert 0.02 < shared.area / data_outline(east).area < 0.2


@given(paths, rows)
def test_footprints_are_whole_on_either_side_of_the_antimeridian(path, row):
    where = frame(path, row)
    shape = where.footprint.shape
    assert shape.is_valid
    west, _, east, _ = shape.bounds
    assert west >= -180
    assert east <= 180
    if east - west > 180:
        assert shape.geom_type == "MultiPolygon"
        assert shape.area < 90


@given(paths, rows, st.integers(0, 100))
def test_a_scene_is_near_every_point_of_its_footprint(path, row, vertex):
    points = shapely.get_coordinates(frame(path, row).footprint.shape)
    lon, lat = points[vertex % len(points)]
    found = near((lon, lat, lon, lat))
    assert found[(path - 1) * ROWS + row - 1]
    assert found.mean() < 0.05


def test_rows_are_wrs_2_s():
    everywhere = orbits()
    equator = everywhere.lat[everywhere.row == 60]
    assert np.abs(equator).max() < 1e-9
    # Down by day, up by night, and over the far north.
    latitude = everywhere.lat[everywhere.path == 1]
    assert (np.diff(latitude[0:121]) < 0).all()
    assert (np.diff(latitude[121:245]) > 0).all()
    assert everywhere.lat.max() == pytest.approx(81.8, abs=0.05)


def passes_of(lon, lat):
    """(day of the place's sun within the cycle, path, row, time) of every pass over a place."""
    everywhere = orbits()
    point = shapely.Point(lon, lat)
    for i in np.flatnonzero(near(point.bounds)).tolist():
        path, row = int(everywhere.path[i]), int(everywhere.row[i])
        where = frame(path, row)
        if where.footprint.shape.intersects(point):
            yield (where.time + int(lon / 15) * HOUR) // DAY % 16, path, row, where.time


@pytest.mark.parametrize(("lat", "minutes"), [(65.0, 580), (73.0, 486), (79.0, 293)])
def test_far_north_two_passes_meet_in_a_day(lat, minutes):
    """One going north by night and one going south by day, of two paths: whole orbits apart."""
    days: dict[int, dict[int, tuple[int, int]]] = {}
    for day, path, row, time in passes_of(15.0, lat):
        days.setdefault(day, {})[path] = (row, time)
    twice = [sorted(day.values()) for day in days.values() if len(day) > 1]
    assert twice
    (down, by_day), (up, by_night) = twice[0]
    assert down < 122 <= up
    assert abs(by_day - by_night) / 60_000 == pytest.approx(minutes, abs=12)


@pytest.mark.parametrize("lat", [-33.0, 10.0, 65.0, 75.0])
def test_by_day_one_path_a_day_sees_a_place(lat):
    for lon in (-170.0, -54.6, 0.0, 33.0, 141.0):
        seen = {(day, path) for day, path, row, _ in passes_of(lon, lat) if row < 122}
        assert len({day for day, _ in seen}) == len(seen) > 0
