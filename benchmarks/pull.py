"""Pull one array from one emulator with cedar and with its peers, side by side.

The emulator runs in a process of its own and answers from its cache: each client pulls once to
fill it, then is measured. cedar's time includes the GeoTIFF on the disk; the peer's array stays in
memory.

    python benchmarks/pull.py [--side 5000] [--groups 10] [--runs 3]

geedim is not among them: it asks for download URLs, which the emulator doesn't serve.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BANDS = ["A", "B", "C", "D"]
COLLECTION = "EXAMPLE/BIG"
UPPER_LEFT = (600000.0, -2700000.0)
CACHE_MB = 12_000


def make_catalog(directory: Path, side: int, groups: int) -> None:
    """Write one raster of four bands, and an Item a day that shows it."""
    import numpy as np
    import rasterio
    from rasterio.crs import CRS
    from rasterio.transform import from_origin
    from rasterio.warp import transform_bounds

    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": len(BANDS),
        "dtype": "uint16",
        "crs": "EPSG:32621",
        "transform": from_origin(*UPPER_LEFT, 30, 30),
        "nodata": 0,
        "tiled": True,
    }
    y, x = np.mgrid[:side, :side].astype("float32")
    with rasterio.open(directory / "scene.tif", "w", **profile) as target:
        for band in range(1, len(BANDS) + 1):
            field = 9000 + 900 * band + 1500 * np.sin(x / 50) * np.cos(y / (30 + band))
            noise = rng.integers(0, 400, (side, side))
            target.write((field + noise).astype("uint16"), band)
        left, bottom, right, top = target.bounds
    west, south, east, north = transform_bounds(
        CRS.from_epsg(32621), CRS.from_epsg(4326), left, bottom, right, top
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    for day in range(groups):
        date = time.strftime("%Y-%m-%d", time.gmtime(1577836800 + 86400 * day))
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"S{day:04d}",
            "collection": COLLECTION,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": f"{date}T13:00:00Z"},
            "links": [],
            "assets": {
                "data": {"href": "scene.tif", "eo:bands": [{"name": band} for band in BANDS]}
            },
        }
        (directory / f"S{day:04d}.json").write_text(json.dumps(item), encoding="utf-8")


def pull_with_cedar(url: str, side: int, groups: int) -> float:
    """Seconds that watch takes from an order to its GeoTIFF."""
    from cedar import LocalStore, TileGrid, Tracker
    from cedar.engines.earthengine import EarthEngine

    grid = TileGrid(UPPER_LEFT, "EPSG:32621", (30, 30), (side, side))
    definition = {"bands": dict(zip("abcd", BANDS, strict=True)), "dtype": "uint16", "nodata": 0}
    with tempfile.TemporaryDirectory() as directory:
        engine = EarthEngine(url=url)
        store = LocalStore(directory)
        tracker = Tracker(grid, store, engine=engine, collections={COLLECTION: definition})
        end = time.strftime("%Y-%m-%d", time.gmtime(1577836800 + 86400 * groups))
        name, _ = tracker.submit(COLLECTION, (0, 0), "2020-01-01", end)
        mark_baseline()
        start = time.perf_counter()
        tracking = tracker.watch(name)
        seconds = time.perf_counter() - start
        assert tracking.complete, tracking.orders[0]["status"]
        assert tracking.orders[0]["n_bands"] == groups * len(BANDS)
    return seconds


def pull_with_xee(url: str, side: int, groups: int) -> float:
    """Seconds that xee takes to load the collection's array."""
    import ee
    import ee.deprecation
    import xarray as xr

    ee.deprecation.deprecated_assets = {"not fetched": None}
    ee.Initialize(None, project="benchmark", url=url)
    images = ee.ImageCollection(COLLECTION).filterDate("2020-01-01", "2030-01-01")
    dataset = xr.open_dataset(
        images,
        engine="ee",
        crs="EPSG:32621",
        crs_transform=(30, 0, UPPER_LEFT[0], 0, -30, UPPER_LEFT[1]),
        shape_2d=(side, side),
        executor_kwargs={"max_workers": 40},
    )
    mark_baseline()
    start = time.perf_counter()
    loaded = dataset[BANDS].compute()
    seconds = time.perf_counter() - start
    assert loaded[BANDS[0]].size == groups * side * side
    return seconds


CLIENTS = {"cedar": pull_with_cedar, "xee": pull_with_xee}
_baseline = [0]


def peak() -> int:
    """Bytes that this process held at most so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, where ru_maxrss begins with what the parent held.
        line = next(x for x in status.read_text("ascii").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def mark_baseline() -> None:
    """Note what is held before the pull."""
    _baseline[0] = peak()


def run_client(client: str, url: str, side: int, groups: int) -> dict[str, float]:
    """Pull in a process of its own."""
    words = [sys.executable, __file__, "--client", client, "--url", url]
    words += ["--side", str(side), "--groups", str(groups)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{client}: {done.stderr.strip().splitlines()[-1]}")
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def compare(side: int, groups: int, runs: int, clients: list[str]) -> None:
    """Print how fast each client is, as a ratio to the fastest peer."""
    directory = Path(tempfile.mkdtemp())
    try:
        make_catalog(directory, side, groups)
        words = [sys.executable, "-m", "cedar", "emulator", "--port", "0", "--catalog"]
        words += [str(directory), "--cache", str(CACHE_MB)]
        server = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert server.stdout is not None
            url = next(word for word in server.stdout.readline().split() if "127.0.0.1" in word)
            measured = {client: [run_client(client, url, side, groups)] for client in clients}
            for _ in range(runs):
                for client in clients:
                    measured[client].append(run_client(client, url, side, groups))
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(directory)
    report(side, groups, measured)


def report(side: int, groups: int, measured: dict[str, list[dict[str, float]]]) -> None:
    """Print the table; the first run of each client only filled the cache."""
    size = side * side * groups * len(BANDS) * 2 / 1e6
    seconds = {c: statistics.median(run["seconds"] for run in m[1:]) for c, m in measured.items()}
    others = [s for client, s in seconds.items() if client != "cedar"]
    print(f"{side} × {side} × {groups * len(BANDS)} bands of uint16, {size:.0f} MB")
    print("client    seconds   MB/s  vs peer  peak MB  over baseline")
    for client, runs in measured.items():
        most = max(run["peak"] for run in runs) / 1e6
        over = max(run["peak"] - run["baseline"] for run in runs) / 1e6
        ratio = f"{min(others) / seconds[client]:.2f}" if others else "-"
        print(
            f"{client:8} {seconds[client]:8.2f} {size / seconds[client]:6.0f} {ratio:>8} "
            f"{most:8.0f} {over:14.0f}"
        )


def main() -> None:
    """Run the comparison, or one client of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=5000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        seconds = CLIENTS[given.client](given.url, given.side, given.groups)
        print(json.dumps({"seconds": seconds, "peak": peak(), "baseline": _baseline[0]}))
        return
    compare(given.side, given.groups, given.runs, given.clients)


if __name__ == "__main__":
    main()
