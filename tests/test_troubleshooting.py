"""docs/troubleshooting.rst goes by what cedar says: each heading is a message of cedar's."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from cedar.causes import ADVICE, Help, cause_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.rst").read_text("utf-8")
#: Headings of messages: `…` stands for what a message fills in.
MESSAGES = re.findall(r"^``(.+)``\n~+$", PAGE, re.MULTILINE)
#: Those that aren't cedar's: what Earth Engine says, and what cedar takes it for.
THEIRS = {"User memory limit exceeded.": Help.SMALLER, "Quota exceeded": Help.LATER}


@cache
def texts() -> list[str]:
    """Every text in cedar's source, with `…` where it fills something in."""
    found = []
    for path in (ROOT / "cedar").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.JoinedStr(values):
                    found.append("".join(map(_text, values)))
                case ast.Constant(str() as text):
                    found.append(text)
    return found


def _text(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def is_in(message: str, text: str) -> bool:
    """Whether the parts of a message are in a text, in their order."""
    place = 0
    for part in filter(None, (part.strip() for part in message.split("…"))):
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


def test_there_are_messages_and_each_once():
    assert len(MESSAGES) >= 40
    assert len(MESSAGES) == len({*MESSAGES})
    # So much has to be in one piece that it can't be found by chance.
    assert all(max(map(len, message.split("…"))) >= len("unknown key") for message in MESSAGES)


@pytest.mark.parametrize("message", [each for each in MESSAGES if each not in THEIRS])
def test_a_heading_is_what_cedar_says(message):
    assert any(is_in(message, text) for text in texts())


@pytest.mark.parametrize("message", THEIRS)
def test_a_heading_of_earth_engines_is_sorted_as_the_page_says(message):
    assert message in MESSAGES
    assert cause_of(message).help == THEIRS[message]
    assert ADVICE[THEIRS[message]]


def test_what_cedar_never_says_is_not_found():
    assert not any(is_in("no Google credential: … it can't be helped", text) for text in texts())
