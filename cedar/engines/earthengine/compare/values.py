"""Questions about single pixels: casts, masks, types, what lies on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ee
import numpy as np

from .asking import ANYWHERE, Asking, first_pixel, types
from .questions import Answer, Question

#: Values and integer types that can't hold them.
_OVERFLOWS: Final = (
    (300, "uint8"), (-1, "uint8"), (200, "int8"), (70_000, "uint16"), (-1, "uint16"),
    (40_000, "int16"), (-40_000, "int16"), (3_000_000_000, "int32"), (-1, "uint32"),
)  # fmt: skip
#: Where numbers lie between two integers.
_FRACTIONS: Final = (1.2, 1.5, 2.5, 1.9, -1.2, -1.5, -2.5, -1.9)
#: Fills what is masked.
_FILL: Final = 99
#: Pixels from the place to where the scene, which has 8,000, can't be.
_FAR: Final = 12_000
#: What has a footprint.
_BOUNDED: Final = ("clip", "image", "mosaic")


def _name(value: int, dtype: str) -> str:
    return f"{dtype}_of_{'minus_' if value < 0 else ''}{abs(value)}"


def _to(image: ee.Image, dtype: str) -> ee.Image:
    return getattr(image, "to" + dtype.capitalize())()


def _overflowing(values: ee.Image) -> ee.Image:
    """Add each value to an image of zeros, and cast the sum."""
    return ee.Image.cat(
        [_to(values.add(value), dtype).rename(_name(value, dtype)) for value, dtype in _OVERFLOWS]
    )


def _saturated(value: int, dtype: str) -> int:
    limits = np.iinfo(dtype)
    return min(max(value, int(limits.min)), int(limits.max))


def _wrapped(value: int, dtype: str) -> int:
    return int(np.int64(value).astype(dtype))


_CASTS: Final[Mapping[Answer, Any]] = {
    "saturate": {_name(*each): _saturated(*each) for each in _OVERFLOWS},
    "wrap": {_name(*each): _wrapped(*each) for each in _OVERFLOWS},
}


def _ask_casts(asking: Asking) -> Any:
    scene = asking.scene()
    return first_pixel(
        asking.pixels(_overflowing(scene.image.multiply(0)), scene.grid.part(0, 0, 1, 1))
    )


def _ask_constant_casts(asking: Asking) -> Any:
    return first_pixel(asking.pixels(_overflowing(ee.Image.constant(0)), ANYWHERE))


def _ask_fractions(asking: Asking) -> Any:
    cast = ee.Image.constant(list(_FRACTIONS)).toInt8()
    return list(first_pixel(asking.pixels(cast, ANYWHERE)).values())


def _outside(asking: Asking, *arguments: Any) -> Any:
    """Unmask images outside of their footprints."""
    scene = asking.scene()
    elsewhere = ee.Geometry.Rectangle([0, 0, 1, 1], "EPSG:4326", False)
    bounded = (
        ee.Image.constant(1).clip(elsewhere),
        scene.image,
        ee.ImageCollection.fromImages([scene.image]).mosaic(),
    )
    images = {"unbounded": ee.Image.constant(1).updateMask(0)}
    images |= dict(zip(_BOUNDED, bounded, strict=True))
    filled = [image.unmask(*arguments).rename(name) for name, image in images.items()]
    return first_pixel(asking.pixels(ee.Image.cat(filled), scene.grid.part(_FAR, 0, 1, 1)))


def _ask_masked(asking: Asking) -> Any:
    seven = ee.Image.constant(7).rename("valid")
    both = seven.addBands(seven.updateMask(0).rename("masked"))
    return first_pixel(asking.pixels(both, ANYWHERE))


def _ask_types(asking: Asking) -> Any:
    scene = asking.scene()
    band, byte = scene.image, ee.Image.constant(1).toUint8()
    results = {
        "band": band,
        "sum": band.add(band),
        "difference": band.subtract(band),
        "product": band.multiply(band),
        "quotient": band.divide(2),
        "sum_of_bytes": byte.add(byte),
        "sum_with_fraction": band.add(0.5),
    }
    named = [image.rename(name) for name, image in results.items()]
    return types(asking.pixels(ee.Image.cat(named), scene.grid.part(0, 0, 1, 1)))


def _ask_mosaic(asking: Asking) -> Any:
    under = ee.Image.constant([1, 1])
    top = ee.Image.constant(2).addBands(ee.Image.constant(2).updateMask(0))
    layers = [image.rename(["whole", "masked_on_top"]) for image in (under, top)]
    mosaic = ee.ImageCollection.fromImages(layers).mosaic()
    return first_pixel(asking.pixels(mosaic, ANYWHERE))


def _ask_stack(asking: Asking) -> Any:
    images = [ee.Image.constant(value).rename("red") for value in (1, 2)]
    return asking.value(ee.ImageCollection.fromImages(images).toBands().bandNames())


def _bounded(value: int) -> dict[str, int]:
    return {"unbounded": _FILL, **dict.fromkeys(_BOUNDED, value)}


QUESTIONS: Final = (
    Question(
        "cast_overflow",
        "What becomes of a value that the type it is cast to can't hold?",
        _ask_casts,
        _CASTS,
    ),
    Question(
        "constant_cast_overflow",
        "And of a constant?",
        _ask_constant_casts,
        _CASTS,
    ),
    Question(
        "cast_fraction",
        f"What becomes of {', '.join(map(str, _FRACTIONS))} in a cast to an integer?",
        _ask_fractions,
        {
            "cut off": [int(value) for value in _FRACTIONS],
            "rounded, a half to the even": [int(np.rint(value)) for value in _FRACTIONS],
            "rounded, a half up": [int(np.floor(value + 0.5)) for value in _FRACTIONS],
            "rounded down": [int(np.floor(value)) for value in _FRACTIONS],
        },
    ),
    Question(
        "unmask_edge",
        f"Outside of an image's footprint, does unmask({_FILL}, False) fill?",
        lambda asking: _outside(asking, _FILL, False),
        {"union": _bounded(_FILL), "input": _bounded(0)},
    ),
    Question(
        "unmask_default",
        f"And unmask({_FILL})?",
        lambda asking: _outside(asking, _FILL),
        {"masked": _bounded(0), "filled": _bounded(_FILL)},
    ),
    Question(
        "masked_value",
        "What does a masked 7 come as?",
        _ask_masked,
        {"zero": {"valid": 7, "masked": 0}, "itself": {"valid": 7, "masked": 7}},
    ),
    Question(
        "types",
        "Which types do uint16, and results of arithmetic with it, come as?",
        _ask_types,
        {
            "as the emulator": {
                "band": "uint16",
                "sum": "uint32",
                "difference": "int32",
                "product": "uint32",
                "quotient": "float32",
                "sum_of_bytes": "uint16",
                "sum_with_fraction": "float64",
            }
        },
    ),
    Question(
        "mosaic",
        "Is the last image on top, each band by its own mask?",
        _ask_mosaic,
        {
            "the last, by band": {"whole": 2, "masked_on_top": 1},
            "the last, by image": {"whole": 2, "masked_on_top": 0},
            "the first": {"whole": 1, "masked_on_top": 1},
        },
    ),
    Question(
        "stack_names",
        "What does toBands call the bands of images that have no index?",
        _ask_stack,
        {"by number": ["0_red", "1_red"]},
    ),
)
