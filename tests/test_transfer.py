"""download and clean: only what the record names, verified, and never more."""

import json
import logging
import types
from pathlib import Path

import pytest
from orders import COLLECTION, MAY, real_tracker

from cedar import LocalStore, TrackingMetadata, clean_tracked, download_tracked
from cedar.exceptions import CedarError, IncompleteError, NotFoundError
from cedar.states import TaskState

TILES = [(0, 0), (0, 1), (3, 3)]


class Counted(LocalStore):
    """Notes what is copied out, and what is deleted."""

    def __init__(self, directory):
        super().__init__(directory)
        self.fetched, self.deleted = [], []

    def fetch(self, key, *args, **kwds):
        self.fetched.append(key)
        return super().fetch(key, *args, **kwds)

    def stream(self, key, *args, **kwds):
        self.fetched.append(key)
        return super().stream(key, *args, **kwds)

    def delete(self, key, *args, **kwds):
        self.deleted.append(key)
        return super().delete(key, *args, **kwds)


@pytest.fixture
def tracker(tmp_path):
    tracker = real_tracker(tmp_path / "store")
    tracker.store = Counted(tmp_path / "store")
    return tracker


@pytest.fixture
def name(tracker):
    """Name of an order with two images and an empty item, complete."""
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    assert tracker.watch(name).complete
    return name


def item(tile):
    return "EXAMPLE_LC08_DN_h{1:03d}v{0:03d}_2020-05-01_2020-06-01".format(*tile)


def keys(store):
    return {info.key for info in store.objects()}


def test_a_download_is_the_files_as_they_are_named_and_the_record(tracker, name, tmp_path):
    dest = tmp_path / "there"
    tracking = tracker.read(name)
    done = tracker.download(tracking, dest)
    assert {path.name for path in dest.iterdir()} == {
        f"{name}.json",
        *(f"{item(tile)}.json" for tile in TILES),
        *(f"{item(tile)}.tif" for tile in TILES[:2]),
    }
    ids = [entry["request_id"] or entry["name"] for entry in tracking.orders]
    assert [*done] == ids
    for tile, task in zip(TILES, ids, strict=True):
        expected = [f"{item(tile)}.json"] + [f"{item(tile)}.tif"] * (tile != (3, 3))
        assert [path.name for path in done[task]] == expected
        for path in done[task]:
            assert path.parent == dest
            assert path.read_bytes() == tracker.store.read(f"CEDAR_PREARD/{path.name}")


def test_the_records_copy_comes_last_and_says_what_was_downloaded(tracker, name, tmp_path):
    dest = tmp_path / "there"
    seen = []

    def note(file, steps):
        seen.append(file)
        assert not (dest / f"{name}.json").exists()

    tracker.download(tracker.read(name), dest, callback=note)
    assert len(seen) == 5
    copy = TrackingMetadata.loads((dest / f"{name}.json").read_bytes())
    assert copy == tracker.read(name)
    one, two, empty = copy.orders
    assert [entry["downloads"][0]["path"] for entry in (one, two)] == [str(dest.resolve())] * 2
    assert empty["downloads"] == []


def test_the_callback_counts_metadata_for_nothing_and_the_images_of_an_item_for_one(
    tracker, name, tmp_path
):
    told = []
    tracker.download(tracker.read(name), tmp_path / "there", callback=lambda *a: told.append(a))
    assert {steps for file, steps in told if file.endswith(".json")} == {0.0}
    assert [steps for file, steps in told if file.endswith(".tif")] == [1.0, 1.0]


def test_a_record_as_a_plain_dict_is_as_good(tracker, name, tmp_path):
    document = json.loads(tracker.store.read(f"CEDAR_TRACKING/{name}.json"))
    tracker.download(document, str(tmp_path / "there"))
    assert len([*(tmp_path / "there").iterdir()]) == 6
    assert tracker.clean(document, name)


