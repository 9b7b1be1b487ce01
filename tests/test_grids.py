from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely
import yaml
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.coords import BoundingBox

from cedar.exceptions import InputError
from cedar.geometry import LONLAT, reproject, to_crs
from cedar.grids import Tile, TileGrid, load_grids

PARAGUAY: dict[str, Any] = {
    "name": "Paraguay east",
    "crs": "EPSG:32621",
    "ul": [730005.0, -2778015.0],
    "res": [30, 30],
    "size": [300, 250],
    "limits": [[0, 3], [0, 3]],
}
#: A tile grid as cedar-datacube 0.0.4 wrote it in 2019.
ANCESTOR: dict[str, Any] = {
    "ul": [-7633670.0, 5076465.0],
    "crs": (
        'PROJCS["BU MEaSUREs Lambert Azimuthal Equal Area - NA - V00",GEOGCS["GCS_WGS_1984",'
        'DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Lambert_Azimuthal_Equal_Area"],'
        'PARAMETER["false_easting",0.0],PARAMETER["false_northing",0.0],'
        'PARAMETER["longitude_of_center",-100],PARAMETER["latitude_of_center",50],'
        'UNIT["meter",1.0]]'
    ),
    "res": [30, 30],
    "size": [5000, 5000],
    "limits": [[0, 64], [0, 84]],
    "name": "BU MEaSUREs - NA - V00",
}


def paraguay(**changes: Any) -> TileGrid:
    return TileGrid.from_dict(PARAGUAY | changes)


def squares(rows: int = 4, cols: int = 5) -> TileGrid:
    """Tiles of 8 × 8 whole units, so that tests can count on fingers."""
    return TileGrid((0, 0), 32621, (2, 2), (4, 4), ((0, rows - 1), (0, cols - 1)))


def degrees(**changes: Any) -> TileGrid:
    """The earth in tiles of 10°."""
    values: dict[str, Any] = {"limits": ((0, 17), (0, 35))} | changes
    return TileGrid((-180, 90), 4326, (0.1, 0.1), (100, 100), **values)


def indices(tiles: list[Tile]) -> list[tuple[int, int]]:
    return [tile.index for tile in tiles]


numbers = st.floats(-1e7, 1e7) | st.integers(-(10**7), 10**7)
pixels = st.floats(1e-4, 1e3) | st.integers(1, 1000)
ranges = st.tuples(st.integers(-50, 50), st.integers(0, 20)).map(lambda r: (r[0], sum(r)))
grids = st.builds(
    TileGrid,
    ul=st.tuples(numbers, numbers),
    crs=st.sampled_from(["EPSG:32621", 5070, "ESRI:102001", "+proj=laea +lat_0=50 +lon_0=-100"]),
    res=st.tuples(pixels, pixels),
    size=st.tuples(st.integers(1, 6000), st.integers(1, 6000)),
    limits=st.none() | st.tuples(ranges, ranges),
    name=st.none() | st.text(max_size=8),
)


# --- a tile ---


def test_ancestor_33_a_tiles_height_is_its_rows_and_its_width_its_columns() -> None:
    tile = paraguay()[1, 2]
    assert (tile.width, tile.height) == (300, 250)
    y, x = tile.coords()
    assert (len(y), len(x)) == (250, 300)


def test_a_tile_lies_where_row_and_column_say() -> None:
    tile = paraguay()[1, 2]
    assert tile.index == (tile.vertical, tile.horizontal) == (1, 2)
    left, top = 730005.0 + 2 * 9000, -2778015.0 - 7500
    assert tile.bounds == BoundingBox(left, top - 7500, left + 9000, top)
    assert tile.transform == Affine(30, 0, left, 0, -30, top)
    assert tile.bbox.bounds == tuple(tile.bounds)
    assert tile.crs.to_epsg() == 32621


def test_coords_are_pixel_centres_or_upper_left_corners() -> None:
    tile = squares()[1, 1]
    y, x = tile.coords()
    assert (y[0], y[-1], x[0], x[-1]) == (-9, -15, 9, 15)
    y, x = tile.coords(center=False)
    assert (y[0], x[0]) == (-8, 8)


