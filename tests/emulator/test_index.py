from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import shapely
from forked import Forked
from hypothesis import given, settings
from hypothesis import strategies as st

from cedar.emulator import index
from cedar.emulator.catalog import ItemCatalog
from cedar.emulator.stac import describe
from cedar.emulator.values import Query
from cedar.exceptions import ConfigError

COUNT = index.MIN_FILES + 20
DAY = 86_400_000
LONG_AGO = 1_600_000_000 * 10**9


def write(directory, number, *, days=0, west=None, collection=None, modified=LONG_AGO):
    """One Item of many: a box of 2° east of 0.1° × its number, ten of them a day."""
    west = 0.1 * number if west is None else west
    path = directory / f"{number % 7}" / f"{number:04d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    day = np.datetime64("2020-01-01") + number // 10 + days
    item = {
        "type": "Feature",
        "id": f"I{number:04d}",
        "collection": collection or f"EXAMPLE/{'AB'[number % 2]}",
        "geometry": shapely.geometry.mapping(shapely.box(west, 0, west + 2, 1 + number % 3)),
        "properties": {"datetime": f"{day}T12:00:00Z", "number": number},
        "assets": {"B1": {"href": "../b.tif"}},
    }
    path.write_text(json.dumps(item))
    os.utime(path, ns=(modified, modified))
    return path


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """A catalog of more than enough files for an index, which nobody changes."""
    directory = tmp_path_factory.mktemp("items")
    (directory / "b.tif").touch()
    for number in range(COUNT):
        write(directory, number)
    return directory


