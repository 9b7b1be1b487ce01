"""Filling a cube block by block: each block is read once, for all bands, and written at once.

A *cell* is a rectangle of whole chunks, and of whole blocks of the files where these fit. Whoever
fills a cell goes along time in it, so no two write to one chunk; what doesn't fill a chunk of time
yet is kept for the next layers. Memory is bounded by the number of cells under way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from .images import Window

if TYPE_CHECKING:
    from .options import Chunks
    from .parts import Layers, Pixels

#: Bytes of a cell that is read at once; where its layers have more, they are read in slices. Of
#: files that keep all bands together each slice decodes the same blocks again.
_READ: Final = 512 * 2**20
#: Bytes of all cells under way. Beside what is read stands what GDAL decodes, and what is written.
_UNDER_WAY: Final = 768 * 2**20
_COPIES: Final = 3
#: Called with the part of the work that is done, 0 to 1; never by two threads at once.
Progress = Callable[[float], None]


class Target(Protocol):
    """Where pixels go.

    Attributes
    ----------
    is_shared : bool
        Whether several processes may write to it at once, each to cells of its own.
    most_threads : int or None
        How many may write to it at once; None: as many as there are.
    """

    is_shared: ClassVar[bool]
    most_threads: ClassVar[int | None]

    def write(self, time: int, window: Window, pixels: Pixels) -> None:
        """Write layers from the number `time` on, in a window. Several threads may do it."""


#: Fills a cube, given what to write to and its chunks.
Filling = Callable[["Target", "Chunks"], None]


@dataclass(frozen=True)
class Work:
    """What is to be filled.

    Attributes
    ----------
    layers : sequence of Layers
        In the order that they have in the cube.
    start : int
        Which layer of the cube the first of them is.
    height, width : int
        Of the cube.
    chunks : Chunks
        Of the cube.
    block : (int, int)
        Rows and columns of the blocks of the files.
    layer_bytes : int
        Bytes of a pixel of one layer, all bands.
    """

    layers: Sequence[Layers]
    start: int
    height: int
    width: int
    chunks: Chunks
    block: tuple[int, int]
    layer_bytes: int

    @property
    def most_layers(self) -> int:
        """Layers that are read at once at the most."""
        return max(layers.count for layers in self.layers)

    def cells(self) -> list[Window]:
        """Cut the cube into cells."""
        pixel = self.layer_bytes * self.most_layers
        rows = _side(self.chunks.y, self.block[0], self.height)
        columns = _side(self.chunks.x, self.block[1], self.width)
        if rows * columns * pixel > _READ:
            columns = min(self.chunks.x, self.width)
        if rows * columns * pixel > _READ:
            rows = min(self.chunks.y, self.height)
        return [
            Window(row, col, min(rows, self.height - row), min(columns, self.width - col))
            for row in range(0, self.height, rows)
            for col in range(0, self.width, columns)
        ]

    def slices(self, cell: Window) -> Iterator[tuple[int, Layers]]:
        """Yield what is read at once of a cell, and which layer of the cube is its first."""
        time = self.start
        most = max(1, _READ // (cell.height * cell.width * self.layer_bytes))
        for layers in self.layers:
            for first in range(0, layers.count, most):
                count = min(most, layers.count - first)
                yield time, type(layers)(layers.source, layers.first + first, count)
                time += count

    def blocks(self, cell: Window, stopped: Callable[[], bool]) -> Iterator[tuple[int, Pixels]]:
        """Read a cell along time: the layer that each block begins with, and its pixels.

        Blocks end where chunks of time do, but the last.
        """
        kept: Pixels = {}
        for time, layers in self.slices(cell):
            if stopped():
                return
            pixels = read(layers, cell)
            first = time - _length(kept)
            if kept:
                pixels = {name: np.concatenate([kept[name], pixels[name]]) for name in pixels}
            end = time + layers.count
            whole = end if end == self.end else end - end % self.chunks.time
            if whole > first:
                yield first, {name: each[: whole - first] for name, each in pixels.items()}
            # A copy, for a view would keep all that was read.
            kept = {name: each[max(0, whole - first) :].copy() for name, each in pixels.items()}

    @property
    def end(self) -> int:
        """How many layers the cube has."""
        return self.start + sum(layers.count for layers in self.layers)


def _side(chunk: int, block: int, length: int) -> int:
    """Side of a cell: chunks that are blocks too, if those aren't much larger."""
    both = lcm(chunk, block)
    if block >= length:
        return length
    return min(both if both <= max(2 * chunk, block) else chunk, length)


def _length(pixels: Pixels) -> int:
    return next((each.shape[0] for each in pixels.values()), 0)


def read(layers: Layers, cell: Window) -> Pixels:
    """Read some layers of a cell."""
    return layers.source.read(cell, slice(layers.first, layers.first + layers.count))


def fill(
    work: Work, target: Target, progress: Progress | None = None, scheduler: str | None = None
) -> None:
    """Fill a cube.

    Parameters
    ----------
    progress : callable, optional
        Called with the part that is done.
    scheduler : str, optional
        Address of a dask.distributed scheduler, whose workers read, and write to what they share.

    Raises
    ------
    InputError
        dask.distributed isn't installed.
    StoreError
        The scheduler can't be reached; or a file can't be read or written.
    """
    if scheduler is not None:
        from .spreading import spread

        spread(work, target, scheduler, progress)
        return
    stop = threading.Event()
    cells = work.cells()
    pixels = max(cell.height * cell.width for cell in cells)
    at_once = min(_READ, pixels * work.layer_bytes * work.most_layers)
    most = target.most_threads or os.cpu_count() or 1
    workers = max(1, min(most, _UNDER_WAY // (_COPIES * at_once), len(cells)))

    def take(cell: Window) -> None:
        if not stop.is_set():
            fill_cell(work, target, cell, stop.is_set)

    with ThreadPoolExecutor(workers, thread_name_prefix="cedar-convert") as pool:
        tasks = [pool.submit(take, cell) for cell in cells]
        try:
            for number, task in enumerate(tasks, 1):
                task.result()
                if progress is not None:
                    progress(number / len(cells))
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def fill_cell(
    work: Work, target: Target, cell: Window, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Fill a cell, along time. It runs in a thread, or on a worker of a cluster."""
    for time, pixels in work.blocks(cell, stopped):
        target.write(time, cell, pixels)


def in_chunks(start: int, count: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut layers at the ends of chunks of time: the first of each piece, and the one after it."""
    first, end = start, start + count
    while first < end:
        last = min(end, first - first % length + length)
        yield first, last
        first = last


def is_nothing(pixels: npt.NDArray[Any], nothing: Any) -> bool:
    """Whether all pixels are what stands for nothing."""
    # Most blocks are told by one pixel.
    first = pixels[0, 0, 0]
    if np.isnan(nothing):
        return bool(np.isnan(first) and np.isnan(pixels).all())
    return bool(first == nothing and (pixels == nothing).all())
