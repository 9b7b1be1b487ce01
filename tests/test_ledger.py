"""A budget is kept: whoever starts tasks, whichever order they are of, whatever is lost."""

from __future__ import annotations

import datetime as dt

import pytest
from exporting import exporting_tracker
from orders import COLLECTION, MAY
from spending import ALL, GRID, HOUR, Service, spending_tracker

from cedar import ledger
from cedar.budget import Budget, Cost
from cedar.exceptions import EngineError
from cedar.states import TaskState

FIVE_A_DAY = Budget(day=5)


@pytest.fixture
def tracker(tmp_path):
    return spending_tracker(tmp_path, max_eecu_hours=FIVE_A_DAY)


def reasons(tracker, name):
    """Why items wait."""
    orders = tracker.read(name).orders
    waiting = [e["status"] for e in orders if e["status"]["state"] == TaskState.UNSUBMITTED]
    return {status.get("error_message") for status in waiting}


def pump(tracker, rounds=12):
    """Tick, and let the service work, until nothing happens any more."""
    for _ in range(rounds):
        assert not tracker.tick().failures
        tracker.engine.step()


def test_a_budget_is_never_passed_by_more_than_the_tasks_that_run(tracker):
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    engine = tracker.engine
    for _ in range(12):
        tracker.tick()
        assert len(engine.of("READY")) + len(engine.of("RUNNING")) <= engine.at_once
        assert engine.spent <= FIVE_A_DAY.day + engine.at_once
        engine.step()
    assert engine.spent == 6
    assert tracker.read(name).states == {"COMPLETED": 6, "UNSUBMITTED": 10}
    (reason,) = reasons(tracker, name)
    assert reason.startswith("the budget of 5 EECU-hours a day (tracker.max_eecu_hours) is spent")
    assert reason.endswith(":00 UTC")


def test_a_submit_starts_no_more_than_run_at_once_and_leaves_no_mark_on_the_others(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:5], *MAY)
    tracking = tracker.read(name)
    assert tracking.states == {"READY": 2, "UNSUBMITTED": 3}
    marked = [e["name"] for e in tracking.orders if "sent_timestamp_ms" in e["status"]]
    assert len(marked) == 2
    assert all(tracker.store.stat(f"CEDAR_PREARD/{e['name']}.json") for e in tracking.orders)


def test_items_that_wait_go_on_the_next_day(tracker, monkeypatch):
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    pump(tracker)
    assert tracker.read(name).states["UNSUBMITTED"] == 10
    now = ledger.now_ms()
    monkeypatch.setattr(ledger, "now_ms", lambda: now + 86_400_000)
    tracker.tick()
    assert len(tracker.engine.tasks) == 8
    started = [e for e in tracker.read(name).orders if e["status"]["state"] == TaskState.READY]
    assert [entry["status"]["error_message"] for entry in started] == [None, None]


def test_a_larger_budget_counts_at_once(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    pump(tracker)
    pump(spending_tracker(tmp_path, tracker.engine, max_eecu_hours=Budget(day=100)))
    assert tracker.update(name).complete


def test_watch_and_resume_keep_the_budget_and_say_it_once(tracker, caplog):
    tracker.engine.cost = 5 * HOUR
    name, _ = tracker.submit(COLLECTION, ALL[:6], *MAY)
    tracker.engine.step()
    tracker.engine.step()
    tracker.watch(name, interval=0.01, timeout=0.05)
    tracker.resume(name)
    assert tracker.read(name).states == {"COMPLETED": 2, "UNSUBMITTED": 4}
    said = [r.message for r in caplog.records if "aren't started" in r.message]
    assert len(said) == 1
    assert said[0].startswith(f"{name}: 4 items aren't started: the budget of 5 EECU-hours a day")


def test_retry_keeps_the_budget_and_earlier_attempts_count(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:2], *MAY)
    for task in list(tracker.engine.tasks.values()):
        cost = 3 * HOUR
        tracker.engine.become(task, TaskState.FAILED, error="Forbidden.", eecu_seconds=cost)
    tracker.update(name)
    assert tracker.retry(name).states == {"UNSUBMITTED": 2}
    assert len(reasons(tracker, name)) == 1
    pump(tracker, 2)
    assert len(tracker.engine.tasks) == 2


def test_orders_share_the_budget_and_one_that_nobody_follows_starves_no_other(tracker, tmp_path):
    first, _ = tracker.submit(COLLECTION, ALL[:2], *MAY)
    second, _ = tracker.submit(COLLECTION, ALL[2:8], *MAY)
    assert tracker.read(second).states == {"UNSUBMITTED": 6}
    tracker.engine.step()
    tracker.engine.step()  # The first order's tasks have ended; its record says READY.
    assert tracker.resume(second).states == {"READY": 2, "UNSUBMITTED": 4}
    for _ in range(5):
        tracker.engine.step()
        tracker.watch(second, interval=0.01, timeout=0.01)
    assert tracker.read(first).states == {"READY": 2}
    assert tracker.engine.spent == 6
    assert tracker.read(second).states == {"COMPLETED": 4, "UNSUBMITTED": 2}


