"""What the pages of README and docs hold: blocks of code, and commands."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
_BLOCK = re.compile(
    r"^( *)\.\. code-block:: *(\S*)\n(?:\1 +:.*\n)*\n((?:\1 {3,}\S.*\n|\1 {3,}.*\n|[ ]*\n)+)",
    re.MULTILINE,
)
_PLAIN_BLOCK = re.compile(r"^(?! *\.\. ).*::\n\n((?: +.*\n|\n)+)", re.MULTILINE)
# In a line by itself, after a prompt or in $(…); or in the text.
_TYPED = re.compile(r"^ *(?:\$ )?(?:[\w ]*=?\$\()?cedar (.*)$", re.MULTILINE)
_MENTIONED = re.compile(r"``cedar ([^`]*)``")
_LITERAL = re.compile(r"``(--[a-z][^`]*|-[A-Za-z](?: [^`]*)?)``")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of a page's code blocks."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [(language, textwrap.dedent(text)) for _, language, text in found]


def commands(page: Path) -> Iterator[list[str]]:
    """Words after ``cedar`` of every command that a page has."""
    text = page.read_text("utf-8")
    shown = [each for language, each in blocks(page) if language in ("shell", "console")]
    typed = "\n".join([*shown, *_PLAIN_BLOCK.findall(text)]).replace("\\\n", " ")
    for line in (*_TYPED.findall(typed), *_MENTIONED.findall(text)):
        # What comes after it is another command, or where its output goes.
        first = re.split(r"[|;&>)]", " ".join(line.split()))[0]
        lexer = shlex.shlex(first, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.quotes = True, "\"'" if first.count("'") % 2 == 0 else '"'
        yield list(lexer)


def options(page: Path) -> set[str]:
    """Options that a page names by themselves."""
    literals = _LITERAL.findall(page.read_text("utf-8"))
    return {re.split(r"[ =]", literal)[0] for literal in literals}
