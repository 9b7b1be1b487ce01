"""Options that say which tiles, for every command that takes some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from cedar.where import Where

_Function = Callable[..., Any]
_OPTIONS: Final = (
    click.option("--index", metavar="ROW COL", nargs=2, type=int, multiple=True, help="A tile."),
    click.option("--row", "rows", metavar="ROW", type=int, multiple=True, help="With --col."),
    click.option(
        "--col", "cols", metavar="COL", type=int, multiple=True,
        help="With --row: each row × column.",
    ),
    click.option(
        "--bbox", "boxes", metavar="W S E N", nargs=4, type=float, multiple=True,
        help="The tiles that a box meets, in longitude and latitude.",
    ),
    click.option(
        "--point", "points", metavar="LON LAT", nargs=2, type=float, multiple=True,
        help="The tile that holds a point.",
    ),
    click.option(
        "--roi", "rois", metavar="FILE", multiple=True, help="The tiles that a GeoJSON file covers."
    ),
)  # fmt: skip


def tile_options(function: _Function) -> _Function:
    """Give a command the options that say which tiles; :func:`which_tiles` reads them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def which_tiles(options: Mapping[str, Any]) -> Where | None:
    """Read the options of :func:`tile_options`; None if none was given."""
    index, rows, cols, boxes, points, rois = (
        options[name] for name in ("index", "rows", "cols", "boxes", "points", "rois")
    )
    if bool(rows) != bool(cols):
        raise click.UsageError("--row and --col go together")
    if not (index or rows or boxes or points or rois):
        return None
    from cedar.where import Where

    return Where((*index, *product(rows, cols)), boxes, points, tuple(map(Path, rois)))