def test_a_tile_in_a_record_reads_back_equal_with_the_same_hash() -> None:
    tile = paraguay()[1, 2]
    again = Tile.from_dict(json.loads(json.dumps(tile.to_dict())))
    assert again == tile
    assert hash(again) == hash(tile)
    assert list(tile.to_dict()) == ["index", "crs", "bounds", "res", "size"]
    assert tile.to_dict()["bounds"] == [748005.0, -2793015.0, 757005.0, -2785515.0]
    assert json.dumps(tile.to_dict()["res"]) == "[30, 30]"


def test_tiles_differ_by_index_place_and_crs() -> None:
    tile = paraguay()[1, 2]
    assert len({tile, paraguay()[1, 2], paraguay()[2, 1], paraguay(crs=32622)[1, 2]}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": [1]}, "index must be two integers"),
        ({"index": [1.0, 2]}, "index must be two integers"),
        ({"bounds": [0, 0, 1]}, "bounds must be 4 numbers"),
        ({"bounds": [0, 0, 9000, 9000]}, "aren't size × res"),
        ({"bounds": [739005.0, -2785515.0, 730005.0, -2778015.0]}, "aren't size × res"),
        ({"size": [250, 300]}, "aren't size × res"),
        ({"colour": "red"}, "has no 'colour'"),
    ],
)
def test_a_tile_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tile.from_dict(paraguay()[0, 0].to_dict() | changes)


def test_ancestor_43_a_tiles_outline_follows_its_curved_edges() -> None:
    tile = TileGrid((-2565585, 3314805), 5070, (30, 30), (5000, 5000))[3, 3]
    outline = tile.outline()
    left, _, right, top = tile.bounds
    lonlat = to_crs(LONLAT)
    edge = [
        reproject(shapely.Point(x, top), tile.crs, lonlat) for x in np.linspace(left, right, 500)
    ]
    metre = 1 / 90_000
    assert max(shapely.distance(edge, outline.boundary)) < metre
    assert (
        max(
            shapely.distance(edge, shapely.LineString(shapely.get_coordinates([edge[0], edge[-1]])))
        )
        > 100 * metre
    )
    assert tile.geojson()["geometry"] == shapely.geometry.mapping(outline)
    assert tile.geojson()["properties"] == {"horizontal": 3, "vertical": 3}


def test_an_outline_in_the_tiles_own_crs_is_its_box() -> None:
    tile = squares()[0, 0]
    assert tile.geojson(crs=tile.crs)["geometry"] == shapely.geometry.mapping(tile.bbox)
    assert tile.outline(shrink=0.5, crs=tile.crs).bounds == (1, -7, 7, -1)


