"""Date and DateRange."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from typing import Any, Final

from ..values import Date, DateRange, ServiceError
from .base import WrongKindError, function, instance, kind

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
#: Milliseconds, and from which of them on a unit has the same length everywhere.
_UNITS: Final = {
    "week": 604_800_000,
    "day": 86_400_000,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1_000,
}
#: Averages of the Gregorian calendar [not verified against Earth Engine].
_AVERAGES: Final = {"year": 31_556_952_000, "month": 2_629_746_000, **_UNITS}
#: A year, a month or day of it, a time: the days of what Joda-Time's ISO parser takes.
_TEXT: Final = re.compile(
    r"(?P<year>\d{4})(-(?P<ordinal>\d{3})|-(?P<month>\d\d?)(-(?P<day>\d\d?)(?P<time>T.+)?)?)?"
)

#: Joda-Time's letters that the emulator knows, and strftime's for them; ``SSS`` is cut to three.
_JODA: Final = {
    "yyyy": "%Y",
    "YYYY": "%Y",
    "yy": "%y",
    "YY": "%y",
    "MM": "%m",
    "dd": "%d",
    "DDD": "%j",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
}
_JODA_TOKEN: Final = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)")


def parse(value: Any) -> int:
    """Milliseconds since 1970 of a Date, of a number of them, or of an ISO 8601 text in UTC.

    Raises
    ------
    WrongKindError
        It is neither.
    ServiceError
        The text is no date.
    """
    if isinstance(value, Date):
        return value.ms
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return int(value)
    if not isinstance(value, str):
        raise WrongKindError("Date")
    given = _TEXT.fullmatch(value)
    try:
        if given is None:
            raise ValueError(value)
        month, day_of_month = (int(given[name] or 1) for name in ("month", "day"))
        day = f"{given['year']}-{month:02d}-{day_of_month:02d}"
        moment = dt.datetime.fromisoformat(day + (given["time"] or ""))
        moment += dt.timedelta(days=int(given["ordinal"] or 1) - 1)
    except (ValueError, OverflowError):
        raise ServiceError(f"Date: Bad date/time '{value}'.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // _MILLISECOND


def moment(ms: int) -> dt.datetime:
    """The moment, in UTC.

    Raises
    ------
    ServiceError
        It is before the year 1 or after 9999.
    """
    try:
        return _EPOCH + ms * _MILLISECOND
    except OverflowError:
        raise ServiceError(f"Date: the emulator has no dates as far off as {ms} ms.") from None


@kind("Date")
def _as_date(value: Any) -> Date:
    return Date(parse(value))


instance("DateRange", DateRange)


def _time_zone(zone: str | None) -> None:
    if zone not in {None, "UTC", "GMT", "Etc/UTC"}:
        raise ServiceError(f"Date: the emulator knows no time zone but UTC, not {zone!r}.")


@function("Date")
def _date(value: Any, zone: str | None) -> Date:
    _time_zone(zone)
    try:
        return Date(parse(value))
    except WrongKindError:
        raise ServiceError(f"Date: neither a number nor a string: {value!r}.") from None


@function("Date.fromYMD")
def _from_ymd(year: int, month: int, day: int, zone: str | None) -> Date:
    return _date(f"{year:04d}-{month:02d}-{day:02d}", zone)


def _unit(name: str, unit: str) -> str:
    """A unit by its name, of which the plural is as good (apidocs/ee-date-advance)."""
    known = unit.removesuffix("s")
    if known not in _AVERAGES:
        raise ServiceError(f"{name}: Unknown unit '{unit}'.")
    return known


@function("Date.millis")
def _millis(date: Date) -> int:
    return date.ms


@function("Date.advance")
def _advance(date: Date, delta: float, unit: str, zone: str | None) -> Date:
    """Months and years as Joda-Time's: a day that the month lacks is its last."""
    _time_zone(zone)
    unit = _unit("Date.advance", unit)
    if unit in _UNITS:
        return Date(date.ms + round(delta * _UNITS[unit]))
    if delta != int(delta):
        raise ServiceError(f"Date.advance: the emulator takes whole {unit}s only, not {delta}.")
    start = moment(date.ms)
    months = start.year * 12 + start.month - 1 + int(delta) * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        raise ServiceError(f"Date.advance: the emulator has no year {year}.")
    day = min(start.day, calendar.monthrange(year, month)[1])
    return Date(parse(start.replace(year=year, month=month, day=day).isoformat()))


