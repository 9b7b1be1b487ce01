"""Which layers have pixels: one interactive request an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ee

from cedar.exceptions import EngineError

from .build import has_pixels
from .graph import Call
from .session import ask

if TYPE_CHECKING:
    from cedar.grids import Tile


def have_pixels(image: Mapping[str, Any], tile: Tile) -> list[bool]:
    """Ask which groups have a pixel; see :meth:`Engine.have_pixels`.

    In one request; where that is too large for the service, in one for each half of the groups.
    """
    groups = image["groups"]
    try:
        answer = ask(ee.data.computeValue, _most(image, tile))
    except EngineError as error:
        if not error.too_large or len(groups) < 2:
            raise
        half = len(groups) // 2
        earlier, later = groups[:half], groups[half:]
        return [
            *have_pixels({**image, "groups": earlier}, tile),
            *have_pixels({**image, "groups": later}, tile),
        ]
    try:
        return [bool(answer[f"{number}_max"]) for number in range(len(groups))]
    except (KeyError, TypeError) as error:
        raise EngineError(
            f"Earth Engine: its answer can't be read: {answer!r:.60} says nothing of a layer",
            transient=True,
        ) from error


def _most(image: Mapping[str, Any], tile: Tile) -> Call:
    """Return the largest value of each band on the tile's own pixels: no weights matter to that."""
    left, bottom, right, top = tile.bounds
    a, b, c, d, e, f, *_ = tile.transform
    authority = tile.crs.to_authority(confidence_threshold=100)
    coded = authority is not None and authority[0] == "EPSG"
    crs = Call("Projection", crs=":".join(authority) if coded else tile.crs.to_wkt())
    outline = Call(
        "GeometryConstructors.Rectangle",
        coordinates=[left, bottom, right, top],
        crs=crs,
        geodesic=False,
    )
    return Call(
        "Image.reduceRegion",
        image=has_pixels(image),
        reducer=Call("Reducer.max"),
        geometry=outline,
        crs=crs,
        crsTransform=[a, b, c, d, e, f],
        maxPixels=tile.width * tile.height,
    )
