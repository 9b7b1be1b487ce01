"""`cedar download`: what is brought home, how that is shown, and how it ends."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest
import yaml
from orders import COLLECTION, LANDSAT

from cedar import Tracker, TrackingMetadata
from cedar.cli import bringing, files
from cedar.cli.base import Settings
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings as Service
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import NotFoundError, StoreError
from cedar.stores.gcs import GCSStore
from cedar.wanted import FileEvent, FileState

TWO = ("--index", 0, 0, "--index", 0, 1)
ITEMS = tuple(f"EXAMPLE_LC08_DN_h00{col}v000_2020-05-01_2020-06-01" for col in (0, 1))
MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")


def names(directory):
    """Files below a directory, but records."""
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith("TRACKING")
    }


def stored(here):
    return {path.name for path in (here / "store").glob("CEDAR_*/*") if path.is_file()}


def spoil(here, item):
    path = here / "store" / "CEDAR_PREARD" / f"{item}.tif"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return data


@pytest.fixture
def asked(monkeypatch):
    """The options of each download that a command asked for."""
    given = []
    download = Tracker.download

    def noted(self, *args, **kwds):
        given.append(kwds["options"])
        return download(self, *args, **kwds)

    monkeypatch.setattr(Tracker, "download", noted)
    return given


def test_some_items_are_chosen_by_name_and_state(order, cedar, here):
    name = order("--wait", tiles=TWO)
    assert cedar("download", name, "--item", "*_h001*", "--state", "COMPLETED").code == 0
    assert names(here / name) == {f"{ITEMS[1]}.tif", f"{ITEMS[1]}.json"}
    assert cedar("download", name, "--dest", "none", "--state", "FAILED").code == 0
    assert names(here / "none") == set()
    assert cedar("download", name, "--item", "*_h000*", "--item", "*_h001*").code == 0
    assert len(names(here / name)) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--item", "*_h009*"), r"no item of order \S+ is called \*_h009\*"),
        (("--state", "LOST"), "'LOST' is not one of 'CANCELLED'"),
        (("--layout", "{year}"), r"layout '{year}' has to end in '/{name}'"),
        (("--layout", "{month}/{nam}/{name}"), "has '{nam}'; it may have {collection}"),
        (("--rate", "fast"), "rate 'fast' is no number of bytes a second"),
        (("--rate", "0M"), "write one above 0, such as 500k or 10M"),
        (("--workers", 0), "0 is not in the range 1<=x<=64"),
        (("--chunk", 0), "0 is not in the range x>=1"),
        (("--timeout", 0), "0.0 is not in the range x>0"),
        (("--interval", 1), "--interval goes with --watch"),
        (("--buffer", 1), "--buffer goes with --clip"),
        (("--clip", "nowhere.geojson"), "nowhere.geojson"),
    ],
)
def test_what_can_not_be_used_is_said_and_nothing_is_done(order, cedar, here, words, message):
    name = order()
    done = cedar("download", name, *words)
    assert done.code == 2, done.err
    assert not (here / name).exists()
    assert len(done.err.splitlines()) == 1
    assert re.search(message, done.err), done.err


def test_a_layout_puts_each_items_files_where_it_says(order, cedar, here):
    name = order("--wait", tiles=TWO)
    assert cedar("download", name, "--layout", "{year}/{tile.horizontal:03d}/{name}").code == 0
    assert names(here / name) == {
        f"2020/00{col}/{ITEMS[col]}.{suffix}" for col in (0, 1) for suffix in ("tif", "json")
    }
    assert cedar("verify", name).code == 0
    assert cedar("clean", name, "--yes").code == 0


def test_images_are_cut_to_a_region_and_the_originals_stay(configure, order, cedar, here, asked):
    name = order("--wait")
    corners = [[-54.70, -25.10], [-54.69, -25.10], [-54.69, -25.09], [-54.70, -25.10]]
    (here / "roi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    configure(download={"clip": {"format": "GTiff", "compress": "zstd"}})
    done = cedar("download", name, "--clip", "roi.geojson", "--buffer", 30000, "--mosaic")
    assert done.code == 0, done.err
    (options,) = asked
    assert (options.together.mosaic, options.together.clip.buffer) == (True, 30000)
    assert (options.together.clip_as.format, options.together.clip_as.compress) == ("GTiff", "zstd")
    assert f"{ITEMS[0]}_clipped.tif" in names(here / name)
    assert f"{ITEMS[0]}.tif" in names(here / name)
    assert cedar("verify", name).code == 0


def test_options_go_before_the_configuration(configure, order, cedar, asked):
    name = order("--wait")
    section = {
        "workers": 2, "chunk": 3, "timeout": 5, "rate": "1.5G", "layout": "{year}/{name}",
        "mosaic": {"compress": "zstd"},
    }  # fmt: skip
    configure(download=section)
    assert cedar("config", "check").code == 0
    assert cedar("config", "show", "--json").json["download"] == section
    cedar("download", name)
    cedar("download", name, "--workers", 4, "--chunk", 1, "--timeout", 7.5, "--rate", "10M",
          "--layout", "{name}", "--no-overwrite")  # fmt: skip
    configured, typed = asked
    assert vars(configured.fetching) == {
        "workers": 2, "piece": 3 * 2**20, "timeout": 5, "rate": 1.5e9, "overwrite": True,
    }  # fmt: skip
    assert vars(typed.fetching) == {
        "workers": 4, "piece": 2**20, "timeout": 7.5, "rate": 1e7, "overwrite": False,
    }  # fmt: skip
    assert (configured.layout, typed.layout) == ("{year}/{name}", "{name}")
    assert typed.together.mosaic_as.compress == "zstd"


def test_a_run_brings_home_as_the_configuration_says(configure, cedar, here):
    configure(download={"layout": "{year}/{name}"})
    placed = {
        "collections": [COLLECTION], "period_start": MAY[1], "period_end": MAY[3],
        "tiles": {"index": [[0, 0]]},
        "steps": {"watch": None, "download": {"dest": "data"}, "clean": {"keep_tracking": False}},
    }  # fmt: skip
    (here / "run.yaml").write_text(
        yaml.safe_dump({"name": "a-run", "orders": {"one": placed}}), "utf-8"
    )
    assert cedar("run", "run.yaml").code == 0
    (directory,) = (here / "data").iterdir()
    assert names(directory) == {f"2020/{ITEMS[0]}.tif", f"2020/{ITEMS[0]}.json"}
    assert cedar("verify", directory.name, "data").code == 0
    # What is home and cleaned away, in folders or not, isn't ordered again.
    (again,) = cedar("run", "run.yaml", "--json").json["orders"]
    assert (again["result"], again["message"]) == ("DONE", "cleaned")
    assert cedar("list").out == ""


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"rate": "fast"}, "download: rate 'fast' is no number"),
        ({"layout": "{year}"}, "download: layout '{year}' has to end in"),
        ({"workers": 0}, "download, workers: 0 is not from 1 to 64"),
        ({"chunks": 8}, "the nearest known is 'chunk'"),
    ],
)
def test_a_configuration_that_can_not_be_used_is_said(configure, cedar, section, message):
    configure(download=section)
    done = cedar("config", "check")
    assert done.code == 2
    assert message in done.err


def test_a_file_that_differs_is_kept_where_that_is_asked(order, cedar, here):
    name = order("--wait")
    (here / name).mkdir()
    path = here / name / f"{ITEMS[0]}.tif"
    path.write_bytes(b"somebody's")
    done = cedar("download", name, "--no-overwrite")
    assert done.code == 1
    assert f"{name}/{ITEMS[0]}.tif differs from" in done.err
    assert path.read_bytes() == b"somebody's"
    assert cedar("download", name).code == 0
    assert path.read_bytes() == (here / "store" / "CEDAR_PREARD" / path.name).read_bytes()


def test_failures_of_one_cause_are_told_together_and_the_next_call_mends_them(order, cedar, here):
    name = order("--wait", tiles=TWO)
    good = [spoil(here, item) for item in ITEMS]
    done = cedar("download", name, "--json", "--workers", 3)
    assert done.code == 1
    failed = {Path(each["file"]).name: each["error"] for each in done.json["failed"]}
    assert failed.keys() == {f"{item}.tif" for item in ITEMS}
    assert all("isn't what the order made" in error for error in failed.values())
    assert {Path(p).suffix for paths in done.json["files"].values() for p in paths} == {".json"}
    lines = done.err.splitlines()
    assert lines[-4].startswith("2 files, same cause: CEDAR_PREARD/EXAMPLE_LC08_DN_h00")
    assert sorted(lines[-3:-1]) == [f"  {name}/{item}.tif" for item in ITEMS]
    assert lines[-1] == f"next: cedar download {name} --workers 3, which fetches only those"
    for item, data in zip(ITEMS, good, strict=True):
        (here / "store" / "CEDAR_PREARD" / f"{item}.tif").write_bytes(data)
    done = cedar("download", name)
    assert done.code == 0
    assert "2 files, " in done.err
    assert "; 2 already there" in done.err


def test_a_file_that_failed_is_an_error_even_if_the_order_is_not_complete(order, cedar, here):
    name = order(tiles=TWO)
    (here / "store" / "CEDAR_PREARD" / f"{ITEMS[0]}.json").unlink()
    done = cedar("download", name)
    assert (done.code, done.out) == (1, f"{name}\n")
    assert f"{name}/{ITEMS[0]}.json: CEDAR_PREARD/{ITEMS[0]}.json is not in the store" in done.err
    assert "not complete yet" in done.err


def test_the_summary_counts_what_came_what_was_there_and_what_failed(order, cedar, here):
    name = order("--wait", tiles=TWO)
    done = cedar("download", name, "--verbose")
    assert done.err.count("done: ") == 4
    spoil(here, ITEMS[0])
    for item in ITEMS:
        (here / name / f"{item}.tif").unlink()
    done = cedar("download", name)
    (summary,) = [line for line in done.err.splitlines() if " in " in line and "/s)" in line]
    assert summary.startswith("1 file, ")
    assert summary.endswith("; 2 already there, 1 failed")
    assert cedar("download", name, "--quiet").err.count("\n") == 1


def test_clean_takes_all_of_an_order_that_is_home(order, cedar, here):
    name = order("--wait", tiles=(*TWO, "--index", 3, 3))
    done = cedar("download", name, "--clean", "--json")
    assert done.code == 0
    assert sum(map(len, done.json["deleted"].values())) == 5
    assert stored(here) == set()
    assert cedar("verify", name).code == 0


def test_clean_takes_no_more_than_is_verified_here(order, cedar, here):
    name = order("--wait", tiles=(*TWO, "--index", 3, 3))
    data = spoil(here, ITEMS[0])
    done = cedar("download", name, "--clean")
    assert done.code == 1
    assert "2 files deleted from the store" in done.err
    empty = "EXAMPLE_LC08_DN_h003v003_2020-05-01_2020-06-01.json"
    assert stored(here) == {f"{name}.json", empty, f"{ITEMS[0]}.tif", f"{ITEMS[0]}.json"}
    (here / "store" / "CEDAR_PREARD" / f"{ITEMS[0]}.tif").write_bytes(data)
    # What was cleaned is at home, and nobody looks for it in the store.
    done = cedar("download", name, "--clean")
    assert done.code == 0, done.err
    assert stored(here) == set()


def test_clean_of_some_items_leaves_all_others(order, cedar, here):
    name = order("--wait", tiles=(*TWO, "--index", 3, 3))
    assert cedar("download", name, "--clean", "--item", "*_h003*").code == 0
    assert len(stored(here)) == 6
    assert cedar("download", name, "--clean", "--item", "*_h001*").code == 0
    assert len(stored(here)) == 4
    assert cedar("download", name, "--clean", "--dest", "more", "--state", "COMPLETED").code == 0
    assert len(stored(here)) == 2
    assert cedar("download", name, "--clean").code == 0
    assert stored(here) == set()


@pytest.mark.parametrize("words", [(), ("--watch",)])
def test_clean_trusts_no_download_but_this_one(order, cedar, here, words):
    name = order("--wait")
    cedar("download", name)
    path = here / name / f"{ITEMS[0]}.tif"
    good = path.read_bytes()
    path.write_bytes(b"x" * len(good))
    assert cedar("download", name, *words, "--clean").code == 0
    assert path.read_bytes() == good
    assert stored(here) == set()


def test_clean_of_an_order_that_is_not_complete_leaves_its_record(order, cedar, here):
    name = order()
    assert cedar("download", name, "--clean").code == 3
    assert stored(here) == {f"{ITEMS[0]}.json", f"{name}.json"}


def test_watch_makes_an_order_and_brings_it_home(order, cedar, here):
    name = order(tiles=(*TWO, "--index", 3, 3))
    done = cedar("download", name, "--watch", "--clean")
    assert done.code == 0, done.err
    assert len(names(here / name)) == 5
    assert stored(here) == set()
    assert cedar("verify", name).code == 0


def test_watch_fetches_what_was_completed_but_not_on_record_when_it_was_seen(
    order, cedar, here, monkeypatch
):
    name = order(tiles=TWO)
    watched = bringing.Bringing._watched

    def early(self, tracking):
        document = tracking.document
        for entry in document["orders"]:
            entry["status"]["state"] = "COMPLETED"
            entry["outputs"] = entry["outputs"] or [
                {"name": f"{entry['name']}.tif", "size": 1, "checksum": None, "version": "1"}
            ]
        watched(self, TrackingMetadata(document))

    monkeypatch.setattr(bringing.Bringing, "_watched", early)
    assert cedar("download", name, "--watch").code == 0
    assert len(names(here / name)) == 4
    assert cedar("verify", name).code == 0


@pytest.fixture
def exporting(configure, here, monkeypatch):
    """An emulator that makes one task after the other, and a configuration that exports by it."""
    monkeypatch.setattr(GCSStore, "write_interval", 0.0)
    service = Service(object_writes=0, concurrent_tasks=1, task_seconds=0.3)
    with Emulator(LANDSAT, settings=service) as emulator:
        emulator.make_bucket("a-bucket")
        options = {"shardSize": 64, "fileDimensions": 128}
        document = configure(
            tracker={"store": "gcs", "export_image_kwds": options},
            gcs={"bucket": "a-bucket", "url": emulator.urls["gcs"]},
        )
        document["earthengine"] = {"url": emulator.urls["earthengine"]}
        (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
        yield emulator


@pytest.fixture
def arrived(monkeypatch):
    """Set as soon as an image has come."""
    came, take = threading.Event(), files.Shown.take

    def taken(self, event):
        take(self, event)
        if event.state == FileState.DONE and event.path.suffix == ".tif":
            came.set()

    monkeypatch.setattr(files.Shown, "take", taken)
    return came


def test_watch_fetches_an_item_while_others_are_made(exporting, cedar, here, monkeypatch, arrived):
    poll = EarthEngine.poll

    def waiting(self, tasks):
        """Look at the others only when the files of the first that was made are coming."""
        found = poll(self, tasks)
        if any(task.state == "COMPLETED" for task in found.values()):
            monkeypatch.setattr(EarthEngine, "poll", after)
        return found

    def after(self, tasks):
        assert arrived.wait(50)
        return poll(self, tasks)

    monkeypatch.setattr(EarthEngine, "poll", waiting)
    tiles = ("--row", 0, "--row", 1, "--col", 0, "--col", 1)
    name = cedar("submit", COLLECTION, *tiles, *MAY).out.strip()
    done = cedar("download", name, "--watch", "--interval", 0.05)
    assert done.code == 0, done.err
    assert EarthEngine.poll is after
    assert len([each for each in names(here / name) if each.endswith(".tif")]) == 4 * 6
    assert cedar("verify", name).code == 0
    orders = json.loads((here / name / f"{name}.json").read_text())["orders"]
    assert all(len(entry["downloads"]) == 1 for entry in orders)


def test_watch_that_is_interrupted_keeps_what_came_and_goes_on(
    exporting, cedar, here, monkeypatch, arrived
):
    name = cedar("submit", COLLECTION, "--row", 0, "--col", 0, "--col", 1, *MAY).out.strip()

    def interrupted(self, text):
        if "COMPLETED" in text:
            assert arrived.wait(50)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.Shown, "also", interrupted)
        done = cedar("download", name, "--watch", "--interval", 0.05)
    assert done.code == 130
    said = f"Interrupted: `cedar download {name} --watch --interval 0.05` goes on"
    assert done.err.splitlines()[-1] == said
    assert any(each.endswith(".tif") for each in names(here / name))
    assert cedar("download", name, "--watch", "--interval", 0.05).code == 0
    assert cedar("verify", name).code == 0


def test_an_error_of_the_download_ends_the_watch(exporting, cedar, monkeypatch):
    name = cedar("submit", COLLECTION, "--row", 0, "--col", 0, "--col", 1, *MAY).out.strip()

    def full(*_args, **_kwds):
        raise StoreError("the disk is full: make room")

    monkeypatch.setattr("cedar.downloading.Fetcher.run", full)
    done = cedar("download", name, "--watch", "--interval", 0.01)
    assert (done.code, done.err.splitlines()[-1]) == (1, "Error: the disk is full: make room")


def test_a_file_that_failed_while_others_were_made_is_tried_again_at_the_end(
    order, cedar, here, monkeypatch
):
    name = order(tiles=TWO)
    bring, good = bringing.Bringing._bring, {}

    def hindered(self, tracking, entries):
        entries = [*entries]
        if not good:
            good.update({entry["name"]: spoil(here, entry["name"]) for entry in entries})
            bring(self, tracking, entries)
            assert self.failures
            for item, data in good.items():
                (here / "store" / "CEDAR_PREARD" / f"{item}.tif").write_bytes(data)
        else:
            bring(self, tracking, entries)

    monkeypatch.setattr(bringing.Bringing, "_bring", hindered)
    # Else an order that is made at once may be over before its first look, and come all at the end.
    monkeypatch.setattr(bringing.Bringing, "_newest", lambda self: self._news.get())
    done = cedar("download", name, "--watch")
    assert done.code == 0, done.err
    assert "failed" not in done.err
    assert len(names(here / name)) == 4


def test_a_terminal_shows_files_bytes_and_what_is_under_way(order, cedar, on_a_terminal, here):
    name = order("--wait", tiles=TWO)
    # It takes a second, of which a terminal sees several moments.
    size = sum(path.stat().st_size for path in (here / "store" / "CEDAR_PREARD").glob("*.tif"))
    rate = f"{size / 1000:.0f}k"
    code, seen = on_a_terminal(("download", name, "--rate", rate, "--workers", 2), None)
    assert code == 0
    assert " of 4 files, " in seen
    assert f"{ITEMS[0]}  downloading, " in seen
    assert "4 files, " in seen.splitlines()[-2]


# What is counted and shown.


def event(name, state, arrived=0, size=100, error=None):
    return FileEvent(Path("d", name), state, arrived, size, error)


def test_a_tally_counts_bytes_that_came_and_those_that_were_there():
    tally = files.Tally()
    for name in "abc":
        tally.take(event(name, FileState.TODO))
    assert (tally.n_files, tally.total.size, tally.n_finished) == (3, 300, 0)
    tally.take(event("a", FileState.HERE, 100))
    tally.take(event("b", FileState.DOWNLOADING, 40))
    tally.take(event("b", FileState.DOWNLOADING, 60))
    assert (tally.total.arrived, tally.fetched) == (160, 20)
    assert tally.under_way() == [("b", 60, 100)]
    tally.take(event("b", FileState.DONE, 100))
    tally.take(event("c", FileState.DOWNLOADING, 0))
    tally.take(event("c", FileState.FAILED, 0, error=StoreError("no")))
    assert (tally.total.arrived, tally.fetched, tally.n_finished) == (200, 60, 3)
    assert tally.summary(2.0) == "1 file, 60 bytes in 2.0 s (30 bytes/s); 1 already there, 1 failed"
    # What failed may be wanted again.
    tally.take(event("c", FileState.TODO))
    tally.take(event("c", FileState.DONE, 100))
    assert (tally.n_files, tally.states[FileState.FAILED], tally.n_finished) == (3, 0, 3)


def test_a_file_that_begins_again_counts_twice_as_fetched_and_once_as_there():
    tally = files.Tally()
    for state, arrived in (
        (FileState.DOWNLOADING, 0), (FileState.DOWNLOADING, 100), (FileState.DOWNLOADING, 0),
        (FileState.DONE, 100),
    ):  # fmt: skip
        tally.take(event("a", state, arrived))
    assert (tally.fetched, tally.total.arrived) == (200, 100)
    assert tally.summary(1.0).startswith("1 file, 200 bytes")


def test_a_file_of_which_only_the_end_is_told_came_wholly():
    tally = files.Tally()
    tally.take(event("a", FileState.TODO))
    tally.take(event("a", FileState.DONE, 100))
    assert tally.summary(1.0) == "1 file, 100 bytes in 1.0 s (100 bytes/s)"


def test_many_events_cost_little():
    shown, began = files.Shown(Settings()), time.thread_time()
    for state, arrived in (
        (FileState.TODO, 0), (FileState.DOWNLOADING, 50), (FileState.DONE, 100),
    ):  # fmt: skip
        for i in range(25_000):
            shown.take(event(f"{i}.tif", state, arrived))
    shown.line()
    assert time.thread_time() - began < 5


def test_a_line_has_rate_and_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    shown = files.Shown(Settings())
    shown.take(event("a", FileState.TODO, 0, 10**9))
    assert shown.line() == "0 of 1 file, 0 bytes of 1 GB"
    shown.take(event("a", FileState.DOWNLOADING, 0, 10**9))
    now[0] = 102.0
    shown.take(event("a", FileState.DOWNLOADING, 10**7, 10**9))
    assert shown.line() == "0 of 1 file, 10 MB of 1 GB, 5 MB/s, 3 min left"
    for now[0] in (104.0, 110.0, 112.0):
        shown.line()
    shown.also("making: 1 READY")
    # Nothing has come lately.
    assert shown.line() == "0 of 1 file, 10 MB of 1 GB, making: 1 READY"


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.2, "4 s"), (150, "2 min"), (5400, "1.5 h"), (59, "59 s")]
)
def test_times_are_short(seconds, words):
    assert files._duration(seconds) == words


def test_elsewhere_than_on_a_terminal_a_line_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(files, "LINE_INTERVAL", 0.01)
    with files.showing(Settings()) as shown:
        shown.take(event("a", FileState.TODO))
        seen = ""
        while "downloading: 0 of 1 file" not in seen:
            seen += capsys.readouterr().err


def test_more_items_than_fit_are_counted():
    shown = files.Shown(Settings())
    for i in range(12):
        shown.take(event(f"{i}.tif", FileState.DOWNLOADING, 1))
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as seen:
        console.print(shown.renderable())
    lines = seen.get().splitlines()
    assert lines[0].endswith(" 0 of 12 files, 12 bytes of 1.2 kB")
    assert lines[1] == "  0.tif  downloading, 1 bytes of 100 bytes"
    assert lines[-1] == "  … and 4 more"


def test_failures_are_at_most_so_many_lines():
    def gone(name):
        return NotFoundError(f"X/{name} is not in the store", f"X/{name}")

    same = {Path("d", f"{i}.tif"): gone(f"{i}.tif") for i in range(5)}
    assert [*files.failures_told(same, 2)] == [
        "5 files, same cause: X/0.tif is not in the store",
        "  d/0.tif",
        "  d/1.tif",
        "  … and 3 more",
    ]
    others = {Path("d", f"{i}.tif"): StoreError(f"cause {'i' * i}") for i in range(5)}
    assert [*files.failures_told(others, 2)] == [
        "d/0.tif: cause ",
        "d/1.tif: cause i",
        "… and 3 files more, of other causes",
    ]
