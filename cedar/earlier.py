"""What earlier orders have of a request that is made again, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .exceptions import NameTakenError
from .states import ACTIVE


class Standing(StrEnum):
    """How an item of an earlier order stands to a request."""

    #: It is made, or being made, of the images that there are now.
    UNCHANGED = "unchanged"
    #: It has ended without what was asked for: `cedar retry` makes it again.
    FAILED = "failed"
    #: The images that there are now aren't those that it was ordered of.
    STALE = "stale"
    #: The request doesn't ask for it, and does for others of its order.
    UNWANTED = "unwanted"


@dataclass(frozen=True)
class Earlier:
    """An item that an earlier order has.

    Attributes
    ----------
    name : str
        The item as it was ordered, though it may have been made in parts.
    order : str
        The newest order that has it.
    standing : Standing
    state : str
        Of the first of its parts that isn't done; else of the first.
    added, removed : tuple of str
        Of a stale one, ids of images, as far as its document tells.
    """

    name: str
    order: str
    standing: Standing
    state: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """Whether its order is still at work on it."""
        return self.state in ACTIVE

    def to_dict(self) -> dict[str, Any]:
        """Put it as JSON has it."""
        said: dict[str, Any] = {"name": self.name, "order": self.order, "state": self.state}
        if self.standing == Standing.STALE:
            said |= {"added": [*self.added], "removed": [*self.removed]}
        return said


def counted(earlier: Sequence[Earlier], new: int) -> str:
    """Put a plan in a line: how many items are new, and how the others stand."""
    numbers = Counter(each.standing for each in earlier)
    said = [f"{new:,} new", f"{numbers[Standing.UNCHANGED]:,} unchanged"]
    if active := sum(e.active for e in earlier if e.standing == Standing.UNCHANGED):
        said[-1] += f" ({active:,} still being made)"
    said += [f"{numbers[each]:,} {each}" for each in (Standing.FAILED, Standing.STALE)]
    return ", ".join([*said, f"{numbers[Standing.UNWANTED]:,} no longer wanted"])


def by_standing(earlier: Sequence[Earlier]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each standing with its items, as JSON has them."""
    for standing in Standing:
        yield str(standing), [each.to_dict() for each in earlier if each.standing == standing]


def nothing_new(earlier: Sequence[Earlier]) -> NameTakenError:
    """Say that earlier orders have all that is asked for."""
    first, *others = [each for each in earlier if each.standing != Standing.UNWANTED]
    more = f" (and {len(others)} more)" if others else ""
    return NameTakenError(
        f"there is nothing new to order: {first.name} exists in order {first.order}{more}, as it "
        "is asked for; see that order",
        [each.name for each in (first, *others)],
        first.order,
    )
