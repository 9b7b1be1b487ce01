"""Images: loading, choosing bands, masks, mosaics, stacks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..bands import WGS84, Constant, Derived, cast, common_type, constant_type, derive
from ..limits import STACK
from ..questions import answers
from ..sampling import inside, joined_footprint
from ..shapes import LON_LAT, shape_in
from ..values import Band, Catalog, Geometry, Image, Pixels, ServiceError
from .base import WrongKindError, convert, function, instance, kind_of
from .collections import Collection

instance("Image", Image)


@function("Image.load", needs_catalog=True)
def _load(catalog: Catalog, asset: str, version: int) -> Image:
    """The emulator has one version of an image; another one is not found."""
    image = catalog.image(asset)
    if image is None or version not in {-1, image.version}:
        raise ServiceError(
            f"Image.load: Image asset '{asset}' not found "
            "(does not exist or caller does not have access)."
        )
    return image


@function("Image.constant")
def _constant(value: Any) -> Image:
    """Unbounded; a list's values are bands ``constant_0``, ``constant_1`` and so on."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, int | float) and v == v for v in values):
        raise ServiceError("Image.constant: the emulator takes numbers only.")
    names = (
        [f"constant_{i}" for i in range(len(values))] if isinstance(value, list) else ["constant"]
    )
    return Image(tuple(map(constant, names, values)))


def constant(name: str, value: float) -> Band:
    """A band of one value everywhere."""
    return Band(name, constant_type(value), WGS84, Constant(value))


@function("Image.bandNames")
def _band_names(image: Image) -> list[str]:
    return [band.name for band in image.bands]


@function("Image.select")
def _select(image: Image, selectors: list[Any], names: list[str] | None) -> Image:
    """By name, regular expression that matches a whole name, or index."""
    bands = choose(image, selectors)
    return _renamed("Image.select", image, bands, names)


@function("Image.rename")
def _rename(image: Image, names: list[str]) -> Image:
    return _renamed("Image.rename", image, image.bands, names)


def _renamed(
    function_name: str, image: Image, bands: Sequence[Band], names: Sequence[str] | None
) -> Image:
    if names is not None:
        if len(names) != len(bands):
            raise ServiceError(
                f"{function_name}: The number of names ({len(names)}) must match the number of "
                f"bands ({len(bands)})."
            )
        bands = [replace(band, name=name) for band, name in zip(bands, names, strict=True)]
    ((name, count),) = Counter(band.name for band in bands).most_common(1) or [("", 1)]
    if count > 1:
        raise ServiceError(f"{function_name}: {count} bands have the name '{name}'.")
    return image.with_bands(bands)


def choose(image: Image, selectors: Iterable[Any]) -> list[Band]:
    """The bands that selectors stand for, in the order of the selectors.

    Raises
    ------
    ServiceError
        A selector stands for none.
    """
    names = [band.name for band in image.bands]
    chosen = []
    for selector in selectors:
        if isinstance(selector, int | float) and not isinstance(selector, bool):
            found = [image.bands[int(selector)]] if 0 <= selector < len(names) else []
        elif selector in names:
            found = [image.bands[names.index(selector)]]
        else:
            found = _matching(image, selector)
        if not found:
            reason = (
                f"did not match any bands. Available bands: [{', '.join(names)}]"
                if names
                else "was applied to an Image with no bands."
            )
            raise ServiceError(f"Image.select: Band pattern '{selector}' {reason}")
        chosen.extend(found)
    return chosen


def _matching(image: Image, pattern: Any) -> list[Band]:
    try:
        return [band for band in image.bands if re.fullmatch(pattern, band.name)]
    except (re.error, TypeError):
        raise ServiceError(f"Image.select: {pattern!r} can't select bands.") from None


@function("Image.addBands")
def _add_bands(image: Image, source: Image, names: list[str] | None, overwrite: bool) -> Image:
    """A name that is there already gets a suffix, ``_1``, unless it overwrites."""
    bands = list(image.bands)
    for band in source.bands if names is None else choose(source, names):
        at = [old.name for old in bands]
        if overwrite and band.name in at:
            bands[at.index(band.name)] = band
            continue
        name, number = band.name, 0
        while name in at:
            number += 1
            name = f"{band.name}_{number}"
        bands.append(replace(band, name=name))
    return image.with_bands(bands)


def paired(name: str, image: Image, other: Image) -> list[tuple[Band, Band]]:
    """Each band of an image with the other image's: its only one, or the one at its place.

    Raises
    ------
    ServiceError
        The other has neither one band nor as many.
    """
    if len(other.bands) == 1:
        return [(band, other.bands[0]) for band in image.bands]
    if len(other.bands) != len(image.bands):
        raise ServiceError(
            f"{name}: Expected 1 or {len(image.bands)} bands, got {len(other.bands)}."
        )
    return list(zip(image.bands, other.bands, strict=True))


def _zero() -> Image:
    return Image((constant("constant", 0),))


