"""How fast cubes are written: cedar beside what one would write by hand, and beside odc-stac.

A stack as Earth Engine exports it is made up: 90 dates of 8 bands, 2,500 × 2,500 pixels, all bands
of a pixel together, in tiles of 256 × 256. Three blocks in four are constant, and two of those hold
nothing. By hand is: rasterio reads a block, netCDF4 writes it, with the same chunks and
compression.
odc-stac can't be given the stack itself: it would decode every block once for each of 720 bands. It
has the form that it is made for, a tiled GeoTIFF a date, of as many dates as a chunk has.

Each runs in a process of its own, whose peak memory is measured. Run it alone on the machine: the
figures to read are ratios. Usage: convert.py [SIDE [DATES]]
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import rasterio
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import downloaded

MB = 1e6
SIDE, DATES, BLOCK = 2500, 90, 256
BANDS = ("coastal", "blue", "green", "red", "nir", "swir1", "swir2", "qa")
COLLECTION = "EXAMPLE/CUBES"
DEFINITION = {
    "bands": {name: f"B{n}" for n, name in enumerate(BANDS)},
    "dtype": "uint16",
    "nodata": 0,
    "valid_range": {name: [1, 60000] for name in BANDS},
}
#: What was promised: peak MB, and how fast it is beside others.
MOST_MB, BY_HAND, ODC = 1500, 0.8, 1.0
#: To import these takes seconds, which are nothing to gigabytes, and much to a part of them.
IMPORTED = ("cedar.cubes.making", "dask.array", "netCDF4", "odc.stac", "pystac", "xarray", "zarr")
#: Dates in a chunk, and of what odc-stac is given.
CHUNK = 16


def blocks(side: int) -> Iterator[tuple[int, Window]]:
    """Yield the blocks of a file, row by row, counted."""
    places = [(row, col) for row in range(0, side, BLOCK) for col in range(0, side, BLOCK)]
    for number, (row, col) in enumerate(places):
        yield number, Window(col, row, min(BLOCK, side - col), min(BLOCK, side - row))


def pixels(number: int, window: Window, count: int) -> np.ndarray:
    """Make a block up: (bands, rows, columns). Of four, one is a landscape, the others constant."""
    shape = (count, window.height, window.width)
    if number % 4 in (1, 2):
        return np.zeros(shape, "uint16")
    if number % 4 == 3:
        return np.broadcast_to(np.arange(7273, 7273 + count, dtype="uint16")[:, None, None], shape)
    row, col = np.mgrid[: window.height, : window.width]
    land = (
        9000
        + 1500 * np.sin((col + window.col_off) / 37)
        + 1200 * np.cos((row + window.row_off) / 51)
    )
    noise = np.random.default_rng(number).integers(-40, 40, shape, dtype="int16")
    return (land.astype("int16") + noise).astype("uint16")


def write_stack(
    home: Path, name: str, tile: Any, _pixels: Any, nodata: float, names: list[str]
) -> list[dict[str, Any]]:
    """Write the stack's file block by block, and its first dates as files of their own."""
    path, count = home / f"{name}.tif", len(names)
    said = {
        "driver": "GTiff", "height": tile.height, "width": tile.width, "dtype": "uint16",
        "crs": tile.crs, "transform": tile.transform, "nodata": nodata, "tiled": True,
        "compress": "deflate", "zlevel": 1,
    }  # fmt: skip
    stack = {"interleave": "pixel", "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "yes"}
    date = {"interleave": "band", "blockxsize": 512, "blockysize": 512, "predictor": 2}
    dates = home.parent / "dates"
    dates.mkdir()
    with ExitStack() as opened:
        file = opened.enter_context(
            rasterio.open(path, "w", count=count, num_threads="all_cpus", **said, **stack)
        )
        file.descriptions = names
        files = [
            opened.enter_context(
                rasterio.open(dates / f"{n}.tif", "w", count=len(BANDS), **said, **date)
            )
            for n in range(min(CHUNK, count // len(BANDS)))
        ]
        for number, window in blocks(tile.width):
            made = pixels(number, window, count)
            file.write(made, window=window)
            for n, each in enumerate(files):
                each.write(made[n * len(BANDS) : (n + 1) * len(BANDS)], window=window)
    with path.open("rb") as made_file:
        checksum = f"sha256:{hashlib.file_digest(made_file, 'sha256').hexdigest()}"
    return [{"name": path.name, "size": path.stat().st_size, "checksum": checksum, "version": "1"}]


def make_order(directory: Path, side: int, n_dates: int) -> None:
    """Make a directory as `cedar download` leaves it."""
    order = downloaded.Downloaded(directory / "ORDER", {COLLECTION: DEFINITION})
    days = np.datetime64("2020-01-01") + np.arange(n_dates) * 4
    tile = downloaded.tile_at(crs="EPSG:32621", res=(30, 30), size=(side, side))
    with patch.object(downloaded, "write", write_stack):
        order.add(
            [f"{day}T13:36:02" for day in days], ("2020-01-01", "2021-01-01"),
            collection=COLLECTION, tile=tile, pixels=False,
        )  # fmt: skip
    (directory / "ORDER" / "ORDER.json").write_text(order.record.dumps(), "utf-8")


def the_stack(directory: Path) -> Path:
    (path,) = (directory / "ORDER").glob("*.tif")
    return path


def cedar(directory: Path, form: str) -> None:
    """cedar, as `cedar convert` has it."""
    from cedar.cubes.convert import convert, read_record

    order = directory / "ORDER"
    convert(read_record(order), order, format=form, dest=directory / "cedar")


def by_hand(directory: Path) -> None:
    """rasterio and netCDF4, block by block."""
    import netCDF4

    with rasterio.open(the_stack(directory)) as stack:
        n_dates = stack.count // len(BANDS)
        with netCDF4.Dataset(directory / "by hand.nc", "w") as file:
            file.createDimension("time", None)
            file.createDimension("y", stack.height)
            file.createDimension("x", stack.width)
            chunks = (min(CHUNK, n_dates), min(BLOCK, stack.height), min(BLOCK, stack.width))
            bands = [
                file.createVariable(
                    name, "u2", ("time", "y", "x"), compression="zlib", complevel=1, shuffle=True,
                    chunksizes=chunks, fill_value=0,
                )
                for name in BANDS
            ]  # fmt: skip
            for band in bands:
                band.set_auto_maskandscale(False)
            for _, window in blocks(stack.width):
                read = stack.read(window=window).reshape(n_dates, len(BANDS), window.height, -1)
                rows, cols = window.toslices()
                for n, band in enumerate(bands):
                    band[0:n_dates, rows, cols] = read[:, n]


def odc_stac(directory: Path) -> None:
    """odc-stac with dask's threads, which writes the same chunks."""
    import odc.stac
    import pystac
    from zarr.codecs import BloscCodec

    items = []
    for path in sorted((directory / "dates").glob("*.tif"), key=lambda path: int(path.stem)):
        with rasterio.open(path) as file:
            bounds = rasterio.warp.transform_bounds(file.crs, 4326, *file.bounds)
            crs, transform, shape = file.crs, file.transform, file.shape
        west, south, east, north = bounds
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        moment = np.datetime64("2020-01-01T13:36:02") + int(path.stem) * np.timedelta64(4, "D")
        item = pystac.Item(
            path.stem, {"type": "Polygon", "coordinates": [ring]}, [*bounds], moment.item(),
            {"proj:code": str(crs), "proj:transform": [*transform][:6], "proj:shape": [*shape]},
            stac_extensions=[
                "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
                "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
                "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
            ],
            collection="dates",
        )  # fmt: skip
        fields = {
            "raster:bands": [{"data_type": "uint16", "nodata": 0}] * len(BANDS),
            "eo:bands": [{"name": name} for name in BANDS],
        }
        media = "image/tiff; application=geotiff; profile=cloud-optimized"
        item.add_asset("image", pystac.Asset(str(path), None, None, media, ["data"], fields))
        items.append(item)
    sizes = {"time": len(items), "y": 1024, "x": 1024}
    cube = odc.stac.load(items, bands=[*BANDS], chunks=sizes)
    assert (cube.sizes["y"], cube.sizes["x"]) == shape
    written = {
        "chunks": (len(items), BLOCK, BLOCK),
        "compressors": [BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")],
    }
    cube.to_zarr(
        directory / "odc.zarr", zarr_format=3, consolidated=False,
        encoding=dict.fromkeys(BANDS, written), align_chunks=False, safe_chunks=False,
    )  # fmt: skip


RUNS: dict[str, Callable[[Path], None]] = {
    "cedar, NetCDF": lambda directory: cedar(directory, "netcdf"),
    "rasterio + netCDF4": by_hand,
    "cedar, Zarr": lambda directory: cedar(directory, "zarr"),
    "odc-stac, Zarr": odc_stac,
}


def measure(name: str, directory: Path) -> tuple[float, float, float]:
    """Run one in a process of its own: seconds, seconds of cores, and peak MB of memory."""
    words = [sys.executable, __file__, "--run", name, str(directory)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    seconds, used, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, used, peak


def run(name: str, directory: Path) -> None:
    """Run one here, and write what it took."""
    for module in IMPORTED:
        import_module(module)
    start, used = time.perf_counter(), time.process_time()
    RUNS[name](directory)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    # ru_maxrss would count what the process was before it became this program.
    (said,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    peak = int(said) * 1024 / MB
    sys.stdout.write(f"{json.dumps([seconds, used, peak])}\n")


def main(side: int, n_dates: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="cedar-convert-"))
    try:
        start = time.perf_counter()
        make_order(directory, side, n_dates)
        whole = side * side * n_dates * len(BANDS) * 2 / MB
        size = the_stack(directory).stat().st_size / MB
        print(f"{side} × {side} × {n_dates} dates × {len(BANDS)} bands: {whole:,.0f} MB, "
              f"{size:,.0f} MB as a file, made in {time.perf_counter() - start:.0f} s")  # fmt: skip
        rates, peaks = {}, {}
        print(f"{'':20}{'s':>8}{'MB/s':>8}{'cores':>7}{'peak MB':>9}")
        for name in RUNS:
            amount = whole * min(1, CHUNK / n_dates) if name.startswith("odc") else whole
            seconds, used, peaks[name] = measure(name, directory)
            rates[name] = amount / seconds
            print(f"{name:20}{seconds:8.1f}{rates[name]:8.0f}"
                  f"{used / seconds:7.1f}{peaks[name]:9.0f}", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(directory)
    by_hand_, odc = (
        rates["cedar, NetCDF"] / rates["rasterio + netCDF4"],
        rates["cedar, Zarr"] / rates["odc-stac, Zarr"],
    )
    print(f"NetCDF: {by_hand_:.2f} × rasterio + netCDF4; Zarr: {odc:.2f} × odc-stac")
    most = max(peaks["cedar, NetCDF"], peaks["cedar, Zarr"])
    if by_hand_ < BY_HAND or odc < ODC or most > MOST_MB:
        raise SystemExit(f"promised: {BY_HAND}, {ODC}, and at most {MOST_MB} MB of memory")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], Path(sys.argv[3]))
    else:
        given = [*map(int, sys.argv[1:])]
        main(*[*given, *(SIDE, DATES)[len(given) :]])
