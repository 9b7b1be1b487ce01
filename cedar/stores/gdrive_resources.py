"""Files and folders of Drive as cedar knows them, and how they are asked for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..items import ObjectInfo
from .versions import IfVersion

FOLDER: Final = "application/vnd.google-apps.folder"
#: What is Google's own has no content to fetch.
_GOOGLES: Final = "application/vnd.google-apps."
#: The form of a file's id.
ID: Final = re.compile(r"[A-Za-z0-9_-]+")
#: Key of the property under which cedar notes something on a file or folder that it made.
_NOTE: Final = "cedar"
#: What is asked of the service about a file.
FIELDS: Final = (
    "id,title,mimeType,fileSize,md5Checksum,headRevisionId,etag,createdDate,modifiedDate,"
    "capabilities(canEdit),parents(id),labels(trashed),properties(key,value)"
)


@dataclass(frozen=True)
class Mark:
    """What cedar notes on a file that it made.

    Attributes
    ----------
    generation : int
        1 for the first file of a key; one more for each that took the place of the one before.
    next : str
        Id that the file that takes its place will have. Since the service takes an id once, of
        many who would take its place one does.
    nonce : str
        Whose write it was: no other has it.
    """

    generation: int
    next: str
    nonce: str

    @property
    def note(self) -> str:
        """As the property's value."""
        return f"{self.generation} {self.next} {self.nonce}"

    @classmethod
    def parse(cls, note: str | None) -> Mark | None:
        """Read a property's value; None where it isn't such a note."""
        parts = (note or "").split(" ")
        if len(parts) != 3 or not re.fullmatch("[0-9]{1,15}", parts[0]):
            return None
        return cls(int(parts[0]), parts[1], parts[2])


@dataclass(frozen=True)
class DriveFile:
    """A file or folder, as the service describes it.

    Attributes
    ----------
    size, checksum
        None for what has no content: folders, and Google's own documents.
    revision : str
        Of the content.
    etag : str
        Changes with anything about the file.
    created : str
        RFC 3339 in UTC, as the service writes it: it sorts by the letter.
    editable : bool
        Whether the account may write to it.
    note : str or None
        What cedar noted on it.
    """

    id: str
    title: str
    kind: str
    size: int | None
    checksum: str | None
    revision: str
    etag: str
    created: str
    updated: dt.datetime
    editable: bool
    parents: tuple[str, ...]
    trashed: bool
    note: str | None

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> DriveFile:
        """Read the service's description."""
        size, md5 = resource.get("fileSize"), resource.get("md5Checksum")
        notes = (each for each in resource.get("properties", ()) if each.get("key") == _NOTE)
        etag = resource.get("etag", "")
        return cls(
            resource["id"],
            resource["title"],
            resource["mimeType"],
            None if size is None else int(size),
            md5 and f"md5:{md5}",
            resource.get("headRevisionId") or etag.strip('"'),
            etag,
            resource["createdDate"],
            dt.datetime.fromisoformat(resource["modifiedDate"]),
            bool(resource.get("capabilities", {}).get("canEdit")),
            tuple(parent["id"] for parent in resource.get("parents", ())),
            bool(resource.get("labels", {}).get("trashed")),
            next((each.get("value") for each in notes), None),
        )

    @property
    def is_object(self) -> bool:
        """Whether it has a content that can be fetched and checked."""
        return None not in (self.size, self.checksum) and not self.kind.startswith(_GOOGLES)

    @property
    def mark(self) -> Mark | None:
        """What cedar noted on it; None for what isn't cedar's."""
        return Mark.parse(self.note)

    @property
    def version(self) -> str:
        """Which file, and which content of it."""
        return f"{self.id}/{self.revision}"

    @property
    def rank(self) -> tuple[int, str, str]:
        """Sorts files of one name: the first of them is the object of that name."""
        return -(self.mark.generation if self.mark else 0), self.created, self.id

    def info(self, key: str) -> ObjectInfo:
        """Describe it as the object of a key."""
        return ObjectInfo(key, self.size or 0, self.version, self.checksum, self.updated, self.id)


def file_id(version: IfVersion) -> str | None:
    """Return the id of the file that a version names; None where it can't name any."""
    named = version.partition("/")[0] if isinstance(version, str) else ""
    return named if ID.fullmatch(named) else None


def titled(title: str) -> str:
    """Condition on a title, which the service compares without regard to case."""
    escaped = title.replace("\\", "\\\\").replace("'", "\\'")
    return f"title = '{escaped}'"


def inside(folders: Sequence[str]) -> str:
    """Condition that a file is in one of some folders."""
    return "(" + " or ".join(f"'{folder}' in parents" for folder in folders) + ")"


def noted(note: str | None) -> dict[str, Any]:
    """Put what cedar notes on a file into the service's words."""
    if note is None:
        return {}
    # Others' clients see what is public: those who share a folder have different ones.
    return {"properties": [{"key": _NOTE, "value": note, "visibility": "PUBLIC"}]}
