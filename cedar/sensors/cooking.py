"""Whether a collection's recipe can be used on it."""

from __future__ import annotations

from cedar.exceptions import InputError
from cedar.recipes import Recipe
from cedar.recipes.recipe import check_nodata

from .base import Band, Collection


def check_recipe(collection: Collection) -> None:
    """Refuse a recipe that a collection can't have.

    Raises
    ------
    InputError
        It can't.
    """
    recipe = collection.recipe
    if recipe is None:
        return
    try:
        _check_masks(collection, recipe)
        if recipe.makes_numbers:
            _check_quantities(collection)
        if recipe.makes_numbers or recipe.mask or recipe.keep:
            _check_told(collection)
        if recipe.counts:
            check_nodata(collection.nodata)
    except InputError as error:
        raise InputError(f"recipe: {error}") from error


def _check_masks(collection: Collection, recipe: Recipe) -> None:
    if recipe.keep and not collection.unclear:
        raise InputError("keep: cedar doesn't know which of its pixels are clear: use `mask`")
    natives = {band.native: band for band in collection.bands}
    for test in collection.masked_by:
        if test.native not in natives:
            raise InputError(f"mask: {test.native} says that, which isn't among its bands")
        if recipe.keep:
            _check_known(collection, natives[test.native])


def _check_known(collection: Collection, band: Band) -> None:
    """See that nodata isn't what a QA band has of a pixel: what isn't known isn't kept."""
    is_class = band.native in collection.qa_classes
    classes = collection.qa_bits.get(band.native, {}) if is_class else {}
    if band.may_be(collection.nodata) or f"{collection.nodata:g}" in classes:
        raise InputError(
            f"keep: the nodata value {collection.nodata:g} is a valid value of {band.name}, so "
            "that what isn't known to be clear can't be told: set another `nodata`"
        )


def _check_quantities(collection: Collection) -> None:
    """See that there is something to compute with."""
    if not any(not band.qa for band in collection.stack_bands):
        raise InputError("all chosen bands are of bits or classes, of which nothing is made")


def _check_told(collection: Collection) -> None:
    """See that what is missing, or masked, is told from values: a validity band isn't masked."""
    for band in collection.read_bands:
        own = [each for source in collection.sources for each in source.bands
               if each.name == band.name]  # fmt: skip
        if not band.qa and any(each.may_be(collection.nodata) for each in own):
            raise InputError(
                f"the nodata value {collection.nodata:g} is a valid value of {band.name}, so "
                "what is missing can't be told: set another `nodata`"
            )
