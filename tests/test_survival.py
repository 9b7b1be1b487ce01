"""Orders survive kill -9, Ctrl-C, SIGTERM and each other."""

import json
import random
import signal
import time
from pathlib import Path

import pytest
import rasterio
from forked import COMMAND, Forked
from orders import COLLECTION, LANDSAT, MAY, real_tracker, reference, utm_grid
from processes import SUBMIT, TILES, WATCH, go, start

from cedar import LocalStore, TrackingMetadata
from cedar.emulator import Emulator
from cedar.states import TaskState


def records(store):
    return sorted(Path(store, "CEDAR_TRACKING").glob("*.json"))


def kill_after(process, store, seconds):
    """Kill after the first write, at a random moment; every state of the record is readable."""
    go(process)
    while not records(store) and process.poll() is None:
        time.sleep(0.001)
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        for path in records(store):
            TrackingMetadata.loads(path.read_bytes())
    process.kill()
    process.communicate()


def check_complete(store):
    """Every item is done once, right, and the store holds nothing that the record doesn't name."""
    tracker = real_tracker(store)
    (name,) = tracker.list()
    tracking = tracker.read(name)
    assert tracking.complete
    assert tracking.states == {TaskState.COMPLETED: 6, TaskState.EMPTY: 39}
    made = [entry for entry in tracking.orders if entry["outputs"]]
    for entry in made:
        with rasterio.open(Path(store, "CEDAR_PREARD", f"{entry['name']}.tif")) as image:
            assert (image.read() == reference(utm_grid()[entry["tile"]])).all()
            assert image.tags()["CEDAR_REQUEST_ID"] == entry["request_id"]
    named = {f"CEDAR_PREARD/{output['name']}" for entry in made for output in entry["outputs"]}
    named |= {*tracking["metadata"], f"CEDAR_TRACKING/{name}.json"}
    assert {info.key for info in LocalStore(store).objects()} == named
    assert list(Path(store, ".cedar", "scratch").iterdir()) == []


def survive(tmp_path, kills, seed, url=None):
    """Submit and watch, killed again and again; then one watch must bring it to the end."""
    moments = random.Random(seed)
    kill_after(start(tmp_path, SUBMIT, url), tmp_path, moments.uniform(0, 0.03))
    for _ in range(kills - 1):
        kill_after(start(tmp_path, WATCH, url), tmp_path, moments.uniform(0, 0.25))
    tracker = real_tracker(tmp_path)
    tracker.watch(*tracker.list())
    check_complete(tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
def test_an_order_survives_ten_kills(tmp_path, seed):
    survive(tmp_path, 5, seed)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(10))
def test_an_order_survives_fifty_kills(tmp_path, seed):
    survive(tmp_path, 5, 100 + seed)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(10))
def test_an_order_survives_fifty_kills_beside_a_server(tmp_path, seed):
    with Emulator(LANDSAT) as served:
        survive(tmp_path, 5, 200 + seed, served.urls["earthengine"])


def test_two_watches_pull_each_item_once(tmp_path):
    tracker = real_tracker(tmp_path)
    tracker.submit(COLLECTION, TILES, *MAY, "7D")
    counted = (
        "engine = tracker.engine\n"
        f"{WATCH}\n"
        "pulled = [r for r in engine._emulator.requests if r.method == 'image:computePixels']\n"
        "print(len(pulled))"
    )
    watches = [start(tmp_path, counted) for _ in range(2)]
    for watch in watches:
        go(watch)
    answers = [watch.communicate(timeout=60) for watch in watches]
    assert [watch.returncode for watch in watches] == [0, 0], answers
    # 300 × 250 pixels in blocks of 256 × 256: two each.
    assert sum(int(out) for out, _ in answers) == 6 * 2
    check_complete(tmp_path)


def test_a_submit_and_a_watch_at_once_make_each_item_once(tmp_path):
    waiting = f"while not tracker.list(): pass\n{WATCH}"
    watch, submit = start(tmp_path, waiting), start(tmp_path, SUBMIT)
    go(watch)
    go(submit)
    assert submit.communicate(timeout=60)[1] == ""
    assert watch.communicate(timeout=60)[1] == ""
    check_complete(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_record_and_the_next_watch_goes_on(tmp_path, number):
    config = tmp_path / "cedar.yaml"
    landsat = Path(__file__).parent / "data" / "landsat"
    config.write_text(
        f"""
tile_grid: {json.dumps(utm_grid().to_dict())}
tracker: {{store: local}}
local: {{directory: store}}
earthengine: {{url: emulator, catalog: {landsat}}}
collections:
  {COLLECTION}: {{bands: {{blue: B2, green: B3, red: B4}}, dtype: uint16, nodata: 0}}
""",
        encoding="utf-8",
    )
    store = tmp_path / "store"
    tracker = real_tracker(store)
    name, _ = tracker.submit(COLLECTION, TILES, *MAY, "7D")
    before = records(store)[0].read_bytes()
    watch = Forked(COMMAND, "-C", str(config), "watch", name)
    while not any(Path(store, ".cedar").glob("claims/*")) and watch.poll() is None:
        time.sleep(0.001)
    watch.send_signal(number)
    _, errors = watch.communicate(timeout=60)
    assert watch.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert f"cedar watch {name}" in errors
    tracking = TrackingMetadata.loads(records(store)[0].read_bytes())
    assert TaskState.RUNNING not in tracking.states
    assert records(store)[0].read_bytes() != before or not tracking.complete
    with Forked(COMMAND, "-C", str(config), "watch", name) as again:
        again.communicate()
    assert again.returncode == 0
    check_complete(store)
    assert list(Path(store, ".cedar", "claims").iterdir()) == []
