"""What holds for every collection that cedar knows, and what is particular to each."""

import datetime as dt

import numpy as np
import pytest

from cedar.exceptions import InputError
from cedar.sensors import known, resolve

S2 = "COPERNICUS/S2_SR_HARMONIZED"
S1 = "COPERNICUS/S1_GRD"
SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
L30, S30 = "NASA/HLS/HLSL30/v002", "NASA/HLS/HLSS30/v002"
DAILY = ["MODIS/061/MOD09GA", "MODIS/061/MYD09GA"]
COMPOSITE, NBAR = "MODIS/061/MOD09A1", "MODIS/061/MCD43A4"
REFLECTANCES = ["blue", "green", "red", "nir", "swir1", "swir2"]

every = pytest.mark.parametrize("collection", known().values(), ids=known())
optical = pytest.mark.parametrize("collection_id", sorted(set(known()) - {S1, SCORES}))


def test_what_is_known():
    others = [each for each in known() if not each.startswith("LANDSAT/")]
    assert others == sorted([S1, S2, SCORES, L30, S30, *DAILY, COMPOSITE, NBAR])


@every
def test_nodata_is_no_value_of_the_default_stack(collection):
    assert collection.nodata_in_valid_range == ()
    assert np.dtype(collection.stack_dtype).type(collection.nodata) == collection.nodata


@every
def test_the_file_holds_every_valid_value_of_its_bands(collection):
    dtype = np.dtype(collection.stack_dtype)
    for band in collection.stack_bands:
        assert np.can_cast(band.file_dtype, dtype)
        for value in band.valid_range or ():
            assert dtype.type(value) == value
            assert np.dtype(band.dtype).type(value) == value


@every
def test_the_default_file_grows_by_less_than_a_third_and_only_where_it_may(collection):
    own, stacked = collection.stack_bytes
    assert stacked * 4 <= own * 5
    assert collection.allow_widening == (stacked > own)


@every
def test_a_collection_is_whole(collection):
    names, natives = zip(*((band.name, band.native) for band in collection.bands), strict=True)
    assert len(set(names)) == len(set(natives)) == len(names)
    assert [band.name for band in collection.bands if band.default] == sorted(
        collection.chosen, key=names.index
    )
    assert collection.validity in (None, *natives)
    assert set(collection.qa_bits) <= {band.native for band in collection.bands if band.qa}
    assert set(collection.pass_properties) <= set(collection.properties)
    assert (collection.group_by == "pass") == bool(collection.pass_properties)
    assert collection.source.endswith("/catalog/" + collection.id.replace("/", "_"))
    assert collection.title
    assert collection.service_start < (collection.service_end or dt.date.max)


@optical
def test_reflectances_are_called_alike_and_come_first(collection_id):
    assert list(known()[collection_id].chosen[:6]) == REFLECTANCES


@pytest.mark.parametrize(
    ("collection_id", "natives"),
    [
        (S2, "B2 B3 B4 B8 B11 B12"),
        (L30, "B2 B3 B4 B5 B6 B7"),
        (S30, "B2 B3 B4 B8A B11 B12"),
        (DAILY[0], "sur_refl_b03 sur_refl_b04 sur_refl_b01 sur_refl_b02 sur_refl_b06 sur_refl_b07"),
    ],
)
def test_a_name_is_one_part_of_the_spectrum(collection_id, natives):
    collection = known()[collection_id]
    assert [collection.band(name).native for name in REFLECTANCES] == natives.split()


def test_sentinel_2_keeps_the_zeros_of_dark_water():
    collection = known()[S2]
    assert (collection.nodata, collection.validity) == (65535, "SCL")
    assert collection.band("blue").valid_range == (0, 65534)
    assert collection.band("scl").qa
    assert collection.qa_bits["SCL"]["3"] == "cloud shadow"
    assert len(collection.qa_bits["SCL"]) == 11
    alone = resolve(S2, {S2: {"bands": ["scl"]}})
    assert (alone.stack_dtype, alone.nodata_in_valid_range) == ("uint16", ())
    zero = resolve(S2, {S2: {"nodata": 0}})
    assert zero.nodata_in_valid_range == tuple(REFLECTANCES)
    with pytest.raises(InputError, match="choose scl too"):
        resolve(S2, {S2: {"nodata": 0, "bands": ["blue"]}})


def test_sentinel_1_has_a_nodata_that_json_holds_and_no_angle_by_default():
    collection = known()[S1]
    assert collection.nodata == -9999
    assert collection.chosen == ("vv", "vh")
    with pytest.raises(InputError, match="isn't finite"):
        resolve(S1, {S1: {"nodata": float("nan")}})


@pytest.mark.parametrize("collection_id", [L30, S30])
def test_hls_is_reflectance_itself(collection_id):
    collection = known()[collection_id]
    assert {(band.scale, band.offset) for band in collection.bands} == {(1, 0)}
    assert collection.band("qa").native == "Fmask"
    assert collection.qa_bits["Fmask"]["1"] == "cloud"


@pytest.mark.parametrize("collection_id", [*DAILY, COMPOSITE])
def test_modis_state_needs_consent_beside_reflectance_and_its_own_nodata_alone(collection_id):
    both = {"bands": [*REFLECTANCES, "qa"]}
    with pytest.raises(InputError, match="allow_widening"):
        resolve(collection_id, {collection_id: both})
    wide = resolve(collection_id, {collection_id: both | {"allow_widening": True}})
    assert (wide.stack_dtype, wide.nodata_in_valid_range) == ("int32", ())
    with pytest.raises(InputError, match="nodata -28672 doesn't fit uint16"):
        resolve(collection_id, {collection_id: {"bands": ["qa"]}})
    alone = resolve(collection_id, {collection_id: {"bands": ["qa"], "nodata": 65535}})
    assert (alone.stack_dtype, alone.nodata_in_valid_range) == ("uint16", ())


def test_nbar_has_its_products_fill_value():
    collection = known()[NBAR]
    assert collection.nodata == 32767
    assert collection.band("red_qa").native == "BRDF_Albedo_Band_Mandatory_Quality_Band1"
    with_quality = resolve(NBAR, {NBAR: {"bands": ["red", "red_qa"], "allow_widening": True}})
    assert with_quality.stack_dtype == "int16"
