"""Pulling: what is asked for, what is asked for again, and what is never written."""

from pathlib import Path

import ee
import pytest
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine, blocks
from cedar.exceptions import EngineError
from cedar.items import Destination
from cedar.metadata import ImageMetadata
from cedar.rasters import TILE_SIDE


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def request_(tmp_path, emulator, monkeypatch):
    """A request for 300 × 250 pixels of three bands, in six blocks."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3 * TILE_SIDE**2)
    tracker = real_tracker(tmp_path / "store", engine=EarthEngine(emulator=emulator))
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    metadata = ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
    return tracker.engine.prepare(metadata, Destination("local", "", ""), {})


def blocks_asked(emulator):
    return sum(request.method == "image:computePixels" for request in emulator.requests)


def pulled(emulator, request, scratch, progress=lambda part: None):
    return EarthEngine(emulator=emulator).pull(request, scratch, progress)


def test_progress_grows_from_nothing_to_the_whole(tmp_path, emulator, request_):
    parts = []
    pulled(emulator, request_, tmp_path, parts.append)
    assert parts == sorted(parts)
    assert sorted({*parts}) == pytest.approx([n / 6 for n in range(7)])
    assert blocks_asked(emulator) == 6


def test_blocks_that_were_fetched_are_not_fetched_again(tmp_path, emulator, request_):
    first = pulled(emulator, request_, tmp_path).read_bytes()
    parts = []
    again = pulled(emulator, request_, tmp_path, parts.append)
    assert again.read_bytes() == first
    assert {*parts} == {1.0}
    assert blocks_asked(emulator) == 6


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "emptied":
            path.write_bytes(b"")
        case "changed":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "removed":
            path.unlink()


@pytest.mark.parametrize("how", ["cut", "emptied", "changed", "removed"])
def test_a_block_that_was_damaged_is_fetched_again_alone(tmp_path, emulator, request_, how):
    first = pulled(emulator, request_, tmp_path).read_bytes()
    damage(min(tmp_path.glob("*.block")), how)
    assert pulled(emulator, request_, tmp_path).read_bytes() == first
    assert blocks_asked(emulator) == 7


def test_what_stops_a_pull_leaves_its_finished_blocks_and_nothing_under_way(
    tmp_path, emulator, request_
):
    class Enough(Exception):
        pass

    def progress(part):
        if part > 0.3:
            raise Enough

    with pytest.raises(Enough):
        pulled(emulator, request_, tmp_path, progress)
    asked = blocks_asked(emulator)
    kept = [*tmp_path.glob("*.block")]
    assert 2 <= len(kept) == asked
    assert not [*tmp_path.glob("*.partial")]
    pulled(emulator, request_, tmp_path)
    assert blocks_asked(emulator) == 6


def test_a_block_of_another_shape_than_was_asked_for_is_never_written(
    tmp_path, emulator, request_, monkeypatch
):
    compute = ee.data.computePixels
    monkeypatch.setattr(ee.data, "computePixels", lambda params: compute(params)[1:])
    with pytest.raises(EngineError, match=r"came with shape \(249, ") as caught:
        pulled(emulator, request_, tmp_path)
    assert caught.value.transient
    assert not [*tmp_path.glob("*.block")]


def test_a_block_that_goes_missing_meanwhile_is_an_error_that_may_pass(
    tmp_path, emulator, request_
):
    pulled(emulator, request_, tmp_path)

    def progress(part):
        for path in tmp_path.glob("*.block"):
            path.unlink()

    with pytest.raises(EngineError, match="a block was lost") as caught:
        pulled(emulator, request_, tmp_path, progress)
    assert caught.value.transient


def test_one_block_that_fails_fails_the_pull_and_the_others_are_kept(tmp_path, request_):
    fault = {
        "service": "earthengine",
        "method": "image:computePixels",
        "nth": 3,
        "action": "status",
        "value": 400,
    }
    with Emulator(LANDSAT, faults=[fault]) as emulator:
        with pytest.raises(EngineError, match="invalid argument"):
            pulled(emulator, request_, tmp_path)
        pulled(emulator, request_, tmp_path)
        assert blocks_asked(emulator) == 7
