"""Geometries in the coordinates of a CRS: reprojection, great circles, area and distance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from rasterio._err import CPLE_BaseError  # what warp.transform raises; exported nowhere else
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from .values import IDENTITY, Geometry, Image, ServiceError

LON_LAT: Final = "EPSG:4326"

#: An edge that is straight in one CRS gets this many points on its way to another.
_POINTS_AN_EDGE: Final = 64
#: Degrees between the points of a geodesic edge: the chord is then at most 1 m off below 80°.
_GEODESIC_STEP: Final = 0.05


@lru_cache(maxsize=256)
def parse_crs(crs: str) -> CRS:
    """The CRS of an authority code or WKT.

    Raises
    ------
    ServiceError
        It is none.
    """
    try:
        return CRS.from_user_input(crs)
    except (CRSError, UnicodeError):
        raise ServiceError(
            f"Projection: The CRS of a map projection could not be parsed: {crs!r}."
        ) from None


@contextmanager
def transforming(crs: str) -> Iterator[None]:
    """Make rasterio's error about points that a CRS has no place for the service's."""
    try:
        yield
    except CPLE_BaseError as error:
        raise ServiceError(f"There are points without coordinates in {crs}: {error}") from error


def shape_in(geometry: Geometry, crs: str) -> BaseGeometry:
    """A geometry's shape in the coordinates of a CRS; edges stay straight where they were."""
    a, b, c, d, e, f = geometry.projection.transform
    shape = geometry.shape
    if geometry.projection.transform != IDENTITY:
        shape = affine_transform(shape, [a, b, d, e, c, f])
    if crs == geometry.projection.crs or shape.is_empty:
        return shape
    source, target = parse_crs(geometry.projection.crs), parse_crs(crs)
    if source == target:
        return shape
    longest = max(shape.bounds[2] - shape.bounds[0], shape.bounds[3] - shape.bounds[1])
    if longest:
        shape = shapely.segmentize(shape, longest / _POINTS_AN_EDGE)

    def move(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.column_stack(transform(source, target, points[:, 0], points[:, 1]))

    with transforming(crs):
        return shapely.transform(shape, move)


def footprint(element: Any) -> Geometry | None:
    """Where an image or a feature is; None: nowhere in particular."""
    return element.footprint if isinstance(element, Image) else element.geometry


def along_geodesics(shape: BaseGeometry) -> BaseGeometry:
    """A shape in longitude and latitude whose edges follow great circles (on the sphere).

    Raises
    ------
    ServiceError
        An edge spans 180° of longitude or more: it isn't plain which way it goes.
    """
    if isinstance(shape, shapely.Point):
        return shape
    if isinstance(shape, shapely.Polygon):
        rings = [_great_circles(ring.coords) for ring in (shape.exterior, *shape.interiors)]
        return shapely.Polygon(rings[0], rings[1:])
    if isinstance(shape, shapely.LineString):
        return shapely.LineString(_great_circles(shape.coords))
    parts: list[Any] = [along_geodesics(part) for part in shapely.get_parts(shape)]
    if isinstance(shape, shapely.MultiPolygon):
        return shapely.MultiPolygon(parts)
    return shapely.GeometryCollection(parts)


def _great_circles(coordinates: Any) -> npt.NDArray[np.float64]:
    points = np.asarray(coordinates, np.float64)[:, :2]
    pieces = [_arc(start, end) for start, end in pairwise(points)]
    return np.vstack([*pieces, points[-1:]])


def _arc(start: npt.NDArray[Any], end: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Points of the great circle from one point on, without the other."""
    if abs(end[0] - start[0]) >= 180:
        raise ServiceError(
            "The emulator can't draw a geodesic edge across 180° of longitude or more: "
            "give geodesic=False, or more points."
        )
    if start[0] == end[0]:  # a meridian is its own great circle
        return start[None, :]
    (lon, other), (lat, far) = np.radians(np.stack([start, end], axis=1))
    first = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    last = np.array([np.cos(far) * np.cos(other), np.cos(far) * np.sin(other), np.sin(far)])
    angle = np.arctan2(np.linalg.norm(np.cross(first, last)), first @ last)
    count = max(1, int(np.ceil(np.degrees(angle) / _GEODESIC_STEP)))
    t = np.arange(1, count)[:, None] / count
    xyz = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * last) / np.sin(angle)
    longitude = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
    # arctan2 gives −180…180; the edge goes on from where it starts.
    longitude += 360 * np.round((start[0] - longitude) / 360)
    latitude = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    return np.vstack([start[None, :], np.column_stack([longitude, latitude])])


def area(geometry: Geometry) -> float:
    """Square metres on the WGS 84 ellipsoid, by an equal-area projection (EPSG:6933)."""
    return float(shape_in(geometry, "EPSG:6933").area)


def distance(one: Geometry, other: Geometry) -> float:
    """Metres between two geometries, in an equidistant projection about the first.

    Exact from the first's centre; 0.1 % off some 500 km beside it.
    """
    center = shape_in(one, LON_LAT).centroid
    crs = f"+proj=aeqd +lat_0={center.y!r} +lon_0={center.x!r} +datum=WGS84 +units=m"
    return float(shape_in(one, crs).distance(shape_in(other, crs)))
