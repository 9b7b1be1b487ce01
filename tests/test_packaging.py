"""What is installed: every package, and the data in it."""

from __future__ import annotations

import re
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


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert version("cedar-eo") == citation["version"] == cedar.__version__
    assert re.search(
        rf"^{re.escape(cedar.__version__)}\b",
        (ROOT / "CHANGELOG.rst").read_text("utf-8"),
        re.MULTILINE,
    )


def test_the_command_is_called_cedar():
    (command,) = entry_points(group="console_scripts", name="cedar")
    assert callable(command.load())