def test_a_record_that_was_read_before_it_was_complete_brings_home_all_there_is(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    early = tracker.read(name)
    tracker.watch(name)
    tracker.download(early, tmp_path / "there")
    assert (tmp_path / "there" / f"{item((0, 0))}.tif").exists()


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_there_already_is_not_fetched_again(tracker, name, tmp_path, overwrite):
    dest = tmp_path / "there"
    tracker.download(tracker.read(name), dest)
    first = {path: path.stat().st_mtime_ns for path in dest.glob("EXAMPLE*")}
    tracker.store.fetched.clear()
    done = tracker.download(tracker.read(name), dest, overwrite=overwrite)
    assert tracker.store.fetched == []
    assert sum(map(len, done.values())) == 5
    assert {path: path.stat().st_mtime_ns for path in dest.glob("EXAMPLE*")} == first
    (entry, *_) = tracker.read(name).orders
    assert len(entry["downloads"]) == 1


def test_overwrite_replaces_a_file_that_differs_and_fetches_no_other(tracker, name, tmp_path):
    dest = tmp_path / "there"
    tracker.download(tracker.read(name), dest)
    path = dest / f"{item((0, 1))}.tif"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    tracker.store.fetched.clear()
    tracker.download(tracker.read(name), dest)
    assert tracker.store.fetched == [f"CEDAR_PREARD/{path.name}"]
    assert path.read_bytes() == tracker.store.read(f"CEDAR_PREARD/{path.name}")


def test_without_overwrite_a_file_that_differs_is_an_error_and_stays(tracker, name, tmp_path):
    dest = tmp_path / "there"
    dest.mkdir()
    path = dest / f"{item((0, 0))}.tif"
    path.write_bytes(b"somebody's")
    with pytest.raises(CedarError, match=r"differs from .*move it away or overwrite it"):
        tracker.download(tracker.read(name), dest, overwrite=False)
    assert path.read_bytes() == b"somebody's"
    assert (dest / f"{item((0, 1))}.tif").exists()
    one, two, _ = tracker.read(name).orders
    assert (one["downloads"], len(two["downloads"])) == ([], 1)


def test_a_file_that_was_spoilt_in_the_store_is_an_error_and_all_others_come_home(
    tracker, name, tmp_path
):
    dest = tmp_path / "there"
    path = tracker.store.root / "CEDAR_PREARD" / f"{item((0, 0))}.tif"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(
        CedarError, match=rf"{item((0, 0))}\.tif isn't what the order made"
    ) as caught:
        tracker.download(tracker.read(name), dest)
    assert "\n" not in str(caught.value)
    assert {path.name for path in dest.iterdir()} == {
        f"{name}.json",
        *(f"{item(tile)}.json" for tile in TILES),
        f"{item((0, 1))}.tif",
    }
    with pytest.raises(IncompleteError):
        tracker.clean(tracker.read(name), name)


@pytest.mark.parametrize("suffix", ["tif", "json"])
def test_a_file_that_is_gone_from_the_store_is_an_error_after_all_others(
    tracker, name, tmp_path, suffix
):
    tracker.store.delete(f"CEDAR_PREARD/{item((0, 0))}.{suffix}")
    tracker.store.delete(f"CEDAR_PREARD/{item((0, 1))}.{suffix}")
    with pytest.raises(CedarError, match=r"not in the store .*\(and 1 more\)"):
        tracker.download(tracker.read(name), tmp_path / "there")
    assert (tmp_path / "there" / f"{item((3, 3))}.json").exists()


def test_an_order_without_documents_of_empty_items_comes_home(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY, save_empty_metadata=False)
    tracker.watch(name)
    done = tracker.download(tracker.read(name), tmp_path / "there")
    assert done[item((3, 3))] == []


def test_ancestor_24_files_of_other_names_are_not_taken_along(tracker, name, tmp_path):
    strangers = [
        f"CEDAR_PREARD/{item((0, 0))}_2.tif",
        f"CEDAR_PREARD/{item((0, 0))}-0000000000-0000000000.tif",
        # Where the order found nothing, another may have made something.
        f"CEDAR_PREARD/{item((3, 3))}.tif",
        "CEDAR_PREARD_2/x.tif",
    ]
    for key in strangers:
        tracker.store.write(key, b"somebody's")
    tracker.download(tracker.read(name), tmp_path / "there")
    assert len([*(tmp_path / "there").iterdir()]) == 6
    tracker.clean(tracker.read(name), name)
    assert keys(tracker.store) == {*strangers}


def test_download_tracked_is_lazy_and_yields_what_the_older_tool_did(tracker, name, tmp_path):
    tracking = tracker.read(name)
    lazy = download_tracked(tracking, tracker.store, tmp_path / "there")
    assert isinstance(lazy, types.GeneratorType)
    (one_id, one_n, metadata, images), (_, two_n, *_), (empty_id, empty_n, *empty) = lazy
    assert tracker.store.fetched == []
    assert one_id == tracking.orders[0]["status"]["id"]
    assert empty_id == tracking.orders[2]["name"]
    assert (one_n, two_n, empty_n) == (1, 1, 0)
    assert isinstance(metadata, types.GeneratorType)
    assert isinstance(images, types.GeneratorType)
    path = next(images)
    assert path == tmp_path / "there" / f"{item((0, 0))}.tif"
    assert tracker.store.fetched == [f"CEDAR_PREARD/{path.name}"]
    assert [path.name for path in metadata] == [f"{item((0, 0))}.json"]
    assert [path.name for part in empty for path in part] == [f"{item((3, 3))}.json"]


def test_clean_deletes_what_the_record_names_and_at_last_the_record(tracker, name, tmp_path):
    tracker.download(tracker.read(name), tmp_path / "there")
    told = []
    done = tracker.clean(tracker.read(name), name, callback=lambda *a: told.append(a))
    assert keys(tracker.store) == set()
    assert tracker.list() == []
    assert tracker.store.deleted[-1] == f"CEDAR_TRACKING/{name}.json"
    first = f"{item((0, 0))}"
    assert next(iter(done.values())) == [f"{first}.tif", f"{first}.json"]
    assert [steps for file, steps in told if file.endswith(".tif")] == [1.0, 1.0]
    assert {steps for file, steps in told if file.endswith(".json")} == {0.0}
    assert not [*Path(tracker.store.root, ".cedar", "scratch").glob("*")]


def test_clean_keeps_the_record_where_its_name_is_not_given(tracker, name, tmp_path):
    tracker.download(tracker.read(name), tmp_path / "there")
    tracker.clean(tracker.read(name))
    assert keys(tracker.store) == {f"CEDAR_TRACKING/{name}.json"}
    for tracking in (tracker.read(name), tracker.update(name)):
        assert tracking.states == {TaskState.CLEANED: 2, TaskState.EMPTY: 1}
        assert (tracking.complete, tracking.progress) == (True, 1.0)
        assert {(e["state"], *e["outputs"]) for e in tracking.show()["orders"]} == {
            ("CLEANED",), ("EMPTY",),
        }  # fmt: skip
    assert tracker.retry(name).states == {TaskState.CLEANED: 2, TaskState.EMPTY: 1}


def test_what_was_cleaned_isnt_fetched_and_its_copy_stays_as_it_is(tracker, name, tmp_path):
    tracker.download(tracker.read(name), tmp_path / "there")
    tracker.clean(tracker.read(name))
    before = {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()}
    with pytest.raises(NotFoundError, match=f"order {name} was cleaned, so its files aren't in"):
        tracker.download(tracker.read(name), tmp_path / "there")
    assert {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()} == before


def test_the_record_that_was_kept_can_be_cleaned_when_the_copies_have_moved(
    tracker, name, tmp_path
):
    tracker.download(tracker.read(name), tmp_path / "there")
    tracker.clean(tracker.read(name))
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    tracker.store.write(f"CEDAR_PREARD/{item((0, 0))}.tif", b"somebody else's")
    tracker.clean(tracker.read(name), name)
    assert keys(tracker.store) == {f"CEDAR_PREARD/{item((0, 0))}.tif"}


def test_clean_refuses_what_was_not_downloaded_and_deletes_nothing(tracker, name):
    there = keys(tracker.store)
    with pytest.raises(IncompleteError, match=r"no verified copy of .* and 1 more .*--force") as e:
        tracker.clean(tracker.read(name), name)
    assert e.value.names == (item((0, 0)), item((0, 1)))
    assert keys(tracker.store) == there
    tracker.clean(tracker.read(name), name, force=True)
    assert keys(tracker.store) == set()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"short")])
