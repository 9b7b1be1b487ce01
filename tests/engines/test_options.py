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


def test_an_item_of_more_pixels_than_max_pixels_fails_and_says_so(tmp_path):
    tracker = real_tracker(tmp_path, export_image_kwds={"maxPixels": 74_999})
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.watch(name).orders
    assert entry["status"]["state"] == TaskState.FAILED
    assert "300 × 250 pixels are more than maxPixels 74999" in entry["status"]["error_message"]
