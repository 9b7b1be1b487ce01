"""An order of every collection that cedar knows, on synthetic scenes, held against numpy."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pytest
import rasterio

from cedar import LocalStore, TileGrid, Tracker
from cedar.emulator.synthetic import SyntheticCatalog
from cedar.emulator.values import Grid, Image
from cedar.engines.earthengine import EarthEngine
from cedar.metadata import ImageMetadata
from cedar.sensors import known, resolve

S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD"
L30, S30 = "NASA/HLS/HLSL30/v002", "NASA/HLS/HLSS30/v002"
MODIS = "MODIS/061/MOD09GA"
#: Days in which every collection of a sensor has seen the tile.
PERIODS = {
    "LT04": ("1989-05-01", "1989-08-01"),
    "LT05": ("1995-05-01", "1995-08-01"),
    "LE07": ("2006-05-01", "2006-08-01"),
    "LC08": ("2020-05-01", "2020-08-01"),
    "LC09": ("2022-05-01", "2022-08-01"),
    "HLS": ("2022-05-01", "2022-06-01"),
    "MODIS": ("2020-05-01", "2020-05-10"),
}
ANY = ("2020-05-01", "2020-05-13")


def period_of(collection_id):
    first, second, *_ = collection_id.split("/")
    return PERIODS.get(second) or PERIODS.get(first) or ANY


def grid_of(collection_id):
    """Tiles of a few pixels in Paraguay, as large as the sensor's."""
    pixel = round(known()[collection_id].resolution / 10) * 10
    crs = "EPSG:32721" if "LANDSAT" not in collection_id else "EPSG:32621"
    top = 7_221_990 if crs == "EPSG:32721" else -2_778_015
    return TileGrid(ul=(730_005, top), crs=crs, res=(pixel, pixel), size=(40, 30))


def ordered(directory, collection_id, period=None, **settings):
    """An order of one tile that has come; its tracker, its entry and what it was made of."""
    tracker = Tracker(
        grid_of(collection_id),
        LocalStore(directory),
        engine=EarthEngine(url="emulator"),
        **({"collections": {collection_id: settings}} if settings else {}),
    )
    name, _ = tracker.submit(collection_id, (0, 0), *(period or period_of(collection_id)))
    record = tracker.watch(name)
    assert record.complete, record.states
    (entry,) = record.orders
    return tracker, entry, metadata_of(tracker, record)


def metadata_of(tracker, record):
    """What an order's only stack is made of."""
    (entry,) = record.orders
    return ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))


def read(image, native, grid):
    found = [band for band in image.bands if band.name == native]
    return found[0].read(grid) if found else None


def numbers(band, values, nodata):
    """What the file holds of a band's own values: docs/design/cubes.rst, in doubles."""
    if (encoding := band.encoding) is None:
        return values
    physical = band.scale * values.astype(np.float64) + band.offset
    held = np.floor((physical - encoding.offset) / encoding.scale + 0.5)
    limits = np.iinfo(encoding.dtype)
    held = np.clip(held, limits.min, limits.max)
    return np.where(held == nodata, nodata + 1 if nodata <= 0 else nodata - 1, held)


def expected(collection, groups, tile):
    """What the stack has to be: one image a pixel, the later on top, nodata where there is none."""
    a, b, c, d, e, f, *_ = tile.transform
    grid = Grid(tile.crs.to_string(), (a, b, c, d, e, f), tile.width, tile.height)
    catalog = SyntheticCatalog()
    dtype = np.dtype(collection.stack_dtype)
    for group in groups:
        shape = (len(collection.chosen), tile.height, tile.width)
        layer = np.full(shape, collection.nodata, dtype)
        for listed in group["images"]:
            image = catalog.image(listed["system:id"])
            pixels = [
                read(source_of(band, listed, catalog), band.native, grid)
                for band in collection.stack_bands
            ]
            presence = [each.mask for each in pixels if each is not None]
            if collection.validity is not None:
                presence = [read(image, collection.validity, grid).mask]
            present = np.any(presence, axis=0)
            for held, band, each in zip(layer, collection.stack_bands, pixels, strict=True):
                held[present] = collection.nodata
                if each is not None:
                    there = present & each.mask
                    given = numbers(band, each.values[there], collection.nodata)
                    held[there] = given.astype(dtype)
        yield layer


def source_of(band, listed, catalog):
    """The image that a band is read from: its own, or of another collection."""
    if band.joined is None:
        return catalog.image(listed["system:id"])
    other = catalog.image(f"{band.joined}/{listed['system:index']}")
    assert listed.get("joined", {}).get(band.joined) == (
        other and {"system:id": other.id, "system:version": other.version}
    )
    return other or Image(())


def pixels_of(tracker, entry):
    (output,) = entry["outputs"]
    with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as file:
        assert file.nodata == entry["nodata"]
        assert set(file.dtypes) == {entry["dtype"]}
        return file.read(), file.descriptions


