"""What both documents have in common: a read-only mapping that is what its schema says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Final, NoReturn, Self

from .._version import __version__
from ..exceptions import DocumentError
from .migrate import migrate
from .validation import Kind, title, validate

_compact: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
#: Characters of a line that what it holds is written into.
_LINE: Final = 80
#: Elements of a list that is written an element a line.
_LONG: Final = 100
#: How half a character is written in JSON, or the half of a whole one: alone it can be read, but
#: not written.
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


def json_copy(value: Any) -> Any:
    """Return a copy of what JSON has, three times as fast as ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: json_copy(each) for key, each in value.items()}
    if isinstance(value, list):
        return [json_copy(each) for each in value]
    return value


def json_text(document: Mapping[str, Any]) -> str:
    """Write a document as JSON, to be read by people: what fits into a line is on one.

    Elements of long lists are a line each, however long: what encodes them is ten times as fast.

    Raises
    ------
    ValueError, TypeError
        It holds what JSON can't.
    """
    return _wrapped(document, "\n") if document else "{}"


def _text(value: Any, newline: str) -> str:
    if isinstance(value, list) and len(value) > _LONG:
        return _lines(map(_compact, value), "[", "]", newline)
    text = _compact(value)
    fits = len(text) <= _LINE or not isinstance(value, dict | list)
    return text if fits else _wrapped(value, newline)


def _wrapped(value: Mapping[str, Any] | list[Any], newline: str) -> str:
    inside = f"{newline} "
    if isinstance(value, list):
        return _lines((_text(each, inside) for each in value), "[", "]", newline)
    members = (f"{_compact(key)}: {_text(each, inside)}" for key, each in value.items())
    return _lines(members, "{", "}", newline)


def _lines(members: Iterable[str], opening: str, closing: str, newline: str) -> str:
    return f"{opening}{newline} {f',{newline} '.join(members)}{newline}{closing}"


def program() -> dict[str, str]:
    """What writes the documents: their section ``program``."""
    return {"name": "cedar", "version": __version__, "ee": version("earthengine-api")}


class Document(Mapping[str, Any]):
    """A mapping over a document, in the current form whatever its version.

    What it gives out is its own and not to be changed; :attr:`document` is the caller's.

    Parameters
    ----------
    document : mapping
        The document, or another of this class.
    name : str, optional
        What the store calls it, with or without ``.json``; by default what it calls itself.

    Raises
    ------
    DocumentError
        It is of a later version, or not what its schema says.
    """

    #: The schema that it follows, and the section that holds its name.
    kind: ClassVar[Kind]
    named_in: ClassVar[str]
    _document: dict[str, Any]
    _name: str | None

    def __init__(self, document: Mapping[str, Any], name: str | None = None):
        if isinstance(document, type(self)):
            # Neither changes, so they share it.
            self._document = document._document  # noqa: SLF001 - of this very class
            self._name = _stem(name) or document._name  # noqa: SLF001 - of this very class
        else:
            self._take(self._copy(document, name), name)

    @classmethod
    def loads(cls, text: str | bytes, name: str | None = None) -> Self:
        """Read a document from its `text`.

        Raises
        ------
        DocumentError
            The text isn't JSON, or the document of a later version or damaged.
        """
        self = cls.__new__(cls)
        self._take(cls._parse(text, name), name)
        return self

    @classmethod
    def read(cls, text: str | bytes, name: str | None = None) -> dict[str, Any]:
        """Read a document from its `text` as plain JSON values, checked, the caller's own.

        Raises
        ------
        DocumentError
            As :meth:`loads` does.
        """
        return cls.loads(text, name)._document  # noqa: SLF001 - of this very class

    @classmethod
    def view(cls, document: dict[str, Any], name: str | None = None) -> Self:
        """See a document that was checked before, without a copy: it shows what becomes of it."""
        self = cls.__new__(cls)
        self._document, self._name = document, _stem(name)
        return self

    def dumps(self) -> str:
        """The document's text: the same for the same document, in the order it was made."""
        return json_text(self._document)

    @property
    def document(self) -> dict[str, Any]:
        """The document as plain JSON values, a copy."""
        document: dict[str, Any] = self._copy(self._document)
        return document

    @property
    def name(self) -> str:
        """What the store calls it, without ``.json``."""
        return self._name or str(self._document[self.named_in]["name"])

    def __getitem__(self, key: str) -> Any:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _take(self, document: Any, name: str | None) -> None:
        if isinstance(document, dict):
            document = migrate(document, self.kind)
        validate(document, self.kind, name)
        self._document = document
        self._name = _stem(name)

    @classmethod
    def _copy(cls, document: Mapping[str, Any], name: str | None = None) -> Any:
        """Plain JSON values: what a text would give back."""
        try:
            text = json.dumps(document, allow_nan=False, default=_plain)
        except (RecursionError, TypeError, ValueError) as error:
            raise DocumentError(
                f"{title(cls.kind, name)} holds what JSON can't: {error}", name
            ) from error
        return cls._parse(text, name)

    @classmethod
    def _parse(cls, text: str | bytes, name: str | None) -> Any:
        try:
            # Of bytes json itself takes more than is UTF-8.
            text = text if isinstance(text, str) else text.decode("utf-8-sig")
            document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
            if _HALF.search(text):
                json.dumps(document, ensure_ascii=False).encode()
        except (RecursionError, ValueError) as error:
            raise DocumentError(
                f"{title(cls.kind, name)} is damaged, it can't be read as JSON: {error}; "
                "put a copy of it back",
                name,
            ) from error
        else:
            return document


def _stem(name: str | None) -> str | None:
    return name.removesuffix(".json") if name else None


def _plain(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")


def _finite(number: str) -> float:
    # 1e999 is good JSON, but infinity can't be written again.
    return float(number) if math.isfinite(float(number)) else _refuse(number)
