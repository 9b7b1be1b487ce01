"""What is installed and handed out: every package, the data in it, and one version."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
from configparser import ConfigParser
from fnmatch import fnmatchcase
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

import cedar

ROOT = Path(__file__).resolve().parents[1]
#: Packages that are installed from elsewhere than their name says.
ELSEWHERE = {"cedar.examples": "config", "cedar.schemas": "schemas"}
#: What setuptools puts into a source archive by itself.
BY_ITSELF = {"LICENSE", "MANIFEST.in", "README.rst", "pyproject.toml", "setup.cfg"}
#: Keep a Changelog's kinds of changes.
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture
def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def directories() -> dict[str, Path]:
    """Every package of the source tree."""
    found = (path.parent.relative_to(ROOT) for path in (ROOT / "cedar").rglob("__init__.py"))
    packages = {".".join(path.parts): ROOT / path for path in found}
    return packages | {name: ROOT / path for name, path in ELSEWHERE.items()}


def test_every_package_is_installed(setup):
    assert sorted(setup["options"]["packages"].split()) == sorted(directories())


def test_every_data_file_of_a_package_is_installed(setup):
    patterns = {name: text.split() for name, text in setup["options.package_data"].items()}
    left_out = [
        path
        for name, directory in directories().items()
        for path in directory.iterdir()
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not any(fnmatchcase(path.name, pattern) for pattern in patterns.get(name, ()))
    ]
    assert not left_out


@pytest.mark.parametrize("package", ELSEWHERE)
def test_data_is_read_by_its_installed_name(package):
    """Whether cedar is installed from a wheel or as editable: the names are the same."""
    ours = {path.name for path in (ROOT / ELSEWHERE[package]).iterdir() if path.is_file()}
    assert {path.name for path in files(package).iterdir() if path.is_file()} == ours


def test_types_are_installed():
    """By PEP 561: without the marker a type checker takes all of cedar for Any."""
    assert (files("cedar") / "py.typed").is_file()


def test_everything_in_the_tree_is_in_the_source_archive(setup):
    """``.ci/run`` compares what git keeps with an archive that was built."""
    words = [line.split() for line in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()]
    named = {name for rule, *names in words if rule in ("include", "graft") for name in names}
    packages = {path.relative_to(ROOT).parts[0] for path in directories().values()}
    ignored = [
        line.strip("/") for line in [*(ROOT / ".gitignore").read_text("utf-8").split(), ".git"]
    ]
    left_out = {
        path.name
        for path in ROOT.iterdir()
        if not any(fnmatchcase(path.name, pattern) for pattern in ignored)
    } - (named | packages | BY_ITSELF)
    assert not left_out
    assert all((ROOT / name).exists() for name in named)


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    documentation = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    assert (
        cedar.__version__
        == version("cedar-eo")
        == citation["version"]
        == documentation["version"]
        == documentation["release"]
    )


def test_the_changelog_begins_with_this_version_and_keeps_its_form():
    text = (ROOT / "CHANGELOG.rst").read_text("utf-8")
    versions = re.findall(r"^(.+)\n-+$", text, re.MULTILINE)
    assert re.match(rf"{re.escape(cedar.__version__)} \(", versions[0])
    assert all(re.fullmatch(r"\S+ \((unreleased|\d{4}-\d\d-\d\d)\)", each) for each in versions)
    assert not any("unreleased" in each for each in versions[1:])
    assert set(re.findall(r"^(.+)\n~+$", text, re.MULTILINE)) <= CHANGES


def targets():
    """What make can be asked for."""
    (names,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    return set(names.split())


def make(target, path):
    done = subprocess.run(
        [str(shutil.which("make")), target],
        cwd=ROOT,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_make_tells_what_it_can_be_asked_for():
    told = set(re.findall(r"^make ([\w-]+) ", make("help", os.environ["PATH"]), re.MULTILINE))
    assert told == targets() - {"help", "ready"}


@pytest.mark.parametrize("page", ["README.rst", "CONTRIBUTING.rst"])
def test_what_a_page_has_make_do_can_be_asked_for(page):
    named = re.findall(r"(?:``|^ {4})make ([\w-]+)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert named
    assert set(named) <= targets()


def test_the_files_that_contributing_names_are_there():
    text = (ROOT / "CONTRIBUTING.rst").read_text("utf-8").replace("NAME", "local")
    named = re.findall(r"\b(?:cedar|docs|tests)/[\w/*.-]*[\w*]", text)
    assert named
    assert not [name for name in named if not any(ROOT.glob(name))]


def test_without_the_headers_of_gdal_the_exchange_with_stems_says_how_to_run_it(tmp_path):
    told = make("test-stems", tmp_path)
    assert told.startswith("NOT RUN: ")
    assert "apt-get install libgdal-dev" in told


def test_hooks_run_the_tools_of_the_environment():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [each["repo"] for each in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["entry"].split()[0] for hook in hooks} == {".venv/bin/ruff", "make"}


def test_the_command_is_called_cedar():
    (command,) = entry_points(group="console_scripts", name="cedar")
    assert callable(command.load())
