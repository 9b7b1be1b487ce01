"""`cedar extend`."""

from __future__ import annotations

from typing import Any

import click

from .base import Command, Settings, open_tracker
from .submit import offer, searching


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--to", metavar="DATE", required=True, help="Up to when; with a frequency, as --period-end."
)
@click.option("--dry-run", is_flag=True, help="Say what would be ordered, and order nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def extend(settings: Settings, /, name: str, to: str, **options: Any) -> int:
    """Order the same as an order for the time after it, up to a date.

    Collections, tiles, filters, grouping and the frequency are those of its record. What an earlier
    extension has ordered isn't ordered again. Items of the last periods that have other images now
    are named.
    """
    tracker = open_tracker(settings)
    with searching(settings) as found:
        preview = tracker.extension(name, to, found)
    return offer(settings, tracker, preview, options)
