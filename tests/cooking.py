"""What tests of recipes share: a real time series as a catalog, and recipes in numpy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from shapely.geometry import box, mapping

from cedar import LocalStore, TileGrid, Tracker
from cedar.engines.earthengine import EarthEngine

DATA = Path(__file__).parent / "data" / "timeseries" / "landsat_ard_h003v009.npz"
SERIES = "EXAMPLE/ARD/SERIES"
NODATA = -9999
CRS = (
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +x_0=0 +y_0=0 +datum=WGS84 +units=m "
    "+no_defs"
)
REFLECTANCES = ["blue", "green", "red", "nir", "swir1", "swir2"]
CLASSES = {
    "0": "clear",
    "1": "water",
    "2": "cloud shadow",
    "3": "snow",
    "4": "cloud",
    "255": "fill",
}
DEFINITION = {
    "bands": {name: name for name in (*REFLECTANCES, "bt", "cfmask")},
    "dtype": "int16",
    "nodata": NODATA,
    "scale": {**dict.fromkeys(REFLECTANCES, 0.0001), "bt": 0.1},
    "qa_bits": {"cfmask": CLASSES},
    "qa_classes": ["cfmask"],
    "unclear": ["cloud shadow", "cloud", "fill"],
    "service_start": "2015-01-01",
    "service_end": "2016-12-31",
}


def series():
    """Dates, and pixels by band, (dates, rows, columns)."""
    with np.load(DATA) as data:
        pixels = dict(zip(data["bands"], np.moveaxis(data["pixels"], 1, 0), strict=True))
        return [str(date) for date in data["dates"]], pixels


def write_catalog(directory):
    """Write the series as scenes: a GeoTIFF and an Item a date."""
    directory.mkdir(parents=True, exist_ok=True)
    with np.load(DATA) as data:
        dates, names, pixels = data["dates"], [*map(str, data["bands"])], data["pixels"]
        left, top = data["x"][0] - 15, data["y"][0] + 15
    profile = {
        "driver": "GTiff", "dtype": "int16", "count": len(names), "height": 3, "width": 5,
        "crs": CRS, "transform": Affine(30, 0, left, 0, -30, top), "nodata": NODATA,
    }  # fmt: skip
    outline = mapping(box(-120.4, 37.2, -120.1, 37.5))
    for date, image in zip(map(str, dates), pixels, strict=True):
        name = f"ARD_{date.replace('-', '')}"
        with rasterio.open(directory / f"{name}.tif", "w", **profile) as file:
            file.write(image)
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": SERIES,
            "geometry": outline, "properties": {"datetime": f"{date}T18:30:00Z"}, "links": [],
            "assets": {"data": {
                "href": f"{name}.tif", "eo:bands": [{"name": each} for each in names],
            }},
        }  # fmt: skip
        (directory / f"{name}.json").write_text(json.dumps(item))
    return directory


def series_grid():
    """One tile: the pixels of the series."""
    with np.load(DATA) as data:
        corner = float(data["x"][0] - 15), float(data["y"][0] + 15)
    return TileGrid(ul=corner, crs=CRS, res=(30, 30), size=(5, 3), limits=((0, 0), (0, 0)))


def defined(recipe):
    """The settings of the series with a recipe."""
    return {SERIES: {**DEFINITION, "recipe": recipe}}


def series_tracker(directory, catalog, recipe, store=None, engine=None):
    """A tracker of the series with a recipe."""
    return Tracker(
        series_grid(),
        store or LocalStore(directory),
        engine=engine or EarthEngine(url="emulator", catalog=catalog),
        collections=defined(recipe),
    )


# The recipes, of arrays (layers, rows, columns).


def valid(values, bad, nodata=NODATA):
    """Values that are there and aren't masked."""
    return np.ma.masked_array(values, (values == nodata) | bad)


def median(values):
    """The median in doubles; masked where there is no value."""
    out = np.ma.masked_all(values.shape[1:], float)
    for at in np.ndindex(out.shape):
        found = np.sort(values[(slice(None), *at)].compressed().astype(float))
        if len(found):
            out[at] = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
    return out


def medoid(reflectances):
    """Which layer is nearest to the medians of all bands; -1 where none has them all."""
    medians = [median(values) for values in reflectances]
    out = np.full(medians[0].shape, -1)
    for at in np.ndindex(out.shape):
        best = np.inf
        for layer in range(len(reflectances[0])):
            observed = [values[(layer, *at)] for values in reflectances]
            if any(value is np.ma.masked for value in observed):
                continue
            off = sum((float(v) - m[at]) ** 2 for v, m in zip(observed, medians, strict=True))
            if off < best:
                out[at], best = layer, off
    return out


def taken(layers, which, nodata=NODATA):
    """Of each pixel the value of one layer; nodata where that is -1."""
    found = np.take_along_axis(layers, np.maximum(which, 0)[None], axis=0)[0]
    return np.where(which < 0, nodata, found)


def normalized(one, other):
    """The normalized difference of two bands, masked where they sum up to 0."""
    one, other = (np.ma.masked_array(each, dtype=float) * 0.0001 for each in (one, other))
    total = np.ma.masked_equal(one + other, 0)
    return (one - other) / total


def whole(values, dtype="int16", nodata=NODATA):
    """Numbers of a file: the nearest integer, the upper of two; nodata where masked."""
    return np.floor(np.ma.filled(values + 0.5, nodata)).astype(dtype)


def encoded(index, dtype="int16", nodata=NODATA, scale=0.0001, offset=0.0):
    """An index as a file has it."""
    limits = np.iinfo(dtype)
    numbers = np.floor((index - offset) / scale + 0.5)
    numbers = np.ma.masked_outside(numbers, limits.min, limits.max)
    numbers = np.ma.where(numbers == nodata, nodata + (1 if nodata <= 0 else -1), numbers)
    return numbers.filled(nodata).astype(dtype)
