"""Stacks: an item's files on this machine, and what their bands and layers are."""

from __future__ import annotations

import json
import logging
import pickle

import numpy as np
import pytest
import rasterio
import shapely
from downloaded import COLLECTION, PLAIN, UTM, Downloaded, day, images, tile_at, write
from orders import COLLECTION as REAL
from orders import MAY, real_tracker

from cedar.assembly import PutTogether, put_together
from cedar.clipping import Region
from cedar.cubes.images import Window
from cedar.cubes.stacks import look, stacks
from cedar.exceptions import CedarError, NotFoundError
from cedar.rasters import Writing

TWO = ("2020-05-02T13:30:00", "2020-05-18T13:36:02")


#: By the sun, which is four hours behind UTC there.
SAME_DAY = ("2020-05-18T13:36:02", "2020-05-19T01:30:00")


@pytest.fixture
def order(tmp_path):
    return Downloaded(tmp_path / "ORDER")


def whole(stack, most_bytes=4000):
    """All pixels of a stack, (bands, rows, columns), put together from its windows."""
    shape = (len(stack.layers), len(stack.bands), stack.height, stack.width)
    put = np.zeros(shape, stack.dtype)
    seen = np.zeros(shape[2:], int)
    for window in stack.windows(most_bytes):
        row, col, height, width = window
        put[:, :, row : row + height, col : col + width] = stack.read(window)
        seen[row : row + height, col : col + width] += 1
    assert (seen == 1).all()
    return put.reshape(-1, *shape[2:])


def test_a_pulled_order_reads_as_rasterio_reads_its_files(tmp_path):
    tracker = real_tracker(tmp_path / "store")
    name, _ = tracker.submit(REAL, [(0, 0), (0, 1)], *MAY)
    tracker.watch(name)
    record = tracker.read(name)
    tracker.download(record, tmp_path / name)
    found = stacks(record, tmp_path / name)
    assert [stack.name for stack in found] == [entry["name"] for entry in record.orders]
    for stack in found:
        assert [band.name for band in stack.bands] == ["blue", "green", "red"]
        assert not stack.is_interleaved
        (path,) = stack.files
        with rasterio.open(path) as file:
            pixels = file.read()
            assert (stack.dtype, stack.nodata) == (file.dtypes[0], file.nodata)
            assert (stack.transform, stack.crs) == (file.transform, file.crs)
            assert (stack.height, stack.width) == file.shape
        assert np.array_equal(whole(stack), pixels)
        assert pixels.any()
        (layer,) = stack.layers
        assert (layer.label, layer.collection) == ("2020-05-18", REAL)
        assert layer.time == layer.start == layer.end == day("2020-05-18T13:36:02")
        assert [image.partition("@")[0] for image in layer.images] == [
            image["system:id"] for image in stack.metadata.groups[0]["images"]
        ]


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    "dimensions", [None, (96, 80), (32, 80), (96, 32), (48, 32), (33, 17)], ids=str
)
def test_shards_in_one_row_in_one_column_and_in_both_read_as_one_image(
    order, dimensions, interleave
):
    name = order.add(TWO, dimensions=dimensions, interleave=interleave)
    (stack,) = stacks(order.record, order.directory)
    assert np.array_equal(whole(stack), order.pixels[name])
    assert stack.is_interleaved == (interleave == "pixel")
    for most in (1, 10**5, 10**9):
        assert np.array_equal(whole(stack, most), order.pixels[name])


@pytest.mark.parametrize("dimensions", [None, (32, 80), (48, 32)], ids=str)
def test_a_window_is_whole_blocks_of_one_file(order, dimensions):
    order.add(TWO, dimensions=dimensions)
    (stack,) = stacks(order.record, order.directory)
    width, height = dimensions or (96, 80)
    for window in stack.windows(16 * 16 * stack.layer_bytes * 2):
        inside = window.row % height, window.col % width
        assert all(number % 16 == 0 for number in inside)
        assert window.row // height == (window.row + window.height - 1) // height
        assert window.col // width == (window.col + window.width - 1) // width
        assert (window.height, window.width) == (16, 16)


