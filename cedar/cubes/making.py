"""Making a cube, or what it lacks: by one process at a time, in any format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

from cedar.assembly import alone
from cedar.products import sweep
from cedar.stores.files import make_directory

from . import cogs, netcdfs, zarrs
from .filling import Filling, Target, Work, fill
from .parts import merge, part_of
from .places import recover

if TYPE_CHECKING:
    from .options import Chunks, Converting, Cube
    from .parts import Layers, Part, Plan
    from .stack import Stack

#: What writes cubes that are one thing; others are a file a layer.
_WRITERS: Final[dict[str, ModuleType]] = {"netcdf": netcdfs, "zarr": zarrs}


def make(
    cube: Cube,
    how: Converting,
    overwrite: bool = False,
    scheduler: str | None = None,
    callback: Callable[[str, float], None] | None = None,
) -> bool:
    """Make a cube, or make it longer, if it isn't as it is to be; whether it wasn't.

    Parameters
    ----------
    overwrite : bool
        Make again what was made of the same files.
    scheduler : str, optional
        Address of a scheduler of dask.distributed whose workers read.
    callback : callable, optional
        Called with the cube's name and the part of it that is written.

    Raises
    ------
    CedarError
        It can't be made.
    OSError
        Something can't be read or written.
    """
    path = cube.path
    make_directory(path.parent)

    def told(part: float) -> None:
        if callback is not None:
            callback(path.name, part)

    def filling(stacks: Sequence[Stack], layers: Sequence[Layers], start: int) -> Filling:
        def carry_out(target: Target, chunks: Chunks) -> None:
            fill(_work(stacks, layers, start, chunks), target, told, scheduler)

        return carry_out

    with alone(path.with_name(f".cedar-{path.name}.lock")):
        if how.format == "cog":
            return _files(cube, how, overwrite, filling)
        recover(path)
        sweep(path)
        writer = _WRITERS[how.format]
        plan = _plan(cube, how, overwrite, writer)
        if plan is None:
            return False
        writer.write(path, plan, how, filling(cube.stacks, plan.to_fill(), plan.n_kept))
        return True


def is_made(cube: Cube, how: Converting) -> bool:
    """Whether a cube is as it is to be; it isn't changed."""
    if how.format == "cog":
        return all(cogs.layers_to_make(stack, cube.path) is None for stack in cube.stacks)
    return _plan(cube, how, False, _WRITERS[how.format]) is None


def _plan(cube: Cube, how: Converting, overwrite: bool, writer: ModuleType) -> Plan | None:
    """Say what a cube is to be; None if it is that already."""
    new = [part_of(stack) for stack in cube.stacks]
    there: list[Part] = writer.parts_of(cube.path) if cube.path.exists() else []
    if how.by == "item" and {part.made.name for part in there} != {p.made.name for p in new}:
        # It was cut otherwise before.
        there = []
    return merge(there, new, str(cube.path), overwrite)


def _files(cube: Cube, how: Converting, overwrite: bool, filling: Callable[..., Filling]) -> bool:
    """Make the files of a cube that is a file a layer, as far as they aren't there."""
    is_new = False
    for stack in cube.stacks:
        sweep(cube.path / stack.name)
        if overwrite:
            for path in cogs.paths_of(stack, cube.path):
                path.unlink(missing_ok=True)
        if (layers := cogs.layers_to_make(stack, cube.path)) is not None:
            cogs.write(stack, layers, cube.path, how, filling([stack], [layers], 0))
            is_new = True
    return is_new


def _work(stacks: Sequence[Stack], layers: Sequence[Layers], start: int, chunks: Chunks) -> Work:
    first = stacks[0]
    heights, widths = first.steps(1)
    pixel = sum(max(first.dtype.itemsize, np.dtype(band.dtype).itemsize) for band in first.bands)
    block = max(heights), max(widths)
    return Work(layers, start, first.height, first.width, chunks, block, pixel)
