"""What holds of every grid: named ones, in metres and degrees, endless, with negative indices."""

from __future__ import annotations

import json
from math import nextafter
from typing import Any

import numpy as np
import pytest
import shapely
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cedar.exceptions import InputError
from cedar.geometry import LONLAT, reproject, to_crs
from cedar.grids import Tile, TileGrid, named_grid
from cedar.regions import parse_roi

_LONG = settings.default.max_examples >= 1000
#: 10,000 examples in `make stress`, five times as many as of other properties.
many = settings(max_examples=settings.default.max_examples * (5 if _LONG else 1))

NAMED = (
    "LANDSAT_ARD_CU",
    "LANDSAT_ARD_AK",
    "LANDSAT_ARD_HI",
    "ABOVE_A",
    "ABOVE_B",
    "GEE_HANSEN_GFC",
    "MODIS_500M",
    "UTM01N",
    "UTM21S",
)

metres = st.floats(-1e7, 1e7) | st.integers(-(10**7), 10**7)
pixels = st.floats(1e-4, 1e3) | st.integers(1, 1000)
sizes = st.tuples(st.integers(1, 6000), st.integers(1, 6000))
ranges = st.tuples(st.integers(-50, 50), st.integers(0, 20)).map(lambda r: (r[0], sum(r)))
projected = st.builds(
    TileGrid,
    ul=st.tuples(metres, metres),
    crs=st.sampled_from(["EPSG:32621", 5070, "ESRI:102001", "+proj=laea +lat_0=50 +lon_0=-100"]),
    res=st.tuples(pixels, pixels),
    size=sizes,
    limits=st.none() | st.tuples(ranges, ranges),
    name=st.none() | st.text(max_size=8),
)


@st.composite
def in_degrees(draw: st.DrawFn, limited: bool = False) -> TileGrid:
    """A grid on the earth, whose tiles are between a thousandth of a degree and 20° wide."""
    crs = draw(st.sampled_from(["EPSG:4326", "OGC:CRS84", "EPSG:4269"]))
    left, top = draw(st.floats(-180, 150)), draw(st.floats(-60, 90))
    size = draw(st.tuples(st.integers(10, 4000), st.integers(10, 4000)))
    width, height = (draw(st.floats(0.001, 20)) for _ in "xy")
    # Within the map, as far as there is room.
    cols, rows = int((180 - left) / width), int((top + 90) / height)
    assume(rows > 0 and cols > 0)
    last = draw(st.integers(0, min(rows, 20) - 1)), draw(st.integers(0, min(cols, 20) - 1))
    limits = ((0, last[0]), (0, last[1]))
    return TileGrid(
        (left, top),
        crs,
        (width / size[0], height / size[1]),
        size,
        limits if limited or draw(st.booleans()) else None,
    )


named = st.sampled_from(NAMED).map(named_grid)
grids = projected | in_degrees() | named
limited = projected.filter(lambda grid: grid.limits) | in_degrees(limited=True) | named


@st.composite
def tiles(draw: st.DrawFn) -> tuple[TileGrid, Tile]:
    """A grid, and one of its tiles."""
    grid = draw(grids)
    if grid.limits is not None:
        rows, cols = (st.integers(*pair) for pair in grid.limits)
    elif grid.crs.is_geographic:
        # A grid without end has a place once: within the map.
        width = grid.res[0] * grid.size[0]
        rows = st.integers(-20, 20)
        cols = st.integers(*(int((side - grid.ul[0]) / width) for side in (-179, 179)))
    else:
        rows = cols = st.integers(-1000, 1000)
    return grid, grid[draw(rows), draw(cols)]


@many
@given(tiles())
def test_a_tiles_bounds_lead_back_to_its_index(given_: tuple[TileGrid, Tile]) -> None:
    grid, tile = given_
    left, bottom, right, top = tile.bounds
    assert grid.point_to_tile((left + right) / 2, (bottom + top) / 2) == tile
    assert grid.point_to_tile(left, top) == tile
    inside = nextafter(right, left), nextafter(bottom, top)
    assert grid.point_to_tile(*inside) == tile
    assert tile.index in grid
    assert grid[list(tile.index)] == tile
    if not grid.crs.is_geographic:
        assert grid.bounds_to_tiles(tile.bounds) == [tile]
    elif bottom >= -90 and top <= 90:
        # Without end, tiles on both sides of the antimeridian may reach beyond it, over others.
        assert tile in (found := grid.bounds_to_tiles(tile.bounds))
        assert len(found) == 1 or grid.limits is None


@many
@given(tiles())
def test_neighbours_share_their_edge_to_the_bit(given_: tuple[TileGrid, Tile]) -> None:
    grid, tile = given_
    endless = TileGrid(grid.ul, grid.crs, grid.res, grid.size)
    row, col = tile.index
    assert endless[row, col + 1].bounds.left == tile.bounds.right
    assert endless[row + 1, col].bounds.top == tile.bounds.bottom
    assert endless[row - 1, col].bounds.bottom == tile.bounds.top
    assert endless[row, col - 1].bounds.right == tile.bounds.left


def whole(grid: TileGrid) -> tuple[float, float, float, float]:
    """Bounds of a grid with limits."""
    assert grid.limits is not None
    (first, last), (left, right) = grid.limits
    west, _, _, north = grid[first, left].bounds
    _, south, east, _ = grid[last, right].bounds
    return west, south, east, north


#: Where in a grid's extent: anywhere, a little beyond, or (as a whole number) on a tile's edge.
places = st.tuples(*[st.floats(-0.1, 1.1) | st.integers(0, 20)] * 2)


