"""How things show themselves in a notebook: HTML of facts, tables and a map, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, Final

import pyproj
from rasterio.coords import BoundingBox

from .drawing import colour
from .graticule import place

#: Rows of a table, and lines of a list.
ROWS: Final = 10
#: Characters of a cell, and of one that isn't broken.
_LONGEST: Final = 120
_SHORT: Final = 20
_ROOMY: Final = "padding:0 0.8em 0 0;text-align:left;vertical-align:top"


def face(title: str, facts: Mapping[str, Any], figure: str = "", *below: str) -> str:
    """Put together what is shown of a thing.

    Parameters
    ----------
    title
        What it is.
    facts
        Name → fact.
    figure
        A map.
    *below
        Tables and lists.
    """
    rows = "".join(
        f'<tr><th style="{_ROOMY}">{_text(name)}</th><td style="{_ROOMY}">{_text(fact)}</td></tr>'
        for name, fact in facts.items()
        if fact not in (None, "")
    )
    return (
        f'<div style="line-height:1.5"><div><strong>{_text(title)}</strong></div>'
        '<div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start">'
        f'<table style="margin:0">{rows}</table><div>{figure}</div></div>{"".join(below)}</div>'
    )


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], total: int) -> str:
    """Show the first rows of a table, and how many more there are.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        As many as one has.
    total
        How many there are.
    """
    if not total:
        return ""
    shown = [*islice(rows, ROWS)]
    head = "".join(f'<th style="{_ROOMY}">{_text(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    return (
        f'<table style="margin:0.5em 0 0 0"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{_more(total - len(shown))}"
    )


def lines(texts: Sequence[str]) -> str:
    """Show the first of some lines, and how many more there are."""
    if not texts:
        return ""
    shown = "".join(f"<li>{_text(text, 4 * _LONGEST)}</li>" for text in texts[:ROWS])
    return f"<ul>{shown}</ul>{_more(len(texts) - ROWS)}"


def legend(counts: Mapping[str, int]) -> str:
    """Show what the colours of a map mean, and how many there are of each."""
    shown = "".join(
        '<span style="display:inline-block;margin-right:1em">'
        f'<span style="display:inline-block;width:0.8em;height:0.8em;background:{colour(kind)};'
        f'border:1px solid currentColor"></span> {_text(kind)} {number:,}</span>'
        for kind, number in sorted(counts.items())
    )
    return f"<div>{shown}</div>"


def crs_name(crs_wkt: str) -> str:
    """What people call a coordinate reference system."""
    crs = pyproj.CRS.from_wkt(crs_wkt)
    code = crs.to_authority(min_confidence=100)
    return f"{crs.name} ({':'.join(code)})" if code else crs.name


def placed(
    bounds: BoundingBox, crs_wkt: str, res: tuple[float, float], size: tuple[int, int]
) -> dict[str, str]:
    """Say where something is, and of which pixels it is made: facts.

    Parameters
    ----------
    bounds, crs_wkt
        Its place.
    res, size
        Of its pixels, and their columns and rows.
    """
    left, bottom, right, top = bounds
    return {
        "system": crs_name(crs_wkt),
        "pixels": f"{size[0]:,} columns × {size[1]:,} rows, {res[0]:.12g} × {res[1]:.12g} each",
        "x": f"{left:.12g} to {right:.12g}",
        "y": f"{bottom:.12g} to {top:.12g}",
        "upper left": place(left, top, crs_wkt),
        "lower right": place(right, bottom, crs_wkt),
    }


def _cell(value: Any) -> str:
    text = _text(value)
    kept = ";white-space:nowrap" if len(text) <= _SHORT else ""
    return f'<td style="{_ROOMY}{kept}">{text}</td>'


def _more(number: int) -> str:
    return f"<div>… and {number:,} more</div>" if number > 0 else ""


def _text(value: Any, longest: int = _LONGEST) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return escape(text if len(text) <= longest else f"{text[: longest - 1]}…")
