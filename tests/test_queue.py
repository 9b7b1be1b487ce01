"""The queue of a real service, over the wire: more items than it holds, and several who feed it."""

import datetime as dt
import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from exported import BUCKET, HASTE, hasten, store_of
from forked import Forked
from operations import attempts, ever, remember
from orders import COLLECTION, COLLECTIONS, LANDSAT

from cedar import TileGrid, Tracker, defaults
from cedar.changes import reported
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.items import TaskStatus
from cedar.states import TaskState

#: Tiles of 8 × 8 pixels, which all have an image.
GRID = TileGrid(ul=(731005, -2779015), crs="EPSG:32621", res=(30, 30), size=(8, 8))
OPTIONS = {"shardSize": 64, "fileDimensions": 128}
FIRST = dt.date(2020, 1, 1)
#: Of the queue that several feed.
PLACES = 10
#: Acts again and again until the time is over, then says which revisions it has written.
PROGRAM = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from killing import hurry
from test_queue import PLACES, tracker_of
from cedar import defaults
from cedar.engines.earthengine import EarthEngine

urls, directory, name, action, seconds = json.loads(sys.argv[1])
hurry()
defaults.QUEUED_TASKS = defaults.START_BATCH = PLACES
tracker = tracker_of(urls, Path(directory), EarthEngine(url=urls["earthengine"]))
revisions, write = [], tracker.store.write

def noted(key, data, *condition, **conditions):
    info = write(key, data, *condition, **conditions)
    if key.endswith(f"/{{name}}.json"):
        revisions.append(json.loads(data)["revision"])
    return info

tracker.store.write = noted
print("ready", flush=True)
sys.stdin.readline()
end, turns = time.monotonic() + seconds, 0
while time.monotonic() < end:
    if action == "tick":
        assert not tracker.tick().failures
    else:
        tracker.update(name)
    turns += 1