@pytest.fixture
def changing(items, tmp_path):
    return Path(shutil.copytree(items, tmp_path / "items"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cedar" / "catalogs"


class Load:
    """Loads an index, and counts the files that are read for it."""

    def __call__(self, directory):
        self.read = []
        return index.load(directory, self.describe)

    def describe(self, path):
        self.read.append(Path(path).name)
        return describe(path)


@pytest.fixture
def load():
    return Load()


def content(found):
    """All that an index holds, but when it was made."""
    return [
        (found.item(place), found.file(place)) for place in range(len(found.order))
    ], found.collections


# ---- what it saves


def test_a_second_start_reads_no_item(items, load, cache):
    first = load(items)
    assert len(load.read) == COUNT
    second = load(items)
    assert load.read == []
    assert content(second) == content(first)
    assert len(list(cache.iterdir())) == 1


def test_a_path_to_the_same_directory_finds_the_same_index(items, load, tmp_path, monkeypatch):
    load(items)
    (tmp_path / "link").symlink_to(items)
    load(tmp_path / "link")
    assert load.read == []
    monkeypatch.chdir(items.parent)
    load(Path(items.name))
    assert load.read == []


def test_few_items_leave_nothing_in_the_cache(tmp_path, load, cache):
    for number in range(3):
        write(tmp_path / "few", number)
    (tmp_path / "few" / "b.tif").touch()
    load(tmp_path / "few")
    load(tmp_path / "few")
    assert len(load.read) == 3
    assert not cache.exists()


# ---- what it sees


def test_an_item_that_is_added_is_read_alone(changing, load):
    load(changing)
    write(changing, COUNT)
    found = load(changing)
    assert load.read == [f"{COUNT:04d}.json"]
    assert found.place("EXAMPLE/A", f"I{COUNT:04d}") is not None


def test_an_item_that_is_removed_is_gone(changing, load):
    load(changing)
    (changing / "3" / "0003.json").unlink()
    found = load(changing)
    assert load.read == []
    assert found.place("EXAMPLE/B", "I0003") is None
    assert len(found.order) == COUNT - 1


def test_an_item_that_is_moved_is_read_from_where_it_is(changing, load):
    load(changing)
    (changing / "3" / "0003.json").rename(changing / "4" / "0003.json")
    found = load(changing)
    assert load.read == ["0003.json"]
    assert found.file(found.place("EXAMPLE/B", "I0003"))[0] == f"4{os.sep}0003.json"


@pytest.mark.parametrize("in_place", [True, False])
def test_an_item_that_is_changed_is_read_again(changing, load, in_place):
    load(changing)
    path = changing / "3" / "0003.json"
    text = path.read_text().replace('"number": 3', '"number": 4')
    new = path if in_place else path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
    found = load(changing)
    assert load.read == ["0003.json"]
    assert found.item(found.place("EXAMPLE/B", "I0003"))["properties"]["number"] == 4


def test_a_change_within_a_tick_of_the_file_system_s_clock_is_seen(changing, load):
    """To the same length, at the same time as far as the file system tells."""
    now = time.time_ns()
    path = write(changing, 3, modified=now)
    load(changing)
    path.write_text(path.read_text().replace('"number": 3', '"number": 4'))
    os.utime(path, ns=(now, now))
    found = load(changing)
    assert load.read == ["0003.json"]
    assert found.item(found.place("EXAMPLE/B", "I0003"))["properties"]["number"] == 4


def test_a_change_to_the_same_length_with_the_former_time_put_back_is_not_seen(changing, load):
    """The one thing that it can't detect, as it says."""
    load(changing)
    path = changing / "3" / "0003.json"
    path.write_text(path.read_text().replace('"number": 3', '"number": 4'))
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    found = load(changing)
    assert load.read == []
    assert found.item(found.place("EXAMPLE/B", "I0003"))["properties"]["number"] == 3


edits = st.lists(
    st.tuples(
        st.sampled_from(["write", "remove", "touch"]), st.integers(0, COUNT + 5), st.integers(0, 3)
    ),
    max_size=12,
)


@given(edits)
@settings(max_examples=15)
def test_whatever_changes_it_is_as_if_made_anew(items, tmp_path_factory, edits):
    directory = tmp_path_factory.mktemp("edited") / "items"
    shutil.copytree(items, directory)
    index.load(directory, describe)
    for kind, number, days in edits:
        path = directory / f"{number % 7}" / f"{number:04d}.json"
        if kind == "write":
            write(directory, number, days=days, modified=LONG_AGO + days)
        elif path.exists():
            path.unlink() if kind == "remove" else path.touch()
    known = index.load(directory, describe)
    again = index.load(directory, describe)
    shutil.rmtree(index.cache_root())
    anew = index.load(directory, describe)
    assert content(known) == content(again) == content(anew)


# ---- what it withstands


@given(st.data())
def test_a_damaged_index_is_made_anew_without_a_word(items, data):
    good = content(index.load(items, describe))
    (path,) = (index.cache_root() / "catalogs").iterdir()
    whole = path.read_bytes()
    if data.draw(st.booleans(), "cut"):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1), "length")]
    else:
        at = data.draw(st.integers(0, len(whole) - 1), "at")
        flipped = whole[at] ^ data.draw(st.integers(1, 255), "bits")
        damaged = whole[:at] + bytes([flipped]) + whole[at + 1 :]
    path.write_bytes(damaged)
    assert content(index.load(items, describe)) == good
    assert content(index.load(items, None)) == good  # it reads no file


@pytest.mark.parametrize("start", [b"", b"cedar 0.0.1 catalog index 1\n", b"PK\x03\x04"])
def test_an_index_of_another_format_is_made_anew(items, load, cache, start):
    load(items)
    (path,) = cache.iterdir()
    path.write_bytes(start + path.read_bytes().partition(b"\n")[2])
    assert len(load(items).order) == COUNT
    assert len(load.read) == COUNT


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_an_index_is_never_unpickled(items, load, cache, tmp_path, monkeypatch):
    load(items)
    (path,) = cache.iterdir()
    start = path.read_bytes().partition(b"\n")[0] + b"\n"
    array = np.empty(1, object)
    array[0] = Bomb()
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)
    for body in (path.read_bytes(), pickle.dumps(Bomb())):
        path.write_bytes(start + zlib.crc32(body).to_bytes(4) + body)
        monkeypatch.chdir(tmp_path)
        assert len(load(items).order) == COUNT
        assert not (tmp_path / "exploded").exists()


