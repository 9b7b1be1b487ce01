"""Orders that Earth Engine exports, from submit to clean, through the official clients."""

import pytest
from exported import (
    KINDS,
    asked,
    exporting,
    inventory,
    tracker_of,
    wrong_pixels,
)
from orders import COLLECTION, LANDSAT, MAY

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.states import TaskState

TILES = [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_real_pixels_come_home_and_nothing_else_of_the_store_is_touched(kind, tmp_path):
    with exporting(kind, tmp_path) as (emulator, tracker):
        # What others have there, some of it called almost like this order's.
        item = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
        foreign = [f"CEDAR_PREARD/{item}_B.tif", "CEDAR_PREARD/notes.txt", "OTHERS/record.json"]
        for key in foreign:
            tracker.store.write(key, key.encode())
        before = inventory(emulator)
        name, _ = tracker.submit(COLLECTION, TILES, *MAY)
        tracking = tracker.watch(name, interval=0.1)
        assert [len(entry["outputs"]) for entry in tracking.orders] == [6] * 4
        tracker.download(tracking, tmp_path / "home")
        assert wrong_pixels(tracking, tmp_path / "home") == 0
        tracker.clean(tracker.read(name), name)
        if kind == "gcs":
            assert inventory(emulator) == before
        assert {info.key: tracker.store.read(info.key) for info in tracker.store.objects()} == {
            key: key.encode() for key in foreign
        }


@pytest.mark.parametrize("kind", KINDS)
def test_records_may_be_in_a_folder_of_a_folder(kind, tmp_path):
    """Nothing is exported there, so what Earth Engine knows of Drive's folders doesn't matter."""
    with exporting(kind, tmp_path, tracking_prefix="orders/mine") as (_emulator, tracker):
        name, _ = tracker.submit(COLLECTION, TILES[:1], *MAY)
        assert tracker.watch(name, interval=0.1).complete
        assert tracker.store.stat(f"orders/mine/{name}.json").size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answers",
    [
        {"duplicate_request": "already-exists"},
        {"shard_dash": False},
        {"operations_order": "oldest"},
        {"drive_folder": "new"},
        {"drive_etag": False},
    ],
    ids=lambda given: "-".join(map(str, *given.items())),
)
def test_an_order_comes_home_whatever_the_open_questions_answers_are(kind, answers, tmp_path):
    settings = {"answers": Answers(**answers)}
    lost = {"service": "earthengine", "method": "image:export", "nth": 1}
    settings["faults"] = [{**lost, "action": "fail-after", "value": 503}]
    with exporting(kind, tmp_path, emulator=settings) as (_emulator, tracker):
        name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
        tracking = tracker.watch(name, interval=0.1)
        tracker.download(tracking, tmp_path / "home")
        assert wrong_pixels(tracking, tmp_path / "home") == 0
        tracker.clean(tracker.read(name), name)
        assert not list(tracker.store.objects())


@pytest.mark.parametrize("kind", KINDS)
def test_half_an_export_that_calls_itself_done_is_incomplete(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("cedar.defaults.LATE_OUTPUTS", 0.2)
    faults = [{"service": "earthengine", "method": "task", "nth": 1, "action": "half"}]
    with exporting(kind, tmp_path, emulator={"faults": faults}) as (_, tracker):
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        tracking = tracker.watch(name, interval=0.05)
        assert tracking.states == {TaskState.INCOMPLETE: 1}
        assert not tracking.complete
        assert 0 < len(tracking.orders[0]["outputs"]) < 6
        tracker.clean(tracking, name, force=True)
        assert not list(tracker.store.objects())


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_late_are_waited_for(kind, tmp_path):
    faults = [{"service": "earthengine", "method": "task", "nth": 1, "action": "late", "value": 1}]
    with exporting(kind, tmp_path, emulator={"faults": faults}) as (_, tracker):
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        assert tracker.watch(name, interval=0.1).complete


def test_tasks_go_on_from_one_process_to_the_next_in_the_emulators_state(tmp_path):
    state = {"state": tmp_path / "state"}
    with exporting("gcs", tmp_path, emulator=state) as (_emulator, tracker):
        name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    with exporting("gcs", tmp_path, emulator=state) as (emulator, tracker):
        tracking = tracker.watch(name, interval=0.1)
        tracker.download(tracking, tmp_path / "home")
        assert wrong_pixels(tracking, tmp_path / "home") == 0
        assert asked(emulator, "earthengine")["image:export"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_fails_says_why(kind, tmp_path):
    faults = [
        {
            "service": "earthengine",
            "method": "task",
            "nth": 1,
            "action": "status",
            "value": "memory",
        }
    ]
    with exporting(kind, tmp_path, emulator={"faults": faults}) as (_, tracker):
        name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
        tracking = tracker.watch(name, interval=0.05)
        assert tracking.states == {TaskState.FAILED: 1, TaskState.COMPLETED: 1}
        (error,) = [e["status"]["error_message"] for e in tracking.orders if not e["outputs"]]
        assert error == "User memory limit exceeded."


def test_a_bucket_that_is_not_there_is_one_line(tmp_path):
    with Emulator(LANDSAT) as emulator:
        tracker = tracker_of("gcs", tmp_path, emulator)
        with pytest.raises(Exception, match="a-bucket") as caught:
            tracker.submit(COLLECTION, (0, 0), *MAY)
        assert "\n" not in str(caught.value)
