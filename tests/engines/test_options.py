"""export_image_kwds: what may be said about how images are written."""

import json

import numpy as np
import pytest
import rasterio
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker, reference, utm_grid

from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.states import TaskState


def check(options, kind="local"):
    return EarthEngine(url="emulator").check_options(options, kind)


def complete(options, size=(300, 250), n_bands=36, dtype="uint16", kind="gcs"):
    engine = EarthEngine(url="emulator")
    return engine.export_options(engine.check_options(options, kind), size, n_bands, dtype)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"formatOptions": None}, {}),
        ({"maxPixels": 1e8}, {"maxPixels": 100_000_000}),
        ({"formatOptions": {"noData": 7}}, {"formatOptions": {"noData": 7}}),
        ({"cloudOptimized": True}, {"formatOptions": {"cloudOptimized": True}}),
        (
            {"cloudOptimized": True, "formatOptions": {"noData": 7}},
            {"formatOptions": {"noData": 7, "cloudOptimized": True}},
        ),
        (
            {"cloudOptimized": True, "formatOptions": {"cloudOptimized": False}},
            {"formatOptions": {"cloudOptimized": False}},
        ),
    ],
)
def test_ancestor_07_options_come_in_their_current_form_and_the_callers_stay_as_they_are(
    given, kept
):
    before = json.dumps(given)
    assert check(given) == kept
    assert json.dumps(given) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shardSize": 256}, "shardSize is for exports; into a local store"),
        ({"fileDimensions": 2560}, "fileDimensions is for exports"),
        ({"skipEmptyTiles": True}, "skipEmptyTiles is for exports"),
        ({"priority": 100}, "priority is for exports"),
        ({"crs": "EPSG:4326"}, "crs is the tile's to say"),
        ({"scale": 30}, "scale is the tile's to say"),
        ({"maxPixel": 1e8}, "unknown option 'maxPixel'; did you mean 'maxPixels'"),
        ({"xyzzy": 1}, "unknown option 'xyzzy'$"),
        ({"maxPixels": 0}, "maxPixels is a number of pixels, not 0"),
        ({"maxPixels": True}, "maxPixels is a number of pixels, not True"),
        ({"maxPixels": float("inf")}, "maxPixels is a number of pixels, not inf"),
        ({"maxPixels": float("nan")}, "maxPixels is a number of pixels, not nan"),
        ({"maxPixels": "1e8"}, "maxPixels is a number of pixels, not '1e8'"),
        ({"formatOptions": "cloudOptimized"}, "formatOptions is a mapping"),
        ({"formatOptions": {"tileSize": 256}}, "takes cloudOptimized, noData, not 'tileSize'"),
        ({"formatOptions": {"noData": "0"}}, "noData can't be '0'"),
        ({"formatOptions": {"noData": True}}, "noData can't be True"),
        ({"cloudOptimized": "yes"}, "cloudOptimized can't be 'yes'"),
    ],
)
def test_an_option_that_is_unknown_or_means_nothing_here_is_an_error(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        check(given)
    tracker = real_tracker(tmp_path, export_image_kwds=given)
    with pytest.raises(InputError, match=message):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nodata", [-1, 65536, 0.5, float("nan")])
def test_a_nodata_that_the_files_type_cannot_hold_is_an_error(tmp_path, nodata):
    tracker = real_tracker(tmp_path, export_image_kwds={"formatOptions": {"noData": nodata}})
    with pytest.raises(InputError, match=r"noData .* doesn't fit into uint16"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert list(tracker.store.objects()) == []


@pytest.mark.parametrize("nodata", [float("nan"), float("inf"), 1e39])
def test_nodata_of_a_float_is_a_number_that_it_can_hold(tmp_path, nodata):
    tracker = real_tracker(
        tmp_path,
        collections={COLLECTION: {**COLLECTIONS[COLLECTION], "dtype": "float32"}},
        export_image_kwds={"formatOptions": {"noData": nodata}},
    )
    with pytest.raises(InputError, match=r"noData .* doesn't fit into float32"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert list(tracker.store.objects()) == []


def test_nodata_of_the_options_is_the_files_and_the_records(tmp_path):
    tracker = real_tracker(tmp_path, export_image_kwds={"formatOptions": {"noData": 65535}})
    name, _ = tracker.submit(COLLECTION, (2, 1), *MAY)
    (entry,) = tracker.watch(name).orders
    assert entry["nodata"] == 65535
    with rasterio.open(tmp_path / entry["prefix"] / entry["outputs"][0]["name"]) as image:
        assert image.nodata == 65535
        pixels = image.read()
    expected = reference(utm_grid()[2, 1])
    assert (expected == 0).any()
    assert (pixels == np.where(expected == 0, 65535, expected)).all()


@pytest.mark.parametrize("kind", ["gcs", "gdrive"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"shardSize": 128, "priority": 0}, {"shardSize": 128, "priority": 0}),
        ({"priority": 9999, "skipEmptyTiles": True}, {"priority": 9999, "skipEmptyTiles": True}),
        ({"fileDimensions": 2560}, {"fileDimensions": [2560, 2560]}),
        ({"fileDimensions": (512, 256)}, {"fileDimensions": [512, 256]}),
        ({"fileDimensions": None, "shardSize": None}, {}),
        ({"cloudOptimized": True}, {"formatOptions": {"cloudOptimized": True}}),
    ],
)
def test_what_an_export_is_told_comes_in_its_current_form(kind, given, kept):
    before = json.dumps(given)
    assert check(given, kind) == kept
    assert json.dumps(given) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shardSize": 0}, "shardSize is a whole number of pixels, a multiple of 16, not 0"),
        ({"shardSize": -256}, "shardSize is .* not -256"),
        ({"shardSize": 100}, "shardSize is .* not 100"),
        ({"shardSize": 256.0}, "shardSize is .* not 256.0"),
        ({"shardSize": True}, "shardSize is .* not True"),
        ({"shardSize": "256"}, "shardSize is .* not '256'"),
        ({"fileDimensions": 0}, "fileDimensions is .* or a pair: columns, rows, not 0"),
        ({"fileDimensions": True}, "fileDimensions is .* not True"),
        ({"fileDimensions": [256]}, "fileDimensions is .* not"),
        ({"fileDimensions": [256, 256, 256]}, "fileDimensions is .* not"),
        ({"fileDimensions": [256, -256]}, "fileDimensions is .* not"),
        ({"fileDimensions": "256x256"}, "fileDimensions is .* not '256x256'"),
        ({"priority": -1}, "priority is a whole number from 0 to 9999, not -1"),
        ({"priority": 10_000}, "priority is .* not 10000"),
        ({"priority": 1.5}, "priority is .* not 1.5"),
        ({"priority": True}, "priority is .* not True"),
        ({"skipEmptyTiles": "yes"}, "skipEmptyTiles is true or false, not 'yes'"),
        ({"maxPixels": 0}, "maxPixels is a number of pixels, not 0"),
        ({"xyzzy": None}, "unknown option 'xyzzy'"),
        ({"shardsize": 256}, "unknown option 'shardsize'; did you mean 'shardSize'"),
        ({"region": None}, "region is the tile's to say"),
    ],
)
def test_an_export_is_not_told_what_the_service_would_refuse(given, message):
    with pytest.raises(InputError, match=message):
        check(given, "gcs")


