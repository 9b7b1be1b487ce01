"""`cedar grids`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import yaml
from orders import utm_grid
from pyogrio import raw
from rasterio.transform import from_origin

from cedar.config import load
from cedar.grids import TileGrid, named_grid, named_grids

ARD = "LANDSAT_ARD_CU"
OURS = "Paraguay east"


@pytest.fixture
def raster(here):
    """A raster of 500 × 300 pixels in UTM; its path."""
    profile = {
        "driver": "GTiff", "width": 500, "height": 300, "count": 1, "dtype": "uint8",
        "crs": "EPSG:32621", "transform": from_origin(730005, -2778015, 30, 30),
    }  # fmt: skip
    path = here / "scene.tif"
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.zeros((1, 300, 500), "uint8"))
    return path


# ---- list


def test_all_grids_that_cedar_brings_are_listed_without_a_configuration(cedar):
    done = cedar("grids")
    header, first, *_ = lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert header.split() == ["grid", "crs", "pixel", "tile", "rows", "×", "columns"]
    assert " ".join(first.split()) == (
        f"{ARD} CONUS_WGS84_Albers_Equal_Area_Conic 30 × 30 m 5000 × 5000 22 × 33"
    )
    assert [line.split()[0] for line in lines[1:]] == [*named_grids()]


def test_the_configurations_grid_comes_first_and_is_marked(configure, cedar):
    configure()
    assert " ".join(cedar("grids").out.splitlines()[1].split()) == (
        f"{OURS} EPSG:32621 (WGS 84 / UTM zone 21N) 30 × 30 m 300 × 250 4 × 4 configured"
    )
    listed = cedar("grids", "--json").json
    assert listed[0] == {
        "name": OURS,
        "crs": "EPSG:32621 (WGS 84 / UTM zone 21N)",
        "pixel": "30 × 30 m",
        "size": [300, 250],
        "rows": 4,
        "columns": 4,
        "configured": True,
    }
    assert [each["name"] for each in listed if each["configured"]] == [OURS]
    assert len(listed) == len(named_grids()) + 1


def test_a_configured_grid_that_cedar_brings_is_listed_once(configure, cedar, here):
    document = configure()
    document["tile_grid"] = {"grid_name": ARD}
    (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
    listed = cedar("grids", "--json").json
    assert len(listed) == len(named_grids())
    assert [each["name"] for each in listed if each["configured"]] == [ARD]


def test_under_a_name_that_both_have_the_configurations_grid_is_meant(configure, cedar):
    configure(tile_grid={"name": ARD})
    assert len(cedar("grids", "--json").json) == len(named_grids())
    lines = cedar("grids", ARD).out.splitlines()
    assert lines[2] == "upper left: 730005, -2778015"
    assert not any(line.startswith("source: ") for line in lines)


def test_a_grid_without_limits_or_name_is_listed(configure, cedar, here):
    document = configure()
    document["tile_grid"] |= {"limits": None, "name": None}
    (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
    assert "(no name)" in cedar("grids").out.splitlines()[1]
    assert "no limits" in cedar("grids").out.splitlines()[1]
    assert cedar("grids", "--yaml").out.splitlines()[1] == "  crs: EPSG:32621"


# ---- show


def test_a_grid_is_shown_with_its_extent_and_source(cedar):
    done = cedar("grids", "GEE_HANSEN_GFC")
    lines = done.out.splitlines()
    assert lines[:7] == [
        "GEE_HANSEN_GFC",
        "crs: EPSG:4326 (WGS 84)",
        "upper left: -180, 80",
        "pixel: 0.00025 × 0.00025°",
        "tile: 40000 × 40000 pixels",
        "tiles: 504: rows 0 to 13, columns 0 to 35",
        "extent: longitude -180.0000 to 180.0000, latitude -60.0000 to 80.0000",
    ]
    assert lines[7].startswith("source: ")
    assert len(lines) == 8


def test_the_configurations_grid_is_shown_by_its_name(configure, cedar):
    configure()
    lines = cedar("grids", OURS).out.splitlines()
    assert (lines[0], lines[2]) == (OURS, "upper left: 730005, -2778015")
    assert not any(line.startswith("source: ") for line in lines)
    shown = cedar("grids", OURS, "--json").json
    assert (shown["tiles"], shown["source"]) == (16, None)
    west, south, east, north = shown["lonlat_bounds"]
    assert -54.8 < west < east < -54.3
    assert -25.5 < south < north < -25.0


def test_a_grid_without_limits_is_shown_without_extent(configure, cedar):
    configure(tile_grid={"limits": None})
    lines = cedar("grids", OURS).out.splitlines()
    assert lines[-1] == "tiles: no limits"
    assert cedar("grids", OURS, "--json").json["lonlat_bounds"] is None


def test_json_of_a_grid_has_all_that_makes_it(cedar):
    shown = cedar("grids", ARD, "--json").json
    document = {key: shown[key] for key in ("name", "crs", "ul", "res", "size", "limits")}
    assert TileGrid.from_dict(document) == named_grid(ARD)
    assert shown["source"].startswith("USGS")


# ---- YAML, and a grid like a raster's


def test_yaml_of_a_grid_goes_straight_into_a_configuration(configure, cedar, here):
    document = configure()
    section = yaml.safe_load(cedar("grids", ARD, "--yaml").out)
    assert section == cedar("grids", ARD, "--yaml", "--json").json
    (here / "cedar.yaml").write_text(yaml.safe_dump(document | section), "utf-8")
    assert cedar("config", "check").code == 0
    assert load(here / "cedar.yaml").tile_grid == named_grid(ARD)


def test_a_grid_like_a_raster_is_written_for_a_configuration(raster, configure, cedar, here):
    done = cedar("grids", "--like", raster)
    assert done.out.splitlines() == [
        "tile_grid:",
        "  name: scene",
        "  crs: EPSG:32621",
        "  ul: [730005, -2778015]",
        "  res: [30, 30]",
        "  size: [500, 300]",
        "  limits: [[0, 0], [0, 0]]",
    ]
    (here / "cedar.yaml").write_text(
        yaml.safe_dump(configure() | yaml.safe_load(done.out)), "utf-8"
    )
    assert cedar("config", "check").code == 0
    assert cedar("grids", "--index", 0, 0).out.splitlines()[1].split()[2:] == ["h000v000", "134.9"]


def test_a_grid_like_a_raster_may_have_tiles_of_any_size(raster, cedar):
    section = cedar("grids", "--like", raster, "--size", 256, 256, "--json").json["tile_grid"]
    assert (section["size"], section["limits"]) == ([256, 256], [[0, 1], [0, 1]])
    done = cedar("grids", "--like", raster, "--size", 256, 256, "--row", 1, "--col", 0, "--col", 1)
    assert [line.split()[2] for line in done.out.splitlines()[1:]] == ["h000v001", "h001v001"]


def test_a_grid_like_a_raster_needs_no_configuration_that_is_right(raster, cedar, here):
    (here / "cedar.yaml").write_text("tracker: [", "utf-8")
    assert cedar("grids", "--like", raster).code == 0
    assert cedar("grids").code == 2


# ---- tiles


def test_tiles_are_listed_with_row_column_name_and_area(cedar):
    done = cedar("grids", ARD, "--bbox", -100, 40, -99, 41, "--index", 8, 14, "--index", 3, 2)
    assert done.out.splitlines() == [
        "row  col  tile      km²",
        "  3    2  h002v003  22,500.0",
        "  8   14  h014v008  22,500.0",
        "  8   15  h015v008  22,500.0",
        "  9   14  h014v009  22,500.0",
        "  9   15  h015v009  22,500.0",
    ]


def test_json_has_a_tiles_bounds_too(configure, cedar):
    configure()
    (tile,) = cedar("grids", "--index", 1, 2, "--json").json
    assert (tile["row"], tile["col"], tile["name"]) == (1, 2, "h002v001")
    assert tile["bounds"] == list(utm_grid()[1, 2].bounds)
    assert tile["km2"] == pytest.approx(67.5, rel=0.01)


def test_tiles_are_found_in_all_the_ways_that_submit_has(cedar, here):
    (here / "roi.geojson").write_text('{"type": "Point", "coordinates": [15, 45]}', "utf-8")
    done = cedar("grids", "GEE_HANSEN_GFC", "--point", -75, 45, "--roi", "roi.geojson",
                 "--bbox", 101, 1, 102, 2, "--row", 0, "--col", 0)  # fmt: skip
    names = [line.split()[2] for line in done.out.splitlines()[1:]]
    assert names == ["h000v000", "h010v003", "h019v003", "h028v007"]


def test_tiles_across_the_antimeridian_are_found(cedar):
    done = cedar("grids", "GEE_HANSEN_GFC", "--bbox", 179, -18, -179, -16)
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == ["0", "35"]


# ---- files


def test_tiles_are_written_for_a_gis_and_the_file_is_the_result(configure, cedar, here):
    configure()
    done = cedar("grids", "--point", -54.55, -25.2, "--output", "tiles.geojson")
    assert (done.code, done.out) == (0, "tiles.geojson\n")
    assert done.err == f"1 tile of {OURS}\n"
    (feature,) = json.loads((here / "tiles.geojson").read_text("utf-8"))["features"]
    assert feature["properties"].keys() == {"row", "col", "name"}
    done = cedar("grids", "--output", "tiles.gpkg", "--json")
    assert done.json == {"path": "tiles.gpkg", "tiles": 16}
    assert raw.read("tiles.gpkg")[3][0].tolist() == sorted([0, 1, 2, 3] * 4)


def test_a_file_is_replaced_only_with_overwrite(cedar, here):
    words = ("grids", ARD, "--index", 0, 0, "--output", "tiles.geojson")
    (here / "tiles.geojson").write_text("mine", "utf-8")
    done = cedar(*words)
    assert (done.code, done.out) == (2, "")
    assert "tiles.geojson exists already; choose another name, or --overwrite" in done.err
    assert (here / "tiles.geojson").read_text("utf-8") == "mine"
    assert cedar(*words, "--overwrite").code == 0
    assert (here / "tiles.geojson").read_text("utf-8").startswith('{"type"')


# ---- what can't be


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "no tile grid is called 'nope'"),
        (("LANDSAT_ARD_CONUS",), "'LANDSAT_ARD_CU'"),
        ((ARD, "--index", 22, 0), f"tile (22, 0) is outside tile grid '{ARD}'"),
        ((ARD, "--point", 10, 45), "is outside tile grid"),
        ((ARD, "--bbox", 10, 45, 11, 46), "meets no tile of the grid"),
        ((ARD, "--roi", "none.geojson"), "can't read none.geojson"),
        ((ARD, "--row", 1), "--row and --col go together"),
        ((ARD, "--like", "scene.tif"), "NAME and --like exclude each other"),
        ((ARD, "--size", 10, 10), "--size goes with --like"),
        ((ARD, "--overwrite"), "--overwrite goes with --output"),
        ((ARD, "--yaml", "--index", 0, 0), "--yaml is of a grid, not of its tiles"),
        ((ARD, "--yaml", "--output", "a.gpkg"), "--yaml is of a grid, not of its tiles"),
        ((ARD, "--output", "tiles.shp"), "the ending says the format"),
        (("MODIS_500M", "--index", 0, 0), "lies beyond the earth"),
        (("--like", "none.tif"), "none.tif"),
        (("--index", 0, 0), "say which grid: NAME or --like, as there is no configuration"),
        (("--yaml",), "say which grid"),
        (("-C", "none.yaml"), "there is no configuration none.yaml"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(cedar, here, words, message):
    done = cedar("grids", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert [*here.iterdir()] == []


def test_an_unknown_name_is_answered_with_that_of_the_configurations_grid_too(configure, cedar):
    configure()
    done = cedar("grids", "Paraguay")
    assert done.code == 2
    assert done.err.endswith(f"; the configuration's is {OURS!r}\n")
    configure(tile_grid={"name": None})
    assert "the configuration's" not in cedar("grids", "Paraguay").err


def test_a_grid_without_limits_can_not_be_written_whole_but_its_tiles_can(configure, cedar, here):
    configure(tile_grid={"limits": None})
    done = cedar("grids", "--output", "tiles.geojson")
    assert done.code == 2
    assert "has no limits, so its tiles can't be listed" in done.err
    assert not (here / "tiles.geojson").exists()
    assert cedar("grids", "--index", -1, 7, "--output", "tiles.geojson").code == 0
