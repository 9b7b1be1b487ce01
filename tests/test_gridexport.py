"""What a GIS and a configuration get of a grid."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
import yaml
from orders import albers_grid, utm_grid
from pyogrio import raw
from rasterio.crs import CRS

from cedar import TileGrid
from cedar.exceptions import InputError, StoreError
from cedar.gridexport import (
    config_section,
    config_yaml,
    crs_title,
    lonlat_bounds,
    pixel,
    to_geojson,
    to_geopackage,
    write_tiles,
)
from cedar.grids import named_grid, named_grids


def limited(grid):
    return TileGrid.from_dict(grid.to_dict() | {"limits": ((-1, 1), (-2, 0))})


# ---- GeoJSON


def test_geojson_has_row_column_and_name_of_each_tile_and_its_outline(tmp_path):
    tiles = [utm_grid()[2, 3], utm_grid()[0, 1]]
    write_tiles(tmp_path / "tiles.geojson", tiles)
    written = json.loads((tmp_path / "tiles.geojson").read_text("utf-8"))
    assert written["type"] == "FeatureCollection"
    assert [feature["properties"] for feature in written["features"]] == [
        {"row": 2, "col": 3, "name": "h003v002"},
        {"row": 0, "col": 1, "name": "h001v000"},
    ]
    for feature, tile in zip(written["features"], tiles, strict=True):
        assert shapely.geometry.shape(feature["geometry"]).equals(tile.outline())


def test_geojson_says_of_no_system_as_the_rfc_wants_it():
    assert to_geojson([albers_grid()[0, 0]]).keys() == {"type", "features"}


def test_of_the_modis_grid_the_tiles_beyond_the_earth_have_no_geometry():
    features = to_geojson([named_grid("MODIS_1KM")[0, col] for col in range(36)])["features"]
    somewhere = [each["properties"]["name"] for each in features if each["geometry"] is not None]
    assert somewhere == ["h014v000", "h015v000", "h016v000", "h017v000",
                         "h018v000", "h019v000", "h020v000", "h021v000"]  # fmt: skip


# ---- GeoPackage


@pytest.mark.parametrize("grid", [utm_grid(), limited(albers_grid())], ids=["utm", "albers"])
def test_a_geopackage_has_the_tiles_exactly_in_their_own_system(tmp_path, grid):
    tiles = [*grid.values()]
    write_tiles(tmp_path / "tiles.gpkg", tiles)
    meta, _, geometry, (rows, cols, names) = raw.read(tmp_path / "tiles.gpkg")
    assert CRS.from_user_input(meta["crs"]) == grid.crs
    assert [*zip(rows.tolist(), cols.tolist(), strict=True)] == [tile.index for tile in tiles]
    assert names[0] == f"h{tiles[0].horizontal:03d}v{tiles[0].vertical:03d}"
    boxes = [tuple(each) for each in shapely.bounds(shapely.from_wkb(geometry)).tolist()]
    assert boxes == [tuple(map(float, tile.bounds)) for tile in tiles]


def test_a_geopackage_is_one_by_its_standard(tmp_path):
    write_tiles(tmp_path / "tiles.gpkg", [*utm_grid().values()])
    with closing(sqlite3.connect(tmp_path / "tiles.gpkg")) as database:
        # "GPKG", requirement 2 of OGC 12-128r19.
        assert database.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        listed = "SELECT table_name, data_type, srs_id FROM gpkg_contents"
        assert database.execute(listed).fetchall() == [("tiles", "features", 32621)]
        assert database.execute("SELECT count(*) FROM tiles").fetchone() == (16,)


def test_without_pyogrio_a_geopackage_says_what_to_install_and_geojson_works(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio.raw", None)
    tiles = [utm_grid()[0, 0]]
    with pytest.raises(InputError, match=r"pip install 'cedar-eo\[geo\]'"):
        write_tiles(tmp_path / "tiles.gpkg", tiles)
    assert [*tmp_path.iterdir()] == []
    write_tiles(tmp_path / "tiles.geojson", tiles)


# ---- files


@pytest.mark.parametrize("ending", ["geojson", "json", "gpkg", "GPKG"])
def test_a_file_that_is_there_is_replaced_only_if_that_is_asked_for(tmp_path, ending):
    path, tiles = tmp_path / f"tiles.{ending}", [utm_grid()[0, 0]]
    path.write_text("mine", "utf-8")
    with pytest.raises(InputError, match="exists already"):
        write_tiles(path, tiles)
    assert path.read_text("utf-8") == "mine"
    write_tiles(path, tiles, overwrite=True)
    assert path.stat().st_size > 100
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["tiles.shp", "tiles", "tiles.tif"])
def test_an_ending_that_says_no_format_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"the ending says the format: \.geojson or \.gpkg"):
        write_tiles(tmp_path / name, [utm_grid()[0, 0]])


def test_no_tiles_make_no_file(tmp_path):
    with pytest.raises(InputError, match="no tiles"):
        write_tiles(tmp_path / "tiles.gpkg", [])
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("ending", ["geojson", "gpkg"])
def test_tiles_of_several_systems_are_refused(tmp_path, ending):
    with pytest.raises(InputError, match="of one coordinate reference system, these have 2"):
        write_tiles(tmp_path / f"tiles.{ending}", [utm_grid()[0, 0], albers_grid()[0, 0]])
    assert [*tmp_path.iterdir()] == []


def test_tiles_of_stems_are_taken_by_their_attributes():
    tile = utm_grid()[1, 2]
    theirs = SimpleNamespace(
        index=[1, 2], crs=tile.crs, bounds=tile.bounds, res=tile.res, size=tile.size
    )
    assert to_geojson([theirs]) == to_geojson([tile])
    assert to_geopackage([theirs])[:15] == b"SQLite format 3"


def test_grids_of_stems_are_taken_by_their_attributes():
    names = ("name", "ul", "crs", "res", "size", "limits")
    theirs = SimpleNamespace(**{name: getattr(utm_grid(), name) for name in names})
    assert config_yaml(theirs) == config_yaml(utm_grid())
    assert lonlat_bounds(theirs) == lonlat_bounds(utm_grid())


def test_where_nothing_can_be_written_one_line_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"can't write .*tiles\.geojson: "):
        write_tiles(tmp_path / "file" / "tiles.geojson", [utm_grid()[0, 0]])


# ---- configuration


@pytest.mark.parametrize(
    "grid",
    [
        utm_grid(),
        albers_grid(),
        TileGrid((0.1, -0.2), "EPSG:4326", (0.00025, 1e-5), (7, 9), ((-3, -1), (-2, 5)), "größer"),
        *(named_grids()[name] for name in ("LANDSAT_ARD_CU", "ABOVE_A", "MODIS_500M", "UTM60S")),
    ],
    ids=lambda grid: str(grid.name),
)
def test_yaml_for_a_configuration_brings_a_grid_back_equal(grid):
    section = yaml.safe_load(config_yaml(grid))
    assert section == {"tile_grid": config_section(grid)}
    assert TileGrid.from_dict(section["tile_grid"]) == grid
    assert TileGrid.from_dict(section["tile_grid"]).name == grid.name


def test_yaml_is_as_one_would_write_it():
    assert config_yaml(utm_grid()).splitlines() == [
        "tile_grid:",
        "  name: Paraguay east",
        "  crs: EPSG:32621",
        "  ul: [730005, -2778015]",
        "  res: [30, 30]",
        "  size: [300, 250]",
        "  limits: [[0, 3], [0, 3]]",
    ]
    assert config_section(albers_grid()).keys() == {"crs", "ul", "res", "size"}


# ---- in words


@pytest.mark.parametrize(
    ("crs", "title"),
    [
        ("EPSG:32621", "EPSG:32621 (WGS 84 / UTM zone 21N)"),
        ("+proj=aea +lat_1=29.5 +lat_2=45.5 +datum=WGS84", "Albers Equal Area"),
        ("+proj=longlat +R=6371000", "unknown"),
    ],
)
def test_a_system_is_called_by_its_code_its_name_or_its_method(crs, title):
    assert crs_title(TileGrid((0, 0), crs, (1, 1), (1, 1))) == title


@pytest.mark.parametrize(
    ("crs", "res", "words"),
    [
        ("EPSG:32621", (30, 15.5), "30 × 15.5 m"),
        ("EPSG:4326", (0.00025, 0.00025), "0.00025 × 0.00025°"),
        ("EPSG:2263", (100, 100), "100 × 100 US survey foot"),
    ],
)
def test_pixels_have_a_unit(crs, res, words):
    assert pixel(TileGrid((0, 0), crs, res, (1, 1))) == words


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("GEE_HANSEN_GFC", (-180, -60, 180, 80)),
        ("MODIS_500M", (-180, -90, 180, 90)),
        # 2.8 zones of 6° to each side of 177° W, at 84.6° N many more: across the antimeridian.
        ("UTM01N", (149.16, 0, -143.16, 84.64)),
    ],
)
def test_bounds_are_in_degrees_and_may_cross_the_antimeridian(name, bounds):
    assert np.allclose(lonlat_bounds(named_grid(name)), bounds, atol=0.01)


def test_a_grid_without_limits_or_beyond_the_earth_has_no_bounds():
    assert lonlat_bounds(albers_grid()) is None
    far = TileGrid((1e9, 1e9), "EPSG:3035", (1e7, 1e7), (1, 1), ((0, 0), (0, 0)))
    assert lonlat_bounds(far) is None
