"""Building a stack's expression from image metadata: what a file holds, and from which images.

The rules are docs/concepts.rst, "What a stack holds". The stack is made from the ids that the
metadata lists, never from a live query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, Final

import ee
import numpy as np

if TYPE_CHECKING:
    from cedar.metadata import ImageMetadata

_NEAREST: Final = (None, "nearest")
#: Input pixels that one output pixel may take in a mean: the service's upper limit.
_MOST_INPUTS: Final = 65535
_CASTS: Final = {
    "uint8": "toUint8",
    "int8": "toInt8",
    "uint16": "toUint16",
    "int16": "toInt16",
    "uint32": "toUint32",
    "int32": "toInt32",
    "float32": "toFloat",
    "float64": "toDouble",
}


def stack(metadata: ImageMetadata, groups: Sequence[Mapping[str, Any]]) -> ee.Image:
    """Return the image of some of a stack's groups: all bands of the first, then the next.

    Band names are positions, ``{group}_{band}``; the file's own names are given when it is written.
    """
    image = metadata["image"]
    layers = [_group(group, image) for group in groups]
    return ee.ImageCollection.fromImages(layers).toBands()


def _group(group: Mapping[str, Any], image: Mapping[str, Any]) -> ee.Image:
    """Return one layer: at each pixel, the topmost image that is present supplies all bands.

    Nodata lies under them all: whether unmask reaches beyond the footprints of a mosaic isn't
    documented, and a constant has none.
    """
    names = tuple(band["name"] for band in image["bands"])
    layers = [_background(names, image["nodata"], image["dtype"])]
    layers += [_layer(listed, image) for listed in group["images"]]
    return ee.ImageCollection.fromImages(layers).mosaic()


@lru_cache
def _background(names: tuple[str, ...], nodata: float, dtype: str) -> ee.Image:
    """Return nodata in all bands; the same for all layers of a stack, and of most of an order's."""
    return _cast(ee.Image.constant([nodata] * len(names)).rename(list(names)), dtype)


def _layer(listed: Mapping[str, Any], image: Mapping[str, Any]) -> ee.Image:
    """Return one image's bands, masked only where the image itself is absent."""
    source = ee.Image(listed["system:id"])
    missing = set(listed.get("missing", ()))
    bands = [band for band in image["bands"] if band["name"] not in missing]
    resampling = image.get("resampling")
    validity = listed.get("validity", image.get("validity"))
    asked = [band for band in image.get("presence", bands) if band["name"] not in missing]
    natives = [band["native"] for band in asked] if validity is None else [validity]
    present = _exact(source, natives, natives, resampling).mask().reduce(ee.Reducer.max())
    parts = _read(source, bands, resampling)
    parts += [ee.Image.constant(image["nodata"]).rename([name]) for name in sorted(missing)]
    whole = reduce(ee.Image.addBands, parts).select([band["name"] for band in image["bands"]])
    return _filled(whole, image["nodata"], image["dtype"]).updateMask(present)


def _read(
    source: ee.Image, bands: Sequence[Mapping[str, Any]], resampling: str | None
) -> list[ee.Image]:
    """Return the bands, read as asked for. Bits and classes are never interpolated or averaged."""
    parts = []
    for exact in (True, False):
        chosen = [b for b in bands if exact is (b.get("qa", False) or resampling in _NEAREST)]
        natives, names = [b["native"] for b in chosen], [b["name"] for b in chosen]
        if not chosen:
            continue
        if exact:
            parts.append(_exact(source, natives, names, resampling))
        elif resampling == "bilinear":
            parts.append(source.select(natives, names).resample("bilinear"))
        else:
            selected = source.select(natives, names)
            parts.append(selected.reduceResolution(ee.Reducer.mean(), False, _MOST_INPUTS))
    return parts


def _exact(
    source: ee.Image, natives: Sequence[str], names: Sequence[str], resampling: str | None
) -> ee.Image:
    """Return bands whose pixels are native ones, the nearest.

    Where pixels may be coarser, the service would read a pyramid's means: a band that is pinned to
    its own projection first is sampled instead.
    """
    if resampling is None:
        return source.select(list(natives), list(names))
    bands = [source.select([native], [name]) for native, name in zip(natives, names, strict=True)]
    return reduce(ee.Image.addBands, [band.reproject(band.projection()) for band in bands])


def _filled(image: ee.Image, nodata: float, dtype: str) -> ee.Image:
    """Return the image in the file's type, with nodata where it is masked.

    Overflow in a cast isn't documented, so values are clamped first. The fill reaches beyond the
    image's footprint.
    """
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        image = image.clamp(int(limits.min), int(limits.max))
    return _cast(image.unmask(nodata, False), dtype)


def _cast(image: ee.Image, dtype: str) -> ee.Image:
    return getattr(image, _CASTS[dtype])()