def test_windows_are_as_large_as_may_be_and_as_square_as_blocks_allow(order):
    order.add(TWO)
    (stack,) = stacks(order.record, order.directory)
    block = 16 * 16 * 2 * stack.layer_bytes
    assert stack.steps(4 * block) == ((32, 32, 16), (32, 32, 32))
    assert stack.steps(10**9) == ((80,), (96,))
    assert stack.steps(1) == ((16,) * 5, (16,) * 6)
    assert stack.steps(2 * block, n_layers=1) == stack.steps(4 * block)


def test_files_in_strips_are_read_by_strips(order):
    name = order.add(tiled=False, blockysize=8)
    (stack,) = stacks(order.record, order.directory)
    heights, widths = stack.steps(1)
    assert (set(heights), widths) == ({8}, (96,))
    assert np.array_equal(whole(stack), order.pixels[name])


def test_any_window_layers_and_bands_can_be_read(order):
    name = order.add(TWO, dimensions=(32, 32))
    (stack,) = stacks(order.record, order.directory)
    pixels = order.pixels[name].reshape(2, 3, 80, 96)
    window = Window(20, 25, 40, 50)
    assert np.array_equal(stack.read(window), pixels[:, :, 20:60, 25:75])
    read = stack.read(window, slice(1, 2), ["qa", "red"])
    assert np.array_equal(read, pixels[1:, [2, 0], 20:60, 25:75])


def test_what_reads_a_stack_is_sent_to_another_process_for_little(order):
    name = order.add(TWO * 1, dimensions=(32, 32))
    (stack,) = stacks(order.record, order.directory)
    sent = pickle.dumps(stack.reader)
    assert len(sent) < 5000
    read = pickle.loads(sent).read(Window(0, 0, 80, 96))
    assert np.array_equal(read.reshape(-1, 80, 96), order.pixels[name])


def test_a_layout_of_folders_is_found(order):
    name = order.add(folder="h000v000/2020")
    (stack,) = stacks(order.record, order.directory)
    assert np.array_equal(whole(stack), order.pixels[name])


def made(order, name, **options):
    (entry,) = (entry for entry in order.entries if entry["name"] == name)
    files = [order.directory / output["name"] for output in entry["outputs"]]
    assert put_together(entry, files, PutTogether(keep=False, **options))
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("writing", [Writing(), Writing("GTiff", "zstd", overviews=False)])
def test_a_mosaic_stands_for_the_shards_that_it_was_made_of(order, writing):
    name = order.add(TWO, dimensions=(48, 32))
    made(order, name, mosaic=True, mosaic_as=writing)
    (stack,) = stacks(order.record, order.directory)
    assert [path.name for path in stack.files] == [f"{name}_mosaic.tif"]
    assert np.array_equal(whole(stack), order.pixels[name])


def test_what_was_cut_to_a_region_is_not_the_item(order):
    name = order.add()
    left, bottom, *_ = (tile := tile_at(**UTM)).bounds
    region = Region(shapely.box(left, bottom, left + 900, bottom + 900), tile.crs)
    made(order, name, clip=region)
    here = look(order.record, order.directory)
    assert here.stacks == ()
    assert here.absent == {name: f"only {name}_clipped.tif is here, which was cut of it"}


def test_a_missing_shard_is_an_error_that_names_it(order):
    name, other = order.add(dimensions=(48, 32)), order.add(period=("2020-06-01", "2020-07-01"),
                                                            dates=["2020-06-03"])  # fmt: skip
    missing = order.directory / order.entries[0]["outputs"][3]["name"]
    missing.unlink()
    with pytest.raises(NotFoundError, match=f"^{missing} is missing, one of the 6 files of {name}"):
        stacks(order.record, order.directory)
    here = look(order.record, order.directory)
    assert [stack.name for stack in here.stacks] == [other]
    assert [*here.failed] == [name]


