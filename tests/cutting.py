"""Real pixels cut into shards, as Earth Engine names and places them."""

from __future__ import annotations

from pathlib import Path

import rasterio
from orders import LANDSAT
from rasterio.windows import Window

from cedar.shards import file_names, offsets

SCENE = LANDSAT / "LC08_224078_20200518.tif"
SIZE = (384, 384)
#: Columns and rows of a file at the most → 1 × 1, 1 × n, n × 1 and n × m files; the last ones of a
#: row and a column are smaller.
CUTS = {"1x1": (384, 384), "1x3": (160, 384), "3x1": (384, 160), "2x3": (160, 256)}
BANDS = ("2020-05-18_blue", "2020-05-18_green", "2020-05-18_red")
TAGS = {"CEDAR_REQUEST_ID": "0", "title": 'of <two> "scenes" & more'}


def cut(directory: Path, dimensions: tuple[int, int], name: str = "item", **other) -> list[Path]:
    """Write the scene as files of some dimensions; `other` is said of them instead."""
    at = offsets(SIZE, dimensions)
    paths = [directory / file for file in file_names(name, at)]
    for (row, col), path in zip(at, paths, strict=True):
        width, height = min(dimensions[0], 384 - col), min(dimensions[1], 384 - row)
        write(path, Window(col, row, width, height), **other)
    return paths


def write(path: Path, window: Window, **other) -> None:
    """Write a window of the scene, with all that a file may say of itself."""
    with rasterio.open(SCENE) as scene:
        profile = {
            "driver": "GTiff",
            "width": window.width,
            "height": window.height,
            "count": 3,
            "dtype": "uint16",
            "crs": scene.crs,
            "transform": scene.window_transform(window),
            "nodata": 0,
            "tiled": True,
            "blockxsize": 64,
            "blockysize": 64,
            "compress": "deflate",
            "interleave": "pixel",
        }
        pixels = scene.read(window=window)
    descriptions = other.pop("descriptions", BANDS)
    profile |= other
    with rasterio.open(path, "w", **profile) as shard:
        shard.descriptions = descriptions
        shard.update_tags(**TAGS, written=path.name)
        shard.update_tags(2, wavelength="561")
        shard.scales, shard.offsets = (2e-5,) * 3, (-0.1,) * 3
        shard.units = ("1",) * 3
        shard.write(pixels.astype(profile["dtype"]))


def scene(directory: Path) -> Path:
    """The scene in one file, as rasterio alone reads it."""
    (path,) = cut(directory, SIZE, "whole")
    return path


def check_same(path: Path, expected: Path) -> None:
    """Check that a file says what another does, and has its pixels."""
    with rasterio.open(path) as one, rasterio.open(expected) as other:
        assert (one.read() == other.read()).all()
        check_said(one, other)
        assert (one.shape, one.transform) == (other.shape, other.transform)


def check_said(one, other) -> None:
    for attribute in (
        "crs", "count", "dtypes", "nodatavals", "descriptions", "colorinterp", "scales",
        "offsets", "units",
    ):  # fmt: skip
        assert getattr(one, attribute) == getattr(other, attribute), attribute
    common = {key: value for key, value in other.tags().items() if key != "written"}
    assert one.tags().items() >= common.items()
    assert one.tags(2)["wavelength"] == other.tags(2)["wavelength"]
