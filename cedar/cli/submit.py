"""`cedar submit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .base import Command, Settings, open_tracker
from .errors import DONE, FAILED, outcome
from .forecast import foreseen
from .forecast import lines as lines_of_forecast
from .output import adding, confirmed, note, number, on_terminal, progress, write
from .preview import lines
from .watch import follow
from .where import tile_options, which_tiles

if TYPE_CHECKING:
    from cedar.ordering import Existing, Order
    from cedar.preview import Preview
    from cedar.tracker import Tracker

#: Most items that the table before an order shows.
_SHOWN: Final = 20


@click.command(cls=Command)
@click.argument("collections", metavar="COLLECTION...", nargs=-1, required=True)
@tile_options
@click.option("--period-start", metavar="DATE", required=True, help="Start.")
@click.option(
    "--period-end",
    metavar="DATE",
    required=True,
    help="End, not included; with a frequency, its period is.",
)
@click.option("--period-freq", metavar="FREQ", help="pandas frequency that makes periods: YS, 3MS.")
@click.option(
    "--period-closed", type=click.Choice(["left", "both"]), default="both", show_default=True,
    help="Whether a period that only starts at the end is left out.",
)  # fmt: skip
@click.option(
    "--images", metavar="FILE",
    help="Take only the images that FILE lists: an id a line, `#` before a comment.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be ordered, and order nothing.")
@click.option("--show-images", is_flag=True, help="List the images that were found.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--pilot", metavar="N", type=click.IntRange(min=1),
    help="Start N typical items; hold the others until their cost was seen. Of exports.",
)  # fmt: skip
@click.option("--wait", is_flag=True, help="Go on as `cedar watch`.")
@click.option("--error-if-empty", is_flag=True, help="Fail where an item has no images.")
@click.option("--no-save-empty", is_flag=True, help="No metadata for items without images.")
@click.option("--skip-existing", is_flag=True, help="Leave out items whose names exist.")
@click.option("--overwrite", is_flag=True, help="Replace items whose names exist.")
@click.option(
    "--stale", is_flag=True, help="Replace items ordered before that have other images now."
)
@click.pass_obj
def submit(
    settings: Settings,
    /,
    collections: Sequence[str],
    **options: Any,
) -> int:
    """Order images of collections, for tiles and periods.

    Tiles can be given in all of these ways at once, each more than once. The order is recorded;
    `cedar watch` makes its images. What earlier orders have of the same request is left to them.
    """
    where = which_tiles(options)
    if where is None:
        raise click.UsageError(
            "say which tiles: --index, --row with --col, --bbox, --point or --roi"
        )
    existing = _existing(options)
    if options["dry_run"] and options["wait"]:
        raise click.UsageError("--dry-run and --wait exclude each other")
    if options["dry_run"] and options["pilot"]:
        raise click.UsageError("--dry-run and --pilot exclude each other")
    tracker = open_tracker(settings)
    tiles = where.tiles(tracker.tile_grid)
    preview = _search(settings, tracker, collections, tiles, options, existing)
    return offer(settings, tracker, preview, options)


def _existing(options: dict[str, Any]) -> Existing:
    """Return what to do about names that exist."""
    choices: dict[str, Existing] = {
        "skip_existing": "skip", "overwrite": "overwrite", "stale": "stale",
    }  # fmt: skip
    given = [name for name in choices if options[name]]
    if len(given) > 1:
        first, second, *_ = (f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{first} and {second} exclude each other")
    return choices[given[0]] if given else "error"


def offer(
    settings: Settings, tracker: Tracker, preview: Preview, options: Mapping[str, Any]
) -> int:
    """Show an order, and place it if it is wanted; the exit code.

    Parameters
    ----------
    options
        Of the command: ``dry_run``, ``yes``; and ``show_images``, ``wait`` and ``pilot`` if it has
        them.
    """
    images, order = options.get("show_images", False), preview.order
    if options["dry_run"]:
        write(settings, preview.to_dict(images), lines(preview, None, images))
        return DONE
    for line in lines(preview, _SHOWN if on_terminal() else 0, images):
        note(settings, line)
    if not order.items:
        note(settings, "nothing to order: all of it exists already")
        write(settings, _result(None, None, order, {}), ())
        return DONE
    preview.check()
    if not options["yes"] and on_terminal() and not confirmed("Order this?"):
        note(settings, "nothing was ordered")
        return FAILED
    return _place(settings, tracker, preview, options.get("wait", False), options.get("pilot"))


def _search(
    settings: Settings,
    tracker: Tracker,
    collections: Sequence[str],
    tiles: Sequence[tuple[int, int]],
    options: dict[str, Any],
    existing: Existing,
) -> Preview:
    with searching(settings) as found:
        return tracker.preview(
            collections,
            tiles,
            options["period_start"],
            options["period_end"],
            options["period_freq"],
            not options["no_save_empty"],
            options["error_if_empty"],
            found,
            options["period_closed"],
            existing,
            None if options["images"] is None else Path(options["images"]),
        )


@contextmanager
def searching(settings: Settings) -> Iterator[Callable[[str, float], None]]:
    """Show how many items were searched; gives a callback as Tracker takes it."""
    searched = 0
    with progress(settings, "searching") as report:

        def found(_name: str, items: float) -> None:
            nonlocal searched
            searched += int(items)
            report(None, number(searched, "item"))

        yield found


def _place(
    settings: Settings, tracker: Tracker, preview: Preview, wait: bool, pilot: int | None
) -> int:
    settings.interrupted = (
        f"if `{settings.command('list')}` shows the order, `cedar watch` goes on with it"
    )
    with progress(settings, "recording") as report:
        name, key = tracker.place(preview, adding(report, len(preview.items)), None, pilot)
    if wait:
        note(settings, f"recorded as {name}")
        tracking = follow(settings, tracker, name)
    else:
        tracking = tracker.read(name)
    write(settings, _result(name, key, preview.order, tracking.states), [name])
    if wait:
        for line in lines_of_forecast(settings, tracking, foreseen(tracker, tracking)):
            note(settings, line)
        return outcome(settings, tracking)
    if tracking.active:
        note(settings, f"next: {settings.command('watch', name)}")
    return DONE


def _result(
    name: str | None, key: str | None, order: Order, states: dict[str, int]
) -> dict[str, Any]:
    coverage = [moment.isoformat() for moment in order.submission.coverage]
    result = {"name": name, "id": key, "coverage": coverage, "states": states}
    if order.earlier:
        from cedar.preview import plan

        result["plan"] = plan(order)
    return result
