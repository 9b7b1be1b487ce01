"""States of an item: Earth Engine's tasks' own, and four of cedar's.

The words are those of ``ee.batch.Task.State``; EMPTY, UNKNOWN, INCOMPLETE and CLEANED are cedar's.
A state that cedar has never heard of is kept as it came, and is neither final nor active.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TaskState(StrEnum):
    """State of one item of an order."""

    UNSUBMITTED = "UNSUBMITTED"
    READY = "READY"
    RUNNING = "RUNNING"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    #: No image was found: there is nothing to make.
    EMPTY = "EMPTY"
    #: The service has forgotten the task, and the store can't settle it.
    UNKNOWN = "UNKNOWN"
    #: Only in summaries: COMPLETED by the service's word, but outputs are missing.
    INCOMPLETE = "INCOMPLETE"
    #: Only in summaries: COMPLETED, and its files were deleted, as somebody asked.
    CLEANED = "CLEANED"


#: An item in one of these changes no more by itself.
FINAL: Final[frozenset[str]] = frozenset(
    {TaskState.COMPLETED, TaskState.CANCELLED, TaskState.FAILED, TaskState.EMPTY}
)
#: There is work to do, or under way.
ACTIVE: Final[frozenset[str]] = frozenset(
    {TaskState.UNSUBMITTED, TaskState.READY, TaskState.RUNNING, TaskState.CANCEL_REQUESTED}
)
#: Ended without what was asked for.
UNSUCCESSFUL: Final[frozenset[str]] = frozenset(
    {TaskState.CANCELLED, TaskState.FAILED, TaskState.UNKNOWN}
)
#: May be made again, as summaries count states.
RETRYABLE: Final[frozenset[str]] = UNSUCCESSFUL | {TaskState.INCOMPLETE}
#: Work on it may be put off until a certain time.
PLANNED: Final[frozenset[str]] = frozenset({TaskState.UNSUBMITTED, TaskState.READY})
