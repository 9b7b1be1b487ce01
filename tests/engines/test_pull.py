"""Pulling by blocks: the plan, what is kept, what is asked for again."""

from pathlib import Path

import ee
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine, pull
from cedar.exceptions import EngineError
from cedar.items import Destination
from cedar.metadata import ImageMetadata
from cedar.rasters import TILE_SIDE

#: What the service takes in one request, a mask byte with every value.
SERVICE_BYTES = 50_331_648


@given(
    width=st.integers(1, 6000),
    height=st.integers(1, 6000),
    n_bands=st.integers(1, 3000),
    itemsize=st.sampled_from([1, 2, 4, 8]),
)
def test_blocks_hold_every_pixel_of_every_band_once_and_never_too_much(
    width, height, n_bands, itemsize
):
    blocks = pull.plan(width, height, n_bands, itemsize)
    assert sum(block.height * block.width * (block.last - block.first) for block in blocks) == (
        width * height * n_bands
    )
    spans = {(block.first, block.last) for block in blocks}
    assert sorted(spans) == [(first, last) for first, last in sorted(spans)]
    for first, last in spans:
        assert 0 <= first < last <= n_bands
        assert last - first <= pull.MAX_BANDS
    seen = [
        (block.row, block.col, block.first)
        for block in blocks
        if 0 <= block.row < block.row + block.height <= height
        and 0 <= block.col < block.col + block.width <= width
        and block.row % TILE_SIDE == block.col % TILE_SIDE == 0
        and block.height * block.width * (block.last - block.first) * (itemsize + 1)
        <= min(pull.BLOCK_BYTES, SERVICE_BYTES)
    ]
    assert len(set(seen)) == len(blocks)


@given(
    width=st.integers(1, 600),
    height=st.integers(1, 600),
    n_bands=st.integers(1, 40),
    itemsize=st.sampled_from([1, 2, 4, 8]),
    block_bytes=st.integers(1, 2**21),
)
def test_blocks_do_not_overlap(width, height, n_bands, itemsize, block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pull, "BLOCK_BYTES", block_bytes)
        blocks = pull.plan(width, height, n_bands, itemsize)
    times = np.zeros((n_bands, height, width), np.uint8)
    for block in blocks:
        rows = slice(block.row, block.row + block.height)
        times[block.first : block.last, rows, block.col : block.col + block.width] += 1
    assert (times == 1).all()


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def request_(tmp_path, emulator, monkeypatch):
    """A request for 300 × 250 pixels of three bands, in six blocks."""
    monkeypatch.setattr(pull, "BLOCK_BYTES", 3 * TILE_SIDE**2)
    tracker = real_tracker(tmp_path / "store", engine=EarthEngine(emulator=emulator))
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    metadata = ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
    return tracker.engine.prepare(metadata, Destination("local", "", ""), {})


def blocks_asked(emulator):
    return sum(request.method == "image:computePixels" for request in emulator.requests)


def pulled(emulator, request, scratch, progress=lambda part: None):
    return EarthEngine(emulator=emulator).pull(request, scratch, progress)


def test_progress_grows_from_nothing_to_the_whole(tmp_path, emulator, request_):
    parts = []
    pulled(emulator, request_, tmp_path, parts.append)
    assert parts == pytest.approx([n / 6 for n in range(7)])
    assert blocks_asked(emulator) == 6


def test_blocks_that_were_fetched_are_not_fetched_again(tmp_path, emulator, request_):
    first = pulled(emulator, request_, tmp_path).read_bytes()
    parts = []
    again = pulled(emulator, request_, tmp_path, parts.append)
    assert again.read_bytes() == first
    assert parts == [1.0]
    assert blocks_asked(emulator) == 6


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "emptied":
            path.write_bytes(b"")
        case "changed":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "removed":
            path.unlink()


@pytest.mark.parametrize("how", ["cut", "emptied", "changed", "removed"])
def test_a_block_that_was_damaged_is_fetched_again_alone(tmp_path, emulator, request_, how):
    first = pulled(emulator, request_, tmp_path).read_bytes()
    damage(min(tmp_path.glob("block-*.npy")), how)
    assert pulled(emulator, request_, tmp_path).read_bytes() == first
    assert blocks_asked(emulator) == 7


def test_what_stops_a_pull_leaves_its_finished_blocks_and_nothing_under_way(
    tmp_path, emulator, request_
):
    class Enough(Exception):
        pass

    def progress(part):
        if part > 0.3:
            raise Enough

    with pytest.raises(Enough):
        pulled(emulator, request_, tmp_path, progress)
    asked = blocks_asked(emulator)
    kept = [*tmp_path.glob("block-*.npy")]
    assert 2 <= len(kept) == asked
    assert not [*tmp_path.glob("*.partial")]
    pulled(emulator, request_, tmp_path)
    assert blocks_asked(emulator) == 6


def test_a_block_of_another_shape_than_was_asked_for_is_never_written(
    tmp_path, emulator, request_, monkeypatch
):
    compute = ee.data.computePixels
    monkeypatch.setattr(ee.data, "computePixels", lambda params: compute(params)[1:])
    with pytest.raises(EngineError, match=r"came with shape \(249, ") as caught:
        pulled(emulator, request_, tmp_path)
    assert caught.value.transient
    assert not [*tmp_path.glob("block-*")]


def test_a_block_that_goes_missing_meanwhile_is_an_error_that_may_pass(
    tmp_path, emulator, request_
):
    def progress(part):
        if part == 1:
            min(tmp_path.glob("block-*.npy")).unlink()

    with pytest.raises(EngineError, match="a block went missing") as caught:
        pulled(emulator, request_, tmp_path, progress)
    assert caught.value.transient


def test_one_block_that_fails_fails_the_pull_and_the_others_are_kept(tmp_path, request_):
    fault = {
        "service": "earthengine",
        "method": "image:computePixels",
        "nth": 3,
        "action": "status",
        "value": 400,
    }
    with Emulator(LANDSAT, faults=[fault]) as emulator:
        with pytest.raises(EngineError, match="invalid argument"):
            pulled(emulator, request_, tmp_path)
        pulled(emulator, request_, tmp_path)
        assert blocks_asked(emulator) == 7
