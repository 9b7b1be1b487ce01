"""What a cube says of the items that it is made of, in an attribute of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from .stack import Stack

#: The attribute.
MADE_OF: Final = "cedar_items"


@dataclass(frozen=True)
class Made:
    """What a cube says of an item in it.

    Attributes
    ----------
    name : str
        The item's; of one that was split, the part's.
    order : str
        The record that it is in.
    request_id : str or None
        Which request made it.
    files : tuple of (str, int, str)
        Name, size and checksum of each of its files.
    layers : int
        How many it has.
    """

    name: str
    order: str
    request_id: str | None
    files: tuple[tuple[str, int | None, str | None], ...]
    layers: int

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Say it of a stack."""
        outputs = [output for part in stack.parts for output in part.entry["outputs"]]
        files = sorted((each["name"], each["size"], each["checksum"]) for each in outputs)
        return cls(
            stack.name,
            stack.order,
            stack.entry["request_id"],
            tuple(files),
            len(stack.layers),
        )

    def is_same(self, other: Made) -> bool:
        """Whether both are of one item, made of the same files, whatever the orders are called."""
        return (self.name, self.request_id, self.files, self.layers) == (
            other.name, other.request_id, other.files, other.layers,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "name": self.name,
            "order": self.order,
            "request_id": self.request_id,
            "files": [[*file] for file in self.files],
            "layers": self.layers,
        }


def dumps(made: Iterable[Made]) -> str:
    """Write what items a cube is made of, in the order of their layers."""
    return json.dumps([each.to_json() for each in made], separators=(",", ":"))


def loads(text: Any) -> list[Made]:
    """Read what :func:`dumps` wrote.

    Raises
    ------
    ValueError
        It is something else.
    """
    try:
        listed = json.loads(text)
        return [
            Made(
                **{**each, "files": tuple((name, size, sum_) for name, size, sum_ in each["files"])}
            )
            for each in listed
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it doesn't say which items it is made of: {error}") from error
