"""`cedar log`."""

from __future__ import annotations

from dataclasses import asdict

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import in_a_line, write


@click.command(cls=Command)
@click.argument("name")
@click.option("--item", metavar="GLOB", default="*", help="Only items whose names match.")
@click.pass_obj
def log(settings: Settings, name: str, item: str) -> int:
    """Show every change of an order's items: when, to what state, and why.

    By time, earlier attempts included, from the order's record: nothing is asked of Earth Engine.
    """
    from cedar.history import events

    found = events(open_tracker(settings).read(name), item)
    lines = []
    for event in found:
        attempt = "" if event.attempt in (None, 1) else f" (attempt {event.attempt})"
        cause = f": {in_a_line(event.cause)}" if event.cause else ""
        lines.append(f"{event.time}  {event.item or name}  {event.state}{attempt}{cause}")
    write(settings, [{"time": event.time, **asdict(event)} for event in found], lines)
    return DONE
