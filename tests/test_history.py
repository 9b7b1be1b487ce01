"""The log of an order: every change of its items, with its time, its attempt and its cause."""

import datetime as dt
from pathlib import Path

from exporting import exporting_tracker
from orders import COLLECTION, MAY

from cedar.history import Event, events
from cedar.metadata import TrackingMetadata
from cedar.states import TaskState

VALID = Path(__file__).parent / "metadata" / "examples" / "tracking" / "valid"
TILES = [(0, 0), (0, 1)]


def told(found, item=None):
    return [(e.attempt, e.state, e.cause) for e in found if item in (None, e.item)]


def test_every_change_is_there_by_time_with_its_cause(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    first, second = tracker.engine.tasks.values()
    tracker.engine.become(first, TaskState.FAILED, error="Computation timed out.")
    tracker.engine.become(second, TaskState.RUNNING)
    found = events(tracker.update(name))
    assert found[0].state == "submitted"
    assert (found[0].item, found[0].attempt) == (None, None)
    assert [event.time_ms for event in found] == sorted(event.time_ms for event in found)
    item = first.description.removesuffix("-a1")
    assert told(found, item) == [
        (1, "READY", None),
        (1, "FAILED", "Computation timed out."),
    ]
    assert told(found, second.description.removesuffix("-a1")) == [
        (1, "READY", None),
        (1, "RUNNING", None),
    ]


def test_a_pattern_chooses_items_and_the_order_stays(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    found = events(tracker.read(name), "*h001*")
    assert {event.item for event in found} == {None, tracker.read(name).orders[1]["name"]}


def with_history(history, attempt, attempts=(), **status):
    document = TrackingMetadata.loads((VALID / "exported.json").read_text("utf-8")).document
    entry = document["orders"][0]
    entry |= {"history": history, "attempt": attempt, "attempts": list(attempts)}
    entry["status"] = {"state": history[-1]["state"] if history else "FAILED", **status}
    return TrackingMetadata(document), entry["name"]


def test_events_are_of_the_attempt_that_they_happened_in():
    states = ["READY", "FAILED", "UNSUBMITTED", "READY", "RUNNING", "READY", "COMPLETED"]
    history = [{"time_ms": n, "state": state} for n, state in enumerate(states)]
    tracking, name = with_history(history, attempt=2)
    assert told(events(tracking), name) == [
        (1, "READY", None),
        (1, "FAILED", None),
        (2, "UNSUBMITTED", None),
        (2, "READY", None),
        (2, "RUNNING", None),
        (2, "READY", None),
        (2, "COMPLETED", None),
    ]


def test_attempts_that_the_history_does_not_have_are_there_as_they_ended():
    ended = {"state": "FAILED", "update_timestamp_ms": 5, "error_message": "no memory"}
    attempts = [{"attempt": 1, "status": ended}, {"note": "by hand"}]
    tracking, name = with_history([], 2, attempts, update_timestamp_ms=9)
    assert told(events(tracking), name) == [(1, "FAILED", "no memory"), (2, "FAILED", None)]


def test_a_state_whose_time_nobody_noted_is_shown_without_one():
    tracking, name = with_history([], 1)
    (event,) = [event for event in events(tracking) if event.item == name]
    assert event.time == "-"


def test_what_has_not_begun_has_no_event():
    tracking, name = with_history([{"time_ms": 1, "state": "READY"}], 1)
    document = tracking.document
    document["orders"][0] |= {"history": [], "status": {"state": "UNSUBMITTED"}}
    assert told(events(TrackingMetadata(document)), name) == []


def test_a_time_is_written_as_the_documents_do():
    moment = dt.datetime(2026, 11, 21, 16, 40, 0, 123000, dt.UTC)
    event = Event(int(moment.timestamp() * 1000), None, None, "submitted")
    assert event.time == "2026-11-21T16:40:00.123+00:00"
