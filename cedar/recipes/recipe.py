"""A recipe, and how it is read from settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cedar.exceptions import InputError

from .indices import Index, define

#: Name of the band that says of how many observations a composite is.
COUNT: Final = "count"
#: Most observations that a composite can be of: images that the service lists.
_MOST: Final = 5_000


@dataclass(frozen=True)
class Recipe:
    """What is made of a collection's layers, in this order.

    Attributes
    ----------
    mask : tuple of str
        Meanings of QA bands: what a pixel has that is masked.
    keep : {"clear"} or None
        Mask all but what the collection calls clear.
    indices : tuple of Index
        Bands that are added.
    composite : {"median", "medoid", "count"} or None
        What all layers of an item become; None: they stay.
    count : bool
        Whether a composite has a band that counts its observations.
    drop_empty : bool
        Whether layers without any pixel are left out of an order.
    """

    mask: tuple[str, ...] = ()
    keep: Literal["clear"] | None = None
    indices: tuple[Index, ...] = ()
    composite: Literal["median", "medoid", "count"] | None = None
    count: bool = False
    drop_empty: bool = False

    def __str__(self) -> str:
        """In words, for people."""
        said = [f"masked: {', '.join(self.mask)}"] if self.mask else []
        said += ["clear pixels only"] if self.keep else []
        said += [f"with {', '.join(index.name for index in self.indices)}"] if self.indices else []
        if self.composite == COUNT:
            said.append("how many observations a period has")
        elif self.composite:
            counted = ", and of how many observations" if self.count else ""
            said.append(f"the {self.composite} of a period{counted}")
        said += ["layers without pixels left out"] if self.drop_empty else []
        return "; ".join(said)

    @property
    def counts(self) -> bool:
        """Whether there is a band that counts."""
        return self.count or self.composite == COUNT

    @property
    def makes_numbers(self) -> bool:
        """Whether it computes, so that it has to know where there is a value."""
        return bool(self.indices) or self.composite is not None or self.drop_empty


def parse(settings: Mapping[str, Any], bands: Collection[str], dtype: str) -> Recipe | None:
    """Make a recipe of settings that are of the schema's form.

    Parameters
    ----------
    bands
        Common names of the collection's bands.
    dtype
        Of the file.

    Returns
    -------
    Recipe or None
        None where nothing is asked for.

    Raises
    ------
    InputError
        What it asks for doesn't go together, or an index can't be had.
    """
    indices = tuple(define(each, bands, dtype) for each in settings.get("indices") or ())
    given = {key: value for key, value in settings.items() if key != "indices"}
    recipe = Recipe(**{**given, "mask": tuple(given.get("mask") or ()), "indices": indices})
    _check_names([index.name for index in indices], bands)
    if recipe.count and recipe.composite not in ("median", "medoid"):
        raise InputError("count goes with a composite that is a median or medoid")
    if recipe.composite == COUNT and indices:
        raise InputError("composite: count makes one band, so indices have no place in it")
    return None if recipe == Recipe() else recipe


def facts(recipes: Mapping[str, Recipe | None], dropped: int) -> Iterator[tuple[str, str]]:
    """Say what an order's recipes make, for people: what is said, and that.

    Parameters
    ----------
    recipes
        By collection.
    dropped
        Layers that were left out, since they have no pixels.
    """
    for collection, recipe in recipes.items():
        if recipe is not None:
            yield "recipe" if len(recipes) == 1 else f"recipe of {collection}", f"{recipe}"
    if dropped:
        yield "left out", f"{dropped:,} layers without pixels"


def _check_names(names: Sequence[str], bands: Collection[str]) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            raise InputError(f"index {name} is there twice")
        if name in bands or name == COUNT:
            raise InputError(f"index {name}: a band has that name")
        # What Earth Engine takes in a band's name.
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise InputError(f"index {name!r}: a name has letters, digits, '_', '.' and '-' only")


def check_nodata(nodata: float) -> None:
    """Refuse a nodata value that is a count.

    Raises
    ------
    InputError
        It is one.
    """
    if 1 <= nodata <= _MOST:
        raise InputError(
            f"nodata {nodata:g} may be a number of observations: set `nodata` to 0, or to what is "
            "below it"
        )
