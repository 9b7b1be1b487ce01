"""The Tracker: what a user of Python relies on, from submit to clean."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from orders import COLLECTION, LANDSAT, MAY, real_tracker, utm_grid

from cedar import LocalStore, TileGrid, Tracker, TrackingMetadata
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError, DocumentError, InputError, NotFoundError
from cedar.metadata import ImageMetadata
from cedar.metadata.validation import validate
from cedar.states import TaskState

EXAMPLES = Path(__file__).parent / "metadata" / "examples"
CONNECTING = {"discovery", "algorithms"}


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def tracker(tmp_path, emulator):
    return real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))


def asked(emulator):
    """Requests besides connecting."""
    return [request for request in emulator.requests if request.method not in CONNECTING]


def test_ancestor_28_six_hundred_items_take_thirty_searches_and_nothing_else(tmp_path):
    grid = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(300, 250))
    with Emulator() as emulator:
        tracker = Tracker(grid, LocalStore(tmp_path), engine=EarthEngine(emulator=emulator))
        name, _ = tracker.submit(
            [f"LANDSAT/{sensor}/C02/T1_L2" for sensor in ("LE07", "LC08", "LC09")],
            [(row, col) for row in range(2) for col in range(5)],
            "2022-01-01",
            "2022-05-21",
            "7D",
            period_closed="left",
        )
        assert [request[:2] for request in asked(emulator)] == [
            ("earthengine", "value:compute")
        ] * 30
        assert {request.service for request in emulator.requests} == {"earthengine"}
    tracking = tracker.read(name)
    assert len(tracking.orders) == 600
    assert tracking.states.keys() == {TaskState.READY, TaskState.EMPTY}
    assert len(tracker.store.list("CEDAR_PREARD")) == 600


def test_submit_pulls_nothing_and_says_what_it_made(tracker, emulator):
    name, key = tracker.submit(COLLECTION, [(0, 0), (3, 3)], *MAY)
    assert key == f"CEDAR_TRACKING/{name}.json"
    assert [request.method for request in asked(emulator)] == ["value:compute"] * 2
    tracking = tracker.read(name)
    assert tracking.states == {TaskState.READY: 1, TaskState.EMPTY: 1}
    assert not [info.key for info in tracker.store.objects() if info.key.endswith(".tif")]


def test_ancestor_16_watch_ends_at_once_where_all_is_empty_and_that_is_complete(tracker, emulator):
    name, _ = tracker.submit(COLLECTION, [(3, 3), (3, 2)], *MAY)
    searched = len(emulator.requests)
    tracking = tracker.watch(name, interval=3600)
    assert tracking.complete
    assert tracking.progress == 1.0
    assert tracking.states == {TaskState.EMPTY: 2}
    assert len(emulator.requests) == searched


def test_ancestor_16_an_order_with_an_empty_item_completes(tracker):
    name, _ = tracker.submit(COLLECTION, [(0, 0), (3, 3)], *MAY)
    assert not tracker.read(name).complete
    tracking = tracker.watch(name)
    assert tracking.complete
    assert tracking.progress == 1.0


def test_ancestor_02_the_default_templates_name_every_order_and_item(tracker):
    name, _ = tracker.submit(COLLECTION, (1, 0), *MAY)
    assert re.fullmatch(r"TRACKING_PERIOD2020-05-01-2020-06-01_TASK\d{8}T\d{6}", name)
    (entry,) = tracker.read(name).orders
    assert entry["name"] == "EXAMPLE_LC08_DN_h000v001_2020-05-01_2020-06-01"
    assert entry["prefix"] == "CEDAR_PREARD"


def test_templates_of_ones_own_name_what_they_are_for(tmp_path):
    tracker = real_tracker(
        tmp_path,
        name_template="{collection}/{date_start}_{tile.vertical}",
        prefix_template="images/{collection}",
        tracking_template="order of {tile_indices}, {period_freq}",
        tracking_prefix="orders/mine",
    )
    name, key = tracker.submit(COLLECTION, (1, 0), *MAY)
    assert (name, key) == ("order_of_1_0__none", "orders/mine/order_of_1_0__none.json")
    tracking = tracker.watch(name)
    assert tracking.complete
    assert tracking["tracking"]["name_template"] == "{collection}/{date_start}_{tile.vertical}"
    written = {info.key for info in tracker.store.objects()}
    stem = "images/EXAMPLE_LC08_DN/EXAMPLE_LC08_DN_2020-05-01_1"
    assert written == {key, f"{stem}.json", f"{stem}.tif"}


def test_ancestor_13_the_name_that_submit_returns_can_be_read_back(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.read(name) == tracker.read(f"{name}.json")
    assert tracker.read(name).name == name
    assert tracker.update(name).name == name


def test_ancestor_14_list_names_every_order_and_all_of_them_can_be_read(tracker):
    assert tracker.list() == []
    names = [tracker.submit(COLLECTION, tile, *MAY)[0] for tile in [(0, 0), (0, 1), (1, 0)]]
    assert tracker.list() == sorted(names)
    assert tracker.list("*-2") == [name for name in names if name.endswith("-2")]
    assert tracker.list("nothing*") == []
    for name in tracker.list():
        assert tracker.read(name).name == name


def test_ancestor_15_a_name_that_ends_in_letters_of_json_stays_whole(tmp_path):
    tracker = real_tracker(tmp_path, tracking_template="TRACKING_season_json")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert name == "TRACKING_season_json"
    assert tracker.list() == [name]
    assert tracker.read(name).name == name


def test_ancestor_23_orders_of_a_folder_that_shares_its_start_are_not_listed(tmp_path, emulator):
    engine = EarthEngine(emulator=emulator)
    one = real_tracker(tmp_path, engine=engine, tracking_prefix="CEDAR")
    other = real_tracker(tmp_path, engine=engine, tracking_prefix="CEDAR_TRACKING")
    name, _ = other.submit(COLLECTION, (0, 0), *MAY)
    assert one.list() == []
    assert other.list() == [name]


@pytest.mark.parametrize("method", ["read", "update", "watch", "cancel"])
def test_an_order_that_does_not_exist_is_said_to(tracker, method):
    with pytest.raises(NotFoundError, match=r"no order 'nothing'.*cedar list"):
        getattr(tracker, method)("nothing")


@pytest.mark.parametrize("method", ["read", "update", "watch", "cancel"])
def test_a_damaged_record_is_an_error_that_names_it_and_stays_as_it_is(tracker, method):
    name, key = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.store.write(key, b'{"schema_version": 1, "orders": [')
    with pytest.raises(DocumentError, match=name):
        getattr(tracker, method)(name)
    assert tracker.store.read(key) == b'{"schema_version": 1, "orders": ['


@pytest.mark.parametrize("name", ["../CEDAR_PREARD/x", "", ".", "a\\b", "/etc/passwd"])
def test_a_name_never_leads_out_of_its_folder(tracker, name):
    with pytest.raises(CedarError):
        tracker.read(name)


def example(kind, name):
    return json.loads((EXAMPLES / kind / "valid" / f"{name}.json").read_text("utf-8"))


def test_the_record_is_what_its_schema_and_its_example_say(tmp_path, emulator):
    lte = {"function": "lte", "name": "CLOUD_COVER", "value": 80}
    tracker = real_tracker(
        tmp_path,
        engine=EarthEngine(emulator=emulator),
        filters={COLLECTION: [lte]},
        export_image_kwds={"cloudOptimized": False},
    )
    name, _ = tracker.submit(COLLECTION, [(0, 0), (3, 3)], "2020-05-01", "2020-05-31", "MS")
    before = tracker.read(name).document
    tracker.watch(name)
    document = json.loads(tracker.store.read(f"CEDAR_TRACKING/{name}.json"))
    validate(document, "tracking")

    pulled = example("tracking", "pulled")
    for made in (before, document):
        assert {key for key in pulled if key not in made} == set()
        assert set(pulled["tracking"]) - set(made["tracking"]) == set()
        assert set(pulled["submission"]) - set(made["submission"]) == set()
        assert set(pulled["orders"][0]) - {"replaces"} - set(made["orders"][0]) == set()
    assert document["program"]["name"] == "cedar"  # ancestor_18
    assert document["submission"]["coverage"] == [
        "2020-05-01T00:00:00+00:00",
        "2020-06-01T00:00:00+00:00",
    ]
    assert document["submission"]["filters"] == {COLLECTION: [lte]}
    assert document["submission"]["group_by"] == {COLLECTION: "solar_day"}
    assert document["tracking"]["export_image_kwds"] == {"formatOptions": {"cloudOptimized": False}}
    assert document["engine"]["emulated"] is True
    assert document["store"] == tracker.store.identity()
    done, empty = document["orders"]
    assert done["n_images"] == 2
    assert (done["n_groups"], done["n_bands"], done["attempt"]) == (1, 3, 1)
    assert empty["status"] == {"state": "EMPTY"}
    assert (empty["request_id"], empty["attempt"], empty["n_images"]) == (None, 0, 0)
    assert document["metadata"] == [
        f"CEDAR_PREARD/{entry['name']}.json" for entry in document["orders"]
    ]


def test_ancestor_04_a_pulled_entry_has_its_id_and_its_output(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (ready,) = tracker.read(name).orders
    assert ready["status"]["state"] == TaskState.READY
    assert ready["status"]["id"] == ready["request_id"]
    (entry,) = tracker.watch(name).orders
    status = entry["status"]
    assert status["id"] == entry["request_id"] == ready["request_id"]
    assert "eecu_seconds" not in status
    assert status["output_url"] == []
    assert (status["progress"], status["error_message"]) == (1.0, None)
    (output,) = entry["outputs"]
    path = tmp_path / "CEDAR_PREARD" / output["name"]
    assert output["size"] == path.stat().st_size
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", output["checksum"])
    info = tracker.store.stat(f"CEDAR_PREARD/{output['name']}")
    assert output["version"] == info.version


def test_ancestor_17_times_of_a_status_are_milliseconds_in_the_order_of_events(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    before = dt.datetime.fromisoformat(tracker.read(name)["tracking"]["submitted"])
    (entry,) = tracker.watch(name).orders
    status = entry["status"]
    times = [status[f"{what}_timestamp_ms"] for what in ("creation", "start", "update")]
    assert times == sorted(times)
    assert times[0] >= before.timestamp() * 1000
    assert times[-1] <= dt.datetime.now(dt.UTC).timestamp() * 1000


def test_ancestor_11_an_items_document_is_what_its_schema_and_its_example_say(tracker):
    name, _ = tracker.submit(COLLECTION, [(0, 0), (3, 3)], *MAY)
    tracking = tracker.read(name)
    for entry in tracking.orders:
        document = tracker.store.read_metadata(entry["name"], entry["prefix"])
        validate(document, "image")
        made_of = example("image", "stack" if entry["n_images"] else "empty")
        assert set(made_of) - set(document) == set()
        assert set(made_of["image"]) - set(document["image"]) == set()
        assert document["order"]["tracking"] == name
        assert document["order"]["submitted"] == tracking["tracking"]["submitted"]
        assert document["task"]["request_id"] == entry["request_id"]
        assert document["store"]["service"] == "LocalStore"
    full = tracker.store.read_metadata(tracking.orders[0]["name"], "CEDAR_PREARD")
    metadata = ImageMetadata(full)
    assert metadata.band_names == ["2020-05-18_blue", "2020-05-18_green", "2020-05-18_red"]
    (group,) = metadata.groups
    assert (group["date"], group["time"]) == ("2020-05-18", "2020-05-18T13:36:02+00:00")
    first = group["images"][0]
    assert first["system:id"] == f"{COLLECTION}/LC08_224077_20200518"
    assert first["system:time_start"] == 1589808962000
    assert first["WRS_ROW"] == 77


def test_without_save_empty_metadata_an_empty_item_keeps_its_entry_but_no_document(tracker):
    name, _ = tracker.submit(COLLECTION, [(0, 0), (3, 3)], *MAY, save_empty_metadata=False)
    tracking = tracker.watch(name)
    done, empty = tracking.orders
    assert empty["status"]["state"] == TaskState.EMPTY
    assert tracking["metadata"] == [f"CEDAR_PREARD/{done['name']}.json"]
    assert tracker.store.list("CEDAR_PREARD") == [done["name"]]
    assert tracking.complete


@pytest.mark.parametrize(
    "grid",
    [
        TileGrid((-54.70, -25.11), "EPSG:4326", (0.00025, 0.00025), (100, 100)),
        TileGrid((-54.70, -25.11), "EPSG:4326", (0.00025, 0.00025), (100, 100), ((0, 3), (0, 3))),
    ],
)
def test_ancestor_05_no_frequency_on_a_grid_in_degrees_comes_home(tmp_path, grid):
    tracker = real_tracker(tmp_path, grid)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.watch(name).complete
    tracking = tracker.read(name)
    assert tracking["submission"]["period_freq"] is None
    assert TileGrid.from_dict(tracking["submission"]["tile_grid"]) == grid


def test_ancestor_08_landsat_collection_2_comes_home_from_synthetic_scenes(tmp_path):
    grid = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(60, 60))
    tracker = Tracker(grid, LocalStore(tmp_path), engine=EarthEngine(url="emulator"))
    sensors = ("LT05", "LE07")
    name, _ = tracker.submit(
        [f"LANDSAT/{sensor}/C02/T1_L2" for sensor in sensors], (0, 0), "2005-01-01", "2005-02-01"
    )
    tracking = tracker.watch(name)
    assert tracking.states == {TaskState.COMPLETED: 2}
    assert {entry["dtype"] for entry in tracking.orders} == {"uint16"}


def test_ancestor_12_update_changes_the_real_record_and_no_other_file(tracker):
    name, key = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.watch(name).orders
    there = {info.key for info in tracker.store.objects()}
    tracker.store.delete(f"CEDAR_PREARD/{entry['name']}.tif")
    before = tracker.store.stat(key).version
    tracker.update(name)
    assert tracker.store.stat(key).version != before
    assert {info.key for info in tracker.store.objects()} == there - {
        f"CEDAR_PREARD/{entry['name']}.tif"
    }
    assert tracker.read(name).states == {TaskState.INCOMPLETE: 1}


def test_watch_tells_of_every_write_of_the_record(tracker):
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    told = []
    tracker.watch(name, callback=told.append)
    assert all(isinstance(tracking, TrackingMetadata) for tracking in told)
    assert told[-1].complete
    progress = [tracking.progress for tracking in told]
    assert progress == sorted(progress)


@pytest.mark.parametrize("method", ["update", "watch", "cancel"])
@pytest.mark.parametrize(
    "engine",
    [
        lambda: EarthEngine(project="mine"),
        lambda: EarthEngine(project="mine", url="emulator"),
    ],
)
def test_an_emulated_order_never_meets_another_engine(tracker, tmp_path, method, engine):
    name, key = tracker.submit(COLLECTION, (0, 0), *MAY)
    before = tracker.store.read(key)
    other = real_tracker(tmp_path, engine=engine())
    with pytest.raises(CedarError, match="belongs to another engine"):
        getattr(other, method)(name)
    assert tracker.store.read(key) == before
    assert other.read(name) == tracker.read(name)


@pytest.mark.parametrize("method", ["update", "watch", "cancel", "download", "clean"])
def test_a_record_of_another_store_is_refused(tracker, tmp_path, method):
    name, key = tracker.submit(COLLECTION, (0, 0), *MAY)
    other = real_tracker(tmp_path / "other", engine=tracker.engine)
    other.store.write(key, tracker.store.read(key))
    arguments = {
        "download": (other.read(name), tmp_path / "there"),
        "clean": (other.read(name), name, None, True),
    }.get(method, (name,))
    with pytest.raises(CedarError, match="belongs to another store"):
        getattr(other, method)(*arguments)
    assert other.list() == [name]
    assert not (tmp_path / "there").exists()


def test_a_store_that_was_moved_stays_itself(tracker, tmp_path, emulator):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert real_tracker(moved, engine=EarthEngine(emulator=emulator)).watch(name).complete


def test_a_grid_of_stems_is_as_good_as_ours(tmp_path, emulator):
    class Grid:
        """What stems' TileGrid has."""

        ul, crs, res, size = (730005.0, -2778015.0), "EPSG:32621", (30, 30), (300, 250)
        limits, name = ((0, 3), (0, 3)), "Paraguay east"

    tracker = real_tracker(tmp_path, Grid(), engine=EarthEngine(emulator=emulator))
    assert tracker.tile_grid == utm_grid()
    assert tracker.submit(COLLECTION, (0, 0), *MAY)