def placed(grid: TileGrid, place: tuple[float, float]) -> tuple[float, float]:
    """Coordinates of a place; in degrees, they stay on the map."""
    assert grid.limits is not None
    west, south, east, north = whole(grid)
    first, left = grid.limits[0][0], grid.limits[1][0]
    lattice = TileGrid(grid.ul, grid.crs, grid.res, grid.size)
    x, y = place
    x = lattice[0, left + x].bounds.left if isinstance(x, int) else west + x * (east - west)
    y = lattice[first + y, 0].bounds.top if isinstance(y, int) else south + y * (north - south)
    if grid.crs.is_geographic:
        x, y = min(max(x, -180.0), 180.0), min(max(y, -90.0), 90.0)
    return x, y


@many
@given(limited.filter(lambda grid: len(grid) <= 450), places)
def test_a_points_tile_is_the_only_one_that_holds_it(
    grid: TileGrid, place: tuple[float, float]
) -> None:
    x, y = placed(grid, place)
    # On the map's right edge, longitude is that of the left.
    assume(not grid.crs.is_geographic or x < 180)
    holding = [
        tile
        for tile in grid.values()
        if tile.bounds.left <= x < tile.bounds.right and tile.bounds.bottom < y <= tile.bounds.top
    ]
    if holding:
        assert [grid.point_to_tile(x, y)] == holding
    else:
        with pytest.raises(InputError, match="is outside"):
            grid.point_to_tile(x, y)


@st.composite
def regions(draw: st.DrawFn) -> tuple[TileGrid, Any]:
    """A grid, and polygons in its system: slivers, holes, many parts, edges on tiles' edges."""
    grid = draw(limited.filter(lambda grid: len(grid) <= 450))
    rings = draw(st.lists(st.lists(places, min_size=3, max_size=6), min_size=1, max_size=4))
    shapes = [shapely.MultiPoint([placed(grid, at) for at in ring]).convex_hull for ring in rings]
    *solid, last = [shape for shape in shapes if shape.area > 0] or [shapely.Polygon()]
    roi = shapely.union_all(solid or [last])
    if solid and draw(st.booleans()):
        roi = roi.difference(last)
    parts = [part for part in shapely.get_parts(roi) if part.geom_type == "Polygon"]
    assume(parts)
    try:
        roi, _ = parse_roi(shapely.MultiPolygon(parts))
    except InputError:
        # So thin that nothing was left of it.
        assume(False)
    return grid, roi


@many
@given(regions())
def test_a_regions_tiles_are_those_that_shapely_finds_one_by_one(
    given_: tuple[TileGrid, Any],
) -> None:
    grid, roi = given_
    boxes = {tile.index: tile.bbox for tile in grid.values()}
    wanted = [index for index, box in boxes.items() if roi.intersects(box) and not roi.touches(box)]
    assert [tile.index for tile in grid.roi_to_tiles(roi)] == wanted


@many
@given(limited.filter(lambda grid: len(grid) <= 450), st.lists(places, min_size=1, max_size=4))
def test_a_lines_tiles_are_those_that_shapely_finds_one_by_one(
    grid: TileGrid, along: list[tuple[float, float]]
) -> None:
    at = [placed(grid, place) for place in along]
    roi = shapely.LineString(at) if len(set(at)) > 1 else shapely.Point(at[0])
    roi, _ = parse_roi(roi)
    wanted = [tile for tile in grid.values() if roi.intersects(tile.bbox)]
    assert grid.roi_to_tiles(roi) == wanted


@given(
    st.sampled_from(["LANDSAT_ARD_CU", "LANDSAT_ARD_AK", "LANDSAT_ARD_HI", "ABOVE_B", "UTM21S"]),
    st.data(),
)
def test_a_region_in_longitude_and_latitude_finds_what_brute_force_finds(
    name: str, data: st.DataObject
) -> None:
    grid = named_grid(name)
    index = data.draw(st.sampled_from(list(grid)))
    lon, lat = grid[index].outline().centroid.coords[0]
    width, height = data.draw(st.floats(0.01, 8)), data.draw(st.floats(0.01, 5))
    roi = shapely.box(lon - width, max(lat - height, -80), lon + width, min(lat + height, 84))
    found = grid.roi_to_tiles(roi, crs=LONLAT)
    moved = reproject(roi, to_crs(LONLAT), grid.crs)
    boxes = {tile: tile.bbox for tile in grid.values()}
    wanted = [t for t, box in boxes.items() if moved.intersects(box) and not moved.touches(box)]
    # Moved whole or only near the grid, edges are cut at other places: to less than a metre.
    differing = set(found) ^ set(wanted)
    assert all(moved.intersection(boxes[tile].buffer(1)).area < 1e6 for tile in differing)
    assert grid[index] in found


@many
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


@many
@given(tiles())
def test_a_tile_reads_back_from_json_and_yaml_equal_with_the_same_hash(
    given_: tuple[TileGrid, Tile],
) -> None:
    _, tile = given_
    for again in (
        json.loads(json.dumps(tile.to_dict())),
        yaml.safe_load(yaml.dump(tile.to_dict())),
    ):
        assert Tile.from_dict(again) == tile
        assert hash(Tile.from_dict(again)) == hash(tile)
    assert repr(again["bounds"]) == repr(list(tile.bounds))


@many
@given(tiles())
def test_a_tiles_pixels_fill_its_bounds(given_: tuple[TileGrid, Tile]) -> None:
    _, tile = given_
    left, bottom, right, top = tile.bounds
    assert tile.transform * (0, 0) == (left, top)
    corner = tile.transform * (tile.width, tile.height)
    assert np.allclose(corner, (right, bottom), rtol=1e-12, atol=min(tile.res) / 1000)
