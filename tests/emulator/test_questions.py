"""What isn't known of Earth Engine: each answer does what it says, and nothing else."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import shapely
from emulated import NATIVE, Memory, expression, make_grid, make_image, official_client

from cedar.emulator.catalog import ItemCatalog
from cedar.emulator.encode import encode
from cedar.emulator.evaluate import evaluate, render
from cedar.emulator.questions import Answers, answering, answers, possible_answers
from cedar.emulator.shapes import shape_in
from cedar.emulator.values import Geometry, Grid, Image, ServiceError
from cedar.exceptions import InputError

RAMP = np.arange(48, dtype="int16").reshape(6, 8)


@pytest.fixture(scope="module")
def ee():
    with official_client() as ee:
        yield ee


def pixels(built, *images, grid=None, **given):
    with answering(Answers(**given)):
        ((_, found),) = render(evaluate(expression(built), Memory(images)), grid or make_grid())
    return found


def result(built, *images, **given):
    with answering(Answers(**given)):
        return encode(evaluate(expression(built), Memory(images)))


def test_an_answer_that_is_none_is_refused():
    assert possible_answers()["map_keeps_id"] == (True, False)
    with pytest.raises(InputError, match=r"tie is one of 'down-right', .* not 'middle'"):
        Answers(tie="middle")


def test_a_profile_answers_what_it_has_an_answer_to(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(
        '{"date": "of no use here", "answers": {"tie": "up-left", "shard_dash": false}}'
    )
    assert Answers.load(path) == Answers.load(str(path)) == Answers(tie="up-left", shard_dash=False)
    path.write_text('{"answers": {"tie": "middle"}}')
    with pytest.raises(InputError, match=r"profile\.json: emulator: tie is one of 'down-right'"):
        Answers.load(path)


def test_answers_hold_in_their_block_and_thread_only():
    seen = []
    with answering(Answers(cast_overflow="wrap")):
        thread = threading.Thread(target=lambda: seen.append(answers()))
        thread.start()
        thread.join()
        assert answers().cast_overflow == "wrap"
    assert [*seen, answers()] == [Answers(), Answers()]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_a_cast_saturates_or_keeps_the_lowest_bits(ee, dtype):
    values = np.array([0, 1.9, -1.9, 300, -300, 70_000, 2**33 + 5, -(2**40) - 1], "float64")
    values = np.resize(values, (6, 8))
    a, info = make_image("a", b=values), np.iinfo(dtype)
    cast = getattr(ee.Image("MEMORY/a"), "to" + dtype.capitalize())()
    saturated = np.clip(np.trunc(values), info.min, info.max)
    np.testing.assert_array_equal(pixels(cast, a).values, saturated)
    wrapped = np.trunc(values).astype("int64").astype(dtype)
    np.testing.assert_array_equal(pixels(cast, a, cast_overflow="wrap").values, wrapped)


def test_casts_within_the_range_and_of_what_is_no_number_are_the_same_either_way(ee):
    a = make_image("a", b=np.resize([1.5, np.nan, 127.0, -128.0], (6, 8)))
    for answer in ("saturate", "wrap"):
        found = pixels(ee.Image("MEMORY/a").toInt8(), a, cast_overflow=answer)
        assert found.values[0, :4].tolist() == [1, 0, 127, -128]


def test_numbers_saturate_whatever_images_do(ee):
    assert result(ee.Number(300).toUint8(), cast_overflow="wrap") == 255


@pytest.mark.parametrize(
    ("tie", "column", "row"),
    [("down-right", 1, 1), ("down-left", 0, 1), ("up-right", 1, 0), ("up-left", 0, 0)],
)
def test_a_centre_between_two_pixels_is_in_the_one_that_the_rule_says(ee, tie, column, row):
    a = make_image("a", b=RAMP)
    half = make_grid(3, 2, 0.5, 0.5)
    native = list(NATIVE.transform)
    built = ee.Image("MEMORY/a").reproject(NATIVE.crs, native)
    found = pixels(built, a, grid=half, tie=tie)
    np.testing.assert_array_equal(found.values, RAMP[row : row + 2, column : column + 3])
    whole = pixels(built, a, tie=tie)
    np.testing.assert_array_equal(whole.values, RAMP)


@pytest.mark.parametrize(("tie", "column", "row"), [("down-right", 41, 31), ("up-left", 40, 30)])
def test_the_rule_holds_for_files(landsat, tie, column, row):
    catalog = ItemCatalog(landsat)
    band = catalog.image("EXAMPLE/LC08/DN/LC08_224077_20200518").bands[0]
    a, b, c, d, e, f = band.projection.transform
    half = Grid(band.projection.crs, (a, b, c + a * 40.5, d, e, f + e * 30.5), 9, 7)
    same = Grid(half.crs, (a, b, c + a * column, d, e, f + e * row), 9, 7)
    with answering(Answers(tie=tie)):
        np.testing.assert_array_equal(band.read(half).values, band.read(same).values)


@pytest.mark.parametrize(("tie", "first"), [("down-right", 0), ("up-left", 1)])
def test_the_rule_holds_for_the_pixels_of_a_mean(ee, tie, first):
    a = make_image("a", b=RAMP)
    built = ee.Image("MEMORY/a").reduceResolution(ee.Reducer.mean())
    found = pixels(built, a, grid=make_grid(3, 2, 0.5, 0.5, pixel=2), tie=tie)
    blocks = RAMP[first : first + 4, first : first + 6].reshape(2, 2, 3, 2)
    np.testing.assert_array_equal(found.values, blocks.mean(axis=(1, 3)))


def west_half():
    half = Geometry(shapely.box(0, 0, 4, 6), NATIVE)
    return Geometry(shape_in(half, "EPSG:4326"))


def test_unmask_fills_everywhere_or_in_the_footprint_of_a_mosaic_only(ee):
    mask = RAMP % 3 > 0
    a = make_image("a", footprint=west_half(), b=(RAMP, mask))
    built = ee.ImageCollection(["MEMORY/a"]).mosaic().unmask(99, False)
    found = pixels(built, a, grid=make_grid(10, 6))
    assert found.mask.all()
    assert (found.values[:, 8:] == 99).all()
    found = pixels(built, a, grid=make_grid(10, 6), unmask_edge="input")
    assert found.mask[:, :4].all()
    np.testing.assert_array_equal(found.mask[:, 4:8], mask[:, 4:])
    assert not found.mask[:, 8:].any()
    for edge in ("union", "input"):
        same = pixels(ee.Image("MEMORY/a").unmask(99), a, unmask_edge=edge)
        np.testing.assert_array_equal(same.mask[:, 4:], mask[:, 4:])


def test_reduce_columns_takes_5000_elements_or_any_number(ee):
    many = [Image((), {"system:index": str(i), "i": i}) for i in range(5001)]
    collection = ee.ImageCollection("MEMORY")
    rows = collection.reduceColumns(ee.Reducer.toList(), ["i"]).get("list")
    for built in (rows, collection.aggregate_array("i")):
        with pytest.raises(ServiceError, match="accumulating over 5000 elements"):
            result(built, *many)
        assert result(built, *many, reduce_columns_capped=False) == list(range(5001))


def test_a_mapped_image_keeps_its_id_and_version_or_not(ee):
    a = make_image("a", 7, b=RAMP)
    names = ["system:index", "system:id", "system:version", "system:time_start"]
    for function in (lambda image: image.set("x", 1), lambda image: image.select("b")):
        mapped = ee.ImageCollection("MEMORY").map(function)
        rows = mapped.reduceColumns(ee.Reducer.toList(4, 3), names).get("list")
        assert result(rows, a) == [["a", "MEMORY/a", 1, 7]]
        assert result(rows, a, map_keeps_id=False) == [["a", None, None, 7]]


def test_what_lacks_a_property_fails_the_negation_too_or_passes_it(ee):
    having, lacking = make_image("having", b=RAMP), make_image("lacking", b=RAMP)
    having.properties["CLOUD"] = 5
    collection = ee.ImageCollection("MEMORY")
    for given in (ee.Filter.neq("CLOUD", 7), ee.Filter.lte("CLOUD", 80)):
        ids = collection.filter(given).aggregate_array("system:index")
        assert result(ids, having, lacking) == ["having"]
        assert result(ids, having, lacking, missing_passes_not=True) == ["having", "lacking"]
    given = ee.Filter.lt("CLOUD", 80)
    ids = collection.filter(given).aggregate_array("system:index")
    assert result(ids, having, lacking, missing_passes_not=True) == ["having"]
