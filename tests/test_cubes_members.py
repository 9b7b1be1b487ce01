"""Cubes of merged, encoded and joined bands: sensors side by side, values to a millionth."""

from __future__ import annotations

import numpy as np
from test_collections_orders import grid_of
from test_merged_orders import MIXED, THREE, tracker_in

import cedar
from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.metadata import ImageMetadata

S2 = "COPERNICUS/S2_SR_HARMONIZED"


def downloaded(tracker, name, directory):
    record = tracker.watch(name)
    assert record.complete
    tracker.download(record, directory)
    (entry,) = record.orders
    return record, ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))


def test_a_cube_of_several_satellites_says_which_layer_is_whose(tmp_path):
    tracker = tracker_in(tmp_path / "store")
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    record, metadata = downloaded(tracker, name, tmp_path / name)
    cube = cedar.open_order(record, tmp_path / name)
    assert [*cube.sensor.values] == [group["collection"] for group in metadata.groups]
    assert len({*cube.sensor.values}) == 3
    assert cube.attrs["cedar_collection"] == "landsat"
    assert cube.red.standard_name == "surface_bidirectional_reflectance"
    assert cube.qa.flag_meanings.startswith("fill ")
    assert cube.indexes["time"].is_monotonic_increasing
    # What a member lacks is nothing in its layers.
    lacks = ["LE07" in sensor for sensor in cube.sensor.values]
    assert np.isnan(cube.coastal).all(["x", "y"]).values.tolist() == lacks


def test_a_lost_document_of_merged_collections_is_what_the_record_says(tmp_path, caplog):
    tracker = tracker_in(tmp_path / "store")
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    record, _ = downloaded(tracker, name, tmp_path / name)
    before = cedar.open_order(record, tmp_path / name).load()
    (path,) = (tmp_path / name).glob("landsat*.json")
    path.unlink()
    cube = cedar.open_order(record, tmp_path / name)
    assert np.array_equal(cube.red, before.red, equal_nan=True)
    assert "without ids" in caplog.text


def test_members_of_other_scales_are_one_variable(tmp_path):
    tracker = tracker_in(tmp_path / "store", collections=MIXED)
    name, _ = tracker.submit("mixed", (0, 0), *THREE)
    record, metadata = downloaded(tracker, name, tmp_path / name)
    raw = cedar.open_order(record, tmp_path / name, decode=False)
    cube = cedar.open_order(record, tmp_path / name)
    assert raw.red.attrs["scale_factor"] == 0.0001
    values = raw.red.values * 0.0001 - 0.5
    values[raw.red.values == metadata.nodata] = np.nan
    np.testing.assert_allclose(cube.red, values, rtol=1e-6)


def test_scores_that_are_joined_are_values_from_0_to_1(tmp_path):
    settings = {S2: {"bands": ["red", "scl", "cs", "cs_cdf"]}}
    tracker = Tracker(
        grid_of(S2), LocalStore(tmp_path / "store"), engine=EarthEngine(url="emulator"),
        collections=settings,
    )  # fmt: skip
    name, _ = tracker.submit(S2, (0, 0), "2020-05-01", "2020-05-20")
    record, _metadata = downloaded(tracker, name, tmp_path / name)
    cube = cedar.open_order(record, tmp_path / name)
    raw = cedar.open_order(record, tmp_path / name, decode=False)
    assert 0 <= cube.cs.min() < cube.cs.max() <= 1
    assert {cube.cs.dtype, raw.cs.dtype} == {np.dtype("float32"), np.dtype("uint16")}
    assert "GOOGLE/CLOUD_SCORE_PLUS" in cube["images"].values[0]
    assert not np.isnan(cube.red).all()
    for band in ("cs", "cs_cdf"):
        there = np.isfinite(cube[band])
        assert there.any()
        assert (np.isfinite(cube.red) >= there).all()
