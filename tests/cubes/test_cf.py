"""What CF says of a cube."""

from __future__ import annotations

import json

import numpy as np
import odc.geo.xr  # noqa: F401 - it puts `.odc` on what xarray gives
import pyproj
import pytest
import rasterio
from downloaded import COLLECTION, PLAIN, UTM, Downloaded, edit, tile_at

import cedar
from cedar.cubes.cf import dataset
from cedar.cubes.stacks import stacks
from cedar.exceptions import InputError
from cedar.sensors import known

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
ALBERS = "+proj=aea +lat_1=-5 +lat_2=-42 +lat_0=-32 +lon_0=-60 +datum=WGS84 +units=m"
GRIDS = {
    "utm": ("EPSG:32621", (730005, -2778015), (30, 30), "m"),
    "albers": (ALBERS, (300000, 900000), (30, 30), "m"),
    "sinusoidal": (SINUSOIDAL, (-6000000, -2700000), (463.3127165, 463.3127165), "m"),
    "northing first": ("EPSG:3035", (4321000, 3210000), (10, 20), "m"),
    "degrees": ("EPSG:4326", (-57.5, -25.25), (0.00025, 0.00025), "degrees_east"),
    "feet": ("EPSG:2263", (900000, 200000), (100, 100), "0.304800609601219 metre"),
}


@pytest.fixture(params=GRIDS)
def placed(request, tmp_path):
    """An order on a grid; the grid's tile, and units of its x."""
    crs, ul, res, units = GRIDS[request.param]
    tile = tile_at(ul=ul, crs=crs, res=res, size=(12, 10))
    order = Downloaded(tmp_path / "ORDER")
    order.add(tile=tile)
    return order, tile, units


@pytest.fixture
def order(tmp_path):
    return Downloaded(tmp_path / "ORDER")


def opened(order, **options):
    return cedar.open_order(order.record, order.directory, **{"decode": False} | options)


def test_coordinates_are_the_centres_of_pixels(placed):
    order, tile, units = placed
    cube = opened(order)
    y, x = tile.coords()
    assert np.array_equal(cube.x, x)
    assert np.array_equal(cube.y, y)
    is_geographic = pyproj.CRS(tile.crs_wkt).is_geographic
    names = ("longitude", "latitude") if is_geographic else (
        "projection_x_coordinate", "projection_y_coordinate")  # fmt: skip
    assert (cube.x.standard_name, cube.y.standard_name) == names
    assert (cube.x.axis, cube.y.axis, cube.time.axis) == ("X", "Y", "T")
    assert cube.x.units == units
    if is_geographic:
        assert cube.y.units == "degrees_north"


@pytest.mark.parametrize("decode", [True, False])
def test_rasterio_and_odc_read_the_same_system_and_place(placed, decode):
    order, tile, _ = placed
    cube = opened(order, decode=decode)
    with rasterio.open(stacks(order.record, order.directory)[0].files[0]) as file:
        crs, transform = file.crs, file.transform
    assert transform.almost_equals(tile.transform)
    assert cube.red.odc.crs == crs
    assert cube.red.odc.transform.almost_equals(transform, 1e-9)
    assert cube.red.odc.crs.proj == pyproj.CRS(crs.to_wkt())
    assert cube.red.odc.geobox.shape == (tile.height, tile.width)


def test_the_grid_mapping_says_it_in_all_ways_that_readers_know(placed):
    order, tile, _ = placed
    said = opened(order).spatial_ref.attrs
    assert pyproj.CRS.from_cf(said) == pyproj.CRS(tile.crs_wkt)
    without = {
        key: value for key, value in said.items() if "wkt" not in key and key != "spatial_ref"
    }
    names = ("grid_mapping_name", "semi_major_axis")
    assert all(name in without for name in names)
    c, a, b, f, d, e = map(float, said["GeoTransform"].split())
    assert (a, b, c, d, e, f) == tile.transform[:6]
    assert said["spatial_ref"] == said["crs_wkt"]
    assert {opened(order)[band].grid_mapping for band in ("red", "nir", "qa")} == {"spatial_ref"}


