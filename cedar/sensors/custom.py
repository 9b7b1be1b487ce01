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

from .base import DTYPES, Band, Collection

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
        "qa_bits": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
        },
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
        if known is None or "chosen" in settings:
            known = Collection(collection_id, bands=(), chosen=())
            _require(settings)
        collection = _merged(settings, known)
        check(collection)
    except InputError as error:
        raise InputError(f"collection {collection_id}: {error}") from error
    return collection


def definition(collection: Collection) -> dict[str, Any]:
    """Put a collection that isn't merged as settings that say all there is to say."""
    settings: dict[str, Any] = _jsonable(asdict(collection))
    del settings["id"], settings["members"]
    bands = settings.pop("bands")
    settings["bands"] = {band["name"]: band["native"] for band in bands}
    for attribute, key in _OF_BANDS.items():
        settings[key] = {
            band["name"]: band[attribute] for band in bands if band[attribute] is not None
        }
    return settings


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _require(settings: Mapping[str, Any]) -> None:
    needed = ("bands", "nodata") if "band_dtype" in settings else ("bands", "dtype", "nodata")
    missing = [key for key in needed if settings.get(key) is None]
    if missing:
        raise InputError(f"cedar doesn't know it, so it needs {' and '.join(missing)}")


def _merged(settings: Mapping[str, Any], known: Collection) -> Collection:
    bands, chosen = _bands(settings, known)
    bands = [replace(band, default=band.name in chosen) for band in _overridden(bands, settings)]
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key not in ("bands", "chosen", *_OF_BANDS.values())
    }
    for key in ("service_start", "service_end"):
        if fields.get(key):
            fields[key] = dt.date.fromisoformat(fields[key])
    return replace(known, bands=tuple(bands), chosen=tuple(chosen), **fields)


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


def _overridden(bands: Sequence[Band], settings: Mapping[str, Any]) -> Sequence[Band]:
    """Give bands what settings say of them: one value for all but QA, or one for each named."""
    for attribute, key in _OF_BANDS.items():
        given = settings.get(key, {})
        if not isinstance(given, Mapping):
            given = {band.name: given for band in bands if not band.qa}
        changes: dict[str, Any] = {
            _find(bands, name).name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        bands = [
            replace(band, **{attribute: changes[band.name]}) if band.name in changes else band
            for band in bands
        ]
    return bands


def check(collection: Collection) -> None:
    """Refuse what no stack can be made of.

    Raises
    ------
    InputError
        It is such.
    """
    _check_bands(collection)
    _check_nodata(collection)
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
