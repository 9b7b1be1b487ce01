"""How a preview shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .drawing import EMPTY, LEFT_OUT, TO_MAKE, found_map
from .faces import crs_name, face, legend, lines, table
from .lattice import Lattice

if TYPE_CHECKING:
    from .lattice import Index
    from .ordering import Order


def of_preview(
    order: Order,
    facts: Mapping[str, str],
    items: Iterable[Sequence[Any]],
    warnings: Sequence[str],
) -> str:
    """Show what an order would make.

    Parameters
    ----------
    order
        The order.
    facts
        Name → fact.
    items
        Of each item, its name, images, layers, bands and size in words.
    warnings
        A line each.
    """
    grid, title = order.submission.tile_grid, f"Preview of {order.name}"
    found = [*_found(order)]
    kinds = [kind for _, kind in found]
    lattice = Lattice(grid.ul, grid.res, grid.size)
    header = ("item", "images", "layers", "bands", "size")
    return face(
        title,
        {**facts, "system": crs_name(grid.crs_wkt)},
        found_map(found, lattice, grid.crs_wkt, title)
        + legend({kind: kinds.count(kind) for kind in {*kinds}}),
        lines([f"Warning: {warning}" for warning in warnings]),
        table(header, items, len(order.items)),
    )


def _found(order: Order) -> Iterator[tuple[Index, str]]:
    for item in order.items:
        yield item.tile.index, TO_MAKE if item.groups else EMPTY
    for item in order.skipped:
        yield item.tile.index, LEFT_OUT
