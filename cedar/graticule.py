"""Lines of longitude and latitude on a map, and places in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Any, Final

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from rasterio.coords import BoundingBox

from .geometry import LONLAT

#: Degrees between the lines of a graticule.
_STEPS: Final = (60, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
#: Points of a line, and of each side of what is looked at to know which lines there are.
_POINTS: Final = 41
_LOOKED_AT: Final = 15

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A part of a meridian or parallel that is seen.

    Attributes
    ----------
    is_meridian : bool
    value : float
        Its degrees.
    points : ndarray
        (number, 2), on the map.
    """

    is_meridian: bool
    value: float
    points: Points


def graticule(view: BoundingBox, crs_wkt: str) -> Iterator[Line]:
    """Lines of round longitudes, from west to east, and latitudes that cross a map.

    Parameters
    ----------
    view
        What is seen of the map.
    crs_wkt
        Its system.
    """
    seen = _seen(view, crs_wkt)
    if not len(seen):
        return
    (west, south), (east, north) = seen.min(axis=0), seen.max(axis=0)
    # What is seen between the points that were looked at.
    margin = 0.05 * max(east - west, north - south)
    span = np.linspace(max(south - margin, -90.0), min(north + margin, 90.0), _POINTS)
    for value in _multiples(west, east):
        yield from _parts(
            True, value, np.column_stack([np.full_like(span, value), span]), view, crs_wkt
        )
    wider = min(margin, (360 - (east - west)) / 2)
    span = np.linspace(west - wider, east + wider, _POINTS)
    for value in _multiples(south, north):
        yield from _parts(
            False, value, np.column_stack([span, np.full_like(span, value)]), view, crs_wkt
        )


def _multiples(low: float, high: float) -> Iterator[float]:
    """Round degrees between two, two of them at least where there is room."""
    step = next((each for each in _STEPS if each <= (high - low) / 2.5), _STEPS[-1])
    for number in range(ceil(low / step), floor(high / step) + 1):
        yield round(number * step, 6)


def _seen(view: BoundingBox, crs_wkt: str) -> Points:
    """Longitudes and latitudes all over a map, longitudes without a jump."""
    x, y = np.meshgrid(
        np.linspace(view.left, view.right, _LOOKED_AT),
        np.linspace(view.bottom, view.top, _LOOKED_AT),
    )
    found = to_lonlat(np.column_stack([x.ravel(), y.ravel()]), crs_wkt)
    found = found[np.isfinite(found).all(axis=1)]
    if len(found):
        middle = found[len(found) // 2, 0]
        found[:, 0] = (found[:, 0] - middle + 180) % 360 - 180 + middle
    return found


def _parts(
    is_meridian: bool, value: float, lonlat: Points, view: BoundingBox, crs_wkt: str
) -> Iterator[Line]:
    points = np.column_stack(_transformer(crs_wkt).transform(*lonlat.T))
    points = points[np.isfinite(points).all(axis=1)]
    far = np.hypot(*np.diff(points, axis=0).T) > max(view.right - view.left, view.top - view.bottom)
    for piece in np.split(points, np.flatnonzero(far) + 1):
        if len(piece) > 1:
            clipped = shapely.clip_by_rect(shapely.LineString(piece), *view)
            for part in shapely.get_parts(clipped):
                if shapely.get_dimensions(part) == 1:
                    yield Line(is_meridian, value, shapely.get_coordinates(part))


def degrees(value: float, sides: str, digits: int = 6) -> str:
    """Put degrees in words: ``54.25°W``.

    Parameters
    ----------
    value
        The degrees.
    sides
        ``"EW"`` of a longitude, ``"NS"`` of a latitude.
    digits
        At most.
    """
    if sides == "EW":
        value = (value + 180) % 360 - 180
    on_both = value == 0 or (sides == "EW" and value == -180)
    number = f"{abs(value):.{digits}f}".rstrip("0").rstrip(".")
    return f"{number}°{'' if on_both else sides[int(value < 0)]}"


def place(x: float, y: float, crs_wkt: str, digits: int = 4) -> str:
    """Longitude and latitude of a point in words.

    Parameters
    ----------
    x, y
        The point.
    crs_wkt
        Its system.
    digits
        Of degrees.
    """
    longitude, latitude = to_lonlat(np.array([[x, y]]), crs_wkt)[0]
    if not np.isfinite([longitude, latitude]).all():
        return "beyond the earth"
    return f"{degrees(latitude, 'NS', digits)} {degrees(longitude, 'EW', digits)}"


def to_lonlat(points: Points, crs_wkt: str) -> Points:
    """Longitude and latitude of points; not finite of those that are no place.

    Parameters
    ----------
    points
        (number, 2).
    crs_wkt
        Their system.
    """
    transformer = _transformer(crs_wkt)
    there = np.column_stack(transformer.transform(*points.T, direction="INVERSE"))
    back = np.column_stack(transformer.transform(*there.T))
    # There PROJ gives other places' coordinates: the way there and back leads elsewhere.
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(back - points) <= 1e-6 * (1 + np.abs(points))).all(axis=1)
    there[wrong] = np.inf
    return there


@lru_cache(maxsize=16)
def _transformer(crs_wkt: str) -> Any:
    return pyproj.Transformer.from_crs(LONLAT, pyproj.CRS.from_wkt(crs_wkt), always_xy=True)
