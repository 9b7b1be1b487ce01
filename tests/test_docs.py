"""README and docs say what works: their blocks run in order, and their commands exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import warm
import yaml
from pages import PAGES, ROOT, blocks

from cedar.config import load
from cedar.emulator.questions import LIKELIEST, possible_answers
from cedar.emulator.settings import Settings

#: Those that run, that are checked, and what a program says.
LANGUAGES = {"python", "console", "yaml", "json", "shell", "text"}


@pytest.fixture(scope="module")
def path():
    """PATH with a `cedar` and a `python` that are there at once."""
    # Short, since the name of a socket is.
    with TemporaryDirectory(prefix="warm") as directory, warm.commands(Path(directory)) as folder:
        yield os.pathsep.join([str(folder), os.environ["PATH"]])


def run(arguments: list[str], directory: Path, path: str) -> None:
    done = subprocess.run(
        arguments,
        cwd=directory,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments[-1]}\n{done.stdout}\n{done.stderr}"


def run_python(text: str, directory: Path, path: str) -> None:
    run([shutil.which("python", path=path), "-c", text], directory, path)


def run_console(text: str, directory: Path, path: str) -> None:
    lines = text.replace("\\\n", "").splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    # What a shell keeps from one block of a page to the next.
    script = ["set -eu", "[ ! -e .kept ] || . ./.kept", *typed, "set | grep ^name= > .kept || true"]
    run(["bash", "-c", "\n".join(script)], directory, path)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUNNERS = {"python": run_python, "console": run_console}
RUNNABLE = [page for page in PAGES if any(language in RUNNERS for language, _ in blocks(page))]


@pytest.mark.parametrize(
    ("runner", "text"),
    [
        (run_console, "$ cedar config check\n"),
        (run_console, "$ cedar --no-such-option\n$ true\n"),
        (run_python, "1 / 0\n"),
        (run_python, "import os\nos.kill(os.getpid(), 9)\n"),
    ],
)
def test_a_block_that_fails_fails_its_page(runner, text, path, tmp_path):
    with pytest.raises(AssertionError):
        runner(text, tmp_path, path)


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_blocks_of_a_page_run(page, path, tmp_path):
    whole = [text for language, text in blocks(page) if language == "yaml" and "tile_grid:" in text]
    for text in whole:
        (tmp_path / "cedar.yaml").write_text(text, "utf-8")
    for language, text in blocks(page):
        if language in RUNNERS:
            RUNNERS[language](text, tmp_path, path)


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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_yaml_of_a_page_is_a_configurations(page, tmp_path):
    template = yaml.safe_load((ROOT / "config" / "template.yaml").read_text("utf-8"))
    for language, text in blocks(page):
        if language == "yaml":
            given = yaml.safe_load(text)
            (tmp_path / "cedar.yaml").write_text(yaml.safe_dump(template | given), "utf-8")
            load(tmp_path / "cedar.yaml")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_blocks_of_a_page_are_of_languages_that_are_looked_at(page):
    text = page.read_text("utf-8")
    found = blocks(page)
    assert len(found) == text.count(".. code-block::")
    assert {language for language, _ in found} <= LANGUAGES
    assert not re.search(
        r"^ *\.\. (code|highlight|parsed-literal|sourcecode)::", text, re.MULTILINE
    )
    for language, block in found:
        if language == "json":
            json.loads(block)


def test_every_switch_of_the_emulator_is_in_its_page():
    page = (ROOT / "docs" / "emulator.rst").read_text("utf-8")
    rows = dict(re.findall(r"\* - ``(\w+)``\n +- (.*)\n", page))
    for question, answers in possible_answers().items():
        told = re.findall(r"[\w-]+", rows.pop(question))
        assert told[0] == str(getattr(LIKELIEST, question)).lower()
        assert sorted(told) == sorted(str(answer).lower() for answer in answers)
    assert {field.name for field in fields(Settings)} <= rows.keys()
