"""Pilots and forecasts: a few typical items tell what the others will cost, before they do."""

from __future__ import annotations

import pytest
from exporting import exporting_tracker
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker
from spending import ALL, GRID, HOUR, Service, spending_tracker

from cedar.budget import Budget
from cedar.exceptions import EngineError, InputError
from cedar.forecast import _works, forecast, typical
from cedar.metadata import TrackingMetadata

TWO_COLLECTIONS = COLLECTIONS | {"EXAMPLE/LC08/TOA": COLLECTIONS[COLLECTION]}
MINUTE = 60_000


def item(name, images=1, collection="A", bands=3, state="UNSUBMITTED", **fields):
    """An item of so many images, each a layer of three bands."""
    return {
        "name": name,
        "collection": collection,
        "n_images": images,
        "n_groups": images,
        "n_bands": None if images is None else images * bands,
        "attempt": 1,
        "attempts": [],
        "outputs": [],
        "status": {"state": state, **fields},
    }


def made(name, images, hours, minutes=None, **others):
    fields = {} if hours is None else {"eecu_seconds": hours * HOUR}
    if minutes is not None:
        fields |= {"start_timestamp_ms": MINUTE, "end_timestamp_ms": MINUTE * (1 + minutes)}
    return item(name, images, state="COMPLETED", id=f"TASK-{name}", **fields, **others)


class Tier:
    """What a forecast asks an engine."""

    monthly_eecu_hours = None

    def __init__(self, at_once=2):
        self.at_once = at_once

    def concurrency(self):
        return self.at_once


def foreseen(*entries, engine=None, budget=None, emulated=False):
    document = {"engine": {"emulated": emulated}, "orders": list(entries)}
    return forecast(TrackingMetadata.view(document, "ORDER"), engine or Tier(), budget or Budget())


def test_the_work_of_a_composite_is_all_that_it_is_made_of():
    entries = [item("A1", 2) | {"n_bands": 3}, item("A2", 8) | {"n_bands": 3}]
    assert _works(entries, []) == {"A1": 3.0, "A2": 3.0}
    entries = [each | {"composite": True} for each in entries]
    assert _works(entries, []) == {"A1": 6.0, "A2": 24.0}


def test_typical_items_are_of_middling_size_and_of_every_collection():
    entries = [
        *(item(f"A{images}", images, "A") for images in (1, 2, 5, 9, 10)),
        *(item(f"B{images}", images, "B") for images in (1, 7, 8)),
        item("EMPTY", 0),
    ]
    assert typical(entries, 1) == ["A5"]
    assert typical(entries, 3) == ["A5", "B7", "A2"]
    assert set(typical(entries, 100)) == {entry["name"] for entry in entries[:-1]}


def test_cost_and_time_go_by_images_times_bands():
    found = foreseen(
        made("M1", 2, 1.0, 60),
        made("M2", 4, 2.0, 120),
        item("W1", 4),
        item("W2", 6),
        item("E", 0, state="EMPTY"),
    )
    assert (found.n_items, found.n_measured, found.n_left, found.at_once) == (4, 2, 2, 2)
    assert found.each == (1.0, 2.0)
    assert found.eecu_hours_left == pytest.approx(5)
    assert found.eecu_hours == pytest.approx(8)
    # Five hours of tasks, two at once; the longest takes three.
    assert found.days * 24 == pytest.approx(3)
    many = foreseen(made("M", 2, 1.0, 60), *(item(f"W{n}", 2) for n in range(10)))
    assert many.days * 24 == pytest.approx(5)


def test_items_are_foreseen_by_those_of_their_own_collection_if_there_are_any():
    found = foreseen(
        made("A1", 1, 1.0),
        made("B1", 1, 3.0, collection="B"),
        item("A2", 2),
        item("B2", 2, "B"),
        item("C2", 2, "C"),
    )
    assert found.eecu_hours_left == pytest.approx(2 + 6 + 4)


