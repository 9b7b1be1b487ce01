"""Files as rows, and what an account may do with them."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ..values import ServiceError
from .query import Asker, words

FOLDER: Final = "application/vnd.google-apps.folder"
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS drive_files (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, parent TEXT, title TEXT NOT NULL,
        folded TEXT NOT NULL, words TEXT NOT NULL, mime TEXT NOT NULL, description TEXT NOT NULL,
        properties TEXT NOT NULL, starred INTEGER NOT NULL, explicit INTEGER NOT NULL,
        trashed INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
        version INTEGER NOT NULL, size INTEGER, md5 TEXT, blob TEXT, revision TEXT)""",
    "CREATE INDEX IF NOT EXISTS drive_files_parent ON drive_files (parent)",
    "CREATE INDEX IF NOT EXISTS drive_files_owner ON drive_files (owner, size, trashed)",
    """CREATE TABLE IF NOT EXISTS drive_permissions (
        file TEXT NOT NULL, account TEXT NOT NULL, role INTEGER NOT NULL, created INTEGER NOT NULL,
        PRIMARY KEY (file, account))""",
    "CREATE TABLE IF NOT EXISTS drive_accounts (account TEXT PRIMARY KEY, root TEXT NOT NULL)",
)
_UP: Final = """WITH RECURSIVE up (id, owner, parent) AS (
    SELECT id, owner, parent FROM drive_files WHERE id = ?
    UNION SELECT f.id, f.owner, f.parent FROM drive_files f JOIN up ON f.id = up.parent)
SELECT up.id, up.owner, p.account, p.role FROM up LEFT JOIN drive_permissions p ON p.file = up.id"""
_BELOW: Final = """id IN (WITH RECURSIVE down (id) AS (
    SELECT ? UNION SELECT f.id FROM drive_files f JOIN down ON f.parent = down.id)
SELECT id FROM down)"""
#: Whether each is in the trash, from a file downwards.
_TRASH: Final = """WITH RECURSIVE down (id, gone) AS (
    SELECT f.id, f.explicit OR coalesce(
        (SELECT p.trashed FROM drive_files p WHERE p.id = f.parent), 0)
    FROM drive_files f WHERE f.id = ?
    UNION SELECT f.id, f.explicit OR down.gone FROM drive_files f JOIN down ON f.parent = down.id)
UPDATE drive_files SET trashed = down.gone FROM down WHERE drive_files.id = down.id"""


class Role(IntEnum):
    """What an account may do with a file; the greater includes the less."""

    READER = 1
    WRITER = 2
    OWNER = 3


@dataclass(frozen=True)
class Content:
    """Bytes that are in the state: the blob's name, their number and MD5 in hexadecimals."""

    blob: str
    size: int
    md5: str


@dataclass(frozen=True)
class File:
    """A file or folder, as its row has it.

    Attributes
    ----------
    explicit : bool
        It was put into the trash by itself.
    trashed : bool
        It is in the trash, by itself or with a folder that it is in.
    folded, words : str
        The title as it is compared, and as it is searched.
    created, modified : int
        Milliseconds since 1970.
    version : int
        Grows with every change.
    size, md5, blob, revision
        Of the content; None for folders.
    """

    id: str
    owner: str
    parent: str | None
    title: str
    folded: str
    words: str
    mime: str
    description: str
    properties: str
    starred: bool
    explicit: bool
    trashed: bool
    created: int
    modified: int
    version: int
    size: int | None = None
    md5: str | None = None
    blob: str | None = None
    revision: str | None = None

    @property
    def etag(self) -> str:
        """Changes whenever the file does."""
        return f'"{hashlib.sha256(f"{self.id}/{self.version}".encode()).hexdigest()[:27]}"'

    def titled(self, title: str) -> File:
        """The same with another title."""
        return replace(self, title=title, folded=title.casefold(), words=words(title))

    def holding(self, content: Content) -> File:
        """The same with another content."""
        revision = f"0B{secrets.token_urlsafe(36)}"
        return replace(
            self, size=content.size, md5=content.md5, blob=content.blob, revision=revision
        )


