"""`cedar retry`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cedar.changes import is_put_off
from cedar.states import RETRYABLE

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED
from .output import confirmed, note, number, on_terminal, summary, write

if TYPE_CHECKING:
    from cedar.retrying import Difference

#: Most items, and images of one, that are told one by one.
_TOLD = 10


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--state", "states", type=click.Choice(sorted(RETRYABLE)), multiple=True,
    help="Items in this state; else FAILED, INCOMPLETE and UNKNOWN.",
)  # fmt: skip
@click.option("--item", "items", metavar="GLOB", multiple=True, help="Items of such a name.")
@click.option("--split", is_flag=True, help="In two parts what was too large, or what --item says.")
@click.option("--yes", is_flag=True, help="Don't ask, where images are other ones now.")
@click.pass_obj
def retry(
    settings: Settings,
    name: str,
    states: Sequence[str],
    items: Sequence[str],
    split: bool,
    yes: bool,
) -> int:
    """Make items again that failed, are incomplete, or of which nobody knows.

    Each gets one more attempt, of the same images; the attempts before stay in the record. One that
    is planned and waits, for a quota or after a fault, is begun at once. Where an image is gone, it
    is searched again, and you are asked. Exit code 1: you didn't agree.
    """
    refused: list[Difference] = []

    def agreed(differences: Sequence[Difference]) -> bool:
        _tell(settings, differences)
        if yes or (on_terminal() and confirmed("Make them of what there is now?")):
            return True
        refused.extend(differences)
        return False

    settings.interrupted = f"`{settings.command('resume', name)}` goes on with what was planned"
    tracker = open_tracker(settings)
    before = tracker.read(name).orders
    tracking = tracker.retry(name, states or None, items or None, split, agreed)
    write(settings, tracking.show(), [summary(tracking)])
    note(settings, ", ".join(_begun(before, tracking.orders)) or "nothing is made again")
    if tracking.active:
        note(settings, f"next: {settings.command('watch', tracking.name)}")
    if refused:
        note(settings, f"{number(len(refused), 'item')} left: `--yes` makes them of other images")
        return FAILED
    return DONE


def _begun(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say how many attempts there are more than before, and how many have stopped waiting."""
    known = {entry["request_id"] for entry in before}
    late = {entry["request_id"] for entry in before if is_put_off(entry)}
    if new := sum(entry["request_id"] not in known for entry in now):
        yield number(new, "new attempt")
    if hurried := sum(e["request_id"] in late and not is_put_off(e) for e in now):
        yield f"{number(hurried, 'attempt')} wait{'s' if hurried == 1 else ''} no longer"


def _tell(settings: Settings, differences: Sequence[Difference]) -> None:
    """Say which images are others now."""
    for difference in differences[:_TOLD]:
        note(settings, f"{difference.name}: its images aren't those that were ordered")
        for sign, images in (("-", difference.removed), ("+", difference.added)):
            for image in images[:_TOLD]:
                note(settings, f"  {sign} {image}")
            if len(images) > _TOLD:
                note(settings, f"  {sign} … and {len(images) - _TOLD:,} more")
    if len(differences) > _TOLD:
        note(settings, f"… and {number(len(differences) - _TOLD, 'more item')}")