def test_items_that_are_not_here_are_told_with_why(order):
    names = [order.add([f"2020-0{m}-03"], (f"2020-0{m}-01", f"2020-0{m + 1}-01"))
             for m in range(1, 6)]  # fmt: skip
    for entry, state in zip(order.entries, ["RUNNING", "FAILED", "EMPTY"], strict=False):
        entry["status"]["state"] = state
    (order.directory / f"{names[3]}.tif").unlink()
    here = look(order.record, order.directory)
    assert [stack.name for stack in here.stacks] == [names[4]]
    assert here.empty == (names[2],)
    assert here.absent == {
        names[0]: "it is RUNNING",
        names[1]: "it is FAILED",
        names[3]: "its files aren't here",
    }


def test_one_that_was_cleaned_from_the_store_is_still_here(order):
    order.add()
    order.entries[0]["status"]["cleaned_timestamp_ms"] = 1
    assert len(stacks(order.record, order.directory)) == 1


def test_items_are_chosen_by_their_names_or_families(order):
    one = order.add(["2020-05-03"], part=1)
    two = order.add(["2020-06-03"], ("2020-06-01", "2020-07-01"))
    assert [stack.name for stack in stacks(order.record, order.directory, ["*-p01"])] == [one]
    (stack,) = stacks(order.record, order.directory, [one.removesuffix("-p01")])
    assert (stack.name, stack.item) == (one, one.removesuffix("-p01"))
    assert [stack.name for stack in stacks(order.record, order.directory, ["*2020-07*"])] == [two]


def test_a_family_cut_by_bands_is_one_stack(order):
    first = order.add(TWO, part=1, bands=["red", "nir"], dimensions=(48, 80))
    second = order.add(TWO, part=2, bands=["qa"], interleave="band")
    (stack,) = stacks(order.record, order.directory)
    assert [band.name for band in stack.bands] == ["red", "nir", "qa"]
    assert (stack.name, stack.validity) == (first, "qa")
    pixels = np.concatenate(
        [order.pixels[name].reshape(2, -1, 80, 96) for name in (first, second)], axis=1
    )
    assert np.array_equal(whole(stack), pixels.reshape(-1, 80, 96))
    assert np.array_equal(stack.read(Window(0, 0, 5, 5), bands=["qa"])[:, 0], pixels[:, 2, :5, :5])
    assert [path.name for path in stack.files][-1] == f"{second}.tif"


def test_a_family_cut_by_bands_is_not_here_until_all_of_them_are(order):
    first = order.add(TWO, part=1, bands=["red", "nir"])
    second = order.add(TWO, part=2, bands=["qa"])
    order.entries[1]["status"]["state"] = "RUNNING"
    here = look(order.record, order.directory)
    assert here.stacks == ()
    assert here.absent == {second: "it is RUNNING", first: "other bands of it aren't there yet"}


def test_a_family_cut_by_dates_is_several_stacks_of_one_item(order):
    order.add(["2020-05-03"], ("2020-05-01", "2020-05-10"), part=1)
    order.add(["2020-05-18"], ("2020-05-10", "2020-06-01"), part=2)
    assert len(stacks(order.record, order.directory)) == 2


