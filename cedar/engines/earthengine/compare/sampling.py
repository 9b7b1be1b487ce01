"""Questions about which pixels of a scene are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import ee
import numpy as np

from cedar.emulator.questions import Tie

from .asking import BAND, SIDE, Array, Asking, fitting
from .questions import Answer, Question

_TIES: Final[tuple[str, ...]] = get_args(Tie)
_ROUNDINGS: Final[Mapping[str, Callable[[Array], Array]]] = {
    "exact": np.asarray,
    "rounded, a half to the even": np.rint,
    "rounded, a half up": lambda values: np.floor(values + 0.5),
    "cut off": np.floor,
}
_MEAN: Final = "mean, "
_AS_MEANS: Final = tuple(f"{_MEAN}{how}" for how in _ROUNDINGS)


def _between(native: Array) -> Mapping[str, Array]:
    """Return what a grid half a pixel down and right reads, by each rule."""
    return {
        rule: native[int(rule.startswith("down")) :, int(rule.endswith("right")) :][:SIDE, :SIDE]
        for rule in _TIES
    }


def _means(native: Array, side: int) -> Array:
    """Return means of squares of pixels."""
    count = SIDE // side
    squares = native[:SIDE, :SIDE].reshape(count, side, count, side)
    means: Array = squares.mean(axis=(1, 3), dtype=np.float64)
    return means


def _rounded(values: Array, of: str = "") -> dict[str, Array]:
    """Return numbers as they are, and in the ways in which integers are made of them."""
    return {f"{of}{how}": round_(values) for how, round_ in _ROUNDINGS.items()}


def _ask_tie(asking: Asking) -> Any:
    scene = asking.scene()
    found = asking.pixels(scene.image, scene.grid.part(0.5, 0.5, SIDE, SIDE))[BAND]
    return fitting(found, _between(scene.native))


def _ask_reprojected_tie(asking: Asking) -> Any:
    scene = asking.scene()
    grid = scene.grid.part(0.5, 0.5, SIDE, SIDE)
    image = scene.image.reproject(grid.crs, list(grid.transform))
    return fitting(asking.pixels(image, grid)[BAND], _between(scene.native))


def _ask_bilinear(asking: Asking) -> Any:
    scene = asking.scene()
    grid = scene.grid.part(0.5, 0.5, SIDE, SIDE)
    found = asking.pixels(scene.image.resample("bilinear"), grid)[BAND]
    four = np.stack([*_between(scene.native).values()])
    return fitting(found, _rounded(four.mean(axis=0, dtype=np.float64)))


def _ask_mean(asking: Asking) -> Any:
    scene = asking.scene()
    side = SIDE // 2
    image = scene.image.reduceResolution(ee.Reducer.mean(), False, 64)
    found = asking.pixels(image, scene.grid.part(0, 0, side, side, pixel=2))[BAND]
    return fitting(found, _rounded(_means(scene.native, 2)))


def _ask_pyramid(asking: Asking) -> Any:
    scene = asking.scene()
    side = SIDE // 2
    found = asking.pixels(scene.image, scene.grid.part(0, 0, side, side, pixel=2))[BAND]
    taken = {rule: pixels[::2, ::2] for rule, pixels in _between(scene.native).items()}
    return fitting(found, _rounded(_means(scene.native, 2), _MEAN) | taken)


def _ask_pinned(asking: Asking) -> Any:
    scene = asking.scene()
    side = SIDE // 3
    pinned = scene.image.reproject(scene.image.projection())
    found = asking.pixels(pinned, scene.grid.part(0, 0, side, side, pixel=3))[BAND]
    middle = {"nearest": scene.native[1:SIDE:3, 1:SIDE:3]}
    return fitting(found, middle | _rounded(_means(scene.native, 3), _MEAN))


def _each(*answers: str) -> dict[Answer, str]:
    """Observations that are their own answers."""
    return {answer: answer for answer in answers}


QUESTIONS: Final = (
    Question(
        "tie",
        "Which pixel is taken where a centre lies exactly between four?",
        _ask_tie,
        _each(*_TIES),
    ),
    Question(
        "reprojected_tie",
        "And where the image is reprojected to such a grid first?",
        _ask_reprojected_tie,
        _each(*_TIES),
    ),
    Question(
        "bilinear",
        "Are bilinear means of integers rounded?",
        _ask_bilinear,
        _each("rounded, a half to the even", *_ROUNDINGS),
    ),
    Question(
        "reduce_resolution",
        "Is the mean of four whole pixels theirs, and rounded?",
        _ask_mean,
        _each(*_ROUNDINGS),
    ),
    Question(
        "pyramid",
        "What is read at twice the pixels' size?",
        _ask_pyramid,
        _each(*_AS_MEANS, *_TIES),
    ),
    Question(
        "pinned",
        "At three times the pixels' size, is a band that is reprojected to itself sampled?",
        _ask_pinned,
        _each("nearest", *_AS_MEANS),
    ),
)
