"""A catalog of 100,000 Items: how long its first start takes, a later one, and a search."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
import shapely

from cedar.emulator.catalog import ItemCatalog
from cedar.emulator.values import Query

ITEMS = 100_000
PLACES = 1_000
COLLECTION = "EXAMPLE/ITEMS"
DAY_MS = 86_400_000
#: 2000-01-01.
FIRST_DAY = 10_957
ROUNDS = 5
SEARCHES = 200
#: Seconds: what users were promised.
LIMITS = {"start from the index": 0.5, "search, a place and two years": 0.05}


def outline(place: int) -> shapely.Polygon:
    """A slanted degree, one of a thousand that cover the tropics."""
    west, south = -180 + 3.6 * (place % 100), -25 + 5 * (place // 100)
    return shapely.Polygon([(west, south), (west + 1.2, south - 0.2), (west + 1.4, south + 1),
                            (west + 0.2, south + 1.2)])  # fmt: skip


def fill(directory: Path) -> None:
    """Write the Items, each with a GeoTIFF of its place."""
    an_hour_ago = time.time() - 3600
    for place in range(PLACES):
        folder = directory / f"{place:04d}"
        folder.mkdir()
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 8, "height": 8}
        here = rasterio.Affine(
            0.15, 0, outline(place).bounds[0], 0, -0.15, outline(place).bounds[3]
        )
        with rasterio.open(folder / "b.tif", "w", crs=4326, transform=here, **profile) as file:
            file.write(np.ones((1, 8, 8), "uint8"))
        geometry = shapely.geometry.mapping(outline(place))
        for number in range(ITEMS // PLACES):
            day = np.datetime64(FIRST_DAY + 80 * number + place % 16, "D")
            item = {
                "type": "Feature",
                "stac_version": "1.0.0",
                "id": f"P{place:04d}_{day}",
                "collection": COLLECTION,
                "geometry": geometry,
                "properties": {
                    "datetime": f"{day}T10:00:00Z",
                    "CLOUD_COVER": number,
                    "PATH": place,
                },
                "links": [],
                "assets": {"B1": {"href": "b.tif", "type": "image/tiff; application=geotiff"}},
            }
            path = folder / f"{item['id']}.json"
            path.write_text(json.dumps(item))
            os.utime(path, (an_hour_ago, an_hour_ago))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def queries(years: int) -> Iterator[Query]:
    dice = random.Random(1)
    for _ in range(SEARCHES):
        place, day = outline(dice.randrange(PLACES)).centroid, FIRST_DAY + dice.randrange(7_000)
        tile = shapely.box(place.x - 0.05, place.y - 0.05, place.x + 0.05, place.y + 0.05)
        yield Query((tile,), day * DAY_MS, (day + 365 * years) * DAY_MS)


def measured(directory: Path) -> dict[str, list[float]]:
    """Seconds of every round."""
    catalog = ItemCatalog(directory)
    catalog.search(COLLECTION, Query((outline(0),)))
    found = {
        f"search, {text}": [seconds(lambda q=q: catalog.search(COLLECTION, q)) for q in asked]
        for text, asked in (
            ("a place and two years", list(queries(2))),
            ("a place and all years", list(queries(40))),
            ("everywhere, 80 days", [Query((), d * DAY_MS, (d + 80) * DAY_MS)
                                     for d in range(FIRST_DAY, FIRST_DAY + 800, 80)]),
        )
    }  # fmt: skip
    return {
        "start from the index": [seconds(lambda: ItemCatalog(directory)) for _ in range(ROUNDS)],
        **found,
    }


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="cedar-catalog-"))
    os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
    items = directory / "items"
    items.mkdir()
    try:
        print(f"writing {ITEMS:,} Items takes {seconds(lambda: fill(items)):.0f} s")
        rounds = {"start without an index": [seconds(lambda: ItemCatalog(items))]}
        rounds |= measured(items)
        item = next((items / "0500").glob("*.json"))
        item.write_text(item.read_text().replace('"CLOUD_COVER": ', '"CLOUD_COVER": 1'))
        rounds["start after a change of one Item"] = [seconds(lambda: ItemCatalog(items))]
    finally:
        shutil.rmtree(directory)
    print(f"{f'{ITEMS:,} Items':<34}{'rounds':>7}{'median ms':>11}{'max ms':>9}")
    for name, times in rounds.items():
        median, worst = 1000 * statistics.median(times), 1000 * max(times)
        print(f"{name:<34}{len(times):>7}{median:>11.1f}{worst:>9.1f}")
    slow = [name for name, limit in LIMITS.items() if statistics.median(rounds[name]) > limit]
    if slow:
        sys.exit(f"slower than promised: {', '.join(slow)}")


if __name__ == "__main__":
    main()
