"""Cubes made of an order's files: what is in them, and when they are left alone."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
import rasterio
from converting import FEBRUARY, JANUARY, MARCH, SMALL, check, content, left, month, opened
from downloaded import COLLECTION, PLAIN, Downloaded, tile_at

import cedar
from cedar.cubes import filling, netcdfs, spreading, stacks
from cedar.cubes.convert import carry_out, is_converted
from cedar.cubes.made import Made, dumps, loads
from cedar.cubes.options import Chunks, Converting
from cedar.exceptions import CedarError, ConversionError, InputError
from cedar.sensors import resolve

FORMATS = ("netcdf", "zarr")
formats = pytest.mark.parametrize("format_", FORMATS)


@pytest.fixture
def place(tmp_path):
    """Make an order of some months."""

    def place(name, *months, **how):
        order = Downloaded(tmp_path / name, name=name)
        for dates, period in months:
            order.add(dates, period, **how)
        return order

    return place


def grow(order, format_, **how):
    """Convert into the cube of the tile; its path."""
    settings = {"format": format_, "by": "tile", "chunks": SMALL} | how
    (path,) = cedar.convert(order.record, order.directory, **settings)
    return path


@formats
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("dimensions", [None, (32, 80), (96, 32), (33, 17)], ids=str)
def test_a_cube_of_an_item_has_its_pixels_to_the_bit(place, format_, interleave, dimensions):
    order = place("A", JANUARY, interleave=interleave, dimensions=dimensions)
    for chunks in (None, SMALL):
        (path,) = cedar.convert(
            order.record, order.directory, format=format_, chunks=chunks, overwrite=True
        )
        cube = check(path, [order])
        assert path.parent == order.directory
        assert path.name == f"{order.entries[0]['name']}.{'nc' if format_ == 'netcdf' else 'zarr'}"
    assert cube["time"].values[0] == np.datetime64("2020-01-03T13:36:02")
    encoding = opened(path)["red"].encoding
    found = encoding["chunksizes"] if format_ == "netcdf" else encoding["chunks"]
    assert tuple(found) == (2, 24, 40)
    assert left(order.directory) == []


@formats
def test_numbers_mean_what_the_collection_says(place, format_):
    order = place("A", JANUARY)
    (path,) = cedar.convert(order.record, order.directory, format=format_)
    cube = opened(path)
    numbers = order.pixels[order.entries[0]["name"]].reshape(3, 3, 80, 96)[:, 0]
    expected = np.where(numbers == 0, np.nan, numbers * 2.75e-5 - 0.2)
    np.testing.assert_allclose(cube["red"].values, expected, rtol=0, atol=1e-6)
    assert cube["qa"].dtype.kind == "u"
    assert [*cube.data_vars] == ["red", "nir", "qa"]
    lazy = cedar.open_order(order.record, order.directory)
    np.testing.assert_allclose(cube["red"].values, lazy["red"].values, rtol=0, atol=1e-6)
    for name in ("sensor", "images", "time", "y", "x"):
        assert [*cube[name].values] == [*lazy[name].values]


@formats
@pytest.mark.parametrize("codec", ["deflate", "zstd", "none"])
def test_compression_loses_nothing(place, format_, codec):
    order = place("A", JANUARY)
    check(grow(order, format_, codec=codec, level=3), [order])


@formats
def test_a_cube_of_a_tile_grows_from_order_to_order(place, format_, tmp_path):
    orders = [place("A", JANUARY), place("B", FEBRUARY), place("C", MARCH)]
    for number in (1, 2, 3):
        path = grow(orders[number - 1], format_)
        cube = check(path, orders[:number])
        assert path.parent == tmp_path / "ARD"
        assert path.stem == "EXAMPLE_SENSOR_V1_h000v000"
    assert cube.attrs["cedar_orders"] == "A B C"
    assert len(cube.attrs["cedar_requests"].split()) == 3
    assert cube.attrs["time_coverage_start"][:10] == "2020-01-01"
    assert cube.attrs["time_coverage_end"][:10] == "2020-04-01"
    assert cube.attrs["history"].count("ordered as") == 3
    assert left(tmp_path) == []


@formats
def test_the_same_period_twice_changes_nothing(place, format_):
    one, other = place("A", JANUARY), place("B", FEBRUARY)
    path = grow(one, format_)
    before = content(path)
    grow(one, format_)
    assert content(path) == before
    grow(other, format_)
    before = content(path)
    assert grow(other, format_) == path == grow(one, format_)
    assert content(path) == before
    done = carry_out(one.record, one.directory, Converting(format_, "tile"))
    assert (done.cubes, done.written) == ((path,), frozenset())


@formats
@pytest.mark.parametrize("months", [(1, 0, 2), (2, 0, 1), (0, 2, 1)], ids=str)
def test_a_period_before_or_between_gets_its_place(place, format_, months):
    orders = [place("ABC"[n], (JANUARY, FEBRUARY, MARCH)[n]) for n in months]
    for order in orders:
        path = grow(order, format_)
    cube = check(path, orders)
    assert cube.attrs["time_coverage_start"][:10] == "2020-01-01"
    assert cube.attrs["time_coverage_end"][:10] == "2020-04-01"


@formats
def test_an_item_that_was_made_again_takes_the_place_of_the_old_one(place, format_):
    one, other = place("A", JANUARY, FEBRUARY), place("B", MARCH)
    grow(one, format_)
    path = grow(other, format_)
    again = place("A", JANUARY)
    again.add(*FEBRUARY, pixels=other.pixels[other.entries[0]["name"]][:6][::-1])
    grow(again, format_)
    check(path, [again, other])


@formats
def test_what_is_there_is_made_again_where_that_is_asked_for(place, format_):
    order = place("A", JANUARY, FEBRUARY)
    path = grow(order, format_)
    before = content(path)
    grow(order, format_, overwrite=True)
    check(path, [order])
    assert content(path) != before


@formats
def test_items_are_chosen_by_their_names(place, format_):
    order = place("A", JANUARY, FEBRUARY, MARCH)
    names = [entry["name"] for entry in order.entries]
    path = grow(order, format_, items=["*2020-02-01_*"])
    check(path, [order], [names[1]])
    grow(order, format_, items=["*2020-02-01"])
    check(path, [order], names[:2])


@formats
def test_what_holds_nothing_isnt_written_and_reads_as_nothing(place, format_):
    order = Downloaded(place("A").directory)
    pixels = np.zeros((6, 80, 96), "uint16")
    pixels[0, 30, 50] = pixels[2] = 7
    order.add(*FEBRUARY, pixels=pixels)
    path = grow(order, format_)
    check(path, [order])
    if format_ == "zarr":
        assert [*(path / "red" / "c").rglob("*")] != []
        assert len([each for each in (path / "red" / "c").rglob("*") if each.is_file()]) == 1
        assert not (path / "nir" / "c").exists()


@formats
def test_bits_that_are_zero_are_read_as_they_are(place, format_):
    order = Downloaded(place("A").directory)
    order.add(*FEBRUARY, pixels=np.zeros((6, 80, 96), "uint16"))
    cube = opened(grow(order, format_))
    assert (cube["qa"].values == 0).all()
    assert np.isnan(cube["red"].values).all()


@formats
def test_where_nodata_is_a_number_like_others_another_band_says_what_is_there(tmp_path, format_):
    ambiguous = PLAIN | {"valid_range": {"red": [0, 60000], "nir": [1, 60000], "qa": [1, 65535]}}
    order = Downloaded(tmp_path / "A", {COLLECTION: ambiguous})
    name = order.add(*FEBRUARY)
    cube = opened(grow(order, format_))
    numbers = order.pixels[name].reshape(2, 3, 80, 96)
    there = numbers[:, 2] != 0
    assert np.array_equal(np.isfinite(cube["red"].values), there)
    physical = numbers[:, 0] * 2.75e-5 - 0.2
    np.testing.assert_allclose(cube["red"].values[there], physical[there], atol=1e-6)
    assert (numbers[:, 0][there] == 0).any()


def test_a_geotiff_a_date_has_all_bands_and_says_what_they_are(place):
    order = place("A", JANUARY, dimensions=(32, 80))
    (directory,) = cedar.convert(order.record, order.directory, format="cog")
    name = order.entries[0]["name"]
    assert directory == order.directory / f"{name}_cogs"
    labels = [date[:10] for date in JANUARY[0]]
    assert sorted(path.name for path in directory.iterdir()) == [
        f"{name}_{label}.tif" for label in labels
    ]
    numbers = order.pixels[name].reshape(3, 3, 80, 96)
    for label, expected in zip(labels, numbers, strict=True):
        with rasterio.open(directory / f"{name}_{label}.tif") as file:
            assert np.array_equal(file.read(), expected)
            assert file.descriptions == ("red", "nir", "qa")
            assert file.scales == (2.75e-5, 2.75e-5, 1.0)
            assert file.offsets == (-0.2, -0.2, 0.0)
            assert (file.nodata, file.tags()["CEDAR_TIME"]) == (0, f"{label}T13:36:02+00:00")
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.tags()["CEDAR_IMAGES"].startswith(COLLECTION)
    before = content(directory)
    done = carry_out(order.record, order.directory, Converting("cog"))
    assert (done.cubes, done.written, content(directory)) == ((directory,), frozenset(), before)


def test_geotiffs_that_are_missing_or_of_other_files_are_made_again(place):
    order = place("A", JANUARY, FEBRUARY)
    first, second = cedar.convert(order.record, order.directory, format="cog", level=2)
    before = content(second)
    name = order.entries[0]["name"]
    (first / f"{name}_2020-01-11.tif").unlink()
    done = carry_out(order.record, order.directory, Converting("cog"))
    assert done.written == {first}
    assert len(content(first)) == 3
    assert content(second) == before
    order.entries[1]["request_id"] = "another"
    assert carry_out(order.record, order.directory, Converting("cog")).written == {second}
    assert content(second) != before
    order.record["orders"][0]["status"]["state"] = "COMPLETED"
    before = content(first)
    cedar.convert(order.record, order.directory, format="cog", overwrite=True)
    assert content(first).keys() == before.keys()
    assert content(first) != before
    assert left(order.directory) == []


def test_geotiffs_of_a_tile_are_in_one_directory(place, tmp_path):
    for order in (place("A", JANUARY), place("B", FEBRUARY)):
        (path,) = cedar.convert(order.record, order.directory, format="cog", by="tile")
    assert path == tmp_path / "ARD" / "EXAMPLE_SENSOR_V1_h000v000_cogs"
    assert len([*path.iterdir()]) == 5


@formats
def test_cubes_go_where_they_are_asked_for(place, format_, tmp_path):
    order = place("A", JANUARY, FEBRUARY)
    made = cedar.convert(order.record, order.directory, format=format_, dest=tmp_path / "x" / "y")
    assert [path.parent for path in made] == [tmp_path / "x" / "y"] * 2


def test_items_in_folders_have_their_cubes_beside_them(place):
    order = place("A", JANUARY, folder="2020/january")
    (path,) = cedar.convert(order.record, order.directory)
    assert path.parent == order.directory / "2020" / "january"


@formats
def test_what_isnt_here_is_named_and_the_rest_converted(place, format_):
    order = place("A", JANUARY, FEBRUARY, MARCH)
    empty, absent, here = (entry["name"] for entry in order.entries)
    order.entries[0]["status"]["state"] = "EMPTY"
    order.entries[1]["status"]["state"] = "RUNNING"
    done = carry_out(order.record, order.directory, Converting(format_))
    assert [path.stem for path in done.cubes] == [here]
    assert (done.empty, [*done.absent]) == ((empty,), [absent])
    assert not done.failures


@formats
@pytest.mark.parametrize("by", ["item", "tile"])
def test_a_missing_file_is_named_and_the_rest_converted(place, format_, by):
    order = place("A", JANUARY, FEBRUARY, dimensions=(32, 80))
    bad, good = (entry["name"] for entry in order.entries)
    missing = order.directory / f"{bad}-0000000000-0000000032.tif"
    missing.unlink()
    with pytest.raises(ConversionError, match=missing.name) as caught:
        cedar.convert(order.record, order.directory, format=format_, by=by, chunks=SMALL)
    assert [*caught.value.failures] == [bad]
    check(*caught.value.cubes, [order], [good])


@formats
def test_a_part_of_an_item_makes_no_cube_of_its_own(place, format_):
    order = place("A")
    dates, period = MARCH
    order.add(dates, period, bands=["red", "nir"], part=1)
    order.add(dates, period, bands=["qa"], part=2)
    (path,) = cedar.convert(order.record, order.directory, format=format_)
    assert path.stem == order.entries[0]["family"]
    one, other = (order.pixels[entry["name"]] for entry in order.entries)
    cube = opened(path, mask_and_scale=False)
    assert np.array_equal(cube["nir"].values, one[1::2])
    assert np.array_equal(cube["qa"].values, other)
    path.unlink() if path.is_file() else path.rename(path.with_name("away"))
    order.entries[1]["status"]["state"] = "READY"
    done = carry_out(order.record, order.directory, Converting(format_))
    assert not done.cubes
    assert len(done.absent) == 2


@formats
def test_an_item_that_was_cut_otherwise_before_is_made_anew(place, format_):
    before = place("A", MARCH)
    (path,) = cedar.convert(before.record, before.directory, format=format_, chunks=SMALL)
    order = place("A")
    order.add(MARCH[0][:2], MARCH[1], part=1)
    order.entries[0]["family"] = before.entries[0]["name"]
    assert cedar.convert(order.record, order.directory, format=format_) == [path]
    check(path, [order])


@formats
def test_other_bands_or_pixels_dont_get_into_a_cube(place, tmp_path, format_):
    path = grow(place("A", JANUARY), format_)
    before = content(path)
    scaled = PLAIN | {"scale": {"red": 1e-4}}
    signed = PLAIN | {"dtype": "int16", "valid_range": {"red": [1, 10], "nir": [1, 10]}}
    moved = tile_at(crs="EPSG:32621", res=(30, 30), size=(96, 80), ul=(730035, -2778015))
    other_zone = tile_at(crs="EPSG:32622", res=(30, 30), size=(96, 80))
    fewer = PLAIN | {"bands": {"red": "B1", "qa": "QA"}, "valid_range": {"red": [1, 10]},
                     "scale": {"red": 1e-4}, "offset": {"red": 0}}  # fmt: skip
    for name, settings, tile, why in (
        ("B", scaled, None, "scale_factor of red is 2.75e-05 in one, 0.0001 in the other"),
        ("C", signed, None, "red is uint16 in one, int16 in the other"),
        ("D", fewer, None, "one has the bands red, nir, qa, the other red, qa"),
        ("E", PLAIN, moved, "their pixels don't lie on each other"),
        ("F", PLAIN, other_zone, "they have other coordinate reference systems"),
    ):
        order = Downloaded(tmp_path / name, {COLLECTION: settings}, name)
        order.add(*FEBRUARY, tile=tile)
        with pytest.raises(ConversionError, match=why):
            grow(order, format_)
        assert content(path) == before


@formats
def test_what_may_be_the_same_images_doesnt_get_into_a_cube_twice(place, format_):
    path = grow(place("A", JANUARY), format_)
    before = content(path)
    with pytest.raises(ConversionError, match="so the same images may be in both"):
        grow(place("B", month("2020-01-11", "2020-02-02", until="2020-03-01")), format_)
    assert content(path) == before


def strip(path):
    """Take from a Zarr cube what says that it is cedar's."""
    root = json.loads((path / "zarr.json").read_text())
    del root["attributes"]["cedar_items"]
    (path / "zarr.json").write_text(json.dumps(root))


