"""Collections merged into one: a stack of all their images, by the names that bands have in common.

Only the members are collections of Earth Engine's. Their images are searched and read as each says
itself; what the merged one says is what the file holds. Its own names of bands are the common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from cedar.exceptions import InputError
from cedar.metadata.validation import explain

from . import custom
from .base import Band, Collection

#: Finds a collection by its id and the settings of collections.
Resolve = Callable[[str, Mapping[str, Mapping[str, Any]]], Collection]

#: What users may say of it, and, in a record, what each member was.
_SCHEMA: Final[dict[str, Any]] = {
    "$ref": "definitions.json#/$defs/collection",
    "properties": {"members": {"type": "object", "additionalProperties": {"type": "object"}}},
    "unevaluatedProperties": False,
}
#: What is said of the file.
_OWN: Final = ("merge", "members", "bands", "dtype", "nodata", "group_by", "allow_widening")
#: What may be said for all members that don't say it themselves.
_SHARED: Final = ("resampling", "night")
#: Of a band, what has to be one for all of a file.
_ALIKE: Final = ("scale", "offset", "units", "qa")


def define(
    collection_id: str,
    settings: Mapping[str, Any],
    definitions: Mapping[str, Mapping[str, Any]],
    resolve: Resolve,
) -> Collection:
    """Make a collection of others, which its settings name in ``merge``.

    Parameters
    ----------
    definitions
        Settings by collection id, of the members too.

    Raises
    ------
    InputError
        The settings can't be used, or what members say of a band differs.
    """
    _check(collection_id, settings, definitions)
    shared = {key: settings[key] for key in _SHARED if key in settings}
    # A definition says all there is of its members: what cedar knows of them may have changed.
    theirs = settings.get("members") or definitions
    given = {
        each: said for each in settings["merge"] if (said := shared | {**theirs.get(each, {})})
    }
    members = [resolve(each, {**theirs, **given}) for each in settings["merge"]]
    try:
        collection = _merged(collection_id, settings, members)
        custom.check(collection)
    except InputError as error:
        raise InputError(f"collection {collection_id}: {error}") from error
    return collection


def definition(collection: Collection) -> dict[str, Any]:
    """Put a merged collection as settings that say all there is to say, in JSON's types."""
    return {
        "merge": [member.id for member in collection.members],
        "members": {member.id: custom.definition(member) for member in collection.members},
        "bands": [*collection.chosen],
        "dtype": collection.dtype,
        "nodata": collection.nodata,
        "group_by": collection.group_by,
        "allow_widening": collection.allow_widening,
    }


def _check(
    collection_id: str,
    settings: Mapping[str, Any],
    definitions: Mapping[str, Mapping[str, Any]],
) -> None:
    wrong = explain(settings, _SCHEMA)
    if wrong is None and isinstance(settings.get("bands"), Mapping):
        wrong = "bands: of merged collections they are a list of common names"
    if wrong is None:
        theirs = [key for key in settings if key not in (*_OWN, *_SHARED)]
        wrong = f"{theirs[0]}: say it of the members that it merges" if theirs else None
    if wrong is None:
        merged = [each for each in settings["merge"] if "merge" in definitions.get(each, {})]
        wrong = f"merge: {merged[0]} is merged itself" if merged else None
    if wrong is not None:
        raise InputError(f"collection {collection_id}: {wrong}")


def _merged(
    collection_id: str, settings: Mapping[str, Any], members: Sequence[Collection]
) -> Collection:
    chosen = tuple(settings.get("bands") or _defaults(members))
    bands = tuple(_band(name, members) for name in custom.distinct(chosen))
    rule = settings.get("group_by") or _agreed("group_by", members)
    members = [_member(each, chosen, rule) for each in members]
    starts = [member.service_start for member in members]
    ends = [member.service_end for member in members]
    sizes = [member.resolution for member in members]
    widening = all(member.allow_widening for member in members)
    return Collection(
        collection_id,
        bands,
        chosen,
        nodata=settings["nodata"] if "nodata" in settings else _agreed("nodata", members),
        dtype=settings.get("dtype"),
        validity=_validity(members),
        group_by=rule,
        pass_properties=_union(member.pass_properties for member in members),
        properties=_union(member.properties for member in members),
        service_start=_of_all(min, starts),
        service_end=_of_all(max, ends),
        resolution=_of_all(min, sizes),
        allow_widening=settings.get("allow_widening", widening),
        qa_bits=_qa_bits(members, chosen),
        title=f"{', '.join(member.id for member in members)}, merged",
        members=tuple(members),
    )


