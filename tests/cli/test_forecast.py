"""`cedar submit --pilot`, and what a budget and a forecast look like."""

from __future__ import annotations

import pytest
from orders import COLLECTION
from spending import spending_tracker

from cedar import Tracker
from cedar.budget import Budget
from cedar.config import load

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")
FOUR = (COLLECTION, "--row", 0, "--row", 1, "--col", 0, "--col", 1, *MAY)


@pytest.fixture
def real(here, monkeypatch):
    """Make commands use a tracker whose engine passes for the real service."""

    def make(**settings):
        tracker = spending_tracker(here / "store", **settings)
        monkeypatch.setattr(Tracker, "from_config", lambda config: tracker)
        return tracker

    return make


def test_a_pilot_ends_with_a_forecast_and_how_to_go_on(configure, cedar, real):
    configure()
    tracker = real()
    tracker.engine.monthly_eecu_hours = 1000
    name = cedar("submit", *FOUR, "--pilot", 1).out.strip()
    tracker.engine.step()
    tracker.engine.step()
    done = cedar("watch", name, "--interval", 0.01)
    lines = done.out.splitlines()
    assert done.code == 3
    assert lines[0] == f"{name}: 1 COMPLETED, 3 UNSUBMITTED"
    assert lines[1].startswith("forecast: 4 items ≈ ")
    assert lines[1].endswith(" at 2 at once, of a monthly tier of 1,000 EECU-hours")
    assert lines[2:] == [
        "  measured: 1, of 1 EECU-hours each; left: 3",
        f"3 items held; next: cedar resume {name} --go-on, or cedar cancel {name}",
    ]
    assert cedar("show", name).out.splitlines()[-3:] == lines[1:]
    assert cedar("show", name, "--json").json["forecast"]["n_left"] == 3
    resumed = cedar("resume", name, "--go-on")
    assert resumed.out == f"{name}: 1 COMPLETED, 3 READY\n"
    assert "forecast" not in cedar("show", name, "--json").json


def test_a_pilot_that_failed_says_why(configure, cedar, real):
    configure()
    tracker = real()
    name = cedar("submit", *FOUR, "--pilot", 1).out.strip()
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "FAILED", error="User memory limit exceeded.")
    done = cedar("watch", name, "--interval", 0.01)
    assert done.code == 3
    assert "FAILED EXAMPLE_LC08_DN_" in done.err
    assert "Warning: 1 of 1 tasks were too large" in done.out


def test_an_item_that_waits_for_a_budget_says_why_and_until_when(configure, cedar, real):
    configure()
    tracker = real(max_eecu_hours=Budget(month=1))
    name = cedar("submit", *FOUR).out.strip()
    tracker.engine.step()
    tracker.engine.step()
    done = cedar("tick")
    assert done.code == 3
    reason = "the budget of 1 EECU-hours a month (tracker.max_eecu_hours) is spent: it waits until"
    assert f"Warning: {name}: 2 items aren't started: {reason}" in done.err
    assert f"UNSUBMITTED 2 items, same cause: {reason}" in cedar("show", name).out
    assert cedar("tick").err == ""
    cedar("cancel", name)
    assert reason not in cedar("show", name).out


def test_a_pilot_of_real_wire_is_made_and_its_figures_are_not_used(configure, cedar, here):
    configure(
        tracker={"store": "gcs"},
        gcs={"bucket": "a-bucket", "url": "emulator"},
        earthengine={"state": str(here / "state")},
    )
    done = cedar("submit", *FOUR, "--pilot", 2, "--wait")
    name = done.out.strip()
    assert done.code == 3
    assert "forecast: not known: the emulator made these" in done.err
    assert f"2 items held; next: cedar resume {name} --go-on" in done.err
    cedar("resume", name, "--go-on")
    assert cedar("watch", name).code == 0


def test_a_dry_run_has_no_pilot_and_no_pilot_is_of_nothing(configure, cedar):
    configure()
    assert "--dry-run and --pilot exclude each other" in (
        cedar("submit", *FOUR, "--pilot", 1, "--dry-run").err
    )
    assert cedar("submit", *FOUR, "--pilot", 0).code == 2
    assert "cedar makes these images itself" in cedar("submit", *FOUR, "--pilot", 1).err


def test_a_budget_and_a_tier_are_settings(configure, cedar):
    configure(tracker={"max_eecu_hours": {"day": 2.5}}, earthengine={"monthly_eecu_hours": 150})
    config = load("cedar.yaml")
    tracker = Tracker.from_config(config)
    assert config.max_eecu_hours == tracker.ledger.budget == Budget(day=2.5)
    assert tracker.engine.monthly_eecu_hours == 150
    assert cedar("config", "show", "--json").json["tracker"]["max_eecu_hours"] == {"day": 2.5}
    configure(tracker={"max_eecu_hours": {"day": 0}})
    assert cedar("config", "check").code == 2
