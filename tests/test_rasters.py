"""GeoTIFFs: what is written is whole, or an error."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from orders import utm_grid
from processes import limited_files

from cedar.exceptions import StoreError
from cedar.rasters import BLOCK_BYTES, Block, blocks_of, write_geotiff

TILE = utm_grid()[0, 0]
BANDS = ["first", "second", "third"]
TAGS = {"CEDAR_REQUEST_ID": "0"}
PIXELS = np.random.default_rng(0).integers(0, 2000, (3, 250, 300), "uint16")


def write(path, cloud_optimized):
    """Three bands of 300 × 250 pixels that don't compress, in six blocks."""
    blocks = [
        (Block(0, col, 250, width, band, band + 1), PIXELS[band : band + 1, :, col : col + width])
        for band in range(3)
        for col, width in ((0, 256), (256, 44))
    ]
    write_geotiff(path, TILE, "uint16", 0, BANDS, TAGS, blocks, cloud_optimized)


def check(path):
    with rasterio.open(path) as image:
        assert (image.read() == PIXELS).all()
        assert image.descriptions == tuple(BANDS)
        assert image.tags().items() >= TAGS.items()
        assert (image.crs, image.transform, image.nodata) == (TILE.crs, TILE.transform, 0)


def cuts(size):
    """Sizes of a file that is cut off: some all along it, and each near its end."""
    return [*range(0, size, size // 25), *range(size - 1, size - 2000, -97)]


def test_a_file_that_the_disk_does_not_hold_is_an_error_wherever_it_ends(tmp_path, capfd):
    """GDAL doesn't say what it can't write as it closes a file; instead of tiles it puts zeros."""
    path = tmp_path / "image.tif"
    write(path, cloud_optimized=False)
    check(path)
    for cut in cuts(path.stat().st_size):
        with limited_files(cut), pytest.raises(StoreError, match=r"image\.tif: File too large"):
            write(path, cloud_optimized=False)
        assert [*tmp_path.iterdir()] == []
    assert capfd.readouterr() == ("", "")


def test_a_cog_that_the_disk_does_not_hold_is_an_error_wherever_it_ends(tmp_path, monkeypatch):
    path = tmp_path / "image.tif"
    write(path, cloud_optimized=True)
    check(path)
    copy, size = rasterio.shutil.copy, path.stat().st_size
    for cut in cuts(size):

        def limited(*args, cut=cut, **kwds):
            with limited_files(cut):
                copy(*args, **kwds)

        monkeypatch.setattr(rasterio.shutil, "copy", limited)
        with pytest.raises(StoreError, match=r"can.t write .*image\.tif: "):
            write(path, cloud_optimized=True)
        assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("cloud_optimized", [False, True])
def test_a_torn_file_that_a_killed_process_left_is_replaced(tmp_path, cloud_optimized):
    """A header that names a directory which isn't there: rasterio fails to look into it."""
    path = tmp_path / "image.tif"
    for torn in (path, tmp_path / "image.plain.tif"):
        torn.write_bytes(b"II*\0\x08\0\0\0")
    write(path, cloud_optimized)
    check(path)


@pytest.mark.parametrize("cloud_optimized", [False, True], ids=["GeoTIFF", "COG"])
def test_blocks_that_fail_leave_no_file(tmp_path, cloud_optimized):
    def blocks():
        yield Block(0, 0, 250, 256, 0, 1), PIXELS[:1, :, :256]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_geotiff(
            tmp_path / "image.tif", TILE, "uint16", 0, BANDS, TAGS, blocks(), cloud_optimized
        )
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("count", "height", "width", "itemsize"),
    [
        (3, 250, 300, 2),
        (1, 700, 70_000, 8),
        (700, 300, 300, 2),
        (5000, 130, 70, 2),
        (5000, 65, 65, 8),
    ],
)
def test_blocks_are_all_of_a_stack_and_none_is_large(count, height, width, itemsize):
    blocks = list(blocks_of(count, height, width, itemsize))
    pixels = [(each.last - each.first) * each.height * each.width for each in blocks]
    assert sum(pixels) == count * height * width
    assert max(pixels) * itemsize <= BLOCK_BYTES
    assert len({(each.row, each.col, each.first) for each in blocks}) == len(blocks)
    assert max(each.row + each.height for each in blocks) == height
    assert max(each.col + each.width for each in blocks) == width
    assert max(each.last for each in blocks) == count
