from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings


@pytest.fixture(scope="module")
def filled():
    """A Drive of 40 files with equal and different titles, sizes and dates."""
    from .conftest import Wire

    with Emulator(clock="stepped") as emulator:
        drive = Wire(emulator)
        for i in range(40):
            emulator.clock.advance(i % 3)
            if i % 9 == 0:
                drive.folder(f"t{i % 4}")
            else:
                drive.uploaded(b"x" * (i % 5), title=f"T{i % 4}")
        yield drive


KEYS = {
    "createdDate": lambda f: f["createdDate"],
    "modifiedDate": lambda f: f["modifiedDate"],
    "title": lambda f: f["title"].casefold(),
    "quotaBytesUsed": lambda f: int(f["quotaBytesUsed"]),
    "folder": lambda f: "fileSize" in f,
}


@given(
    order=st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), max_size=3),
    size=st.integers(1, 45),
)
def test_pages_together_are_the_list_in_its_order(filled, order, size):
    order_by = ",".join(key + (" desc" if falls else "") for key, falls in order)
    expected = filled.json("GET", "files", maxResults=1000)["items"]
    expected.sort(key=lambda f: f["id"])
    for key, falls in reversed(order or [("modifiedDate", True)]):
        expected.sort(key=KEYS[key], reverse=falls)
    found, query = [], {"maxResults": size, **({"orderBy": order_by} if order else {})}
    for _ in expected:
        page = filled.json("GET", "files", **query)
        assert 1 <= len(page["items"]) <= size
        found += page["items"]
        if "nextPageToken" not in page:
            break
        assert len(page["items"]) == size
        query["pageToken"] = page["nextPageToken"]
    assert found == expected


def test_pages_go_on_though_what_was_on_them_is_gone(drive):
    for i in range(10):
        drive.insert(f"f{i}")
    seen, query = [], {"maxResults": 3, "orderBy": "title"}
    for _ in range(5):
        page = drive.json("GET", "files", **query)
        seen += [file["title"] for file in page["items"]]
        if "nextPageToken" not in page:
            break
        # The token was made while they were there.
        query["pageToken"] = page["nextPageToken"]
        for file in page["items"]:
            drive.json("DELETE", f"files/{file['id']}")
    assert seen == [f"f{i}" for i in range(10)]


def test_what_changes_meanwhile_comes_first_by_default_so_it_may_be_missed(drive, emulator):
    ids = {}
    for title in "abcd":
        emulator.clock.advance(1)
        ids[title] = drive.insert(title)["id"]
    first = drive.json("GET", "files", maxResults=2)
    assert [file["title"] for file in first["items"]] == ["d", "c"]
    emulator.clock.advance(1)
    drive.json("PATCH", f"files/{ids['a']}", {"description": "new"})
    rest = drive.json("GET", "files", maxResults=2, pageToken=first["nextPageToken"])
    assert [file["title"] for file in rest["items"]] == ["b"]


@pytest.mark.parametrize("most", [1, 100])
def test_pages_are_as_long_as_the_settings_let_them_be(wire, most):
    with Emulator(settings=Settings(page_size=most)) as emulator:
        drive = wire(emulator)
        for i in range(5):
            drive.insert(f"f{i}")
        assert len(drive.json("GET", "files", maxResults=3)["items"]) == min(3, most)
        assert len(drive.titles()) == 5


def test_a_page_has_a_hundred_files_unless_more_are_asked_for(drive):
    for i in range(101):
        drive.insert(f"f{i}")
    assert len(drive.json("GET", "files")["items"]) == 100
    assert len(drive.json("GET", "files", maxResults=1000)["items"]) == 101


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxResults", "0"), ("maxResults", "1001"), ("maxResults", "x"), ("maxResults", "²"),
        ("maxResults", "9" * 5000), ("orderBy", "size"), ("orderBy", "title up"),
        ("orderBy", "title;"), ("orderBy", "title,"), ("pageToken", "x"), ("pageToken", "W10="),
        ("pageToken", base64.urlsafe_b64encode(json.dumps([0, 1, 2]).encode()).decode()),
        ("pageToken", "Mw=="),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(drive, name, value):
    code, reason, message = drive.refusal("GET", "files", **{name: value})
    assert (code, reason) == (400, "invalid")
    assert name in message
    assert len(message) < 100


def test_a_token_is_of_one_list(drive, other):
    for i in range(2):
        drive.insert(f"f{i}")
        other.insert(f"f{i}")
    token = drive.json("GET", "files", maxResults=1)["nextPageToken"]
    for asker, query in (
        (drive, {"q": "trashed=false"}),
        (drive, {"orderBy": "title"}),
        (other, {}),
    ):
        refused = asker.refusal("GET", "files", pageToken=token, **query)
        assert refused[:2] == (400, "invalid")
