"""How many requests an order costs, besides connecting: those of the items, and few more."""

import copy
import math
import time

import pytest
from exported import asked, exporting
from orders import COLLECTION, MAY

from cedar import TileGrid, Tracker
from cedar.emulator.settings import Settings
from cedar.items import Output
from cedar.metadata import TrackingMetadata

LC08 = "LANDSAT/LC08/C02/T1_L2"
#: Each has an image: the satellite comes every 16 days.
PERIODS = ("2014-01-01", "2022-10-06", "16D", False, False, None, "left")
GRID = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(16, 16))


def started_long(tracker, n_tiles):
    """Submit 200 items a tile, whose tasks don't end by themselves."""
    there = Tracker(
        GRID, tracker.store, engine=tracker.engine, collections={LC08: {"bands": ["red"]}}
    )
    name, _ = there.submit(LC08, [(0, col) for col in range(n_tiles)], *PERIODS)
    return there, name


def add_foreign(emulator, count):
    """Have others start tasks in the project, before ours."""
    with emulator._state.transaction() as rows:
        rows.executemany(
            "INSERT INTO operations (id, project, description, priority, state, created, updated) "
            "VALUES (?, 'cedar-emulator', 'somebody-s', 100, 'SUCCEEDED', 1, 1)",
            ((f"{n:024d}",) for n in range(count)),
        )


def end_what_runs(emulator):
    """Let the tasks that run come to their end, and their files be written."""
    emulator.clock.advance(1e6)
    ended = 0
    while ended < 2:
        with emulator._state.transaction() as rows:
            (ended,) = rows.execute(
                "SELECT COUNT(*) FROM operations WHERE state = 'SUCCEEDED' AND description LIKE ?",
                ("%-a1",),
            ).fetchone()


def updated(emulator, tracker, name):
    """Update an order; its states, and what that has cost at the service and in the store."""
    emulator.requests.clear()
    states = tracker.update(name).states
    return states, asked(emulator, "earthengine"), asked(emulator, "gcs")


@pytest.mark.parametrize(
    "n_tiles",
    [
        pytest.param(3, marks=pytest.mark.timeout(300)),
        pytest.param(15, marks=[pytest.mark.stress, pytest.mark.timeout(900)]),
    ],
)
def test_an_update_costs_a_request_for_500_items_however_many_tasks_others_have(tmp_path, n_tiles):
    n_items = 200 * n_tiles
    settings = {"clock": "stepped", "settings": Settings(object_writes=0, task_seconds=1e6)}
    with exporting("gcs", tmp_path, emulator=settings | {"catalog": None}) as (emulator, tracker):
        add_foreign(emulator, 60_000)
        begun = time.monotonic()
        tracker, name = started_long(tracker, n_tiles)
        seconds = time.monotonic() - begun
        assert len(tracker.read(name).orders) == n_items
        spent = asked(emulator, "earthengine")
        assert spent["value:compute"] == n_tiles
        assert spent["image:export"] == n_items
        # A document an item; besides, the record once a second, and the leases.
        assert asked(emulator, "gcs")["objects.insert"] < n_items + 30 + seconds
        states, spent, in_store = updated(emulator, tracker, name)
        assert states == {"READY": n_items - 2, "RUNNING": 2}
        assert spent.total() == spent["operations.list"] <= math.ceil(n_items / 500) + 1
        assert in_store["objects.download"] == 1
        assert in_store["objects.insert"] <= 1
        assert in_store["objects.list"] == 0
        end_what_runs(emulator)
        states, spent, in_store = updated(emulator, tracker, name)
        assert states["COMPLETED"] == 2
        assert spent.total() <= math.ceil(n_items / 500) + 1
        assert (in_store["objects.download"], in_store["objects.insert"]) == (1, 1)
        # Of the prefix, which has a document an item and the files of two: a thousand a page.
        assert 1 <= in_store["objects.list"] <= math.ceil((n_items + 2) / 1000)
        assert in_store.total() <= 3 + in_store["objects.list"]


def finished_order(tracker, n_items):
    """Have an order of many items in the store, each of four files and a document."""
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    document = tracker.read(name).document
    (entry,) = document["orders"]
    template = tracker.store.read(f"CEDAR_PREARD/{entry['name']}.json")
    tracker.store.delete(f"CEDAR_PREARD/{entry['name']}.json")
    document["orders"], document["metadata"] = [], []
    for number in range(n_items):
        item = copy.deepcopy(entry) | {"name": f"ITEM_{number:04d}", "shards": 4}
        item["status"] |= {"state": "COMPLETED", "id": f"TASK{number}"}
        for part in range(4):
            key = f"CEDAR_PREARD/ITEM_{number:04d}-0000000000-000000000{part}.tif"
            item["outputs"].append(vars(Output.of(tracker.store.write(key, key.encode()))))
        text = template.replace(entry["name"].encode(), item["name"].encode())
        tracker.store.write(f"CEDAR_PREARD/{item['name']}.json", text)
        document["orders"].append(item)
        document["metadata"].append(f"CEDAR_PREARD/{item['name']}.json")
    tracker.store.store_metadata(document, name, "CEDAR_TRACKING")
    return TrackingMetadata(document, name)


@pytest.mark.parametrize(
    "n_items",
    [100, pytest.param(1000, marks=[pytest.mark.stress, pytest.mark.timeout(900)])],
)
def test_a_file_costs_one_request_to_download_and_a_hundred_cost_one_to_delete(tmp_path, n_items):
    settings = {"settings": Settings(object_writes=0, task_seconds=1e6)}
    with exporting("gcs", tmp_path, emulator=settings) as (emulator, tracker):
        tracking = finished_order(tracker, n_items)
        emulator.requests.clear()
        done = tracker.download(tracking, tmp_path / "home")
        files = sum(map(len, done.values()))
        assert files == 5 * n_items
        assert asked(emulator, "gcs").total() <= 1.01 * files + 10
        emulator.requests.clear()
        tracker.clean(tracking, tracking.name)
        spent = asked(emulator, "gcs")
        # Each document is read to see whose it is; all files go by the hundred.
        assert spent["batch"] <= math.ceil(4 * n_items / 100) + math.ceil(n_items / 25) + 2
        assert spent["objects.delete"] <= 2
        assert not list(tracker.store.objects())
