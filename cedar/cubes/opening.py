"""An order's files as one lazy Dataset."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cedar.exceptions import InputError, NotFoundError
from cedar.metadata import TrackingMetadata
from cedar.states import TaskState

from . import load
from .stacks import Here, look

if TYPE_CHECKING:
    import xarray as xr

    from .stack import Stack

_log = logging.getLogger(__name__)

#: Collection and tile, (row, column), of an item; None where a record of 2019 doesn't say.
_Place = tuple[str | None, tuple[int, ...] | None]

#: Items that a message names.
_NAMED: Final = 3


def open_order(
    tracking: Mapping[str, Any],
    directory: str | os.PathLike[str],
    collection: str | None = None,
    tile: Sequence[int] | None = None,
    items: Iterable[str] = (),
    *,
    decode: bool = True,
    chunks: Mapping[str, int] | None = None,
) -> xr.Dataset:
    """Open what was downloaded of an order: one collection and tile, all periods along time.

    Nothing is converted, and no pixel read before it is needed. Needs the packages of
    ``cedar-eo[ard]``.

    Parameters
    ----------
    tracking : TrackingMetadata or mapping
        The order's record.
    directory
        What was downloaded of it: ``DIR/NAME`` of ``cedar download``, or `dest` of
        :meth:`cedar.steering.Steering.download`.
    collection : str, optional
        Id of the collection, where the order has several.
    tile : (int, int), optional
        Row and column of the tile, where the order has several.
    items : iterable of str, optional
        Patterns of items' names, as of ``cedar download --item``; by default all.
    decode : bool, optional
        Give what numbers stand for, as floats, NaN where there is nothing; bits and classes stay
        integers. Else numbers are the files', with ``scale_factor``, ``add_offset``, ``_FillValue``
        and ``valid_range`` beside them.
    chunks : mapping, optional
        Sizes of pieces along ``time``, ``y`` and ``x``, -1 for all of it. By default they follow
        the blocks of the files, so that each is read once.

    Returns
    -------
    xarray.Dataset
        (time, y, x), a variable a band by its common name; ``time`` is UTC.

    Raises
    ------
    InputError
        There are several collections or tiles and none was chosen, or none of the one chosen; or
        a package isn't installed.
    NotFoundError
        The files of no item are in the directory, or some of an item's are missing.
    CedarError
        Files are damaged, or aren't what the record says.

    Examples
    --------
    >>> import cedar
    >>> from cedar.engines.earthengine import EarthEngine
    >>> grid = cedar.TileGrid((730005, -2778015), "EPSG:32621", res=(30, 30), size=(64, 64))
    >>> tracker = cedar.Tracker(grid, cedar.LocalStore("a"), engine=EarthEngine(url="emulator"))
    >>> name, _ = tracker.submit("LANDSAT/LC08/C02/T1_L2", (0, 0), "2020-05-01", "2020-06-01")
    >>> record = tracker.watch(name)
    >>> files = tracker.download(record, "data")
    >>> cube = cedar.open_order(record, "data")
    >>> cube.red.dims, cube.red.dtype, cube.qa.dtype
    (('time', 'y', 'x'), dtype('float32'), dtype('uint16'))
    """
    record = TrackingMetadata(tracking)
    place = (collection, None if tile is None else tuple(tile))
    _choose({_place(entry) for entry in _with_images(record)}, place, record.name)
    names = [entry["name"] for entry in _with_images(record) if _fits(_place(entry), place)]
    here = look(record, directory, items, names)
    for error in here.failed.values():
        raise error
    stacks = [stack for stack in here.stacks if _fits(_where(stack), place)]
    _choose({_where(stack) for stack in stacks}, place, record.name)
    _tell(record, here, stacks)
    cf, lazy = load("cf"), load("lazy")
    cube: xr.Dataset = cf.dataset(stacks, chunks)
    return lazy.decoded(cube, stacks[0].bands) if decode else cube


def _with_images(record: TrackingMetadata) -> list[Mapping[str, Any]]:
    return [entry for entry in record.orders if record.state(entry) != TaskState.EMPTY]


def _place(entry: Mapping[str, Any]) -> _Place:
    index = entry["tile"]
    return entry["collection"], None if index is None else tuple(index)


def _where(stack: Stack) -> _Place:
    return stack.collection, stack.tile.index


def _fits(place: _Place, wanted: _Place) -> bool:
    return all(
        given in (None, one) or one is None for one, given in zip(place, wanted, strict=True)
    )


def _choose(there: set[_Place], wanted: _Place, name: str) -> None:
    """Check that one collection and one tile are wanted, of those that are there.

    Raises
    ------
    InputError
        Several are, or none: the choices are named.
    """
    for number, what in enumerate(("collection", "tile")):
        given = wanted[number]
        all_known = {place[number] for place in there} - {None}
        known = {place[number] for place in there if _fits(place, wanted)} - {None}
        choices = ", ".join(sorted(map(str, all_known)))
        if given is not None and all_known and given not in all_known:
            raise InputError(f"order {name} has no {what} {given}: it has {choices}")
        if given is None and len(known) > 1:
            raise InputError(
                f"order {name} has several {what}s, and a cube is of one: set {what} to one of "
                f"{', '.join(sorted(map(str, known)))}"
            )


def _tell(record: TrackingMetadata, here: Here, stacks: Sequence[Stack]) -> None:
    """Say which items aren't here.

    Raises
    ------
    NotFoundError
        None is.
    """
    absent = [f"{name}: {why}" for name, why in here.absent.items()]
    more = f" (and {len(absent) - _NAMED} more)" if len(absent) > _NAMED else ""
    said = "; ".join(absent[:_NAMED]) + more
    if not stacks:
        why = said or "no item that was asked for has images"
        raise NotFoundError(f"nothing of order {record.name} is here to open: {why}", record.name)
    if absent:
        _log.warning("%d items of order %s aren't here: %s", len(absent), record.name, said)
