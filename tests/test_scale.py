"""Pulling through a server on this machine, as from the service: many at once, and on bad days."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import googleapiclient.http
import pytest
import rasterio
from orders import COLLECTION, LANDSAT, MAY, albers_grid, real_tracker, reference, utm_grid
from processes import TILES, WATCH, go, start

from cedar import TileGrid, pump
from cedar.emulator import Emulator
from cedar.emulator.faults import ACTIONS, Faults
from cedar.engines.earthengine import EarthEngine, blocks, pull, session
from cedar.engines.earthengine.limiter import Limiter
from cedar.states import TaskState

PIXELS = "image:computePixels"
#: A block of 256 × 256 pixels: of two bytes each, and one of mask, three bands.
SMALL = 9 * 256**2


def asked(emulator):
    return sum(request.method == PIXELS for request in emulator.requests)


def wrong_pixels(tracker, tracking, grid):
    """How many pixels differ from the reference, of an order that is complete."""
    assert tracking.complete, tracking.states
    wrong = 0
    for entry in tracking.orders:
        for output in entry["outputs"]:
            path = tracker.store.root / entry["prefix"] / output["name"]
            with rasterio.open(path) as image:
                wrong += (image.read() != reference(grid[entry["tile"]])).sum()
    return wrong


def big_grid():
    """One tile over both scenes: 48 blocks of 256 × 256 pixels and one band."""
    return TileGrid(ul=(730005.0, -2778015.0), crs="EPSG:32621", res=(30, 30), size=(1000, 1000))


class Watched(Limiter):
    """A limiter that remembers the most that was ever let through at once."""

    def __init__(self, **limits):
        super().__init__(**limits)
        self.most_running = self.most_held = 0
        self.least_allowed = self.allowed

    @contextlib.contextmanager
    def request(self, size=0):
        with super().request(size):
            self.most_running = max(self.most_running, self._running)
            self.most_held = max(self.most_held, self._held)
            self.least_allowed = min(self.least_allowed, self.allowed)
            yield


@pytest.fixture
def limiter(monkeypatch):
    """The process's limiter, one of its own for the test; `limiter(**limits)` sets its limits."""

    def limiter(**limits):
        watched = Watched(**limits)
        monkeypatch.setattr(session, "LIMITER", watched)
        return watched

    return limiter


@pytest.fixture
def workers(monkeypatch):
    """Let so many blocks be fetched at once."""
    with contextlib.ExitStack() as stack:

        def workers(count):
            pool = stack.enter_context(ThreadPoolExecutor(count))
            monkeypatch.setattr(pull, "_pool", lambda: pool)

        yield workers


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", SMALL)


@pytest.fixture
def impatient(monkeypatch):
    """The pauses before another try, the client's and cedar's, a thousandth as long."""
    dice = SimpleNamespace(random=lambda: random.random() / 1000)
    monkeypatch.setattr(googleapiclient.http, "random", dice)
    delays = pump.delays
    monkeypatch.setattr(pump, "delays", lambda: (seconds / 1000 for seconds in delays()))


def served_tracker(tmp_path, emulator, grid=None, **settings):
    """A tracker over the real scenes that asks a server."""
    engine = EarthEngine(url=emulator.urls["earthengine"])
    return real_tracker(tmp_path, grid, engine=engine, **settings)


