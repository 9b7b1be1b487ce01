"""Values as the JSON that value:compute answers with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from shapely.geometry import Polygon, mapping

from .functions.base import kind_of
from .functions.collections import Collection
from .shapes import LON_LAT
from .values import Band, Date, DateRange, Feature, Geometry, Image, Projection, ServiceError

#: Whole doubles up to it are written as integers: JSON has but one kind of number.
_MAX_SAFE_INTEGER: Final = 2**53


def encode(value: Any) -> Any:
    """A value as JSON.

    NaN and the infinities are ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, as protobuf's JSON
    mapping has them.

    Raises
    ------
    ServiceError
        It can't be: a filter, a reducer, a function.
    """
    if isinstance(value, bool | str | int | None):
        return value
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise ServiceError(f"The emulator can't encode a value of type {kind_of(value)}.")
    return encoder(value)


def _float(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return int(value) if value.is_integer() and abs(value) <= _MAX_SAFE_INTEGER else value


def _projection(value: Projection) -> dict[str, Any]:
    return {"type": "Projection", "crs": value.crs, "transform": list(map(_float, value.transform))}


def _geometry(value: Geometry) -> dict[str, Any]:
    encoded: dict[str, Any] = {**_lists(mapping(value.shape)), "geodesic": False}
    if value.projection != Projection(LON_LAT):
        encoded["crs"] = _projection(value.projection)
    return encoded


def _lists(value: Any) -> Any:
    """Coordinates as lists, for what compares the JSON before it is text."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return list(map(_lists, value)) if isinstance(value, list | tuple) else value


def _feature(value: Feature) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": None if value.geometry is None else _geometry(value.geometry),
        **({"id": value.properties["system:index"]} if "system:index" in value.properties else {}),
        "properties": encode(dict(value.properties)),
    }


def _pixel_type(dtype: str) -> dict[str, Any]:
    kinds = {"float32": "float", "float64": "double"}
    if dtype in kinds:
        return {"type": "PixelType", "precision": kinds[dtype]}
    info = np.iinfo(dtype)
    return {"type": "PixelType", "precision": "int", "min": int(info.min), "max": int(info.max)}


def _band(band: Band) -> dict[str, Any]:
    return {
        "id": band.name,
        "data_type": _pixel_type(band.dtype),
        **({"dimensions": list(band.size)} if band.size else {}),
        "crs": band.projection.crs,
        "crs_transform": list(map(_float, band.projection.transform)),
    }


def _image(image: Image) -> dict[str, Any]:
    properties = encode(dict(image.properties))
    if image.footprint is not None:
        properties["system:footprint"] = _footprint(image.footprint)
    encoded = {
        "type": "Image",
        "bands": list(map(_band, image.bands)),
        "id": image.id,
        "version": image.version,
        "properties": properties,
    }
    return {key: value for key, value in encoded.items() if value is not None}


def _footprint(geometry: Geometry) -> dict[str, Any]:
    """An image's footprint of one ring is a LinearRing."""
    shape = geometry.shape
    if isinstance(shape, Polygon) and not shape.interiors:
        geometry = Geometry(shape.exterior, geometry.projection)
    return _geometry(geometry)


def _collection(collection: Collection) -> dict[str, Any]:
    features = [encode(element) for element in collection.listed]
    return {
        "type": collection.kind,
        **({"id": collection.id} if collection.id else {}),
        **({"bands": []} if collection.kind == "ImageCollection" else {}),
        "properties": encode(dict(collection.properties)),
        "features": features,
    }


_ENCODERS: Final[dict[type, Callable[[Any], Any]]] = {
    float: _float,
    list: lambda value: [encode(each) for each in value],
    dict: lambda value: {key: encode(each) for key, each in value.items()},
    Date: lambda value: {"type": "Date", "value": value.ms},
    DateRange: lambda value: {"type": "DateRange", "dates": [value.start, value.end]},
    Projection: _projection,
    Geometry: _geometry,
    Feature: _feature,
    Image: _image,
    Collection: _collection,
}
