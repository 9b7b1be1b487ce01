"""`cedar tick`."""

from __future__ import annotations

import click

from .base import Command, Settings, open_tracker
from .errors import CODES
from .output import note, summary, write


@click.command(cls=Command)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def tick(settings: Settings, names: tuple[str, ...]) -> int:
    """Bring orders forward by one round: for cron.

    Of the orders named, or all in the store: finishes what was cut off, asks how tasks are, looks
    for their files, and starts as many as the service's queue has room for. It takes seconds. Two
    at once do no harm. Exit code 3: something is still to be done; 1: nothing is, but an order
    can't be gone on with, or an item has just failed.
    """
    settings.interrupted = "what was found is on record; the next `cedar tick` goes on"
    done = open_tracker(settings).tick(names or None)
    write(
        settings,
        {
            "orders": [tracking.summary() for tracking in done.orders],
            "failures": {name: str(error) for name, error in done.failures.items()},
        },
        map(summary, done.orders),
    )
    for name, error in done.failures.items():
        note(settings, f"Error: {name}: {error}")
    return CODES[done.result]
