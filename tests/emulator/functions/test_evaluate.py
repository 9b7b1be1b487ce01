from __future__ import annotations

import inspect
import json
import math
import time

import numpy as np
import pytest

from cedar.emulator.evaluate import encode, evaluate, render
from cedar.emulator.functions import implemented
from cedar.emulator.functions.base import WrongKindError, convert
from cedar.emulator.functions.filters import Filter
from cedar.emulator.signatures import signatures
from cedar.emulator.values import Feature, Geometry, ServiceError


def invoked(name, **arguments):
    values = {key: {"constantValue": value} for key, value in arguments.items()}
    return {"functionInvocationValue": {"functionName": name, "arguments": values}}


def graph(node, **values):
    return {"result": "0", "values": {"0": node, **values}}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (invoked("Image.nonsense"), "Unknown function 'Image.nonsense'."),
        (
            invoked("Image.loadGeoTIFF", uri="x"),
            "'Image.loadGeoTIFF' is a function that the emulator does not implement.",
        ),
        (invoked("Image.load", id="x", to=1), "Image.load: Unrecognized argument 'to'."),
        (invoked("Image.load"), "Image.load: Parameter 'id' is required and may not be null."),
        (
            invoked("Image.load", id=5),
            "Image.load, argument 'id': Invalid type. Expected type: String. Actual type: Integer.",
        ),
        (
            invoked("Filter.notNull", properties=["a", 5]),
            "Filter.notNull, argument 'properties': Invalid type. "
            "Expected type: List<String>. Actual type: List.",
        ),
        (
            invoked("GeometryConstructors.BBox", west=0, south=0, east=True, north=1),
            "GeometryConstructors.BBox, argument 'east': Invalid type. "
            "Expected type: Float. Actual type: Boolean.",
        ),
        ({"bytesValue": ""}, "Expression: the emulator does not implement a bytesValue."),
        ({"argumentReference": "x"}, "argument 'x' is used outside of its function."),
    ],
)
def test_an_expression_that_cannot_be_is_refused_by_name(node, message, catalog):
    with pytest.raises(ServiceError) as refused:
        evaluate(graph(node), catalog())
    assert message in refused.value.message


@pytest.mark.parametrize(
    "expression",
    [
        None,
        {},
        {"result": "0"},
        {"result": "1", "values": {}},
        graph({}),
        graph("text"),
        graph({"valueReference": "none"}),
        graph({"valueReference": "0"}),
        graph({"arrayValue": {"values": [{"valueReference": "0"}]}}),
    ],
)
def test_a_malformed_graph_is_an_error_and_no_endless_loop(expression, catalog):
    with pytest.raises(ServiceError, match="Expression: "):
        evaluate(expression, catalog())


def test_an_argument_that_is_not_implemented_is_refused_unless_it_is_the_default(ee, run):
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    with pytest.raises(ServiceError, match="does not implement argument 'evenOdd'"):
        run(ee.Geometry.Polygon([ring], None, False, 1, False))
    assert isinstance(run(ee.Geometry.Polygon([ring], None, False, 1, True)), Geometry)


def test_every_implemented_function_knows_the_kinds_of_its_arguments():
    for name in implemented():
        for argument in signatures()[name].arguments:
            try:
                convert(argument.kind, object())
            except WrongKindError:
                continue


def test_every_static_method_of_the_clients_filter_is_implemented(ee, run):
    point = ee.Geometry.Point([0, 0])
    relations = {"contains", "disjoint", "intersects", "isContained"}
    special = {
        "And": [ee.Filter.eq("a", 1), ee.Filter.eq("b", 1)],
        "Or": [ee.Filter.eq("a", 1), ee.Filter.eq("b", 1)],
        "Not": [ee.Filter.eq("a", 1)],
        "area": [0, 1],
        "bounds": [point],
        "geometry": [point],
        "calendarRange": [1, 2, "month"],
        "date": ["2020-01-01", "2020-02-01"],
        "dateRangeContains": [None, None, "system:time_start", ee.DateRange("2020", "2021")],
        "dayOfYear": [1, 2],
        "expression": ["a > 1 && b == 'x'"],
        "always": [],
        "never": [],
        "hasGeometry": [],
        "hasType": ["a", "String"],
        "inList": ["a", [1]],
        "maxDifference": [1, "a", 2],
        "metadata_": ["a", "not_equals", 1],
        "notNull": [["a"]],
        "rangeContains": ["a", 1, 2],
        "withinDistance": [5, ".geo", point],
    }
    names = [k for k, v in vars(ee.Filter).items() if isinstance(v, staticmethod) and k != "name"]
    assert len(names) > 25
    for name in [*names, "Not"]:
        default = [".geo", point] if name in relations else ["a", 1]
        made = run(getattr(ee.Filter, name)(*special.get(name, default)))
        assert isinstance(made, Filter), name


