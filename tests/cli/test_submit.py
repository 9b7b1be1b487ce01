"""`cedar submit`."""

from __future__ import annotations

import json

import pytest
from orders import COLLECTION, COLLECTIONS
from previewing import found, layers, unsearched

from cedar import TileGrid
from cedar.cli.preview import lines
from cedar.engines.earthengine import EarthEngine
from cedar.preview import Preview

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")
FIRST = ("submit", COLLECTION, "--index", 0, 0, *MAY)
ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"


def names(done):
    """Names of the items of the order that was submitted."""
    return [item["name"] for item in done.json["orders"]]


def test_the_name_is_all_that_goes_to_standard_output(configure, cedar):
    configure()
    done = cedar(*FIRST)
    name = done.out.strip()
    assert done.code == 0
    assert done.out == f"{name}\n"
    assert cedar("list").out == done.out
    assert f"next: cedar watch {name}\n" in done.err
    assert "periods  1, 2020-05-01 to 2020-06-01\n" in done.err
    assert "items    1, 0 without images\n" in done.err


def test_json_says_name_id_coverage_and_states(configure, cedar):
    configure()
    submitted = cedar(*FIRST, "--index", 3, 3, "--json").json
    name = submitted["name"]
    assert submitted == {
        "name": name,
        "id": f"CEDAR_TRACKING/{name}.json",
        "coverage": ["2020-05-01T00:00:00+00:00", "2020-06-01T00:00:00+00:00"],
        "states": {"READY": 1, "EMPTY": 1},
    }


def test_what_was_found_is_ordered_without_a_second_search(configure, cedar, monkeypatch):
    configure()
    search, searches = EarthEngine.search, []

    def counted(*args):
        searches.append(args)
        return search(*args)

    monkeypatch.setattr(EarthEngine, "search", counted)
    assert cedar(*FIRST).code == 0
    assert len(searches) == 1


def test_coverage_past_the_end_is_warned_of(configure, cedar):
    configure()
    done = cedar(*FIRST, "--period-freq", "YS")
    assert "Warning: the periods run to 2021-01-01, past the end" in done.err
    left = cedar(*FIRST[:-1], "2021-01-01", "--period-freq", "YS", "--period_closed", "left")
    assert "Warning" not in left.err


def lonlat(grid, row, col):
    """Longitude and latitude of a tile's centre."""
    outline = grid[row, col].geojson("OGC:CRS84")["geometry"]["coordinates"][0]
    west, east = (f(x for x, _ in outline) for f in (min, max))
    south, north = (f(y for _, y in outline) for f in (min, max))
    return (west + east) / 2, (south + north) / 2


def test_tiles_of_every_kind_are_joined_and_each_is_there_once(configure, cedar, here):
    grid = TileGrid.from_dict(configure()["tile_grid"])
    x, y = lonlat(grid, 2, 2)
    roi = {"type": "Point", "coordinates": lonlat(grid, 3, 3)}
    (here / "roi.geojson").write_text(json.dumps(roi), "utf-8")
    tiles = ("--row", 0, "--row", 1, "--col", 0, "--col", 1, "--index", 0, 1)
    tiles += ("--bbox", x - 0.001, y - 0.001, x + 0.001, y + 0.001, "--roi", "roi.geojson")
    tiles += ("--point", *lonlat(grid, 2, 3))
    name = cedar("submit", COLLECTION, *tiles, *MAY).out.strip()
    shown = sorted(name.split("_")[3] for name in names(cedar("show", name, "--json")))
    assert shown == [
        "h000v000", "h000v001", "h001v000", "h001v001", "h002v002", "h003v002", "h003v003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ((), "say which tiles: --index, --row with --col, --bbox, --point or --roi"),
        (("--row", 0), "--row and --col go together"),
        (("--bbox", 0, 0, 1, 1), "bbox 0.0 0.0 1.0 1.0 meets no tile of the grid"),
        (("--roi", "far.geojson"), "roi far.geojson meets no tile of the grid"),
        (("--point", 0, 0), "is outside tile grid 'Paraguay east'"),
        (("--index", 0), "'--period-start' is not a valid integer"),
    ],
)
def test_tiles_that_are_not_there_are_refused(configure, cedar, here, tiles, message):
    configure()
    far = '{"type": "Point", "coordinates": [0, 0]}'
    (here / "far.geojson").write_text(far, "utf-8")
    done = cedar("submit", COLLECTION, *tiles, *MAY)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_an_item_of_another_request_is_an_error_a_gap_or_replaced(order, configure, cedar):
    name = order("--wait")
    configure(collections={COLLECTION: {**COLLECTIONS[COLLECTION], "bands": {"red": "B4"}}})
    done = cedar(*FIRST)
    assert done.code == 2
    assert f"{ITEM} exists in order {name}, there with other settings" in done.err
    assert "use --skip-existing or --overwrite" in done.err
    both = cedar(*FIRST, "--index", 1, 0, "--skip_existing", "--json")
    assert sum(both.json["states"].values()) == 1
    assert "1 left out" in both.err
    assert cedar(*FIRST, "--overwrite").code == 0
    done = cedar(*FIRST, "--overwrite", "--skip-existing")
    assert (done.code, "exclude each other" in done.err) == (2, True)


