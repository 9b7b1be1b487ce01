"""Cubes as Cloud Optimized GeoTIFFs, one a layer, with all bands: ``<item>_<label>.tif``.

All layers are filled together, since a block of an item's files may hold all of them: into plain
files, each of which is then made into one that is cloud optimized, and gets its name when it is
whole. A file says in a tag what it is made of: one that is right is left alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from rasterio.windows import Window as RasterWindow

from cedar.products import deliver, workshop
from cedar.rasters import TILE_SIDE, Writing, created, optimize, read_tags
from cedar.stores.files import make_directory

from .made import Made
from .options import Chunks
from .parts import Layers

if TYPE_CHECKING:
    from .filling import Filling
    from .images import Window
    from .options import Converting
    from .parts import Pixels
    from .stack import Reader, Stack

#: Tag of a layer's file: a digest of what it is made of.
MADE_OF: Final = "CEDAR_MADE_OF"
#: How a layer is written until all of it is there.
_PLAIN: Final = "zstd"


@dataclass(frozen=True)
class Numbers:
    """A stack's files as a source, whose numbers stay as they are: a GeoTIFF is of one type."""

    reader: Reader

    def read(self, window: Window, layers: slice) -> Pixels:
        """Read a window of some layers."""
        pixels = self.reader.read(window, layers)
        return {band.name: pixels[:, n] for n, band in enumerate(self.reader.bands)}


def layers_to_make(stack: Stack, directory: Path) -> Layers | None:
    """Return the layers of a stack whose files aren't there; None where all are."""
    tag = _made_of(stack)
    missing = [
        number
        for number, path in enumerate(paths_of(stack, directory))
        if read_tags(path).get(MADE_OF) != tag
    ]
    if not missing:
        return None
    return Layers(Numbers(stack.reader), missing[0], missing[-1] + 1 - missing[0])


def paths_of(stack: Stack, directory: Path) -> list[Path]:
    """Return where the files of a stack's layers are, or will be."""
    return [directory / f"{stack.name}_{layer.label}.tif" for layer in stack.layers]


def write(stack: Stack, layers: Layers, directory: Path, how: Converting, fill: Filling) -> None:
    """Write layers of a stack.

    Parameters
    ----------
    layers : Layers
        Which.
    how : Converting
        Their compression.
    fill : callable
        Fills them, given what to write to and its chunks.

    Raises
    ------
    StoreError
        They can't be written.
    """
    make_directory(directory)
    wanted = range(layers.first, layers.first + layers.count)
    places = paths_of(stack, directory)
    with workshop(directory / stack.name) as work:
        plain = [work / f"{number}.plain.tif" for number in wanted]
        with ExitStack() as opened:
            files = [
                opened.enter_context(_created(stack, number, path))
                for number, path in zip(wanted, plain, strict=True)
            ]
            fill(_Files(tuple(files)), Chunks(1, TILE_SIDE, TILE_SIDE))
        for number, path in zip(wanted, plain, strict=True):
            made = work / f"{number}.tif"
            optimize(path, made, Writing("COG", how.compression))
            deliver(made, places[number])
            path.unlink()


@contextmanager
def _created(stack: Stack, number: int, path: Path) -> Iterator[Any]:
    """Give a new file for a layer, which says what its bands are."""
    layer, bands = stack.layers[number], stack.bands
    profile = {
        "width": stack.width,
        "height": stack.height,
        "count": len(bands),
        "dtype": stack.dtype.name,
        "crs": stack.crs,
        "transform": stack.transform,
        "nodata": stack.nodata,
    }
    with created(path, _PLAIN, TILE_SIDE, profile) as file:
        file.descriptions = [band.name for band in bands]
        file.scales = [band.scale for band in bands]
        file.offsets = [band.offset for band in bands]
        file.units = [band.units or "" for band in bands]
        file.update_tags(
            **{
                MADE_OF: _made_of(stack),
                "CEDAR_ITEM": stack.name,
                "CEDAR_ORDER": stack.order,
                "CEDAR_TIME": layer.time.astimezone(dt.UTC).isoformat(),
                "CEDAR_SENSOR": layer.collection,
                "CEDAR_IMAGES": " ".join(layer.images),
            }
        )
        yield file


def _made_of(stack: Stack) -> str:
    made = Made.of(stack)
    said = [made.name, made.request_id, made.files, [band.name for band in stack.bands]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True)
class _Files:
    """A file a layer, to write pixels to."""

    files: tuple[Any, ...]
    is_shared: ClassVar[bool] = False
    #: GDAL writes what is in its cache of one file while another thread reads or writes another.
    most_threads: ClassVar[int | None] = 1

    def write(self, time: int, window: Window, pixels: Pixels) -> None:
        """Write layers from the number `time` on, in a window."""
        row, col, height, width = window
        there = RasterWindow(col, row, width, height)
        count = len(next(iter(pixels.values())))
        for number in range(count):
            layer = np.stack([block[number] for block in pixels.values()])
            self.files[time + number].write(layer, window=there)