def assert_is_the_reference(tracker, entry, metadata, collection):
    tile = grid_of(collection.id)[entry["tile"]]
    pixels, names = pixels_of(tracker, entry)
    wanted = np.concatenate(list(expected(collection, metadata.groups, tile)))
    assert np.array_equal(pixels, wanted)
    assert [name.partition("_")[2] for name in names] == list(collection.chosen) * len(
        metadata.groups
    )
    assert (pixels != collection.nodata).any()


@pytest.mark.parametrize("collection_id", known())
def test_an_order_of_every_collection_has_the_scenes_own_values(tmp_path, collection_id):
    collection = known()[collection_id]
    tracker, entry, metadata = ordered(tmp_path, collection_id)
    assert (entry["nodata"], entry["dtype"]) == (collection.nodata, collection.stack_dtype)
    assert entry["n_groups"] > 0
    assert_is_the_reference(tracker, entry, metadata, collection)


@pytest.mark.parametrize(
    "collection_id",
    [S1, S2, L30, S30, MODIS, "MODIS/061/MOD09A1", "MODIS/061/MCD43A4", "LANDSAT/LE07/C02/T1_TOA"],
)
def test_every_band_can_be_ordered(tmp_path, collection_id):
    every = [band.name for band in known()[collection_id].bands]
    settings = {"bands": every, "allow_widening": True}
    collection = resolve(collection_id, {collection_id: settings})
    tracker, entry, metadata = ordered(tmp_path, collection_id, **settings)
    assert collection.chosen == tuple(every)
    assert_is_the_reference(tracker, entry, metadata, collection)


def test_a_scene_without_a_band_has_nodata_there(tmp_path):
    settings = {"bands": ["vv", "hh", "angle"]}
    tracker, entry, metadata = ordered(tmp_path, S1, **settings)
    assert_is_the_reference(tracker, entry, metadata, resolve(S1, {S1: settings}))
    pixels, names = pixels_of(tracker, entry)
    for layer, name in zip(pixels, names, strict=True):
        assert (layer == -9999).all() == name.endswith("_hh")


def test_two_directions_of_one_day_are_two_layers_of_sentinel_1(tmp_path):
    _, _, metadata = ordered(tmp_path, S1, ("2020-05-01", "2020-07-01"))
    directions = {
        (image["orbitProperties_pass"], image["platform_number"])
        for group in metadata.groups
        for image in group["images"]
    }
    assert len(directions) > 1
    for group in metadata.groups:
        assert len({image["orbitProperties_pass"] for image in group["images"]}) == 1
        assert len({image["relativeOrbitNumber_start"] for image in group["images"]}) == 1


@pytest.mark.parametrize("collection_id", [S2, L30, S30])
def test_granules_of_a_pass_are_one_layer(tmp_path, collection_id):
    _, entry, metadata = ordered(tmp_path, collection_id)
    assert all(count == 1 for count in Counter(g["date"] for g in metadata.groups).values())
    assert len(metadata.groups) == entry["n_groups"]
    for group in metadata.groups:
        times = [image["system:time_start"] for image in group["images"]]
        assert max(times) - min(times) < 100_000


def test_modis_is_dated_by_its_own_day_west_of_greenwich_too(tmp_path):
    _, _, metadata = ordered(tmp_path, MODIS, ("2020-05-01", "2020-05-04"))
    assert [str(group["date"]) for group in metadata.groups] == [
        "2020-05-01",
        "2020-05-02",
        "2020-05-03",
    ]


@pytest.mark.parametrize("collection_id", [S2, S1])
def test_pass_and_solar_day_are_two_ways_to_group(tmp_path, collection_id):
    """Far north several passes meet in a day: by solar day they are one layer."""
    groups = {}
    for rule in ("pass", "solar_day"):
        tracker = Tracker(
            TileGrid(ul=(500_000, 7_900_000), crs="EPSG:32635", res=(10, 10), size=(20, 20)),
            LocalStore(tmp_path / rule),
            engine=EarthEngine(url="emulator"),
            collections={
                collection_id: {
                    "group_by": rule,
                    "bands": ["red"] if collection_id == S2 else ["hh"],
                }
            },
        )
        name, _ = tracker.submit(collection_id, (0, 0), "2020-06-01", "2020-06-08")
        record = tracker.watch(name)
        groups[rule] = metadata_of(tracker, record).groups
    by_pass, by_day = (Counter(str(g["date"]) for g in groups[rule]) for rule in groups)
    assert max(by_pass.values()) > 1
    assert set(by_day.values()) == {1}
    assert set(by_pass) == set(by_day)
    assert sum(len(g["images"]) for g in groups["pass"]) == sum(
        len(g["images"]) for g in groups["solar_day"]
    )
    assert all(dt.date.fromisoformat(day).year == 2020 for day in by_day)
