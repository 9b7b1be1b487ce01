"""Recipes as data: read, checked, recorded."""

import json

import pytest

from cedar.exceptions import InputError
from cedar.recipes import Recipe, parse
from cedar.sensors import definition, resolve

L8, S2, S1 = "LANDSAT/LC08/C02/T1_L2", "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD"
HLS = "NASA/HLS/HLSL30/v002"
NBAR, DAILY = "MODIS/061/MCD43A4", "MODIS/061/MOD09GA"
EVERYTHING = {
    "mask": ["cloud confidence=high", "snow"],
    "keep": "clear",
    "indices": ["NDVI", {"name": "SR", "scale": 0.001, "offset": 0}],
    "composite": "medoid",
    "count": True,
    "drop_empty": True,
}


def cooked(recipe, collection=L8, **settings):
    return resolve(collection, {collection: {**settings, "recipe": recipe}})


def test_a_recipe_of_nothing_is_none():
    assert parse({}, [], "int16") is None
    for recipe in ({}, None, {"mask": [], "keep": None, "indices": [], "composite": None}):
        assert cooked(recipe) == resolve(L8, {L8: {}})


def test_a_definition_says_all_of_a_recipe_so_that_no_list_is_needed_again(monkeypatch):
    collection = cooked(EVERYTHING)
    monkeypatch.setattr("cedar.recipes.indices._spyndex", None)
    recorded = json.loads(json.dumps(definition(collection)))
    assert resolve(L8, {L8: recorded}) == collection
    assert collection.recipe.indices[1].scale == 0.001


def test_more_is_read_than_is_chosen():
    collection = cooked(EVERYTHING, bands=["green", "red"])
    assert [band.name for band in collection.read_bands] == ["green", "red", "nir", "qa"]
    assert collection.file_bands == ("green", "red", "NDVI", "SR", "count")
    assert collection.read_dtype == "uint16"
    assert cooked(None).read_bands == cooked(None).stack_bands


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ({"keep": "clear"}, ("red", "qa")),
        ({"composite": "median", "count": True}, ("red", "count")),
        ({"composite": "medoid", "indices": ["NDVI"]}, ("red", "qa", "NDVI")),
        ({"composite": "count", "keep": "clear"}, ("count",)),
    ],
)
def test_a_file_has_what_a_recipe_makes(recipe, names):
    assert cooked(recipe, bands=["red", "qa"]).file_bands == names


def test_what_is_read_has_a_type_that_holds_its_bits():
    collection = cooked({"keep": "clear"}, DAILY)
    assert (collection.stack_dtype, collection.read_dtype) == ("int16", "int32")
    given = {
        "bands": {"a": "A"}, "band_dtype": {"a": "int32"}, "chosen": ["a"], "nodata": -1,
        "qa_bits": {"Q": {"0": "bad"}}, "recipe": {"mask": ["bad"]},
    }  # fmt: skip
    given |= {"bands": {"a": "A", "q": "Q"}, "band_dtype": {"a": "int32", "q": "uint32"}}
    assert resolve("A/B", {"A/B": {**given, "qa": {"q": True}}}).read_dtype == "float64"


@pytest.mark.parametrize(
    ("recipe", "collection", "settings", "words"),
    [
        ({"mask": ["clouds"]}, L8, {}, "recipe: no pixel is said to be 'clouds'; the nearest"),
        ({"mask": ["cloud"]}, S1, {}, "cedar knows no bits or classes of it"),
        ({"keep": "clear"}, S1, {}, "keep: cedar doesn't know which of its pixels are clear"),
        ({"keep": "clear"}, NBAR, {}, "which of its pixels are clear: use `mask`"),
        ({"keep": "cloudy"}, L8, {}, "recipe, keep: 'cloudy' is not one of"),
        ({"composite": "mean"}, L8, {}, "recipe, composite: 'mean' is not one of"),
        ({"count": True}, L8, {}, "count goes with a composite that is a median or medoid"),
        ({"composite": "count", "count": True}, L8, {}, "count goes with"),
        ({"composite": "count", "indices": ["NDVI"]}, L8, {}, "makes one band, so indices have no"),
        ({"indices": ["NDVI", "NDVI"]}, L8, {}, "index NDVI is there twice"),
        ({"indices": [{"name": "red", "formula": "N"}]}, L8, {}, "index red: a band has that name"),
        ({"indices": [{"name": "count", "formula": "N"}]}, L8, {}, "a band has that name"),
        ({"indices": [{"name": "a b", "formula": "N"}]}, L8, {}, "a name has letters, digits"),
        ({"indices": [{"formula": "N"}]}, L8, {}, "recipe, indices"),
        ({"colour": 1}, L8, {}, "unknown key 'colour'"),
        ({"composite": "median"}, L8, {"bands": ["qa"]}, "all chosen bands are of bits or classes"),
        ({"indices": ["NDVI"]}, S2, {"nodata": 0}, "the nodata value 0 is a valid value of blue"),
        ({"drop_empty": True}, S2, {"nodata": 0}, "what is missing can't be told"),
        ({"mask": ["water"]}, S2, {"nodata": 0}, "valid value of blue, so what is missing can't"),
        ({"keep": "clear"}, S2, {"nodata": 4}, "keep: the nodata value 4 is a valid value of scl"),
        ({"keep": "clear"}, HLS, {"nodata": 64}, "what isn't known to be clear can't be told"),
        (
            {"keep": "clear"},
            "A/B",
            {
                "bands": ["a", "b"],
                "dtype": "uint8",
                "nodata": 0,
                "qa_bits": {"a": {"0": "clear", "1": "cloud"}},
                "qa_classes": ["a"],
                "unclear": ["cloud"],
            },
            "keep: the nodata value 0 is a valid value of a",
        ),
        (
            {"composite": "count"},
            "A/B",
            {"bands": ["a"], "dtype": "uint8", "nodata": 255},
            "nodata 255 may be a number of observations",
        ),
        (
            {"mask": ["bad"]},
            "A/B",
            {"bands": ["a"], "dtype": "uint8", "nodata": 0, "qa_bits": {"Q": {"0": "bad"}}},
            "mask: Q says that, which isn't among its bands",
        ),
    ],
)
def test_what_doesnt_go_together_is_an_error_in_one_line(recipe, collection, settings, words):
    with pytest.raises(InputError, match=words) as error:
        cooked(recipe, collection, **settings)
    assert str(error.value).startswith(f"collection {collection}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bits", ["a", "3-", "-3", "3 ", ""])
def test_bits_are_numbers(bits):
    with pytest.raises(InputError, match="a bit or class"):
        cooked({}, qa_bits={"QA_PIXEL": {bits: "cloud"}})


def test_a_recipe_says_what_it_makes():
    assert str(cooked(EVERYTHING).recipe) == (
        "masked: cloud confidence=high, snow; clear pixels only; with NDVI, SR; the medoid of a "
        "period, and of how many observations; layers without pixels left out"
    )
    assert str(Recipe(composite="count")) == "how many observations a period has"
