"""Plans: what of a request earlier orders have, and what continues them."""

import json
from datetime import UTC, datetime

import pytest
from exported import exporting
from exporting import Exporter, exporting_tracker
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, real_tracker

from cedar import Tracker, defaults
from cedar.changes import status
from cedar.comparing import unlike
from cedar.earlier import Standing
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EmptyCollectionError, InputError, NameTakenError, NotFoundError
from cedar.items import Item
from cedar.record import Record, taken_names
from cedar.states import TaskState

FIRST, SECOND = (f"EXAMPLE_LC08_DN_h00{n}v000_2020-05-01_2020-06-01" for n in (0, 1))
GONE = "EXAMPLE/LC08/DN/LC08_224077_20200518"
LC08 = "LANDSAT/LC08/C02/T1_L2"
RED = {LC08: {"bands": ["red"]}}
BLUE = {COLLECTION: COLLECTIONS[COLLECTION] | {"bands": {"blue": "B2"}}}
TILES = [(0, 0), (0, 1)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.0)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory):
    """A catalog that lacks one of the two scenes."""
    catalog = tmp_path_factory.mktemp("fewer")
    for path in LANDSAT.glob("LC08_224078_20200518*"):
        (catalog / path.name).write_bytes(path.read_bytes())
    return catalog


@pytest.fixture
def before(tmp_path, fewer):
    """A tracker of the time when there was one scene."""
    return exporting_tracker(tmp_path, Exporter(None, fewer))


@pytest.fixture
def tracker(tmp_path, before):
    """A tracker of now, over the same store and the same tasks."""
    tracker = exporting_tracker(tmp_path)
    tracker.engine.tasks = before.engine.tasks
    tracker.engine.by_request = before.engine.by_request
    before.engine.store = tracker.store
    return tracker


@pytest.fixture
def series(tmp_path):
    """A tracker of synthetic scenes, of which there are many."""
    tracker = exporting_tracker(tmp_path, Exporter(None, catalog=None), collections=RED)
    tracker.engine.store = tracker.store
    return tracker


def made(tracker, *arguments, **settings):
    """Submit an order, and let all of it be made."""
    name, _ = tracker.submit(*arguments, **settings)
    tracker.engine.finish()
    tracker.update(name)
    return name


def change(tracker, name, make, *items):
    record = Record.open(tracker.store, "CEDAR_TRACKING", name)
    for item in items:
        record.change(item, make)
    record.flush()


def standings(order):
    return {each.name: str(each.standing) for each in order.earlier}


def names(order):
    return [item.name for item in order.items]


# ---- the same request again


def test_only_what_is_new_is_ordered_and_the_rest_left_to_the_orders_that_have_it(tracker):
    first = made(tracker, COLLECTION, (0, 0), *MAY)
    preview = tracker.preview(COLLECTION, TILES, *MAY)
    assert names(preview.order) == [SECOND]
    (earlier,) = preview.order.earlier
    assert (earlier.name, earlier.order, earlier.state) == (FIRST, first, "COMPLETED")
    assert earlier.standing == Standing.UNCHANGED
    second, _ = tracker.place(preview)
    assert [entry["name"] for entry in tracker.read(second).orders] == [SECOND]
    assert tracker.update(first).complete


def test_where_earlier_orders_have_all_of_it_that_is_an_error_which_names_one(tracker):
    first = made(tracker, COLLECTION, TILES, *MAY)
    started = len(tracker.engine.requests)
    with pytest.raises(NameTakenError, match=f"nothing new to order: {FIRST} exists") as caught:
        tracker.submit(COLLECTION, TILES, *MAY)
    assert (caught.value.names, caught.value.order) == ((FIRST, SECOND), first)
    assert tracker.list() == [first]
    assert len(tracker.engine.requests) == started


def test_what_is_being_made_is_unchanged_and_never_started_twice(tracker):
    first, _ = tracker.submit(COLLECTION, TILES, *MAY)
    preview = tracker.preview(COLLECTION, TILES, *MAY)
    assert all(each.active for each in preview.order.earlier)
    assert any("2 unchanged (2 still being made)" in line for line in preview.lines())
    assert tracker.list() == [first]