@function("Date.format")
def _format(date: Date, pattern: str | None, zone: str | None) -> str:
    """By a pattern of Joda-Time, of which the emulator knows the usual numbers."""
    _time_zone(zone)
    when = moment(date.ms)
    # An instant's milliseconds are left out where they are 0, as the service's default has it.
    default = "yyyy-MM-dd'T'HH:mm:ss.SSS" if date.ms % 1000 else "yyyy-MM-dd'T'HH:mm:ss"
    out = []
    for token in _JODA_TOKEN.finditer(pattern or default):
        letters = token["letters"]
        if letters == "SSS":
            out.append(f"{date.ms % 1000:03d}")
        elif letters in _JODA:
            out.append(when.strftime(_JODA[letters]))
        elif letters:
            raise ServiceError(f"Date.format: the emulator does not implement '{letters}'.")
        else:
            out.append(token["quoted"] or token["other"] or "'")
    return "".join(out)


@function("Date.get")
def _get(date: Date, unit: str, zone: str | None) -> int:
    """A week is the year's by ISO 8601."""
    _time_zone(zone)
    unit, when = _unit("Date.get", unit), moment(date.ms)
    return when.isocalendar().week if unit == "week" else int(getattr(when, unit))


@function("Date.getRelative")
def _get_relative(date: Date, unit: str, within: str, zone: str | None) -> int:
    """From 0; 0 too of a unit that is longer than the other (apidocs/ee-date-getrelative)."""
    name = "Date.getRelative"
    unit, start = _unit(name, unit), _get_range(date, _unit(name, within), zone).start
    if unit in _UNITS:
        return (date.ms - start) // _UNITS[unit]
    return moment(date.ms).month - 1 if (unit, within) == ("month", "year") else 0


@function("Date.getRange")
def _get_range(date: Date, unit: str, zone: str | None) -> DateRange:
    _time_zone(zone)
    unit, when = _unit("Date.getRange", unit), moment(date.ms)
    if unit == "week":
        raise ServiceError("Date.getRange: the emulator doesn't know on which day weeks begin.")
    if unit in _UNITS:
        start = date.ms // _UNITS[unit] * _UNITS[unit]
    else:
        first = when.replace(month=when.month if unit == "month" else 1, day=1)
        start = parse(first.date().isoformat())
    return DateRange(start, _advance(Date(start), 1, unit, None).ms)


@function("Date.difference")
def _difference(date: Date, start: Date, unit: str) -> float:
    return (date.ms - start.ms) / _AVERAGES[_unit("Date.difference", unit)]


@function("Date.unitRatio")
def _unit_ratio(numerator: str, denominator: str) -> float:
    name = "Date.unitRatio"
    return _AVERAGES[_unit(name, numerator)] / _AVERAGES[_unit(name, denominator)]


@function("DateRange")
def _date_range(start: Any, end: Any, zone: str | None) -> DateRange:
    """Of one moment a millisecond; a range is itself."""
    if isinstance(start, DateRange) and end is None:
        return start
    first = _date(start, zone).ms
    last = first + 1 if end is None else _date(end, zone).ms
    if last < first:
        raise ServiceError("DateRange: The end must not be before the start.")
    return DateRange(first, last)


@function("DateRange.start")
def _start(dates: DateRange) -> Date:
    return Date(dates.start)


@function("DateRange.end")
def _end(dates: DateRange) -> Date:
    return Date(dates.end)


@function("DateRange.contains")
def _contains(dates: DateRange, other: Any) -> bool:
    if isinstance(other, DateRange):
        return dates.start <= other.start and other.end <= dates.end
    try:
        return dates.start <= parse(other) < dates.end
    except WrongKindError:
        raise ServiceError("DateRange.contains: neither a Date nor a DateRange.") from None
