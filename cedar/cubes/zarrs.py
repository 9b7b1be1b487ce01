"""Cubes as Zarr (version 3): directories, a file a chunk.

What is new of a cube is written into a directory beside it. Of a new cube that directory becomes
the cube. To append, its files are moved in one by one: chunks first, then the arrays' own metadata,
last the root's, which holds a copy of all metadata. Readers go by that copy: they see the cube as
it was, or as it is to be. No chunk that is moved in changes what they see of it before: those
beyond the end aren't looked for, and the last one of what was there holds the same layers, and
more.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import dask.array
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, GzipCodec

from cedar.exceptions import CedarError
from cedar.products import workshop
from cedar.stores.files import make_directory, sync

from .filling import in_chunks, is_nothing
from .options import Chunks
from .parts import DIMENSIONS, Part, as_numbers, parts_in
from .places import replace_directory

if TYPE_CHECKING:
    from .filling import Filling
    from .images import Window
    from .options import Converting
    from .parts import Pixels, Plan

#: Coordinates along time in a chunk. It doesn't grow with the cube, so that chunks of these, too,
#: can be replaced while others read.
_ALONG: Final = 1024
_METADATA: Final = "zarr.json"
#: What of an array's encoding says how it is laid out.
_LAYOUT: Final = ("chunks", "compressors", "filters", "shards", "serializer", "fill_value")
_TIMES: Final = ("units", "calendar", "dtype")


def parts_of(path: Path) -> list[Part]:
    """Return what a cube is made of.

    Raises
    ------
    CedarError
        It isn't cedar's.
    """
    try:
        with xr.open_zarr(path, chunks=None, mask_and_scale=False) as cube:
            return parts_in(cube, Written(path.absolute()), str(path))
    except (KeyError, TypeError, ValueError) as error:
        raise CedarError(f"{path} can't be read as Zarr ({error}): move it away") from error


@dataclass(frozen=True)
class Written:
    """A cube that is there already, as a source of layers."""

    path: Path

    def read(self, window: Window, layers: slice) -> Pixels:
        """Read a window of some layers."""
        row, col, height, width = window
        there = layers, slice(row, row + height), slice(col, col + width)
        return {name: np.asarray(each[there]) for name, each in _bands(self.path, "r").items()}


def write(path: Path, plan: Plan, how: Converting, fill: Filling) -> None:
    """Write a cube, or what is new of it, beside its place, and put it there when it is whole.

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
    frame, kept = plan.frame, plan.n_kept
    with workshop(path) as work:
        made = (work / path.name).absolute()
        encoding = _as_it_is(path) if plan.kept else _new(frame, plan, how)
        size = (plan.n_layers, *plan.shape)
        bands = {
            # What dask has isn't written yet.
            name: (DIMENSIONS, dask.array.zeros(size, dtype=band.dtype, chunks=-1), band.attributes)
            for name, band in plan.bands.items()
        }
        frame.assign(bands).to_zarr(
            made, zarr_format=3, mode="w", compute=False, consolidated=False, safe_chunks=False,
            encoding=encoding,
        )  # fmt: skip
        arrays = _bands(made, "r+")
        chunks = next(Chunks(*each.chunks) for each in arrays.values())
        if plan.kept:
            for name in arrays:
                _copy_last(path / name, made / name, kept, chunks.time)
        fill(_Directory(arrays, kept, chunks.time), chunks)
        _consolidate(made, plan.bands)
        # One call for thousands of files: what is renamed below has to be on the disk before.
        os.sync()
        if plan.kept:
            _move_in(made, path, [*arrays], kept // chunks.time)
        else:
            replace_directory(made, path)


def _new(frame: xr.Dataset, plan: Plan, how: Converting) -> dict[str, Any]:
    """Say how the arrays of a new cube are laid out."""
    chunks = how.chunks.within(plan.n_layers if how.by == "item" else None, *plan.shape)
    codecs = {
        "none": [],
        "zstd": [BloscCodec(cname="zstd", clevel=how.level, shuffle="shuffle")],
        "deflate": [GzipCodec(level=how.level)],
    }
    written = {"chunks": tuple(chunks), "compressors": codecs[how.compression]}
    encoding: dict[str, Any] = {
        name: {**written, "fill_value": band.attributes.get("_FillValue", 0)}
        for name, band in plan.bands.items()
    }
    for name, each in frame.coords.items():
        along = {"chunks": (_ALONG, *each.shape[1:])} if each.dims[:1] == ("time",) else {}
        encoding[str(name)] = {**as_numbers(each), **along}
    return encoding


def _as_it_is(path: Path) -> dict[str, Any]:
    """Say how the arrays of a cube are laid out."""
    with xr.open_zarr(path, chunks=None, mask_and_scale=False) as cube:
        return {
            str(name): {key: each.encoding[key] for key in _LAYOUT + _TIMES if key in each.encoding}
            for name, each in cube.variables.items()
        }


def _bands(path: Path, mode: Literal["r", "r+"]) -> dict[str, zarr.Array[Any]]:
    """Open the arrays of a cube that are bands."""
    group = zarr.open_group(path, mode=mode)
    return {name: each for name, each in group.arrays() if each.ndim == len(DIMENSIONS)}


@dataclass(frozen=True)
class _Directory:
    """Arrays to write pixels to, those of layers before `kept` being there."""

    bands: Mapping[str, zarr.Array[Any]]
    kept: int
    time_chunk: int
    is_shared: ClassVar[bool] = True
    most_threads: ClassVar[int | None] = None

    def write(self, time: int, window: Window, pixels: Pixels) -> None:
        """Write layers from the number `time` on, in a window."""
        row, col, height, width = window
        for name, block in pixels.items():
            band = self.bands[name]
            for first, last in in_chunks(time, len(block), self.time_chunk):
                part = block[first - time : last - time]
                # The chunk that what is there ends in may hold what a killed process wrote to it.
                is_new = first - first % self.time_chunk >= self.kept
                if not (is_new and is_nothing(part, band.fill_value)):
                    band[first:last, row : row + height, col : col + width] = part


def _copy_last(there: Path, made: Path, kept: int, time_chunk: int) -> None:
    """Have the chunks of a band that what is kept ends in, to be written to."""
    if kept % time_chunk:
        number = str(kept // time_chunk)
        for source in sorted((there / "c" / number).glob("*/*")):
            target = made / source.relative_to(there)
            make_directory(target.parent)
            # Not a link: not every version of Zarr's library writes a new file.
            shutil.copyfile(source, target)


def _consolidate(made: Path, bands: Iterable[str]) -> None:
    """Put a copy of all metadata into the root's, as Zarr's own library does and reads."""
    names = sorted(path.parent.name for path in made.glob(f"*/{_METADATA}"))
    arrays = {
        name: json.loads((made / name / _METADATA).read_text("utf-8"))
        # Who lists a cube lists its bands as they are listed here.
        for name in dict.fromkeys([*bands, *names])
    }
    root = json.loads((made / _METADATA).read_text("utf-8"))
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
    (made / _METADATA).write_text(json.dumps(root), "utf-8")


def _move_in(made: Path, path: Path, bands: Sequence[str], first_chunk: int) -> None:
    """Make a cube longer, by what was made of it."""
    for band in bands:
        for chunks in (path / band / "c").glob("*"):
            if int(chunks.name) >= first_chunk:
                for stale in chunks.glob("*/*"):
                    if not (made / stale.relative_to(path)).exists():
                        stale.unlink()
    files = [file for file in made.rglob("*") if file.is_file()]
    # Chunks, then what describes arrays, then what describes all.
    files.sort(key=lambda file: (file.name == _METADATA, file.parent == made))
    for file in files:
        target = path / file.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    for directory in {path, *((path / file.relative_to(made)).parent for file in files)}:
        sync(directory)