def test_what_runs_has_cost_something_and_what_nobody_can_count_is_like_the_others():
    found = foreseen(
        made("M", 2, 1.0),
        item("R", 2, state="RUNNING", id="T", eecu_seconds=0.25 * HOUR),
        item("X", None),
    )
    assert found.eecu_hours_left == pytest.approx(0.75 + 1)
    assert found.eecu_hours == pytest.approx(1 + 0.25 + 0.75 + 1)
    assert foreseen(made("M", None, 1.0), item("X", None)).eecu_hours == pytest.approx(2)


def test_attempts_that_failed_were_paid_for():
    entry = made("M", 2, 1.0)
    failed = {"state": "FAILED", "id": "T1", "eecu_seconds": 2 * HOUR}
    entry["attempts"] = [{"attempt": 1, "status": failed}]
    assert foreseen(entry).eecu_hours == pytest.approx(3)


def test_it_is_put_in_a_few_lines():
    engine = Tier()
    engine.monthly_eecu_hours = 1000
    found = foreseen(
        made("M1", 1, 1.2, 90), made("M2", 1, 1.4, 90), *(item(f"W{n}", 1) for n in range(238)),
        engine=engine,
    )  # fmt: skip
    assert found.lines() == [
        "forecast: 240 items ≈ 312 EECU-hours, ≈ 7.4 days more at 2 at once, of a monthly tier of "
        "1,000 EECU-hours",
        "  measured: 2, of 1.2 to 1.4 EECU-hours each; left: 238",
    ]
    assert found.to_dict()["n_items"] == 240


def test_a_tier_and_a_budget_that_it_does_not_fit_into_are_warned_of():
    engine = Tier()
    engine.monthly_eecu_hours = 10
    found = foreseen(
        made("M", 1, 1.0), item("W", 25), engine=engine, budget=Budget(day=5, month=50)
    )
    assert found.warnings == (
        "what is left takes 2.5 months of the tier",
        "with a budget of 5 EECU-hours a day (tracker.max_eecu_hours) it takes 5 days",
    )
    assert f"Warning: {found.warnings[0]}" in found.lines()
    assert foreseen(made("M", 1, 1.0), item("W", 25), budget=Budget(day=30)).warnings == ()


def test_a_task_that_may_come_near_ten_days_is_warned_of():
    found = foreseen(made("M", 1, 1.0, 600), item("SMALL", 2), item("LARGE", 15), item("L2", 13))
    (warning,) = found.warnings
    assert warning.startswith("2 of what is left may come near the 10 days")
    assert "LARGE takes ≈ 6.2 days" in warning


def test_items_that_were_too_large_are_warned_of():
    failed = item("F", state="FAILED", id="T", error_message="User memory limit exceeded.")
    other = item("G", state="FAILED", id="U", error_message="Forbidden.")
    found = foreseen(made("M", 1, 1.0), failed, other, item("W"))
    (warning,) = found.warnings
    assert warning.startswith("1 of 3 tasks were too large (User memory limit exceeded.)")
    assert foreseen(failed, item("W")).lines()[1].startswith("Warning: 1 of 1 tasks")


def test_without_figures_it_says_so():
    found = foreseen(item("W"), made("M", 1, None))
    assert found.lines() == [
        "forecast: not known: no item is made yet of which the service has told what it took"
    ]
    assert found.eecu_hours is found.days is None
    timed = foreseen(item("W"), made("M", 1, None, 12))
    assert timed.lines() == [
        "forecast: 2 items, ≈ 12 minutes more at 2 at once",
        "  measured: 1; left: 1",
    ]
    costed = foreseen(item("W"), made("M", 1, 0.5))
    assert costed.lines()[0] == "forecast: 2 items ≈ 1 EECU-hours"
    hours = foreseen(*(item(f"W{n}") for n in range(20)), made("M", 1, None, 30))
    assert "≈ 5 hours more" in hours.lines()[0]


def test_the_emulators_figures_are_never_used():
    found = foreseen(made("M", 1, 1.0, 30), item("W"), emulated=True)
    assert found.eecu_hours is found.days is found.at_once is None
    assert found.lines() == [
        "forecast: not known: the emulator made these, and what it takes tells nothing of the "
        "service"
    ]


@pytest.fixture
def tracker(tmp_path):
    return spending_tracker(tmp_path)


