"""Collections that are merged of others: what they say, and what they refuse."""

import json
import re

import pytest

from cedar.exceptions import InputError, UnknownCollectionError
from cedar.metadata.validation import explain
from cedar.sensors import Band, definition, known, resolve

LT05, LE07, LC08, LC09 = (f"LANDSAT/{name}/C02/T1_L2" for name in ("LT05", "LE07", "LC08", "LC09"))
S2 = "COPERNICUS/S2_SR_HARMONIZED"
OWN = "EXAMPLE/LC08/DN"
OWN_SETTINGS = {"bands": {"red": "B4", "haze": "B1"}, "dtype": "uint16", "nodata": 0}


def merge(*members, definitions=None, group_by=None, **settings):
    asked = {"merge": list(members), **settings}
    return resolve("many", {"many": asked, **(definitions or {})}, group_by)


RED = {"red": {"scale": 0.0002, "offset": -0.5, "dtype": "uint16"}}


def own(**changes):
    """Settings of a collection that cedar doesn't know."""
    return {OWN: {**OWN_SETTINGS, **changes}}


def test_the_bands_are_those_that_all_have_by_default_under_their_common_names():
    many = merge(LT05, LE07, LC08, LC09)
    assert many.chosen == known()[LT05].chosen
    assert [band.native for band in many.stack_bands] == list(many.chosen)
    assert (many.nodata, many.stack_dtype, many.group_by) == (0, "uint16", "pass")
    assert [member.id for member in many.members] == [LT05, LE07, LC08, LC09]
    assert many.sources == many.members
    assert known()[LT05].sources == (known()[LT05],)


def test_it_was_in_service_from_the_first_to_the_last_of_its_members():
    starts = [known()[each].service_start for each in (LE07, LT05)]
    many = merge(LE07, LT05)
    assert (many.service_start, many.service_end) == (min(starts), known()[LE07].service_end)
    assert merge(LT05, LC08).service_end is None


def test_of_a_member_whose_dates_are_not_known_nothing_is_known_of_the_whole():
    settings = own(scale=2.75e-05, offset=-0.2, group_by="solar_day")
    many = merge(LT05, OWN, bands=["red"], group_by="solar_day", definitions=settings)
    assert (many.service_start, many.resolution) == (None, None)


def test_only_bits_that_mean_the_same_in_all_members_are_named():
    qa = merge(LT05, LC08).qa_bits["qa"]
    assert {"2", "14-15"} & set(known()[LC08].qa_bits["QA_PIXEL"]) == {"2", "14-15"}
    assert qa == known()[LT05].qa_bits["QA_PIXEL"]
    both = merge(LT05, LC08).qa_bits["radsat"]
    assert both == {bit: f"band {int(bit) + 1} saturated" for bit in "012346"}


def test_a_band_that_some_lack_may_be_chosen():
    many = merge(LT05, LC08, bands=["coastal", "red"])
    assert [member.chosen for member in many.members] == [("red",), ("coastal", "red")]
    assert many.band("coastal").valid_range == known()[LC08].band("coastal").valid_range


def test_a_band_is_valid_where_it_is_in_any_member():
    narrow = {LT05: {"valid_range": {"red": [7273, 70000]}}}
    assert merge(LT05, LC08, definitions=narrow).band("red").valid_range == (1, 70000)


def test_a_band_of_several_types_has_the_smallest_that_holds_them():
    settings = own(dtype="int32", scale={"red": 2.75e-05}, offset={"red": -0.2})
    many = merge(LC08, OWN, bands=["red"], group_by="solar_day", definitions=settings)
    assert (many.band("red").dtype, many.stack_dtype) == ("int32", "int32")
    wide = merge(LT05, LC08, dtype="int32", allow_widening=True)
    assert (wide.stack_dtype, wide.stack_bytes) == ("int32", (16, 32))
    with pytest.raises(InputError, match="collection many: a pixel's bands take 16 bytes, and 32"):
        merge(LT05, LC08, dtype="int32")


def test_members_keep_what_is_their_own_and_take_the_rest():
    settings = {LC08: {"resampling": "bilinear", "night": True, "bands": ["red", "nir"]}}
    many = merge(LT05, LC08, bands=["nir", "qa"], resampling="mean", definitions=settings)
    tm, oli = many.members
    assert (tm.resampling, tm.night, tm.validity) == ("mean", False, "QA_PIXEL")
    assert (oli.resampling, oli.night, oli.chosen) == ("bilinear", True, ("nir", "qa"))
    assert many.validity == "qa"
    assert merge(LT05, LC08, bands=["nir"]).validity == "qa"
    assert merge(LC08, S2, bands=["red"], nodata=65535, encode=RED).validity is None


