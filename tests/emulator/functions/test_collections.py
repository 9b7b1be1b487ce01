from __future__ import annotations

import numpy as np
import pytest

from cedar.emulator.evaluate import encode
from cedar.emulator.values import Date, Image, ServiceError

ONES = np.ones((6, 8), "int16")


@pytest.fixture
def images(image):
    """Three images; the second lacks a property."""
    made = [image(name, time, b=ONES) for name, time in (("a", 10), ("b", 20), ("c", 30))]
    for each, cover in zip(made, (5, None, 3), strict=True):
        if cover is not None:
            each.properties["CLOUD"] = cover
    return made


def indices(collection):
    return [each.get("system:index") for each in collection.elements]


def test_metadata_of_all_images_in_one_request(ee, run, images):
    names = ["system:index", "system:id", "system:version", "CLOUD"]
    collection = ee.ImageCollection("MEMORY")
    all_rows = collection.reduceColumns(ee.Reducer.toList(4, 3), names)
    assert run(all_rows, *images) == {
        "list": [["a", "MEMORY/a", 1, 5], ["b", "MEMORY/b", 1, None], ["c", "MEMORY/c", 1, 3]]
    }
    complete = collection.reduceColumns(ee.Reducer.toList(4), names).get("list")
    assert [row[0] for row in run(complete, *images)] == ["a", "c"]
    plain = collection.reduceColumns(ee.Reducer.toList(), ["CLOUD"]).get("list")
    assert run(plain, *images) == [5, 3]
    with pytest.raises(ServiceError, match="Need 2 inputs for the reducer, got 1"):
        run(collection.reduceColumns(ee.Reducer.toList(2), ["CLOUD"]), *images)


@pytest.mark.parametrize(
    ("name", "expected"), [("count", 2), ("min", 3), ("max", 5), ("mean", 4), ("sum", 8)]
)
def test_columns_are_reduced_without_the_nulls(ee, run, images, name, expected):
    reducer = getattr(ee.Reducer, name)()
    reduced = ee.ImageCollection("MEMORY").reduceColumns(reducer, ["CLOUD"])
    assert run(reduced, *images) == {name: expected}


def test_aggregate_array_drops_nulls(ee, run, images):
    assert run(ee.ImageCollection("MEMORY").aggregate_array("CLOUD"), *images) == [5, 3]


def test_more_than_5000_elements_are_refused_in_the_services_words_where_they_are_listed(ee, run):
    many = [Image((), {"system:index": str(i)}) for i in range(5001)]
    collection = ee.ImageCollection("MEMORY")
    text = r"^Collection query aborted after accumulating over 5000 elements\.$"
    for built in (
        collection.toList(5001),
        collection.aggregate_array("system:index"),
        collection.reduceColumns(ee.Reducer.count(), ["system:index"]),
    ):
        with pytest.raises(ServiceError, match=text):
            run(built, *many)
    with pytest.raises(ServiceError, match=text):
        encode(run(collection, *many))
    assert run(collection.size(), *many) == 5001
    assert len(run(collection.toList(5000, 1), *many)) == 5000
    assert len(encode(run(collection, *many[:5000]))["features"]) == 5000


@pytest.mark.parametrize("method", ["select", "map", "sort", "merge", "distinct"])
def test_what_is_filtered_in_the_end_may_have_been_more_than_5000(ee, run, method):
    many = [Image((), {"system:index": str(i)}) for i in range(5001)]
    collection = ee.ImageCollection("MEMORY")
    arguments = {
        "select": [[]],
        "map": [lambda image: image.set("x", 1)],
        "sort": ["system:index", False],
        "merge": [ee.ImageCollection([])],
        "distinct": ["system:index"],
    }
    steps = getattr(collection, method)(*arguments[method])
    found = run(steps.filter(ee.Filter.stringEndsWith("system:index", "4999")), *many)
    assert len(encode(found)["features"]) == 1


