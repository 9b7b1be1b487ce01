"""A picture of stacks, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio

#: Bands of the picture's red, green and blue, by common name: plants are green, soil is brown.
BANDS: Final = ("swir1", "nir", "red")
#: Of Landsat's QA_PIXEL: bit 6 means neither cloud nor dilated cloud, bit 4 cloud shadow.
_CLEAR: Final = 1 << 6
_SHADOW: Final = 1 << 4
#: Percent of the pixels that may be darker, and brighter, than the picture shows.
_CLIPPED: Final = 1.0

Pixels = npt.NDArray[Any]


def quicklook(tiles: Sequence[Sequence[Path]], path: Path) -> None:
    """Write a PNG of tiles side by side, of the clear pixels of all their layers.

    Parameters
    ----------
    tiles
        Of each tile, from west to east, its stacks; they have the bands `BANDS` and ``qa``.
    path
        The picture.
    """
    mosaic = np.concatenate([_clear(stacks) for stacks in tiles], axis=2)
    low, high = np.percentile(mosaic, [_CLIPPED, 100 - _CLIPPED])
    picture = np.interp(mosaic, [low, max(high, low + 1)], [0, 255]).astype("uint8")
    count, height, width = picture.shape
    profile = {"driver": "PNG", "dtype": "uint8", "count": count, "height": height, "width": width}
    with rasterio.open(tiles[0][0]) as first:
        place = {"crs": first.crs, "transform": first.transform}
    # PNG has no room for a georeference: GDAL would write a second file for it.
    with rasterio.Env(GDAL_PAM_ENABLED=False), rasterio.open(path, "w", **profile, **place) as out:
        out.write(picture)


def _clear(stacks: Sequence[Path]) -> Pixels:
    """Clear pixels of all layers, a later one on top; else the first's: (3, rows, columns)."""
    layers = [layer for stack in stacks for layer in _layers(stack)]
    out = layers[0][0].copy()
    for pixels, qa in layers:
        clear = qa & (_CLEAR | _SHADOW) == _CLEAR
        out[:, clear] = pixels[:, clear]
    return out


def _layers(stack: Path) -> list[tuple[Pixels, Pixels]]:
    """Of each layer of a stack, the pixels of `BANDS` and of ``qa``."""
    with rasterio.open(stack) as source:
        bands = dict(zip(source.descriptions, source.indexes, strict=True))
        dates = dict.fromkeys(name.rpartition("_")[0] for name in bands)
        return [
            (
                source.read([bands[f"{date}_{band}"] for band in BANDS]),
                source.read(bands[f"{date}_qa"]),
            )
            for date in dates
        ]
