"""What STAC 1.1 says of cubes: Items, Collections of them, and a Catalog; as plain documents.

https://github.com/radiantearth/stac-spec; where a field is an extension's, its prefix says which.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyproj
import shapely

from cedar.sensors import known

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from cedar.tiles import Tile

    from .bands import CubeBand
    from .stack import Stack

Document = dict[str, Any]

VERSION: Final = "1.1.0"
#: Extensions of Items. Of `eo` the version that names an asset's bands: by these names odc-stac
#: finds them.
_EXTENSIONS: Final = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
}
#: Our common names → those of the extension eo.
_COMMON: Final = {
    **{name: name for name in ("coastal", "blue", "green", "red", "nir", "pan", "cirrus")},
    "swir1": "swir16",
    "swir2": "swir22",
    "thermal": "lwir",
}
MEDIA_TYPES: Final = {
    "cog": "image/tiff; application=geotiff; profile=cloud-optimized",
    "netcdf": "application/netcdf",
    "zarr": "application/vnd.zarr; version=3",
}
_GEOJSON: Final = "application/geo+json"
_JSON: Final = "application/json"


@dataclass(frozen=True)
class Data:
    """A file or directory of pixels, which becomes an Item.

    Attributes
    ----------
    format : str
        Key of `MEDIA_TYPES`.
    id : str
        The Item's.
    times : sequence of datetime.datetime
        Of its layers; at least one.
    period : (datetime.datetime, datetime.datetime) or None
        Of a composite.
    sensors : sequence of str
        Collections of the images that it was made of: of several merged, which of them.
    images : sequence of str
        ``system:id@system:version`` of each, where that is known.
    href, quicklook : str
        Where it and its picture are, seen from the Item.
    size, checksum : int or None, str or None
        Of a file; the checksum as a multihash.
    """

    format: str
    id: str
    times: Sequence[dt.datetime]
    period: tuple[dt.datetime, dt.datetime] | None = None
    sensors: Sequence[str] = ()
    images: Sequence[str] = ()
    href: str = ""
    quicklook: str = ""
    size: int | None = None
    checksum: str | None = None


def item(stack: Stack, data: Data) -> Document:
    """Describe what was made of a stack, and perhaps of others of its tile and collection."""
    geometry = stack.tile.outline()
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [*_EXTENSIONS.values()],
        "id": data.id,
        "collection": collection_id(stack.collection, data.format),
        "geometry": shapely.geometry.mapping(geometry),
        "bbox": _bbox(geometry),
        "properties": {
            **_times(data),
            **_projection(stack.tile),
            "cedar:order": stack.order,
            "cedar:item": stack.item,
            "cedar:collection": stack.collection,
            "cedar:tile": [*stack.tile.index],
            "cedar:sensors": [*data.sensors],
            "cedar:images": [*data.images],
            # Documents of 2019 name no engine.
            "cedar:emulated": bool((stack.metadata["engine"] or {}).get("emulated")),
        },
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": _JSON},
            {"rel": "parent", "href": "./collection.json", "type": _JSON},
            {"rel": "collection", "href": "./collection.json", "type": _JSON},
        ],
        "assets": _assets(stack, data),
    }


def collection(items: Sequence[Document]) -> Document:
    """Describe the Items of a collection together.

    Parameters
    ----------
    items
        At least one.
    """
    name = items[0]["properties"]["cedar:collection"]
    definition = known().get(name)
    title = (definition and definition.title) or name
    source = definition and definition.source
    times = sorted(time for each in items for time in _span(each))
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "id": items[0]["collection"],
        "title": title,
        "description": f"{title}: stacks of images of Google Earth Engine, ordered with cedar.",
        # Which one is the source's to say.
        "license": "other",
        "extent": {
            "spatial": {"bbox": [_around(each["bbox"] for each in items)]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "summaries": {
            "cedar:order": sorted({each["properties"]["cedar:order"] for each in items}),
            "cedar:collection": [name],
        },
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": _JSON},
            {"rel": "parent", "href": "../catalog.json", "type": _JSON},
            *([{"rel": "via", "href": source, "type": "text/html"}] if source else []),
            *({"rel": "item", "href": f"./{each['id']}.json", "type": _GEOJSON} for each in items),
        ],
    }


def catalog(title: str, collections: Sequence[Document]) -> Document:
    """Describe what leads to collections.

    Parameters
    ----------
    title
        What it is a catalog of.
    collections
        At least one.
    """
    return {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": title,
        "title": title,
        "description": "Stacks of images of Google Earth Engine, ordered and converted with cedar.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": _JSON},
            *(
                {
                    "rel": "child",
                    "href": f"./{each['id']}/collection.json",
                    "type": _JSON,
                    "title": each["title"],
                }
                for each in collections
            ),
        ],
    }


def collection_id(name: str, form: str) -> str:
    """Give a collection's Items of one format an id, which is the name of a folder, too.

    Parameters
    ----------
    name
        Id of an Earth Engine collection, or what several are called together.
    form
        The format. Items of a date each are one collection, those of many dates another, so that
        all Items of one can be opened together.
    """
    return name.replace("/", "_") + ("" if form == "cog" else f"_{form}")


def _assets(stack: Stack, data: Data) -> Document:
    asset: Document = {
        "href": data.href,
        "type": MEDIA_TYPES[data.format],
        "title": "Pixels",
        "roles": ["data"],
        "bands": [_band(band, stack, data.format) for band in stack.bands],
        "eo:bands": [_eo_band(band) for band in stack.bands],
    }
    if data.size is not None:
        asset["file:size"] = data.size
    if data.checksum is not None:
        asset["file:checksum"] = data.checksum
    picture = {"href": data.quicklook, "type": "image/png", "title": "Quicklook"}
    return {"data": asset, "thumbnail": {**picture, "roles": ["thumbnail"]}}


def _band(band: CubeBand, stack: Stack, form: str) -> Document:
    # A GeoTIFF is of one type, and has the numbers of the item's files.
    dtype, nodata = (stack.dtype.name, band.nodata) if form == "cog" else (band.dtype, band.fill)
    found: Document = {"name": band.name, "data_type": dtype}
    if band.formula is not None:
        found["description"] = band.formula
    if band.flags:
        said = "; ".join(f"{number}: {meaning}" for number, meaning in band.flags.items())
        found["description"] = f"{'Classes' if band.has_classes else 'Bits'}: {said}"
    if nodata is not None:
        found["nodata"] = "nan" if math.isnan(nodata) else nodata
    if band.units:
        found["unit"] = band.units
    if (band.scale, band.offset) != (1.0, 0.0):
        found |= {"raster:scale": band.scale, "raster:offset": band.offset}
    return found


def _eo_band(band: CubeBand) -> Document:
    named: Document = {"name": band.name}
    if band.name in _COMMON:
        named["common_name"] = _COMMON[band.name]
    return named


def _times(data: Data) -> Document:
    first, last = min(data.times), max(data.times)
    if data.period is not None:
        return {"datetime": _utc(first)} | _interval(*data.period)
    if data.format == "cog":
        return {"datetime": _utc(first)}
    return {"datetime": None} | _interval(first, last)


def _interval(start: dt.datetime, end: dt.datetime) -> Document:
    return {"start_datetime": _utc(start), "end_datetime": _utc(end)}


def _utc(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _span(document: Mapping[str, Any]) -> tuple[str, str]:
    properties = document["properties"]
    time = properties["datetime"]
    return properties.get("start_datetime", time), properties.get("end_datetime", time)


def _projection(tile: Tile) -> Document:
    crs = pyproj.CRS.from_wkt(tile.crs_wkt)
    code = crs.to_authority(min_confidence=100)
    projected: Document = {
        "proj:code": ":".join(code) if code else None,
        **({} if code else {"proj:wkt2": crs.to_wkt("WKT2_2019")}),
        "proj:shape": [tile.height, tile.width],
        "proj:transform": [*tile.transform[:6]],
        "proj:bbox": [*tile.bounds],
    }
    if crs.is_projected:
        projected["gsd"] = tile.res[0] * crs.axis_info[0].unit_conversion_factor
    return projected


def _bbox(geometry: BaseGeometry) -> list[float]:
    """West, south, east, north; across the antimeridian east is less (RFC 7946, section 5.2)."""
    west, south, east, north = geometry.bounds
    if isinstance(geometry, shapely.MultiPolygon) and (west, east) == (-180, 180):
        bounds = shapely.bounds(shapely.get_parts(geometry))
        west, east = bounds[:, 0].max(), bounds[:, 2].min()
    return [float(west), float(south), float(east), float(north)]


def _around(boxes: Iterable[Sequence[float]]) -> list[float]:
    """What holds some boxes; all longitudes where one goes across the antimeridian."""
    wests, souths, easts, norths = zip(*boxes, strict=True)
    if any(west > east for west, east in zip(wests, easts, strict=True)):
        return [-180.0, min(souths), 180.0, max(norths)]
    return [min(wests), min(souths), max(easts), max(norths)]
