"""What a notebook shows: HTML that can be read, of escaped text, and small."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from orders import utm_grid
from previewing import LC08, found, layers, unsearched

from cedar import ImageMetadata, TileGrid, TrackingMetadata
from cedar.drawing import COLOURS, OTHER, PLAIN, found_map
from cedar.faces import ROWS
from cedar.grids import named_grid
from cedar.lattice import Lattice
from cedar.preview import Preview
from cedar.states import TaskState

EXAMPLES = Path(__file__).parent / "metadata" / "examples"
SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("x")</script>&'
#: What would fetch, or run.
ACTIVE = {"script", "link", "img", "image", "iframe", "object", "use", "style"}


class Reader(HTMLParser):
    """Checks that HTML is whole, and keeps its text and colours."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.colours: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self._look(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self._look(tag, attrs)

    def _look(self, tag, attrs):
        assert tag not in ACTIVE
        named = dict(attrs)
        assert not {name for name in named if name.startswith("on") or "href" in name}
        self.colours += [named["fill"]] if tag == "rect" and "fill" in named else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(thing):
    """What a thing shows, checked in both ways: as HTML, and as XML."""
    html = thing._repr_html_()
    return Reader(html), ElementTree.fromstring(html)


def example(kind="tracking", name="degrees_and_dates_of_service"):
    return json.loads((EXAMPLES / kind / "valid" / f"{name}.json").read_text("utf-8"))