def test_the_plan_is_told_in_a_line_and_as_json(tracker):
    first = made(tracker, COLLECTION, TILES, *MAY)
    preview = tracker.preview(COLLECTION, [(0, 0), (1, 0)], *MAY)
    third = "EXAMPLE_LC08_DN_h000v001_2020-05-01_2020-06-01"
    known = {"order": first, "state": "COMPLETED"}
    assert json.loads(json.dumps(preview.to_dict()))["plan"] == {
        "new": [third],
        "unchanged": [{"name": FIRST, **known}],
        "failed": [],
        "stale": [],
        "unwanted": [{"name": SECOND, **known}],
    }
    line = "plan     1 new, 1 unchanged, 0 failed, 0 stale, 1 no longer wanted"
    assert line in preview.lines()
    assert "plan" not in tracker.preview(COLLECTION, (1, 1), *MAY).to_dict()


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "UNKNOWN"])
def test_what_failed_is_left_to_retry(tracker, state):
    first = made(tracker, COLLECTION, TILES, *MAY)
    change(tracker, first, status(state), SECOND)
    for existing in ("error", "stale"):
        order = tracker.order(COLLECTION, TILES, *MAY, existing=existing)
        assert names(order) == []
        assert standings(order) == {FIRST: "unchanged", SECOND: "failed"}
        assert order.earlier[1].state == state


def test_what_lacks_files_failed_but_not_if_they_were_cleaned_away(tracker, tmp_path):
    first = made(tracker, COLLECTION, TILES, *MAY)
    tracker.download(tracker.read(first), tmp_path / "home")
    tracker.clean(tracker.read(first))
    order = tracker.order(COLLECTION, TILES, *MAY)
    assert standings(order) == {FIRST: "unchanged", SECOND: "unchanged"}
    second, _ = tracker.submit(COLLECTION, (0, 1), *MAY, existing="overwrite")
    tracker.engine.finish(parts=slice(1))
    assert tracker.update(second).states == {"INCOMPLETE": 1}
    (earlier,) = tracker.order(COLLECTION, (0, 1), *MAY).earlier
    assert (earlier.order, earlier.standing) == (second, Standing.FAILED)
    assert earlier.state == "INCOMPLETE"


# ---- stale


def test_what_has_other_images_now_is_stale_and_says_which(before, tracker):
    first = made(before, COLLECTION, TILES, *MAY)
    order = tracker.order(COLLECTION, TILES, *MAY)
    assert names(order) == []
    assert {each.standing for each in order.earlier} == {Standing.STALE}
    assert {(each.added, each.removed) for each in order.earlier} == {((GONE,), ())}
    back = before.order(COLLECTION, TILES, *MAY, existing="overwrite")
    assert back.earlier == ()
    plan = tracker.preview(COLLECTION, TILES, *MAY).to_dict()["plan"]
    assert plan["stale"][0] == {
        "name": FIRST, "order": first, "state": "COMPLETED", "added": [GONE], "removed": [],
    }  # fmt: skip


def test_images_that_are_gone_make_an_item_stale_too(before, tracker):
    made(tracker, COLLECTION, (0, 0), *MAY)
    (earlier,) = before.order(COLLECTION, (0, 0), *MAY).earlier
    assert (earlier.added, earlier.removed) == ((), (GONE,))


