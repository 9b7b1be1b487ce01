from __future__ import annotations

import copy
import datetime as dt
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.exceptions import DocumentError
from cedar.metadata import ImageMetadata, TrackingMetadata, validate
from cedar.metadata.validation import Kind, explain, load_schema

EXAMPLES = Path(__file__).parent / "examples"
ANCESTOR = Path(__file__).parents[1] / "data" / "ancestor"
CLASSES = {"tracking": TrackingMetadata, "image": ImageMetadata}
DEFS = {
    kind: {**load_schema("definitions")["$defs"], **load_schema(kind)["$defs"]} for kind in CLASSES
}
#: A value of each type, to stand where another type is asked for.
OF_TYPE = {
    "array": [None],
    "boolean": True,
    "integer": 3,
    "null": None,
    "number": 0.5,
    "object": {"x": 1},
    "string": "☃",
}


def examples(where: str) -> list[Any]:
    paths = sorted(EXAMPLES.glob(f"{where}/*.json"))
    assert paths
    return [pytest.param(path, id=path.stem) for path in paths]


def check(path: Path) -> str | None:
    """What is wrong with an example, by the rules of the folder it is in."""
    document, kind = json.loads(path.read_text("utf-8")), path.parts[-3]
    if kind == "config":
        schema = load_schema("config")
        # The sections of stores and engines come from their modules.
        schema["properties"] |= {key: {"type": "object"} for key in ("local", "earthengine")}
        return explain(document, schema)
    if kind == "run":
        return explain(document, load_schema("run"))
    try:
        validate(document, "tracking" if kind == "tracking" else "image")
    except DocumentError as error:
        return str(error)
    return None


@pytest.mark.parametrize("path", examples("*/valid"))
def test_valid_examples_pass(path: Path) -> None:
    assert check(path) is None


@pytest.mark.parametrize("path", examples("*/invalid"))
def test_invalid_examples_fail_with_the_message_beside_them(path: Path) -> None:
    assert check(path) == path.with_suffix(".txt").read_text("utf-8").rstrip("\n")


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


def resolved(schema: dict[str, Any], kind: Kind) -> dict[str, Any]:
    while "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**DEFS[kind][schema["$ref"].rpartition("/")[2]], **rest}
    return schema


def required(
    document: Any, schema: dict[str, Any], kind: Kind, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str, set[str]]]:
    """The required keys of a document: path of its object, key, and types it may have."""
    schema = resolved(schema, kind)
    if isinstance(document, list):
        for index, item in enumerate(document):
            yield from required(item, schema.get("items", {}), kind, (*path, index))
    elif isinstance(document, dict):
        properties = schema.get("properties", {})
        for key in schema.get("required", ()):
            types = resolved(properties.get(key, {}), kind).get("type", [])
            yield path, key, {types} if isinstance(types, str) else set(types)
        for key, value in document.items():
            below = properties.get(key, schema.get("additionalProperties", {}))
            yield from required(value, below, kind, (*path, key))


@st.composite
def without_or_retyped(draw: st.DrawFn) -> tuple[Kind, dict[str, Any]]:
    kind: Kind = draw(st.sampled_from(["tracking", "image"]))
    path = draw(st.sampled_from(sorted(EXAMPLES.glob(f"{kind}/valid/*.json"))))
    document = json.loads(path.read_text("utf-8"))
    # Without schema_version it is a document of 2019.
    keys = [
        each for each in required(document, load_schema(kind), kind) if each[1] != "schema_version"
    ]
    where, key, types = draw(st.sampled_from(keys))
    if "number" in types:
        types.add("integer")
    wrong = [value for name, value in OF_TYPE.items() if name not in types]
    if draw(st.booleans()):
        del at(document, where)[key]
    else:
        at(document, where)[key] = draw(st.sampled_from(wrong))
    return kind, document


@given(without_or_retyped())
def test_a_required_key_dropped_or_retyped_is_one_clear_line(
    case: tuple[Kind, dict[str, Any]],
) -> None:
    kind, document = case
    with pytest.raises(DocumentError) as caught:
        CLASSES[kind](document, "NAME")
    assert str(caught.value).startswith(f"{kind} document NAME: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.name == "NAME"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["", "2020-01-01", "0001-01-01T00:00:00+14:00", 1e300, 10**25, "CompoundValue"]
    ),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


