"""What an order would make and need, before any of it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .cautions import of_collections, of_items
from .documents import counts, n_layers
from .earlier import by_standing, counted
from .exceptions import InputError
from .recipes import facts

if TYPE_CHECKING:
    from .items import ImageInfo, Item
    from .ordering import Order
    from .sensors.base import Collection
    from .tiles import Tile

_GIGABYTE: Final = 10**9


@dataclass(frozen=True)
class Limits:
    """What an order may have at most; None: any number.

    Attributes
    ----------
    max_tasks : int or None
        Images to make.
    max_gigabytes : float or None
        Of their pixels, uncompressed (10⁹ bytes).
    """

    max_tasks: int | None = None
    max_gigabytes: float | None = None


@dataclass(frozen=True)
class TileArea:
    """A tile of an order.

    Attributes
    ----------
    index : (int, int)
        Its row and column.
    km2 : float
        Its area on the ellipsoid.
    """

    index: tuple[int, int]
    km2: float


@dataclass(frozen=True)
class ItemPreview:
    """What an item would be.

    Attributes
    ----------
    item : Item
    dtype : str
        Of all bands of its files.
    n_layers, n_bands, n_bytes : int
        Of its image; bytes uncompressed.
    """

    item: Item
    dtype: str
    n_layers: int
    n_bands: int
    n_bytes: int


@dataclass(frozen=True)
class FoundImage:
    """An image that was found.

    Attributes
    ----------
    id : str
        ``system:id``.
    date : str
        Of the layer that it is in.
    cloud : float or None
        Percent of it, where the collection records that.
    path, row : int or None
        Of WRS, likewise.
    footprint : mapping or None
        GeoJSON, where the collection records ``system:footprint``.
    n_items : int
        Items that it is in.
    """

    id: str
    date: str
    cloud: float | None
    path: int | None
    row: int | None
    footprint: Mapping[str, Any] | None
    n_items: int


@dataclass(frozen=True)
class Preview:
    """An order, what it would make, and what there is for it.

    Attributes
    ----------
    order : Order
        What is submitted if this is; nothing is searched again.
    limits : Limits
        What it may have.
    room : int or None
        Tasks that the queue still takes; None: nobody says, or cedar makes the images itself.
    concurrency : int or None
        Tasks of the project that run at once; likewise.
    free : int or None
        Bytes that the destination has room for; None: it has no limit, or nobody says.
    """

    order: Order = field(repr=False)
    limits: Limits = Limits()
    room: int | None = None
    concurrency: int | None = None
    free: int | None = None

    @cached_property
    def tiles(self) -> tuple[TileArea, ...]:
        """Tiles, with their areas."""
        return tuple(TileArea(tile.index, tile.km2) for tile in self.order.submission.tiles)

    @cached_property
    def items(self) -> tuple[ItemPreview, ...]:
        """Items, in the order in which they are recorded."""
        collections = self.order.submission.collections
        known = {each.id: (each, np.dtype(each.stack_dtype)) for each in collections}
        return tuple(_expected(item, *known[item.collection]) for item in self.order.items)

    @cached_property
    def images(self) -> tuple[FoundImage, ...]:
        """Images of all items, each once, by date."""
        found: dict[str, tuple[str, ImageInfo, str]] = {}
        times: Counter[str] = Counter()
        known = {each.id: each for each in self.order.submission.collections}
        for item in self.order.items:
            for group in item.groups:
                source = known[item.collection].source_of(group.collection)
                cloud = source.cloud_property or "CLOUD_COVER"
                for image in group.images:
                    found.setdefault(image.id, (group.date.isoformat(), image, cloud))
                    times[image.id] += 1
        rows = (_found(*each, times[key]) for key, each in found.items())
        return tuple(sorted(rows, key=lambda row: (row.date, row.id)))

    @cached_property
    def n_tasks(self) -> int:
        """Images to make: items that aren't empty."""
        return sum(bool(item.groups) for item in self.order.items)

    @property
    def n_files(self) -> int:
        """Files that the images come as, at most."""
        return self.n_tasks * (self.order.n_shards or 1)

    @property
    def n_periods(self) -> int:
        """Periods, over all collections."""
        submission = self.order.submission
        return len({*(p for each in submission.collections for p in submission.periods(each))})

    @property
    def n_layers(self) -> int:
        """Layers of all images."""
        return sum(each.n_layers for each in self.items)

    @property
    def n_bands(self) -> int:
        """Bands of all images."""
        return sum(item.n_bands for item in self.items)

    @property
    def n_pixels(self) -> int:
        """Pixels of all images, each counted once for all of its bands."""
        return sum(_pixels(item.tile) for item in self.order.items if item.groups)

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of all images, uncompressed."""
        return sum(item.n_bytes for item in self.items)

    @property
    def excess(self) -> list[str]:
        """By which limits it is too large, and how much it has: a clause each."""
        most, gigabytes = self.limits.max_tasks, self.limits.max_gigabytes
        found = []
        if most is not None and self.n_tasks > most:
            found.append(f"it has {self.n_tasks:,} tasks, and tracker.max_tasks is {most:,}")
        if gigabytes is not None and self.n_bytes > gigabytes * _GIGABYTE:
            found.append(
                f"it has {self.n_bytes / _GIGABYTE:,.9g} GB uncompressed, and "
                f"tracker.max_gigabytes is {gigabytes:,g}"
            )
        return found

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What to know before it is started: a line each."""
        order = self.order
        return (*order.warnings, *of_collections(order), *of_items(order), *_of_room(self))

    def check(self) -> None:
        """Refuse an order that is larger than the limits allow.

        Raises
        ------
        InputError
            It is.
        """
        if excess := self.excess:
            raise InputError(
                f"the order is too large: {'; '.join(excess)}: order fewer tiles or periods at "
                "once, or set another limit"
            )

    def to_dict(self, images: bool = False) -> dict[str, Any]:
        """Put it as JSON has it.

        Parameters
        ----------
        images : bool, optional
            With the table of images.
        """
        order = self.order
        return {
            "name": order.name,
            "coverage": [moment.isoformat() for moment in order.submission.coverage],
            "periods": self.n_periods,
            "tiles": [{"index": list(tile.index), "km2": tile.km2} for tile in self.tiles],
            "items": [_item_dict(each) for each in self.items],
            "skipped": [item.name for item in order.skipped],
            **({"plan": plan(order)} if order.earlier else {}),
            **({} if order.submission.images is None else {"not_found": [*order.not_found]}),
            "total": {
                "items": len(self.items),
                "empty": len(self.items) - self.n_tasks,
                "images": len(self.images),
                **({"members": of} if (of := order.by_member) else {}),
                "layers": self.n_layers,
                "bands": self.n_bands,
                "pixels": self.n_pixels,
                "bytes": self.n_bytes,
                "files": self.n_files,
                "tasks": self.n_tasks,
            },
            "shards": order.n_shards,
            "room": self.room,
            "concurrency": self.concurrency,
            "free": self.free,
            "limits": asdict(self.limits),
            "warnings": [*self.warnings],
            **({"images": [asdict(image) for image in self.images]} if images else {}),
        }

    def _repr_html_(self) -> str:
        from .previewed import of_preview

        return of_preview(self.order, dict(_facts(self)), map(row, self.items), self.warnings)

    def lines(self) -> list[str]:
        """Put it for people: a line a fact, without the warnings and tables."""
        facts = dict(_facts(self))
        width = max(map(len, facts))
        return [f"{name:{width}}  {fact}" for name, fact in facts.items()]


