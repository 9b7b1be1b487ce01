"""What a collection is, as data. How a stack is built from it is the engine's business."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cedar.exceptions import InputError
from cedar.recipes import COUNT, Recipe, Test, tests

from .bands import DTYPES, Band, Encoding

__all__ = ["DTYPES", "Band", "Collection", "Encoding", "catalog_page"]

GroupBy = Literal["pass", "solar_day", "utc_day", "none"]
Resampling = Literal["nearest", "bilinear", "mean"]


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
    cloud : float or None
        Most percent of clouds that an image may have; None: any.
    cloud_property : str or None
        Property that says how many it has.
    qa_bits : mapping
        Of each QA band, by its native name: bit (or ``first-last``), or class → meaning.
    qa_classes : tuple of str
        Native names of the QA bands whose numbers are classes, not bits.
    unclear : tuple of str
        Meanings of which a pixel that is clear has none; empty: which are clear isn't known.
    recipe : Recipe or None
        What is made of its layers before they are a file.
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
    cloud: float | None = None
    cloud_property: str | None = None
    qa_bits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    qa_classes: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    recipe: Recipe | None = None
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
    def masked_by(self) -> tuple[Test, ...]:
        """What its recipe's masks ask of QA bands.

        Raises
        ------
        InputError
            No band says that.
        """
        if self.recipe is None:
            return ()
        if self.members:
            found = (test for member in self.members for test in member.tests)
            return tuple(dict.fromkeys(found))
        meanings = [*self.recipe.mask, *(self.unclear if self.recipe.keep else ())]
        return tests(meanings, self.qa_bits, self.qa_classes)

    @property
    def tests(self) -> tuple[Test, ...]:
        """The same, by the bands' common names."""
        names = {band.native: band.name for band in self.bands}
        return tuple(test._replace(native=names[test.native]) for test in self.masked_by)

    @property
    def read_bands(self) -> tuple[Band, ...]:
        """The chosen bands, then those that its recipe needs besides."""
        if self.recipe is None:
            return self.stack_bands
        natives = {test.native for test in self.masked_by}
        names = {name for index in self.recipe.indices for name in index.of.values()}
        more = [b for b in self.bands if b.native in natives or b.name in names]
        return tuple(dict.fromkeys((*self.stack_bands, *more)))

    @property
    def read_dtype(self) -> str:
        """Type that holds all bands that are read: the file's, or a larger one."""
        more = [b.file_dtype for b in self.read_bands if b not in self.stack_bands]
        smallest = str(np.result_type(self.stack_dtype, *more))
        return smallest if smallest in DTYPES else "float64"

    @property
    def file_bands(self) -> tuple[str, ...]:
        """Names of the bands of a layer in the file: the chosen ones, or what a recipe makes."""
        recipe = self.recipe
        if recipe is None:
            return self.chosen
        made = [*self.chosen, *(index.name for index in recipe.indices)]
        if recipe.composite == "median":
            # Of bits and classes there is none.
            made = [name for name in made if name not in self.chosen or not self.band(name).qa]
        elif recipe.composite == COUNT:
            made = []
        return (*made, COUNT) if recipe.counts else tuple(made)

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
        dtypes = sorted({band.file_dtype for band in self.stack_bands})
        smallest = str(np.result_type(*dtypes))
        if smallest not in DTYPES:
            raise InputError(f"no one type holds {' and '.join(dtypes)}: set `dtype`")
        return smallest

    @property
    def is_composite(self) -> bool:
        """Whether all layers of an item become one."""
        return self.recipe is not None and self.recipe.composite is not None

    @property
    def stack_bytes(self) -> tuple[int, int]:
        """Bytes that one pixel of the chosen bands takes: each in its own type, and in the file.

        An encoded band's own type is its encoding's.
        """
        own = sum(np.dtype(band.file_dtype).itemsize for band in self.stack_bands)
        return own, np.dtype(self.stack_dtype).itemsize * len(self.chosen)

    @property
    def joins(self) -> tuple[str, ...]:
        """Ids of the other collections that chosen bands come from."""
        ids = [band.joined for band in self.stack_bands if band.joined is not None]
        return tuple(dict.fromkeys(ids))

    @property
    def nodata_in_valid_range(self) -> tuple[str, ...]:
        """Chosen bands in which `nodata` is also a value that means something.

        A band without a `valid_range` isn't among them: nothing is known against it. Nor is one
        that is encoded: it never has that number.
        """
        if self.members:
            doubtful = {name for each in self.members for name in each.nodata_in_valid_range}
            return tuple(name for name in self.chosen if name in doubtful)
        return tuple(band.name for band in self.stack_bands if band.may_be(self.nodata))

    def with_nodata(self, nodata: float) -> Collection:
        """The same with another nodata value.

        Parameters
        ----------
        nodata : float
            Of all its files.
        """
        members = tuple(member.with_nodata(nodata) for member in self.members)
        return replace(self, nodata=nodata, members=members)

    def check_validity(self) -> None:
        """See that nodata can be told from a value in every chosen band.

        Either no such value is valid in the band, or the validity band is chosen too, in which it
        never is.

        Raises
        ------
        InputError
            It can't be told.
        """
        doubtful, advice = self.nodata_in_valid_range, ""
        validity = next((band for band in self.bands if band.native == self.validity), None)
        if validity is None:
            advice = f"add {self.validity} to `bands`, " if self.validity else ""
        elif validity.encoding is None and validity.valid_range is None:
            advice = f"say the `valid_range` of {validity.name}, "
        elif not validity.may_be(self.nodata):
            if validity.name in self.chosen:
                return
            advice = f"choose {validity.name} too, "
        if doubtful:
            raise InputError(
                f"the nodata value {self.nodata:g} is a valid value of {', '.join(doubtful)}, and "
                f"no chosen band tells which it is: {advice}set another `nodata`, or a "
                "`valid_range` without it"
            )

    def filters(self, given: Sequence[Mapping[str, Any]] = ()) -> list[Mapping[str, Any]]:
        """Return what a search filters by: the filters that are `given`, and that of `cloud`.

        Raises
        ------
        InputError
            One that is given filters by the property of `cloud`, too.
        """
        if self.cloud is None or self.cloud_property is None:
            return [*given]
        if self.cloud_property in _strings(given):
            raise InputError(
                f"collection {self.id}: cloud: a filter is by {self.cloud_property}, too: give one "
                "of the two"
            )
        return [*given, {"function": "lte", "name": self.cloud_property, "value": self.cloud}]


def _strings(value: Any) -> Iterator[str]:
    """All the strings in a filter, however deep."""
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, str):
        yield value
        # An expression may be its JSON.
        yield from value.split('"')
    elif isinstance(value, Sequence):
        for each in value:
            yield from _strings(each)


def catalog_page(collection_id: str) -> str:
    """Where Earth Engine's catalog documents a collection."""
    page = collection_id.replace("/", "_")
    return f"https://developers.google.com/earth-engine/datasets/catalog/{page}"
