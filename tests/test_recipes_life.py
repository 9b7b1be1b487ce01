"""What becomes of orders with recipes: cut, tried again, resumed, extended, rebuilt, compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from cooking import SERIES, defined, series_grid, series_tracker, write_catalog
from exporting import Exporter, exporting_tracker
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker

from cedar import LocalStore, defaults
from cedar.comparing import unlike
from cedar.earlier import Standing
from cedar.engines.earthengine import EarthEngine, blocks, pull
from cedar.exceptions import InputError, NameTakenError, StoreError
from cedar.items import Destination
from cedar.metadata import ImageMetadata
from cedar.sensors import definition
from cedar.states import TaskState

WINTER = ("2015-01-01", "2015-03-01")
MEDOID = {"keep": "clear", "indices": ["NDVI"], "composite": "medoid", "count": True}
MEDIAN = MEDOID | {"composite": "median", "drop_empty": True}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("series"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.0)


def document(tracker, entry):
    return json.loads(tracker.store.read(f"{entry['prefix']}/{entry['name']}.json"))


def exported(directory, catalog, recipe, engine=None):
    """A tracker of the series whose items the service exports."""
    engine = engine or Exporter(None, catalog)
    tracker = exporting_tracker(directory, engine, series_grid(), collections=defined(recipe))
    engine.store = tracker.store
    return tracker


def fail(tracker, name, words):
    """Let every task that goes on end with some words."""
    for task in list(tracker.engine.tasks.values()):
        if task.state in (TaskState.READY, TaskState.RUNNING):
            tracker.engine.become(task, TaskState.FAILED, error=words)
    tracker.update(name)


def pixels(tracker, entry):
    """By the names of bands, which say the period of a composite."""
    (output,) = entry["outputs"]
    with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as file:
        return dict(zip(file.descriptions, file.read(), strict=True))


def test_a_composite_is_cut_by_its_bands_alone(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, MEDOID)
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    (whole,) = tracker.read(name).orders
    assert (whole["n_groups"] > 5, whole["n_bands"]) == (True, 10)
    fail(tracker, name, "User memory limit exceeded.")
    parts = tracker.retry(name, split=True).orders
    bands = [band["name"] for band in document(tracker, parts[0])["image"]["recipe"]["reads"]]
    assert [part["bands"] for part in parts] == [bands[:5], [*bands[5:], "NDVI", "count"]]
    for part in parts:
        assert (part["n_groups"], part["n_bands"]) == (whole["n_groups"], 5)
        assert part["date_start"] == whole["date_start"]
        image = document(tracker, part)["image"]
        assert [band["name"] for band in image["bands"]] == part["bands"]
        assert len(image["groups"]) == whole["n_groups"]


def test_what_is_of_one_band_cant_be_cut(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, {"composite": "count"})
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    fail(tracker, name, "User memory limit exceeded.")
    with pytest.raises(InputError, match="it is one band of one composite"):
        tracker.retry(name, split=True)


def test_parts_of_a_medoid_have_the_pixels_of_the_whole(tmp_path, catalog):
    """Which observation a pixel is of doesn't hang on which bands are made."""
    tracker = series_tracker(tmp_path / "whole", catalog, MEDOID)
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    expected = pixels(tracker, tracker.watch(name).orders[0])
    cut = exported(tmp_path / "cut", catalog, MEDOID)
    name, _ = cut.submit(SERIES, (0, 0), *WINTER)
    fail(cut, name, "User memory limit exceeded.")
    for part in cut.retry(name, split=True).orders:
        directory = tmp_path / part["name"]
        directory.mkdir()
        path = tracker.engine.pull(request_of(cut, part), directory, lambda _: None)
        with rasterio.open(path) as file:
            for band, values in zip(file.descriptions, file.read(), strict=True):
                assert np.array_equal(values, expected.pop(band)), band
    assert expected == {}


def request_of(tracker, entry):
    """What pulls an item."""
    metadata = ImageMetadata(document(tracker, entry))
    return tracker.engine.prepare(metadata, Destination("local", "", ""), {})


