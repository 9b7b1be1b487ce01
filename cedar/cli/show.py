"""`cedar show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cedar.states import RETRYABLE, TaskState

from .base import Command, Settings, open_tracker
from .errors import DONE
from .forecast import foreseen, lines, shown
from .output import summary, table, troubles, write

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def show(settings: Settings, name: str) -> int:
    """Show an order item by item; of one whose pilot holds items, what they will cost."""
    tracker = open_tracker(settings)
    tracking = tracker.read(name)
    forecast = foreseen(tracker, tracking)
    write(
        settings,
        shown(tracking, forecast),
        [*_lines(tracking), *lines(settings, tracking, forecast)],
    )
    return DONE


def _lines(tracking: TrackingMetadata) -> Iterator[str]:
    shown = tracking.show()
    yield summary(tracking)
    yield from table(
        ("item", "state", "images", "progress", "files"),
        (
            (
                item["name"],
                item["state"],
                item["n_images"],
                f"{item['progress']:.0%}",
                len(item["outputs"]),
            )
            for item in shown["orders"]
        ),
    )
    yield from troubles(tracking, len(shown["orders"]), "")
    if tracking.states.keys() & RETRYABLE - {TaskState.CANCELLED}:
        yield f"next: cedar retry {tracking.name}"
