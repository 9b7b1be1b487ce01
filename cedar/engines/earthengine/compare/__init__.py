"""Comparing the service with what cedar and its emulator take it for, by small requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cedar.exceptions import ConfigError, EngineError, StoreError

from ..session import status_of, translated
from . import collections, limits, sampling, tasks, values
from .asking import Asking
from .profile import document, save
from .questions import NOT_ASKED, Finding, Question, Refused
from .tasks import TASKS, Exports

if TYPE_CHECKING:
    from .. import EarthEngine

__all__ = [
    "NOT_ASKED",
    "QUESTIONS",
    "SETUP_REQUESTS",
    "TASKS",
    "Exports",
    "Finding",
    "Question",
    "Refused",
    "compare",
    "document",
    "planned",
    "save",
]

QUESTIONS: Final[tuple[Question, ...]] = (
    *values.QUESTIONS,
    *sampling.QUESTIONS,
    *collections.QUESTIONS,
    *limits.QUESTIONS,
    *tasks.QUESTIONS,
)
#: Requests that connect, and that find the scene that questions are about.
SETUP_REQUESTS: Final = 5
#: What an answer of another form than was thought of ends in.
_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_SHOWN: Final = 300


def planned(with_bucket: bool) -> list[Question]:
    """Return the questions that are asked, with or without a bucket."""
    return [question for question in QUESTIONS if with_bucket or not question.needs_bucket]


def compare(
    engine: EarthEngine,
    questions: Sequence[Question],
    exports: Exports | None = None,
    asked: Callable[[Question], None] = lambda _question: None,
) -> Iterator[Finding]:
    """Ask the service one question after the other. No refusal and no odd answer ends it.

    Parameters
    ----------
    engine : EarthEngine
        What is asked.
    questions : sequence of Question
        What to ask.
    exports : Exports, optional
        For the questions that need a bucket; what they leave in it is deleted at the end.
    asked : callable, optional
        Called with each question before it is asked.

    Raises
    ------
    ConfigError
        The engine can't connect, or only one of it and the bucket is real.
    EngineError
        The engine can't connect.
    """
    if exports is not None and exports.emulated != engine.emulated:
        raise ConfigError(
            "either Earth Engine or the bucket is the emulator's, and the other is real: in the "
            "configuration, give both sections the url of one emulator, or neither"
        )
    engine.connect()
    asking = Asking(exports)
    try:
        for question in questions:
            asked(question)
            yield _find(question, asking)
    finally:
        if exports is not None:
            exports.clean()


def _find(question: Question, asking: Asking) -> Finding:
    asking.begin()
    observed, failure = None, None
    try:
        with translated():
            observed = question.ask(asking)
    except EngineError as error:
        if error.transient:
            failure = str(error)
        else:
            observed = Refused(str(error), status_of(error) or None)
    except StoreError as error:
        failure = str(error)
    except _UNREADABLE as error:
        answer = repr(asking.received)
        observed = f"{type(error).__name__}: {error}; of the answer {answer[:_SHOWN]}"
    return Finding(question, observed, tuple(asking.sent), failure)