def test_layers_are_cut_by_date_and_what_was_left_out_goes_with_its_time(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, {"keep": "clear", "drop_empty": True})
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    (whole,) = tracker.read(name).orders
    dropped = document(tracker, whole)["image"]["recipe"]["dropped"]
    fail(tracker, name, "User memory limit exceeded.")
    parts = tracker.retry(name, split=True).orders
    found = [document(tracker, part)["image"]["recipe"]["dropped"] for part in parts]
    assert found[0] + found[1] == dropped
    assert all(found)
    assert max(found[0]) < parts[1]["date_start"][:10] <= min(found[1])


def test_an_item_with_too_many_bands_for_one_image_is_cut_unless_it_is_a_composite(
    tmp_path, catalog, monkeypatch
):
    monkeypatch.setattr(EarthEngine, "max_bands", 20)
    tracker = exported(tmp_path, catalog, {"keep": "clear", "drop_empty": True})
    entries = tracker.read(tracker.submit(SERIES, (0, 0), "2015-05-01", "2015-07-01")[0]).orders
    assert len(entries) > 1
    assert all(entry["family"] and entry["n_bands"] <= 20 for entry in entries)
    dropped = [document(tracker, each)["image"]["recipe"]["dropped"] for each in entries]
    for entry, dates in zip(entries, dropped, strict=True):
        assert all(entry["date_start"][:10] <= date < entry["date_end"][:10] for date in dates)
    assert sum(map(len, dropped)) > 0
    composite = exported(tmp_path / "composite", catalog, MEDIAN)
    (entry,) = composite.read(composite.submit(SERIES, (0, 0), *WINTER)[0]).orders
    assert (entry["n_bands"], entry["family"]) == (9, None)


def fewer(catalog, directory, *dates):
    """A catalog without the scenes of some dates."""
    directory.mkdir()
    for path in catalog.iterdir():
        if not any(date in path.name for date in dates):
            (directory / path.name).write_bytes(path.read_bytes())
    return directory


def test_a_retry_of_other_images_counts_the_bands_of_one_composite(tmp_path, catalog):
    tracker = exported(tmp_path / "store", catalog, MEDIAN)
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    (before,) = tracker.read(name).orders
    fail(tracker, name, "Image.load: Image asset 'X' not found.")
    gone = document(tracker, before)["image"]["groups"][0]["date"].replace("-", "")
    engine = Exporter(tracker.store, fewer(catalog, tmp_path / "fewer", gone))
    engine.tasks, engine.by_request = tracker.engine.tasks, tracker.engine.by_request
    later = exported(tmp_path / "store", None, MEDIAN, engine)
    (after,) = later.retry(name, consent=lambda _: True).orders
    assert after["n_groups"] == before["n_groups"] - 1
    assert after["n_bands"] == before["n_bands"] == 9


def test_an_order_whose_submit_stopped_is_searched_again_as_it_was(tmp_path, catalog):
    class Full(LocalStore):
        writes = 0

        def write(self, key, *arguments, **settings):
            self.writes += key.endswith(".json")
            if self.writes == 2:
                raise StoreError("the disk is full")
            return super().write(key, *arguments, **settings)

    failing = series_tracker(tmp_path, catalog, MEDIAN, store=Full(tmp_path))
    with pytest.raises(StoreError, match="the disk is full"):
        failing.submit(SERIES, (0, 0), *WINTER)
    tracker = series_tracker(tmp_path, catalog, None)
    (name,) = tracker.list()
    (before,) = tracker.read(name).orders
    record = tracker.watch(name)
    (entry,) = record.orders
    assert record.complete
    assert [entry[key] for key in ("n_images", "n_groups", "n_bands")] == [
        before[key] for key in ("n_images", "n_groups", "n_bands")
    ]
    whole = series_tracker(tmp_path / "whole", catalog, MEDIAN)
    other = whole.watch(whole.submit(SERIES, (0, 0), *WINTER)[0])
    for band, values in pixels(whole, other.orders[0]).items():
        assert np.array_equal(pixels(tracker, entry)[band], values)


