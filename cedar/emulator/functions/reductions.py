"""Many bands made one: the bands of an image, or those of one name in a collection.

What is made of a collection has the projection of composites (apidocs/ee-image-reproject).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ..bands import WGS84, Derived, cast, common_type, derive
from ..sampling import joined_footprint
from ..values import Band, Image, Pixels, ServiceError
from .base import function
from .collections import Collection
from .images import homogeneous
from .operators import plain
from .reducers import STATISTICS, Reducer, Statistic


def _computation(
    name: str, bands: Sequence[Band], statistic: Statistic
) -> tuple[Callable[..., Pixels], str]:
    """How a statistic is computed of some bands' pixels, and of which type it is."""
    of_pixels = statistic.of_pixels
    if of_pixels is None:
        raise ServiceError(f"{name}: the emulator has no '{statistic.name}' of pixels.")
    common = common_type(bands)
    dtype = statistic.dtype or common

    def compute(*inputs: Pixels) -> Pixels:
        mask = np.stack([pixels.mask for pixels in inputs])
        values = np.stack([cast(pixels.values, common) for pixels in inputs])
        valid: npt.NDArray[np.bool_] = np.any(mask, axis=0)
        return Pixels(cast(np.where(valid, of_pixels(values, mask), 0), dtype), valid)

    return compute, dtype


@function("Image.reduce")
def _reduce_image(image: Image, reducer: Reducer) -> Image:
    """All bands into one for each output of the reducer."""
    if not image.bands:
        raise ServiceError("Image.reduce: the image has no bands.")
    bands = []
    for statistic in reducer.statistics:
        compute, dtype = _computation("Image.reduce", image.bands, statistic)
        like = replace(image.bands[0], name=statistic.name)
        bands.append(derive(like, image.bands, compute, dtype))
    return plain(image, bands)


def _composite(
    name: str, collection: Collection, outputs: Sequence[tuple[str, Statistic]]
) -> Image:
    """Each band of a collection into one for each output (what its name ends with, what it is)."""
    bands = []
    for stack in homogeneous(name, collection):
        for suffix, statistic in outputs:
            compute, dtype = _computation(name, stack, statistic)
            read = Derived(stack, compute, composite=True)
            bands.append(Band(stack[0].name + suffix, dtype, WGS84, read))
    return Image(tuple(bands), footprint=joined_footprint(collection.elements))


@function("ImageCollection.reduce", takes="collection reducer", harmless="parallelScale")
def _reduce_collection(collection: Collection, reducer: Reducer) -> Image:
    outputs = [(f"_{statistic.name}", statistic) for statistic in reducer.statistics]
    return _composite("ImageCollection.reduce", collection, outputs)


_METHODS: Final = {
    "and": "allNonZero",
    "or": "anyNonZero",
    **{name: name for name in ("count", "max", "mean", "median", "min", "mode", "product", "sum")},
}


def _register(name: str, statistic: Statistic) -> None:
    @function(name)
    def reduced(collection: Collection) -> Image:
        return _composite(name, collection, [("", statistic)])


for _method, _reducer in _METHODS.items():
    _register(f"reduce.{_method}", STATISTICS[_reducer])


@function("ImageCollection.qualityMosaic")
def _quality_mosaic(collection: Collection, quality: str) -> Image:
    """At each pixel all bands of the image whose quality is highest and valid.

    Of several such images it is the first [not verified against Earth Engine].
    """
    name = "ImageCollection.qualityMosaic"
    stacks = {stack[0].name: stack for stack in homogeneous(name, collection)}
    if quality not in stacks:
        raise ServiceError(f"{name}: No band named '{quality}'. Available: [{', '.join(stacks)}].")
    bands = []
    for label, stack in stacks.items():
        dtype = common_type(stack)
        read = Derived((*stacks[quality], *stack), _choose(len(stack), dtype), composite=True)
        bands.append(Band(label, dtype, WGS84, read))
    return Image(tuple(bands), footprint=joined_footprint(collection.elements))


def _choose(count: int, dtype: str) -> Callable[..., Pixels]:
    """How the best of `count` layers is chosen: given their qualities, then they themselves."""

    def choose(*inputs: Pixels) -> Pixels:
        valid = np.stack([pixels.mask for pixels in inputs[:count]])
        quality = np.stack([pixels.values.astype(np.float64) for pixels in inputs[:count]])
        best = np.where(valid, quality, -np.inf).argmax(axis=0)[None]
        values = np.stack([cast(pixels.values, dtype) for pixels in inputs[count:]])
        mask = valid & np.stack([pixels.mask for pixels in inputs[count:]])
        return Pixels(*(np.take_along_axis(each, best, axis=0)[0] for each in (values, mask)))

    return choose
