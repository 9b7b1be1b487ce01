"""`cedar collections`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .base import Command, Settings, config_if_any
from .errors import DONE
from .output import table, write

if TYPE_CHECKING:
    from cedar.sensors import Collection


@click.command(cls=Command)
@click.argument("collection_id", metavar="[ID]", required=False)
@click.pass_obj
def collections(settings: Settings, collection_id: str | None) -> int:
    """List the collections that cedar knows, or show one.

    Those of the configuration are among them, if there is one; it needs none.
    """
    from cedar.sensors import definition, known, resolve

    configured = config_if_any(settings)
    ours = configured.collections if configured else {}
    if collection_id is not None:
        shown = resolve(collection_id, ours)
        write(settings, {"id": shown.id, **definition(shown)}, _describe(shown))
        return DONE
    every = [resolve(each, ours) for each in sorted({*known(), *ours})]
    listed = [
        {"id": each.id, "title": each.title}
        | {
            key: getattr(each, key) and str(getattr(each, key))
            for key in ("service_start", "service_end")
        }
        for each in every
    ]
    rows = ((each.id, _service(each), each.title or "") for each in every)
    write(settings, listed, table(("collection", "in service", "title"), rows))
    return DONE


def _service(collection: Collection) -> str:
    if collection.service_start is None:
        return ""
    return f"{collection.service_start} – {collection.service_end or 'now'}"


def _native(collection: Collection, name: str) -> str:
    """Return what a band is called in the collection, or in each of several that are merged."""
    natives = {
        band.native: None
        for source in collection.sources
        for band in source.bands
        if band.name == name
    }
    return ", ".join(natives)


def _describe(collection: Collection) -> Iterator[str]:
    facts = {
        "title": collection.title,
        "in service": _service(collection),
        "resolution": collection.resolution and f"{collection.resolution:g} m",
        "grouped by": collection.group_by,
        "file type": f"{collection.stack_dtype}, nodata {collection.nodata:g}",
        "valid where": collection.validity and f"{collection.validity} is unmasked",
        "members": ", ".join(member.id for member in collection.members),
        "clouds": collection.cloud_property,
        "not clear": "; ".join(collection.unclear),
        "recipe": collection.recipe and f"{collection.recipe}",
        "properties": ", ".join(collection.properties),
        "source": collection.source,
    }
    yield collection.id
    yield from (f"{name}: {fact}" for name, fact in facts.items() if fact)
    yield ""
    yield from table(
        ("band", "native", "type", "scale", "offset", "units", "valid range", "by default"),
        (
            (
                band.name,
                _native(collection, band.name),
                band.file_dtype,
                *(f"{number:g}" for number in band.file_scale),
                band.units or "",
                "{:g} to {:g}".format(*held) if held else "",
                "yes" if band.name in collection.chosen else "no",
            )
            for band in collection.bands
            for held in [band.file_range(collection.nodata)]
        ),
    )
    for joined in {band.joined: None for band in collection.bands if band.joined}:
        names = [band.name for band in collection.bands if band.joined == joined]
        yield ""
        yield f"{', '.join(names)}: joined from {joined}, by system:index"
