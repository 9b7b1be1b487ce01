"""open_order: an order's files as one lazy Dataset."""

from __future__ import annotations

import collections
import logging
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from downloaded import COLLECTION, PLAIN, UTM, Downloaded, edit, tile_at

import cedar
from cedar.cubes import images, stack
from cedar.cubes.stacks import stacks
from cedar.exceptions import CedarError, InputError, NotFoundError

MAY, JUNE, JULY = ((f"2020-0{month}-01", f"2020-0{month + 1}-01") for month in (5, 6, 7))
DATES = {
    MAY: ["2020-05-02T13:30:00", "2020-05-18T13:36:02"],
    JUNE: ["2020-06-03T13:36:09"],
    JULY: ["2020-07-05T13:36:19", "2020-07-21T13:36:25", "2020-07-29T13:30:00"],
}
ALL = [date for dates in DATES.values() for date in dates]


@pytest.fixture
def order(tmp_path):
    return Downloaded(tmp_path / "ORDER")


def opened(order, **options):
    return cedar.open_order(order.record, order.directory, **options)


def of_band(order, band, names=None):
    """A band of all layers, as rasterio reads the files: (time, rows, columns)."""
    found = []
    for name in names or order.pixels:
        with rasterio.open(order.directory / f"{name}.tif") as file:
            named = [number for number, said in enumerate(file.descriptions, 1)
                     if said.partition("_")[2] == band]  # fmt: skip
            found.append(file.read(named))
    return np.concatenate(found)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_periods_are_joined_along_time_each_layer_once(order, interleave):
    for period in (JULY, MAY, JUNE):
        order.add(DATES[period], period, interleave=interleave)
    cube = opened(order, decode=False)
    assert cube.sizes == {"time": 6, "y": 80, "x": 96}
    assert [*cube.data_vars] == ["red", "nir", "qa"]
    assert cube.indexes["time"].equals(pd.DatetimeIndex(ALL))
    names = sorted(order.pixels)
    for band in ("red", "nir", "qa"):
        assert cube[band].dtype == "uint16"
        assert np.array_equal(cube[band], of_band(order, band, names))


def test_nothing_is_read_before_it_is_needed(order, monkeypatch):
    order.add(DATES[MAY])
    monkeypatch.setattr(images, "_read", None)
    cube = opened(order)
    with pytest.raises(TypeError):
        cube.red.compute()


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("dimensions", [None, (48, 32)], ids=str)
def test_a_block_of_a_file_is_read_once_for_all_bands_and_layers(
    order, monkeypatch, dimensions, decode
):
    order.add(DATES[MAY], dimensions=dimensions)
    order.add(DATES[JULY], JULY, dimensions=dimensions)
    monkeypatch.setattr(stack.Stack.steps, "__defaults__", (1, None))
    monkeypatch.setattr("cedar.cubes.lazy.MOST_BYTES", 1)
    seen = collections.Counter()
    read = images._read

    def counted(file, window, bands):
        seen[file.path, window] += 1
        return read(file, window, bands)

    monkeypatch.setattr(images, "_read", counted)
    opened(order, decode=decode).compute(scheduler="sync")
    assert set(seen.values()) == {1}
    assert sum(window.height * window.width for _, window in seen) == 2 * 80 * 96


def test_of_files_band_by_band_a_layer_of_one_is_read_by_itself(order, monkeypatch):
    order.add(DATES[MAY], interleave="band")
    asked = []
    read = images._read
    monkeypatch.setattr(
        images,
        "_read",
        lambda file, window, bands: asked.append(bands) or read(file, window, bands),
    )
    opened(order, decode=False).red.isel(time=1).compute(scheduler="sync")
    assert asked == [[4]]


def test_pieces_are_small_whatever_the_files_are(order):
    order.add(DATES[MAY])
    cube = opened(order, chunks={"time": 1, "y": 32, "x": -1})
    assert cube.red.chunks == ((1, 1), (32, 32, 16), (96,))
    assert np.array_equal(opened(order, decode=False, chunks={"y": 7}).nir, of_band(order, "nir"))