def test_clean_does_not_trust_a_download_whose_files_are_gone(tracker, name, tmp_path, spoil):
    tracker.download(tracker.read(name), tmp_path / "there")
    spoil(tmp_path / "there" / f"{item((0, 1))}.tif")
    with pytest.raises(IncompleteError) as caught:
        tracker.clean(tracker.read(name), name)
    assert caught.value.names == (item((0, 1)),)


def test_clean_does_not_trust_a_download_of_another_machine(tracker, name, tmp_path, monkeypatch):
    tracker.download(tracker.read(name), tmp_path / "there")
    monkeypatch.setattr("platform.node", lambda: "another")
    with pytest.raises(IncompleteError):
        tracker.clean(tracker.read(name), name)


def test_clean_never_touches_an_order_that_is_being_made(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    document = tracker.read(name).document
    document["orders"][0]["status"]["state"] = TaskState.RUNNING
    tracker.store.store_metadata(document, name, "CEDAR_TRACKING")
    there = keys(tracker.store)
    for force in (False, True):
        with pytest.raises(CedarError, match=f"is being made: run `cedar cancel {name}`"):
            tracker.clean(tracker.read(name), name, force=force)
    assert keys(tracker.store) == there


def test_clean_refuses_what_is_still_to_be_made_unless_it_is_forced(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    with pytest.raises(IncompleteError):
        tracker.clean(tracker.read(name), name)
    tracker.clean(tracker.read(name), force=True)
    assert keys(tracker.store) == {f"CEDAR_TRACKING/{name}.json"}
    # Nobody makes it any more.
    assert tracker.watch(name).states == {TaskState.CANCELLED: 2, TaskState.EMPTY: 1}


def test_ancestor_22_what_is_not_what_the_order_made_is_left_and_said(
    tracker, name, tmp_path, caplog
):
    tracker.download(tracker.read(name), tmp_path / "there")
    image, document = (f"CEDAR_PREARD/{item((0, 0))}.{suffix}" for suffix in ("tif", "json"))
    tracker.store.write(image, b"somebody's")
    tracker.store.write(document, b"somebody's")
    with caplog.at_level(logging.WARNING):
        tracker.clean(tracker.read(name), name)
    assert keys(tracker.store) == {image, document}
    assert f"{image} isn't what order {name} made: left as it is" in caplog.text
    assert document in caplog.text


def test_cleaning_an_order_leaves_what_another_made_over_it(tracker, name):
    second, _ = tracker.submit(COLLECTION, TILES, *MAY, existing="overwrite")
    tracker.watch(second)
    tracker.clean(tracker.read(name), name, force=True)
    assert tracker.update(second).complete
    assert len(keys(tracker.store)) == 6


def test_a_clean_that_was_cut_off_can_be_run_again(tracker, name, tmp_path):
    tracker.download(tracker.read(name), tmp_path / "there")

    def stop(file, steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracker.clean(tracker.read(name), name, callback=stop)
    assert tracker.list() == [name]
    # Images go first, those of several items together.
    assert not [key for key in keys(tracker.store) if key.endswith(".tif")]
    assert len(keys(tracker.store)) == 4
    tracker.clean(tracker.read(name), name)
    assert keys(tracker.store) == set()


def test_a_part_of_a_record_cleans_that_part(tracker, name):
    document = tracker.read(name).document
    document["orders"] = document["orders"][:1]
    tracker.clean(document, force=True)
    left = {f"CEDAR_PREARD/{item(tile)}" for tile in TILES[1:]}
    assert {key.rpartition(".")[0] for key in keys(tracker.store)} == left | {
        f"CEDAR_TRACKING/{name}"
    }


def test_a_part_of_a_record_that_is_cleaned_stops_nothing_else(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    document = tracker.read(name).document
    document["orders"] = document["orders"][:1]
    tracker.clean(document, force=True)
    assert [entry["status"]["state"] for entry in tracker.read(name).orders] == [
        TaskState.CANCELLED,
        TaskState.READY,
        TaskState.EMPTY,
    ]


def test_a_record_that_is_no_longer_in_the_store_is_good_enough(tracker, name, tmp_path):
    tracking = tracker.read(name)
    tracker.store.remove(name, "CEDAR_TRACKING")
    tracker.download(tracking, tmp_path / "there")
    assert len([*(tmp_path / "there").iterdir()]) == 6
    with pytest.raises(IncompleteError):
        tracker.clean(tracking)
    tracker.clean(tracking, force=True)
    assert keys(tracker.store) == set()


def test_an_older_record_of_the_same_name_cleans_nothing_of_the_newer(tmp_path, monkeypatch):
    tracker = real_tracker(tmp_path, tracking_template="ORDER")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    older = tracker.watch(name)
    tracker.clean(older, name, force=True)
    document = older.document
    document["tracking"]["submitted"] = "2020-01-01T00:00:00+00:00"
    tracker.submit(COLLECTION, (0, 0), *MAY)
    there = keys(tracker.store) | {f"CEDAR_PREARD/{item((0, 0))}.tif"}
    assert tracker.watch(name).complete
    tracker.clean(document, force=True)
    assert keys(tracker.store) == there


def test_clean_tracked_is_lazy_and_yields_what_the_older_tool_did(tracker, name):
    tracking = tracker.read(name)
    lazy = clean_tracked(tracking, tracker.store)
    assert isinstance(lazy, types.GeneratorType)
    (one_id, n, names), *_ = lazy
    assert tracker.store.deleted == []
    assert (one_id, n) == (tracking.orders[0]["status"]["id"], 2)
    assert next(names) == f"{item((0, 0))}.tif"
    assert tracker.store.deleted == [f"CEDAR_PREARD/{item((0, 0))}.tif"]
    assert [*names] == [f"{item((0, 0))}.json"]
