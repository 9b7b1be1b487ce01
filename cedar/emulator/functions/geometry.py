"""Geometries, and features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape as from_geojson
from shapely.geometry.base import BaseGeometry

from ..shapes import LON_LAT, along_geodesics, parse_crs
from ..values import Feature, Geometry, Projection, ServiceError
from .base import ErrorMargin, WrongKindError, function, instance, kind


@kind("Geometry")
def _as_geometry(value: Any) -> Geometry:
    geometry = value.geometry if isinstance(value, Feature) else value
    if not isinstance(geometry, Geometry):
        raise WrongKindError("Geometry")
    return geometry


instance("Feature", Feature)


def _numbers(values: Any) -> bool:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _points(coordinates: Any) -> Any:
    """A flat list of numbers as pairs, at whatever depth it is; pairs as they are."""
    if coordinates and _numbers(coordinates):
        return list(zip(coordinates[::2], coordinates[1::2], strict=True))
    return [each if _numbers(each) and len(each) == 2 else _points(each) for each in coordinates]


def _rings(coordinates: Any) -> Any:
    """A polygon's rings; a simple one may be given as its shell alone."""
    points = _points(coordinates)
    return points if not points or not _numbers(points[0]) else [points]


def _polygon(coordinates: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": _rings(coordinates)}


def _multipolygon(coordinates: Any) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": [_rings(each) for each in coordinates]}


def _point(coordinates: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": coordinates}


def _rectangle(coordinates: Any) -> dict[str, Any]:
    (west, south), (east, north) = _points(coordinates)
    ring = [(west, south), (east, south), (east, north), (west, north)]
    return {"type": "Polygon", "coordinates": [ring]}


_Reading = Callable[[Any], dict[str, Any]]


def _construct(
    name: str, read: _Reading, coordinates: Any, crs: Projection | None, geodesic: bool | None
) -> Geometry:
    projection = crs or Projection(LON_LAT)
    try:
        shape: BaseGeometry = from_geojson(read(coordinates))
        # Lines that cross are cut where they do: of a polygon, what the even/odd rule has inside.
        with np.errstate(all="ignore"):  # coordinates beyond all sense overflow
            shape = shapely.make_valid(shape)
    except (ShapelyError, ValueError, TypeError, IndexError, RecursionError):
        raise ServiceError(f"{name}: Invalid coordinates.") from None
    geographic = parse_crs(projection.crs).is_geographic
    if geodesic is None:  # "or true if the inputs are numbers"; planar where not on the globe
        geodesic = geographic
    if not geodesic:
        return Geometry(shape, projection)
    if projection != Projection(LON_LAT):
        raise ServiceError(f"{name}: the emulator draws geodesic edges in {LON_LAT} only.")
    return Geometry(along_geodesics(shape), projection)


_READINGS: Final[dict[str, _Reading]] = {"Polygon": _polygon, "MultiPolygon": _multipolygon}


def _register(name: str, read: _Reading) -> None:
    @function(name, takes="coordinates crs geodesic", harmless="maxError")
    def construct(coordinates: Any, crs: Projection | None, geodesic: bool | None) -> Geometry:
        return _construct(name, read, coordinates, crs, geodesic)


for _shape, _read in _READINGS.items():
    _register(f"GeometryConstructors.{_shape}", _read)


@function("GeometryConstructors.Rectangle", takes="coordinates crs geodesic")
def _construct_rectangle(
    coordinates: Any, crs: Projection | None, geodesic: bool | None
) -> Geometry:
    name = "GeometryConstructors.Rectangle"
    return _construct(name, _rectangle, coordinates, crs, geodesic)


@function("GeometryConstructors.Point")
def _construct_point(coordinates: Any, crs: Projection | None) -> Geometry:
    return _construct("GeometryConstructors.Point", _point, coordinates, crs, geodesic=False)


@function("GeometryConstructors.BBox")
def _construct_box(west: float, south: float, east: float, north: float) -> Geometry:
    return Geometry(shapely.box(west, south, east, north))


@function("ErrorMargin")
def _error_margin(value: float | None, unit: str) -> ErrorMargin:
    return ErrorMargin(value or 0.0, unit)


@function("Feature", takes="geometry metadata", harmless="geometryKey")
def _feature(geometry: Geometry | None, metadata: dict[str, Any]) -> Feature:
    return Feature(geometry, metadata)
