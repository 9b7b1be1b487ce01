"""`cedar run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cedar.results import Result, together

from .base import Command, Settings, open_tracker
from .errors import CODES, DONE, FAILED
from .output import counts, note, number, table, write

if TYPE_CHECKING:
    from cedar.runs import Outcome, Plan


@click.command("run", cls=Command)
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do none of it.")
@click.option(
    "--only", metavar="NAME", multiple=True, help="Go on with this order or group, and no other."
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="How long to watch; else to the end.",
)
@click.pass_obj
def run_file(
    settings: Settings, file: str, dry_run: bool, only: Sequence[str], timeout: float | None
) -> int:
    """Place the orders of a FILE, and take the steps after, as far as each can go.

    Whatever stops it, the same command goes on: nothing is ordered twice. Exit code 3: not complete
    yet, or something waits for an order that isn't done; 1: an order failed.
    """
    from cedar import runs

    loaded = runs.load(file)
    tracker = open_tracker(settings)
    if dry_run:
        plans = loaded.plan(tracker, only)
        found = [asdict(plan) for plan in plans]
        write(settings, {"run": loaded.name, "orders": found}, _planned(plans))
        for plan in plans:
            if plan.error is not None:
                note(settings, f"{plan.order}: {plan.error}")
        return FAILED if any(plan.error for plan in plans) else DONE
    settings.interrupted = f"`{settings.command('run', file)}` goes on"

    def told(order: str, text: str) -> None:
        note(settings, f"{order}: {text}")

    outcomes = loaded.execute(tracker, told, only, timeout)
    ended = [asdict(outcome) for outcome in outcomes]
    write(settings, {"run": loaded.name, "orders": ended}, _ended(outcomes))
    return _outcome(settings, outcomes)


def _planned(plans: Sequence[Plan]) -> Iterator[str]:
    yield from table(
        ("order", "after", "what there is", "to do"),
        (
            (
                plan.order,
                ", ".join(plan.after),
                _there(plan),
                ", ".join(plan.steps) or "nothing: it is done",
            )
            for plan in plans
        ),
    )


def _there(plan: Plan) -> str:
    if plan.record is not None:
        return f"{plan.record}: {counts(plan.states)}"
    if plan.error is not None:
        return "it can't be placed"
    said = [number(plan.n_items, "item")]
    if plan.n_empty:
        said.append(f"{plan.n_empty:,} without images")
    if plan.n_existing:
        said.append(f"{plan.n_existing:,} left out, which exist already")
    return ", ".join(said)


def _ended(outcomes: Sequence[Outcome]) -> list[str]:
    return table(
        ("order", "result", "record", "items"),
        (
            (outcome.order, outcome.result, outcome.record or "", counts(outcome.states))
            for outcome in outcomes
        ),
    )


def _outcome(settings: Settings, outcomes: Sequence[Outcome]) -> int:
    """Tell again what isn't done, and return the exit code."""
    for outcome in outcomes:
        if outcome.result != Result.DONE:
            note(settings, f"{outcome.result} {outcome.order}: {outcome.message}")
    return CODES[together(outcome.result for outcome in outcomes)]
