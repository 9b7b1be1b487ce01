"""Tasks that were started, which neither the record nor the service knows of any more."""

import pytest
from exporting import exporting_tracker
from orders import COLLECTION, MAY

from cedar.exceptions import EngineError


@pytest.fixture
def tracker(tmp_path):
    return exporting_tracker(tmp_path)


def submit(tracker, **kwds):
    """Order an item whose task is started, and the answer to that lost."""
    tracker.engine.refusals = [(EngineError("lost", transient=True),)]
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, **kwds)
    assert tracker.read(name).states == {"UNSUBMITTED": 1}
    assert len(tracker.engine.tasks) == 1
    return name


def forget(engine):
    engine.tasks.clear()
    engine.by_request.clear()


def status(tracker, name):
    return tracker.read(name).orders[0]["status"]


def test_what_has_made_all_its_files_is_not_started_again(tracker):
    name = submit(tracker)
    tracker.engine.finish()
    forget(tracker.engine)
    tracking = tracker.resume(name)
    assert tracking.complete
    assert len(tracking.orders[0]["outputs"]) == 6
    assert status(tracker, name)["settled_by"] == "store"
    assert not tracker.engine.tasks
    tracker.tick()
    assert not tracker.engine.tasks


def test_of_what_has_made_some_of_its_files_nobody_knows_and_retry_makes_it_again(tracker):
    name = submit(tracker)
    tracker.engine.finish(parts=slice(0, 2))
    forget(tracker.engine)
    assert tracker.resume(name).states == {"UNKNOWN": 1}
    assert "forgotten" in status(tracker, name)["error_message"]
    assert not tracker.engine.tasks
    assert tracker.retry(name).states == {"READY": 1}
    (task,) = tracker.engine.tasks.values()
    assert task.description.endswith("-a2")


def test_what_has_made_nothing_is_started(tracker):
    name = submit(tracker)
    forget(tracker.engine)
    assert tracker.resume(name).states == {"READY": 1}
    (task,) = tracker.engine.tasks.values()
    assert task.description.endswith("-a1")


def test_files_that_are_to_be_replaced_are_nothing_that_it_made(tracker):
    before, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.engine.finish()
    assert tracker.update(before).complete
    forget(tracker.engine)
    name = submit(tracker, existing="overwrite")
    forget(tracker.engine)
    assert tracker.resume(name).states == {"READY": 1}
    assert len(tracker.engine.tasks) == 1


def test_what_has_failed_and_is_not_forgotten_is_asked_for_again_whatever_it_made(tracker):
    name = submit(tracker)
    tracker.engine.write(tracker.engine.requests[0], parts=slice(0, 2))
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "FAILED", error="Execution failed; out of memory.")
    assert tracker.resume(name).states == {"FAILED": 1}
    assert len(tracker.engine.requests) == 2
    assert [*tracker.engine.tasks] == [status(tracker, name)["id"]]
