"""Encodings of bands: what settings make of them, and what a file holds then."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cedar.exceptions import InputError
from cedar.sensors import definition, known, resolve
from cedar.sensors.base import Band, Encoding

L30, S1 = "NASA/HLS/HLSL30/v002", "COPERNICUS/S1_GRD"
S2, NBAR = "COPERNICUS/S2_SR_HARMONIZED", "MODIS/061/MCD43A4"
OWN = "EXAMPLE/REFLECTANCE"
OWN_SETTINGS = {"bands": {"red": "B4", "nir": "B8"}, "dtype": "float32", "nodata": -9999}
TENTHS = {"scale": 0.0001, "dtype": "int16"}
SHIFTED = TENTHS | {"offset": -0.5}
HUNDREDTHS = {"scale": 0.01, "dtype": "int16"}


def hls(**settings):
    encode = dict.fromkeys(("blue", "green", "red", "nir", "swir1", "swir2"), TENTHS)
    return resolve(L30, {L30: {"encode": encode | {"thermal": HUNDREDTHS}, **settings}})


def own(**settings):
    return resolve(OWN, {OWN: OWN_SETTINGS | settings})


def test_encoded_floats_make_a_file_of_half_the_bytes_without_consent():
    collection = hls(allow_widening=False, bands=["blue", "thermal"])
    assert (collection.stack_dtype, collection.stack_bytes) == ("int16", (4, 4))
    assert known()[L30].stack_dtype == "float32"


def test_the_file_has_the_smallest_type_that_holds_what_is_encoded_and_what_is_not():
    assert hls().stack_dtype == "int16"
    assert hls().stack_bytes == (15, 16)
    assert resolve(L30, {L30: {"encode": {"blue": TENTHS}}}).stack_dtype == "float32"
    # It was its classes that needed to be told a type.
    assert resolve(NBAR, {NBAR: {"encode": {"red": TENTHS}}}).stack_dtype == "int16"


def test_a_type_that_is_given_stays_the_files():
    assert hls(dtype="int32", allow_widening=True).stack_dtype == "int32"
    with pytest.raises(InputError, match=r"encode, blue: int16 doesn't fit the file's uint8"):
        hls(dtype="uint8", nodata=255)


def test_a_new_collections_type_is_that_of_its_bands():
    collection = own(encode={"red": TENTHS, "nir": TENTHS})
    assert {band.dtype for band in collection.bands} == {"float32"}
    assert collection.stack_dtype == "int16"
    assert own(encode={"red": TENTHS}, allow_widening=True).stack_dtype == "float32"


def test_what_is_not_encoded_is_as_it_was():
    assert own().band("red") == Band("red", "B4", "float32")
    one = own(encode={"B4": TENTHS}, allow_widening=True)
    assert one.band("nir") == Band("nir", "B8", "float32")
    assert one.band("red").encoding == Encoding(0.0001, "int16")


def test_a_widening_of_what_is_encoded_needs_consent():
    wide = {"red": TENTHS, "nir": {"scale": 0.0001, "dtype": "uint16"}}
    with pytest.raises(InputError, match="take 4 bytes, and 8 in one file of int32"):
        own(encode=wide)
    assert own(encode=wide, allow_widening=True).stack_dtype == "int32"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encode": {"rde": TENTHS}}, "has no band 'rde'; the nearest is 'red'"),
        ({"encode": {"red": {"scale": 0.1}}}, "encode, red: lacks 'dtype'"),
        ({"encode": {"red": {"dtype": "int16"}}}, "encode, red: lacks 'scale'"),
        ({"encode": {"red": TENTHS | {"scale": 0}}}, "scale: 0 is not above 0"),
        ({"encode": {"red": TENTHS | {"scale": -1}}}, "scale: -1 is not above 0"),
        ({"encode": {"red": TENTHS | {"dtype": "float32"}}}, "'float32' is not one of"),
        ({"encode": {"red": TENTHS | {"ofset": 1}}}, "unknown key 'ofset'"),
        ({"encode": {"red": TENTHS | {"offset": float("inf")}}}, "a number isn't finite"),
        (
            {"encode": {"red": TENTHS}, "valid_range": {"red": [0, 4]}},
            "encode, red: its valid range would be 0 to 40000, more than int16 holds",
        ),
        (
            {"encode": {"red": TENTHS | {"dtype": "uint16"}}, "valid_range": {"red": [-0.2, 1]}},
            "encode, red: its valid range would be -2000 to 10000, more than uint16 holds",
        ),
    ],
)
def test_an_encoding_that_makes_no_sense_is_refused_in_words(settings, message):
    with pytest.raises(InputError, match=f"collection {OWN}: .*{message}") as caught:
        own(**settings)
    assert "\n" not in str(caught.value)


def test_bits_and_classes_are_not_encoded():
    with pytest.raises(InputError, match="encode, qa: bits and classes aren't quantities"):
        resolve(L30, {L30: {"encode": {"qa": {"scale": 1, "dtype": "uint8"}}}})


@pytest.mark.parametrize(
    ("band", "nodata", "wanted"),
    [
        (Band("a", "A", "float32"), 0, None),
        (Band("a", "A", "float32", (0, 1)), 0, (0, 1)),
        (Band("a", "A", "float32", encoding=Encoding(0.1, "uint8")), 0, None),
        (Band("a", "A", "float32", (0, 1), encoding=Encoding(0.01, "uint8")), 255, (0, 100)),
        (Band("a", "A", "float32", (0, 1), encoding=Encoding(0.01, "uint8")), 0, (1, 100)),
        (Band("a", "A", "float32", (0, 1), encoding=Encoding(0.01, "uint8")), 100, (0, 99)),
        (Band("a", "A", "float32", (-1, 0), encoding=Encoding(0.01, "int8")), -100, (-99, 0)),
        # Digital numbers as reflectance, by another offset.
        (
            Band("a", "A", "uint16", (1, 65455), 2.75e-5, -0.2, encoding=Encoding(0.0001, "int16")),
            -32768,
            (-2000, 16000),
        ),
        (
            Band("a", "A", "int16", (-10, 10), -0.1, encoding=Encoding(0.1, "uint8", -1.0)),
            255,
            (0, 20),
        ),
    ],
)
def test_a_valid_range_is_of_the_files_numbers_and_never_has_nodata_at_an_end(band, nodata, wanted):
    assert band.file_range(nodata) == wanted


def test_an_encoded_band_is_never_nodata():
    collection = own(
        nodata=0, encode={"red": TENTHS, "nir": TENTHS}, valid_range={"red": [0, 1], "nir": [0, 1]}
    )
    assert collection.nodata_in_valid_range == ()
    with pytest.raises(InputError, match="the nodata value 0 is a valid value of nir"):
        own(
            nodata=0,
            encode={"red": TENTHS},
            valid_range={"red": [0, 1], "nir": [0, 1]},
            allow_widening=True,
        )


def test_a_definition_keeps_encodings_and_what_is_joined():
    for collection in (hls(), known()[S2], own(bands=["red"], encode={"red": SHIFTED})):
        stored = json.loads(json.dumps(definition(collection)))
        assert resolve(collection.id, {collection.id: stored}) == collection


def test_a_definition_of_before_there_were_encodings_still_resolves():
    stored = definition(known()[L30])
    for key in ("encode", "joined", "cloud", "cloud_property"):
        del stored[key]
    collection = resolve(L30, {L30: stored})
    assert collection.bands == known()[L30].bands
    assert (collection.cloud, collection.cloud_property) == (None, None)


def test_one_scale_for_all_bands_leaves_what_is_joined_alone():
    collection = resolve(S2, {S2: {"scale": 0.5}})
    assert (collection.band("red").scale, collection.band("cs").scale) == (0.5, 1.0)


def test_scores_fit_into_the_file_of_reflectances():
    collection = resolve(S2, {S2: {"bands": ["red", "cs"]}})
    assert collection.joins == ("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",)
    assert known()[S2].joins == ()
    assert (collection.stack_dtype, collection.stack_bytes) == ("uint16", (4, 4))
    assert collection.band("cs").file_range(collection.nodata) == (0, 10_000)
    assert np.isclose(collection.band("cs").file_scale[0], 1 / 10_000)
