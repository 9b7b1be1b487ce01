"""Numbers: computed as pixels are; what comes out is in the examples of the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..bands import saturated
from ..values import ServiceError
from .base import function
from .operators import BINARY, CASTS, UNARY, Array, bitwise_not

Number = int | float


def _number(results: Array) -> Any:
    """There are no Booleans."""
    result = results[0]
    return int(result) if isinstance(result, np.bool_) else result.item()


def _register_binary(name: str, compute: Callable[[Array, Array], Array]) -> None:
    @function(f"Number.{name}")
    def operate(left: Number, right: Number) -> Any:
        return _number(compute(np.array([left], np.float64), np.array([right], np.float64)))


for _name, _operator in BINARY.items():
    _register_binary(_name, _operator[0])


def _register_unary(name: str, compute: Callable[[Array], Array]) -> None:
    @function(f"Number.{name}")
    def operate(number: Number) -> Any:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return _number(compute(np.array([number], np.float64)))


for _name, _change in UNARY.items():
    _register_unary(_name, _change[0])
_register_unary("abs", np.abs)
_register_unary("bitwiseNot", bitwise_not)
_register_unary("signum", np.sign)


def _register_cast(dtype: np.dtype[Any], names: tuple[str, ...]) -> None:
    @function(*(f"Number.{name}" for name in names))
    def convert(number: Number) -> Any:
        """To the nearest that the type has: documented for numbers (apidocs/ee-number-toint8)."""
        values = np.array([number], np.float64)
        return _number(saturated(values, dtype) if dtype.kind in "iu" else values.astype(dtype))


for _dtype, _names in CASTS.items():
    _register_cast(np.dtype(_dtype), _names)


@function("Number.clamp")
def _clamp(number: Number, low: float, high: float) -> Number:
    return min(max(number, low), high)


@function("Number.unitScale")
def _unit_scale(number: Number, low: float, high: float) -> Number:
    if low == high:
        raise ServiceError("Number.unitScale: The range is empty.")
    return (number - low) / (high - low)


#: The formats of printf that Python's are the same as.
_FORMAT: Final = re.compile(r"[^%]*%0?\d*(d|\.\d+[ef])[^%]*")


@function("Number.format")
def _format(number: Number, pattern: str) -> str:
    if not _FORMAT.fullmatch(pattern):
        raise ServiceError(f"Number.format: the emulator does not implement '{pattern}'.")
    return pattern % number


@function("Number.parse")
def _parse(text: Any, radix: int) -> Number:
    try:
        return float(text) if radix == 10 else int(text, radix)
    except ValueError:
        raise ServiceError(f"Number.parse: Cannot parse '{text}' as a number.") from None
