from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import transform

from cedar.emulator import Emulator
from cedar.emulator.catalog import ItemCatalog
from cedar.emulator.rasters import Raster
from cedar.emulator.values import Grid, Query, ServiceError
from cedar.exceptions import ConfigError

COLLECTION = "EXAMPLE/LC08/DN"
ID_77, ID_78 = (f"{COLLECTION}/LC08_2240{row}_20200518" for row in (77, 78))
TIF = "LC08_224077_20200518.tif"
NOON_77 = 1589808962000  # 2020-05-18T13:36:02Z


@pytest.fixture(scope="module")
def catalog(landsat):
    return ItemCatalog(landsat)


@pytest.fixture
def item(landsat, tmp_path):
    """A directory with one Item and its file, and a way to write the Item changed."""
    name = "LC08_224077_20200518"
    shutil.copy(landsat / f"{name}.tif", tmp_path)
    given = json.loads((landsat / f"{name}.json").read_text())

    def write(file="item.json", **changes):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**given, **changes}))
        return tmp_path

    write()
    return write


# ---- what an Item becomes


def test_an_item_is_an_image_of_its_collection(catalog):
    assert catalog.collections() == [COLLECTION]
    assert catalog.has(COLLECTION)
    assert not catalog.has("EXAMPLE/LC08")
    image = catalog.image(ID_77)
    assert image.id == ID_77
    assert image.properties == {
        "system:index": "LC08_224077_20200518",
        "system:time_start": NOON_77,
        "SPACECRAFT_ID": "LANDSAT_8",
        "CLOUD_COVER": 12.5,
        "CLOUD_COVER_LAND": 12.5,
        "WRS_PATH": 224,
        "WRS_ROW": 77,
    }
    assert [(band.name, band.dtype, band.size) for band in image.bands] == [
        (name, "uint16", (384, 384)) for name in ("B2", "B3", "B4")
    ]
    assert image.bands[0].projection.crs == "EPSG:32621"
    assert image.bands[0].projection.transform == (30, 0, 730005, 0, -30, -2778015)
    assert catalog.image(f"{COLLECTION}/nothing") is None


def test_the_footprint_is_the_geometry_and_holds_every_pixel(catalog, landsat):
    for image_id in (ID_77, ID_78):
        image = catalog.image(image_id)
        with rasterio.open(landsat / f"{image.properties['system:index']}.tif") as file:
            xs, ys = np.array([file.xy(r, c) for r in (0, 383) for c in (0, 383)]).T
            lons, lats = transform(file.crs, "EPSG:4326", xs, ys)
        assert shapely.contains_xy(image.footprint.shape, lons, lats).all()


