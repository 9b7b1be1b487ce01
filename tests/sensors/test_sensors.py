"""Which collections there are, and what settings make of them."""

import json
import re

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from cedar.exceptions import InputError, UnknownCollectionError
from cedar.sensors import Band, Collection, definition, known, resolve
from cedar.sensors.base import DTYPES

LC08 = "LANDSAT/LC08/C02/T1_L2"
OWN = "EXAMPLE/LC08/DN"
OWN_SETTINGS = {"bands": {"blue": "B2", "red": "B4"}, "dtype": "uint16", "nodata": 0}


def own(**changes):
    return resolve(OWN, {OWN: {**OWN_SETTINGS, **changes}})


def landsat(**settings):
    return resolve(LC08, {LC08: settings})


@pytest.mark.parametrize(
    ("retired", "nearest"),
    [
        ("LANDSAT/LC08/C01/T1_SR", "LANDSAT/LC08/C02/T1_L2"),
        ("LANDSAT/LE07/C01/T1_SR", "LANDSAT/LE07/C02/T1_L2"),
        ("LANDSAT/LT05/C01/T2_SR", "LANDSAT/LT05/C02/T2_L2"),
        ("LANDSAT/LT04/C01/T1_SR", "LANDSAT/LT04/C02/T1_L2"),
        ("LANDSAT/LT5_L1T", "LANDSAT/LT05/C02/T1_L2"),
        ("LANDSAT/LE7_L1T_TOA", "LANDSAT/LE07/C02/T1_TOA"),
        ("LANDSAT/LC8_L1T_TOA_FMASK", "LANDSAT/LC08/C02/T1_TOA"),
        ("COPERNICUS/S2_SR", "COPERNICUS/S2_SR_HARMONIZED"),
        ("MODIS/006/MOD09A1", "MODIS/061/MOD09A1"),
        ("landsat/lc08/c02/t1_l2", "LANDSAT/LC08/C02/T1_L2"),
    ],
)
def test_ancestor_08_a_retired_collection_names_the_nearest_known(retired, nearest):
    with pytest.raises(UnknownCollectionError, match=re.escape(nearest)) as caught:
        resolve(retired)
    assert (caught.value.collection, caught.value.nearest) == (retired, nearest)


def test_nothing_is_named_where_nothing_is_near():
    with pytest.raises(UnknownCollectionError, match="see `cedar collections`") as caught:
        resolve("JAXA/ALOS/PALSAR")
    assert caught.value.nearest is None


def test_a_defined_collection_can_be_the_nearest():
    with pytest.raises(UnknownCollectionError, match=OWN):
        resolve("EXAMPLE/LC08/DNN", {OWN: OWN_SETTINGS})


def test_a_known_collection_is_as_cedar_knows_it_without_settings():
    assert resolve(LC08) is known()[LC08]
    assert landsat() == known()[LC08]


def test_a_new_collection_has_what_its_settings_say():
    assert own(valid_range={"red": [1, 4095]}, scale=0.5, validity="B4") == Collection(
        OWN,
        bands=(
            Band("blue", "B2", "uint16", scale=0.5),
            Band("red", "B4", "uint16", (1, 4095), scale=0.5),
        ),
        chosen=("blue", "red"),
        nodata=0,
        dtype="uint16",
        validity="B4",
        group_by="solar_day",
    )


def test_a_list_of_a_new_collections_bands_gives_native_names():
    collection = own(bands=["B4", "B2"])
    assert [(band.name, band.native) for band in collection.stack_bands] == [
        ("B4", "B4"),
        ("B2", "B2"),
    ]


@pytest.mark.parametrize("key", ["bands", "dtype", "nodata"])
def test_a_new_collection_says_which_setting_is_missing(key):
    settings = {name: value for name, value in OWN_SETTINGS.items() if name != key}
    with pytest.raises(InputError, match=f"collection {OWN}: .* needs {key}$"):
        resolve(OWN, {OWN: settings})


