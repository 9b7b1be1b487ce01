"""Cubes of orders with recipes: composites have periods, masked pixels are nothing."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from cooking import SERIES, series_tracker, write_catalog

import cedar

MEDOID = {"keep": "clear", "indices": ["NDVI"], "composite": "medoid", "count": True}
MASKED = {"keep": "clear", "indices": ["NDVI"]}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("series"))


def opened(directory, catalog, recipe, **options):
    tracker = series_tracker(directory / "store", catalog, recipe)
    name, _ = tracker.submit(SERIES, (0, 0), "2015-01-01", "2015-07-01", "QS", period_closed="left")
    record = tracker.watch(name)
    assert record.complete
    tracker.download(record, directory / name)
    return record, directory / name, cedar.open_order(record, directory / name, **options)


def files(record, directory):
    for entry in record.orders:
        with rasterio.open(directory / entry["outputs"][0]["name"]) as file:
            yield dict(zip(file.descriptions, file.read(), strict=True))


def test_composites_are_dated_by_their_periods(tmp_path, catalog):
    record, directory, cube = opened(tmp_path, catalog, MEDOID)
    assert cube.sizes["time"] == 2
    starts = np.array(["2015-01-01", "2015-04-01", "2015-07-01"], "datetime64[ns]")
    assert np.array_equal(cube.time, starts[:2])
    assert np.array_equal(cube.time_bounds, np.stack([starts[:2], starts[1:]], axis=1))
    for layer, bands in enumerate(files(record, directory)):
        date = str(starts[layer])[:10]
        nodata = record.orders[layer]["nodata"]
        values = np.where(
            bands[f"{date}_NDVI"] == nodata, np.nan, bands[f"{date}_NDVI"].astype(float)
        )
        scale = cube.NDVI.encoding.get("scale_factor", 1.0)
        np.testing.assert_allclose(cube.NDVI[layer], values * scale, rtol=1e-6)
    assert cube.NDVI.long_name.startswith("NDVI = ")


def test_a_composite_whose_document_is_lost(tmp_path, catalog, caplog):
    record, directory, cube = opened(tmp_path, catalog, MEDOID)
    before = cube.load()
    for entry in record.orders:
        (directory / f"{entry['name']}.json").unlink()
    again = cedar.open_order(record, directory)
    for band in before.data_vars:
        assert np.array_equal(again[band], before[band], equal_nan=True)
    assert np.array_equal(again.time, before.time)
    assert np.array_equal(again.time_bounds, before.time_bounds)


def test_masked_pixels_are_nothing(tmp_path, catalog):
    record, directory, cube = opened(tmp_path, catalog, MASKED)
    named = {}
    for bands in files(record, directory):
        named |= bands
    reds = np.stack([pixels for name, pixels in named.items() if name.endswith("_red")])
    assert np.array_equal(np.isnan(cube.red), reds == record.orders[0]["nodata"])
    assert np.isnan(cube.red).any()
