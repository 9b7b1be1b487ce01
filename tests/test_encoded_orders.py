"""Orders whose files hold whole numbers in place of floats, held against numpy."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import rasterio
from exported import exporting
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker, reference, utm_grid
from test_collections_orders import (
    L30,
    S1,
    S2,
    assert_is_the_reference,
    grid_of,
    metadata_of,
    ordered,
    pixels_of,
)

from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.metadata import ImageMetadata
from cedar.sensors import known, resolve

LC08, TOA = "LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC08/C02/T1_TOA"
SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
REFLECTANCES = ["blue", "green", "red", "nir", "swir1", "swir2"]
TENTHS = {"scale": 0.0001, "dtype": "int16"}
HUNDREDTHS = {"scale": 0.01, "dtype": "int16"}
CELSIUS = HUNDREDTHS | {"offset": 273.15}
HLS = dict.fromkeys(REFLECTANCES, TENTHS) | {"thermal": HUNDREDTHS}
UNSIGNED = {"scale": 0.0001, "dtype": "uint16"}
SCORED = dict.fromkeys(["cs", "cs_cdf"], UNSIGNED)

CASES = {
    "HLS as its products have it": (L30, {"encode": HLS}, "int16"),
    "in one byte, with its classes": (
        L30,
        {"encode": {"red": {"scale": 0.005, "dtype": "uint8"}}, "bands": ["red", "qa"],
         "valid_range": {"qa": [0, 254]}, "nodata": 255},
        "uint8",
    ),
    "clamped to 0, beside what isn't": (L30, {"encode": {"blue": UNSIGNED}}, "float32"),
    "decibels": (
        S1,
        {"bands": ["vv", "angle"], "encode": {"vv": HUNDREDTHS, "angle": HUNDREDTHS}},
        "int16",
    ),
    "scores, with nodata at the upper end": (SCORES, {"encode": SCORED, "nodata": 65535}, "uint16"),
    "with nodata where 0 would be": (SCORES, {"encode": SCORED, "nodata": 0}, "uint16"),
    "with nodata where 1 would be": (SCORES, {"encode": SCORED, "nodata": 10_000}, "uint16"),
    "with nodata in the middle": (SCORES, {"encode": SCORED, "nodata": 5_000}, "uint16"),
    "with an offset, clamped": (
        SCORES,
        {"encode": {"cs": {"scale": 0.001, "offset": 0.5, "dtype": "uint8"}}, "bands": ["cs"],
         "valid_range": {"cs": [0.5, 0.7]}, "nodata": 255},
        "uint8",
    ),
    # 2.75e-5 × n − 0.2 has halves of 1e-4 at every 40th n: these go up.
    "digital numbers, as the harmonized ones": (
        LC08,
        {"encode": dict.fromkeys(REFLECTANCES, TENTHS) | {"thermal": CELSIUS},
         "bands": [*REFLECTANCES, "thermal"], "nodata": -9999},
        "int16",
    ),
    "of a coarser grid's means": (L30, {"encode": HLS, "resampling": "nearest"}, "int16"),
}  # fmt: skip


@pytest.mark.parametrize(("collection_id", "settings", "dtype"), CASES.values(), ids=CASES)
def test_files_hold_the_numbers_that_numpy_makes(tmp_path, collection_id, settings, dtype):
    collection = resolve(collection_id, {collection_id: settings})
    tracker, entry, metadata = ordered(tmp_path, collection_id, **settings)
    assert entry["dtype"] == metadata.dtype == dtype
    assert_is_the_reference(tracker, entry, metadata, collection)


@pytest.mark.parametrize("which", ["the least", "one among them", "none of them"])
def test_no_pixel_with_a_score_is_nodata(tmp_path, which):
    """Each is the nearest number, or where that is nodata, the one beside it."""
    plain, _ = pixels_of(*ordered(tmp_path / "plain", SCORES)[:2])
    there = plain != -9999
    nearest = np.floor(plain[there].astype(np.float64) / 1e-4 + 0.5)
    nodata = {"the least": 0, "one among them": int(nearest.max()), "none of them": 65535}[which]
    settings = {"encode": SCORED, "nodata": nodata}
    encoded, _ = pixels_of(*ordered(tmp_path / "encoded", SCORES, **settings)[:2])
    assert np.array_equal(encoded != nodata, there)
    held, moved = encoded[there].astype(np.float64), nearest == nodata
    assert moved.any() == (which != "none of them")
    assert np.array_equal(held[~moved], nearest[~moved])
    assert set(held[moved]) <= {1 if nodata == 0 else nodata - 1}


def test_the_metadata_says_how_to_read_the_file_and_what_it_was(tmp_path):
    settings = {"encode": HLS, "valid_range": {"red": [-0.2, 1.6]}}
    tracker, entry, metadata = ordered(tmp_path, L30, **settings)
    bands = {band["name"]: band for band in metadata.bands}
    assert bands["red"] == {
        "name": "red",
        "native": "B4",
        "scale": 0.0001,
        "offset": 0.0,
        "encoded": {"scale": 1.0, "offset": 0.0},
        "dtype": "int16",
        "valid_range": [-2000, 16000],
    }
    assert (bands["thermal"]["scale"], bands["thermal"]["units"]) == (0.01, "°C")
    assert "encoded" not in bands["qa"]
    assert bands["qa"]["flags"] == known()[L30].qa_bits["Fmask"]
    assert entry["nodata"] == metadata.nodata == -9999
    # As it says: to half a step of what the collection has.
    pixels, names = pixels_of(tracker, entry)
    plain, where = pixels_of(*ordered(tmp_path / "plain", L30)[:2])
    assert names == where
    for held, own, name in zip(pixels, plain, names, strict=True):
        band = bands[name.partition("_")[2]]
        there = own != -9999
        assert np.array_equal(held != -9999, there)
        physical = band.get("scale", 1) * held[there] + band.get("offset", 0)
        assert np.abs(physical - own[there]).max(initial=0) <= band.get("scale", 0) / 2 + 1e-6


def test_a_mean_is_taken_before_it_is_rounded(tmp_path):
    def order(name, **settings):
        grid = grid_of(L30)
        tracker = Tracker(
            type(grid)(ul=grid.ul, crs=grid.crs, res=(60, 60), size=(20, 15)),
            LocalStore(tmp_path / name),
            engine=EarthEngine(url="emulator"),
            collections={L30: {"bands": ["red", "nir"], "resampling": "mean", **settings}},
        )
        record = tracker.watch(tracker.submit(L30, (0, 0), "2022-05-01", "2022-06-01")[0])
        return pixels_of(tracker, record.orders[0])[0], metadata_of(tracker, record)

    plain, _ = order("plain")
    encoded, metadata = order("encoded", encode=HLS)
    assert metadata["image"]["resampling"] == "mean"
    there = plain != -9999
    assert np.array_equal(encoded != -9999, there)
    wanted = np.floor(plain[there].astype(np.float64) / 1e-4 + 0.5)
    # The mean is a double on its way, and a float32 in the plain file.
    assert np.abs(encoded[there] - wanted).max() <= 1
    assert np.mean(encoded[there] == wanted) > 0.99


@pytest.mark.parametrize("kind", ["local", "gcs"])
def test_real_pixels_are_encoded_alike_pulled_and_exported(tmp_path, kind):
    numbers = {"scale": 2.75e-5, "offset": -0.2, "nodata": -9999}
    encode = dict.fromkeys(["blue", "green", "red"], TENTHS)
    collections = {COLLECTION: COLLECTIONS[COLLECTION] | numbers | {"encode": encode}}
    with contextlib.ExitStack() as stack:
        if kind == "local":
            tracker = real_tracker(tmp_path / "store", collections=collections)
        else:
            _, tracker = stack.enter_context(exporting(kind, tmp_path, collections=collections))
        name, _ = tracker.submit(COLLECTION, (1, 0), *MAY)
        tracking = tracker.watch(name, interval=0.1)
        tracker.download(tracking, tmp_path / "home")
    (entry,) = tracking.orders
    own = reference(utm_grid()[1, 0]).astype(np.float64)
    wanted = np.floor((2.75e-5 * own + -0.2) / 0.0001 + 0.5)
    wanted[own == 0] = -9999
    assert (wanted == -9999).any()
    assert len(entry["outputs"]) == (1 if kind == "local" else 6)
    for output in entry["outputs"]:
        with rasterio.open(tmp_path / "home" / output["name"]) as image:
            assert set(image.dtypes) == {"int16"}
            col, row = ~utm_grid()[1, 0].transform * (image.bounds.left, image.bounds.top)
            window = np.s_[:, round(row) :, round(col) :]
            part = wanted[window][:, : image.height, : image.width]
            assert np.array_equal(image.read(), part)


# ---- a band that tells where there is nothing


def test_valid_zeros_are_told_from_nothing_by_the_validity_band(tmp_path):
    settings = {"bands": ["red", "radsat", "qa"]}
    tracker, entry, metadata = ordered(tmp_path, LC08, **settings)
    assert metadata.validity == "qa"
    assert metadata["image"]["nodata_in_valid_range"] == ["radsat"]
    assert_is_the_reference(tracker, entry, metadata, resolve(LC08, {LC08: settings}))
    pixels, names = pixels_of(tracker, entry)
    by_name = dict(zip(names, pixels, strict=True))
    for name, radsat in by_name.items():
        if name.endswith("_radsat"):
            qa = by_name[name.replace("radsat", "qa")]
            assert (radsat[qa != 0] == 0).any()
            assert (radsat[qa == 0] == 0).all()


def test_the_validity_of_a_stack_is_none_where_its_band_is_not_in_it(tmp_path):
    assert ordered(tmp_path / "red", LC08, bands=["red"])[2].validity is None
    hls = ordered(tmp_path / "hls", L30)[2]
    assert (hls["image"]["validity"], hls.validity) == (None, None)


def test_another_nodata_of_the_files_is_what_encoded_numbers_keep_clear_of(tmp_path):
    tracker = Tracker(
        grid_of(SCORES),
        LocalStore(tmp_path),
        engine=EarthEngine(url="emulator"),
        collections={SCORES: {"encode": SCORED, "nodata": 65535}},
        export_image_kwds={"formatOptions": {"noData": 0}},
    )
    record = tracker.watch(tracker.submit(SCORES, (0, 0), "2020-05-01", "2020-05-13")[0])
    (entry,) = record.orders
    metadata = ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
    assert [band["valid_range"] for band in metadata.bands] == [[1, 10_000]] * 2
    collection = resolve(SCORES, {SCORES: {"encode": SCORED, "nodata": 0}})
    assert_is_the_reference(tracker, entry, metadata, collection)


# ---- clouds


@pytest.mark.parametrize(
    ("collection_id", "name"),
    [(LC08, "CLOUD_COVER"), (S2, "CLOUDY_PIXEL_PERCENTAGE"), (L30, "CLOUD_COVERAGE")],
)
def test_an_order_takes_images_with_no_more_clouds_than_it_says(tmp_path, collection_id, name):
    period = ("2022-03-01", "2022-08-01")
    _, _, every = ordered(tmp_path / "all", collection_id, period, bands=["red"])
    tracker, _, few = ordered(tmp_path / "few", collection_id, period, bands=["red"], cloud=20)
    covers = [image[name] for group in every.groups for image in group["images"]]
    left = [image[name] for group in few.groups for image in group["images"]]
    assert sorted(left) == sorted(cover for cover in covers if cover <= 20)
    assert 0 < len(left) < len(covers)
    (recorded,) = tracker.list()
    wanted = {"function": "lte", "name": name, "value": 20}
    submission = tracker.read(recorded)["submission"]
    assert submission["filters"] == {collection_id: [wanted]}
    assert submission["definitions"][collection_id]["cloud"] == 20
    assert few["order"]["filters"] == [wanted]
    # An extension doesn't say it twice.
    longer = tracker.extension(recorded, "2022-09-01")
    assert longer.order.submission.filters == {collection_id: [wanted]}
    assert longer.order.items
