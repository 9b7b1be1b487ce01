"""update and cancel: the record against the store, and nothing made or deleted."""

import json
import shutil
from pathlib import Path

import pytest
from orders import COLLECTION, MAY, real_tracker

from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError
from cedar.states import TaskState

DATA = Path(__file__).parent / "data" / "ancestor"
TILES = [(0, 0), (0, 1)]


@pytest.fixture
def tracker(tmp_path):
    return real_tracker(tmp_path / "store")


@pytest.fixture
def done(tracker):
    """Name of an order whose two items are complete."""
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    assert tracker.watch(name).complete
    return name


def images(tracker, name):
    return [f"CEDAR_PREARD/{entry['name']}.tif" for entry in tracker.read(name).orders]


def put_state(tracker, name, state, **fields):
    """Write a state into every entry, as a process that died left it."""
    document = tracker.read(name).document
    for entry in document["orders"]:
        entry["status"] |= {"state": state, **fields}
        entry["outputs"] = []
    tracker.store.store_metadata(document, name, "CEDAR_TRACKING")


def test_update_of_what_is_as_it_should_be_writes_nothing(tracker, done):
    before = tracker.store.stat(f"CEDAR_TRACKING/{done}.json")
    assert tracker.update(done).complete
    assert tracker.store.stat(f"CEDAR_TRACKING/{done}.json") == before


def test_update_takes_an_output_that_is_gone_off_its_entry(tracker, done):
    gone, _ = images(tracker, done)
    tracker.store.delete(gone)
    tracking = tracker.update(done)
    assert tracking.states == {TaskState.INCOMPLETE: 1, TaskState.COMPLETED: 1}
    assert not tracking.complete
    assert tracking == tracker.read(done)


def test_update_takes_an_output_that_somebody_replaced_off_its_entry(tracker, done):
    replaced, _ = images(tracker, done)
    tracker.store.write(replaced, b"somebody's")
    assert tracker.update(done).states == {TaskState.INCOMPLETE: 1, TaskState.COMPLETED: 1}
    assert tracker.store.read(replaced) == b"somebody's"


def test_update_knows_an_output_of_the_same_size_for_somebody_elses(tracker, done):
    key, _ = images(tracker, done)
    data = tracker.store.read(key)
    tracker.store.write(key, data[:-1] + bytes([data[-1] ^ 1]))
    assert tracker.update(done).states == {TaskState.INCOMPLETE: 1, TaskState.COMPLETED: 1}


def test_a_store_that_was_copied_is_still_ours_by_checksums(tracker, done, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tracker.store.root, copy, copy_function=shutil.copyfile)
    there = real_tracker(copy, engine=tracker.engine)
    versions = [entry["outputs"][0]["version"] for entry in there.read(done).orders]
    tracking = there.update(done)
    assert tracking.complete
    outputs = [entry["outputs"][0] for entry in tracking.orders]
    assert [output["version"] for output in outputs] != versions
    for key, output in zip(images(there, done), outputs, strict=True):
        assert there.store.stat(key).version == output["version"]
    there.clean(tracking, done, force=True)
    assert [info.key for info in there.store.objects()] == []


