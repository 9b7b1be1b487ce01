"""Configuration: where it is found, what it may say, and how its faults are told."""

import dataclasses
import os
import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from cedar import config, defaults
from cedar.config import Config, Section, example, find, load
from cedar.exceptions import ConfigError
from cedar.grids import named_grid
from cedar.metadata.validation import load_schema
from cedar.sensors import resolve
from cedar.stores import store_module

MINIMAL = """
tile_grid: {crs: EPSG:32621, ul: [730005, -2778015], res: [30, 30], size: [300, 250]}
tracker: {store: local}
local: {directory: cedar-store}
"""
GRIDS = """
Paraguay east: {crs: EPSG:32621, ul: [730005, -2778015], res: [30, 30], size: [300, 250]}
"""
EXAMPLES = sorted(
    entry.name.removesuffix(".yaml")
    for entry in resources.files("cedar.examples").iterdir()
    if entry.name.endswith(".yaml") and entry.name != "run.yaml"  # A run's file.
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="cedar.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def fault(write):
    """Load a configuration that can't be used; return what is said of it, less its name."""

    def fault(text):
        path = write(text)
        with pytest.raises(ConfigError) as caught:
            load(path)
        message = str(caught.value)
        assert caught.value.path == str(path)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        return message.removeprefix(f"{path}: ")

    return fault


def changed(**sections):
    document = yaml.safe_load(MINIMAL)
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    return yaml.safe_dump(document)


def test_a_minimal_configuration_has_the_defaults(write):
    loaded = load(write(MINIMAL))
    assert loaded.store == Section("local", {"directory": "cedar-store"})
    assert loaded.engine == Section("earthengine", {})
    assert loaded.name_template == defaults.NAME_TEMPLATE
    assert loaded.prefix_template == defaults.PREFIX_TEMPLATE
    assert loaded.tracking_template == defaults.TRACKING_TEMPLATE
    assert loaded.tracking_prefix == defaults.TRACKING_PREFIX
    assert (loaded.filters, loaded.collections, loaded.group_by) == ({}, {}, None)
    assert loaded.tile_grid.size == (300, 250)


def test_a_configuration_is_frozen(write):
    loaded = load(write(MINIMAL))
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.name_template = "x"


def test_ancestor_01_filters_are_kept_as_they_were_given(write):
    filters = {
        "LANDSAT/LC08/C02/T1_L2": [
            {"function": "Or", "filters": [{"function": "lte", "name": "CLOUD_COVER", "value": 5}]}
        ]
    }
    assert load(write(changed(tracker={"filters": filters}))).filters == filters


def test_ancestor_07_the_callers_document_is_not_shared():
    document = yaml.safe_load(changed(tracker={"export_image_kwds": {"formatOptions": {}}}))
    made = Config.from_dict(document, Path())
    document["tracker"]["export_image_kwds"]["formatOptions"]["noData"] = 1
    assert made.export_image_kwds == {"formatOptions": {}}


def test_paths_are_relative_to_the_file(write):
    path = write(MINIMAL, "project/cedar.yaml")
    store = load(os.path.relpath(path)).open_store()
    store.write("x", b"")
    assert (path.parent / "cedar-store" / "x").exists()


def test_the_engine_of_a_configuration_is_opened(write):
    opened = load(write(changed(earthengine={"url": "emulator"}))).open_engine()
    assert opened.identity()["emulated"] is True


@pytest.mark.parametrize("filename", ["grids.yaml", "~/grids.yaml"])
def test_ancestor_29_named_grids_load(write, monkeypatch, tmp_path, filename):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(GRIDS, "home/grids.yaml" if filename.startswith("~") else "grids.yaml")
    document = yaml.safe_load(MINIMAL)
    document["tile_grid"] = {"grid_name": "Paraguay east", "grid_filename": filename}
    grid = load(write(yaml.safe_dump(document))).tile_grid
    assert (grid.name, grid.ul) == ("Paraguay east", (730005, -2778015))


def test_a_grid_that_comes_with_cedar_needs_its_name_only(write):
    document = yaml.safe_load(MINIMAL) | {"tile_grid": {"grid_name": "LANDSAT_ARD_CU"}}
    loaded = load(write(yaml.safe_dump(document)))
    assert loaded.tile_grid == named_grid("LANDSAT_ARD_CU")
    # What is shown needs no file: it makes the same grid wherever it goes.
    again = yaml.safe_dump(loaded.show())
    assert load(write(again, "again.yaml")).tile_grid == loaded.tile_grid


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"grid_name": "Paraguay west", "grid_filename": "grids.yaml"}, "the nearest: 'Paraguay"),
        ({"grid_name": "Landsat ARD"}, "no tile grid is called 'Landsat ARD'; the nearest: 'LAND"),
        ({"grid_name": "Paraguay east", "grid_filename": "none.yaml"}, "none.yaml"),
        ({"grid_name": "Paraguay east", "crs": "EPSG:4326"}, "tile_grid"),
    ],
)
def test_ancestor_29_a_named_grid_that_is_not_there_is_said(write, fault, section, message):
    write(GRIDS, "grids.yaml")
    document = yaml.safe_load(MINIMAL) | {"tile_grid": section}
    assert message in fault(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"trakcer": {}}, "unknown key 'trakcer'; the nearest known is 'tracker'"),
        ({"tracker": {"name_tmeplate": "x"}}, "tracker: unknown key 'name_tmeplate'; the nearest"),
        ({"local": {"dir": "x"}}, "local: unknown key 'dir'; the nearest known is 'directory'"),
        ({"earthengine": {"projct": "x"}}, "unknown key 'projct'; the nearest known is 'project'"),
        ({"tile_grid": {"sise": [1, 1]}}, "tile_grid: unknown key 'sise'; the nearest"),
        (
            {"collections": {"LANDSAT/LC08/C02/T1_L2": {"nodta": 0}}},
            "collections, LANDSAT/LC08/C02/T1_L2: unknown key 'nodta'; the nearest known is",
        ),
    ],
)
def test_ancestor_29_an_unknown_key_names_the_nearest(fault, sections, message):
    assert message in fault(changed(**sections))