def plan(order: Order) -> dict[str, Any]:
    """Put as JSON has it what of an order is new, and how what earlier orders have stands."""
    return {"new": new_items(order), **dict(by_standing(order.earlier))}


def new_items(order: Order) -> list[str]:
    """Names of the items that no earlier order has; of parts that of the whole."""
    names, replaced = dict.fromkeys(i.family or i.name for i in order.items), order.replaced
    return [name for name in names if name not in replaced]


def _pixels(tile: Tile) -> int:
    return tile.width * tile.height


def _expected(item: Item, collection: Collection, dtype: np.dtype[Any]) -> ItemPreview:
    layers, n_bands = n_layers(item, collection), counts(item, collection)["n_bands"]
    n_bytes = n_bands * _pixels(item.tile) * dtype.itemsize
    return ItemPreview(item, dtype.name, layers, n_bands, n_bytes)


def _found(date: str, image: ImageInfo, cloud: str, n_items: int) -> FoundImage:
    get = image.properties.get
    return FoundImage(
        image.id,
        date,
        get(cloud),
        get("WRS_PATH"),
        get("WRS_ROW"),
        get("system:footprint"),
        n_items,
    )


def _item_dict(each: ItemPreview) -> dict[str, Any]:
    item = each.item
    return {
        "name": item.name,
        "collection": item.collection,
        "tile": list(item.tile.index),
        "date_start": item.date_start.isoformat(),
        "date_end": item.date_end.isoformat(),
        "images": item.n_images,
        "layers": each.n_layers,
        **({"dropped": len(item.dropped)} if item.dropped else {}),
        "bands": each.n_bands,
        "dtype": each.dtype,
        "pixels": _pixels(item.tile),
        "bytes": each.n_bytes,
    }


