"""Grids that come with cedar, against numbers that their makers published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import yaml
from affine import Affine

from cedar.exceptions import InputError
from cedar.geometry import LONLAT
from cedar.grids import TileGrid, grid_like, grid_source, load_grids, named_grid, named_grids

#: Rows, columns, and the published corners of tiles: index, corner, x, y.
PUBLISHED: dict[str, tuple[int, int, list[tuple[tuple[int, int], str, float, float]]]] = {
    # https://landsat.usgs.gov/what-us-ard-tile-grid, table 1; h003v009 is in LCMAP's requests,
    # h003v004 in the proj:transform of LandsatLook's items; all three extents in LCMAP's too.
    "LANDSAT_ARD_CU": (
        22,
        33,
        [
            ((0, 0), "ul", -2565585, 3314805),
            ((21, 32), "lr", 2384415, 14805),
            ((9, 3), "ul", -2115585, 1964805),
            ((4, 3), "ul", -2115585, 2714805),
        ],
    ),
    "LANDSAT_ARD_AK": (
        14,
        17,
        [((0, 0), "ul", -851715, 2474325), ((13, 16), "lr", 1698285, 374325)],
    ),
    # The tile's lower right corner: validate_ard of USGS.
    "LANDSAT_ARD_HI": (
        3,
        5,
        [
            ((0, 0), "ul", -444345, 2168895),
            ((0, 0), "lr", -294345, 2018895),
            ((2, 4), "lr", 305655, 1718895),
        ],
    ),
    # ABoVE_240mgrid_tiles.shp: 24 features within (-3400020, 320000, 3079980, 4640000). The grid
    # of 30 m nests in it, six by six.
    "ABOVE_A": (
        4,
        6,
        [((0, 0), "ul", -3400020, 4640000), ((3, 5), "lr", 3079980, 320000)],
    ),
    "ABOVE_B": (
        24,
        36,
        [((0, 0), "ul", -3400020, 4640000), ((23, 35), "lr", 3079980, 320000)],
    ),
    # 504 files, named by their upper left corners: 80N_180W, 10N_020E, … 50S_170E.
    "GEE_HANSEN_GFC": (
        14,
        36,
        [
            ((0, 0), "ul", -180, 80),
            ((7, 20), "ul", 20, 10),
            ((13, 35), "ul", 170, -50),
            ((13, 35), "lr", 180, -60),
        ],
    ),
} | {
    # UpperLeftPointMtrs and LowerRightMtrs in StructMetadata of files of h18v04 and h12v04.
    f"MODIS_{name}": (
        18,
        36,
        [
            ((4, 18), "ul", 0, 5559752.598333),
            ((4, 18), "lr", 1111950.519667, 4447802.078667),
            ((4, 12), "ul", -6671703.118, 5559752.598333),
            ((0, 0), "ul", -20015109.354, 10007554.677),
            ((17, 35), "lr", 20015109.354, -10007554.677),
        ],
    )
    for name in ("250M", "500M", "1KM")
}


def corner(grid: TileGrid, index: tuple[int, int], which: str) -> tuple[float, float]:
    left, bottom, right, top = grid[index].bounds
    return (left, top) if which == "ul" else (right, bottom)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_grid_has_the_tiles_and_the_corners_that_its_maker_published(name: str) -> None:
    rows, cols, corners = PUBLISHED[name]
    grid = named_grid(name)
    assert (grid.nrow, grid.ncol, len(grid)) == (rows, cols, rows * cols)
    for index, which, x, y in corners:
        assert corner(grid, index, which) == pytest.approx((x, y), rel=0, abs=2e-6)


def test_ancestor_45_the_grid_of_global_forest_change_ends_at_the_antimeridian() -> None:
    grid = named_grid("GEE_HANSEN_GFC")
    assert len(grid) == 504
    assert max(tile.bounds.right for tile in grid.values()) == 180
    assert grid.point_to_tile(179.9, 0.1).index == (7, 35)


def test_ancestor_45_the_grids_of_above_are_no_larger_than_their_maker_says() -> None:
    for name, count in (("ABOVE_A", 24), ("ABOVE_B", 864)):
        grid = named_grid(name)
        assert len(grid) == count
        assert shapely.total_bounds([tile.bbox for tile in grid.values()]).tolist() == [
            -3400020,
            320000,
            3079980,
            4640000,
        ]


def test_every_grid_says_where_its_numbers_were_published() -> None:
    assert len(named_grids()) == 9 + 120
    for name, grid in named_grids().items():
        assert grid.name == name
        assert len(grid_source(name)) > 30
        assert len(grid) == grid.nrow * grid.ncol > 0


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("LANDSAT_ARD_CU", "EPSG:5070"),
        ("LANDSAT_ARD_AK", "EPSG:3338"),
        ("ABOVE_A", "ESRI:102001"),
    ],
)
def test_an_albers_grid_has_the_parameters_of_the_registered_projection(
    name: str, registered: str
) -> None:
    def parameters(crs: pyproj.CRS) -> list[float]:
        assert crs.coordinate_operation is not None
        return sorted(float(each.value) for each in crs.coordinate_operation.params)

    crs = pyproj.CRS(named_grid(name).crs_wkt)
    assert parameters(crs) == parameters(pyproj.CRS(registered))
    assert crs.ellipsoid is not None
    assert crs.ellipsoid.name == ("WGS 84" if name.startswith("LANDSAT") else "GRS 1980")


def test_the_islands_of_hawaii_are_in_the_grid_of_hawaii() -> None:
    grid = named_grid("LANDSAT_ARD_HI")
    # Lehua's and Kauai's north, South Point, Cape Kumukahi, Honolulu, Mauna Kea.
    for lon, lat in (
        (-160.1, 22.02),
        (-159.4, 22.24),
        (-155.68, 18.91),
        (-154.81, 19.52),
        (-157.86, 21.31),
        (-155.47, 19.82),
    ):
        assert grid.point_to_tile(lon, lat, crs=LONLAT) in grid.values()
    # USGS: 8 tiles cover the islands, so the grid isn't much larger than they are.
    assert len(grid) == 15


def test_tiles_of_modis_lie_where_the_published_list_says() -> None:
    # https://modis-land.gsfc.nasa.gov/pdf/sn_bound_10deg.txt: iv, ih, lon_min, lat_min, lat_max.
    grid = named_grid("MODIS_500M")
    for row, col, west, south, north in (
        (4, 8, -155.5724, 40, 50),
        (4, 9, -140.0151, 40, 50),
        (4, 10, -124.4579, 40, 50),
        (5, 8, -130.5407, 30, 40),
        (5, 9, -117.4867, 30, 40),
    ):
        bounds = grid[row, col].outline().bounds
        assert (bounds[0], bounds[1], bounds[3]) == pytest.approx((west, south, north), abs=2e-4)


def test_tiles_of_modis_that_are_no_place_are_as_many_as_the_list_says() -> None:
    # The same list: 648 tiles, 460 of them not fill.
    features = named_grid("MODIS_1KM").geojson()["features"]
    shapes = [shapely.geometry.shape(f["geometry"]) for f in features if f["geometry"]]
    assert (len(features), len(shapes)) == (648, 460)
    assert all(shape.is_valid and shape.area > 0 for shape in shapes)


def test_a_tile_beyond_the_earth_is_no_place_and_nothing_is_found_in_it() -> None:
    grid = named_grid("MODIS_1KM")
    with pytest.raises(InputError, match=r"^tile \(4, 0\) lies beyond the earth"):
        grid[4, 0].outline()
    whole_earth = grid.bounds_to_tiles((-180, -90, 180, 90), crs=LONLAT)
    assert grid[4, 0] not in whole_earth
    # Where a row's end is the earth's to the metre, a sliver of it is in the next tile, too.
    assert 460 <= len(whole_earth) <= 464


def square(grid: TileGrid, lon: float, lat: float) -> tuple[float, float]:
    """Lower left corner of the tile of a place."""
    bounds = grid.point_to_tile(lon, lat, crs=LONLAT).bounds
    return bounds.left, bounds.bottom


def test_tiles_of_a_utm_zone_are_the_squares_of_mgrs() -> None:
    # Honolulu is in 4Q FJ: F is the sixth column, J the fourth row above 2,000 km (from F on, as
    # in all even zones). The White House, 18S UJ 23483 06479: 300 km east, 4,300 km north.
    assert square(named_grid("UTM04N"), -157.858, 21.307) == (600_000, 2_300_000)
    assert square(named_grid("UTM18N"), -77.0365, 38.8977) == (300_000, 4_300_000)
    for name, count in (("UTM01N", 94 * 8), ("UTM60S", 89 * 8)):
        assert len(named_grid(name)) == count
        assert set(named_grid(name)[0, 0].bounds) & {100_000, 200_000} == {100_000, 200_000}


@pytest.mark.parametrize("zone", [1, 31, 60])
def test_a_utm_zones_grid_holds_all_of_the_zone(zone: int) -> None:
    west = zone * 6 - 186
    for hemisphere, lats in (("N", (0.0001, 84)), ("S", (-80, -0.0001))):
        grid = named_grid(f"UTM{zone:02d}{hemisphere}")
        assert grid.crs.to_epsg() == {"N": 32600, "S": 32700}[hemisphere] + zone
        for lon in (west + 1e-6, west + 3, west + 6 - 1e-6):
            for lat in lats:
                assert grid.point_to_tile(lon, lat, crs=LONLAT) is not None
        # And no more than the pole-most row of squares beyond the edge of the last band.
        row = grid.point_to_tile(west + 3, {"N": 84, "S": -80}[hemisphere], crs=LONLAT).vertical
        assert row == {"N": grid.rows[0], "S": grid.rows[-1]}[hemisphere]


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        InputError,
        match=r"^no tile grid is called 'Landsat_ARD_CUS'; the nearest: 'LANDSAT_ARD_CU'",
    ):
        named_grid("Landsat_ARD_CUS")
    with pytest.raises(InputError, match="no tile grid is called 'UTM61N'; the nearest: 'UTM6"):
        grid_source("UTM61N")


def test_the_bundled_file_is_read_like_any_other() -> None:
    path = str(resources.files("cedar") / "grids.yaml")
    assert load_grids(path) == dict(named_grids())
    assert named_grid("UTM33S", path) == named_grid("UTM33S")


def test_named_grids_cannot_be_changed() -> None:
    grids: Any = named_grids()
    with pytest.raises(TypeError):
        grids["UTM33N"] = None


# --- families ---


def read(tmp_path: Path, document: dict[str, Any]) -> dict[str, TileGrid]:
    path = tmp_path / "grids.yaml"
    path.write_text(yaml.dump(document))
    return load_grids(path)


MEMBER: dict[str, Any] = {"ul": [0, 0], "res": [1, 1], "size": [10, 10], "crs": "EPSG:326{zone}"}


def test_a_family_stands_for_a_grid_of_each_number(tmp_path: Path) -> None:
    grids = read(tmp_path, {"ZONE{zone}": MEMBER | {"family": {"zone": [20, 22]}}})
    assert [(name, grid.crs.to_epsg()) for name, grid in grids.items()] == [
        ("ZONE20", 32620),
        ("ZONE21", 32621),
        ("ZONE22", 32622),
    ]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("ZONE{zone}", {"zone": 3}),
        ("ZONE{zone}", {"zone": ["a", "b"]}),
        ("ZONE{zone}", {}),
        ("ZONE{zone}", 3),
        ("ZONE{other}", {"zone": [1, 2]}),
        ("ZONE{zone.real.x}", {"zone": [1, 2]}),
    ],
)
def test_a_family_that_cannot_be_is_refused(tmp_path: Path, name: str, family: Any) -> None:
    with pytest.raises(InputError, match="family must be"):
        read(tmp_path, {name: MEMBER | {"family": family}})


def test_a_familys_grids_need_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="each name once"):
        read(tmp_path, {"ZONE": MEMBER | {"family": {"zone": [20, 22]}}})


# --- the grid of a raster ---


def raster(
    path: Path, transform: Affine, crs: str | None = "EPSG:32621", shape: Sequence[int] = (25, 30)
) -> Path:
    with rasterio.open(
        path, "w", "GTiff", shape[1], shape[0], 1, crs, transform, "uint8"
    ) as written:
        written.write(np.zeros((1, *shape), "uint8"))
    return path


NORTH_UP = Affine(30, 0, 730005, 0, -20, -2778015)


def test_a_raster_is_one_tile_of_its_own_grid(tmp_path: Path) -> None:
    path = raster(tmp_path / "scene.tif", NORTH_UP)
    grid = grid_like(path)
    assert (grid.name, grid.limits, grid.crs.to_epsg()) == ("scene", ((0, 0), (0, 0)), 32621)
    with rasterio.open(path) as opened:
        assert grid[0, 0].transform == opened.transform
        assert tuple(grid[0, 0].bounds) == tuple(opened.bounds)
        assert (grid[0, 0].width, grid[0, 0].height) == (opened.width, opened.height)
    assert TileGrid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid


def test_tiles_of_a_size_begin_at_the_rasters_corner_and_cover_it(tmp_path: Path) -> None:
    path = raster(tmp_path / "scene.tif", NORTH_UP)
    grid = grid_like(path, size=(10, 8))
    assert (grid.ul, grid.res, grid.size) == ((730005, -2778015), (30, 20), (10, 8))
    assert grid.limits == ((0, 3), (0, 2))
    assert grid_like(path, size=(30, 25)) == grid_like(path)


# Of the test's own writing; reading is not to warn.
@pytest.mark.filterwarnings("ignore:The given matrix")
@pytest.mark.parametrize(
    ("transform", "crs", "message"),
    [
        (NORTH_UP, None, "has no coordinate reference system"),
        (Affine.identity(), None, "has no coordinate reference system"),
        (Affine(30, 0, 0, 0, 20, 0), "EPSG:32621", "isn't north up"),
        (Affine(30, 5, 0, 5, -20, 0), "EPSG:32621", "isn't north up"),
    ],
)
def test_a_raster_that_lies_on_no_grid_is_refused(
    tmp_path: Path, transform: Affine, crs: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        grid_like(raster(tmp_path / "scene.tif", transform, crs))


def test_what_is_no_raster_and_no_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("x")
    for path in (tmp_path / "none.tif", tmp_path / "text.tif"):
        with pytest.raises(InputError, match=r"can't read .* as a raster"):
            grid_like(path)
    path = raster(tmp_path / "scene.tif", NORTH_UP)
    with pytest.raises(InputError, match="size must be positive"):
        grid_like(path, size=(0, 5))
    with pytest.raises(InputError, match=r"size must be two integers \(columns, rows\)"):
        grid_like(path, size=(2.5, 5))  # type: ignore[arg-type]  # what it must refuse
