"""Orders as data: every collection on synthetic scenes, real pixels, days and passes."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import odc.stac
import pystac
import pytest
import xarray as xr
from orders import COLLECTION, MAY, real_tracker, reference, utm_grid
from test_collections_orders import S1, S2, expected, grid_of, ordered

import cedar
from cedar import ImageMetadata, LocalStore, TileGrid, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.grouping import group_images
from cedar.items import ImageInfo
from cedar.sensors import known, resolve


def downloaded(tracker, entry_or_name, directory):
    """The record of an order, and what was downloaded of it."""
    record = tracker.read(entry_or_name)
    tracker.download(record, directory)
    return record, directory


def cubes(record, directory, tmp_path):
    """The same cube in every way that one may have it: undecoded, and decoded."""
    paths = {
        "netcdf": cedar.convert(record, directory, dest=tmp_path / "nc"),
        "zarr": cedar.convert(record, directory, format="zarr", dest=tmp_path / "zarr"),
    }
    yield cedar.open_order(record, directory, decode=False), cedar.open_order(record, directory)
    for format_, (path,) in paths.items():
        engine = {"netcdf": "netcdf4", "zarr": "zarr"}[format_]
        with (
            xr.open_dataset(path, engine=engine, mask_and_scale=False) as raw,
            xr.open_dataset(path, engine=engine) as decoded,
        ):
            yield raw, decoded


def images_of(cube):
    """Ids of the images of each layer."""
    return [[image.partition("@")[0] for image in each.split()] for each in cube["images"].values]


def assert_is_the_reference(cube, decoded, collection, wanted, nodata):
    """Check numbers to the bit, and what they stand for to a millionth."""
    for number, band in enumerate(collection.stack_bands):
        numbers = wanted[:, number]
        assert np.array_equal(cube[band.name], numbers), band.name
        if band.qa:
            assert decoded[band.name].dtype.kind in "iu"
            assert np.array_equal(decoded[band.name], numbers)
        else:
            values = numbers.astype(float) * band.scale + band.offset
            values[numbers == nodata] = np.nan
            np.testing.assert_allclose(decoded[band.name], values, rtol=1e-6, atol=1e-9)
            assert np.isfinite(values).any() or band.name == "thermal"


@pytest.mark.parametrize("collection_id", known())
def test_every_collection_is_a_cube_of_the_scenes_own_values(tmp_path, collection_id):
    collection = known()[collection_id]
    tracker, entry, metadata = ordered(tmp_path / "store", collection_id)
    (name,) = tracker.list()
    record, directory = downloaded(tracker, name, tmp_path / name)
    tile = grid_of(collection_id)[entry["tile"]]
    wanted = np.stack([*expected(collection, metadata.groups, tile)])
    for cube, decoded in cubes(record, directory, tmp_path):
        assert [*cube.data_vars] == [*collection.chosen]
        assert cube.sizes["time"] == entry["n_groups"]
        assert_is_the_reference(cube, decoded, collection, wanted, entry["nodata"])
        assert [*cube.sensor.values] == [collection_id] * entry["n_groups"]
        said = [
            [image.partition("@")[0] for image in each.split()] for each in cube["images"].values
        ]
        assert said == [[i["system:id"] for i in g["images"]] for g in metadata.groups]


def test_real_pixels_of_a_collection_of_ones_own_are_a_cube(tmp_path):
    settings = {
        "bands": {"blue": "B2", "green": "B3", "red": "B4"},
        "dtype": "uint16",
        "nodata": 0,
        "valid_range": {"red": [1, 65535]},
        "scale": 2e-5,
        "offset": -0.1,
        "properties": ["WRS_PATH", "WRS_ROW"],
    }
    collections = {COLLECTION: settings}
    tracker = real_tracker(tmp_path / "store", collections=collections)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.watch(name).complete
    record, directory = downloaded(tracker, name, tmp_path / name)
    wanted = reference(utm_grid()[0, 0])
    for cube, decoded in cubes(record, directory, tmp_path):
        collection = resolve(COLLECTION, collections)
        assert_is_the_reference(cube, decoded, collection, wanted[None], 0)
        assert cube.time.values.astype("datetime64[s]").astype(str).tolist() == [
            "2020-05-18T13:36:02"
        ]


#: Either side of the antimeridian, where a solar day is eleven hours off one of UTC.
SIDES = {
    "175 E": TileGrid(ul=(671_000, 5_680_000), crs="EPSG:32660", res=(60, 60), size=(8, 8)),
    "175 W": TileGrid(ul=(325_000, 5_680_000), crs="EPSG:32601", res=(60, 60), size=(8, 8)),
}
WEEKS = ("2022-06-01", "2022-06-21")


def order_of(directory, grid, collection_id, period=WEEKS, freq=None, **settings):
    """An order that has come, and what its items are made of."""
    settings = {"bands": ["red"] if collection_id == S2 else ["vv"], **settings}
    tracker = Tracker(
        grid,
        LocalStore(directory / "store"),
        engine=EarthEngine(url="emulator"),
        collections={collection_id: {"resampling": "nearest", **settings}},
    )
    name, _ = tracker.submit(collection_id, (0, 0), *period, period_freq=freq, period_closed="left")
    assert tracker.watch(name).complete
    record, there = downloaded(tracker, name, directory / name)
    metadata = [
        ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
        for entry in record.orders
    ]
    return record, there, metadata


def stac_items(times, tile):
    """Images of some times, {id: milliseconds}, as STAC Items that lie on a tile."""
    asset = pystac.Asset("/nowhere/red.tif", media_type=pystac.MediaType.GEOTIFF, roles=["data"])
    asset.extra_fields = {
        "proj:code": f"EPSG:{tile.crs.to_epsg()}",
        "proj:shape": [tile.height, tile.width],
        "proj:transform": [*tile.transform][:6],
    }
    projection = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
    geometry, bounds = tile.geojson()["geometry"], [*tile.outline().bounds]
    for name, time in times.items():
        moment = dt.datetime.fromtimestamp(time / 1000, dt.UTC)
        item = pystac.Item(name, geometry, bounds, moment, {}, stac_extensions=[projection])
        item.add_asset("red", asset.clone())
        yield item


def odc_times(times, tile):
    """When odc-stac's solar days begin."""
    cube = odc.stac.load(
        stac_items(times, tile), bands=["red"], groupby="solar_day", chunks={},
        crs=tile.crs.to_string(), resolution=60, bbox=tile.outline().bounds,
    )  # fmt: skip
    return cube.time.values.astype("datetime64[s]")


