"""What users call is in the Python reference, and its docstring agrees with its signature."""

from __future__ import annotations

import contextlib
import doctest
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import cedar

ROOT = Path(__file__).resolve().parents[1]
#: numpydoc's: no docstring; sections it doesn't know, or in another order; no summary, or none that
#: is a line; parameters that are missing, unknown, in another order, or without a description.
FAULTS = {
    "GL06", "GL07", "GL08", "SS01", "SS03", "SS06", "PR02", "PR03", "PR05", "PR06", "PR07", "PR10",
}  # fmt: skip
_DIRECTIVE = re.compile(r"^\.\. auto(module|class|function):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE)


def named(text: str) -> Iterator[str]:
    """Names that a page of the reference documents."""
    for kind, name, settings in _DIRECTIVE.findall(text):
        members = re.search(r":members:(.*)", settings)
        if kind != "module":
            yield name
        elif members:
            yield from (f"{name}.{each.strip()}" for each in members[1].split(","))
        elif ":no-members:" not in settings:
            module = importlib.import_module(name)
            own = (key for key, each in vars(module).items() if is_of(each, name))
            yield from (f"{name}.{key}" for key in own if not key.startswith("_"))


def is_of(each: Any, module: str) -> bool:
    return getattr(each, "__module__", None) == module


def reached(member: str) -> Any:
    """What a dotted name is of: a module, a class, or what a class has."""
    with contextlib.suppress(ImportError):
        return importlib.import_module(member)
    owner, _, attribute = member.rpartition(".")
    return getattr(reached(owner), attribute)


PAGE = (ROOT / "docs" / "api.rst").read_text("utf-8")
PUBLIC = sorted({name for name in named(PAGE) if callable(reached(name))})
EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "cedar").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


def members(name: str) -> Iterator[str]:
    """A public name and, of a class, its public members that no base has promised."""
    yield name
    each = reached(name)
    if inspect.isclass(each):
        for key, value in vars(each).items():
            promised = any(hasattr(base, key) for base in each.__bases__)
            plain = isinstance(
                value, property | classmethod | staticmethod | functools.cached_property
            )
            if not key.startswith("_") and not promised and (plain or inspect.isfunction(value)):
                yield f"{name}.{key}"


def faults(name: str) -> Iterator[str]:
    for member in members(name):
        each = reached(member)
        for code, message in validate(member)["errors"]:
            unsaid = set(re.findall(r"'(\w+)'", message)) if code == "PR01" else set()
            if code in FAULTS or unexplained(member, each, unsaid):
                yield f"{member}: {message}"


def unexplained(member: str, each: Any, names: set[str]) -> set[str]:
    """Parameters that no list has, nor the text, nor that of the class, which is of all methods."""
    texts = [inspect.getdoc(each) or ""]
    if inspect.isclass(each):
        # Data has attributes; errors cedar alone makes; and who has no __init__ has another's.
        given = is_dataclass(each) or issubclass(each, BaseException | tuple)
        if given or "__init__" not in vars(each):
            return set()
    else:
        owner = reached(member.rpartition(".")[0])
        texts += [inspect.getdoc(base) or "" for base in getattr(owner, "__mro__", ())]
    if other := re.search(r"Parameters are those of :meth:`(\w+)`", texts[0]):
        names -= inspect.signature(getattr(owner, other[1])).parameters.keys()
    listed = {one.name for text in texts[1:] for one in NumpyDocString(text)["Parameters"]}
    return names - listed - set(re.findall(r"(?<!`)`(\w+)`(?!`)", "\n".join(texts)))


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstrings_of_a_public_name_agree_with_its_signature(name):
    assert list(faults(name)) == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if is_dataclass(reached(name))])
def test_the_attributes_of_public_data_are_its_fields(name):
    each = reached(name)
    document = NumpyDocString(inspect.getdoc(each))
    told = [attribute for part in ("Parameters", "Attributes") for attribute in document[part]]
    names = {one.strip() for attribute in told for one in attribute.name.split(",")}
    assert {field.name for field in fields(each) if not field.name.startswith("_")} <= names


def test_the_python_reference_has_all_that_cedar_itself_has():
    homes = {reached(name) for name in PUBLIC}
    assert [n for n in cedar.__all__ if n != "__version__" and getattr(cedar, n) not in homes] == []
    listed = PAGE.partition("Orders\n------")[0]
    assert [n for n in cedar.__all__ if n != "__version__" and f"``{n}``" not in listed] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    module = importlib.import_module(name)
    assert "+SKIP" not in inspect.getsource(module)
    result = doctest.testmod(module, optionflags=options)
    assert result.attempted > 0
    assert result.failed == 0
