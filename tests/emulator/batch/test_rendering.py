"""The files of an export: which there are, and what is in them."""

from __future__ import annotations

import tracemalloc

import ee
import numpy as np
import pytest
import rasterio
import shapely
from emulated import HEIGHT, NATIVE, WIDTH, make_image
from export_requests import BUCKET, IMAGE, cloud, grid, make_bucket, objects, pixels, tiles
from rasterio.io import MemoryFile

from cedar.emulator import Emulator
from cedar.emulator.batch import rendering
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings
from cedar.emulator.values import Geometry, ServiceError

SHARDS = [(row, col) for row in (0, 128) for col in (0, 128, 256)]


@pytest.fixture
def make(landsat, exports):
    """Exports with an emulator's arguments; the error, or name → bytes of the files."""

    def make(emulated=None, **changes):
        with Emulator(landsat, settings=Settings(object_writes=0), **(emulated or {})) as emulator:
            make_bucket(emulator)
            client = exports(emulator)
            if callable(changes.get("expression")):
                changes["expression"] = changes["expression"](client.ee)
            name = client.start(**changes)
            emulator.settle()
            if client.state(name) == "FAILED":
                return client.error(name)
            assert client.state(name) == "SUCCEEDED"
            return objects(emulator)

    return make


def computed(landsat, connect, expression, grid):
    """The same pixels by computePixels: (bands, rows, columns)."""
    with Emulator(landsat) as emulator:
        client = connect(emulator)
        array = client.data.computePixels(
            {"expression": expression(client), "fileFormat": "NUMPY_NDARRAY", "grid": grid}
        )
    return np.stack([array[name] for name in array.dtype.names])


def both_passes(client):
    """The mosaic of both clips, of which the grid's south is the second."""
    return client.ImageCollection("EXAMPLE/LC08/DN").mosaic()


def albers(width, height):
    """A grid in another CRS, 30.5 m, which has to be given as WKT."""
    wkt = rasterio.crs.CRS.from_string(
        "+proj=aea +lat_1=-5 +lat_2=-42 +lat_0=-32 +lon_0=-60 +datum=WGS84 +units=m"
    ).to_wkt()
    affine = {"scaleX": 30.5, "translateX": 507_000, "scaleY": -30.5, "translateY": 794_000}
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": affine,
        "crsWkt": wkt,
    }


# ---- pixels


@pytest.mark.parametrize("where", [grid(300, 250), grid(300, 250, 150, 300), albers(300, 250)])
@pytest.mark.parametrize("cloud_optimized", [False, True])
def test_pixels_of_shards_are_those_of_computepixels(
    landsat, connect, make, where, cloud_optimized
):
    files = make(
        files=cloud("x", cloudOptimized=cloud_optimized, **tiles()),
        grid=where,
        expression=both_passes,
    )
    expected = computed(landsat, connect, both_passes, where)
    assert expected.any()
    together = np.zeros_like(expected)
    for row, col in SHARDS:
        content = files.pop(f"x-{row:010d}-{col:010d}.tif")
        with MemoryFile(content) as memory, memory.open() as file:
            there = np.s_[:, row : row + file.height, col : col + file.width]
            together[there] = file.read()
            affine = where["affineTransform"]
            assert file.transform[2] == affine["translateX"] + col * affine["scaleX"]
            assert file.transform[5] == affine["translateY"] + row * affine["scaleY"]
            wanted = where.get("crsCode") or where["crsWkt"]
            assert file.crs == rasterio.crs.CRS.from_user_input(wanted)
    assert files == {}
    assert np.array_equal(together, expected)


def test_blocks_make_no_difference(make, monkeypatch):
    (whole,) = make(files=cloud("x", tileSize=64)).values()
    monkeypatch.setattr(rendering, "_BLOCK_SIDE", 1)
    (parts,) = make(files=cloud("x", tileSize=64)).values()
    assert np.array_equal(pixels(parts), pixels(whole))
    # Each tile is written once: none was outgrown, and left behind for another.
    assert len(parts) == len(whole)


def test_masked_pixels_are_zero_whatever_nodata_says(landsat, make):
    off = grid(100, 100, 300, 300)  # the last 16 columns and rows are off the clip
    (content,) = make(files=cloud("x", noData={"floatValue": 7}), grid=off).values()
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as clip:
        wanted = np.zeros((3, 100, 100), "uint16")
        wanted[:, :84, :84] = clip.read(window=((300, 384), (300, 384)))
    assert np.array_equal(pixels(content), wanted)


# ---- the file


def test_a_file_says_what_it_holds_and_that_it_is_emulated(make):
    ((name, content),) = make(files=cloud("a/b", noData={"floatValue": 0}, tileSize=64)).items()
    assert name == "a/b.tif"
    with MemoryFile(content) as memory, memory.open() as file:
        assert (file.width, file.height, file.count) == (300, 250, 3)
        assert file.descriptions == ("B2", "B3", "B4")
        assert file.dtypes == ("uint16",) * 3
        assert file.nodata == 0
        assert file.block_shapes == [(64, 64)] * 3
        assert file.compression.name == "deflate"
        assert file.tags()["EMULATED"] == "cedar.emulator"
        assert file.overviews(1) == []


