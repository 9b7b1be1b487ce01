"""`cedar import-tasks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED
from .output import confirmed, counts, note, number, on_terminal, table, write

if TYPE_CHECKING:
    from cedar.importing import Import
    from cedar.tracker import Tracker


@click.command("import-tasks", cls=Command)
@click.option("--pattern", metavar="GLOB", help="Only items whose names match.")
@click.option(
    "--prefix",
    metavar="FOLDER",
    multiple=True,
    help="Where their files are; else the folder of prefix_template. With --order, repeats.",
)
@click.option("--since", metavar="DATE", help="Only what was created from this time on.")
@click.option("--collection", metavar="ID", help="Only items whose document says this collection.")
@click.option("--from-files", is_flag=True, help="Import files in the store instead of tasks.")
@click.option("--name", help="Name of the new record; else IMPORTED_ and the day.")
@click.option("--order", metavar="NAME", help="Rebuild the lost record of this order.")
@click.option("--dry-run", is_flag=True, help="Show what there is, and record nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def import_tasks(settings: Settings, /, dry_run: bool, yes: bool, **given: Any) -> int:
    """Put under a record what was started, or made, without one.

    Tasks that Earth Engine lists, or files in the store, that no order has; or, with --order, an
    order whose record is lost, by the documents of its items. Nothing is started or deleted.
    """
    tracker = open_tracker(settings)
    found = _find(tracker, **given)
    for name, order in found.left_out.items():
        note(settings, f"left out: order {order} has {name}")
    if dry_run:
        write(settings, _shown(found), _lines(found))
        return DONE
    if not yes and on_terminal():
        for line in _lines(found):
            note(settings, line)
        if not confirmed(f"Record {number(len(found.tracking.orders), 'item')}?"):
            note(settings, "nothing was recorded")
            return FAILED
    tracking = tracker.import_tasks(found)
    write(settings, _shown(found) | {"name": tracking.name}, [tracking.name])
    note(settings, f"{counts(tracking.states)}; next: {settings.command('watch', tracking.name)}")
    return DONE


def _find(
    tracker: Tracker,
    pattern: str | None,
    prefix: tuple[str, ...],
    since: str | None,
    collection: str | None,
    from_files: bool,
    name: str | None,
    order: str | None,
) -> Import:
    from cedar.importing import Wanted
    from cedar.periods import parse_date

    if order is not None:
        if pattern or since or collection or from_files or name:
            raise click.UsageError("--order takes --prefix only: an order is rebuilt whole")
        return tracker.find_order(order, prefix)
    if len(prefix) > 1:
        raise click.UsageError("give --prefix once: only with --order it repeats")
    wanted = Wanted(
        prefix[0] if prefix else None,
        pattern or "*",
        None if since is None else parse_date(since),
        collection,
    )
    return tracker.find_tasks(wanted, name, from_files)


def _shown(found: Import) -> dict[str, Any]:
    tracking = found.tracking
    return {
        "name": tracking.name,
        "states": tracking.states,
        "orders": [
            {
                "name": entry["name"],
                "prefix": entry["prefix"],
                "state": tracking.state(entry),
                "task": entry["status"].get("id"),
                "outputs": [output["name"] for output in entry["outputs"]],
                "documented": entry["collection"] is not None,
            }
            for entry in tracking.orders
        ],
        "left_out": dict(found.left_out),
    }


def _lines(found: Import) -> Iterator[str]:
    shown = _shown(found)
    yield f"{shown['name']}: {counts(shown['states'])}"
    yield from table(
        ("item", "state", "files", "task", "document"),
        (
            (
                each["name"],
                each["state"],
                len(each["outputs"]),
                each["task"] or "-",
                "yes" if each["documented"] else "no",
            )
            for each in shown["orders"]
        ),
    )
