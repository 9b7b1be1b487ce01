"""Which tiles of a grid cover a place."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely
from example_grids import ANCESTOR, degrees, indices, paraguay, squares
from rasterio.coords import BoundingBox

from cedar.exceptions import InputError
from cedar.geometry import LONLAT, reproject, to_crs
from cedar.grids import TileGrid


def test_rows_and_columns_are_crossed() -> None:
    grid = paraguay()
    assert indices(grid.tiles([1, 0], [2, 3])) == [(1, 2), (1, 3), (0, 2), (0, 3)]
    assert indices(grid.tiles([1, 1], [2])) == [(1, 2)]
    assert indices(grid.tiles()) == list(grid)
    with pytest.raises(InputError, match=r"tile \(4, 2\) is outside"):
        grid.tiles([4], [2])


def test_ancestor_42_no_rows_are_no_tiles() -> None:
    assert paraguay().tiles(rows=[]) == []
    assert paraguay().geojson(rows=[])["features"] == []
    assert len(paraguay().geojson(cols=[1])["features"]) == 4


def test_ancestor_39_bounds_partly_outside_give_the_tiles_inside() -> None:
    assert indices(squares().bounds_to_tiles((-100, -10, 10, 100))) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert squares().bounds_to_tiles((1000, -8, 1008, 0)) == []
    assert squares().bounds_to_tiles((40, -8, 48, 0)) == []


def test_ancestor_39_bounds_that_end_on_an_edge_do_not_take_the_neighbour() -> None:
    grid = squares()
    for tile in grid.values():
        assert grid.bounds_to_tiles(tile.bounds) == [tile]
    assert indices(grid.bounds_to_tiles((32, -32, 40, -24))) == [(3, 4)]
    world = degrees()
    assert world.bounds_to_tiles(world[17, 35].bounds, crs=LONLAT) == [world[17, 35]]


def test_ancestor_41_bounds_are_a_plain_tuple_a_list_or_a_bounding_box() -> None:
    grid = squares()
    wanted = [grid[0, 0]]
    assert grid.bounds_to_tiles((1, -2, 2, -1)) == wanted
    assert grid.bounds_to_tiles([1, -2, 2, -1]) == wanted
    assert grid.bounds_to_tiles(BoundingBox(1, -2, 2, -1)) == wanted


@pytest.mark.parametrize("bounds", [(1, 2, 3), (2, 0, 1, 1), (0, 0, 0, 1), (0, 1, 1, 0), "abcd"])
def test_bounds_without_area_are_refused(bounds: Any) -> None:
    with pytest.raises(InputError, match="bounds"):
        squares().bounds_to_tiles(bounds)


def test_ancestor_40_a_thin_diagonal_takes_the_tiles_it_crosses_only() -> None:
    diagonal = shapely.Polygon([(1, -2), (1.5, -2), (29.5, -30), (29, -30)])
    assert indices(squares().roi_to_tiles(diagonal)) == [
        (0, 0),
        (1, 0),
        (1, 1),
        (2, 1),
        (2, 2),
        (3, 2),
        (3, 3),
    ]


@pytest.mark.parametrize(
    ("roi", "tiles"),
    [
        (shapely.Polygon([(1, -2), (1.5, -2), (79_999.5, -80_000), (79_999, -80_000)]), 19_999),
        (shapely.LineString([(1, -1), (79_999, -79_999)]), 29_998),
        (shapely.box(-9, -90_000, 90_000, -79_993), 10_000),
        (shapely.MultiPoint([(1, -1), (79_999, -79_999)]), 2),
    ],
)
def test_of_a_hundred_million_tiles_few_are_asked(
    roi: Any, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    intersects = shapely.intersects

    def counted(parts: Any, boxes: Any) -> Any:
        asked.append(len(boxes))
        return intersects(parts, boxes)

    monkeypatch.setattr(shapely, "intersects", counted)
    grid = squares(10_000, 10_000)
    assert len(grid) == 10**8
    assert len(grid.roi_to_tiles(roi)) == tiles
    assert sum(asked) < 10 * tiles + 1000


def test_a_hole_takes_no_tile() -> None:
    frame = shapely.box(0, -24, 24, 0) - shapely.box(8, -16, 16, -8)
    assert (1, 1) not in indices(squares().roi_to_tiles(frame))
    assert len(squares().roi_to_tiles(frame)) == 8


def test_lines_and_points_take_every_tile_they_touch() -> None:
    grid = squares()
    assert indices(grid.roi_to_tiles(shapely.Point(4, -4))) == [(0, 0)]
    assert len(grid.roi_to_tiles(shapely.Point(8, -8))) == 4
    assert indices(grid.roi_to_tiles(shapely.LineString([(8, -1), (8, -7)]))) == [(0, 0), (0, 1)]
    both = shapely.GeometryCollection([shapely.box(0, -8, 8, 0), shapely.Point(20, -20)])
    assert indices(grid.roi_to_tiles(both)) == [(0, 0), (2, 2)]


def test_a_grid_without_limits_is_searched_as_well() -> None:
    grid = TileGrid((0, 0), 32621, (2, 2), (4, 4))
    assert indices(grid.bounds_to_tiles((-9, -1, 1, 1))) == [
        (-1, -2),
        (-1, -1),
        (-1, 0),
        (0, -2),
        (0, -1),
        (0, 0),
    ]


def test_a_place_beyond_all_numbers_of_tiles_is_in_none() -> None:
    grid = TileGrid((0, 0), 32621, (2, 2), (4, 4))
    assert grid.roi_to_tiles(shapely.Point(1e300, -1e300)) == []
    with pytest.raises(InputError, match="is outside"):
        grid.point_to_tile(-1e300, 1e300)


def test_a_region_in_any_crs_finds_its_tiles() -> None:
    grid = paraguay()
    for tile in grid.values():
        inside = tile.outline(shrink=1)
        assert grid.roi_to_tiles(shapely.geometry.mapping(inside)) == [tile]
        assert grid.roi_to_tiles(inside, crs=LONLAT) == [tile]
        assert grid.roi_to_tiles(tile.outline(shrink=1, crs=5880), crs="EPSG:5880") == [tile]
        located = SimpleNamespace(__geo_interface__=inside.__geo_interface__, crs="OGC:CRS84")
        assert grid.roi_to_tiles(located) == [tile]


def test_ancestor_43_a_regions_edges_are_densified_before_they_are_moved() -> None:
    # 45° N from 110° W to 90° W bends 100 km south of its chord in Albers.
    grid = TileGrid((-2565585, 3314805), 5070, (30, 30), (1000, 1000), ((0, 104), (0, 153)))
    strip = shapely.box(-110, 45, -90, 45.01)
    found = grid.roi_to_tiles(strip, crs=LONLAT)
    for lon in np.linspace(-109.9, -90.1, 60):
        assert grid.point_to_tile(float(lon), 45.005, crs=LONLAT) in found


def test_a_region_far_larger_than_the_grid_takes_all_of_it() -> None:
    assert len(paraguay().bounds_to_tiles((-180, -90, 180, 90), crs=LONLAT)) == 16


def test_a_continents_grid_is_covered_by_the_earth() -> None:
    grid = TileGrid.from_dict(ANCESTOR)
    assert len(grid.bounds_to_tiles((-180, -90, 180, 90), crs=LONLAT)) == len(grid)


def test_limits_may_reach_beyond_what_the_crs_can_express() -> None:
    endless = paraguay(limits=[[-(10**9), 10**9], [-(10**9), 10**9]])
    tile = endless[1, 2]
    assert endless.roi_to_tiles(tile.outline(shrink=1), crs=LONLAT) == [tile]


def test_a_region_that_the_grids_crs_cannot_express_is_an_error() -> None:
    with pytest.raises(InputError, match=r"can't be expressed in .*21N.*limits"):
        paraguay(limits=None).bounds_to_tiles((20, -10, 40, 10), crs=LONLAT)


def test_a_region_across_the_antimeridian_takes_both_sides_and_nothing_between() -> None:
    split = shapely.union(shapely.box(175, 0, 180, 5), shapely.box(-180, 0, -175, 5))
    wanted = [(8, 0), (8, 35)]
    for grid in (degrees(), degrees(limits=None)):
        assert indices(grid.roi_to_tiles(split)) == wanted
        assert indices(grid.bounds_to_tiles((175, 0, 185, 5))) == wanted
        assert indices(grid.bounds_to_tiles((175, 0, -175, 5))) == wanted
        assert indices(grid.bounds_to_tiles((175, 0, -175, 5), crs=LONLAT)) == wanted
        mercator = reproject(split, to_crs(LONLAT), to_crs(3832))
        assert indices(grid.roi_to_tiles(mercator.convex_hull.buffer(-1), crs=3832)) == wanted
    sinusoidal = TileGrid(
        (-20015109.354, 10007554.677),
        "+proj=sinu +R=6371007.181 +units=m",
        (463.3127165, 463.3127165),
        (2400, 2400),
        ((0, 17), (0, 35)),
    )
    assert indices(sinusoidal.bounds_to_tiles((178, 1, -178, 2), crs=LONLAT)) == wanted


def test_a_region_over_a_pole_takes_the_whole_top_row() -> None:
    polar = shapely.box(-5e5, -5e5, 5e5, 5e5)
    assert indices(degrees().roi_to_tiles(polar, crs=3413)) == [(0, col) for col in range(36)]


def test_a_point_belongs_to_one_tile_whose_left_and_top_edges_are_its_own() -> None:
    grid = squares()
    assert grid.point_to_tile(8, -8).index == (1, 1)
    assert grid.point_to_tile(7.999, -7.999).index == (0, 0)
    assert paraguay().point_to_tile(-54.7, -25.14, crs=LONLAT).index == (0, 0)
    assert degrees().point_to_tile(185, 5).index == (8, 0)
    assert degrees(limits=None).point_to_tile(180, 5).index == (8, 0)


def test_a_point_outside_the_limits_is_an_error_that_names_both() -> None:
    with pytest.raises(
        InputError, match=r"^point \(40, -4\) is outside the tile grid: rows 0 to 3"
    ):
        squares().point_to_tile(40, -4)
    with pytest.raises(InputError, match="is outside"):
        paraguay().point_to_tile(33, 0, crs=LONLAT)


def test_a_region_in_metres_taken_for_degrees_is_an_error() -> None:
    geojson = json.loads(shapely.to_geojson(paraguay()[0, 0].bbox))
    with pytest.raises(InputError, match="isn't longitude and latitude; give the coordinate"):
        paraguay().roi_to_tiles(geojson)
