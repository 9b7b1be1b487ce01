"""What bands of bits and classes say, by words."""

import pytest

from cedar.exceptions import InputError
from cedar.recipes import tests as told_by
from cedar.recipes.flags import Test as Asked
from cedar.recipes.flags import named, span
from cedar.sensors import known

BITS = {
    "QA": {
        "0": "fill",
        "6": "clear: neither cloud nor haze",
        "8-9": "confidence: 0 none, 1 low, 2 medium, not high, 3 high",
        "10-11": "quality",
        "12": "0 full inversion, 1 magnitude inversion",
    },
    "SCL": {"3": "cloud shadow", "9": "cloud", "10": "fill"},
}


def test_every_meaning_has_a_name():
    assert named(BITS, ["SCL"]) == {
        "fill": [("QA", "0", 1), ("SCL", None, 10)],
        "clear: neither cloud nor haze": [("QA", "6", 1)],
        "clear": [("QA", "6", 1)],
        "confidence=none": [("QA", "8-9", 0)],
        "confidence=0": [("QA", "8-9", 0)],
        "confidence=low": [("QA", "8-9", 1)],
        "confidence=1": [("QA", "8-9", 1)],
        "confidence=medium, not high": [("QA", "8-9", 2)],
        "confidence=2": [("QA", "8-9", 2)],
        "confidence=high": [("QA", "8-9", 3)],
        "confidence=3": [("QA", "8-9", 3)],
        **{f"quality={value}": [("QA", "10-11", value)] for value in range(4)},
        "full inversion": [("QA", "12", 0)],
        "magnitude inversion": [("QA", "12", 1)],
        "cloud shadow": [("SCL", None, 3)],
        "cloud": [("SCL", None, 9)],
    }


def test_what_is_asked_of_the_same_bits_is_one_test():
    meanings = ["cloud", "confidence=high", "fill", "cloud shadow", "confidence=low"]
    assert told_by(meanings, BITS, ["SCL"]) == (
        Asked("SCL", None, (3, 9, 10)),
        Asked("QA", "8-9", (1, 3)),
        Asked("QA", "0", (1,)),
    )
    assert told_by([], BITS, []) == ()


def test_what_nobody_says_is_an_error_that_names_the_nearest():
    with pytest.raises(InputError, match="no pixel is said to be 'clouds'; the nearest is 'cloud'"):
        told_by(["clouds"], BITS, ["SCL"])
    with pytest.raises(InputError, match="cedar knows no bits or classes of it: set `qa_bits`"):
        told_by(["cloud"], {}, [])


def test_bits_are_from_the_first_to_the_last():
    assert (span("8-9"), span("3")) == ((8, 9), (3, 3))


@pytest.mark.parametrize("collection", known().values(), ids=known())
def test_what_is_unclear_is_said_by_a_band_of_the_collection(collection):
    found = told_by(collection.unclear, collection.qa_bits, collection.qa_classes)
    natives = {band.native for band in collection.bands if band.qa}
    assert {test.native for test in found} <= natives
    assert set(collection.qa_classes) <= natives
    assert len(found) > 0 or not collection.unclear
