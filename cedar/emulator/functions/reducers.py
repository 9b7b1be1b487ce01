"""Reducers: of columns of properties, and of the bands at a pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..values import ServiceError
from .base import function, instance

#: (values, mask), each (bands, height, width) → values where any is valid.
OfPixels = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Reducer:
    """What many values are made one by.

    Attributes
    ----------
    output : str
        Name of its result.
    of_values : callable
        Rows of inputs, none of them dropped → the result.
    width : int
        How many inputs it has.
    of_pixels : callable or None
        The same at each pixel; None where the emulator doesn't have that.
    dtype : str or None
        Of the band that it makes; None: the smallest that holds the inputs.
    """

    output: str
    of_values: Callable[[Sequence[Sequence[Any]]], Any]
    width: int = 1
    of_pixels: OfPixels | None = None
    dtype: str | None = None


instance("Reducer", Reducer)


@function("Reducer.toList")
def _to_list(size: int | None, optional: int) -> Reducer:
    """Rows of `size` inputs, the last `optional` of them nullable; without a size, plain values."""
    width = size or 1
    required = width - optional

    def collect(rows: Sequence[Sequence[Any]]) -> list[Any]:
        kept = [row for row in rows if None not in row[:required]]
        return [list(row) for row in kept] if size else [row[0] for row in kept]

    return Reducer("list", collect, width)


Numbers = Sequence[Any]
_OF_VALUES: Final[dict[str, Callable[[Numbers], Any]]] = {
    "count": len,
    "max": lambda values: max(values, default=None),
    "min": lambda values: min(values, default=None),
    "mean": lambda values: sum(values) / len(values) if values else None,
    "sum": sum,
}


def _extreme(
    reduce: Callable[..., npt.NDArray[Any]], worst: Callable[[np.dtype[Any]], Any]
) -> OfPixels:
    def of_pixels(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        return reduce(np.where(mask, values, worst(values.dtype)), axis=0)

    return of_pixels


def _lowest(dtype: np.dtype[Any]) -> Any:
    return dtype.type(-np.inf) if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return dtype.type(np.inf) if dtype.kind == "f" else np.iinfo(dtype).max


def _sum(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = np.where(mask, values, 0).sum(axis=0, dtype=np.float64)
    return total


def _mean(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    count = np.maximum(mask.sum(axis=0), 1)
    average: npt.NDArray[Any] = _sum(values, mask) / count
    return average


#: Without ``count``: whether a pixel with none is 0 or masked isn't known.
_OF_PIXELS: Final[dict[str, tuple[OfPixels, str | None]]] = {
    "max": (_extreme(np.max, _lowest), None),
    "min": (_extreme(np.min, _highest), None),
    "mean": (_mean, "float64"),
    "sum": (_sum, "float64"),
}


def _register(name: str) -> None:
    def of_values(rows: Sequence[Sequence[Any]]) -> Any:
        values = [row[0] for row in rows if row[0] is not None]
        if name != "count" and not all(isinstance(value, int | float) for value in values):
            raise ServiceError(f"Reducer.{name}: A value isn't a number.")
        return _OF_VALUES[name](values)

    of_pixels, dtype = _OF_PIXELS.get(name, (None, None))
    reducer = Reducer(name, of_values, 1, of_pixels, dtype)

    @function(f"Reducer.{name}", takes="")
    def make() -> Reducer:
        return reducer


for _name in _OF_VALUES:
    _register(_name)
