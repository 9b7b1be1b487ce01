"""How documents look: what fits into a line is on one, and long lists are an element a line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.metadata.document import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=120) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=200,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=10), VALUES))
def test_what_is_written_reads_back_the_same(document):
    assert json.loads(json_text(document)) == document


def test_what_fits_into_a_line_is_on_one():
    bands = [{"name": "red", "native": "SR_B4"}, {"name": "nir", "scale": 2.75e-05, "offset": -1}]
    assert json_text({"size": [300, 250], "image": {"bands": bands, "dtype": "uint16"}}) == (
        '{\n "size": [300, 250],\n "image": {\n  "bands": [\n'
        '   {"name": "red", "native": "SR_B4"},\n'
        '   {"name": "nir", "scale": 2.75e-05, "offset": -1}\n  ],\n'
        '  "dtype": "uint16"\n }\n}'
    )


def test_elements_of_a_long_list_are_a_line_each():
    entries = [{"name": f"{number}" * 50, "states": ["READY"] * 9} for number in range(101)]
    lines = json_text({"orders": entries}).splitlines()
    assert lines[:2] + lines[-2:] == ["{", ' "orders": [', " ]", "}"]
    assert [json.loads(line.rstrip(",")) for line in lines[2:-2]] == entries


def test_an_empty_document_is_one():
    assert json_text({}) == "{}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        json_text({"value": value})
