"""Conversions that are killed at any moment: the old cube is whole, and the next makes the new."""

from __future__ import annotations

import shutil

import pytest
from converting import FEBRUARY, JANUARY, MARCH, check, left
from downloaded import Downloaded
from killing_converts import Nursery

import cedar

#: Layers in a chunk: what is there doesn't end with one.
CHUNKS = {"time": 2, "y": 80, "x": 96}


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as nursery:
        yield nursery


def placed(directory, name, *months):
    order = Downloaded(directory / name, name=name)
    for dates, period in months:
        order.add(dates, period)
    path = order.directory / f"{name}.json"
    path.write_text(order.record.dumps(), "utf-8")
    return order


def convert(order, format_, **how):
    settings = {"format": format_, "by": "tile", "chunks": CHUNKS} | how
    (path,) = cedar.convert(order.record, order.directory, **settings)
    return path


class Stage:
    """A cube of one order, which another is put into by processes that are killed."""

    def __init__(self, directory, format_, first, second):
        self.directory, self.format = directory, format_
        self.first, self.second = placed(directory, "A", first), placed(directory, "B", second)
        self.path = convert(self.first, format_)
        self.cubes = self.path.parent
        shutil.copytree(self.cubes, directory / "before")

    def kill(self, nursery, changes):
        """Begin with the old cube, kill, look, and let another go on; whether it was killed."""
        shutil.rmtree(self.cubes)
        shutil.copytree(self.directory / "before", self.cubes)
        killed = nursery.convert(
            self.second.directory, changes, format=self.format, by="tile", chunks=CHUNKS
        )
        try:
            check(self.path, [self.first])
        except AssertionError:
            check(self.path, [self.first, self.second])
        convert(self.second, self.format)
        check(self.path, [self.first, self.second])
        assert left(self.directory) == []
        return killed


@pytest.mark.parametrize("months", [(JANUARY, MARCH), (MARCH, FEBRUARY)], ids=["append", "rebuild"])
@pytest.mark.parametrize(
    ("format_", "step"),
    [
        ("netcdf", 1),
        ("zarr", 9),
        pytest.param("zarr", 1, marks=[pytest.mark.stress, pytest.mark.timeout(1800)]),
    ],
)
def test_a_kill_leaves_the_old_cube_whole(nursery, tmp_path, format_, months, step):
    stage = Stage(tmp_path, format_, *months)
    changes, kills = 1, 0
    while stage.kill(nursery, changes):
        changes, kills = changes + step, kills + 1
    assert kills > 5


def test_geotiffs_that_are_there_after_a_kill_are_whole(nursery, tmp_path):
    order = placed(tmp_path, "A", JANUARY)
    killed = [nursery.convert(order.directory, n, format="cog") for n in (5, 15, 25, 35)]
    assert any(killed)
    cedar.convert(order.record, order.directory, format="cog")
    (directory,) = order.directory.glob("*_cogs")
    assert len([*directory.iterdir()]) == 3
    assert left(tmp_path) == []
