"""Importing: what no order has comes under a record, and a lost record comes back."""

import datetime as dt
import json
import logging

import pytest
from exported import asked, exporting
from exporting import exporting_tracker
from orders import COLLECTION, MAY, real_tracker

from cedar import defaults
from cedar.engines.earthengine import EarthEngine
from cedar.evidence import Layout, parse_description
from cedar.exceptions import CedarError, InputError, NameTakenError
from cedar.importing import Wanted
from cedar.items import TaskStatus
from cedar.states import TaskState

TILES = [(0, 0), (0, 1)]
NOW = int(dt.datetime.now(dt.UTC).timestamp() * 1000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.3)


@pytest.fixture
def tracker(tmp_path):
    return exporting_tracker(tmp_path / "store")


def started(tracker, description, state="RUNNING", number=1, **fields):
    """A task that somebody started by other means."""
    task = TaskStatus(f"projects/p/operations/HAND{number}", state, description, NOW, **fields)
    tracker.engine.tasks[task.id] = task
    return task


def lose(tracker, name):
    """Delete the record of an order, as nobody should."""
    tracker.store.delete(f"CEDAR_TRACKING/{name}.json")


def everything(store):
    """All objects but records, and their versions."""
    return {
        info.key: info.version
        for info in store.objects()
        if not info.key.startswith("CEDAR_TRACKING/")
    }


def states(tracking):
    return {entry["name"]: tracking.state(entry) for entry in tracking.orders}


def submitted(tracker, tiles=TILES):
    return tracker.submit(COLLECTION, tiles, *MAY)[0]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("A-a1", ("A", 1)),
        ("A-a12", ("A", 12)),
        ("by_hand", ("by_hand", 1)),
        ("A-a0", ("A-a0", 1)),
        ('Ingest image: "projects/p/assets/x"', None),
        ("../A", None),
        ("", None),
    ],
)
def test_a_description_tells_the_items_name_and_the_attempt(text, parsed):
    assert parse_description(text) == parsed


def test_tasks_that_were_started_by_hand_come_under_a_record_and_are_followed(tracker):
    store = tracker.store
    task = started(tracker, "by_hand")
    started(tracker, "made", "COMPLETED", 2)
    for file in ("made-0000000000-0000000000.tif", "made-0000000000-0000000256.tif"):
        store.write(f"CEDAR_PREARD/{file}", b"pixels")
    before = everything(store)
    tracking = tracker.import_tasks(tracker.find_tasks(Wanted()))
    assert states(tracking) == {"by_hand": "RUNNING", "made": "COMPLETED"}
    assert tracking.entry("by_hand")["status"]["id"] == task.id
    assert tracking.entry("by_hand")["collection"] is None
    assert len(tracking.entry("made")["outputs"]) == 2
    assert everything(store) == before
    assert tracker.engine.log == ["list"]

    # Its files appear before the service says that it is done: it isn't, until then.
    store.write("CEDAR_PREARD/by_hand.tif", b"pixels")
    assert states(tracker.update(tracking.name))["by_hand"] == "RUNNING"
    tracker.engine.become(task, TaskState.COMPLETED)
    tracking = tracker.watch(tracking.name, interval=0.01, timeout=5)
    assert tracking.complete
    assert [output["name"] for output in tracking.entry("by_hand")["outputs"]] == ["by_hand.tif"]


def test_what_was_imported_is_downloaded_and_cleaned_and_nothing_else(tracker, tmp_path):
    started(tracker, "made", "COMPLETED")
    tracker.store.write("CEDAR_PREARD/made.tif", b"pixels")
    tracker.store.write("CEDAR_PREARD/made.json", b'{"somebody": "else"}')
    tracker.store.write("CEDAR_PREARD/other.tif", b"pixels")
    tracking = tracker.import_tasks(tracker.find_tasks(Wanted()))
    tracker.download(tracking, tmp_path / "home")
    assert (tmp_path / "home" / "made.tif").read_bytes() == b"pixels"
    tracker.clean(tracker.read(tracking.name), tracking.name)
    left = {info.key for info in tracker.store.objects()}
    assert left == {"CEDAR_PREARD/made.json", "CEDAR_PREARD/other.tif"}


