"""What a recorded item is made of, where its document has to be made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .documents import image_document
from .exceptions import DocumentError, NotFoundError
from .finding import search_items
from .grids import Tile
from .items import Item
from .metadata import ImageMetadata
from .periods import parse_date
from .sensors import resolve
from .stores.base import document_key, encode_document

if TYPE_CHECKING:
    from .engines.base import Engine
    from .record import Record
    from .sensors.base import Collection

Entry = Mapping[str, Any]


def items_of(record: Record, entries: Iterable[Entry]) -> list[Item]:
    """Return the items of some entries, not searched."""
    listed = record.view["tracking"]["tiles"]
    tiles = {tile.index: tile for tile in map(Tile.from_dict, listed)}
    return [
        Item(
            entry["name"],
            entry["prefix"],
            entry["collection"],
            tiles[entry["tile"][0], entry["tile"][1]],
            parse_date(entry["date_start"]),
            parse_date(entry["date_end"]),
        )
        for entry in entries
    ]


def collections_of(record: Record) -> dict[str, Collection]:
    """Return the collections of an order by id, as they were when it was submitted."""
    submission = record.view["submission"]
    return {
        collection: resolve(collection, submission["definitions"])
        for collection in submission["collections"]
    }


def search_again(record: Record, engine: Engine, entries: Iterable[Entry]) -> list[Item]:
    """Search what some items of an order are made of, as its submit did."""
    asked, items = record.view["submission"], items_of(record, entries)
    collections = collections_of(record)
    return search_items(engine, items, collections, asked["filters"], asked.get("images"))


def document_of(record: Record, item: Item) -> dict[str, Any]:
    """Return the metadata document of an item that was searched."""
    collection = collections_of(record)[item.collection]
    service = type(record.store).__name__
    return image_document(record.view, record.entry(item.name), item, collection, service)


def own_metadata(record: Record, entry: Entry) -> tuple[ImageMetadata, str] | None:
    """Return an item's document and its version; None where it is gone, damaged or another's."""
    key, ours = document_key(entry["name"], entry["prefix"]), record.view["tracking"]
    try:
        data, info = record.store.load(key)
        metadata = ImageMetadata.loads(data, entry["name"])
    except (NotFoundError, DocumentError):
        return None
    order = metadata["order"]
    is_ours = (order["tracking"], order["submitted"]) == (ours["name"], ours["submitted"])
    return (metadata, info.version) if is_ours else None


def renew(record: Record, names: Sequence[str]) -> set[str]:
    """Give documents of earlier attempts the request ids of those to come; the items they are of.

    What they list is what is made again: no other search.
    """

    def one(name: str) -> str | None:
        entry = record.entry(name)
        if entry["attempt"] == 1 or (found := own_metadata(record, entry)) is None:
            return None
        metadata, version = found
        if metadata.request_id != entry["request_id"]:
            document = metadata.document
            document["task"]["request_id"] = entry["request_id"]
            data = encode_document(document, name)
            record.store.write(document_key(name, entry["prefix"]), data, if_version=version)
        return name

    with ThreadPoolExecutor(record.store.workers) as pool:
        return {name for name in pool.map(one, names) if name is not None}
