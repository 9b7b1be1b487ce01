"""A disk that fills while an order is pulled: one line, a sound record, and `watch` goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import rasterio
from orders import reference, utm_grid
from processes import limited_files

from cedar import TrackingMetadata
from cedar.cli.errors import DONE, FAILED
from cedar.engines.earthengine import blocks
from cedar.states import ACTIVE, TaskState

TILES = ("--index", 0, 0, "--index", 1, 1)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def name(order, monkeypatch):
    """An order of two items of three bands, each a block, or two, as narrow as it can be."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    return order(tiles=TILES)


def record(here, name):
    return TrackingMetadata.loads((here / "store" / "CEDAR_TRACKING" / f"{name}.json").read_bytes())


def check_failed(here, name, done):
    """One line that says what to do; nothing in the store that isn't whole; a record of it all."""
    assert done.code == FAILED
    (line,) = [line for line in done.err.splitlines() if not line.startswith("making")]
    assert line.startswith("Error: ")
    for entry in record(here, name).orders:
        # Where not even the record could be written, it says what was true before.
        assert entry["status"]["state"] in {*ACTIVE, TaskState.COMPLETED}
    check_images(here, record(here, name))
    return line


def check_images(here, tracking):
    named = {output["name"] for entry in tracking.orders for output in entry["outputs"]}
    there = [*here.glob("store/CEDAR_PREARD/*.tif")]
    assert {path.name for path in there} == named
    for entry in tracking.orders:
        for output in entry["outputs"]:
            path = here / "store" / entry["prefix"] / output["name"]
            with rasterio.open(path) as image:
                assert (image.read() == reference(utm_grid()[entry["tile"]])).all()


def check_goes_on(cedar, here, name):
    assert cedar("watch", name).code == DONE
    tracking = record(here, name)
    assert tracking.complete
    check_images(here, tracking)
    assert [*here.glob("store/.cedar/scratch/*")] == [*here.glob("store/.cedar/tmp/*")] == []


@pytest.mark.parametrize(
    ("size", "kept"),
    [(1000, 0), (10_000, 0), (50_000, 6), (130_000, 12)],
    ids=["the record", "a small block", "a large block", "the image"],
)
def test_what_is_too_large_for_the_disk(cedar, here, name, size, kept):
    """Blocks are of 256 or 44 columns, the record has some 8,000 bytes, an image 300,000."""
    with limited_files(size):
        done = cedar("watch", name)
    check_failed(here, name, done)
    assert "File too large" in done.err
    assert len([*here.glob("store/.cedar/scratch/*/*.block")]) <= kept
    assert [*here.glob("store/.cedar/scratch/*/*.partial")] == []
    check_goes_on(cedar, here, name)


@pytest.mark.parametrize("looks", [0, 1, 5, 20])
def test_a_disk_with_little_room_is_left_alone_before_it_is_full(
    cedar, here, name, monkeypatch, looks
):
    """Free at first, and all but full from some look on."""
    left = iter([10**9] * looks)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 0, next(left, 10**5)))
        done = cedar("watch", name)
    line = check_failed(here, name, done)
    assert "make room, then watch again" in line
    assert "0 MB free" in line
    assert TaskState.RUNNING not in record(here, name).states
    check_goes_on(cedar, here, name)


@pytest.mark.stress
def test_a_disk_that_fills_at_any_moment(here, name):
    """Small disks (tmpfs) in a namespace of our own, with no look at the room that is left."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("only where users may mount, as on most Linux")
    program = Path(__file__).with_name("filling.py")
    done = subprocess.run(
        [*command, sys.executable, program, name], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert {code for _, (code, _), _ in ends} == {DONE, FAILED}
    for size, (code, err), (later, _) in ends:
        lines = [line for line in err.splitlines() if not line.startswith("making")]
        assert len(lines) == (code == FAILED), (size, err)
        assert all("No space left on device" in line for line in lines), (size, err)
        assert later == DONE