def test_a_graph_5000_nodes_deep_is_evaluated_and_read(run, image, grid, catalog):
    values = {"0": invoked("Image.load", id="MEMORY/a"), "one": invoked("Image.constant", value=1)}
    for i in range(1, 5000):
        arguments = {"image1": {"valueReference": str(i - 1)}, "image2": {"valueReference": "one"}}
        node = {"functionInvocationValue": {"functionName": "Image.add", "arguments": arguments}}
        values[str(i)] = node
    a = image("a", b=np.arange(48, dtype="int32").reshape(6, 8))
    added = evaluate({"result": "4999", "values": values}, catalog([a]))
    ((name, pixels),) = render(added, grid())
    assert name == "b"
    np.testing.assert_array_equal(pixels.values, np.arange(48).reshape(6, 8) + 4999)


def test_nested_nodes_are_as_good_as_referenced_ones(catalog):
    node = {"constantValue": 1}
    for _ in range(5000):
        arguments = {"left": node, "right": {"constantValue": 1}}
        node = {"functionInvocationValue": {"functionName": "Number.add", "arguments": arguments}}
    assert evaluate(graph(node), catalog()) == 5001


def test_pixels_that_several_bands_need_are_read_once(ee, run, image, grid):
    a = image("a", b=np.ones((6, 8), "int16"))
    source = ee.Image("MEMORY/a")
    stack = source.unmask(0, False).updateMask(source.mask()).addBands(source).addBands(source)
    render(run(stack, a), grid())
    assert a.bands[0].read.reads == 1


def test_what_a_mapped_function_has_in_common_is_evaluated_once(ee, run, image, catalog):
    images = [image(str(i), b=np.ones((6, 8), "int16")) for i in range(5)]
    memory = catalog(images)
    masked = ee.ImageCollection("MEMORY").map(lambda i: i.updateMask(ee.Image("MEMORY/0")))
    assert len(run(masked, catalog=memory).elements) == 5
    assert memory.loads == ["MEMORY/0"]


def test_functions_within_functions_see_the_arguments_around_them(ee, run):
    outer = ee.List([1, 2]).map(
        lambda a: ee.List([10, 20]).map(lambda b: ee.Number(a).add(ee.Number(b)))
    )
    assert run(outer) == [[11, 21], [12, 22]]


def test_a_function_can_be_called_by_reference(catalog):
    body = {
        "functionInvocationValue": {
            "functionName": "Number.subtract",
            "arguments": {"left": {"argumentReference": "x"}, "right": {"argumentReference": "y"}},
        }
    }
    definition = {"functionDefinitionValue": {"argumentNames": ["x", "y"], "body": "body"}}
    arguments = {"y": {"integerValue": "2"}, "x": {"integerValue": "7"}}
    call = {"functionInvocationValue": {"functionReference": "f", "arguments": arguments}}
    assert evaluate(graph(call, f=definition, body=body), catalog()) == 5
    del arguments["x"]
    with pytest.raises(ServiceError, match="called with other arguments"):
        evaluate(graph(call, f=definition, body=body), catalog())


