"""Images cut to a region: what rasterio.mask gives, and nothing that can be taken for data."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.mask
import shapely
from cutting import CUTS, SCENE, SIZE, check_said, cut, scene
from processes import limited_files

from cedar import rasters
from cedar.clipping import Region, clip, touches
from cedar.exceptions import CedarError, InputError, StoreError
from cedar.mosaics import write_vrt
from cedar.rasters import Writing

UTM = "EPSG:32621"
PLAIN = Writing("GTiff", "zstd", overviews=False)
shapes = pytest.mark.parametrize("dimensions", CUTS.values(), ids=CUTS)


with rasterio.open(SCENE) as _scene:
    X, Y = _scene.transform.c, _scene.transform.f


def at(col, row):
    """A place in the scene, in pixels."""
    return X + 30 * col, Y - 30 * row


def box(left, top, right, bottom):
    return shapely.box(*at(left, bottom), *at(right, top))


#: In pixels of the scene: across the edges of shards, with holes, of several parts, thin, tiny.
REGIONS = {
    "triangle": shapely.Polygon([at(100.3, 90.2), at(300.7, 200.1), at(150.5, 380.9)]),
    "ring": shapely.Point(at(200, 200)).buffer(3000) - shapely.Point(at(210, 190)).buffer(1500),
    "two parts": shapely.MultiPolygon([box(10.2, 10.4, 30.1, 50.9), box(300, 200, 340, 383)]),
    "along pixels": box(20, 30, 170, 260),
    "line": shapely.LineString([at(5.5, 300.2), at(380.1, 10.7)]),
    "within a pixel": box(100.2, 100.2, 100.4, 100.4),
    "point": shapely.Point(at(12.5, 13.5)),
    "all": box(-5, -5, 400, 400),
}
regions = pytest.mark.parametrize("outline", REGIONS.values(), ids=REGIONS)


def source(directory, dimensions):
    files = cut(directory, dimensions)
    return files[0] if len(files) == 1 else write_vrt(files, directory / "item.vrt")


def masked(path, outline):
    with rasterio.open(path) as image:
        return rasterio.mask.mask(image, [outline], crop=True, all_touched=True)


@regions
@shapes
def test_it_has_the_pixels_that_rasterio_alone_gives(tmp_path, dimensions, outline):
    image = source(tmp_path, dimensions)
    made = clip(image, Region.of(outline, UTM), tmp_path / "clipped.tif", PLAIN)
    pixels, transform = masked(scene(tmp_path), outline)
    with rasterio.open(made) as clipped:
        assert (clipped.read() == pixels).all()
        assert clipped.transform.almost_equals(transform)


@regions
@pytest.mark.parametrize("tiles", [1, 3], ids=lambda tiles: f"{tiles} a block")
def test_it_has_the_same_pixels_if_it_is_cut_in_many_blocks(tmp_path, monkeypatch, outline, tiles):
    """Blocks of one tile of a band, or of three: some are outside the region altogether."""
    monkeypatch.setattr(rasters, "BLOCK_BYTES", tiles * 2 * 64**2)
    image = source(tmp_path, CUTS["2x3"])
    made = clip(image, Region.of(outline, UTM), tmp_path / "clipped.tif", PLAIN)
    with rasterio.open(made) as clipped:
        assert (clipped.read() == masked(scene(tmp_path), outline)[0]).all()


@pytest.mark.parametrize("writing", [Writing(), Writing("GTiff")], ids=["COG", "GeoTIFF"])
def test_it_says_what_the_image_says_and_is_written_as_asked(tmp_path, writing):
    image, outline = source(tmp_path, CUTS["2x3"]), REGIONS["triangle"]
    made = clip(image, Region.of(outline, UTM), tmp_path / "x.tif", writing, {"MADE": "here"})
    with rasterio.open(made) as one, rasterio.open(scene(tmp_path)) as other:
        check_said(one, other)
        assert one.tags()["MADE"] == "here"
        assert (one.read() == masked(tmp_path / "whole.tif", outline)[0]).all()
        is_cog = one.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
        assert is_cog == (writing.format == "COG")
        assert bool(one.overviews(1)) == (not is_cog)  # 200 × 291 pixels are one tile of a COG.


@pytest.mark.parametrize("nodata", [np.nan, -9999.0], ids=str)
def test_outside_is_nodata_whatever_that_is(tmp_path, nodata):
    (image,) = cut(tmp_path, SIZE, dtype="float32", nodata=nodata)
    made = clip(image, Region.of(REGIONS["triangle"], UTM), tmp_path / "clipped.tif")
    with rasterio.open(made) as clipped:
        outside = clipped.read(1)[0, -1]
        assert np.isnan(outside) if np.isnan(nodata) else outside == nodata
        assert clipped.read_masks(1)[0, -1] == 0


def test_an_image_without_nodata_is_not_cut(tmp_path):
    (image,) = cut(tmp_path, SIZE, nodata=None)
    with pytest.raises(CedarError, match=r"item\.tif has no nodata value"):
        clip(image, Region.of(REGIONS["triangle"], UTM), tmp_path / "clipped.tif")
    assert [*tmp_path.iterdir()] == [image]


def test_an_image_whose_nodata_its_pixels_can_not_be_is_not_cut(tmp_path):
    image = write_vrt(cut(tmp_path, CUTS["1x3"]), tmp_path / "item.vrt")
    text = image.read_text("utf-8").replace("<NoDataValue>0.0<", "<NoDataValue>-9999<")
    image.write_text(text, "utf-8")
    with pytest.raises(CedarError, match=r"item\.vrt has no nodata value"):
        clip(image, Region.of(REGIONS["triangle"], UTM), tmp_path / "clipped.tif")


def test_an_image_without_a_system_is_not_cut(tmp_path):
    (image,) = cut(tmp_path, SIZE, crs=None)
    with pytest.raises(CedarError, match="has no coordinate reference system"):
        clip(image, Region.of(REGIONS["triangle"], UTM), tmp_path / "clipped.tif")


@pytest.mark.parametrize(
    "outline",
    [box(500, 500, 600, 600), box(384, 0, 500, 384), shapely.Point(at(-1, -1))],
    ids=["away", "beside", "point"],
)
@pytest.mark.parametrize("buffer", [0.0, 20.0])
def test_of_an_image_that_the_region_misses_nothing_is_cut(tmp_path, caplog, outline, buffer):
    (image,) = cut(tmp_path, SIZE)
    if buffer and outline.bounds[0] == at(384, 0)[0]:
        buffer = 0.0  # It does touch then.
    region = Region.of(outline, UTM, buffer)
    with caplog.at_level(logging.WARNING, "cedar"):
        assert clip(image, region, tmp_path / "clipped.tif") is None
    assert "item.tif lies outside the region" in caplog.text
    assert not touches(region, image)
    assert [*tmp_path.iterdir()] == [image]


def test_a_buffer_reaches_an_image_that_the_region_itself_misses(tmp_path):
    (image,) = cut(tmp_path, SIZE)
    made = clip(image, Region.of(box(390, 0, 500, 384), UTM, 300), tmp_path / "c.tif", PLAIN)
    with rasterio.open(made) as clipped:
        # 6 pixels are between them; UTM's metre is up to 0.1 % longer or shorter here.
        assert clipped.width in (4, 5)
        assert clipped.transform.c == at(384 - clipped.width, 0)[0]


def test_a_buffer_is_as_wide_in_metres_as_it_says(tmp_path):
    (image,) = cut(tmp_path, SIZE)
    middle = at(200, 200)
    made = clip(image, Region.of(shapely.Point(middle), UTM, 1500), tmp_path / "c.tif", PLAIN)
    geod = pyproj.Geod(ellps="WGS84")
    to_lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    with rasterio.open(made) as clipped:
        whole = rasterio.open(image)
        with whole:
            there = whole.read(1, window=whole.window(*clipped.bounds))
        kept = clipped.read(1)
        rows, cols = np.nonzero((kept == 0) & (there != 0))
        lost = clipped.transform * (cols + 0.5, rows + 0.5)
        rows, cols = np.nonzero(kept)
        left = clipped.transform * (cols + 0.5, rows + 0.5)
    distances = [
        geod.inv(*(np.full(len(x), c) for c in to_lonlat.transform(*middle)),
                 *to_lonlat.transform(x, y))[2]
        for x, y in (lost, left)
    ]  # fmt: skip
    half = 30 * 2**0.5 / 2
    assert distances[0].min() > 1500 - 3
    assert 1500 - half < distances[1].max() < 1500 + half + 3


@pytest.fixture
def northern(tmp_path):
    """Half a degree of longitude and latitude at 60° N, 0.001° a pixel."""
    return lonlat_image(tmp_path / "north.tif", 10.0, 60.25, 500, 500)


def lonlat_image(path, west, north, width, height):
    transform = rasterio.transform.from_origin(west, north, 0.001, 0.001)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8",
        nodata=0, crs="EPSG:4326", transform=transform,
    ) as image:  # fmt: skip
        image.write(np.ones((1, height, width), "uint8"))
    return path


def test_a_buffer_at_60_north_is_twice_as_wide_in_degrees_as_it_is_high(tmp_path, northern):
    region = Region.of({"type": "Point", "coordinates": [10.25, 60.0]}, buffer=5000)
    with rasterio.open(clip(northern, region, tmp_path / "c.tif", PLAIN)) as clipped:
        west, south, east, north = clipped.bounds
    geod = pyproj.Geod(ellps="WGS84")
    edges = [(west, 60.0), (east, 60.0), (10.25, south), (10.25, north)]
    distances = [geod.inv(10.25, 60.0, *edge)[2] for edge in edges]
    # To a pixel, which is 56 m wide and 111 m high.
    assert distances == pytest.approx([5000] * 4, abs=112)
    assert distances[:2] == pytest.approx([5000] * 2, abs=57)
    assert 1.9 < (east - west) / (north - south) < 2.1


@pytest.mark.parametrize("west", [179.8, -180.2, -180.0, 179.5], ids=str)
def test_a_region_across_the_antimeridian_is_found_on_either_side(tmp_path, west):
    image = lonlat_image(tmp_path / "x.tif", west, 10.0, 500, 100)
    region = Region.box((179.9, 9.95, -179.9, 9.97))
    with rasterio.open(clip(image, region, tmp_path / "c.tif", PLAIN)) as clipped:
        left, right = clipped.bounds.left % 360, clipped.bounds.right % 360
        assert clipped.read().any()
    first = max(179.9, west % 360)
    last = min(180.1, west % 360 + 0.5)
    assert (left, right) == pytest.approx((first, last), abs=0.0011)


def test_a_region_in_another_system_is_moved_there(tmp_path):
    (image,) = cut(tmp_path, SIZE)
    outline = REGIONS["triangle"]
    to_lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    lonlat = shapely.transform(outline, lambda xy: np.column_stack(to_lonlat.transform(*xy.T)))
    file = tmp_path / "roi.geojson"
    file.write_text(json.dumps(shapely.geometry.mapping(lonlat)), "utf-8")
    made = clip(image, Region.read(file), tmp_path / "clipped.tif", PLAIN)
    pixels, transform = masked(image, outline)
    with rasterio.open(made) as clipped:
        # A straight edge in one system is up to half a metre off in the other.
        assert clipped.transform.almost_equals(transform)
        assert (clipped.read() != pixels).mean() < 0.01


def test_a_point_on_the_corner_of_a_pixel_is_in_one(tmp_path):
    (image,) = cut(tmp_path, SIZE)
    for col, row in ((100, 100), (0, 0)):
        region = Region.of(shapely.Point(at(col, row)), UTM)
        with rasterio.open(clip(image, region, tmp_path / "c.tif", PLAIN)) as clipped:
            assert clipped.shape == (1, 1)


@pytest.mark.parametrize("buffer", [-1.0, np.nan, np.inf], ids=str)
def test_a_buffer_is_a_length(buffer):
    with pytest.raises(InputError, match="a number of metres from 0"):
        Region.of(REGIONS["point"], UTM, buffer)


@pytest.mark.parametrize("corners", [(0, 1, 1, 1), (0, 2, 1, 1), (0, 0, 0, 1)], ids=str)
def test_a_box_has_area(corners):
    with pytest.raises(InputError, match="have no area"):
        Region.box(corners)


def test_a_region_without_a_system_is_an_error():
    with pytest.raises(InputError, match="coordinate reference system of the region"):
        Region.of(REGIONS["triangle"])


def test_a_damaged_image_is_an_error_and_leaves_nothing(tmp_path):
    image = source(tmp_path, CUTS["2x3"])
    before = sorted(tmp_path.iterdir())
    (tmp_path / "item-0000000256-0000000160.tif").write_bytes(b"")
    with pytest.raises(StoreError, match=r"can't make .*clipped\.tif"):
        clip(image, Region.of(REGIONS["triangle"], UTM), tmp_path / "clipped.tif")
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(StoreError, match="can't read"):
        clip(tmp_path / "none.tif", Region.of(REGIONS["point"], UTM), tmp_path / "clipped.tif")


@pytest.mark.parametrize("writing", [Writing(), Writing("GTiff")], ids=["COG", "GeoTIFF"])
def test_a_clip_that_the_disk_does_not_hold_is_an_error_wherever_it_ends(tmp_path, writing):
    (image,) = cut(tmp_path, SIZE)
    region = Region.of(REGIONS["along pixels"], UTM)
    made = clip(image, region, tmp_path / "c.tif", writing)
    size = made.stat().st_size
    made.unlink()
    for most in [*range(0, size, size // 16), size - 1]:
        with limited_files(most), pytest.raises(StoreError, match=r"can't make .*c\.tif"):
            clip(image, region, tmp_path / "c.tif", writing)
        assert [*tmp_path.iterdir()] == [image]


PROGRAM = """
import resource, sys
from pathlib import Path
from cedar import rasters
from cedar.clipping import Region, clip
from cedar.mosaics import mosaic
from cedar.rasters import Writing

