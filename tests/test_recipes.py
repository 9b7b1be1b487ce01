"""Recipes, of an order from its submit to its file, held against numpy on real pixels."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from cooking import (
    NODATA,
    REFLECTANCES,
    SERIES,
    encoded,
    median,
    medoid,
    normalized,
    series,
    series_grid,
    series_tracker,
    taken,
    valid,
    whole,
    write_catalog,
)
from exported import exporting, store_of
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker, reference, utm_grid

from cedar.engines.earthengine import EarthEngine
from cedar.metadata import ImageMetadata

NAMES = [*REFLECTANCES, "bt", "cfmask"]
UNCLEAR = (2, 4, 255)
#: 66 layers.
HALF = ("2015-01-01", "2015-07-01")
SPRING = ("2015-04-01", "2015-06-01")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("series"))


def observed(period):
    """Dates and pixels of a period."""
    dates, pixels = series()
    inside = np.array([period[0] <= date < period[1] for date in dates])
    return [date for date in dates if period[0] <= date < period[1]], {
        name: values[inside] for name, values in pixels.items()
    }


def made(tracker, period=HALF):
    """The metadata and the pixels of an order's only item, which are made."""
    name, _ = tracker.submit(SERIES, (0, 0), *period)
    record = tracker.watch(name)
    assert record.complete, record.states
    (entry,) = record.orders
    metadata = ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
    (output,) = entry["outputs"]
    with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as file:
        assert file.descriptions == tuple(metadata.band_names)
        assert file.count == entry["n_bands"] == metadata.n_bands
        return metadata, file.read()


def layered(pixels, names):
    """Bands of layers in the order of a file: all bands of the first layer, then the next."""
    return np.concatenate(list(np.stack([pixels[name] for name in names], axis=1)))


def masked(pixels, bad):
    """All bands, those that are no classes with nodata where they are bad."""
    return {
        name: values if name == "cfmask" else valid(values, bad).filled(NODATA)
        for name, values in pixels.items()
    }


def test_masked_pixels_are_nodata_in_all_bands_but_classes(tmp_path, catalog):
    recipe = {"mask": ["cloud", "snow"]}
    metadata, found = made(series_tracker(tmp_path, catalog, recipe))
    dates, pixels = observed(HALF)
    expected = masked(pixels, np.isin(pixels["cfmask"], (3, 4)))
    assert np.array_equal(found, layered(expected, NAMES))
    assert [layer["date"] for layer in metadata.layers] == dates
    assert (found == NODATA).sum() > (layered(pixels, NAMES) == NODATA).sum()
    assert metadata["image"]["recipe"]["mask"] == ["cloud", "snow"]


def test_only_clear_pixels_are_kept_by_a_band_that_is_not_in_the_file(tmp_path, catalog):
    tracker = series_tracker(tmp_path, catalog, {"keep": "clear"})
    _, found = made(tracker)
    _, pixels = observed(HALF)
    bad = np.isin(pixels["cfmask"], UNCLEAR)
    assert np.array_equal(found, layered(masked(pixels, bad), NAMES))


def test_indices_are_worked_out_of_physical_values(tmp_path, catalog):
    recipe = {"indices": ["NDVI", {"name": "SR2", "formula": "N ** 0.5 / R ** 2", "scale": 0.1}]}
    metadata, found = made(series_tracker(tmp_path, catalog, recipe))
    _, pixels = observed(HALF)
    values = {name: valid(pixels[name], False) for name in REFLECTANCES}
    red, nir = (values[name].astype(float) * 0.0001 for name in ("red", "nir"))
    pixels["NDVI"] = encoded(normalized(values["nir"], values["red"]))
    pixels["SR2"] = encoded(np.ma.sqrt(nir) / np.ma.masked_equal(red * red, 0), scale=0.1)
    assert np.array_equal(found, layered(pixels, [*NAMES, "NDVI", "SR2"]))
    assert (pixels["NDVI"] != NODATA).sum() > 100
    ndvi = metadata.bands[-2]
    assert ndvi == {
        "name": "NDVI",
        "native": None,
        "formula": "(N - R) / (N + R)",
        "of": {"N": "nir", "R": "red"},
        "scale": 0.0001,
    } | {"offset": 0.0}


def composited(recipe, period=HALF):
    """What a composite of clear pixels has to be, by band."""
    _, pixels = observed(period)
    bad = np.isin(pixels["cfmask"], UNCLEAR)
    values = {name: valid(pixels[name], bad) for name in NAMES if name != "cfmask"}
    ndvi = normalized(values["nir"], values["red"])
    if recipe["composite"] == "median":
        out = {name: whole(median(each)) for name, each in values.items()}
        out["NDVI"] = encoded(median(ndvi))
    else:
        which = medoid([values[name] for name in REFLECTANCES])
        out = {name: taken(each.filled(NODATA), which) for name, each in values.items()}
        out["cfmask"] = taken(pixels["cfmask"], which)
        out["NDVI"] = encoded(np.ma.masked_array(
            taken(ndvi.filled(np.nan), which, np.nan), which < 0
        ))  # fmt: skip
    number = sum(~each.mask for each in np.ma.stack([*values.values()]).transpose(1, 0, 2, 3))
    number = number.max(axis=0)
    out["count"] = np.where(number, number, NODATA)
    return out


