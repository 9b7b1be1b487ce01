"""Drive v2's methods, as the emulator answers them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Final

from ..clock import Clock
from ..multipart import batched
from ..ranges import ranged
from ..settings import Settings
from ..state import State
from ..transport import JSON, Call, Reply, as_json
from ..values import ServiceError
from . import files as tables
from . import uploads
from .accounts import account, base, is_address
from .files import FOLDER, Content, Files, Role
from .listing import page
from .metadata import changed, check_change, check_parameters, made, new_id, parsed
from .resources import about, permission, resource

_FILES: Final = "/drive/v2/files"
_FILE: Final = f"{_FILES}/(?P<file>[^/]+)"
# (HTTP verb, path, name in the log)
_METHODS: Final = tuple(
    (verb, re.compile(path), name)
    for verb, path, name in (
        ("GET", "/drive/v2/about", "about"),
        ("GET", f"{_FILES}/generateIds", "files.generateIds"),
        ("GET", _FILES, "files.list"),
        ("POST", _FILES, "files.insert"),
        ("GET", _FILE, "files.get"),
        ("PUT|PATCH", _FILE, "files.update"),
        ("DELETE", _FILE, "files.delete"),
        ("POST", f"{_FILE}/trash", "files.trash"),
        ("POST", f"{_FILE}/untrash", "files.untrash"),
        ("GET", f"{_FILE}/permissions", "permissions.list"),
        ("POST", f"{_FILE}/permissions", "permissions.insert"),
        ("POST|PUT", f"/upload{_FILES}(?:/(?P<file>[^/]+))?", "files.upload"),
        ("POST", "/batch(?:/drive/v2)?", "batch"),
    )
)
#: Methods that a batch may not hold: they are about contents.
_NOT_IN_BATCH: Final = frozenset({"batch", "files.download", "files.upload"})
#: MD5 of nothing.
_NO_BYTES: Final = "d41d8cd98f00b204e9800998ecf8427e"
_ROLES: Final = {"reader": Role.READER, "writer": Role.WRITER}


class Drive:
    """The service.

    A bearer token that is an address of electronic mail names the account that asks; whatever else
    says who asks is one and the same.

    Parameters
    ----------
    state : State
        Where files are kept.
    clock : Clock
        Dates them.
    settings : Settings
        The quota, and the most files on a page of a list.
    """

    def __init__(self, state: State, clock: Clock, settings: Settings):
        self._state, self._clock, self._settings = state, clock, settings
        state.add((*tables.SCHEMA, *uploads.SCHEMA))
        self._uploads = uploads.Uploads(lambda: state.blobs, self._opened)
        self._methods: dict[str, Callable[[Files, Call], Reply]] = {
            "about": _about,
            "files.generateIds": _generated,
            "files.list": partial(_listed, most=settings.page_size),
            "files.get": _got,
            "files.download": self._downloaded,
            "files.insert": _inserted,
            "files.update": _updated,
            "files.delete": _deleted,
            "files.trash": partial(_put_away, gone=True),
            "files.untrash": partial(_put_away, gone=False),
            "permissions.list": _permissions,
            "permissions.insert": _shared,
        }

    def method(self, call: Call) -> str:
        """The log's name of what is asked for; ``unknown`` where there is no such method."""
        return _routed(_overridden(call))[0]

    def slot(self, method: str, call: Call) -> AbstractContextManager[None]:
        """Nothing: any number of requests may be under way."""
        del method, call
        return nullcontext()

    def answer(self, method: str, call: Call) -> Reply:
        """Carry a request out.

        Raises
        ------
        ServiceError
            What the service answers instead, or what the emulator doesn't have.
        """
        call = _overridden(call)
        check_parameters(call)
        if method == "batch":
            return batched(call, self._answer_inner)
        if method == "files.upload":
            return self._uploads.answer(call, _routed(call)[1])
        if method not in self._methods:
            raise ServiceError(
                f"The emulator's Drive has no {call.verb} {call.plain_path}.", reason="badRequest"
            )
        with self._opened(call) as files:
            return self._methods[method](files, call)

    def _answer_inner(self, call: Call) -> Reply:
        method = self.method(call)
        if method in _NOT_IN_BATCH:
            raise ServiceError(f"A batch may not hold {method}.", reason="badRequest")
        return self.answer(method, call)

    @contextmanager
    def _opened(self, call: Call) -> Iterator[Files]:
        """Give the files to who asks; what is changed in the block is, wholly or not at all."""
        now = round(self._clock.now().timestamp() * 1000)
        blobs, unneeded = self._state.blobs, set[str]()
        try:
            with self._state.transaction() as rows:
                files = Files(rows, blobs, account(call), now, self._settings.drive_quota)
                unneeded = files.written
                yield files
            unneeded = files.dropped
        finally:
            for name in unneeded:
                (blobs / name).unlink(missing_ok=True)

    def _downloaded(self, files: Files, call: Call) -> Reply:
        file = files.get(_id(call))
        if file.blob is None:
            raise ServiceError(
                "Only files with binary content can be directly downloaded. Use Export with Docs "
                "Editors files.",
                403,
                reason="fileNotDownloadable",
            )
        return ranged(call, self._state.blob(file.blob), file.mime)