def test_time_is_utc_and_says_so(order):
    order.add(["2020-05-18T23:36:02"])
    cube = opened(order)
    assert cube.time.values.tolist() == [np.datetime64("2020-05-18T23:36:02", "ns").item()]
    assert cube.time.dtype == "datetime64[ns]"
    assert cube.time.standard_name == "time"
    assert "bounds" not in cube.time.attrs
    assert "time_bounds" not in cube
    assert cube.time.encoding["units"] == "seconds since 1970-01-01 00:00:00"


def test_layers_say_which_images_they_are_of(order):
    order.add(["2020-05-02T13:30:00", "2020-05-02T13:30:24", "2020-05-18T13:36:02"])
    cube = opened(order)
    assert cube.sensor.values.tolist() == [COLLECTION] * 2
    assert cube["images"].values.tolist() == [
        f"{COLLECTION}/20200502T133000@0 {COLLECTION}/20200502T133024@1",
        f"{COLLECTION}/20200518T133602@2",
    ]


def test_images_that_bands_are_joined_from_are_among_them(order):
    name = order.add()
    groups = stacks(order.record, order.directory)[0].metadata.document["image"]["groups"]
    groups[0]["images"][0]["joined"] = {"SCORES": {"system:id": "SCORES/1", "system:version": 7}}
    edit(order, name, groups=groups)
    assert opened(order)["images"].values.tolist() == [f"{COLLECTION}/20200518T133602@0 SCORES/1@7"]


def test_classes_are_those_that_the_definition_says(order):
    name = order.add()
    bands = stacks(order.record, order.directory)[0].metadata.document["image"]["bands"]
    bands[2]["flags"] = {"1": "water", "2": "land"}
    edit(order, name, bands=bands)
    assert "flag_masks" in opened(order).qa.attrs
    document = order.record.document
    document["submission"]["definitions"][COLLECTION]["qa_classes"] = ["QA"]
    qa = cedar.open_order(document, order.directory).qa
    assert "flag_masks" not in qa.attrs
    assert qa.flag_values.tolist() == [1, 2]


def test_bands_of_merged_collections_are_what_they_are_in_each(order):
    name = order.add()
    metadata = stacks(order.record, order.directory)[0].metadata.document
    image, landsat = metadata["image"], "LANDSAT/LC08/C02/T1_L2"
    image["groups"][0]["collection"] = landsat
    bands = [{"name": "red", "native": "SR_B4"}]
    members = {landsat: {"bands": bands, "validity": None}}
    edit(order, name, groups=image["groups"], members=members)
    cube = opened(order)
    assert cube.red.standard_name == "surface_bidirectional_reflectance"
    assert "standard_name" not in cube.nir.attrs
    assert cube.sensor.values.tolist() == [landsat]
    assert cube.attrs["source"] == f"Earth Engine, {landsat}"


def composite(order, name):
    """Have an item's document say that its layers were reduced to one."""
    edit(order, name, recipe={"composite": "median"})


def test_a_composite_is_dated_by_its_period_and_has_its_bounds(order):
    for month in (5, 6):
        dates = [f"2020-0{month}-01T13:30:00"]
        composite(order, order.add(dates, (f"2020-0{month}-01", f"2020-0{month + 1}-01")))
    cube = opened(order)
    starts = ["2020-05-01", "2020-06-01", "2020-07-01"]
    moments = [np.datetime64(start, "ns") for start in starts]
    assert cube.time.values.tolist() == [each.item() for each in moments[:2]]
    assert cube.time.bounds == "time_bounds"
    assert np.array_equal(cube.time_bounds, [moments[:2], moments[1:]])
    assert cube["images"].values.tolist()[0].startswith(f"{COLLECTION}/20200501T133000@")


