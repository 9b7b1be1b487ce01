"""Pre-ARD of 2019, with the documents that cedar-datacube wrote, as data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as RasterWindow

import cedar
from cedar import Tile
from cedar.cubes.images import Window
from cedar.cubes.stacks import look, stacks
from cedar.exceptions import CedarError
from cedar.shards import file_names, offsets

DATA = Path(__file__).parents[1] / "data" / "ancestor"
FILES = 512
#: Where there are numbers; in two of its files.
SEEN = Window(500, 600, 30, 20)


def documents():
    """A record and an item's metadata that fit each other, and else are as they were written."""
    record, image = (
        json.loads((DATA / f"example_metadata_{kind}.json").read_text())
        for kind in ("tracking", "image")
    )
    record["orders"][0]["name"] = image["task"]["name"]
    record["tracking"]["tiles"] = [image["tile"]]
    # Another date, as most items have.
    (scene,) = image["image"]["images"][0]
    later = {**scene, "system:time_start": scene["system:time_start"] + 16 * 86_400_000}
    image["image"]["images"].append([later])
    return record, image


@pytest.fixture(params=[True, False], ids=["dash", "no dash"])
def older(request, tmp_path):
    """The directory, the record, and the numbers: (layers, bands, rows, columns)."""
    record, image = documents()
    name = image["task"]["name"]
    (tmp_path / f"{name}.json").write_text(json.dumps(image))
    tile = Tile.from_dict(image["tile"])
    numbers = np.arange(16 * 600, dtype="int16").reshape(16, 30, 20)
    at = offsets(tile.size, (FILES, FILES))
    names = file_names(name, at, dash=request.param)
    for (row, col), file in zip(at, names, strict=True):
        height, width = min(FILES, tile.height - row), min(FILES, tile.width - col)
        with rasterio.open(
            tmp_path / file, "w", driver="GTiff", height=height, width=width, count=16,
            dtype="int16", nodata=-9999, crs=tile.crs, sparse_ok=True, tiled=True,
            transform=tile.transform * tile.transform.translation(col, row), interleave="pixel",
        ) as target:  # fmt: skip
            put(target, numbers, row, col)
    return tmp_path, record, numbers.reshape(2, 8, 30, 20)


def put(target, numbers, row, col):
    """Write what of the numbers is in a file, if any is."""
    top, left = max(row, SEEN.row), max(col, SEEN.col)
    bottom = min(row + target.height, SEEN.row + SEEN.height)
    right = min(col + target.width, SEEN.col + SEEN.width)
    if top < bottom and left < right:
        part = numbers[:, top - SEEN.row : bottom - SEEN.row, left - SEEN.col : right - SEEN.col]
        there = RasterWindow(left - col, top - row, right - left, bottom - top)
        target.write(part, window=there)


def test_an_item_of_2019_is_a_stack(older):
    directory, record, numbers = older
    (stack,) = stacks(record, directory)
    assert len(stack.files) == 100
    assert (stack.height, stack.width, stack.nodata, stack.dtype) == (5000, 5000, -9999, "int16")
    assert [band.name for band in stack.bands] == [
        "blue", "green", "red", "nir", "swir1", "swir2", "thermal", "pixel_qa",
    ]  # fmt: skip
    assert np.array_equal(stack.read(SEEN), numbers)
    assert stack.layers[0].images == (
        "LANDSAT/LE07/C01/T1_SR/LE07_007047_20070115@1522144802013102",
    )


def test_an_order_of_2019_opens(older):
    directory, record, numbers = older
    cube = cedar.open_order(record, directory)
    there = cube.isel(y=slice(499, 530), x=slice(600, 620))
    assert np.isnan(there.red.values[:, 0]).all()
    assert np.array_equal(there.red.values[:, 1:], numbers[:, 2])
    assert np.array_equal(there.pixel_qa.values[:, 1:], numbers[:, 7])
    assert cube.pixel_qa.dtype == "int16"
    assert cube.time.values.astype(str).tolist() == [
        "2007-01-15T14:52:47.610000000",
        "2007-01-31T14:52:47.610000000",
    ]
    assert cube.attrs["cedar_collection"] == "LANDSAT/LE07/C01/T1_SR"
    assert cube.spatial_ref.grid_mapping_name == "lambert_azimuthal_equal_area"


def test_a_file_of_2019_that_is_missing_is_an_error_that_says_where(older):
    directory, record, _ = older
    next(iter(directory.glob("*0000000512-0000001024.tif"))).unlink()
    missing = r"row 512, column 1024 is missing, LANDSAT_\S+[0-9]{7}512-[0-9]{6}1024\.tif$"
    with pytest.raises(CedarError, match=missing):
        stacks(record, directory)
    for other in directory.glob("*0000000512-*.tif"):
        other.unlink()
    with pytest.raises(CedarError, match="leaves a gap before the next file"):
        stacks(record, directory)


def test_items_of_2019_that_are_not_here_are_said(tmp_path):
    record, image = documents()
    here = look(record, tmp_path)
    assert here.absent == {image["task"]["name"]: "its files aren't here"}


def test_without_its_document_an_item_of_2019_says_too_little(older):
    directory, record, _ = older
    (name,) = (path.stem for path in directory.glob("*.json"))
    (directory / f"{name}.json").unlink()
    with pytest.raises(CedarError, match=f"{name}: its metadata is lost"):
        stacks(record, directory)


def test_a_last_row_of_files_that_is_missing_is_an_error_too(older):
    directory, record, _ = older
    for last in directory.glob("*0000004608-*.tif"):
        last.unlink()
    with pytest.raises(CedarError, match="5000 × 4608 pixels, and its tile 5000 × 5000"):
        stacks(record, directory)
