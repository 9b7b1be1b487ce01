"""`cedar prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cedar import defaults

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED
from .output import confirmed, note, number, on_terminal, write

if TYPE_CHECKING:
    from cedar.pruning import Remnant


@click.command(cls=Command)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Show what there is, and delete nothing.")
@click.option(
    "--older-than",
    metavar="DAYS",
    type=click.FloatRange(min=0),
    default=defaults.OLDER_THAN,
    show_default=True,
    help="Since half-done work was last written.",
)
@click.pass_obj
def prune(settings: Settings, yes: bool, dry_run: bool, older_than: float) -> int:
    """Delete what killed processes have left.

    Half-done work that no order needs any more, temporary files, and claims and leases that nobody
    has: here and in the store. Never an image, a document or a record.
    """
    tracker = open_tracker(settings)
    found = tracker.remnants(older_than)
    if found and not dry_run:
        if not yes and on_terminal():
            for line in _lines(found):
                note(settings, line)
            if not confirmed(f"Delete {_total(found)}?"):
                note(settings, "nothing was deleted")
                return FAILED
        found = tracker.prune(found)
    done = "would be deleted" if dry_run else "deleted"
    write(settings, [_shown(each) for each in found], [*_lines(found), f"{_total(found)} {done}"])
    return DONE


def _lines(found: list[Remnant]) -> list[str]:
    return [
        f"{each.kind}  {each.updated.isoformat(timespec='seconds')}  {each.size:,} bytes  "
        f"{each.where}"
        for each in found
    ]


def _total(found: list[Remnant]) -> str:
    return f"{number(len(found), 'remnant')} of {sum(each.size for each in found):,} bytes"


def _shown(each: Remnant) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "where": each.where,
        "size": each.size,
        "updated": each.updated.isoformat(timespec="seconds"),
    }
