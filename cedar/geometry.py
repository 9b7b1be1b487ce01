"""Coordinate reference systems, and moving geometries from one to another."""

from __future__ import annotations

from functools import lru_cache
from math import pi
from typing import Any, Final, TypeAlias

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError as ProjCRSError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from shapely.geometry.base import BaseGeometry

from .exceptions import InputError

#: Longitude and latitude of GeoJSON: WGS 84, in that order (RFC 7946, section 4).
LONLAT: Final = "OGC:CRS84"

Bounds: TypeAlias = tuple[float, float, float, float]
_Parts: TypeAlias = NDArray[np.object_]

#: Longest straight piece of an edge when it is reprojected, as an angle at the earth's centre:
#: 6.4 km, whose chord is at most R × angle² / 8 = 0.8 m off the curve.
_PIECE: Final = 0.001
#: Between two geographic systems straight stays straight: pieces need only show the way round.
_GEOGRAPHIC_PIECE: Final = 1.0
_EARTH_RADIUS: Final = 6_371_000.0
_GEOD: Final = pyproj.Geod(ellps="WGS84")
#: Degrees of an outline that are measured as a geodesic: 5.6 km, which leaves a parallel by 0.6 m.
_MEASURED: Final = 0.05


def to_crs(value: Any) -> CRS:
    """Read a coordinate reference system.

    Parameters
    ----------
    value : object
        What pyproj reads: EPSG code, ``AUTHORITY:CODE``, WKT, PROJ text, PROJJSON, a name, or a
        CRS object of pyproj or rasterio.

    Returns
    -------
    rasterio.crs.CRS
        Projected or geographic; its ``wkt`` reads back as itself.

    Raises
    ------
    InputError
        It can't be read, or has no horizontal coordinates.
    """
    try:
        crs = _crs_of_wkt(value.wkt if isinstance(value, CRS) else _wkt(value))
    except (ProjCRSError, CRSError, TypeError, ValueError) as error:
        raise InputError(
            f"can't read the coordinate reference system {value!r}; give an EPSG code, WKT or PROJ"
        ) from error
    if not _is_of_places(crs.wkt):
        kind = _proj(crs.wkt).type_name
        raise InputError(f"{value!r} is a {kind}, neither projected nor geographic")
    return crs


def full_turn(crs: CRS) -> float | None:
    """Longitude's period in the units of a geographic system (360 for degrees), else None."""
    proj = _proj(crs.wkt)
    return _turn(proj) if proj.is_geographic else None


def reproject(
    geometry: BaseGeometry, source: CRS, target: CRS, within: Bounds | None = None
) -> BaseGeometry:
    """Move a geometry from one system to another, edges densified.

    It passes through longitude and latitude, where the antimeridian and the poles can be seen:
    what crosses the antimeridian is split there, before it meets the edge of a world-wide
    projection. Longitudes of a geographic `target` are within half a turn of its meridian.

    Parameters
    ----------
    geometry : shapely geometry
        In `source`, edges straight there; longitudes may reach beyond the antimeridian.
    source, target : rasterio.crs.CRS
        The two systems. Where they are the same, the geometry comes back as it is.
    within : (float, float, float, float), optional
        Left, bottom, right, top in `target`: what lies outside may be left out.

    Raises
    ------
    InputError
        Coordinates that aren't degrees in a geographic `source`, or that `target` can't express.
    """
    start, middle, end = _proj(source.wkt), _proj(to_crs(LONLAT).wkt), _proj(target.wkt)
    if start.is_geographic:
        _check_degrees(geometry, _turn(start))
    if _same(start, end):
        return geometry
    parts = _on_earth(simple_parts(geometry), start)
    parts = _split(_move(parts, start, middle), 360.0)
    if end.is_geographic:
        parts = _split(_move(parts, middle, end), _turn(end))
    else:
        if within is not None:
            parts = _clip(parts, _region(_transformer(end, middle), within))
        parts = _move(parts, middle, end)
    return shapely.union_all(parts)


def transform_point(x: float, y: float, source: CRS, target: CRS) -> tuple[float, float]:
    """Move a point from one system to another; infinite where `target` can't express it."""
    start, end = _proj(source.wkt), _proj(target.wkt)
    if _same(start, end):
        return x, y
    moved_x, moved_y = _transformer(start, end).transform(x, y)
    return float(moved_x), float(moved_y)


def area(geometry: BaseGeometry) -> float:
    """Area of polygons in longitude and latitude, on the ellipsoid (WGS 84), in km²."""
    parts = shapely.get_parts(shapely.segmentize(geometry, _MEASURED))
    return float(sum(abs(_GEOD.geometry_area_perimeter(part)[0]) for part in parts)) / 1e6


