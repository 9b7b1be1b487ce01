"""Collections merged into one: a stack of all their images, by the names that bands have in common.

Only the members are collections of Earth Engine's. Their images are searched and read as each says
itself; what the merged one says is what the file holds. Its own names of bands are the common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from cedar.exceptions import InputError
from cedar.metadata.validation import explain
from cedar.recipes import Recipe
from cedar.recipes.flags import named

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
_OWN: Final = (
    "merge", "members", "bands", "dtype", "nodata", "encode", "group_by", "allow_widening",
    "recipe",
)  # fmt: skip
#: What may be said for all members that don't say it themselves, as `encode` may.
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
    # A definition says all there is of its members: what cedar knows of them may have changed.
    is_definition = "members" in settings
    theirs = settings["members"] if is_definition else definitions
    members = [resolve(each, theirs) for each in settings["merge"]]
    try:
        shared = [_shared(settings, theirs.get(each.id, {}), each) for each in members]
        collection = _merged(collection_id, settings, shared)
        for each in (*collection.members, collection):
            custom.check(each)
        if not is_definition:
            collection.check_validity()
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
        "recipe": None if collection.recipe is None else custom.jsonable(asdict(collection.recipe)),
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


def _shared(settings: Mapping[str, Any], own: Mapping[str, Any], member: Collection) -> Collection:
    """Return a member with what is said for all of them, and not by itself."""
    said = {key: settings[key] for key in _SHARED if key in settings and key not in own}
    encode = {
        name: encoding
        for name, encoding in settings.get("encode", {}).items()
        if _has(member, name) and name not in own.get("encode", {})
    }
    bands = tuple(custom.overridden(member.bands, {"encode": encode}))
    return replace(member, bands=bands, **said)


def _merged(
    collection_id: str, settings: Mapping[str, Any], members: Sequence[Collection]
) -> Collection:
    chosen = tuple(custom.distinct(settings.get("bands") or _defaults(members)))
    _require_bands((*chosen, *settings.get("encode", {})), members)
    nodata = settings["nodata"] if "nodata" in settings else _agreed("nodata", members)
    widening = all(member.allow_widening for member in members)
    starts = [member.service_start for member in members]
    ends = [member.service_end for member in members]
    sizes = [member.resolution for member in members]
    whole = Collection(
        collection_id,
        _bands(chosen, members, nodata),
        chosen,
        nodata=nodata,
        dtype=settings.get("dtype"),
        validity=_validity(members),
        group_by=settings.get("group_by") or _agreed("group_by", members),
        pass_properties=_union(member.pass_properties for member in members),
        properties=_union(member.properties for member in members),
        service_start=_of_all(min, starts),
        service_end=_of_all(max, ends),
        resolution=_of_all(min, sizes),
        allow_widening=settings.get("allow_widening", widening),
        title=f"{', '.join(member.id for member in members)}, merged",
    )
    whole = custom.cooked(whole, settings.get("recipe"))
    if whole.recipe is not None:
        _require_meanings(whole.recipe.mask, members)
    read = tuple(_member(member, whole) for member in members)
    unclear = _union(member.unclear for member in members)
    return replace(whole, members=read, qa_bits=_qa_bits(whole.bands, read), unclear=unclear)


def _require_meanings(mask: Iterable[str], members: Sequence[Collection]) -> None:
    """See that each meaning is one of some member: to others it means nothing."""
    known = sorted({each for member in members for each in _meanings(member)})
    for meaning in mask:
        if meaning not in known:
            nearest = get_close_matches(meaning, known, n=1, cutoff=0)
            raise InputError(
                f"recipe: no member says of a pixel that it is {meaning!r}"
                + (f"; the nearest is {nearest[0]!r}" if nearest else "")
            )


def _meanings(member: Collection) -> Iterable[str]:
    return named(member.qa_bits, member.qa_classes)


def _masks(member: Collection, recipe: Recipe | None) -> Recipe | None:
    """Return what of a recipe is about a member's own bits and classes."""
    if recipe is None:
        return None
    known = _meanings(member)
    mask = tuple(meaning for meaning in recipe.mask if meaning in known)
    return Recipe(mask, recipe.keep) if mask or recipe.keep else None


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


