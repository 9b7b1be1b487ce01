"""What an order's files hold: real pixels, held against rasterio and numpy."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from orders import COLLECTION, COLLECTIONS, MAY, albers_grid, real_tracker, reference, utm_grid
from rasterio.transform import from_origin

from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine, blocks
from cedar.exceptions import InputError


def make(tracker, tiles, *period, collection=COLLECTION):
    name, _ = tracker.submit(collection, tiles, *period)
    return tracker.watch(name)


def path_of(tracker, entry):
    (output,) = entry["outputs"]
    return tracker.store.root / entry["prefix"] / output["name"]


@pytest.mark.parametrize("block_bytes", [blocks.BLOCK_BYTES, 9 * 256**2])
@pytest.mark.parametrize(
    ("grid", "tiles"),
    [
        (utm_grid(), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (utm_grid(shift=15.0), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (albers_grid(), [(0, 0), (-1, 0), (0, 1)]),
    ],
    ids=["aligned", "half a pixel off", "Albers"],
)
def test_real_pixels_are_those_of_the_reference(tmp_path, monkeypatch, grid, tiles, block_bytes):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    tracker = real_tracker(tmp_path, grid)
    tracking = make(tracker, tiles, *MAY)
    assert tracking.complete
    seen = 0
    for entry in tracking.orders:
        tile = grid[entry["tile"]]
        with rasterio.open(path_of(tracker, entry)) as image:
            pixels = image.read()
            assert image.crs == tile.crs
            assert image.transform == tile.transform
            assert (image.width, image.height) == tile.size
            assert set(image.dtypes) == {entry["dtype"]} == {"uint16"}
            assert image.nodata == entry["nodata"] == 0
            bands = ("2020-05-18_blue", "2020-05-18_green", "2020-05-18_red")
            assert image.descriptions == bands
            assert image.count == entry["n_bands"]
        expected = reference(tile)
        assert (pixels != expected).sum() == 0
        seen += (expected != 0).sum()
    assert seen > 100_000


def scene(directory, name, pixels, time, collection="EXAMPLE/MADE", res=30.0, **properties):
    """Write a scene and its STAC Item: a band a key, each a file with nodata 0."""
    assets = {}
    for band, values in pixels.items():
        profile = {
            "driver": "GTiff",
            "height": values.shape[0],
            "width": values.shape[1],
            "count": 1,
            "dtype": values.dtype,
            "crs": "EPSG:32621",
            "transform": from_origin(730005, -2778015, res, res),
            "nodata": 0,
        }
        with rasterio.open(directory / f"{name}_{band}.tif", "w", **profile) as target:
            target.write(values, 1)
        assets[band] = {"href": f"{name}_{band}.tif", "type": "image/tiff"}
    west, south, east, north = -54.73, -25.12, -54.70, -25.09
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": time, **properties},
        "links": [],
        "assets": assets,
    }
    Path(directory, f"{name}.json").write_text(json.dumps(item), encoding="utf-8")


def made_tracker(tmp_path, settings=None, grid=None):
    definition = {"bands": {"a": "A", "b": "B"}, "dtype": "uint16", "nodata": 0}
    return Tracker(
        grid or utm_grid(),
        LocalStore(tmp_path / "store"),
        engine=EarthEngine(url="emulator", catalog=tmp_path),
        collections={"EXAMPLE/MADE": {**definition, **(settings or {})}},
    )


def pixels_of(tracker, tracking, rows=2, cols=2):
    (entry,) = tracking.orders
    with rasterio.open(path_of(tracker, entry)) as image:
        return dict(zip(image.descriptions, image.read()[:, :rows, :cols].tolist(), strict=True))


def grid_of(rows):
    return np.array(rows, "uint16")


@pytest.fixture
def two_scenes(tmp_path):
    """Two scenes of one day; the upper has a hole in one band only, and one in both."""
    scene(
        tmp_path,
        "lower",
        {"A": grid_of([[11, 12], [13, 14]]), "B": grid_of([[21, 22], [23, 24]])},
        "2020-05-18T13:36:02Z",
    )
    scene(
        tmp_path,
        "upper",
        {"A": grid_of([[111, 0], [0, 114]]), "B": grid_of([[121, 122], [0, 0]])},
        "2020-05-18T13:36:26Z",
    )
    return tmp_path


def test_one_pixel_is_one_image_never_another_ones_band_beside_its_own(two_scenes):
    tracker = made_tracker(two_scenes)
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking) == {
        "2020-05-18_a": [[111, 0], [13, 114]],
        "2020-05-18_b": [[121, 122], [23, 0]],
    }


def test_the_validity_band_says_where_an_image_is_present(two_scenes):
    tracker = made_tracker(two_scenes, {"validity": "A"})
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking) == {
        "2020-05-18_a": [[111, 12], [13, 114]],
        "2020-05-18_b": [[121, 22], [23, 0]],
    }


def test_a_band_that_an_image_lacks_is_nodata_where_the_image_lies_and_is_listed(tmp_path):
    lower = {"A": grid_of([[11, 12], [13, 14]]), "B": grid_of([[21, 22], [23, 24]])}
    scene(tmp_path, "lower", lower, "2020-05-18T13:36:02Z")
    scene(tmp_path, "upper", {"A": grid_of([[111, 0], [0, 0]])}, "2020-05-18T13:36:26Z")
    tracker = made_tracker(tmp_path, {"validity": "B"})
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking) == {
        "2020-05-18_a": [[111, 12], [13, 14]],
        "2020-05-18_b": [[0, 22], [23, 24]],
    }
    (entry,) = tracking.orders
    image = tracker.store.read_metadata(entry["name"], entry["prefix"])["image"]
    assert [listed.get("missing") for listed in image["groups"][0]["images"]] == [None, ["b"]]


def test_groups_follow_each_other_with_all_their_bands_and_time_where_a_date_repeats(two_scenes):
    tracker = made_tracker(two_scenes, {"group_by": "none"})
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking) == {
        "2020-05-18T133602_a": [[11, 12], [13, 14]],
        "2020-05-18T133602_b": [[21, 22], [23, 24]],
        "2020-05-18T133626_a": [[111, 0], [0, 114]],
        "2020-05-18T133626_b": [[121, 122], [0, 0]],
    }


def test_values_are_clamped_to_a_narrower_type_never_wrapped(tmp_path):
    scene(tmp_path, "one", {"A": grid_of([[255, 256], [65535, 1]])}, "2020-05-18T13:36:02Z")
    tracker = made_tracker(tmp_path, {"bands": {"a": "A"}, "dtype": "uint8"})
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking) == {"2020-05-18_a": [[255, 255], [255, 1]]}


def test_nodata_of_ones_own_fills_what_no_image_covers(tmp_path):
    scene(tmp_path, "one", {"A": grid_of([[7, 0], [9, 1]])}, "2020-05-18T13:36:02Z")
    tracker = made_tracker(tmp_path, {"bands": {"a": "A"}, "nodata": 9999})
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking, 3, 3) == {
        "2020-05-18_a": [[7, 9999, 9999], [9, 1, 9999], [9999, 9999, 9999]]
    }


def coarse(res=60):
    from cedar import TileGrid

    return TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(res, res), size=(20, 20))


def test_coarser_pixels_are_refused_until_it_is_said_how_to_read_them(two_scenes):
    tracker = made_tracker(two_scenes, grid=coarse())
    with pytest.raises(InputError, match=r"60 m are coarser than 1\.5 × its own of 30 m.*mean"):
        tracker.submit("EXAMPLE/MADE", (0, 0), *MAY)
    assert tracker.list() == []
    assert made_tracker(two_scenes, grid=coarse(45)).submit("EXAMPLE/MADE", (0, 0), *MAY)


@pytest.mark.parametrize(
    ("resampling", "expected"), [("nearest", 14), ("mean", (11 + 12 + 13 + 14) // 4)]
)
def test_coarser_pixels_are_read_as_asked_for(tmp_path, resampling, expected):
    scene(tmp_path, "one", {"A": grid_of([[11, 12], [13, 14]])}, "2020-05-18T13:36:02Z")
    settings = {"bands": {"a": "A"}, "resampling": resampling}
    tracker = made_tracker(tmp_path, settings, coarse())
    tracking = make(tracker, (0, 0), *MAY, collection="EXAMPLE/MADE")
    assert pixels_of(tracker, tracking, 1, 1) == {"2020-05-18_a": [[expected]]}


def test_a_cloud_optimized_geotiff_holds_the_same_pixels(tmp_path):
    tracker = real_tracker(tmp_path, export_image_kwds={"cloudOptimized": True})
    tracking = make(tracker, (0, 0), *MAY)
    (entry,) = tracking.orders
    with rasterio.open(path_of(tracker, entry)) as image:
        assert (image.read() == reference(utm_grid()[0, 0])).all()
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.descriptions[0] == "2020-05-18_blue"
        assert image.tags()["CEDAR_REQUEST_ID"] == entry["request_id"]


def test_ancestor_07_the_callers_options_are_left_as_they_are(tmp_path):
    options = {"formatOptions": {"noData": 65535}, "maxPixels": 1e6}
    tracker = real_tracker(tmp_path, export_image_kwds=options)
    make(tracker, [(0, 0), (1, 1)], *MAY)
    assert options == {"formatOptions": {"noData": 65535}, "maxPixels": 1e6}


def test_a_file_says_what_made_it(tmp_path):
    tracker = real_tracker(tmp_path)
    tracking = make(tracker, (0, 0), *MAY)
    (entry,) = tracking.orders
    with rasterio.open(path_of(tracker, entry)) as image:
        tags = image.tags()
    assert tags["CEDAR_ORDER"] == tracking.name
    assert tags["CEDAR_EMULATED"] == "true"
    assert tags["CEDAR_COLLECTION"] == COLLECTION
    assert COLLECTIONS[COLLECTION]["properties"]