def _of_room(preview: Preview) -> Iterator[str]:
    if preview.room is not None and preview.n_tasks > preview.room:
        yield (
            f"the queue has room for {preview.room:,} of {preview.n_tasks:,} tasks now: the others "
            "are started as more appears"
        )
    if preview.free is not None and preview.n_bytes > preview.free:
        yield (
            f"the images have {size(preview.n_bytes)} uncompressed, and the destination has room "
            f"for {size(preview.free)}"
        )
    yield from (f"it will be refused: {clause}" for clause in preview.excess)


def _facts(preview: Preview) -> Iterator[tuple[str, str]]:
    order, items = preview.order, preview.items
    span, km2 = order.submission.coverage, sum(tile.km2 for tile in preview.tiles)
    most = max((each.n_bands for each in items), default=0)
    dtypes = " and ".join(sorted({each.dtype for each in items}))
    yield "tiles", f"{len(preview.tiles):,}, {km2:,.1f} km² together"
    yield "periods", f"{preview.n_periods:,}, {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}"
    yield "items", _items(preview)
    if order.earlier:
        yield "plan", counted(order.earlier, len(new_items(order)))
    yield "images", f"{len(preview.images):,}, in {preview.n_layers:,} layers"
    if of := order.by_member:
        yield "of them", ", ".join(f"{number:,} of {each}" for each, number in of.items())
    recipes = {each.id: each.recipe for each in order.submission.collections}
    yield from facts(recipes, sum(len(item.dropped) for item in order.items))
    yield "bands", f"{preview.n_bands:,} of {dtypes or 'no type'}, at most {most:,} in an item"
    yield "pixels", f"{preview.n_pixels:,}"
    files = "1 file" if preview.n_files == 1 else f"{preview.n_files:,} files"
    yield "size", f"{size(preview.n_bytes)} uncompressed, in {files}"
    if order.n_shards is None:
        yield "tasks", f"{preview.n_tasks:,}, which cedar does itself"
    else:
        at_once, room = _known(preview.concurrency), _known(preview.room)
        yield "tasks", f"{preview.n_tasks:,}; at once: {at_once}; room in the queue: {room}"
    yield "free", "not known" if preview.free is None else size(preview.free)


def _items(preview: Preview) -> str:
    order = preview.order
    said = f"{len(order.items):,}, {len(order.items) - preview.n_tasks:,} without images"
    if parts := [item.family for item in order.items if item.family]:
        said += f", {len(parts):,} parts of {len({*parts}):,} too large for one image"
    if order.skipped:
        said += f", {len(order.skipped):,} left out, which exist already"
    return said


def _known(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def row(each: ItemPreview) -> tuple[str, int, int, int, str]:
    """Put an item as tables have it: name, images, layers, bands, size."""
    item = each.item
    return item.name, item.n_images, each.n_layers, each.n_bands, size(each.n_bytes)


def size(n_bytes: float) -> str:
    """Bytes in words: ``1.5 GB``."""
    unit, *larger = "bytes", "kB", "MB", "GB", "TB"
    while n_bytes >= 1000 and larger:
        n_bytes, unit, *larger = n_bytes / 1000, *larger
    return f"{n_bytes:,.0f} {unit}" if n_bytes >= 100 else f"{n_bytes:.3g} {unit}"
