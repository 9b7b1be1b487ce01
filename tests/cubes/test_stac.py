"""Catalogs of cubes: pystac validates them, odc-stac opens them, and they can be moved."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import xarray as xr
from downloaded import COLLECTION, Downloaded, tile_at
from pystac.extensions.projection import ProjectionExtension
from pystac.validation import JsonSchemaSTACValidator
from rasterio.crs import CRS

import cedar
from cedar.cubes import stac
from cedar.cubes.catalogs import write_catalog
from cedar.cubes.convert import carry_out, cubes_of
from cedar.cubes.options import Converting
from cedar.cubes.stacks import look

# odc-stac's.
pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")

UTM = {"crs": "EPSG:32621", "res": (30, 30), "size": (96, 80)}
DATES = ("2020-05-02T13:36:02", "2020-05-18T13:36:02")
FOLDER = COLLECTION.replace("/", "_")


@pytest.fixture
def downloaded(tmp_path):
    """Two tiles side by side, with two dates each."""
    made = Downloaded(tmp_path / "ORDER")
    for col in (0, 1):
        made.add(DATES, tile=tile_at((0, col), **UTM))
    return made


def converted(downloaded, form="cog", **how):
    """The catalog of an order's cubes."""
    done = carry_out(downloaded.record, downloaded.directory, Converting(form, stac=True, **how))
    assert not done.failures
    return done.catalog


def documents(catalog):
    return {path.name: path for path in sorted(catalog.parent.rglob("*.json"))}


def read(path):
    return json.loads(path.read_text("utf-8"))


def items(catalog):
    """Items of a catalog, as pystac finds them by its links."""
    return sorted(
        pystac.Catalog.from_file(str(catalog)).get_items(recursive=True),
        key=lambda item: (item.datetime or item.common_metadata.start_datetime, item.id),
    )


def validate(catalog):
    """Check all documents of a catalog by the core's schemas, which pystac brings; their types."""
    validator = JsonSchemaSTACValidator()
    found = [read(path) for path in documents(catalog).values()]
    for document in found:
        kind = "Item" if document["type"] == "Feature" else document["type"]
        validator.validate_core(document, pystac.STACObjectType[kind.upper()], "1.1.0")
    return sorted(document["type"] for document in found)


@pytest.mark.parametrize(("form", "count"), [("cog", 4), ("netcdf", 2), ("zarr", 2)])
def test_pystac_validates_a_catalog_and_finds_what_it_is_of(downloaded, form, count):
    catalog = converted(downloaded, form)
    assert catalog == downloaded.directory / "stac" / "catalog.json"
    assert validate(catalog) == ["Catalog", "Collection", *["Feature"] * count]
    for item in items(catalog):
        for asset in item.assets.values():
            assert Path(asset.get_absolute_href()).exists()


def test_odc_stac_opens_what_the_files_hold_band_by_band(downloaded):
    found = items(converted(downloaded))
    cube = odc.stac.load(found, bands=["red", "nir", "qa"])
    assert cube.sizes == {"time": 2, "y": 80, "x": 192}
    assert cube.odc.crs == CRS.from_epsg(32621)
    assert (cube.red.dtype, cube.red.nodata) == (np.dtype("uint16"), 0)
    for tile, pixels in enumerate(downloaded.pixels.values()):
        part = cube.isel(x=slice(96 * tile, 96 * tile + 96))
        for layer in (0, 1):
            for number, band in enumerate(("red", "nir", "qa")):
                expected = pixels[3 * layer + number]
                np.testing.assert_array_equal(part[band].values[layer], expected)
    assert [str(time)[:19] for time in cube.time.values] == [*DATES]


def test_an_item_says_where_when_and_what_of_its_pixels(downloaded):
    item = items(converted(downloaded))[0]
    assert item.datetime == dt.datetime.fromisoformat(DATES[0]).replace(tzinfo=dt.UTC)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.shape) == ("EPSG:32621", [80, 96])
    asset = item.assets["data"]
    with rasterio.open(asset.get_absolute_href()) as source:
        assert projection.transform == [*source.transform[:6]]
        assert projection.bbox == [*source.bounds]
        for band, number in zip(asset.extra_fields["bands"], source.indexes, strict=True):
            assert band["name"] == source.descriptions[number - 1]
            assert band["data_type"] == source.dtypes[number - 1]
            assert band["nodata"] == source.nodata
            assert band.get("raster:scale", 1) == source.scales[number - 1]
            assert band.get("raster:offset", 0) == source.offsets[number - 1]
    data = Path(asset.get_absolute_href()).read_bytes()
    assert asset.extra_fields["file:size"] == len(data)
    assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
    assert item.properties["gsd"] == 30
    assert item.properties["cedar:order"] == "ORDER"
    assert item.properties["cedar:images"] == [f"{COLLECTION}/20200502T133602@0"]
    assert item.properties["cedar:sensors"] == [COLLECTION]
    assert item.properties["cedar:emulated"] is False