def translate(geometry: BaseGeometry, x: float) -> BaseGeometry:
    """Move a geometry to the right."""
    return shapely.transform(geometry, lambda xy: xy + np.array([x, 0.0]))


def simple_parts(geometry: BaseGeometry) -> _Parts:
    """Valid points, lines and polygons, not empty; parts of polygons with no area are dropped."""
    parts = shapely.get_parts(shapely.force_2d(geometry))
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts = shapely.get_parts(parts)
    broken = (shapely.get_dimensions(parts) == 2) & ~shapely.is_valid(parts)
    mended = shapely.make_valid(parts[broken], method="structure", keep_collapsed=False)
    parts = np.concatenate([shapely.get_parts(mended), parts[~broken]])
    return parts[~shapely.is_empty(parts)]


def split_antimeridian(geometry: BaseGeometry, turn: float) -> BaseGeometry:
    """Cut a geometry where it crosses the antimeridian (RFC 7946, section 3.1.9).

    Parameters
    ----------
    geometry : shapely geometry
        In longitude and latitude; longitudes may reach beyond the antimeridian.
    turn : float
        What :func:`full_turn` says of its system.
    """
    return shapely.union_all(_split(simple_parts(geometry), turn))


def _wkt(value: Any) -> str:
    return _wkt_of_text(value) if isinstance(value, str) else _read_wkt(value)


@lru_cache(maxsize=256)
def _wkt_of_text(text: str) -> str:
    return _read_wkt(text)


def _read_wkt(value: Any) -> str:
    parsed = pyproj.CRS.from_user_input(value)
    try:
        # The text it was made from: WKT that pyproj writes lacks the codes of the parts.
        wkt: str = CRS.from_user_input(parsed.srs).wkt
    except CRSError:
        return parsed.to_wkt()
    return wkt


@lru_cache(maxsize=256)
def _crs_of_wkt(wkt: str) -> CRS:
    # Written anew, so that it reads back as itself: GDAL mends some names on the first reading.
    return CRS.from_wkt(CRS.from_wkt(wkt).wkt)


@lru_cache(maxsize=256)
def _proj(wkt: str) -> pyproj.CRS:
    return pyproj.CRS.from_wkt(wkt)


@lru_cache(maxsize=256)
def _is_of_places(wkt: str) -> bool:
    proj = _proj(wkt)
    return bool(proj.is_projected or proj.is_geographic)


