"""The XML API's list of objects, which is Amazon S3's (version 2)."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from ..transport import Call, Reply
from .buckets import timestamp
from .listing import Listing, Page
from .objects import StoredObject
from .parameters import check_parameters, start, token

XML: Final = "application/xml; charset=UTF-8"


def listing(call: Call) -> Listing:
    """What a request asks a list of.

    Raises
    ------
    ServiceError
        It asks for something else.
    """
    check_parameters(
        call, "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after"
    )
    query = call.query
    after = query["start-after"].encode() + b"\0" if "start-after" in query else b""
    return Listing(
        query.get("prefix", "").encode(),
        max(after, start(query.get("continuation-token"))),
        delimiter=query.get("delimiter", "").encode(),
    )


def describe(call: Call, bucket: str, page: Page, most: int) -> Reply:
    """A page of it."""
    pieces = [
        _element("Name", bucket),
        _element("Prefix", call.query.get("prefix", "")),
        _element("KeyCount", len(page.objects) + len(page.prefixes)),
        _element("MaxKeys", most),
        _element("IsTruncated", str(page.following is not None).lower()),
    ]
    if page.following is not None:
        pieces.append(_element("NextContinuationToken", token(page.following)))
    pieces += [_describe(each) for each in page.objects]
    pieces += [
        f"<CommonPrefixes>{_element('Prefix', each)}</CommonPrefixes>" for each in page.prefixes
    ]
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://doc.s3.amazonaws.com/2006-03-01">'
        f"{''.join(pieces)}</ListBucketResult>"
    )
    return Reply(200, XML, text.encode())


def _describe(found: StoredObject) -> str:
    pieces = (
        _element("Key", found.name),
        _element("Generation", found.generation),
        _element("MetaGeneration", found.metageneration),
        _element("LastModified", timestamp(found.updated)),
        _element("ETag", f'"{found.etag}"'),
        _element("Size", found.size),
        _element("StorageClass", "STANDARD"),
    )
    return f"<Contents>{''.join(pieces)}</Contents>"


def _element(name: str, value: object) -> str:
    # A carriage return would be read as a line feed.
    return f"<{name}>{escape(str(value), {chr(13): '&#13;'})}</{name}>"