def _require_bands(names: Iterable[str], members: Sequence[Collection]) -> None:
    known = sorted({band.name for member in members for band in member.bands})
    for name in names:
        if name not in known:
            (nearest,) = get_close_matches(name, known, n=1, cutoff=0)
            raise InputError(
                f"{members[0].id} has no band {name!r}, nor has any other member; the nearest is "
                f"{nearest!r}"
            )


def _bands(chosen: Sequence[str], members: Sequence[Collection], nodata: float) -> tuple[Band, ...]:
    """Return the chosen bands, and the others as far as members agree on them."""
    bands = [_band(name, members, nodata) for name in chosen]
    names = _union((band.name for band in member.bands) for member in members)
    for name in names:
        if name not in chosen:
            with suppress(InputError):
                bands.append(replace(_band(name, members, nodata), default=False))
    return tuple(bands)


def _band(name: str, members: Sequence[Collection], nodata: float) -> Band:
    """Return a band of the file: one meaning of its numbers, whichever member they are of."""
    owners = [member for member in members if _has(member, name)]
    bands = [_in_file(owner.band(name), nodata) for owner in owners]
    for owner, band in zip(owners, bands, strict=True):
        _require_alike(bands[0], owners[0], band, owner)
    return replace(
        bands[0],
        native=name,
        dtype=str(np.result_type(*(band.dtype for band in bands))),
        valid_range=_around([band.valid_range for band in bands]),
        default=True,
    )


def _in_file(band: Band, nodata: float) -> Band:
    """Return a band as if the collection had the numbers that the file has."""
    scale, offset = band.file_scale
    return replace(
        band,
        dtype=band.file_dtype,
        scale=scale,
        offset=offset,
        valid_range=band.file_range(nodata),
        encoding=None,
        joined=None,
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


def _member(member: Collection, whole: Collection) -> Collection:
    """Return a member as it is read here: the file is the whole's."""
    own = tuple(name for name in whole.chosen if _has(member, name))
    if not own:
        raise InputError(
            f"{member.id} has none of the bands {', '.join(whole.chosen)}: leave it out"
        )
    if whole.group_by == "pass" and not member.pass_properties:
        raise InputError(
            f"group_by: cedar doesn't know what tells passes of {member.id} apart; use solar_day "
            "instead of pass"
        )
    return replace(
        member,
        bands=tuple(replace(band, default=band.name in own) for band in member.bands),
        chosen=own,
        nodata=whole.nodata,
        dtype=whole.stack_dtype,
        group_by=whole.group_by,
        allow_widening=True,
        recipe=_masks(member, whole.recipe),
    )


def _validity(members: Sequence[Collection]) -> str | None:
    """Return the common name of all members' validity bands, if they have one."""
    names = {
        next((band.name for band in member.bands if band.native == member.validity), None)
        for member in members
    }
    return names.pop() if len(names) == 1 else None


def _qa_bits(bands: Sequence[Band], members: Sequence[Collection]) -> dict[str, dict[str, str]]:
    """Return the bits that mean the same in all members that have the band."""
    found: dict[str, dict[str, str]] = {}
    for band in bands:
        first, *others = [
            member.qa_bits.get(member.band(band.name).native, {})
            for member in members
            if _has(member, band.name)
        ]
        same = {
            bit: meaning
            for bit, meaning in first.items()
            if all(other.get(bit) == meaning for other in others)
        }
        if same:
            found[band.name] = same
    return found


def _of_all(choose: Callable[..., Any], values: Sequence[Any]) -> Any:
    """Return the smallest or largest of values; None where one isn't known."""
    return None if None in values else choose(values)


def _union(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in names for name in each))