def test_ancestor_29_a_store_needs_its_section(fault):
    document = yaml.safe_load(MINIMAL)
    del document["local"]
    assert fault(yaml.safe_dump(document)) == (
        "tracker, store: 'local' needs a section 'local', and there is none"
    )


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        ({"store": "gsc"}, "no store is called 'gsc': there is gcs, gdrive, local"),
        ({"engine": "moon"}, "no engine is called 'moon': there is earthengine"),
    ],
)
def test_ancestor_29_kinds_that_there_are_not_are_said(fault, tracker, message):
    assert message in fault(changed(tracker=tracker))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"LANDSAT/LC08/C02/T1_L2": {"function": "lte"}}, "is not a list"),
        ({"LANDSAT/LC08/C02/T1_L2": [{"name": "CLOUD_COVER"}]}, "lacks 'function'"),
        ({"LANDSAT/LC08/C02/T1_L2": [{"function": "And"}]}, "lacks 'filters'"),
        ({"LANDSAT/LC08/C01/T1_SR": []}, "use LANDSAT/LC08/C02/T1_L2, the nearest known"),
    ],
)
def test_ancestor_29_filters_are_checked(fault, filters, message):
    assert message in fault(changed(tracker={"filters": filters}))


@pytest.mark.parametrize(
    "key", ["name_template", "prefix_template", "tracking_template", "tracking_prefix"]
)
def test_every_template_is_checked(fault, key):
    assert fault(changed(tracker={key: "{tile.__class__}"})).startswith(
        f"{key} '{{tile.__class__}}'"
    )


@pytest.mark.parametrize(
    ("collection", "settings", "message"),
    [
        ("EXAMPLE/X", {"bands": ["B1"], "nodata": 0}, "collection EXAMPLE/X: .* it needs dtype"),
        ("LANDSAT/LC08/C02/T1_L2", {"bands": ["rde"]}, "the nearest is 'red'"),
    ],
)
def test_collections_are_resolved_when_they_are_read(fault, collection, settings, message):
    assert re.search(message, fault(changed(collections={collection: settings})))