def test_a_collection_holds_its_items(downloaded):
    catalog = converted(downloaded)
    found = pystac.Catalog.from_file(str(catalog)).get_child(FOLDER)
    interval = found.extent.temporal.intervals[0]
    assert [time.isoformat()[:19] for time in interval] == [*DATES]
    west, south, east, north = found.extent.spatial.bboxes[0]
    for item in items(catalog):
        assert item.collection_id == FOLDER
        assert west <= item.bbox[0] < item.bbox[2] <= east
        assert south <= item.bbox[1] < item.bbox[3] <= north
    assert found.summaries.to_dict()["cedar:collection"] == [COLLECTION]


def seen(item):
    """The pixels of an Item's quicklook."""
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        picture = rasterio.open(item.assets["thumbnail"].get_absolute_href())
    with picture:
        return picture.read()


@pytest.mark.parametrize("form", ["cog", "netcdf", "zarr"])
def test_a_quicklook_is_of_the_pixels(downloaded, form):
    catalog = converted(downloaded, form)
    item = items(catalog)[0]
    pixels = seen(item)
    # One band, for there is no blue, and what is clear.
    assert pixels.shape == (2, 80, 96)
    assert 0 < (pixels[1] == 255).mean() < 1
    if form == "cog":
        red = next(iter(downloaded.pixels.values()))[0]
        assert ((pixels[1] == 255) == (red > 0)).all()
        there = red > 0
        assert np.corrcoef(pixels[0][there], red[there])[0, 1] > 0.99


def test_a_large_image_has_a_small_quicklook(tmp_path):
    made = Downloaded(tmp_path / "ORDER")
    made.add(tile=tile_at(crs="EPSG:32621", res=(30, 30), size=(1536, 64)))
    for form in ("cog", "netcdf"):
        item = items(converted(made, form, directory=tmp_path / form))[0]
        pixels = seen(item)
        assert pixels.shape[2] == 512
        assert pixels.shape[1] in (21, 22)


def test_the_same_again_changes_nothing_and_reads_no_file(downloaded, monkeypatch):
    catalog = converted(downloaded)
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in catalog.parent.rglob("*.*")
    }
    monkeypatch.setattr("cedar.cubes.catalogs._checksum", lambda path: pytest.fail("read again"))
    monkeypatch.setattr("cedar.cubes.catalogs.draw", lambda *args: pytest.fail("drawn again"))
    assert converted(downloaded) == catalog
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert not [*catalog.parent.parent.glob(".cedar*")]


def test_a_file_that_was_made_again_is_read_again(downloaded):
    catalog = converted(downloaded)
    path = next(downloaded.directory.rglob("*_cogs/*.tif"))
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as source:
        source.write(np.zeros_like(source.read()))
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    converted(downloaded)
    document = read(documents(catalog)[f"{path.stem}.json"])
    assert (
        document["assets"]["data"]["file:checksum"][4:]
        == hashlib.sha256(path.read_bytes()).hexdigest()
    )


def test_items_of_an_earlier_order_stay_and_what_is_gone_is_not_listed(downloaded, tmp_path):
    shelf = tmp_path / "ARD"
    catalog = converted(downloaded, directory=shelf)
    later = Downloaded(tmp_path / "LATER", name="LATER")
    later.add(("2020-06-03T13:36:02",), ("2020-06-01", "2020-07-01"), tile=tile_at(**UTM))
    assert converted(later, directory=shelf) == catalog
    assert len(items(catalog)) == 5
    collection = pystac.Catalog.from_file(str(catalog)).get_child(FOLDER)
    assert collection.summaries.to_dict()["cedar:order"] == ["LATER", "ORDER"]
    next(shelf.glob("*_2020-06-01*_cogs/*.tif")).unlink()
    write_catalog([], "cog", shelf)
    assert len(items(catalog)) == 4
    assert validate(catalog).count("Feature") == 5


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "Feature"}'])
def test_a_damaged_document_is_written_anew(downloaded, text):
    catalog = converted(downloaded)
    folder = catalog.parent / FOLDER
    item = next(path for path in folder.glob("*.json") if path.name != "collection.json")
    before = item.read_bytes()
    for path in (catalog, folder / "collection.json", item, folder / "notes.json"):
        path.write_text(text)
    converted(downloaded)
    assert item.read_bytes() == before
    assert len(items(catalog)) == 4