DAMAGE = {
    "no HDF": ("netcdf", lambda path: path.write_bytes(b"not even HDF")),
    "no JSON": ("zarr", lambda path: (path / "zarr.json").write_text("{")),
    "no root": ("zarr", lambda path: (path / "zarr.json").unlink()),
    "somebody's": ("zarr", strip),
}


@pytest.mark.parametrize(("format_", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_what_isnt_cedars_is_never_replaced(place, format_, damage, tmp_path):
    order = place("A", JANUARY)
    path = grow(order, format_)
    damage(path)
    before = content(path)
    for overwrite in (False, True):
        with pytest.raises(ConversionError, match=re.escape(str(path))):
            grow(order, format_, overwrite=overwrite)
    assert content(path) == before
    assert left(tmp_path) == []


@formats
def test_one_process_at_a_time_is_at_a_cube(place, format_, tmp_path):
    orders = [place("A", JANUARY), place("B", FEBRUARY), place("C", MARCH)]
    errors = []

    def convert(order):
        try:
            grow(order, format_)
        except CedarError as error:
            errors.append(error)

    threads = [threading.Thread(target=convert, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    (path,) = (tmp_path / "ARD").iterdir()
    check(path, orders)


@formats
def test_an_interrupt_leaves_the_old_cube_and_nothing_else(place, format_, tmp_path, monkeypatch):
    one, other = place("A", JANUARY), place("B", FEBRUARY)
    path = grow(one, format_)
    before = content(path)
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):
        with monkeypatch.context() as patch:
            read, calls = filling.read, iter(range(3))

            def failing(layers, cell, read=read, calls=calls, error=error):
                if next(calls, None) is None:
                    raise error
                return read(layers, cell)

            patch.setattr(filling, "read", failing)
            with pytest.raises((KeyboardInterrupt, ConversionError)):
                grow(other, format_)
        assert content(path) == before
        assert left(tmp_path) == []
    grow(other, format_)
    check(path, [one, other])


def test_progress_is_told_to_the_end(place):
    order, told = place("A", JANUARY), []
    cedar.convert(
        order.record, order.directory, chunks=SMALL, callback=lambda *each: told.append(each)
    )
    assert [part for _, part in told] == sorted(part for _, part in told)
    assert told[-1] == (f"{order.entries[0]['name']}.nc", 1.0)


@formats
def test_memory_bounds_what_is_read_at_once(place, format_, monkeypatch):
    most = 40 * 24 * 6 * 3
    monkeypatch.setattr(filling, "_READ", most)
    seen, read = [], filling.read

    def reading(layers, cell):
        seen.append(layers.count * cell.height * cell.width * 6)
        return read(layers, cell)

    monkeypatch.setattr(filling, "read", reading)
    order = place("A", MARCH, JANUARY)
    check(grow(order, format_), [order])
    assert max(seen) == most


@formats
def test_the_workers_of_a_cluster_do_it(place, format_, cluster):
    orders = [place("A", JANUARY), place("B", FEBRUARY, MARCH)]
    for order in orders:
        path = grow(order, format_, scheduler=cluster)
    check(path, orders)


def test_a_cluster_that_cant_be_reached_is_said(place):
    order = place("A", JANUARY)
    with pytest.raises(ConversionError, match=r"scheduler tcp://127\.0\.0\.1:1 can.t be reached"):
        cedar.convert(order.record, order.directory, scheduler="tcp://127.0.0.1:1")
    assert left(order.directory) == []


def test_a_cluster_without_workers_is_said(place):
    order = place("A", JANUARY)
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        pytest.raises(ConversionError, match="has no workers: start some"),
    ):
        cedar.convert(order.record, order.directory, scheduler=cluster.scheduler_address)


def test_what_a_cluster_needs_is_said(place, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(spreading, "import_module", missing)
    order = place("A", JANUARY)
    with pytest.raises(ConversionError, match=r"distributed, .*pip install 'cedar-eo\[dask\]'"):
        cedar.convert(order.record, order.directory, scheduler="tcp://127.0.0.1:1")


def test_workers_that_die_are_said(place, monkeypatch, cluster):
    def die(*_args):
        raise distributed.KilledWorker("a task", SimpleNamespace(address="a"), 1)
        yield

    monkeypatch.setattr(spreading, "_carry_out", die)
    order = place("A", JANUARY)
    with pytest.raises(ConversionError, match=r"workers of the scheduler .* died"):
        cedar.convert(order.record, order.directory, scheduler=cluster)


def test_what_hdf5_cant_write_is_said(place, monkeypatch):
    def fail(*_args):
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(netcdfs, "_extend", fail)
    order = place("A", JANUARY)
    with pytest.raises(ConversionError, match=r"\.nc: NetCDF: HDF error; is the disk full\?"):
        cedar.convert(order.record, order.directory)
    assert left(order.directory) == []


@formats
def test_layers_that_arent_in_the_order_of_their_times_get_into_it(place, format_, monkeypatch):
    stack_of = stacks.Stack.of

    def shuffled(*arguments):
        stack = stack_of(*arguments)
        return replace(stack, layers=tuple(stack.layers[n] for n in (2, 0, 1)))

    monkeypatch.setattr(stacks.Stack, "of", shuffled)
    order = place("A", JANUARY)
    cube = opened(grow(order, format_), mask_and_scale=False)
    pixels = order.pixels[order.entries[0]["name"]].reshape(3, 3, 80, 96)
    assert np.array_equal(cube["nir"].values, pixels[[1, 2, 0], 1])


@formats
def test_floats_that_are_no_number_are_nothing(tmp_path, format_):
    settings = {"bands": ["a", "b"], "dtype": "float32", "nodata": -9999.0}
    order = Downloaded(tmp_path / "A", {COLLECTION: settings})
    name = order.add(*FEBRUARY)
    cube = opened(grow(order, format_))
    numbers = order.pixels[name].reshape(2, 2, 80, 96)
    expected = np.where(numbers == -9999, np.nan, numbers)
    np.testing.assert_array_equal(cube["b"].values, expected[:, 1])
    nothing = np.full((2, 3, 4), np.nan)
    assert filling.is_nothing(nothing, np.nan)
    nothing[1, 1, 1] = 0
    assert not filling.is_nothing(nothing, np.nan)


@pytest.mark.parametrize("format_", [*FORMATS, "cog"])
def test_whether_all_is_converted_is_told_without_a_change(place, format_):
    order, how = place("A", JANUARY, FEBRUARY), Converting(format_)
    assert not is_converted(order.record, order.directory / "nowhere", how)
    assert not is_converted(order.record, order.directory, how)
    cedar.convert(order.record, order.directory, format=format_)
    before = content(order.directory)
    assert is_converted(order.record, order.directory, how)
    assert content(order.directory) == before
    order.entries[0]["status"]["state"] = "READY"
    assert not is_converted(order.record, order.directory, how)


def test_a_cube_that_isnt_cedars_isnt_the_orders(place):
    order = place("A", JANUARY)
    (path,) = cedar.convert(order.record, order.directory)
    path.write_bytes(b"nothing")
    assert not is_converted(order.record, order.directory, Converting())


def test_options_that_cant_be_are_refused(place):
    order = place("A", JANUARY)
    for how, why in (
        ({"format": "hdf"}, "format 'hdf' is not one of netcdf, zarr, cog"),
        ({"by": "year"}, "by 'year' is not one of item, tile"),
        ({"codec": "lzw"}, "codec 'lzw' is not one of deflate, zstd, none"),
        ({"level": 10}, "level 10 is not one of 1, 2, 3"),
        ({"chunks": {"time": 0}}, "are not all above 0"),
    ):
        with pytest.raises(InputError, match=why):
            cedar.convert(order.record, order.directory, **how)


def test_what_a_configuration_says_is_how_cubes_are_written(tmp_path):
    section = {
        "format": "zarr", "by": "tile", "directory": "cubes", "chunks": {"time": 4},
        "compression": {"codec": "none", "level": 2},
    }  # fmt: skip
    assert Converting.from_config(section, tmp_path) == Converting(
        "zarr", "tile", tmp_path / "cubes", Chunks(4), "none", 2
    )
    assert Converting.from_config({}, tmp_path) == Converting()
    assert [Converting(each).compression for each in ("netcdf", "zarr", "cog")] == [
        "deflate", "zstd", "deflate",
    ]  # fmt: skip


def test_what_a_cube_says_of_its_items_is_read_as_it_was_written():
    made = [Made("a", "ORDER", None, (("a.tif", 5, None), ("b.tif", None, "md5:0")), 3)]
    assert loads(dumps(made)) == made
    for text in ("{", "[1]", '[{"name": "a"}]', None):
        with pytest.raises(ValueError, match="doesn't say which items"):
            loads(text)


def test_collections_of_one_tile_have_a_cube_each(tmp_path):
    definitions = {COLLECTION: PLAIN, "OTHER/SENSOR": PLAIN}
    order = Downloaded(tmp_path / "A", definitions)
    assert resolve(COLLECTION, definitions).nodata == 0
    for each in definitions:
        order.add(*JANUARY, collection=each)
    made = cedar.convert(order.record, order.directory, by="tile")
    assert sorted(path.stem for path in made) == [
        "EXAMPLE_SENSOR_V1_h000v000", "OTHER_SENSOR_h000v000",
    ]  # fmt: skip
