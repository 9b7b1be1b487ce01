"""Blocks that hold all bands of a pixel together, read so that the same isn't decoded twice.

Where there is nothing, and over water or cloud, all pixels of a block may be one. Such a block is a
few kilobytes, and all that are alike are the same bytes: the first is decoded, the others are known
by these. That is so whatever the compression.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

#: How many times smaller than its pixels a block has to be to be looked at so. What holds one
#: number a band is smaller by hundreds.
_SMALLER: Final = 50
#: Blocks that are remembered.
_MOST: Final = 16

#: A file, when it was written, and the bytes of a block.
_Key = tuple[str, int, bytes]
#: Its number of each band; None: they aren't one.
_known: OrderedDict[_Key, npt.NDArray[Any] | None] = OrderedDict()
_lock: Final = threading.Lock()


def read(file: Any, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
    """Read some bands of a window of a file.

    Parameters
    ----------
    file : rasterio dataset
    window : rasterio.windows.Window
        Of whole pixels.
    bands : sequence of int
        Counted from 1.

    Returns
    -------
    numpy.ndarray
        (bands, rows, columns); not to be written to.
    """
    interleaving = getattr(file.interleaving, "name", None)
    if file.driver != "GTiff" or file.count == 1 or interleaving != "pixel":
        return np.asarray(file.read(bands, window=window))
    parts = [*_parts(window, file.block_shapes[0])]
    if len(parts) == 1:
        return _read(file, window, bands)
    pixels = np.empty((len(bands), window.height, window.width), file.dtypes[0])
    for part in parts:
        row, col = part.row_off - window.row_off, part.col_off - window.col_off
        into = pixels[:, row : row + part.height, col : col + part.width]
        into[...] = _read(file, part, bands)
    return pixels


def _parts(window: Window, block: tuple[int, int]) -> Iterator[Window]:
    """Cut a window where blocks of a file end."""
    for row, height in _pieces(window.row_off, window.height, block[0]):
        for col, width in _pieces(window.col_off, window.width, block[1]):
            yield Window(col, row, width, height)


def _pieces(start: int, length: int, step: int) -> Iterator[tuple[int, int]]:
    first, end = start, start + length
    while first < end:
        last = min(end, first - first % step + step)
        yield first, last - first
        first = last


def _read(file: Any, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
    """Read a window that is in one block."""
    key = _key(file, window)
    if key is None:
        return np.asarray(file.read(bands, window=window))
    with _lock:
        is_known, numbers = key in _known, _known.get(key)
    if numbers is not None:
        shape = (len(bands), window.height, window.width)
        return np.broadcast_to(numbers[np.array(bands) - 1, None, None], shape)
    pixels = np.asarray(file.read(bands, window=window))
    # Beyond the image's edge a block may hold anything.
    is_whole = (window.height, window.width) == file.block_shapes[0]
    if not is_known and is_whole and [*bands] == [*file.indexes]:
        _remember(key, pixels)
    return pixels


def _key(file: Any, window: Window) -> _Key | None:
    """Return what a block is known by, if it is so small that all of it may be one pixel."""
    height, width = file.block_shapes[0]
    at = f"{window.col_off // width}_{window.row_off // height}"
    names = f"BLOCK_OFFSET_{at}", f"BLOCK_SIZE_{at}"
    offset, size = (file.get_tag_item(name, "TIFF", 1) for name in names)
    whole = height * width * file.count * np.dtype(file.dtypes[0]).itemsize
    if offset is None or size is None or int(size) * _SMALLER > whole:
        return None
    with Path(file.name).open("rb") as raw:
        raw.seek(int(offset))
        return file.name, os.fstat(raw.fileno()).st_mtime_ns, raw.read(int(size))


def _remember(key: _Key, pixels: npt.NDArray[Any]) -> None:
    # Bits, not numbers: NaN isn't equal to itself.
    bits = pixels.view(f"u{pixels.dtype.itemsize}")
    numbers = pixels[:, 0, 0].copy() if (bits == bits[:, :1, :1]).all() else None
    with _lock:
        _known[key] = numbers
        while len(_known) > _MOST:
            _known.popitem(last=False)