@pytest.mark.parametrize("chunks", [{"time": -1, "y": 30, "x": 50}, {"time": 2}])
def test_pieces_of_files_band_by_band_are_those_that_are_asked_for(order, chunks):
    order.add(DATES[JULY], JULY, interleave="band", dimensions=(48, 48))
    cube = opened(order, decode=False, chunks=chunks)
    if "y" in chunks:
        assert cube.red.chunks == ((3,), (30, 30, 20), (50, 46))
    else:
        assert cube.red.chunks[0] == (2, 1)
    (name,) = order.pixels
    assert np.array_equal(cube.red, order.pixels[name][::3])


def test_decoded_values_are_what_numbers_stand_for(order):
    order.add(DATES[MAY])
    cube, pixels = opened(order), of_band(order, "red")
    assert cube.red.dtype == "float32"
    physical = np.where(pixels == 0, np.nan, pixels * 2.75e-5 - 0.2)
    np.testing.assert_allclose(cube.red, physical, rtol=1e-6, atol=0)
    assert np.isnan(cube.red).any()
    assert "scale_factor" not in cube.red.attrs
    assert "valid_range" not in cube.red.attrs


def test_bits_stay_integers_whether_decoded_or_not(order):
    order.add(DATES[MAY])
    for decode in (True, False):
        qa = opened(order, decode=decode).qa
        assert qa.dtype == "uint16"
        assert np.array_equal(qa, of_band(order, "qa"))


def test_undecoded_numbers_say_what_they_stand_for_as_xarray_reads_it(order):
    order.add(DATES[MAY])
    raw = opened(order, decode=False)
    assert raw.red.attrs["_FillValue"] == 0
    assert (raw.red.attrs["scale_factor"], raw.red.attrs["add_offset"]) == (2.75e-5, -0.2)
    assert raw.red.attrs["valid_range"].tolist() == [1, 60000]
    assert raw.red.attrs["valid_range"].dtype == raw.red.dtype
    assert "_FillValue" not in raw.qa.attrs
    read = xr.decode_cf(raw)
    np.testing.assert_allclose(read.red, opened(order).red, rtol=1e-6)
    assert read.qa.dtype == "uint16"


def test_what_was_decoded_is_written_as_it_was(order, tmp_path):
    order.add(DATES[MAY])
    opened(order).to_netcdf(tmp_path / "cube.nc")
    with xr.open_dataset(tmp_path / "cube.nc", mask_and_scale=False) as back:
        assert np.array_equal(back.red, of_band(order, "red"))
        assert back.red.dtype == "uint16"
        assert back.indexes["time"].equals(pd.DatetimeIndex(DATES[MAY]))


FLOAT = {"bands": {"vv": "VV", "qa": "QA"}, "dtype": "float32", "nodata": -9999,
         "qa": {"qa": True}, "band_dtype": {"qa": "uint8"}, "allow_widening": True}  # fmt: skip


def test_floats_stay_as_they_are_and_bits_among_them_become_integers(tmp_path):
    order = Downloaded(tmp_path / "ORDER", {COLLECTION: FLOAT})
    tile = tile_at(**UTM)
    pixels = np.full((2, 80, 96), -9999, "float32")
    pixels[:, 20:] = np.pi
    pixels[1, 20:] = 224
    order.add(pixels=pixels, tile=tile)
    for decode in (True, False):
        cube = opened(order, decode=decode)
        assert (cube.vv.dtype, cube.qa.dtype) == ("float32", "int32")
        assert np.array_equal(cube.vv[0, 20:], pixels[0, 20:])
        assert np.array_equal(cube.qa[0], pixels[1].astype("int32"))
    assert np.isnan(opened(order).vv[0, :20]).all()


def test_numbers_that_single_floats_cannot_tell_apart_become_doubles(tmp_path):
    settings = {"bands": {"count": "C"}, "dtype": "int32", "nodata": -1, "scale": 0.5}
    order = Downloaded(tmp_path / "ORDER", {COLLECTION: settings})
    pixels = np.array([[2**30 + 1, -1] * 48] * 80, "int32")[None]
    order.add(pixels=pixels)
    cube = opened(order)
    assert cube["count"].dtype == "float64"
    assert np.array_equal(cube["count"], np.where(pixels < 0, np.nan, pixels / 2), equal_nan=True)


