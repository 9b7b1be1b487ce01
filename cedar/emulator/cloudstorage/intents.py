"""What a writer says of an object: its name, what describes it, and what must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from ..transport import Call
from .conditions import Conditions
from .contents import Expected
from .errors import invalid, unsupported

#: What a writer may say of an object, besides its type and metadata → the header that says it to a
#: reader.
HEADERS: Final[Mapping[str, str]] = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentLanguage": "Content-Language",
}
# A header's value: no line ends, and Latin-1, which is what a server may send.
_HEADER: Final = re.compile("[ -~\xa0-\xff]+")
_LONGEST_NAME: Final = 1024
#: Fields of a resource that aren't kept as they were said.
_APART: Final = frozenset({"bucket", "name", "crc32c", "md5Hash"})


@dataclass(frozen=True)
class Intent:
    """An object to be.

    Attributes
    ----------
    bucket, name : str
    said : mapping
        What is said about it.
    expected : Expected
        Checksums that it is said to have.
    conditions : Conditions
        What must be there, or not be, for it to be made.
    """

    bucket: str
    name: str
    said: Mapping[str, Any]
    expected: Expected
    conditions: Conditions

    @classmethod
    def of(
        cls, call: Call, bucket: str, given: Mapping[str, Any], content_type: str | None
    ) -> Self:
        """What a request says.

        Parameters
        ----------
        call : Call
        bucket : str
        given : mapping
            The resource in it.
        content_type : str or None
            Type that it says the bytes have, where the resource doesn't.

        Raises
        ------
        ServiceError
            It says what can't be, or what the emulator doesn't keep.
        """
        said = {key: value for key, value in given.items() if key not in _APART}
        if content_type:
            said = {"contentType": content_type, **said}
        return cls(
            bucket,
            _checked(call.query.get("name") or given.get("name")),
            merged({}, sayable(said)),
            Expected(given.get("crc32c"), given.get("md5Hash")),
            Conditions.of(call.query),
        )

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """An intent of :func:`dataclasses.asdict`."""
        expected, conditions = Expected(**given["expected"]), Conditions(**given["conditions"])
        return cls(given["bucket"], given["name"], given["said"], expected, conditions)


def sayable(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What may be said of an object, as it was; a value None takes back what was said before.

    Raises
    ------
    ServiceError
        Something else is.
    """
    for key, value in said.items():
        if key not in {"contentType", "metadata", *HEADERS}:
            raise unsupported(f"field {key[:40]!r} of an object")
        if value is not None and not (_is_metadata if key == "metadata" else _is_header)(value):
            raise invalid(f"Invalid value for field {key}.")
    return said


def _is_metadata(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str | None) for each in value.values())


def _is_header(value: Any) -> bool:
    return isinstance(value, str) and _HEADER.fullmatch(value) is not None


def merged(said: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A resource with changes, in depth; a change to None removes (RFC 7396)."""
    result = {**said}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            is_nested = isinstance(value, Mapping)
            result[key] = merged(result.get(key, {}), value) if is_nested else value
    return result


def _checked(name: Any) -> str:
    """A name that an object may have: cloud.google.com/storage/docs/objects#naming."""
    if not isinstance(name, str) or not name:
        raise invalid("Required parameter: name")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise invalid("The object name isn't valid UTF-8.") from None
    if size > _LONGEST_NAME:
        raise invalid(f"The maximum object length is {_LONGEST_NAME} bytes, got {size}.")
    if (
        "\r" in name
        or "\n" in name
        or name in {".", ".."}
        or name.startswith(".well-known/acme-challenge/")
    ):
        raise invalid(f"Disallowed object name {name[:40]!r}.")
    return name