def test_one_rule_for_groups_holds_for_all():
    assert {m.group_by for m in merge(LT05, LC08, group_by="solar_day").members} == {"solar_day"}
    assert {m.group_by for m in merge(LT05, LC08).members} == {"pass"}
    given = resolve("many", {"many": {"merge": [LT05, LC08]}}, "utc_day")
    assert {given.group_by, *(m.group_by for m in given.members)} == {"utc_day"}


def test_a_definition_says_all_of_it_and_of_its_members():
    settings = own(scale=2.75e-05, offset=-0.2)
    for many in (
        merge(LT05, LE07, LC08, LC09),
        merge(LC08, OWN, bands=["red", "haze"], group_by="solar_day", definitions=settings),
        merge(LT05, LC08, bands=["coastal", "qa"], resampling="mean", night=True),
    ):
        said = json.loads(json.dumps(definition(many)))
        assert resolve("many", {"many": said}) == many
        assert definition(resolve("many", {"many": said})) == definition(many)


def test_a_definition_holds_though_cedar_knows_members_otherwise_now():
    said = definition(merge(LT05, LC08))
    said["members"][LC08]["bands"]["red"] = "B4"
    again = resolve("many", {"many": said, LC08: {"bands": ["blue"]}})
    assert again.members[1].band("red").native == "B4"
    assert again.members[1].chosen == merge(LT05, LC08).members[1].chosen