def test_a_filter_after_select_narrows_the_search(ee, run, images, catalog):
    memory = catalog(images)
    chosen = ee.ImageCollection("MEMORY").select(["b"], ["c"]).filterDate(15, 25)
    renamed = chosen.map(lambda image: image.addBands(ee.Image(1)).updateMask(1)).filterDate(16)
    found = run(renamed, catalog=memory)
    assert indices(found) == []
    ((start, end),) = [(query.start, query.end) for query in memory.queries]
    assert (start, end) == (16, 17)
    assert indices(run(chosen, catalog=memory)) == ["b"]


def test_a_filter_after_a_function_that_may_change_properties_does_not(ee, run, images, catalog):
    for function in (
        lambda image: image.set("system:time_start", 20),
        lambda image: ee.Image("MEMORY/b").select("b"),
        lambda image: ee.Image(1).addBands(image).set("system:time_start", 20),
    ):
        memory = catalog(images)
        moved = ee.ImageCollection("MEMORY").map(function).filterDate(20)
        assert indices(run(moved, catalog=memory)) == ["a", "b", "c"]
        assert [(query.start, query.end) for query in memory.queries] == [(None, None)]


def test_a_collection_is_iterated_over_and_thinned_out(ee, run, images):
    collection = ee.ImageCollection("MEMORY")
    joined = collection.iterate(
        lambda image, text: ee.String(text).cat(ee.Image(image).id()), ee.String("")
    )
    assert run(joined, *images) == "abc"
    assert run(collection.iterate(lambda image, other: image), *images).id == "MEMORY/c"
    features = [ee.Feature(None, {"x": x, "y": y}) for x, y in ((1, [1]), (1.0, [1]), (1, [2]))]
    distinct = run(ee.FeatureCollection(features).distinct("x"))
    assert indices_of(distinct) == ["0"]
    assert indices_of(run(ee.FeatureCollection(features).distinct(["x", "y"]))) == ["0", "2"]


def indices_of(features):
    return [each.properties["system:index"] for each in features.elements]


def test_statistics_of_a_property(ee, run, images):
    collection = ee.ImageCollection("MEMORY")
    stats = {"sum": 8, "min": 3, "max": 5, "mean": 4, "sum_sq": 34, "total_count": 3}
    stats |= {"sample_sd": 2**0.5, "sample_var": 2, "total_sd": 1, "total_var": 1}
    stats |= {"valid_count": 2, "weight_sum": 2, "weighted_sum": 8}
    assert run(collection.aggregate_stats("CLOUD"), *images) == pytest.approx(stats)
    for name, expected in {
        "array": [5, 3],
        "count": 2,
        "count_distinct": 2,
        "first": 5,
        "histogram": {"3": 1, "5": 1},
        "max": 5,
        "mean": 4,
        "min": 3,
        "product": 15,
        "sum": 8,
        "sample_sd": 2**0.5,
        "total_var": 1,
    }.items():
        result = run(getattr(collection, f"aggregate_{name}")("CLOUD"), *images)
        assert result == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert run(collection.aggregate_max("system:index"), *images) == "c"
    assert run(collection.aggregate_mean("nothing"), *images) is None
    assert run(collection.limit(1).aggregate_sample_sd("CLOUD"), *images) == 0
    with pytest.raises(ServiceError, match="values of 'system:index' are of other kinds"):
        run(collection.aggregate_sum("system:index"), *images)


def test_map_keeps_the_index_and_set_keeps_id_and_version(ee, run, images):
    mapped = ee.ImageCollection("MEMORY").map(lambda i: i.add(1).set("x", i.get("CLOUD")))
    result = run(mapped, *images).elements
    assert [each.get("system:index") for each in result] == ["a", "b", "c"]
    assert [each.get("x") for each in result] == [5, None, 3]
    assert result[0].id is None
    same = ee.ImageCollection("MEMORY").select(["b"], ["c"]).map(lambda i: i.set({"y": 1}))
    result = run(same, *images).elements
    assert [(each.id, each.version, each.get("y")) for each in result] == [
        ("MEMORY/a", 1, 1),
        ("MEMORY/b", 1, 1),
        ("MEMORY/c", 1, 1),
    ]
    assert run(same.first().bandNames(), *images) == ["c"]


