"""Bits and classes as CF says them."""

from __future__ import annotations

import numpy as np
import pytest

from cedar.cubes.bands import _are_classes
from cedar.cubes.flags import flag_attributes
from cedar.sensors import known


def said(flags, dtype="uint16", classes=False):
    attributes = flag_attributes(flags, classes, dtype)
    meanings = attributes["flag_meanings"].split(" ")
    masks = attributes.get("flag_masks", [None] * len(meanings))
    values = attributes.get("flag_values", masks)
    numbers = [each for key, each in attributes.items() if key in ("flag_masks", "flag_values")]
    assert all(each.dtype == dtype for each in numbers)
    return [*zip(masks, values, meanings, strict=True)]


def test_single_bits_are_masks():
    flags = {"0": "fill", "3": "cloud", "6": "clear: neither cloud nor dilated cloud"}
    assert "flag_values" not in flag_attributes(flags, False, "uint16")
    assert said(flags) == [
        (1, 1, "fill"),
        (8, 8, "cloud"),
        (64, 64, "clear_neither_cloud_nor_dilated_cloud"),
    ]


def test_numbers_of_several_bits_are_told_apart():
    assert said({"1": "cloud", "6-7": "aerosol: 0 climatology, 1 low, 2 moderate, 3 high"}) == [
        (2, 2, "cloud"),
        (192, 0, "aerosol_climatology"),
        (192, 64, "aerosol_low"),
        (192, 128, "aerosol_moderate"),
        (192, 192, "aerosol_high"),
    ]


def test_a_comma_inside_a_meaning_is_no_end_of_it():
    assert said({"0-1": "cloud state: 0 clear, 2 mixed, 3 not set, assumed clear"}) == [
        (3, 0, "cloud_state_clear"),
        (3, 2, "cloud_state_mixed"),
        (3, 3, "cloud_state_not_set_assumed_clear"),
    ]


def test_numbers_without_a_name_for_all_of_them():
    assert said({"0": "0 full BRDF inversion, 1 magnitude inversion"}, "uint8") == [
        (1, 0, "full_BRDF_inversion"),
        (1, 1, "magnitude_inversion"),
    ]


def test_several_bits_whose_numbers_mean_nothing_by_themselves():
    assert said({"2-3": "level"}) == [(12, 4, "level_1"), (12, 8, "level_2"), (12, 12, "level_3")]


def test_values_are_in_the_list_once_and_the_comment_has_them_all():
    flags = {"0-1": "cloud: 0 none, 1 low", "2-3": "snow: 0 none, 3 high"}
    assert said(flags) == [(3, 1, "cloud_low"), (12, 12, "snow_high")]
    assert flag_attributes(flags, False, "uint16")["comment"] == (
        "bits 0-1: cloud: 0 none, 1 low; 2-3: snow: 0 none, 3 high"
    )


def test_classes_are_values():
    flags = {"1": "saturated or defective", "7": "cloud of low probability, or unclassified"}
    assert said(flags, "uint8", classes=True) == [
        (None, 1, "saturated_or_defective"),
        (None, 7, "cloud_of_low_probability_or_unclassified"),
    ]


def test_what_the_type_cannot_hold_is_left_out():
    assert said({"14": "low", "15": "high"}, "int16") == [(2**14, 2**14, "low")]
    assert flag_attributes({"15": "high"}, False, "int16") == {}


QA = [
    (collection, band)
    for collection in known().values()
    for band in collection.bands
    if collection.qa_bits.get(band.native)
]


@pytest.mark.parametrize(("collection", "band"), QA, ids=[f"{c.id} {b.name}" for c, b in QA])
def test_every_flag_of_every_collection_is_one_word_of_its_own(collection, band):
    flags = collection.qa_bits[band.native]
    classes = _are_classes(flags, band.valid_range)
    assert classes == (band.name == "scl")
    found = said(flags, "int32", classes)
    meanings = [meaning for *_, meaning in found]
    assert len({*meanings}) == len(meanings) >= len(flags)
    assert all(mask is None or value & ~mask == 0 for mask, value, _ in found)
    assert len({value for _, value, _ in found}) == len(found)
    assert np.all([value >= 0 for _, value, _ in found])
