"""Landsat Collection 2, as data."""

import datetime as dt
from dataclasses import replace

import pytest

from cedar.exceptions import InputError
from cedar.sensors import known, resolve

LANDSAT = [
    "LANDSAT/LC08/C02/T1_L2",
    "LANDSAT/LC09/C02/T1_L2",
    "LANDSAT/LE07/C02/T1_L2",
    "LANDSAT/LT04/C02/T1_L2",
    "LANDSAT/LT05/C02/T1_L2",
]


SECOND_TIER = [each.replace("/T1_", "/T2_") for each in LANDSAT]
TOA = [each.replace("_L2", "_TOA") for each in (*LANDSAT, *SECOND_TIER)]


def test_both_levels_and_both_tiers_of_five_sensors_are_known():
    landsat = [each for each in known() if each.startswith("LANDSAT/")]
    assert landsat == sorted([*LANDSAT, *SECOND_TIER, *TOA])


@pytest.mark.parametrize(("one", "other"), list(zip(LANDSAT, SECOND_TIER, strict=True)))
def test_tiers_differ_in_what_they_are_called_and_when_they_were_taken(one, other):
    first, second = known()[one], known()[other]
    assert second.source == first.source.replace("T1_L2", "T2_L2")
    assert second.service_start <= first.service_start
    assert (
        replace(
            second,
            id=first.id,
            title=first.title,
            source=first.source,
            service_start=first.service_start,
            service_end=first.service_end,
        )
        == first
    )


@pytest.mark.parametrize("collection_id", TOA)
def test_toa_has_the_same_names_as_level_2_in_floats(collection_id):
    collection = known()[collection_id]
    level_2 = known()[collection_id.replace("_TOA", "_L2")]
    assert collection.chosen == level_2.chosen
    for band in collection.stack_bands[:6]:
        assert band.native == level_2.band(band.name).native.removeprefix("SR_")
    assert (collection.stack_dtype, collection.nodata) == ("float32", -9999)
    assert collection.stack_bytes == (30, 32)
    assert collection.band("thermal").units == "K"
    assert collection.nodata_in_valid_range == ()


@pytest.mark.parametrize(
    ("sensor", "thermal"),
    [("LT05", ["B6"]), ("LE07", ["B6_VCID_1", "B6_VCID_2"]), ("LC09", ["B10", "B11"])],
)
def test_toa_has_each_sensors_thermal_bands(sensor, thermal):
    bands = known()[f"LANDSAT/{sensor}/C02/T1_TOA"].bands
    assert [band.native for band in bands if band.units == "K"] == thermal


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
    chosen = resolve(collection_id, {collection_id: {"bands": ["red", "radsat", "qa"]}})
    assert chosen.nodata_in_valid_range == ("radsat",)
    with pytest.raises(InputError, match=r"is a valid value of radsat, .*: choose qa too, set"):
        resolve(collection_id, {collection_id: {"bands": ["red", "radsat"]}})
    alone = resolve(collection_id, {collection_id: {"bands": ["radsat"], "nodata": 65535}})
    assert alone.nodata_in_valid_range == ()


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