def test_stale_ones_are_ordered_again_if_that_is_asked_for_and_no_others(before, tracker):
    first = made(before, COLLECTION, (0, 0), *MAY)
    second = made(tracker, COLLECTION, (0, 1), *MAY)
    preview = tracker.preview(COLLECTION, [*TILES, (1, 0)], *MAY, existing="stale")
    third = "EXAMPLE_LC08_DN_h000v001_2020-05-01_2020-06-01"
    assert names(preview.order) == [FIRST, third]
    assert preview.order.replaced == {FIRST: first}
    assert preview.to_dict()["plan"]["new"] == [third]
    name, _ = tracker.place(preview)
    again, new = tracker.read(name).orders
    assert set(again["replaces"]) == {o["name"] for o in tracker.read(first).orders[0]["outputs"]}
    assert "replaces" not in new
    tracker.engine.finish()
    assert tracker.update(name).complete
    assert tracker.read(name)["submission"]["existing"] == "stale"
    assert tracker.update(second).complete
    order = tracker.order(COLLECTION, [*TILES, (1, 0)], *MAY, existing="stale")
    assert set(standings(order).values()) == {"unchanged"}
    assert {each.order for each in order.earlier} == {name, second}


def test_what_is_stale_but_still_being_made_is_left(before, tracker):
    before.submit(COLLECTION, (0, 0), *MAY)
    order = tracker.order(COLLECTION, TILES, *MAY, existing="stale")
    assert names(order) == [SECOND]
    (earlier,) = order.earlier
    assert (earlier.standing, earlier.active) == (Standing.STALE, True)


def test_of_two_who_replace_what_is_stale_one_does(before, tracker):
    made(before, COLLECTION, (0, 0), *MAY)
    orders = [tracker.order(COLLECTION, (0, 0), *MAY, existing="stale") for _ in range(2)]
    name, _ = tracker.place(orders[0])
    tracker.engine.finish()
    assert tracker.update(name).complete
    with pytest.raises(NameTakenError, match=f"exists in order {name}"):
        tracker.place(orders[1])
    assert len(tracker.list()) == 2


def test_a_name_that_somebody_takes_meanwhile_is_not_replaced(tracker):
    order = tracker.order(COLLECTION, (0, 0), *MAY, existing="stale")
    tracker.store.write(f"CEDAR_PREARD/{FIRST}.json", b"somebody's")
    with pytest.raises(NameTakenError, match=f"{FIRST} exists at the destination"):
        tracker.place(order)


@pytest.mark.parametrize("save", [True, False])
def test_an_item_that_was_empty_is_stale_once_it_has_images(tracker, tmp_path, save):
    (tmp_path / "none").mkdir()
    for path in LANDSAT.glob("LC08_224078_20200518*"):
        data = path.read_bytes()
        if path.suffix == ".json":
            data = data.replace(b"2020-05-18T", b"2021-05-18T")
        (tmp_path / "none" / path.name).write_bytes(data)
    then = exporting_tracker(tmp_path, Exporter(tracker.store, tmp_path / "none"))
    first, _ = then.submit(COLLECTION, (0, 0), *MAY, save_empty_metadata=save)
    assert then.read(first).states == {"EMPTY": 1}
    assert standings(then.order(COLLECTION, (0, 0), *MAY)) == {FIRST: "unchanged"}
    order = tracker.order(COLLECTION, (0, 0), *MAY, existing="stale")
    assert [(len(each.added), each.removed) for each in order.earlier] == [(2, ())]
    name, _ = tracker.place(order)
    assert tracker.read(name).states == {"READY": 1}


def test_where_a_document_is_gone_the_number_of_images_tells(before, tracker, tmp_path):
    first = made(before, COLLECTION, TILES, *MAY)
    for item in (FIRST, SECOND):
        tracker.store.delete(f"CEDAR_PREARD/{item}.json")
    assert set(standings(before.order(COLLECTION, TILES, *MAY)).values()) == {"unchanged"}
    (earlier, _) = tracker.order(COLLECTION, TILES, *MAY).earlier
    assert (earlier.order, earlier.standing, earlier.added) == (first, Standing.STALE, ())


# ---- another request


