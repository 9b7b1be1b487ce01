"""The page of collections has what the data say."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

import cedar.sensors
from cedar.sensors import known, resolve

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "sensors.rst").read_text("utf-8")


@pytest.fixture(scope="module")
def reference():
    """The extension that makes the tables."""
    path = DOCS / "_ext" / "sensors_reference.py"
    spec = importlib.util.spec_from_file_location("sensors_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_sensor_is_on_the_page():
    modules = {each.name for each in pkgutil.iter_modules(cedar.sensors.__path__)}
    assert set(re.findall(r"^\.\. sensors:: (\w+)$", PAGE, re.MULTILINE)) == modules - {
        "bands",
        "base",
        "cooking",
        "custom",
        "merged",
    }


@pytest.mark.parametrize("collection", known().values(), ids=known())
def test_a_section_has_every_band_with_what_is_known_of_it(reference, collection):
    text = "\n".join(reference.section(collection))
    assert text.startswith(collection.id)
    for band in collection.bands:
        low, high = band.valid_range or (None, None)
        shown = "not documented" if low is None else f"{low:g} to {high:g}"
        row = text[text.index(f"- ``{band.name}``\n") :].split("* -")[0]
        assert f"- ``{band.native}``\n" in row
        assert f"- {band.dtype}\n" in row
        assert f"- {shown}\n" in row
    for bits in collection.qa_bits.values():
        assert all(f"- {bit}: {meaning}" in text for bit, meaning in bits.items())
    assert all(f"{meaning}" in text for meaning in collection.unclear)
    assert ("Clear" in text) == bool(collection.unclear)
    assert collection.source in text
    assert f"nodata {collection.nodata:g};" in text
    for band in collection.bands:
        joined = f"``{band.name}`` is joined from ``{band.joined}``; in files {band.file_dtype}"
        assert (joined in text) == (band.joined is not None)
    assert (collection.cloud_property or "no property") in text


def test_the_settings_on_the_page_can_be_used():
    """Each makes the file smaller, or names what else there is."""
    examples = [
        yaml.safe_load(textwrap.dedent(block))["collections"]
        for block in re.findall(r"code-block:: yaml\n\n((?:    .*\n|\n)+)", PAGE)
    ]
    assert len(examples) == 2
    for settings in examples:
        for collection_id in settings:
            collection = resolve(collection_id, settings)
            encoded = [band for band in collection.stack_bands if band.encoding]
            assert encoded
            assert np.dtype(collection.stack_dtype).kind in "iu"
