"""What the service refuses for its size: the emulator refuses it too, and cedar works round it."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import ee
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from cedar import LocalStore, TileGrid, Tracker
from cedar.emulator import Emulator, earthengine
from cedar.emulator.faults import ERRORS
from cedar.emulator.values import ServiceError
from cedar.engines.earthengine import EarthEngine, blocks, pull
from cedar.exceptions import EngineError
from cedar.states import TaskState

PIXELS = "image:computePixels"
PERIOD = ("2020-01-01", "2021-01-01")
#: Images beside each other in time share their pixels in turns.
FILES = 7


def made(directory, n_images, n_bands, size=4, dtype="uint16", index="{:04d}"):
    """A catalog of so many images of EXAMPLE/MADE, an hour from each other.

    Returns
    -------
    array
        The stack of them all: (images × bands, rows, columns).
    """
    shape = (FILES, n_bands, size, size)
    pixels = 1 + np.arange(np.prod(shape), dtype="uint64").reshape(shape) % 60_000
    pixels = pixels.astype(dtype)
    for i, bands in enumerate(pixels):
        profile = {"width": size, "height": size, "count": n_bands, "dtype": dtype, "nodata": 0}
        with rasterio.open(
            directory / f"{i}.tif",
            "w",
            crs="EPSG:32621",
            transform=from_origin(730005, -2778015, 30, 30),
            **profile,
        ) as target:
            target.write(bands)
    west, south, east, north = -54.73, -25.20, -54.60, -25.09
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    names = [{"name": f"B{band}"} for band in range(n_bands)]
    for i in range(n_images):
        time = np.datetime64("2020-01-01T00:00:00") + np.timedelta64(i, "h")
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": index.format(i),
            "collection": "EXAMPLE/MADE",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": f"{time}Z"},
            "links": [],
            "assets": {"data": {"href": f"{i % FILES}.tif", "bands": names}},
        }
        (directory / f"{i}.json").write_text(json.dumps(item), encoding="utf-8")
    return np.concatenate([pixels[i % FILES] for i in range(n_images)])


@pytest.fixture
def emulator(tmp_path):
    """A strict emulator of what `made` has put into tmp_path / "catalog" by then."""
    (tmp_path / "catalog").mkdir()

    def emulator(*args, **kwds):
        stack = made(tmp_path / "catalog", *args, **kwds)
        return Emulator(tmp_path / "catalog"), stack

    return emulator


def definition(n_bands, dtype="uint16"):
    names = [f"B{band}" for band in range(n_bands)]
    return {"bands": names, "dtype": dtype, "nodata": 0, "group_by": "none"}


def tile_grid(height=4, width=4):
    return TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(width, height))


def tracker_of(tmp_path, emulator, n_bands, size=(4, 4), dtype="uint16", filters=()):
    return Tracker(
        tile_grid(*size),
        LocalStore(tmp_path / "store"),
        engine=EarthEngine(emulator=emulator),
        collections={"EXAMPLE/MADE": definition(n_bands, dtype)},
        filters={"EXAMPLE/MADE": filters},
    )


def pulled(tracker):
    """Order one tile of all images, watch it, and read its pixels."""
    name, _ = tracker.submit("EXAMPLE/MADE", (0, 0), *PERIOD)
    tracking = tracker.watch(name)
    (entry,) = tracking.orders
    assert tracking.complete, entry["status"]
    (output,) = entry["outputs"]
    with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as image:
        return image.read()


def statuses(emulator, method=PIXELS):
    return [request.status for request in emulator.requests if request.method == method]


def test_a_stack_of_more_bands_than_the_service_takes_is_asked_for_in_parts(tmp_path, emulator):
    """Three images of 400 bands: the cut at 1,024 is inside the third."""
    served, stack = emulator(3, 400)
    with served:
        assert (pulled(tracker_of(tmp_path, served, 400)) == stack).all()
        assert len(stack) == 1200
        assert statuses(served) == [200, 200]


@pytest.mark.stress
def test_a_stack_of_more_bands_than_the_service_stacks_is_asked_for_in_parts(tmp_path, emulator):
    served, stack = emulator(5001, 1)
    with served:
        assert (pulled(tracker_of(tmp_path, served, 1)) == stack).all()
        assert statuses(served) == [200] * 5


def test_an_expression_that_is_too_long_is_cut_by_its_images(tmp_path, emulator):
    """100 ids of 110,000 characters are more than the service takes in one request."""
    served, stack = emulator(100, 1, index="{:04d}" + "x" * 110_000)
    with served:
        assert (pulled(tracker_of(tmp_path, served, 1)) == stack).all()
        assert statuses(served) == [400, 200, 200]


def test_a_block_past_the_size_rule_is_halved(tmp_path, emulator, monkeypatch):
    """A value counts with a byte of mask: 75 × 250 × 300 × (8 + 1) bytes are past 50,331,648."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2**30)
    served, stack = emulator(1, 75, size=300, dtype="float64")
    with served:
        pixels = pulled(tracker_of(tmp_path, served, 75, (250, 300), "float64"))
        assert (pixels == stack[:, :250]).all()
        assert statuses(served) == [400, 200, 200]


