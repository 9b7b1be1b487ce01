"""An order whose images are pulled into an object store: from submit to clean, on real scenes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, reference, utm_grid
from store_kinds import S3_OPTIONS, request, served_s3

from cedar import Tracker
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.stores.object import ObjectStore


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with served_s3() as url:
        bucket = uuid.uuid4().hex
        request(f"{url}/{bucket}", "PUT")
        yield ObjectStore(f"s3://{bucket}/folder", {**S3_OPTIONS, "endpoint": url})


def test_an_order_is_pulled_into_a_bucket_and_brought_home(
    store: ObjectStore, tmp_path: Path
) -> None:
    foreign = store.write("CEDAR_PREARD/not-cedars.tif", b"foreign")
    with Emulator(LANDSAT) as emulator:
        engine = EarthEngine(emulator=emulator)
        tracker = Tracker(utm_grid(), store, engine=engine, collections=COLLECTIONS)
        name, _ = tracker.submit([COLLECTION], [(0, 0), (0, 1)], *MAY)
        tracking = tracker.watch(name)
    assert [entry["status"]["state"] for entry in tracking.orders] == ["COMPLETED"] * 2
    for paths in tracker.download(tracking, tmp_path).values():
        (image,) = [path for path in paths if path.suffix == ".tif"]
        (entry,) = [entry for entry in tracking.orders if entry["name"] == image.stem]
        (output,) = entry["outputs"]
        assert output["checksum"].startswith("sha256:")
        with rasterio.open(image) as source:
            tile = utm_grid()[entry["tile"]]
            assert np.array_equal(source.read(), reference(tile))
    tracker.clean(tracking, name)
    assert [(info.key, info.version) for info in store.objects()] == [
        (foreign.key, foreign.version)
    ]
