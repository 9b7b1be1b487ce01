"""Stacks as a lazy Dataset, with all that CF 1.11 says of coordinates, bands and their numbers.

https://cfconventions.org/Data/cf-conventions/cf-conventions-1.11/cf-conventions.html
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import dask.array as da
import numpy as np
import pyproj
import xarray as xr

from cedar.exceptions import CedarError, InputError

from .bands import CubeBand, holds
from .flags import flag_attributes
from .lazy import Chunks, arrays

if TYPE_CHECKING:
    from cedar.tiles import Tile

    from .stack import Stack

#: The coordinate that holds the coordinate reference system.
GRID_MAPPING: Final = "spatial_ref"
#: How times are written; double tells all of them apart, and every reader has it.
TIME_ENCODING: Final[Mapping[str, str]] = {
    "units": "seconds since 1970-01-01 00:00:00",
    "calendar": "standard",
    "dtype": "float64",
}
#: Units that UDUNITS-2 calls otherwise.
_UNITS: Final[Mapping[str, str]] = {"°C": "degree_Celsius", "dB": "0.1 lg(re 1)"}
#: Standard names that are certain: of a collection's native bands, and the units of these.
_STANDARD_NAMES: Final = (
    (r"LANDSAT/.*_L2", r"SR_B\d+", None, "surface_bidirectional_reflectance"),
    (r"LANDSAT/.*_L2", r"ST_B\d+", "K", "surface_temperature"),
    (r"LANDSAT/.*_TOA", r"B\d+.*", None, "toa_bidirectional_reflectance"),
    (r"LANDSAT/.*_TOA", r"B\d+.*", "K", "toa_brightness_temperature"),
    (r"LANDSAT/.*_TOA", "SAA", "degree", "solar_azimuth_angle"),
    (r"LANDSAT/.*_TOA", "SZA", "degree", "solar_zenith_angle"),
    (r"COPERNICUS/S2_SR.*", r"B\d+A?", None, "surface_bidirectional_reflectance"),
    (r"MODIS/.*/M.D09.*", r"sur_refl_b\d+(_1)?", None, "surface_bidirectional_reflectance"),
)


def dataset(stacks: Sequence[Stack], chunks: Chunks | None = None) -> xr.Dataset:
    """Put stacks of one collection and tile as a Dataset (time, y, x); nothing is read yet.

    Numbers are the files', but where :class:`cedar.cubes.bands.CubeBand` says otherwise.

    Parameters
    ----------
    stacks
        At least one, in any order; each layer of each is in it.
    chunks : mapping, optional
        As of :func:`cedar.open_order`.

    Raises
    ------
    CedarError
        They can't be one cube: they are of several tiles or collections, or have other bands.
    """
    if not stacks:
        raise InputError("there are no stacks to make a cube of")
    ordered = sorted(stacks, key=lambda stack: stack.layers[0].time)
    first = ordered[0]
    for stack in ordered[1:]:
        _check_alike(first, stack)
    pixels = [arrays(stack, chunks or {}) for stack in ordered]
    times = np.array([_moment(layer.time) for stack in ordered for layer in stack.layers])
    order = np.argsort(times, kind="stable")
    variables = {}
    for band in first.bands:
        joined = da.concatenate([each[band.name] for each in pixels])
        data = joined if (np.diff(order) == 1).all() else joined[order]
        variables[band.name] = (("time", "y", "x"), data, band_attributes(band, first))
    cube = xr.Dataset(variables, coordinates(ordered, order), cube_attributes(ordered))
    return cube if chunks is None else cube.chunk(dict(chunks))


def _check_alike(first: Stack, stack: Stack) -> None:
    """Check that two stacks can be in one cube.

    Raises
    ------
    CedarError
        They can't.
    """
    for what, one, other in (
        ("collection", first.collection, stack.collection),
        ("tile", first.tile, stack.tile),
        ("bands", _names(first), _names(stack)),
        ("numbers", *([_numbers(band) for band in each.bands] for each in (first, stack))),
    ):
        if one != other:
            raise CedarError(
                f"{stack.name} can't be in one cube with {first.name}: its {what} aren't the same"
            )


def _names(stack: Stack) -> list[str]:
    return [band.name for band in stack.bands]


def _numbers(band: CubeBand) -> tuple[Any, ...]:
    """What numbers of a band mean; text, so that NaN is equal to itself."""
    return band.dtype, band.scale, band.offset, str(band.fill), band.units, band.qa, band.masked_by


def coordinates(stacks: Sequence[Stack], order: Iterable[int]) -> dict[str, Any]:
    """Return the coordinates of some stacks' layers, which go by an `order` of all of them."""
    layers = [layer for stack in stacks for layer in stack.layers]
    layers = [layers[number] for number in order]
    tile = stacks[0].tile
    y, x = tile.coords()
    axes = _axes(tile)
    time = _times([layer.time for layer in layers])
    time_attributes = {
        "standard_name": "time",
        "long_name": "time of acquisition",
        "axis": "T",
        # As everywhere in Python, days have 86,400 seconds.
        "units_metadata": "leap_seconds: none",
    }
    coordinates: dict[str, Any] = {
        "y": ("y", y, axes["Y"]),
        "x": ("x", x, axes["X"]),
        GRID_MAPPING: ((), np.int32(0), grid_mapping(tile)),
        "sensor": (
            "time",
            np.array([layer.collection for layer in layers], object),
            {"long_name": "collection of the images"},
        ),
        "images": (
            "time",
            np.array([" ".join(layer.images) for layer in layers], object),
            {"long_name": "system:id@system:version of the images, the lowest first"},
        ),
    }
    if any(layer.start != layer.end for layer in layers):
        bounds = np.stack([_times([layer.start for layer in layers]),
                           _times([layer.end for layer in layers])], axis=1)  # fmt: skip
        time_attributes |= {"long_name": "start of the period", "bounds": "time_bounds"}
        coordinates["time_bounds"] = (("time", "bounds"), bounds, {}, {**TIME_ENCODING})
    return coordinates | {"time": ("time", time, time_attributes, {**TIME_ENCODING})}