def test_an_outline_is_split_at_the_antimeridian() -> None:
    tile = TileGrid((-2_200_000, 2_400_000), 3338, (30, 30), (5000, 5000))[12, 2]
    west, east = sorted(shapely.get_parts(tile.outline()), key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180
    assert east.bounds[2] == 180
    degrees_over = TileGrid((170, 10), 4326, (0.1, 0.1), (200, 100))[0, 0]
    assert degrees_over.outline().equals(
        shapely.union(shapely.box(170, 0, 180, 10), shapely.box(-180, 0, -170, 10))
    )


# --- indexing ---


def test_ancestor_34_iteration_gives_the_indices_of_the_limits_row_by_row() -> None:
    grid = paraguay(limits=[[2, 3], [5, 7]])
    assert list(grid) == [(2, 5), (2, 6), (2, 7), (3, 5), (3, 6), (3, 7)]
    assert (len(grid), grid.nrow, grid.ncol) == (6, 2, 3)
    assert (grid.rows, grid.cols) == ([2, 3], [5, 6, 7])
    assert grid.transform == paraguay()[0, 0].transform
    assert [tile.index for tile in grid.values()] == list(grid)


def test_ancestor_35_in_and_get_never_raise() -> None:
    grid = paraguay()
    nothing: list[Any] = [(4, 0), (0, -1), (0,), "ab", None, 3, (0.5, 0)]
    for index in nothing:
        assert index not in grid
        assert grid.get(index) is None
    assert grid.get((9, 9), "none") == "none"
    assert (3, 3) in grid
    assert grid.get((3, 3)) == grid[3, 3]


def test_ancestor_35_grids_compare_and_hash_by_value() -> None:
    assert paraguay() == paraguay()
    assert len({paraguay(), paraguay(), paraguay(name="other"), paraguay(limits=None)}) == 3
    assert paraguay(crs=to_crs(32621)) == paraguay(crs=32621) == paraguay()


def test_ancestor_36_a_list_is_an_index_as_good_as_a_tuple() -> None:
    grid = paraguay()
    of_numpy: Any = np.array([1, 2])
    assert grid[json.loads("[1, 2]")] == grid[1, 2] == grid[of_numpy]
    index: object = [1, 2]
    assert index in grid
    assert grid[[1, 2]].index == (1, 2)


def test_a_tile_outside_the_limits_is_an_error_that_names_both() -> None:
    with pytest.raises(
        InputError,
        match=r"^tile \(4, 0\) is outside tile grid 'Paraguay east': rows 0 to 3, columns 0 to 3$",
    ):
        paraguay()[4, 0]


def test_ancestor_37_a_grid_without_limits_has_no_end_and_is_written_so() -> None:
    grid = paraguay(limits=None)
    assert grid[-1, -400].bounds.top == grid[0, 0].bounds.top + 7500
    assert (10**6, -(10**6)) in grid
    assert TileGrid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    assert grid.to_dict()["limits"] is None
    assert bool(grid)
    listings: list[Callable[[TileGrid], object]] = [len, list, TileGrid.tiles, TileGrid.geojson]
    for listing in listings:
        with pytest.raises(InputError, match="'Paraguay east' has no limits"):
            listing(grid)


def test_ancestor_37_negative_tiles_are_refused_by_limits() -> None:
    assert (-1, 0) not in paraguay()


@given(grids)
def test_ancestor_38_a_grid_reads_back_from_json_and_yaml_equal_with_the_same_hash(
    grid: TileGrid,
) -> None:
    for again in (
        json.loads(json.dumps(grid.to_dict())),
        yaml.safe_load(yaml.dump(grid.to_dict())),
    ):
        assert TileGrid.from_dict(again) == grid
        assert hash(TileGrid.from_dict(again)) == hash(grid)


def test_a_grids_record_has_the_form_of_the_tracking_document() -> None:
    document = paraguay().to_dict()
    assert list(document) == ["name", "crs", "ul", "res", "size", "limits"]
    assert document["crs"].startswith('PROJCS["WGS 84 / UTM zone 21N"')
    assert json.dumps({key: document[key] for key in ("ul", "res", "size", "limits")}) == (
        '{"ul": [730005.0, -2778015.0], "res": [30, 30], "size": [300, 250], '
        '"limits": [[0, 3], [0, 3]]}'
    )


def test_the_records_of_2019_are_read() -> None:
    grid = TileGrid.from_dict(ANCESTOR)
    tile = {"index": [52, 71], "crs": ANCESTOR["crs"], "res": [30, 30], "size": [5000, 5000]}
    bounds = [3016330.0, -2873535.0, 3166330.0, -2723535.0]
    assert Tile.from_dict(tile | {"bounds": bounds}) == grid[52, 71]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": [[3, 0], [0, 3]]}, "'Paraguay east': limits: 3 to 0 is backwards"),
        ({"limits": [0, 3]}, "limits must be two integers"),
        ({"limits": 3}, "limits must be"),
        ({"res": [30, -30]}, r"res must be positive, not \[30, -30\]"),
        ({"res": [0, 30]}, "res must be positive"),
        ({"res": [30]}, r"res must be 2 numbers \(x, y\), not \[30\]"),
        ({"res": 30}, "res must be 2 numbers"),
        ({"res": ["30", "30"]}, "res must be 2 numbers"),
        ({"res": [True, 30]}, "res must be 2 numbers"),
        ({"ul": [float("nan"), 0]}, "ul must be 2 numbers"),
        ({"size": [300.5, 250]}, r"size must be two integers \(columns, rows\)"),
        ({"size": [300, 0]}, "size must be positive"),
        ({"crs": "EPSG:1"}, "can't read the coordinate reference system 'EPSG:1'"),
        ({"crs": 4978}, "neither projected nor geographic"),
        ({"name": 7}, "name must be text"),
        ({"sise": [1, 1]}, "has no 'sise'; it has ul, crs, res, size, limits, name"),
    ],
)
def test_ancestor_44_a_grid_that_cannot_be_is_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        paraguay(**changes)
    assert "\n" not in str(caught.value)


def test_a_grid_needs_its_keys() -> None:
    with pytest.raises(InputError, match="a tile grid needs res, size"):
        TileGrid.from_dict({"ul": [0, 0], "crs": 4326})
    nothing: Any = [1]
    with pytest.raises(InputError, match="must be a mapping"):
        TileGrid.from_dict(nothing)