@function("Image.unmask")
def _unmask(image: Image, value: Image | None, same_footprint: bool) -> Image:
    """With the same footprint nothing is filled outside; else wherever the value is valid.

    The latter is documented; that it holds for composites too is an open question.
    """
    fill = _zero() if value is None else value
    same_footprint = same_footprint or answers().unmask_edge == "input"
    footprint = image.footprint if same_footprint else joined_footprint([image, fill])
    limits = [inside(image.footprint)] if same_footprint and image.footprint else []
    bands = []
    for band, other in paired("Image.unmask", image, fill):
        dtype = common_type([band, other])

        def fill_in(own: Pixels, filling: Pixels, *limits: Pixels, dtype: str = dtype) -> Pixels:
            filled = ~own.mask & filling.mask
            for each in limits:
                filled &= each.mask
            values = np.where(filled, cast(filling.values, dtype), cast(own.values, dtype))
            return Pixels(values, own.mask | filled)

        bands.append(derive(band, [band, other, *limits], fill_in, dtype))
    return replace(image, bands=tuple(bands), footprint=footprint)


def _of_mask(own: Pixels) -> Pixels:
    return Pixels(own.mask.astype(np.float32), np.ones_like(own.mask))


def _updated(own: Pixels, given: Pixels) -> Pixels:
    return Pixels(own.values, own.mask & given.mask & (given.values != 0))


def _replaced(own: Pixels, given: Pixels) -> Pixels:
    zero = own.values.dtype.type(0)
    return Pixels(np.where(own.mask, own.values, zero), given.mask & (given.values != 0))


@function("Image.mask")
def _mask(image: Image, mask: Image | None) -> Image:
    """Its masks as bands of 0 and 1, valid everywhere; or the image with other masks."""
    if mask is None:
        return image.with_bands([derive(b, [b], _of_mask, "float32") for b in image.bands])
    pairs = paired("Image.mask", image, mask)
    return image.with_bands([derive(band, [band, new], _replaced) for band, new in pairs])


@function("Image.updateMask")
def _update_mask(image: Image, mask: Image) -> Image:
    """Masks here are yes or no: any value but 0 is valid."""
    pairs = paired("Image.updateMask", image, mask)
    return image.with_bands([derive(band, [band, new], _updated) for band, new in pairs])


@function("Image.selfMask")
def _self_mask(image: Image) -> Image:
    return image.with_bands([derive(band, [band, band], _updated) for band in image.bands])


def homogeneous(name: str, collection: Collection) -> list[tuple[Band, ...]]:
    """Each band of a collection's images, in the order of the images.

    Raises
    ------
    ServiceError
        The images haven't all the same bands in the same order.
    """
    images = collection.elements
    names = [[band.name for band in image.bands] for image in images]
    if any(each != names[0] for each in names):
        raise ServiceError(
            f"{name}: Expected a homogeneous image collection, but an image with incompatible "
            f"bands was encountered. Expected bands: [{', '.join(names[0])}]."
        )
    return list(zip(*(image.bands for image in images), strict=True))


@function("ImageCollection.mosaic")
def _mosaic(collection: Collection) -> Image:
    """The last image on top, each band by its own mask.

    The footprint is the images' together [not verified against Earth Engine].
    """
    stacks = homogeneous("ImageCollection.mosaic", collection)
    return Image(tuple(map(_on_top, stacks)), footprint=joined_footprint(collection.elements))


def _on_top(bands: Sequence[Band]) -> Band:
    """Bands laid on each other one by one, so that no more than two are held at once."""
    dtype = common_type(bands)

    def lay(top: Pixels, under: Pixels | None = None) -> Pixels:
        values = cast(top.values, dtype)
        if under is None:
            return Pixels(values, top.mask)
        return Pixels(np.where(top.mask, values, under.values), top.mask | under.mask)

    under: tuple[Band, ...] = ()
    for top in bands:
        under = (Band(top.name, dtype, WGS84, Derived((top, *under), lay, composite=True)),)
    return under[0]


@function("ImageCollection.toBands")
def _to_bands(collection: Collection) -> Image:
    images = collection.elements
    bands = [
        replace(band, name=f"{image.get('system:index')}_{band.name}")
        for image in images
        for band in image.bands
    ]
    STACK.check(len(bands))
    stack = Image((), footprint=joined_footprint(images))
    return _renamed("ImageCollection.toBands", stack, bands, None)


def clipped(image: Image, geometry: Geometry) -> Image:
    """The image masked outside a geometry, which becomes its footprint."""
    limit = inside(geometry)

    def cut(own: Pixels, within: Pixels) -> Pixels:
        return Pixels(own.values, own.mask & within.mask)

    bands = tuple(derive(band, [band, limit], cut) for band in image.bands)
    return replace(image, bands=bands, footprint=geometry)


@function("Image.clip")
def _clip(image: Image, geometry: Any) -> Image:
    """By pixel centres, those on the edge included [not verified against Earth Engine]."""
    try:
        within = convert("Geometry", geometry)
    except WrongKindError:
        raise ServiceError(
            "Image.clip, argument 'geometry': Invalid type. Expected type: Geometry or Feature. "
            f"Actual type: {kind_of(geometry)}."
        ) from None
    return replace(clipped(image, within), footprint=_common_footprint(image.footprint, within))


def _common_footprint(one: Geometry | None, other: Geometry) -> Geometry:
    if one is None:
        return other
    return Geometry(shape_in(one, LON_LAT).intersection(shape_in(other, LON_LAT)))
