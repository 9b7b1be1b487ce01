from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cedar.exceptions import InputError
from cedar.geometry import LONLAT, full_turn, reproject, to_crs
from cedar.regions import parse_roi, read_roi

SQUARE = shapely.box(-55, -26, -54, -25)
GEOMETRY: dict[str, Any] = json.loads(shapely.to_geojson(SQUARE))


@pytest.mark.parametrize(
    "value",
    [
        32621,
        "EPSG:32621",
        "urn:ogc:def:crs:EPSG::32621",
        pyproj.CRS(32621),
        to_crs(32621),
        to_crs(32621).wkt,
        SimpleNamespace(to_wkt=lambda: to_crs(32621).wkt),
    ],
)
def test_a_crs_is_the_same_however_it_is_given(value: Any) -> None:
    assert to_crs(value).wkt == to_crs("EPSG:32621").wkt


@pytest.mark.parametrize(
    "value", ["WGS 84", "+proj=sinu +R=6371007.181", pyproj.CRS(5070).to_json_dict(), 4979, 7405]
)
def test_a_crs_reads_back_as_itself(value: Any) -> None:
    assert to_crs(to_crs(value).wkt).wkt == to_crs(value).wkt


@pytest.mark.parametrize("value", [None, "", "nonsense", 3.5, {}, [1], "EPSG:5773", 4978])
def test_what_is_no_horizontal_crs_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        to_crs(value)


def test_a_turn_is_in_the_units_of_the_crs() -> None:
    assert full_turn(to_crs(4326)) == 360
    assert full_turn(to_crs(4807)) == 400
    assert full_turn(to_crs(32621)) is None


# --- regions of interest ---


