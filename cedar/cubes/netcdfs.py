"""Cubes as NetCDF-4 files: one process writes them, to a copy where anything is added."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import netCDF4
import numpy as np
import xarray as xr

from cedar.exceptions import StoreError
from cedar.products import deliver, workshop

from .filling import in_chunks, is_nothing
from .options import Chunks
from .parts import DIMENSIONS, Part, as_numbers, parts_in

if TYPE_CHECKING:
    from .filling import Filling
    from .images import Window
    from .options import Converting
    from .parts import Pixels, Plan

#: Coordinates along time in a chunk.
_ALONG: Final = 1024
#: What says how times are numbers.
_TIMES: Final = ("units", "calendar")
#: HDF5, by which netCDF4 reads and writes, isn't safe to call from two threads at once.
_hdf5: Final = threading.RLock()


def parts_of(path: Path) -> list[Part]:
    """Return what a cube is made of.

    Raises
    ------
    CedarError
        It isn't cedar's.
    StoreError
        It can't be read.
    """
    with (
        _hdf5,
        _explained(f"can't read {path}"),
        xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as cube,
    ):
        return parts_in(cube, Written(path.absolute()), str(path))


@dataclass(frozen=True)
class Written:
    """A cube that is there already, as a source of layers."""

    path: Path

    def read(self, window: Window, layers: slice) -> Pixels:
        """Read a window of some layers."""
        row, col, height, width = window
        there = layers, slice(row, row + height), slice(col, col + width)
        with _hdf5, _explained(f"can't read {self.path}"), netCDF4.Dataset(self.path) as file:
            file.set_auto_maskandscale(False)
            return {name: each[there] for name, each in _bands(file).items()}


def write(path: Path, plan: Plan, how: Converting, fill: Filling) -> None:
    """Write a cube, or a copy of it with more layers, and put it in its place when it is whole.

    Parameters
    ----------
    plan : Plan
        What it is to be.
    how : Converting
        Chunks and compression of a new one.
    fill : callable
        Fills the layers that aren't kept, given what to write to and its chunks.

    Raises
    ------
    StoreError
        It can't be written.
    """
    frame = plan.frame
    with workshop(path) as work, _explained(f"can't write {path}"):
        made = work / path.name
        if plan.kept:
            shutil.copyfile(path, made)
        else:
            with _hdf5:
                _begin(made, frame, plan, how)
        with _opened(made) as file:
            with _hdf5:
                _extend(file, frame, plan.n_kept)
                for band in _bands(file).values():
                    chunks = Chunks(*band.chunking())
                    # Chunks are written whole: what HDF5 keeps of them by itself is memory for
                    # nothing.
                    band.set_var_chunk_cache(size=2 * prod(chunks) * band.dtype.itemsize)
            fill(_File(_bands(file), chunks.time), chunks)
        deliver(made, path)


def _begin(path: Path, frame: xr.Dataset, plan: Plan, how: Converting) -> None:
    """Make a cube without layers: they are appended."""
    height, width = plan.shape
    chunks = how.chunks.within(plan.n_layers if how.by == "item" else None, height, width)
    written: dict[str, Any] = {"chunksizes": chunks}
    if how.compression != "none":
        codec = {"deflate": "zlib", "zstd": "zstd"}[how.compression]
        written |= {"compression": codec, "complevel": how.level, "shuffle": True}
    encoding = dict.fromkeys(plan.bands, written)
    for name, each in frame.coords.items():
        along = {"chunksizes": (_ALONG, *each.shape[1:])} if each.dims[:1] == ("time",) else {}
        encoding[str(name)] = {**as_numbers(each), **along, "_FillValue": None}
    empty = frame.isel(time=slice(0, 0))
    # Of objects nobody could tell that they would be text.
    texts = {name: each.astype("U1") for name, each in empty.coords.items() if each.dtype == object}
    bands = {
        name: (DIMENSIONS, np.empty((0, height, width), band.dtype), band.attributes)
        for name, band in plan.bands.items()
    }
    empty.assign_coords(texts).assign(bands).to_netcdf(
        path, engine="netcdf4", unlimited_dims=["time"], encoding=encoding
    )


@contextmanager
def _opened(path: Path) -> Iterator[netCDF4.Dataset]:
    with _hdf5:
        file = netCDF4.Dataset(path, "a")
        file.set_auto_maskandscale(False)
    try:
        yield file
    finally:
        with _hdf5:
            file.close()


def _extend(file: netCDF4.Dataset, frame: xr.Dataset, kept: int) -> None:
    """Give a cube the coordinates of more layers, and room for their pixels."""
    for name, each in frame.coords.items():
        if each.dims[:1] == ("time",):
            there = file[str(name)]
            variable = each.variable.copy()
            if variable.dtype.kind == "M":
                # Bounds are numbers of what they are the bounds of, without saying so (CF 7.1).
                variable.encoding = {key: file["time"].getncattr(key) for key in _TIMES}
            there[kept:] = xr.conventions.encode_cf_variable(variable).values[kept:]
    for band in _bands(file).values():
        if "_FillValue" in band.ncattrs():
            # Where all of a chunk is nothing it isn't written; other readers of HDF5 than netCDF's
            # would see fewer layers then.
            band[frame.sizes["time"] - 1, 0, 0] = band.getncattr("_FillValue")
    file.setncatts(frame.attrs)


def _bands(file: netCDF4.Dataset) -> dict[str, netCDF4.Variable[Any]]:
    return {name: each for name, each in file.variables.items() if each.dimensions == DIMENSIONS}


@dataclass(frozen=True)
class _File:
    """A NetCDF file to write pixels to."""

    bands: Mapping[str, netCDF4.Variable[Any]]
    time_chunk: int
    is_shared: ClassVar[bool] = False
    most_threads: ClassVar[int | None] = None

    def write(self, time: int, window: Window, pixels: Pixels) -> None:
        """Write layers from the number `time` on, in a window."""
        row, col, height, width = window
        for name, block in pixels.items():
            band = self.bands[name]
            nothing = getattr(band, "_FillValue", None)
            for first, last in in_chunks(time, len(block), self.time_chunk):
                part = block[first - time : last - time]
                if nothing is None or not is_nothing(part, nothing):
                    with _hdf5:
                        band[first:last, row : row + height, col : col + width] = part


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what netCDF4 raises into one line."""
    try:
        yield
    except RuntimeError as error:
        raise StoreError(f"{what}: {error}; is the disk full?") from error
