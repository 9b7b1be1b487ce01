"""Bands that come from another collection: Cloud Score+ beside Sentinel-2's."""

from __future__ import annotations

import json

import pytest
from test_collections_orders import (
    S2,
    assert_is_the_reference,
    grid_of,
    metadata_of,
    ordered,
    pixels_of,
)

from cedar import LocalStore, Tracker
from cedar.cautions import of_items
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.sensors import resolve

SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
#: In these days one granule lacks its scores, and one that it overlaps has them.
LACKING = ("2020-05-18", "2020-05-24")
BANDS = {"bands": ["red", "scl", "cs", "cs_cdf"]}


def images_of(metadata):
    return [image for group in metadata.groups for image in group["images"]]


def tracker_of(directory, emulator=None, **settings):
    return Tracker(
        grid_of(S2),
        LocalStore(directory),
        engine=EarthEngine(emulator=emulator) if emulator else EarthEngine(url="emulator"),
        collections={S2: BANDS | settings},
    )


def test_scores_are_put_beside_the_image_that_has_their_index(tmp_path):
    tracker, entry, metadata = ordered(tmp_path, S2, LACKING, **BANDS)
    assert_is_the_reference(tracker, entry, metadata, resolve(S2, {S2: BANDS}))
    bands = {band["name"]: band for band in metadata.bands}
    assert bands["cs"] == {
        "name": "cs",
        "native": "cs",
        "scale": 0.0001,
        "offset": 0.0,
        "encoded": {"scale": 1.0, "offset": 0.0},
        "dtype": "uint16",
        "valid_range": [0, 10_000],
        "joined": SCORES,
    }
    assert "joined" not in bands["red"]
    pixels, names = pixels_of(tracker, entry)
    scores = [layer for layer, name in zip(pixels, names, strict=True) if "_cs" in name]
    assert all(((layer <= 10_000) | (layer == 65535)).all() for layer in scores)
    assert any((layer <= 10_000).any() for layer in scores)


def test_an_image_without_scores_says_so_and_has_nodata_there(tmp_path):
    tracker, entry, metadata = ordered(tmp_path, S2, LACKING, **BANDS)
    lacking = [image for image in images_of(metadata) if "missing" in image]
    assert 0 < len(lacking) < len(images_of(metadata))
    for image in images_of(metadata):
        if image in lacking:
            assert image["missing"] == ["cs", "cs_cdf"]
            assert "joined" not in image
        else:
            assert image["joined"][SCORES]["system:id"] == f"{SCORES}/{image['system:index']}"
            assert isinstance(image["joined"][SCORES]["system:version"], int)
    # It is on top of its neighbour, whose scores don't show through.
    pixels, names = pixels_of(tracker, entry)
    held = dict(zip(names, pixels, strict=True))
    (day,) = {g["date"] for g in metadata.groups for image in g["images"] if image in lacking}
    here = held[f"{day}_scl"] != 65535
    assert here.any()
    assert (held[f"{day}_cs"][here] == 65535).any()


def test_scores_alone_are_of_images_that_have_them(tmp_path):
    tracker, entry, metadata = ordered(tmp_path, S2, LACKING, bands=["cs"])
    assert not any("missing" in image for image in images_of(metadata))
    collection = resolve(S2, {S2: {"bands": ["cs"]}})
    assert_is_the_reference(tracker, entry, metadata, collection)


def test_where_no_validity_band_is_named_they_say_where_they_are_themselves(tmp_path):
    settings = {"bands": ["red", "cs"], "validity": None}
    tracker, entry, metadata = ordered(tmp_path, S2, LACKING, **settings)
    assert_is_the_reference(tracker, entry, metadata, resolve(S2, {S2: settings}))


def test_scores_are_searched_only_when_they_are_chosen_once_a_tile(tmp_path):
    with Emulator() as emulator:
        counts = []
        for bands in (["red"], ["red", "cs", "cs_cdf"]):
            before = len(emulator.requests)
            tracker_of(tmp_path, emulator, bands=bands).order(S2, (0, 0), *LACKING)
            asked = [each for each in emulator.requests[before:] if "compute" in each.method]
            counts.append(len(asked))
    assert counts == [1, 2]


def test_nothing_is_searched_for_where_there_is_no_image(tmp_path):
    with Emulator() as emulator:
        order = tracker_of(tmp_path, emulator).order(S2, (0, 0), "2016-01-01", "2016-02-01")
        asked = [each for each in emulator.requests if "compute" in each.method]
    assert order.items[0].groups == ()
    assert len(asked) == 1


def test_the_preview_says_how_many_images_have_none(tmp_path):
    order = tracker_of(tmp_path).order(S2, (0, 0), *LACKING)
    (line,) = [line for line in of_items(order) if SCORES in line]
    n_images = order.items[0].n_images
    assert line == f"1 of {n_images} images isn't in {SCORES}: cs, cs_cdf are nodata there"
    without = tracker_of(tmp_path, bands=["red"]).order(S2, (0, 0), *LACKING)
    assert not [*of_items(without)]


def test_a_lost_document_is_made_again_as_it_was(tmp_path):
    tracker = tracker_of(tmp_path)
    name, _ = tracker.submit(S2, (0, 0), *LACKING)
    record = tracker.read(name)
    before = metadata_of(tracker, record)
    (entry,) = record.orders
    key = f"{entry['prefix']}/{entry['name']}.json"
    document = json.loads(tracker.store.read(f"CEDAR_TRACKING/{name}.json"))
    document["orders"][0]["status"]["state"] = "UNSUBMITTED"
    document["orders"][0].pop("prepared", None)
    tracker.store.write(f"CEDAR_TRACKING/{name}.json", json.dumps(document).encode())
    tracker.store.delete(key)
    done = tracker.watch(name)
    assert done.complete
    assert metadata_of(tracker, done)["image"] == before["image"]


def test_scores_that_come_later_make_an_item_stale(tmp_path):
    tracker = tracker_of(tmp_path)
    name, _ = tracker.submit(S2, (0, 0), *LACKING)
    (again,) = tracker.order(S2, (0, 0), *LACKING).earlier
    assert again.standing == "unchanged"
    record = tracker.read(name)
    (entry,) = record.orders
    document = metadata_of(tracker, record).document
    images = [image for group in document["image"]["groups"] for image in group["images"]]
    scored = next(image for image in images if "joined" in image)
    came = scored.pop("joined")[SCORES]["system:id"]
    key = f"{entry['prefix']}/{entry['name']}.json"
    tracker.store.write(key, json.dumps(document).encode())
    (again,) = tracker.order(S2, (0, 0), *LACKING, existing="stale").earlier
    assert (again.standing, again.added, again.removed) == ("stale", (came,), ())


@pytest.mark.parametrize("index", ["20200518T131609_20200518T142810_T21JYN"])
def test_listed_images_have_theirs_too(tmp_path, index):
    tracker = tracker_of(tmp_path)
    order = tracker.order(S2, (0, 0), *LACKING, images=[f"{S2}/{index}"])
    (group,) = order.items[0].groups
    assert [(image.index, dict(image.joined)) for image in group.images] == [(index, {})]
    other = index.replace("21JYN", "22JAT")
    order = tracker.order(S2, (0, 0), *LACKING, images=[f"{S2}/{other}"])
    (group,) = order.items[0].groups
    assert group.images[0].joined[SCORES].id == f"{SCORES}/{other}"
    assert group.images[0].ids == {f"{S2}/{other}", f"{SCORES}/{other}"}