@pytest.mark.parametrize("words", ["memory", "timeout", "too-large"])
def test_blocks_that_are_too_much_to_compute_are_halved(tmp_path, emulator, monkeypatch, words):
    """Whatever is more than 1,000 values is too much; what was learned holds for other blocks."""
    compute, asked = earthengine.compute_pixels, []

    def limited(params, catalog):
        size = params["grid"]["dimensions"]
        asked.append(len(params["bandIds"]) * size["width"] * size["height"])
        if asked[-1] > 1000:
            code, status, message = ERRORS[words]
            raise ServiceError(message, code, status)
        return compute(params, catalog)

    monkeypatch.setattr(earthengine, "compute_pixels", limited)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(pull, "_pool", lambda: pool)
        served, stack = emulator(1, 3, size=64)
        with served:
            assert (pulled(tracker_of(tmp_path, served, 3, (64, 64))) == stack).all()
    # The first block of three is asked for whole, its half, its quarter; the others' eighths only.
    assert [size for size in asked if size > 1000] == [4096, 2048, 1024]
    assert len(asked) == 3 + 3 * 8


def test_a_refusal_of_the_moment_leaves_other_blocks_whole(tmp_path, emulator, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    (tmp_path / "catalog").mkdir(exist_ok=True)
    stack = made(tmp_path / "catalog", 1, 9, size=64)
    fault = {"service": "earthengine", "method": PIXELS, "action": "status", "value": "memory"}
    with (
        Emulator(tmp_path / "catalog", faults=[{**fault, "nth": 4}]) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        monkeypatch.setattr(pull, "_pool", lambda: pool)
        assert (pulled(tracker_of(tmp_path, served, 9, (64, 64))) == stack).all()
        # The fourth in halves.
        assert Counter(statuses(served)) == {200: 8 + 2, 400: 1}


def test_a_pixel_that_is_too_much_fails_its_item_in_the_services_words(tmp_path, emulator):
    stack = made(tmp_path / "catalog", 1, 1)
    fault = {"service": "earthengine", "method": PIXELS, "action": "status", "value": "memory"}
    with Emulator(tmp_path / "catalog", faults=[{**fault, "probability": 1.0}]) as served:
        tracker = tracker_of(tmp_path, served, 1)
        name, _ = tracker.submit("EXAMPLE/MADE", (0, 0), *PERIOD)
        (entry,) = tracker.watch(name).orders
        assert entry["status"]["state"] == TaskState.FAILED
        assert "User memory limit exceeded" in entry["status"]["error_message"]
        # 16 pixels, 8, 4, 2, 1.
        assert len(statuses(served)) == 5
        assert stack.size == 16


@pytest.mark.parametrize("words", ["memory", "timeout", "too-large"])
def test_a_search_that_is_too_much_to_compute_is_split(tmp_path, emulator, words):
    made(tmp_path / "catalog", 40, 1)
    fault = {"service": "earthengine", "method": "value:compute", "action": "status"}
    with Emulator(tmp_path / "catalog", faults=[{**fault, "value": words, "nth": 1}]) as served:
        tracker = tracker_of(tmp_path, served, 1)
        (entry,) = tracker.read(tracker.submit("EXAMPLE/MADE", (0, 0), *PERIOD)[0]).orders
        assert entry["n_images"] == 40
        assert statuses(served, "value:compute") == [400, 200, 200]


def test_what_the_service_never_finishes_is_its_error_and_no_endless_search(tmp_path, emulator):
    made(tmp_path / "catalog", 2, 1)
    fault = {"service": "earthengine", "method": "value:compute", "action": "status"}
    always = {**fault, "value": "timeout", "probability": 1.0}
    with Emulator(tmp_path / "catalog", faults=[always]) as served:
        tracker = tracker_of(tmp_path, served, 1)
        with pytest.raises(EngineError, match="Computation timed out"):
            tracker.submit("EXAMPLE/MADE", (0, 0), *PERIOD)
        assert len(statuses(served, "value:compute")) < 50
    assert list(tracker.store.objects()) == []


def test_what_is_unknown_is_an_error_that_names_it_and_nothing_is_recorded(tmp_path, emulator):
    """What the service has and the emulator has not is unknown to the emulator."""
    served, _ = emulator(1, 1)
    with served:
        tracker = tracker_of(tmp_path, served, 1)
        tracker.engine.connect()
        unknown = ee.Filter.eq("x", ee.Classifier.smileCart())
        tracker = tracker_of(tmp_path, served, 1, filters=[unknown])
        with pytest.raises(EngineError, match=r"Classifier\.smileCart"):
            tracker.submit("EXAMPLE/MADE", (0, 0), *PERIOD)
    assert list(tracker.store.objects()) == []
