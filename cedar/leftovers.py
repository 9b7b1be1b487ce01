"""What earlier attempts at an item have left in the store: most of it the last one has replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .changes import former
from .exceptions import Conflict, NotFoundError
from .stores.base import document_key

if TYPE_CHECKING:
    from .stores.base import Store

Entry = Mapping[str, Any]


def delete_former(entries: Sequence[Entry], store: Store) -> Iterator[tuple[Entry, str]]:
    """Delete the files of items' earlier attempts that are still as those made them.

    Yields each with its item. What is gone, or was replaced, is left.
    """
    attempts = [(entry, attempt) for entry in entries for attempt in former(entry)]
    while attempts:
        # On Drive several attempts' files have one name: of each, one at a time.
        together: dict[str, tuple[Entry, str]] = {}
        later = []
        for entry, attempt in attempts:
            keys = {f"{attempt['prefix']}/{o['name']}": o["version"] for o in attempt["outputs"]}
            if keys.keys() & together.keys():
                later.append((entry, attempt))
            else:
                together |= {key: (entry, version) for key, version in keys.items()}
        failed = store.delete_many({key: version for key, (_, version) in together.items()})
        for key, (entry, _) in together.items():
            if key not in failed:
                yield entry, key.rpartition("/")[2]
            elif not isinstance(failed[key], Conflict | NotFoundError):
                raise failed[key]
        attempts = later


def documented(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return entries by the keys of their documents, those of items that were cut in parts too."""
    return {
        document_key(each["name"], each["prefix"]): each
        for entry in entries
        for each in (*former(entry), entry)
    }
