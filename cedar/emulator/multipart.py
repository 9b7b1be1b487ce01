"""Bodies of several parts: uploads with metadata before the content, and requests in a batch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import Final

from .transport import Call, Reply, refusal
from .values import ServiceError

#: Requests that a batch may hold: developers.google.com/workspace/drive/api/guides/performance and
#: cloud.google.com/storage/docs/batch.
MOST_CALLS: Final = 100
#: Headers of a batch that hold for each request in it.
_OF_ALL: Final = frozenset({"authorization", "host"})


@dataclass(frozen=True)
class Part:
    """One part of a body.

    Attributes
    ----------
    headers : mapping
        By names in lower case.
    content : memoryview
        A view of the body.
    """

    headers: Mapping[str, str]
    content: memoryview


def parts(media_type: str, body: bytes) -> list[Part]:
    """Take a body apart (RFC 2046).

    Lines may end in CRLF or, as the Python clients have them, in LF.

    Parameters
    ----------
    media_type : str
        Content-Type, with the boundary.
    body : bytes

    Raises
    ------
    ServiceError
        It isn't such a body.
    """
    header = Message()
    header["Content-Type"] = media_type
    boundary = header.get_boundary()
    if not boundary:
        raise ServiceError("Missing boundary of a multipart body.", reason="badContent")
    delimiter = b"--" + boundary.encode()
    after = body.find(delimiter) + len(delimiter)
    newline = b"\r\n" if body[after : after + 2] == b"\r\n" else b"\n"
    return [_part(body, start, end, newline) for start, end in _extents(body, delimiter, newline)]


def _extents(body: bytes, delimiter: bytes, newline: bytes) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends, its headers included."""
    at = 0 if body.startswith(delimiter) else body.find(newline + delimiter) + len(newline)
    while body[at : at + len(delimiter)] == delimiter:
        at += len(delimiter)
        if body[at : at + 2] == b"--":
            return
        start = body.find(newline, at) + len(newline)
        # A part that is empty ends with the line that its delimiter is on.
        end = body.find(newline + delimiter, start - len(newline))
        if start < len(newline) or end < 0:
            break
        yield start, max(start, end)
        at = end + len(newline)
    raise ServiceError("A multipart body ends without its last boundary.", reason="badContent")


def _part(body: bytes, start: int, end: int, newline: bytes) -> Part:
    if body[start : start + len(newline)] == newline:
        return Part({}, memoryview(body)[start + len(newline) : end])
    blank = body.find(2 * newline, start, end)
    head_end = end if blank < 0 else blank
    head = BytesHeaderParser().parsebytes(body[start:head_end])
    headers = {name.lower(): str(value) for name, value in head.items()}
    return Part(headers, memoryview(body)[min(head_end + 2 * len(newline), end) : end])


def batched(call: Call, handle: Callable[[Call], Reply]) -> Reply:
    """Answer a batch: each request in it as if it had come by itself.

    Parameters
    ----------
    call : Call
        Its body holds a part of type ``application/http`` a request.
    handle : callable
        What answers one. Its refusals are that request's answer, not the batch's.

    Raises
    ------
    ServiceError
        It is no batch, or holds too many.
    """
    requests = parts(call.headers.get("content-type", ""), call.body)
    if len(requests) > MOST_CALLS:
        raise ServiceError(f"A batch has at most {MOST_CALLS} calls.", reason="badRequest")
    boundary = f"batch_{uuid.uuid4().hex}"
    pieces = []
    for part in requests:
        try:
            reply = handle(_inner(part, call))
        except ServiceError as error:
            reply = refusal(error)
        head = f"--{boundary}\r\nContent-Type: application/http\r\n"
        if content_id := part.headers.get("content-id"):
            named = " ".join(content_id.split())  # a long line has been folded
            head += f"Content-ID: <response-{named.removeprefix('<')}\r\n"
        pieces += [head.encode(), b"\r\n", _serialized(reply), b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Reply(200, f"multipart/mixed; boundary={boundary}", b"".join(pieces))


def _inner(part: Part, outer: Call) -> Call:
    """The request that a part is; what isn't said in it, as who asks, is the batch's."""
    text = bytes(part.content)
    line, _, rest = text.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        raise ServiceError("A part of the batch is no HTTP request.", reason="badRequest")
    newline = b"\r\n" if line.endswith(b"\r") else b"\n"
    head, _, body = rest.partition(2 * newline)
    own = {name.lower(): str(value) for name, value in BytesHeaderParser().parsebytes(head).items()}
    kept = {name: value for name, value in outer.headers.items() if name in _OF_ALL}
    inner = replace(outer, verb=words[0], address=words[1], headers={**kept, **own}, body=body)
    try:
        inner.plain_path  # noqa: B018 - a property that raises
    except ValueError as error:
        raise ServiceError(f"The address can't be read: {error}.", reason="badRequest") from None
    return inner


def _serialized(reply: Reply) -> bytes:
    headers = {"Content-Type": reply.media_type, **reply.headers}
    headers["Content-Length"] = str(len(reply.content))
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + bytes(reply.content)
