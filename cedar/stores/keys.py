"""Keys of objects and names of documents and images; documents as bytes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..exceptions import DocumentError, InputError, OversizedError
from ..metadata.document import json_text

#: Of the first part of a key, kept for what a store needs for itself.
RESERVED: Final = ".cedar"
#: What Earth Engine appends to the name of an image that it writes as several files: the row and
#: column of the part's first pixel. On Drive a dash comes before it, on Cloud Storage none.
SHARD: Final = re.compile(r"(-?)[0-9]{10}-[0-9]{10}$")


def check_key(key: str) -> None:
    """Refuse what no store takes for a key, so that none can lead out of its prefix.

    Raises
    ------
    InputError
        It is empty or absolute, has an empty part, ``.``, ``..``, a backslash or a control
        character, isn't Unicode text, or starts with the part ``.cedar``.
    """
    parts = key.split("/")
    # ".CEDAR" too, which is the same to some file systems.
    reserved = parts[0].casefold() == RESERVED
    if reserved or {"", ".", ".."} & {*parts} or re.search(r"[\\\x00-\x1f\x7f]", key):
        raise InputError(f"{key!r} can't be the key of an object: use plain parts joined by '/'")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{key!r} can't be the key of an object: it isn't Unicode text") from error


def document_key(name: str, path: str | None = None) -> str:
    """Key of the JSON document of a name, which may carry ``.json``."""
    return key_of(f"{stem(name)}.json", path)


def encode_document(document: Mapping[str, Any], name: str) -> bytes:
    """Bytes of a JSON document.

    Raises
    ------
    DocumentError
        It holds what JSON can't: NaN, an object of Python's.
    """
    try:
        return f"{json_text(document)}\n".encode()
    except (TypeError, ValueError) as error:
        raise DocumentError(f"{name} can't be written as JSON: {error}", name) from error


def decode_document(data: bytes, name: str) -> dict[str, Any]:
    """Content of a JSON document.

    Raises
    ------
    DocumentError
        It is damaged.
    """
    damaged = f"{name}.json in the store is damaged; put a good copy in its place"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{damaged}: {error}", name) from error
    if not isinstance(document, dict):
        raise DocumentError(f"{damaged}: it isn't a JSON object", name)
    return document


def too_large(key: str, size: int, most: int) -> OversizedError:
    """Say of an object that it has more bytes than any document of cedar's."""
    return OversizedError(
        f"{key} has {size:,} bytes, more than the {most:,} of any document of cedar's: it was not "
        "read",
        key,
    )


def key_of(file: str, path: str | None) -> str:
    """Key of a file under a prefix."""
    return f"{path}/{file}" if path else file


def shared_start(names: Iterable[str], path: str | None = None) -> str:
    """What the keys of all files of some names under a prefix begin with."""
    # Character by character is how stores take a prefix.
    return key_of(os.path.commonprefix([*names]), path)  # noqa: RUF071


def stem(name: str) -> str:
    """A name without ``.json``."""
    return name.removesuffix(".json")


def image_names(file: str) -> set[str]:
    """Every name that a file is an image of: what comes before a shard's dash may be part of it."""
    name = file.removesuffix(".tif")
    if name == file:
        return set()
    shard = SHARD.search(name)
    return {name, name[: shard.start()], name[: shard.end(1)]} if shard else {name}