_COLUMNS: Final = tuple(field.name for field in fields(File))
_REPLACE: Final = (
    f"REPLACE INTO drive_files ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our names
)


@dataclass(frozen=True)
class Access:
    """An account's part in a file.

    Attributes
    ----------
    role : Role or None
        None: it isn't there, for them.
    shared : bool
        Whether others have one.
    sees_parent : bool
        Whether the folder that it is in is there for them.
    """

    role: Role | None
    shared: bool
    sees_parent: bool


def not_permitted() -> ServiceError:
    """What an account may not do."""
    return ServiceError(
        "The user does not have sufficient permissions for this file",
        403,
        reason="insufficientFilePermissions",
    )


class Files:
    """The files of a Drive, for one account, while a transaction lasts.

    Parameters
    ----------
    rows : sqlite3.Connection
        Within a transaction.
    blobs : Path
        Where contents are.
    account : str
        Who asks: an address of electronic mail.
    now : int
        Milliseconds since 1970.
    quota : int
        Bytes that an account's files may have, those in the trash included.

    Attributes
    ----------
    written, dropped : set of str
        Blobs that nothing names if the transaction fails; or if it doesn't.
    """

    def __init__(self, rows: sqlite3.Connection, blobs: Path, account: str, now: int, quota: int):
        self.rows, self._blobs, self.account, self.now = rows, blobs, account, now
        self.quota = quota
        self.written: set[str] = set()
        self.dropped: set[str] = set()

    @cached_property
    def asker(self) -> Asker:
        """The account with its root folder, made when it first asks."""
        found = self._one("SELECT root FROM drive_accounts WHERE account = ?", self.account)
        if found is not None:
            return Asker(self.account, found[0])
        root = f"0A{secrets.token_urlsafe(10)}PVA"[:19]
        self.rows.execute("INSERT INTO drive_accounts VALUES (?, ?)", (self.account, root))
        self._save(self.new(root, FOLDER).titled("My Drive"))
        return Asker(self.account, root)

    def _one(self, sql: str, *values: Any) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self.rows.execute(sql, values).fetchone()
        return row

    def new(self, file_id: str, mime: str) -> File:
        """A file that isn't there yet, owned by the account, in no folder."""
        return File(
            file_id, self.account, None, "Untitled", "untitled", words("Untitled"), mime, "",
            "[]", False, False, False, self.now, self.now, 1,
        )  # fmt: skip

    # ---- to read

    def id(self, given: str) -> str:
        """A file's id, where ``root`` may stand for one."""
        return self.asker.root if given == "root" else given

    def exists(self, file_id: str) -> bool:
        """Whether there is such a file, for any account."""
        return self._one("SELECT 1 FROM drive_files WHERE id = ?", file_id) is not None

    def get(self, given: str, role: Role = Role.READER) -> File:
        """A file that the account has at least this part in.

        Raises
        ------
        ServiceError
            There is none for it (404), or it may not (403).
        """
        file_id = self.id(given)
        has = self.access(file_id).role
        if has is None:
            raise ServiceError(f"File not found: {given}", 404, reason="notFound")
        if has < role:
            raise not_permitted()
        return next(self.selected("id = ?", (file_id,)))

    def selected(self, where: str, values: Iterable[Any], rest: str = "") -> Iterator[File]:
        """Files by a condition in SQL, whoever's they are, one by one."""
        rows = self.rows.execute(f"SELECT * FROM drive_files WHERE {where} {rest}", tuple(values))  # noqa: S608 - from this package
        return (File(*row) for row in rows)

    def access(self, file_id: str) -> Access:
        """The account's part in a file: its own, or by a folder that it is in."""
        chain = self.rows.execute(_UP, (file_id,)).fetchall()
        roles: dict[str, Role] = {}
        for at, owner, grantee, granted in chain:
            if owner == self.account:
                roles[at] = Role.OWNER if at == file_id else Role.WRITER
            elif grantee == self.account:
                roles[at] = max(Role(granted), roles.get(at, Role.READER))
        owners = {owner for _, owner, *_ in chain}
        return Access(
            max(roles.values(), default=None),
            len(owners) > 1 or any(grantee for *_, grantee, _ in chain),
            bool(roles.keys() - {file_id}),
        )

    def used(self, owner: str) -> tuple[int, int]:
        """Bytes of an account's files, and of those of them that are in the trash."""
        ((all_of_them, in_trash),) = self.rows.execute(
            "SELECT coalesce(sum(size), 0), coalesce(sum(size * trashed), 0)"
            " FROM drive_files WHERE owner = ?",
            (owner,),
        )
        return all_of_them, in_trash

    def check_quota(self, more: int, owner: str) -> None:
        """Refuse bytes that an account's Drive has no room for.

        Raises
        ------
        ServiceError
            It hasn't.
        """
        if more > 0 and self.used(owner)[0] + more > self.quota:
            raise ServiceError(
                "The user has exceeded their Drive storage quota", 403, reason="quotaExceeded"
            )

    # ---- to change

    def keep(self, data: bytes | memoryview) -> str:
        """Write bytes, for what is saved in this transaction; the blob's name."""
        name = uuid.uuid4().hex
        self.written.add(name)
        (self._blobs / name).write_bytes(data)
        return name

    def _save(self, file: File) -> None:
        self.rows.execute(_REPLACE, astuple(file))

    def save(self, file: File) -> File:
        """Write a file's row, which says whether it is in the trash with its folder.

        Raises
        ------
        ServiceError
            Its content has no room.
        """
        old = next(self.selected("id = ?", (file.id,)), None)
        if file.blob and (old is None or old.blob != file.blob):
            self.check_quota((file.size or 0) - ((old and old.size) or 0), file.owner)
            if old and old.blob:
                self.dropped.add(old.blob)
        self._save(replace(file, version=old.version + 1 if old else 1))
        self.rows.execute(_TRASH, (file.id,))
        return next(self.selected("id = ?", (file.id,)))

    def delete(self, file: File) -> None:
        """Remove a file for good, and of what is in a folder whatever is its owner's.

        What is another's is in no folder from then on.
        """
        below = list(self.selected(_BELOW, (file.id,)))
        gone = [each for each in below if each.owner == file.owner]
        for each in gone:
            self.rows.execute("DELETE FROM drive_files WHERE id = ?", (each.id,))
            self.rows.execute("DELETE FROM drive_permissions WHERE file = ?", (each.id,))
            self.rows.execute("UPDATE drive_files SET parent = NULL WHERE parent = ?", (each.id,))
        self.dropped |= {each.blob for each in gone if each.blob}
        for each in below:
            self.rows.execute(_TRASH, (each.id,))

    # ---- to share

    def share(self, file: File, account: str, role: Role) -> None:
        """Give an account a part in a file, instead of what it had."""
        self.rows.execute(
            "REPLACE INTO drive_permissions VALUES (?, ?, ?, ?)",
            (file.id, account, role, self.now),
        )
        self.save(file)

    def grants(self, file: File) -> list[tuple[str, Role]]:
        """Accounts that have a part in a file by itself, the owner first."""
        rows = self.rows.execute(
            "SELECT account, role FROM drive_permissions WHERE file = ? ORDER BY created, account",
            (file.id,),
        )
        return [(file.owner, Role.OWNER), *((account, Role(role)) for account, role in rows)]

    def below(self, folder: str, file_id: str) -> bool:
        """Whether a folder is a file, or in it at any depth."""
        return any(above == file_id for above, *_ in self.rows.execute(_UP, (folder,)))


def parsed_properties(file: File) -> list[dict[str, str]]:
    """The properties that applications gave a file."""
    properties: list[dict[str, str]] = json.loads(file.properties)
    return properties
