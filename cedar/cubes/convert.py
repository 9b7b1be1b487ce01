"""Which cubes an order makes, which of them are there already, and making the rest.

What a cube is made of is in its attributes: an item that is in it already, with the same files,
isn't put there again. A cube is made beside its place and gets its name when it is whole; one
process at a time is at it, and removes what a killed one left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cedar.exceptions import CedarError, ConversionError, StoreError
from cedar.metadata import TrackingMetadata
from cedar.splitting import family
from cedar.stores.files import explained

from . import load
from .options import By, Chunks, Codec, Converting, Cube, Format
from .stack import Stack
from .stacks import look

#: Where cubes of tiles go, beside the order's directory.
DIRECTORY: Final = "ARD"

#: Called with a cube's name and the part of it that is written; never by two threads at once.
Callback = Callable[[str, float], None]


@dataclass(frozen=True)
class Conversion:
    """What has become of an order's cubes.

    Attributes
    ----------
    cubes : tuple of Path
        All that are there, as was asked for.
    written : frozenset of Path
        Those of them that were made now, or got longer; the others were so already.
    empty : tuple of str
        Items without images, which make no cube.
    absent : mapping of str to str
        Items that aren't here yet → why.
    failures : mapping of str to CedarError
        Items, and cubes by their paths, that couldn't be converted → why.
    catalog : Path or None
        That of the cubes, where one was asked for.
    """

    cubes: tuple[Path, ...]
    written: frozenset[Path]
    empty: tuple[str, ...]
    absent: Mapping[str, str]
    failures: Mapping[str, CedarError]
    catalog: Path | None = None


def convert(
    tracking: Mapping[str, Any],
    directory: str | os.PathLike[str],
    *,
    format: Format = "netcdf",  # noqa: A002 - the word for it
    by: By = "item",
    dest: str | os.PathLike[str] | None = None,
    chunks: Mapping[str, int] | None = None,
    codec: Codec | None = None,
    level: int = 1,
    items: Iterable[str] = (),
    overwrite: bool = False,
    stac: bool = False,
    scheduler: str | None = None,
    callback: Callback | None = None,
) -> list[Path]:
    """Make cubes of what was downloaded of an order.

    Nothing but that directory is needed: no store, no configuration, no network.

    Parameters
    ----------
    tracking : mapping
        The order's record.
    directory
        What was `dest` of the download: DIR/NAME of ``cedar download``.
    format : {'netcdf', 'zarr', 'cog'}
        NetCDF-4, Zarr (version 3), or a Cloud Optimized GeoTIFF a date, in a directory.
    by : {'item', 'tile'}
        A cube an item; or one a collection and tile, to which items of later orders are appended.
    dest
        Where cubes go. By default those of items lie beside the items' files, and those of tiles in
        ``ARD`` beside `directory`.
    chunks : mapping
        Layers, rows and columns of a chunk of a new cube, by ``time``, ``y`` and ``x``.
    codec : {'deflate', 'zstd', 'none'}
        How a new cube is compressed; by default as suits the format.
    level : int
        From 1, the fastest, to 9, the smallest.
    items
        Patterns of names, as of ``cedar download --item``; none: all.
    overwrite : bool
        Make again what is there and was made of the same files.
    stac : bool
        Write a STAC catalog of the cubes, in ``stac`` where they go.
    scheduler : str
        Address of a dask.distributed scheduler whose workers read; else it is done here.
    callback : callable
        Called with a cube's name and the part of it that is written.

    Returns
    -------
    list of Path
        The cubes.

    Raises
    ------
    ConversionError
        Some couldn't be made; all others were.
    InputError
        A package isn't installed, or what is asked for can't be.
    """
    how = Converting(
        format, by, None if dest is None else Path(dest), Chunks()._replace(**(chunks or {})),
        codec, level, stac,
    )  # fmt: skip
    done = carry_out(tracking, directory, how, items, overwrite, scheduler, callback)
    if done.failures:
        raise ConversionError(done.failures, done.cubes)
    return [*done.cubes]


def carry_out(
    tracking: Mapping[str, Any],
    directory: str | os.PathLike[str],
    how: Converting,
    items: Iterable[str] = (),
    overwrite: bool = False,
    scheduler: str | None = None,
    callback: Callback | None = None,
) -> Conversion:
    """Make cubes of what was downloaded of an order, and say what has become of each.

    Parameters
    ----------
    tracking, directory
        As of :func:`convert`.
    how : Converting
        What most other parameters say there.
    items, overwrite, scheduler, callback
        As of :func:`convert`.

    Raises
    ------
    InputError
        A package isn't installed.
    StoreError
        The directory can't be read.
    """
    record, root = TrackingMetadata(tracking), Path(directory).absolute()
    making = load("making")
    here = look(record, root, items)
    failures: dict[str, CedarError] = dict(here.failed)
    there: dict[Path, bool] = {}
    lacking = {family(record.entry(name)) for name in (*here.absent, *failures)}
    cubes = cubes_of(here.stacks, root, how, lacking)
    for cube in cubes:
        try:
            there[cube.path] = making.make(cube, how, overwrite, scheduler, callback)
        except OSError as error:
            why = StoreError(f"can't make {cube.path}: {error.strerror or error}")
            failures[str(cube.path)] = why
        except CedarError as error:
            failures[str(cube.path)] = error
    written = frozenset(path for path, is_new in there.items() if is_new)
    catalog = None
    if how.stac and there:
        folder = _folder(root, how)
        try:
            made = [cube for cube in cubes if cube.path in there]
            catalog = load("catalogs").write_catalog(made, how.format, folder)
        except CedarError as error:
            failures[f"{folder}, its catalog"] = error
    return Conversion(tuple(there), written, here.empty, here.absent, failures, catalog)


def is_converted(tracking: Mapping[str, Any], directory: Path, how: Converting) -> bool:
    """Whether all cubes of an order are as they are to be, and none lacks an item.

    Parameters
    ----------
    tracking : mapping
        The order's record.
    directory : Path
        DIR/NAME of ``cedar download``; without it nothing is there.
    how : Converting
        What cubes are asked for.

    Raises
    ------
    InputError
        A package isn't installed.
    """
    if not directory.is_dir():
        return False
    making, here = load("making"), look(tracking, directory.absolute())
    if here.absent or here.failed:
        return False
    try:
        return all(
            making.is_made(cube, how) for cube in cubes_of(here.stacks, directory.absolute(), how)
        )
    except (CedarError, OSError):
        return False


def read_record(directory: Path) -> TrackingMetadata:
    """Read the record's copy in an order's directory, which has the order's name.

    Raises
    ------
    NotFoundError
        There is none.
    DocumentError
        It is damaged.
    """
    name = directory.resolve().name
    path = directory / f"{name}.json"
    with explained(f"can't read {path}, the record that `cedar download` writes last"):
        return TrackingMetadata.loads(path.read_bytes(), name)


def cubes_of(
    stacks: Iterable[Stack], directory: Path, how: Converting, lacking: Iterable[str] = ()
) -> list[Cube]:
    """Return the cubes that an order's stacks make.

    Parameters
    ----------
    stacks
        The order's.
    directory : Path
        Where they are: DIR/NAME.
    how : Converting
        What cubes are asked for.
    lacking
        Items of which not all is there, so that they make no cube of their own yet.
    """
    unfinished = {*lacking}
    together: dict[Path, list[Stack]] = {}
    for stack in stacks:
        if how.by == "tile":
            folder = _folder(directory, how)
            name = f"{stack.collection.replace('/', '_')}_{_tile(stack)}"
        else:
            folder, name = how.directory or stack.files[0].parent, stack.item
            if name in unfinished:
                continue
        together.setdefault(folder / f"{name}{how.suffix}", []).append(stack)
    return [Cube(path, tuple(each)) for path, each in together.items()]


def _folder(directory: Path, how: Converting) -> Path:
    """Return where the cubes of an order's directory are, or in folders of it."""
    if how.by == "tile":
        return how.directory or directory.parent / DIRECTORY
    return how.directory or directory


def _tile(stack: Stack) -> str:
    return f"h{stack.tile.horizontal:03d}v{stack.tile.vertical:03d}"
