"""The service's PixelGrid: a tile's pixels, or a window of them, to the bit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rasterio.crs import CRS

if TYPE_CHECKING:
    from cedar.grids import Tile


def pixel_grid(tile: Tile, row: int, col: int, height: int, width: int) -> dict[str, Any]:
    """Return a window of a tile as requests have it."""
    transform = tile.transform
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": transform.a,
            "shearX": transform.b,
            "translateX": transform.c + col * transform.a,
            "shearY": transform.d,
            "scaleY": transform.e,
            "translateY": transform.f + row * transform.e,
        },
        **crs_of(tile.crs_wkt),
    }


@lru_cache
def crs_of(wkt: str) -> dict[str, str]:
    """Return a system by its code, where that says all of it."""
    authority = CRS.from_wkt(wkt).to_authority(confidence_threshold=100)
    coded = authority is not None and authority[0] == "EPSG"
    return {"crsCode": ":".join(authority)} if coded else {"crsWkt": wkt}