ZEROS = PLAIN | {"valid_range": {"red": [0, 60000], "nir": [0, 65535], "qa": [1, 65535]}}


def with_zeros(directory):
    """An order in which 0 is a number of red and nir, and qa says where there is nothing."""
    order = Downloaded(directory / "ORDER", {COLLECTION: ZEROS})
    pixels = np.zeros((3, 80, 96), "uint16")
    pixels[:2, 10:] = 300
    pixels[2, 5:] = 64
    order.add(pixels=pixels)
    return order


def test_valid_zeros_stay_valid_where_another_band_says_what_is_nothing(tmp_path):
    order = with_zeros(tmp_path)
    cube = opened(order)
    for band in ("red", "nir"):
        values = cube[band].values[0]
        assert np.isnan(values[:5]).all()
        np.testing.assert_allclose(values[5:10], -0.2, rtol=1e-6)
        np.testing.assert_allclose(values[10:], 300 * 2.75e-5 - 0.2, rtol=1e-6)


def test_a_band_all_of_whose_numbers_may_be_meant_gets_a_number_of_its_own_for_nothing(tmp_path):
    raw = opened(with_zeros(tmp_path), decode=False)
    assert (raw.red.dtype, raw.red.attrs["_FillValue"]) == ("uint16", 65535)
    assert (raw.nir.dtype, raw.nir.attrs["_FillValue"]) == ("int32", -(2**31))
    for band, fill in (("red", 65535), ("nir", -(2**31))):
        rows = raw[band].values[0, :, 0]
        assert rows.tolist() == [fill] * 5 + [0] * 5 + [300] * 70
        assert raw[band].attrs["ancillary_variables"] == "qa"


def test_windows_of_a_cube_are_what_the_lazy_one_has(tmp_path):
    order = with_zeros(tmp_path)
    (one,) = stacks(order.record, order.directory)
    raw = opened(order, decode=False)
    for window in one.windows(1):
        put = one.of_cube(one.read(window))
        rows = slice(window.row, window.row + window.height)
        cols = slice(window.col, window.col + window.width)
        for band, pixels in put.items():
            assert pixels.dtype == raw[band].dtype
            assert np.array_equal(pixels, raw[band][:, rows, cols])


def test_where_no_band_says_what_is_nothing_the_nodata_value_does(tmp_path):
    order = with_zeros(tmp_path)
    (name,) = order.pixels
    edit(order, name, validity=None)
    raw = opened(order, decode=False)
    assert raw.red.attrs["_FillValue"] == 0
    assert "valid_range" not in raw.red.attrs  # In which it would lie, which CF doesn't allow.
    assert np.isnan(opened(order).red.values[0, :10]).all()


def test_what_a_recipe_has_masked_is_nothing_though_there_is_an_image(tmp_path):
    order = with_zeros(tmp_path)
    (name,) = order.pixels
    edit(order, name, recipe={"mask": ["cloud"]})
    assert np.isnan(opened(order).red.values[0, :10]).all()
    assert opened(order, decode=False).red.attrs["_FillValue"] == 0


def test_numbers_that_are_never_nodata_are_masked_by_it_whatever_their_range(tmp_path):
    order = with_zeros(tmp_path)
    (name,) = order.pixels
    edit(order, name, nodata_in_valid_range=["nir"])
    raw = opened(order, decode=False)
    assert (raw.red.attrs["_FillValue"], raw.nir.attrs["_FillValue"]) == (0, -(2**31))


@pytest.fixture
def several(order):
    """Two collections on two tiles."""
    other = "EXAMPLE/OTHER"
    order.collections[other] = order.collections[COLLECTION]
    order.collections[other] = type(order.collections[other])(
        **{**vars(order.collections[other]), "id": other}
    )
    for collection in (COLLECTION, other):
        for index in ((0, 0), (2, 1)):
            order.add(DATES[MAY], MAY, collection=collection, tile=tile_at(index, **UTM))
    return order


