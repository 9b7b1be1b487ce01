"""The states and the drawing of docs/concepts.rst are those of cedar."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import click

from cedar.cli.main import group
from cedar.states import TaskState

DOCS = Path(__file__).resolve().parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(css_class: str) -> list[str]:
    """What texts of a class say in the drawing."""
    drawing = ElementTree.parse(DOCS / "images" / "order.svg")  # our own file
    texts = drawing.iter(f"{SVG}text")
    return [text.text or "" for text in texts if text.get("class") == css_class]


def test_the_page_says_of_every_state_what_it_means():
    page = (DOCS / "concepts.rst").read_text("utf-8")
    section = page.partition("\nStates\n")[2].partition("\nThe record\n")[0]
    assert set(re.findall(r"^   \* - ([A-Z_]+)$", section, re.MULTILINE)) == {
        state for state in TaskState if state not in (TaskState.INCOMPLETE, TaskState.CLEANED)
    }
    # These are made of others, for summaries: the text below the table says how.
    for state in (TaskState.INCOMPLETE, TaskState.CLEANED):
        assert re.search(rf"\b{state}\b", section)


def test_the_drawing_has_states_and_commands_that_there_are():
    states, commands = drawn("chip"), drawn("command")
    assert states[-1] == TaskState.COMPLETED
    assert {*states} <= {*TaskState}
    assert commands == ["cedar submit", "cedar watch", "cedar download", "cedar clean"]
    for command in commands:
        assert group.get_command(click.Context(group), command.removeprefix("cedar "))