#: Who fetches a block knows nothing of the grid: each number with one grid, each grid with one.
@pytest.mark.parametrize(
    ("grid", "tiles", "count"),
    [
        (utm_grid(), [(0, 0), (0, 1), (1, 0), (1, 1)], 1),
        (utm_grid(), [(0, 0), (0, 1), (1, 0), (1, 1)], 40),
        (utm_grid(shift=15.0), [(0, 0), (0, 1), (1, 0), (1, 1)], 8),
        (albers_grid(), [(0, 0), (-1, 0), (0, 1)], 8),
    ],
    ids=["aligned-1", "aligned-40", "half a pixel off-8", "Albers-8"],
)
def test_real_pixels_come_through_a_server_with_any_number_of_workers(
    tmp_path, small_blocks, workers, grid, tiles, count
):
    workers(count)
    with Emulator(LANDSAT) as emulator:
        tracker = served_tracker(tmp_path, emulator, grid)
        name, _ = tracker.submit(COLLECTION, tiles, *MAY)
        assert wrong_pixels(tracker, tracker.watch(name), grid) == 0
        assert asked(emulator) > len(tiles)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_as_many_blocks_are_asked_for_at_once_as_there_are_workers(
    tmp_path, monkeypatch, workers, limiter, count
):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    workers(count)
    watched = limiter()
    slow = {"service": "earthengine", "method": PIXELS, "action": "delay", "value": 60}
    faults = [{**slow, "nth": 1, "count": count}]
    with Emulator(LANDSAT, faults=faults, clock="stepped") as emulator:
        tracker = served_tracker(tmp_path, emulator, big_grid())
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)

        def go_on():
            emulator.clock.wait_for_sleepers(count)
            emulator.clock.advance(60)

        helper = threading.Thread(target=go_on)
        helper.start()
        tracking = tracker.watch(name)
        helper.join()
        assert wrong_pixels(tracker, tracking, big_grid()) == 0
        assert watched.most_running == count
        assert {request.status for request in emulator.requests} == {200}
        assert asked(emulator) == 48


def test_real_pixels_come_from_a_server_in_another_process(tmp_path, small_blocks):
    command = [sys.executable, "-m", "cedar", "--json", "emulator", "--catalog", str(LANDSAT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        written = b""
        while not written.rstrip().endswith(b"}"):
            written += os.read(server.stdout.fileno(), 4096)
        engine = EarthEngine(url=json.loads(written)["earthengine"])
        tracker = real_tracker(tmp_path, engine=engine)
        name, _ = tracker.submit(COLLECTION, [(0, 0), (1, 1)], *MAY)
        tracking = tracker.watch(name)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert wrong_pixels(tracker, tracking, utm_grid()) == 0
    assert tracking["engine"]["emulated"]


def fetched_again(tmp_path, kills, seed):
    """Pull a tile of 48 blocks; kill -9 after some of them, again and again, then let it end.

    Returns
    -------
    int, int
        How many blocks were asked for more than once, and how many may have been in flight.
    """
    moments, at_once = random.Random(seed), 4
    small = {"block_bytes": 1, "at_once": at_once}
    with Emulator(LANDSAT) as emulator:
        url = emulator.urls["earthengine"]
        tracker = served_tracker(tmp_path, emulator, big_grid())
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        for _ in range(kills):
            until = asked(emulator) + moments.randrange(1, 48 // (kills + 1))
            with start(tmp_path, WATCH, url, **small) as process:
                go(process)
                while asked(emulator) < until:
                    assert process.poll() is None
                process.kill()
        assert 0 < len([*tmp_path.glob(".cedar/scratch/*/*.block")]) < 48
        with start(tmp_path, WATCH, url, **small) as process:
            go(process)
            assert process.communicate(timeout=60)[1] == ""
        assert wrong_pixels(tracker, tracker.read(name), big_grid()) == 0
        return asked(emulator) - 48, kills * at_once


def test_kill_9_costs_no_more_than_the_blocks_in_flight(tmp_path):
    again, in_flight = fetched_again(tmp_path, kills=2, seed=1)
    assert 0 <= again <= in_flight


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(10))
def test_five_times_kill_9_costs_no_more_than_the_blocks_in_flight(tmp_path, seed):
    again, in_flight = fetched_again(tmp_path, kills=5, seed=seed)
    assert 0 <= again <= in_flight


def test_two_watches_fetch_each_block_once(tmp_path):
    with Emulator(LANDSAT) as emulator:
        url = emulator.urls["earthengine"]
        tracker = served_tracker(tmp_path, emulator)
        name, _ = tracker.submit(COLLECTION, TILES, *MAY)
        with start(tmp_path, WATCH, url) as one, start(tmp_path, WATCH, url) as other:
            go(one)
            go(other)
            errors = [process.communicate(timeout=60)[1] for process in (one, other)]
        assert (errors, one.returncode, other.returncode) == (["", ""], 0, 0)
        tracking = tracker.read(name)
        assert wrong_pixels(tracker, tracking, utm_grid()) == 0
        # 300 × 250 pixels in blocks of 256 × 256: two each.
        assert asked(emulator) == 2 * tracking.states[TaskState.COMPLETED] > 0


#: All that can go wrong with a request and pass, or be asked for in smaller parts.
KINDS = [
    *({"action": "status", "value": value} for value in (429, 500, 503, 504, "quota")),
    *({"action": "status", "value": value} for value in ("memory", "timeout", "too-large")),
    *({"action": "fail-after", "value": value} for value in (429, 500, 503)),
    {"action": "reset"},
    {"action": "delay", "value": 0.02},
    {"action": "truncate", "value": 0.9},
    {"action": "truncate", "value": 10},
]


def bad_days(tmp_path, monkeypatch, orders, method="*:*", probability=0.1):
    """Make orders of four tiles, while requests that compute fail; how often each kind did."""
    # Of those of a pull; and no pixel that was changed on its way could be known.
    assert {kind["action"] for kind in KINDS} == set(ACTIONS) - {"corrupt", "half", "late"}
    happened, find = Counter(), Faults.next

    def noted(faults, service, method):
        fault = find(faults, service, method)
        if fault is not None:
            happened[fault.action, fault.value] += 1
        return fault

    monkeypatch.setattr(Faults, "next", noted)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    each = {"service": "earthengine", "method": method, "probability": probability / len(KINDS)}
    grid = utm_grid()
    for seed in range(orders):
        directory = tmp_path / str(seed)
        with Emulator(LANDSAT, faults=[each | kind for kind in KINDS], seed=seed) as emulator:
            tracker = served_tracker(directory, emulator)
            name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1), (1, 0), (1, 1)], *MAY)
            assert wrong_pixels(tracker, tracker.watch(name, interval=0.01), grid) == 0
        shutil.rmtree(directory)
    return happened


