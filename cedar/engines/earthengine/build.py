"""Building a stack's expression from image metadata: what a file holds, and from which images.

The rules are docs/concepts.rst, "What a stack holds". The stack is made from the ids that the
metadata lists, never from a live query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cedar.sensors.bands import beside

from .graph import Call
from .recipes import made, masked, presence, reading

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


def stack(metadata: ImageMetadata, groups: Sequence[Mapping[str, Any]]) -> Call:
    """Return the image of the layers of some of a stack's groups: all bands of the first, the next.

    Band names are positions, ``{group}_{band}``; the file's own names are given when it is written.
    """
    image = metadata["image"]
    layers = made(_read_layers(groups, image), image, _filled)
    return Call("ImageCollection.toBands", collection=_collection(layers))


def has_pixels(image: Mapping[str, Any]) -> Call:
    """Return where each group of a section `image` with a recipe has pixels; see `presence`."""
    return presence(_read_layers(image["groups"], image), image)


def _read_layers(groups: Sequence[Mapping[str, Any]], image: Mapping[str, Any]) -> list[Call]:
    """Return groups with all bands that are read."""
    return masked([_group(group, reading(image)) for group in groups], groups, image)


def _group(group: Mapping[str, Any], image: Mapping[str, Any]) -> Call:
    """Return one layer: at each pixel, the topmost image that is present supplies all bands.

    Nodata lies under them all: whether unmask reaches beyond the footprints of a mosaic isn't
    documented, and a constant has none.
    """
    names = tuple(band["name"] for band in image["bands"])
    layers = [_background(names, image["nodata"], image["dtype"])]
    form = {**image, **image["members"][group["collection"]]} if "collection" in group else image
    layers += [_layer(listed, form, names) for listed in group["images"]]
    return Call("ImageCollection.mosaic", collection=_collection(layers))


def _collection(images: list[Call]) -> Call:
    return Call("ImageCollection.fromImages", images=images)


@lru_cache
def _background(names: tuple[str, ...], nodata: float, dtype: str) -> Call:
    """Return nodata in all bands; the same for all layers of a stack, and of most of an order's."""
    return _cast(_constant([nodata] * len(names), names), dtype)


def _layer(listed: Mapping[str, Any], image: Mapping[str, Any], names: Sequence[str]) -> Call:
    """Return one image's bands, masked only where the image itself is absent."""
    nodata, resampling = image["nodata"], image.get("resampling")
    missing = set(listed.get("missing", ()))
    bands = [band for band in image["bands"] if band["name"] not in missing]
    validity = listed.get("validity", image.get("validity"))
    asked = [band for band in image.get("presence", bands) if band["name"] not in missing]
    present = Call(
        "Image.reduce",
        image=_masks(listed, asked, validity, resampling),
        reducer=Call("Reducer.max"),
    )
    parts = [
        part for alike in _alike(bands) for part in _numbers(listed, alike, nodata, resampling)
    ]
    parts += [_constant(nodata, [name]) for name in sorted(missing)]
    whole = Call("Image.select", input=reduce(_add_bands, parts), bandSelectors=[*names])
    return Call("Image.updateMask", image=_filled(whole, nodata, image["dtype"]), mask=present)


def _source(listed: Mapping[str, Any], joined: str | None) -> Call:
    """Return the image itself, or that of another collection which bands of it come from."""
    found = listed if joined is None else listed["joined"][joined]
    return Call("Image.load", id=found["system:id"])


def _masks(
    listed: Mapping[str, Any],
    asked: Sequence[Mapping[str, Any]],
    validity: str | None,
    resampling: str | None,
) -> Call:
    """Return masks of the band that says where the image is, or of all that may."""
    if validity is not None:
        asked = [{"native": validity}]
    by_source: dict[str | None, list[str]] = {}
    for band in asked:
        by_source.setdefault(band.get("joined"), []).append(band["native"])
    read = [
        _exact(_source(listed, joined), natives, natives, resampling)
        for joined, natives in by_source.items()
    ]
    return Call("Image.mask", image=reduce(_add_bands, read))


