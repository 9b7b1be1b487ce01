"""Image.reduceRegion: the pixels of a region made one value, of each band.

A pixel is in a region where its centre is, or on its edge. That is the service's rule of reducers
that don't weigh their inputs; those that do weigh a pixel by how much of it is in the region, which
the emulator doesn't have (developers.google.com/earth-engine/guides/reducers_reduce_region,
reducers_weighting).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..bands import read_bands
from ..sampling import check_scale, covering, inside
from ..values import Geometry, Grid, Image, Projection, ServiceError
from .base import function
from .projections import transform_of
from .reducers import STATISTICS, Reducer, Statistic

_NAME: Final = "Image.reduceRegion"
#: Those that take every pixel as it is.
_UNWEIGHTED: Final = frozenset(
    {"allNonZero", "anyNonZero", "firstNonNull", "lastNonNull", "max", "min", "product"}
)
#: Pixels that are read at once.
_AT_ONCE: Final = 2**20


@function(
    _NAME,
    takes="image reducer geometry crs crsTransform maxPixels",
    harmless="tileScale",
)
def _reduce_region(
    image: Image,
    reducer: Reducer,
    geometry: Geometry | None,
    crs: Projection | None,
    transform: list[Any] | None,
    max_pixels: int,
) -> dict[str, Any]:
    """On the pixels of a projection that are in the geometry."""
    if geometry is None or crs is None or transform is None:
        raise ServiceError(f"{_NAME}: the emulator needs a geometry, a crs and a crsTransform.")
    taken = {statistic for name, statistic in STATISTICS.items() if name in _UNWEIGHTED}
    if not taken.issuperset(reducer.statistics) or reducer.width != 1:
        raise ServiceError(f"{_NAME}: the emulator has {', '.join(sorted(_UNWEIGHTED))} only.")
    grid = covering(geometry, Projection(crs.crs, transform_of(transform)))
    pixels = grid.width * grid.height
    if pixels > max_pixels:
        raise ServiceError(
            f"{_NAME}: Too many pixels in the region. Found {pixels}, but maxPixels allows only "
            f"{max_pixels}."
        )
    parts = [_values(image, geometry, strip) for strip in _strips(grid)]
    columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
    found = {}
    for band, column in zip(image.bands, columns, strict=True):
        for statistic in reducer.statistics:
            one = len(reducer.statistics) == 1
            name = band.name if one else f"{band.name}_{statistic.name}"
            found[name] = _reduced(statistic, column)
    return found


def _strips(grid: Grid) -> Iterator[Grid]:
    """Rows of a grid, as many as are read at once."""
    a, b, c, d, e, f = grid.transform
    rows = max(1, _AT_ONCE // grid.width)
    for row in range(0, grid.height, rows):
        corner = (a, b, c + b * row, d, e, f + e * row)
        yield Grid(grid.crs, corner, grid.width, min(rows, grid.height - row))


def _values(image: Image, geometry: Geometry, grid: Grid) -> list[npt.NDArray[Any]]:
    """The valid values of each band that are in a geometry, in the order of rows."""
    within, *bands = read_bands([inside(geometry), *image.bands], grid, check_scale)
    return [pixels.values[within.mask & pixels.mask] for pixels in bands]


def _reduced(statistic: Statistic, values: npt.NDArray[Any]) -> Any:
    """None of no values."""
    if not values.size or statistic.of_pixels is None:
        return None
    column = values[:, None, None]
    return statistic.of_pixels(column, np.ones(column.shape, bool))[0, 0].item()