def test_an_imported_task_is_cancelled_as_any(tracker):
    task = started(tracker, "by_hand", "READY")
    tracking = tracker.import_tasks(tracker.find_tasks(Wanted()))
    tracker.cancel(tracking.name)
    assert tracker.engine.tasks[task.id].state == TaskState.CANCELLED
    assert states(tracker.read(tracking.name)) == {"by_hand": "CANCELLED"}


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ([], "UNKNOWN"),
        (["by_hand.tif"], "COMPLETED"),
        (["by_hand-0000000000-0000000000.tif"], "UNKNOWN"),
    ],
)
def test_an_imported_task_that_is_forgotten_is_done_only_if_all_of_it_is_there(
    tracker, files, state
):
    task = started(tracker, "by_hand")
    tracking = tracker.import_tasks(tracker.find_tasks(Wanted()))
    for file in files:
        tracker.store.write(f"CEDAR_PREARD/{file}", b"pixels")
    del tracker.engine.tasks[task.id]
    assert states(tracker.update(tracking.name)) == {"by_hand": state}


def test_only_what_was_asked_for_is_found(tracker):
    old = TaskStatus("projects/p/operations/OLD", "COMPLETED", "old", NOW - 10**9)
    tracker.engine.tasks["OLD"] = old
    started(tracker, "wanted")
    started(tracker, "unwanted", number=2)
    started(tracker, "Ingest image: nothing of ours", number=3)
    since = dt.datetime.fromtimestamp(NOW / 1000 - 60, dt.UTC)
    assert states(tracker.find_tasks(Wanted(since=since)).tracking).keys() == {"wanted", "unwanted"}
    assert states(tracker.find_tasks(Wanted(pattern="w*")).tracking).keys() == {"wanted"}
    with pytest.raises(InputError, match="nothing to import"):
        tracker.find_tasks(Wanted(collection=COLLECTION))


def test_a_collection_finds_the_items_whose_documents_say_it(tracker):
    name = submitted(tracker)
    started(tracker, "by_hand")
    lose(tracker, name)
    tracking = tracker.find_tasks(Wanted(collection=COLLECTION)).tracking
    assert len(tracking.orders) == 2
    assert {entry["collection"] for entry in tracking.orders} == {COLLECTION}


def test_of_several_tasks_of_a_name_the_one_at_work_counts_and_the_others_are_kept(tracker, caplog):
    started(tracker, "A-a1", "FAILED", 1, error="Computation timed out.")
    alive = started(tracker, "A-a2", "RUNNING", 2)
    started(tracker, "A-a3", "CANCELLED", 3, eecu_seconds=7.5)
    (entry,) = tracker.find_tasks(Wanted()).tracking.orders
    assert (entry["status"]["id"], entry["attempt"]) == (alive.id, 3)
    assert [each["attempt"] for each in entry["attempts"]] == [1, 3]
    assert entry["attempts"][0]["status"]["error_message"] == "Computation timed out."
    assert "at work on it" not in caplog.text
    started(tracker, "A-a4", "READY", 4)
    with caplog.at_level(logging.WARNING, "cedar"):
        tracker.find_tasks(Wanted())
    assert "tasks HAND4, HAND2 are at work on it" in caplog.text


def test_a_done_task_counts_before_a_later_one_that_failed(tracker):
    done = started(tracker, "A-a1", "COMPLETED", 1)
    started(tracker, "A-a2", "FAILED", 2)
    (entry,) = tracker.find_tasks(Wanted()).tracking.orders
    assert entry["status"]["id"] == done.id


def test_what_an_order_has_is_left_out(tracker):
    name = submitted(tracker)
    started(tracker, "by_hand")
    found = tracker.find_tasks(Wanted())
    assert states(found.tracking) == {"by_hand": "RUNNING"}
    assert set(found.left_out.values()) == {name}
    assert len(found.left_out) == 2
    tracker.import_tasks(found)
    with pytest.raises(InputError, match="orders have it all"):
        tracker.find_tasks(Wanted())


def test_what_came_under_another_record_meanwhile_is_not_recorded_twice(tracker):
    started(tracker, "by_hand")
    found = tracker.find_tasks(Wanted())
    first = tracker.import_tasks(found)
    with pytest.raises(NameTakenError, match=f"by_hand is in order {first.name}"):
        tracker.import_tasks(found)
    assert tracker.list() == [first.name]