@pytest.mark.parametrize("key", ["bands", "eo:bands"])
def test_assets_are_bands_named_by_key_or_in_order(item, tmp_path, key):
    with rasterio.open(tmp_path / "LC08_224077_20200518.tif") as file:
        profile, first = {**file.profile, "count": 1}, file.read(1)
    with rasterio.open(tmp_path / "one.tif", "w", **profile) as file:
        file.write(first, 1)
    names = [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    assets = {"single": {"href": "one.tif"}, "x": {"href": "LC08_224077_20200518.tif", key: names}}
    image = ItemCatalog(item(assets=assets)).image(ID_77)
    assert [band.name for band in image.bands] == ["single", "a", "b", "c"]


def test_a_local_time_with_its_offset_is_the_same_moment(item):
    """ancestor_11: image times don't depend on the machine's time zone."""
    properties = {"datetime": "2020-05-18T09:36:02-04:00"}
    image = ItemCatalog(item(properties=properties)).image(ID_77)
    assert image.properties["system:time_start"] == NOON_77


def test_items_lie_at_any_depth_and_hrefs_are_relative_to_them(item, tmp_path):
    (tmp_path / "item.json").unlink()
    assets = {
        "data": {
            "href": "../LC08_224077_20200518.tif",
            "bands": [{"name": name} for name in ("B2", "B3", "B4")],
        }
    }
    assert ItemCatalog(item("deeper/item.json", assets=assets)).image(ID_77) is not None


def test_what_is_not_used_is_named_in_the_log(item, tmp_path, caplog):
    (tmp_path / "collection.json").write_text('{"type": "Collection"}')
    assets = {
        "data": {"href": "LC08_224077_20200518.tif", "bands": [{"name": n} for n in "abc"]},
        "thumbnail": {"href": "thumbnail.png", "type": "image/png"},
    }
    properties = {"datetime": "2020-05-18T13:36:02Z", "proj:shape": [384, 384], "nested": {"a": 1}}
    with caplog.at_level(logging.INFO):
        image = ItemCatalog(item(assets=assets, properties=properties)).image(ID_77)
    assert image.properties["proj:shape"] == [384, 384]
    assert "nested" not in image.properties
    for unused in ("file collection.json", "asset thumbnail", "properties.nested", "Item.links"):
        assert unused in caplog.text


def test_the_version_grows_when_the_file_is_written_anew(item, tmp_path):
    before = ItemCatalog(tmp_path).image(ID_77).version
    later = before * 1000 + 10**12
    os.utime(tmp_path / "LC08_224077_20200518.tif", ns=(later, later))
    assert ItemCatalog(tmp_path).image(ID_77).version == before + 10**9


def test_a_file_that_is_written_anew_is_read_anew(item, tmp_path):
    catalog = ItemCatalog(tmp_path)
    before = catalog.image(ID_77)
    old = before.bands[0].read(GRIDS["aligned"]).values
    with rasterio.open(tmp_path / TIF, "r+") as file:
        file.write(file.read() + 1)
    os.utime(tmp_path / TIF, ns=((before.version + 1000) * 1000,) * 2)
    after = catalog.image(ID_77)
    assert after.version == before.version + 1000
    assert np.array_equal(after.bands[0].read(GRIDS["aligned"]).values, old + (old > 0))


# ---- searches


def test_a_search_opens_no_file(landsat, monkeypatch):
    """Names, ids, times and versions of bands and images are known without."""
    catalog = ItemCatalog(landsat)
    monkeypatch.setattr(Raster, "open", None)
    images = catalog.search(COLLECTION, Query((shapely.box(-55, -26, -54, -25),)))
    assert [image.id for image in images] == [ID_77, ID_78]
    assert [band.name for band in images[0].bands] == ["B2", "B3", "B4"]


def test_a_band_that_is_renamed_before_it_is_looked_into_is_the_same(catalog):
    band = catalog.image(ID_77).bands[1]
    renamed = dataclasses.replace(catalog.image(ID_77).bands[1], name="green")
    assert (renamed.name, renamed.dtype, renamed.size) == ("green", "uint16", (384, 384))
    grid = GRIDS["aligned"]
    assert np.array_equal(renamed.read(grid).values, band.read(grid).values)


def test_a_search_is_ordered_by_time(catalog):
    assert [image.id for image in catalog.search(COLLECTION, Query())] == [ID_77, ID_78]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(start=NOON_77), [ID_77, ID_78]),
        (Query(start=NOON_77 + 1), [ID_78]),
        (Query(end=NOON_77), []),
        (Query(end=NOON_77 + 1), [ID_77]),
        (Query((shapely.Point(-54.71, -25.11),)), [ID_77]),
        (Query((shapely.Point(-54.66, -25.17),)), [ID_77, ID_78]),
        (Query((shapely.Point(-54.66, -25.17), shapely.Point(-54.58, -25.23))), [ID_78]),
        (Query((shapely.Point(0, 0),)), []),
    ],
)
def test_a_search_is_narrowed_by_place_and_by_half_open_time(catalog, query, found):
    assert [image.id for image in catalog.search(COLLECTION, query)] == found


# ---- pixels


def expected(path, grid):
    """Pixel centres through rasterio.warp.transform, then floor."""
    a, _, c, _, e, f = grid.transform
    column, row = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    with rasterio.open(path) as file:
        xs, ys = transform(grid.crs, file.crs, (a * column + c).ravel(), (e * row + f).ravel())
        column = np.floor((np.array(xs) - file.transform.c) / file.transform.a).astype(int)
        row = np.floor((np.array(ys) - file.transform.f) / file.transform.e).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < file.width) & (row < file.height)
        values = np.zeros((file.count, column.size), file.dtypes[0])
        values[:, inside] = file.read()[:, row[inside], column[inside]]
    return values.reshape(-1, grid.height, grid.width)


GRIDS = {
    "aligned": Grid("EPSG:32621", (30.0, 0, 735015.0, 0, -30.0, -2782005.0), 200, 180),
    "half a pixel off": Grid("EPSG:32621", (30.0, 0, 735030.0, 0, -30.0, -2782020.0), 200, 180),
    "partly outside": Grid("EPSG:32621", (30.0, 0, 728000.0, 0, -30.0, -2777000.0), 200, 180),
    "wholly outside": Grid("EPSG:32621", (30.0, 0, 100000.0, 0, -30.0, -2777000.0), 20, 10),
    "Albers": Grid("ESRI:102033", (30.0, 0, 507000.0, 0, -30.0, 793000.0), 200, 180),
    "degrees": Grid("EPSG:4326", (0.0003, 0, -54.7, 0, -0.0003, -25.15), 200, 180),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("image_id", [ID_77, ID_78])
def test_pixels_are_the_file_s_at_the_exact_centres(catalog, landsat, image_id, grid):
    image = catalog.image(image_id)
    reference = expected(landsat / f"{image.properties['system:index']}.tif", grid)
    for band, wanted in zip(image.bands, reference, strict=True):
        values, mask = band.read(grid)
        assert values.dtype == np.uint16
        assert mask.dtype == np.bool_
        assert np.array_equal(np.where(mask, values, 0), wanted)
        assert np.array_equal(mask, wanted != 0)


def test_the_grids_above_hold_real_pixels(catalog):
    means = {
        name: catalog.image(ID_77).bands[0].read(grid).mask.mean() for name, grid in GRIDS.items()
    }
    assert means.pop("wholly outside") == 0
    assert all(mean > 0.1 for mean in means.values()), means


def test_many_threads_read_the_same_pixels(catalog):
    grid = GRIDS["Albers"]
    bands = [band for image in (ID_77, ID_78) for band in catalog.image(image).bands]
    alone = [band.read(grid).values for band in bands]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda band: band.read(grid).values, bands * 8))
    assert all(np.array_equal(a, b) for a, b in zip(together, alone * 8, strict=True))


