"""The worked examples of docs/extending.rst are found by their names, as the page says."""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from orders import COLLECTION, LANDSAT
from worked_examples import EXAMPLES

import cedar.engines
import cedar.sensors
import cedar.stores
from cedar import Tracker
from cedar.config import Config, load
from cedar.exceptions import ConfigError, EngineError, InputError, StoreError
from cedar.items import Destination, ExportRequest

SENTINEL_2 = "COPERNICUS/S2_HARMONIZED"


@pytest.fixture
def in_their_places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the examples found as if they lay in cedar's own packages."""
    for package in (cedar.engines, cedar.sensors, cedar.stores):
        own = EXAMPLES / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(own)])
    cedar.sensors.known.cache_clear()
    yield
    cedar.sensors.known.cache_clear()
    for name in ("stores.sqlite", "engines.folder", "sensors.sentinel2_toa"):
        sys.modules.pop(f"cedar.{name}", None)


@pytest.fixture
def config(tmp_path: Path, in_their_places: None) -> Config:
    """The page's configuration, and images for it."""
    shutil.copy(EXAMPLES / "extended.yaml", tmp_path / "cedar.yaml")
    (tmp_path / "scenes" / COLLECTION).mkdir(parents=True)
    for path in LANDSAT.glob("*.tif"):
        shutil.copy(path, tmp_path / "scenes" / COLLECTION)
    return load(tmp_path / "cedar.yaml")


def test_an_order_by_another_engine_into_another_store_comes_home(
    config: Config, tmp_path: Path
) -> None:
    tracker = Tracker.from_config(config)
    name, _ = tracker.submit(COLLECTION, [(0, 0), (1, 1)], "2020-05-01", "2020-06-01")
    record = tracker.watch(name)
    assert record["store"]["kind"] == "sqlite"
    assert record["engine"]["name"] == "folder"
    assert record.complete
    tracker.download(record, tmp_path / "data")
    assert len(list((tmp_path / "data").glob("*.tif"))) == 2
    tracker.clean(record, name)
    assert tracker.list() == []


def test_a_store_that_was_moved_stays_itself(config: Config, tmp_path: Path) -> None:
    identity = config.open_store().identity()
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "orders.sqlite", tmp_path / "elsewhere")
    moved = cedar.stores.open_store("sqlite", {"file": "orders.sqlite"}, tmp_path / "elsewhere")
    assert moved.identity() == identity


def test_a_file_that_is_no_store_is_an_error_in_one_line(config: Config, tmp_path: Path) -> None:
    (tmp_path / "orders.sqlite").write_text(
        "This is no database, but as long as the head of one. " * 2
    )
    store = config.open_store()
    with pytest.raises(StoreError, match="not a database") as caught:
        store.write("a", b"data")
    assert str(tmp_path / "orders.sqlite") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_engine_without_tasks_knows_none(config: Config) -> None:
    engine = config.open_engine()
    now = dt.datetime.now(dt.UTC)
    request = ExportRequest("a", "b", "c", "a-a1", {}, Destination("gcs", "bucket", "b"))
    assert engine.find(["a-a1"], now) == {"a-a1": []}
    assert list(engine.list_tasks(now)) == []
    assert (engine.poll(["a"]), engine.room()) == ({}, None)
    for ask in (
        lambda: engine.start(request),
        lambda: engine.cancel("a"),
        lambda: engine.export_options({}, (1, 1), 1, "uint8"),
    ):
        with pytest.raises(EngineError, match="no tasks"):
            ask()


def test_the_engine_says_what_is_wrong_with_its_files(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "scenes" / COLLECTION
    tracker = Tracker.from_config(config)
    (folder / "undated.tif").touch()
    with pytest.raises(EngineError, match="doesn't end in a date"):
        tracker.submit(COLLECTION, (0, 0), "2020-05-01", "2020-06-01")
    (folder / "undated.tif").rename(folder / "broken_20200519.tif")
    with pytest.raises(EngineError, match="can't read"):
        tracker.submit(COLLECTION, (0, 0), "2020-05-01", "2020-06-01")
    shutil.rmtree(tmp_path / "scenes")
    with pytest.raises(ConfigError, match="not a directory"):
        tracker.submit(COLLECTION, (0, 0), "2020-05-01", "2020-06-01")


@pytest.mark.usefixtures("in_their_places")
def test_a_module_of_collections_is_known_by_being_there() -> None:
    sentinel = cedar.sensors.known()[SENTINEL_2]
    assert sentinel in importlib.import_module("cedar.sensors.sentinel2_toa").COLLECTIONS
    assert sentinel.stack_dtype == "uint16"
    assert sentinel.band("nir").native == "B8"
    again = cedar.sensors.resolve(SENTINEL_2, {SENTINEL_2: {"bands": ["red", "cirrus"]}})
    assert again.chosen == ("red", "cirrus")


def test_without_their_places_they_are_unknown(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "extended.yaml", tmp_path / "cedar.yaml")
    with pytest.raises(InputError, match="sqlite"):
        load(tmp_path / "cedar.yaml")
    assert SENTINEL_2 not in cedar.sensors.known()
