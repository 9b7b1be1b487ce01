from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator import Emulator

FOLDER = "application/vnd.google-apps.folder"
OTHER = "other@example.invalid"
TITLES = (
    "", "a", "A", "a b", "HelloWorld", "hello world", "hello_world.tif", "it's \\ odd.json", "ä",
    "Straße", "STRASSE 2", "h003v012_2020-01-01", "H003V012", "x%_", "''", "\\", "not", "日本 語",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Files, as they are described, and who asks for them."""

    drive: Any
    files: tuple[dict[str, Any], ...] = field(repr=False)
    folders: tuple[str, ...]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    from .conftest import Wire

    with Emulator(clock="stepped") as emulator:
        drive, other = Wire(emulator), Wire(emulator, OTHER)
        folders = [drive.folder("a"), drive.folder("F")]
        shared = other.folder("shared")
        permission = {"type": "user", "role": "writer", "value": "me@emulator.invalid"}
        other.json("POST", f"files/{shared['id']}/permissions", permission)
        places = [None, *(folder["id"] for folder in (*folders, shared))]
        for i, title in enumerate(TITLES):
            emulator.clock.advance(0.5)
            file = drive.insert(title, places[i % 4], mimeType=("a/b", "image/tiff", "a/bc")[i % 3])
            labels = {"starred": i % 5 == 0, "trashed": i % 7 == 3}
            drive.json("PATCH", f"files/{file['id']}", {"labels": labels})
        drive.json("POST", f"files/{folders[1]['id']}/trash")
        other.insert("a", shared["id"])
        other.insert("nobody else's")
        files = drive.json("GET", "files", maxResults=1000)["items"]
        assert len(files) == len(TITLES) + 4
        root = drive.json("GET", "about")["rootFolderId"]
        yield World(drive, tuple(files), (root, *(folder["id"] for folder in (*folders, shared))))


# ---- what a q says, in Python

Term = tuple[str, Callable[[dict[str, Any]], bool]]
OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def has_words(title: str, wanted: str) -> bool:
    return all(any(word.startswith(w) for word in words(title)) for w in words(wanted))


def title_term(value: str, sign: str) -> Term:
    if sign == "contains":
        return f"title contains {quoted(value)}", lambda f: has_words(f["title"], value)
    compare = OPERATORS[sign]
    return f"title {sign} {quoted(value)}", lambda f: compare(
        f["title"].casefold(), value.casefold()
    )


def mime_term(value: str, sign: str) -> Term:
    if sign == "contains":
        return f"mimeType contains '{value}'", lambda f: value in f["mimeType"]
    return f"mimeType {sign} '{value}'", lambda f: OPERATORS[sign](f["mimeType"], value)


def date_term(i: int, sign: str, zone: str, world: World) -> Term:
    date = dt.datetime.fromisoformat(world.files[i % len(world.files)]["modifiedDate"])
    text = date.astimezone(dt.timezone(dt.timedelta(hours=-8))) if zone == "-08:00" else date
    written = f"{text:%Y-%m-%dT%H:%M:%S}.{text.microsecond // 1000:03d}{zone}"
    return f"modifiedDate {sign} '{written}'", lambda f: OPERATORS[sign](
        dt.datetime.fromisoformat(f["modifiedDate"]), date
    )


def flag_term(field: str, sign: str, value: bool) -> Term:
    def has(file: dict[str, Any]) -> bool:
        if field == "sharedWithMe":  # the folder itself, not what is in it
            return not file["ownedByMe"] and file["title"] == "shared"
        return bool(file["labels"][field])

    return f"{field}{sign}{str(value).lower()}", lambda f: OPERATORS[sign](has(f), value)


def terms(world: World) -> st.SearchStrategy[Term]:
    titles = st.sampled_from((*TITLES, "hel", "wor", "2020 h003", "stras", "_", "nope")) | st.text(
        max_size=4
    )
    equality = st.sampled_from(["=", "!="])
    single = st.one_of(
        st.builds(title_term, titles, st.sampled_from(["=", "!=", "contains"])),
        st.builds(mime_term, st.sampled_from(["a/b", "image/tiff", "a/", FOLDER, "c"]),
                  st.sampled_from(["=", "!=", "contains"])),
        st.builds(date_term, st.integers(0, 30), st.sampled_from(list(OPERATORS)),
                  st.sampled_from(["", "Z", "-08:00"]), st.just(world)),
        st.builds(flag_term, st.sampled_from(["trashed", "starred", "sharedWithMe"]), equality,
                  st.booleans()),
        st.sampled_from(world.folders).map(
            lambda folder: (
                f"{quoted(folder)} in parents",
                lambda f: folder in [parent["id"] for parent in f["parents"]],
            )
        ),
        st.sampled_from(["me@emulator.invalid", OTHER, "x"]).map(
            lambda who: (
                f"'{who}' in owners", lambda f: who in [o["emailAddress"] for o in f["owners"]]
            )
        ),
    )  # fmt: skip
    return st.recursive(single, compound, max_leaves=8)


def compound(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    joined = st.tuples(inner, st.lists(st.tuples(st.sampled_from(["and", "or"]), inner)))
    return joined.map(lambda each: parenthesised(*each)) | inner.map(
        lambda term: (f"not {term[0]}", lambda f: not term[1](f))
    )


def parenthesised(first: Term, rest: list[tuple[str, Term]]) -> Term:
    text, holds = first
    for word, (more, also) in rest:
        text += f" {word} {more}"
        holds = both(holds, also) if word == "and" else either(holds, also)
    return f"({text})", holds


def both(one: Any, two: Any) -> Any:
    return lambda f: one(f) and two(f)


def either(one: Any, two: Any) -> Any:
    return lambda f: one(f) or two(f)


@given(data=st.data())
def test_a_list_holds_what_a_filter_in_python_keeps(world, data):
    text, holds = data.draw(terms(world))
    found = world.drive.json("GET", "files", q=text, maxResults=1000)["items"]
    assert {file["id"] for file in found} == {file["id"] for file in world.files if holds(file)}


# ---- by example


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("title = 'a'", ["A", "a"]),
        ("title='a' and starred=true or title='b'", ["b", "b*"]),
        ("title='b' or title='a' and starred=true", ["b*"]),  # left to right
        ("title='b' or (title='a' and starred=true)", ["b", "b*"]),
        ("not title='b' and starred=false", ["A", "a", "c"]),
        ("not (title='b' and starred=false)", ["A", "a", "b*", "c"]),
        ("not not title='c'", ["c"]),
        ("  title  =\t'c'  ", ["c"]),
    ],
)
def test_and_and_or_are_taken_from_left_to_right(drive, q, found):
    for title, starred in (("a", False), ("A", False), ("b", False), ("b", True), ("c", False)):
        drive.insert(title, labels={"starred": starred})
    page = drive.json("GET", "files", q=q)
    shown = [f["title"] + ("*" if f["labels"]["starred"] else "") for f in page["items"]]
    assert sorted(shown) == found


@pytest.mark.parametrize(
    "q",
    [
        "title",
        "title =",
        "title = a",
        "title = 'a",
        "title = 'a' and",
        "title = 'a' 'b'",
        "title = 'a')",
        "(title = 'a'",
        "()",
        "title > 'a'",
        "title = true",
        "trashed = 'true'",
        "trashed contains true",
        "trashed < true",
        "modifiedDate contains '2020-01-01'",
        "modifiedDate > 'yesterday'",
        "modifiedDate > '99999-01-01'",
        "mimeType > 'a'",
        "fullText contains 'a'",
        "'a' in writers",
        "'a' = 'b'",
        "'a' in 'b'",
        "title AND 'a'",
        "name = 'a'",
        "title = 'a' && title = 'b'",
        "not",
        "(" * 5000,
        "(" * 1000,
        "not " * 1300 + "trashed=true",
        " or ".join(["trashed=true"] * 301),
        "trashed=true" + " or trashed=true and trashed=true" * 11,
        f"title contains '{'a ' * 301}'",
    ],
)
def test_a_q_that_cannot_be_understood_is_refused(drive, q):
    code, reason, message = drive.refusal("GET", "files", q=q)
    assert (code, reason) == (400, "invalid")
    assert message.startswith("Invalid query: ")
    assert len(message) < 120


@pytest.mark.parametrize(
    "q",
    [
        " or ".join(["trashed=true"] * 300),
        f"title contains '{'a ' * 300}'",
        "not " * 900 + "trashed=true",
        "(" * 100 + "trashed=true" + ")" * 100,
        "trashed=true" + " or trashed=true and trashed=true" * 10,
        "not (trashed=true and " * 20 + "trashed=true" + ")" * 20,
        "(trashed=true and (trashed=true or " * 10 + "trashed=true" + "))" * 10,
        "(trashed=true or (trashed=true and " * 9 + "not (title contains 'a b')" + "))" * 9,
    ],
)
def test_a_long_q_is_none_too_deep(drive, q):
    assert drive.titles(q) == []


def test_a_folder_that_is_not_there_is_not_found(drive, other):
    theirs = other.folder("theirs")
    for folder in ("nope", theirs["id"]):
        refused = drive.refusal("GET", "files", q=f"title='a' or '{folder}' in parents")
        assert refused == (404, "notFound", "File not found: .")