def test_one_collection_and_tile_of_several_have_to_be_chosen(several):
    with pytest.raises(
        InputError,
        match=f"several collections, .*set collection to one of EXAMPLE/OTHER, {COLLECTION}",
    ):
        opened(several)
    with pytest.raises(InputError, match=r"several tiles, .*set tile to one of \(0, 0\), \(2, 1\)"):
        opened(several, collection=COLLECTION)
    with pytest.raises(InputError, match=r"no tile \(9, 9\): it has \(0, 0\), \(2, 1\)"):
        opened(several, collection=COLLECTION, tile=(9, 9))
    with pytest.raises(InputError, match=f"no collection NONE: it has EXAMPLE/OTHER, {COLLECTION}"):
        opened(several, collection="NONE")
    cube = opened(several, collection=COLLECTION, tile=[2, 1], decode=False)
    name = f"{COLLECTION.replace('/', '_')}_h001v002_2020-05-01_2020-06-01"
    assert np.array_equal(cube.red, several.pixels[name][::3])
    assert cube.attrs["cedar_tile"] == "h001v002"


def test_what_is_broken_elsewhere_is_no_matter(several):
    (several.directory / several.entries[0]["outputs"][0]["name"]).write_bytes(b"")
    assert opened(several, collection="EXAMPLE/OTHER", tile=(0, 0)).sizes["time"] == 2


def test_items_are_chosen_by_name(order):
    for period, dates in DATES.items():
        order.add(dates, period)
    assert opened(order, items=["*2020-06-01_*"]).sizes["time"] == 1


def test_what_is_not_here_is_said_and_the_rest_opens(order, caplog):
    for period, dates in DATES.items():
        order.add(dates, period)
    order.entries[0]["status"]["state"] = "RUNNING"
    with caplog.at_level(logging.WARNING):
        assert opened(order).sizes["time"] == 4
    assert f"{order.entries[0]['name']}: it is RUNNING" in caplog.text


def test_nothing_here_is_an_error_that_says_why(order):
    for month in range(1, 7):
        order.add([f"2020-0{month}-05"], (f"2020-0{month}-01", f"2020-0{month + 1}-01"))
        order.entries[-1]["status"]["state"] = "READY"
    with pytest.raises(NotFoundError, match=r"nothing of order ORDER .*it is READY.*and 3 more"):
        opened(order)
    for entry in order.entries:
        entry["status"]["state"] = "EMPTY"
    with pytest.raises(NotFoundError, match="no item that was asked for has images"):
        opened(order)


def test_empty_items_are_left_out(order):
    for period, dates in DATES.items():
        order.add(dates, period)
    order.entries[1]["status"]["state"] = "EMPTY"
    assert opened(order).sizes["time"] == 5


def test_a_missing_shard_is_an_error_that_names_it(order):
    order.add(dimensions=(48, 40))
    missing = order.directory / order.entries[0]["outputs"][1]["name"]
    missing.unlink()
    with pytest.raises(NotFoundError, match=f"{missing.name} is missing"):
        opened(order)


def test_stacks_of_other_bands_are_not_joined(order):
    order.add(DATES[MAY], MAY, part=1, bands=["red", "nir"])
    order.add(DATES[JUNE], JUNE)
    with pytest.raises(CedarError, match="its bands aren't the same"):
        opened(order)


def test_stacks_whose_numbers_mean_something_else_are_not_joined(order):
    order.add(DATES[MAY], MAY)
    order.collections[COLLECTION] = cedar.sensors.resolve(
        COLLECTION, {COLLECTION: PLAIN | {"scale": {"red": 1e-4}}}
    )
    order.add(DATES[JUNE], JUNE)
    with pytest.raises(CedarError, match="its numbers aren't the same"):
        opened(order)


@pytest.mark.parametrize("package", ["xarray", "dask", "dask.array"])
def test_without_its_packages_it_says_what_to_install(order, monkeypatch, package):
    order.add()
    for name in [*sys.modules]:
        if name.startswith(("cedar.cubes.cf", "cedar.cubes.lazy")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'cedar-eo\[ard\]'"):
        opened(order)


def test_what_is_lazy_can_be_sent_to_other_processes(order):
    order.add(DATES[MAY], dimensions=(48, 40))
    order.add(DATES[JULY], JULY, interleave="band")
    sent = pickle.loads(pickle.dumps(opened(order, decode=False).red))
    assert np.array_equal(sent, opened(order, decode=False).red)