def test_a_catalog_can_be_moved_with_its_files(downloaded, tmp_path):
    catalog = converted(downloaded)
    there = tmp_path / "elsewhere"
    shutil.move(downloaded.directory, there)
    found = items(there / "stac" / "catalog.json")
    assert len(found) == 4
    assert odc.stac.load(found, bands=["red"]).red.sizes["time"] == 2
    assert str(tmp_path) not in "".join(p.read_text("utf-8") for p in there.rglob("stac/**/*.json"))
    assert not catalog.exists()


def test_a_cube_of_a_tile_says_all_of_its_dates(downloaded, tmp_path):
    shelf = tmp_path / "ARD"
    converted(downloaded, "zarr", by="tile", directory=shelf)
    later = Downloaded(tmp_path / "LATER", name="LATER")
    later.add(("2020-06-03T13:36:02",), ("2020-06-01", "2020-07-01"), tile=tile_at(**UTM))
    catalog = converted(later, "zarr", by="tile", directory=shelf)
    validate(catalog)
    item = next(item for item in items(catalog) if item.id.endswith("h000v000"))
    times = item.common_metadata
    assert item.datetime is None
    assert times.start_datetime.isoformat()[:19] == DATES[0]
    assert times.end_datetime.isoformat()[:19] == "2020-06-03T13:36:02"
    assert len(item.properties["cedar:images"]) == 3
    assert item.properties["cedar:sensors"] == [COLLECTION]
    assert "file:size" not in item.assets["data"].extra_fields
    with xr.open_zarr(item.assets["data"].get_absolute_href()) as cube:
        assert cube.sizes["time"] == 3
        for band in item.assets["data"].extra_fields["bands"]:
            assert cube[band["name"]].encoding["dtype"] == band["data_type"]


def test_python_writes_a_catalog_too(downloaded):
    paths = cedar.convert(downloaded.record, downloaded.directory, format="cog", stac=True)
    assert len(paths) == 2
    assert len(items(downloaded.directory / "stac" / "catalog.json")) == 4


def test_of_nothing_there_is_no_catalog(tmp_path):
    made = Downloaded(tmp_path / "ORDER")
    assert converted(made) is None
    assert not (made.directory / "stac").exists()


def test_a_catalog_that_cant_be_written_says_so(downloaded):
    (downloaded.directory / "stac").write_text("in the way")
    done = carry_out(downloaded.record, downloaded.directory, Converting("cog", stac=True))
    assert len(done.cubes) == 2
    assert "stac" in str(*done.failures.values())


def test_what_crosses_the_antimeridian_says_so(tmp_path):
    made = Downloaded(tmp_path / "ORDER")
    far = tile_at(ul=(345_000, 7_200_000), crs="EPSG:32601", res=(300, 300), size=(96, 80))
    made.add(tile=far)
    catalog = converted(made)
    validate(catalog)
    item = items(catalog)[0]
    west, _, east, _ = item.bbox
    assert west > 0 > east
    assert item.geometry["type"] == "MultiPolygon"
    collection = pystac.Catalog.from_file(str(catalog)).get_child(FOLDER)
    assert collection.extent.spatial.bboxes[0][::2] == [-180, 180]


def test_a_system_without_a_code_is_written_out(tmp_path):
    made = Downloaded(tmp_path / "ORDER")
    albers = "+proj=aea +lat_1=-5 +lat_2=-42 +lat_0=-32 +lon_0=-60 +datum=WGS84 +units=m"
    made.add(tile=tile_at(ul=(0, 0), crs=albers, res=(30, 30), size=(96, 80)))
    catalog = converted(made)
    validate(catalog)
    item = items(catalog)[0]
    assert item.properties["proj:code"] is None
    assert CRS.from_wkt(item.properties["proj:wkt2"]) == look_at(made).crs
    cube = odc.stac.load([item], bands=["red"])
    np.testing.assert_array_equal(cube.red.values[0], made.pixels[look_at(made).name][0])


