"""`cedar update`."""

from __future__ import annotations

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import note, summary, write


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Every order in the store.")
@click.pass_obj
def update(settings: Settings, name: str | None, everything: bool) -> int:
    """Hold an order's record against the store.

    What is found is written down. Nothing is made: `cedar watch` does that.
    """
    if everything == (name is not None):
        raise click.UsageError("give the name of an order, or --all")
    from cedar.exceptions import CedarError

    tracker = open_tracker(settings)
    updated, failures = [], []
    for each in [name] if name is not None else tracker.list():
        try:
            updated.append(tracker.update(each))
        except CedarError as error:
            if not everything:
                raise
            failures.append(error)
    write(settings, [tracking.summary() for tracking in updated], map(summary, updated))
    for tracking in updated:
        if tracking.active:
            note(settings, f"next: {settings.command('watch', tracking.name)}")
    for failure in failures[1:]:
        note(settings, f"Error: {failure}")
    if failures:
        raise failures[0]
    return DONE
