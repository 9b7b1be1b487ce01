"""How work on orders has ended: watch, tick and run say the same of the same."""

import pytest
from exporting import exporting_tracker
from orders import COLLECTION, MAY

from cedar import runs
from cedar.cli.errors import CODES
from cedar.exceptions import CedarError, EngineError
from cedar.feeding import Round
from cedar.metadata import TrackingMetadata
from cedar.results import Result, result_of, together

EXIT = {Result.DONE: 0, Result.FAILED: 1, Result.UNFINISHED: 3, Result.WAITING: 3}
STATES = [
    (("COMPLETED", "EMPTY"), Result.DONE),
    (("CLEANED", "COMPLETED"), Result.DONE),
    (("COMPLETED", "FAILED"), Result.FAILED),
    (("COMPLETED", "CANCELLED"), Result.FAILED),
    (("COMPLETED", "UNKNOWN"), Result.FAILED),
    (("CLEANED", "FAILED"), Result.FAILED),
    (("FAILED", "RUNNING"), Result.UNFINISHED),
    (("FAILED", "UNSUBMITTED"), Result.UNFINISHED),
    (("FAILED", "CANCEL_REQUESTED"), Result.UNFINISHED),
    (("UNKNOWN", "READY"), Result.UNFINISHED),
    (("FAILED", "PAUSED"), Result.UNFINISHED),
    (("COMPLETED", "PAUSED"), Result.UNFINISHED),
    (("INCOMPLETE", "COMPLETED"), Result.UNFINISHED),
    (("INCOMPLETE", "FAILED"), Result.FAILED),
    (("INCOMPLETE", "RUNNING"), Result.UNFINISHED),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("cedar.defaults.LATE_OUTPUTS", 0.0)


@pytest.fixture
def record(tmp_path):
    """Give the record of an order of two items in some states, as summaries count them."""
    tracker = exporting_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    tracker.engine.finish()
    document = tracker.update(name).document

    def record(*states):
        for entry, state in zip(document["orders"], states, strict=True):
            entry["status"]["state"] = state
            if state in ("INCOMPLETE", "CLEANED"):
                entry["status"]["state"] = "COMPLETED"
            if state == "INCOMPLETE":
                entry["outputs"] = []
            if state == "CLEANED":
                entry["status"]["cleaned_timestamp_ms"] = 1
        return TrackingMetadata(document, name)

    return record


@pytest.mark.parametrize(("states", "result"), STATES)
def test_what_is_at_work_counts_before_what_failed_and_that_before_what_is_missing(
    record, states, result
):
    tracking = record(*states)
    assert tracking.states == dict.fromkeys(states, 1)
    assert result_of(tracking) == result
    assert Round((tracking,)).result == result
    assert (Round((tracking,)).unfinished == ()) == (result != Result.UNFINISHED)


def test_every_result_has_its_exit_code():
    assert CODES == EXIT


@pytest.mark.parametrize(
    ("results", "result"),
    [
        ("", Result.DONE),
        ("DONE", Result.DONE),
        ("DONE FAILED", Result.FAILED),
        ("FAILED WAITING DONE", Result.FAILED),
        ("FAILED UNFINISHED WAITING", Result.UNFINISHED),
        ("WAITING DONE", Result.WAITING),
    ],
)
def test_of_several_orders_what_goes_on_counts_first(results, result):
    assert together(map(Result, results.split())) == result
    assert runs.Result is Result


def test_a_round_that_one_order_stopped_for_good_is_finished_when_the_others_are(record):
    failures = {"BROKEN": CedarError("it is damaged")}
    assert Round((record("COMPLETED", "EMPTY"),), failures).result == Result.FAILED
    assert Round((record("COMPLETED", "READY"),), failures).result == Result.UNFINISHED


@pytest.mark.parametrize(("transient", "result"), [(True, Result.UNFINISHED), (False, "FAILED")])
def test_an_order_that_could_not_be_asked_about_goes_on_if_that_may_pass(record, transient, result):
    tracking = record("COMPLETED", "READY")
    error = EngineError("no answer", transient=transient)
    assert Round((tracking,), {tracking.name: error}).result == result


def test_an_order_that_was_cleaned_is_over_and_nobody_is_asked_about_it(tmp_path):
    tracker = exporting_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    tracker.engine.finish()
    tracker.clean(tracker.update(name), force=True)
    tracker.engine.log.clear()
    assert tracker.tick().orders == ()
    assert tracker.watch(name, interval=0.01).states == {"CLEANED": 2}
    assert tracker.update(name).complete
    assert tracker.engine.log == []