def test_where_all_exists_there_is_nothing_to_do_and_that_is_no_failure(order, cedar):
    name = order("--wait")
    done = cedar(*FIRST, "--skip-existing")
    assert (done.code, done.out) == (0, "")
    assert "nothing to order: all of it exists already" in done.err
    assert cedar(*FIRST, "--skip-existing", "--json").json["name"] is None
    assert cedar("list").out == f"{name}\n"


def test_wait_makes_the_images(configure, cedar):
    configure()
    done = cedar(*FIRST, "--wait", "--json")
    assert done.code == 0
    assert done.json["states"] == {"COMPLETED": 1}
    assert f"recorded as {done.json['name']}" in done.err
    assert "next:" not in done.err


def test_error_if_empty_writes_nothing(configure, cedar, here):
    configure()
    done = cedar(*FIRST, "--index", 3, 3, "--error-if-empty")
    assert (done.code, done.out) == (1, "")
    assert "Error: no image was found for EXAMPLE_LC08_DN_h003v003" in done.err
    assert not (here / "store").exists()


@pytest.mark.parametrize(("words", "there"), [((), True), (("--no-save-empty",), False)])
def test_an_empty_item_gets_metadata_unless_it_is_not_wanted(configure, cedar, here, words, there):
    configure()
    done = cedar("submit", COLLECTION, "--index", 3, 3, *MAY, *words)
    assert done.code == 0
    assert "1 without images" in done.err
    assert "next:" not in done.err
    item = here / "store" / "CEDAR_PREARD" / f"{ITEM.replace('h000v000', 'h003v003')}.json"
    assert item.exists() == there


def test_on_a_terminal_it_shows_what_it_found_and_asks(configure, cedar, on_a_terminal, here):
    configure()
    every = [word for number in range(4) for word in ("--row", number, "--col", number)]
    code, seen = on_a_terminal((*FIRST, *every, "--period-freq", "16D"), b"n\n")
    assert code == 1
    assert "item" in seen
    assert "images  layers" in seen
    assert "… and 12 more" in seen
    assert "periods  2, 2020-05-01 to 2020-06-02" in seen
    assert "items    32, " in seen
    assert "nothing was ordered" in seen
    assert not (here / "store").exists()
    code, seen = on_a_terminal(FIRST, b"y\n")
    assert code == 0, seen
    assert cedar("list").out.strip() in seen


def test_ctrl_c_at_the_question_orders_nothing(configure, on_a_terminal, here):
    configure()
    code, seen = on_a_terminal(FIRST, b"\x03")
    assert code == 130, seen
    assert "Interrupted: nothing was changed" in seen
    assert "Traceback" not in seen
    assert not (here / "store").exists()


def test_yes_asks_nothing_and_wait_shows_a_bar(configure, on_a_terminal):
    configure()
    code, seen = on_a_terminal((*FIRST, "--yes", "--wait"), None)
    assert code == 0, seen
    assert "[y/N]" not in seen
    assert "making" in seen
    assert "━" in seen


# ---- preview


def test_a_dry_run_says_what_would_be_ordered_and_orders_nothing(configure, cedar, here):
    configure()
    done = cedar(*FIRST, "--index", 3, 3, "--dry-run")
    assert done.code == 0
    head, first, empty, *facts = done.out.splitlines()
    assert head.split() == ["item", "images", "layers", "bands", "size"]
    assert first.split() == [ITEM, "2", "1", "3", "450", "kB"]
    assert empty.split()[1:] == ["0", "0", "0", "0", "bytes"]
    assert facts[0].startswith("tiles    2, 13")
    assert "items    2, 1 without images" in facts
    assert facts[-1].startswith("free     ")
    assert "next:" not in done.err
    assert not (here / "store").exists()


def test_a_dry_run_shows_every_item(configure, cedar):
    configure()
    done = cedar(*FIRST[:-1], "2020-05-23", "--period-freq", "D", "--dry-run")
    assert sum("EXAMPLE_LC08_DN" in line for line in done.out.splitlines()) == 23


def test_a_dry_run_in_json_has_the_images_if_they_are_asked_for(configure, cedar, here):
    configure()
    shown = cedar(*FIRST, "--dry-run", "--json").json
    assert [item["name"] for item in shown["items"]] == [ITEM]
    assert shown["total"]["tasks"] == 1
    assert "images" not in shown
    shown = cedar(*FIRST, "--dry-run", "--json", "--show-images").json
    assert [image["row"] for image in shown["images"]] == [77, 78]
    assert not (here / "store").exists()


