"""What is clear in each sensor's bits and classes, and every index of the list, in orders."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import spyndex
from cooking import (
    NODATA,
    REFLECTANCES,
    SERIES,
    series,
    series_grid,
    write_catalog,
)
from test_collections_orders import grid_of, period_of

from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.recipes.indices import BANDS, define
from cedar.sensors import known

LANDSAT = ["LANDSAT/LC08/C02/T1_L2", "LANDSAT/LT05/C02/T1_L2", "LANDSAT/LE07/C02/T1_TOA"]
S2, DAILY = "COPERNICUS/S2_SR_HARMONIZED", "MODIS/061/MOD09GA"


def bit(number, *bits):
    return np.any([number >> each & 1 for each in bits], axis=0)


def landsat(qa):
    return bit(qa, 0, 1, 2, 3, 4)


def hls(fmask):
    return bit(fmask, 1, 2, 3)


def sentinel2(scl):
    return ~np.isin(scl, (2, 4, 5, 6, 11))


def modis(state):
    unclear = np.isin(state & 3, (1, 2)) | np.isin(state >> 8 & 3, (2, 3))
    return unclear | bit(state, 2, 10, 13)


CLOUDY = {
    **dict.fromkeys(LANDSAT, ("qa", landsat)),
    "NASA/HLS/HLSL30/v002": ("qa", hls),
    "NASA/HLS/HLSS30/v002": ("qa", hls),
    S2: ("scl", sentinel2),
    DAILY: ("qa", modis),
    "MODIS/061/MOD09A1": ("qa", modis),
}


def pixels(directory, collection_id, settings, engine=None, grid=None, period=None):
    """An order's file: (layers, bands, rows, columns), and its nodata value."""
    tracker = Tracker(
        grid or grid_of(collection_id),
        LocalStore(directory),
        engine=engine or EarthEngine(url="emulator"),
        collections={collection_id: settings},
    )
    name, _ = tracker.submit(collection_id, (0, 0), *(period or period_of(collection_id)))
    record = tracker.watch(name)
    assert record.complete, record.states
    (entry,) = record.orders
    with rasterio.open(tracker.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        found = file.read()
    return found.reshape(entry["n_groups"], -1, *found.shape[1:]), entry["nodata"]


@pytest.mark.parametrize("collection_id", CLOUDY)
def test_only_what_is_clear_is_kept_of_every_sensor(tmp_path, collection_id):
    flags, is_cloudy = CLOUDY[collection_id]
    chosen = {"bands": ["red", "nir"], "allow_widening": True}
    both = {"bands": ["red", "nir", flags], "allow_widening": True, "dtype": "float64"}
    period = ("2022-05-01", "2022-05-21") if collection_id == S2 else None
    plain, nodata = pixels(tmp_path / "plain", collection_id, both, period=period)
    cooked = {**chosen, "recipe": {"keep": "clear"}}
    kept, _ = pixels(tmp_path / "kept", collection_id, cooked, period=period)
    number = np.where(plain[:, 2] == nodata, 0, plain[:, 2]).astype(int)
    bad = is_cloudy(number) | (plain[:, 2] == nodata)
    expected = np.where(bad[:, None], nodata, plain[:, :2])
    assert np.array_equal(kept, expected.astype(kept.dtype))
    assert (kept != nodata).any()
    assert (kept != plain[:, :2].astype(kept.dtype)).any()


def computable():
    """Names of the list whose bands the series has."""
    for name in spyndex.indices:
        try:
            define(name, REFLECTANCES, "float64")
        except InputError:
            continue
        yield name


def test_every_index_is_what_the_list_computes(tmp_path):
    names = list(computable())
    assert len(names) > 80
    settings = {
        "bands": {name: name for name in REFLECTANCES},
        "dtype": "float64",
        "band_dtype": dict.fromkeys(REFLECTANCES, "int16"),
        "chosen": REFLECTANCES,
        "nodata": NODATA,
        "scale": 0.0001,
        "recipe": {"indices": names},
        "allow_widening": True,
    }
    engine = EarthEngine(url="emulator", catalog=write_catalog(tmp_path / "scenes"))
    dates, values = series()
    at = next(n for n in range(len(dates)) if (values["red"][n] != NODATA).all())
    period = dates[at], f"{dates[at]}T23:00:00"
    found, _ = pixels(tmp_path, SERIES, settings, engine, series_grid(), period)
    letters = {name: each for name, (each, *_) in BANDS.items() if each in REFLECTANCES}
    letters["N2"] = "nir"
    bands = {name: values[each][at] * 0.0001 for name, each in letters.items()}
    numbers = {name: each.default for name, each in spyndex.constants.items()}
    for name, index in zip(names, found[0, len(REFLECTANCES) :], strict=True):
        with np.errstate(all="ignore"):
            wanted = spyndex.computeIndex(name, params=bands | numbers)
        there = index != NODATA
        assert np.array_equal(there, np.isfinite(wanted)), name
        np.testing.assert_allclose(index[there], wanted[there], rtol=2e-6, atol=1e-9, err_msg=name)


def test_the_sensors_are_all_those_that_say_what_is_clear():
    families = {"LANDSAT", "COPERNICUS", "NASA", "MODIS"}
    said = {each.id for each in known().values() if each.unclear}
    assert {each.partition("/")[0] for each in said} == families
    others = {each for each in said if not each.startswith("LANDSAT/")}
    assert others - {"MODIS/061/MYD09GA"} == CLOUDY.keys() - {*LANDSAT}
