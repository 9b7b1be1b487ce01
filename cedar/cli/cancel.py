"""`cedar cancel`."""

from __future__ import annotations

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import summary, write


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def cancel(settings: Settings, name: str) -> int:
    """Cancel what hasn't ended of an order. What is finished stays."""
    tracking = open_tracker(settings).cancel(name)
    write(settings, tracking.show(), [summary(tracking)])
    return DONE
