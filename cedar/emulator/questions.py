"""What isn't established about Earth Engine, as switches, so that every answer can be tried.

The answers hold wherever an expression is evaluated and its pixels are made, so they are kept
beside the request's thread of execution, not handed through every function.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal, Self, get_args, get_type_hints

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
    duplicate_request : str
        What a second export with a request id gets: the ``operation`` that the first started, or
        the error ``already-exists``.
    shard_dash : bool
        Whether a dash comes before the first number in a shard's name.
    operations_order : str
        Which operations a list of them begins with: ``newest`` or ``oldest``.
    drive_folder : str
        Where an export to Drive goes: into the folder of that name that was ``last-modified``, or
        into a new folder of that name with each task (``new``).
    drive_etag : bool
        Whether Drive honours If-Match.

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
    duplicate_request: Literal["operation", "already-exists"] = "operation"
    shard_dash: bool = True
    operations_order: Literal["newest", "oldest"] = "newest"
    drive_folder: Literal["last-modified", "new"] = "last-modified"
    drive_etag: bool = True

    def __post_init__(self) -> None:
        for question, possible in possible_answers().items():
            answer = getattr(self, question)
            if answer not in possible:
                options = ", ".join(map(repr, possible))
                raise InputError(f"emulator: {question} is one of {options}, not {answer!r}")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the profile `path`, as ``cedar emulator compare`` writes it.

        A question that its answers leave out has the likeliest.

        Raises
        ------
        InputError
            It can't be read, or isn't a profile.
        """
        try:
            document = json.loads(Path(path).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: can't be read: {error}") from error
        given = document.get("answers") if isinstance(document, dict) else None
        if not isinstance(given, dict):
            raise InputError(f"{path}: is no profile, as `cedar emulator compare` writes one")
        if unknown := sorted(given.keys() - possible_answers().keys()):
            raise InputError(f"{path}: the emulator has no question {unknown[0]!r}")
        try:
            return cls(**given)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


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
