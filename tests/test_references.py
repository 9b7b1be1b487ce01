"""Every command, option and key of the configuration is documented, and none that isn't there."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
import yaml
from pages import PAGES, ROOT, commands, options

from cedar.cli.main import group
from cedar.config import Config, example
from cedar.downloading import Download
from cedar.runfile import parse
from cedar.sensors import resolve

EXTENSIONS = ROOT / "docs" / "_ext"
sys.path.append(str(EXTENSIONS))

import command_reference  # noqa: E402
import configuration_reference  # noqa: E402
from internal_links import Page, broken_links  # noqa: E402

CONTEXTS = {each.command_path: each for each in command_reference.commands()}
KEYS = {which: list(configuration_reference.keys(which)) for which in ("config", "run")}
#: Options of other programs: systemctl.
FOREIGN = ("--user",)
ALL_KEYS = [key for keys in KEYS.values() for key in keys]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CONTEXTS)
def test_a_command_and_its_options_say_what_they_do(path):
    context = CONTEXTS[path]
    assert context.command.help
    assert context.command.get_short_help_str()
    every = context.command.get_params(context)
    assert [each.name for each in every if isinstance(each, click.Option) and not each.help] == []


@pytest.mark.parametrize("key", ALL_KEYS, ids=lambda key: key.path)
def test_a_key_of_the_configuration_says_what_it_means_and_takes(key):
    assert key.schema.get("description", "")[-1:] == "."
    assert "type" in key.schema or "enum" in key.schema


def of(path, keys):
    """Defaults of the keys below a key, as nested mappings."""
    nested = {}
    for key in keys:
        if key.path.startswith(f"{path}.") and "default" in key.schema:
            *groups, last = key.path.removeprefix(f"{path}.").split(".")
            place = nested
            for group_ in groups:
                place = place.setdefault(group_, {})
            place[last] = key.schema["default"]
    return nested


def test_to_spell_the_defaults_out_changes_nothing():
    plain = yaml.safe_load(example("template"))
    plain["tracker"] = {"store": "local"}
    del plain["tile_grid"]["limits"], plain["tile_grid"]["name"], plain["collections"]
    spelled = plain | {
        name: plain[name] | of(name, KEYS["config"]) for name in ("tile_grid", "tracker")
    }
    del spelled["tracker"]["export_image_kwds"]["skipEmptyTiles"]  # The service's own default.
    spelled["collections"] = {}
    assert Config.from_dict(plain, ROOT) == Config.from_dict(spelled, ROOT)


def test_to_spell_the_defaults_of_downloads_and_collections_out_changes_nothing():
    download = of("download", KEYS["config"])
    assert {"chunk", "timeout", "mosaic", "clip"} <= download.keys()
    plain, spelled = (Download.from_config(each).making(True, None) for each in ({}, download))
    assert (plain.fetching, plain.together) == (spelled.fetching, spelled.together)
    settings = {"bands": ["a"], "dtype": "uint8", "nodata": 0}
    defaults = of("collections.COLLECTION", KEYS["config"])
    assert {"group_by", "scale"} <= defaults.keys()
    plain, spelled = (resolve("A/B", {"A/B": each}) for each in (settings, defaults | settings))
    assert plain == spelled


def test_to_spell_the_defaults_of_a_run_out_changes_nothing():
    order = {"collections": ["A"], "tiles": {"index": [[0, 0]]}}
    order |= {"period_start": "2020-01-01", "period_end": "2021-01-01"}
    steps = {"submit": {}, "watch": {}, "download": {"dest": "data"}, "clean": {}}
    defaults = of("orders.ORDER", KEYS["run"])
    spelled_steps = {step: steps[step] | defaults["steps"].pop(step) for step in steps}
    plain, spelled = (
        parse({"name": "run", "orders": {"one": order | other}}, ROOT)
        for other in ({"steps": steps}, defaults | {"steps": spelled_steps})
    )
    assert plain == spelled


def test_the_references_have_every_command_option_and_key(tmp_path):
    (tmp_path / "index.rst").write_text(
        "Title\n=====\n\n.. commands::\n\n.. configuration::\n\n.. configuration:: run\n", "utf-8"
    )
    built = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", ROOT / "docs", "-b", "html"]
    built += ["-D", "html_theme=basic", tmp_path, tmp_path / "built"]
    subprocess.run(built, check=True, timeout=100)
    page = Page((tmp_path / "built" / "index.html").read_text("utf-8"))
    wanted = {f"confval-{key.path}" for key in ALL_KEYS}
    for path, context in CONTEXTS.items():
        program = path.replace(" ", "-")
        wanted.add(program)
        for option in command_reference.options(context):
            spelled = (*option.opts, *option.secondary_opts)
            wanted |= {f"cmdoption-{program}-{name.lstrip('-')}" for name in spelled}
    assert sorted(wanted - page.anchors) == []


def reached(words):
    """The command that words name, and the words after it."""
    command, context = group, click.Context(group)
    for n, word in enumerate(words):
        if word.startswith("-") or not isinstance(command, click.Group):
            return command, words[n:]
        command = command.get_command(context, word)
        assert command is not None, f"cedar {' '.join(words)}: there is no {word}"
    return command, []


def names(command):
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_and_their_options_exist(page):
    for words in commands(page):
        if words and not re.fullmatch(r"…|\W.*|[A-Z]+", words[0]):
            command, rest = reached(words)
            given = {word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)}
            assert given <= names(command) | {"--help", "-h"}, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_option_that_a_page_names_is_some_commands(page):
    known = {name for context in CONTEXTS.values() for name in names(context.command)}
    known |= {"--help", "-h", *FOREIGN}
    assert options(page) <= known


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text(
        '<h1 id="here">B</h1><a href="../a.html#top">', "utf-8"
    )
    right = '<p id="top"><a href="sub/b.html#here">b</a><a href="#top">a</a><img src="data:,">'
    (tmp_path / "a.html").write_text(right + '<a href="https://example.com/x">c</a>', "utf-8")
    paths = [tmp_path / "a.html", tmp_path / "sub" / "b.html"]
    assert list(broken_links(tmp_path, paths)) == []
    wrong = '<a href="sub/b.html#there">b</a><a href="c.html">c</a><a href="https:/example">d</a>'
    (tmp_path / "a.html").write_text(wrong, "utf-8")
    assert list(broken_links(tmp_path, paths)) == [
        "a.html: sub/b.html#there has no such anchor",
        "a.html: c.html isn't there",
        "a.html: https:/example is no address",
        "sub/b.html: ../a.html#top has no such anchor",
    ]
