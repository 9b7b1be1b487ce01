"""Pulling the items of an order: what fails, what is tried again, what stops it."""

import errno
import itertools
import threading
from pathlib import Path

import pytest
from ee import _state
from hypothesis import given
from hypothesis import strategies as st
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar import LocalStore
from cedar import pump as pump_module
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine, blocks
from cedar.exceptions import EngineError, StoreError
from cedar.rasters import TILE_SIDE
from cedar.record import Record
from cedar.retry import delays
from cedar.states import TaskState

TILES = [(0, 0), (0, 1), (1, 0)]


class Scripted(EarthEngine):
    """The emulator over the real scenes, where pulls may be made to end in an error."""

    def __init__(self):
        super().__init__(url="emulator", catalog=LANDSAT)
        #: Of a tile: what its next pulls do, one each.
        self.script = {}
        #: Tiles, as they are pulled.
        self.pulls = []

    def pull(self, request, scratch, progress):
        tile = tuple(request.metadata["tile"]["index"])
        self.pulls.append(tile)
        if self.script.get(tile):
            act = self.script[tile].pop(0)
            if isinstance(act, BaseException):
                raise act
            act(progress)
        return super().pull(request, scratch, progress)


class FullStore(LocalStore):
    """A store that takes no image while it is full."""

    full = True

    def put(self, path, key, *args, **kwds):
        if self.full:
            raise StoreError(f"can't put {key}: no space left on device", key)
        return super().put(path, key, *args, **kwds)


@pytest.fixture
def engine():
    return Scripted()


@pytest.fixture
def tracker(tmp_path, engine):
    return real_tracker(tmp_path, engine=engine)


@pytest.fixture
def name(tracker):
    return tracker.submit(COLLECTION, TILES, *MAY)[0]


@pytest.fixture
def at_once(monkeypatch):
    """No waiting between tries, nor between looks and writes."""
    monkeypatch.setattr(pump_module, "delays", lambda: itertools.repeat(0.0))
    monkeypatch.setattr(pump_module.defaults, "RECORD_INTERVAL", 0.01)


def scratch(tracker):
    return [*Path(tracker.store.root, ".cedar", "scratch").glob("*")]


def by_tile(tracking):
    return {tuple(entry["tile"]): entry for entry in tracking.orders}


@given(st.floats(0.1, 10), st.floats(1.1, 4), st.floats(10, 100))
def test_delays_grow_to_the_longest_and_differ(first, factor, longest):
    bound = first
    for delay in itertools.islice(delays(first, factor, longest), 20):
        assert bound / 2 <= delay <= bound
        bound = min(longest, bound * factor)


def test_ancestor_26_an_error_that_may_pass_is_tried_again(tracker, engine, name, at_once):
    engine.script[0, 1] = [EngineError("lost", transient=True) for _ in range(3)]
    told = []
    tracking = tracker.watch(name, interval=0, callback=told.append)
    assert tracking.states == {TaskState.COMPLETED: 3}
    assert engine.pulls.count((0, 1)) == 4
    assert engine.pulls.count((0, 0)) == engine.pulls.count((1, 0)) == 1
    waiting = [by_tile(tracking)[0, 1]["status"] for tracking in told]
    assert "lost" in {status["error_message"] for status in waiting}
    assert by_tile(tracking)[0, 1]["status"]["error_message"] is None


def test_the_pauses_between_tries_grow(tracker, engine, name, monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 0.05
            return self.now

        def time(self):
            return 1.6e9 + self.now

    clock, times = Clock(), []
    monkeypatch.setattr(pump_module, "time", clock)

    def fail(progress):
        times.append(clock.now)
        raise EngineError("lost", transient=True)

    engine.script[0, 0] = [fail] * 5
    assert tracker.watch(name, interval=0).complete
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= 2**n / 2 for n, gap in enumerate(gaps))


