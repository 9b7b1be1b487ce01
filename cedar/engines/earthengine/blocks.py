"""Blocks: how a stack is cut for the service's limits, and how finished ones are kept."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cedar.exceptions import EngineError
from cedar.rasters import TILE_SIDE, Block

#: Bytes of one request as the service counts them, a mask byte with every value. It takes
#: 50,331,648; smaller blocks keep memory low, and less is fetched again after a crash.
BLOCK_BYTES: Final = 8 * 2**20
#: Bands the service takes in one request.
MAX_BANDS: Final = 1024

Pixels = npt.NDArray[Any]


def plan(width: int, height: int, n_bands: int, itemsize: int, inputs: int = 1) -> list[Block]:
    """Cut a stack into blocks within the service's limits, on the file's own tiles.

    Parameters
    ----------
    inputs
        Values that are held for one that is made: many, where layers become a composite.
    """
    pixel = itemsize + 1
    least = min(TILE_SIDE, width) * min(TILE_SIDE, height)
    bands = max(1, min(n_bands, MAX_BANDS, BLOCK_BYTES // (least * pixel)))
    side = TILE_SIDE
    while (side + TILE_SIDE) ** 2 * bands * pixel * inputs <= BLOCK_BYTES:
        side += TILE_SIDE
    return [
        Block(
            row,
            col,
            min(side, height - row),
            min(side, width - col),
            first,
            min(first + bands, n_bands),
        )
        for first, row, col in product(
            range(0, n_bands, bands), range(0, height, side), range(0, width, side)
        )
    ]


def halves(block: Block, by_bands: bool) -> tuple[Block, Block, int] | None:
    """Cut a block in two, along its longer side, or its bands.

    Returns
    -------
    (Block, Block, int) or None
        The halves, and the axis of (bands, rows, columns) along which they meet; None where there
        is nothing left to cut.
    """
    n_bands = block.last - block.first
    if n_bands > 1 and (by_bands or block.height == block.width == 1):
        middle = block.first + n_bands // 2
        return replace(block, last=middle), replace(block, first=middle), 0
    if by_bands or block.height == block.width == 1:
        return None
    if block.height >= block.width:
        half = block.height // 2
        lower = replace(block, row=block.row + half, height=block.height - half)
        return replace(block, height=half), lower, 1
    half = block.width // 2
    right = replace(block, col=block.col + half, width=block.width - half)
    return replace(block, width=half), right, 2


class Scratch:
    """Finished blocks, each in a file of its own with its checksum in the name.

    No file is brought to the disk at once: one that a power cut tore has another checksum.

    Parameters
    ----------
    directory : Path
        Of one request alone.
    dtype : str
        numpy name of the stack's type.
    """

    def __init__(self, directory: Path, dtype: str):
        self._directory = directory
        self._dtype = np.dtype(dtype)
        self._paths = {path.name.partition(".")[0]: path for path in directory.glob("*.block")}

    def missing(self, blocks: Sequence[Block]) -> list[Block]:
        """Blocks that aren't there, or aren't sound."""
        return [block for block in blocks if self._load(block) is None]

    def keep(self, block: Block, pixels: Pixels) -> None:
        """Write a finished block, (bands, rows, columns)."""
        checksum = zlib.crc32(pixels.data)
        partial = self._directory / f"{_stem(block)}.partial"
        try:
            with partial.open("wb") as file:
                file.write(pixels.data)
        except OSError:
            # On a full disk its room is needed for the record.
            partial.unlink(missing_ok=True)
            raise
        path = self._directory / f"{_stem(block)}.{checksum:08x}.block"
        partial.replace(path)
        self._paths[_stem(block)] = path

    def read(self, block: Block) -> Pixels:
        """Read a finished block.

        Raises
        ------
        EngineError
            It has gone, or changed, since it was kept; fetched again, it may be whole.
        """
        pixels = self._load(block)
        if pixels is None:
            raise EngineError(f"a block was lost from {self._directory}", transient=True)
        return pixels

    def _load(self, block: Block) -> Pixels | None:
        path = self._paths.get(_stem(block))
        if path is None or not path.is_file():
            return None
        data = path.read_bytes()
        if path.suffixes[-2] != f".{zlib.crc32(data):08x}":
            path.unlink()
            return None
        shape = (block.last - block.first, block.height, block.width)
        return np.frombuffer(data, self._dtype).reshape(shape)


def _stem(block: Block) -> str:
    return f"{block.first}-{block.last}_{block.row}-{block.col}_{block.height}x{block.width}"
