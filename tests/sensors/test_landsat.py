"""Landsat Collection 2, as data."""

import datetime as dt

import pytest

from cedar.sensors import known, resolve

LANDSAT = [
    "LANDSAT/LC08/C02/T1_L2",
    "LANDSAT/LC09/C02/T1_L2",
    "LANDSAT/LE07/C02/T1_L2",
    "LANDSAT/LT04/C02/T1_L2",
    "LANDSAT/LT05/C02/T1_L2",
]


def test_the_five_collections_are_known():
    assert [each for each in known() if each.startswith("LANDSAT/")] == LANDSAT


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_one_name_is_one_wavelength_in_every_collection(collection_id):
    natives = {band.name: band.native for band in resolve(collection_id).stack_bands}
    tm = {
        "blue": "SR_B1",
        "green": "SR_B2",
        "red": "SR_B3",
        "nir": "SR_B4",
        "swir1": "SR_B5",
        "swir2": "SR_B7",
        "thermal": "ST_B6",
        "qa": "QA_PIXEL",
    }
    oli = {
        "blue": "SR_B2",
        "green": "SR_B3",
        "red": "SR_B4",
        "nir": "SR_B5",
        "swir1": "SR_B6",
        "swir2": "SR_B7",
        "thermal": "ST_B10",
        "qa": "QA_PIXEL",
    }
    assert natives == (oli if "/LC0" in collection_id else tm)
    assert list(natives) == list(tm), "a cube of several sensors has its bands in one order"


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_scaled_values_are_physical(collection_id):
    collection = resolve(collection_id)
    for name in ("blue", "green", "red", "nir", "swir1", "swir2"):
        band = collection.band(name)
        # The worked example of USGS, "How do I use a scale factor …".
        assert 18639 * band.scale + band.offset == pytest.approx(0.313, abs=5e-4)
    thermal = collection.band("thermal")
    assert 44947 * thermal.scale + thermal.offset == pytest.approx(302.6, abs=0.05)
    assert thermal.units == "K"


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_nodata_is_no_valid_value_of_the_default_bands(collection_id):
    collection = resolve(collection_id)
    assert (collection.nodata, collection.stack_dtype) == (0, "uint16")
    assert collection.nodata_in_valid_range == ()


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_nodata_is_named_where_it_is_a_valid_value(collection_id):
    chosen = resolve(collection_id, {collection_id: {"bands": ["red", "radsat"]}})
    assert chosen.nodata_in_valid_range == ("radsat",)


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_passes_can_be_told_apart_and_nights_left_out(collection_id):
    collection = resolve(collection_id)
    assert (collection.group_by, collection.night) == ("pass", False)
    assert set(collection.pass_properties) <= set(collection.properties)
    assert collection.night_rule == ("WRS_ROW", 122)


def test_dates_of_service_are_those_of_the_catalog():
    served = {each: (known()[each].service_start, known()[each].service_end) for each in LANDSAT}
    assert served == {
        "LANDSAT/LT04/C02/T1_L2": (dt.date(1982, 8, 22), dt.date(1993, 6, 24)),
        "LANDSAT/LT05/C02/T1_L2": (dt.date(1984, 3, 16), dt.date(2012, 5, 5)),
        "LANDSAT/LE07/C02/T1_L2": (dt.date(1999, 5, 28), dt.date(2024, 1, 19)),
        "LANDSAT/LC08/C02/T1_L2": (dt.date(2013, 3, 18), None),
        "LANDSAT/LC09/C02/T1_L2": (dt.date(2021, 10, 31), None),
    }


@pytest.mark.parametrize("collection_id", LANDSAT)
def test_only_oli_has_a_cirrus_bit(collection_id):
    bits = resolve(collection_id).qa_bits["QA_PIXEL"]
    assert ("2" in bits) == ("/LC0" in collection_id)
    assert bits["3"] == "cloud"
