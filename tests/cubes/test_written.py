"""Cubes as others read them: CF's checker, GDAL, xarray; and while they grow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from compliance_checker.runner import CheckSuite, ComplianceChecker
from converting import FEBRUARY, JANUARY, MARCH, check, left, opened
from downloaded import COLLECTION, PLAIN, Downloaded, tile_at
from odc.geo.xr import ODCExtensionDa  # noqa: F401 - it gives arrays their place

import cedar
from cedar.cubes import places, zarrs

CHUNKS = {"time": 2, "y": 80, "x": 96}
UTM = {"crs": "EPSG:32621", "res": (30, 30), "size": (96, 80)}
DEGREES = {"crs": "EPSG:4326", "res": (0.001, 0.001), "size": (96, 80), "ul": (-57.5, -25.0)}
ALBERS = {"crs": "+proj=aea +lat_1=-5 +lat_2=-42 +lat_0=-32 +lon_0=-60 +datum=WGS84 +units=m",
          "res": (30, 30), "size": (96, 80)}  # fmt: skip
TILES = {"UTM": UTM, "degrees": DEGREES, "no code": ALBERS}
BITS = PLAIN | {
    "qa": {"qa": {"0": "fill", "1": "dilated cloud", "3": "cloud", "8-9": "confidence"}}
}


#: Packed numbers may be unsigned since CF 1.9 (section 8.1); the checker goes by 1.6 there.
OUTDATED = "Variable is not of type byte, short, or int as required"


def made(directory, months=(JANUARY,), tile=UTM, name="A", settings=PLAIN):
    order = Downloaded(directory / name, {COLLECTION: settings}, name)
    for dates, period in months:
        order.add(dates, period, tile=tile_at(**tile))
    return order


def converted(order, format_, **how):
    settings = {"format": format_, "by": "tile", "chunks": CHUNKS} | how
    (path,) = cedar.convert(order.record, order.directory, **settings)
    return path


def complaints(path, directory):
    """What CF's checker finds wrong, that isn't a mere wish."""
    CheckSuite.load_all_available_checkers()
    report = directory / "report.json"
    ComplianceChecker.run_checker(
        str(path), ["cf:1.11"], 0, "normal", output_filename=str(report), output_format="json"
    )
    (found,) = json.loads(report.read_text()).values()
    return [
        message
        for priority in ("high_priorities", "medium_priorities")
        for each in found[priority]
        for message in each["msgs"]
        if not message.startswith(OUTDATED)
    ]


@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_the_checker_of_cf_finds_nothing_wrong(tmp_path, tile):
    path = converted(made(tmp_path, tile=tile, months=(JANUARY, FEBRUARY)), "netcdf")
    assert complaints(path, tmp_path) == []


@pytest.mark.parametrize("format_", ["netcdf", "zarr"])
@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_gdal_and_xarray_read_where_a_cube_is_alike(tmp_path, format_, tile):
    order = made(tmp_path, tile=tile)
    path = converted(order, format_)
    there = tile_at(**tile)
    cube = opened(path, decode_coords="all")
    box = cube["red"].odc.geobox
    assert box.crs == there.crs.to_wkt()
    np.testing.assert_allclose([*box.transform][:6], [*there.transform][:6], rtol=1e-9)
    if format_ == "zarr":
        return  # GDAL 3.10, which comes with rasterio, knows an earlier draft of Zarr 3 only.
    with rasterio.open(f"NETCDF:{path}:red") as file:
        assert file.crs == there.crs
        np.testing.assert_allclose([*file.transform][:6], [*there.transform][:6], rtol=1e-9)
        assert np.array_equal(file.read(), opened(path, mask_and_scale=False)["red"].values)
        assert (file.nodata, file.scales[0], file.offsets[0]) == (0, 2.75e-5, -0.2)


def test_whoever_has_a_zarr_cube_open_reads_on_while_it_grows(tmp_path, monkeypatch):
    one, other = made(tmp_path), made(tmp_path, (MARCH,), name="B")
    path = converted(one, "zarr")
    before = xr.open_zarr(path, mask_and_scale=False)
    seen, replace = [], Path.replace

    def replacing(source, target):
        moved = replace(source, target)
        if path in Path(target).parents:
            seen.append(Path(target).relative_to(path).as_posix())
            for cube in (before, xr.open_zarr(path, mask_and_scale=False)):
                n = cube.sizes["time"]
                assert n == (3 if cube is before or seen[-1] != "zarr.json" else 7)
                expected = np.concatenate([*one.pixels.values(), *other.pixels.values()])
                expected = expected.reshape(7, 3, 80, 96)[:n]
                assert np.array_equal(cube["nir"].values, expected[:, 1])
                assert len(cube["images"].values) == n
        return moved

    monkeypatch.setattr(zarrs.Path, "replace", replacing)
    converted(other, "zarr")
    assert seen[-1] == "zarr.json"
    assert len(seen) > 12
    monkeypatch.undo()
    check(path, [one, other])


def test_chunks_that_a_killed_process_moved_in_dont_come_back(tmp_path, monkeypatch):
    one, other = made(tmp_path), made(tmp_path, (MARCH,), name="B")
    path = converted(one, "zarr")

    def stopped(_made, _path, _bands, _first):
        for file in _made.rglob("c/*/*/*"):
            shutil.copyfile(file, _path / file.relative_to(_made))
        raise KeyboardInterrupt

    def prepared(made, path, bands, first):
        for directory in made.rglob("c/*/*"):
            (path / directory.relative_to(made)).mkdir(parents=True, exist_ok=True)
        stopped(made, path, bands, first)

    with monkeypatch.context() as patch:
        patch.setattr(zarrs, "_move_in", prepared)
        with pytest.raises(KeyboardInterrupt):
            converted(other, "zarr")
    assert (path / "red" / "c" / "3").exists()
    check(path, [one])
    nothing = Downloaded(tmp_path / "C", name="C")
    nothing.add(*MARCH, pixels=np.zeros((12, 80, 96), "uint16"))
    converted(nothing, "zarr")
    check(path, [one, nothing])


@pytest.mark.parametrize("can", [True, False], ids=["exchanged", "moved"])
def test_a_directory_takes_anothers_place(tmp_path, monkeypatch, can):
    if not can:
        monkeypatch.setattr(places.ctypes, "CDLL", lambda *_args, **_kwds: object())
    path, made_ = tmp_path / "cube.zarr", tmp_path / "made"
    for text in ("first", "second"):
        made_.mkdir()
        (made_ / "file").write_text(text)
        places.replace_directory(made_, path)
        assert (path / "file").read_text() == text
        assert [each.name for each in tmp_path.iterdir()] == ["cube.zarr"]


def test_a_cube_that_was_moved_aside_is_put_back(tmp_path, monkeypatch):
    one, other = made(tmp_path), made(tmp_path, (FEBRUARY,), name="B")
    path = converted(one, "zarr")
    aside = path.with_name(f".cedar-{path.name}.old")
    path.rename(aside)
    converted(other, "zarr")
    check(path, [one, other])
    shutil.copytree(path, aside)
    converted(other, "zarr")
    assert left(tmp_path) == []
    check(path, [one, other])