def paths(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in pairs:
            yield from paths(value, (*path, key))


@st.composite
def with_anything_anywhere(draw: st.DrawFn) -> tuple[Kind, dict[str, Any]]:
    kind: Kind = draw(st.sampled_from(["tracking", "image"]))
    files = [*EXAMPLES.glob(f"{kind}/valid/*.json"), ANCESTOR / f"example_metadata_{kind}.json"]
    document = json.loads(draw(st.sampled_from(sorted(files))).read_text("utf-8"))
    path = draw(st.sampled_from(list(paths(document))))
    if draw(st.booleans()):
        at(document, path[:-1])[path[-1]] = draw(JSON_VALUES)
    else:
        del at(document, path[:-1])[path[-1]]
    return kind, document


@given(with_anything_anywhere())
def test_a_document_is_read_whole_or_refused_whatever_is_in_it(
    case: tuple[Kind, dict[str, Any]],
) -> None:
    kind, document = case
    before = copy.deepcopy(document)
    try:
        metadata = CLASSES[kind](document)
    except DocumentError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert CLASSES[kind].loads(metadata.dumps()) == metadata
        if isinstance(metadata, TrackingMetadata):
            assert 0 <= metadata.summary()["progress"] <= 1
            assert len(metadata.show()["orders"]) == len(metadata.orders)
    assert "\n" not in refusal
    assert document == before


@given(st.binary() | st.text())
def test_text_that_is_no_document_is_refused(text: bytes | str) -> None:
    with pytest.raises(DocumentError):
        TrackingMetadata.loads(text, "NAME")


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, b"\xff\xfe", '{"a": NaN}', '{"a": 1e999}']
)
def test_damaged_text_is_one_line_with_the_name(text: str | bytes) -> None:
    with pytest.raises(
        DocumentError, match=r"^tracking document NAME is damaged.*put a copy"
    ) as caught:
        TrackingMetadata.loads(text, "NAME")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), dt.date(2020, 1, 1)])
def test_values_that_json_lacks_are_refused(value: object) -> None:
    document = json.loads((EXAMPLES / "tracking/valid/exported.json").read_text("utf-8"))
    with pytest.raises(DocumentError, match="holds what JSON can't"):
        TrackingMetadata({**document, "extra": value})
    with pytest.raises(DocumentError):
        validate({**document, "writer": value}, "tracking")


@given(st.text(alphabet="./\\ab\n\x00~", max_size=12))
def test_names_that_are_read_never_leave_their_folder(name: str) -> None:
    document = json.loads((EXAMPLES / "tracking/valid/exported.json").read_text("utf-8"))
    document["orders"][0]["name"] = name
    try:
        validate(document, "tracking")
    except DocumentError:
        return
    assert name
    assert "\\" not in name
    assert posixpath.normpath(f"/folder/{name}").startswith("/folder/")


@given(
    st.datetimes(timezones=st.timezones()).map(dt.datetime.isoformat)
    | st.from_regex(load_schema("definitions")["$defs"]["moment"]["pattern"], fullmatch=True)
)
def test_times_that_are_read_can_be_parsed_and_have_an_offset(text: str) -> None:
    document = json.loads((EXAMPLES / "tracking/valid/exported.json").read_text("utf-8"))
    document["orders"][0]["date_start"] = text
    try:
        validate(document, "tracking")
    except DocumentError:
        return
    assert dt.datetime.fromisoformat(text).tzinfo


def test_long_values_are_shortened() -> None:
    assert explain({"a": "x" * 10_000}, {"properties": {"a": {"type": "number"}}}) == (
        f"a: '{'x' * 59}…' is not a number"
    )


def test_a_rule_without_words_of_its_own_has_those_of_jsonschema() -> None:
    assert explain({"a": 1}, {"properties": {"a": {"multipleOf": 2}}}) == (
        "a: 1 is not a multiple of 2"
    )


@pytest.mark.parametrize("name", ["tracking", "image", "config", "definitions"])
def test_every_rule_of_the_schemas_has_words(name: str) -> None:
    worded = {
        "exclusiveMinimum", "format", "maxItems", "maximum", "minItems", "minLength",
        "minProperties", "minimum", "pattern",
    }  # fmt: skip

    def walk(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            yield schema
        if isinstance(schema, dict | list):
            for below in schema.values() if isinstance(schema, dict) else schema:
                yield from walk(below)

    wordless = [
        schema
        for schema in walk(load_schema(name))
        if "expected" not in schema
        # Under the name of a rule, a schema is of a property that is called so.
        and any(not isinstance(schema[rule], dict) for rule in schema.keys() & worded)
    ]
    assert wordless == []
