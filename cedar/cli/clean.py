"""`cedar clean`."""

from __future__ import annotations

import click

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED
from .output import adding, confirmed, note, number, on_terminal, progress, write


@click.command(cls=Command)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--keep-tracking", is_flag=True, help="Keep the order's record.")
@click.option("--force", is_flag=True, help="Also what has no verified download on this machine.")
@click.pass_obj
def clean(settings: Settings, name: str, yes: bool, keep_tracking: bool, force: bool) -> int:
    """Delete an order from the store.

    Its images and metadata go first, and last its record. Only what the record names is deleted,
    and only if a verified download is on this machine.
    """
    tracker = open_tracker(settings)
    tracking = tracker.read(name)
    if not yes and on_terminal():
        images = sum(len(entry["outputs"]) for entry in tracking.orders)
        if not confirmed(f"Delete {number(images, 'image')} of {name} from the store?"):
            note(settings, "nothing was deleted")
            return FAILED
    settings.interrupted = f"`{settings.command('clean', tracking.name)}` goes on"
    total = sum(bool(entry["outputs"]) for entry in tracking.orders)
    with progress(settings, "deleting") as report:
        names = tracker.clean(
            tracking, None if keep_tracking else tracking.name, adding(report, total), force
        )
    found = {"name": tracking.name, "deleted": names, "kept_tracking": keep_tracking}
    files = number(sum(map(len, names.values())), "file")
    write(settings, found, [f"{tracking.name}: {files} deleted"])
    return DONE