def test_bands_of_a_known_collection_are_chosen_by_common_or_native_name():
    collection = landsat(bands=["qa", "SR_B4"])
    assert collection.chosen == ("qa", "red")
    assert [band.native for band in collection.stack_bands] == ["QA_PIXEL", "SR_B4"]


def test_bands_of_a_known_collection_can_be_given_other_names():
    collection = landsat(bands={"r": "SR_B4", "haze": "ST_CDIST"}, dtype="uint16")
    red, haze = collection.stack_bands
    assert (red.name, red.scale, red.valid_range) == ("r", 2.75e-05, (1, 65455))
    assert haze == Band("haze", "ST_CDIST", "uint16")


def test_settings_override_only_what_they_name():
    collection = landsat(valid_range={"nir": [7273, 43636]}, night=True)
    assert collection.band("nir").valid_range == (7273, 43636)
    assert collection.band("red") == known()[LC08].band("red")
    assert (collection.night, collection.properties) == (True, known()[LC08].properties)


def test_one_scale_for_all_bands_leaves_qa_alone():
    collection = landsat(scale=0.5)
    assert (collection.band("red").scale, collection.band("qa").scale) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bands": ["red", "nri"]}, "has no band 'nri'; the nearest is 'nir'"),
        ({"bands": ["SR_B44"]}, "has no band 'SR_B44'; the nearest is 'SR_B4'"),
        ({"scale": {"rad": 1}}, "has no band 'rad'; the nearest is 'red'"),
        ({"bands": ["red", "SR_B4"]}, "has band 'red' twice"),
        ({"bands": {"a": "SR_B4", "b": "SR_B4"}}, "has band 'SR_B4' twice"),
        ({"bands": []}, r"bands: \[\] is not one band or more"),
        ({"bands": {"a b": "SR_B4"}}, "band 'a b': a name has letters"),
        ({"bands": {"cloud": "CLD"}}, "no band 'CLD' that cedar knows, so it needs dtype"),
        ({"nodta": 0}, "unknown key 'nodta'; the nearest known is 'nodata'"),
        ({"nodata": -9999}, "nodata -9999 doesn't fit uint16; the nearest that does is 0"),
        ({"nodata": 0.5}, "nodata 0.5 doesn't fit uint16"),
        ({"nodata": 1e40, "dtype": "float32", "allow_widening": True}, "doesn't fit float32"),
        ({"nodata": float("nan"), "dtype": "float64", "allow_widening": True}, "isn't finite"),
        ({"dtype": "uint"}, "dtype: 'uint' is not one of"),
        ({"valid_range": {"red": [9, 1]}}, "valid_range, red: 9 is above 1"),
        ({"scale": float("inf")}, "band 'blue' has a number that isn't finite"),
        ({"validity": "qa"}, "validity: qa is QA_PIXEL in the collection"),
        ({"group_by": "day"}, "group_by: 'day' is not one of"),
        ({"service_start": "2013-02-30"}, "service_start: '2013-02-30' is not a date"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(settings, message):
    with pytest.raises(InputError, match=f"collection {LC08}: .*{message}"):
        landsat(**settings)


def test_a_band_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError, match="pan"):
        known()[LC08].band("pan")


def test_passes_need_to_be_known():
    with pytest.raises(InputError, match="use solar_day instead of pass"):
        own(group_by="pass")


def test_a_wider_file_is_refused_unless_it_is_wanted():
    with pytest.raises(InputError, match="take 16 bytes, and 32 in one file of float32"):
        landsat(dtype="float32")
    assert landsat(dtype="float32", allow_widening=True).stack_bytes == (16, 32)


@pytest.mark.parametrize(
    ("dtypes", "stack"),
    [
        (["uint8", "int16"], "int16"),
        (["uint16", "int16"], "int32"),
        (["uint16", "uint16"], "uint16"),
        (["uint16", "float32"], "float32"),
        (["int32", "float32"], "float64"),
    ],
)
def test_the_file_has_the_smallest_type_that_holds_all_bands(dtypes, stack):
    bands = tuple(Band(f"b{i}", f"B{i}", dtype) for i, dtype in enumerate(dtypes))
    assert Collection("X", bands, tuple(band.name for band in bands)).stack_dtype == stack


