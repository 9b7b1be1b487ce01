"""The queue pump: round after round until all is done, whatever doesn't fit, whoever else pumps."""

import threading
from collections import Counter

import pytest
from exporting import exporting_tracker
from orders import COLLECTION, MAY

from cedar import TileGrid, defaults
from cedar.exceptions import EngineError
from cedar.states import TaskState

#: Sixteen small tiles, which all have an image.
GRID = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(64, 64))
ALL = [(row, col) for row in range(4) for col in range(4)]


def small_tracker(*args, **settings):
    return exporting_tracker(*args, grid=GRID, **settings)


class Queue:
    """Lets an Exporter's service take so many waiting tasks, and count what it refused."""

    def __init__(self, engine, most):
        self.engine, self.most, self.refused = engine, most, 0
        self._start, self._lock = engine.start, threading.Lock()
        engine.start = self.start

    def waiting(self):
        return [t for t in self.engine.tasks.values() if t.state == TaskState.READY]

    def start(self, request):
        with self._lock:
            if len(self.waiting()) >= self.most and request.request_id not in (
                self.engine.by_request
            ):
                self.refused += 1
                raise EngineError("Too many tasks already in the queue.", full=True)
            return self._start(request)


@pytest.fixture
def tracker(tmp_path):
    return small_tracker(tmp_path)


def pump(tracker, queue, rounds=50):
    """Tick until nothing is unfinished; how often each item was started."""
    for _ in range(rounds):
        done = tracker.tick()
        assert not done.failures
        assert len(queue.waiting()) <= queue.most
        if not done.unfinished:
            break
        tracker.engine.finish()
    else:
        pytest.fail("it doesn't end")
    return Counter(task.description for task in tracker.engine.tasks.values())


def test_an_order_larger_than_the_queue_is_fed_as_room_appears(tracker, monkeypatch):
    monkeypatch.setattr(defaults, "QUEUED_TASKS", 5)
    queue = Queue(tracker.engine, 5)
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    assert tracker.read(name).states == {"READY": 5, "UNSUBMITTED": 11}
    started = pump(tracker, queue)
    assert tracker.read(name).complete
    assert set(started.values()) == {1}
    assert len(started) == 16
    assert queue.refused == 0


def test_a_queue_that_others_fill_has_the_last_word(tracker):
    queue = Queue(tracker.engine, 3)  # Not what cedar takes it for.
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    started = pump(tracker, queue)
    assert tracker.read(name).complete
    assert set(started.values()) == {1}
    assert queue.refused > 0
    assert all("error_message" not in e["status"] or e["status"]["error_message"] is None
               for e in tracker.read(name).orders)  # fmt: skip


def test_orders_get_their_turns_and_a_higher_priority_goes_first(tmp_path, monkeypatch):
    tracker = small_tracker(tmp_path)
    queue = Queue(tracker.engine, 0)
    options = {"shardSize": 64, "fileDimensions": 128, "priority": 200}
    urgent = small_tracker(tmp_path, tracker.engine, export_image_kwds=options)
    names = [
        each.submit(COLLECTION, tiles, *MAY)[0]
        for each, tiles in ((tracker, ALL[:4]), (tracker, ALL[4:8]), (urgent, ALL[8:10]))
    ]
    queue.most = 6
    monkeypatch.setattr(defaults, "QUEUED_TASKS", 6)
    tracker.tick()
    states = [tracker.read(name).states for name in names]
    assert states[2] == {"READY": 2}
    assert states[0] == states[1] == {"READY": 2, "UNSUBMITTED": 2}


def test_two_pumps_and_an_update_start_nothing_twice(tmp_path):
    tracker = small_tracker(tmp_path)
    queue = Queue(tracker.engine, 4)
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    errors = []

    def work(other, act):
        try:
            for _ in range(15):
                act(other)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    def finishing(other):
        other.tick()
        other.engine.finish()

    others = [small_tracker(tmp_path, tracker.engine) for _ in range(3)]
    actions = [finishing, lambda other: other.tick(), lambda other: other.update(name)]
    threads = [
        threading.Thread(target=work, args=each) for each in zip(others, actions, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    started = pump(tracker, queue)
    assert tracker.read(name).complete
    assert set(started.values()) == {1}


def test_a_round_finishes_a_submit_that_was_cut_off(tracker):
    class Killed(BaseException):
        pass

    def dying(request):
        raise Killed

    start, tracker.engine.start = tracker.engine.start, dying
    with pytest.raises(Killed):
        tracker.submit(COLLECTION, ALL[:3], *MAY)
    tracker.engine.start = start
    (order,) = tracker.tick().orders
    assert order.states == {"READY": 3}
    assert len(tracker.engine.tasks) == 3


def test_resume_leaves_an_order_as_its_submit_would_have(tracker):
    tracker.engine.refusals = [(EngineError("lost", transient=True),)] * 3
    name, _ = tracker.submit(COLLECTION, ALL[:3], *MAY)
    assert tracker.read(name).states == {"UNSUBMITTED": 3}
    assert tracker.resume(name).states == {"READY": 3}
    assert len(tracker.engine.tasks) == 3


def test_a_damaged_record_does_not_stop_the_others(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[0], *MAY)
    tracker.store.write("CEDAR_TRACKING/BROKEN.json", b"{")
    tracker.engine.finish()
    done = tracker.tick()
    assert list(done.failures) == ["BROKEN"]
    assert tracker.read(name).complete


def test_finished_orders_cost_no_request_to_the_service(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[0], *MAY)
    tracker.engine.finish()
    tracker.update(name)
    tracker.engine.log.clear()
    assert tracker.tick().orders == ()
    assert tracker.engine.log == []
