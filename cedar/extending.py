"""Extending an order: the same for the time after, as if all of it had been ordered at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .comparing import unlike
from .exceptions import InputError
from .grids import TileGrid
from .ordering import Submission, Templates
from .periods import coverage, parse_date
from .planning import Scope, find_order
from .record import Record
from .recovering import collections_of
from .states import TaskState
from .stores.base import document_key
from .templates import NAME, PREFIX, Template

if TYPE_CHECKING:
    from .engines.base import Engine
    from .ordering import Order
    from .planning import Progress

#: How long before an order's end periods may have ended to which images are still added: Landsat
#: 7's take up to 26 days to Tier 1 (usgs.gov/faqs, on the creation of Level-2 products).
_LATE: Final = dt.timedelta(days=60)
#: Of export_image_kwds, what is chosen for the largest item where nobody says it.
_LAYOUT: Final = ("shardSize", "fileDimensions")
#: What two orders have in common of which one continues the other.
_SAME: Final = ("collections", "tile_grid", "tile_indices", "period_freq", "filters")


def find_extension(
    record: Record,
    to: str | dt.date,
    templates: Templates,
    export_image_kwds: Mapping[str, Any],
    engine: Engine,
    progress: Progress | None = None,
) -> Order:
    """Find what an order lacks to be as if it had been asked for up to a date.

    Nothing is written. Of the order's last periods is said how they stand.

    Parameters
    ----------
    templates, export_image_kwds
        What a new order has: the name of its record, and the layout of files. All else is as the
        record says.

    Raises
    ------
    InputError
        The record doesn't say what was asked for, it is of listed images, or one composite; or its
        collections end at several times.
    """
    before, tracking = _submission(record), record.view["tracking"]
    _check_composites(before, record.name)
    end, named = _end(before, record.name), _named(templates, tracking)
    late = [item for item in before.items(named) if end - item.date_end < _LATE]
    last = end if before.period_freq else _last_end(record, end)
    after = _after(before, last, parse_date(to))
    if after is None:
        start = min(item.date_start for item in late)
        submission = replace(before, period_start=start, period_end=end, period_freq=None)
        scope = Scope((), late)
    else:
        submission, scope = after, Scope(after.items(named), late)
    kept = {key: v for key, v in tracking["export_image_kwds"].items() if key not in _LAYOUT}
    layout = {key: v for key, v in export_image_kwds.items() if key in _LAYOUT}
    return find_order(
        submission,
        named,
        record.store,
        engine,
        kept | layout,
        _saves_empty(record),
        error_if_empty=False,
        progress=progress,
        scope=scope,
    )


def _check_composites(submission: Submission, name: str) -> None:
    """Refuse what wouldn't be as if it had been ordered at once: one composite of more."""
    if submission.period_freq is None and any(each.is_composite for each in submission.collections):
        raise InputError(
            f"order {name} can't be extended, since it is one composite of all its time: submit "
            "the longer one, or order periods with a frequency"
        )


def _end(submission: Submission, name: str) -> dt.datetime:
    """Return where all collections of an order end."""
    ends = {each.id: coverage(submission.periods(each)).end for each in submission.collections}
    if len(set(ends.values())) > 1:
        listed = ", ".join(f"{collection} {end:%Y-%m-%d}" for collection, end in ends.items())
        raise InputError(
            f"the collections of order {name} end at several times ({listed}): submit what comes "
            "after each of them by itself"
        )
    return next(iter(ends.values()))


def _last_end(record: Record, end: dt.datetime) -> dt.datetime:
    """Return where the last extension ends of an order of one period, which may have any length.

    With a frequency the names of their items tell which periods earlier extensions have.
    """
    ours, prefix = record.view["submission"], record.view["tracking"]["prefix"]
    ends: dict[dt.datetime, dt.datetime] = {}
    for name in record.store.list(prefix):
        theirs = Record.open(record.store, prefix, name).view["submission"]
        if _is_same(ours, theirs):
            start, until = map(parse_date, theirs["coverage"])
            ends[start] = max(until, ends.get(start, until))
    while end in ends:
        end = ends[end]
    return end


def _is_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether two orders ask for the same, of whatever time."""
    definitions = theirs.get("definitions", {})
    same = all(ours[key] == theirs[key] for key in _SAME) and "images" not in theirs
    return same and all(
        collection in definitions and not unlike(definition, definitions[collection])
        for collection, definition in ours["definitions"].items()
    )


def _named(templates: Templates, tracking: Mapping[str, Any]) -> Templates:
    """Return templates by which items are named as an order's are."""
    name, prefix = tracking["name_template"], tracking["prefix_template"]
    return replace(templates, name=Template(name, NAME), prefix=Template(prefix, PREFIX))


def _saves_empty(record: Record) -> bool:
    """Whether an order's items without images have metadata documents, as far as it has any."""
    listed = set(record.view["metadata"])
    return all(
        document_key(entry["name"], entry["prefix"]) in listed
        for entry in record.view.orders
        if entry["status"]["state"] == TaskState.EMPTY
    )


def _submission(record: Record) -> Submission:
    """Return what an order asked for, as its record says it."""
    said = record.view["submission"]
    if not said.get("definitions"):
        raise InputError(
            f"order {record.name} can't be extended, since its record doesn't say what was asked "
            "for: submit what comes after"
        )
    if "images" in said:
        raise InputError(
            f"order {record.name} can't be extended, since it is of listed images, which don't say "
            "what comes after: submit that with a list of its own, or with none"
        )
    submission = Submission.parse(
        collections_of(record).values(),
        TileGrid.from_dict(said["tile_grid"]),
        said["tile_indices"],
        (said["period_start"], said["period_end"], said["period_freq"], said["period_closed"]),
        said["filters"],
        "error",
    )
    return replace(submission, submitted=parse_date(said["submitted"]))


def _after(before: Submission, end: dt.datetime, to: dt.datetime) -> Submission | None:
    """Return the submission of what comes after an order's end; None where that is later."""
    if to <= end:
        return None
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    # The end is an anchor of the frequency, so the periods go on as they would have.
    return replace(before, submitted=now, period_start=end, period_end=to)