def test_update_gives_back_what_nobody_works_on_any_more_and_pulls_nothing(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    put_state(tracker, name, TaskState.RUNNING, progress=0.5)
    asked = len(tracker.engine._emulator.requests)
    assert tracker.update(name).states == {TaskState.READY: 2}
    assert len(tracker.engine._emulator.requests) == asked
    assert tracker.watch(name).complete


def test_update_leaves_what_somebody_works_on(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    put_state(tracker, name, TaskState.RUNNING)
    busy, _ = images(tracker, name)
    with tracker.store.claim(busy) as ours:
        assert ours
        states = [entry["status"]["state"] for entry in tracker.update(name).orders]
    assert states == [TaskState.RUNNING, TaskState.READY]


def test_ancestor_20_27_update_of_hundreds_of_items_lists_once_and_asks_nobody(
    tracker, monkeypatch
):
    tiles = [(row, col) for row in range(4) for col in range(4)]
    name, _ = tracker.submit(COLLECTION, tiles, *MAY, "D")
    tracker.watch(name)
    asked = len(tracker.engine._emulator.requests)
    listed, looked = [], []
    objects, stat = LocalStore.objects, LocalStore.stat

    def counted_objects(self, prefix=""):
        listed.append(prefix)
        return objects(self, prefix)

    def counted_stat(self, key):
        looked.append(key)
        return stat(self, key)

    monkeypatch.setattr(LocalStore, "objects", counted_objects)
    monkeypatch.setattr(LocalStore, "stat", counted_stat)
    tracking = tracker.update(name)
    assert len(tracking.orders) == 16 * 32
    assert tracking.complete
    assert len(listed) == 1
    assert {*looked} <= {f"CEDAR_TRACKING/{name}.json"}
    assert len(tracker.engine._emulator.requests) == asked


@pytest.mark.parametrize("state", [TaskState.UNSUBMITTED, TaskState.READY, TaskState.RUNNING])
def test_cancel_ends_what_has_not_ended_and_watch_makes_nothing_more(tracker, state):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    put_state(tracker, name, state)
    for entry in tracker.read(name).orders:
        # What a process that died had pulled already.
        tracker.store.scratch(entry["request_id"]).joinpath("block.npy").touch()
    assert tracker.cancel(name).states == {TaskState.CANCELLED: 2}
    assert tracker.read(name).states == {TaskState.CANCELLED: 2}
    assert [*tracker.store.scratch("x").parent.iterdir()] == [tracker.store.scratch("x")]
    asked = len(tracker.engine._emulator.requests)
    assert tracker.watch(name).states == {TaskState.CANCELLED: 2}
    assert len(tracker.engine._emulator.requests) == asked


def test_cancel_only_asks_whoever_is_at_work(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    put_state(tracker, name, TaskState.RUNNING)
    busy, _ = images(tracker, name)
    with tracker.store.claim(busy) as ours:
        assert ours
        tracking = tracker.cancel(name)
    states = [entry["status"]["state"] for entry in tracking.orders]
    assert states == [TaskState.CANCEL_REQUESTED, TaskState.CANCELLED]
    # He died before he saw it.
    assert tracker.watch(name).states == {TaskState.CANCELLED: 2}


def test_ancestor_19_cancel_never_deletes_what_is_finished(tracker, done):
    before = tracker.read(done)
    there = {info.key: info.version for info in tracker.store.objects()}
    assert tracker.cancel(done) == before
    assert {info.key: info.version for info in tracker.store.objects()} == there


def test_a_cancelled_item_can_be_ordered_anew(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    tracker.cancel(name)
    again, _ = tracker.submit(COLLECTION, TILES, *MAY, existing="overwrite")
    assert tracker.watch(again).complete


# What the older tool wrote in 2019.

ITEM = "LANDSAT_LE07_C01_T1_SR_h069v052_1997-01-01_2002-01-01"
ORDER = "TRACKING_SUB2019-06-19T15:12:18.270236_PERIOD1997-01-01 00:00:00-2020-01-01T00:00:00"
SHARDS = [
    f"CEDAR_PREARD/{ITEM}-0000000000-0000000000.tif",
    f"CEDAR_PREARD/{ITEM}-0000000000-0000005120.tif",
    f"CEDAR_PREARD/{ITEM}0000005120-0000000000.tif",
]
STRANGERS = [
    f"CEDAR_PREARD/{ITEM}_2.tif",
    f"CEDAR_PREARD/{ITEM}-1-2.tif",
    f"CEDAR_PREARD/{ITEM}5.json",
    f"CEDAR_PREARD/other/{ITEM}.tif",
    f"CEDAR_PREARD_2/{ITEM}.tif",
]


@pytest.fixture
def older(tmp_path):
    """A tracker over a store with an order of 2019: its record, document, shards, and strangers."""
    store = LocalStore(tmp_path / "store")
    tracking = json.loads((DATA / "example_metadata_tracking.json").read_text("utf-8"))
    store.store_metadata(tracking, ORDER, "CEDAR_TRACK")
    image = json.loads((DATA / "example_metadata_image.json").read_text("utf-8"))
    image["task"]["name"] = ITEM
    store.store_metadata(image, ITEM, "CEDAR_PREARD")
    for number, key in enumerate([*SHARDS, *STRANGERS]):
        store.write(key, b"II*\0" * (number + 1))
    grid = real_tracker(tmp_path).tile_grid
    return Tracker(grid, store, tracking_prefix="CEDAR_TRACK", engine=EarthEngine(project="mine"))


def put_older_state(tracker, state):
    document = json.loads(tracker.store.read(f"CEDAR_TRACK/{ORDER}.json"))
    document["orders"][0]["status"]["state"] = state
    tracker.store.store_metadata(document, ORDER, "CEDAR_TRACK")


def test_orders_of_2019_are_listed_and_read(older):
    assert older.list() == [ORDER]
    tracking = older.read(ORDER)
    assert tracking.name == ORDER
    assert tracking.show()["orders"][0]["name"] == ITEM
    assert tracking.states == {TaskState.INCOMPLETE: 1}


def test_ancestor_24_update_finds_the_files_of_an_order_of_2019_by_their_whole_names(older):
    tracking = older.update(ORDER)
    assert tracking.complete
    (entry,) = tracking.orders
    assert [f"CEDAR_PREARD/{output['name']}" for output in entry["outputs"]] == SHARDS
    assert [output["version"] for output in entry["outputs"]] == [
        older.store.stat(key).version for key in SHARDS
    ]
    assert older.read(ORDER) == tracking
    assert older.update(ORDER) == tracking


def test_a_file_of_2019_that_is_gone_is_off_the_record_and_what_replaced_one_is_not_ours(older):
    first = older.update(ORDER).orders[0]["outputs"]
    older.store.delete(SHARDS[0])
    older.store.write(SHARDS[1], b"somebody's")
    assert older.update(ORDER).orders[0]["outputs"] == first[1:]
    assert older.update(ORDER).orders[0]["outputs"] == first[1:]
    older.clean(older.read(ORDER), ORDER, force=True)
    assert older.store.read(SHARDS[1]) == b"somebody's"


@pytest.mark.parametrize("method", ["update", "watch"])
@pytest.mark.parametrize("state", ["UNSUBMITTED", "READY", "RUNNING", "UNKNOWN"])
def test_a_task_of_2019_that_was_never_seen_to_end_is_settled_by_its_files(older, method, state):
    put_older_state(older, state)
    assert getattr(older, method)(ORDER).complete


@pytest.mark.parametrize("method", ["update", "watch"])
@pytest.mark.parametrize("state", ["UNSUBMITTED", "READY", "RUNNING"])
def test_a_task_of_2019_without_files_is_unknown_until_they_turn_up(older, method, state):
    put_older_state(older, state)
    data = {key: older.store.read(key) for key in SHARDS}
    for key in SHARDS:
        older.store.delete(key)
    tracking = getattr(older, method)(ORDER)
    assert tracking.states == {TaskState.UNKNOWN: 1}
    assert "older cedar" in tracking.orders[0]["status"]["error_message"]
    assert getattr(older, method)(ORDER) == tracking
    older.store.write(SHARDS[0], data[SHARDS[0]])
    assert getattr(older, method)(ORDER).complete


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED"])
def test_a_task_of_2019_that_ended_badly_stays_so(older, state):
    put_older_state(older, state)
    assert older.update(ORDER).states == {state: 1}


def test_an_order_of_2019_is_the_real_services_never_the_emulators(older, tmp_path):
    emulated = real_tracker(tmp_path, tracking_prefix="CEDAR_TRACK")
    emulated.store = older.store
    for method in (emulated.update, emulated.watch, emulated.cancel):
        with pytest.raises(CedarError, match="belongs to another engine"):
            method(ORDER)


def test_an_order_of_2019_comes_home_and_is_cleaned_and_nothing_else_is(older, tmp_path):
    dest = tmp_path / "there"
    done = older.download(older.read(ORDER), dest)
    (task,) = done
    assert task == "6XKXWIQNWYF6MKYXA2NA77O7"
    assert {path.name for path in done[task]} == {
        f"{ITEM}.json",
        *(key.rpartition("/")[2] for key in SHARDS),
    }
    assert {path.name for path in dest.iterdir()} == {
        f"{ORDER}.json",
        *(path.name for path in done[task]),
    }
    for key in SHARDS:
        assert dest.joinpath(key.rpartition("/")[2]).read_bytes() == older.store.read(key)
    cleaned = older.clean(older.read(ORDER), ORDER)
    assert {*cleaned[task]} == {path.name for path in done[task]}
    assert sorted(info.key for info in older.store.objects()) == sorted(STRANGERS)


def test_an_order_of_2019_that_is_nowhere_else_is_not_cleaned(older):
    there = [info.key for info in older.store.objects()]
    with pytest.raises(CedarError, match="no verified copy"):
        older.clean(older.read(ORDER), ORDER)
    assert [info.key for info in older.store.objects()] == there
