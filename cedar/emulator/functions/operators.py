"""What is computed pixel by pixel: casts, arithmetic, comparisons.

The documentation doesn't say that these keep an image's properties, so they don't: the footprint
stays. It says that results have the union of the inputs' types; sums, differences and products of
integers have a type that holds them all, since the public examples take negative indices of
unsigned bands. Which types those are is [not verified against Earth Engine].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..bands import Constant, cast, common_type, derive, limits, smallest
from ..values import Band, Image, Pixels, ServiceError
from .base import function
from .images import choose, constant, paired

Array = npt.NDArray[Any]

#: Types, and the casts to them.
CASTS: Final = {
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


def plain(image: Image, bands: Sequence[Band]) -> Image:
    """Bands that were computed of an image's: its footprint stays, its properties don't."""
    return Image(tuple(bands), footprint=image.footprint)


def _unary(band: Band, compute: Callable[[Array], Array], dtype: str) -> Band:
    def apply(own: Pixels) -> Pixels:
        return Pixels(cast(compute(own.values), dtype), own.mask)

    return derive(band, [band], apply, dtype)


def _register_cast(dtype: str, names: Sequence[str]) -> None:
    @function(*(f"Image.{name}" for name in names))
    def convert(image: Image) -> Image:
        same = partial(_unary, compute=lambda values: values, dtype=dtype)
        return plain(image, [same(band) for band in image.bands])


for _dtype, _names in CASTS.items():
    _register_cast(_dtype, _names)

#: Of one value, and the type of the result; None: the value's own.
UNARY: Final[dict[str, tuple[Callable[[Array], Array], str | None]]] = {
    "ceil": (np.ceil, None),
    "exp": (np.exp, "float64"),
    "floor": (np.floor, None),
    "log": (np.log, "float64"),
    "not": (lambda values: values == 0, "uint8"),
    # A half goes up: apidocs/ee-number-round.
    "round": (lambda values: np.floor(values + 0.5), None),
    "sqrt": (np.sqrt, "float64"),
}


def _register_unary(name: str, compute: Callable[[Array], Array], dtype: str | None) -> None:
    def of_doubles(values: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return compute(values.astype(np.float64))

    @function(f"Image.{name}")
    def operate(image: Image) -> Image:
        bands = [_unary(band, of_doubles, dtype or band.dtype) for band in image.bands]
        return plain(image, bands)


for _name, _given in UNARY.items():
    _register_unary(_name, *_given)


def bitwise_not(values: Array) -> Array:
    """All bits turned over."""
    return np.asarray(np.invert(cast(values, "int64")))


@function("Image.abs")
def _abs(image: Image) -> Image:
    bands = []
    for band in image.bands:
        integer = np.dtype(band.dtype).kind in "iu"
        dtype = smallest(0, max(map(abs, limits(band)))) if integer else band.dtype
        bands.append(_unary(band, lambda values: np.abs(values.astype(np.float64)), dtype))
    return plain(image, bands)


@function("Image.bitwiseNot")
def _bitwise_not(image: Image) -> Image:
    """In the smallest signed type that holds the input, as documented."""
    bands = []
    for band in image.bands:
        dtype = common_type([band, replace(constant("", -1), read=band.read, dtype="int8")])
        bands.append(_unary(band, bitwise_not, dtype))
    return plain(image, bands)


@function("Image.clamp")
def _clamp(image: Image, low: float, high: float) -> Image:
    """The type stays; a limit beyond it doesn't cut."""
    if low > high:
        raise ServiceError(f"Image.clamp: low ({low}) is above high ({high}).")

    def compute(values: Array) -> Array:
        return np.clip(values.astype(np.float64), low, high)

    return plain(image, [_unary(band, compute, band.dtype) for band in image.bands])


Compute = Callable[[Array, Array], Array]


def _divide(left: Array, right: Array) -> Array:
    """0 where the divisor is, as documented."""
    return np.divide(left, right, out=np.zeros(left.shape), where=right != 0)


def _remainder(left: Array, right: Array) -> Array:
    """With the sign of the dividend (apidocs/ee-number-mod); 0 where the divisor is."""
    return np.fmod(left, right, out=np.zeros(left.shape), where=right != 0)


def _power(left: Array, right: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.power(left.astype(np.float64), right.astype(np.float64)))


def _bitwise(compute: Compute) -> Compute:
    return lambda left, right: compute(cast(left, "int64"), cast(right, "int64"))


def _shifted(compute: Compute) -> Compute:
    return _bitwise(lambda left, right: compute(left, np.clip(right, 0, 63)))


