"""Small scenes under the ids that public examples name, and the same pixels for numpy.

The values are made up: what is held against numpy is what the expressions make of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from emulated import HEIGHT, WIDTH, expression, make_grid, make_image

from cedar.emulator.encode import encode
from cedar.emulator.evaluate import evaluate, render
from cedar.emulator.values import Geometry, Image, Query

SHAPE = (HEIGHT, WIDTH)
L8 = "LANDSAT/LC08/C02/T1_L2"
S2 = "COPERNICUS/S2_SR"
S1 = "COPERNICUS/S1_GRD"
MODIS = "MODIS/061/MOD09GA"
DEM = "NASA/NASADEM_HGT/001"
LIGHTS = "NOAA/DMSP-OLS/NIGHTTIME_LIGHTS/F182012"
COVER = "ESA/WorldCover/v100/2020"

#: A point on all scenes, and one on the first of each collection only.
EVERYWHERE, WEST = (-71.4355, 42.43), (-71.6, 42.43)
_HERE, _WIDER = shapely.box(-71.5, 42.4, -71.4, 42.5), shapely.box(-71.7, 42.4, -71.4, 42.5)


def ms(date: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date in UTC."""
    return int(dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC).timestamp() * 1000)


def _scene(image_id: str, date: str, seed: int, bands: dict[str, tuple], **properties) -> Image:
    """Bands as {name: (type, lowest, highest)}; every band of a scene has holes of its own."""
    random = np.random.default_rng(seed)
    arrays = {}
    for name, (dtype, low, high) in bands.items():
        values = random.uniform(low, high + 1, SHAPE)
        arrays[name] = (values.astype(dtype), random.random(SHAPE) > 0.2)
    index = image_id.rpartition("/")[2]
    outline = Geometry(_WIDER if seed % 10 == 0 else _HERE)
    image = make_image(index, ms(date), outline, **arrays)
    image.properties.update(properties)
    return Image(image.bands, image.properties, image.footprint, image_id, 1)


_LANDSAT = {f"SR_B{i}": ("uint16", 7000, 30_000) for i in range(2, 8)}
_LANDSAT |= {"ST_B10": ("uint16", 30_000, 45_000), "QA_PIXEL": ("uint16", 0, 63)}
_LANDSAT |= {"QA_RADSAT": ("uint16", 0, 1)}
_SENTINEL = {f"B{i}": ("uint16", 50, 9000) for i in (2, 3, 4, 8, 11, 12)}
_SENTINEL |= {"QA60": ("uint16", 0, 4095), "MSK_CLDPRB": ("uint8", 0, 20), "SCL": ("uint8", 0, 3)}
_MODIS = {f"sur_refl_b0{i}": ("int16", -100, 9000) for i in (1, 2, 3)}
_MODIS |= {"state_1km": ("uint16", 0, 4095), "num_observations_1km": ("int8", 0, 2)}

SCENES = [
    *(
        _scene(
            f"{L8}/LC08_04403{row}_{date.replace('-', '')[:8]}", date, 10 + i, _LANDSAT,
            WRS_PATH=44, WRS_ROW=30 + row, CLOUD_COVER=cover, SUN_ELEVATION=elevation,
            IMAGE_QUALITY_OLI=quality,
        )
        for i, (date, row, cover, elevation, quality) in enumerate([
            ("2020-01-05T06:34:46", 4, 40.5, 25.0, 9),
            ("2020-07-05T18:40:00", 4, 3.25, 62.0, 9),
            ("2020-07-21T18:40:05", 5, 0.0, 61.5, 7),
            ("2020-12-12T18:40:10", 4, 71.0, 24.5, 9),
            ("2021-05-08T18:39:30", 5, 12.0, 60.0, 9),
        ])
    ),
    *(
        _scene(f"{S2}/{name}", date, 20 + i, _SENTINEL, CLOUDY_PIXEL_PERCENTAGE=cover)
        for i, (name, date, cover) in enumerate([
            ("20210109T185751_20210109T185931_T10SEG", "2021-01-09T18:59:31", 35.0),
            ("20210114T185729_20210114T185730_T10SEG", "2021-01-14T18:57:30", 4.5),
            ("20210708T184921_20210708T185931_T10SEG", "2021-07-08T18:59:31", 0.1),
            ("20210713T184919_20210713T185932_T10SEG", "2021-07-13T18:59:32", 55.0),
        ])
    ),
    *(
        _scene(
            f"{S1}/{name}", date, 40 + i, {"VV": ("float64", -25, 0), "VH": ("float64", -30, -5)},
            transmitterReceiverPolarisation=bands, instrumentMode="IW", orbitProperties_pass=way,
        )
        for i, (name, date, bands, way) in enumerate([
            ("a", "2016-04-05", ["VV", "VH"], "DESCENDING"),
            ("b", "2016-05-05", ["VV"], "DESCENDING"),
            ("c", "2016-07-05", ["VV", "VH"], "ASCENDING"),
            ("d", "2016-10-05", ["VH"], "DESCENDING"),
        ])
    ),
    *(
        _scene(f"{MODIS}/{date.replace('-', '_')}", date, 30 + i, _MODIS)
        for i, date in enumerate(["2012-03-09", "2012-03-10", "2012-03-11"])
    ),
    _scene(DEM, "2000-02-11", 51, {"elevation": ("int16", -10, 4300)}),
    _scene(LIGHTS, "2012-01-01", 52, {"stable_lights": ("uint8", 0, 62)}),
    _scene(COVER, "2020-01-01", 53, {"Map": ("uint8", 1, 10)}),
]  # fmt: skip


