"""`cedar resume`."""

from __future__ import annotations

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import note, summary, write


@click.command(cls=Command)
@click.argument("name")
@click.option("--go-on", is_flag=True, help="Start the items that a pilot holds, too.")
@click.pass_obj
def resume(settings: Settings, name: str, go_on: bool) -> int:
    """Bring an order whose submit was cut off to where submit would have left it.

    What was started without being on record is found, and the rest is started; nothing twice.
    `cedar watch` and `cedar tick` do the same before they go on.
    """
    settings.interrupted = f"`{settings.command('resume', name)}` goes on"
    tracking = open_tracker(settings).resume(name, go_on)
    write(settings, tracking.show(), [summary(tracking)])
    if tracking.active:
        note(settings, f"next: {settings.command('watch', tracking.name)}")
    return DONE
