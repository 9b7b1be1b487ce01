"""Files, permissions and accounts as Drive v2 describes them."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import PurePosixPath
from typing import Any, Final

from .files import FOLDER, File, Files, Role, parsed_properties

_ROLES: Final = {Role.READER: "reader", Role.WRITER: "writer", Role.OWNER: "owner"}


def _date(ms: int) -> str:
    """RFC 3339 to the millisecond, as Drive writes it."""
    time = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _permission_id(account: str) -> str:
    return str(int(hashlib.sha256(account.encode()).hexdigest()[:16], 16)).zfill(20)


def _user(account: str, files: Files) -> dict[str, Any]:
    return {
        "kind": "drive#user",
        "displayName": account.partition("@")[0],
        "isAuthenticatedUser": account == files.account,
        "permissionId": _permission_id(account),
        "emailAddress": account,
    }


def about(files: Files, base: str) -> dict[str, Any]:
    """The account, and how much room it has."""
    used, in_trash = map(str, files.used(files.account))
    return {
        "kind": "drive#about",
        "selfLink": f"{base}/drive/v2/about",
        "name": files.account.partition("@")[0],
        "user": _user(files.account, files),
        "permissionId": _permission_id(files.account),
        "rootFolderId": files.asker.root,
        "quotaType": "LIMITED",
        "quotaBytesTotal": str(files.quota),
        "quotaBytesUsed": used,
        "quotaBytesUsedAggregate": used,
        "quotaBytesUsedInTrash": in_trash,
    }


def permission(account: str, role: Role, files: Files) -> dict[str, Any]:
    """An account's part in a file."""
    return {
        "kind": "drive#permission",
        "id": _permission_id(account),
        "type": "user",
        "role": _ROLES[role],
        "name": _user(account, files)["displayName"],
        "emailAddress": account,
        "domain": account.partition("@")[2],
    }


def resource(file: File, files: Files, base: str) -> dict[str, Any]:
    """A file or folder, as the account sees it."""
    access = files.access(file.id)
    role = access.role or Role.READER
    link = f"{base}/drive/v2/files/{file.id}"
    described: dict[str, Any] = {
        "kind": "drive#file",
        "id": file.id,
        "etag": file.etag,
        "selfLink": link,
        "title": file.title,
        "mimeType": file.mime,
        "labels": {
            "starred": bool(file.starred),
            "hidden": False,
            "trashed": bool(file.trashed),
            "restricted": False,
            "viewed": True,
        },
        "explicitlyTrashed": bool(file.explicit),
        "createdDate": _date(file.created),
        "modifiedDate": _date(file.modified),
        "version": str(file.version),
        "parents": [_parent(file.parent, link, files)]
        if file.parent is not None and access.sees_parent
        else [],
        "ownerNames": [file.owner.partition("@")[0]],
        "owners": [_user(file.owner, files)],
        "ownedByMe": role is Role.OWNER,
        "shared": access.shared,
        "userPermission": permission(files.account, role, files),
        "editable": role >= Role.WRITER,
        "capabilities": _capabilities(file, role),
        "quotaBytesUsed": str(file.size or 0),
        "spaces": ["drive"],
        "properties": parsed_properties(file),
    }
    if file.description:
        described["description"] = file.description
    if file.blob is not None:
        described |= {
            "fileSize": str(file.size),
            "md5Checksum": file.md5,
            "headRevisionId": file.revision,
            "originalFilename": file.title,
            "fileExtension": PurePosixPath(file.title).suffix.removeprefix("."),
            "downloadUrl": f"{link}?alt=media&source=downloadUrl",
        }
    return described


def _parent(parent: str, link: str, files: Files) -> dict[str, Any]:
    return {
        "kind": "drive#parentReference",
        "id": parent,
        "selfLink": f"{link}/parents/{parent}",
        "isRoot": parent == files.asker.root,
    }


def _capabilities(file: File, role: Role) -> dict[str, bool]:
    writes, owns = role >= Role.WRITER, role is Role.OWNER
    return {
        "canAddChildren": writes and file.mime == FOLDER,
        "canListChildren": file.mime == FOLDER,
        "canDownload": file.blob is not None,
        "canEdit": writes,
        "canRename": writes,
        "canShare": writes,
        "canDelete": owns,
        "canTrash": owns,
        "canUntrash": owns,
    }