def test_a_cache_that_can_t_be_written_costs_time_and_one_line(
    items, load, tmp_path, monkeypatch, caplog
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert len(load(items).order) == COUNT
            assert len(load.read) == COUNT
    kept = [record.message for record in caplog.records if "can't be kept" in record.message]
    assert len(kept) == 2
    assert str(items) in kept[0]
    assert "\n" not in kept[0]


def test_a_user_without_a_home_has_no_cache(items, load, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    assert len(load(items).order) == COUNT


def test_processes_that_make_it_at_once_each_leave_it_whole(items, cache, load):
    ask = (
        "import sys; from cedar.emulator.catalog import ItemCatalog, Query\n"
        "sys.stdin.read()\n"
        "catalog = ItemCatalog(sys.argv[1])\n"
        "print(sum(len(catalog.search(each, Query())) for each in catalog.collections()))"
    )
    processes = [Forked(ask, str(items)) for _ in range(3)]
    for process in processes:
        process.stdin.close()
    for process in processes:
        with process:
            assert process.stdout.read().strip() == str(COUNT)
        assert process.returncode == 0
    assert [path.suffix for path in cache.iterdir()] == [".index"]
    load(items)
    assert load.read == []


# ---- where it is


def test_the_cache_is_where_the_platform_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert index.cache_root() == tmp_path / "cache" / "cedar"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setattr(sys, "platform", "linux")
    assert index.cache_root() == tmp_path / ".cache" / "cedar"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert index.cache_root() == tmp_path / "Library" / "Caches" / "cedar"


# ---- what it finds


times = st.none() | st.integers(0, 14).map(lambda day: 1_577_880_000_000 + day * DAY)
boxes = st.builds(
    lambda west, south, wide, high: shapely.box(west, south, west + wide, south + high),
    *(st.floats(-1, 14), st.floats(-1, 4), st.floats(0.01, 5), st.floats(0.01, 3)),
)


@given(st.sampled_from("AB"), times, times, st.lists(boxes, max_size=2))
def test_a_search_is_that_of_all_items_one_by_one(items, letter, start, end, shapes):
    catalog = ItemCatalog(items)
    collection = f"EXAMPLE/{letter}"
    expected = []
    for path in items.rglob("*.json"):
        item = json.loads(path.read_text())
        moment = np.datetime64(item["properties"]["datetime"][:-1], "ms").astype(int)
        footprint = shapely.geometry.shape(item["geometry"])
        if (
            item["collection"] == collection
            and (start is None or moment >= start)
            and (end is None or moment < end)
            and all(footprint.intersects(shape) for shape in shapes)
        ):
            expected.append((moment, item["id"]))
    found = catalog.search(collection, Query(tuple(shapes), start, end))
    assert [
        (image.properties["system:time_start"], image.properties["system:index"]) for image in found
    ] == sorted(expected)


def test_an_item_is_found_by_its_id_though_hashes_may_meet(items, load, monkeypatch, cache):
    monkeypatch.setattr(index, "_key", lambda collection, name: 1)
    found = load(items)
    for number in (0, 7, COUNT - 1):
        place = found.place(f"EXAMPLE/{'AB'[number % 2]}", f"I{number:04d}")
        assert found.item(place)["properties"]["number"] == number
    assert found.place("EXAMPLE/A", "I0001") is None


def test_two_items_of_one_id_are_an_error_with_and_without_an_index(changing, load):
    load(changing)
    text = (changing / "3" / "0003.json").read_text()
    (changing / "3" / "twin.json").write_text(text)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"twin\.json: EXAMPLE/B/I0003 is .*0003\.json too"):
            load(changing)


def test_a_broken_item_among_many_is_named_until_it_is_mended(changing, load):
    load(changing)
    path = changing / "3" / "0003.json"
    text = path.read_text()
    path.write_text("{")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"0003\.json: it can't be read as JSON"):
            load(changing)
    path.write_text(text)
    assert len(load(changing).order) == COUNT


def test_a_file_that_is_not_there_behind_its_name_is_an_error(changing, load):
    (changing / "gone.json").symlink_to(changing / "nowhere")
    with pytest.raises(ConfigError, match=r"gone\.json: it can't be read"):
        load(changing)
