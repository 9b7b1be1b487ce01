"""What a band of a collection is, and what a file holds of it, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Pixel types that Earth Engine casts to and a GeoTIFF holds, as numpy names them.
DTYPES: Final = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "float32",
    "float64",
)


@dataclass(frozen=True)
class Encoding:
    """Whole numbers that a file holds of a band, in place of the collection's own.

    Attributes
    ----------
    scale, offset : float
        Physical value = scale × number + offset.
    dtype : str
        numpy name of the type whose values they have.
    """

    scale: float
    dtype: str
    offset: float = 0.0


@dataclass(frozen=True)
class Band:
    """One band of a collection.

    Attributes
    ----------
    name, native : str
        The common name (``red``), and the collection's own (``SR_B4``).
    dtype : str
        numpy name of its type in the collection.
    valid_range : (float, float) or None
        Smallest and largest value that mean something, both inclusive.
    scale, offset : float
        Physical value = scale × number + offset.
    units : str or None
        Of the physical value.
    default : bool
        Whether it is in the stack where the user doesn't choose; where the user did, whether it
        was chosen.
    qa : bool
        Bits or classes rather than a quantity: never averaged or interpolated.
    encoding : Encoding or None
        What the file holds of it; None: the collection's own numbers.
    joined : str or None
        Id of the collection that it comes from, whose image has the same ``system:index``; None:
        it is the image's own.
    """

    name: str
    native: str
    dtype: str
    valid_range: tuple[float, float] | None = None
    scale: float = 1.0
    offset: float = 0.0
    units: str | None = None
    default: bool = True
    qa: bool = False
    encoding: Encoding | None = None
    joined: str | None = None

    @property
    def file_dtype(self) -> str:
        """numpy name of the type that holds its numbers in the file."""
        return self.dtype if self.encoding is None else self.encoding.dtype

    @property
    def file_scale(self) -> tuple[float, float]:
        """Scale and offset of its numbers in the file."""
        numbers = self.encoding or self
        return numbers.scale, numbers.offset

    def file_range(self, nodata: float) -> tuple[float, float] | None:
        """Smallest and largest of its numbers in a file that mean something.

        Of an encoded band none is `nodata`: that number is beside it.
        """
        if self.encoding is None or self.valid_range is None:
            return self.valid_range
        low, high = sorted(map(self._encoded, self.valid_range))
        return (
            beside(nodata) if low == nodata else low,
            beside(nodata) if high == nodata else high,
        )

    def may_be(self, nodata: float) -> bool:
        """Whether one of its numbers that mean something is `nodata`; not where none is known."""
        if self.encoding is not None or self.valid_range is None:
            return False
        return self.valid_range[0] <= nodata <= self.valid_range[1]

    def _encoded(self, number: float) -> int:
        """What the file holds of one of the collection's own numbers: a half goes up."""
        scale, offset = self.file_scale
        return math.floor((self.scale * number + self.offset - offset) / scale + 0.5)


def beside(nodata: float) -> float:
    """What stands in an encoded band for a value that would be `nodata`: one nearer to 0, or 1."""
    return nodata + 1 if nodata <= 0 else nodata - 1