def test_bands_say_what_they_are(order):
    order.add()
    cube = opened(order)
    assert cube.red.attrs | {"valid_range": None} == {
        "long_name": "red (B1)",
        "units": "1",
        "scale_factor": 2.75e-5,
        "add_offset": -0.2,
        "_FillValue": 0,
        "valid_range": None,
        "grid_mapping": "spatial_ref",
    }
    assert cube.qa.attrs == {"long_name": "qa (QA)", "grid_mapping": "spatial_ref"}


def test_flags_are_those_of_the_definition_where_the_metadata_has_none(tmp_path):
    landsat = "LANDSAT/LC08/C02/T1_L2"
    order = Downloaded(tmp_path / "ORDER", {landsat: {}})
    order.add(collection=landsat)
    cube = opened(order)
    assert cube.qa.flag_meanings.startswith("fill dilated_cloud cirrus_high_confidence cloud ")
    assert cube.qa.standard_name == "quality_flag"
    assert cube.red.standard_name == "surface_bidirectional_reflectance"
    assert (cube.thermal.standard_name, cube.thermal.units) == ("surface_temperature", "K")
    document = order.record.document
    del document["submission"]["definitions"]
    older = cedar.open_order(document, order.directory, decode=False)
    assert older.qa.attrs["flag_meanings"] == cube.qa.flag_meanings


def test_flags_are_the_metadatas_where_it_has_them(order):
    name = order.add()
    path = order.directory / f"{name}.json"
    document = json.loads(path.read_text())
    document["image"]["bands"][2]["flags"] = {"0": "lake", "3": "ice"}
    document["image"]["bands"][0] |= {"native": None, "formula": "a + b", "units": "°C"}
    path.write_text(json.dumps(document))
    cube = opened(order)
    assert cube.qa.flag_meanings == "lake ice"
    assert (cube.red.long_name, cube.red.units) == ("red = a + b", "degree_Celsius")


def test_the_cube_says_where_it_comes_from(order):
    order.add()
    said = opened(order).attrs
    assert said["Conventions"] == "CF-1.11"
    assert said["title"] == f"{COLLECTION}, tile h000v000"
    assert COLLECTION in said["source"]
    assert said["history"] == f"{order.submitted} ordered as ORDER by cedar 0.1.0"
    assert said["cedar_orders"] == "ORDER"
    assert said["cedar_requests"] == order.entries[0]["request_id"]
    assert "comment" not in said
    document = order.record.document
    name = order.entries[0]["name"]
    path = order.directory / f"{name}.json"
    item = json.loads(path.read_text())
    item["engine"]["emulated"] = True
    path.write_text(json.dumps(item))
    assert "emulator" in cedar.open_order(document, order.directory).attrs["comment"]


def test_a_valid_range_wider_than_the_type_is_the_types(tmp_path):
    order = Downloaded(tmp_path / "ORDER", {COLLECTION: PLAIN | {"valid_range": {"red": [1, 1e6]}}})
    order.add()
    assert opened(order).red.valid_range.tolist() == [1, 65535]


def test_there_has_to_be_a_stack():
    with pytest.raises(InputError, match="no stacks"):
        dataset([])


def test_names_are_standard_where_that_is_certain(tmp_path):
    found = {}
    toa, s2, s1 = "LANDSAT/LC09/C02/T2_TOA", "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD"
    for collection in (toa, s2, s1, modis := "MODIS/061/MOD09GA"):
        order = Downloaded(tmp_path / collection, {collection: {}})
        tile = tile_at(**UTM)
        order.add(collection=collection, tile=tile)
        cube = opened(order)
        found[collection] = {
            band: cube[band].attrs.get("standard_name") for band in known()[collection].chosen
        }
    assert found[toa]["red"] == "toa_bidirectional_reflectance"
    assert found[toa]["thermal"] == "toa_brightness_temperature"
    assert found[toa]["qa"] == "quality_flag"
    assert found[s2]["red"] == "surface_bidirectional_reflectance"
    assert found[s2]["scl"] is None
    assert set(found[s1].values()) == {None}
    assert found[modis]["red"] == "surface_bidirectional_reflectance"
