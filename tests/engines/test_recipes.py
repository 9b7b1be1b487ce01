"""Recipes' expressions: how long they are, what they ask, and what is masked on the way."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
import rasterio
from cooking import (
    NODATA,
    SERIES,
    median,
    medoid,
    series,
    series_grid,
    series_tracker,
    taken,
    valid,
    write_catalog,
)
from ee.serializer import encode

from cedar import LocalStore, Tracker
from cedar.documents import image_section
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine, emptiness
from cedar.engines.earthengine.build import has_pixels, stack
from cedar.exceptions import EngineError, InputError
from cedar.items import Group, ImageInfo
from cedar.metadata import ImageMetadata
from cedar.sensors import resolve

L8, HLS, MODIS = "LANDSAT/LC08/C02/T1_L2", "NASA/HLS/HLSL30/v002", "MODIS/061/MOD09GA"
EVERYTHING = {"keep": "clear", "indices": ["EVI"], "composite": "medoid", "count": True}
PERIOD = ("2015-05-01", "2015-06-01")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("series"))


def section(recipe, number, collection=L8):
    """The section `image` of so many layers."""
    groups = [
        Group(
            dt.date(2020, 1, 1) + dt.timedelta(at),
            (ImageInfo(f"{collection}/{at:09d}", f"{at:09d}", at),),
        )
        for at in range(number)
    ]
    return image_section(groups, resolve(collection, {collection: {"recipe": recipe}}), 0)


def length(recipe, number):
    image = section(recipe, number)
    metadata = ImageMetadata.view({"image": image, "order": {"date_start": "2020-01-01"}})
    return len(json.dumps(encode(stack(metadata, image["groups"]))))


@pytest.mark.parametrize("recipe", [{"mask": ["cloud"]}, EVERYTHING])
def test_an_expression_grows_by_its_layers_and_by_little_more_than_without_a_recipe(recipe):
    plain = length(None, 40) - length(None, 20)
    more, first = length(recipe, 40) - length(recipe, 20), length(recipe, 20)
    assert more < 1.6 * plain
    assert first < 20 * plain / 20 * 1.6 + 20_000
    assert abs(length(recipe, 60) - length(recipe, 40) - more) < 0.05 * more


def functions(expression):
    """Names of the functions of the service that an expression calls."""
    if isinstance(expression, dict):
        for key, value in expression.items():
            if key == "functionName":
                yield value
            yield from functions(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from functions(value)


@pytest.mark.parametrize(("collection", "number"), [(L8, 1), (HLS, 1), (MODIS, 3)])
def test_bits_are_asked_of_whole_numbers(collection, number):
    """Single bits all at once, fields of several one by one."""
    image = section({"keep": "clear"}, 1, collection)
    called = list(functions(encode(has_pixels(image))))
    assert called.count("Image.toInt64") == 1
    assert called.count("Image.bitwiseAnd") == number


def test_a_recipe_without_masks_asks_no_flags():
    called = set(functions(encode(has_pixels(section({"drop_empty": True}, 1)))))
    assert not called & {"Image.toInt64", "Image.bitwiseAnd", "Image.not"}


def test_which_layers_have_pixels_is_one_request_an_item(tmp_path, catalog):
    with Emulator(catalog) as emulator:
        recipe = {"keep": "clear", "drop_empty": True}
        tracker = series_tracker(tmp_path, catalog, recipe, engine=EarthEngine(emulator=emulator))
        tracker.submit(SERIES, (0, 0), "2015-01-01", "2015-04-01", "MS", period_closed="left")
        asked = [request.method for request in emulator.requests]
    # A search of the tile, and its three months.
    assert asked.count("value:compute") == 1 + 3


def test_what_is_too_large_to_be_asked_at_once_is_asked_in_halves(tmp_path, catalog, monkeypatch):
    asked = []
    ask = emptiness.ask

    def at_most_two(send, expression):
        asked.append(expression)
        if sum(name == "Image.load" for name in functions(encode(expression))) > 2:
            raise EngineError("Earth Engine: User memory limit exceeded.", too_large=True)
        return ask(send, expression)

    recipe = {"keep": "clear", "drop_empty": True}
    whole = series_tracker(tmp_path, catalog, recipe).preview(SERIES, (0, 0), *PERIOD)
    monkeypatch.setattr(emptiness, "ask", at_most_two)
    parts = series_tracker(tmp_path, catalog, recipe).preview(SERIES, (0, 0), *PERIOD)
    assert parts.order.items == whole.order.items
    assert len(asked) > 3


def test_one_layer_that_is_too_large_is_an_error(tmp_path, catalog, monkeypatch):
    def never(send, expression):
        raise EngineError("Earth Engine: User memory limit exceeded.", too_large=True)

    monkeypatch.setattr(emptiness, "ask", never)
    tracker = series_tracker(tmp_path, catalog, {"drop_empty": True})
    with pytest.raises(EngineError, match="User memory limit exceeded"):
        tracker.preview(SERIES, (0, 0), *PERIOD)


@pytest.mark.parametrize("answer", [None, {}, [1], {"1_max": 1}])
def test_an_answer_that_says_nothing_of_a_layer_is_an_error(tmp_path, catalog, monkeypatch, answer):
    monkeypatch.setattr(emptiness, "ask", lambda *_: answer)
    tracker = series_tracker(tmp_path, catalog, {"drop_empty": True})
    with pytest.raises(EngineError, match="says nothing of a layer"):
        tracker.preview(SERIES, (0, 0), *PERIOD)


def made(tmp_path, catalog, formula, scale=0.0001, dtype="int16"):
    """An index of the series in a file, and the physical values of red and nir, NaN if missing."""
    index = {"name": "X", "formula": formula, **({"scale": scale} if dtype == "int16" else {})}
    found = file_of(tmp_path, catalog, {"indices": [index]}, dtype, 0.0001)
    bands = (np.where(each == NODATA, np.nan, each * 0.0001) for each in (found[0::3], found[1::3]))
    return found[2::3], *bands


def file_of(tmp_path, catalog, recipe, dtype, scale):
    """What a file of red and nir of the series has with a recipe."""
    settings = {"bands": {"red": "red", "nir": "nir"}, "dtype": dtype, "scale": scale}
    settings |= {"nodata": NODATA, "recipe": recipe}
    tracker = Tracker(
        series_grid(),
        LocalStore(tmp_path),
        engine=EarthEngine(url="emulator", catalog=catalog),
        collections={SERIES: settings},
    )
    name, _ = tracker.submit(SERIES, (0, 0), *PERIOD)
    (entry,) = tracker.watch(name).orders
    with rasterio.open(tracker.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        return file.read()


def test_where_a_formula_divides_by_nought_is_nodata(tmp_path, catalog):
    found, red, _ = made(tmp_path, catalog, "1 / (R - R)")
    assert (found == -9999).all()
    assert np.isfinite(red).any()


def test_what_the_file_cant_hold_is_nodata_and_not_cut_off(tmp_path, catalog):
    found, red, _ = made(tmp_path, catalog, "R * 20")
    number = np.floor(red * 20 / 0.0001 + 0.5)
    expected = np.where(np.isnan(number) | (number > 32767), -9999, number)
    assert np.array_equal(found, expected)
    assert (number > 32767).any()


def test_a_value_that_would_be_nodata_is_the_number_beside_it(tmp_path, catalog):
    found, red, _ = made(tmp_path, catalog, "-0.9999 + 0 * R")
    assert np.array_equal(found, np.where(np.isnan(red), -9999, -9998))


def test_what_is_no_number_is_nodata(tmp_path, catalog):
    """A root of what is below nought."""
    found, red, nir = made(tmp_path, catalog, "(R - N) ** 0.5 + (R - N) ** 1.5", scale=0.001)
    off = red - nir
    assert (off < 0).any()
    with np.errstate(invalid="ignore"):
        number = np.floor((np.sqrt(off) + off**1.5) / 0.001 + 0.5)
    near = np.where(np.isnan(number), -9999, number)
    assert (np.abs(found - near) <= 1).all()
    assert ((found == -9999) == np.isnan(number)).all()


def test_a_file_of_floats_holds_it_as_it_is(tmp_path, catalog):
    found, red, nir = made(
        tmp_path, catalog, "-N / +R * (2 - 1) ** 2 / (4 * -0.5)", dtype="float32"
    )
    with np.errstate(invalid="ignore"):
        expected = nir / red / 2
    assert ((found == -9999) == np.isnan(expected)).all()
    there = ~np.isnan(expected)
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-6)


def test_a_formula_that_divides_numbers_by_nought_is_refused_before_anything_is_ordered(
    tmp_path, catalog
):
    with pytest.raises(InputError, match="divides by 0"):
        made(tmp_path, catalog, "R / (1 - 1)")


def observed():
    """Red and nir of the period, masked where they are missing."""
    dates, pixels = series()
    inside = np.array([PERIOD[0] <= date < PERIOD[1] for date in dates])
    return [valid(pixels[name][inside], False) for name in ("red", "nir")]


def test_a_median_of_floats_isnt_rounded(tmp_path, catalog):
    found = file_of(tmp_path, catalog, {"composite": "median"}, "float32", 1)
    expected = [median(values).filled(NODATA) for values in observed()]
    assert np.array_equal(found, np.array(expected, "float32"))
    assert (found % 1 == 0.5).any()


def test_a_medoid_is_compared_in_physical_values(tmp_path, catalog):
    """A band whose numbers are worth a tenth counts as a hundredth."""
    scale = {"red": 0.0001, "nir": 0.001}
    found = file_of(tmp_path, catalog, {"composite": "medoid"}, "int16", scale)
    red, nir = observed()
    which, alike = medoid([red, nir * 10]), medoid([red, nir])
    for values, band in zip(found, (red, nir), strict=True):
        assert np.array_equal(values, taken(band.filled(NODATA), which))
    assert (which != alike).any()