def test_what_decides_which_files_there_will_be_is_always_set():
    assert complete({}) == {
        "maxPixels": 10**13,
        "shardSize": 256,
        "fileDimensions": [2560, 2560],
    }


def test_what_the_user_says_about_files_stays():
    given = {
        "maxPixels": 1e6,
        "shardSize": 128,
        "fileDimensions": [1280, 384],
        "formatOptions": {"cloudOptimized": True},
        "priority": 7,
    }
    assert complete(given) == given


@pytest.mark.parametrize(
    ("n_bands", "dtype", "shard"),
    [
        (1, "uint8", 256),
        (426, "uint16", 256),
        (427, "uint16", 128),
        (1706, "uint16", 128),
        (1707, "uint16", 64),
        (256, "float32", 256),
        (257, "float32", 128),
        (5000, "float64", 64),
    ],
)
def test_shards_are_as_large_as_the_service_can_compute(n_bands, dtype, shard):
    assert complete({}, n_bands=n_bands, dtype=dtype)["shardSize"] == shard
    a_pixel = n_bands * (np.dtype(dtype).itemsize + 1)
    assert shard == 64 or shard**2 * a_pixel <= 80 * 2**20
    assert shard == 256 or (2 * shard) ** 2 * a_pixel > 80 * 2**20


@pytest.mark.parametrize(
    ("n_bands", "dtype", "side"),
    [
        (327, "uint16", 2560),
        (328, "uint16", 2304),
        (5000, "uint8", 768),
        (5000, "uint16", 512),
        (5000, "float64", 256),
    ],
)
def test_a_file_is_at_most_4_gib_before_it_is_compressed(n_bands, dtype, side):
    completed = complete({}, n_bands=n_bands, dtype=dtype)
    assert completed["fileDimensions"] == [side, side]
    a_pixel = n_bands * np.dtype(dtype).itemsize
    assert side**2 * a_pixel <= 4 * 2**30
    assert side == 2560 or (side + 256) ** 2 * a_pixel > 4 * 2**30


@pytest.mark.parametrize(
    ("shard", "side"),
    [(64, 2560), (256, 2560), (512, 2560), (1024, 2048), (96, 2496), (4096, 4096)],
)
def test_files_are_cut_where_the_users_shards_are(shard, side):
    assert complete({"shardSize": shard}, n_bands=1)["fileDimensions"] == [side, side]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fileDimensions": 1000}, r"\[1000, 1000\] must be multiples of shardSize 256"),
        ({"fileDimensions": [256, 384]}, r"\[256, 384\] must be multiples of shardSize 256"),
        ({"fileDimensions": 256, "shardSize": 512}, "must be multiples of shardSize 512"),
        ({"fileDimensions": 65_536}, "36 bands of uint16 would be 288.0 GiB"),
        ({"maxPixels": 74_999}, "300 × 250 pixels are more than maxPixels 74999 allows"),
    ],
)
def test_files_that_the_service_can_not_write_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        complete(given)


def test_options_that_are_complete_stay_as_they_are():
    completed = complete({"formatOptions": {"noData": 7}})
    assert complete(completed) == completed


def test_an_item_of_more_pixels_than_max_pixels_fails_and_says_so(tmp_path):
    tracker = real_tracker(tmp_path, export_image_kwds={"maxPixels": 74_999})
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.watch(name).orders
    assert entry["status"]["state"] == TaskState.FAILED
    assert "300 × 250 pixels are more than maxPixels 74999" in entry["status"]["error_message"]