def test_bands_that_no_type_holds_are_refused():
    collection = Collection("X", (Band("a", "A", "uint32"), Band("b", "B", "int32")), ("a", "b"))
    with pytest.raises(InputError, match="no one type holds int32 and uint32: set `dtype`"):
        _ = collection.stack_dtype


NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)
NUMBERS = st.integers(-(2**16), 2**16) | st.floats(-1e6, 1e6)


ENCODINGS = st.fixed_dictionaries(
    {"scale": st.floats(0.01, 100), "dtype": st.sampled_from(["int16", "uint8", "int32"])},
    optional={"offset": st.integers(-9, 9)},
)


@st.composite
def settings(draw, bands):
    some = st.lists(st.sampled_from(bands), unique=True)
    ranges = st.tuples(NUMBERS, NUMBERS).map(sorted)
    optional = {
        "validity": st.none() | st.just("OTHER"),
        "valid_range": some.flatmap(
            lambda names: st.fixed_dictionaries(dict.fromkeys(names, ranges))
        ),
        "scale": NUMBERS | some.flatmap(lambda n: st.fixed_dictionaries(dict.fromkeys(n, NUMBERS))),
        "offset": NUMBERS,
        "properties": st.lists(st.text(min_size=1), unique=True),
        "group_by": st.sampled_from(["solar_day", "utc_day", "none"]),
        "encode": some.flatmap(lambda n: st.fixed_dictionaries(dict.fromkeys(n, ENCODINGS))),
        "resampling": st.sampled_from(["nearest", "bilinear", "mean", None]),
        "night": st.booleans(),
        "dtype": st.sampled_from(DTYPES),
    }
    return draw(st.fixed_dictionaries({"allow_widening": st.just(True)}, optional=optional))


@st.composite
def defined(draw):
    if draw(st.booleans()):
        given = draw(settings([band.name for band in known()[LC08].bands]))
        chosen = st.lists(st.sampled_from(["red", "nir", "qa", "SR_B1"]), min_size=1, unique=True)
        own = {"bands": chosen, "cloud": st.integers(0, 100)}
        return LC08, given | draw(st.fixed_dictionaries({}, optional=own))
    names = draw(NAMES)
    bands = names if draw(st.booleans()) else {name: f"B_{name}" for name in names}
    return OWN, {"dtype": draw(st.sampled_from(DTYPES)), "nodata": 0, "bands": bands} | draw(
        settings(names)
    )


@given(defined())
def test_a_definition_gives_the_same_collection_back(case):
    collection_id, given = case
    try:
        collection = resolve(collection_id, {collection_id: given})
    except InputError:
        # Ranges that hold the nodata value, or more than an encoding does.
        reject()
    stored = json.loads(json.dumps(definition(collection), allow_nan=False))
    assert resolve(collection_id, {collection_id: stored}) == collection


@pytest.mark.parametrize("collection_id", known())
def test_a_definition_says_all_of_a_known_collection(collection_id):
    stored = json.loads(json.dumps(definition(known()[collection_id])))
    assert resolve(collection_id, {collection_id: stored}) == known()[collection_id]


def test_a_definition_holds_where_cedar_has_learnt_otherwise():
    """An order of an earlier cedar goes on as it was asked for."""
    stored = definition(known()[LC08])
    del stored["valid_range"]["red"]
    stored["bands"].pop("radsat")
    for key in ("band_dtype", "scale", "offset", "qa", "valid_range"):
        stored[key].pop("radsat")
    collection = resolve(LC08, {LC08: stored})
    assert collection.band("red").valid_range is None
    assert "radsat" not in [band.name for band in collection.bands]
