"""Verified copies of an item's outputs, as its entry in the record notes them."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .documents import timestamp

if TYPE_CHECKING:
    from .changes import Change

Entry = Mapping[str, Any]


def downloaded(dest: Path, folder: str = "") -> Change:
    """Return a change: the item has a verified copy in a directory of this machine.

    Parameters
    ----------
    dest : Path
        The order's directory, resolved.
    folder : str, optional
        Where in it the item's files are.
    """
    host, path = platform.node(), str(dest)

    def change(entry: dict[str, Any]) -> None:
        others = [d for d in entry["downloads"] if (d["host"], d["path"]) != (host, path)]
        verified = timestamp(dt.datetime.now(dt.UTC))
        copy = {"host": host, "path": path, "verified": verified}
        entry["downloads"] = [*others, {**copy, "folder": folder} if folder else copy]

    return change


def has_copy(entry: Entry) -> bool:
    """Whether a verified download of the item's outputs is still on this machine."""
    return any(_is_there(entry, copy) for copy in entry["downloads"])


def is_downloaded(entry: Entry, dest: Path) -> bool:
    """Whether a verified download of the item's outputs is still in a directory."""
    path = str(dest.resolve())
    copies = [copy for copy in entry["downloads"] if copy["path"] == path]
    return not entry["outputs"] or any(_is_there(entry, copy) for copy in copies)


def _is_there(entry: Entry, copy: Mapping[str, str]) -> bool:
    return copy["host"] == platform.node() and all(
        (path := Path(copy["path"], copy.get("folder", ""), output["name"])).is_file()
        and path.stat().st_size == output["size"]
        for output in entry["outputs"]
    )
