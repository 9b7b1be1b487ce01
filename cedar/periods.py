"""Periods: start, end and a pandas frequency → half-open slices of time."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Final, Literal, NamedTuple

from pandas import Timestamp
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from .exceptions import InputError

#: Most periods of one order: a frequency that gives more is a slip of the pen.
MAX_PERIODS: Final = 100_000

# fromisoformat takes any character between date and time, so it would read the offset of
# `2020-01-01+05:00` as five o'clock: the separator is checked here.
_DATE: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|\d{8})(?P<time>[T ].+)?|(?P<year>\d{4})(?P<month>-\d\d)?", re.ASCII
)

# https://pandas.pydata.org/docs/whatsnew/v2.2.0.html and v3.0.0.html: the new name, then the
# one that counts from starts, which is what most who write `1M` want.
_RENAMED: Final = {
    "A": ("YE", "YS"),
    "Y": ("YE", "YS"),
    "AS": ("YS",),
    "Q": ("QE", "QS"),
    "M": ("ME", "MS"),
    "SM": ("SME", "SMS"),
    "H": ("h",),
    "T": ("min",),
    "S": ("s",),
}
_FREQUENCY: Final = re.compile(r"\s*(?P<count>\d*)\s*(?P<name>[A-Z]+)(?P<anchor>-\w+)?\s*")


class Period(NamedTuple):
    """A half-open slice of time: `start` belongs to it, `end` doesn't (both aware, UTC)."""

    start: dt.datetime
    end: dt.datetime


def parse_date(value: str | dt.date) -> dt.datetime:
    """Read a date or time.

    Parameters
    ----------
    value : str, datetime.date or datetime.datetime
        Text is ISO 8601: a year, a month, a date, or a date and time. What has no offset is
        UTC, whatever the machine's time zone.

    Returns
    -------
    datetime.datetime
        Aware, UTC; the first instant of a year, month or date.

    Raises
    ------
    InputError
        If it is none of these.
    """
    text = value.isoformat() if isinstance(value, dt.date) else str(value).strip()
    try:
        if (match := _DATE.fullmatch(text)) is None:
            raise ValueError("no ISO date")
        day = f"{match['year']}{match['month'] or '-01'}-01" if match["year"] else text
        time = dt.datetime.fromisoformat(day)
        return time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text!r} is not a date: give 2020, 2020-05, 2020-05-01 or "
            "2020-05-01T12:00:00 (UTC, unless an offset follows)"
        ) from error


def periods(
    start: str | dt.date,
    end: str | dt.date,
    freq: str | None = None,
    closed: Literal["both", "left"] = "both",
) -> list[Period]:
    """Slice the time from `start` to `end`.

    Parameters
    ----------
    start, end : str, datetime.date or datetime.datetime
        As :func:`parse_date` takes them.
    freq : str, optional
        A pandas frequency: ``YS``, ``5YS``, ``MS``, ``QS``, ``W-SUN``, ``16D``, ``6h``. None
        gives one period, `end` exclusive.
    closed : {"both", "left"}
        With a frequency the period that contains `end` is included whole; "left" leaves out
        one that only starts there.

    Returns
    -------
    list of Period
        In order, without gaps. The first starts at `start`; where that isn't an anchor of the
        frequency, it ends at the first anchor. From an anchor on they are the neighbours in
        ``pandas.date_range(start, end + freq, freq=freq)``.

    Raises
    ------
    InputError
        If `end` isn't after `start`, the frequency can't be used, or there would be more than
        100,000 periods.

    Examples
    --------
    >>> def days(sliced):
    ...     return [f"{start:%Y-%m-%d} – {end:%Y-%m-%d}" for start, end in sliced]
    >>> days(periods("2020-01-01", "2021-01-01", "YS"))
    ['2020-01-01 – 2021-01-01', '2021-01-01 – 2022-01-01']
    >>> days(periods("2020-01-01", "2021-01-01", "YS", closed="left"))
    ['2020-01-01 – 2021-01-01']
    >>> days(periods("2020-03-15", "2020-07-01", "QS", closed="left"))  # a leading part
    ['2020-03-15 – 2020-04-01', '2020-04-01 – 2020-07-01']
    """
    first, last = parse_date(start), parse_date(end)
    if closed not in ("both", "left"):
        raise InputError(f"periods can be closed 'both' or 'left', not {closed!r}")
    if last <= first:
        raise InputError(
            f"the period ends at {last.isoformat()}, which is not after its start "
            f"{first.isoformat()}"
        )
    if freq is None:
        return [Period(first, last)]
    return [Period(*pair) for pair in pairwise(_edges(first, last, freq, closed))]


def coverage(periods: Sequence[Period]) -> Period:
    """Span from the start of the first to the end of the last of `periods`."""
    return Period(periods[0].start, periods[-1].end)


def _edges(
    first: dt.datetime, last: dt.datetime, freq: str, closed: Literal["both", "left"]
) -> list[dt.datetime]:
    """Where the periods meet: `first`, then anchors until `last` is covered."""
    offset = _offset(freq)
    edges: list[dt.datetime] = []
    try:
        for edge in islice(_anchors(first, offset), MAX_PERIODS + 1):
            edges.append(edge)
            if edge > last or (edge == last and closed == "left"):
                return edges
    except (OverflowError, ValueError) as error:
        raise InputError(
            f"period frequency {freq!r} from {first.isoformat()} goes past the year 9999"
        ) from error
    raise InputError(
        f"period frequency {freq!r} gives more than {MAX_PERIODS:,} periods from "
        f"{first.isoformat()} to {last.isoformat()}: use a longer one"
    )


def _anchors(first: dt.datetime, offset: BaseOffset) -> Iterator[dt.datetime]:
    """Yield `first` and every anchor after it."""
    yield first
    anchor = offset.rollforward(Timestamp(first)).to_pydatetime()
    if anchor > first:
        yield anchor
    while True:
        anchor = (Timestamp(anchor) + offset).to_pydatetime()
        yield anchor


def _offset(freq: str) -> BaseOffset:
    """Read a pandas frequency, or raise InputError."""
    match = _FREQUENCY.fullmatch(freq)
    if match and (names := _RENAMED.get(match["name"])):
        anchor = match["anchor"] or ""
        # A-DEC ends with December; the starts it would go with are YS-JAN.
        new = [f"{match['count']}{name}{anchor}" for name in (names[:1] if anchor else names)]
        raise InputError(
            f"period frequency {freq!r}: pandas no longer takes {match['name']!r}, use "
            + " or ".join(map(repr, new))
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            offset = to_offset(freq)
    except (ValueError, OverflowError, Warning) as error:
        raise InputError(
            f"period frequency {freq!r} can't be read: use one of pandas, such as 'YS', '3MS', "
            "'W-SUN' or '16D'"
        ) from error
    if offset.n <= 0:
        raise InputError(f"period frequency {freq!r} must go forward: use a positive number")
    if offset.rule_code.startswith(("B", "C", "b", "c")):
        raise InputError(f"period frequency {freq!r} is of business days, which leave gaps")
    if offset.rule_code in ("ms", "us", "ns"):
        raise InputError(f"period frequency {freq!r} is finer than a second")
    return offset
