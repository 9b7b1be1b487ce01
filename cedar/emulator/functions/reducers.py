"""Reducers: what many values, of a column or of a pixel, are made one by."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..values import ServiceError
from .base import function, instance

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
#: (values, mask), each (layers, height, width) → values where any is valid.
OfPixels = Callable[[Array, Mask], Array]


@dataclass(frozen=True)
class Statistic:
    """One output of a reducer.

    Attributes
    ----------
    name : str
    of_rows : callable
        Rows of inputs, none of them dropped → the result.
    of_pixels : callable or None
        The same at each pixel; None where the emulator doesn't have that.
    dtype : str or None
        Of the band that it makes; None: the smallest that holds the inputs.
    """

    name: str
    of_rows: Callable[[Sequence[Sequence[Any]]], Any]
    of_pixels: OfPixels | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Reducer:
    """Statistics of the same inputs.

    Attributes
    ----------
    statistics : tuple of Statistic
    width : int
        How many inputs a row of them has.
    """

    statistics: tuple[Statistic, ...]
    width: int = 1


instance("Reducer", Reducer)


@function("Reducer.toList")
def _to_list(size: int | None, optional: int) -> Reducer:
    """Rows of `size` inputs, the last `optional` of them nullable; without a size, plain values."""
    width = size or 1
    required = width - optional

    def collect(rows: Sequence[Sequence[Any]]) -> list[Any]:
        kept = [row for row in rows if None not in row[:required]]
        return [list(row) for row in kept] if size else [row[0] for row in kept]

    return Reducer((Statistic("list", collect),), width)


def _stretched(of_pixels: Callable[..., Array], worst: Callable[[np.dtype[Any]], Any]) -> OfPixels:
    """A reduction along the layers, of values that can't win where they are masked."""

    def reduced(values: Array, mask: Mask) -> Array:
        return of_pixels(np.where(mask, values, worst(values.dtype)), axis=0)

    return reduced


def _lowest(dtype: np.dtype[Any]) -> Any:
    return dtype.type(-np.inf) if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return dtype.type(np.inf) if dtype.kind == "f" else np.iinfo(dtype).max


def _sum(values: Array, mask: Mask) -> Array:
    total: Array = np.where(mask, values, 0).sum(axis=0, dtype=np.float64)
    return total


def _product(values: Array, mask: Mask) -> Array:
    total: Array = np.where(mask, values, 1).prod(axis=0, dtype=np.float64)
    return total


def _mean(values: Array, mask: Mask) -> Array:
    average: Array = _sum(values, mask) / _filled_count(mask)
    return average


def _filled_count(mask: Mask) -> Array:
    """How many are valid; 1 where none is, to divide by."""
    count: Array = np.maximum(mask.sum(axis=0), 1)
    return count


def _ranked(values: Array, mask: Mask) -> Array:
    """Ascending along the layers, the masked ones last."""
    return np.asarray(np.sort(np.where(mask, values, _highest(values.dtype)), axis=0))


