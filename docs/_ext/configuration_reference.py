"""The directive ``configuration``: every key of a schema, made from the composed schema itself.

``.. configuration::`` is of the configuration, ``.. configuration:: run`` of the file of a run.
A key has the anchor ``confval-…`` and is referred to by ``:confval:`tracker.max_tasks```.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from command_reference import literal
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cedar.engines import earthengine
from cedar.metadata.validation import load_schema
from cedar.stores import kinds, store_module

#: What a key that the user chooses is called, by what it is in.
PLACEHOLDERS = {"collections": "COLLECTION", "tracker.filters": "COLLECTION", "orders": "ORDER"}
_WORDS = {
    "array": "list", "boolean": "true or false", "integer": "whole number", "null": "null",
    "number": "number", "object": "mapping", "string": "text",
}  # fmt: skip


class Key(NamedTuple):
    """A key of a configuration: its place, what the schema says, whether it has to be there."""

    path: str
    schema: Mapping[str, Any]
    required: bool


class Configuration(SphinxDirective):
    """Writes a section a section, with all of its keys."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        which = self.arguments[0] if self.arguments else "config"
        return self.parse_text_to_nodes("\n".join(_page(which)), allow_section_headings=True)


def keys(which: str) -> Iterator[Key]:
    """Every key, sections before what is in them."""
    schema = load_schema(which)
    if which == "config":
        modules = {kind: store_module(kind) for kind in kinds()} | {"earthengine": earthengine}
        schema["properties"] |= {kind: module.CONFIG_SCHEMA for kind, module in modules.items()}
    definitions = load_schema("definitions")["$defs"] | schema.get("$defs", {})
    yield from _below("", schema, definitions)


def _below(place: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Key]:
    inner = dict(schema.get("properties", {}))
    if place in PLACEHOLDERS:
        inner[PLACEHOLDERS[place]] = schema["additionalProperties"]
    for name, each in inner.items():
        if isinstance(each, Mapping):  # true stands for what doesn't work yet.
            path = f"{place}.{name}" if place else name
            full = _resolved(each, definitions)
            yield Key(path, full, name in schema.get("required", ()))
            yield from _below(path, full, definitions)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Put into a schema what it refers to; what it says itself has precedence."""
    if "$ref" not in schema:
        return dict(schema)
    referred = definitions[schema["$ref"].rpartition("/")[2]]
    return _resolved(referred, definitions) | {k: v for k, v in schema.items() if k != "$ref"}


def _page(which: str) -> Iterator[str]:
    for key in keys(which):
        if "." not in key.path and which == "config":
            yield from (key.path, "-" * len(key.path), "")
        yield from (f".. confval:: {key.path}", f"    :type: {_type(key)}")
        if "default" in key.schema:
            yield f"    :default: ``{_plain(key.schema['default'])}``"
        yield from ("", f"    {literal(key.schema['description'])}", "")


def _type(key: Key) -> str:
    return ", ".join([_kind(key.schema), *(["required"] if key.required else [])])


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"``{_plain(each)}``" for each in schema["enum"])
    given = schema.get("type", [])
    types = [given] if isinstance(given, str) else given
    words = " or ".join(_WORDS[each] for each in types)
    expected = schema.get("expected")
    return literal(f"{words} ({expected})" if expected else words)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("configuration", Configuration)
