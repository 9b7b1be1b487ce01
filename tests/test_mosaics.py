"""Shards in one file: the pixels that rasterio alone gives, or an error that names a file."""

from __future__ import annotations

import os
import random
import shutil

import numpy as np
import pytest
import rasterio
import rasterio.merge
import rasterio.shutil
from cutting import BANDS, CUTS, SIZE, check_same, cut, scene, write
from processes import limited_files
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from cedar import mosaics, rasters
from cedar.exceptions import CedarError, StoreError
from cedar.mosaics import mosaic, write_vrt
from cedar.rasters import Writing

PLAIN = Writing("GTiff", "zstd", overviews=False)
MAKERS = {
    "vrt": write_vrt,
    "COG": mosaic,
    "GeoTIFF": lambda files, target: mosaic(files, target, Writing("GTiff")),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
shapes = pytest.mark.parametrize("dimensions", CUTS.values(), ids=CUTS)


def listed(directory):
    return sorted(path.name for path in directory.iterdir())


@makers
@shapes
def test_it_has_the_pixels_that_rasterio_alone_gives(tmp_path, make, dimensions):
    files = cut(tmp_path, dimensions)
    merged, transform = rasterio.merge.merge(files)
    random.Random(0).shuffle(files)
    made = make(files, tmp_path / "made")
    with rasterio.open(made) as image:
        assert (image.read() == merged).all()
        assert image.transform.almost_equals(transform)


@pytest.mark.parametrize("writing", [Writing(), Writing("GTiff")], ids=["COG", "GeoTIFF"])
@pytest.mark.parametrize("tiles", [1, 3], ids=lambda tiles: f"{tiles} a block")
def test_it_has_the_same_pixels_if_it_is_copied_in_many_blocks(
    tmp_path, monkeypatch, writing, tiles
):
    monkeypatch.setattr(rasters, "BLOCK_BYTES", tiles * 2 * 64**2)
    check_same(mosaic(cut(tmp_path, CUTS["2x3"]), tmp_path / "made.tif", writing), scene(tmp_path))


@makers
@shapes
def test_it_says_what_its_files_say(tmp_path, make, dimensions):
    made = make(cut(tmp_path, dimensions), tmp_path / "made")
    check_same(made, scene(tmp_path))


@makers
def test_what_files_do_not_agree_in_is_not_said_of_all(tmp_path, make):
    with rasterio.open(make(cut(tmp_path, CUTS["2x3"]), tmp_path / "made")) as image:
        assert "written" not in image.tags()
        assert "title" in image.tags()


@makers
def test_names_without_the_first_dash_are_placed_too(tmp_path, make):
    files = [
        path.rename(path.with_name(path.name.replace("item-", "item1")))
        for path in cut(tmp_path, CUTS["2x3"])
    ]
    check_same(make(files, tmp_path / "made"), scene(tmp_path))


@makers
def test_one_file_is_all_of_an_image_whatever_its_name(tmp_path, make):
    (path,) = cut(tmp_path, SIZE)
    file = path.rename(tmp_path / "item_2020010100-2020010200.tif")
    check_same(make([file], tmp_path / "made"), scene(tmp_path))


@makers
def test_nodata_that_is_not_a_number_is_kept(tmp_path, make):
    files = cut(tmp_path, CUTS["2x3"], dtype="float32", nodata=np.nan)
    with rasterio.open(make(files, tmp_path / "made")) as image:
        assert np.isnan(image.nodata)
        assert image.dtypes == ("float32",) * 3


@makers
def test_files_without_nodata_band_names_or_system_make_one_without(tmp_path, make):
    files = cut(tmp_path, CUTS["2x3"], nodata=None, crs=None, descriptions=(None,) * 3)
    with rasterio.open(make(files, tmp_path / "made")) as image:
        assert (image.nodata, image.crs, image.descriptions) == (None, None, (None,) * 3)


@makers
def test_colours_are_kept(tmp_path, make):
    files = cut(tmp_path, CUTS["2x3"], photometric="RGB")
    with rasterio.open(make(files, tmp_path / "made")) as image:
        assert image.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035"], ids=str)
def test_a_system_whose_axes_are_the_other_way_round_is_kept(tmp_path, crs):
    files = cut(tmp_path, CUTS["2x3"], crs=crs)
    with rasterio.open(write_vrt(files, tmp_path / "made.vrt")) as image:
        assert image.crs == rasterio.crs.CRS.from_user_input(crs)
        with rasterio.open(files[0]) as first:
            assert image.xy(0, 0) == first.xy(0, 0)


def test_a_vrt_goes_with_its_files_wherever_they_are_moved(tmp_path):
    (tmp_path / "order" / "shards & more").mkdir(parents=True)
    files = cut(tmp_path / "order" / "shards & more", CUTS["2x3"])
    write_vrt(files, tmp_path / "order" / "item.vrt")
    (tmp_path / "order").rename(tmp_path / "moved")
    check_same(tmp_path / "moved" / "item.vrt", scene(tmp_path))


def test_a_vrt_of_files_named_from_here_can_be_read_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    files = [path.relative_to(tmp_path) for path in cut(tmp_path, CUTS["1x3"])]
    write_vrt(files, files[0].with_name("there") / "item.vrt")
    monkeypatch.chdir("/")
    check_same(tmp_path / "there" / "item.vrt", scene(tmp_path))


def test_a_vrt_is_opened_without_opening_its_files(tmp_path):
    files = cut(tmp_path, CUTS["2x3"])
    made = write_vrt(files, tmp_path / "item.vrt")
    for path in files:
        path.unlink()
    with rasterio.open(made) as image:
        assert (image.shape, image.descriptions) == (SIZE, BANDS)


def test_tags_can_be_added(tmp_path):
    files = cut(tmp_path, CUTS["1x3"])
    for made in (
        write_vrt(files, tmp_path / "item.vrt", {"MADE": "here"}),
        mosaic(files, tmp_path / "item.tif", PLAIN, {"MADE": "here"}),
    ):
        with rasterio.open(made) as image:
            assert image.tags().items() >= {"MADE": "here", "CEDAR_REQUEST_ID": "0"}.items()


@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd", "none"])
@pytest.mark.parametrize("format_", ["COG", "GTiff"])
@pytest.mark.parametrize("dtype", ["uint16", "float64"])
def test_a_mosaic_is_written_as_asked(tmp_path, format_, compress, dtype):
    files = cut(tmp_path, CUTS["2x3"], dtype=dtype)
    made = mosaic(files, tmp_path / "item.tif", Writing(format_, compress, overviews=False))
    with rasterio.open(made) as image:
        structure = image.tags(ns="IMAGE_STRUCTURE")
        assert structure.get("COMPRESSION", "none").lower() == compress
        assert structure.get("LAYOUT") == ("COG" if format_ == "COG" else None)
        assert image.overviews(1) == []
        assert (image.read() == rasterio.merge.merge(files)[0]).all()


@pytest.mark.parametrize("format_", ["COG", "GTiff"])
def test_overviews_are_of_the_nearest_pixels(tmp_path, format_):
    files = cut(tmp_path, CUTS["2x3"])
    made = mosaic(files, tmp_path / "item.tif", Writing(format_))
    with rasterio.open(made) as image:
        levels = image.overviews(1)
        pixels = image.read()
    if format_ == "GTiff":  # A COG of one tile of 512 pixels has none.
        assert levels == [2]
        with rasterio.open(made, overview_level=0) as overview:
            assert set(np.unique(overview.read())) <= set(np.unique(pixels))
            assert overview.shape == (192, 192)


def resaved(path, **other):
    """Write a shard again, which says something else of itself."""
    row, col = (int(part) for part in path.stem.split("-")[1:])
    with rasterio.open(path) as shard:
        window = Window(col, row, shard.width, shard.height)
    write(path, window, **other)


def moved(path, x=0.0, y=0.0):
    with rasterio.open(path, "r+") as shard:
        shard.transform = shard.transform.translation(x, y) * shard.transform


def enlarged(path, rows, cols):
    row, col = (int(part) for part in path.stem.split("-")[1:])
    with rasterio.open(path) as shard:
        window = Window(col, row, shard.width + cols, shard.height + rows)
    write(path, window)


FAULTS = {
    "system": (lambda path: resaved(path, crs="EPSG:32622"), "another coordinate reference system"),
    "type": (lambda path: resaved(path, dtype="int32"), "another type of pixels"),
    "nodata": (lambda path: resaved(path, nodata=1), "another nodata value"),
    "no nodata": (lambda path: resaved(path, nodata=None), "another nodata value"),
    "names": (lambda path: resaved(path, descriptions=("a", "b", "c")), "another names of bands"),
    "colours": (lambda path: resaved(path, photometric="RGB"), "another description of bands"),
    "a pixel off": (lambda path: moved(path, x=30), "at row 256, column 161"),
    "a hundredth of a pixel off": (lambda path: moved(path, y=0.3), "at row 255.99, column 160"),
    "too high": (lambda path: enlarged(path, -10, 0), "leaves a gap before the next file"),
    "too wide": (lambda path: enlarged(path, 0, 1), "overlaps the next file"),
}


@makers
@pytest.mark.parametrize(("fault", "words"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_not_of_the_image_is_named(tmp_path, make, fault, words):
    files = cut(tmp_path, CUTS["2x3"])
    other = tmp_path / "item-0000000256-0000000160.tif"
    fault(other)
    with pytest.raises(CedarError, match=words) as caught:
        make(files, tmp_path / "made")
    assert str(other) in str(caught.value)
    assert listed(tmp_path) == sorted(path.name for path in files)


@makers
@pytest.mark.parametrize("index", range(6))
def test_a_gap_is_an_error_that_says_where(tmp_path, make, index):
    files = cut(tmp_path, CUTS["2x3"])
    gone = files.pop(index)
    row, col = (int(part) for part in gone.stem.split("-")[1:])
    with pytest.raises(CedarError, match=rf"row {row}, column {col} is missing, {gone.name}$"):
        make(files, tmp_path / "made")


def test_a_whole_row_or_column_that_is_missing_at_the_start_or_between_is_an_error(tmp_path):
    files = cut(tmp_path, (128, 128))
    for part, index in (("0000000000", 1), ("0000000128", 1), ("0000000000", 2)):
        left = [path for path in files if path.stem.split("-")[index] != part]
        with pytest.raises(CedarError, match=r"is missing|leaves a gap"):
            write_vrt(left, tmp_path / "made.vrt")


def test_two_files_for_one_place_are_an_error(tmp_path):
    files = cut(tmp_path, CUTS["1x3"])
    double = shutil.copy(files[1], tmp_path / "other-0000000000-0000000160.tif")
    with pytest.raises(CedarError, match=r"has the place of \S+-0000000160.tif in the image"):
        write_vrt([*files, double], tmp_path / "made.vrt")


def test_a_name_without_place_among_several_is_an_error(tmp_path):
    files = cut(tmp_path, CUTS["1x3"])
    with pytest.raises(CedarError, match=r"whole\.tif isn't one of several files"):
        write_vrt([*files, scene(tmp_path)], tmp_path / "made.vrt")


def test_no_files_are_an_error(tmp_path):
    with pytest.raises(CedarError, match="no files"):
        write_vrt([], tmp_path / "made.vrt")


def test_a_mask_that_would_be_lost_is_an_error(tmp_path):
    files = cut(tmp_path, CUTS["1x3"], nodata=None)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(files[1], "r+") as shard:
        shard.write_mask(np.zeros(shard.shape, bool))
    with pytest.raises(CedarError, match=r"0160\.tif has a mask beside its bands"):
        write_vrt(files, tmp_path / "made.vrt")


def test_a_band_of_transparency_is_a_band_like_others(tmp_path):
    files = cut(tmp_path, CUTS["1x3"], nodata=None)
    for path in files:
        with rasterio.open(path, "r+") as shard:
            shard.colorinterp = [ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha]
    with rasterio.open(mosaic(files, tmp_path / "made.tif")) as image:
        assert image.colorinterp[2] == ColorInterp.alpha
        assert (image.read() == rasterio.merge.merge(files)[0]).all()


def test_a_file_that_is_damaged_is_an_error_and_leaves_nothing(tmp_path):
    files = cut(tmp_path, CUTS["2x3"])
    before = listed(tmp_path)
    os.truncate(files[3], files[3].stat().st_size // 2)
    for writing in (Writing(), PLAIN):
        with pytest.raises(StoreError, match=r"can't make .*made\.tif"):
            mosaic(files, tmp_path / "made.tif", writing)
        assert listed(tmp_path) == before
    files[3].write_bytes(b"")
    with pytest.raises(StoreError, match=f"can't read {files[3]}"):
        write_vrt(files, tmp_path / "made.vrt")


@pytest.mark.parametrize("writing", [Writing(), Writing("GTiff")], ids=["COG", "GeoTIFF"])
def test_a_mosaic_that_the_disk_does_not_hold_is_an_error_wherever_it_ends(tmp_path, writing):
    files = cut(tmp_path, CUTS["2x3"])
    before = listed(tmp_path)
    size = mosaic(files, tmp_path / "made.tif", writing).stat().st_size
    (tmp_path / "made.tif").unlink()
    for cut_off in [*range(0, size, size // 20), size - 1]:
        with limited_files(cut_off), pytest.raises(StoreError, match=r"can't make .*made\.tif"):
            mosaic(files, tmp_path / "made.tif", writing)
        assert listed(tmp_path) == before


@pytest.mark.parametrize("writing", [Writing(), PLAIN], ids=["COG", "GeoTIFF"])
def test_an_image_of_very_many_bands_has_smaller_tiles(tmp_path, writing):
    """Or a tile with all its bands, which is what a COG is read by, would fill the memory."""
    count, side = 300, 130
    files, pixels = [], np.random.default_rng(0).integers(0, 9, (count, 2), "uint16")
    for number in range(2):
        files.append(tmp_path / f"item-{number * side:010d}-0000000000.tif")
        place = rasterio.transform.from_origin(0, -30 * number * side, 30, 30)
        with rasterio.open(
            files[-1], "w", driver="GTiff", width=8, height=side, count=count, dtype="uint16",
            nodata=0, crs="EPSG:32621", transform=place, compress="zstd",
        ) as shard:  # fmt: skip
            shard.write(np.broadcast_to(pixels[:, number, None, None], (count, side, 8)))
    with rasterio.open(mosaic(files, tmp_path / "made.tif", writing)) as image:
        assert image.block_shapes[0] == (128, 128)
        for number in range(2):
            there = image.read(window=Window(0, number * side, 8, side))
            assert (there == pixels[:, number, None, None]).all()


@pytest.mark.parametrize("wrong", ["pixel", "tag", "name"])
def test_a_cog_that_came_out_otherwise_than_its_shards_is_an_error(tmp_path, monkeypatch, wrong):
    files = cut(tmp_path, CUTS["2x3"])
    before, copy = listed(tmp_path), rasterio.shutil.copy

    def damaging(source, path, **options):
        copy(source, path, **options)
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK=True) as image:
            match wrong:
                case "pixel":
                    image.write(image.read(3, window=Window(383, 383, 1, 1)) + 1, 3,
                                window=Window(383, 383, 1, 1))  # fmt: skip
                case "tag":
                    image.update_tags(title="another")
                case "name":
                    image.set_band_description(2, "another")

    monkeypatch.setattr(rasterio.shutil, "copy", damaging)
    with pytest.raises(StoreError, match=r"can't make .*made\.tif: the copy is another"):
        mosaic(files, tmp_path / "made.tif")
    assert listed(tmp_path) == before


def test_a_geotiff_that_came_out_otherwise_than_its_shards_is_an_error(tmp_path, monkeypatch):
    files = cut(tmp_path, CUTS["2x3"])
    before, write_like = listed(tmp_path), rasters.write_like

    def damaging(path, *args):
        write_like(path, *args)
        with rasterio.open(path, "r+") as image:
            image.write(np.ones((1, 1), "uint16"), 3, window=Window(383, 383, 1, 1))

    monkeypatch.setattr(mosaics, "write_like", damaging)
    with pytest.raises(StoreError, match="the copy is another"):
        mosaic(files, tmp_path / "made.tif", PLAIN)
    assert listed(tmp_path) == before


def test_what_a_killed_process_left_is_removed(tmp_path):
    files = cut(tmp_path, CUTS["1x3"])
    left = tmp_path / ".cedar-made.tif.work"
    left.mkdir()
    (left / "mosaic.tif").write_bytes(b"half of it")
    check_same(mosaic(files, tmp_path / "made.tif"), scene(tmp_path))
    assert not left.exists()
