"""What the bands and layers of a stack are, as its metadata and the record say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cedar.periods import parse_date
from cedar.sensors import known

if TYPE_CHECKING:
    from cedar.metadata import ImageMetadata, TrackingMetadata

#: Types that hold all that one does, and more; signed, so that there is room below.
_WIDER: Final = {
    "uint8": "int16",
    "int8": "int16",
    "uint16": "int32",
    "int16": "int32",
    "uint32": "int64",
    "int32": "int64",
}
#: Documents of 2019 don't say which bands are bits.
_QA_OF_2019: Final = ("pixel_qa", "radsat_qa")
#: What bits of a file of floats are integers of.
_INTEGERS: Final = {"float32": "int32", "float64": "int64"}


@dataclass(frozen=True)
class CubeBand:
    """A band as it is in a cube.

    Attributes
    ----------
    name : str
        Its common name.
    dtype : str
        numpy name of its type: the file's, but integers for bits in a file of floats, and a wider
        one where `fill` needs it.
    scale, offset : float
        Physical value = scale × number + offset.
    units : str or None
        Of the physical value.
    valid_range : (float, float) or None
        Of the numbers, both inclusive.
    flags : mapping
        Bit (or ``first-last``), or class, → what it means.
    qa : bool
        Bits or classes rather than a quantity.
    formula : str or None
        Of an index, how it is worked out.
    native : str or None
        What the collection calls it.
    nodata : float or None
        What stands for nothing in the file.
    fill : float or None
        What stands for nothing in a cube. None for bits and classes, which have no such number:
        read as numbers with gaps they would become floats.
    masked_by : str or None
        The band that says where this one is nothing: where its own numbers can't.
    is_ambiguous : bool
        Whether the file's nodata value is also a number that means something.
    has_classes : bool
        Whether `flags` are of values rather than of bits.
    """

    name: str
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    units: str | None = None
    valid_range: tuple[float, float] | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    qa: bool = False
    formula: str | None = None
    native: str | None = None
    nodata: float | None = None
    fill: float | None = None
    masked_by: str | None = None
    is_ambiguous: bool = False
    has_classes: bool = False


@dataclass(frozen=True)
class Layer:
    """What a stack holds all its bands of.

    Attributes
    ----------
    time : datetime.datetime
        In UTC.
    start, end : datetime.datetime
        What it is of: the period of a composite, else its very time.
    label : str
        What names of bands begin with: ``2020-05-18``.
    images : tuple of str
        ``system:id@system:version`` of each, the lowest first; none where it isn't known.
    collection : str
        Of the images.
    """

    time: dt.datetime
    start: dt.datetime
    end: dt.datetime
    label: str
    images: tuple[str, ...]
    collection: str


def bands_of(
    metadata: ImageMetadata, tracking: TrackingMetadata, dtype: str, nodata: float | None
) -> list[CubeBand]:
    """Say what the bands of a stack are.

    Parameters
    ----------
    metadata : ImageMetadata
        The item's.
    tracking : TrackingMetadata
        The record, for what the metadata leaves out.
    dtype, nodata
        The files'.
    """
    defined, image = _definition(metadata, tracking), metadata["image"]
    bands = []
    for band in image["bands"]:
        flags = _flags(band, defined)
        classes = band["native"] in defined.get("qa_classes", ())
        bands.append(
            replace(
                _band(band, dtype, nodata),
                flags=flags,
                is_ambiguous=_is_ambiguous(band, image, nodata),
                has_classes=classes or _are_classes(flags, band.get("valid_range")),
            )
        )
    return bands


def validity_of(metadata: ImageMetadata, bands: Sequence[CubeBand]) -> str | None:
    """Return the band by whose nodata others of a stack are masked, if it has one.

    Parameters
    ----------
    metadata : ImageMetadata
        The item's.
    bands : sequence of CubeBand
        The stack's.
    """
    image = metadata["image"]
    natives = {b["native"]: b["name"] for b in (*image["bands"], *image.get("presence", ()))}
    name = None if image.get("validity") is None else natives.get(image["validity"])
    return name if name in {band.name for band in bands if not band.is_ambiguous} else None


def masked(
    bands: Sequence[CubeBand], validity: str | None, metadata: ImageMetadata
) -> list[CubeBand]:
    """Give bands what stands for nothing in a cube: the file's nodata value where it may.

    What a recipe has masked is nodata where there are images, too: there no other band tells.
    """
    recipe = metadata["image"].get("recipe", {})
    is_told = not (recipe.get("mask") or recipe.get("keep"))
    return [_masked(band, validity if is_told else None) for band in bands]


def layers_of(metadata: ImageMetadata) -> list[Layer]:
    """Say what the layers of a stack are."""
    order, bands = metadata["order"], max(1, len(metadata.bands))
    labels = [name.partition("_")[0] for name in metadata.band_names[::bands]]
    is_composite = metadata.layers is not metadata.groups
    start, end = (parse_date(order[key]) for key in ("date_start", "date_end"))
    layers = []
    for label, layer in zip(labels, metadata.layers, strict=True):
        time = parse_date(layer["time"])
        groups = metadata.groups if is_composite else [layer]
        images = [each for group in groups for image in group["images"] for each in _ids(image)]
        collections = {group.get("collection") or order["collection"] for group in groups}
        bounds = (start, end) if is_composite else (time, time)
        only = collections.pop() if len(collections) == 1 else order["collection"]
        layers.append(Layer(time, *bounds, label, tuple(images), only))
    return layers


def _band(band: Mapping[str, Any], dtype: str, nodata: float | None) -> CubeBand:
    low_high = band.get("valid_range")
    return CubeBand(
        name=band["name"],
        dtype=dtype,
        scale=float(band.get("scale", 1.0)),
        offset=float(band.get("offset", 0.0)),
        units=band.get("units"),
        valid_range=None if low_high is None else (float(low_high[0]), float(low_high[1])),
        qa=_is_qa(band),
        formula=band.get("formula"),
        native=band["native"],
        nodata=nodata,
    )


def _is_qa(band: Mapping[str, Any]) -> bool:
    return bool(band.get("qa", band["native"] is None and band["name"] in _QA_OF_2019))


def _is_ambiguous(band: Mapping[str, Any], image: Mapping[str, Any], nodata: float | None) -> bool:
    if "nodata_in_valid_range" in image:
        return band["name"] in image["nodata_in_valid_range"]
    return holds(band.get("valid_range"), nodata)


def _definition(metadata: ImageMetadata, tracking: TrackingMetadata) -> Mapping[str, Any]:
    """Return how the record, or else cedar itself, defines a collection."""
    collection = metadata["order"]["collection"]
    defined: Mapping[str, Any] = tracking["submission"].get("definitions", {}).get(collection, {})
    if "qa_bits" in defined or collection not in known():
        return defined
    return {"qa_bits": known()[collection].qa_bits}


def _flags(band: Mapping[str, Any], defined: Mapping[str, Any]) -> Mapping[str, str]:
    if not _is_qa(band):
        return {}
    bits = defined.get("qa_bits", {})
    return dict(band["flags"] if "flags" in band else bits.get(band["native"], {}))


def _are_classes(flags: Mapping[str, str], valid_range: Sequence[float] | None) -> bool:
    """Whether flags are of values, where nobody says.

    Of bits the largest value is 2 to the power of the highest, or more; of classes the highest.
    """
    singles = [int(key) for key in flags if key.isdecimal()]
    return (
        valid_range is not None
        and len(singles) == len(flags) > 0
        and valid_range[1] <= max(singles)
    )


def _masked(band: CubeBand, validity: str | None) -> CubeBand:
    if band.qa:
        return replace(band, dtype=_INTEGERS.get(band.dtype, band.dtype))
    if validity is None or validity == band.name or not band.is_ambiguous:
        return replace(band, fill=band.nodata)
    dtype, fill = _own_fill(band)
    return replace(band, dtype=dtype, fill=fill, masked_by=validity)


def _own_fill(band: CubeBand) -> tuple[str, float]:
    """Find a number that means nothing in a band: in its type, or where it has none, in a wider."""
    if np.dtype(band.dtype).kind == "f":
        return band.dtype, float("nan")
    limits = np.iinfo(band.dtype)
    for number in (limits.max, limits.min):
        if not holds(band.valid_range, number):
            return band.dtype, float(number)
    wider = _WIDER[band.dtype]
    return wider, float(np.iinfo(wider).min)


def holds(valid_range: Sequence[float] | None, number: float | None) -> bool:
    """Whether a number is in a range."""
    return (
        valid_range is not None
        and number is not None
        and valid_range[0] <= number <= valid_range[1]
    )


def _ids(image: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an image is called, and those that bands of it are joined from."""
    for each in (image, *image.get("joined", {}).values()):
        version = each.get("system:version")
        yield str(each["system:id"]) if version is None else f"{each['system:id']}@{version}"