def test_a_stack_of_66_bands_renders_in_well_under_2_seconds(ee, run, image, grid):
    bands = {f"b{i}": np.ones((300, 300), "uint16") for i in range(6)}
    images = [image(str(i), **bands) for i in range(22)]
    groups = []
    for first in range(0, 22, 2):
        layers = [
            ee.Image(f"MEMORY/{i}").clamp(0, 65535).unmask(0, False).toUint16()
            for i in (first, first + 1)
        ]
        mosaic = ee.ImageCollection.fromImages(layers).mosaic()
        groups.append(mosaic.unmask(0, False).toUint16())
    stack = run(ee.ImageCollection.fromImages(groups).toBands(), *images)
    before = time.perf_counter()
    assert len(render(stack, grid(256, 256))) == 66
    assert time.perf_counter() - before < 2


def test_render_gives_the_bands_asked_for_in_that_order_with_zeros_where_masked(
    ee, run, image, grid
):
    values = np.arange(48, dtype="int16").reshape(6, 8) + 5
    mask = values % 2 == 0
    a = image("a", x=(values, mask), y=(values.astype("float32"), mask))
    rendered = render(run(ee.Image("MEMORY/a"), a), grid(), ["y", "x"])
    assert [name for name, _ in rendered] == ["y", "x"]
    assert [str(pixels.values.dtype) for _, pixels in rendered] == ["float32", "int16"]
    for _, pixels in rendered:
        np.testing.assert_array_equal(pixels.mask, mask)
        np.testing.assert_array_equal(pixels.values, np.where(mask, values, 0))
    with pytest.raises(ServiceError, match=r"Band 'z' is not in the image.*\[x, y\]"):
        render(a, grid(), ["z"])


def test_reading_coarser_than_native_is_refused_only_where_asked_to(ee, run, image, grid):
    a = image("a", b=np.ones((6, 8), "int16"))
    mosaic = ee.ImageCollection.fromImages([ee.Image("MEMORY/a")]).mosaic()
    render(run(mosaic, a), grid(4, 3, pixel=1.5), strict_scale=True)
    render(run(mosaic, a), grid(4, 3, pixel=2))
    with pytest.raises(ServiceError, match="pixels of 30 m, 60 m were asked for"):
        render(run(mosaic, a), grid(4, 3, pixel=2), strict_scale=True)
    mean = ee.Image("MEMORY/a").reduceResolution(ee.Reducer.mean())
    render(run(mean, a), grid(4, 3, pixel=2), strict_scale=True)


def test_values_are_encoded_as_the_service_does(ee, run, image):
    a = image("a", 86_400_000, b=np.ones((6, 8), "uint16"))
    encoded = encode(run(ee.Image("MEMORY/a"), a))
    assert json.loads(json.dumps(encoded)) == encoded
    assert encoded["bands"] == [
        {
            "id": "b",
            "data_type": {"type": "PixelType", "precision": "int", "min": 0, "max": 65535},
            "dimensions": [8, 6],
            "crs": "EPSG:32619",
            "crs_transform": [30, 0, 300000, 0, -30, 4700000],
        }
    ]
    assert (encoded["type"], encoded["id"], encoded["version"]) == ("Image", "MEMORY/a", 1)
    assert encoded["properties"]["system:footprint"]["type"] == "LinearRing"
    collection = encode(run(ee.ImageCollection("MEMORY"), a))
    assert (collection["id"], collection["features"]) == ("MEMORY", [encoded])
    assert encode([math.nan, -math.inf, math.inf, 2.0, 2.5, None]) == [
        *["NaN", "-Infinity", "Infinity"],
        *[2, 2.5, None],
    ]
    assert encode(run(ee.Date("1970-01-02"))) == {"type": "Date", "value": 86_400_000}
    feature = encode(run(ee.Feature(ee.Geometry.Point([1, 2]), {"x": 1})))
    assert feature["geometry"]["coordinates"] == [1, 2]
    assert feature["properties"] == {"x": 1}
    assert encode(Feature(None)) == {"type": "Feature", "geometry": None, "properties": {}}
    with pytest.raises(ServiceError, match="can't encode a value of type Filter"):
        encode(run(ee.Filter.eq("a", 1)))


def test_the_signatures_are_found_without_importing_the_client():
    source = inspect.getsource(inspect.getmodule(signatures))
    assert "import ee" not in source
    assert len(signatures()) > 900
