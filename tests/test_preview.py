"""What a preview says of an order, and that it is what is then submitted."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
from exported import KINDS, asked, exporting, inventory
from orders import COLLECTION, LANDSAT, MAY, real_tracker, utm_grid
from previewing import LC08, found, layers, unsearched

from cedar import LocalStore, TileGrid, Tracker
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.preview import Limits, Preview, size
from cedar.stores.gcs import GCSStore

CONNECTING = {"discovery", "algorithms", "config"}


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def tracker(tmp_path, emulator):
    return real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))


def services(requests):
    """How often each method was asked for, of Earth Engine and of the store."""
    counted = {"earthengine": Counter(), "gcs": Counter()}
    for request in requests:
        counted[request.service][request.method] += 1
    return counted["earthengine"], counted["gcs"]


def test_600_items_are_previewed_in_30_searches_and_placed_without_another():
    """Acceptance: connecting, 30 searches, one listing; then starts and writes."""
    grid = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(300, 250))
    settings = Settings(object_writes=0, concurrent_tasks=0)
    with Emulator(settings=settings) as emulator:
        emulator.make_bucket("a-bucket")
        store = GCSStore("a-bucket", url=emulator.urls["gcs"])
        tracker = Tracker(grid, store, engine=EarthEngine(emulator=emulator))
        preview = tracker.preview(
            [f"LANDSAT/{sensor}/C02/T1_L2" for sensor in ("LE07", "LC08", "LC09")],
            [(row, col) for row in range(2) for col in range(5)],
            "2022-01-01",
            "2022-01-21",
            "D",
            save_empty_metadata=False,
            period_closed="left",
        )
        engine, bucket = services(emulator.requests)
        # How much of connecting is asked for depends on what the process did before.
        assert engine.keys() <= {"value:compute"} | CONNECTING
        assert engine["value:compute"] == 30
        assert engine["config"] == 1
        # Of images and orders together: a page holds what begins with CEDAR_.
        assert bucket == {"objects.list": 1}
        assert len(preview.items) == 600
        assert 0 < preview.n_tasks < 100

        emulator.requests.clear()
        name, _ = tracker.place(preview)
        engine, bucket = services(emulator.requests)
        assert engine == {"image:export": preview.n_tasks}
        # Who places looks again, alone now, whether the names are free.
        assert bucket["objects.list"] == 1
        assert bucket.keys() == {"objects.list", "objects.insert", "objects.delete"}
        placed = [entry["name"] for entry in tracker.read(name).orders]
        assert placed == [each.item.name for each in preview.items]


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_of_an_export_writes_nothing_and_says_what_there_is_for_it(kind, tmp_path):
    settings = {"settings": Settings(concurrent_tasks=7, drive_quota=10**9)}
    with exporting(kind, tmp_path, emulator=settings) as (emulator, tracker):
        tracker.store.write("OTHERS/record.json", b"{}")
        before = inventory(emulator)
        emulator.requests.clear()
        preview = tracker.preview(COLLECTION, [(0, 0), (3, 3)], *MAY)
        assert inventory(emulator) == before
        assert "image:export" not in asked(emulator, "earthengine")
        assert (preview.n_tasks, preview.order.n_shards, preview.n_files) == (1, 6, 6)
        assert (preview.room, preview.concurrency) == (None, 7)
        assert preview.free == (None if kind == "gcs" else 10**9 - 2)
        assert "tasks    1; at once: 7; room in the queue: not known" in preview.lines()
        tracker.preview(COLLECTION, [(0, 0), (3, 3)], *MAY)
        assert asked(emulator, "earthengine")["config"] == 1


def test_what_can_not_be_asked_is_not_known_and_no_order_fails_for_it(tmp_path):
    refused = [
        {"service": "earthengine", "method": "config", "nth": 1, "action": "status", "value": 403},
        {"service": "gdrive", "method": "about", "nth": 1, "action": "status", "value": 403},
    ]
    with exporting("gdrive", tmp_path, emulator={"faults": refused}) as (_, tracker):
        preview = tracker.preview(COLLECTION, (0, 0), *MAY)
        assert (preview.concurrency, preview.free) == (None, None)
        # The next one asks again.
        preview = tracker.preview(COLLECTION, (0, 0), *MAY)
        assert preview.concurrency == 2
        assert preview.free is not None


def test_of_what_cedar_makes_itself_no_queue_is_asked(tracker, emulator):
    preview = tracker.preview(COLLECTION, (0, 0), *MAY)
    assert (preview.room, preview.concurrency) == (None, None)
    assert preview.free > 0
    assert "config" not in {request.method for request in emulator.requests}
    assert "tasks    1, which cedar does itself" in preview.lines()
    assert not [*tracker.store.root.iterdir()]


def test_its_numbers_are_those_of_the_items(tracker):
    preview = tracker.preview(COLLECTION, [(0, 0), (0, 1), (3, 3)], *MAY)
    assert [(each.dtype, each.n_bands, each.n_bytes) for each in preview.items] == [
        ("uint16", 3, 450_000),
        ("uint16", 3, 450_000),
        ("uint16", 0, 0),
    ]
    assert [tile.index for tile in preview.tiles] == [(0, 0), (0, 1), (3, 3)]
    assert preview.to_dict()["total"] == {
        "items": 3,
        "empty": 1,
        "images": 2,
        "layers": 2,
        "bands": 6,
        "pixels": 150_000,
        "bytes": 900_000,
        "files": 2,
        "tasks": 2,
    }
    assert preview.lines()[:-1] == [
        "tiles    3, 202.4 km² together",
        "periods  1, 2020-05-01 to 2020-06-01",
        "items    3, 1 without images",
        "images   2, in 2 layers",
        "bands    6 of uint16, at most 3 in an item",
        "pixels   150,000",
        "size     900 kB uncompressed, in 2 files",
        "tasks    2, which cedar does itself",
    ]


def test_images_are_listed_once_with_what_is_known_of_them(tracker):
    preview = tracker.preview(COLLECTION, [(0, 0), (0, 1)], *MAY)
    assert [(each.id, each.path, each.row, each.n_items) for each in preview.images] == [
        ("EXAMPLE/LC08/DN/LC08_224077_20200518", 224, 77, 2),
        ("EXAMPLE/LC08/DN/LC08_224078_20200518", 224, 78, 2),
    ]
    first = preview.images[0]
    assert (first.date, first.footprint) == ("2020-05-18", None)
    assert 0 <= first.cloud <= 100
    assert "images" not in preview.to_dict()
    shown = json.loads(json.dumps(preview.to_dict(images=True)))["images"]
    assert shown[0]["id"] == first.id
    assert shown[0]["n_items"] == 2


@pytest.mark.parametrize(
    "collection", ["COPERNICUS/S2_SR_HARMONIZED", "NASA/HLS/HLSL30/v002", "LANDSAT/LC08/C02/T1_L2"]
)
def test_clouds_are_said_as_the_collection_calls_them(collection, tmp_path):
    grid = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(10, 10), size=(64, 64))
    tracker = Tracker(grid, LocalStore(tmp_path), engine=EarthEngine(url="emulator"))
    images = tracker.preview(collection, (0, 0), "2020-01-01", "2020-02-01").images
    assert images
    assert all(0 <= each.cloud <= 100 for each in images)


def test_a_footprint_is_given_where_the_collection_records_it():
    ring = {"type": "LinearRing", "coordinates": [[0, 0], [2, 0], [2, 1], [0, 0]]}
    order = found(unsearched(), layers("2020-05-01", **{"system:footprint": ring}))
    assert Preview(order).images[0].footprint == ring


def test_json_says_all_of_it(tracker):
    tracker.submit(COLLECTION, (0, 1), *MAY)
    preview = tracker.preview(COLLECTION, [(0, 0), (0, 1)], *MAY, existing="skip")
    shown = json.loads(json.dumps(preview.to_dict()))
    assert shown["skipped"] == ["EXAMPLE_LC08_DN_h001v000_2020-05-01_2020-06-01"]
    assert shown["items"] == [
        {
            "name": "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01",
            "collection": COLLECTION,
            "tile": [0, 0],
            "date_start": "2020-05-01T00:00:00+00:00",
            "date_end": "2020-06-01T00:00:00+00:00",
            "images": 2,
            "layers": 1,
            "bands": 3,
            "dtype": "uint16",
            "pixels": 75_000,
            "bytes": 450_000,
        }
    ]
    assert shown["coverage"] == ["2020-05-01T00:00:00+00:00", "2020-06-01T00:00:00+00:00"]
    assert shown["limits"] == {"max_tasks": None, "max_gigabytes": None}
    assert (shown["periods"], shown["shards"], shown["warnings"]) == (1, None, [])
    assert "items    1, 0 without images, 1 left out, which exist already" in preview.lines()


def test_parts_of_what_is_too_large_for_one_image_are_told():
    order = found(unsearched(), layers("2020-05-01"))
    (item,) = order.items
    parts = [replace(item, name=f"{item.name}-p0{n}", family=item.name) for n in (1, 2)]
    lines = Preview(replace(order, items=tuple(parts))).lines()
    assert "items    2, 0 without images, 2 parts of 1 too large for one image" in lines


def test_of_nothing_there_is_a_preview_too():
    preview = Preview(replace(unsearched(), items=()))
    assert preview.to_dict()["total"]["bytes"] == 0
    assert "bands    0 of no type, at most 0 in an item" in preview.lines()


# ---- areas


def strip(south, north):
    """Area from the equator's side of one parallel to another, a radian wide, of WGS 84 (km²).

    By the closed form, from the authalic latitude (Snyder 1987, equation 3-12).
    """
    a, f = 6378.137, 1 / 298.257223563
    e = math.sqrt(f * (2 - f))

    def q(latitude):
        s = math.sin(math.radians(latitude))
        ratio = (1 - e * s) / (1 + e * s)
        return (1 - e * e) * (s / (1 - (e * s) ** 2) - math.log(ratio) / (2 * e))

    return a * a / 2 * (q(north) - q(south))


@pytest.mark.parametrize(
    ("ul", "size_", "wide"),
    [
        ((10.0, 46.0), (100, 100), 1.0),
        ((10.0, 60.0), (3000, 1000), 30.0),
        ((-10.0, 1.0), (200, 200), 2.0),
        ((179.0, -40.0), (200, 200), 2.0),  # Across the antimeridian.
        ((-180.0, 90.0), (36000, 3000), 360.0),  # A cap.
    ],
)
def test_the_area_of_a_cell_in_degrees_is_that_of_the_ellipsoid(ul, size_, wide):
    grid = TileGrid(ul=ul, crs="EPSG:4326", res=(0.01, 0.01), size=size_)
    expected = math.radians(wide) * strip(ul[1] - size_[1] * 0.01, ul[1])
    assert grid[0, 0].km2 == pytest.approx(expected, rel=1e-6)


def test_the_areas_of_tiles_add_up_to_that_of_one_as_large():
    whole = TileGrid(ul=(500_000, 0), crs="EPSG:32621", res=(30, 30), size=(800, 800))
    small = TileGrid(ul=(500_000, 0), crs="EPSG:32621", res=(30, 30), size=(400, 400))
    quarters = [small[row, col].km2 for row in (0, 1) for col in (0, 1)]
    assert sum(quarters) == pytest.approx(whole[0, 0].km2, rel=1e-7)
    # At the meridian of a zone its scale is 0.9996.
    assert quarters[0] == pytest.approx(144 / 0.9996**2, rel=1e-4)


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (12_345_678, "12.3 MB"),
        (450_000_000_000, "450 GB"),
        (12_345_678_000_000_000, "12,346 TB"),
    ],
)
def test_bytes_are_said_in_words(n_bytes, said):
    assert size(n_bytes) == said


# ---- limits


def year(n_layers=1):
    dates = [f"2020-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(n_layers)]
    return found(unsearched(tiles=[(0, 0), (0, 1)]), layers(*dates), layers(*dates))


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(2, 0.0024), Limits(max_tasks=2), Limits(max_gigabytes=0.0024)]
)
def test_an_order_may_have_as_much_as_the_limits_say(limits):
    preview = Preview(year(), limits)
    assert preview.n_bytes == 2 * 8 * 75_000 * 2
    preview.check()
    assert preview.warnings == ()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(max_tasks=1), ["it has 2 tasks, and tracker.max_tasks is 1"]),
        (
            Limits(max_gigabytes=0.002),
            ["it has 0.0024 GB uncompressed, and tracker.max_gigabytes is 0.002"],
        ),
        (Limits(1, 0.002), ["it has 2 tasks", "it has 0.0024 GB"]),
    ],
)
def test_more_is_refused_by_the_name_of_the_limit_and_with_the_number(limits, said):
    preview = Preview(year(), limits)
    with pytest.raises(InputError, match="the order is too large: ") as caught:
        preview.check()
    assert all(clause in str(caught.value) for clause in said)
    assert len(preview.warnings) == len(said)
    assert preview.warnings[0].startswith(f"it will be refused: {said[0]}")


def test_items_without_images_are_no_tasks():
    order = found(unsearched(tiles=[(0, 0), (0, 1)]), layers("2020-05-01"), ())
    Preview(order, Limits(max_tasks=1)).check()


# ---- what there isn't room for


def test_more_bytes_than_there_is_room_for_are_warned_of():
    assert Preview(year(), free=2_400_000).warnings == ()
    (warning,) = Preview(year(), free=2_000_000).warnings
    assert warning == ("the images have 2.4 MB uncompressed, and the destination has room for 2 MB")


def test_more_tasks_than_the_queue_takes_are_warned_of():
    assert Preview(year(), room=2).warnings == ()
    (warning,) = Preview(year(), room=1).warnings
    assert warning.startswith("the queue has room for 1 of 2 tasks now")


def test_a_preview_warns_of_all_that_its_order_does(tmp_path):
    order = unsearched(LC08, periods=("2000-01-01", "2020-06-01", "YS", "both"))
    past, service = Preview(replace(order, items=())).warnings
    assert past.startswith("the periods run to 2021-01-01, past the end")
    assert "reaches beyond its dates of service" in service


def test_a_tracker_previews_into_a_directory_that_is_not_there_yet(tmp_path, emulator):
    tracker = Tracker(
        utm_grid(),
        LocalStore(tmp_path / "not" / "yet"),
        engine=EarthEngine(emulator=emulator),
        collections={COLLECTION: {"bands": ["B2"], "dtype": "uint16", "nodata": 0}},
    )
    assert tracker.preview(COLLECTION, (0, 0), *MAY).free > 0
    assert not [*tmp_path.iterdir()]
