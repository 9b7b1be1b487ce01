"""Stacks as dask arrays: no block of a file is read more than once for one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from .bands import CubeBand
from .images import Window
from .stack import MOST_BYTES, Reader, Stack, in_cube, is_nodata

if TYPE_CHECKING:
    import xarray as xr

#: What says how numbers are packed, in a file.
_PACKING: Final = ("_FillValue", "scale_factor", "add_offset")
#: Sizes of pieces along time, y and x.
Chunks = Mapping[str, int]


@dataclass(frozen=True)
class _Pieces:
    """How an array is cut: lengths along time, y and x."""

    time: tuple[int, ...]
    y: tuple[int, ...]
    x: tuple[int, ...]


def arrays(stack: Stack, chunks: Chunks) -> dict[str, Any]:
    """Put a stack as dask arrays (time, y, x), band by band, as cubes have them.

    Where the files' blocks hold all bands, a piece is read by one task for all of them; else each
    band is read by itself, a layer at a time.

    Parameters
    ----------
    stack : Stack
        An item's files.
    chunks : mapping
        Sizes along ``time``, ``y``, ``x``, -1 for all of it, where the files' blocks aren't wanted.

    Returns
    -------
    dict of str to dask.array.Array
    """
    token = tokenize(*_identity(stack), sorted(chunks.items()))
    if stack.is_interleaved:
        read = _together(stack, token)
    else:
        pieces = _pieces(stack, chunks)
        read = {
            name: _array(stack.reader, [name], pieces, f"{name}-{token}")[:, 0]
            for name in (band.name for band in stack.bands)
        }
    return {band.name: _of_cube(band, read) for band in stack.bands}


def _identity(stack: Stack) -> list[Any]:
    """What makes a stack's pixels these and no others."""
    stats = [(path.stat().st_mtime_ns, path.stat().st_size) for path in stack.files]
    return [list(map(str, stack.files)), stats]


def _together(stack: Stack, token: str) -> dict[str, Any]:
    heights, widths = stack.steps(MOST_BYTES)
    names = [band.name for band in stack.bands]
    whole = _array(
        stack.reader, names, _Pieces((len(stack.layers),), heights, widths), f"stack-{token}"
    )
    return {name: whole[:, number] for number, name in enumerate(names)}


def _pieces(stack: Stack, chunks: Chunks) -> _Pieces:
    layers = len(stack.layers)
    times = _cut(layers, chunks.get("time", 1))
    # Each band by itself: so many more pixels of one are as many bytes.
    heights, widths = stack.steps(MOST_BYTES * len(stack.bands), max(times))
    if "y" in chunks:
        heights = _cut(stack.height, chunks["y"])
    if "x" in chunks:
        widths = _cut(stack.width, chunks["x"])
    return _Pieces(times, heights, widths)


def _cut(length: int, step: int) -> tuple[int, ...]:
    step = length if step == -1 else min(step, length)
    return tuple(min(step, length - start) for start in range(0, length, step))


def _array(reader: Reader, names: Sequence[str], pieces: _Pieces, name: str) -> Any:
    """An array (time, band, y, x) of some bands, a task a piece."""
    return da.map_blocks(
        _read,
        reader=reader,
        names=(*names,),
        name=f"cedar-{name}",
        chunks=(pieces.time, (len(names),), pieces.y, pieces.x),
        dtype=reader.dtype,
        meta=np.empty((0, 0, 0, 0), reader.dtype),
    )


def _read(reader: Reader, names: Sequence[str], block_info: Mapping[Any, Any]) -> npt.NDArray[Any]:
    time, _, y, x = block_info[None]["array-location"]
    window = Window(y[0], x[0], y[1] - y[0], x[1] - x[0])
    return reader.read(window, slice(*time), names)


def _of_cube(band: CubeBand, read: Mapping[str, Any]) -> Any:
    pixels = read[band.name]
    if band.masked_by is not None:
        return da.map_blocks(
            _masked, pixels, read[band.masked_by], band=band, dtype=np.dtype(band.dtype)
        )
    return pixels.astype(band.dtype)


def _masked(
    pixels: npt.NDArray[Any], validity: npt.NDArray[Any], band: CubeBand
) -> npt.NDArray[Any]:
    return in_cube(band, pixels, is_nodata(validity, band.nodata))


def decoded(cube: xr.Dataset, bands: Sequence[CubeBand]) -> xr.Dataset:
    """Turn the numbers of a cube into what they stand for, NaN where there is nothing.

    Parameters
    ----------
    cube : xarray.Dataset
        Of the files' numbers.
    bands : sequence of CubeBand
        What they are. Bits and classes stay as they are.

    Returns
    -------
    xarray.Dataset
        float32 where that tells all numbers apart: of types of at most 16 bits, and of float32.
    """
    return cube.assign({band.name: _physical(cube[band.name], band)
                        for band in bands if not band.qa})  # fmt: skip


def _physical(variable: xr.DataArray, band: CubeBand) -> xr.DataArray:
    data = da.map_blocks(_decoded, variable.data, band=band, dtype=decoded_dtype(band))
    values = variable.copy(data=data)
    said = {key: values.attrs.pop(key) for key in _PACKING if key in values.attrs}
    # Where it is written again, it becomes what it was.
    values.encoding = {"dtype": band.dtype} | said
    values.attrs.pop("valid_range", None)
    return values


def decoded_dtype(band: CubeBand) -> np.dtype[Any]:
    """Return the type of what a band's numbers stand for."""
    return np.result_type(np.float32, np.dtype(band.dtype))


def _decoded(pixels: npt.NDArray[Any], band: CubeBand) -> npt.NDArray[Any]:
    dtype = decoded_dtype(band)
    if (band.scale, band.offset) == (1.0, 0.0):
        values = pixels.astype(dtype)
    else:
        # In double, so that no more is lost than in what is given.
        values = (pixels.astype(np.float64) * band.scale + band.offset).astype(dtype)
    if band.fill is not None:
        values[is_nodata(pixels, band.fill)] = np.nan
    return values
