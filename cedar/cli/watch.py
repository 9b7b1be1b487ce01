"""`cedar watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cedar import defaults

from .base import Command, Settings, open_tracker
from .errors import outcome
from .forecast import foreseen, lines, shown
from .output import counts, progress, summary, write

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata
    from cedar.tracker import Tracker


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=defaults.WATCH_INTERVAL,
    show_default=True,
    help="Between two looks at what other processes work on.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="When to stop; else at the end.",
)
@click.pass_obj
def watch(settings: Settings, name: str, interval: float, timeout: float | None) -> int:
    """Bring an order forward until nothing is left to do.

    Whatever state it was left in. Of a pilot, until its items are made; then it says what the
    others will cost, and how to go on. Exit code 1: an item was not made; 3: not complete yet.
    """
    tracker = open_tracker(settings)
    tracking = follow(settings, tracker, name, interval, timeout)
    forecast = foreseen(tracker, tracking)
    write(
        settings,
        shown(tracking, forecast),
        [summary(tracking), *lines(settings, tracking, forecast)],
    )
    return outcome(settings, tracking)


def follow(
    settings: Settings,
    tracker: Tracker,
    name: str,
    interval: float = defaults.WATCH_INTERVAL,
    timeout: float | None = None,
) -> TrackingMetadata:
    """Watch an order, and show how far it has come."""
    settings.interrupted = f"`{settings.command('watch', name)}` goes on"
    with progress(settings, "making") as report:
        return tracker.watch(
            name,
            interval,
            timeout,
            lambda tracking: report(tracking.progress, counts(tracking.states)),
        )
