"""`cedar clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED, TOLD
from .output import adding, confirmed, note, number, on_terminal, progress, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cedar.cleaning import Cleaning
    from cedar.items import ObjectInfo


@click.command(cls=Command)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("--keep-tracking", is_flag=True, help="Keep the order's record.")
@click.option("--force", is_flag=True, help="Also what has no verified download on this machine.")
@click.pass_obj
def clean(
    settings: Settings, name: str, yes: bool, dry_run: bool, keep_tracking: bool, force: bool
) -> int:
    """Delete an order from the store.

    Its images and metadata go first, and last its record. Only what the record names is deleted,
    and only if a verified download is on this machine.
    """
    tracker = open_tracker(settings)
    tracking = tracker.read(name)
    record = None if keep_tracking else tracking.name
    if dry_run:
        found = tracker.cleaning(tracking, record, force)
        write(settings, _shown(tracking.name, found), _lines(tracking.name, found))
        _tell_refused(settings, found)
        return DONE
    if not yes and on_terminal():
        images = sum(len(entry["outputs"]) for entry in tracking.orders)
        if not confirmed(f"Delete {number(images, 'image')} of {name} from the store?"):
            note(settings, "nothing was deleted")
            return FAILED
    settings.interrupted = f"`{settings.command('clean', tracking.name)}` goes on"
    total = sum(bool(entry["outputs"]) for entry in tracking.orders)
    with progress(settings, "deleting") as report:
        names = tracker.clean(tracking, record, adding(report, total), force)
    deleted = {"name": tracking.name, "deleted": names, "kept_tracking": keep_tracking}
    files = number(sum(map(len, names.values())), "file")
    write(settings, deleted, [f"{tracking.name}: {files} deleted"])
    return DONE


def _lines(name: str, found: Cleaning) -> Iterator[str]:
    from cedar.preview import size

    for info in found.objects:
        yield f"{info.key}  version {info.version}  {info.size:,} bytes"
    total = size(sum(info.size for info in found.objects))
    yield f"{name}: {number(len(found.objects), 'file')}, {total}, would be deleted"


def _tell_refused(settings: Settings, found: Cleaning) -> None:
    """Say what would be left, and what is in the way of all of it."""
    for key in found.left:
        note(settings, f"would be left, since the order didn't make it: {key}")
    by_reason: dict[str, list[str]] = {}
    for item, why in found.refused.items():
        by_reason.setdefault(why, []).append(item)
    for why, items in by_reason.items():
        note(settings, f"would be refused, {number(len(items), 'item')}: {why}")
        for item in items[:TOLD]:
            note(settings, f"  {item}")
        if len(items) > TOLD:
            note(settings, f"  … and {len(items) - TOLD:,} more")


def _shown(name: str, found: Cleaning) -> dict[str, Any]:
    return {
        "name": name,
        "would_delete": [_object(info) for info in found.objects],
        "bytes": sum(info.size for info in found.objects),
        "left": [*found.left],
        "refused": [{"item": item, "error": why} for item, why in found.refused.items()],
    }


def _object(info: ObjectInfo) -> dict[str, Any]:
    return {"key": info.key, "version": info.version, "size": info.size}
