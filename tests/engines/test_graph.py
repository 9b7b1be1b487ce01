"""Nodes of an expression, as the client's serializer puts them."""

from ee.serializer import encode

from cedar.engines.earthengine.graph import Call


def test_a_call_has_constants_calls_and_lists_of_calls():
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


def test_what_is_the_same_is_put_once():
    layers = [Call("Image.toUint16", value=Call("Image.constant", value=0)) for _ in range(9)]
    expression = encode(Call("ImageCollection.fromImages", images=layers))
    assert str(expression).count("Image.toUint16") == 1