def _median(values: Array, mask: Mask) -> Array:
    ranked = _ranked(values, mask).astype(np.float64)
    count = _filled_count(mask)[None]
    middle = [np.take_along_axis(ranked, at, axis=0)[0] for at in ((count - 1) // 2, count // 2)]
    average: Array = (middle[0] + middle[1]) / 2
    return average


def _mode(values: Array, mask: Mask) -> Array:
    """The most frequent; of several the least, since only a longer run replaces one."""
    ranked, count = _ranked(values, mask), mask.sum(axis=0)
    best: Array = ranked[0]
    longest = run = np.zeros(count.shape, int)
    for i, layer in enumerate(ranked):
        run = np.where(layer == ranked[i - 1], run + 1, 1) if i else run + 1
        longer = (run > longest) & (i < count)
        best, longest = np.where(longer, layer, best), np.where(longer, run, longest)
    return best


def _variance(values: Array, mask: Mask) -> Array:
    spread: Array = np.square(values.astype(np.float64) - _mean(values, mask))
    return _mean(spread, mask)


def _first(values: Array, mask: Mask) -> Array:
    at = mask.argmax(axis=0)[None]
    first: Array = np.take_along_axis(values, at, axis=0)[0]
    return first


def _last(values: Array, mask: Mask) -> Array:
    return _first(values[::-1], mask[::-1])


def _all(values: Array, mask: Mask) -> Array:
    return np.asarray(np.all((values != 0) | ~mask, axis=0))


def _any(values: Array, mask: Mask) -> Array:
    return np.asarray(np.any((values != 0) & mask, axis=0))


Numbers = Sequence[Any]


def _least_mode(values: Numbers) -> Any:
    counts = Counter(values)
    most = max(counts.values())
    return min(value for value, count in counts.items() if count == most)


def _of_any(compute: Callable[[Numbers], Any]) -> Callable[[Numbers], Any]:
    """None of no values."""
    return lambda values: compute(values) if values else None


Compute = tuple[Callable[[Numbers], Any], OfPixels, str | None]

# Of values without nulls, of pixels, and the type of those. A pixel without any valid value is
# masked, as documented for count (apidocs/ee-imagecollection-count); of several modes it is the
# least (ee-imagecollection-mode). [Not verified against Earth Engine]: the median of an even number
# is the mean of the middle two; the types.
_COMPUTE: Final[dict[str, Compute]] = {
    "allNonZero": (_of_any(lambda n: int(all(n))), _all, "uint8"),
    "anyNonZero": (_of_any(lambda n: int(any(n))), _any, "uint8"),
    "count": (len, lambda _, mask: mask.sum(axis=0), "int32"),
    "firstNonNull": (_of_any(lambda n: n[0]), _first, None),
    "lastNonNull": (_of_any(lambda n: n[-1]), _last, None),
    "max": (_of_any(max), _stretched(np.max, _lowest), None),
    "mean": (_of_any(statistics.fmean), _mean, "float64"),
    "median": (_of_any(statistics.median), _median, "float64"),
    "min": (_of_any(min), _stretched(np.min, _highest), None),
    "mode": (_of_any(_least_mode), _mode, None),
    "product": (math.prod, _product, "float64"),
    "stdDev": (_of_any(statistics.pstdev), lambda *n: np.sqrt(_variance(*n)), "float64"),
    "sum": (sum, _sum, "float64"),
    "variance": (_of_any(statistics.pvariance), _variance, "float64"),
}
_OUTPUTS: Final = {
    "allNonZero": "all",
    "anyNonZero": "any",
    "firstNonNull": "first",
    "lastNonNull": "last",
}
#: Their inputs needn't be numbers.
_OF_ANYTHING: Final = frozenset({"count", "firstNonNull", "lastNonNull"})


def _statistic(name: str) -> Statistic:
    of_values, of_pixels, dtype = _COMPUTE[name]

    def of_rows(rows: Sequence[Sequence[Any]]) -> Any:
        values = [row[0] for row in rows if row[0] is not None]
        numbers = all(isinstance(value, int | float) for value in values)
        if not numbers and name not in _OF_ANYTHING:
            raise ServiceError(f"Reducer.{name}: A value isn't a number.")
        return of_values(values)

    return Statistic(_OUTPUTS.get(name, name), of_rows, of_pixels, dtype)


#: By the reducer's name.
STATISTICS: Final = {name: _statistic(name) for name in _COMPUTE}
_REDUCERS: Final = {
    **{name: Reducer((statistic,)) for name, statistic in STATISTICS.items()},
    "minMax": Reducer((STATISTICS["min"], STATISTICS["max"])),
}


def _register(name: str, reducer: Reducer) -> None:
    @function(f"Reducer.{name}", takes="")
    def make() -> Reducer:
        return reducer


for _name, _reducer in _REDUCERS.items():
    if _name != "median":
        _register(_name, _reducer)


@function("Reducer.median", takes="maxRaw")
def _make_median(max_raw: int | None) -> Reducer:
    """Computed directly whatever their number, unless a limit is given that is less.

    Which it is without one isn't documented; where it is more than the limit, the service's is of a
    histogram, which the emulator doesn't have.
    """
    median = STATISTICS["median"]
    if max_raw is None:
        return Reducer((median,))

    def of_rows(rows: Sequence[Sequence[Any]]) -> Any:
        _check_raw(sum(row[0] is not None for row in rows), max_raw)
        return median.of_rows(rows)

    def of_pixels(values: Array, mask: Mask) -> Array:
        _check_raw(int(mask.sum(axis=0).max(initial=0)), max_raw)
        return _median(values, mask)

    return Reducer((Statistic("median", of_rows, of_pixels, median.dtype),))


def _check_raw(count: int, max_raw: int) -> None:
    if count > max_raw:
        raise ServiceError(
            f"Reducer.median: the emulator has no histograms: maxRaw is {max_raw}, and there are "
            f"{count} values."
        )


@function("Reducer.repeat")
def _repeat(reducer: Reducer, count: int) -> Reducer:
    """Copies of the reducer, each of its own inputs; a list of their results."""

    def repeated(statistic: Statistic) -> Statistic:
        def of_rows(rows: Sequence[Sequence[Any]]) -> list[Any]:
            starts = range(0, count * reducer.width, reducer.width)
            return [
                statistic.of_rows([row[start : start + reducer.width] for row in rows])
                for start in starts
            ]

        return Statistic(statistic.name, of_rows)

    return Reducer(tuple(map(repeated, reducer.statistics)), reducer.width * count)