def _times(moments: Sequence[dt.datetime]) -> Any:
    return np.array([_moment(moment) for moment in moments], "datetime64[ns]")


def _moment(moment: dt.datetime) -> np.datetime64:
    """A moment in UTC, as numpy has it: without a zone."""
    return np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None))


def _axes(tile: Tile) -> dict[str, dict[str, Any]]:
    """What CF says of the coordinates of a tile's CRS, by axis."""
    said = pyproj.CRS.from_wkt(tile.crs_wkt).cs_to_cf()
    axes: dict[str, dict[str, Any]] = {each["axis"]: dict(each) for each in said}
    for axis in axes.values():
        # What UDUNITS-2 calls it; both are right, and GDAL knows this one.
        axis["units"] = "m" if axis["units"] == "metre" else axis["units"]
    return axes


def grid_mapping(tile: Tile) -> dict[str, Any]:
    """Return the attributes of a tile's grid mapping: CF's, and those that GDAL reads."""
    a, b, c, d, e, f, *_ = tile.transform
    transform = " ".join(repr(float(number)) for number in (c, a, b, f, d, e))
    said = pyproj.CRS.from_wkt(tile.crs_wkt).to_cf()
    name = {"long_name": "coordinate reference system"}
    return {**name, **said, "spatial_ref": said["crs_wkt"], "GeoTransform": transform}


