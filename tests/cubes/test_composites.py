"""Cubes of composites: dated by their periods, with bounds, in every format."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from downloaded import COLLECTION, Downloaded, edit
from downloaded import write as write_files

import cedar

MONTHS = [(f"2020-0{month}-01", f"2020-0{month + 1}-01") for month in (4, 5, 6)]
STARTS = [np.datetime64(f"2020-0{month}-01", "ns") for month in (4, 5, 6, 7)]


@pytest.fixture
def order(tmp_path):
    """Three months of which each is one layer, of two images."""
    order = Downloaded(tmp_path / "ORDER")
    for start, end in MONTHS:
        dates = [f"{start[:7]}-{day}T13:30:00" for day in ("03", "19")]
        name = order.add(dates, (start, end))
        edit(order, name, recipe={"composite": "median"})
        pixels = order.pixels[name] = order.pixels[name][:3]
        tile = cedar.Tile.from_dict(order.tiles[0])
        names = [f"{start}_{band}" for band in ("red", "nir", "qa")]
        outputs = write_files(order.directory, name, tile, pixels, 0, names)
        order.entries[-1] |= {"outputs": outputs, "n_bands": 3}
    return order


def assert_dated(cube, count=3):
    assert np.array_equal(cube.time, STARTS[:count])
    assert cube.time.attrs["bounds"] == "time_bounds"
    bounds = np.stack([STARTS[:count], STARTS[1 : count + 1]], axis=1)
    assert np.array_equal(cube.time_bounds, bounds)
    assert cube["images"].values[0] == (
        f"{COLLECTION}/20200403T133000@0 {COLLECTION}/20200419T133000@1"
    )


def test_a_lazy_cube_has_its_bounds(order):
    cube = cedar.open_order(order.record, order.directory, decode=False)
    assert_dated(cube)
    for layer, pixels in enumerate(order.pixels.values()):
        assert np.array_equal(cube.nir[layer], pixels[1])


@pytest.mark.parametrize(("format_", "engine"), [("netcdf", "netcdf4"), ("zarr", "zarr")])
def test_a_written_cube_has_its_bounds_and_keeps_them_as_it_grows(order, format_, engine, tmp_path):
    entries, dest = order.entries, tmp_path / "cubes"
    for count in (1, 2, 3):
        order.entries = entries[:count]
        (path,) = cedar.convert(order.record, order.directory, format=format_, by="tile", dest=dest)
        with xr.open_dataset(path, engine=engine, mask_and_scale=False) as cube:
            assert_dated(cube, count)
            (name, pixels) = [*order.pixels.items()][count - 1]
            assert np.array_equal(cube.red[count - 1], pixels[0]), name
