"""Preconditions: what an object must be, or not be, for a request to be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

from .errors import condition_not_met
from .parameters import whole

#: Parameters that say one.
PARAMETERS: Final = (
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
)


class Versioned(Protocol):
    """What conditions are about."""

    @property
    def generation(self) -> int:
        """Of its bytes."""

    @property
    def metageneration(self) -> int:
        """Of what is said about them."""

    @property
    def etag(self) -> str:
        """Of both."""


@dataclass(frozen=True)
class Conditions:
    """The preconditions of a request; 0 is the generation of what isn't there.

    Attributes
    ----------
    etag, not_etag : str or None
        Headers ``If-Match`` and ``If-None-Match``; None: no condition.
    generation, not_generation, metageneration, not_metageneration : int or None
        :data:`PARAMETERS`, in their order.
    """

    etag: str | None = None
    not_etag: str | None = None
    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Self:
        """A request's.

        Raises
        ------
        ServiceError
            One is no number.
        """
        said = headers or {}
        numbers = (whole(query, name) for name in PARAMETERS)
        return cls(said.get("if-match"), said.get("if-none-match"), *numbers)

    def match(self, found: Versioned | None) -> bool:
        """Whether what is there is what it must be."""
        generation, metageneration, etag = _versions(found)
        return (
            self.generation in (None, generation)
            and self.metageneration in (None, metageneration)
            and (self.etag is None or _names(self.etag, etag))
        )

    def differ(self, found: Versioned | None) -> bool:
        """Whether what is there isn't what it mustn't be."""
        generation, metageneration, etag = _versions(found)
        return (
            generation != self.not_generation
            and metageneration != self.not_metageneration
            and (self.not_etag is None or not _names(self.not_etag, etag))
        )

    def check(self, found: Versioned | None) -> None:
        """Refuse a change of what is there.

        Raises
        ------
        ServiceError
            A condition doesn't hold.
        """
        if not (self.match(found) and self.differ(found)):
            raise condition_not_met()


def _versions(found: Versioned | None) -> tuple[int, int, str | None]:
    return (found.generation, found.metageneration, found.etag) if found else (0, 0, None)


def _names(header: str, etag: str | None) -> bool:
    """Whether a header names an etag: as one of a list, quoted or not, or by ``*``."""
    named = {each.strip().removeprefix("W/").strip('"') for each in header.split(",")}
    return etag is not None and ("*" in named or etag in named)