def _overridden(call: Call) -> Call:
    """A request as it is meant: an address too long for a GET comes as the body of a POST."""
    verb = call.headers.get("x-http-method-override")
    if call.verb != "POST" or verb is None:
        return call
    address, body = call.address, call.body
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        address, body = (
            f"{address}{'&' if '?' in address else '?'}{body.decode(errors='replace')}",
            b"",
        )
    return replace(call, verb=verb, address=address, body=body)


def _routed(call: Call) -> tuple[str, str | None]:
    """The method of a request, and the file that it is about."""
    for verbs, pattern, name in _METHODS:
        if call.verb in verbs.split("|") and (found := pattern.fullmatch(call.plain_path)):
            if name == "files.get" and call.query.get("alt") == "media":
                name = "files.download"
            return name, found.groupdict().get("file")
    return "unknown", None


def _id(call: Call) -> str:
    return _routed(call)[1] or ""


def _about(files: Files, call: Call) -> Reply:
    return as_json(about(files, base(call)))


def _generated(files: Files, call: Call) -> Reply:
    del files
    count = call.query.get("maxResults", "10")
    if not (count.isascii() and count.isdecimal() and 1 <= int(count[:9]) <= 1000):
        raise ServiceError(f"Invalid value {count[:20]!r} for maxResults.", reason="invalid")
    ids = [new_id() for _ in range(int(count))]
    return as_json({"kind": "drive#generatedIds", "space": "drive", "ids": ids})


def _listed(files: Files, call: Call, most: int | None) -> Reply:
    return as_json(page(files, call, base(call), most))


def _got(files: Files, call: Call) -> Reply:
    return as_json(resource(files.get(_id(call)), files, base(call)))


def _inserted(files: Files, call: Call) -> Reply:
    file = made(files, parsed(call.body), call)
    if file.mime != FOLDER:
        file = file.holding(Content(files.keep(b""), 0, _NO_BYTES))
    return as_json(resource(files.save(file), files, base(call)))


def _updated(files: Files, call: Call) -> Reply:
    file = files.get(_id(call), Role.WRITER)
    check_change(files, call, file)
    file = changed(files, file, parsed(call.body), call)
    return as_json(resource(files.save(file), files, base(call)))


def _deleted(files: Files, call: Call) -> Reply:
    file = files.get(_id(call), Role.OWNER)
    check_change(files, call, file)
    files.delete(file)
    return Reply(204, JSON, b"")


def _put_away(files: Files, call: Call, gone: bool) -> Reply:
    file = files.get(_id(call), Role.OWNER)
    check_change(files, call, file)
    return as_json(resource(files.save(replace(file, explicit=gone)), files, base(call)))


def _permissions(files: Files, call: Call) -> Reply:
    items = [
        permission(grantee, role, files) for grantee, role in files.grants(files.get(_id(call)))
    ]
    return as_json({"kind": "drive#permissionList", "items": items})


def _shared(files: Files, call: Call) -> Reply:
    file, asked = files.get(_id(call), Role.WRITER), parsed(call.body)
    role, grantee = _ROLES.get(str(asked.get("role"))), asked.get("value")
    if asked.get("type") != "user" or role is None or not is_address(grantee):
        raise ServiceError(
            "The emulator's Drive shares with users, by their address, as reader or writer.",
            reason="invalidSharingRequest",
        )
    files.share(file, str(grantee), role)
    return as_json(permission(str(grantee), role, files))