def test_a_pilot_is_made_and_the_others_are_held_until_somebody_has_seen_what_they_cost(tracker):
    name, _ = tracker.submit(COLLECTION, ALL, *MAY, pilot=3)
    tracking = tracker.read(name)
    assert tracking.states == {"READY": 3, "UNSUBMITTED": 13}
    assert all(tracker.store.stat(f"CEDAR_PREARD/{e['name']}.json") for e in tracking.orders)
    for _ in range(4):
        tracker.engine.step()
        tracker.tick()
    tracker.resume(name)
    assert tracker.watch(name, interval=0.01).states == {"COMPLETED": 3, "UNSUBMITTED": 13}
    found = tracker.forecast(name)
    assert (found.n_measured, found.n_left) == (3, 13)
    assert found.eecu_hours_left == pytest.approx(13, rel=0.8)
    assert found.days is not None
    assert tracker.resume(name, go_on=True).states == {"COMPLETED": 3, "READY": 13}
    assert len(tracker.engine.tasks) == 16


def test_a_pilot_whose_submit_was_cut_off_stays_one(tracker):
    class Killed(BaseException):
        pass

    def dying(request):
        raise Killed

    start, tracker.engine.start = tracker.engine.start, dying
    with pytest.raises(Killed):
        tracker.submit(COLLECTION, ALL[:6], *MAY, pilot=2)
    tracker.engine.start = start
    (name,) = tracker.list()
    assert tracker.resume(name).states == {"READY": 2, "UNSUBMITTED": 4}


def test_a_pilot_item_that_failed_is_made_again_and_the_held_ones_can_be_cancelled(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:4], *MAY, pilot=1)
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "FAILED", error="Forbidden.")
    tracker.update(name)
    assert tracker.retry(name).states == {"READY": 1, "UNSUBMITTED": 3}
    tracker.engine.finish()
    assert tracker.cancel(name).states == {"COMPLETED": 1, "CANCELLED": 3}
    assert tracker.retry(name, states=["CANCELLED"]).states == {"COMPLETED": 1, "READY": 3}


def test_a_pilot_under_a_budget_starts_what_that_allows(tmp_path):
    tracker = spending_tracker(tmp_path, max_eecu_hours=Budget(day=100))
    name, _ = tracker.submit(COLLECTION, ALL[:6], *MAY, pilot=4)
    assert tracker.read(name).states == {"READY": 2, "UNSUBMITTED": 4}
    for _ in range(5):
        tracker.engine.step()
        tracker.tick()
    assert tracker.read(name).states == {"COMPLETED": 4, "UNSUBMITTED": 2}


def test_a_forecast_needs_no_answer_about_how_many_run_at_once(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[:2], *MAY, pilot=1)

    def refused():
        raise EngineError("Earth Engine can't be reached", transient=True)

    tracker.engine.concurrency = refused
    assert tracker.forecast(name).at_once == 2


def test_a_pilot_of_nothing_or_of_what_cedar_makes_itself_is_refused(tracker, tmp_path):
    with pytest.raises(InputError, match="a pilot of 0 items"):
        tracker.submit(COLLECTION, ALL[:2], *MAY, pilot=0)
    local = real_tracker(tmp_path / "local")
    with pytest.raises(InputError, match="cedar makes these images itself"):
        local.submit(COLLECTION, (0, 0), *MAY, pilot=1)
    assert local.list() == tracker.list() == []


def test_an_emulated_pilot_tells_nothing_of_the_service(tmp_path):
    tracker = exporting_tracker(tmp_path, grid=GRID)
    name, _ = tracker.submit(COLLECTION, ALL[:3], *MAY, pilot=1)
    tracker.engine.finish()
    tracker.watch(name, interval=0.01)
    assert "the emulator made these" in tracker.forecast(name).lines()[0]


def test_the_end_of_a_task_is_recorded_by_the_services_clock(tracker):
    name, _ = tracker.submit(COLLECTION, ALL[0], *MAY)
    assert isinstance(tracker.engine, Service)
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "RUNNING", started=5, updated=6)
    assert "end_timestamp_ms" not in tracker.update(name).orders[0]["status"]
    tracker.engine.become(task, "FAILED", started=5, updated=7, error="Forbidden.")
    assert tracker.update(name).orders[0]["status"]["end_timestamp_ms"] == 7