def test_a_mapped_function_must_return_an_element(ee, run, images):
    built = ee.ImageCollection("MEMORY").map(lambda i: i.get("CLOUD"))
    with pytest.raises(ServiceError, match="must return a Feature or Image, on ID 'a'"):
        run(built, *images)
    dropped = ee.ImageCollection("MEMORY").map(lambda i: ee.List([None, i]).get(0), True)
    assert run(dropped.size(), *images) == 0


def test_sort_limit_first_and_lists(ee, run, images):
    collection = ee.ImageCollection("MEMORY")
    assert indices(run(collection.sort("CLOUD"), *images)) == ["c", "a", "b"]
    assert indices(run(collection.sort("CLOUD", False), *images)) == ["a", "c", "b"]
    assert indices(run(collection.limit(2), *images)) == ["a", "b"]
    assert indices(run(collection.limit(1, "system:time_start", False), *images)) == ["c"]
    assert run(collection.first().id(), *images) == "a"
    assert run(collection.filter(ee.Filter.eq("CLOUD", 99)).first(), *images) is None
    listed = run(collection.toList(2, 1), *images)
    assert [each.id for each in listed] == ["MEMORY/b", "MEMORY/c"]
    ids = collection.toList(9).map(lambda i: ee.Image(i).id())
    assert run(ids, *images) == ["a", "b", "c"]


def test_a_collection_that_was_mapped_can_still_be_filtered(ee, run, images):
    collection = ee.ImageCollection("MEMORY").select("b").filter(ee.Filter.lt("CLOUD", 5))
    assert indices(run(collection, *images)) == ["c"]


def test_features_are_collected_and_filtered_by_text(ee, run):
    features = [ee.Feature(ee.Geometry.Point([i, 0]), {"x": i}) for i in range(4)]
    collection = ee.FeatureCollection(features).filter("x > 1 && system:index != '3'")
    (only,) = run(collection).elements
    assert (only.properties["x"], only.properties["system:index"]) == (2, "2")
    with pytest.raises(ServiceError, match="Expected type: ImageCollection"):
        run(ee.ImageCollection(ee.FeatureCollection(features)).mosaic())
    with pytest.raises(ServiceError, match="merges collections of one kind only"):
        run(ee.FeatureCollection(features).merge(ee.ImageCollection([ee.Image(1)])))


def test_merge_prefixes_the_index_and_fromimages_counts(ee, run, images):
    collection = ee.ImageCollection("MEMORY")
    merged = run(collection.limit(2).merge(collection.limit(1)), *images)
    assert indices(merged) == ["1_a", "1_b", "2_a"]
    assert merged.elements[2].id == "MEMORY/a"
    given = ee.ImageCollection.fromImages([ee.Image("MEMORY/b"), ee.Image("MEMORY/a")])
    assert indices(run(given, *images)) == ["0", "1"]
    assert run(given.toBands().bandNames(), *images) == ["0_b", "1_b"]
    assert run(collection.toBands().bandNames(), *images) == ["a_b", "b_b", "c_b"]


def test_what_is_not_there_is_an_error_in_the_services_words(ee, run, images):
    not_found = r"asset '{}' not found \(does not exist or caller does not have access\)\."
    with pytest.raises(
        ServiceError, match="^ImageCollection.load: ImageCollection " + not_found.format("X/Y")
    ):
        run(ee.ImageCollection("X/Y"), *images)
    for built in (ee.Image("MEMORY/z"), ee.Image.load("MEMORY/z", 1)):
        with pytest.raises(
            ServiceError, match="^Image.load: Image " + not_found.format("MEMORY/z")
        ):
            run(built, *images)
    assert run(ee.Image.load("MEMORY/a", 1), *images).id == "MEMORY/a"
    with pytest.raises(ServiceError, match="not found"):
        run(ee.Image.load("MEMORY/a", 2), *images)


