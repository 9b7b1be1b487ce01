"""A submit of 200 items at 100 ms a request, beside the older tool's way: one after another."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import ee

from cedar import TileGrid, Tracker
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.stores.gcs import GCSStore

ITEMS, ROUNDS = 200, 3
#: Items that the older way is timed with: each takes as long as any other.
SAMPLE = 10
LC08 = "LANDSAT/LC08/C02/T1_L2"
#: Each has one image: the satellite comes every 16 days.
PERIODS = ("2014-01-01", "2022-10-06", "16D", False, False, None, "left")
GRID = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(64, 64))
SECONDS = 0.1
#: What was promised: times the older way's speed, and of what the service's limits allow.
FASTER, OF_LIMITS = 20, 0.9
AT_ONCE, PER_SECOND = 40, 100
#: Requests to Earth Engine: one a tile and collection, and so many more than items.
SEARCHES, MORE = 1, 5


def serve() -> None:
    """Serve the emulator, every request of which takes its time, and count them on demand."""
    slow = [{"service": each, "method": "*", "probability": 1.0, "action": "delay",
             "value": SECONDS} for each in ("earthengine", "gcs")]  # fmt: skip
    settings = Settings(object_writes=0, task_seconds=1e6)
    with Emulator(faults=slow, settings=settings) as emulator:
        emulator.make_bucket("bucket")
        print(json.dumps(dict(emulator.urls)), flush=True)
        while sys.stdin.readline():
            asked = Counter((request.service, request.method) for request in emulator.requests)
            emulator.requests.clear()
            print(json.dumps([[*key, count] for key, count in asked.items()]), flush=True)


#: How many requests of each (service, method) there were since this was last called.
Asked = Callable[[], Counter[tuple[str, str]]]


def with_cedar(
    urls: dict[str, str], number: int, asked: Asked
) -> tuple[float, Counter[tuple[str, str]]]:
    """Submit an order; seconds, and the requests that it took besides connecting."""
    store = GCSStore("bucket", url=urls["gcs"])
    tracker = Tracker(
        GRID,
        store,
        prefix_template=f"PREARD{number}",
        tracking_prefix=f"TRACKING{number}",
        engine=EarthEngine(url=urls["earthengine"]),
        collections={LC08: {"bands": ["red"]}},
    )
    tracker.engine.connect()
    asked()
    start = time.perf_counter()
    name, _ = tracker.submit(LC08, (0, 0), *PERIODS)
    seconds = time.perf_counter() - start
    spent = asked()
    assert tracker.read(name).states.get("READY", 0) + tracker.read(name).states.get(
        "RUNNING", 0
    ) == ITEMS, tracker.read(name).states  # fmt: skip
    return seconds, spent


def one_after_another(urls: dict[str, str], asked: Asked) -> float:
    """Two searches, one metadata write and one start an item; seconds for all items."""
    store = GCSStore("bucket", url=urls["gcs"])
    geometry = ee.Geometry.Point(-54.7, -25.1)
    asked()
    start = time.perf_counter()
    for number in range(SAMPLE):
        images = ee.ImageCollection(LC08).filterBounds(geometry).filterDate(
            f"2020-01-{number + 1:02d}", f"2020-02-{number + 1:02d}"
        )  # fmt: skip
        images.size().getInfo()
        images.aggregate_array("system:index").getInfo()
        store.store_metadata({"number": number}, f"old{number}", "OLD")
        task = ee.batch.Export.image.toCloudStorage(
            ee.Image.constant(1).toUint8(), f"old{number}", "bucket", f"OLD/old{number}",
            dimensions="64x64", crs="EPSG:32621", crsTransform=[30, 0, 730005, 0, -30, -2778015],
        )  # fmt: skip
        task.start()
    seconds = time.perf_counter() - start
    spent = asked()
    assert spent.total() == 4 * SAMPLE, spent  # Else it isn't what was promised to be beaten.
    return seconds * ITEMS / SAMPLE


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    sent, answers = server.stdin, server.stdout
    urls = json.loads(answers.readline())

    def asked() -> Counter[tuple[str, str]]:
        sent.write("\n")
        sent.flush()
        answer: list[Any] = json.loads(answers.readline())
        return Counter({(service, method): count for service, method, count in answer})

    rounds = [with_cedar(urls, number, asked) for number in range(ROUNDS)]
    older = one_after_another(urls, asked)
    sent.close()
    server.wait()
    median = statistics.median(seconds for seconds, _ in rounds)
    counts = rounds[-1][1]
    requests = sum(count for (service, _), count in counts.items() if service == "earthengine")
    allowed = max(ITEMS / PER_SECOND, ITEMS / AT_ONCE * SECONDS)
    print(f"cedar                 {median:6.2f} s")
    print(f"one after another     {older:6.2f} s")
    print(f"the service's limits  {allowed:6.2f} s")
    print(f"{older / median:.1f} × as fast (at least {FASTER}), "
          f"{allowed / median:.2f} of the limits (at least {OF_LIMITS})")  # fmt: skip
    print(f"{requests} requests to Earth Engine besides connecting "
          f"(at most {ITEMS + SEARCHES + MORE})")  # fmt: skip
    for (service, method), count in sorted(counts.items()):
        print(f"  {service} {method}: {count}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        main()