def test_an_error_of_one_item_fails_it_and_the_others_go_on(tracker, engine, name):
    engine.script[0, 0] = [EngineError("Earth Engine: no such band")]
    tracking = tracker.watch(name)
    assert tracking.states == {TaskState.FAILED: 1, TaskState.COMPLETED: 2}
    status = by_tile(tracking)[0, 0]["status"]
    assert status["error_message"] == "Earth Engine: no such band"
    assert engine.pulls.count((0, 0)) == 1
    assert scratch(tracker) == []
    assert not tracking.complete


@pytest.mark.parametrize("fault", [{"action": "status", "value": 503}, {"action": "truncate"}])
def test_a_request_that_fails_and_may_pass_costs_one_more_request(
    tmp_path, monkeypatch, at_once, fault
):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3 * TILE_SIDE**2)
    fault |= {"service": "earthengine", "method": "image:computePixels", "nth": 3}
    with Emulator(LANDSAT, faults=[fault]) as emulator:
        tracker = real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        # The client's own tries come with pauses.
        monkeypatch.setattr(_state.get_state(), "max_retries", 0)
        assert tracker.watch(name, interval=0).complete
        methods = [request.method for request in emulator.requests]
    # Six blocks, and one of them again.
    assert methods.count("image:computePixels") == 7


@pytest.mark.parametrize(
    "spoil",
    [
        lambda store, key: store.delete(key),
        lambda store, key: store.write(key, b"{"),
        lambda store, key: store.write(key, b"{}"),
        lambda store, key: store.write(key, store.read(key.replace("h000v000", "h001v000"))),
    ],
    ids=["gone", "damaged", "empty", "another's"],
)
def test_an_item_whose_document_is_gone_or_wrong_fails_alone(tracker, engine, name, spoil):
    key = "CEDAR_PREARD/EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01.json"
    spoil(tracker.store, key)
    tracking = tracker.watch(name)
    assert tracking.states == {TaskState.FAILED: 1, TaskState.COMPLETED: 2}
    message = by_tile(tracking)[0, 0]["status"]["error_message"]
    assert "h000v000" in message
    assert (0, 0) not in engine.pulls


def test_a_store_that_fails_ends_the_run_with_a_sound_record(tracker, name, tmp_path, engine):
    failing = real_tracker(tmp_path, engine=engine)
    failing.store = FullStore(tmp_path)
    with pytest.raises(StoreError, match="no space left"):
        failing.watch(name)
    tracking = tracker.read(name)
    assert tracking.states == {TaskState.READY: 3}
    assert len(scratch(tracker)) == 3
    asked = [request.method for request in engine._emulator.requests]
    failing.store.full = False
    assert failing.watch(name).complete
    # No pixel was asked for twice.
    assert [r.method for r in engine._emulator.requests][len(asked) :] == []
    assert scratch(tracker) == []


def test_a_disk_that_fails_while_pixels_are_written_is_an_error_of_one_line(tracker, engine, name):
    engine.script[0, 0] = [OSError(errno.ENOSPC, "No space left on device")]
    with pytest.raises(StoreError, match=r"can't make .*h000v000.*\.tif: No space left"):
        tracker.watch(name)
    assert TaskState.RUNNING not in tracker.read(name).states
    assert tracker.watch(name).complete


def test_an_error_that_nobody_expects_ends_the_run_with_a_sound_record(tracker, engine, name):
    engine.script[0, 0] = [ZeroDivisionError("a bug")]
    engine.script[0, 1] = [ZeroDivisionError("another")]
    with pytest.raises(ZeroDivisionError):
        tracker.watch(name)
    assert tracker.read(name).states.keys() <= {TaskState.READY, TaskState.COMPLETED}
    assert tracker.watch(name).complete


def endless(progress):
    """Pull until somebody says stop."""
    for _ in itertools.count():
        progress(0.5)
        threading.Event().wait(0.001)


def test_a_timeout_gives_back_what_is_under_way(tracker, engine, name, at_once):
    engine.script = {tile: [endless] for tile in TILES}
    tracking = tracker.watch(name, timeout=0)
    assert tracking.states == {TaskState.READY: 3}
    assert engine.pulls != []
    assert tracker.read(name) == tracking
    assert tracker.watch(name).complete


