"""Regions of interest, as GeoJSON and objects have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from .exceptions import InputError
from .geometry import LONLAT, simple_parts, to_crs


def parse_roi(roi: Any, crs: Any = None) -> tuple[BaseGeometry, CRS | None]:
    """Read a region of interest.

    Parameters
    ----------
    roi : object
        A shapely geometry, GeoJSON as a mapping (geometry, Feature or FeatureCollection), or
        anything with ``__geo_interface__``.
    crs : object, optional
        Its system. If None, GeoJSON's is its ``crs`` member or longitude and latitude, another
        object's its attribute ``crs`` if it has one.

    Returns
    -------
    (shapely geometry, rasterio.crs.CRS or None)
        Valid and not empty; None where nothing says what system it is in.

    Raises
    ------
    InputError
        It isn't a geometry, or an empty one.
    """
    if isinstance(roi, Mapping):
        geometry, crs = _read_geojson(roi), _geojson_crs(roi) if crs is None else crs
    elif isinstance(roi, BaseGeometry):
        geometry = roi
    elif isinstance(interface := getattr(roi, "__geo_interface__", None), Mapping):
        geometry, crs = _read_geojson(interface), getattr(roi, "crs", None) if crs is None else crs
    else:
        raise InputError(
            f"a region of interest must be a shapely geometry or GeoJSON, not {type(roi).__name__}"
        )
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise InputError("the region of interest has coordinates that aren't finite")
    geometry = shapely.union_all(simple_parts(geometry))
    if geometry.is_empty:
        raise InputError("the region of interest is empty")
    return geometry, None if crs is None else to_crs(crs)


def read_roi(path: str | Path) -> tuple[BaseGeometry, CRS]:
    """Read a region of interest from a GeoJSON file.

    Parameters
    ----------
    path : path
        A file of RFC 7946; the ``crs`` member of the older GeoJSON is honoured.

    Returns
    -------
    (shapely geometry, rasterio.crs.CRS)
        All geometries of the file as one, and their system.

    Raises
    ------
    InputError
        The file can't be read, isn't GeoJSON, or holds no geometry.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        if not isinstance(document, Mapping):
            raise InputError("it isn't a GeoJSON object")
        geometry, crs = parse_roi(document)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"can't use {path} as a region of interest ({error}); it must be GeoJSON: "
            "ogr2ogr -f GeoJSON -t_srs OGC:CRS84 roi.geojson FILE makes it of other formats"
        ) from error
    return geometry, crs


def _read_geojson(document: Mapping[str, Any]) -> BaseGeometry:
    geometries = _located(document)
    try:
        return shapely.from_geojson(
            json.dumps({"type": "GeometryCollection", "geometries": geometries})
        )
    except (shapely.errors.ShapelyError, TypeError, ValueError) as error:
        raise InputError(f"not valid GeoJSON: {error}") from error


def _located(document: Any) -> list[Any]:
    """Geometries of a GeoJSON object; a Feature without one is allowed (section 3.2)."""
    if not isinstance(document, Mapping):
        raise InputError(f"not valid GeoJSON: {document!r} is no object")
    match document.get("type"):
        case "FeatureCollection":
            features = document.get("features")
            if not isinstance(features, list | tuple):
                raise InputError("not valid GeoJSON: a FeatureCollection without features")
            return [geometry for feature in features for geometry in _located(feature)]
        case "Feature":
            return [] if document.get("geometry") is None else [document["geometry"]]
        case _:
            return [dict(document)]


def _geojson_crs(document: Mapping[str, Any]) -> Any:
    """System of a GeoJSON object: its ``crs`` member (GeoJSON of 2008), else RFC 7946's."""
    member = document.get("crs")
    if member is None:
        return LONLAT
    try:
        return member["properties"]["name"]
    except (KeyError, TypeError) as error:
        raise InputError(f"not valid GeoJSON: can't read its crs member {member!r}") from error