def test_a_dry_run_asks_nothing_even_on_a_terminal(configure, on_a_terminal, here):
    configure()
    code, seen = on_a_terminal((*FIRST, "--dry-run"), None)
    assert code == 0, seen
    assert "[y/N]" not in seen
    assert not (here / "store").exists()


def test_a_dry_run_of_what_exists_is_none_of_it(order, cedar):
    order()
    done = cedar(*FIRST, "--skip-existing", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "items    0, 0 without images, 1 left out, which exist already\n" in done.out


def test_a_dry_run_is_not_waited_for(configure, cedar):
    configure()
    done = cedar(*FIRST, "--dry-run", "--wait")
    assert (done.code, done.out) == (2, "")
    assert "--dry-run and --wait exclude each other" in done.err


def test_images_are_shown_with_date_cloud_path_and_row(configure, cedar):
    configure()
    done = cedar(*FIRST, "--dry-run", "--show-images")
    lines = done.out.splitlines()
    head = lines.index(next(line for line in lines if line.startswith("image ")))
    assert lines[head].split() == ["image", "date", "cloud", "path/row", "items"]
    assert [line.split()[:2] for line in lines[head + 1 : head + 3]] == [
        ["EXAMPLE/LC08/DN/LC08_224077_20200518", "2020-05-18"],
        ["EXAMPLE/LC08/DN/LC08_224078_20200518", "2020-05-18"],
    ]
    assert lines[head + 1].split()[2:] == ["12.5", "%", "224/77", "1"]
    submitted = cedar(*FIRST, "--show-images")
    assert submitted.code == 0
    assert "224/78" in submitted.err


def test_a_footprint_is_shown_as_its_box_and_what_is_not_known_as_nothing():
    ring = {"type": "LinearRing", "coordinates": [[0, 0], [2, 0.5], [2, 1], [0, 0]]}
    known = found(unsearched(), layers("2020-05-01", **{"system:footprint": ring}))
    header, image, *_ = [*lines(Preview(known), 0, images=True)]
    assert image.split() == [
        "LANDSAT/LC08/C02/T1_L2/LC08_0000", "2020-05-01", "1", "0.00", "0.00", "2.00", "1.00",
    ]  # fmt: skip
    assert header.endswith("west south east north")


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"max_tasks": 1}, "it has 2 tasks, and tracker.max_tasks is 1"),
        ({"max_gigabytes": 1e-4}, "it has 0.0009 GB uncompressed, and tracker.max_gigabytes is"),
    ],
)
def test_more_than_the_configuration_allows_is_refused_and_a_dry_run_says_so(
    configure, cedar, here, limit, said
):
    configure(tracker=limit)
    many = (*FIRST, "--index", 0, 1)
    done = cedar(*many, "--yes")
    assert (done.code, done.out) == (2, "")
    assert f"Error: the order is too large: {said}" in done.err
    dry = cedar(*many, "--dry-run")
    assert dry.code == 0
    assert f"Warning: it will be refused: {said}" in dry.out
    assert not (here / "store").exists()


def test_what_will_be_refused_is_not_asked_about(configure, on_a_terminal, here):
    configure(tracker={"max_tasks": 1})
    code, seen = on_a_terminal((*FIRST, "--index", 0, 1), None)
    assert code == 2, seen
    assert "[y/N]" not in seen
    assert "tracker.max_tasks is 1" in seen
    assert not (here / "store").exists()


# ---- listed images


def test_images_takes_those_that_a_file_lists(configure, cedar, here):
    configure()
    (here / "images.txt").write_text("# clear\nLC08_224078_20200518\nLC08_1\n", "utf-8")
    done = cedar(*FIRST, "--images", "images.txt", "--show-images", "--dry-run", "--json")
    assert [image["id"] for image in done.json["images"]] == [f"{COLLECTION}/LC08_224078_20200518"]
    assert done.json["not_found"] == [f"{COLLECTION}/LC08_1"]
    done = cedar(*FIRST, "--images", "images.txt")
    assert done.code == 0
    warned = "Warning: 1 of 2 listed images: no tile, period and filter has it, or it doesn't exist"
    assert f"{warned}: {COLLECTION}/LC08_1\n" in done.err
    shown = cedar("show", done.out.strip(), "--json").json
    assert shown["submission"]["images"] == {COLLECTION: ["LC08_1", "LC08_224078_20200518"]}
    assert shown["orders"][0]["n_images"] == 1


def test_a_line_that_lists_no_image_is_an_error_with_its_number(configure, cedar, here):
    configure()
    (here / "images.txt").write_text("LC08_224078_20200518\nLC08 1\n", "utf-8")
    done = cedar(*FIRST, "--images", "images.txt")
    assert (done.code, done.out) == (2, "")
    assert done.err == "Error: images.txt, line 2: 'LC08 1' isn't the id of an image\n"
