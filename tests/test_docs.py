"""README and docs say what works: their blocks run in order, and their commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

from cedar.cli.main import group
from cedar.config import load
from cedar.emulator.questions import LIKELIEST, possible_answers
from cedar.emulator.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)
_COMMAND = re.compile(r"(?:``|\$ |^ {4})cedar ((?:[a-z]+(?:-[a-z]+)* ?)+)", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of a page's code blocks."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [(language, textwrap.dedent(text)) for language, text in found]


def run(arguments: list[str], directory: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        arguments, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments[-1]}\n{done.stdout}\n{done.stderr}"


def run_python(text: str, directory: Path) -> None:
    run([sys.executable, "-c", text], directory)


def run_console(text: str, directory: Path) -> None:
    typed = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    # What a shell keeps from one block of a page to the next.
    script = ["set -eu", "[ ! -e .kept ] || . ./.kept", *typed, "set | grep ^name= > .kept || true"]
    run(["bash", "-c", "\n".join(script)], directory)


RUNNERS = {"python": run_python, "console": run_console}
RUNNABLE = [page for page in PAGES if any(language in RUNNERS for language, _ in blocks(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, tmp_path):
    whole = [text for language, text in blocks(page) if language == "yaml" and "tracker:" in text]
    for text in whole:
        (tmp_path / "cedar.yaml").write_text(text, "utf-8")
    for language, text in blocks(page):
        if language in RUNNERS:
            RUNNERS[language](text, tmp_path)


def test_the_readme_opens_with_both_commands_then_python_console_and_yaml():
    text = (ROOT / "README.rst").read_text("utf-8")
    assert text.index("make demo") < text.index("make test") < text.index(".. code-block")
    assert [language for language, _ in blocks(ROOT / "README.rst")] == [
        "python",
        "console",
        "yaml",
    ]


def test_the_readmes_configuration_is_one_and_its_python_orders_on_the_same_grid(tmp_path):
    texts = dict(blocks(ROOT / "README.rst"))
    (tmp_path / "cedar.yaml").write_text(texts["yaml"], "utf-8")
    grid = load(tmp_path / "cedar.yaml").tile_grid
    names: dict[str, object] = {}
    exec(texts["python"].partition("tracker =")[0], names)
    assert grid == names["grid"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_yaml_of_a_page_is_a_configurations(page, tmp_path):
    template = yaml.safe_load((ROOT / "config" / "template.yaml").read_text("utf-8"))
    for language, text in blocks(page):
        if language == "yaml":
            given = yaml.safe_load(text)
            (tmp_path / "cedar.yaml").write_text(yaml.safe_dump(template | given), "utf-8")
            load(tmp_path / "cedar.yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist(page):
    for words in _COMMAND.findall(page.read_text("utf-8")):
        command, context = group, click.Context(group)
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(context, word)
            assert found is not None, f"cedar {words}"
            command = found


def test_every_switch_of_the_emulator_is_in_its_page():
    page = (ROOT / "docs" / "emulator.rst").read_text("utf-8")
    rows = dict(re.findall(r"\* - ``(\w+)``\n +- (.*)\n", page))
    for question, answers in possible_answers().items():
        told = re.findall(r"[\w-]+", rows.pop(question))
        assert told[0] == str(getattr(LIKELIEST, question)).lower()
        assert sorted(told) == sorted(str(answer).lower() for answer in answers)
    assert {field.name for field in fields(Settings)} <= rows.keys()
