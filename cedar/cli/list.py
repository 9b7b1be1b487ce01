"""`cedar list`."""

from __future__ import annotations

import logging

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import write


@click.command("list", cls=Command)
@click.pass_obj
def list_orders(settings: Settings) -> int:
    """List the orders in the store, a name a line."""
    from cedar.exceptions import DocumentError

    tracker = open_tracker(settings)
    names = tracker.list()
    summaries = []
    for name in names if settings.json else ():
        try:
            summaries.append(tracker.read(name).summary())
        except DocumentError as error:
            logging.getLogger(__name__).warning("left out: %s", error)
    write(settings, summaries, names)
    return DONE
