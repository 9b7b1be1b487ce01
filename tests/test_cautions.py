"""What of an order is doubted, and what isn't."""

from dataclasses import replace

import pytest
import yaml
from orders import COLLECTION, COLLECTIONS, albers_grid, utm_grid
from previewing import LC08, found, layers, unsearched

from cedar import TileGrid
from cedar.cautions import of_collections, of_items
from cedar.config import example
from cedar.grids import named_grid

EDGES = "in UTM its own edges are 15 m off the multiples of 30 m"


def grid(ul=(730005, -2778015), crs="EPSG:32621", res=30):
    return TileGrid(ul=ul, crs=crs, res=(res, res), size=(12, 12))


def test_an_order_like_any_other_is_not_doubted():
    order = found(unsearched(), layers("2020-05-01", "2020-05-17"))
    assert [*of_collections(order), *of_items(order)] == []


# ---- dates of service


@pytest.mark.parametrize(
    ("collection", "periods", "service"),
    [
        (LC08, ("2013-03-17", "2014-01-01", None, "both"), "2013-03-18 to now"),
        ("LANDSAT/LE07/C02/T1_L2", ("2020-01-01", "2024-01-21", None, "both"), "1999-05-28 to 202"),
        ("LANDSAT/LT05/C02/T1_L2", ("2013-01-01", "2014-01-01", None, "both"), "to 2012-05-05"),
        ("LANDSAT/LC09/C02/T1_L2", ("2020-01-01", "2021-01-01", "YS", "left"), "2021-10-31 to now"),
    ],
)
def test_a_range_beyond_the_dates_of_service_is_warned_of(collection, periods, service):
    (warning,) = of_collections(unsearched(collection, periods=periods))
    assert warning.startswith(
        f"{collection}: what is asked for reaches beyond its dates of service"
    )
    assert service in warning


@pytest.mark.parametrize(
    ("collection", "periods"),
    [
        (LC08, ("2013-03-18", "2030-01-01", None, "both")),
        ("LANDSAT/LE07/C02/T1_L2", ("1999-05-28", "2024-01-20", None, "both")),
        ("LANDSAT/LT05/C02/T1_L2", (None, None, "YS", "both")),
    ],
)
def test_a_range_within_them_is_not(collection, periods):
    assert [*of_collections(unsearched(collection, periods=periods))] == []


def test_of_a_collection_whose_dates_are_not_known_none_are_doubted():
    order = unsearched(
        COLLECTION, periods=("1900-01-01", "1901-01-01", None, "both"), **COLLECTIONS[COLLECTION]
    )
    assert [*of_collections(order)] == []


# ---- types


def test_a_type_that_makes_pixels_larger_is_warned_of():
    wide = unsearched(dtype="float32", allow_widening=True)
    (warning,) = of_collections(wide)
    assert warning == (
        f"{LC08}: a pixel takes 32 bytes in the files, which are all float32, and 16 in the "
        "collection"
    )


# ---- grids that are half a pixel off


@pytest.mark.parametrize(
    "off",
    [
        grid(ul=(730020, -2778015)),
        grid(ul=(730005, -2778000)),
        grid(ul=(730020, -2778000)),
        grid(ul=(730020, 7221985), crs="EPSG:32721"),
        grid(ul=(730010, -2778010), res=10),
        grid(ul=(730005, -2778015), res=20),
        grid(ul=(730020.0000001, -2778015)),
        grid(ul=(730020, 5221995), crs="EPSG:25832"),
        utm_grid(shift=15),
    ],
    ids=lambda off: f"{off.ul} {off.res[0]}",
)
def test_a_landsat_grid_whose_centres_lie_on_edges_is_warned_of(off):
    (warning,) = of_collections(unsearched(grid=off))
    assert warning == (
        f"{LC08}: centres of the grid's pixels lie on edges of its own, where it is chance which "
        f"is the nearest; {EDGES}"
    )


@pytest.mark.parametrize(
    "on",
    [
        grid(),
        grid(ul=(730005, 7221985), crs="EPSG:32721"),
        grid(ul=(730005, -2778015), res=10),
        grid(ul=(730007, -2778017), res=10),
        grid(ul=(500010, 5200020), crs="EPSG:23032"),
        grid(ul=(500010, 5200020), crs="EPSG:31467"),
        named_grid("LANDSAT_ARD_CU"),
        named_grid("GEE_HANSEN_GFC"),
        grid(ul=(0.0, 0.0), crs="EPSG:4326", res=0.00025),
        grid(ul=(0, 0), crs="EPSG:3857"),
        albers_grid(),
    ],
    ids=lambda on: f"{on.ul} {on.res[0]}",
)
def test_any_other_grid_is_not(on):
    assert [*of_collections(unsearched(grid=on))] == []


