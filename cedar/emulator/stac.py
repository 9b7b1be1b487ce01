"""STAC Items as the catalog takes them: checked, plain values, and nothing that it doesn't use."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

import shapely
from shapely.geometry.base import BaseGeometry

from ..exceptions import ConfigError

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_USED: Final = frozenset({"type", "id", "collection", "geometry", "properties", "assets"})


class Asset(TypedDict):
    """A GeoTIFF of an Item: its key, where it is from the Item, and its bands' names in order."""

    key: str
    href: str
    bands: list[str]


class Item(TypedDict):
    """What an Item says of its image.

    ``time`` is system:time_start, ``bounds`` are (west, south, east, north) of ``footprint``, which
    is WKB in hexadecimal.
    """

    collection: str
    id: str
    time: int
    bounds: list[float]
    footprint: str
    properties: dict[str, Any]
    assets: list[Asset]


class Description(TypedDict):
    """What a file says: an Item, or None; and what of it isn't used."""

    item: Item | None
    unused: list[str]


class ItemError(Exception):
    """What is wrong with an Item."""


def fault(path: str | Path, problem: object) -> str:
    """One line on what is wrong with an Item."""
    return f"catalog: {path}: {problem}"


def located(path: str, href: str) -> str:
    """The file that the Item at `path` refers to."""
    return os.path.join(os.path.dirname(path), href)  # noqa: PTH118, PTH120 - Path takes 5 × as long


def missing(key: str, file: str) -> ItemError:
    """That the file of an asset isn't there."""
    return ItemError(f"asset {key!r}: there is no file {file}")


def describe(path: str) -> Description:
    """What the file at `path` says.

    That its GeoTIFFs are there is checked; that they can be opened is not, since it takes longer
    than all the rest.

    Raises
    ------
    ConfigError
        It can't be read, or is an Item that can't be used.
    """
    try:
        given = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(fault(path, f"it can't be read as JSON: {error}"), path) from error
    if not isinstance(given, dict) or given.get("type") != "Feature":
        return {"item": None, "unused": [f"file {Path(path).name}"]}
    unused = {f"Item.{key}" for key in given.keys() - _USED}
    try:
        item = _item(path, given, unused)
    except ItemError as error:
        raise ConfigError(fault(path, error), path) from error
    return {"item": item, "unused": sorted(unused)}


def _item(path: str, given: Mapping[str, Any], unused: set[str]) -> Item:
    collection, index = _text(given, "collection"), _text(given, "id")
    if "/" in index:
        raise ItemError(f"id {index!r} holds a /, so it can't be a system:index")
    time = _time_start(given)
    shape = _footprint(given)
    return {
        "collection": collection,
        "id": index,
        "time": time,
        "bounds": list(shape.bounds),
        "footprint": shapely.to_wkb(shape, hex=True),
        "properties": _properties(given["properties"], unused),
        "assets": _assets(path, given, unused),
    }


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise ItemError(f"{key} is missing, or no text")
    return value


def _time_start(given: Mapping[str, Any]) -> int:
    properties = given.get("properties")
    text = properties.get("datetime") if isinstance(properties, dict) else None
    try:
        time = dt.datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ItemError(f"properties.datetime {text!r} is no time") from error
    if time.tzinfo is None:
        raise ItemError(f"properties.datetime {text!r} has no offset, such as a final Z")
    return (time - _EPOCH) // dt.timedelta(milliseconds=1)


def _properties(given: Mapping[str, Any], unused: set[str]) -> dict[str, Any]:
    """Those that an image can have: numbers, texts, and lists of them."""
    kept = {}
    for key, value in given.items():
        values = value if isinstance(value, list) else [value]
        if all(isinstance(v, str | int | float) for v in values):
            kept[key] = value
        else:
            unused.add(f"properties.{key}")
    del kept["datetime"]
    return kept


def _footprint(given: Mapping[str, Any]) -> BaseGeometry:
    try:
        shape = shapely.geometry.shape(given["geometry"])
    except Exception as error:  # shapely raises whatever the wrong JSON leads to
        raise ItemError(f"geometry is no GeoJSON geometry: {error}") from error
    if shape.is_empty or not shape.is_valid:
        problem = "it is empty" if shape.is_empty else shapely.is_valid_reason(shape)
        raise ItemError(f"geometry can't be used: {problem}")
    return shape


def _assets(path: str, given: Mapping[str, Any], unused: set[str]) -> list[Asset]:
    assets = given.get("assets")
    if not isinstance(assets, dict):
        raise ItemError("assets is missing")
    found: list[Asset] = []
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            raise ItemError(f"asset {key!r} has no href")
        if _is_geotiff(asset):
            found.append({"key": key, "href": asset["href"], "bands": _bands(key, asset)})
        else:
            unused.add(f"asset {key}")
    for each in found:
        file = located(path, each["href"])
        if not Path(file).is_file():
            raise missing(each["key"], file)
    names = [name for each in found for name in each["bands"]]
    if not names:
        raise ItemError("no asset is a GeoTIFF")
    if len(set(names)) < len(names):
        twice = min(name for name in names if names.count(name) > 1)
        raise ItemError(f"two bands are named {twice!r}")
    return found


def _is_geotiff(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type"))
    return kind.startswith("image/tiff") or asset["href"].lower().endswith((".tif", ".tiff"))


def _bands(key: str, asset: Mapping[str, Any]) -> list[str]:
    described = asset.get("bands") or asset.get("eo:bands") or [{"name": key}]
    if not isinstance(described, list) or not all(
        isinstance(band, dict) and isinstance(band.get("name"), str) for band in described
    ):
        raise ItemError(f"asset {key!r} has a band without a name")
    return [band["name"] for band in described]