@pytest.mark.parametrize(
    ("settings", "differs"),
    [
        ({"collections": BLUE}, r"other settings of the collection \(.*\bbands\b"),
        ({"group_by": "utc_day"}, r"other settings of the collection \(group_by\)"),
        (
            {"filters": {COLLECTION: [{"function": "lte", "name": "CLOUD_COVER", "value": 80}]}},
            "other filters",
        ),
        ({"export_image_kwds": {"formatOptions": {"noData": 9}}}, "another type or nodata value"),
        ({"name_template": f"{FIRST[:-11]}_{{date_start}}"}, None),
    ],
)
def test_another_request_for_a_name_is_an_error_that_says_what_is_other(
    tracker, tmp_path, settings, differs
):
    first = made(tracker, COLLECTION, TILES, *MAY)
    other = exporting_tracker(tmp_path, tracker.engine, **settings)
    if differs is None:
        assert other.order(COLLECTION, (0, 0), *MAY).earlier == ()
        return
    for existing in ("error", "stale"):
        with pytest.raises(NameTakenError, match=f"{FIRST} exists in order {first}, there with"):
            other.order(COLLECTION, TILES, *MAY, existing=existing)
    with pytest.raises(NameTakenError, match=differs):
        other.order(COLLECTION, TILES, *MAY)


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (((0, 0), *MAY), ((0, 1), *MAY), "another tile"),
        (((0, 0), *MAY), ((0, 0), "2020-05-01", "2020-07-01"), "another period"),
    ],
)
def test_a_template_that_doesnt_tell_requests_apart_is_found_out(tmp_path, first, second, differs):
    tracker = exporting_tracker(tmp_path, name_template="ALL_{collection}")
    made(tracker, COLLECTION, *first)
    with pytest.raises(NameTakenError, match=f"there with {differs}"):
        tracker.order(COLLECTION, *second)


def test_another_collection_of_a_name_is_found_out(series, tmp_path):
    both = {**RED, "LANDSAT/LC09/C02/T1_L2": {"bands": ["red"]}}
    tracker = exporting_tracker(
        tmp_path, series.engine, collections=both, name_template="ALL_{date_start}"
    )
    period = "2022-05-01", "2022-06-01"
    made(tracker, LC08, (0, 0), *period)
    with pytest.raises(NameTakenError, match="there with an unknown request"):
        tracker.order("LANDSAT/LC09/C02/T1_L2", (0, 0), *period)
    series = exporting_tracker(tmp_path, series.engine, collections=both)
    name = made(series, list(both), (0, 1), *period)
    taken = series.read(name).orders[0]["name"]
    twin = exporting_tracker(tmp_path, series.engine, collections=both, name_template=taken)
    with pytest.raises(NameTakenError, match="there with another collection"):
        twin.order("LANDSAT/LC09/C02/T1_L2", (0, 1), *period)


def test_definitions_are_alike_where_they_differ_in_what_changes_no_pixel():
    ours = {"bands": {"red": "B4"}, "title": "A", "source": "a", "service_end": None}
    assert unlike(ours, {**ours, "title": "B", "source": "b", "service_end": "2020"}) == {}
    assert unlike(ours, {"title": "B"}) == {}
    assert unlike(ours, {"bands": {"red": "B5"}}) == {"bands": {"red": "B4"}}


def test_definitions_are_alike_where_they_differ_in_bands_that_are_not_chosen():
    """Cedar has learnt of another band, and of a range, since an order was made."""
    theirs = {"chosen": ["red"], "bands": {"red": "B4"}, "valid_range": {}, "cloud": 20}
    ours = theirs | {"bands": {"red": "B4", "cs": "cs"}, "valid_range": {"red": [1, 9]}}
    ours |= {"encode": {"cs": {"scale": 0.1}}, "joined": {"cs": "X"}, "cloud": None}
    assert unlike(ours, theirs) == {}
    other = ours | {"encode": {"red": {"scale": 0.1}}}
    assert unlike(other, theirs) == {"encode": {"red": {"scale": 0.1}}}
    assert unlike(theirs | {"chosen": ["blue"]}, theirs)["chosen"] == ["blue"]


