"""`cedar tick`: what cron sees."""

from __future__ import annotations

import pytest
from exporting import exporting_tracker
from orders import COLLECTION

from cedar import Tracker
from cedar.exceptions import EngineError
from cedar.states import TaskState

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")


@pytest.fixture
def tracker(configure, here, monkeypatch):
    """A tracker that exports, which all commands use."""
    configure()
    monkeypatch.setattr("cedar.defaults.LATE_OUTPUTS", 0.0)
    made = exporting_tracker(here / "store")
    monkeypatch.setattr(Tracker, "from_config", lambda config: made)
    return made


@pytest.fixture
def name(tracker, cedar):
    """Name of an order of two items."""
    return cedar("submit", COLLECTION, "--index", 0, 0, "--index", 0, 1, *MAY).out.strip()


def become(tracker, at, state, **fields):
    tracker.engine.become(list(tracker.engine.tasks.values())[at], state, **fields)


def test_while_an_item_is_made_it_is_3_though_another_failed_and_at_the_end_1(name, tracker, cedar):
    become(tracker, 0, TaskState.FAILED, error="Something new.")
    codes = [cedar(*words).code for words in (("tick",), ("watch", name, "--timeout", 0))]
    assert codes == [3, 3]
    tracker.engine.finish()
    assert cedar("tick").code == 1
    assert cedar("watch", name, "--timeout", 0).code == 1


def test_a_damaged_record_beside_it_doesnt_hide_that_an_order_goes_on(name, tracker, cedar):
    tracker.store.write("CEDAR_TRACKING/BROKEN.json", b"{")
    done = cedar("tick")
    assert (done.code, done.err.count("Error: BROKEN: ")) == (3, 1)
    tracker.engine.finish()
    assert cedar("tick").code == 1
    tracker.store.delete("CEDAR_TRACKING/BROKEN.json")
    assert cedar("tick").code == 0


@pytest.mark.parametrize(("transient", "code"), [(True, 3), (False, 1)])
def test_a_service_that_doesnt_answer_for_a_moment_isnt_the_end(
    name, tracker, cedar, monkeypatch, transient, code
):
    def poll(_ids):
        raise EngineError("no answer", transient=transient)

    monkeypatch.setattr(tracker.engine, "poll", poll)
    done = cedar("tick")
    assert (done.code, f"Error: {name}: no answer" in done.err) == (code, True)