def largest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

directory = Path(sys.argv[1])
region = Region.box((-170, -80, 170, 80))
# At first with little, for all that is imported and set up.
for name in ("small", "large"):
    before = largest()
    whole = mosaic(sorted(directory.glob(f"{name}-*.tif")), directory / "whole.tif")
    clip(whole, region, directory / "clipped.tif")
print(largest() - before)
"""


def test_an_image_larger_than_the_memory_that_is_taken_can_be_put_together_and_cut(tmp_path):
    """Two shards of 134 MB, all alike, so that they are small on disk."""
    for name, side in (("small", 512), ("large", 8192)):
        for row in (0, side):
            size = 90 / side
            place = rasterio.transform.from_origin(-180, 90 - row * size, 360 / side, size)
            with rasterio.open(
                tmp_path / f"{name}-{row:010d}-0000000000.tif", "w", driver="GTiff", width=side,
                height=side, count=1, dtype="uint16", nodata=0, crs="EPSG:4326",
                transform=place, tiled=True, compress="deflate", sparse_ok=True,
            ):  # fmt: skip
                pass
    program = [sys.executable, "-c", PROGRAM, tmp_path]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    # Beside the 64 MiB that GDAL may keep, a few blocks: not the mask of 134 MB, let alone 268 MB.
    assert int(done.stdout) < 110e6