@lru_cache(maxsize=64)
def _transformer(source: pyproj.CRS, target: pyproj.CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=256)
def _same(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    return one.equals(other, ignore_axis_order=True)


def _unit(proj: pyproj.CRS) -> float:
    """Radians or metres in one unit of the system's axes."""
    return proj.axis_info[0].unit_conversion_factor


def _turn(proj: pyproj.CRS) -> float:
    # WKT writes the factor with 15 digits.
    return round(2 * pi / _unit(proj), 9)


def _check_degrees(geometry: BaseGeometry, turn: float) -> None:
    """Refuse what can't be longitude and latitude; up to a turn beyond the map is allowed."""
    left, bottom, right, top = geometry.bounds
    if max(-left, right) > 1.5 * turn or max(-bottom, top) > turn / 4:
        raise InputError(
            f"({left:.9g}, {bottom:.9g}, {right:.9g}, {top:.9g}) isn't longitude and latitude; "
            "give the coordinate reference system"
        )


def _on_earth(parts: _Parts, proj: pyproj.CRS) -> _Parts:
    """What of some parts is a place: a map may have corners where there is none.

    There PROJ gives other places' coordinates, so that the way there and back leads elsewhere.
    """
    if proj.is_geographic or len(parts) == 0:
        return parts
    to_lonlat = _transformer(proj, _proj(to_crs(LONLAT).wkt))
    xy = shapely.get_coordinates(shapely.segmentize(parts, _step(proj))).T
    back = to_lonlat.transform(*to_lonlat.transform(*xy), direction="INVERSE")
    if np.allclose(back, xy, rtol=0, atol=1 / _unit(proj)):
        return parts
    domain = _domain(proj)
    return parts if domain is None else _clip(parts, domain)


@lru_cache(maxsize=16)
def _domain(proj: pyproj.CRS) -> BaseGeometry | None:
    """Outline of the whole earth on a map; None where the map can't show it whole."""
    parameters = proj.coordinate_operation.params if proj.coordinate_operation else []
    middles = [each.value for each in parameters if each.name.startswith("Longitude of ")]
    middle = float(middles[0]) if middles else 0.0
    # A decimetre short of the antimeridian, which is on both sides, and of the poles, where a
    # rounded place may be on the other.
    edge = shapely.box(middle - 180, -90, middle + 180, 90).buffer(-1e-6, join_style="mitre")
    from_lonlat = _transformer(_proj(to_crs(LONLAT).wkt), proj)
    xy = from_lonlat.transform(*shapely.get_coordinates(shapely.segmentize(edge, 0.1)).T)
    if not np.isfinite(xy).all():
        return None
    outline = shapely.Polygon(np.column_stack(xy))
    return outline if outline.is_valid else None


def _step(proj: pyproj.CRS) -> float:
    """Longest piece of an edge that is moved from a system as a straight line."""
    return _PIECE * (1.0 if proj.is_geographic else _EARTH_RADIUS) / _unit(proj)


def _move(parts: _Parts, source: pyproj.CRS, target: pyproj.CRS) -> _Parts:
    if _same(source, target):
        return parts
    straight = source.is_geographic and target.is_geographic
    step = _GEOGRAPHIC_PIECE / _unit(source) if straight else _step(source)
    transformer = _transformer(source, target)

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
        if not np.isfinite(moved).all():
            raise InputError(
                f"part of the geometry can't be expressed in {target.name!r}; make it smaller, "
                "or give the tile grid limits"
            )
        return moved

    moved = shapely.transform(shapely.segmentize(parts, step), move)
    if target.is_geographic:
        moved = np.array([_unwrap(part, _turn(target)) for part in moved], dtype=object)
    return simple_parts(shapely.GeometryCollection(list(moved)))


def _unwrap(part: BaseGeometry, turn: float) -> BaseGeometry:
    """Undo the jumps of longitude at the antimeridian."""
    left, _, right, _ = part.bounds
    if right - left < turn / 2:
        return part
    if not isinstance(part, shapely.Polygon):
        return shapely.LineString(_unwrap_path(shapely.get_coordinates(part), turn))
    rings = [
        shapely.Polygon(_unwrap_path(shapely.get_coordinates(ring), turn))
        for ring in (part.exterior, *part.interiors)
    ]
    # What collapses is dropped: a ring's ends may differ by rounding, and leave a line.
    shell, *holes = shapely.make_valid(rings, method="structure", keep_collapsed=False)
    # Each ring starts in a turn of its own, so a hole is taken out in all that the shell may reach.
    copies = [translate(hole, count * turn) for hole in holes for count in range(-2, 3)]
    left_over: BaseGeometry = shell - shapely.union_all(copies)
    return left_over


def _unwrap_path(xy: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    x = np.unwrap(xy[:, 0], period=turn)
    path = np.column_stack([x, xy[:, 1]])
    closed = bool((xy[0] == xy[-1]).all())
    if closed and abs(x[-1] - x[0]) > turn / 2:
        # A ring that goes once round the earth has a pole inside.
        pole = np.copysign(turn / 4, xy[:, 1].mean())
        path = np.vstack([path, [[x[-1], pole], [x[0], pole], path[0]]])
    return path


def _split(parts: _Parts, turn: float) -> _Parts:
    """Bring parts within half a turn of the meridian, cut where they reach beyond."""
    half = turn / 2
    bounds = shapely.bounds(parts)
    if len(parts) == 0 or (bounds[:, 0].min() >= -half and bounds[:, 2].max() <= half):
        return parts
    window = shapely.box(-half, -turn / 4, half, turn / 4)
    copies = [translate(part, shift) for part in parts for shift in (-turn, 0, turn)]
    return _clip(np.array(copies, dtype=object), window)


def _clip(parts: _Parts, region: BaseGeometry) -> _Parts:
    """The parts inside a region; where a polygon only touches it, nothing is left."""
    pieces, owner = shapely.get_parts(shapely.intersection(parts, region), return_index=True)
    whole = shapely.get_dimensions(pieces) == shapely.get_dimensions(parts)[owner]
    inside: _Parts = pieces[whole & ~shapely.is_empty(pieces)]
    return inside


def _region(to_lonlat: pyproj.Transformer, bounds: Bounds) -> BaseGeometry:
    """Longitudes and latitudes that hold some bounds, with a margin."""
    left, bottom, right, top = bounds
    span = max(right - left, top - bottom)
    edge = shapely.get_coordinates(shapely.segmentize(shapely.box(*bounds), span / 100)).T
    there = to_lonlat.transform(*edge)
    back = to_lonlat.transform(*there, direction="INVERSE")
    if not np.allclose(back, edge, rtol=0, atol=span / 1000):
        # The bounds reach beyond what the system can express: nothing is known of their inside.
        return shapely.box(-180, -90, 180, 90)
    west, south, east, north = to_lonlat.transform_bounds(*bounds, densify_pts=101)
    east += 360 if east < west else 0
    margin = 0.01 * max(east - west, north - south)
    box = shapely.box(west - margin, south - margin, east + margin, north + margin)
    return shapely.union_all([translate(box, turn) for turn in (-360, 0, 360)])
