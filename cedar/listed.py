"""Listed images: those that an order takes of what a search finds, and no others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .exceptions import InputError

if TYPE_CHECKING:
    from .items import Item

#: Ids, or a file of them.
Images = Sequence[str] | PathLike[str]
#: ``system:index`` of each image, sorted, by collection; of merged ones by member.
Listed = Mapping[str, Sequence[str]]

#: No id has what separates the columns of a table.
_ID: Final = re.compile(r"(?:(?P<collection>[^\s,;\"']+)/)?(?P<index>[^\s,;\"'/]+)")


def parse(
    images: Images, collections: Sequence[str], members: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Check a list of images, and sort it by collection.

    Parameters
    ----------
    images : sequence of str, or path
        Ids, ``COLLECTION/system:index``; where one collection is ordered ``system:index`` does. Or
        the path of a text file that has one a line; what follows a ``#`` is a comment.
    collections : sequence of str
        Ids of the collections that are ordered.
    members : mapping, optional
        By such an id, those that its images are of, where that isn't it alone.

    Raises
    ------
    InputError
        The file can't be read, a line is no image of these collections or is there twice, or no
        image of one of them is listed.
    """
    if isinstance(images, str):
        raise InputError(f"images are a list of ids or the Path of a file, not a text: {images!r}")
    if isinstance(images, PathLike):
        source, rows = str(Path(images)), list(_lines(Path(images)))
    else:
        source = "images"
        rows = [(f"number {number}", given) for number, given in enumerate(images, 1)]
    of = {each: (each,) for each in collections} | {**(members or {})}
    sources = tuple(dict.fromkeys(member for each in of.values() for member in each))
    listed = _check(source, rows, sources, of.keys() - {*sources})
    for collection in collections:
        if all(each not in of[collection] for each, _ in listed):
            raise InputError(
                f"{source} lists no image of {collection}: list some, or don't order it"
            )
    return {
        collection: tuple(sorted(index for each, index in listed if each == collection))
        for collection in sources
    }


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"can't use {path} as a list of images: it isn't UTF-8 text") from error
    for number, line in enumerate(text.split("\n"), 1):
        if given := line.partition("#")[0].strip():
            yield f"line {number}", given


def _check(
    source: str,
    rows: Iterable[tuple[str, Any]],
    collections: Sequence[str],
    merged: Collection[str],
) -> set[tuple[str, str]]:
    """Return the (collection, index) of each row; no image is of what others are merged into."""
    places: dict[tuple[str, str], str] = {}
    wrong = []
    for place, given in rows:
        try:
            image = _image(given, collections, merged)
        except InputError as error:
            wrong.append(f"{source}, {place}: {error}")
            continue
        if image in places:
            wrong.append(f"{source}, {place}: {given} is in {places[image]} already")
        places.setdefault(image, place)
    if wrong:
        more = f" (and {len(wrong) - 1:,} more like that)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{more}")
    return {*places}


def _image(given: Any, collections: Sequence[str], merged: Collection[str]) -> tuple[str, str]:
    match = _ID.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise InputError(f"{given!r} isn't the id of an image")
    collection, index = match["collection"], match["index"]
    if collection in merged or (collection is None and len(collections) > 1):
        raise InputError(f"{index} may be of several collections: write COLLECTION/{index}")
    if collection is not None and collection not in collections:
        raise InputError(f"{given} is of {collection}, which isn't ordered")
    return collection or collections[0], index


def lacking(listed: Listed | None, searched: Iterable[Item]) -> tuple[str, ...]:
    """Return the ids of the listed images that no item has."""
    found = {
        (group.collection or item.collection, image.index)
        for item in searched
        for group in item.groups
        for image in group.images
    }
    return tuple(
        f"{collection}/{index}"
        for collection, indices in (listed or {}).items()
        for index in indices
        if (collection, index) not in found
    )