def test_the_newest_order_of_a_name_is_the_one_that_counts(before, tracker):
    made(before, COLLECTION, (0, 0), *MAY)
    newest = [made(tracker, COLLECTION, (0, 0), *MAY, existing="overwrite") for _ in range(3)][-1]
    (item,) = tracker.submission(COLLECTION, (0, 0), (*MAY, None, "both")).items(tracker.templates)
    assert isinstance(item, Item)
    taken = taken_names(tracker.store, "CEDAR_TRACKING", [item])
    assert (taken.names, taken.owners[FIRST].name) == ({FIRST: newest}, newest)
    (earlier,) = tracker.order(COLLECTION, (0, 0), *MAY).earlier
    assert (earlier.order, earlier.standing) == (newest, Standing.UNCHANGED)


@pytest.fixture
def named(tmp_path):
    """A tracker whose orders of different tiles have different names."""
    return exporting_tracker(tmp_path, tracking_template="ORDER_{tiles}_{now}")


@pytest.fixture
def reads(named, monkeypatch):
    """Names of the records that are read."""
    names, load = [], named.store.load

    def noted(key, *arguments):
        names.append(key.rpartition("/")[2])
        return load(key, *arguments)

    monkeypatch.setattr(named.store, "load", noted)
    return names


def test_records_that_have_none_of_the_names_are_read_once(named, reads):
    others = [made(named, COLLECTION, (0, col), *MAY) for col in range(1, 4)]
    reads.clear()
    named.submit(COLLECTION, (0, 0), *MAY)
    assert sorted(reads) == sorted(f"{name}.json" for name in others)


def test_what_has_come_to_have_a_name_since_it_was_searched_is_in_the_way(named, reads):
    made(named, COLLECTION, (0, 1), *MAY)
    order = named.order(COLLECTION, (0, 0), *MAY)
    newer = made(named, COLLECTION, (0, 0), *MAY)
    reads.clear()
    with pytest.raises(NameTakenError, match=newer):
        named.place(order)
    assert reads == [f"{newer}.json"]


def test_a_record_that_is_cleaned_while_names_are_looked_up_is_in_nobodys_way(named, monkeypatch):
    name, load = made(named, COLLECTION, (0, 1), *MAY), named.store.load

    def gone(key, *arguments):
        if name in key:
            raise NotFoundError(f"{key} is not in the store", key)
        return load(key, *arguments)

    monkeypatch.setattr(named.store, "load", gone)
    assert made(named, COLLECTION, (0, 0), *MAY) != name


def test_parts_of_a_family_are_one_item_of_the_plan(series, monkeypatch):
    monkeypatch.setattr(EarthEngine, "max_bands", 2)
    period = "2022-05-01", "2022-08-01"
    name = made(series, LC08, (0, 0), *period)
    assert len(series.read(name).orders) > 1
    (earlier,) = series.order(LC08, (0, 0), *period).earlier
    assert earlier.name == series.read(name).orders[0]["family"]
    assert earlier.standing == Standing.UNCHANGED


def test_error_if_empty_is_about_what_is_new(series):
    made(series, LC08, (0, 0), "2022-05-01", "2022-06-01")
    with pytest.raises(EmptyCollectionError):
        series.order(LC08, (0, 0), "1999-05-01", "1999-06-01", error_if_empty=True)
    again = series.order(LC08, (0, 0), "2022-05-01", "2022-06-01", error_if_empty=True)
    assert again.items == ()


def test_what_has_to_be_one_of_the_choices_is(tracker):
    with pytest.raises(InputError, match="one of error, skip, overwrite, stale, not 'new'"):
        tracker.order(COLLECTION, (0, 0), *MAY, existing="new")


# ---- extend


def periods(tracking):
    return [(entry["date_start"][:10], entry["date_end"][:10]) for entry in tracking.orders]


