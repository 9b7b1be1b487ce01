"""What is computed pixel by pixel: casts, arithmetic, comparisons, reductions over bands.

The documentation doesn't say that these keep an image's properties, so they don't: the footprint
stays. Results have the smallest type that holds the types of both inputs; what is beyond it
becomes its limit. Both are [not verified against Earth Engine].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..bands import Constant, cast, common_type, derive
from ..values import Band, Image, Pixels, ServiceError
from .base import function
from .images import constant, paired
from .reducers import Reducer

Array = npt.NDArray[Any]

_CASTS: Final = {
    "uint8": ("toUint8", "uint8", "toByte", "byte"),
    "int8": ("toInt8", "int8"),
    "uint16": ("toUint16", "uint16"),
    "int16": ("toInt16", "int16", "toShort", "short"),
    "uint32": ("toUint32", "uint32"),
    "int32": ("toInt32", "int32", "toInt", "int"),
    "int64": ("toInt64", "int64", "toLong", "long"),
    "float32": ("toFloat", "float"),
    "float64": ("toDouble", "double"),
}


def _plain(image: Image, bands: Sequence[Band]) -> Image:
    return Image(tuple(bands), footprint=image.footprint)


def _unary(band: Band, compute: Callable[[Array], Array], dtype: str) -> Band:
    def apply(own: Pixels) -> Pixels:
        return Pixels(cast(compute(own.values), dtype), own.mask)

    return derive(band, [band], apply, dtype)


def _register_cast(dtype: str, names: Sequence[str]) -> None:
    @function(*(f"Image.{name}" for name in names))
    def convert(image: Image) -> Image:
        same = partial(_unary, compute=lambda values: values, dtype=dtype)
        return _plain(image, [same(band) for band in image.bands])


for _dtype, _names in _CASTS.items():
    _register_cast(_dtype, _names)


@function("Image.clamp")
def _clamp(image: Image, low: float, high: float) -> Image:
    """The type stays; a limit beyond it doesn't cut."""
    if low > high:
        raise ServiceError(f"Image.clamp: low ({low}) is above high ({high}).")

    def compute(values: Array) -> Array:
        return np.clip(values.astype(np.float64), low, high)

    return _plain(image, [_unary(band, compute, band.dtype) for band in image.bands])


@function("Image.not")
def _not(image: Image) -> Image:
    bands = [_unary(band, lambda values: values == 0, "uint8") for band in image.bands]
    return _plain(image, bands)


Compute = Callable[[Array, Array], Array]


def _divide(left: Array, right: Array) -> Array:
    """0 where the divisor is, as documented."""
    return np.divide(left, right, out=np.zeros(left.shape), where=right != 0)


def _bitwise_and(left: Array, right: Array) -> Array:
    result: Array = np.bitwise_and(cast(left, "int64"), cast(right, "int64"))
    return result


_ARITHMETIC: Final[dict[str, Compute]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": _divide,
    "max": np.maximum,
    "min": np.minimum,
    "bitwiseAnd": _bitwise_and,
}
_TRUTHS: Final[dict[str, Compute]] = {
    "eq": np.equal,
    "neq": np.not_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
}


def _binary(name: str, left: Image, right: Image, pair: Callable[[Band, Band], Band]) -> Image:
    """Bands in pairs, named as the longer image's are; by name where both have the same names."""
    if not left.bands or not right.bands:
        if left.bands or right.bands:
            raise ServiceError(
                f"{name}: If one image has no bands, the other must also have no bands. "
                f"Got {len(left.bands)} and {len(right.bands)}."
            )
        return _plain(left, [])
    if len(left.bands) >= len(right.bands):
        pairs = paired(name, left, _in_order_of(left, right))
        return _plain(left, [pair(one, other) for one, other in pairs])
    pairs = paired(name, right, left)
    bands = [replace(pair(one, other), name=other.name) for other, one in pairs]
    return _plain(left, bands)


def _in_order_of(image: Image, other: Image) -> Image:
    named = {band.name: band for band in other.bands}
    if named.keys() != {band.name for band in image.bands}:
        return other
    return other.with_bands([named[band.name] for band in image.bands])


def _operate(compute: Compute, dtype: str | None, real: bool, left: Band, right: Band) -> Band:
    result = dtype or common_type([left, right])
    if real and result != "float64":
        result = "float32" if np.dtype(result).itemsize <= 2 or result == "float32" else "float64"
    # Exact for all types but int64; there sums wrap around.
    working = np.int64 if result == "int64" else np.float64

    def apply(one: Pixels, other: Pixels) -> Pixels:
        if dtype is None:
            values = compute(one.values.astype(working), other.values.astype(working))
        else:
            values = compute(one.values, other.values)
        return Pixels(cast(values, result), one.mask & other.mask)

    if isinstance(left.read, Constant) and isinstance(right.read, Constant):
        # On two constants by value: their types are as narrow as they are.
        value = compute(np.array([left.read.value]), np.array([right.read.value]))[0]
        return constant(left.name, value.item())
    return derive(left, [left, right], apply, result)


def _register_binary(name: str, compute: Compute, dtype: str | None) -> None:
    @function(f"Image.{name}")
    def operate(left: Image, right: Image) -> Image:
        pair = partial(_operate, compute, dtype, name == "divide")
        return _binary(f"Image.{name}", left, right, pair)


for _name, _compute in _ARITHMETIC.items():
    _register_binary(_name, _compute, None)
for _name, _compute in _TRUTHS.items():
    _register_binary(_name, _compute, "uint8")


@function("Image.where")
def _where(image: Image, test: Image, value: Image) -> Image:
    """Where the test is not 0, the value; the input where test or value is masked."""
    bands = []
    tests = paired("Image.where", image, test)
    values = paired("Image.where", image, value)
    for (band, condition), (_, other) in zip(tests, values, strict=True):
        dtype = common_type([band, other])

        def choose(own: Pixels, when: Pixels, new: Pixels, dtype: str = dtype) -> Pixels:
            chosen = when.mask & (when.values != 0) & new.mask
            return Pixels(
                np.where(chosen, cast(new.values, dtype), cast(own.values, dtype)), own.mask
            )

        bands.append(derive(band, [band, condition, other], choose, dtype))
    return image.with_bands(bands)


@function("Image.reduce")
def _reduce(image: Image, reducer: Reducer) -> Image:
    """All bands into one; masked values don't count, a pixel without any is masked."""
    of_pixels = reducer.of_pixels
    if of_pixels is None:
        raise ServiceError(f"Image.reduce: the emulator has no '{reducer.output}' of bands.")
    if not image.bands:
        raise ServiceError("Image.reduce: the image has no bands.")
    common = common_type(image.bands)
    dtype = reducer.dtype or common

    def apply(*inputs: Pixels) -> Pixels:
        mask = np.stack([pixels.mask for pixels in inputs])
        values = np.stack([cast(pixels.values, common) for pixels in inputs])
        valid: npt.NDArray[np.bool_] = np.any(mask, axis=0)
        return Pixels(cast(np.where(valid, of_pixels(values, mask), 0), dtype), valid)

    band = derive(image.bands[0], image.bands, apply, dtype)
    return _plain(image, [replace(band, name=reducer.output)])
