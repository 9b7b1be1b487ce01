from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from example_grids import paraguay, squares
from rasterio.coords import BoundingBox

from cedar.exceptions import InputError
from cedar.geometry import LONLAT, reproject, to_crs
from cedar.grids import Tile, TileGrid, named_grid


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


@pytest.mark.parametrize(
    ("grid", "index"),
    [
        ("LANDSAT_ARD_CU", (3, 3)),
        ("MODIS_1KM", (8, 0)),
        ("MODIS_1KM", (0, 17)),
        ("UTM01N", (30, 3)),
        ("UTM60S", (30, 4)),
        ("LANDSAT_ARD_AK", (11, 0)),
        ("GEE_HANSEN_GFC", (3, 35)),
    ],
)
def test_a_tile_as_geojson_keeps_to_the_rules_of_rfc_7946(grid: str, index: Any) -> None:
    feature = json.loads(json.dumps(named_grid(grid)[index].geojson()))
    outline = shapely.geometry.shape(feature["geometry"])
    assert outline.is_valid
    assert outline.area > 0
    west, south, east, north = outline.bounds
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    # Counterclockwise, and no edge goes the other way round the earth.
    for part in shapely.get_parts(outline):
        assert part.exterior.is_ccw
        longitudes = shapely.get_coordinates(part)[:, 0]
        assert max(longitudes) - min(longitudes) < 180
    assert feature["properties"] == {"horizontal": index[1], "vertical": index[0]}


def test_an_outline_is_split_at_the_antimeridian() -> None:
    tile = TileGrid((-2_200_000, 2_400_000), 3338, (30, 30), (5000, 5000))[12, 2]
    west, east = sorted(shapely.get_parts(tile.outline()), key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180
    assert east.bounds[2] == 180
    degrees_over = TileGrid((170, 10), 4326, (0.1, 0.1), (200, 100))[0, 0]
    assert degrees_over.outline().equals(
        shapely.union(shapely.box(170, 0, 180, 10), shapely.box(-180, 0, -170, 10))
    )