COMPOSITES = [
    {"keep": "clear", "indices": ["NDVI"], "composite": "median", "count": True},
    {"keep": "clear", "indices": ["NDVI"], "composite": "medoid", "count": True},
]
kinds = pytest.mark.parametrize("recipe", COMPOSITES, ids=["median", "medoid"])


@kinds
@pytest.mark.parametrize("period", [HALF, ("2015-01-01", "2015-01-20")])
def test_a_period_becomes_one_layer(tmp_path, catalog, recipe, period):
    metadata, found = made(series_tracker(tmp_path, catalog, recipe), period)
    expected = composited(recipe, period)
    names = [band["name"] for band in metadata.bands]
    assert set(names) == set(expected)
    assert metadata.band_names == [f"{period[0]}_{name}" for name in names]
    for name, values in zip(names, found, strict=True):
        assert np.array_equal(values, expected[name]), name


def test_observations_are_counted(tmp_path, catalog):
    _, found = made(series_tracker(tmp_path, catalog, {"keep": "clear", "composite": "count"}))
    assert np.array_equal(found[0], composited(COMPOSITES[0])["count"])
    assert len(found) == 1
    assert found.max() > 5


def test_layers_without_a_pixel_are_left_out(tmp_path, catalog):
    recipe = {"keep": "clear", "drop_empty": True}
    tracker = series_tracker(tmp_path, catalog, recipe)
    preview = tracker.preview(SERIES, (0, 0), *HALF)
    metadata, found = made(tracker)
    dates, pixels = observed(HALF)
    bad = np.isin(pixels["cfmask"], UNCLEAR)
    there = np.any([~valid(pixels[n], bad).mask for n in NAMES if n != "cfmask"], axis=(0, 2, 3))
    kept = {name: values[there] for name, values in masked(pixels, bad).items()}
    assert np.array_equal(found, layered(kept, NAMES))
    assert [group["date"] for group in metadata.groups] == [
        date for date, has in zip(dates, there, strict=True) if has
    ]
    assert metadata["image"]["recipe"]["dropped"] == [
        date for date, has in zip(dates, there, strict=True) if not has
    ]
    assert preview.n_layers == there.sum() < len(dates)


def test_an_item_of_which_nothing_is_left_is_empty(tmp_path, catalog):
    recipe = {"mask": [*("clear", "water", "cloud shadow", "snow", "cloud", "fill")]}
    tracker = series_tracker(tmp_path, catalog, {**recipe, "drop_empty": True})
    name, _ = tracker.submit(SERIES, (0, 0), *HALF)
    record = tracker.read(name)
    assert record.states == {"EMPTY": 1}
    assert record.complete


@pytest.mark.parametrize(
    ("kind", "recipe"), zip(["gcs", "gdrive"], COMPOSITES, strict=True), ids=["gcs", "gdrive"]
)
def test_what_is_exported_is_what_is_pulled(tmp_path, catalog, kind, recipe):
    with exporting(kind, tmp_path, emulator={"catalog": catalog}) as (emulator, _):
        tracker = series_tracker(
            tmp_path,
            catalog,
            recipe,
            store=store_of(kind, emulator.urls, tmp_path),
            engine=EarthEngine(emulator=emulator),
        )
        name, _ = tracker.submit(SERIES, (0, 0), *SPRING)
        record = tracker.watch(name)
        assert record.complete, record.states
        tracker.download(record, tmp_path / "here")
        (entry,) = record.orders
        (path,) = (tmp_path / "here").rglob(entry["outputs"][0]["name"])
        with rasterio.open(path) as file:
            found, names = file.read(), [each.partition("_")[2] for each in file.descriptions]
    expected = composited(recipe, SPRING)
    assert entry["n_bands"] == len(names)
    for band, values in zip(names, found, strict=True):
        assert np.array_equal(values, expected[band]), band


def test_a_recipe_of_a_tile_of_several_blocks(tmp_path):
    """An index of unsigned bytes, of two real scenes of one day."""
    index = {"name": "BR", "formula": "(B - R) / (B + R)"}
    definition = {
        **COLLECTIONS[COLLECTION],
        "recipe": {"indices": [index], "composite": "median", "count": True},
    }
    tracker = real_tracker(tmp_path, collections={COLLECTION: definition})
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    record = tracker.watch(name)
    (entry,) = record.orders
    with rasterio.open(tracker.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        found = file.read()
    expected = reference(utm_grid()[0, 0])
    assert np.array_equal(found[:3], expected)
    blue, _, red = np.ma.masked_equal(expected.astype(float), 0)
    ratio = (blue - red) / (blue + red)
    assert np.array_equal(found[3], encoded(ratio, "uint16", 0, 0.0001, -3.2768))
    assert np.array_equal(found[4], (expected != 0).any(axis=0))
    assert series_grid()[0, 0].size == (5, 3)
