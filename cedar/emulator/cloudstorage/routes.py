"""Which method of Cloud Storage a request is for, on which bucket and object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ..transport import Call
from .errors import invalid

_BUCKETS: Final = "/storage/v1/b"
_BUCKET: Final = f"{_BUCKETS}/(?P<bucket>[^/]+)"
_OBJECTS: Final = f"{_BUCKET}/o"
_OBJECT: Final = f"{_OBJECTS}/(?P<name>[^/]+)"
#: The XML API's are whatever isn't another's.
_PLAIN_BUCKET: Final = "/(?!(?:batch|download|storage|upload)(?:/|$))(?P<bucket>[^/]+)"
_PLAIN_OBJECT: Final = f"{_PLAIN_BUCKET}/(?P<name>.+)"
# (HTTP verb, path, name in the log)
_JSON: Final = (
    ("POST", _BUCKETS, "buckets.insert"),
    ("GET", _BUCKETS, "buckets.list"),
    ("GET", _BUCKET, "buckets.get"),
    ("DELETE", _BUCKET, "buckets.delete"),
    ("GET", f"{_BUCKET}/iam/testPermissions", "buckets.testIamPermissions"),
    ("GET", _OBJECTS, "objects.list"),
    ("GET", _OBJECT, "objects.get"),
    ("DELETE", _OBJECT, "objects.delete"),
    ("PATCH", _OBJECT, "objects.patch"),
    ("GET", f"/download{_OBJECT}", "objects.download"),
    ("POST", f"/upload{_OBJECTS}", "objects.insert"),
    ("PUT", f"/upload{_OBJECTS}", "objects.upload"),
    ("DELETE", f"/upload{_OBJECTS}", "objects.upload"),
    ("POST", "/batch/storage/v1", "batch"),
)
_XML: Final = (
    ("GET", f"{_PLAIN_BUCKET}/?", "objects.list"),
    ("GET", _PLAIN_OBJECT, "objects.download"),
    ("HEAD", _PLAIN_OBJECT, "objects.get"),
)
_ROUTES: Final = tuple(
    (verb, re.compile(path, re.DOTALL), method, is_xml)
    for routes, is_xml in ((_JSON, False), (_XML, True))
    for verb, path, method in routes
)


@dataclass(frozen=True)
class Target:
    """What a request is for.

    Attributes
    ----------
    method : str
        As the log has it.
    bucket, name : str
        Empty where the method has none.
    is_xml : bool
        Whether it came by the XML API.
    """

    method: str
    bucket: str = ""
    name: str = ""
    is_xml: bool = False

    @classmethod
    def of(cls, call: Call) -> Target:
        """The target of a request; its method is ``unknown`` where there is none such.

        Raises
        ------
        ServiceError
            The address isn't UTF-8.
        """
        method, found, is_xml = _route(call)
        try:
            parts = {key: unquote(part, errors="strict") for key, part in found.items()}
        except UnicodeDecodeError:
            raise invalid("The address isn't UTF-8.") from None
        return cls(method, **parts, is_xml=is_xml)


def method_of(call: Call) -> str:
    """The log's name of what is asked for; ``unknown`` where there is no such method."""
    return _route(call)[0]


def _route(call: Call) -> tuple[str, Mapping[str, str], bool]:
    for verb, pattern, method, is_xml in _ROUTES:
        if verb == call.verb and (found := pattern.fullmatch(call.path)):
            return _by_parameters(method, call.query), found.groupdict(), is_xml
    return "unknown", {}, False


def _by_parameters(method: str, query: Mapping[str, str]) -> str:
    """The method, where the path alone doesn't say."""
    if method == "objects.get" and query.get("alt") == "media":
        return "objects.download"
    if method == "objects.insert" and (
        "upload_id" in query or query.get("uploadType") == "resumable"
    ):
        return "objects.upload"
    return method
