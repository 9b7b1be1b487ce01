"""An order is its own store's and its own engine's: any other is refused, and both are named."""

import json

import pytest
import yaml
from exported import exporting, tracker_of
from hostile import ONE_FILE
from orders import COLLECTION, COLLECTIONS, MAY, real_tracker, utm_grid

from cedar import LocalStore
from cedar.cli.errors import FAILED
from cedar.cli.main import main
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError
from cedar.stores import open_store

COMMANDS = {
    "update": lambda tracker, name, dest: tracker.update(name),
    "watch": lambda tracker, name, dest: tracker.watch(name, timeout=0),
    "cancel": lambda tracker, name, dest: tracker.cancel(name),
    "resume": lambda tracker, name, dest: tracker.resume(name),
    "download": lambda tracker, name, dest: tracker.download(tracker.read(name), dest),
    "clean": lambda tracker, name, dest: tracker.clean(tracker.read(name), name, force=True),
}
STILL = {"settings": Settings(object_writes=0, concurrent_tasks=0)}


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """An emulator with an order in its bucket, and one in its Drive; and one in a directory.

    What is found of the orders, by the kind of store: (store, name).
    """
    directory = tmp_path_factory.mktemp("there")
    with exporting("gcs", directory, emulator=STILL, export_image_kwds=ONE_FILE) as (emulator, gcs):
        emulator.make_bucket("other-bucket")
        gdrive = tracker_of("gdrive", directory, emulator, export_image_kwds=ONE_FILE)
        local = real_tracker(directory / "store")
        emulator.orders = {
            tracker.store.kind: (tracker.store, tracker.submit(COLLECTION, (0, 0), *MAY)[0])
            for tracker in (gcs, gdrive, local)
        }
        emulator.directory = directory
        yield emulator


@pytest.fixture
def other_store(there, tmp_path):
    """A store with a copy of all that another has."""

    def other_store(kind, origin):
        section = {
            "gcs": {"bucket": "other-bucket", "url": there.urls["gcs"]},
            "gdrive": {"folder": "other folder", "url": there.urls["gdrive"]},
            "local": {"directory": "other store"},
        }[kind]
        store = open_store(kind, section, tmp_path)
        for info in origin.objects():
            store.write(info.key, origin.read(info.key))
        return store

    return other_store


def tracker_at(there, store, **engine):
    """A tracker at a store, as the orders were made but for its engine."""
    if not engine and store.kind != "local":
        engine = {"emulator": there}
    made = EarthEngine(**engine) if engine else None
    given = {"engine": made} if made else {}
    tracker = real_tracker(there.directory / "store", export_image_kwds=ONE_FILE, **given)
    tracker.store = store
    return tracker


def refused(tracker, name, command, dest):
    """Carry a command out that is refused in one line, and touches nothing; the line."""
    before = {info.key: info.version for info in tracker.store.objects()}
    with pytest.raises(CedarError) as caught:
        COMMANDS[command](tracker, name, dest)
    assert {info.key: info.version for info in tracker.store.objects()} == before
    assert not dest.exists()
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["gcs", "gdrive", "local"])
def test_a_copy_of_a_record_in_another_store_is_refused(
    there, kind, command, other_store, tmp_path
):
    origin, name = there.orders[kind]
    store = other_store(kind, origin)
    said = refused(tracker_at(there, store), name, command, tmp_path / "home")
    assert "another store: its identity" in said
    assert origin.identity()["identity"] in said
    assert store.identity()["identity"] in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("kind", "other"), [("gcs", "gdrive"), ("gdrive", "local"), ("local", "gcs")]
)
def test_a_record_of_another_kind_of_store_is_refused(
    there, kind, other, command, other_store, tmp_path
):
    origin, name = there.orders[kind]
    store = other_store(other, origin)
    said = refused(tracker_at(there, store), name, command, tmp_path / "home")
    assert f"another store: its kind is {kind!r}, here it is {other!r}" in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["gcs", "gdrive", "local"])
@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"project": "other", "url": "emulator"}, "its project is None, here it is 'other'"),
        ({"project": "real"}, "its project is None, here it is 'real'"),
        ({}, "its emulated is True, here it is False"),
    ],
    ids=["project", "real project", "real service"],
)
def test_a_record_of_another_project_or_of_the_emulator_is_refused(
    there, kind, engine, said, command, tmp_path, monkeypatch
):
    def nothing_is_sent(self):
        raise AssertionError

    monkeypatch.setattr(EarthEngine, "connect", nothing_is_sent)
    store, name = there.orders[kind]
    tracker = tracker_at(there, store, **(engine or {"url": None}))
    assert f"another engine: {said}" in refused(tracker, name, command, tmp_path / "home")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["gcs", "gdrive", "local"])
@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"emulated": False}, "its emulated is False, here it is True"),
        ({"project": "real"}, "its project is 'real', here it is None"),
        ({"name": "another engine"}, "its name is 'another engine', here it is 'earthengine'"),
        (None, "its emulated is False, here it is True"),
    ],
    ids=["real service", "project", "engine", "of 2019"],
)
def test_a_record_of_the_real_service_is_refused_by_the_emulator(
    there, kind, engine, said, command, tmp_path
):
    store, name = there.orders[kind]
    key = f"CEDAR_TRACKING/{name}.json"
    mine = store.read(key)
    document = json.loads(mine)
    document["engine"] = None if engine is None else document["engine"] | engine
    store.write(key, json.dumps(document).encode())
    try:
        tracker = tracker_at(there, store)
        assert f"another engine: {said}" in refused(tracker, name, command, tmp_path / "home")
    finally:
        store.write(key, mine)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_says_it_in_a_line_and_ends_with_1(
    there, command, other_store, tmp_path, monkeypatch, capfd
):
    origin, name = there.orders["gcs"]
    other_store("gcs", origin)
    monkeypatch.chdir(tmp_path)
    document = {
        "tile_grid": utm_grid().to_dict() | {"crs": "EPSG:32621"},
        "tracker": {"store": "gcs"},
        "gcs": {"bucket": "other-bucket", "url": there.urls["gcs"]},
        "earthengine": {"url": there.urls["earthengine"]},
        "collections": COLLECTIONS,
    }
    (tmp_path / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
    capfd.readouterr()
    assert main([command, name, *(["--force", "--yes"] if command == "clean" else [])]) == FAILED
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "emulator:gs://a-bucket" in err
    assert "emulator:gs://other-bucket" in err


def test_a_directory_that_was_moved_with_all_that_is_in_it_stays_itself(there, tmp_path):
    store, name = there.orders["local"]
    before = store.root
    moved = store.root.rename(tmp_path / "moved")
    try:
        tracker = tracker_at(there, LocalStore(moved))
        assert tracker.update(name).states == {"READY": 1}
    finally:
        moved.rename(before)
