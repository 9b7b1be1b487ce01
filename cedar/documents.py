"""Writing an order down: the documents that record it and its items.

The forms are those of schemas/tracking.json and schemas/image.json. An item's document is made
from the record, so that a later process can make it again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .exceptions import InputError, NotFoundError
from .metadata import ImageMetadata
from .metadata.document import program
from .metadata.validation import SCHEMA_VERSION
from .ordering import file_nodata
from .recipes import COUNT, REFLECTIVE
from .sensors import definition
from .states import TaskState
from .stores.base import document_key

if TYPE_CHECKING:
    from .items import Group, ImageInfo, Item
    from .listed import Listed
    from .ordering import Order, Submission
    from .recipes import Index, Recipe
    from .sensors.base import Collection
    from .stores.base import Store


def timestamp(moment: dt.datetime) -> str:
    """Write a moment as the documents do."""
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def new_request_id() -> str:
    """Mint a request id: at most 60 of a–z, A–Z, 0–9 and ``-``, as the service takes."""
    return str(uuid.uuid4())


def record_document(
    order: Order, store: Mapping[str, Any], engine: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of an order that hasn't been started; its name is still to be given.

    Parameters
    ----------
    store, engine
        Their identities.
    """
    submission, templates = order.submission, order.templates
    collections = {collection.id: collection for collection in submission.collections}
    return {
        "schema_version": SCHEMA_VERSION,
        "program": program(),
        "store": dict(store),
        "engine": dict(engine),
        "submission": submission_section(submission),
        "tracking": {
            "submitted": timestamp(submission.submitted),
            "name": order.name,
            "prefix": templates.tracking_prefix,
            "collections": list(collections),
            "tiles": [tile.to_dict() for tile in submission.tiles],
            "name_template": templates.name.text,
            "prefix_template": templates.prefix.text,
            "export_image_kwds": dict(order.options),
        },
        "orders": [entry(item, collections[item.collection], order) for item in order.items],
        "metadata": [
            f"{item.prefix}/{item.name}.json"
            for item in order.items
            if item.groups or order.save_empty
        ],
    }


def image_document(
    record: Mapping[str, Any],
    listed: Mapping[str, Any],
    item: Item,
    collection: Collection,
    service: str,
) -> dict[str, Any]:
    """Return the metadata document of one item.

    Parameters
    ----------
    record
        The order's record.
    listed
        The item's entry in it.
    service
        Name of the store's class.
    """
    submission, tracking = record["submission"], record["tracking"]
    return {
        "schema_version": SCHEMA_VERSION,
        "program": dict(record["program"]),
        "order": {
            "collection": item.collection,
            "date_start": timestamp(item.date_start),
            "date_end": timestamp(item.date_end),
            "filters": submission["filters"].get(item.collection, []),
            **_member_filters(submission["filters"], collection),
            "submitted": submission["submitted"],
            "tracking": tracking["name"],
        },
        "tile": item.tile.to_dict(),
        "store": {
            "service": service,
            "export_image_kwds": tracking["export_image_kwds"],
        },
        "engine": dict(record["engine"]),
        "task": {
            "name": item.name,
            "prefix": item.prefix,
            "request_id": listed["request_id"],
        },
        "image": with_bands(
            image_section(item.groups, collection, listed["nodata"], item.dropped),
            listed.get("bands"),
        ),
    }


def _member_filters(filters: Mapping[str, Any], collection: Collection) -> dict[str, Any]:
    """Return the filters that hold for one of merged collections each."""
    found = {each.id: filters[each.id] for each in collection.members if each.id in filters}
    return {"member_filters": found} if found else {}


