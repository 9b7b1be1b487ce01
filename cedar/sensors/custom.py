"""Collections from settings: the `collections` of a config, and the form that a record keeps."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from cedar.exceptions import InputError
from cedar.metadata.validation import explain
from cedar.recipes import parse

from .base import DTYPES, Band, Collection, Encoding
from .cooking import check_recipe

_TEXTS: Final = {"$ref": "definitions.json#/$defs/texts"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_DATE_OR_NULL: Final = {
    "expected": "a date (2020-01-31), or null",
    "type": ["string", "null"],
    "format": "date",
}

#: What users may say of a collection, and what only :func:`definition` says besides.
_SCHEMA: Final[dict[str, Any]] = {
    "$ref": "definitions.json#/$defs/collection",
    "properties": {
        "chosen": {
            "expected": "one band or more",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
        },
        "band_dtype": {"type": "object", "additionalProperties": {"enum": list(DTYPES)}},
        "units": {"type": "object", "additionalProperties": {"type": "string"}},
        "qa": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "joined": {"type": "object", "additionalProperties": {"type": "string"}},
        "pass_properties": _TEXTS,
        "service_start": _DATE_OR_NULL,
        "service_end": _DATE_OR_NULL,
        "resolution": {"type": ["number", "null"]},
        "night_rule": {
            "expected": "a property and a number, or null",
            "type": ["array", "null"],
            "prefixItems": [{"type": "string"}, {"type": "number"}],
            "minItems": 2,
            "maxItems": 2,
        },
        "cloud_property": _TEXT_OR_NULL,
        "source": _TEXT_OR_NULL,
        "title": _TEXT_OR_NULL,
    },
    "unevaluatedProperties": False,
}

#: Settings that are a band's, by the attribute of Band that they give.
_OF_BANDS: Final = {
    "dtype": "band_dtype",
    "valid_range": "valid_range",
    "scale": "scale",
    "offset": "offset",
    "units": "units",
    "qa": "qa",
    "encoding": "encode",
    "joined": "joined",
}


def define(
    collection_id: str, settings: Mapping[str, Any], known: Collection | None = None
) -> Collection:
    """Make a collection of settings, which override what they name of a known one.

    Raises
    ------
    InputError
        The settings can't be used.
    """
    try:
        if wrong := explain(settings, _SCHEMA):
            raise InputError(wrong)
        # A definition says all there is: what cedar knows may have changed since.
        is_definition = "chosen" in settings
        if known is None or is_definition:
            known = Collection(collection_id, bands=(), chosen=())
            _require(settings)
        collection = cooked(_merged(settings, known), settings.get("recipe"))
        check(collection)
        if not is_definition:
            # What was ordered when this was a mere warning is still an order.
            collection.check_validity()
    except InputError as error:
        raise InputError(f"collection {collection_id}: {error}") from error
    return collection


def definition(collection: Collection) -> dict[str, Any]:
    """Put a collection that isn't merged as settings that say all there is to say."""
    settings: dict[str, Any] = jsonable(asdict(collection))
    del settings["id"], settings["members"]
    bands = settings.pop("bands")
    settings["bands"] = {band["name"]: band["native"] for band in bands}
    for attribute, key in _OF_BANDS.items():
        settings[key] = {
            band["name"]: band[attribute] for band in bands if band[attribute] is not None
        }
    return settings


def jsonable(value: Any) -> Any:
    """Put what a collection says in JSON's types."""
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _require(settings: Mapping[str, Any]) -> None:
    needed = ("bands", "nodata") if "band_dtype" in settings else ("bands", "dtype", "nodata")
    missing = [key for key in needed if settings.get(key) is None]
    if missing:
        raise InputError(f"cedar doesn't know it, so it needs {' and '.join(missing)}")


def _merged(settings: Mapping[str, Any], known: Collection) -> Collection:
    bands, chosen = _bands(settings, known)
    flagged = settings.get("qa_bits", known.qa_bits)
    bands = [
        replace(band, default=band.name in chosen, qa=band.qa or band.native in flagged)
        for band in overridden(bands, settings)
    ]
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key not in ("bands", "chosen", "recipe", *_OF_BANDS.values())
    }
    for key in ("service_start", "service_end"):
        if fields.get(key):
            fields[key] = dt.date.fromisoformat(fields[key])
    if _encodes_anew(settings, known):
        fields["dtype"] = None
    return replace(known, bands=tuple(bands), chosen=tuple(chosen), **fields)


def _encodes_anew(settings: Mapping[str, Any], known: Collection) -> bool:
    """Whether the file's type is to follow from encodings: nothing that is given is that type.

    `dtype` of a collection that cedar doesn't know is that of its bands.
    """
    is_new = not known.bands and "chosen" not in settings
    return "encode" in settings and (is_new or "dtype" not in settings)


def cooked(collection: Collection, recipe: Mapping[str, Any] | None) -> Collection:
    """Return a collection with a recipe, which is about its bands and the type of its files.

    Raises
    ------
    InputError
        It can't be used.
    """
    names = [band.name for band in collection.bands]
    return replace(collection, recipe=parse(recipe or {}, names, collection.stack_dtype))