def test_a_grid_that_can_not_be_used_is_said(fault):
    assert "EPSG:99999999" in fault(changed(tile_grid={"crs": "EPSG:99999999"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tracker:\n  store: [local\n", "line 3, column 1: "),
        ("tracker:\n\tstore: local\n", "line 2, column 1: found character '\\t'"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: key 'a' is there twice"),
        ("a: {b: 1, b: 2}\n", "line 1, column 11: key 'b' is there twice"),
        ("a:\n  on: B2\n", "line 2, column 3: key on is not text; put it in quotes"),
        ("a: \x07\n", "special characters are not allowed"),
        ("", "is empty"),
        ("- tracker\n", "is not a mapping"),
        ("a: !!python/object:os.system x\n", "line 1, column 4: could not determine"),
    ],
)
def test_broken_yaml_is_told_with_its_place(fault, text, message):
    assert message in fault(text)


def test_a_file_that_is_not_utf8_is_said(tmp_path):
    path = tmp_path / "cedar.yaml"
    path.write_bytes("name: Übung".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(path)


def test_a_directory_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match=f"can't read {tmp_path}"):
        load(tmp_path)


def test_merged_keys_may_be_overridden(write):
    text = MINIMAL + (
        "collections:\n"
        "  EXAMPLE/A: &a {bands: [B1], dtype: uint16, nodata: 0}\n"
        "  EXAMPLE/B: {<<: *a, nodata: 7}\n"
    )
    assert load(write(text)).collections["EXAMPLE/B"]["nodata"] == 7


def test_numbers_with_an_exponent_are_numbers_and_dates_are_text(write):
    text = MINIMAL + (
        "collections:\n"
        "  A: {bands: [B1], dtype: uint16, nodata: 0, scale: 1e-4, properties: [2020-01-01]}\n"
    )
    loaded = load(write(text))
    collection = resolve("A", loaded.collections)
    assert (collection.band("B1").scale, collection.properties) == (1e-4, ("2020-01-01",))


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty working directory and home, with a way to put a configuration somewhere."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def put(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MINIMAL, encoding="utf-8")
        return path

    return put


def test_the_configuration_is_looked_for_in_this_order(places):
    at_home = places("home/.config/cedar/cedar.yaml")
    assert find(environ={}) == at_home
    xdg = places("xdg/cedar/cedar.yaml")
    assert find(environ={"XDG_CONFIG_HOME": str(xdg.parents[1])}) == xdg
    here = places("here/cedar.yaml")
    assert find(environ={}).absolute() == here
    assert find(environ={"CEDAR_CONFIG_FILE": ""}).absolute() == here
    named = places("named.yaml")
    assert find(environ={"CEDAR_CONFIG_FILE": str(named)}) == named
    given = places("given.yaml")
    assert find(given, environ={"CEDAR_CONFIG_FILE": str(named)}) == given


def test_no_configuration_says_where_it_was_looked_for_and_how_to_start(places):
    with pytest.raises(ConfigError, match="cedar config template") as caught:
        find(environ={})
    home = Path("~/.config/cedar/cedar.yaml").expanduser()
    assert f"looked for cedar.yaml and {home}" in str(caught.value)


def test_a_named_configuration_that_is_not_there_is_never_replaced_by_another(places):
    places("here/cedar.yaml")
    with pytest.raises(ConfigError, match=r"no configuration none\.yaml;"):
        find("none.yaml", environ={})
    with pytest.raises(ConfigError, match=r"none\.yaml, which \$CEDAR_CONFIG_FILE names"):
        find(environ={"CEDAR_CONFIG_FILE": "none.yaml"})


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_loads_and_shows_itself(write, name):
    loaded = load(write(example(name)))
    assert Config.from_dict(loaded.show(), loaded.directory) == loaded
    assert loaded.open_engine().identity()["emulated"]


def test_show_says_the_rule_for_groups_if_there_is_one(write):
    loaded = load(write(changed(tracker={"group_by": "solar_day"})))
    assert loaded.show()["tracker"]["group_by"] == "solar_day"
    assert "group_by" not in load(write(MINIMAL)).show()["tracker"]


def test_limits_of_an_order_are_none_unless_they_are_given(write):
    loaded = load(write(MINIMAL))
    assert (loaded.max_tasks, loaded.max_gigabytes) == (None, None)
    assert loaded.show()["tracker"].keys().isdisjoint({"max_tasks", "max_gigabytes"})
    limits = {"max_tasks": 100, "max_gigabytes": 2.5}
    loaded = load(write(changed(tracker=limits)))
    assert (loaded.max_tasks, loaded.max_gigabytes) == (100, 2.5)
    assert loaded.show()["tracker"].items() >= limits.items()
    assert Config.from_dict(loaded.show(), loaded.directory) == loaded


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_tasks": 0}, "tracker, max_tasks: 0 is not from 1"),
        ({"max_tasks": 1.5}, "tracker, max_tasks: 1.5 is not"),
        ({"max_tasks": "many"}, "tracker, max_tasks: 'many' is not"),
        ({"max_gigabytes": 0}, "tracker, max_gigabytes: 0 is not above 0"),
        ({"max_gigabyte": 1}, "the nearest known is 'max_gigabytes'"),
    ],
)
def test_limits_that_are_none_are_said(fault, limit, message):
    assert message in fault(changed(tracker=limit))


def test_ancestor_29_the_template_is_the_same_text_wherever_it_goes(write):
    text = example("template")
    assert "0.00025°" in text
    assert write(text).read_text(encoding="utf-8") == text


def test_the_template_can_be_used_with_every_setting_in_it(write):
    everything = re.sub(r"^( *)#(?! |$)", r"\1", example("template"), flags=re.MULTILINE)
    loaded = load(write(everything))
    assert loaded.group_by == "solar_day"
    assert resolve("EXAMPLE/LC08/DN", loaded.collections).band("red").scale == 2e-5


def keys_of(schema):
    for key, inner in schema.get("properties", {}).items():
        yield key
        if isinstance(inner, dict):  # Of a section that isn't there nothing is known.
            yield from keys_of(inner)


def test_the_template_has_every_key_that_a_configuration_may_have():
    text = example("template")
    collection = load_schema("definitions")["$defs"]["collection"]
    keys = {*keys_of(config._schema(yaml.safe_load(text))), *keys_of(collection)}
    for kind in config.kinds():
        keys |= {kind, *keys_of(store_module(kind).CONFIG_SCHEMA)}
    assert {"size", "shardSize", "directory", "project", "validity"} <= keys
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def test_an_optional_package_is_only_missed_where_it_is_used(write, monkeypatch):
    """ancestor_30"""
    monkeypatch.setattr(config, "kinds", lambda: ["local", "other"])
    assert load(write(MINIMAL)).store.kind == "local"