# odc-geo calls what shapely would rather have called otherwise.
uses_odc = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")


@uses_odc
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("collection_id", [S2, S1])
def test_solar_days_are_those_of_odc_stac(tmp_path, side, collection_id):
    record, directory, (metadata,) = order_of(
        tmp_path, SIDES[side], collection_id, group_by="solar_day"
    )
    cube = cedar.open_order(record, directory, decode=False)
    times = {
        image["system:index"]: image["system:time_start"]
        for group in metadata.groups
        for image in group["images"]
    }
    ours = cube.time.values.astype("datetime64[s]")
    assert len(times) >= len(ours) > 2
    assert np.array_equal(ours, odc_times(times, SIDES[side][0, 0]))
    dates = [group["date"] for group in metadata.groups]
    assert len({*dates}) == len(dates)


@uses_odc
@pytest.mark.parametrize("side", SIDES)
def test_solar_days_of_any_times_are_those_of_odc_stac(side):
    random, tile = np.random.default_rng(7), SIDES[side][0, 0]
    start = int(dt.datetime(2022, 6, 1, tzinfo=dt.UTC).timestamp())
    seconds = start + np.sort(random.choice(10 * 86_400, 60, replace=False))
    times = {f"image-{number}": int(each) * 1000 for number, each in enumerate(seconds)}
    images = [ImageInfo(f"{S2}/{name}", name, time) for name, time in times.items()]
    collection = resolve(S2, {S2: {"group_by": "solar_day"}})
    groups = group_images(images, collection, tile.longitude)
    ours = np.array([group.time.replace(tzinfo=None) for group in groups], "datetime64[s]")
    assert np.array_equal(ours, odc_times(times, tile))
    assert [sum(image in group.images for group in groups) for image in images] == [1] * 60
    # Days of UTC are others, on either side.
    assert any(len({image.time.date() for image in group.images}) > 1 for group in groups)


@pytest.mark.parametrize("collection_id", [S2, S1])
def test_a_pass_is_never_blended_with_another(tmp_path, collection_id):
    """Far north several passes meet in a day."""
    grid = TileGrid(ul=(500_000, 7_900_000), crs="EPSG:32635", res=(60, 60), size=(8, 8))
    bands = ["red"] if collection_id == S2 else ["hh"]
    record, directory, (metadata,) = order_of(
        tmp_path, grid, collection_id, ("2020-06-01", "2020-06-08"), bands=bands
    )
    cube = cedar.open_order(record, directory, decode=False)
    keys = [*known()[collection_id].pass_properties]
    of = {
        image["system:id"]: (group["date"], *(image[key] for key in keys))
        for group in metadata.groups
        for image in group["images"]
    }
    passes = [{of[image] for image in layer} for layer in images_of(cube)]
    assert all(len(each) == 1 for each in passes)
    assert len(set().union(*passes)) == len(passes)
    assert max(Counter(date for each in passes for date, *_ in each).values()) > 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rule", ["solar_day", "utc_day", "pass", "none"])
def test_no_group_is_in_two_periods_or_in_none(tmp_path, side, rule):
    one = order_of(tmp_path / "one", SIDES[side], S1, group_by=rule)
    record, directory, metadata = order_of(
        tmp_path / "many", SIDES[side], S1, freq="2D", group_by=rule
    )
    assert len(metadata) == 10
    cube, whole = cedar.open_order(record, directory), cedar.open_order(*one[:2])
    assert cube.sizes["time"] == whole.sizes["time"] > 2
    assert cube.drop_attrs().equals(whole.drop_attrs())
    listed = [i["system:id"] for each in metadata for g in each.groups for i in g["images"]]
    assert len({*listed}) == len(listed)
