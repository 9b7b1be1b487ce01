"""What a request says about a file, applied to it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..questions import answers
from ..transport import Call
from ..values import ServiceError
from .files import FOLDER, File, Files, Role, not_permitted, parsed_properties
from .query import milliseconds

#: The form of ids, those of files.generateIds among them.
_ID: Final = re.compile("[A-Za-z0-9_-]{25,44}")
_HEEDED: Final = frozenset(
    {
        *("addParents", "alt", "maxResults", "orderBy", "pageToken", "q", "removeParents"),
        *("setModifiedDate", "upload_id", "uploadType"),
    }
)
#: Those that change nothing here.
_IDLE: Final = frozenset(
    {
        *("acknowledgeAbuse", "enforceSingleParent", "fields", "includeItemsFromAllDrives", "key"),
        *("newRevision", "pinned", "prettyPrint", "projection", "quotaUser"),
        *("sendNotificationEmails", "source", "supportsAllDrives", "supportsTeamDrives"),
        *("updateViewedDate", "useContentAsIndexableText", "userIp", "visibility"),
    }
)
_PLAIN: Final = "application/octet-stream"


def new_id() -> str:
    """An id that no file has."""
    return f"1{secrets.token_urlsafe(24)}"


def parsed(body: bytes | memoryview) -> dict[str, Any]:
    """The file that a body describes.

    Raises
    ------
    ServiceError
        It is no JSON object.
    """
    try:
        metadata = json.loads(bytes(body) or b"{}")
        json.dumps(metadata, ensure_ascii=False).encode()  # halves of surrogate pairs are no text
    except (ValueError, RecursionError):
        raise ServiceError("Parse Error", reason="parseError") from None
    if not isinstance(metadata, dict):
        raise ServiceError("Parse Error", reason="parseError")
    return metadata


def made(files: Files, metadata: Mapping[str, Any], call: Call, media_type: str = "") -> File:
    """A new file as a request describes it, not saved yet.

    Raises
    ------
    ServiceError
        It can't be so.
    """
    file_id = metadata.get("id")
    if file_id is None:
        file_id = new_id()
    elif not isinstance(file_id, str) or not _ID.fullmatch(file_id):
        raise ServiceError("The provided file ID is not usable", reason="invalid")
    elif files.exists(file_id):
        raise ServiceError("A file already exists with the provided ID", 409, reason="fileIdInUse")
    file = replace(files.new(file_id, media_type or _PLAIN), parent=files.asker.root)
    return changed(files, file, metadata, call)


def changed(files: Files, file: File, metadata: Mapping[str, Any], call: Call) -> File:
    """A file with what a request says about it, not saved yet.

    Raises
    ------
    ServiceError
        It can't be so.
    """
    if (title := _text(metadata, "title")) is not None:
        file = file.titled(title)
    if mime := _text(metadata, "mimeType"):
        if (mime == FOLDER) != (file.mime == FOLDER) and files.exists(file.id):
            raise _invalid("mimeType: a file doesn't become a folder, nor a folder a file")
        file = replace(file, mime=mime)
    if (description := _text(metadata, "description")) is not None:
        file = replace(file, description=description)
    explicit, is_new = file.explicit, not files.exists(file.id)
    file = _labelled(replace(file, modified=_modified(files, metadata, call)), metadata)
    if file.explicit != explicit and not is_new:
        files.get(file.id, Role.OWNER)
    return _moved(files, file, metadata, call, is_new)


def check_parameters(call: Call) -> None:
    """Refuse a parameter that the emulator doesn't have: what it asks for wouldn't be done.

    Raises
    ------
    ServiceError
        There is one, and it isn't ``false``.
    """
    for name, value in call.query.items():
        if name not in _HEEDED | _IDLE and value != "false":
            raise ServiceError(
                f"The emulator's Drive has no parameter {name[:40]!r}.", reason="badRequest"
            )


def check_change(files: Files, call: Call, file: File) -> None:
    """Refuse a change of a file that isn't what its If-Match says, or of a root folder.

    Raises
    ------
    ServiceError
        It isn't, and the service minds it; or it is one.
    """
    if file.id == files.asker.root:
        raise not_permitted()
    wanted = call.headers.get("if-match")
    if answers().drive_etag and wanted not in (None, "*", file.etag):
        raise ServiceError("Precondition Failed", 412, reason="conditionNotMet")


def _invalid(problem: str) -> ServiceError:
    return ServiceError(f"Invalid value for {problem}.", reason="invalid")


def _text(metadata: Mapping[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    if value is not None and not isinstance(value, str):
        raise _invalid(key)
    return value


def _modified(files: Files, metadata: Mapping[str, Any], call: Call) -> int:
    given = _text(metadata, "modifiedDate")
    if given is None or call.query.get("setModifiedDate") != "true":
        return files.now
    return milliseconds(given)


def _labelled(file: File, metadata: Mapping[str, Any]) -> File:
    labels, properties = metadata.get("labels"), metadata.get("properties")
    if labels is not None:
        if not isinstance(labels, dict):
            raise _invalid("labels")
        starred = bool(labels.get("starred", file.starred))
        file = replace(file, starred=starred, explicit=bool(labels.get("trashed", file.explicit)))
    if properties is not None:
        file = replace(file, properties=json.dumps(_merged(file, properties)))
    return file


def _merged(file: File, properties: Any) -> list[dict[str, str]]:
    """Properties with what is given: one without a value is taken away."""
    try:
        known = {(each["key"], each["visibility"]): each for each in parsed_properties(file)}
        for each in properties:
            key, visibility = str(each["key"]), str(each.get("visibility", "PRIVATE"))
            known.pop((key, visibility), None)
            if each.get("value") is not None:
                entry = {"key": key, "value": str(each["value"]), "visibility": visibility}
                known[key, visibility] = {"kind": "drive#property", **entry}
    except (AttributeError, KeyError, TypeError):
        raise _invalid("properties") from None
    return list(known.values())


def _moved(files: Files, file: File, metadata: Mapping[str, Any], call: Call, is_new: bool) -> File:
    """A file in the one folder that a request puts it into; it may be in none."""
    parents = {file.parent} - {None}
    if (given := metadata.get("parents")) is not None:
        try:
            parents = {files.id(each["id"]) for each in given} or parents
        except (KeyError, TypeError):
            raise _invalid("parents") from None
    added, removed = (
        {files.id(each) for each in call.query.get(name, "").split(",") if each}
        for name in ("addParents", "removeParents")
    )
    parents = (parents - removed) | added
    if len(parents) > 1:
        raise ServiceError(
            "Increasing the number of parents is not allowed", 403, reason="cannotAddParent"
        )
    parent = next(iter(parents), None)
    if parent is not None and (is_new or parent != file.parent):
        _check_folder(files, file, parent)
    return replace(file, parent=parent)


def _check_folder(files: Files, file: File, parent: str) -> None:
    if files.get(parent, Role.WRITER).mime != FOLDER:
        raise ServiceError("The specified parent is not a folder.", 403, reason="parentNotAFolder")
    if files.below(parent, file.id):
        raise _invalid("parents: a folder isn't in itself")