#: Of two values, and the type of the result: ``union`` of the inputs', or the smallest that holds
#: every result (``exact``), or the floating-point type that holds the union (``real``), or one of
#: its own.
BINARY: Final[dict[str, tuple[Compute, str]]] = {
    "add": (np.add, "exact"),
    "subtract": (np.subtract, "exact"),
    "multiply": (np.multiply, "exact"),
    "divide": (_divide, "real"),
    "mod": (_remainder, "union"),
    "pow": (_power, "float32"),
    "max": (np.maximum, "union"),
    "min": (np.minimum, "union"),
    "bitwiseAnd": (_bitwise(np.bitwise_and), "union"),
    "bitwiseOr": (_bitwise(np.bitwise_or), "union"),
    "bitwiseXor": (_bitwise(np.bitwise_xor), "union"),
    "leftShift": (_shifted(np.left_shift), "union"),
    "rightShift": (_shifted(np.right_shift), "union"),
    "eq": (np.equal, "uint8"),
    "neq": (np.not_equal, "uint8"),
    "lt": (np.less, "uint8"),
    "lte": (np.less_equal, "uint8"),
    "gt": (np.greater, "uint8"),
    "gte": (np.greater_equal, "uint8"),
    "and": (np.logical_and, "uint8"),
    "or": (np.logical_or, "uint8"),
}


def _binary(name: str, left: Image, right: Image, pair: Callable[[Band, Band], Band]) -> Image:
    """Bands in pairs, named as the longer image's are; by name where both have the same names."""
    if not left.bands or not right.bands:
        if left.bands or right.bands:
            raise ServiceError(
                f"{name}: If one image has no bands, the other must also have no bands. "
                f"Got {len(left.bands)} and {len(right.bands)}."
            )
        return plain(left, [])
    if len(left.bands) >= len(right.bands):
        pairs = paired(name, left, _in_order_of(left, right))
        return plain(left, [pair(one, other) for one, other in pairs])
    pairs = paired(name, right, left)
    bands = [replace(pair(one, other), name=other.name) for other, one in pairs]
    return plain(left, bands)


def _in_order_of(image: Image, other: Image) -> Image:
    named = {band.name: band for band in other.bands}
    if named.keys() != {band.name for band in image.bands}:
        return other
    return other.with_bands([named[band.name] for band in image.bands])


def _real(dtype: str) -> str:
    """A floating-point type that holds another one's values."""
    return "float32" if np.can_cast(dtype, "float32") else "float64"


def _exact(compute: Compute, left: Band, right: Band) -> str:
    """The smallest type that holds all results, which are most extreme at the inputs' limits."""
    ends = np.array([[limits(left)], [limits(right)]], object)
    results = compute(ends[0].T, ends[1])
    return smallest(results.min(), results.max())


def _operate(compute: Compute, result: str, left: Band, right: Band) -> Band:
    dtype = union = common_type([left, right])
    if result == "real":
        dtype = _real(union)
    elif result == "exact" and np.dtype(union).kind in "iu":
        dtype = _exact(compute, left, right)
    elif result not in {"union", "exact"}:
        dtype = result
    # What doesn't fit into int64 is a double, as all but int64 fit into.
    working = np.int64 if "int64" in (union, dtype) and result != "real" else np.float64

    def apply(one: Pixels, other: Pixels) -> Pixels:
        values = compute(one.values.astype(working), other.values.astype(working))
        return Pixels(cast(values, dtype), one.mask & other.mask)

    if isinstance(left.read, Constant) and isinstance(right.read, Constant):
        # On two constants by value: their types are as narrow as they are.
        value = compute(np.array([left.read.value]), np.array([right.read.value]))[0]
        return constant(left.name, value.item())
    return derive(left, [left, right], apply, dtype)


def _register_binary(name: str, compute: Compute, result: str) -> None:
    @function(f"Image.{name}")
    def operate(left: Image, right: Image) -> Image:
        return _binary(f"Image.{name}", left, right, partial(_operate, compute, result))


for _name, _operator in BINARY.items():
    _register_binary(_name, *_operator)


@function("Image.normalizedDifference")
def _normalized_difference(image: Image, names: list[str] | None) -> Image:
    """Masked where an input is negative, as documented; 0 where both are 0 [not verified]."""
    chosen = image.bands[:2] if names is None else choose(image, names)
    if len(chosen) != 2:
        raise ServiceError(f"Image.normalizedDifference: Need 2 bands, got {len(chosen)}.")

    def apply(one: Pixels, other: Pixels) -> Pixels:
        left, right = one.values.astype(np.float64), other.values.astype(np.float64)
        mask = one.mask & other.mask & (left >= 0) & (right >= 0)
        return Pixels(cast(_divide(left - right, left + right), "float32"), mask)

    return plain(image, [replace(derive(chosen[0], chosen, apply, "float32"), name="nd")])


@function("Image.remap")
def _remap(image: Image, old: list[Any], new: list[Any], default: Any, name: str | None) -> Image:
    """Of the first band, or the named one: named ``remapped``, with the image's properties."""
    given = [*old, *new, *([] if default is None else [default])]
    if len(old) != len(new) or not all(isinstance(each, int | float) for each in given):
        raise ServiceError("Image.remap: the emulator takes two lists of as many numbers.")
    (band,) = choose(image, [0 if name is None else name])
    others = [constant("", value) for value in given[len(old) :]]
    dtype = common_type(others)
    pairs = dict(zip(old, new, strict=True))

    def apply(own: Pixels) -> Pixels:
        values = np.full(own.values.shape, default or 0, np.float64)
        known = np.full(own.mask.shape, default is not None)
        for key, value in pairs.items():
            here = own.values == key
            values[here], known[here] = value, True
        return Pixels(cast(values, dtype), own.mask & known)

    return image.with_bands([replace(derive(band, [band], apply, dtype), name="remapped")])


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
