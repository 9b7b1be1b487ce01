"""What the service says about an asset (``ee.data.getAsset``)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import shapely

from .values import Band, Catalog, Image, ServiceError

_PUBLIC = "projects/earthengine-public/assets/"


def describe(name: str, catalog: Catalog) -> dict[str, Any]:
    """The EarthEngineAsset message of an image or a collection.

    Parameters
    ----------
    name : str
        ``projects/<project>/assets/<path>``; the public project's ids are the path alone.
    catalog : Catalog
        Where images come from.

    Raises
    ------
    ServiceError
        There is no such asset.
    """
    asset = name.removeprefix(_PUBLIC)
    if catalog.has(asset):
        return {"type": "IMAGE_COLLECTION", "name": name, "id": asset}
    image = catalog.image(asset)
    if image is None:
        raise ServiceError(f"Asset '{asset}' not found.", 404, "NOT_FOUND")
    return {"type": "IMAGE", "name": name, "id": asset, **_image(image)}


def _image(image: Image) -> dict[str, Any]:
    start = _timestamp(image.properties["system:time_start"])
    message = {
        "startTime": start,
        "endTime": start,
        "properties": {
            key: value for key, value in image.properties.items() if not key.startswith("system:")
        },
        "bands": [_band(band) for band in image.bands],
    }
    if image.footprint is not None:
        message["geometry"] = shapely.geometry.mapping(image.footprint.shape)
    return message


def _band(band: Band) -> dict[str, Any]:
    dtype = np.dtype(band.dtype)
    if dtype.kind == "f":
        pixel_type: dict[str, Any] = {"precision": "FLOAT" if dtype.itemsize == 4 else "DOUBLE"}
    else:
        limits = np.iinfo(dtype)
        pixel_type = {"precision": "INT", "range": {"min": limits.min, "max": limits.max}}
    a, b, c, d, e, f = band.projection.transform
    grid: dict[str, Any] = {
        "crsCode": band.projection.crs,
        "affineTransform": {
            "scaleX": a, "shearX": b, "translateX": c, "shearY": d, "scaleY": e, "translateY": f,
        },
    }  # fmt: skip
    if band.size is not None:
        grid["dimensions"] = {"width": band.size[0], "height": band.size[1]}
    return {"id": band.name, "dataType": pixel_type, "grid": grid}


def _timestamp(ms: int) -> str:
    """RFC 3339 in UTC, as the service writes moments."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
