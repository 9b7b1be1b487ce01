"""Grids that tests work with."""

from __future__ import annotations

from typing import Any

from cedar.grids import Tile, TileGrid

PARAGUAY: dict[str, Any] = {
    "name": "Paraguay east",
    "crs": "EPSG:32621",
    "ul": [730005.0, -2778015.0],
    "res": [30, 30],
    "size": [300, 250],
    "limits": [[0, 3], [0, 3]],
}
#: A tile grid as cedar-datacube 0.0.4 wrote it in 2019.
ANCESTOR: dict[str, Any] = {
    "ul": [-7633670.0, 5076465.0],
    "crs": (
        'PROJCS["BU MEaSUREs Lambert Azimuthal Equal Area - NA - V00",GEOGCS["GCS_WGS_1984",'
        'DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Lambert_Azimuthal_Equal_Area"],'
        'PARAMETER["false_easting",0.0],PARAMETER["false_northing",0.0],'
        'PARAMETER["longitude_of_center",-100],PARAMETER["latitude_of_center",50],'
        'UNIT["meter",1.0]]'
    ),
    "res": [30, 30],
    "size": [5000, 5000],
    "limits": [[0, 64], [0, 84]],
    "name": "BU MEaSUREs - NA - V00",
}


def paraguay(**changes: Any) -> TileGrid:
    return TileGrid.from_dict(PARAGUAY | changes)


def squares(rows: int = 4, cols: int = 5) -> TileGrid:
    """Tiles of 8 × 8 whole units, so that tests can count on fingers."""
    return TileGrid((0, 0), 32621, (2, 2), (4, 4), ((0, rows - 1), (0, cols - 1)))


def degrees(**changes: Any) -> TileGrid:
    """The earth in tiles of 10°."""
    values: dict[str, Any] = {"limits": ((0, 17), (0, 35))} | changes
    return TileGrid((-180, 90), 4326, (0.1, 0.1), (100, 100), **values)


def indices(tiles: list[Tile]) -> list[tuple[int, int]]:
    return [tile.index for tile in tiles]
