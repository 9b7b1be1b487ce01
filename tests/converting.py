"""What tests of conversions share: some months of items, and what is in a cube of them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import xarray as xr


def month(*days, until):
    """Dates, and the period that they are in."""
    return [f"{day}T13:36:02" for day in days], (f"{days[0][:7]}-01", until)


JANUARY = month("2020-01-03", "2020-01-11", "2020-01-19", until="2020-02-01")
FEBRUARY = month("2020-02-04", "2020-02-20", until="2020-03-01")
MARCH = month("2020-03-07", "2020-03-15", "2020-03-23", "2020-03-31", until="2020-04-01")
#: Chunks that neither items nor files end with.
SMALL = {"time": 2, "y": 24, "x": 40}


def opened(path, **how):
    """A cube as its readers have it, in memory."""
    engine = {".nc": "netcdf4", ".zarr": "zarr"}[path.suffix]
    with xr.open_dataset(path, engine=engine, **how) as cube:
        return cube.load()


def content(path):
    """What would change if anything was written: of each file its name, bytes and time."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        file.name if file == path else str(file.relative_to(path)): (
            hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns
        )
        for file in files
        if file.is_file()
    }  # fmt: skip


def check(path, orders, names=None):
    """Check that a cube has the pixels of items to the bit, in the order of their times."""
    cube = opened(path, mask_and_scale=False)
    items = {name: pixels for order in orders for name, pixels in order.pixels.items()}
    chosen = sorted(names or items, key=lambda name: name.rpartition("h0")[2])
    expected = np.concatenate(
        [items[name].reshape(-1, 3, *items[name].shape[1:]) for name in chosen]
    )
    assert cube.sizes == {"time": len(expected), "y": 80, "x": 96}
    assert (np.diff(cube["time"].values) > np.timedelta64(0)).all()
    for number, band in enumerate(("red", "nir", "qa")):
        assert cube[band].dtype == "uint16"
        assert np.array_equal(cube[band].values, expected[:, number]), band
    made = json.loads(cube.attrs["cedar_items"])
    assert [each["name"] for each in made] == chosen
    assert sum(each["layers"] for each in made) == len(expected)
    return cube


def left(directory):
    """What is there that nobody asked for."""
    return [path.name for path in directory.rglob(".cedar*")]
