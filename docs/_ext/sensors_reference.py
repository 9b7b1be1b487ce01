"""The directive ``sensors``: the collections of a module of cedar.sensors, made from its data.

``.. sensors:: landsat`` writes a section a collection, with what it says and a table of its bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cedar.sensors import Band, Collection

HEAD = ("Band", "Native", "Type", "Scale, offset", "Units", "Valid range", "Default")


class Sensors(SphinxDirective):
    """Writes a section a collection."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        module = import_module(f"cedar.sensors.{self.arguments[0]}")
        lines = [line for each in module.COLLECTIONS for line in section(each)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def section(collection: Collection) -> Iterator[str]:
    """A collection, in reStructuredText."""
    yield from (collection.id, "~" * len(collection.id), "", f"{collection.title}.", "")
    for name, fact in facts(collection).items():
        yield f":{name}: {fact}"
    yield from ("", ".. list-table::", "   :header-rows: 1", "")
    for row in (HEAD, *map(_row, collection.bands)):
        yield from (f"   {'*' if not i else ' '} - {cell}" for i, cell in enumerate(row))
    yield ""
    yield from _encoded(collection)
    for native, bits in collection.qa_bits.items():
        yield from (f"``{native}``:", "")
        yield from (f"- {bit}: {meaning}" for bit, meaning in bits.items())
        yield ""


def _encoded(collection: Collection) -> Iterator[str]:
    """Which bands come from elsewhere, and what files hold of them."""
    for band in collection.bands:
        if band.joined is not None:
            scale, offset = band.file_scale
            low, high = band.file_range(collection.nodata) or (0, 0)
            yield (
                f"``{band.name}`` is joined from ``{band.joined}``; in files {band.file_dtype}, "
                f"{scale:g} × number + {offset:g}, {low:g} to {high:g}."
            )
            yield ""


def facts(collection: Collection) -> dict[str, str]:
    """What a collection says of itself besides its bands."""
    own, stacked = collection.stack_bytes
    return {
        "Documented": f"`Earth Engine's catalog <{collection.source}>`__",
        "In service": f"{collection.service_start} – {collection.service_end or 'now'}",
        "Pixels": f"{collection.resolution:g} m",
        "File": f"{collection.stack_dtype}, nodata {collection.nodata:g}; {stacked} bytes a pixel, "
        f"{own} in the collection",
        "Valid where": f"``{collection.validity}`` is unmasked"
        if collection.validity
        else "any chosen band is unmasked",
        **({"Clear": f"none of: {'; '.join(collection.unclear)}"} if collection.unclear else {}),
        "Grouped by": " and ".join(
            [f"``{collection.group_by}``", *(f"``{name}``" for name in collection.pass_properties)]
        ),
        "Clouds": f"``{collection.cloud_property}``"
        if collection.cloud_property
        else "no property",
        "Recorded": ", ".join(f"``{name}``" for name in collection.properties) or "no properties",
    }


def _row(band: Band) -> tuple[str, ...]:
    return (
        f"``{band.name}``",
        f"``{band.native}``",
        band.dtype,
        f"{band.scale:g}, {band.offset:g}" if (band.scale, band.offset) != (1, 0) else "–",
        band.units or "–",
        "{:g} to {:g}".format(*band.valid_range) if band.valid_range else "not documented",
        "yes" if band.default else "no",
    )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("sensors", Sensors)