print(json.dumps([turns, revisions]))
"""


def daily(directory, days):
    """A catalog that has the image of the real scenes on each of so many days."""
    directory.mkdir()
    scene = json.loads((LANDSAT / "LC08_224077_20200518.json").read_text())
    scene["assets"]["data"]["href"] = str(LANDSAT / "LC08_224077_20200518.tif")
    for day in range(days):
        date = FIRST + dt.timedelta(days=day)
        scene["id"] = f"LC08_224077_{date:%Y%m%d}"
        scene["properties"]["datetime"] = f"{date}T13:36:02Z"
        (directory / f"{scene['id']}.json").write_text(json.dumps(scene))
    return directory


def tracker_of(urls, directory, engine):
    store = store_of("gcs", urls, directory)
    return Tracker(GRID, store, engine=engine, collections=COLLECTIONS, export_image_kwds=OPTIONS)


def submit(tracker, side, days):
    """Order side × side tiles of so many days, each an item."""
    tiles = [(row, col) for row in range(side) for col in range(side)]
    end = FIRST + dt.timedelta(days=days)
    return tracker.submit(COLLECTION, tiles, FIRST, end, "1D", period_closed="left")[0]


def check_once(emulator, tracker, name, state):
    """Each item is in a state, and has one task, which is the one that the record names."""
    entries = tracker.read(name).orders
    assert Counter(entry["status"]["state"] for entry in entries) == {state: len(entries)}
    tasks = ever(emulator)
    assert len(tasks) == len(entries)
    assert {words: task for task, words, _ in tasks} == attempts(entries)
    return entries


@pytest.mark.parametrize(
    ("side", "days", "places"),
    [
        pytest.param(4, 10, 50, id="160", marks=pytest.mark.timeout(300)),
        pytest.param(
            10, 100, 3000, id="10000", marks=[pytest.mark.stress, pytest.mark.timeout(2400)]
        ),
    ],
)
def test_an_order_of_more_items_than_the_queue_has_places_is_fed_by_ticks(
    side, days, places, tmp_path, monkeypatch, capsys
):
    """Some of the tasks end between two of them: of a queue of 3,000 a thousand."""
    monkeypatch.setattr(defaults, "QUEUED_TASKS", places)
    monkeypatch.setattr(defaults, "START_BATCH", min(places, defaults.START_BATCH))
    hasten(monkeypatch, HASTE)
    began, running = time.monotonic(), 25
    settings = Settings(
        queued_tasks=places,
        concurrent_tasks=running,
        task_seconds=60,
        # Time stands still while a tick writes.
        object_writes=0,
    )
    emulator = Emulator(daily(tmp_path / "scenes", days), clock="stepped", settings=settings)
    remember(emulator)
    with emulator:
        emulator.make_bucket(BUCKET)
        tracker = tracker_of(emulator.urls, tmp_path, EarthEngine(emulator=emulator))
        name = submit(tracker, side, days)
        items, submitted = len(tracker.read(name).orders), time.monotonic() - began
        assert tracker.read(name).states["READY"] == places < items
        ticks, longest = 0, 0.0
        while True:
            start = time.monotonic()
            done = tracker.tick()
            longest, ticks = max(longest, time.monotonic() - start), ticks + 1
            assert not done.failures
            if not done.unfinished:
                break
            assert ticks < 100
            for _ in range(max(1, places // running // 3)):
                emulator.settle()
                emulator.clock.advance(60)
            emulator.settle()
        entries = check_once(emulator, tracker, name, TaskState.COMPLETED)
        assert tracker.read(name).complete
        assert len(entries) == items == side**2 * days
        starts = Counter(r.status for r in emulator.requests if r.method == "image:export")
        assert starts == {200: items}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{items} items, {places} places: submitted in {submitted:.0f} s, {ticks} ticks, the "
            f"longest {longest:.1f} s; {time.monotonic() - began:.0f} s in all, none lost or "
            "doubled, no start refused\n"
        )


def test_an_answer_from_before_a_task_ran_changes_nothing_once_that_is_known():
    entry = {"status": {"id": "T", "state": "READY"}}
    asked = [
        TaskStatus("p/operations/T", "READY", "item-a1", created=1, updated=1),
        TaskStatus("p/operations/T", "RUNNING", "item-a1", created=1, started=5, updated=6),
    ]
    reported(asked[1])(entry)
    reported(asked[0])(entry)
    assert entry["status"]["state"] == "RUNNING"
    # The service gave it up, and starts it again.
    reported(TaskStatus("p/operations/T", "READY", "item-a1", created=1, updated=9))(entry)
    assert entry["status"]["state"] == "READY"
    reported(TaskStatus("p/operations/T", "CANCELLED", "item-a1", created=1, updated=10))(entry)
    assert entry["status"]["state"] == "CANCELLED"


def started(urls, directory, name, action, seconds):
    arguments = json.dumps([dict(urls), str(directory), name, action, seconds])
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    process = Forked(program, arguments)
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def run(processes, seconds):
    """Let processes act; what each says at its end."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=seconds + 60) for process in processes]
    # Half a second is a lease's term here, for which a busy machine may well hold a process up.
    said = [line for _, error in ends for line in error.splitlines()]
    assert [line for line in said if "was taken over: this process was held up" not in line] == []
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(said) for said, _ in ends]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3, marks=pytest.mark.timeout(300)),
        pytest.param(60, marks=[pytest.mark.stress, pytest.mark.timeout(600)]),
    ],
)
def test_two_pumps_and_an_update_at_once_lose_no_update_and_start_no_task_twice(
    seconds, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(defaults, "QUEUED_TASKS", PLACES)
    monkeypatch.setattr(defaults, "START_BATCH", PLACES)
    # As many items as the service makes in that time, so that there is always something to do.
    settings = Settings(queued_tasks=PLACES, concurrent_tasks=2, task_seconds=0.4, object_writes=0)
    days = 2 + seconds // 4
    emulator = Emulator(daily(tmp_path / "scenes", days), settings=settings)
    remember(emulator)
    with emulator:
        emulator.make_bucket(BUCKET)
        tracker = tracker_of(emulator.urls, tmp_path, EarthEngine(emulator=emulator))
        name = submit(tracker, 4, days)
        before = tracker.read(name)["revision"]
        actions = ("tick", "tick", "update")
        said = run(
            [started(emulator.urls, tmp_path, name, action, seconds) for action in actions],
            seconds,
        )
        tracking = tracker.read(name)
        # Two that had read the same revision would have written the same number.
        written = sorted(revision for _, revisions in said for revision in revisions)
        assert written == list(range(before + 1, tracking["revision"] + 1))
        tasks = Counter(words for _, words, _ in ever(emulator))
        assert set(tasks.values()) == {1}
        known = {words: task for words, task in attempts(tracking.orders).items() if task}
        assert known == {words: task for task, words, _ in ever(emulator)}
        for entry in tracking.orders:
            states = [event["state"] for event in entry.get("history", ())]
            assert states == [s for s in ("READY", "RUNNING", "COMPLETED") if s in states]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{seconds} s: {[turns for turns, _ in said]} turns, {len(written)} writes, none "
            f"lost; {len(tasks)} tasks of {len(tracking.orders)} items, none doubled: "
            f"{dict(tracking.states)}\n"
        )