def test_a_name_that_was_given_is_the_records_or_it_is_an_error(tracker):
    started(tracker, "one")
    assert tracker.import_tasks(tracker.find_tasks(Wanted(), "MINE")).name == "MINE"
    started(tracker, "two", number=2)
    with pytest.raises(InputError, match=r"MINE\.json is in the store"):
        tracker.find_tasks(Wanted(pattern="two"), "MINE")
    found = tracker.find_tasks(Wanted(pattern="two"), "OTHER")
    tracker.store.write("CEDAR_TRACKING/OTHER.json", tracker.store.read("CEDAR_TRACKING/MINE.json"))
    with pytest.raises(InputError, match=r"OTHER\.json is in the store"):
        tracker.import_tasks(found)


def test_files_that_nobody_has_come_under_a_record(tracker):
    store = tracker.store
    store.write("CEDAR_PREARD/whole.tif", b"pixels")
    store.write("CEDAR_PREARD/parts-0000000000-0000000000.tif", b"pixels")
    store.write("CEDAR_PREARD/deeper/no.tif", b"pixels")
    store.write("CEDAR_PREARD/no.txt", b"text")
    found = tracker.find_tasks(Wanted(), from_files=True)
    assert states(found.tracking) == {"parts": "UNKNOWN", "whole": "COMPLETED"}
    tracking = tracker.import_tasks(found)
    assert tracker.engine.log == []
    # They stay what they are, however often one looks.
    assert states(tracker.update(tracking.name)) == states(tracking)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    with pytest.raises(InputError, match="nothing to import"):
        tracker.find_tasks(Wanted(since=later), from_files=True)


def test_a_folder_can_be_named_but_not_that_of_the_records(tracker, tmp_path):
    tracker.store.write("elsewhere/here/one.tif", b"pixels")
    found = tracker.find_tasks(Wanted(prefix="elsewhere/here/"), from_files=True)
    assert [entry["prefix"] for entry in found.tracking.orders] == ["elsewhere/here"]
    with pytest.raises(InputError, match="folder of the records"):
        tracker.find_tasks(Wanted(prefix="CEDAR_TRACKING"), from_files=True)
    with pytest.raises(InputError, match="can't be the key"):
        tracker.find_tasks(Wanted(prefix="../x"), from_files=True)
    many = exporting_tracker(tmp_path / "store", prefix_template="{collection}")
    with pytest.raises(InputError, match="--prefix"):
        many.find_tasks(Wanted())


def test_a_store_that_earth_engine_does_not_write_to_has_no_tasks(tmp_path):
    with pytest.raises(InputError, match="--from-files"):
        real_tracker(tmp_path).find_tasks(Wanted())


def same(rebuilt, lost):
    """Whether a record is what the lost one was, but for what no document says."""
    told = ("name", "prefix", "collection", "tile", "date_start", "date_end", "n_images",
            "n_groups", "n_bands", "dtype", "nodata", "request_id", "attempt", "outputs",
            "family", "shards")  # fmt: skip
    return [{key: entry.get(key) for key in told} for entry in rebuilt.orders] == [
        {key: entry.get(key) for key in told}
        for entry in sorted(lost.orders, key=lambda entry: entry["name"])
    ]


def test_a_lost_record_comes_back_and_its_tasks_are_followed(tracker):
    name = submitted(tracker)
    lost = tracker.read(name)
    lose(tracker, name)
    before = everything(tracker.store)
    starts = tracker.engine.log.count("start")
    found = tracker.find_order(name)
    assert tracker.list() == []
    rebuilt = tracker.import_tasks(found)
    assert rebuilt.name == name
    assert everything(tracker.store) == before
    assert same(rebuilt, lost)
    for section in ("store", "engine", "metadata"):
        assert rebuilt[section] == lost[section]
    for key in ("collections", "tile_grid", "coverage", "group_by", "filters", "submitted"):
        assert rebuilt["submission"][key] == lost["submission"][key]
    assert rebuilt["tracking"] == lost["tracking"]
    assert [e["status"]["id"] for e in rebuilt.orders] == [e["status"]["id"] for e in lost.orders]

    tracker.engine.finish()
    assert tracker.watch(name, interval=0.01, timeout=5).complete
    assert tracker.engine.log.count("start") == starts