def test_ancestor_01_filters_are_those_that_were_given_and_the_callers_own(tmp_path):
    given = {COLLECTION: [{"function": "lte", "name": "CLOUD_COVER", "value": 80}]}
    tracker = real_tracker(tmp_path, filters=given)
    assert tracker.filters == given
    tracker.filters[COLLECTION].clear()
    assert tracker.filters == given


def test_an_order_can_be_looked_at_before_it_is_placed(tracker, emulator):
    order = tracker.order(COLLECTION, [(0, 0), (3, 3)], *MAY)
    assert [item.n_images for item in order.items] == [2, 0]
    assert list(tracker.store.objects()) == []
    searched = len(asked(emulator))
    told = []
    name, _ = tracker.place(order, lambda item, steps: told.append((item, steps)))
    assert len(asked(emulator)) == searched
    assert sorted(told) == sorted((item.name, 1.0) for item in order.items)
    assert tracker.read(name).states == {TaskState.READY: 1, TaskState.EMPTY: 1}


def test_the_collections_of_a_config_are_those_of_the_record(tracker):
    """The record keeps what a collection was, so that another config can finish it."""
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    plain = real_tracker(tracker.store.root, engine=tracker.engine, collections={})
    assert plain.watch(name).complete
    with pytest.raises(InputError, match="EXAMPLE/LC08/DN"):
        plain.submit(COLLECTION, (0, 0), *MAY)