def _defaults(members: Sequence[Collection]) -> tuple[str, ...]:
    """Return what is in the stack of each member where nobody chooses."""
    first, *others = members
    common = tuple(name for name in first.chosen if all(name in other.chosen for other in others))
    if not common:
        raise InputError("the members have no bands in common by default: choose `bands`")
    return common


def _agreed(attribute: str, members: Sequence[Collection]) -> Any:
    """Return what all members say; else it has to be said for all of them."""
    first, *others = members
    wanted = getattr(first, attribute)
    for other in others:
        if getattr(other, attribute) != wanted:
            raise InputError(
                f"{attribute} is {wanted} of {first.id} and {getattr(other, attribute)} of "
                f"{other.id}: set `{attribute}` for all of it"
            )
    return wanted


def _band(name: str, members: Sequence[Collection]) -> Band:
    """Return a band of the file: one meaning of its numbers, whichever member they are of."""
    owners = [member for member in members if _has(member, name)]
    if not owners:
        names = {band.name for member in members for band in member.bands}
        (nearest,) = get_close_matches(name, sorted(names), n=1, cutoff=0)
        raise InputError(
            f"{members[0].id} has no band {name!r}, nor has any other member; the nearest is "
            f"{nearest!r}"
        )
    first, *others = bands = [owner.band(name) for owner in owners]
    for owner, other in zip(owners[1:], others, strict=True):
        _require_alike(first, owners[0], other, owner)
    return replace(
        first,
        native=name,
        dtype=str(np.result_type(*(band.dtype for band in bands))),
        valid_range=_around([band.valid_range for band in bands]),
        default=True,
    )


def _around(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return what holds all ranges; None where one isn't known."""
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _require_alike(first: Band, owner: Collection, other: Band, others: Collection) -> None:
    for attribute in _ALIKE:
        ours, theirs = getattr(first, attribute), getattr(other, attribute)
        if ours != theirs:
            hint = "give `encode` for it" if attribute in ("scale", "offset") else "leave it out"
            raise InputError(
                f"band {first.name!r} has {attribute} {ours} in {owner.id} and {theirs} in "
                f"{others.id}, and a file can say one: {hint}"
            )


def _has(member: Collection, name: str) -> bool:
    return any(band.name == name for band in member.bands)


def _member(member: Collection, chosen: Sequence[str], group_by: Any) -> Collection:
    """Return a member as it is read here."""
    own = tuple(name for name in chosen if _has(member, name))
    if not own:
        raise InputError(f"{member.id} has none of the bands {', '.join(chosen)}: leave it out")
    if group_by == "pass" and not member.pass_properties:
        raise InputError(
            f"group_by: cedar doesn't know what tells passes of {member.id} apart; use solar_day "
            "instead of pass"
        )
    bands = tuple(replace(band, default=band.name in own) for band in member.bands)
    return replace(member, bands=bands, chosen=own, group_by=group_by)


def _validity(members: Sequence[Collection]) -> str | None:
    """Return the chosen band that is the validity band of every member, if there is one."""
    names = {
        next((band.name for band in member.stack_bands if band.native == member.validity), None)
        for member in members
    }
    return names.pop() if len(names) == 1 else None


def _qa_bits(members: Sequence[Collection], chosen: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the bits that mean the same in all members that have the band."""
    found: dict[str, dict[str, str]] = {}
    for name in chosen:
        first, *others = [
            member.qa_bits.get(member.band(name).native, {})
            for member in members
            if name in member.chosen
        ]
        same = {
            bit: meaning
            for bit, meaning in first.items()
            if all(other.get(bit) == meaning for other in others)
        }
        if same:
            found[name] = same
    return found


def _of_all(choose: Callable[..., Any], values: Sequence[Any]) -> Any:
    """Return the smallest or largest of values; None where one isn't known."""
    return None if None in values else choose(values)


def _union(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in names for name in each))
