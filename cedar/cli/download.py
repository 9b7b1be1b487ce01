"""`cedar download`."""

from __future__ import annotations

from pathlib import Path

import click

from .base import Command, Settings, open_tracker
from .errors import outcome
from .output import adding, progress, write


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--dest",
    metavar="DIR",
    default=".",
    help="Where the order's directory is put; by default here.",
)
@click.pass_obj
def download(settings: Settings, name: str, dest: str) -> int:
    """Download what is finished of an order, and verify it.

    The files go into DIR/NAME, and last the record. A file that is there already and the same is
    not fetched again.
    """
    tracker = open_tracker(settings)
    tracking = tracker.read(name)
    directory = Path(dest, tracking.name)
    again = settings.command("download", tracking.name, "--dest", dest)
    settings.interrupted = f"`{again}` goes on"
    total = sum(bool(entry["outputs"]) for entry in tracking.orders)
    with progress(settings, "downloading") as report:
        files = tracker.download(tracking, directory, callback=adding(report, total))
    found = {
        "name": tracking.name,
        "directory": str(directory),
        "complete": tracking.complete,
        "states": tracking.states,
        "files": {task: [str(path) for path in paths] for task, paths in files.items()},
    }
    write(settings, found, [str(directory)])
    return outcome(settings, tracking)
