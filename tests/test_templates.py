from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar import defaults
from cedar.exceptions import InputError
from cedar.templates import NAME, PREFIX, TRACKING, TRACKING_PREFIX, Template, safe


class Tile(NamedTuple):
    """What templates show of a tile."""

    vertical: int
    horizontal: int


LC08 = "LANDSAT/LC08/C02/T1_L2"
LC09 = "LANDSAT/LC09/C02/T1_L2"
NOW = dt.datetime(2026, 11, 21, 3, 7, 35, 999, tzinfo=dt.UTC)
ITEM = {
    "collection": LC08,
    "tile": Tile(3, 12),
    "date_start": dt.datetime(2020, 5, 1, tzinfo=dt.UTC),
    "date_end": dt.datetime(2020, 6, 1, tzinfo=dt.UTC),
    "now": NOW,
}
ORDER = {
    "collections": [LC08],
    "tiles": [Tile(0, 0), Tile(1, 12)],
    "tile_indices": [(0, 0), (1, 12)],
    "period_start": dt.datetime(2020, 5, 1, tzinfo=dt.UTC),
    "period_end": dt.datetime(2020, 6, 1, tzinfo=dt.UTC),
    "period_freq": None,
    "now": NOW,
}
SEVERAL = {
    "collections": [LC08] * 4,
    "tiles": [Tile(0, 0)] * 25,
    "tile_indices": [(0, 0)] * 25,
}


def test_the_default_name_is_that_of_older_orders():
    name = Template(defaults.NAME_TEMPLATE, NAME).render(**ITEM)
    assert name == "LANDSAT_LC08_C02_T1_L2_h012v003_2020-05-01_2020-06-01"


def test_ancestor_02_the_default_tracking_name_needs_only_what_an_order_has():
    name = Template(defaults.TRACKING_TEMPLATE, TRACKING).render(**ORDER)
    assert name == "TRACKING_PERIOD2020-05-01-2020-06-01_TASK20261121T030735"


@pytest.mark.parametrize(
    ("text", "kind", "values", "expected"),
    [
        ("{tile.horizontal}-{tile.vertical:d}-{tile.vertical:04}", NAME, ITEM, "12-3-0003"),
        ("{now}", NAME, ITEM, "20261121T030735"),
        ("{collections}", TRACKING, ORDER, "LANDSAT_LC08_C02_T1_L2"),
        ("{collections}", TRACKING, {"collections": ["A/B", "C"]}, "A_B-C"),
        ("{tiles}_{tile_indices}", TRACKING, ORDER, "h000v000-h012v001_0_0-1_12"),
        ("{collections}_{tiles}_{tile_indices}", TRACKING, SEVERAL, "4_25_25"),
        ("{period_start}_{period_end}", TRACKING, ORDER, "2020-05-01_2020-06-01"),
        ("{date_start}_{date_end}", TRACKING, ORDER, "2020-05-01_2020-06-01"),
        ("{now}_{today}", TRACKING, ORDER, "20261121T030735_20261121T030735"),
        ("{period_freq}", TRACKING, {"period_freq": "5YS-OCT"}, "5YS-OCT"),
        ("every_{period_freq}", TRACKING, ORDER, "every_none"),
        ("cubes/{collection}", PREFIX, ITEM, "cubes/LANDSAT_LC08_C02_T1_L2"),
        ("cubes/2026", TRACKING_PREFIX, {}, "cubes/2026"),
        ("a/b {{x}}", NAME, {}, "a_b__x_"),
        ("Données_v1.2", NAME, {}, "Donnees_v1_2"),
        ("北京/ﬁn", PREFIX, {}, "__/fin"),
    ],
)
def test_templates_write_what_they_show_with_safe_characters(text, kind, values, expected):
    assert Template(text, kind).render(**values) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2020-05-01", "2020-05-01"),
        ("2020-05-01T12:00", "2020-05-01T120000"),
        ("2020-05-01T23:00-03:00", "2020-05-02T020000"),
        ("2020-05-01T00:00:00.25", "2020-05-01T000000_250000"),
    ],
)
def test_dates_have_a_time_where_it_is_not_midnight(time, expected):
    assert Template("{date_start}", NAME).render(date_start=time) == expected


HOSTILE = [
    *["{tile.__class__}", "{tile.__class__.__init__.__globals__}", "{tile.crs}", "{tile}"],
    *[
        "{collection[0]}",
        "{collection!r}",
        "{tile.horizontal!s:03d}",
        "{now.year}",
        "{collection.x}",
    ],
    *["{}", "{0}", "{ collection }", "{filters}", "{date_start:%Y}", "{collection:>99}"],
    *["{tile.horizontal:{tile.vertical}}", "{tile.horizontal:9999999999d}", "{tile.horizontal:x}"],
    *["{tile.horizontal:100d}", "{tile.horizontal:.3f}", "{tile.horizontal:٣}"],
]


@pytest.mark.parametrize("kind", [NAME, PREFIX])
@pytest.mark.parametrize("asked", HOSTILE)
def test_anything_but_a_field_is_an_error_that_names_it_and_the_fields(asked, kind):
    with pytest.raises(InputError) as caught:
        Template(f"x{asked}", kind)
    assert str(caught.value) == (
        f"{kind.name} {'x' + asked!r} has {asked!r}; it may have {{collection}}, "
        "{tile.horizontal:03d}, {tile.vertical:03d}, {date_start}, {date_end}, {now}"
    )


