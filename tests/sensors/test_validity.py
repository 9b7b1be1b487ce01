"""A nodata value that a band may have is told from its values by another band of the stack."""

from __future__ import annotations

import pytest

from cedar.exceptions import InputError
from cedar.sensors import definition, known, resolve

LC08 = "LANDSAT/LC08/C02/T1_L2"
OWN = "EXAMPLE/LC08/DN"
BANDS = {"red": "B4", "count": "N", "clear": "C"}
SETTINGS = {"bands": BANDS, "dtype": "uint16", "nodata": 0, "valid_range": {"count": [0, 9]}}


def own(**changes):
    return resolve(OWN, {OWN: SETTINGS | changes})


@pytest.mark.parametrize("collection", known().values(), ids=known())
def test_defaults_of_every_collection_tell_nodata_from_values(collection):
    collection.check_validity()
    assert collection.nodata_in_valid_range == ()


@pytest.mark.parametrize("collection", known().values(), ids=known())
def test_every_validity_band_tells_what_its_collections_nodata_is(collection):
    for band in collection.bands:
        if band.native == collection.validity:
            assert band.valid_range is not None
            assert not band.may_be(collection.nodata)
            # It is enough to choose it.
            every = [each.name for each in collection.bands]
            given = {"bands": every, "allow_widening": True}
            assert resolve(collection.id, {collection.id: given}).chosen == tuple(every)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, "tells which it is: set another `nodata`, or a `valid_range` without it$"),
        ({"validity": "QA"}, "which it is: add QA to `bands`, set another `nodata`"),
        ({"validity": "C"}, "which it is: say the `valid_range` of clear, set another"),
        (
            {"validity": "C", "valid_range": {"count": [0, 9], "clear": [0, 1]}},
            "valid value of count, clear, and no chosen band tells which it is: set another",
        ),
        # The bands that tell nothing themselves.
        ({"validity": "N"}, "valid value of count, and no chosen band tells which it is: set"),
    ],
)
def test_what_can_not_be_told_is_refused_with_what_to_do(changes, advice):
    with pytest.raises(InputError, match=f"the nodata value 0 is a .*{advice}") as caught:
        own(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"nodata": 65535},
        {"valid_range": {"count": [1, 9]}},
        {"valid_range": {}},
        {"validity": "C", "valid_range": {"count": [0, 9], "clear": [1, 255]}},
    ],
)
def test_each_piece_of_advice_helps(changes):
    assert own(**changes).nodata_in_valid_range == (("count",) if "validity" in changes else ())


def test_a_validity_band_has_to_be_chosen():
    with pytest.raises(InputError, match="choose qa too, set another"):
        resolve(LC08, {LC08: {"bands": ["red", "radsat"]}})
    assert resolve(LC08, {LC08: {"bands": ["radsat", "qa"]}}).nodata_in_valid_range == ("radsat",)


def test_a_record_of_when_it_was_a_warning_still_resolves():
    stored = definition(resolve(LC08, {LC08: {"bands": ["radsat", "qa"]}}))
    stored["chosen"] = ["radsat"]
    del stored["valid_range"]["qa"]
    assert resolve(LC08, {LC08: stored}).nodata_in_valid_range == ("radsat",)