@pytest.mark.parametrize(
    ("freq", "closed", "end", "to"),
    [
        ("MS", "left", "2020-03-01", "2020-06-01"),
        ("MS", "both", "2020-02-10", "2020-05-20"),
        ("2MS", "left", "2020-02-01", "2020-07-01"),
        ("16D", "left", "2020-02-01", "2020-03-15"),
        ("QS", "both", "2020-05-01", "2020-10-01"),
    ],
)
def test_an_order_and_its_extension_are_what_one_submit_would_have_been(
    series, freq, closed, end, to
):
    start = "2020-01-01" if freq != "QS" else "2020-02-10"
    first, _ = series.submit(LC08, TILES, start, end, freq, period_closed=closed)
    second, _ = series.extend(first, to)
    whole = series.submission(LC08, TILES, (start, to, freq, closed))
    both = [*periods(series.read(first)), *periods(series.read(second))]
    expected = [
        (f"{item.date_start:%Y-%m-%d}", f"{item.date_end:%Y-%m-%d}")
        for item in whole.items(series.templates)
    ]
    assert sorted(both) == sorted(expected)
    assert series.read(second)["submission"]["period_freq"] == freq


def test_an_extension_is_as_the_record_says_whatever_the_tracker_is_now(series, tmp_path):
    filters = {LC08: [{"function": "lte", "name": "CLOUD_COVER", "value": 80}]}
    named = {"name_template": "X{tile.horizontal}_{date_start}", "filters": filters}
    filtered = exporting_tracker(tmp_path, series.engine, collections=RED, **named)
    first, _ = filtered.submit(LC08, TILES, "2020-01-01", "2020-02-01", "MS", False,
                               period_closed="left")  # fmt: skip
    name, key = series.extend(first, datetime(2020, 3, 1, tzinfo=UTC))
    old, new = series.read(first), series.read(name)
    assert key == f"CEDAR_TRACKING/{name}.json"
    for section in ("collections", "tile_grid", "tile_indices", "filters", "definitions"):
        assert new["submission"][section] == old["submission"][section]
    assert [entry["name"] for entry in new.orders] == ["X0_2020-02-01", "X1_2020-02-01"]
    assert new["tracking"]["export_image_kwds"]["fileDimensions"] == [128, 128]


def test_extending_again_orders_nothing_twice_and_leaves_nothing_out(series):
    first, _ = series.submit(LC08, (0, 0), "2020-01-01", "2020-02-01", "MS", period_closed="left")
    series.extend(first, "2020-04-01")
    third, _ = series.extend(first, "2020-06-01")
    assert [start for start, _ in periods(series.read(third))] == ["2020-04-01", "2020-05-01"]
    with pytest.raises(NameTakenError, match="nothing new to order"):
        series.extend(first, "2020-06-01")
    for to in ("2020-02-01", "2019-01-01"):
        with pytest.raises(NameTakenError, match=f"exists in order {first}"):
            series.extend(first, to)
    started = [request.name for request in series.engine.requests]
    assert len(started) == len(set(started))


def test_an_order_without_a_frequency_goes_on_where_its_last_extension_ends(series):
    first, _ = series.submit(LC08, (0, 0), "2020-01-01", "2020-02-15")
    second, _ = series.extend(first, "2020-04-01")
    series.submit(LC08, (0, 1), "2020-04-01", "2020-05-01")  # Of another tile.
    third, _ = series.extend(first, "2020-06-01")
    assert periods(series.read(second)) == [("2020-02-15", "2020-04-01")]
    assert periods(series.read(third)) == [("2020-04-01", "2020-06-01")]
    assert names(series.extension(first, "2020-06-01").order) == []


def test_an_extension_tells_which_of_the_last_periods_are_stale_and_leaves_them(before, tracker):
    first = made(before, COLLECTION, (0, 0), *MAY, "MS", period_closed="left")
    preview = tracker.extension(first, "2020-07-01")
    assert standings(preview.order) == {FIRST: "stale"}
    assert [item.name[-21:] for item in preview.order.items] == ["2020-06-01_2020-07-01"]
    nothing = tracker.extension(first, "2020-05-20")
    assert (names(nothing.order), standings(nothing.order)) == ([], {FIRST: "stale"})


