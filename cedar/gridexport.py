"""Tile grids for other programs: tiles as GeoJSON and GeoPackage, a grid as configuration."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
import yaml
from pyproj import CRS, Transformer

from .exceptions import InputError
from .geometry import LONLAT, to_crs
from .stores.files import arriving, explained
from .templates import tile_name
from .tilegrid import TileGrid
from .tiles import Tile

_GEOJSON: Final = (".geojson", ".json")
_GEOPACKAGE: Final = ".gpkg"
#: Points of an edge that are looked at for its farthest.
_DENSE: Final = 101
#: Units by the names that WKT gives them.
_UNITS: Final = {"metre": " m", "meter": " m", "degree": "°"}
#: Name of a GeoPackage's layer.
LAYER: Final = "tiles"


def to_geojson(tiles: Sequence[Tile]) -> dict[str, Any]:
    """Put `tiles` as a GeoJSON FeatureCollection, in longitude and latitude (RFC 7946).

    Each has the properties ``row``, ``col`` and ``name``. One beyond the earth, where a map of the
    world has corners, has no geometry.
    """
    features = [
        tile.geojson()
        | {"properties": {"row": tile.vertical, "col": tile.horizontal, "name": tile_name(tile)}}
        for tile in _of_one_system(tiles)
    ]
    return {"type": "FeatureCollection", "features": features}


def to_geopackage(tiles: Sequence[Tile]) -> bytes:
    """Put tiles as a GeoPackage with one layer, ``tiles``, in their own system.

    It has the fields ``row``, ``col`` and ``name``.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one; all of one system.

    Raises
    ------
    InputError
        pyogrio isn't installed, which the extra ``geo`` brings; or the tiles aren't so.
    """
    try:
        raw = import_module("pyogrio.raw")
    except ModuleNotFoundError as error:
        raise InputError(
            f"a GeoPackage needs {error.name}, which isn't installed: pip install 'cedar-eo[geo]'; "
            "GeoJSON (.geojson) needs nothing more"
        ) from error
    tiles, written = _of_one_system(tiles), io.BytesIO()
    raw.write(
        written,
        geometry=shapely.to_wkb(np.array([tile.bbox for tile in tiles], dtype=object)),
        fields=["row", "col", "name"],
        field_data=[
            np.array([tile.vertical for tile in tiles], dtype=np.int64),
            np.array([tile.horizontal for tile in tiles], dtype=np.int64),
            np.array([tile_name(tile) for tile in tiles], dtype=object),
        ],
        crs=tiles[0].crs_wkt,
        geometry_type="Polygon",
        driver="GPKG",
        layer=LAYER,
    )
    return written.getvalue()


def write_tiles(path: str | Path, tiles: Sequence[Tile], overwrite: bool = False) -> None:
    """Write tiles to a file for a GIS.

    Parameters
    ----------
    path : path
        Its ending says the format: ``.geojson`` or ``.json``, see :func:`to_geojson`; ``.gpkg``,
        see :func:`to_geopackage`. Directories to it are made.
    tiles : sequence of Tile
        At least one; all of one system.
    overwrite : bool, optional
        Whether a file that is there is replaced.

    Raises
    ------
    InputError
        The ending is another, the file is there already, the tiles aren't so, or a package is
        missing.
    StoreError
        The file can't be written.
    """
    path = checked_path(path, overwrite)
    if path.suffix.lower() == _GEOPACKAGE:
        content = to_geopackage(tiles)
    else:
        content = json.dumps(to_geojson(tiles)).encode()
    with explained(f"can't write {path}"), arriving(path) as arrived:
        arrived.write_bytes(content)


def checked_path(path: str | Path, overwrite: bool = False) -> Path:
    """Check that :func:`write_tiles` can be asked for the file `path`, with `overwrite`.

    Raises
    ------
    InputError
        The ending is none that is known, or the file is there already.
    """
    path = Path(path)
    if path.suffix.lower() not in (*_GEOJSON, _GEOPACKAGE):
        raise InputError(f"{path}: the ending says the format: {_GEOJSON[0]} or {_GEOPACKAGE}")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another name, or --overwrite")
    return path


def short_crs(grid: TileGrid) -> str:
    """The CRS of `grid` as short as it can be read back the same: an EPSG code, else WKT."""
    code = grid.crs.to_epsg()
    if code is not None and to_crs(code).wkt == grid.crs_wkt:
        return f"EPSG:{code}"
    return grid.crs_wkt


def crs_title(grid: TileGrid) -> str:
    """What to call the CRS of `grid`: by its code and name, else its name, or its method's."""
    short, crs = short_crs(grid), CRS.from_wkt(grid.crs_wkt)
    if short != grid.crs_wkt:
        return f"{short} ({crs.name})"
    if crs.name.lower() in ("unknown", "unnamed") and crs.coordinate_operation is not None:
        return crs.coordinate_operation.method_name
    return crs.name


def pixel(grid: TileGrid) -> str:
    """How large the pixels of `grid` are: ``30 × 30 m``, ``0.00025 × 0.00025°``."""
    unit = CRS.from_wkt(grid.crs_wkt).axis_info[0].unit_name
    return " × ".join(f"{size:.12g}" for size in grid.res) + _UNITS.get(unit.lower(), f" {unit}")


def config_section(grid: TileGrid) -> dict[str, Any]:
    """The section ``tile_grid`` of a configuration for `grid`."""
    grid = _own(grid)
    section = grid.to_dict() | {"crs": short_crs(grid)}
    for key in ("ul", "res"):
        section[key] = [int(n) if float(n).is_integer() else n for n in section[key]]
    return {key: value for key, value in section.items() if value is not None}


def config_yaml(grid: TileGrid) -> str:
    """The section for `grid` as YAML, ``tile_grid:`` and all: to put into a configuration."""
    section = {"tile_grid": config_section(grid)}
    return yaml.dump(section, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """YAML with lists on a line, as people write the numbers of a grid."""


def _on_a_line(dumper: _Dumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(list, _on_a_line)


def lonlat_bounds(grid: TileGrid) -> tuple[float, float, float, float] | None:
    """West, south, east and north of `grid`, in degrees.

    Where it crosses the antimeridian, west is greater than east (RFC 7946, section 5.2). None: it
    has no limits, or reaches to where nothing has longitude and latitude.
    """
    grid = _own(grid)
    if grid.limits is None:
        return None
    (top, bottom), (left, right) = grid.limits
    first, last = grid[top, left].bounds, grid[bottom, right].bounds
    to_lonlat = Transformer.from_crs(CRS.from_wkt(grid.crs_wkt), LONLAT, always_xy=True)
    west, south, east, north = to_lonlat.transform_bounds(
        first.left, last.bottom, last.right, first.top, densify_pts=_DENSE
    )
    return (west, south, east, north) if isfinite(west + south + east + north) else None


def _own(grid: TileGrid) -> TileGrid:
    """Take over a grid of stems."""
    return grid if isinstance(grid, TileGrid) else TileGrid.from_like(grid)


def _of_one_system(tiles: Sequence[Tile]) -> list[Tile]:
    """Check tiles, and take over those of stems."""
    own = [tile if isinstance(tile, Tile) else Tile.from_like(tile) for tile in tiles]
    systems = len({tile.crs_wkt for tile in own})
    if systems != 1:
        raise InputError(
            f"one file has tiles of one coordinate reference system, these have {systems}"
            if own
            else "there are no tiles to write"
        )
    return own