@pytest.mark.parametrize(
    "document",
    [
        GEOMETRY,
        {"type": "Feature", "properties": None, "geometry": GEOMETRY},
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": {}, "geometry": GEOMETRY},
                {"type": "Feature", "properties": {}, "geometry": None},
            ],
        },
        {"type": "GeometryCollection", "geometries": [GEOMETRY]},
    ],
)
def test_geojson_of_every_form_is_read_from_a_mapping_and_a_file(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = tmp_path / "roi.geojson"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    for geometry, crs in (parse_roi(document), read_roi(path)):
        assert geometry.equals(SQUARE)
        assert crs == to_crs(LONLAT)


def test_the_crs_member_of_older_geojson_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "roi.json"
    member = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32621"}}
    path.write_text(json.dumps(GEOMETRY | {"crs": member}))
    assert read_roi(path)[1] == to_crs(32621)
    assert parse_roi(GEOMETRY | {"crs": member}, crs=4326)[1] == to_crs(4326)


def test_a_shapely_geometry_says_nothing_of_its_crs() -> None:
    geometry, crs = parse_roi(SQUARE)
    assert geometry.equals(SQUARE)
    assert crs is None


def test_a_ring_that_crosses_itself_is_mended_and_heights_are_dropped() -> None:
    bow = shapely.Polygon([(0, 0, 5), (2, 2, 5), (2, 0, 5), (0, 2, 5)])
    geometry, _ = parse_roi(bow)
    assert geometry.is_valid
    assert geometry.area == pytest.approx(2)
    assert not geometry.has_z


@pytest.mark.parametrize(
    ("roi", "message"),
    [
        (3, "must be a shapely geometry or GeoJSON, not int"),
        ("POINT (0 0)", "must be a shapely geometry"),
        ({}, "not valid GeoJSON"),
        ({"type": "Topology"}, "not valid GeoJSON"),
        ({"type": "FeatureCollection"}, "without features"),
        ({"type": "FeatureCollection", "features": [3]}, "3 is no object"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "not valid GeoJSON"),
        ({"type": "Point", "coordinates": [math.nan, 1]}, "not valid GeoJSON"),
        ({"type": "Point", "coordinates": [object(), 1]}, "not valid GeoJSON"),
        (GEOMETRY | {"crs": {"type": "link"}}, "can't read its crs member"),
        ({"type": "FeatureCollection", "features": []}, "is empty"),
        ({"type": "Feature", "geometry": None}, "is empty"),
        (shapely.Polygon(), "is empty"),
        (shapely.Polygon([(0, 0), (1, 1), (2, 2)]), "is empty"),
        (shapely.Point(math.inf, 0), "aren't finite"),
    ],
)
def test_what_is_no_region_is_refused(roi: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_roi(roi)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GPKG\x00\xff\xfe",
        b"3",
        b'{"type": "FeatureCollection", "features": []}',
        b"[" * 99999,
    ],
)
def test_a_file_that_is_no_geojson_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roi.gpkg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"can't use .*roi\.gpkg .*ogr2ogr") as caught:
        read_roi(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*none\.geojson: No such file"):
        read_roi(tmp_path / "none.geojson")
    with pytest.raises(InputError, match=r"can't read .*directory"):
        read_roi(tmp_path)


# --- moving them ---


def test_the_same_crs_leaves_a_geometry_as_it_is() -> None:
    assert reproject(SQUARE, to_crs(4326), to_crs(LONLAT)) is SQUARE


def test_nothing_stays_nothing() -> None:
    assert reproject(shapely.Polygon(), to_crs(4326), to_crs(32621)).is_empty


@given(st.floats(-75, -40), st.floats(-40, 40), st.floats(0.01, 5))
def test_a_densified_outline_is_within_two_metres_there_and_back(
    lon: float, lat: float, size: float
) -> None:
    box = shapely.box(lon, lat, lon + size, lat + size)
    away = reproject(box, to_crs(LONLAT), to_crs(5880))
    back = reproject(away, to_crs(5880), to_crs(LONLAT))
    assert box.hausdorff_distance(back) < 2 / 100_000


def test_longitudes_beyond_the_antimeridian_are_the_same_place() -> None:
    over = reproject(shapely.box(179, 10, 181, 11), to_crs(LONLAT), to_crs(3832))
    split = shapely.union(shapely.box(179, 10, 180, 11), shapely.box(-180, 10, -179, 11))
    same = reproject(split, to_crs(LONLAT), to_crs(3832))
    assert over.symmetric_difference(same).area < 1e-6 * over.area
    assert reproject(over, to_crs(3832), to_crs(LONLAT)).bounds == pytest.approx(
        (-180, 10, 180, 11)
    )


def test_holes_and_lines_stay_whole_across_the_antimeridian() -> None:
    crs, lonlat = to_crs(3832), to_crs(LONLAT)
    middle = reproject(shapely.Point(180, 0), lonlat, crs)
    x = shapely.get_coordinates(middle)
    ring = middle.buffer(2e5) - shapely.transform(middle.buffer(1e4), lambda xy: xy - [1e5, 0])
    moved = reproject(ring, crs, lonlat)
    assert not moved.contains(shapely.Point(180 - 0.898, 0))
    assert moved.contains(shapely.Point(-180 + 0.898, 0))
    line = shapely.transform(shapely.LineString([(-1e5, 0), (1e5, 0)]), lambda xy: xy + x)
    assert reproject(line, crs, lonlat).length == pytest.approx(2e5 / 111_319.49, rel=1e-3)


def test_a_ring_around_a_pole_keeps_the_pole_on_its_side() -> None:
    pole = shapely.Point(0, 0).buffer(1e6, quad_segs=64)
    cap = reproject(pole, to_crs(3413), to_crs(LONLAT))
    assert cap.bounds[0::2] == (-180, 180)
    assert cap.bounds[3] == 90
    collar = reproject(pole - pole.buffer(-5e5), to_crs(3413), to_crs(LONLAT))
    assert not collar.intersects(shapely.box(-179, 86, 179, 90))
    assert collar.contains(shapely.Point(0, 82))


def test_corners_of_a_map_that_lie_beyond_the_earth_are_no_place() -> None:
    mollweide, lonlat = to_crs("ESRI:54009"), to_crs(LONLAT)
    assert reproject(shapely.box(-18e6, 8e6, -17e6, 9e6), mollweide, lonlat).is_empty
    quarter = reproject(shapely.box(-19e6, 0, 0, 10e6), mollweide, lonlat)
    assert quarter.bounds == pytest.approx((-180, 0, 0, 90), abs=1e-5)
    assert quarter.area == pytest.approx(180 * 90, rel=1e-3)


def test_what_no_map_of_the_system_shows_is_an_error() -> None:
    with pytest.raises(InputError, match="can't be expressed"):
        reproject(shapely.box(-3e7, -3e7, 3e7, 3e7), to_crs(3035), to_crs(LONLAT))