def test_a_grid_cannot_be_changed() -> None:
    grid: Any = paraguay()
    with pytest.raises(AttributeError):
        grid.name = "other"


def test_a_stems_grid_and_tile_are_taken_by_their_attributes() -> None:
    crs = to_crs(32621)
    grid = SimpleNamespace(**PARAGUAY | {"crs": crs, "crs_wkt": crs.wkt, "_tiles": {}})
    tile = paraguay()[1, 2]
    assert TileGrid.from_like(grid) == paraguay() == TileGrid.from_like(paraguay())
    values = {name: getattr(tile, name) for name in ("index", "crs", "bounds", "res", "size")}
    assert Tile.from_like(SimpleNamespace(**values)) == tile == Tile.from_like(tile)
    with pytest.raises(InputError, match="can't take int for a tile grid"):
        TileGrid.from_like(3)


@given(grids, st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_a_tiles_centre_and_corner_lead_back_to_its_index(
    grid: TileGrid, row: int, col: int
) -> None:
    grid = TileGrid(grid.ul, grid.crs, grid.res, grid.size)
    left, bottom, right, top = grid[row, col].bounds
    assert grid.point_to_tile((left + right) / 2, (bottom + top) / 2).index == (row, col)
    assert grid.point_to_tile(left, top).index == (row, col)
    assert grid.point_to_tile(right, bottom).index == (row + 1, col + 1)


@given(grids, st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_neighbours_share_their_edge_to_the_bit(grid: TileGrid, row: int, col: int) -> None:
    grid = TileGrid(grid.ul, grid.crs, grid.res, grid.size)
    tile = grid[row, col]
    assert grid[row, col + 1].bounds.left == tile.bounds.right
    assert grid[row + 1, col].bounds.top == tile.bounds.bottom


# --- tiles of a place ---


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


coordinates = st.tuples(st.integers(-10, 50), st.integers(-42, 10))


@given(st.lists(st.lists(coordinates, min_size=3, max_size=6), min_size=1, max_size=3))
def test_a_regions_tiles_are_those_that_shapely_finds_one_by_one(
    rings: list[list[tuple[int, int]]],
) -> None:
    grid = squares()
    roi = shapely.union_all([shapely.MultiPoint(ring).convex_hull for ring in rings])
    if roi.area == 0:
        return
    roi = shapely.MultiPolygon([p for p in shapely.get_parts(roi) if p.geom_type == "Polygon"])
    # Corners are whole numbers under 50, so no true overlap is smaller than this. Where rings
    # cross, shapely rounds their union's corners, which may leave a sliver beyond a tile's edge.
    wanted = [tile for tile in grid.values() if tile.bbox.intersection(roi).area > 1e-9]
    found = grid.roi_to_tiles(roi)
    slivers = [tile for tile in found if tile not in wanted]
    assert [tile for tile in found if tile not in slivers] == wanted
    assert all(tile.bbox.intersects(roi) for tile in slivers)
    assert grid.roi_to_tiles(json.loads(shapely.to_geojson(roi)), crs=grid.crs) == wanted


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


# --- files of grids ---


def test_named_grids_are_read_from_a_mapping_or_a_list(tmp_path: Any) -> None:
    nameless = {key: value for key, value in PARAGUAY.items() if key != "name"}
    path = tmp_path / "grids.yaml"
    path.write_text(yaml.dump({"EAST": PARAGUAY, "PY": nameless}))
    assert load_grids(path) == {"EAST": paraguay(), "PY": paraguay(name="PY")}
    path.write_text(yaml.dump([PARAGUAY]))
    assert load_grids(path) == {"Paraguay east": paraguay()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it must hold grids"),
        ("{}", "at least one grid"),
        ("EAST: 3", "it must hold grids"),
        ("- {crs: 4326}", "each with a name"),
        ("EAST: {crs: 4326}", "needs ul, res, size"),
        ("EAST: [", "while parsing"),
        (yaml.dump([PARAGUAY, PARAGUAY]), "each name once"),
    ],
)
def test_a_file_of_grids_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Any, text: str, message: str
) -> None:
    path = tmp_path / "grids.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_grids(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_grids_is_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"can't read .*none\.yaml: No such file"):
        load_grids(tmp_path / "none.yaml")
