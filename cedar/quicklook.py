"""Pictures of pixels, to look at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

#: Bands of a picture's red, green and blue, by common name; those that come first are taken where
#: they are there. Of the first, plants are green and soil is brown.
COLOURS: Final = (("swir1", "nir", "red"), ("red", "green", "blue"))
#: Of Landsat's QA_PIXEL: bit 6 means neither cloud nor dilated cloud, bit 4 cloud shadow.
_CLEAR: Final = 1 << 6
_SHADOW: Final = 1 << 4
#: Percent of the pixels that may be darker, and brighter, than the picture shows.
_CLIPPED: Final = 1.0

Pixels = npt.NDArray[Any]


def colours(names: Collection[str]) -> tuple[str, ...]:
    """Choose bands that make a picture: three for its colours, else one; `names` aren't empty."""
    for bands in COLOURS:
        if {*bands} <= {*names}:
            return bands
    return (next(iter(names)),)


def quicklook(tiles: Sequence[Sequence[Path]], path: Path) -> None:
    """Write a PNG of tiles side by side, of the clear pixels of all their layers.

    Parameters
    ----------
    tiles
        Of each tile, from west to east, its stacks; they have the first bands of `COLOURS`, and
        ``qa``.
    path
        The picture.
    """
    draw(np.concatenate([_clear(stacks) for stacks in tiles], axis=2), path)


def draw(pixels: Pixels, path: Path) -> None:
    """Write a PNG of pixels, from their darkest to their brightest; where one isn't, it is clear.

    Parameters
    ----------
    pixels
        (bands, rows, columns), of one band or three; NaN where there is nothing.
    path
        The picture.
    """
    there = np.asarray(~np.isnan(pixels).any(axis=0))
    low, high = 0.0, 0.0
    if there.any():
        low, high = np.percentile(pixels[:, there], [_CLIPPED, 100 - _CLIPPED])
    # A picture of one value is dark: what would be between is made up.
    shown = np.interp(np.nan_to_num(pixels), [low, max(high, low + np.spacing(low))], [0, 255])
    if not there.all():
        shown = np.concatenate([shown, there[None] * 255])
    count, height, width = shown.shape
    profile = {"driver": "PNG", "dtype": "uint8", "count": count, "height": height, "width": width}
    # rasterio warns of a file without a georeference. PNG has no room for one, and GDAL would write
    # a second file for it.
    profile["transform"] = Affine.translation(1, 1)
    with rasterio.Env(GDAL_PAM_ENABLED=False), rasterio.open(path, "w", **profile) as out:
        out.write(shown.astype("uint8"))


def _clear(stacks: Sequence[Path]) -> Pixels:
    """Clear pixels of all layers, a later one on top; else the first's: (3, rows, columns)."""
    layers = [layer for stack in stacks for layer in _layers(stack)]
    out = layers[0][0].copy()
    for pixels, qa in layers:
        clear = qa & (_CLEAR | _SHADOW) == _CLEAR
        out[:, clear] = pixels[:, clear]
    return out


def _layers(stack: Path) -> list[tuple[Pixels, Pixels]]:
    """Of each layer of a stack, the pixels of its colours and of ``qa``."""
    with rasterio.open(stack) as source:
        bands = dict(zip(source.descriptions, source.indexes, strict=True))
        dates = dict.fromkeys(name.rpartition("_")[0] for name in bands)
        return [
            (
                source.read([bands[f"{date}_{band}"] for band in COLOURS[0]]),
                source.read(bands[f"{date}_qa"]),
            )
            for date in dates
        ]