@pytest.mark.parametrize(
    ("members", "settings", "message"),
    [
        ([LT05, LC08], {"bands": ["rad"]}, f"{LT05} has no band 'rad', nor has .* is 'red'"),
        ([LT05, LC08], {"bands": ["red", "red"]}, "has band 'red' twice"),
        ([LT05, LC08], {"bands": {"r": "SR_B4"}}, "bands: .* a list of common names"),
        ([LT05, LC08], {"bands": []}, r"bands: \[\] is not one band or more"),
        ([LT05, LC08], {"validity": "QA_PIXEL"}, "validity: say it of the members"),
        ([LT05, LC08], {"nodta": 1}, "unknown key 'nodta'; the nearest known is 'nodata'"),
        ([LT05, LC08], {"nodata": -1}, "nodata -1 doesn't fit uint16"),
        ([LT05], {}, "merge: .* is not two collections or more"),
        ([LT05, LT05], {}, "merge: "),
        ([LT05, "other"], {}, "merge: other is merged itself"),
        ([LC08, S2], {"bands": ["red"], "nodata": 0}, f"band 'red' has scale 2.75e-05 in {LC08} "
         f"and 0.0001 in {S2}, .*: give `encode`"),
        ([LC08, OWN], {"bands": ["red"]}, "group_by is pass of .* and solar_day of"),
        ([LC08, OWN], {"bands": ["red"], "group_by": "pass"}, f"passes of {OWN} apart"),
        ([LC08, OWN], {"bands": ["thermal"], "group_by": "solar_day"}, f"{OWN} has none of the "
         "bands thermal: leave it out"),
        ([LT05, "LANDSAT/LT05/C02/T1_TOA"], {"bands": ["qa"]}, "nodata is 0 of .* and -9999 of"),
        ([LC08, "NASA/HLS/HLSL30/v002"], {"nodata": 0}, "band 'blue' has scale"),
        ([LC08, S2], {"encode": {"rde": RED["red"]}, "nodata": 0}, "has no band 'rde'"),
        ([LC08, S2], {"encode": {"red": {**RED["red"], "dtype": "int16"}}, "bands": ["red"],
         "nodata": 65535}, "nodata 65535 doesn't fit int16"),
        ([LC08, S2], {"encode": {"red": {**RED["red"], "scale": 1e-6}}, "bands": ["red"],
         "nodata": 65535}, "encode, red: its valid range would be"),
        ([LC08, LT05], {"bands": ["red", "radsat"]},
         "the nodata value 0 is a valid value of radsat, .*: choose qa too, "),
        (["COPERNICUS/S1_GRD", OWN], {}, "no bands in common by default"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(members, settings, message):
    others = {"other": {"merge": [LT05, LE07]}, **own(scale=2.75e-05, offset=-0.2)}
    with pytest.raises(InputError, match=f"^collection many: .*{message}"):
        merge(*members, definitions=others, **settings)


def test_units_that_differ_cant_be_mended_by_an_encoding():
    hls = "NASA/HLS/HLSL30/v002"
    with pytest.raises(InputError, match=r"band 'thermal' has scale 0\.00341802 in"):
        merge(LC08, hls, bands=["thermal"], nodata=0, group_by="solar_day")
    units = {OWN: definition(resolve(OWN, own(scale=0.00341802, offset=149.0)))}
    units[OWN]["units"] = {"red": "degC"}
    kelvin = {"EXAMPLE/K": {**OWN_SETTINGS, "scale": 0.00341802, "offset": 149.0}}
    with pytest.raises(InputError, match=r"units degC in .* and None in .*: leave it out"):
        merge(OWN, "EXAMPLE/K", definitions=units | kelvin)


def test_a_known_collection_cant_be_another():
    with pytest.raises(InputError, match=f"collection {LC08} is known: merge under another name"):
        resolve(LC08, {LC08: {"merge": [LT05, LE07]}})


def test_a_member_that_is_not_known_is_named_with_the_nearest():
    with pytest.raises(UnknownCollectionError, match=re.escape(LC08)) as caught:
        merge(LT05, "LANDSAT/LC08/C01/T1_SR")
    assert caught.value.collection == "LANDSAT/LC08/C01/T1_SR"


def test_a_members_own_settings_are_checked_as_ever():
    with pytest.raises(InputError, match=f"collection {LC08}: has no band 'rde'"):
        merge(LT05, LC08, definitions={LC08: {"bands": ["rde"]}})


def test_a_merged_band_says_what_its_members_say():
    assert merge(LT05, LC08).band("thermal") == Band(
        "thermal", "thermal", "uint16", (293, 65535), 0.00341802, 149.0, "K"
    )


def test_a_definition_is_what_a_record_may_hold():
    said = definition(merge(LT05, LC08))
    assert explain(said, {"$ref": "definitions.json#/$defs/collection"}) is None


def test_an_encoding_is_for_all_members_that_have_the_band_and_no_own_one():
    mine = {"red": {"scale": 0.0004, "offset": -0.5, "dtype": "uint16"}}
    many = merge(LC08, S2, bands=["red", "rededge1"], nodata=65535, encode=RED)
    assert [member.band("red").encoding.scale for member in many.members] == [0.0002, 0.0002]
    red = many.band("red")
    assert (red.scale, red.offset, red.dtype, red.encoding) == (0.0002, -0.5, "uint16", None)
    with pytest.raises(InputError, match=f"'red' has scale 0.0002 in {LC08} and 0.0004 in {S2}"):
        merge(LC08, S2, bands=["red"], nodata=65535, encode=RED, definitions={S2: {"encode": mine}})
    alone = {S2: {"encode": RED}, LC08: {"encode": RED}}
    assert merge(LC08, S2, bands=["red"], nodata=65535, definitions=alone).members[0].chosen


def test_what_is_encoded_is_never_nodata_though_its_range_is_around_that():
    signed = {"red": {"scale": 0.0002, "dtype": "int16"}}
    many = merge(LC08, S2, bands=["red"], nodata=0, encode=signed)
    low, high = many.band("red").valid_range
    assert low < 0 < high
    assert many.nodata_in_valid_range == ()


def test_a_definition_of_before_is_not_held_to_the_validity_band():
    said = definition(merge(LT05, LC08, bands=["nir"]))
    assert resolve("many", {"many": {**said, "nodata": 5}}).nodata_in_valid_range == ("nir",)


def test_another_nodata_value_is_every_members():
    other = merge(LT05, LC08).with_nodata(1)
    assert {other.nodata, *(member.nodata for member in other.members)} == {1}
    assert "red" in other.nodata_in_valid_range


def test_bands_that_are_not_chosen_are_known_as_far_as_members_agree():
    many = merge(LC08, S2, bands=["red"], nodata=65535, encode=RED)
    names = {band.name for band in many.bands if not band.default}
    assert {"qa", "scl", "rededge1", "thermal"} <= names
    assert not {"blue", "nir", "red"} & names
    assert many.qa_bits.keys() >= {"qa"}
