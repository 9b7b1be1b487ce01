"""cedar's orders come out the same, however Earth Engine turns out to answer open questions."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import rasterio
from orders import (
    COLLECTION,
    COLLECTIONS,
    LANDSAT,
    MAY,
    albers_grid,
    real_tracker,
    reference,
    utm_grid,
)

from cedar.emulator import Emulator
from cedar.emulator.questions import LIKELIEST, Answers, possible_answers
from cedar.engines.earthengine import EarthEngine

OTHERS = [
    Answers(**{question: answer})
    for question, possible in possible_answers().items()
    for answer in possible
    if answer != getattr(LIKELIEST, question)
]
TIES = [Answers(tie=tie) for tie in possible_answers()["tie"]]
TILES = [(0, 0), (1, 1)]


def name_of(answers):
    return " ".join(
        f"{each.name}={getattr(answers, each.name)}"
        for each in fields(answers)
        if getattr(answers, each.name) != getattr(LIKELIEST, each.name)
    )


def pixels(directory, answers, grid, tiles, **settings):
    """What an order's files hold: (tiles, bands, rows, columns)."""
    with Emulator(LANDSAT, answers=answers) as emulator:
        engine = EarthEngine(emulator=emulator)
        tracker = real_tracker(directory, grid, engine=engine, **settings)
        name, _ = tracker.submit(COLLECTION, tiles, *MAY)
        tracking = tracker.watch(name)
    assert tracking.complete
    found = []
    for entry in tracking.orders:
        (output,) = entry["outputs"]
        with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as image:
            found.append(image.read())
    return np.stack(found)


@pytest.mark.parametrize("answers", OTHERS, ids=name_of)
@pytest.mark.parametrize("grid", [utm_grid(), albers_grid()], ids=["aligned", "Albers"])
def test_the_pixels_are_those_of_the_reference_whatever_the_answer(tmp_path, grid, answers):
    found = pixels(tmp_path, answers, grid, TILES)
    np.testing.assert_array_equal(found, [reference(grid[tile]) for tile in TILES])
    assert (found != 0).sum() > 10_000


@pytest.mark.parametrize("answers", TIES, ids=lambda answers: answers.tie)
def test_half_a_pixel_off_they_are_those_of_the_reference_by_the_same_rule(tmp_path, answers):
    grid = utm_grid(shift=15.0)
    found = pixels(tmp_path, answers, grid, TILES)
    wanted = [reference(grid[tile], answers.tie) for tile in TILES]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("answers", OTHERS, ids=name_of)
def test_a_filter_nodata_of_ones_own_and_a_narrower_type_are_the_same(tmp_path, answers):
    settings = {
        "collections": {COLLECTION: {**COLLECTIONS[COLLECTION], "dtype": "uint8", "nodata": 255,
                                     "allow_widening": True}},
        "filters": {COLLECTION: [{"function": "lte", "name": "CLOUD_COVER", "value": 80}]},
    }  # fmt: skip
    found = pixels(tmp_path, answers, utm_grid(), TILES[:1], **settings)
    values = reference(utm_grid()[0, 0])
    present = (values != 0).any(axis=0)
    wanted = np.where(present & (values != 0), np.minimum(values, 255), 255)
    np.testing.assert_array_equal(found[0], wanted)
