"""Bands that are computed from others, read together: each once a grid, and without recursion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .questions import answers
from .values import Band, Grid, Pixels, Projection

#: What composites and constants have for a projection: nothing to do with their pixels.
WGS84: Final = Projection("EPSG:4326")

#: Integer types from the smallest; Earth Engine has no uint64.
INTEGERS: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")

#: Beyond it not every integer is a float32.
_FLOAT32_EXACT: Final = 2**24


class Computed(ABC):
    """A reader of a band that is made from other bands."""

    #: It has no resolution of its own: it is made of a mosaic.
    composite: bool

    @abstractmethod
    def inputs(self, grid: Grid) -> tuple[Sequence[Band], Grid]:
        """The bands that it needs, and the grid to read them on."""

    @abstractmethod
    def compute(self, grid: Grid, pixels: Sequence[Pixels]) -> Pixels:
        """Its pixels, from those of the bands."""

    def __call__(self, grid: Grid) -> Pixels:
        """Read it alone."""
        return read_bands([Band("", "", WGS84, self)], grid)[0]


@dataclass(frozen=True, eq=False)
class Derived(Computed):
    """Made pixel by pixel.

    Attributes
    ----------
    bands : tuple of Band
        What from.
    function : callable
        Pixels of each → Pixels.
    composite : bool
    """

    bands: tuple[Band, ...]
    function: Callable[..., Pixels]
    composite: bool = False

    def inputs(self, grid: Grid) -> tuple[Sequence[Band], Grid]:
        """The bands, on the same grid."""
        return self.bands, grid

    def compute(self, grid: Grid, pixels: Sequence[Pixels]) -> Pixels:  # noqa: ARG002 - the base's
        """Its pixels."""
        return self.function(*pixels)


@dataclass(frozen=True, eq=False)
class Resampled(Computed):
    """Made from a band's pixels in a projection of its choice.

    Attributes
    ----------
    band : Band
        What from.
    source : callable
        Grid asked for → grid of the band's pixels.
    function : callable
        (grid asked for, grid of the band's pixels, those pixels) → Pixels.
    """

    band: Band
    source: Callable[[Grid], Grid]
    function: Callable[[Grid, Grid, Pixels], Pixels]
    composite: bool = False

    def inputs(self, grid: Grid) -> tuple[Sequence[Band], Grid]:
        """The band, on its own pixels."""
        return (self.band,), self.source(grid)

    def compute(self, grid: Grid, pixels: Sequence[Pixels]) -> Pixels:
        """Its pixels."""
        return self.function(grid, self.source(grid), pixels[0])


@dataclass(frozen=True)
class Constant:
    """One valid value everywhere."""

    value: int | float

    def __call__(self, grid: Grid) -> Pixels:
        """Read it; the arrays take no memory and are read-only."""
        shape = (grid.height, grid.width)
        value = np.asarray(self.value, constant_type(self.value))
        return Pixels(np.broadcast_to(value, shape), np.broadcast_to(np.True_, shape))


def derive(
    band: Band, bands: Iterable[Band], function: Callable[..., Pixels], dtype: str | None = None
) -> Band:
    """A band like another, made pixel by pixel from `bands`, of `dtype` if given."""
    bands = tuple(bands)
    read = Derived(bands, function, composite=any(map(is_composite, bands)))
    return replace(band, read=read, dtype=dtype or band.dtype)


def is_composite(band: Band) -> bool:
    """Whether it has no resolution of its own, being made of a mosaic."""
    return isinstance(band.read, Computed) and band.read.composite


@dataclass
class _Step:
    band: Band
    grid: Grid
    inputs: list[tuple[int, Grid]]


def read_bands(
    bands: Sequence[Band], grid: Grid, check: Callable[[Band, Grid], None] | None = None
) -> list[Pixels]:
    """Read bands, everything that they share once, keeping no more than what is still needed.

    Parameters
    ----------
    bands : sequence of Band
        What is wanted.
    grid : Grid
        Where.
    check : callable, optional
        Told each band that is not computed, and the grid that it is about to be read on.
    """
    steps = _plan(bands, grid)
    uses = Counter(key for step in steps.values() for key in step.inputs)
    uses.update((id(band.read), grid) for band in bands)
    results: dict[tuple[int, Grid], Pixels] = {}
    for key, step in steps.items():
        read = step.band.read
        if isinstance(read, Computed):
            results[key] = read.compute(step.grid, [results[used] for used in step.inputs])
        else:
            if check is not None:
                check(step.band, step.grid)
            results[key] = read(step.grid)
        for used in step.inputs:
            uses[used] -= 1
            if not uses[used]:
                del results[used]
    return [results[id(band.read), grid] for band in bands]


def _plan(bands: Sequence[Band], grid: Grid) -> dict[tuple[int, Grid], _Step]:
    """All that must be read, inputs before what needs them, by reader and grid."""
    entered: dict[tuple[int, Grid], _Step] = {}
    done: dict[tuple[int, Grid], _Step] = {}
    stack = [(band, grid) for band in reversed(bands)]
    while stack:
        band, where = stack[-1]
        key = (id(band.read), where)
        if key in entered:
            stack.pop()
            done.setdefault(key, entered[key])
            continue
        inputs: Sequence[Band] = ()
        source = where
        if isinstance(band.read, Computed):
            inputs, source = band.read.inputs(where)
        entered[key] = _Step(band, where, [(id(used.read), source) for used in inputs])
        stack.extend(
            (used, source) for used in reversed(inputs) if (id(used.read), source) not in entered
        )
    return done


def constant_type(value: float) -> str:
    """The smallest integer type that holds a whole number, float64 for others.

    JSON numbers are doubles (``constantValue`` is a protobuf Value), so 1.0 is the integer 1.
    """
    if isinstance(value, float) and not value.is_integer():
        return "float64"
    return smallest(int(value), int(value))


def common_type(bands: Sequence[Band]) -> str:
    """The smallest type that holds the values of all bands: the union of their types.

    A constant counts by its value, as on Earth Engine, where ``ee.Image(0)`` is an integer in
    [0, 0]. Integers beyond 2^24 beside a float32 give float64 [not verified against Earth Engine].
    """
    types = [np.dtype(band.dtype) for band in bands]
    if any(dtype == np.float64 for dtype in types):
        return "float64"
    ranges = [limits(band) for band, dtype in zip(bands, types, strict=True) if dtype.kind in "iu"]
    low = min((limit[0] for limit in ranges), default=0)
    high = max((limit[1] for limit in ranges), default=0)
    if any(dtype.kind == "f" for dtype in types):
        exact = low >= -_FLOAT32_EXACT and high <= _FLOAT32_EXACT
        return "float32" if exact else "float64"
    return smallest(low, high)


def limits(band: Band) -> tuple[int, int]:
    """The least and the greatest that a band of integers can hold; a constant's value."""
    if isinstance(band.read, Constant):
        return int(band.read.value), int(band.read.value)
    info = np.iinfo(band.dtype)
    return int(info.min), int(info.max)


def smallest(low: int, high: int) -> str:
    """The smallest integer type that holds a range, float64 where there is none."""
    for name in INTEGERS:
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return name
    return "float64"


def cast(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Values in another type.

    Towards an integer, fractions are cut off and NaN becomes 0. What is out of range becomes the
    nearest limit: documented for numbers (developers.google.com/earth-engine/apidocs/
    ee-number-toint16), for images open (:attr:`Answers.cast_overflow`).
    """
    source, target = values.dtype, np.dtype(dtype)
    if target.kind == "f" or np.can_cast(source, target):
        with np.errstate(over="ignore"):
            return values.astype(target, copy=False)
    if answers().cast_overflow == "wrap":
        return saturated(values, np.dtype(np.int64)).astype(target)
    return saturated(values, target)


def saturated(values: npt.NDArray[Any], target: np.dtype[Any]) -> npt.NDArray[Any]:
    """Values in an integer type that may not hold them: NaN as 0, else the nearest that it has."""
    info = np.iinfo(target)
    above, below = values >= info.max, values <= info.min
    inside = ~(above | below)
    out: npt.NDArray[Any] = np.where(above, target.type(info.max), target.type(info.min))
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        out[missing] = 0
        inside &= ~missing
    out[inside] = values[inside].astype(target)
    return out
