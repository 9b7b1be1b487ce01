"""Questions about what the service takes: sizes, bands, grids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import ee
from pyproj import CRS

from .asking import ANYWHERE, Array, Asking, first_pixel, types
from .questions import Question, Refused

#: Pixels along a side of a little more than the service gives at once, however it counts.
_LARGE: Final = 4100
_BANDS: Final = 1024
_SIDE: Final = 32_768


def _shape(array: Array) -> str:
    return f"{array.shape} pixels of {len(types(array))} bands"


def _ask_mask_bytes(asking: Asking) -> Any:
    bands = [
        ee.Image.constant(1).toUint8().rename("b1"),
        ee.Image.constant(1).toUint16().rename("b2"),
    ]
    grid = replace(ANYWHERE, width=_LARGE, height=_LARGE)
    return _shape(asking.pixels(ee.Image.cat(bands), grid))


def _ask_bands(asking: Asking) -> Any:
    return _shape(asking.pixels(ee.Image.constant(ee.List.sequence(0, _BANDS)), ANYWHERE))


def _ask_side(asking: Asking) -> Any:
    grid = replace(ANYWHERE, width=_SIDE + 1)
    return _shape(asking.pixels(ee.Image.constant(1).toUint8(), grid))


def _ask_wkt(asking: Asking) -> Any:
    grid = replace(ANYWHERE, crs=CRS("EPSG:5070").to_wkt())
    return first_pixel(asking.pixels(ee.Image.constant(1), grid))


def _total(a_pixel: int) -> Refused:
    return Refused(f"Total request size ({a_pixel * _LARGE**2} bytes)")


QUESTIONS: Final = (
    Question(
        "mask_bytes",
        "How many bytes of a request's size are a pixel's, of uint8 and uint16 together?",
        _ask_mask_bytes,
        {
            "5: each value's and a mask's": _total(5),
            "3: each value's": _total(3),
            "6: as many for each, and a mask's": _total(6),
            "4: as many for each": _total(4),
        },
    ),
    Question(
        "bands_limit",
        f"Are {_BANDS + 1:,} bands refused?",
        _ask_bands,
        {"yes": Refused(f"must be less than or equal to {_BANDS}")},
    ),
    Question(
        "side_limit",
        f"Are {_SIDE + 1:,} columns refused?",
        _ask_side,
        {"yes": Refused(f"must be less than or equal to {_SIDE}")},
    ),
    Question(
        "wkt",
        "Is a grid's CRS taken as WKT, too?",
        _ask_wkt,
        {"yes": {"constant": 1}, "no": Refused()},
    ),
)