def _alike(bands: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return bands that are of one image and encoded alike together."""
    together: dict[str, list[Mapping[str, Any]]] = {}
    for band in bands:
        key = [band.get("joined"), band.get("encoded")]
        key += [band.get(name) for name in ("dtype", "scale", "offset")] if key[1] else []
        together.setdefault(repr(key), []).append(band)
    return [*together.values()]


def _numbers(
    listed: Mapping[str, Any],
    bands: Sequence[Mapping[str, Any]],
    nodata: float,
    resampling: str | None,
) -> list[Call]:
    """Return bands that are alike, as the file has their numbers."""
    parts = _read(_source(listed, bands[0].get("joined")), bands, resampling)
    if "encoded" not in bands[0]:
        return parts
    return [_encoded(part, bands[0], nodata) for part in parts]


def _read(source: Call, bands: Sequence[Mapping[str, Any]], resampling: str | None) -> list[Call]:
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
            selected = _select(source, natives, names)
            parts.append(Call("Image.resample", image=selected, mode="bilinear"))
        else:
            means = Call(
                "Image.reduceResolution",
                image=_select(source, natives, names),
                reducer=Call("Reducer.mean"),
                bestEffort=False,
                maxPixels=_MOST_INPUTS,
            )
            parts.append(means)
    return parts


def _exact(
    source: Call, natives: Sequence[str], names: Sequence[str], resampling: str | None
) -> Call:
    """Return bands whose pixels are native ones, the nearest.

    Where pixels may be coarser, the service would read a pyramid's means: a band that is pinned to
    its own projection first is sampled instead.
    """
    if resampling is None:
        return _select(source, natives, names)
    bands = [_select(source, [native], [name]) for native, name in zip(natives, names, strict=True)]
    pinned = [
        Call("Image.reproject", image=band, crs=Call("Image.projection", image=band))
        for band in bands
    ]
    return reduce(_add_bands, pinned)


def _select(source: Call, natives: Sequence[str], names: Sequence[str]) -> Call:
    return Call("Image.select", input=source, bandSelectors=list(natives), newNames=list(names))


def _add_bands(image: Call, other: Call) -> Call:
    return Call("Image.addBands", dstImg=image, srcImg=other)


def _constant(value: float | list[float], names: Sequence[str]) -> Call:
    constant = Call("Image.constant", value=value)
    return Call("Image.rename", input=constant, names=list(names))


def _filled(image: Call, nodata: float, dtype: str) -> Call:
    """Return the image in the file's type, with nodata where it is masked.

    Overflow in a cast isn't documented, so values are clamped first. The fill reaches beyond the
    image's footprint.
    """
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        image = Call("Image.clamp", input=image, low=int(limits.min), high=int(limits.max))
    fill = Call("Image.constant", value=nodata)
    return _cast(Call("Image.unmask", input=image, value=fill, sameFootprint=False), dtype)


def _encoded(image: Call, band: Mapping[str, Any], nodata: float) -> Call:
    """Return an image in a band's encoding: in doubles, as docs/design/cubes.rst says.

    A half goes up, which `round` may do otherwise. What would be nodata is the number beside it.
    """
    own, limits = band["encoded"], np.iinfo(band["dtype"])
    image = Call("Image.toDouble", value=image)
    for function, value, neutral in (
        ("multiply", own["scale"], 1),
        ("add", own["offset"], 0),
        ("subtract", band.get("offset", 0), 0),
        ("divide", band.get("scale", 1), 1),
        ("add", 0.5, 0),
    ):
        if value != neutral:
            number = Call("Image.constant", value=value)
            image = Call(f"Image.{function}", image1=image, image2=number)
    image = Call("Image.floor", value=image)
    image = Call("Image.clamp", input=image, low=int(limits.min), high=int(limits.max))
    if not limits.min <= nodata <= limits.max:
        return image
    is_nodata = Call("Image.eq", image1=image, image2=Call("Image.constant", value=nodata))
    instead = Call("Image.constant", value=beside(nodata))
    return Call("Image.where", input=image, test=is_nodata, value=instead)


def _cast(image: Call, dtype: str) -> Call:
    return Call(f"Image.{_CASTS[dtype]}", value=image)
