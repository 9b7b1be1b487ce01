"""Lists of files, a page at a time."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..transport import Call
from ..values import ServiceError
from .files import File, Files
from .query import condition
from .resources import resource

#: Key of orderBy → column; a folder comes before what is none.
_KEYS: Final = {
    "createdDate": "created",
    "modifiedDate": "modified",
    "title": "folded",
    "quotaBytesUsed": "coalesce(size, 0)",
    "folder": "(blob IS NOT NULL)",
}
#: Without orderBy: what changed last comes first, so that a file that is changed meanwhile may be
#: missed. The real order isn't documented.
_DEFAULT: Final = "modifiedDate desc"
_MOST, _USUAL = 1000, 100

#: (column, whether it descends)
_Order = Sequence[tuple[str, bool]]


def page(files: Files, call: Call, base: str, most: int | None) -> dict[str, Any]:
    """A page of the files that the account has a part in.

    Pages go on after the last file of the one before, wherever that is by then.

    Parameters
    ----------
    files : Files
    call : Call
        With q, orderBy, maxResults, pageToken.
    base : str
        Address of the service.
    most : int or None
        Of files on a page, where that is less than asked for.

    Raises
    ------
    ServiceError
        One of them can't be.
    """
    query = call.query
    q, order_by = query.get("q", ""), query.get("orderBy") or _DEFAULT
    size = min(_size(query.get("maxResults")), most or _MOST)
    where, order = condition(q, files.asker), _order(order_by)
    for folder in where.folders:
        _check_folder(files, folder)
    fingerprint = zlib.crc32(f"{q}\0{order_by}\0{files.account}".encode())
    after, values = _after(order, query.get("pageToken"), fingerprint)
    by = ", ".join(f"{column} DESC" if falls else column for column, falls in order)
    found = files.selected(
        f"({where.sql}) AND id <> ? AND {after}",
        (*where.values, files.asker.root, *values),
        f"ORDER BY {by}",
    )
    shown = list(_first(size + 1, found, files))
    reply: dict[str, Any] = {
        "kind": "drive#fileList",
        "selfLink": f"{base}/drive/v2/files",
        "incompleteSearch": False,
        "items": [resource(file, files, base) for file in shown[:size]],
    }
    if len(shown) > size:
        reply["nextPageToken"] = _token(files, shown[size - 1], order, fingerprint)
    return reply


def _first(count: int, found: Iterator[File], files: Files) -> Iterator[File]:
    """So many of the files that the account has a part in."""
    for file in found:
        if not count:
            return
        if file.owner == files.account or files.access(file.id).role is not None:
            count -= 1
            yield file


def _invalid(name: str, value: str) -> ServiceError:
    return ServiceError(f"Invalid value {value[:40]!r} for {name}.", reason="invalid")


def _size(given: str | None) -> int:
    if given is None:
        return _USUAL
    if not (given.isascii() and given.isdecimal() and 1 <= int(given[:9]) <= _MOST):
        raise _invalid("maxResults", given)
    return int(given)


def _order(order_by: str) -> _Order:
    """Columns to sort by, the id last, so that no two files are alike."""
    order = []
    for each in order_by.split(","):
        key, _, direction = each.strip().partition(" ")
        if key not in _KEYS or direction.strip() not in ("", "desc"):
            raise _invalid("orderBy", each)
        order.append((_KEYS[key], direction.strip() == "desc"))
    return [*order, ("id", False)]


def _check_folder(files: Files, folder: str) -> None:
    if files.access(folder).role is None:
        # Without its name, as the real one: github.com/RobinBobin/react-native-google-drive-api-
        # wrapper/issues/61.
        raise ServiceError("File not found: .", 404, reason="notFound")


def _token(files: Files, last: File, order: _Order, fingerprint: int) -> str:
    columns = ", ".join(column for column, _ in order)
    (values,) = files.rows.execute(
        f"SELECT {columns} FROM drive_files WHERE id = ?",  # noqa: S608 - our names
        (last.id,),
    )
    return base64.urlsafe_b64encode(json.dumps([fingerprint, *values]).encode()).decode()


def _after(order: _Order, token: str | None, fingerprint: int) -> tuple[str, Sequence[Any]]:
    """The condition that a file comes after the one that a token names."""
    if token is None:
        return "1", ()
    try:
        of, *last = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise _invalid("pageToken", token) from None
    if of != fingerprint or len(last) != len(order):
        raise _invalid("pageToken", token)
    cases, values = [], []
    for i, (column, falls) in enumerate(order):
        equal = [f"{earlier} = ?" for earlier, _ in order[:i]]
        cases.append(" AND ".join([*equal, f"{column} {'<' if falls else '>'} ?"]))
        values += last[: i + 1]
    return f"({' OR '.join(cases)})", values
