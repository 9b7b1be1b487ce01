"""Nodes of an expression: put as the client's serializer puts them."""

import pytest
from ee import serializer

from cedar.engines.earthengine import graph
from cedar.engines.earthengine.graph import Argument, Call, Function

both = pytest.mark.parametrize("encode", [serializer.encode, graph.encode])


@both
def test_a_call_has_constants_calls_and_lists_of_calls(encode):
    source = Call("Image.load", id="A/B")
    images = [Call("Image.select", input=source, bandSelectors=["a", "b"]), source]
    expression = encode(Call("ImageCollection.fromImages", images=images))
    values = expression["values"]

    def node(name, **arguments):
        return {"functionInvocationValue": {"functionName": name, "arguments": arguments}}

    load = node("Image.load", id={"constantValue": "A/B"})
    (place,) = [each for each, value in values.items() if value == load]
    select = node(
        "Image.select", input={"valueReference": place},
        bandSelectors={"constantValue": ["a", "b"]},
    )  # fmt: skip
    assert values[expression["result"]] == node(
        "ImageCollection.fromImages",
        images={"arrayValue": {"values": [select, {"valueReference": place}]}},
    )


@both
def test_what_is_the_same_is_put_once(encode):
    layers = [Call("Image.toUint16", value=Call("Image.constant", value=0)) for _ in range(9)]
    expression = encode(Call("ImageCollection.fromImages", images=layers))
    assert str(expression).count("Image.toUint16") == 1


@both
def test_numbers_that_look_alike_are_not_the_same(encode):
    images = [Call("Image.constant", value=value) for value in (1, 1.0, True, "1", 1)]
    expression = encode(Call("ImageCollection.fromImages", images=images))
    assert str(expression).count("Image.constant") == 4


def plain(expression):
    """An expression without names: all in its place."""
    values = expression["values"]

    def inlined(node):
        match node:
            case {"valueReference": name}:
                return inlined(values[name])
            case dict():
                # A function and its body are there by name alone.
                names = {"functionReference", "body"}
                return {k: inlined(values[v] if k in names else v) for k, v in node.items()}
            case list():
                return [inlined(each) for each in node]
        return node

    return inlined(values[expression["result"]])


def test_a_graph_is_the_same_to_both():
    source = Call("Image.load", id="A/B")
    layers = [
        Call("Image.addBands", dstImg=source, srcImg=Call("Image.constant", value=[number, 0.5]))
        for number in (0, 1, 0)
    ]
    root = Call("ImageCollection.mosaic", collection=Call("fromImages", images=[*layers, source]))
    ours, theirs = graph.encode(root), serializer.encode(root)
    assert plain(ours) == plain(theirs)
    assert len(str(ours)) <= len(str(theirs))


def of_functions():
    """A graph that calls two functions of its own, one of which has something of the other."""
    image = Argument("image")
    double = Call("Image.multiply", image1=image, image2=Call("Image.constant", value=2))
    one = Function(["image"], Call("Image.add", image1=double, image2=double))
    two = Function(["image", "other"], Call("Image.add", image1=double, image2=Argument("other")))
    source = Call("Image.load", id="A/B")
    layers = [Call(one, image=source), Call(two, image=source, other=Call(one, image=source))]
    return Call("ImageCollection.fromImages", images=layers)


def test_functions_of_ones_own_are_the_same_to_both():
    ours, theirs = graph.encode(of_functions()), serializer.encode(of_functions())
    assert plain(ours) == plain(theirs)
    assert str(ours).count("functionDefinitionValue") == 2
    assert str(ours).count("Image.multiply") == 1