@dataclass(frozen=True)
class Scenes:
    """The catalog of them."""

    def has(self, collection: str) -> bool:
        return collection in (L8, S2, S1, MODIS)

    def collections(self) -> Sequence[str]:
        return [L8, S2, S1, MODIS]

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        found = [each for each in SCENES if str(each.id).rpartition("/")[0] == collection]
        return sorted(found, key=lambda each: each.properties["system:time_start"])

    def image(self, image_id: str) -> Image | None:
        return next((each for each in SCENES if each.id == image_id), None)


def ids(collection: str) -> list[str]:
    """Ids of a collection's scenes, by time."""
    return [str(each.id) for each in Scenes().search(collection, Query())]


def band(image_id: str, name: str) -> np.ma.MaskedArray:
    """A band's pixels, as numpy has them."""
    image = Scenes().image(image_id)
    raster = next(band.read for band in image.bands if band.name == name)
    return np.ma.array(raster.values, mask=~raster.mask)


def stack(collection: str, name: str) -> np.ma.MaskedArray:
    """A band of all of a collection's scenes, by time: (scenes, rows, columns)."""
    return np.ma.stack([band(image_id, name) for image_id in ids(collection)])


def scene(image_id: str, *names: str) -> dict[str, np.ma.MaskedArray]:
    """Bands of a scene by name."""
    return {name: band(image_id, name) for name in names}


def times(collection: str) -> list[int]:
    """system:time_start of a collection's scenes."""
    return [each.properties["system:time_start"] for each in Scenes().search(collection, Query())]


# What numpy has no word for.


def everywhere(value: float) -> np.ma.MaskedArray:
    """One valid value."""
    return np.ma.array(np.full(SHAPE, value))


def lacking(values: np.ma.MaskedArray, condition: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """Masked too where the condition is, or doesn't hold."""
    keep = (condition != 0).filled(False)
    return np.ma.array(values.data, mask=np.ma.getmaskarray(values) | ~keep)


def replaced(
    values: np.ma.MaskedArray, condition: np.ma.MaskedArray, new: np.ma.MaskedArray
) -> np.ma.MaskedArray:
    """The new values where the condition holds and both are valid."""
    chosen = (condition != 0).filled(False) & ~np.ma.getmaskarray(new)
    return np.ma.array(np.where(chosen, new.data, values.data), mask=np.ma.getmaskarray(values))


def filled(values: np.ma.MaskedArray, new: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """The new values and their mask where there are none."""
    at = np.ma.getmaskarray(values)
    mask = at & np.ma.getmaskarray(new)
    return np.ma.array(np.where(at, new.data, values.data), mask=mask)


def difference(left: np.ma.MaskedArray, right: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """The normalized difference: masked where an input is negative."""
    left, right = left.astype(float), right.astype(float)
    return lacking((left - right) / (left + right), (left >= 0) & (right >= 0))


def on_top(layers: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """The last valid of layers."""
    result = layers[0]
    for layer in layers[1:]:
        result = filled(layer, result)
    return result


def most_frequent(layers: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """The mode, the least of several."""
    result = np.ma.masked_all(SHAPE)
    for row, column in np.ndindex(SHAPE):
        valid = layers[:, row, column].compressed()
        if valid.size:
            values, counts = np.unique(valid, return_counts=True)
            result[row, column] = values[counts.argmax()]
    return result


def best(quality: np.ma.MaskedArray, layers: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """Of each pixel's layers the one whose quality is highest."""
    at = quality.astype(float).filled(-np.inf).argmax(axis=0)[None]
    mask = np.ma.getmaskarray(layers) | np.ma.getmaskarray(quality)
    values, masked = (np.take_along_axis(each, at, 0)[0] for each in (layers.data, mask))
    return np.ma.array(values, mask=masked)


def assert_comes_out(built: Any, wanted: Any) -> None:
    """Evaluate what the client built: bands by name, or the only band, or else JSON."""
    result = evaluate(expression(built), Scenes())
    if not isinstance(result, Image):
        assert encode(result) == wanted
        return
    rendered = render(result, make_grid())
    if not isinstance(wanted, dict):
        wanted = {name: wanted for name, _ in rendered}
    assert [name for name, _ in rendered] == list(wanted)
    for (_, pixels), values in zip(rendered, wanted.values(), strict=True):
        mask = np.broadcast_to(np.ma.getmaskarray(np.ma.asarray(values)), SHAPE)
        np.testing.assert_array_equal(pixels.mask, ~mask)
        expected = np.ma.getdata(values)[~mask].astype(float)
        np.testing.assert_allclose(pixels.values[~mask], expected, rtol=1e-6, atol=1e-6)
