"""Blocks: the plan, how one is halved, and what is kept of those that are finished."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import limited_files

from cedar.engines.earthengine import blocks as blocks_
from cedar.engines.earthengine.blocks import Scratch, halves
from cedar.exceptions import EngineError
from cedar.rasters import TILE_SIDE, Block

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
    blocks = blocks_.plan(width, height, n_bands, itemsize)
    assert sum(block.height * block.width * (block.last - block.first) for block in blocks) == (
        width * height * n_bands
    )
    spans = {(block.first, block.last) for block in blocks}
    assert sorted(spans) == [(first, last) for first, last in sorted(spans)]
    for first, last in spans:
        assert 0 <= first < last <= n_bands
        assert last - first <= blocks_.MAX_BANDS
    seen = [
        (block.row, block.col, block.first)
        for block in blocks
        if 0 <= block.row < block.row + block.height <= height
        and 0 <= block.col < block.col + block.width <= width
        and block.row % TILE_SIDE == block.col % TILE_SIDE == 0
        and block.height * block.width * (block.last - block.first) * (itemsize + 1)
        <= min(blocks_.BLOCK_BYTES, SERVICE_BYTES)
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
        patch.setattr(blocks_, "BLOCK_BYTES", block_bytes)
        blocks = blocks_.plan(width, height, n_bands, itemsize)
    times = np.zeros((n_bands, height, width), np.uint8)
    for block in blocks:
        rows = slice(block.row, block.row + block.height)
        times[block.first : block.last, rows, block.col : block.col + block.width] += 1
    assert (times == 1).all()


def test_a_block_has_whole_tiles_of_the_file_and_as_many_bands_as_fit():
    """5,000 × 5,000 pixels of uint16: with 40 bands, and with more than a request takes."""
    forty = blocks_.plan(5000, 5000, 40, 2)
    assert len(forty) == 400
    assert {(block.first, block.last) for block in forty} == {(0, 40)}
    many = blocks_.plan(500, 500, 1200, 2)
    assert max(block.last - block.first for block in many) == 42
    tiny = blocks_.plan(20, 20, 1200, 2)
    assert [(block.first, block.last) for block in tiny] == [(0, 1024), (1024, 1200)]


@given(size=st.tuples(*[st.integers(1, 9)] * 3), by_bands=st.booleans())
def test_the_halves_of_a_block_are_the_block(size, by_bands):
    n_bands, height, width = size
    block = Block(512, 256, height, width, 7, 7 + n_bands)
    cut = halves(block, by_bands)
    if cut is None:
        assert n_bands == 1
        assert by_bands or height == width == 1
        return
    one, other, axis = cut
    assert not by_bands or axis == 0
    joined = np.concatenate([places(one), places(other)], axis=axis)
    assert (joined == places(block)).all()


def places(block):
    """Number of each value of a block, (bands, rows, columns), in 1000 × 1000 pixels."""
    band, row, col = np.ogrid[
        block.first : block.last,
        block.row : block.row + block.height,
        block.col : block.col + block.width,
    ]
    return (band * 1000 + row) * 1000 + col


BLOCKS = [Block(0, 0, 2, 3, 0, 2), Block(0, 3, 2, 1, 0, 2)]
PIXELS = [np.arange(12, dtype="uint16").reshape(2, 2, 3), np.full((2, 2, 1), 7, "uint16")]


@pytest.fixture
def kept(tmp_path):
    """Scratch with one finished block of two."""
    scratch = Scratch(tmp_path, "uint16")
    scratch.keep(BLOCKS[0], PIXELS[0])
    return scratch


def test_what_was_kept_is_there_also_for_the_next_process(tmp_path, kept):
    for scratch in (kept, Scratch(tmp_path, "uint16")):
        assert scratch.missing(BLOCKS) == BLOCKS[1:]
        assert (scratch.read(BLOCKS[0]) == PIXELS[0]).all()
        assert scratch.read(BLOCKS[0]).dtype == "uint16"


def test_a_block_that_is_gone_is_an_error_that_may_pass(kept):
    with pytest.raises(EngineError, match="a block was lost") as caught:
        kept.read(BLOCKS[1])
    assert caught.value.transient


def test_a_block_that_is_half_written_is_none(tmp_path, kept):
    """As a process leaves it that is killed there."""
    (path,) = tmp_path.iterdir()
    checksum = zlib.crc32(PIXELS[1].data)
    torn = tmp_path / f"0-2_0-3_2x1.{checksum:08x}.block"
    torn.write_bytes(PIXELS[1].tobytes()[:-1])
    (tmp_path / "0-2_0-3_2x1.partial").write_bytes(b"half")
    scratch = Scratch(tmp_path, "uint16")
    assert scratch.missing(BLOCKS) == BLOCKS[1:]
    assert path.exists()
    scratch.keep(BLOCKS[1], PIXELS[1])
    assert Scratch(tmp_path, "uint16").missing(BLOCKS) == []


def test_a_block_that_the_disk_does_not_hold_leaves_its_room_to_others(tmp_path, kept):
    before = [*tmp_path.iterdir()]
    with limited_files(1), pytest.raises(OSError, match="too large"):
        kept.keep(BLOCKS[1], PIXELS[1])
    assert [*tmp_path.iterdir()] == before
    assert kept.missing(BLOCKS) == BLOCKS[1:]