def test_a_timeout_is_kept_also_while_nothing_can_be_done(tracker, name):
    """What another process works on is looked at each hour; the timeout comes before."""
    keys = [info["name"] for info in tracker.read(name).orders]
    with tracker.store.claim(f"CEDAR_PREARD/{keys[0]}.tif") as ours:
        assert ours
        tracking = tracker.watch(name, interval=3600, timeout=0.3)
    assert by_tile(tracking)[0, 0]["status"]["state"] == TaskState.READY


def cancelling(tracker, name):
    """Cancel as another process does, and go on until somebody says stop."""

    def act(progress):
        other = real_tracker(tracker.store.root, engine=tracker.engine)
        other.cancel(name)
        endless(progress)

    return act


def test_cancel_stops_a_pull_that_another_process_has_under_way(tracker, engine, at_once):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    engine.script[0, 0] = [cancelling(tracker, name)]
    tracking = tracker.watch(name, interval=0)
    assert tracking.states == {TaskState.CANCELLED: 1}
    assert scratch(tracker) == []
    assert not [info for info in tracker.store.objects() if info.key.endswith(".tif")]


def test_a_cancel_is_not_lost_where_the_pull_fails_meanwhile(tracker, engine, at_once):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    stop = cancelling(tracker, name)

    def cancelled_then_lost(progress):
        try:
            stop(progress)
        except Exception as error:
            raise EngineError("lost", transient=True) from error

    engine.script[0, 0] = [cancelled_then_lost]
    tracking = tracker.watch(name, interval=0)
    assert tracking.states == {TaskState.CANCELLED: 1}
    assert engine.pulls == [(0, 0)]


def test_an_image_that_is_there_but_not_in_the_record_is_not_pulled_again(tracker, engine, name):
    key = f"CEDAR_TRACKING/{name}.json"
    before = tracker.store.read(key)
    done = tracker.watch(name)
    # As if the process had been killed after the last image, before the record.
    tracker.store.write(key, before)
    engine.pulls.clear()
    again = tracker.watch(name)
    assert engine.pulls == []
    assert [entry["outputs"] for entry in again.orders] == [
        entry["outputs"] for entry in done.orders
    ]


def test_an_item_that_somebody_else_pulls_is_left_to_him(tracker, engine, name):
    (busy, *_) = [entry["name"] for entry in tracker.read(name).orders]
    with tracker.store.claim(f"CEDAR_PREARD/{busy}.tif") as ours:
        assert ours
        tracker.watch(name, timeout=0.3, interval=0.01)
        assert (0, 0) not in engine.pulls
    assert tracker.watch(name).complete


def test_ancestor_20_items_are_pulled_several_at_a_time_but_no_more_than_the_limit(
    tmp_path, monkeypatch
):
    """And each once, however many looks there are."""
    monkeypatch.setattr(pump_module.defaults, "PULL_WORKERS", 2)
    lock, under_way, most, pulled = threading.Lock(), [], [], []
    both = threading.Barrier(2, timeout=30)

    class Counting(Scripted):
        def pull(self, request, scratch, progress):
            with lock:
                under_way.append(request.name)
                most.append(len(under_way))
                first = len(pulled) < 2
                pulled.append(request.name)
            if first:
                both.wait()  # Breaks, if only one is ever under way.
            path = super().pull(request, scratch, progress)
            with lock:
                under_way.remove(request.name)
            return path

    tracker = real_tracker(tmp_path, engine=Counting())
    name, _ = tracker.submit(COLLECTION, [*TILES, (1, 1)], *MAY)
    assert tracker.watch(name).complete
    assert max(most) == 2
    assert len(pulled) == len({*pulled}) == 4


def test_what_was_pulled_is_gone_from_scratch_before_the_record_can_say_so(
    tracker, name, monkeypatch
):
    change, left = Record.change, []

    def looked(record, item, changing):
        change(record, item, changing)
        if record.entry(item)["status"]["state"] == TaskState.COMPLETED:
            left.append(
                Path(tracker.store.root, ".cedar/scratch", record.entry(item)["request_id"])
            )
            assert not left[-1].exists()

    monkeypatch.setattr(Record, "change", looked)
    assert tracker.watch(name).complete
    assert len(set(left)) == len(TILES)
