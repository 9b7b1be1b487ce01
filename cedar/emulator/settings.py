"""What of the services differs between accounts and days, as numbers to set."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..exceptions import InputError


@dataclass(frozen=True)
class Settings:
    """Limits and times of the emulated services.

    Attributes
    ----------
    concurrent_tasks : int
        Export tasks of a project that run at once.
    queued_tasks : int
        Tasks of a project that may wait.
    task_seconds : float
        How long a task runs at least, by the emulator's clock.
    forget_after : float or None
        Seconds after which a task that has ended is no longer known; None: never.
    object_writes : float
        Writes of one object that Cloud Storage takes a second; 0: any number.
    drive_quota : int
        Bytes that a Drive holds.
    page_size : int or None
        Most entries of a page of any list, where that is less than the service's own.
    """

    concurrent_tasks: int = 2
    queued_tasks: int = 3000
    task_seconds: float = 0.0
    forget_after: float | None = None
    object_writes: float = 1.0
    drive_quota: int = 15 * 2**30
    page_size: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value < math.inf:
                raise InputError(f"emulator: {field.name} is a number from 0, not {value!r}")


DEFAULT = Settings()
