"""What became of an order, moment by moment, as its record has noted it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from .states import FINAL, TaskState

if TYPE_CHECKING:
    from .metadata import TrackingMetadata

_ENDED: Final = FINAL | {TaskState.UNKNOWN}
#: What an ended item becomes with a new attempt.
_BEGUN: Final = frozenset({TaskState.UNSUBMITTED, TaskState.READY})


@dataclass(frozen=True)
class Event:
    """A moment at which something changed.

    Attributes
    ----------
    time_ms : int or None
        Milliseconds since 1970-01-01 UTC; None where an older record doesn't say.
    item : str or None
        Its name; None: the order itself.
    attempt : int or None
        Which attempt at it.
    state : str
        What it became; of the order, ``submitted``.
    cause : str or None
        Why.
    """

    time_ms: int | None
    item: str | None
    attempt: int | None
    state: str
    cause: str | None = None

    @property
    def time(self) -> str:
        """The moment as documents write it, to the millisecond; ``-`` where it isn't known."""
        if self.time_ms is None:
            return "-"
        moment = dt.datetime.fromtimestamp(self.time_ms / 1000, dt.UTC)
        return moment.isoformat(timespec="milliseconds")


def events(tracking: TrackingMetadata, pattern: str = "*") -> list[Event]:
    """List every change of an order's items that its record knows, by time.

    Parameters
    ----------
    tracking : TrackingMetadata
        The record.
    pattern : str, optional
        A glob that the items' names match.
    """
    submitted = dt.datetime.fromisoformat(tracking["tracking"]["submitted"])
    found = [Event(int(submitted.timestamp() * 1000), None, None, "submitted")]
    for entry in tracking.orders:
        if fnmatchcase(entry["name"], pattern):
            found += _of_item(entry)
    return sorted(found, key=lambda event: event.time_ms or 0)


def _of_item(entry: Mapping[str, Any]) -> Iterator[Event]:
    noted = list(_noted(entry))
    yield from noted
    known = {(event.attempt, event.state) for event in noted}
    # Older records have no history: what they have is how each attempt is now, or ended.
    for attempt in (*entry["attempts"], entry):
        status, number = attempt.get("status"), attempt.get("attempt")
        if status is None or (number, status["state"]) in known:
            continue
        time_ms = status.get("update_timestamp_ms") or status.get("creation_timestamp_ms")
        if time_ms is not None or status["state"] not in (TaskState.UNSUBMITTED, TaskState.EMPTY):
            cause = status.get("error_message")
            yield Event(time_ms, entry["name"], number, status["state"], cause)


def _noted(entry: Mapping[str, Any]) -> Iterator[Event]:
    """Yield what an entry's history says, each with the attempt that it was of."""
    history = entry.get("history", ())
    begins = [_begins(history, position) for position in range(len(history))]
    number = max(1, entry["attempt"] - sum(begins))
    for event, begun in zip(history, begins, strict=True):
        number += begun
        cause = event.get("cause")
        yield Event(event["time_ms"], entry["name"], number, event["state"], cause)


def _begins(history: Any, position: int) -> bool:
    """Whether an event is the beginning of another attempt: what had ended is to be made again."""
    if position == 0:
        return False
    return history[position]["state"] in _BEGUN and history[position - 1]["state"] in _ENDED
