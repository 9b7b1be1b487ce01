"""export_image_kwds: what a user may say about how images are written."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Final

from cedar.exceptions import InputError

#: Options of exports into a bucket or Drive; a pull has no use for them.
_EXPORT_ONLY: Final = ("fileDimensions", "priority", "shardSize", "skipEmptyTiles")
_TILES_OWN: Final = ("crs", "crsTransform", "crs_transform", "dimensions", "region", "scale")
_FORMAT: Final = {"cloudOptimized": (bool,), "noData": (int, float)}


def check(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Check export_image_kwds for a kind of destination; return a copy in its current form.

    ``cloudOptimized`` at top level, as older documents have it, is moved into ``formatOptions``,
    where the client wants it. The caller's mapping is left as it is.

    Raises
    ------
    InputError
        An option isn't known, isn't of its type, or has no meaning for that kind.
    """
    checked: dict[str, Any] = dict(options)
    given = checked.pop("formatOptions", None) or {}
    if not isinstance(given, Mapping):
        raise InputError(f"export_image_kwds: formatOptions is a mapping, not {given!r}")
    form = dict(given)
    if "cloudOptimized" in checked:
        form.setdefault("cloudOptimized", checked.pop("cloudOptimized"))
    for name in checked:
        _check_name(name, kind)
    pixels = checked.get("maxPixels")
    if pixels is not None:
        number = isinstance(pixels, int | float) and not isinstance(pixels, bool)
        if not number or not 1 <= pixels < math.inf:
            raise InputError(f"export_image_kwds: maxPixels is a number of pixels, not {pixels!r}")
        checked["maxPixels"] = int(pixels)
    for name, value in form.items():
        if name not in _FORMAT:
            known = ", ".join(_FORMAT)
            raise InputError(f"export_image_kwds: formatOptions takes {known}, not {name!r}")
        if not isinstance(value, _FORMAT[name]) or (name == "noData" and isinstance(value, bool)):
            raise InputError(f"export_image_kwds: formatOptions {name} can't be {value!r}")
    if form:
        checked["formatOptions"] = form
    return checked


def _check_name(name: str, kind: str) -> None:
    if name == "maxPixels":
        return
    if name in _EXPORT_ONLY:
        raise InputError(
            f"export_image_kwds: {name} is for exports; into a {kind} store cedar writes the file "
            "itself, so leave it out"
        )
    if name in _TILES_OWN:
        raise InputError(f"export_image_kwds: {name} is the tile's to say; leave it out")
    near = difflib.get_close_matches(name, ("formatOptions", "maxPixels", *_EXPORT_ONLY), 1)
    raise InputError(
        f"export_image_kwds: unknown option {name!r}"
        + (f"; did you mean {near[0]!r}?" if near else "")
    )