def _bands(settings: Mapping[str, Any], known: Collection) -> tuple[Sequence[Band], Sequence[str]]:
    """Say which bands there are, and the names of those in the stack."""
    bands: Sequence[Band] = known.bands
    given = settings.get("bands")
    if given is None:
        return bands, known.chosen
    if isinstance(given, Mapping) or not bands:
        natives = given if isinstance(given, Mapping) else {name: name for name in given}
        distinct(natives.values())
        bands = [_band(name, native, settings, known) for name, native in natives.items()]
    chosen = settings.get("chosen", given)
    return bands, distinct(_find(bands, name).name for name in chosen)


def _band(name: str, native: str, settings: Mapping[str, Any], known: Collection) -> Band:
    for band in known.bands:
        if band.native == native:
            return replace(band, name=name)
    dtype = settings.get("band_dtype", {}).get(name) or settings.get("dtype")
    if dtype is None:
        raise InputError(f"has no band {native!r} that cedar knows, so it needs dtype")
    return Band(name, native, dtype)


def _find(bands: Sequence[Band], name: str) -> Band:
    """Find a band by its common name, else by its native one."""
    known = {band.native: band for band in bands} | {band.name: band for band in bands}
    if name not in known:
        (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0)
        raise InputError(f"has no band {name!r}; the nearest is {nearest!r}")
    return known[name]


def distinct(names: Iterable[str]) -> list[str]:
    """Return names as a list.

    Raises
    ------
    InputError
        One is there twice.
    """
    listed: list[str] = []
    for name in names:
        if name in listed:
            raise InputError(f"has band {name!r} twice")
        listed.append(name)
    return listed


def overridden(bands: Sequence[Band], settings: Mapping[str, Any]) -> Sequence[Band]:
    """Return bands with what settings say of them: one value for each named, or for all.

    All are the collection's own quantities.
    """
    for attribute, key in _OF_BANDS.items():
        given = settings.get(key, {})
        if not isinstance(given, Mapping):
            given = {band.name: given for band in bands if not (band.qa or band.joined)}
        changes = {_find(bands, name).name: _value(value) for name, value in given.items()}
        bands = [
            replace(band, **{attribute: changes[band.name]}) if band.name in changes else band
            for band in bands
        ]
    return bands


def _value(given: Any) -> Any:
    """What a band has of a setting."""
    if isinstance(given, Mapping):
        return Encoding(**given)
    return tuple(given) if isinstance(given, list) else given


def check(collection: Collection) -> None:
    """Refuse what no stack can be made of.

    Raises
    ------
    InputError
        It is such.
    """
    _check_bands(collection)
    for band in collection.bands:
        if band.encoding is not None:
            _check_encoding(band, band.encoding, collection)
    _check_nodata(collection)
    check_recipe(collection)
    own, stacked = collection.stack_bytes
    if stacked > own and not collection.allow_widening:
        raise InputError(
            f"a pixel's bands take {own} bytes, and {stacked} in one file of "
            f"{collection.stack_dtype}: choose another `dtype` or bands, or set "
            "`allow_widening: true`"
        )
    if collection.group_by == "pass" and not collection.pass_properties:
        raise InputError(
            "group_by: cedar doesn't know what tells its passes apart; use solar_day instead of "
            "pass"
        )
    if collection.cloud is not None and collection.cloud_property is None:
        raise InputError(
            "cloud: cedar doesn't know which property says how cloudy an image is; use `filters`"
        )


def _check_encoding(band: Band, encoding: Encoding, collection: Collection) -> None:
    if band.qa:
        raise InputError(f"encode, {band.name}: bits and classes aren't quantities: leave it out")
    if not (math.isfinite(encoding.scale) and math.isfinite(encoding.offset)):
        raise InputError(f"encode, {band.name}: a number isn't finite")
    dtype = collection.stack_dtype
    if band.name in collection.chosen and not np.can_cast(encoding.dtype, dtype):
        raise InputError(
            f"encode, {band.name}: {encoding.dtype} doesn't fit the file's {dtype}: choose another "
            "`dtype` of one of them"
        )
    low, high = band.file_range(math.inf) or (0, 0)
    limits = np.iinfo(encoding.dtype)
    if not limits.min <= low <= high <= limits.max:
        raise InputError(
            f"encode, {band.name}: its valid range would be {low:.0f} to {high:.0f}, more than "
            f"{encoding.dtype} holds: choose another scale, offset or dtype"
        )


def _check_bands(collection: Collection) -> None:
    for band in collection.bands:
        # What Earth Engine takes in a band's name.
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", band.name):
            raise InputError(
                f"band {band.name!r}: a name has letters, digits, '_', '.' and '-' only"
            )
        low, high = band.valid_range or (0, 0)
        if not low <= high:
            raise InputError(f"valid_range, {band.name}: {low:g} is above {high:g}")
        if not all(math.isfinite(number) for number in (low, high, band.scale, band.offset)):
            raise InputError(f"band {band.name!r} has a number that isn't finite")
    natives = {band.name: band.native for band in collection.bands}
    validity = collection.validity
    if validity in natives and validity not in natives.values():
        raise InputError(f"validity: {validity} is {natives[validity]} in the collection: say so")


def _check_nodata(collection: Collection) -> None:
    dtype, nodata = np.dtype(collection.stack_dtype), collection.nodata
    if not math.isfinite(nodata):
        raise InputError(f"nodata {nodata} isn't finite, so JSON can't hold it")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        held = min(max(round(nodata), int(limits.min)), int(limits.max))
    else:
        with np.errstate(over="ignore"):
            held = dtype.type(nodata).item()
    if held != nodata:
        raise InputError(f"nodata {nodata} doesn't fit {dtype}; the nearest that does is {held}")
