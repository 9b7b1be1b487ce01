"""Stacks: an item's files on this machine."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.cubes.stacks import look, stacks
from cedar.exceptions import CedarError
from cedar.metadata import TrackingMetadata


@pytest.fixture
def order(tmp_path):
    """An order of two tiles that has come: its tracker and record, and where it is."""
    tracker = real_tracker(tmp_path / "store")
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    tracker.watch(name)
    record = tracker.read(name)
    tracker.download(record, tmp_path / name)
    return record, tmp_path / name


def test_a_stack_is_what_rasterio_reads(order):
    record, directory = order
    found = stacks(record, directory)
    assert [stack.name for stack in found] == [entry["name"] for entry in record.orders]
    for stack in found:
        assert [band.name for band in stack.bands] == ["blue", "green", "red"]
        (path,) = stack.files
        with rasterio.open(path) as file:
            whole = file.read()
            assert stack.dtype == file.dtypes[0]
            assert stack.nodata == file.nodata
            assert stack.transform == file.transform
            assert stack.crs == file.crs
        put = np.zeros((len(stack.layers), 3, stack.height, stack.width), stack.dtype)
        for row, col, height, width in (windows := [*stack.windows(100_000)]):
            pixels = stack.read((row, col, height, width) and windows[0]._replace(
                row=row, col=col, height=height, width=width))
            put[:, :, row : row + height, col : col + width] = pixels
        assert np.array_equal(put.reshape(whole.shape), whole)
        assert whole.any()
