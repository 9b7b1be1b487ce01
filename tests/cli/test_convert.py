"""`cedar convert`: cubes of what was downloaded, with nothing else there."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from converting import FEBRUARY, JANUARY, MARCH, SMALL, check, month
from downloaded import Downloaded

ITEMS = tuple(f"EXAMPLE_LC08_DN_h00{col}v000_2020-05-01_2020-06-01" for col in (0, 1))


@pytest.fixture
def placed(here):
    """Put an order of some months in the directory ``data``."""

    def placed(*months, name="ORDER", states=()):
        order = Downloaded(here / "data" / name, name=name)
        for dates, period in months:
            order.add(dates, period)
        for entry, state in zip(order.entries, states, strict=False):
            entry["status"]["state"] = state
        (order.directory / f"{name}.json").write_text(order.record.dumps(), "utf-8")
        return order

    return placed


def test_an_order_that_was_brought_home_is_converted(order, cedar, here):
    name = order("--wait", tiles=("--index", 0, 0, "--index", 0, 1))
    assert cedar("download", name, "--dest", "data").code == 0
    done = cedar("convert", name, "--dest", "data")
    assert done.code == 0, done.err
    cubes = done.out.splitlines()
    assert cubes == [str(here / "data" / name / f"{item}.nc") for item in ITEMS]
    assert done.err.splitlines()[-1] == "2 cubes written"
    for cube in cubes:
        with rasterio.open(cube.replace(".nc", ".tif")) as file, xr.open_dataset(cube) as found:
            blue = file.read(1).astype(float)
            expected = np.where(blue == 0, np.nan, blue)
            np.testing.assert_array_equal(found["blue"].values[0], expected)
    assert "0 extra" not in cedar("verify", name, "data").out
    assert cedar("verify", name, "data", "--json").json["extra"] == []
    again = cedar("convert", f"{name}.json", "--dest", "data", "--json")
    assert again.json == {
        "name": name, "cubes": cubes, "written": [], "empty": [], "absent": {}, "failed": {},
    }  # fmt: skip
    assert again.err.splitlines()[-1] == "0 cubes written, 2 were there"


def test_neither_store_nor_configuration_is_needed(placed, cedar, here):
    order = placed(JANUARY, FEBRUARY)
    done = cedar("convert", "ORDER", "--dest", "data", "--format", "zarr", "--by", "tile")
    assert done.code == 0, done.err
    path = here / "data" / "ARD" / "EXAMPLE_SENSOR_V1_h000v000.zarr"
    assert done.out == f"{path}\n"
    check(path, [order])


def test_the_configuration_says_how_and_the_command_line_goes_before(
    placed, cedar, configure, here
):
    order = placed(JANUARY, FEBRUARY)
    ard = {"format": "zarr", "by": "tile", "directory": "cubes", "chunks": SMALL,
           "compression": {"codec": "none"}}  # fmt: skip
    configure(ard=ard)
    assert cedar("convert", "ORDER", "--dest", "data").code == 0
    (path,) = (here / "cubes").iterdir()
    check(path, [order])
    with xr.open_zarr(path) as cube:
        assert cube["red"].encoding["chunks"] == (2, 24, 40)
        assert not cube["red"].encoding["compressors"]
    assert cedar("convert", "ORDER", "--dest", "data", "--format", "netcdf").code == 0
    assert sorted(each.suffix for each in (here / "cubes").iterdir()) == [".nc", ".zarr"]
    assert yaml.safe_load(cedar("config", "show").out)["ard"] == ard


@pytest.mark.parametrize(
    ("ard", "why"),
    [
        ({"format": "hdf"}, "ard, format: 'hdf' is not one of"),
        ({"chunks": {"z": 1}}, "ard, chunks: unknown key 'z'"),
        ({"compression": {"level": 0}}, "ard, compression, level: 0 is not from 1 to 9"),
    ],
)
def test_a_configuration_that_cant_be_is_refused(placed, cedar, configure, ard, why):
    placed(JANUARY)
    configure(ard=ard)
    done = cedar("convert", "ORDER", "--dest", "data")
    assert (done.code, done.out) == (2, "")
    assert why in done.err


def test_items_are_chosen_and_made_again(placed, cedar):
    order = placed(JANUARY, FEBRUARY)
    words = ("convert", "ORDER", "--dest", "data", "--item", "*02-01_*")
    (path,) = cedar(*words).out.splitlines()
    assert path.endswith(f"{order.entries[1]['name']}.nc")
    assert cedar(*words).err.splitlines()[-1] == "0 cubes written, 1 was there"
    assert cedar(*words, "--overwrite").err.splitlines()[-1] == "1 cube written"


def test_what_isnt_here_yet_is_named(placed, cedar):
    order = placed(JANUARY, FEBRUARY, MARCH, states=("EMPTY", "RUNNING"))
    done = cedar("convert", "ORDER", "--dest", "data")
    assert done.code == 3
    assert len(done.out.splitlines()) == 1
    said = done.err.splitlines()
    assert "1 cube written" in said
    assert "1 item without images: no cube" in said
    assert f"not here: {order.entries[1]['name']}: it is RUNNING" in said
    assert "not complete yet; next: cedar watch ORDER" in said


def test_what_is_complete_and_wasnt_downloaded_isnt_here_either(placed, cedar):
    order = placed(JANUARY, FEBRUARY)
    name = order.entries[0]["name"]
    (order.directory / f"{name}.tif").unlink()
    done = cedar("convert", "ORDER", "--dest", "data")
    assert done.code == 3
    assert f"not here: {name}: its files aren't here" in done.err


def test_more_than_a_screen_of_them_is_counted(placed, cedar, here):
    order = Downloaded(here / "data" / "ORDER")
    for number in range(12):
        order.add(*month(f"20{number:02}-01-03", until=f"20{number:02}-02-01"))
        order.entries[-1]["status"]["state"] = "READY"
    (order.directory / "ORDER.json").write_text(order.record.dumps(), "utf-8")
    done = cedar("convert", "ORDER", "--dest", "data")
    assert done.code == 3
    assert done.err.count("not here: ") == 10
    assert "and 2 more" in done.err


def test_what_cant_be_converted_is_named_and_the_rest_is(placed, cedar, here):
    order = placed(JANUARY, FEBRUARY)
    bad, good = (entry["name"] for entry in order.entries)
    (order.directory / f"{bad}.tif").write_bytes(b"no image")
    done = cedar("convert", "ORDER", "--dest", "data")
    assert done.code == 1
    assert [line.rpartition("/")[2] for line in done.out.splitlines()] == [f"{good}.nc"]
    (why,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert f"{bad}.tif" in why
    again = cedar("convert", "ORDER", "--dest", "data", "--json")
    assert again.json["failed"] == {bad: why.removeprefix("Error: ")}


def test_more_that_cant_be_converted_than_fit_a_screen_are_counted(placed, cedar, here):
    order = Downloaded(here / "data" / "ORDER")
    for number in range(12):
        name = order.add(*month(f"20{number:02}-01-03", until=f"20{number:02}-02-01"))
        (order.directory / f"{name}.tif").write_bytes(b"no image")
    (order.directory / "ORDER.json").write_text(order.record.dumps(), "utf-8")
    done = cedar("convert", "ORDER", "--dest", "data")
    assert done.code == 1
    assert done.err.count("Error: ") == 10
    assert "and 2 more" in done.err


def test_an_order_that_isnt_there_is_said(cedar, here):
    done = cedar("convert", "NOTHING")
    assert (done.code, done.out) == (1, "")
    assert "can't read NOTHING/NOTHING.json, the record that `cedar download` writes" in done.err