def band_attributes(band: CubeBand, stack: Stack) -> dict[str, Any]:
    """Return what CF says of a band of a stack."""
    dtype = np.dtype(band.dtype).type
    said: dict[str, Any] = {"long_name": _long_name(band)}
    if name := _standard_name(band, stack):
        said["standard_name"] = name
    if not band.qa:
        said["units"] = _UNITS.get(band.units or "1", band.units or "1")
        if said["units"] in ("K", "degree_Celsius"):
            said["units_metadata"] = "temperature: on_scale"
        if (band.scale, band.offset) != (1.0, 0.0):
            said |= {"scale_factor": band.scale, "add_offset": band.offset}
    if band.fill is not None:
        said["_FillValue"] = dtype(band.fill)
    # What stands for nothing has to lie outside (CF 1.11, section 2.5.1).
    if band.valid_range is not None and not holds(band.valid_range, band.fill):
        limits = np.array(band.valid_range)
        if np.dtype(band.dtype).kind != "f":
            bounds = np.iinfo(band.dtype)
            limits = np.clip(limits, bounds.min, bounds.max)
        said["valid_range"] = limits.astype(band.dtype)
    if band.flags and np.dtype(band.dtype).kind != "f":
        said |= flag_attributes(band.flags, band.has_classes, band.dtype)
    if (ancillary := _ancillary(band, stack)) is not None:
        said["ancillary_variables"] = ancillary
    return said | {"grid_mapping": GRID_MAPPING}


def _ancillary(band: CubeBand, stack: Stack) -> str | None:
    """Return the band that says where another, whose numbers can't, has nothing."""
    is_silent = band.fill is None and band.is_ambiguous
    validity = stack.validity if is_silent else band.masked_by
    return validity if validity != band.name else None


def _long_name(band: CubeBand) -> str:
    if band.formula is not None:
        return f"{band.name} = {band.formula}"
    return band.name if band.native in (None, band.name) else f"{band.name} ({band.native})"


def _standard_name(band: CubeBand, stack: Stack) -> str | None:
    collection = stack.layers[0].collection
    members = stack.metadata["image"].get("members", {})
    bands = members[collection]["bands"] if collection in members else ()
    own = next((each["native"] for each in bands if each["name"] == band.name), band.native)
    for ids, native, units, name in _STANDARD_NAMES:
        if (
            re.fullmatch(ids, collection)
            and re.fullmatch(native, own or "")
            and units == band.units
        ):
            return name
    return "quality_flag" if band.qa and band.flags and not band.has_classes else None


def cube_attributes(stacks: Sequence[Stack]) -> dict[str, Any]:
    """Return what CF and cedar say of a cube as a whole."""
    first, last = stacks[0], stacks[-1]
    tile = f"h{first.tile.horizontal:03d}v{first.tile.vertical:03d}"
    orders = dict.fromkeys(stack.order for stack in stacks)
    engine = first.metadata["engine"]
    said = {
        "Conventions": "CF-1.11",
        "title": f"{first.collection}, tile {tile}",
        "source": f"Earth Engine, {_sources(stacks)}",
        "history": "\n".join(dict.fromkeys(_ordered(stack) for stack in stacks)),
        "references": "https://developers.google.com/earth-engine/datasets",
        "cedar_collection": first.collection,
        "cedar_tile": tile,
        "cedar_orders": " ".join(orders),
        "cedar_requests": " ".join(
            str(part.metadata.request_id)
            for stack in stacks
            for part in stack.parts
            if part.metadata.request_id
        ),
        "time_coverage_start": first.metadata["order"]["date_start"],
        "time_coverage_end": last.metadata["order"]["date_end"],
    }
    if engine is not None and engine["emulated"]:
        said["comment"] = "Made with cedar's emulator: the pixels aren't Earth Engine's."
    return said


def _sources(stacks: Sequence[Stack]) -> str:
    found = dict.fromkeys(layer.collection for stack in stacks for layer in stack.layers)
    return ", ".join(found)


def _ordered(stack: Stack) -> str:
    document = stack.metadata
    return (
        f"{document['order']['submitted']} ordered as {stack.order} by cedar "
        f"{document['program']['version']}"
    )