def test_a_lost_record_of_what_is_done_and_forgotten_is_settled_by_the_files(tracker):
    name = submitted(tracker)
    first, second = tracker.engine.requests
    tracker.engine.write(first)
    tracker.engine.write(second, parts=slice(1))
    lose(tracker, name)
    tracker.engine.tasks.clear()
    tracking = tracker.import_tasks(tracker.find_order(name))
    assert states(tracking) == {first.name: "COMPLETED", second.name: "UNKNOWN"}
    assert tracking.entry(first.name)["status"]["settled_by"] == "store"
    assert len(tracking.entry(first.name)["outputs"]) == 6


def test_files_from_before_the_order_are_not_taken_for_its_own(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name = submitted(tracker, [(0, 0)])
    (request,) = tracker.engine.requests
    tracker.engine.write(request)
    lose(tracker, name)
    tracker.engine.tasks.clear()
    key = f"CEDAR_PREARD/{request.name}.json"
    tracker.store.write(key, tracker.store.read(key))  # Later than all of the files.
    tracking = tracker.find_order(name).tracking
    assert states(tracking) == {request.name: "UNKNOWN"}
    assert tracking.orders[0]["outputs"] == []


def test_a_task_from_before_the_order_is_not_its_own(tracker):
    name = submitted(tracker, [(0, 0)])
    (task,) = tracker.engine.tasks.values()
    lose(tracker, name)
    tracker.engine.tasks = {
        "OLD": TaskStatus("projects/p/operations/OLD", "COMPLETED", task.description, NOW - 10**10)
    }
    (entry,) = tracker.find_order(name).tracking.orders
    assert entry["status"]["state"] == "UNKNOWN"
    (entry,) = tracker.find_tasks(Wanted()).tracking.orders
    assert "id" not in entry["status"]


def test_a_rebuilt_record_cleans_what_the_lost_one_would(tracker, tmp_path):
    name = submitted(tracker)
    tracker.engine.finish()
    lose(tracker, name)
    tracking = tracker.import_tasks(tracker.find_order(name))
    assert tracking.complete
    tracker.download(tracking, tmp_path / "home")
    tracker.clean(tracker.read(name), name)
    assert list(tracker.store.objects()) == []


def test_items_of_a_lost_order_can_be_imported_with_others_and_are_cleaned_with_them(tracker):
    name = submitted(tracker)
    tracker.engine.finish()
    lose(tracker, name)
    tracking = tracker.import_tasks(tracker.find_tasks(Wanted()))
    assert tracking.complete
    assert tracking.name != name
    tracker.clean(tracking, tracking.name, force=True)
    assert list(tracker.store.objects()) == []


def test_a_lost_record_of_pulls_comes_back_and_only_the_rest_is_pulled(tmp_path):
    tracker = real_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1), (3, 3)], *MAY)
    lost = tracker.watch(name, interval=0.01)
    (gone, _) = [entry for entry in lost.orders if entry["outputs"]]
    lose(tracker, name)
    tracker.store.delete(f"CEDAR_PREARD/{gone['name']}.tif")
    rebuilt = tracker.import_tasks(tracker.find_order(name))
    assert sorted(states(rebuilt).values()) == ["COMPLETED", "EMPTY", "UNSUBMITTED"]
    again = tracker.watch(name, interval=0.01)
    assert again.complete
    assert sorted(e["name"] for e in again.orders) == sorted(e["name"] for e in lost.orders)


def test_a_pulled_image_of_another_request_is_not_the_orders(tmp_path):
    tracker = real_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, [(0, 0)], *MAY)
    (entry,) = tracker.watch(name, interval=0.01).orders
    lose(tracker, name)
    key = f"CEDAR_PREARD/{entry['name']}.json"
    document = tracker.store.read_metadata(key)
    document["task"]["request_id"] = "another"
    tracker.store.write(key, json.dumps(document).encode())
    assert states(tracker.find_order(name).tracking) == {entry["name"]: "UNSUBMITTED"}


