"""export_image_kwds: what a user may say about how images are written."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from cedar.exceptions import InputError

from . import EarthEngine

#: Tiles of a TIFF are multiples of this in size (TIFF 6.0, section 15).
_TIFF_TILE: Final = 16
#: What the service's tasks have as priority (REST reference, projects.image.export).
_PRIORITIES: Final = range(10_000)

#: The service's own shardSize, and smaller ones for stacks of many bands.
_SHARDS: Final = (256, 128, 64)
#: What the service computes at once: larger shards fail with "Output of image computation is too
#: large (… > 80.0 MiB)". A mask byte comes with every value.
_SHARD_BYTES: Final = 80 * 2**20
#: Files are this many pixels wide and high, where they may.
_FILE_SIDE: Final = 2560
#: Largest file, before compression, that cedar asks for by itself.
_FILE_BYTES: Final = 4 * 2**30
#: What the service refuses: "the total file size requested is … bytes before compression … but
#: must be less than 17179869184 bytes". It counts fileDimensions, however small the image is.
_MOST_FILE_BYTES: Final = 2**34
#: The service's default is 1e8, and a user's limit is of the user; so this is none.
_MAX_PIXELS: Final = 10**13


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_pixels(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 1 <= value < math.inf


def _is_dimensions(value: Any) -> bool:
    if isinstance(value, list | tuple):
        columns_and_rows = 2
        return len(value) == columns_and_rows and all(map(_is_whole, value))
    return _is_whole(value)


def _is_priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _PRIORITIES


#: Option → whether a value can be its, and what it takes in words.
_TAKES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "fileDimensions": (_is_dimensions, "a whole number of pixels, or a pair: columns, rows"),
    "maxPixels": (_is_pixels, "a number of pixels"),
    "priority": (_is_priority, "a whole number from 0 to 9999"),
    "shardSize": (
        lambda value: _is_whole(value) and value % _TIFF_TILE == 0,
        "a whole number of pixels, a multiple of 16",
    ),
    "skipEmptyTiles": (lambda value: isinstance(value, bool), "true or false"),
}
#: Options that a pull has a use for; the others are of exports alone.
_ANY_KIND: Final = frozenset({"maxPixels"})
_TILES_OWN: Final = ("crs", "crsTransform", "crs_transform", "dimensions", "region", "scale")
_FORMAT: Final = {"cloudOptimized": (bool,), "noData": (int, float)}


def check(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Check export_image_kwds for a kind of destination; return a copy in its current form.

    ``cloudOptimized`` at top level, as older documents have it, is moved into ``formatOptions``,
    where the client wants it; one number for ``fileDimensions`` becomes a pair. The caller's
    mapping is left as it is.

    Raises
    ------
    InputError
        An option isn't known, isn't of its type, or has no meaning for that kind.
    """
    given: dict[str, Any] = dict(options)
    form = _check_form(given.pop("formatOptions", None) or {}, given)
    for name in given:
        _check_name(name, kind)
    checked = {name: value for name, value in given.items() if value is not None}
    for name, value in checked.items():
        is_possible, words = _TAKES[name]
        if not is_possible(value):
            raise InputError(f"export_image_kwds: {name} is {words}, not {value!r}")
    if "maxPixels" in checked:
        checked["maxPixels"] = int(checked["maxPixels"])
    match checked.get("fileDimensions"):
        case int() as side:
            checked["fileDimensions"] = [side, side]
        case list() | tuple() as sides:
            checked["fileDimensions"] = list(sides)
    if form:
        checked["formatOptions"] = form
    return checked


def complete(
    options: Mapping[str, Any], size: tuple[int, int], n_bands: int, dtype: str
) -> dict[str, Any]:
    """Add to checked options what an export needs; see :meth:`Engine.export_options`.

    Raises
    ------
    InputError
        The service can't write such files, or a tile has more pixels than `maxPixels` allows.
    """
    pixel = n_bands * np.dtype(dtype).itemsize
    shard = options.get("shardSize") or _shard_size(n_bands + pixel)
    columns, rows = options.get("fileDimensions") or [_file_side(shard, pixel)] * 2
    if columns % shard or rows % shard:
        raise InputError(
            f"export_image_kwds: fileDimensions [{columns}, {rows}] must be multiples of shardSize "
            f"{shard}"
        )
    if columns * rows * pixel >= _MOST_FILE_BYTES:
        raise InputError(
            f"export_image_kwds: files of fileDimensions [{columns}, {rows}] with {n_bands} bands "
            f"of {dtype} would be {columns * rows * pixel / 2**30:.1f} GiB, and Earth Engine "
            "writes less than 16: make them smaller"
        )
    complete = {"maxPixels": _MAX_PIXELS, **options}
    complete |= {"shardSize": shard, "fileDimensions": [columns, rows]}
    check_pixels(complete, size)
    return complete


def check_pixels(options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Hold a tile's columns and rows against `maxPixels`.

    Raises
    ------
    InputError
        They are more pixels.
    """
    columns, rows = size
    limit = options.get("maxPixels")
    if limit is not None and columns * rows > limit:
        raise InputError(
            f"export_image_kwds: {columns} × {rows} pixels are more than maxPixels {limit} allows"
        )


def _shard_size(pixel: int) -> int:
    """Return the largest shardSize with which the service can compute pixels of so many bytes."""
    return next((side for side in _SHARDS if side**2 * pixel <= _SHARD_BYTES), _SHARDS[-1])


def _file_side(shard: int, pixel: int) -> int:
    """Return the largest side of a file of pixels of so many bytes.

    It is a multiple of the service's own shardSize too, where that is one of `shard`.
    """
    step = shard * max(1, _SHARDS[0] // shard)
    sides = range(step, _FILE_SIDE + 1, step)
    return max((side for side in sides if side**2 * pixel <= _FILE_BYTES), default=step)


def _check_form(given: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Check formatOptions, with what `options` have at top level that belongs there."""
    if not isinstance(given, Mapping):
        raise InputError(f"export_image_kwds: formatOptions is a mapping, not {given!r}")
    form = dict(given)
    if "cloudOptimized" in options:
        form.setdefault("cloudOptimized", options.pop("cloudOptimized"))
    for name, value in form.items():
        if name not in _FORMAT:
            known = ", ".join(_FORMAT)
            raise InputError(f"export_image_kwds: formatOptions takes {known}, not {name!r}")
        if not isinstance(value, _FORMAT[name]) or (name == "noData" and isinstance(value, bool)):
            raise InputError(f"export_image_kwds: formatOptions {name} can't be {value!r}")
    return form


def _check_name(name: str, kind: str) -> None:
    if name in _TAKES:
        if name not in _ANY_KIND and kind not in EarthEngine.exports_to:
            raise InputError(
                f"export_image_kwds: {name} is for exports; into a {kind} store cedar writes the "
                "file itself, so leave it out"
            )
        return
    if name in _TILES_OWN:
        raise InputError(f"export_image_kwds: {name} is the tile's to say; leave it out")
    near = difflib.get_close_matches(name, ("formatOptions", *_TAKES), 1)
    raise InputError(
        f"export_image_kwds: unknown option {name!r}"
        + (f"; did you mean {near[0]!r}?" if near else "")
    )
