"""Collections: what is in them is not looked up before it is needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..limits import ELEMENTS
from ..questions import answers
from ..sampling import joined_footprint
from ..values import Catalog, Feature, Geometry, Image, ServiceError
from .base import Closure, WrongKindError, function, kind
from .filter_expressions import read
from .filters import Filter, both, prop


@dataclass(frozen=True)
class Stored:
    """A collection of the catalog, as far as filters narrow it down.

    Attributes
    ----------
    catalog : Catalog
    asset : str
        Its id.
    steps : tuple of Filter or Closure
        What is done to what the catalog finds, one after the other. The functions keep properties
        and footprints, so that filters after them narrow the search too.
    """

    catalog: Catalog
    asset: str
    steps: tuple[Filter | Closure, ...] = ()

    def then(self, step: Filter | Closure) -> Stored:
        """The same with one more step."""
        return replace(self, steps=(*self.steps, step))

    def read(self) -> Sequence[Any]:
        """What is left of what the catalog finds."""
        query = both([step for step in self.steps if isinstance(step, Filter)]).query
        elements: Sequence[Any] = self.catalog.search(self.asset, query)
        for step in self.steps:
            if isinstance(step, Filter):
                elements = [each for each in elements if step.test(each)]
            else:
                elements = _mapped(step, elements)
        return elements


@dataclass(frozen=True, eq=False)
class Collection:
    """Images or features.

    Attributes
    ----------
    source : Stored or sequence
        Where they come from, or they themselves.
    kind : str
        ``ImageCollection`` or ``FeatureCollection``.
    id : str or None
        Asset id.
    properties : mapping
        Its own.
    """

    source: Stored | Sequence[Any]
    kind: str = "ImageCollection"
    id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def elements(self) -> Sequence[Any]:
        """All of them, however many."""
        return self.source.read() if isinstance(self.source, Stored) else self.source

    @property
    def listed(self) -> Sequence[Any]:
        """All of them, where the service lists them one by one.

        Raises
        ------
        ServiceError
            They are more than 5,000.
        """
        ELEMENTS.check(len(self.elements))
        return self.elements

    def holding(self, elements: Sequence[Any]) -> Collection:
        """The same collection with other elements."""
        return replace(self, source=elements)


@kind("FeatureCollection")
def _collection(value: Any) -> Collection:
    if not isinstance(value, Collection):
        raise WrongKindError("FeatureCollection")
    return value


@kind("ImageCollection")
def _image_collection(value: Any) -> Collection:
    if not isinstance(value, Collection) or value.kind != "ImageCollection":
        raise WrongKindError("ImageCollection")
    return value


@function("ImageCollection.load", needs_catalog=True)
def _load(catalog: Catalog, asset: str, version: int | None) -> Collection:
    if version not in {None, -1}:
        raise ServiceError("ImageCollection.load: the emulator has latest versions only.")
    if not catalog.has(asset):
        raise ServiceError(
            f"ImageCollection.load: ImageCollection asset '{asset}' not found "
            "(does not exist or caller does not have access)."
        )
    return Collection(Stored(catalog, asset), id=asset)


@function("ImageCollection.fromImages")
def _from_images(images: list[Image]) -> Collection:
    return Collection([_indexed(image, str(i)) for i, image in enumerate(images)])


@function("Collection")
def _from_features(features: list[Any]) -> Collection:
    indexed = [_indexed(feature, str(i)) for i, feature in enumerate(features)]
    return Collection(indexed, "FeatureCollection")


def _indexed(element: Any, index: str | None) -> Any:
    """The element with its place in a collection."""
    properties = {k: v for k, v in element.properties.items() if k != "system:index"}
    if index is not None:
        properties["system:index"] = index
    return replace(element, properties=properties)


@function("Collection.filter")
def _filter(collection: Collection, given: Any) -> Collection:
    if isinstance(given, str):
        given = read(given)
    if not isinstance(given, Filter):
        raise ServiceError(
            "Collection.filter, argument 'filter': Invalid type. Expected type: Filter."
        )
    if isinstance(collection.source, Stored):
        return replace(collection, source=collection.source.then(given))
    return collection.holding([each for each in collection.elements if given.test(each)])


@function("Collection.map")
def _map(collection: Collection, algorithm: Closure, drop_nulls: bool) -> Collection:
    """What is made of an element keeps its system:index."""
    if isinstance(collection.source, Stored) and algorithm.keeps:
        return replace(collection, source=collection.source.then(algorithm))
    mapped = _mapped(algorithm, collection.elements, drop_nulls)
    kinds = {"ImageCollection" if isinstance(e, Image) else "FeatureCollection" for e in mapped}
    if len(kinds) > 1:
        raise ServiceError("Collection.map: the emulator maps to images or to features, not both.")
    return replace(collection.holding(mapped), kind=kinds.pop() if kinds else collection.kind)


def _mapped(algorithm: Closure, elements: Sequence[Any], drop_nulls: bool = False) -> list[Any]:
    mapped = []
    for element in elements:
        result = algorithm(element)
        if result is None and drop_nulls:
            continue
        if not isinstance(result, Image | Feature):
            raise ServiceError(
                "Collection.map: A mapped algorithm must return a Feature or Image, on ID "
                f"{prop(element, 'system:index')!r} it didn't."
            )
        if isinstance(result, Image) and not answers().map_keeps_id:
            result = replace(result, id=None, version=None)
        mapped.append(_indexed(result, prop(element, "system:index")))
    return mapped


@function("Collection.iterate")
def _iterate(collection: Collection, algorithm: Closure, first: Any) -> Any:
    return functools.reduce(
        lambda previous, each: algorithm(each, previous), collection.elements, first
    )


def hashable(value: Any) -> Any:
    """What equal values have in common, to be a dictionary's key."""
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return repr(value) if isinstance(value, dict) else value


