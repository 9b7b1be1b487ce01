"""What a question to the service is, and what an observation answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cedar.emulator.questions import LIKELIEST, possible_answers

if TYPE_CHECKING:
    from .asking import Asking

Answer: TypeAlias = str | bool

#: Switches of the emulator about Google Drive, which is not asked.
NOT_ASKED: Final = ("drive_folder", "drive_etag")


@dataclass(frozen=True)
class Refused:
    """An observation: the service refused. As what is expected: a refusal that says this.

    Attributes
    ----------
    words : str
        The service's, or a part of them.
    status : int or None
        HTTP status; None: it isn't known, or any is expected.
    """

    words: str = ""
    status: int | None = None

    def __str__(self) -> str:
        return f"refused: {self.words}"

    def is_in(self, observed: Any) -> bool:
        """Whether an observation is a refusal that says this."""
        return (
            isinstance(observed, Refused)
            and self.words in observed.words
            and self.status in (None, observed.status)
        )


@dataclass(frozen=True)
class Question:
    """What isn't known of the service, and how it is found out.

    Attributes
    ----------
    name : str
        That of the emulator's switch, where there is one.
    asks : str
        The question in words.
    ask : callable
        Sends the requests, and returns the observation: a plain value.
    expected : mapping of answer to observation
        What is observed if that is the answer, as a value or a :class:`Refused`; first what cedar
        takes for granted. Empty: whatever is observed is only written down.
    requests : int
        How many are sent, besides those that find a scene.
    needs_bucket : bool
        Whether tasks have to write into one.
    """

    name: str
    asks: str
    ask: Callable[[Asking], Any]
    expected: Mapping[Answer, Any]
    requests: int = 1
    needs_bucket: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether the emulator can answer it in other ways."""
        return self.name in possible_answers()

    @property
    def assumed(self) -> Answer | None:
        """What cedar, or the emulator, takes for the answer."""
        if self.is_switch:
            return getattr(LIKELIEST, self.name)
        return next(iter(self.expected), None)

    def answer_to(self, observed: Any) -> Answer | None:
        """Return the answer that an observation means; None where it fits none."""
        for answer, expected in self.expected.items():
            refusal = isinstance(expected, Refused)
            if expected.is_in(observed) if refusal else expected == observed:
                return answer
        return None


@dataclass(frozen=True)
class Finding:
    """What came of a question.

    Attributes
    ----------
    question : Question
    observed : object
        What was observed, a plain value or :class:`Refused`; None where it could not be asked.
    sent : tuple
        The requests, as they were sent.
    failure : str or None
        Why it could not be asked.
    """

    question: Question
    observed: Any
    sent: tuple[Any, ...]
    failure: str | None = None

    @property
    def answer(self) -> Answer | None:
        """The answer, if the observation is one."""
        return None if self.failure else self.question.answer_to(self.observed)

    @property
    def outcome(self) -> str:
        """``as assumed``, ``differs``, ``unexpected``, ``noted`` or ``not answered``."""
        if self.failure is not None:
            return "not answered"
        if not self.question.expected:
            return "noted"
        if self.answer is None:
            return "unexpected"
        return "as assumed" if self.answer == self.question.assumed else "differs"
