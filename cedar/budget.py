"""What the tasks of a project may cost, and have cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .causes import PACIFIC
from .changes import description, former, sent
from .states import FINAL, TaskState

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """EECU-hours that the tasks of a project may cost; None: any number.

    Attributes
    ----------
    day : float or None
        In a day. It begins at midnight Pacific standard time (08:00 UTC), as those of Google's
        quotas do, so that a budget and a quota are of the same day.
    month : float or None
        In a calendar month, likewise.
    """

    day: float | None = None
    month: float | None = None

    def is_spent(self, tasks: Iterable[Cost], now: dt.datetime) -> str | None:
        """Say which part of it tasks have used up, and until when; None: none.

        Parameters
        ----------
        tasks : iterable of Cost
            All that counts, whatever order it is of.
        now : datetime.datetime
            The time, with an offset.
        """
        midnight = now.astimezone(PACIFIC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight.replace(day=1)
        next_month = (first + dt.timedelta(days=32)).replace(day=1)
        costs = list(tasks)
        for span, most, since, until in (
            ("month", self.month, first, next_month),
            ("day", self.day, midnight, midnight + dt.timedelta(days=1)),
        ):
            spent = sum(cost.seconds for cost in costs if cost.time_ms >= since.timestamp() * 1000)
            if most is not None and spent >= most * 3600:
                return (
                    f"the budget of {most:,g} EECU-hours a {span} (tracker.max_eecu_hours) is "
                    f"spent: it waits until {until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
                )
        return None


@dataclass(frozen=True)
class Cost:
    """What a task has cost, as far as it is known.

    Attributes
    ----------
    task_id : str or None
        The task; None: whether there is one isn't known, since the answer to its start is lost.
    description : str
        What the service calls it.
    time_ms : int
        When it ended, was last heard of, or may first have been started, in milliseconds since
        1970-01-01 UTC.
    seconds : float
        EECU-seconds; 0 where the service hasn't said.
    ended : bool
        Whether the record knows its end.
    """

    task_id: str | None
    description: str
    time_ms: int
    seconds: float
    ended: bool


def costs_of(entry: Entry) -> Iterator[Cost]:
    """Costs of an item's task, and of those of the attempts before."""
    for attempt in (*former(entry), entry):
        status = attempt["status"]
        if status.get("id") is not None:
            yield Cost(
                status["id"],
                description(attempt),
                status.get("end_timestamp_ms") or status.get("update_timestamp_ms") or 0,
                status.get("eecu_seconds") or 0.0,
                status["state"] in {*FINAL, TaskState.UNKNOWN},
            )
    if entry["status"]["state"] == TaskState.UNSUBMITTED and (moment := sent(entry)) is not None:
        yield Cost(None, description(entry), moment, 0.0, ended=False)
