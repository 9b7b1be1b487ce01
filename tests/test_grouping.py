"""Groups of images: the layers of a stack."""

import datetime as dt
import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cedar.grouping import group_images, in_period
from cedar.items import ImageInfo
from cedar.sensors.base import Band, Collection

COLLECTION = Collection(
    id="EXAMPLE/X",
    bands=(Band("red", "B4", "uint16"), Band("qa", "QA", "uint16", qa=True)),
    chosen=("red", "qa"),
    pass_properties=("SPACECRAFT_ID", "WRS_PATH"),
    night_rule=("WRS_ROW", 122),
)


def image(index, time, **properties):
    properties = {"SPACECRAFT_ID": "L8", "WRS_PATH": 224, "WRS_ROW": 77, **properties}
    moment = dt.datetime.fromisoformat(time).replace(tzinfo=dt.UTC)
    return ImageInfo(
        f"EXAMPLE/X/{index}",
        index,
        int(moment.timestamp() * 1000),
        bands=frozenset(["B4", "QA"]),
        properties=properties,
    )


def group(images, group_by, longitude):
    return group_images(images, replace(COLLECTION, group_by=group_by), longitude)


def indices(groups):
    return [[image.index for image in group.images] for group in groups]


def test_rows_of_one_pass_are_one_layer_and_the_later_lies_on_top():
    images = [image("b", "2020-05-18T13:36:26", WRS_ROW=78), image("a", "2020-05-18T13:36:02")]
    assert indices(group(images, "pass", -54.6)) == [["a", "b"]]


def test_of_two_images_of_one_time_the_later_index_lies_on_top():
    images = [image("b", "2020-05-18T13:36:02"), image("a", "2020-05-18T13:36:02")]
    assert indices(group(images, "pass", -54.6)) == [["a", "b"]]


def test_two_passes_of_one_day_are_two_layers():
    images = [
        image("a", "2020-05-18T13:36:02"),
        image("b", "2020-05-18T13:36:02", SPACECRAFT_ID="L9"),
        image("c", "2020-05-18T15:10:00", WRS_PATH=240),
    ]
    assert indices(group(images, "pass", -54.6)) == [["a"], ["b"], ["c"]]
    assert indices(group(images, "solar_day", -54.6)) == [["a", "b", "c"]]


def test_a_pass_over_midnight_utc_keeps_one_date_the_solar_one():
    images = [image("a", "2020-05-17T23:59:50"), image("b", "2020-05-18T00:00:14")]
    (layer,) = group(images, "pass", 150.0)
    assert layer.date == dt.date(2020, 5, 18)
    assert indices(group(images, "utc_day", 150.0)) == [["a"], ["b"]]


def test_the_solar_day_counts_whole_hours_towards_zero():
    late = [image("a", "2020-05-18T00:30:00")]
    assert group(late, "pass", -14.9)[0].date == dt.date(2020, 5, 18)
    assert group(late, "pass", -15.0)[0].date == dt.date(2020, 5, 17)


def test_none_keeps_every_image_by_itself_at_its_utc_day():
    images = [image("a", "2020-05-18T00:30:00"), image("b", "2020-05-18T00:30:00")]
    groups = group(images, "none", -54.6)
    assert indices(groups) == [["a"], ["b"]]
    assert {group.date for group in groups} == {dt.date(2020, 5, 18)}


def test_night_scenes_are_left_out_unless_asked_for():
    images = [
        image("day", "2020-05-18T13:36:02"),
        image("night", "2020-05-18T02:00:00", WRS_ROW=122),
    ]
    assert indices(group(images, "none", 0)) == [["day"]]
    night = replace(COLLECTION, night=True)
    assert indices(group_images(images, replace(night, group_by="none"), 0)) == [["night"], ["day"]]


def test_an_image_with_none_of_the_chosen_bands_is_left_out():
    images = [replace(image("a", "2020-05-18T13:36:02"), bands=frozenset(["B1"]))]
    assert group(images, "pass", 0) == ()


@given(
    st.lists(st.integers(0, 60 * 24 * 40), max_size=40),
    st.floats(-180, 180),
    st.sampled_from(["pass", "solar_day", "utc_day", "none"]),
)
def test_every_image_is_in_one_group_and_every_group_in_one_period(minutes, longitude, group_by):
    origin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    images = [
        image(f"i{n}", (origin + dt.timedelta(minutes=m)).isoformat()[:19])
        for n, m in enumerate(minutes)
    ]
    groups = group(images, group_by, longitude)
    assert sorted(i for group in indices(groups) for i in group) == sorted(i.index for i in images)
    edges = [
        dt.datetime(2019, 12, 30, tzinfo=dt.UTC) + dt.timedelta(days=d) for d in range(0, 60, 7)
    ]
    periods = itertools.pairwise(edges)
    placed = [group for start, end in periods for group in in_period(groups, start, end)]
    assert placed == list(groups)