def look_at(made):
    (stack,) = look(made.record, made.directory).stacks
    return stack


def test_degrees_have_no_size_of_a_pixel_in_metres(tmp_path):
    made = Downloaded(tmp_path / "ORDER")
    made.add(tile=tile_at(ul=(10, 50), crs="EPSG:4326", res=(0.01, 0.01), size=(96, 80)))
    assert "gsd" not in items(converted(made))[0].properties


def test_a_composite_says_its_period(downloaded):
    (cube, _) = cubes_of(
        look(downloaded.record, downloaded.directory).stacks,
        downloaded.directory,
        Converting("cog"),
    )
    start, end = dt.datetime(2020, 5, 1, tzinfo=dt.UTC), dt.datetime(2020, 6, 1, tzinfo=dt.UTC)
    said = stac.item(cube.stacks[0], stac.Data("cog", "x", [start], (start, end)))["properties"]
    assert said["datetime"] == said["start_datetime"] == "2020-05-01T00:00:00Z"
    assert said["end_datetime"] == "2020-06-01T00:00:00Z"


def test_bands_of_floats_and_colours_say_so(tmp_path):
    settings = {
        "bands": {"blue": "B1", "swir1": "B2", "height": "B3", "qa": "QA"},
        "dtype": "float32",
        "nodata": -1,
        "valid_range": {"height": [-10, 9000], "qa": [0, 3]},
        "units": {"height": "m"},
        "qa": {"qa": True},
        "validity": "QA",
    }
    made = Downloaded(tmp_path / "ORDER", {COLLECTION: settings})
    made.add()
    for form, nodata in (("cog", -1), ("netcdf", "nan")):
        catalog = converted(made, form, directory=tmp_path / form)
        validate(catalog)
        asset = items(catalog)[0].assets["data"].extra_fields
        named = [band.get("common_name") for band in asset["eo:bands"]]
        assert named == ["blue", "swir16", None, None]
        # In a cube of its own type, a band whose numbers hold the nodata value has another.
        assert [band["nodata"] for band in asset["bands"][:3]] == [-1, -1, nodata]
        assert asset["bands"][2]["unit"] == "m"


def test_bits_and_classes_say_what_they_mean(downloaded):
    stack = look(downloaded.record, downloaded.directory).stacks[0]
    bits = replace(stack.bands[2], flags={"3": "cloud", "8-9": "confidence"})
    classes = replace(stack.bands[2], flags={"0": "none", "1": "water"}, has_classes=True)
    time = dt.datetime(2020, 5, 1, tzinfo=dt.UTC)
    said = stac.item(replace(stack, bands=(bits, classes)), stac.Data("cog", "x", [time]))
    assert [band["description"] for band in said["assets"]["data"]["bands"]] == [
        "Bits: 3: cloud; 8-9: confidence",
        "Classes: 0: none; 1: water",
    ]


def test_what_a_killed_process_left_is_removed(downloaded):
    catalog = converted(downloaded)
    left = catalog.parent / FOLDER / ".cedar-0123.part"
    left.touch()
    converted(downloaded)
    assert not left.exists()


def test_an_index_says_how_it_is_worked_out(downloaded):
    stack = look(downloaded.record, downloaded.directory).stacks[0]
    index = replace(stack.bands[0], name="ndvi", formula="(N - R) / (N + R)")
    time = dt.datetime(2020, 5, 1, tzinfo=dt.UTC)
    said = stac.item(replace(stack, bands=(index,)), stac.Data("cog", "x", [time]))
    assert said["assets"]["data"]["bands"][0]["description"] == "(N - R) / (N + R)"


def test_the_title_and_the_source_of_a_known_collection_are_named():
    said = {"datetime": "2020-01-01T00:00:00Z", "cedar:order": "O"}
    said["cedar:collection"] = "LANDSAT/LC08/C02/T1_L2"
    item = {"id": "x", "collection": "c", "bbox": [0, 0, 1, 1], "properties": said}
    found = stac.collection([item])
    assert found["title"].startswith("Landsat 8")
    via = [link["href"] for link in found["links"] if link["rel"] == "via"]
    assert via == [
        "https://developers.google.com/earth-engine/datasets/catalog/LANDSAT_LC08_C02_T1_L2"
    ]