def test_what_runs_counts_and_what_the_service_has_forgotten_is_not_at_work(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:4], *MAY)
    first, second = tracker.engine.tasks.values()
    del tracker.engine.tasks[first.id]
    tracker.resume(name)
    assert len(tracker.engine.tasks) == 2
    tracker.engine.become(second, TaskState.RUNNING, eecu_seconds=5 * HOUR)
    tracker.engine.tasks = {second.id: tracker.engine.tasks[second.id]}
    tracker.resume(name)
    assert len(tracker.engine.tasks) == 1


def test_tasks_whose_start_another_order_does_not_know_of_are_found_and_count(tracker):
    lost = EngineError("the answer is lost", transient=True)
    tracker.engine.refusals = [(lost,), (lost,)]
    first, _ = tracker.submit(COLLECTION, ALL[:2], *MAY)
    assert tracker.read(first).states == {"UNSUBMITTED": 2}
    assert len(tracker.engine.tasks) == 2
    second, _ = tracker.submit(COLLECTION, ALL[2:4], *MAY)
    assert tracker.read(second).states == {"UNSUBMITTED": 2}
    tracker.engine.step()
    tracker.engine.step()
    assert tracker.resume(second).states == {"READY": 2}


def test_another_projects_costs_are_another_budgets(tracker, tmp_path):
    tracker.submit(COLLECTION, ALL, *MAY)
    pump(tracker)

    class Other(Service):
        def identity(self):
            return super().identity() | {"project": "another"}

    engine = Other(tracker.store)
    other = spending_tracker(tmp_path, engine, max_eecu_hours=FIVE_A_DAY, prefix_template="ANOTHER")
    name, _ = other.submit(COLLECTION, ALL[:2], *MAY)
    assert other.read(name).states == {"READY": 2}


def test_the_emulator_costs_nothing_so_no_budget_is_kept(tmp_path):
    tracker = exporting_tracker(tmp_path, grid=GRID, max_eecu_hours=Budget(day=0.001))
    name, _ = tracker.submit(COLLECTION, ALL, *MAY)
    assert tracker.read(name).states == {"READY": 16}


def test_nothing_is_started_where_what_is_spent_cannot_be_asked(tracker, monkeypatch, caplog):
    name, _ = tracker.submit(COLLECTION, ALL[:4], *MAY)

    def unreachable(ids):
        raise EngineError("Earth Engine can't be reached", transient=True)

    tracker.engine.step()
    tracker.engine.step()
    with monkeypatch.context() as patch:
        patch.setattr(tracker.engine, "poll", unreachable)
        with pytest.raises(EngineError):
            tracker.resume(name)
    assert len(tracker.engine.tasks) == 2
    assert "so nothing is started: Earth Engine can't be reached" in caplog.text
    tracker.resume(name)
    assert len(tracker.engine.tasks) == 4


def test_while_somebody_else_starts_tasks_nobody_does(tracker):
    with tracker.store.claim("CEDAR_TRACKING/budget"):
        name, _ = tracker.submit(COLLECTION, ALL[:2], *MAY)
    assert tracker.read(name).states == {"UNSUBMITTED": 2}
    assert reasons(tracker, name) == {None}
    assert tracker.resume(name).states == {"READY": 2}


def test_a_damaged_record_is_left_out_and_said_once(tracker, caplog):
    name, _ = tracker.submit(COLLECTION, ALL[:6], *MAY)
    tracker.store.write("CEDAR_TRACKING/BROKEN.json", b"{")
    for _ in range(2):
        tracker.engine.step()
        tracker.engine.step()
        tracker.resume(name)
    assert len(tracker.engine.tasks) == 6
    assert caplog.text.count("what order BROKEN has cost isn't known") == 1


def test_a_record_that_is_cleaned_while_it_is_read_costs_nothing(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:2], *MAY)
    key = f"CEDAR_TRACKING/{name}.json"
    tracker.store.delete(key)
    assert ledger._read(tracker.store, key, tracker.engine.identity()) == ()


def test_where_nobody_says_how_many_run_at_once_two_do(tracker):
    tracker.engine.at_once = None
    assert ledger.at_once(tracker.engine) == 2

    def refused():
        raise EngineError("Permission denied.")

    tracker.engine.concurrency = refused
    assert ledger.at_once(tracker.engine) == 2


@pytest.mark.parametrize(
    ("budget", "at", "until"),
    [
        (Budget(day=2), "2026-05-01T08:00", "2026-05-02 08:00"),
        (Budget(day=2), "2026-05-01T07:59", None),
        (Budget(month=2), "2026-05-01T08:00", "2026-06-01 08:00"),
        (Budget(month=2), "2026-05-01T07:59", None),
        (Budget(day=2, month=2), "2026-05-01T08:00", "2026-06-01 08:00"),
        (Budget(day=2.1, month=2.1), "2026-05-01T08:00", None),
        (Budget(), "2026-05-01T08:00", None),
    ],
)
def test_days_and_months_are_those_of_googles_quotas(budget, at, until):
    ended = int(dt.datetime.fromisoformat(f"{at}+00:00").timestamp() * 1000)
    costs = [Cost(each, "", ended, HOUR, ended=True) for each in "AB"]
    said = budget.is_spent(costs, dt.datetime(2026, 5, 1, 20, tzinfo=dt.UTC))
    assert (said and said[-20:]) == (until and f"{until} UTC")


def test_the_year_ends_with_its_last_month():
    cost = Cost("A", "", 1_798_000_000_000, HOUR, ended=True)
    said = Budget(month=1).is_spent([cost], dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC))
    assert said.endswith("2027-01-01 08:00 UTC")
