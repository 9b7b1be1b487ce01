"""Blocks that hold one number a band: decoded once, and read to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from cedar.cubes import blocks

SIDE = 32


class Counting:
    """A file that counts what it decodes."""

    def __init__(self, file):
        self._file, self.windows = file, []

    def __getattr__(self, name):
        return getattr(self._file, name)

    def read(self, bands, window):
        self.windows.append(window)
        return self._file.read(list(bands), window=window)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(blocks, "_known", type(blocks._known)())


@pytest.fixture
def write(tmp_path):
    """Write blocks of 32 × 32, three across and two down, the last ones cut off; the pixels."""

    def write(path, dtype="uint16", height=2 * SIDE - 5, width=3 * SIDE - 5, **profile):
        random = np.random.default_rng(1)
        pixels = random.integers(0, 1000, (200, height, width)).astype(dtype)
        pixels[:, :, SIDE:] = np.arange(200, dtype=dtype)[:, None, None]
        pixels[:, SIDE:, :SIDE] = 7 if dtype != "float32" else np.nan
        said = {"driver": "GTiff", "count": 200, "dtype": dtype, "height": height,
                "width": width, "tiled": True, "blockxsize": SIDE, "blockysize": SIDE,
                "interleave": "pixel", "compress": "deflate", "crs": 32621,
                "transform": rasterio.Affine(30, 0, 0, 0, -30, 0)} | profile  # fmt: skip
        with rasterio.open(path, "w", **said) as file:
            file.write(pixels)
        return pixels

    return write


@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd", "none"])
@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_pixels_are_the_files_to_the_bit(write, tmp_path, compress, dtype, interleave):
    path = tmp_path / "a.tif"
    pixels = write(path, dtype, compress=compress, interleave=interleave)
    with rasterio.open(path) as file:
        for _ in range(2):
            for row, col, height, width in (
                (0, 0, 59, 91), (0, 32, 32, 32), (32, 0, 27, 32), (3, 40, 40, 20), (58, 90, 1, 1),
            ):  # fmt: skip
                for bands in (range(1, 201), [5, 3, 200]):
                    found = blocks.read(file, Window(col, row, width, height), [*bands])
                    expected = pixels[np.array(bands) - 1, row : row + height, col : col + width]
                    np.testing.assert_array_equal(found, expected)


def test_blocks_that_are_alike_are_decoded_once(write, tmp_path):
    path = tmp_path / "a.tif"
    pixels = write(path, height=4 * SIDE, width=3 * SIDE)
    with rasterio.open(path) as file:
        counting = Counting(file)
        whole = Window(0, 0, 3 * SIDE, 4 * SIDE)
        np.testing.assert_array_equal(blocks.read(counting, whole, file.indexes), pixels)
        # One of pixels that differ, one of each of the two constants.
        assert len(counting.windows) == 3
        again = blocks.read(counting, Window(SIDE, 0, SIDE, SIDE), file.indexes)
        assert len(counting.windows) == 3
        assert again.strides[1:] == (0, 0)


def test_a_file_that_was_written_anew_is_read_anew(write, tmp_path):
    path = tmp_path / "a.tif"
    for dtype in ("uint16", "int16"):
        pixels = write(path, dtype, height=SIDE, width=2 * SIDE)
        with rasterio.open(path) as file:
            found = blocks.read(file, Window(SIDE, 0, SIDE, SIDE), file.indexes)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, pixels[:, :, SIDE:])


def test_what_is_remembered_is_bounded(write, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_MOST", 2)
    for number in range(4):
        path = tmp_path / f"{number}.tif"
        write(path)
        with rasterio.open(path) as file:
            blocks.read(file, Window(0, 0, 2 * SIDE, SIDE), file.indexes)
    assert len(blocks._known) == 2


def test_a_small_block_of_several_numbers_isnt_taken_for_one(tmp_path):
    path, pixels = tmp_path / "a.tif", np.zeros((200, SIDE, SIDE), "uint16")
    pixels[:, 5, 5] = 1
    said = {"driver": "GTiff", "count": 200, "dtype": "uint16", "height": SIDE, "width": SIDE}
    layout = {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE, "interleave": "pixel"}
    place = {"crs": 32621, "transform": rasterio.Affine(30, 0, 0, 0, -30, 0)}
    with rasterio.open(path, "w", compress="deflate", **said, **layout, **place) as file:
        file.write(pixels)
    with rasterio.open(path) as file:
        for _ in range(2):
            found = blocks.read(file, Window(0, 0, SIDE, SIDE), file.indexes)
            np.testing.assert_array_equal(found, pixels)
    assert [*blocks._known.values()] == [None]
