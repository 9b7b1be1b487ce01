"""The service's PixelGrid: a tile's pixels, or a window of them, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cedar.grids import Tile


def pixel_grid(tile: Tile, row: int, col: int, height: int, width: int) -> dict[str, Any]:
    """Return a window of a tile as requests have it."""
    transform = tile.transform
    authority = tile.crs.to_authority(confidence_threshold=100)
    coded = authority is not None and authority[0] == "EPSG"
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
        **({"crsCode": ":".join(authority)} if coded else {"crsWkt": tile.crs.to_wkt()}),
    }