@pytest.mark.parametrize("dates", [TWO, SAME_DAY])
@pytest.mark.parametrize("how", ["lost", "damaged", "another's"])
def test_an_item_whose_metadata_is_lost_is_read_by_record_and_file(order, caplog, dates, how):
    order.by_pass()
    name = order.add(dates)
    (before,) = stacks(order.record, order.directory)
    assert len(before.layers) == 2
    path = order.directory / f"{name}.json"
    document = json.loads(path.read_text())
    path.unlink()
    if how == "damaged":
        path.write_text("{")
    elif how == "another's":
        document["order"]["tracking"] = "ANOTHER"
        path.write_text(json.dumps(document))
    with caplog.at_level(logging.WARNING):
        (stack,) = stacks(order.record, order.directory)
    (message,) = caplog.messages
    assert name in message
    assert "without ids of images" in message
    assert (stack.bands, stack.validity) == (before.bands, before.validity)
    assert [layer.label for layer in stack.layers] == [layer.label for layer in before.layers]
    assert all(layer.images == () for layer in stack.layers)
    times = [layer.time for layer in before.layers]
    if dates is TWO:  # Nothing but the documents says more than their dates.
        times = [time.replace(hour=0, minute=0, second=0) for time in times]
    assert [layer.time for layer in stack.layers] == times
    assert np.array_equal(whole(stack), order.pixels[name])


def test_bands_of_a_part_whose_metadata_is_lost_are_those_of_its_entry(order, caplog):
    order.add(TWO, part=1, bands=["red"])
    second = order.add(TWO, part=2, bands=["nir", "qa"])
    (order.directory / f"{second}.json").unlink()
    (stack,) = stacks(order.record, order.directory)
    assert [band.name for band in stack.bands] == ["red", "nir", "qa"]
    assert second in caplog.text


def test_lost_metadata_of_files_that_do_not_name_their_bands_is_an_error(order):
    name = order.add()
    (order.directory / f"{name}.json").unlink()
    with rasterio.open(order.directory / f"{name}.tif", "r+") as file:
        file.descriptions = [None] * file.count
    with pytest.raises(CedarError, match="doesn't say of which dates"):
        stacks(order.record, order.directory)


def test_lost_metadata_of_a_record_that_says_too_little_is_an_error(order):
    name = order.add()
    (order.directory / f"{name}.json").unlink()
    document = order.record.document
    document["submission"]["definitions"] = {}
    with pytest.raises(CedarError, match=r"doesn't say which bands it has: put .*json beside"):
        stacks(document, order.directory)
    document["tracking"]["tiles"] = []
    with pytest.raises(CedarError, match="doesn't say where it lies"):
        stacks(document, order.directory)


def rewritten(order, name, tile=None, names=None, count=None, **writing):
    tile = tile or tile_at(**UTM)
    shape = (count or 3, tile.height, tile.width)
    names = names or [f"2020-05-18_{band}" for band in ("red", "nir", "qa", "more")][: shape[0]]
    write(order.directory, name, tile, np.ones(shape, "uint16"), 0, names, **writing)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            {"tile": tile_at(**UTM | {"size": (96, 79)})},
            "96 × 79 pixels, and its tile 96 × 80",
        ),
        ({"tile": tile_at((0, 1), **UTM)}, "doesn't lie on tile"),
        ({"count": 4}, "has 4 bands, and its metadata names 3"),
        ({"names": ["2020-05-18_red", "2020-05-18_qa", "2020-05-18_nir"]}, "has a band"),
    ],
)
def test_files_that_are_not_the_items_are_an_error(order, other, words):
    name = order.add()
    rewritten(order, name, **other)
    with pytest.raises(CedarError, match=words):
        stacks(order.record, order.directory)


def test_a_file_that_is_no_image_is_an_error_that_names_it(order):
    name = order.add()
    (order.directory / f"{name}.tif").write_bytes(b"no image")
    with pytest.raises(CedarError, match=f"can't read .*{name}.tif"):
        stacks(order.record, order.directory)


def test_a_directory_that_is_not_there_is_an_error(order, tmp_path):
    with pytest.raises(NotFoundError, match=r"can't read .*elsewhere"):
        stacks(order.record, tmp_path / "elsewhere")


def test_images_say_which_version_they_are(order):
    order.add(TWO)
    (stack,) = stacks(order.record, order.directory)
    assert [layer.images for layer in stack.layers] == [
        (f"{image.id}@{number}",) for number, image in enumerate(images(TWO))
    ]
    assert stack.collection == COLLECTION
    assert PLAIN["scale"]["red"] == stack.bands[0].scale