def test_only_the_last_periods_are_looked_at_and_nothing_is_called_unwanted(series):
    first = made(series, LC08, TILES, "2020-01-01", "2021-01-01", "MS", period_closed="left")
    found = []
    preview = series.extension(first, "2021-02-01", lambda _name, n: found.append(n))
    assert len(preview.order.earlier) == 2 * 2
    assert sum(found) == 2 * 3
    assert preview.to_dict()["plan"]["unwanted"] == []


def test_an_extension_saves_documents_of_empty_items_as_the_order_did(tracker):
    for save in (True, False):
        start = f"201{int(save)}-06-01"
        first, _ = tracker.submit(COLLECTION, (0, 0), start, start.replace("06", "07"), "MS", save,
                                  period_closed="left")  # fmt: skip
        name, _ = tracker.extend(first, start.replace("06", "08"))
        assert len(tracker.read(name)["metadata"]) == int(save)


def test_an_extension_that_is_not_wanted_or_too_large_is_refused(series, tmp_path):
    first, _ = series.submit(LC08, (0, 0), "2020-01-01", "2020-02-01", "MS", period_closed="left")
    with pytest.raises(InputError, match="not wanted"):
        series.extend(first, "2020-03-01", consent=lambda _preview: False)
    small = exporting_tracker(tmp_path, series.engine, max_tasks=1)
    with pytest.raises(InputError, match="max_tasks is 1"):
        small.extend(first, "2020-04-01")
    assert series.list() == [first]


def test_collections_that_end_at_several_times_are_not_extended(tmp_path):
    ids = ["LANDSAT/LT05/C02/T1_L2", LC08]
    tracker = exporting_tracker(tmp_path, Exporter(None, catalog=None), collections={})
    tracker.engine.store = tracker.store
    name, _ = tracker.submit(ids, (0, 0), "2011-01-01", None)
    with pytest.raises(InputError, match="LANDSAT/LT05/C02/T1_L2 2012-"):
        tracker.extend(name, "2030-01-01")


def test_an_order_that_was_imported_is_not_extended(tracker):
    first = made(tracker, COLLECTION, (0, 0), *MAY)
    record = Record.open(tracker.store, "CEDAR_TRACKING", first)
    record.edit(lambda document: document["submission"].update(definitions={}))
    record.flush()
    with pytest.raises(InputError, match="doesn't say what was asked"):
        tracker.extend(first, "2020-07-01")
    with pytest.raises(NameTakenError, match="there with an unknown request"):
        tracker.order(COLLECTION, (0, 0), *MAY)


def test_an_order_of_another_store_is_not_extended(tracker):
    first = made(tracker, COLLECTION, (0, 0), *MAY)
    record = Record.open(tracker.store, "CEDAR_TRACKING", first)
    record.edit(lambda document: document["store"].update(identity="another"))
    record.flush()
    with pytest.raises(Exception, match="belongs to another store"):
        tracker.extend(first, "2020-07-01")


# ---- on the wire


def test_a_plan_and_an_extension_over_the_wire_start_each_item_once(tmp_path):
    with exporting("gcs", tmp_path) as (emulator, tracker):
        period = "2020-05-01", "2020-05-10", "9D"
        first, _ = tracker.submit(COLLECTION, TILES, *period)
        assert isinstance(tracker, Tracker)
        assert tracker.watch(first, interval=0.01).complete
        searches = sum("compute" in request.path for request in emulator.requests)
        with pytest.raises(NameTakenError):
            tracker.submit(COLLECTION, TILES, *period)
        assert sum("compute" in r.path for r in emulator.requests) == searches + len(TILES)
        second, _ = tracker.extend(first, "2020-05-25")
        assert tracker.watch(second, interval=0.01).complete
        entries = [*tracker.read(first).orders, *tracker.read(second).orders]
        assert len({entry["name"] for entry in entries}) == len(entries)
        images = [e for e in entries if e["status"]["state"] == TaskState.COMPLETED]
        assert len(images) == len(TILES)


def test_a_pulled_order_is_planned_as_well(tmp_path):
    tracker = real_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(name)
    order = tracker.order(COLLECTION, (0, 0), *MAY)
    assert standings(order) == {FIRST: "unchanged"}
