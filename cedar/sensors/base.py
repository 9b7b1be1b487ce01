"""What a collection is, as data. How a stack is built from it is the engine's business."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from cedar.exceptions import InputError

GroupBy = Literal["pass", "solar_day", "utc_day", "none"]
Resampling = Literal["nearest", "bilinear", "mean"]

#: Pixel types that Earth Engine casts to and a GeoTIFF holds, as numpy names them.
DTYPES: Final = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "float32",
    "float64",
)


@dataclass(frozen=True)
class Band:
    """One band of a collection.

    Attributes
    ----------
    name, native : str
        The common name (``red``), and the collection's own (``SR_B4``).
    dtype : str
        numpy name of its type in the collection.
    valid_range : (float, float) or None
        Smallest and largest value that mean something, both inclusive.
    scale, offset : float
        Physical value = scale × number + offset.
    units : str or None
        Of the physical value.
    default : bool
        Whether it is in the stack where the user doesn't choose; where the user did, whether it
        was chosen.
    qa : bool
        Bits or classes rather than a quantity: never averaged or interpolated.
    """

    name: str
    native: str
    dtype: str
    valid_range: tuple[float, float] | None = None
    scale: float = 1.0
    offset: float = 0.0
    units: str | None = None
    default: bool = True
    qa: bool = False


@dataclass(frozen=True)
class Collection:
    """An Earth Engine ImageCollection, and how cedar stacks it.

    Attributes
    ----------
    id : str
        Earth Engine collection id.
    bands : tuple of Band
        All that cedar knows of it.
    chosen : tuple of str
        Common names of the bands in the stack, in order.
    nodata : float
        One value for all bands of a file.
    dtype : str or None
        Type of the file; None means the smallest that holds all chosen bands.
    validity : str or None
        Native band whose mask says where an image is present; None means any chosen band.
    group_by : str
        Default rule for groups.
    pass_properties : tuple of str
        Properties that tell one pass from another on one solar day.
    properties : tuple of str
        Properties recorded of every image.
    service_start, service_end : datetime.date or None
        Dates of service, the end inclusive; None: still in service, or not known.
    resolution : float or None
        Native pixel size in metres; None: ask the engine.
    resampling : str or None
        How to read pixels coarser than native; None: refuse.
    allow_widening : bool
        Whether the file may take more bytes a pixel than the bands do.
    night : bool
        Whether night scenes are taken.
    night_rule : (str, float) or None
        A scene whose property is at least this is a night scene.
    qa_bits : mapping
        Of each QA band, by its native name: bit (or ``first-last``) → meaning.
    source : str or None
        Where all of this is documented.
    title : str or None
        What it is called.
    members : tuple of Collection
        Of several that are merged: what is searched and read. It is no collection of Earth Engine's
        itself.
    """

    id: str
    bands: tuple[Band, ...]
    chosen: tuple[str, ...]
    nodata: float = 0
    dtype: str | None = None
    validity: str | None = None
    group_by: GroupBy = "solar_day"
    pass_properties: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    service_start: dt.date | None = None
    service_end: dt.date | None = None
    resolution: float | None = None
    resampling: Resampling | None = None
    allow_widening: bool = False
    night: bool = False
    night_rule: tuple[str, float] | None = None
    qa_bits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source: str | None = None
    title: str | None = None
    members: tuple[Collection, ...] = ()

    @property
    def sources(self) -> tuple[Collection, ...]:
        """The collections of Earth Engine's that its images are of: its members, or itself."""
        return self.members or (self,)

    def source_of(self, collection_id: str | None) -> Collection:
        """The member of an id; itself where that is None.

        Parameters
        ----------
        collection_id : str or None
            As a group has it.
        """
        if collection_id is None:
            return self
        return next(each for each in self.members if each.id == collection_id)

    def band(self, name: str) -> Band:
        """The band of the common name `name`.

        Raises
        ------
        KeyError
            There is none.
        """
        for band in self.bands:
            if band.name == name:
                return band
        raise KeyError(name)

    @property
    def stack_bands(self) -> tuple[Band, ...]:
        """The chosen bands, in order."""
        return tuple(self.band(name) for name in self.chosen)

    @property
    def stack_dtype(self) -> str:
        """Type of the file: `dtype`, or the smallest that holds all chosen bands.

        Raises
        ------
        InputError
            None of `DTYPES` holds them all.
        """
        if self.dtype is not None:
            return self.dtype
        dtypes = sorted({band.dtype for band in self.stack_bands})
        smallest = str(np.result_type(*dtypes))
        if smallest not in DTYPES:
            raise InputError(f"no one type holds {' and '.join(dtypes)}: set `dtype`")
        return smallest

    @property
    def stack_bytes(self) -> tuple[int, int]:
        """Bytes that one pixel of the chosen bands takes: in the collection, and in the file."""
        own = sum(np.dtype(band.dtype).itemsize for band in self.stack_bands)
        return own, np.dtype(self.stack_dtype).itemsize * len(self.chosen)

    @property
    def nodata_in_valid_range(self) -> tuple[str, ...]:
        """Chosen bands in which `nodata` is also a value that means something.

        A band without a `valid_range` isn't among them: nothing is known against it.
        """
        return tuple(
            band.name
            for band in self.stack_bands
            if band.valid_range is not None
            and band.valid_range[0] <= self.nodata <= band.valid_range[1]
        )


def catalog_page(collection_id: str) -> str:
    """Where Earth Engine's catalog documents a collection."""
    page = collection_id.replace("/", "_")
    return f"https://developers.google.com/earth-engine/datasets/catalog/{page}"
