"""`cedar collections` and `cedar config`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from orders import COLLECTION, COLLECTIONS

from cedar.config import Config, example
from cedar.sensors import known

LC08 = "LANDSAT/LC08/C02/T1_L2"


def test_collections_needs_no_configuration(cedar):
    done = cedar("collections")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == sorted(known())
    assert "1999-05-28 – 2024-01-19  Landsat 7" in done.out
    listed = {each["id"]: each for each in cedar("collections", "--json").json}
    assert listed[LC08] == {
        "id": LC08,
        "title": "Landsat 8 surface reflectance and temperature, Collection 2 Tier 1",
        "service_start": "2013-03-18",
        "service_end": None,
    }


def test_collections_lists_each_with_its_service_and_title(cedar):
    listed = (Path(__file__).parent / "collections.txt").read_text("utf-8")
    assert cedar("collections").out == listed


def test_collections_has_those_of_the_configuration(configure, cedar):
    configure(collections={LC08: {"bands": ["red"]}})
    assert COLLECTION in cedar("collections").out
    assert cedar("collections", LC08, "--json").json["chosen"] == ["red"]
    shown = cedar("collections", COLLECTION).out
    assert "grouped by: solar_day" in shown
    assert "title" not in shown


def test_merged_collections_are_shown_with_what_each_member_calls_a_band(configure, cedar):
    members = ["LANDSAT/LT05/C02/T1_L2", LC08]
    configure(collections={"landsat": {"merge": members, "bands": ["red", "coastal", "qa"]}})
    lines = cedar("collections", "landsat").out.splitlines()
    assert f"members: {', '.join(members)}" in lines
    assert "in service: 1984-03-16 – now" in lines
    rows = {line.split("  ")[0]: line for line in lines}
    assert "  SR_B3, SR_B4  " in rows["red"]
    assert "  SR_B1  " in rows["coastal"]
    assert "  QA_PIXEL  " in rows["qa"]
    shown = cedar("collections", "landsat", "--json").json
    assert (shown["id"], shown["merge"]) == ("landsat", members)
    (row,) = [each for each in cedar("collections", "--json").json if each["id"] == "landsat"]
    assert (row["service_start"], row["service_end"]) == ("1984-03-16", None)
    assert row["title"] == f"{members[0]}, {LC08}, merged"


def test_a_broken_configuration_is_not_passed_over(cedar, here):
    (here / "cedar.yaml").write_text("[", "utf-8")
    assert cedar("collections").code == 2
    assert cedar("collections", "-C", "none.yaml").code == 2


def test_one_collection_is_shown_whole(cedar):
    lines = cedar("collections", LC08).out.splitlines()
    assert lines[0] == LC08
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["red"] == [
        "red", "SR_B4", "uint16", "2.75e-05", "-0.2", "1", "to", "65455", "yes",
    ]  # fmt: skip
    assert rows["thermal"][5] == "K"
    assert rows["coastal"][-1] == "no"
    assert "grouped by: pass" in lines
    assert f"source: {known()[LC08].source}" in lines
    assert any(line.startswith("properties: CLOUD_COVER, ") for line in lines)


def test_an_unknown_collection_names_the_nearest(cedar):
    done = cedar("collections", "LANDSAT/LC08/C01/T1_SR")
    assert done.code == 2
    assert f"use {LC08}, the nearest known" in done.err


def test_ancestor_29_the_template_comes_out_as_it_is(cedar, here):
    done = cedar("config", "template")
    assert done == (0, example("template"), "")
    assert cedar("config", "template", "--json").json == yaml.safe_load(done.out)
    (here / "cedar.yaml").write_text(done.out, "utf-8")
    assert cedar("config", "check").code == 0


def test_check_says_what_it_found(configure, cedar, here):
    configure()
    done = cedar("config", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "configuration: cedar.yaml",
        "tile grid: Paraguay east, EPSG:32621 (WGS 84 / UTM zone 21N), tiles of 300 × 250 pixels "
        "of 30 × 30 m, rows 0 to 3, columns 0 to 3",
        "store: local (directory: store)",
        done.out.splitlines()[3],
        f"collections: {COLLECTION}",
    ]
    assert cedar("config", "check", "--json").json["collections"] == [COLLECTION]
    assert [path.name for path in here.iterdir()] == ["cedar.yaml"]


def test_check_says_no_more_than_there_is(cedar, here):
    (here / "cedar.yaml").write_text(
        "tile_grid: {crs: EPSG:4326, ul: [-60, 0], res: [0.001, 0.001], size: [100, 100]}\n"
        "tracker: {store: local}\n"
        "local: {directory: store}\n"
        "earthengine: {url: emulator}\n",
        "utf-8",
    )
    assert cedar("config", "check").out.splitlines()[1:] == [
        "tile grid: EPSG:4326 (WGS 84), tiles of 100 × 100 pixels of 0.001 × 0.001°",
        "store: local (directory: store)",
        "engine: earthengine (url: emulator)",
    ]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"earthengine": {"catalog": "none"}}, "none"),
        ({"tracker": {"export_image_kwds": {"shardSize": 1}}}, "shardSize is for exports"),
        ({"tracker": {"filters": {COLLECTION: [{"function": "ltee"}]}}}, "did you mean 'lte'?"),
    ],
)
def test_ancestor_29_check_finds_what_only_an_order_would_run_into(
    configure, cedar, sections, message
):
    configure(**sections)
    done = cedar("config", "check")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_show_is_a_configuration_that_means_the_same(configure, cedar, here):
    document = configure()
    shown = yaml.safe_load(cedar("config", "show").out)
    assert shown["tracker"]["tracking_prefix"] == "CEDAR_TRACKING"
    assert shown["collections"] == COLLECTIONS
    assert cedar("config", "show", "--json").json == shown
    assert Config.from_dict(shown, here) == Config.from_dict(document, here)