def test_properties_are_read_set_and_copied(ee, run, images):
    a, b = ee.Image("MEMORY/a"), ee.Image("MEMORY/b")
    assert run(a.toDictionary(), *images) == {"CLOUD": 5}
    wanted = ["system:index", "nothing"]
    assert run(a.toDictionary(wanted), *images) == {"system:index": "a", "nothing": None}
    assert run(a.date(), *images) == Date(10)
    assert run(b.copyProperties(a), *images).get("CLOUD") == 5
    assert run(b.copyProperties(a, ["system:time_start"]), *images).get("system:time_start") == 10
    assert run(b.copyProperties(a, None, ["CLOUD"]), *images).get("CLOUD") is None
    assert run(a.set("CLOUD", None), *images).get("CLOUD") is None
    assert run(a.getNumber("CLOUD").add(1), *images) == 6
    assert run(a.getString("system:index").cat("!"), *images) == "a!"
    with pytest.raises(ServiceError, match="property 'system:index' is not a number"):
        run(a.getNumber("system:index"), *images)
    with pytest.raises(ServiceError, match="can't set 'system:id'"):
        run(a.set("system:id", "x"), *images)


@pytest.mark.parametrize(
    ("start", "amount", "unit", "expected"),
    [
        ("2020-01-31", 1, "month", "2020-02-29T00:00:00"),
        ("2020-02-29", -1, "year", "2019-02-28T00:00:00"),
        ("2020-11-15T06:30", 3, "month", "2021-02-15T06:30:00"),
        ("2020-060", 1, "day", "2020-03-01T00:00:00"),
        ("2020", 1.5, "hour", "2020-01-01T01:30:00"),
        ("2020-01-01T00:00:00+02:00", 1, "second", "2019-12-31T22:00:01"),
        ("2020-01", 1, "week", "2020-01-08T00:00:00"),
    ],
)
def test_dates_are_parsed_advanced_and_formatted(ee, run, start, amount, unit, expected):
    assert run(ee.Date(start).advance(amount, unit).format()) == expected


def test_dates_are_formatted_by_a_pattern(ee, run):
    date = ee.Date(1_589_808_962_007)
    pattern = "YYYY-MM-dd'T'HHmmss.SSS yy DDD"
    assert run(date.format(pattern)) == "2020-05-18T133602.007 20 139"
    assert run(date.format()) == "2020-05-18T13:36:02.007"
    assert run(date.millis()) == 1_589_808_962_007
    with pytest.raises(ServiceError, match="does not implement 'ww'"):
        run(date.format("ww"))


def test_dates_that_are_none_and_zones_are_refused(ee, run):
    for text in ("yesterday", "2020-13-01", "2020-01-01 00:00", "20200101"):
        with pytest.raises(ServiceError, match="Bad date/time"):
            run(ee.Date(text))
    with pytest.raises(ServiceError, match="no time zone but UTC"):
        run(ee.Date("2020-01-01", "America/New_York"))
    with pytest.raises(ServiceError, match="Unknown unit 'fortnight'"):
        run(ee.Date("2020-01-01").advance(1, "fortnight"))
    with pytest.raises(ServiceError, match="whole months only"):
        run(ee.Date("2020-01-01").advance(0.5, "month"))
    with pytest.raises(ServiceError, match="end must not be before the start"):
        run(ee.DateRange("2020-01-02", "2020-01-01"))
    assert run(ee.Date("2020-01-01", "UTC")) == run(ee.Date("2020-01-01"))