def test_a_file_has_no_nodata_unless_asked_for(make):
    (content,) = make().values()
    with MemoryFile(content) as memory, memory.open() as file:
        assert file.nodata is None


def test_a_cloud_optimized_file_is_one(make):
    files = cloud("x", cloudOptimized=True, tileSize=128, noData={"integerValue": "65535"})
    (content,) = make(files=files).values()
    with MemoryFile(content) as memory, memory.open() as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.block_shapes == [(128, 128)] * 3
        assert file.overviews(1) == [2, 4]
        assert file.descriptions == ("B2", "B3", "B4")
        assert file.nodata == 65535
        assert file.tags()["EMULATED"] == "cedar.emulator"


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("Byte", 200),
        ("Int8", -100),
        ("Int16", -300),
        ("Uint16", 60000),
        ("Int32", -(2**30)),
        ("Uint32", 2**31),
        ("Int64", 2**40),
        ("Float", 0.5),
        ("Double", 0.1),
    ],
)
def test_any_type_of_bands_comes_as_it_is(make, dtype, value):
    (content,) = make(
        expression=lambda client: getattr(client.Image(value), f"to{dtype}")(), grid=grid(3, 2)
    ).values()
    values = pixels(content)
    wanted = {"byte": "uint8", "float": "float32", "double": "float64"}
    assert values.dtype == wanted.get(dtype.lower(), dtype.lower())
    assert (values == np.array(value, values.dtype)).all()


def test_masks_are_bytes(make):
    (content,) = make(
        expression=lambda client: client.Image(IMAGE).mask(), grid=grid(3, 2)
    ).values()
    assert np.array_equal(pixels(content), np.ones((3, 2, 3), "uint8"))


# ---- which files


def test_a_file_that_all_of_it_fits_into_has_no_suffix(make):
    assert list(make(files=cloud("x", **tiles(64, 320, 256)))) == ["x.tif"]


def test_without_file_dimensions_it_is_cut_at_10240(make):
    # Where the real one cuts isn't known.
    where = grid(10_241, 1)
    files = make(files=cloud("x"), grid=where, expression=lambda client: client.Image(1).toByte())
    assert list(files) == ["x-0000000000-0000000000.tif", "x-0000000000-0000010240.tif"]


def test_the_dash_before_the_first_number_may_be_missing(make):
    emulated = {"answers": Answers(shard_dash=False)}
    assert sorted(make(emulated, files=cloud("x", **tiles()))) == [
        f"x{row:010d}-{col:010d}.tif" for row, col in SHARDS
    ]
    assert list(make(emulated, files=cloud("x"))) == ["x.tif"]


def test_empty_files_are_left_out_if_so_asked(make):
    half_off = grid(256, 256, 256, 0)  # the clip ends after 128 columns
    files = cloud("x", skipEmptyFiles=True, **tiles())
    assert sorted(make(files=files, grid=half_off)) == [
        f"x-{row:010d}-0000000000.tif" for row in (0, 128)
    ]
    assert make(files=files, grid=grid(256, 256, 1000, 1000)) == {}


# ---- without a grid


def test_the_client_s_region_and_scale_make_a_grid(landsat, connect):
    with Emulator(landsat) as emulator:
        make_bucket(emulator)
        client = connect(emulator)
        region = client.Geometry.Rectangle(
            [730035, -2779005, 730995, -2778045], "EPSG:32621", False
        )
        task = client.batch.Export.image.toCloudStorage(
            client.Image(IMAGE),
            bucket=BUCKET,
            fileNamePrefix="x",
            region=region,
            crs="EPSG:32621",
            crsTransform=[30, 0, 730005, 0, -30, -2778015],
        )
        task.start()
        emulator.settle()
        assert task.status()["state"] == "COMPLETED"
        content = objects(emulator)["x.tif"]
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as clip:
        wanted = clip.read(window=((1, 33), (1, 33)))
    assert np.array_equal(pixels(content), wanted)


def test_a_clipped_image_comes_as_far_as_it_goes(landsat, make):
    def expression(client):
        region = client.Geometry.Rectangle(
            [729000, -2779005, 730995, -2778045], "EPSG:32621", False
        )
        return client.Image(IMAGE).clip(region)

    (content,) = make(grid=None, expression=expression).values()
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as clip:
        assert np.array_equal(pixels(content), clip.read(window=((1, 33), (0, 33))))


def test_an_image_clipped_to_nothing_fails(make):
    def expression(client):
        return client.Image(IMAGE).clip(client.Geometry.Rectangle([0, 0, 99, 99], "EPSG:32621"))

    error = make(grid=None, expression=expression)
    assert error["message"] == "The image's footprint has none of its pixels."


def test_a_footprint_beside_its_image_s_pixels_fails():
    beside = Geometry(shapely.box(WIDTH, 0, WIDTH + 5, HEIGHT), NATIVE)
    image = make_image("one", footprint=beside, B1=np.ones((HEIGHT, WIDTH), "uint8"))
    with pytest.raises(ServiceError, match="none of its pixels"):
        rendering._own_grid(image)


