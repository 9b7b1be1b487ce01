"""Collections, as data.

A sensor is a module here, found by its name, with ``COLLECTIONS``.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from cedar.exceptions import InputError, UnknownCollectionError

from . import custom, merged
from .base import Band, Collection

__all__ = ["Band", "Collection", "definition", "known", "resolve"]

#: How like a known id an unknown one must be for the known one to be of help, from 0 to 1.
_ALIKE: Final = 0.4


@cache
def known() -> Mapping[str, Collection]:
    """Return the collections that cedar knows, by id."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    collections = [each for module in modules for each in getattr(module, "COLLECTIONS", ())]
    return MappingProxyType({each.id: each for each in sorted(collections, key=lambda c: c.id)})


def resolve(
    collection_id: str,
    definitions: Mapping[str, Mapping[str, Any]] | None = None,
    group_by: str | None = None,
) -> Collection:
    """Return a collection that cedar knows, or that is defined.

    Parameters
    ----------
    collection_id : str
        Earth Engine collection id.
    definitions : mapping, optional
        Settings by collection id, as the `collections` of a config: each adds a collection, or
        overrides what it names of a known one.
    group_by : str, optional
        Its rule for groups, whatever the settings say.

    Raises
    ------
    UnknownCollectionError
        It is neither; the nearest that is, is named.
    InputError
        Its settings can't be used.
    """
    definitions = definitions or {}
    settings = dict(definitions.get(collection_id, {}))
    if group_by is not None:
        settings["group_by"] = group_by
    if "merge" in settings:
        if collection_id in known():
            raise InputError(f"collection {collection_id} is known: merge under another name")
        return merged.define(collection_id, settings, definitions, resolve)
    if collection_id in definitions or (settings and collection_id in known()):
        return custom.define(collection_id, settings, known().get(collection_id))
    if collection_id in known():
        return known()[collection_id]
    nearest = _nearest(collection_id, (*known(), *definitions))
    hint = f"use {nearest}, the nearest known" if nearest else "see `cedar collections`"
    raise UnknownCollectionError(
        f"cedar doesn't know the collection {collection_id!r}: {hint}, or define it in the "
        "configuration's `collections`",
        collection_id,
        nearest,
    )


def definition(collection: Collection) -> dict[str, Any]:
    """Put a collection as settings that say all there is to say, in JSON's types.

    ``resolve(c.id, {c.id: definition(c)}) == c`` for every `c` that :func:`resolve` gave.
    """
    return merged.definition(collection) if collection.members else custom.definition(collection)


def _nearest(collection_id: str, ids: Iterable[str]) -> str | None:
    """The id most like an unknown one; of several as like, the first: Tier 1 before 2."""
    wanted = collection_id.casefold()
    matcher = difflib.SequenceMatcher(b=wanted)
    nearest, best = None, _ALIKE
    for each in ids:
        folded = each.casefold()
        matcher.set_seq1(folded)
        likeness = 1.0 if folded.startswith(wanted) else matcher.ratio()
        if likeness > best:
            nearest, best = each, likeness
    return nearest