def record(states, columns=5):
    """An order of an item a state, in rows of tiles."""
    document = example()
    entry, grid = document["orders"][0], utm_grid()
    document["orders"] = [
        entry
        | {"name": f"item_{n}", "tile": [n // columns, n % columns]}
        | {"status": {"state": state}}
        for n, state in enumerate(states)
    ]
    document["submission"] = document["submission"] | {"tile_grid": grid.to_dict()}
    return TrackingMetadata(document)


def test_a_tile_shows_where_it_is_among_its_neighbours():
    tile = utm_grid()[1, 2]
    reader, tree = read(tile)
    assert "Tile h002v001" in reader.texts
    assert "WGS 84 / UTM zone 21N (EPSG:32621)" in reader.texts
    assert "300 columns × 250 rows, 30 × 30 each" in reader.texts
    assert reader.colours == [PLAIN]
    svg = tree.find(f".//{SVG}svg")
    assert svg.get("aria-label") == "Tile h002v001"
    # Three by three tiles: four edges each way, those inside the frame.
    assert svg.findall(f"{SVG}path")[-1].get("d").count("M") == 4
    assert any(text.endswith("°W") for text in reader.texts)


def test_a_grid_shows_its_tiles_and_limits():
    reader, tree = read(utm_grid())
    assert "TileGrid Paraguay east" in reader.texts
    assert "16: rows 0 to 3, columns 0 to 3" in reader.texts
    assert tree.findall(f".//{SVG}path")[-1].get("d").count("M") == 10


def test_a_grid_without_end_shows_its_first_tiles():
    reader, tree = read(TileGrid((0, 0), "EPSG:32733", (10, 10), (1000, 1000)))
    assert "TileGrid" in reader.texts
    assert "without end; the map shows the first" in reader.texts
    assert tree.findall(f".//{SVG}path")[-1].get("d").count("M") == 10


@pytest.mark.parametrize("name", ["MODIS_1KM", "LANDSAT_ARD_AK", "GEE_HANSEN_GFC", "UTM01S"])
def test_grids_of_a_continent_or_the_world_are_small(name):
    grid = named_grid(name)
    assert len(grid._repr_html_()) < 12_000
    read(grid)
    read(next(iter(grid.tiles([grid.rows[0]], [grid.cols[0]]))) if grid.limits else grid[0, 0])


def test_a_record_shows_each_state_in_a_colour_of_its_own():
    states = [*TaskState, "HIBERNATING"]
    reader, _ = read(record([each for each in states if each not in ("INCOMPLETE", "CLEANED")]))
    shown = [*COLOURS][: len(TaskState)]
    assert set(shown) == set(TaskState)
    assert len({COLOURS[state] for state in shown} | {OTHER}) == len(states)
    for state in states:
        if state not in ("INCOMPLETE", "CLEANED"):
            assert COLOURS.get(state, OTHER) in reader.colours
            assert f" {state} 1" in reader.texts


def test_an_item_that_lacks_outputs_is_shown_so():
    document = record(["COMPLETED"]).document
    document["orders"][0]["outputs"] = []
    reader, _ = read(TrackingMetadata(document))
    assert reader.colours == [COLOURS["INCOMPLETE"]]


def test_a_tile_is_shared_out_among_the_states_of_its_items():
    grid = utm_grid()
    lattice = Lattice(grid.ul, grid.res, grid.size)
    items = [((0, 0), "COMPLETED"), ((0, 0), "COMPLETED"), ((0, 0), "FAILED")]
    tree = ElementTree.fromstring(found_map(items, lattice, grid.crs_wkt, "map"))
    group = tree.find(f"{SVG}g")
    heights = {each.get("fill"): float(each.get("height")) for each in group if each.get("fill")}
    assert heights[COLOURS["COMPLETED"]] == pytest.approx(2 * heights[COLOURS["FAILED"]], abs=0.2)
    assert group.find(f"{SVG}title").text == "h000v000: 2 COMPLETED, 1 FAILED"
    assert found_map([], lattice, grid.crs_wkt, "map") == ""


def test_what_failed_stands_first_with_its_error():
    document = record(["COMPLETED"] * 30 + ["FAILED"]).document
    document["orders"][-1]["status"]["error_message"] = "Computation\ntimed out."
    reader, tree = read(TrackingMetadata(document))
    first = tree.find(".//tbody/tr")
    assert [cell.text for cell in first][:2] == ["item_30", "FAILED"]
    assert first[-1].text == "Computation timed out."
    assert f"… and {31 - ROWS} more" in reader.texts


def test_a_record_of_60000_items_stays_small():
    states = [*TaskState][:9]
    tracking = record([states[n % 7 * n % 9] for n in range(60_000)], columns=300)
    html = tracking._repr_html_()
    assert len(html) < 60_000
    tree = ElementTree.fromstring(html)
    assert 100 < len(tree.findall(f".//{SVG}rect")) <= 401
    assert len(tree.findall(".//tbody/tr")) == ROWS
    title = tree.find(f".//{SVG}title").text
    assert re.match(r"h\d+v\d+ to h\d+v\d+: [\d,]+ [A-Z]+", title)


def test_tiles_far_apart_make_a_map_of_few_lines():
    document = record(["READY", "READY"]).document
    document["orders"][1]["tile"] = [3, 4000]
    html = TrackingMetadata(document)._repr_html_()
    assert len(html) < 12_000
    assert len(Reader(html).colours) == 2


def test_text_of_a_record_is_escaped():
    document = record(["FAILED"]).document
    document["orders"][0]["status"]["error_message"] = NASTY
    document["submission"]["collections"] = [NASTY]
    document["tracking"]["name"] = NASTY
    reader, tree = read(TrackingMetadata(document))
    assert reader.texts.count(NASTY) == 2
    assert f"Order {NASTY}" in reader.texts
    assert NASTY in tree.find(f".//{SVG}svg").get("aria-label")


def test_long_text_is_cut():
    document = record(["FAILED"]).document
    document["orders"][0]["status"]["error_message"] = "no " * 500
    assert len(max(read(TrackingMetadata(document))[0].texts, key=len)) <= 120


@pytest.mark.parametrize("path", sorted((EXAMPLES / "tracking" / "valid").glob("*.json")))
def test_every_record_shows_itself(path):
    document = json.loads(path.read_text("utf-8"))
    reader, _ = read(TrackingMetadata(document))
    assert document["orders"][0]["name"] in reader.texts


@pytest.mark.parametrize("path", sorted((EXAMPLES / "image" / "valid").glob("*.json")))
def test_every_images_metadata_shows_itself(path):
    document = json.loads(path.read_text("utf-8"))
    reader, _ = read(ImageMetadata(document))
    assert document["order"]["collection"] in reader.texts


def test_an_images_metadata_shows_its_layers_and_tile():
    document = example("image", "stack")
    document["tile"] = utm_grid()[0, 1].to_dict()
    one = document["image"]["groups"][0]
    images = [{**one["images"][0], "system:index": f"scene_{n}"} for n in range(5)]
    document["image"]["groups"] = [{**one, "images": images}, *[one] * 20]
    reader, tree = read(ImageMetadata(document))
    assert "scene_0, scene_1, scene_2 and 2 more" in reader.texts
    assert f"… and {21 - ROWS} more" in reader.texts
    assert "row 0, column 1" in reader.texts
    assert tree.find(f".//{SVG}svg") is not None


def test_a_preview_shows_what_would_be_made():
    order = unsearched(tiles=[(0, 0), (0, 1), (1, 1)])
    order = found(order, layers("2020-01-01", "2020-02-01"), (), layers("2020-03-01"))
    reader, tree = read(Preview(order))
    assert f"Preview of {order.name}" in reader.texts
    assert {" to make 2", " without images 1"} <= {*reader.texts}
    assert sorted(reader.colours) == sorted([COLOURS["to make"]] * 2 + [COLOURS["without images"]])
    assert len(tree.findall(".//tbody/tr")) == 3
    warned = [text for text in reader.texts if text.startswith("Warning: ")]
    assert warned == [f"Warning: {line}" for line in Preview(order).warnings]


def test_what_a_preview_leaves_out_is_on_its_map():
    order = unsearched(LC08, tiles=[(0, 0), (0, 1)])
    order = found(order, layers("2020-01-01"), layers("2020-01-01"))
    order = replace(order, items=order.items[:1], skipped=order.items[1:])
    assert " left out 1" in read(Preview(order))[0].texts
