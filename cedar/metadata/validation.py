"""Whether a document is what its schema says and, where it isn't, one line that says why.

A compiled validator decides: at 50,000 entries jsonschema alone takes five times as long as
reading and writing the JSON. jsonschema words what is wrong, for documents and configuration alike.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from ..exceptions import DocumentError

Kind = Literal["tracking", "image"]

#: Version of the documents that this cedar writes, and the latest that it reads.
SCHEMA_VERSION: Final = 1

_DEFINITIONS: Final = "definitions.json"
_TYPES: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}
_LONGEST: Final = 60

_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(dt.datetime.fromisoformat(value))


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(dt.date.fromisoformat(value))


def load_schema(name: str) -> dict[str, Any]:
    """A schema of the package ``cedar.schemas``, the caller's own to add to.

    Parameters
    ----------
    name : str
        ``tracking``, ``image``, ``config``, ``run`` or ``definitions``.
    """
    text = (resources.files("cedar.schemas") / f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validate(document: Any, kind: Kind, name: str | None = None) -> None:
    """Check a document of the current form.

    Parameters
    ----------
    document
        Plain JSON values.
    kind : {'tracking', 'image'}
        Which schema.
    name : str, optional
        What messages call the document.

    Raises
    ------
    DocumentError
        It is of a later version, or not what its schema says.
    """
    label = title(kind, name)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DocumentError(
            f"{label} is of schema_version {_short(version)}, and this cedar reads up to "
            f"{SCHEMA_VERSION}: upgrade cedar",
            name,
        )
    try:
        if _compiled(kind).is_valid(document):
            return
    except ValueError as error:
        raise DocumentError(f"{label} holds what JSON can't: {_cut(str(error))}", name) from error
    # None where only the compiled validator objects: what gives the reason has the last word.
    if wrong := explain(document, load_schema(kind)):
        raise DocumentError(f"{label}: {wrong}", name)


def title(kind: Kind, name: str | None) -> str:
    """What messages call a document."""
    return f"{kind} document {name}" if name else f"{kind} document"


def explain(document: Any, schema: Mapping[str, Any]) -> str | None:
    """Say what is most wrong with a document, in one line.

    Parameters
    ----------
    document
        Plain JSON or YAML values.
    schema : mapping
        JSON Schema 2020-12; may refer to ``definitions.json#/$defs/…``.

    Returns
    -------
    str or None
        Where and what (``orders, entry 3 (NAME): status, state: 5 is not text``); None if nothing.
    """
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=_formats)
    error = best_match(validator.iter_errors(document))
    if error is None:
        return None
    where = _where(document, error.absolute_path)
    return f"{where}: {_what(error)}" if where else _what(error)


@cache
def _compiled(kind: Kind) -> jsonschema_rs.Draft202012Validator:
    # jsonschema-rs resolves relative references against this base.
    base = "json-schema:///"
    registry = jsonschema_rs.Registry([(base + _DEFINITIONS, load_schema("definitions"))])
    return jsonschema_rs.Draft202012Validator(
        load_schema(kind), registry=registry, validate_formats=True
    )


@cache
def _registry() -> Registry[Any]:
    definitions = DRAFT202012.create_resource(load_schema("definitions"))
    empty: Registry[Any] = Registry()
    registry: Registry[Any] = empty.with_resource(_DEFINITIONS, definitions)
    return registry


def _where(document: Any, path: Iterable[str | int]) -> str:
    words, separator, node = "", "", document
    for part in path:
        node = node[part]
        if isinstance(part, int):
            name = node.get("name") if isinstance(node, dict) else None
            label = f" ({_cut(name)})" if isinstance(name, str) else ""
            words, separator = f"{words}{separator}entry {part + 1}{label}", ": "
        else:
            words, separator = f"{words}{separator}{_cut(str(part))}", ", "
    return words


def _what(error: ValidationError) -> str:
    instance: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    value = _short(instance)
    match error.validator:
        case "type":
            types = [rule] if isinstance(rule, str) else rule
            return f"{value} is not {' or '.join(_TYPES[type_] for type_ in types)}"
        case "enum":
            return f"{value} is not one of {', '.join(_short(each) for each in rule)}"
        case "const":
            return f"{value} is not {_short(rule)}"
        case "required":
            return f"lacks {next(key for key in rule if key not in instance)!r}"
        case "additionalProperties" | "unevaluatedProperties":
            return _unknown_key(instance, schema)
    # The other rules of cedar's schemas stand beside words for what they ask.
    return f"{value} is not {schema['expected']}" if "expected" in schema else error.message


def _unknown_key(instance: Mapping[Any, Any], schema: Mapping[str, Any]) -> str:
    known = list(schema.get("properties", ()))
    if "$ref" in schema:
        known += _registry().resolver().lookup(schema["$ref"]).contents["properties"]
    key = next(key for key in instance if key not in known)
    nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0)
    hint = f"; the nearest known is {nearest[0]!r}" if nearest else ""
    return f"unknown key {_short(key)}{hint}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(_cut(value))
    return _cut(json.dumps(value, ensure_ascii=False, default=str, skipkeys=True))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