def with_bands(image: Mapping[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    """Return a section `image` with some of its bands; None: all.

    Where no band of its own says where an image has pixels, all the bands still do.
    """
    if names is None:
        return dict(image)
    bands = [band for band in image["bands"] if band["name"] in names]
    some = {**image, "bands": bands, "presence": image.get("presence", image["bands"])}
    # What a recipe reads isn't less because less is made.
    if (members := image.get("members")) and "recipe" not in image:
        some["members"] = {each: with_bands(form, names) for each, form in members.items()}
    return some


def read_document(store: Store, listed: Mapping[str, Any]) -> ImageMetadata:
    """Read the metadata document of an item, which says what it is made of.

    Parameters
    ----------
    listed
        The item's entry in the record.

    Raises
    ------
    InputError
        It is gone, or another order's.
    DocumentError
        It is damaged.
    """
    key = document_key(listed["name"], listed["prefix"])
    try:
        metadata = ImageMetadata.loads(store.load(key)[0], listed["name"])
    except NotFoundError as error:
        raise InputError(f"{key} is gone: without it nobody knows what to make") from error
    # What it is called and where it goes is the record's to say.
    if any(metadata["task"][field] != listed[field] for field in ("name", "prefix", "request_id")):
        raise InputError(f"{key} is another order's: nothing was made")
    return metadata


def submission_section(submission: Submission) -> dict[str, Any]:
    """Return the record's section `submission`."""
    return {
        "submitted": timestamp(submission.submitted),
        "collections": [collection.id for collection in submission.collections],
        "tile_grid": submission.tile_grid.to_dict(),
        "tile_indices": [list(tile.index) for tile in submission.tiles],
        "period_start": _optional(submission.period_start),
        "period_end": _optional(submission.period_end),
        "period_freq": submission.period_freq,
        "period_closed": submission.period_closed,
        "coverage": [timestamp(moment) for moment in submission.coverage],
        "filters": {key: list(value) for key, value in submission.filters.items()},
        "group_by": {collection.id: collection.group_by for collection in submission.collections},
        "existing": submission.existing,
        "definitions": {
            collection.id: definition(collection) for collection in submission.collections
        },
        **({} if submission.images is None else {"images": _listed(submission.images)}),
        **({} if submission.run is None else {"run": dict(submission.run)}),
    }


def _listed(images: Listed) -> dict[str, list[str]]:
    return {collection: list(indices) for collection, indices in images.items()}


def _optional(moment: dt.datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def entry(item: Item, collection: Collection, order: Order) -> dict[str, Any]:
    """Return the record's entry of an item that hasn't been started."""
    state = TaskState.UNSUBMITTED if item.groups else TaskState.EMPTY
    return {
        "name": item.name,
        "prefix": item.prefix,
        "collection": item.collection,
        "tile": list(item.tile.index),
        "date_start": timestamp(item.date_start),
        "date_end": timestamp(item.date_end),
        **counts(item, collection),
        "dtype": collection.stack_dtype,
        "nodata": file_nodata(collection, order.options),
        "request_id": new_request_id() if item.groups else None,
        "attempt": 1 if item.groups else 0,
        "attempts": [],
        "status": {"state": state.value},
        "outputs": [],
        "family": item.family,
        "downloads": [],
        **({} if order.n_shards is None else {"shards": order.n_shards}),
        **({"composite": True} if collection.is_composite else {}),
    }


def counts(
    item: Item, collection: Collection, names: Sequence[str] | None = None
) -> dict[str, int]:
    """Return what an entry counts of an item.

    Parameters
    ----------
    names
        Of its bands, where it has not all of them.
    """
    n_bands = len(collection.file_bands if names is None else names)
    return {
        "n_images": item.n_images,
        "n_groups": len(item.groups),
        "n_bands": n_layers(item, collection) * n_bands,
    }


def n_layers(item: Item, collection: Collection) -> int:
    """Count the layers of an item's files."""
    return min(len(item.groups), 1) if collection.is_composite else len(item.groups)


def image_section(
    groups: Sequence[Group],
    collection: Collection,
    nodata: float,
    dropped: Sequence[dt.date] = (),
) -> dict[str, Any]:
    """Return the section `image` of an item's metadata: all that its stack is built from.

    Parameters
    ----------
    dropped
        Dates of groups that were left out, since they have no pixels.
    """
    collection = collection.with_nodata(nodata)
    image = {
        "bands": [_band(collection, name) for name in collection.chosen],
        "dtype": collection.stack_dtype,
        "nodata": nodata,
        "nodata_in_valid_range": list(collection.nodata_in_valid_range),
        "validity": collection.validity,
        "resampling": collection.resampling,
        "group_by": collection.group_by,
        **_members(collection),
        "groups": [_group(group, collection) for group in groups],
    }
    recipe = collection.recipe
    return image if recipe is None else _cooked(image, collection, recipe, dropped)


def _members(collection: Collection) -> dict[str, Any]:
    """Return how images of merged collections are read, member by member."""
    members = {member.id: _member(member, collection) for member in collection.members}
    return {"members": members} if members else {}


def _member(member: Collection, collection: Collection) -> dict[str, Any]:
    own = {band.name for band in member.bands}
    form = {
        "bands": [_band(member, band.name) for band in collection.read_bands if band.name in own],
        "validity": member.validity,
        "resampling": member.resampling,
    }
    if collection.recipe is not None:
        form["presence"] = [_band(member, name) for name in member.chosen]
        form["tests"] = _tests(member)
    return form


def _tests(collection: Collection) -> list[dict[str, Any]]:
    return [
        {"band": test.native, "bits": test.bits, "values": list(test.values)}
        for test in collection.tests
    ]


def _group(group: Group, collection: Collection) -> dict[str, Any]:
    source = collection.source_of(group.collection)
    names = [band.name for band in collection.read_bands]
    return {
        "date": group.date.isoformat(),
        "time": timestamp(group.time),
        **({} if group.collection is None else {"collection": group.collection}),
        "images": [_image(image, source, names) for image in group.images],
    }


def _cooked(
    image: dict[str, Any], collection: Collection, recipe: Recipe, dropped: Sequence[dt.date]
) -> dict[str, Any]:
    """Return a section `image` with a recipe: which bands are read, and which the file has."""
    own = {band["name"]: band for band in image["bands"]}
    made = {index.name: _index(index) for index in recipe.indices}
    made[COUNT] = {"name": COUNT, "native": None}
    values = [band.name for band in collection.stack_bands if not band.qa]
    asked = {key: value for key, value in asdict(recipe).items() if value and key != "indices"}
    if recipe.indices:
        asked["indices"] = [index.name for index in recipe.indices]
    section = {
        **asked,
        "reads": [_band(collection, band.name) for band in collection.read_bands],
        "dtype": collection.read_dtype,
        "values": values,
        "compared": [name for name in values if name in REFLECTIVE] or values,
        # Of merged collections each member has its own.
        "tests": [] if collection.members else _tests(collection),
        **({"dropped": [date.isoformat() for date in dropped]} if recipe.drop_empty else {}),
    }
    bands = [own[name] if name in own else made[name] for name in collection.file_bands]
    return {**image, "bands": bands, "presence": image["bands"], "recipe": section}


def _index(index: Index) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": index.name,
        "native": None,
        "formula": index.formula,
        "of": dict(index.of),
    }
    if (index.scale, index.offset) != (1.0, 0.0):
        described |= {"scale": index.scale, "offset": index.offset}
    return described


def _band(collection: Collection, name: str) -> dict[str, Any]:
    band = collection.band(name)
    described: dict[str, Any] = {"name": band.name, "native": band.native}
    scale, offset = band.file_scale
    if (scale, offset) != (1.0, 0.0):
        described |= {"scale": scale, "offset": offset}
    if band.encoding is not None:
        described["encoded"] = {"scale": band.scale, "offset": band.offset}
        described["dtype"] = band.file_dtype
    if band.units is not None:
        described["units"] = band.units
    if (valid_range := band.file_range(collection.nodata)) is not None:
        described["valid_range"] = list(valid_range)
    if band.qa:
        described["qa"] = True
    if flags := collection.qa_bits.get(band.native):
        described["flags"] = dict(flags)
    if band.joined is not None:
        described["joined"] = band.joined
    return described


def _image(image: ImageInfo, collection: Collection, names: Sequence[str]) -> dict[str, Any]:
    """Return what is listed of an image, which may lack some of the bands that are read."""
    listed: dict[str, Any] = {
        "system:id": image.id,
        "system:index": image.index,
        "system:version": image.version,
        "system:time_start": image.time_start,
        **image.properties,
    }
    there = {band.name for band in collection.bands if image.has(band.native, band.joined)}
    if missing := [name for name in names if name not in there]:
        listed["missing"] = missing
    if collection.validity is not None and not image.has(collection.validity):
        listed["validity"] = None
    if image.joined:
        listed["joined"] = {
            collection: {"system:id": other.id, "system:version": other.version}
            for collection, other in image.joined.items()
        }
    return listed