@function("Collection.distinct")
def _distinct(collection: Collection, properties: Any) -> Collection:
    """The first of those that have the same values of all properties."""
    names = properties if isinstance(properties, list) else [properties]
    found: dict[Any, Any] = {}
    for element in collection.elements:
        found.setdefault(hashable([prop(element, name) for name in names]), element)
    return collection.holding(list(found.values()))


@function("Collection.limit")
def _limit(
    collection: Collection, limit: int | None, key: str | None, ascending: bool
) -> Collection:
    """Sorted by a key; what lacks it comes last [not verified against Earth Engine]."""
    elements = list(collection.elements)
    if key is not None:
        having = [each for each in elements if prop(each, key) is not None]
        lacking = [each for each in elements if prop(each, key) is None]
        try:
            having.sort(key=lambda each: prop(each, key), reverse=not ascending)
        except TypeError:
            raise ServiceError(f"Collection.limit: values of {key!r} can't be ordered.") from None
        elements = having + lacking
    if limit is not None and limit < 0:
        raise ServiceError(f"Collection.limit: Limit must not be negative, is {limit}.")
    return collection.holding(elements[:limit])


@function("Collection.merge", "ImageCollection.merge")
def _merge(one: Collection, other: Collection) -> Collection:
    if one.kind != other.kind:
        raise ServiceError("Collection.merge: the emulator merges collections of one kind only.")
    merged = [
        _indexed(element, f"{number}_{prop(element, 'system:index')}")
        for number, collection in enumerate((one, other), 1)
        for element in collection.elements
    ]
    return Collection(merged, one.kind)


@function("Collection.size")
def _size(collection: Collection) -> int:
    return len(collection.elements)


@function("Collection.first")
def _first(collection: Collection) -> Any:
    return next(iter(collection.elements), None)


@function("Collection.toList")
def _to_list(collection: Collection, count: int, offset: int) -> list[Any]:
    if count < 0 or offset < 0:
        raise ServiceError("Collection.toList: count and offset must not be negative.")
    return list(collection.holding(collection.elements[offset : offset + count]).listed)


@function("Collection.geometry", takes="collection", harmless="maxError")
def _geometry(collection: Collection) -> Geometry | None:
    """The union of all, in longitude and latitude."""
    return joined_footprint(collection.elements)
