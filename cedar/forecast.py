"""What the rest of an order will cost, and how long it takes, by what was made of it already.

An item's cost and time are taken to go by what is read for it: its images times the bands of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, zip_longest
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from .budget import costs_of
from .causes import Help, cause_of
from .changes import former
from .ledger import at_once
from .states import ACTIVE, TaskState

if TYPE_CHECKING:
    from .budget import Budget
    from .engines.base import Engine
    from .metadata import TrackingMetadata

Entry = Mapping[str, Any]

_HOUR: Final = 3600.0
_DAY: Final = 86400.0
#: A task lives this long at the most (developers.google.com/earth-engine/guides/usage), and what
#: may take so much of it is near that.
_LONGEST: Final = 10 * _DAY
_NEAR: Final = 0.5


@dataclass(frozen=True)
class Forecast:
    """What an order will cost, and how long it takes.

    Attributes
    ----------
    n_items, n_measured, n_left : int
        Items with something to make; those of them whose figures it is made of; and those that
        haven't ended.
    at_once : int or None
        Tasks that run at once; None: it can't be told.
    eecu_hours : float or None
        Of the whole order, with what was spent; None: it can't be told.
    eecu_hours_left : float or None
        Of what is left.
    days : float or None
        Until the rest is made, if nothing else runs; likewise.
    each : tuple of float or None
        EECU-hours of the cheapest and of the dearest item measured.
    monthly_eecu_hours : float or None
        The project's tier, where the configuration says it.
    warnings : tuple of str
        What to know before it goes on: a line each.
    unknown : str or None
        Why it can't be told.
    """

    n_items: int
    n_measured: int
    n_left: int
    at_once: int | None = None
    eecu_hours: float | None = None
    eecu_hours_left: float | None = None
    days: float | None = None
    each: tuple[float, float] | None = None
    monthly_eecu_hours: float | None = None
    warnings: tuple[str, ...] = ()
    unknown: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Put it as JSON has it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Put it for people, with the warnings."""
        warnings = [f"Warning: {warning}" for warning in self.warnings]
        if self.unknown is not None:
            return [f"forecast: not known: {self.unknown}", *warnings]
        costs = [f"{self.n_items:,} items"]
        if self.eecu_hours is not None:
            costs.append(f"≈ {_rounded(self.eecu_hours)} EECU-hours")
        said = " ".join(costs)
        if self.days is not None:
            said += f", ≈ {_span(self.days * _DAY)} more at {self.at_once} at once"
        if self.monthly_eecu_hours is not None:
            said += f", of a monthly tier of {self.monthly_eecu_hours:,g} EECU-hours"
        basis = f"measured: {self.n_measured:,}"
        if self.each is not None:
            least, most = map(_rounded, self.each)
            span = least if least == most else f"{least} to {most}"
            basis += f", of {span} EECU-hours each"
        return [f"forecast: {said}", f"  {basis}; left: {self.n_left:,}", *warnings]


def typical(entries: Iterable[Entry], number: int) -> list[str]:
    """Choose items that tell what the others will be like: of every collection, of middling size.

    Parameters
    ----------
    entries : iterable of mapping
        Of a record.
    number : int
        How many, at the most.

    Returns
    -------
    list of str
        Their names.
    """
    collections: dict[str, list[tuple[float, str]]] = {}
    for entry in entries:
        if (work := _work(entry)) is not None:
            collections.setdefault(entry["collection"], []).append((work, entry["name"]))
    ranked = []
    for items in sorted(collections.values(), key=len, reverse=True):
        middle = median(work for work, _ in items)
        ranked.append(
            [name for _, name in sorted((abs(work - middle), name) for work, name in items)]
        )
    in_turn = chain.from_iterable(zip_longest(*ranked))
    return [name for name in in_turn if name is not None][:number]


def forecast(tracking: TrackingMetadata, engine: Engine, budget: Budget) -> Forecast:
    """Say what an order will cost, by its items that are made already.

    Parameters
    ----------
    budget : Budget
        What may be spent of it in a day and in a month.
    """
    entries = [e for e in tracking.orders if e["status"]["state"] != TaskState.EMPTY]
    left = [entry for entry in entries if entry["status"]["state"] in ACTIVE]
    found = Forecast(len(entries), 0, len(left), monthly_eecu_hours=engine.monthly_eecu_hours)
    if (tracking["engine"] or {}).get("emulated", False):
        reason = "the emulator made these, and what it takes tells nothing of the service"
        return replace(found, unknown=reason)
    found = replace(found, warnings=tuple(_of_failures(entries)), at_once=at_once(engine))
    made = [entry for entry in entries if entry["status"]["state"] == TaskState.COMPLETED]
    seconds = [(entry, cost) for entry in made if (cost := _eecu_seconds(entry)) is not None]
    spans = [(entry, span) for entry in made if (span := _duration(entry)) is not None]
    if not seconds and not spans:
        reason = "no item is made yet of which the service has told what it took"
        return replace(found, unknown=reason)
    measured = [entry for entry, _ in seconds or spans]
    works = _works(entries, measured)
    found = replace(found, n_measured=len(measured))
    if seconds:
        expected = _expected(left, seconds, works)
        found = _with_cost(found, entries, [cost for _, cost in seconds], expected, budget)
    return _with_time(found, _expected(left, spans, works)) if spans else found