def test_a_region_that_reaches_past_the_image_comes_whole(landsat, make):
    def expression(client):
        region = client.Geometry.Rectangle(
            [729945, -2778115, 730105, -2777955], "EPSG:32621", False
        )
        return client.Image(IMAGE).clipToBoundsAndScale(geometry=region)

    (content,) = make(grid=None, expression=expression).values()
    array = pixels(content)
    assert array.shape == (3, 6, 6)
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as clip:
        assert np.array_equal(array[:, 2:, 2:], clip.read(window=((0, 4), (0, 4))))
    assert not array[:, :2].any()


def test_an_image_of_one_projection_comes_whole_in_it(landsat, make):
    (content,) = make(grid=None).values()
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as clip:
        assert np.array_equal(pixels(content), clip.read())


@pytest.mark.parametrize(
    "expression",
    [lambda client: client.Image(1), lambda c: c.Image(IMAGE).addBands(c.Image(1))],
)
def test_an_image_without_bounds_needs_a_grid(make, expression):
    assert make(grid=None, expression=expression)["message"] == "Unable to export unbounded image."


# ---- what the task fails with


def test_too_many_pixels_fail_in_the_service_s_words(make):
    assert make(maxPixels={"value": "74999"})["message"] == (
        "Export too large: specified 75000 pixels (max: 74999). Specify higher maxPixels value if "
        "you intend to export a large area."
    )
    assert list(make(maxPixels="75000")) == ["folder/image.tif"]


def test_the_most_pixels_are_a_hundred_million_unless_said(make):
    error = make(grid=grid(10_001, 10_000))
    assert "specified 100010000 pixels (max: 100000000)" in error["message"]


def test_bands_of_two_types_fail_in_the_service_s_words(make):
    def expression(client):
        return client.Image([client.Image(1).toInt16(), client.Image(1).toByte()])

    assert make(expression=expression) == {
        "code": 3,
        "message": "Exported bands must have compatible data types; found inconsistent types: "
        "Int16 and Byte.",
    }
    (content,) = make({"strict": False}, expression=expression, grid=grid(2, 2)).values()
    assert pixels(content).dtype == "int16"


def test_tiles_of_too_many_bytes_fail_in_the_service_s_words(make):
    def expression(client):
        return client.ImageCollection([client.Image(1).toUint16()] * 110).toBands()

    message = make(expression=expression, files=cloud("x", tileSize=512))["message"]
    assert message.startswith(
        "Output of image computation is too large (110 bands for 262144 pixels = 82.5 MiB > 80.0 "
        "MiB)."
    )
    assert list(make(expression=expression, files=cloud("x", tileSize=256), grid=grid(9, 9)))


@pytest.mark.parametrize("value", [-1, 65536, 0.5, "NaN"])
def test_a_nodata_that_the_type_cannot_hold_fails(make, value):
    error = make(files=cloud("x", noData={"floatValue": value}))
    assert "which no UInt16 can be" in error["message"]


def test_floats_take_any_nodata(make):
    (content,) = make(
        files=cloud("x", noData={"floatValue": "NaN"}),
        expression=lambda client: client.Image(0.5),
        grid=grid(2, 2),
    ).values()
    with MemoryFile(content) as memory, memory.open() as file:
        assert np.isnan(file.nodata)


def test_an_image_without_bands_fails(make):
    error = make(expression=lambda client: client.Image(IMAGE).select([]))
    assert error["message"] == "The image has no bands."


def test_what_is_no_image_fails(make):
    error = make(expression=lambda client: client.Number(1))
    assert error["message"] == "The expression does not evaluate to an image."


def test_an_image_is_read_no_coarser_than_it_is_but_where_it_isn_t_strict(make):
    coarse = {**grid(10, 10), "affineTransform": {**grid()["affineTransform"], "scaleX": 300}}
    assert "no pyramids" in make(grid=coarse)["message"]
    assert make({"strict": False}, grid=coarse).keys() == {"folder/image.tif"}


def test_an_error_of_the_expression_is_the_task_s(make):
    error = make(expression=lambda client: client.Image("NO/SUCH"))
    assert error["code"] == 3
    assert "NO/SUCH" in error["message"]


# ---- memory


def test_a_large_export_needs_the_memory_of_a_block(make, monkeypatch):
    monkeypatch.setattr(rendering, "_BLOCK_BYTES", 2**18)
    monkeypatch.setattr(rendering, "_BLOCK_SIDE", 256)

    def expression(client):
        return client.ImageCollection([client.Image(IMAGE)] * 8).toBands()

    def peak(where):
        tracemalloc.start()
        make(grid=where, expression=expression, files=cloud("x", tileSize=64))
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(grid(64, 64))
    few, many = peak(grid(128, 128)), peak(grid(640, 640))
    assert many < few + 640 * 640 * 3 * 8 * 2 / 4  # a quarter of the stack's bytes


def test_the_client_raises_nothing_for_a_task_that_fails(make):
    with pytest.raises(ee.EEException):
        make(description="no spaces")
