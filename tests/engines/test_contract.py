"""What cedar relies on of an engine that it pulls from: one body for all of them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from orders import (
    COLLECTION,
    COLLECTIONS,
    LANDSAT,
    MAY,
    albers_grid,
    real_tracker,
    reference,
    utm_grid,
)
from worked_examples import worked_example

from cedar.emulator import Emulator
from cedar.engines.base import Engine
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.items import Destination, ExportRequest
from cedar.metadata import ImageMetadata
from cedar.sensors import resolve
from cedar.states import TaskState

LANDSAT_8 = resolve(COLLECTION, COLLECTIONS)
INDICES = ["LC08_224077_20200518", "LC08_224078_20200518"]
START, END = (dt.datetime(2020, month, 1, tzinfo=dt.UTC) for month in (5, 6))


@pytest.fixture(scope="module", params=["earthengine", "folder"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine that has the two real scenes."""
    if request.param == "earthengine":
        with Emulator(LANDSAT) as emulator:
            yield EarthEngine(emulator=emulator)
        return
    directory = tmp_path_factory.mktemp("scenes")
    (directory / COLLECTION).mkdir(parents=True)
    for path in LANDSAT.glob("*.tif"):
        shutil.copy(path, directory / COLLECTION)
    yield worked_example("engines/folder/__init__.py").Folder(directory)


@pytest.fixture
def request_(engine: Engine, tmp_path: Path) -> ExportRequest:
    """A request for a tile that both scenes meet."""
    tracker = real_tracker(tmp_path / "store", engine=engine)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    metadata = ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
    return engine.prepare(metadata, Destination("local", "", ""), {})


def test_its_identity_is_plain_and_the_same_each_time(engine: Engine) -> None:
    identity = engine.identity()
    assert identity.keys() == {"name", "url", "project", "emulated"}
    assert json.loads(json.dumps(identity)) == identity == engine.identity()


def test_a_search_finds_the_images_that_meet_a_tile(engine: Engine) -> None:
    grid = utm_grid()
    found = {
        index: sorted(i.index for i in engine.search(LANDSAT_8, grid[index], START, END))
        for index in [(0, 0), (1, 0), (3, 3)]
    }
    assert found == {(0, 0): INDICES, (1, 0): INDICES, (3, 3): []}


def test_the_range_of_a_search_holds_its_start_and_not_its_end(engine: Engine) -> None:
    tile, second = utm_grid()[0, 0], dt.timedelta(milliseconds=1)
    times = [image.time for image in engine.search(LANDSAT_8, tile, START, END)]
    found = engine.search(LANDSAT_8, tile, min(times), max(times) + second)
    assert sorted(image.index for image in found) == INDICES
    assert all(
        image.time < max(times) for image in engine.search(LANDSAT_8, tile, START, max(times))
    )


def test_listed_images_are_found_and_no_others(engine: Engine) -> None:
    found = engine.search(LANDSAT_8, utm_grid()[0, 0], START, END, images=INDICES[1:])
    assert [image.index for image in found] == INDICES[1:]


def test_an_image_says_which_bands_it_has(engine: Engine) -> None:
    for image in engine.search(LANDSAT_8, utm_grid()[0, 0], START, END):
        assert image.id == f"{COLLECTION}/{image.index}"
        assert image.bands is None or image.bands >= {"B2", "B3", "B4"}


def test_what_it_does_not_know_it_refuses(engine: Engine) -> None:
    with pytest.raises(InputError):
        engine.record_filter({"function": "nothing of the kind", "name": "x"})
    with pytest.raises(InputError):
        engine.check_options({"nothing of the kind": 1}, "local")


def test_the_file_is_on_the_tiles_grid_and_says_what_it_is(
    engine: Engine, request_: ExportRequest, tmp_path: Path
) -> None:
    path = engine.pull(request_, tmp_path, lambda _: None)
    tile, image = utm_grid()[0, 0], request_.metadata["image"]
    assert path.parent == tmp_path
    with rasterio.open(path) as file:
        assert file.transform == tile.transform
        assert file.crs == tile.crs
        assert file.shape == (tile.height, tile.width)
        assert {*file.dtypes} == {image["dtype"]}
        assert file.nodata == image["nodata"]
        assert [*file.descriptions] == ImageMetadata(request_.metadata).band_names
        assert file.tags()["CEDAR_REQUEST_ID"] == request_.request_id


def test_the_same_request_makes_the_same_bytes(
    engine: Engine, request_: ExportRequest, tmp_path: Path
) -> None:
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made.append(engine.pull(request_, tmp_path / name, lambda _: None).read_bytes())
    assert made[0] == made[1]


def test_progress_grows_to_the_whole_and_may_end_the_pull(
    engine: Engine, request_: ExportRequest, tmp_path: Path
) -> None:
    parts: list[float] = []
    engine.pull(request_, tmp_path, parts.append)
    assert parts == sorted(parts)
    assert (parts[0] >= 0, parts[-1]) == (True, 1)

    def stop(part: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.pull(request_, tmp_path, stop)


@pytest.mark.parametrize("grid", [utm_grid(), albers_grid()], ids=["aligned", "another projection"])
def test_an_order_comes_home_with_the_right_pixels(
    engine: Engine, grid: object, tmp_path: Path
) -> None:
    tracker = real_tracker(tmp_path / "store", grid, engine=engine)
    name, _ = tracker.submit(COLLECTION, [(0, 0), (1, 0)], *MAY)
    record = tracker.watch(name)
    assert {entry["status"]["state"] for entry in record.orders} == {TaskState.COMPLETED}
    tracker.download(record, tmp_path / "data")
    for entry in record.orders:
        with rasterio.open(tmp_path / "data" / f"{entry['name']}.tif") as file:
            expected = reference(tracker.tile_grid[tuple(entry["tile"])])
            np.testing.assert_array_equal(file.read(), expected)
    tracker.clean(record, name)
    assert tracker.list() == []