def _with_cost(
    found: Forecast,
    entries: Sequence[Entry],
    measured: Sequence[float],
    expected: Sequence[tuple[float, Entry]],
    budget: Budget,
) -> Forecast:
    # What a task that is under way has cost is spent, not left.
    rest = (max(0.0, cost - (_eecu_seconds(entry) or 0.0)) for cost, entry in expected)
    left = sum(rest) / _HOUR
    spent = sum(cost.seconds for entry in entries for cost in costs_of(entry)) / _HOUR
    return replace(
        found,
        eecu_hours=spent + left,
        eecu_hours_left=left,
        each=(min(measured) / _HOUR, max(measured) / _HOUR),
        warnings=(*found.warnings, *_of_cost(left, found.monthly_eecu_hours, budget)),
    )


def _with_time(found: Forecast, expected: Sequence[tuple[float, Entry]]) -> Forecast:
    longest = max((span for span, _ in expected), default=0.0)
    together = sum(span for span, _ in expected) / (found.at_once or 1)
    return replace(
        found,
        days=max(together, longest) / _DAY,
        warnings=(*found.warnings, *_of_time(expected)),
    )


def _expected(
    entries: Iterable[Entry],
    measured: Sequence[tuple[Entry, float]],
    works: Mapping[str, float],
) -> list[tuple[float, Entry]]:
    """Say how much items will take of what was measured of others; of their collection, if any."""
    took: dict[str | None, list[tuple[float, float]]] = {}
    for entry, value in measured:
        took.setdefault(entry["collection"], []).append((value, works[entry["name"]]))
    overall = _rate(chain.from_iterable(took.values()))
    rates = {collection: _rate(pairs) for collection, pairs in took.items()}
    return [
        (rates.get(entry["collection"], overall) * works[entry["name"]], entry) for entry in entries
    ]


def _work(entry: Entry) -> float | None:
    """Bands that are read of an item's images, one by one; None where nobody knows, or none is."""
    images, groups, bands = entry["n_images"], entry["n_groups"], entry["n_bands"]
    layers = groups and (1 if entry.get("composite") else groups)
    return images * bands / layers if images and layers and bands else None


def _works(entries: Sequence[Entry], measured: Sequence[Entry]) -> dict[str, float]:
    """Return the work of each item; of what nobody knows, as much as of those measured."""
    known = {entry["name"]: _work(entry) for entry in entries}
    usual = [work for entry in measured if (work := known[entry["name"]]) is not None]
    mean = fmean(usual) if usual else 1.0
    return {name: mean if work is None else work for name, work in known.items()}


def _rate(pairs: Iterable[tuple[float, float]]) -> float:
    values, works = zip(*pairs, strict=True)
    return float(sum(values) / sum(works))


def _eecu_seconds(entry: Entry) -> float | None:
    seconds: float | None = entry["status"].get("eecu_seconds")
    return seconds


def _duration(entry: Entry) -> float | None:
    """How long an item's task ran, in seconds."""
    status = entry["status"]
    start, end = status.get("start_timestamp_ms"), status.get("end_timestamp_ms")
    return None if start is None or end is None or end <= start else (end - start) / 1000


def _of_failures(entries: Iterable[Entry]) -> Iterator[str]:
    """Warn of items that were too much at once: others will be."""
    tried = failed = 0
    words = ""
    for entry in entries:
        for attempt in (*former(entry), entry):
            tried += attempt["status"].get("id") is not None
            message = attempt["status"].get("error_message")
            ended = attempt["status"]["state"] == TaskState.FAILED
            if ended and cause_of(message).help == Help.SMALLER:
                failed, words = failed + 1, message
    if failed:
        yield (
            f"{failed} of {tried} tasks were too large ({words}), and others may be: order fewer "
            "bands or shorter periods; `cedar retry --split` halves those that failed"
        )


def _of_cost(hours_left: float, tier: float | None, budget: Budget) -> Iterator[str]:
    if tier is not None and hours_left > tier:
        yield f"what is left takes {_rounded(hours_left / tier)} months of the tier"
    for span, most in (("day", budget.day), ("month", budget.month)):
        if most is not None and hours_left > most:
            yield (
                f"with a budget of {most:,g} EECU-hours a {span} (tracker.max_eecu_hours) it takes "
                f"{_rounded(hours_left / most)} {span}s"
            )


def _of_time(expected: Sequence[tuple[float, Entry]]) -> Iterator[str]:
    near = [(span, entry["name"]) for span, entry in expected if span >= _NEAR * _LONGEST]
    if near:
        span, name = max(near)
        yield (
            f"{len(near):,} of what is left may come near the 10 days that a task lives at the "
            f"most: {name} takes ≈ {_span(span)}; order shorter periods or fewer bands"
        )


def _rounded(value: float) -> str:
    """A number as an estimate has it: two figures, or whole."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _span(seconds: float) -> str:
    for unit, length in (("days", _DAY), ("hours", _HOUR)):
        if seconds >= 2 * length:
            return f"{_rounded(seconds / length)} {unit}"
    return f"{_rounded(seconds / 60)} minutes"
