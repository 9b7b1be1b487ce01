"""What one submit asks for, and what is found for it, before anything is written."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, real_tracker, utm_grid
from rasterio.crs import CRS

from cedar import LocalStore, TileGrid, Tracker
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EmptyCollectionError, InputError, UnknownCollectionError
from cedar.ordering import select_tiles

#: What stems' Tile has of ours.
TILE = ("index", "crs", "bounds", "res", "size")


def utc(*date):
    return dt.datetime(*date, tzinfo=dt.UTC)


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def tracker(tmp_path, emulator):
    return real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))


@pytest.mark.parametrize(
    ("indices", "selected"),
    [
        ((1, 2), [(1, 2)]),
        ([1, 2], [(1, 2)]),
        ([(1, 2)], [(1, 2)]),
        ([[1, 2], (0, 3)], [(1, 2), (0, 3)]),
        ([(1, 2), (1, 2), (0, 0)], [(1, 2), (0, 0)]),
        (np.array([1, 2]), [(1, 2)]),
        (np.array([[1, 2], [0, 3]]), [(1, 2), (0, 3)]),
        (iter([(1, 2)]), [(1, 2)]),
    ],
)
def test_ancestor_36_one_tile_or_several_are_named_by_row_and_column(indices, selected):
    tiles = select_tiles(utm_grid(), indices)
    assert [tile.index for tile in tiles] == selected


@pytest.mark.parametrize(
    "indices", [[], (1,), (1, 2, 3), [(1, 2), 3], [(1.5, 2)], (1.0, 2.0), "12", ["ab"], 5, None]
)
def test_what_names_no_tile_is_an_error(indices):
    with pytest.raises(InputError, match="tile"):
        select_tiles(utm_grid(), indices)


@pytest.mark.parametrize("indices", [(4, 0), (0, -1), [(0, 0), (0, 4)]])
def test_a_tile_outside_of_the_grid_is_an_error(indices):
    with pytest.raises(InputError, match=r"limits|outside"):
        select_tiles(utm_grid(), indices)


def test_tiles_are_as_good_as_their_indices():
    """A region's tiles, or stems', go into an order as they are."""
    grid = utm_grid()
    stems = SimpleNamespace(**{name: getattr(grid[1, 2], name) for name in TILE})
    assert select_tiles(grid, grid[1, 2]) == select_tiles(grid, stems) == (grid[1, 2],)
    mixed = [grid[0, 3], stems, (1, 2), grid[0, 3]]
    assert select_tiles(grid, mixed) == (grid[0, 3], grid[1, 2])


def test_a_tile_is_the_same_however_its_system_is_written_and_its_edges_summed_up():
    grid = utm_grid()
    values = {name: getattr(grid[1, 2], name) for name in TILE}
    left, bottom, right, top = grid[1, 2].bounds
    values["bounds"] = (left + 1e-9, bottom, right + 1e-9, top)
    values["crs"] = CRS.from_epsg(32621).to_wkt(version="WKT2_2019")
    assert select_tiles(grid, SimpleNamespace(**values)) == (grid[1, 2],)


@pytest.mark.parametrize(
    "grid",
    [
        utm_grid(shift=15),
        TileGrid((730005, -2778015), 32721, (30, 30), (300, 250)),
        TileGrid((730005, -2778015), 32621, (15, 15), (600, 500)),
        TileGrid((730005, -2778015), 32621, (30, 30), (600, 500)),
    ],
    ids=["shifted", "system", "pixels", "tiles"],
)
def test_a_tile_of_another_grid_is_an_error(grid):
    with pytest.raises(InputError, match=r"tile \(0, 0\) is of another grid"):
        select_tiles(utm_grid(), [(0, 1), grid[0, 0]])


def test_items_are_every_tile_and_period_in_order(tracker):
    tiles, asked = [(0, 1), (0, 0)], ("2020-05-01", "2020-05-15", "7D")
    order = tracker.order(COLLECTION, tiles, *asked, period_closed="left")
    assert [(item.tile.index, item.date_start, item.date_end) for item in order.items] == [
        ((0, 1), utc(2020, 5, 1), utc(2020, 5, 8)),
        ((0, 1), utc(2020, 5, 8), utc(2020, 5, 15)),
        ((0, 0), utc(2020, 5, 1), utc(2020, 5, 8)),
        ((0, 0), utc(2020, 5, 8), utc(2020, 5, 15)),
    ]
    assert order.items[0].name == "EXAMPLE_LC08_DN_h001v000_2020-05-01_2020-05-08"


def test_one_image_is_in_the_period_of_its_date_and_in_no_other(tracker):
    order = tracker.order(COLLECTION, (0, 0), "2020-05-01", "2020-06-01", "D")
    found = {item.date_start.date().isoformat(): item.n_images for item in order.items}
    assert {day: n for day, n in found.items() if n} == {"2020-05-18": 2}


def test_a_collection_that_is_given_twice_is_ordered_once(tracker):
    order = tracker.order([COLLECTION, COLLECTION], (0, 0), *MAY)
    assert len(order.items) == 1


@pytest.mark.parametrize(
    ("collection", "start", "end"),
    [
        ("LANDSAT/LT05/C02/T1_L2", utc(1984, 3, 16), utc(2012, 5, 6)),
        ("LANDSAT/LC08/C02/T1_L2", utc(2013, 3, 18), None),
    ],
)
def test_no_period_means_the_dates_of_service(tmp_path, collection, start, end):
    tracker = Tracker(utm_grid(), LocalStore(tmp_path), engine=EarthEngine(url="emulator"))
    wanted = tracker.order(collection, (0, 0), "2012-01-01", "2012-01-02").submission
    whole = type(wanted).parse(
        wanted.collections, utm_grid(), (0, 0), (None, None, None, "both"), {}, "error"
    )
    tomorrow = dt.datetime.combine(whole.submitted.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
    assert whole.coverage == (start, end or tomorrow)


def test_dates_of_service_that_nobody_knows_must_be_given(tracker):
    with pytest.raises(InputError, match=r"dates of service of EXAMPLE/LC08/DN aren't known"):
        tracker.order(COLLECTION, (0, 0), None, "2020-06-01")
    order = tracker.order(COLLECTION, (0, 0), "2020-05-01", None)
    assert order.items[0].n_images == 2


def test_ancestor_06_the_coverage_says_what_the_periods_really_are(tracker):
    order = tracker.order(COLLECTION, (0, 0), "2020-03-01", "2022-01-01", "YS")
    assert order.submission.coverage == (utc(2020, 3, 1), utc(2023, 1, 1))
    assert [item.date_start.date().isoformat() for item in order.items] == [
        "2020-03-01",
        "2021-01-01",
        "2022-01-01",
    ]
    assert any("run to 2023-01-01, past the end" in line for line in order.warnings)
    exact = tracker.order(
        COLLECTION, (0, 0), "2020-01-01", "2022-01-01", "YS", period_closed="left"
    )
    assert not exact.warnings


def test_a_nodata_value_that_means_something_is_refused(tmp_path):
    settings = {**COLLECTIONS[COLLECTION], "valid_range": {"red": [0, 10_000]}}
    tracker = real_tracker(tmp_path, collections={COLLECTION: settings})
    with pytest.raises(InputError, match="the nodata value 0 is a valid value of red, and no"):
        tracker.order(COLLECTION, (0, 0), *MAY)
    tracker = real_tracker(
        tmp_path,
        collections={COLLECTION: settings | {"nodata": 65535}},
        export_image_kwds={"formatOptions": {"noData": 9}},
    )
    with pytest.raises(InputError, match="the nodata value 9 is a valid value of red, and no"):
        tracker.order(COLLECTION, (0, 0), *MAY)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"collections": "LANDSAT/LC08/C01/T1_SR"}, UnknownCollectionError, "LC08/C02/T1_L2"),
        ({"collections": []}, InputError, "at least one collection"),
        ({"tile_indices": (9, 9)}, InputError, "9"),
        ({"period_start": "2020-06-02"}, InputError, "not after its start"),
        ({"period_start": "May 2020"}, InputError, "'May 2020' is not a date"),
        ({"period_freq": "1M"}, InputError, "no longer takes 'M'"),
        ({"period_closed": "right"}, InputError, "'right'"),
        ({"existing": "ignore"}, InputError, "'ignore'"),
    ],
)
def test_what_can_not_be_ordered_is_one_line_and_nothing_is_asked_for_or_written(
    tmp_path, tracker, emulator, change, error, message
):
    asked = {
        "collections": COLLECTION,
        "tile_indices": (0, 0),
        "period_start": "2020-05-01",
        "period_end": "2020-06-01",
    }
    with pytest.raises(error, match=message) as caught:
        tracker.submit(**(asked | change))
    assert "\n" not in str(caught.value)
    assert emulator.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ({"name_template": "{collection}_{date_start}"}, "twice.*tile.horizontal"),
        ({"prefix_template": "CEDAR_TRACKING"}, "folders of their own"),
        ({"prefix_template": "X", "tracking_prefix": "X"}, "folders of their own"),
    ],
)
def test_names_that_items_can_not_have_are_an_error_before_anything_is_sent(
    tmp_path, emulator, templates, message
):
    tracker = real_tracker(tmp_path, engine=EarthEngine(emulator=emulator), **templates)
    with pytest.raises(InputError, match=message):
        tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    assert emulator.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_hostile_template_is_refused_when_it_is_given(tmp_path):
    with pytest.raises(InputError, match="__class__"):
        real_tracker(tmp_path, name_template="{tile.__class__}")


def test_error_if_empty_names_the_items_before_anything_is_written(tmp_path, tracker):
    with pytest.raises(
        EmptyCollectionError, match=r"no image was found for .* and 1 more"
    ) as caught:
        tracker.submit(COLLECTION, [(0, 0), (3, 3), (3, 2)], *MAY, error_if_empty=True)
    assert caught.value.names == (
        "EXAMPLE_LC08_DN_h003v003_2020-05-01_2020-06-01",
        "EXAMPLE_LC08_DN_h002v003_2020-05-01_2020-06-01",
    )
    assert list(tracker.store.objects()) == []
    assert tracker.submit(COLLECTION, (0, 0), *MAY, error_if_empty=True)


@pytest.mark.parametrize("res", [0.00027, 0.0004])
def test_pixels_in_degrees_are_held_against_metres(tmp_path, res):
    """30 m are 0.00027°; 0.0004° are 44.5 m, still within 1.5 × 30 m."""
    tracker = real_tracker(tmp_path, TileGrid((-54.70, -25.11), "EPSG:4326", (res, res), (50, 50)))
    assert tracker.order(COLLECTION, (0, 0), *MAY).items[0].n_images > 0


def test_pixels_in_degrees_may_be_too_coarse(tmp_path):
    grid = TileGrid((-54.70, -25.11), "EPSG:4326", (0.00042, 0.00042), (50, 50))
    with pytest.raises(InputError, match=r"46\.7\d+ m are coarser than 1\.5 × its own of 30 m"):
        real_tracker(tmp_path, grid).order(COLLECTION, (0, 0), *MAY)


def test_group_by_of_the_tracker_is_for_all_collections_or_for_those_it_names(tmp_path):
    settings = {**COLLECTIONS[COLLECTION], "group_by": "utc_day"}
    for given, rule, groups in [
        (None, "utc_day", 1),
        ("none", "none", 2),
        ({COLLECTION: "none"}, "none", 2),
        ({"OTHER/ONE": "none"}, "utc_day", 1),
    ]:
        tracker = real_tracker(tmp_path, collections={COLLECTION: settings}, group_by=given)
        order = tracker.order(COLLECTION, (0, 0), *MAY)
        assert order.submission.collections[0].group_by == rule
        assert len(order.items[0].groups) == groups


def test_progress_of_the_search_counts_every_item_once(tracker):
    told = []
    order = tracker.order(
        COLLECTION,
        [(0, 0), (0, 1)],
        *MAY,
        "7D",
        callback=lambda what, steps: told.append((what, steps)),
    )
    assert {what for what, _ in told} == {"search"}
    assert sum(steps for _, steps in told) == len(order.items) == 10
