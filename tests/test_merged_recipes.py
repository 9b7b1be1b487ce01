"""Recipes of merged collections: each layer is masked by its own member's bits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from cooking import median, whole
from test_merged_orders import (
    LANDSAT,
    LC08,
    LC09,
    LE07,
    LT05,
    THREE,
    assert_is_the_reference,
    documents,
    expected,
    members_of,
    tracker_in,
)

from cedar.exceptions import InputError
from cedar.sensors import definition, resolve

#: Bits of cloud and its shadow, and of cirrus, which only the later satellites know.
CLOUD, CIRRUS = 1 << 3 | 1 << 4, 1 << 2
LATER = (LC08, LC09)
RED_NIR = ["red", "nir", "qa"]


def cooked(recipe, bands=RED_NIR):
    return {"landsat": {**LANDSAT["landsat"], "bands": bands, "recipe": recipe}}


def made(directory, recipe, bands=RED_NIR, when=THREE):
    """An order that has come: its metadata, its pixels, and what they are without a recipe."""
    tracker = tracker_in(directory, collections=cooked(recipe, bands))
    name, _ = tracker.submit("landsat", (0, 0), *when)
    record = tracker.watch(name)
    assert record.complete, record.states
    (entry,), (metadata,) = record.orders, documents(tracker, name)
    with rasterio.open(tracker.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        pixels = file.read()
        assert [*file.descriptions] == metadata.band_names
    return tracker, metadata, pixels


def layers_of(metadata, bands=RED_NIR):
    """What each group has of some bands, without any recipe."""
    plain = resolve("landsat", {"landsat": {**LANDSAT["landsat"], "bands": bands}})
    forms = {"bands": [{"name": name} for name in bands], "groups": metadata.groups}
    return [*expected(plain, type("Plain", (), forms))]


def is_bad(member, qa, later=0, always=CLOUD):
    bits = always | (later if member in LATER else 0)
    return (qa & bits) != 0


def test_each_layer_is_masked_by_what_its_own_member_says(tmp_path):
    recipe = {"mask": ["cloud", "cloud shadow", "cirrus, high confidence"]}
    _, metadata, pixels = made(tmp_path, recipe, when=("2022-05-01", "2022-08-01"))
    wanted, masked = [], {}
    for group, (red, nir, qa) in zip(metadata.groups, layers_of(metadata), strict=True):
        member = group["collection"]
        bad = is_bad(member, qa, CIRRUS)
        masked[member] = masked.get(member, 0) + bad.sum()
        wanted += [np.where(bad, 0, red), np.where(bad, 0, nir), qa]
    assert np.array_equal(pixels, np.array(wanted))
    assert set(members_of(metadata)) == {LE07, LC08, LC09}
    assert all(masked.values())


def test_members_have_tests_of_their_own_bits(tmp_path):
    recipe = {"mask": ["cloud", "cirrus, high confidence"]}
    _, metadata, _ = made(tmp_path, recipe, ["red"])
    image = metadata["image"]
    bits = {each: {test["bits"] for test in m["tests"]} for each, m in image["members"].items()}
    assert bits == {LT05: {"3"}, LE07: {"3"}, LC08: {"2", "3"}, LC09: {"2", "3"}}
    assert image["recipe"]["tests"] == []
    # The band is read though it isn't in the file.
    assert [band["name"] for band in image["bands"]] == ["red"]
    assert {"qa"} <= {band["name"] for band in image["members"][LE07]["bands"]}


def test_only_what_each_member_calls_clear_is_kept(tmp_path):
    _, metadata, pixels = made(tmp_path, {"keep": "clear"})
    wanted = []
    for group, (red, nir, qa) in zip(metadata.groups, layers_of(metadata), strict=True):
        bad = is_bad(group["collection"], qa, CIRRUS, CLOUD | 1 | 1 << 1) | (qa == 0)
        wanted += [np.where(bad, 0, red), np.where(bad, 0, nir), qa]
    assert np.array_equal(pixels, np.array(wanted))


def test_a_composite_is_of_all_members(tmp_path):
    recipe = {"mask": ["cloud"], "composite": "median"}
    _, metadata, pixels = made(tmp_path, recipe, ["red", "nir"])
    read = layers_of(metadata)
    bad = np.array([(qa & 1 << 3) != 0 for _, _, qa in read])
    for number, found in enumerate(pixels):
        values = np.array([layer[number] for layer in read])
        wanted = whole(median(np.ma.masked_array(values, bad | (values == 0))), "uint16", 0)
        assert np.array_equal(found, wanted)


def test_layers_that_masks_leave_nothing_of_are_left_out(tmp_path):
    recipe = {"mask": ["cloud"], "drop_empty": True}
    _, metadata, _ = made(tmp_path, recipe, ["red"])
    plain = tracker_in(tmp_path / "plain")
    name, _ = plain.submit("landsat", (0, 0), *THREE)
    before = documents(plain, name)[0]

    def left(groups):
        found = {}
        for group, (red, _, qa) in zip(groups.groups, layers_of(groups), strict=True):
            there = ((red != 0) & ((qa & 1 << 3) == 0)).any()
            found[group["collection"], group["time"]] = bool(there)
        return found

    assert [key for key, there in left(before).items() if there] == [*left(metadata)]
    assert not all(left(before).values())


def test_an_index_is_of_whichever_member_a_layer_is(tmp_path):
    index = {"name": "NDVI", "formula": "(N - R) / (N + R)", "of": {"N": "nir", "R": "red"}}
    index |= {"scale": 0.0001, "offset": -1.0}
    _, metadata, pixels = made(tmp_path, {"indices": [index]}, ["red"])
    assert [band["name"] for band in metadata.bands] == ["red", "NDVI"]
    for number, (red, nir, _) in enumerate(layers_of(metadata)):
        physical = [2.75e-05 * each.astype(float) - 0.2 for each in (red, nir)]
        with np.errstate(divide="ignore", invalid="ignore"):
            ndvi = (physical[1] - physical[0]) / (physical[1] + physical[0])
        found = pixels[2 * number + 1]
        there = (red != 0) & (nir != 0) & (np.abs(ndvi) < 1)
        assert np.abs(found[there] * 0.0001 - 1 - ndvi[there]).max() < 0.0001
        assert (found[(red == 0) | (nir == 0)] == 0).all()


def test_a_record_says_the_recipe_and_makes_the_same_collection():
    collection = resolve("landsat", cooked({"mask": ["cloud", "snow"], "keep": "clear"}))
    said = json.loads(json.dumps(definition(collection)))
    assert resolve("landsat", {"landsat": said}) == collection


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"mask": ["clouds"]}, "no member says of a pixel that it is 'clouds'; the nearest is"),
        ({"indices": [{"name": "X", "formula": "a + b", "of": {"a": "rad", "b": "red"}}]}, "index"),
    ],
)
def test_a_recipe_that_no_member_can_have_is_refused(recipe, message):
    with pytest.raises(InputError, match=f"collection landsat: .*{message}"):
        resolve("landsat", cooked(recipe))


def test_a_members_own_recipe_is_of_its_own_files():
    settings = {**LANDSAT, LC08: {"recipe": {"mask": ["cloud"]}}}
    assert resolve("landsat", settings) == resolve("landsat", LANDSAT)


def test_without_a_recipe_all_is_as_ever(tmp_path):
    tracker, *_ = made(tmp_path, {}, LANDSAT["landsat"]["bands"])
    (name,) = tracker.list()
    assert_is_the_reference(tracker, name)