def test_a_pull_goes_on_where_it_was_cut_off(tmp_path, monkeypatch):
    """Blocks of a composite are the same each time."""
    recipe = {"composite": "median", "count": True}
    settings = COLLECTIONS[COLLECTION] | {"recipe": recipe}
    tracker = real_tracker(tmp_path / "store", collections={COLLECTION: settings})
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    request = request_of(tracker, tracker.read(name).orders[0])
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3 * 256**2)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    whole = tracker.engine.pull(request, scratch, lambda _: None).read_bytes()
    there = sorted(scratch.glob("*.block"))
    assert len(there) == 8
    there[0].unlink()
    asked = []
    ask = pull._Source._ask
    monkeypatch.setattr(pull._Source, "_ask", lambda *a: (asked.append(a), ask(*a))[1])
    assert tracker.engine.pull(request, scratch, lambda _: None).read_bytes() == whole
    assert len(asked) == 1
    assert sorted(scratch.glob("*.block")) == there


def test_periods_of_composites_are_extended_but_not_one_of_all_time(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, MEDIAN)
    one, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    with pytest.raises(InputError, match="it is one composite of all its time"):
        tracker.extend(one, "2015-05-01")
    months, _ = tracker.submit(
        SERIES, (0, 0), "2015-06-01", "2015-08-01", "MS", period_closed="left"
    )
    more, _ = tracker.extend(months, "2015-09-01")
    (entry,) = tracker.read(more).orders
    assert entry["date_start"][:10] == "2015-08-01"
    recipe = document(tracker, entry)["image"]["recipe"]
    assert (recipe["composite"], recipe["indices"]) == ("median", ["NDVI"])


def test_a_lost_record_counts_the_bands_of_a_composite(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, MEDIAN)
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    (before,) = tracker.read(name).orders
    tracker.store.delete(f"CEDAR_TRACKING/{name}.json")
    (after,) = tracker.import_tasks(tracker.find_order(name)).orders
    for key in ("n_images", "n_groups", "n_bands", "dtype", "nodata"):
        assert after[key] == before[key]


def test_the_same_recipe_is_the_same_request_and_another_is_another(tmp_path, catalog):
    tracker = exported(tmp_path, catalog, MEDIAN)
    name, _ = tracker.submit(SERIES, (0, 0), *WINTER)
    tracker.engine.finish()
    tracker.update(name)
    preview = tracker.preview(SERIES, (0, 0), *WINTER)
    assert [each.standing for each in preview.order.earlier] == [Standing.UNCHANGED]
    others = exported(tmp_path, catalog, MEDOID)
    with pytest.raises(NameTakenError, match=r"other settings of the collection \(recipe\)"):
        others.preview(SERIES, (0, 0), *WINTER)


def test_a_record_from_before_there_were_recipes_had_none(tmp_path, catalog):
    plain, cooked = (
        definition(series_tracker(tmp_path, catalog, recipe).submission(
            SERIES, (0, 0), (*WINTER, None, "both")
        ).collections[0])
        for recipe in (None, MEDIAN)
    )  # fmt: skip
    earlier = {key: value for key, value in plain.items() if key != "recipe"}
    assert unlike(plain, earlier) == {}
    assert unlike(cooked, earlier) == {"recipe": cooked["recipe"]}


def test_a_preview_says_what_is_made(tmp_path, catalog):
    tracker = series_tracker(tmp_path, catalog, MEDIAN | {"mask": ["snow"]})
    preview = tracker.preview(SERIES, (0, 0), *WINTER)
    said = dict(line.split("  ", 1) for line in preview.lines())
    dropped = len(preview.order.items[0].dropped)
    assert dropped > 0
    assert said["recipe"].strip() == (
        "masked: snow; clear pixels only; with NDVI; the median of a period, and of how many "
        "observations; layers without pixels left out"
    )
    assert said["left out"].strip() == f"{dropped} layers without pixels"
    assert preview.n_layers == 1
    (item,) = preview.to_dict()["items"]
    assert (item["layers"], item["bands"], item["dropped"]) == (1, 9, dropped)


def test_an_engine_that_makes_no_recipes_refuses_them(tmp_path, catalog, monkeypatch):
    tracker = series_tracker(tmp_path, catalog, MEDIAN)
    monkeypatch.setattr(EarthEngine, "recipes", False)
    with pytest.raises(InputError, match="its engine makes no recipes"):
        tracker.submit(SERIES, (0, 0), *WINTER)
    assert tracker.list() == []