def test_what_nobody_knows_of_a_rebuilt_order_is_started_again_only_when_asked(tracker):
    name = submitted(tracker, [(0, 0)])
    lose(tracker, name)
    tracker.engine.tasks.clear()
    tracker.import_tasks(tracker.find_order(name))
    starts = tracker.engine.log.count("start")
    assert states(tracker.watch(name, interval=0.01, timeout=5)).popitem()[1] == "UNKNOWN"
    assert tracker.engine.log.count("start") == starts
    (entry,) = tracker.retry(name).orders
    assert (entry["attempt"], entry["status"]["state"]) == (2, "READY")
    tracker.engine.finish()
    assert tracker.watch(name, interval=0.01, timeout=5).complete


def test_an_order_that_has_its_record_is_not_rebuilt(tracker):
    name = submitted(tracker)
    with pytest.raises(InputError, match=f"{name}.json is in the store"):
        tracker.find_order(name)


def test_an_order_that_no_document_names_is_an_error_that_says_what_to_do(tracker):
    submitted(tracker)
    with pytest.raises(InputError, match="--prefix"):
        tracker.find_order("NEVER")


def test_a_damaged_or_moved_document_is_left_out_and_said(tracker, caplog):
    name = submitted(tracker)
    first, second = tracker.engine.requests
    lose(tracker, name)
    data = tracker.store.read(f"CEDAR_PREARD/{first.name}.json")
    tracker.store.write("CEDAR_PREARD/copy.json", data)
    tracker.store.write(f"CEDAR_PREARD/{second.name}.json", b"{")
    with caplog.at_level(logging.WARNING, "cedar"):
        found = tracker.find_order(name)
    assert [entry["name"] for entry in found.tracking.orders] == [first.name]
    assert f"left out: image document {second.name} is damaged" in caplog.text


def test_of_two_orders_of_one_name_the_last_is_rebuilt(tracker, caplog):
    name = submitted(tracker)
    first, _ = tracker.engine.requests
    lose(tracker, name)
    key = f"CEDAR_PREARD/{first.name}.json"
    document = tracker.store.read_metadata(key)
    document["order"]["submitted"] = "2019-01-01T00:00:00+00:00"
    tracker.store.write(key, json.dumps(document).encode())
    with caplog.at_level(logging.WARNING, "cedar"):
        found = tracker.find_order(name)
    assert first.name not in states(found.tracking)
    assert len(found.tracking.orders) == 1
    assert "the last one is rebuilt" in caplog.text


def test_an_order_of_another_engine_is_not_rebuilt(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name = submitted(tracker)
    lose(tracker, name)
    elsewhere = exporting_tracker(tmp_path, EarthEngine(project="other", url="emulator"))
    elsewhere.engine.list_tasks = lambda _since: iter(())
    with pytest.raises(CedarError, match="belongs to another engine"):
        elsewhere.find_order(name)


def test_a_grid_that_is_not_the_configurations_is_told_by_the_tiles(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name = submitted(tracker, [(1, 2)])
    lose(tracker, name)
    lost = tracker.tile_grid
    other = exporting_tracker(tmp_path)
    other.tile_grid = type(lost).from_dict(lost.to_dict() | {"limits": [[0, 0], [0, 0]]})
    grid = other.find_order(name).tracking["submission"]["tile_grid"]
    assert grid == lost.to_dict() | {"name": None, "limits": None}


def test_tasks_and_a_lost_record_are_imported_over_the_wire(tmp_path):
    with exporting("gcs", tmp_path) as (there, tracker):
        name, _ = tracker.submit(COLLECTION, [(0, 0)], *MAY)
        tracker.store.delete(f"CEDAR_TRACKING/{name}.json")
        imported = tracker.import_tasks(tracker.find_tasks(Wanted(), "FIRST"))
        tracking = tracker.watch(imported.name, interval=0.01, timeout=30)
        assert tracking.complete
        assert len(tracking.orders[0]["outputs"]) == 6
        tracker.store.delete("CEDAR_TRACKING/FIRST.json")
        rebuilt = tracker.import_tasks(tracker.find_order(name))
        assert rebuilt.complete
        assert rebuilt.orders[0]["outputs"] == tracking.orders[0]["outputs"]
        assert asked(there, "earthengine")["image:export"] == 1


def test_a_layout_of_one_number_is_that_of_a_square():
    document = {
        "tile": {"size": [300, 250]},
        "store": {"export_image_kwds": {"fileDimensions": 128}},
    }
    assert Layout.of(document) == Layout((300, 250), (128, 128))
