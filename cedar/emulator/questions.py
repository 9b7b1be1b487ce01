"""What isn't established about Earth Engine, as switches, so that every answer can be tried.

The answers hold wherever an expression is evaluated and its pixels are made, so they are kept
beside the request's thread of execution, not handed through every function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Final, Literal, get_args, get_type_hints

from ..exceptions import InputError

Tie = Literal["down-right", "down-left", "up-right", "up-left"]


@dataclass(frozen=True)
class Answers:
    """An answer to each open question; by default the likeliest.

    Attributes
    ----------
    cast_overflow : str
        What a value becomes that the type it is cast to can't hold: the type's nearest limit
        (``saturate``, as documented for numbers), or its lowest bits (``wrap``).
    tie : str
        The pixel of a centre exactly between two: ``down-right`` (GDAL's floor), or another.
    unmask_edge : str
        How far ``unmask`` fills with ``sameFootprint=False``: wherever the value is valid, as
        documented (``union``), or no further than the input's footprint (``input``).
    reduce_columns_capped : bool
        Whether ``reduceColumns`` and the ``aggregate_…`` refuse more than 5,000 elements.
    map_keeps_id : bool
        Whether a mapped function's result keeps the system:id and system:version that it has.
    missing_passes_not : bool
        Whether what lacks a property passes the negation of a filter on it.

    Raises
    ------
    InputError
        It is no answer to the question.
    """

    cast_overflow: Literal["saturate", "wrap"] = "saturate"
    tie: Tie = "down-right"
    unmask_edge: Literal["union", "input"] = "union"
    reduce_columns_capped: bool = True
    map_keeps_id: bool = True
    missing_passes_not: bool = False

    def __post_init__(self) -> None:
        for question, possible in possible_answers().items():
            answer = getattr(self, question)
            if answer not in possible:
                options = ", ".join(map(repr, possible))
                raise InputError(f"emulator: {question} is one of {options}, not {answer!r}")


def possible_answers() -> dict[str, tuple[str | bool, ...]]:
    """All answers to each question."""
    kinds = get_type_hints(Answers)
    return {each.name: get_args(kinds[each.name]) or (True, False) for each in fields(Answers)}


LIKELIEST: Final = Answers()
_current: ContextVar[Answers] = ContextVar("answers", default=LIKELIEST)


def answers() -> Answers:
    """The answers that hold here."""
    return _current.get()


@contextmanager
def answering(given: Answers) -> Iterator[None]:
    """Let answers hold for what is evaluated and rendered in the block."""
    token = _current.set(given)
    try:
        yield
    finally:
        _current.reset(token)
