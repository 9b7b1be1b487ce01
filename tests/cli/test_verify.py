"""`cedar verify`: what was downloaded, held against its record, with nothing else there."""

from __future__ import annotations

import json

import pytest

ITEMS = tuple(f"EXAMPLE_LC08_DN_h00{col}v000_2020-05-01_2020-06-01" for col in (0, 1))


@pytest.fixture
def home(order, cedar, here):
    """The directory of an order of two images that was brought home, and nothing else."""
    name = order("--wait", tiles=("--index", 0, 0, "--index", 0, 1))
    assert cedar("download", name, "--dest", "data").code == 0
    (here / "store").rename(here / "elsewhere")
    (here / "cedar.yaml").unlink()
    return here / "data" / name


def test_what_is_right_is_said_in_a_line(home, cedar):
    done = cedar("verify", home.name, "data")
    size = sum(path.stat().st_size for path in home.glob("*.tif")) / 1e3
    assert (done.code, done.out) == (
        0, f"{home.name}: 4 files right, {size:.3g} kB of images\n",
    )  # fmt: skip


def test_here_is_where_the_order_is_looked_for(home, cedar, here, monkeypatch):
    monkeypatch.chdir(here / "data")
    assert cedar("verify", f"{home.name}.json").code == 0


def test_what_is_wrong_is_named_file_by_file(home, cedar, here):
    (home / f"{ITEMS[0]}.tif").unlink()
    path = home / f"{ITEMS[1]}.tif"
    path.write_bytes(path.read_bytes()[:-1])
    (home / "more").mkdir()
    (home / "more" / "notes.txt").touch()
    (home / ".cedar-x.tif.part").touch()
    done = cedar("verify", home.name, "data")
    assert done.code == 1
    missing, changed, extra, unfinished, total = done.out.splitlines()
    assert missing == f"missing: data/{home.name}/{ITEMS[0]}.tif"
    n = path.stat().st_size
    assert changed == f"changed: data/{home.name}/{ITEMS[1]}.tif has {n:,} bytes, not {n + 1:,}"
    assert extra == f"extra: data/{home.name}/more/notes.txt"
    assert unfinished == f"unfinished: data/{home.name}/.cedar-x.tif.part"
    assert total == (
        f"{home.name}: 2 files right, 0 bytes of images; 1 missing; 1 changed; 1 extra; "
        "1 unfinished"
    )
    next_line = f"next: cedar download {home.name} --dest data, which fetches only those"
    assert done.err.splitlines()[-1] == next_line
    found = cedar("verify", home.name, "data", "--json").json
    assert (found["name"], found["complete"], found["right"], found["bytes"]) == (
        home.name, True, 2, 0,
    )  # fmt: skip
    assert [each["file"] for each in found["changed"]] == [f"data/{home.name}/{ITEMS[1]}.tif"]
    assert {key: len(found[key]) for key in ("missing", "extra", "unfinished", "replaced")} == {
        "missing": 1, "extra": 1, "unfinished": 1, "replaced": 0,
    }  # fmt: skip


def test_what_nobody_needs_is_no_fault(home, cedar):
    (home / "notes.txt").touch()
    (home / ".cedar-x.tif.part").touch()
    assert cedar("verify", home.name, "data").code == 0


def test_an_order_that_was_not_complete_is_not_done(order, cedar):
    name = order()
    assert cedar("download", name).code == 3
    done = cedar("verify", name)
    assert (done.code, done.out) == (3, f"{name}: 1 file right, 0 bytes of images\n")
    assert "the order was not complete when it was downloaded: 1 READY" in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        (b"", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[]", "[] is not a mapping"),
    ],
)
def test_a_record_that_is_damaged_or_not_there_is_one_line(home, cedar, text, message):
    path = home / f"{home.name}.json"
    path.unlink()
    if text is not None:
        path.write_bytes(text)
    done = cedar("verify", home.name, "data")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert message in done.err


def test_what_was_put_together_and_not_kept_is_said(home, cedar, monkeypatch):
    made = f"{ITEMS[0]}_clipped.tif"
    tags = {made: {"CEDAR_MADE_OF": "x"}}
    monkeypatch.setattr("cedar.verifying.read_tags", lambda path: tags.get(path.name, {}))
    (home / f"{ITEMS[0]}.tif").rename(home / f"{ITEMS[0]}_clipped.tif")
    done = cedar("verify", home.name, "data")
    assert done.code == 0
    assert "; 1 not kept" in done.out
    assert "1 file not kept, but what was made of them: that can't be verified" in done.err


def test_json_is_all_that_is_written(home, cedar):
    done = cedar("verify", home.name, "data", "--json", "--quiet")
    assert json.loads(done.out)["right"] == 4
    assert done.err == ""