def test_orders_complete_while_a_tenth_of_the_requests_fails(tmp_path, monkeypatch, impatient):
    assert bad_days(tmp_path, monkeypatch, orders=4).total() > 5


@pytest.mark.stress
@pytest.mark.parametrize(("method", "probability"), [("*:*", 0.1), (PIXELS, 0.6)])
def test_twenty_orders_complete_while_requests_fail_in_every_way(
    tmp_path, monkeypatch, impatient, method, probability
):
    happened = bad_days(tmp_path, monkeypatch, 20, method, probability)
    assert len(happened) == len(KINDS)


def test_bytes_in_flight_are_bounded(tmp_path, workers, small_blocks, limiter):
    """16 blocks in all, and never more than three at once."""
    workers(16)
    watched = limiter(bytes_in_flight=3 * SMALL)
    with Emulator(LANDSAT) as emulator:
        tracker = served_tracker(tmp_path, emulator, big_grid())
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        assert wrong_pixels(tracker, tracker.watch(name), big_grid()) == 0
        assert asked(emulator) == 16
    assert 2 * SMALL < watched.most_held <= 3 * SMALL


def test_fewer_are_asked_for_at_once_after_a_429_and_more_again_later(
    tmp_path, monkeypatch, workers, limiter, impatient
):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    workers(40)
    watched = limiter()
    busy = {"service": "earthengine", "method": PIXELS, "action": "status", "value": 429}
    with Emulator(LANDSAT, faults=[{**busy, "nth": 1, "count": 3}]) as emulator:
        tracker = served_tracker(tmp_path, emulator, big_grid())
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        assert wrong_pixels(tracker, tracker.watch(name), big_grid()) == 0
        assert asked(emulator) == 48 + 3
    assert watched.least_allowed <= 20
    assert watched.allowed > watched.least_allowed
