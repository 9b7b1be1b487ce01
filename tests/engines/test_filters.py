"""Filters of users: dicts and ee.Filter objects, checked, recorded and applied."""

import ee
import pytest
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EngineError, InputError

ROW_77 = {"function": "eq", "name": "WRS_ROW", "value": 77}
ROW_78 = {"function": "eq", "name": "WRS_ROW", "value": 78}


@pytest.fixture
def engine():
    with Emulator(LANDSAT) as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        yield engine


def found(tmp_path, engine, *filters):
    """Rows of the images that an order with these filters is made of, by what it recorded."""
    tracker = real_tracker(tmp_path, engine=engine, filters={COLLECTION: filters})
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracking = tracker.read(name)
    (entry,) = tracking.orders
    image = tracker.store.read_metadata(entry["name"], entry["prefix"])
    recorded = tracking["submission"]["filters"].get(COLLECTION, [])
    assert image["order"]["filters"] == recorded
    images = [listed for group in image["image"]["groups"] for listed in group["images"]]
    return {listed["WRS_ROW"] for listed in images}, recorded


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ([], {77, 78}),
        ([ROW_77], {77}),
        ([{"function": "lte", "name": "CLOUD_COVER", "value": 12.4}], set()),
        ([ROW_77, ROW_78], set()),
        ([{"function": "And", "filters": [ROW_77, ROW_78]}], set()),
        ([{"function": "Or", "filters": [ROW_77, ROW_78]}], {77, 78}),
        ([{"function": "Not", "filter": ROW_77}], {78}),
        ([{"function": "Not", "filter": {"function": "Or", "filters": [ROW_77]}}], {78}),
        ([{"function": "inList", "leftField": "WRS_ROW", "rightValue": [78, 79]}], {78}),
    ],
)
def test_ancestor_01_filters_are_applied_and_recorded_as_given(tmp_path, engine, given, rows):
    assert found(tmp_path, engine, *given) == (rows, given)


def test_filter_objects_are_applied_and_recorded_as_their_expression(tmp_path, engine):
    rows, recorded = found(tmp_path, engine, ee.Filter.gt("WRS_ROW", 77))
    assert rows == {78}
    assert [*recorded[0]] == ["expression"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda part: {"function": "Not", "filter": part},
        lambda part: {"function": "And", "filters": [{"function": "Not", "filter": part}]},
    ],
)
def test_filter_objects_may_be_inside_of_dicts(tmp_path, engine, wrap):
    rows, recorded = found(tmp_path, engine, wrap(ee.Filter.eq("WRS_ROW", 77)))
    assert rows == {78}
    assert [*recorded[0]] == ["expression"]


def test_a_recorded_expression_is_as_good_as_the_filter_as_json_or_its_text(tmp_path, engine):
    text = ee.Filter.eq("WRS_ROW", 78).serialize()
    _, recorded = found(tmp_path / "first", engine, {"expression": text})
    assert found(tmp_path / "second", engine, *recorded)[0] == {78}
    (recorded,) = found(tmp_path / "third", engine, ee.Filter.eq("WRS_ROW", 78))[1]
    assert found(tmp_path / "fourth", engine, recorded)[0] == {78}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"function": "lessThanEq", "name": "A", "value": 1}, "did you mean 'lessThan"),
        ({"function": "xyzzy"}, "'xyzzy' is not one of ee.Filter's$"),
        ({"name": "A", "value": 1}, "function None is not one of"),
        ({"function": ["eq"]}, "is not one of"),
        (
            {"function": "lte", "name": "A", "valeu": 1},
            "argument 'valeu'; it takes name, value",
        ),
        ({"function": "lte", "name": "A"}, "missing.*'value'"),
        ({"function": "date", "start": object()}, "not JSON serializable"),
        ({"function": "And", "filters": []}, "takes a list `filters`"),
        ({"function": "Or", "filters": ROW_77}, "takes a list `filters`"),
        ({"function": "Or", "filters": [ROW_77], "value": 1}, "nothing else"),
        ({"function": "Or", "filters": [{"function": "equal"}]}, "'equal' is not one of"),
        ({"function": "Not"}, "Not takes `filter`"),
        ({"function": "Not", "filter": ROW_77, "name": "A"}, "nothing else"),
        ("CLOUD_COVER < 80", "neither a dict nor an ee.Filter"),
    ],
)
def test_ancestor_29_what_is_no_filter_is_refused_before_anything_is_sent(tmp_path, given, message):
    with Emulator(LANDSAT) as emulator:
        engine = EarthEngine(emulator=emulator)
        tracker = real_tracker(tmp_path, engine=engine, filters={COLLECTION: [given]})
        with pytest.raises(InputError, match=message):
            tracker.submit(COLLECTION, (0, 0), *MAY)
        assert emulator.requests == []
    assert list(tmp_path.iterdir()) == []


def test_what_the_service_refuses_is_an_error_and_nothing_is_written(tmp_path, engine):
    wrong = {"function": "lte", "name": 5, "value": 1}
    tracker = real_tracker(tmp_path, engine=engine, filters={COLLECTION: [wrong]})
    with pytest.raises(EngineError):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.list() == []
    assert list(tracker.store.objects()) == []


@pytest.mark.parametrize("filters", [None, {}, {"OTHER/COLLECTION": [ROW_77]}])
def test_ancestor_10_there_may_be_no_filters(tmp_path, engine, filters):
    tracker = real_tracker(tmp_path, engine=engine, filters=filters)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.read(name).orders[0]["n_images"] == 2
    assert tracker.filters == (filters or {})