def test_a_rotated_raster_is_read_where_its_pixels_are(item, tmp_path):
    turned = rasterio.Affine(21, 21, 730000, 21, -21, -2780000)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 40, "height": 30}
    values = np.arange(1200).reshape(30, 40).astype("uint8")
    with rasterio.open(tmp_path / "t.tif", "w", crs="EPSG:32621", transform=turned, **profile) as f:
        f.write(values, 1)
    band = ItemCatalog(item(assets={"a": {"href": "t.tif"}})).image(ID_77).bands[0]
    pixels = band.read(Grid("EPSG:32621", tuple(turned)[:6], 40, 30))
    assert pixels.mask.all()
    assert np.array_equal(pixels.values, values)


# ---- what can't be used


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: there is no such directory") as error:
        ItemCatalog(tmp_path / "nowhere")
    assert error.value.path == str(tmp_path / "nowhere")


def test_a_directory_without_an_item_is_an_error(tmp_path):
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ConfigError, match="no STAC Item is in it"):
        ItemCatalog(tmp_path)


def test_json_that_is_broken_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match=r"broken\.json: it can't be read as JSON"):
        ItemCatalog(tmp_path)


def test_two_items_of_one_id_are_an_error_that_names_both(item):
    with pytest.raises(ConfigError, match=r"twin\.json.*is described by .*item\.json too"):
        ItemCatalog(item("twin.json"))


THREE = [{"name": name} for name in ("B2", "B3", "B4")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "id is missing"),
        ({"id": "a/b"}, "holds a /"),
        ({"collection": None}, "collection is missing"),
        ({"properties": None}, "None is no time"),
        ({"properties": {"datetime": None}}, "None is no time"),
        ({"properties": {"datetime": "2020-05-18T13:36:02"}}, "has no offset"),
        ({"geometry": None}, "geometry is no GeoJSON"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "it is empty"),
        (
            {
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]],
                }
            },
            "Self-intersection",
        ),
        ({"assets": None}, "assets is missing"),
        ({"assets": {"a": {}}}, "asset 'a' has no href"),
        ({"assets": {"a": {"href": "gone.tif"}}}, r"asset 'a': there is no file .*gone\.tif"),
        ({"assets": {"a": {"href": TIF, "bands": [{}]}}}, "band without a name"),
        ({"assets": {"a": {"href": "x.png"}}}, "no asset is a GeoTIFF"),
        (
            {"assets": {"a": {"href": TIF, "bands": THREE}, "b": {"href": TIF, "bands": THREE}}},
            "two bands are named 'B2'",
        ),
    ],
)
def test_an_item_that_can_t_be_used_is_named_with_its_fault(item, changes, words):
    with pytest.raises(ConfigError, match=rf"item\.json: .*{words}"):
        ItemCatalog(item(**changes))


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        ({"href": "item.json", "type": "image/tiff"}, r"asset 'a': .*item\.json"),
        ({"href": TIF}, "has 3 bands, but 1 are named"),
        ({"href": "bare.tif"}, r"bare\.tif: has no CRS"),
    ],
)
def test_a_file_that_can_t_be_used_is_named_when_it_is_looked_into(item, tmp_path, asset, words):
    placed = rasterio.Affine(30, 0, 0, 0, -30, 0)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 4, "height": 3}
    with rasterio.open(tmp_path / "bare.tif", "w", transform=placed, **profile) as file:
        file.write(np.ones((3, 4), "uint8"), 1)
    (band,) = ItemCatalog(item(assets={"a": asset})).image(ID_77).bands
    assert band.name == "a"
    for look in (lambda: band.dtype, lambda: band.read(GRIDS["aligned"])):
        with pytest.raises(ServiceError, match=rf"item\.json: .*{words}") as error:
            look()
        assert error.value.status == "FAILED_PRECONDITION"


def test_a_file_that_is_gone_since_the_start_is_named_when_its_image_is_found(item, tmp_path):
    catalog = ItemCatalog(tmp_path)
    (tmp_path / TIF).unlink()
    for find in (lambda: catalog.image(ID_77), lambda: catalog.search(COLLECTION, Query())):
        with pytest.raises(ServiceError, match=rf"item\.json: asset .*there is no file .*{TIF}"):
            find()


def test_the_client_is_told_what_is_wrong_with_a_file(item, connect):
    with Emulator(item(assets={"a": {"href": TIF}})) as emulator:
        ee = connect(emulator)
        assert ee.Image(ID_77).bandNames().getInfo() == ["a"]
        with pytest.raises(ee.EEException, match=r"item\.json: .*3 bands, but 1 are named"):
            ee.Image(ID_77).getInfo()
