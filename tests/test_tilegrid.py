from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from example_grids import ANCESTOR, PARAGUAY, paraguay

from cedar.exceptions import InputError
from cedar.geometry import to_crs
from cedar.grids import Tile, TileGrid

# --- indexing ---


def test_ancestor_34_iteration_gives_the_indices_of_the_limits_row_by_row() -> None:
    grid = paraguay(limits=[[2, 3], [5, 7]])
    assert list(grid) == [(2, 5), (2, 6), (2, 7), (3, 5), (3, 6), (3, 7)]
    assert (len(grid), grid.nrow, grid.ncol) == (6, 2, 3)
    assert (grid.rows, grid.cols) == ([2, 3], [5, 6, 7])
    assert grid.transform == paraguay()[0, 0].transform
    assert [tile.index for tile in grid.values()] == list(grid)


def test_ancestor_35_in_and_get_never_raise() -> None:
    grid = paraguay()
    nothing: list[Any] = [(4, 0), (0, -1), (0,), "ab", None, 3, (0.5, 0)]
    for index in nothing:
        assert index not in grid
        assert grid.get(index) is None
    assert grid.get((9, 9), "none") == "none"
    assert (3, 3) in grid
    assert grid.get((3, 3)) == grid[3, 3]


def test_ancestor_35_grids_compare_and_hash_by_value() -> None:
    assert paraguay() == paraguay()
    assert len({paraguay(), paraguay(), paraguay(name="other"), paraguay(limits=None)}) == 3
    assert paraguay(crs=to_crs(32621)) == paraguay(crs=32621) == paraguay()


def test_ancestor_36_a_list_is_an_index_as_good_as_a_tuple() -> None:
    grid = paraguay()
    of_numpy: Any = np.array([1, 2])
    assert grid[json.loads("[1, 2]")] == grid[1, 2] == grid[of_numpy]
    index: object = [1, 2]
    assert index in grid
    assert grid[[1, 2]].index == (1, 2)


def test_a_tile_outside_the_limits_is_an_error_that_names_both() -> None:
    with pytest.raises(
        InputError,
        match=r"^tile \(4, 0\) is outside tile grid 'Paraguay east': rows 0 to 3, columns 0 to 3$",
    ):
        paraguay()[4, 0]


def test_ancestor_37_a_grid_without_limits_has_no_end_and_is_written_so() -> None:
    grid = paraguay(limits=None)
    assert grid[-1, -400].bounds.top == grid[0, 0].bounds.top + 7500
    assert (10**6, -(10**6)) in grid
    assert TileGrid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    assert grid.to_dict()["limits"] is None
    assert bool(grid)
    listings: list[Callable[[TileGrid], object]] = [len, list, TileGrid.tiles, TileGrid.geojson]
    for listing in listings:
        with pytest.raises(InputError, match="'Paraguay east' has no limits"):
            listing(grid)


def test_ancestor_37_negative_tiles_are_refused_by_limits() -> None:
    assert (-1, 0) not in paraguay()


def test_a_grids_record_has_the_form_of_the_tracking_document() -> None:
    document = paraguay().to_dict()
    assert list(document) == ["name", "crs", "ul", "res", "size", "limits"]
    assert document["crs"].startswith('PROJCS["WGS 84 / UTM zone 21N"')
    assert json.dumps({key: document[key] for key in ("ul", "res", "size", "limits")}) == (
        '{"ul": [730005.0, -2778015.0], "res": [30, 30], "size": [300, 250], '
        '"limits": [[0, 3], [0, 3]]}'
    )


def test_the_records_of_2019_are_read() -> None:
    grid = TileGrid.from_dict(ANCESTOR)
    tile = {"index": [52, 71], "crs": ANCESTOR["crs"], "res": [30, 30], "size": [5000, 5000]}
    bounds = [3016330.0, -2873535.0, 3166330.0, -2723535.0]
    assert Tile.from_dict(tile | {"bounds": bounds}) == grid[52, 71]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": [[3, 0], [0, 3]]}, "'Paraguay east': limits: 3 to 0 is backwards"),
        ({"limits": [0, 3]}, "limits must be two integers"),
        ({"limits": 3}, "limits must be"),
        ({"res": [30, -30]}, r"res must be positive, not \[30, -30\]"),
        ({"res": [0, 30]}, "res must be positive"),
        ({"res": [30]}, r"res must be 2 numbers \(x, y\), not \[30\]"),
        ({"res": 30}, "res must be 2 numbers"),
        ({"res": ["30", "30"]}, "res must be 2 numbers"),
        ({"res": [True, 30]}, "res must be 2 numbers"),
        ({"ul": [float("nan"), 0]}, "ul must be 2 numbers"),
        ({"size": [300.5, 250]}, r"size must be two integers \(columns, rows\)"),
        ({"size": [300, 0]}, "size must be positive"),
        ({"crs": "EPSG:1"}, "can't read the coordinate reference system 'EPSG:1'"),
        ({"crs": 4978}, "neither projected nor geographic"),
        ({"name": 7}, "name must be text"),
        ({"sise": [1, 1]}, "has no 'sise'; it has ul, crs, res, size, limits, name"),
    ],
)
def test_ancestor_44_a_grid_that_cannot_be_is_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        paraguay(**changes)
    assert "\n" not in str(caught.value)


def test_a_grid_needs_its_keys() -> None:
    with pytest.raises(InputError, match="a tile grid needs res, size"):
        TileGrid.from_dict({"ul": [0, 0], "crs": 4326})
    nothing: Any = [1]
    with pytest.raises(InputError, match="must be a mapping"):
        TileGrid.from_dict(nothing)


def test_a_grid_cannot_be_changed() -> None:
    grid: Any = paraguay()
    with pytest.raises(AttributeError):
        grid.name = "other"


def test_a_stems_grid_and_tile_are_taken_by_their_attributes() -> None:
    crs = to_crs(32621)
    grid = SimpleNamespace(**PARAGUAY | {"crs": crs, "crs_wkt": crs.wkt, "_tiles": {}})
    tile = paraguay()[1, 2]
    assert TileGrid.from_like(grid) == paraguay() == TileGrid.from_like(paraguay())
    values = {name: getattr(tile, name) for name in ("index", "crs", "bounds", "res", "size")}
    assert Tile.from_like(SimpleNamespace(**values)) == tile == Tile.from_like(tile)
    with pytest.raises(InputError, match="can't take int for a tile grid"):
        TileGrid.from_like(3)
