"""How work on orders has ended: decided here for all commands, so that they agree."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .states import FINAL, RETRYABLE, UNSUCCESSFUL, TaskState

if TYPE_CHECKING:
    from .metadata import TrackingMetadata


class Result(StrEnum):
    """What has become of an order; those that count more stand first."""

    #: It is still being made, or can be; or files of it are late: the same again goes on with it.
    UNFINISHED = "UNFINISHED"
    #: A step failed, or an item of it wasn't made.
    FAILED = "FAILED"
    #: What it waits for isn't done.
    WAITING = "WAITING"
    #: All that was asked for is done.
    DONE = "DONE"


#: As summaries count states: nothing goes on by itself. A state never heard of isn't among them.
_ENDED: Final = FINAL | RETRYABLE | {TaskState.CLEANED}


def result_of(tracking: TrackingMetadata) -> Result:
    """Say how an order stands.

    What is still at work comes before what has failed, for whoever goes on goes on with that; and
    what has failed before files that are missing, which may never come.
    """
    states = tracking.states.keys()
    if tracking.complete:
        return Result.DONE
    if states & UNSUCCESSFUL and not states - _ENDED:
        return Result.FAILED
    return Result.UNFINISHED


def together(results: Iterable[Result]) -> Result:
    """Say how several orders have ended, in a word."""
    found = {*results}
    return next((result for result in Result if result in found), Result.DONE)