@pytest.mark.parametrize("text", ["{collection", "collection}", "{", "{collection!}", "{a{b}}"])
def test_an_unbalanced_brace_is_an_error_that_names_the_fields(text):
    with pytest.raises(InputError, match=r"is broken, .*; it may have {collection}, "):
        Template(text, NAME)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{collection}", TRACKING),
        ("{tile.horizontal}", TRACKING),
        ("{period_start}", NAME),
        ("{today}", NAME),
        ("{now}", TRACKING_PREFIX),
    ],
)
def test_each_kind_has_its_own_fields(text, kind):
    with pytest.raises(InputError, match=rf"^{kind.name} .* has '{re.escape(text)}'; it may have"):
        Template(text, kind)


@pytest.mark.parametrize("text", ["", ".", "..", "/etc", "a/", "a//b", "a/./b", "../a", "a/.."])
@pytest.mark.parametrize("kind", [PREFIX, TRACKING_PREFIX])
def test_a_prefix_stays_inside_the_store(text, kind):
    with pytest.raises(InputError, match=r"empty, '.' or '..' part"):
        Template(text, kind)


@pytest.mark.parametrize("collection", ["../..", "/etc", "a//b"])
def test_no_value_adds_a_folder_to_a_prefix(collection):
    prefix = Template("cubes/{collection}", PREFIX).render(collection=collection)
    assert prefix == f"cubes/{safe(collection)}"
    assert prefix.count("/") == 1


@pytest.mark.parametrize("text", ["{collection}", "a/{collection}", "{collection}/a"])
def test_an_empty_name_is_an_error(text):
    with pytest.raises(InputError, match="a name is empty"):
        Template(text, PREFIX).render(collection="")


def test_a_long_name_is_an_error_and_never_cut():
    longest = "x" * 90
    assert Template("{collection}", NAME).render(collection=longest) == longest
    assert Template(f"{longest}/{longest}", PREFIX).render() == f"{longest}/{longest}"
    with pytest.raises(InputError, match="91 characters where 90 are allowed"):
        Template("x{collection}", NAME).render(collection=longest)


def test_a_template_knows_its_fields():
    template = Template("{date_end}_{tile.vertical:03d}_{date_start}_{date_end}", NAME)
    assert template.fields == ("tile.vertical", "date_start", "date_end")
    assert Template("CEDAR_PREARD", PREFIX).fields == ()


def test_templates_are_equal_by_text_and_kind():
    assert Template("a", NAME) == Template("a", NAME)
    assert Template("a", NAME) != Template("a", PREFIX)
    assert len({Template("a", NAME), Template("a", NAME)}) == 1


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        ("x_{collection}", {"tile": Tile(3, 13)}, r"add {tile.horizontal}$"),
        ("x_{collection}", {"tile": Tile(4, 13)}, r"add {tile.horizontal} or {tile.vertical}$"),
        ("{tile.vertical}", {"collection": LC09}, r"\(collection \S+8\S+\) and \(.*9.*add {coll"),
        (
            "{date_start}",
            {"date_end": "2020-05-17"},
            r"\(date_end 2020-06-01\) and \(date_end 2020-05-17\): add {date_end}$",
        ),
        ("{tile.vertical}{tile.horizontal}", {"tile": Tile(31, 2)}, "part its fields with '_'"),
        ("{collection}", {"collection": "LANDSAT_LC08/C02/T1_L2"}, "or order these apart"),
        ("{collection}", {"collection": LC08.lower()}, "or order these apart"),
        ("{collection}", {}, r"for the same item, \(collection \S+, tile.horizontal 12, .*once$"),
    ],
)
def test_two_items_with_one_name_are_an_error_that_says_what_tells_them_apart(
    text, change, message
):
    with pytest.raises(InputError, match=message) as caught:
        Template(text, NAME).render_unique(
            [
                {**ITEM, "tile": Tile(9, 9), "collection": "z", "date_start": "1999"},
                ITEM,
                ITEM | change,
            ]
        )
    assert str(caught.value).startswith(f"name_template {text!r} gives ")


TEXT = st.text(max_size=20).filter(lambda text: len(safe(text)) <= 40)
TILES = st.builds(Tile, st.integers(0, 999), st.integers(0, 999))
TIMES = st.datetimes(timezones=st.just(dt.UTC)).map(lambda time: time.replace(microsecond=0))
ITEMS = st.fixed_dictionaries(
    {"collection": TEXT, "tile": TILES, "date_start": TIMES, "date_end": TIMES, "now": TIMES}
)
TEXTS = st.sampled_from([defaults.NAME_TEMPLATE, "x{collection}", "{date_end}/{tile.vertical}é"])


PIECES = st.one_of(
    st.sampled_from(["{", "}", "/", ".", "!r", ":", "tile.horizontal", "{now}", "{collection}"]),
    st.text(max_size=3),
)


@given(TEXTS, ITEMS)
def test_whatever_the_values_hold_a_name_is_safe(text, values):
    name = Template(text, NAME).render(**values)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,90}", name)


@given(st.lists(PIECES, max_size=6).map("".join), st.sampled_from([NAME, PREFIX]))
def test_whatever_a_template_holds_it_is_refused_or_gives_a_safe_name(text, kind):
    try:
        name = Template(text, kind).render(**ITEM)
    except InputError:
        return
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,90}", part) for part in name.split("/"))
    assert name.count("/") == (text.count("/") if kind.folders else 0)


@given(st.text("abAB12_-", max_size=30))
def test_safe_text_is_kept_as_it_is(text):
    assert safe(text) == text


@given(TEXTS, st.lists(ITEMS, max_size=5), st.data())
def test_items_have_different_names_or_are_refused(text, items, data):
    template = Template(text, NAME)
    items += data.draw(st.lists(st.sampled_from(items), max_size=1)) if items else []
    names = [template.render(**values).lower() for values in items]
    if len(set(names)) == len(items):
        assert [name.lower() for name in template.render_unique(items)] == names
    else:
        with pytest.raises(InputError, match="twice"):
            template.render_unique(items)
