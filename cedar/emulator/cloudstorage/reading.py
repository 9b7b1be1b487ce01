"""What is answered about the objects that are there: lists, resources, bytes."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from ..ranges import ranged
from ..settings import Settings
from ..state import State
from ..transport import JSON, Call, Reply, as_json, refusal
from ..values import ServiceError
from . import xml
from .buckets import require_bucket
from .conditions import PARAMETERS, Conditions
from .errors import condition_not_met
from .intents import HEADERS
from .listing import Listing, page
from .objects import Objects, StoredObject
from .parameters import base_of, check_parameters, page_size, start, token, whole
from .routes import Target


class Reading:
    """The methods that change nothing.

    Parameters
    ----------
    state : State
    objects : Objects
    settings : Settings
    """

    def __init__(self, state: State, objects: Objects, settings: Settings):
        self._state, self._objects, self._settings = state, objects, settings

    def list(self, call: Call, target: Target) -> Reply:
        """List objects, a page at a time."""
        listing = xml.listing(call) if target.is_xml else _listing(call)
        most = page_size(
            call, "max-keys" if target.is_xml else "maxResults", self._settings.page_size
        )
        with self._state.transaction() as rows:
            require_bucket(rows, target.bucket)
            found = page(rows, target.bucket, listing, most)
        if target.is_xml:
            return xml.describe(call, target.bucket, found, most)
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if found.objects:
            answer["items"] = [each.as_json(base_of(call)) for each in found.objects]
        if found.prefixes:
            answer["prefixes"] = found.prefixes
        if found.following is not None:
            answer["nextPageToken"] = token(found.following)
        return as_json(answer)

    def get(self, call: Call, target: Target) -> Reply:
        """Say what an object is."""
        if target.is_xml:
            return self.download(call, target)
        check_parameters(call, "generation", *PARAMETERS)
        found = self._objects.get(target.bucket, target.name, whole(call.query, "generation"))
        return _unless_unchanged(call, found) or as_json(found.as_json(base_of(call)))

    def download(self, call: Call, target: Target) -> Reply:
        """Send an object's bytes, or the range of them that is asked for."""
        check_parameters(call, "generation", *PARAMETERS)
        generation = whole(call.query, "generation")
        found, content = self._objects.open(target.bucket, target.name, generation)
        if unchanged := _unless_unchanged(call, found):
            return unchanged
        said = _headers(found)
        if target.is_xml:
            said["ETag"] = f'"{found.etag}"'
        reply = ranged(call, content, found.content_type, said)
        if reply.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return reply
        error = ServiceError(
            "Request range not satisfiable", 416, reason="requestedRangeNotSatisfiable"
        )
        return replace(refusal(error), headers=reply.headers)


def _listing(call: Call) -> Listing:
    """What a request of the JSON API asks a list of."""
    check_parameters(
        call,
        "prefix",
        "delimiter",
        "startOffset",
        "endOffset",
        "maxResults",
        "pageToken",
        "versions",
    )
    query = call.query
    return Listing(
        query.get("prefix", "").encode(),
        max(query.get("startOffset", "").encode(), start(query.get("pageToken"))),
        query.get("endOffset", "").encode(),
        query.get("delimiter", "").encode(),
    )


def _unless_unchanged(call: Call, found: StoredObject) -> Reply | None:
    """The answer where a reader has the object already.

    Raises
    ------
    ServiceError
        It isn't what the reader's preconditions say.
    """
    conditions = Conditions.of(call.query, call.headers)
    if not conditions.match(found):
        raise condition_not_met()
    # An answer 304 has no body: what is one would be taken for the next answer.
    return None if conditions.differ(found) else Reply(304, JSON, b"", headers=_headers(found))


def _headers(found: StoredObject) -> dict[str, str]:
    """What is said of an object beside its bytes."""
    return {
        **{header: found.said[key] for key, header in HEADERS.items() if key in found.said},
        "ETag": found.etag,
        "Last-Modified": formatdate(found.updated, usegmt=True),
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Metageneration": str(found.metageneration),
        "X-Goog-Hash": f"crc32c={found.crc32c},md5={found.md5}",
        "X-Goog-Storage-Class": "STANDARD",
        "X-Goog-Stored-Content-Encoding": "identity",
        "X-Goog-Stored-Content-Length": str(found.size),
    }
