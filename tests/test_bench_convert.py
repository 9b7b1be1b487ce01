"""The benchmark of conversions on what is small: all that it compares write the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "convert.py"
SIDE, DATES = 600, 3


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_convert", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def order(benchmark, tmp_path_factory):
    directory = tmp_path_factory.mktemp("bench")
    benchmark.make_order(directory, SIDE, DATES)
    with rasterio.open(benchmark.the_stack(directory)) as file:
        assert file.block_shapes[0] == (256, 256)
        assert file.interleaving.name == "pixel"
        return directory, file.read().reshape(DATES, len(benchmark.BANDS), SIDE, SIDE)


@pytest.mark.parametrize("name", ["cedar, NetCDF", "rasterio + netCDF4"])
def test_netcdf_is_written_to_the_bit(benchmark, order, name):
    directory, pixels = order
    benchmark.RUNS[name](directory)
    found = "cedar/*.nc" if name.startswith("cedar") else "*.nc"
    (path,) = directory.glob(found)
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as cube:
        for number, band in enumerate(benchmark.BANDS):
            assert np.array_equal(cube[band].values, pixels[:, number])


# odc-geo calls it.
@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")
@pytest.mark.parametrize("name", ["cedar, Zarr", "odc-stac, Zarr"])
def test_zarr_is_written_to_the_bit(benchmark, order, name):
    directory, pixels = order
    benchmark.RUNS[name](directory)
    found = "cedar/*.zarr" if name.startswith("cedar") else "odc.zarr"
    (path,) = directory.glob(found)
    with xr.open_zarr(path, mask_and_scale=False, consolidated=name.startswith("cedar")) as cube:
        for number, band in enumerate(benchmark.BANDS):
            assert np.array_equal(cube[band].values, pixels[:, number])


def test_three_blocks_in_four_are_constant(benchmark):
    kinds = []
    for number, window in benchmark.blocks(1024):
        made = benchmark.pixels(number, window, 2)
        kinds.append("some" if (made != made[:, :1, :1]).any() else str(made[0, 0, 0]))
    assert len(kinds) == 16
    assert [kinds.count(kind) for kind in ("some", "0", "7273")] == [4, 8, 4]
