"""Spectral indices: by the list's names, by formulas, and what they are in a file."""

import sys

import pytest
import spyndex

from cedar.exceptions import InputError
from cedar.recipes import Index
from cedar.recipes.indices import BANDS, define
from cedar.sensors import known

ALL = sorted({name for names in BANDS.values() for name in names})


def test_an_index_is_the_lists_with_its_constants_in_it():
    evi = define("EVI", ALL, "float32")
    assert evi == Index(
        "EVI",
        "2.5 * (N - R) / (N + 6.0 * R - 7.5 * B + 1.0)",
        {"B": "blue", "N": "nir", "R": "red"},
    )
    savi = define({"name": "SAVI", "constants": {"L": 0.5}}, ALL, "float32")
    assert savi.formula == "(1.0 + 0.5) * (N - R) / (N + R + 0.5)"


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        ("uint8", 0.01, -1.28),
        ("int8", 0.01, 0),
        ("uint16", 0.0001, -3.2768),
        ("int16", 0.0001, 0),
        ("int32", 0.0001, 0),
        ("float32", 1, 0),
        ("float64", 1, 0),
    ],
)
def test_its_numbers_have_nought_in_the_middle_of_the_files_type(dtype, scale, offset):
    index = define("NDVI", ALL, dtype)
    assert (index.scale, index.offset) == pytest.approx((scale, offset))


def test_its_encoding_can_be_said():
    index = define({"name": "NDVI", "scale": 0.01, "offset": -1}, ALL, "uint8")
    assert (index.scale, index.offset) == (0.01, -1)
    assert define({"name": "NDVI", "scale": 0.5}, ALL, "uint8").offset == -64


def test_the_band_is_the_first_of_its_names_that_the_collection_has():
    index = {"name": "X", "formula": "N2 / N"}
    both, one = (define(index, names, "int16").of for names in (["nir", "nir_narrow"], ["nir"]))
    assert both == {"N": "nir", "N2": "nir_narrow"}
    assert one == {"N": "nir", "N2": "nir"}


def test_a_formula_of_ones_own_needs_no_list(monkeypatch):
    monkeypatch.setitem(sys.modules, "spyndex", None)
    given = {"name": "X", "formula": "k * vv / -vh ** 2", "of": {"vv": "vv", "vh": "vh"}}
    index = define({**given, "constants": {"k": 3}}, ["vv", "vh"], "float32")
    assert index == Index("X", "3.0 * vv / -vh ** 2", {"vh": "vh", "vv": "vv"})
    with pytest.raises(InputError, match=r"pip install 'cedar-eo\[indices\]', or give `formula`"):
        define("NDVI", ALL, "int16")
    with pytest.raises(InputError, match="it needs k, which is no band"):
        define(given, ["vv", "vh"], "int16")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("NDWIX", "index NDWIX: the list of indices hasn't it; the nearest is NDWI"),
        ("PSRI", "it needs the band rededge2, which the collection hasn't"),
        ("kNDVI", "it needs kNN, which is no band: give it in `constants` or `of`"),
        ({"name": "X", "formula": "N +"}, r"its formula 'N \+' can't be read"),
        ({"name": "X", "formula": "exp(N)"}, "has 'exp.N.': it may have numbers, names"),
        ({"name": "X", "formula": "N % R"}, "it may have numbers"),
        ({"name": "X", "formula": "N if R else B"}, "it may have numbers"),
        ({"name": "X", "formula": "N + True"}, "it may have numbers"),
        ({"name": "X", "formula": "N + 'a'"}, "it may have numbers"),
        ({"name": "X", "formula": "1 + 2"}, "names no band"),
        ({"name": "X", "formula": "N / (1 - 1)"}, "divides by 0"),
        ({"name": "X", "formula": "N + (-2) ** 0.5"}, "isn't a number"),
        ({"name": "X", "formula": "N * 10.0 ** 999"}, "isn't a number"),
        ({"name": "X", "formula": "N", "constants": {"k": 1}}, "has no constant 'k'"),
        ({"name": "X", "formula": "N", "of": {"N": "nyr"}}, "it needs the band nyr"),
        ({"name": "X", "formula": "N", "scale": 0}, "its scale of 0 isn't above 0"),
    ],
)
def test_what_cant_be_had_is_an_error(given, words):
    with pytest.raises(InputError, match=words):
        define(given, ["blue", "red", "nir"], "int16")


def test_a_file_of_floats_holds_an_index_as_it_is():
    assert define({"name": "NDVI", "scale": 1, "offset": 0}, ALL, "float32").scale == 1
    with pytest.raises(InputError, match="a file of float32 holds it as it is"):
        define({"name": "NDVI", "scale": 0.1}, ALL, "float32")


def test_our_names_are_bands_that_sensors_have():
    names = {band.name for each in known().values() for band in each.bands}
    assert set(ALL) <= names
    assert set(BANDS) <= set(spyndex.bands)


def test_most_of_the_list_can_be_had_of_sentinel_2():
    bands = [band.name for band in known()["COPERNICUS/S2_SR_HARMONIZED"].bands]
    found = 0
    for name in spyndex.indices:
        try:
            found += define(name, bands, "uint16").name == name
        except InputError:
            continue
    assert found > 150
