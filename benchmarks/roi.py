"""Tiles under a region of interest: a grid of 100,000 tiles, beside asking every one of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import cos, pi, sin

import shapely
from shapely.geometry.base import BaseGeometry

from cedar.geometry import LONLAT, reproject, to_crs
from cedar.grids import Tile, TileGrid, named_grid

ROUNDS = 3
#: Seconds, whatever the region: what users were promised.
AT_MOST = 1.0

_CONUS = named_grid("LANDSAT_ARD_CU")
#: The conterminous United States in tiles of 12 × 12 km.
GRID = TileGrid(_CONUS.ul, _CONUS.crs, _CONUS.res, (405, 405), ((0, 271), (0, 407)))
_LEFT, _TOP, _RIGHT, _BOTTOM = (
    *GRID.ul,
    GRID[271, 407].bounds.right,
    GRID[271, 407].bounds.bottom,
)


def continent(vertices: int, wide: float, high: float, x: float, y: float) -> shapely.Polygon:
    """An outline with bays and capes of all sizes, the same each time."""
    dice = random.Random(2026)
    waves = [(each, dice.gauss(0, 0.08 / each), dice.uniform(0, 2 * pi)) for each in range(2, 200)]
    ring = []
    for place in range(vertices):
        angle = 2 * pi * place / vertices
        far = 1 + sum(size * cos(each * angle + begun) for each, size, begun in waves)
        ring.append((x + wide * far * cos(angle), y + high * far * sin(angle)))
    return shapely.make_valid(shapely.Polygon(ring), method="structure")


def regions() -> dict[str, tuple[BaseGeometry, object]]:
    """What to look for, and its system; None: the grid's own."""
    x, y = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
    outline = continent(5_000, (_RIGHT - _LEFT) * 0.4, (_TOP - _BOTTOM) * 0.4, x, y)
    parts = shapely.MultiPolygon([
        shapely.box(left, top - 9_000, left + 9_000, top)
        for left in range(int(_LEFT), int(_RIGHT), 75_000)
        for top in range(int(_TOP), int(_BOTTOM), -75_000)
    ])  # fmt: skip
    return {
        "all of it": (shapely.box(_LEFT + 1, _BOTTOM + 1, _RIGHT - 1, _TOP - 1), None),
        "continent": (outline, None),
        "…in lon/lat": (continent(5_000, 24, 9, -96, 38), LONLAT),
        "50,000 vertices": (
            continent(50_000, (_RIGHT - _LEFT) * 0.4, (_TOP - _BOTTOM) * 0.4, x, y),
            None,
        ),
        "many parts": (parts, None),
        "many holes": (outline - parts, None),
        "thin diagonal": (
            shapely.LineString([(_LEFT, _TOP), (_RIGHT, _BOTTOM)]).buffer(500),
            None,
        ),
        "point": (shapely.Point(x + 1, y + 1), None),
    }


def brute_force(region: BaseGeometry, crs: object) -> list[Tile]:
    """Ask every tile of the grid."""
    if crs is not None:
        region = reproject(region, to_crs(crs), GRID.crs)
    shapely.prepare(region)
    boxes = ((tile, tile.bbox) for tile in GRID.values())
    return [
        tile
        for tile, box in boxes
        if region.intersects(box) and (region.area == 0 or not region.touches(box))
    ]


def timed(call: Callable[[], list[Tile]], rounds: int) -> tuple[float, list[Tile]]:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = call()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> None:
    print(f"{len(GRID):,} tiles; each region in at most {AT_MOST:g} s")
    print(f"{'region':16} {'tiles':>7} {'cedar':>9} {'brute':>9} {'ratio':>7}")
    for name, (region, crs) in regions().items():
        mine, found = timed(lambda: GRID.roi_to_tiles(region, crs), ROUNDS)  # noqa: B023 (called at once)
        brute, wanted = timed(lambda: brute_force(region, crs), 1)  # noqa: B023 (called at once)
        differ = "" if found == wanted else f"  {len(set(found) ^ set(wanted))} differ"
        slow = "" if mine <= AT_MOST else "  too slow"
        print(
            f"{name:16} {len(found):7,} {mine:7.3f} s {brute:7.2f} s {brute / mine:6.1f} ×"
            f"{differ}{slow}"
        )


if __name__ == "__main__":
    main()
