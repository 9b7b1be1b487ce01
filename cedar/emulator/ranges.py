"""A part of an object's bytes, where a request asks for no more (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .transport import Call, Reply

_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


def ranged(
    call: Call, content: memoryview, media_type: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Answer with bytes: the range that the request names, or all of them.

    A range that can't be read, or more than one, counts as none.

    Parameters
    ----------
    call : Call
    content : memoryview
        All of them.
    media_type : str
    headers : mapping, optional
        Further ones of the answer.

    Returns
    -------
    Reply
        Its status is 200, 206, or 416 where no byte is in the range.
    """
    size, headers = len(content), {"Accept-Ranges": "bytes", **(headers or {})}
    asked = _RANGE.fullmatch(call.headers.get("range", ""))
    if asked is None:
        return Reply(200, media_type, content, headers=headers)
    first, last, suffix = asked.groups()
    start = int(first) if suffix is None else max(0, size - int(suffix))
    end = min(size, int(last) + 1) if last else size
    if start >= size:
        return Reply(416, media_type, b"", headers={**headers, "Content-Range": f"bytes */{size}"})
    if end <= start:
        return Reply(200, media_type, content, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Reply(206, media_type, content[start:end], headers=headers)