@pytest.mark.parametrize(
    ("off", "metres"),
    [
        (grid(ul=(730007, -2778015)), "2 m east"),
        (grid(ul=(730005, -2778027.5)), "12.5 m south"),
        (grid(ul=(730000, -2778005)), "5 m west and 10 m north"),
        # In southern zones it is 10,000,000 more, which is no multiple of 30.
        (grid(ul=(730005, 7221995), crs="EPSG:32721"), "10 m north"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_landsat_grid_that_is_any_other_part_of_a_pixel_off_is_warned_of(off, metres):
    (warning,) = of_collections(unsearched(grid=off))
    assert warning == (
        f"{LC08}: the grid's pixels lie {metres} of its own, and its images will be off by as "
        f"much, as each pixel is given the nearest; {EDGES}"
    )


def test_the_grid_of_the_template_is_the_sensors_own():
    own = TileGrid.from_dict(yaml.safe_load(example("template"))["tile_grid"])
    assert [*of_collections(unsearched(grid=own))] == []


def test_squares_of_100_km_in_utm_are_warned_of():
    assert len([*of_collections(unsearched(grid=named_grid("UTM21N")))]) == 1


@pytest.mark.parametrize("resampling", ["mean", "bilinear"])
@pytest.mark.parametrize("ul", [(730020, -2778015), (730007, -2778015)])
def test_where_not_the_nearest_is_taken_no_edge_is_doubted(resampling, ul):
    off = grid(ul=ul)
    assert [*of_collections(unsearched(grid=off, resampling=resampling))] == []
    assert len([*of_collections(unsearched(grid=off, resampling="nearest"))]) == 1


def test_of_a_collection_whose_edges_are_not_known_none_are_doubted():
    off = grid(ul=(730020, -2778015))
    order = unsearched(COLLECTION, grid=off, **COLLECTIONS[COLLECTION])
    assert [*of_collections(order)] == []


# ---- items


def dates(number):
    return [f"20{n // 336:02d}-{n // 28 % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(number)]


def test_more_than_a_thousand_bands_are_warned_of():
    few = found(unsearched(), layers(*dates(125)))
    assert [*of_items(few)] == []
    many = found(
        unsearched(tiles=[(0, 0), (0, 1), (0, 2)]),
        layers(*dates(126)),
        layers(*dates(200)),
        layers(*dates(1)),
    )
    (warning,) = of_items(many)
    first, most, _ = (item.name for item in many.items)
    assert warning == (
        f"2 items, the first of them {first}, have more than 1,000 bands; {most} has 1,600"
    )


def test_a_name_near_the_limit_is_warned_of():
    def named(length):
        return unsearched(name="x" * (length - 10) + "{date_start}")

    assert len(named(80).items[0].name) == 80
    assert [*of_items(named(80))] == []
    (warning,) = of_items(named(81))
    assert warning == (
        f"{named(81).items[0].name} has a name of more than 80 characters, of which there may be 90"
    )


def test_several_passes_on_one_day_are_warned_of():
    order = found(unsearched(), layers("2020-05-01", "2020-05-17", "2020-05-17"))
    (warning,) = of_items(order)
    assert warning.startswith(f"{order.items[0].name} has several passes on one day, such as 2020-")
    assert "2020-05-17" in warning


# ---- merged collections


def test_doubts_of_several_members_are_one():
    ids = [LC08, "LANDSAT/LC09/C02/T1_L2"]
    order = unsearched("landsat", grid=utm_grid(5.0), merge=ids)
    doubts = [each for each in of_collections(order) if "off the multiples" in each]
    assert len(doubts) == 1
    assert doubts[0].startswith(f"{', '.join(ids)}: the grid's pixels lie ")


def test_bands_that_come_from_another_collection_are_a_members():
    s2, scores = "COPERNICUS/S2_SR_HARMONIZED", "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
    encode = {"red": {"scale": 0.0002, "offset": -0.5, "dtype": "uint16"}}
    settings = {"merge": [LC08, s2], "bands": ["red", "cs"], "nodata": 65535, "encode": encode}
    order = unsearched("many", group_by="pass", **settings)
    groups = layers("2020-05-01", "2020-05-17")
    mine = (replace(groups[0], collection=LC08), replace(groups[1], collection=s2))
    (line,) = [each for each in of_items(found(order, mine)) if scores in each]
    assert line == f"1 of 1 images isn't in {scores}: cs are nodata there"
