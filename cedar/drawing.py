"""Small maps of tiles, as SVG that stands in HTML by itself: no script, nothing fetched.

Text and lines are of the colour of the text around; fills can be told from white and from black, so
that a map needn't know whether the page is light or dark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Final

import numpy as np
from rasterio.coords import BoundingBox

from .graticule import Points, degrees, graticule
from .lattice import Index, Lattice
from .states import TaskState

#: What would become of an item of an order that isn't placed yet.
TO_MAKE: Final = "to make"
EMPTY: Final = "without images"
LEFT_OUT: Final = "left out"
#: Fill of what is in a state, or would be; of one that cedar has never heard of, `OTHER`.
COLOURS: Final[Mapping[str, str]] = {
    TaskState.COMPLETED: "#2e9e5b",
    TaskState.CLEANED: "#3fa7a0",
    TaskState.RUNNING: "#3d7edb",
    TaskState.READY: "#7fa8e0",
    TaskState.UNSUBMITTED: "#9aa3ae",
    TaskState.CANCEL_REQUESTED: "#c2a024",
    TaskState.CANCELLED: "#a8763e",
    TaskState.FAILED: "#d64550",
    TaskState.INCOMPLETE: "#e38b2c",
    TaskState.UNKNOWN: "#9b5fc0",
    TaskState.EMPTY: "#80808040",
    TO_MAKE: "#3d7edb",
    EMPTY: "#80808040",
    LEFT_OUT: "#2e9e5b",
}
OTHER: Final = "#d0489f"
#: Of tiles that aren't in any state.
PLAIN: Final = "#3d7edb80"
#: Most fills and edges of tiles in a map: what has more is drawn in blocks of tiles.
_MOST: Final = 400
_MOST_EDGES: Final = 60
#: Of the frame and around it, in pixels of CSS; a map isn't flatter or narrower than one to four.
_WIDTH: Final = 340.0
_HEIGHT: Final = 240.0
_FLATTEST: Final = 4.0
_LEFT, _RIGHT, _BELOW = 46.0, 20.0, 16.0
#: Of the view, around what is drawn.
_MARGIN: Final = 0.08
#: Pixels between two labels of meridians.
_APART: Final = 40


@dataclass(frozen=True)
class Mark:
    """A rectangle on a map.

    Attributes
    ----------
    bounds : rasterio.coords.BoundingBox
        Where, in the map's system.
    shares : mapping
        What is in it → how many of it: the rectangle is shared out among them.
    title : str
        What is said where the pointer rests on it.
    """

    bounds: BoundingBox
    shares: Mapping[str, int]
    title: str


def colour(kind: str) -> str:
    """Fill of what is of a kind: a state, or ``""`` where there is none."""
    return COLOURS.get(kind, OTHER) if kind else PLAIN


def tile_map(lattice: Lattice, crs_wkt: str, first: Index, last: Index, label: str) -> str:
    """Draw some tiles of a grid, all from one to another.

    Parameters
    ----------
    lattice, crs_wkt
        Of the grid.
    first, last
        (Row, column) of the upper left and the lower right tile.
    label
        What those hear who don't see it.
    """
    mark = Mark(lattice.bounds(*first, *last), {"": 1}, label)
    step = ceil((1 + max(last[0] - first[0], last[1] - first[1])) / _MOST_EDGES)
    return svg([mark], crs_wkt, _edges(lattice, first, last, step), label)


def found_map(
    found: Iterable[tuple[Index, str]], lattice: Lattice, crs_wkt: str, label: str
) -> str:
    """Draw what there is by tiles, among their neighbours; of many tiles, by blocks of them.

    Parameters
    ----------
    found
        Tile and kind of each thing; of nothing there is no map.
    lattice, crs_wkt
        Of the grid.
    label
        What those hear who don't see it.
    """
    counted = Counter(found)
    if not counted:
        return ""
    size, blocks = _blocks(counted)
    drawn = [
        _mark((row * size, col * size), size, blocks[row, col], lattice) for row, col in blocks
    ]
    rows, cols = ([index[axis] for index in blocks] for axis in (0, 1))
    first = (min(rows) - 1) * size, (min(cols) - 1) * size
    last = (max(rows) + 2) * size - 1, (max(cols) + 2) * size - 1
    return svg(drawn, crs_wkt, _edges(lattice, first, last, size), label)


def _blocks(counted: Mapping[tuple[Index, str], int]) -> tuple[int, dict[Index, Counter[str]]]:
    """Tiles to a block each way, as few as a map can show, and what is in each block."""
    tiles = np.array([index for index, _ in counted])
    size = ceil((1 + int(np.ptp(tiles, axis=0).max())) / _MOST_EDGES)
    while True:
        blocks: dict[Index, Counter[str]] = {}
        for ((row, col), kind), number in counted.items():
            blocks.setdefault((row // size, col // size), Counter())[kind] += number
        if sum(map(len, blocks.values())) <= _MOST:
            return size, blocks
        size += 1 + size // 4


def _mark(first: Index, size: int, shares: Counter[str], lattice: Lattice) -> Mark:
    last = first[0] + size - 1, first[1] + size - 1
    name = _name(first) if size == 1 else f"{_name(first)} to {_name(last)}"
    said = ", ".join(f"{number:,} {kind}" for kind, number in sorted(shares.items()))
    return Mark(lattice.bounds(*first, *last), shares, f"{name}: {said}")


def _name(index: Index) -> str:
    return f"h{index[1]:03d}v{index[0]:03d}"


def _edges(
    lattice: Lattice, first: Index, last: Index, step: int
) -> tuple[list[float], list[float]]:
    """Xs and ys of the edges of every so many tiles, from one to another."""
    (top, left), (bottom, right) = first, last
    cols, rows = [*range(left, right + 1, step), right + 1], [*range(top, bottom + 1, step)]
    xs = [float(lattice.x(col)) for col in cols]
    return xs, [float(lattice.y(row)) for row in (*rows, bottom + 1)]


@dataclass(frozen=True)
class _Frame:
    """What part of a map is seen, and where on the page."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, bounds: BoundingBox) -> _Frame:
        width, height = bounds.right - bounds.left, bounds.top - bounds.bottom
        wider = max(width, height / _FLATTEST) * (1 + 2 * _MARGIN) - width
        higher = max(height, width / _FLATTEST) * (1 + 2 * _MARGIN) - height
        return cls(
            bounds.left - wider / 2,
            bounds.bottom - higher / 2,
            bounds.right + wider / 2,
            bounds.top + higher / 2,
        )

    @property
    def scale(self) -> float:
        return min(_WIDTH / (self.right - self.left), _HEIGHT / (self.top - self.bottom))

    @property
    def size(self) -> tuple[float, float]:
        return (self.right - self.left) * self.scale, (self.top - self.bottom) * self.scale

    def on_page(self, points: Points) -> Points:
        x, y = points.T
        return np.column_stack([(x - self.left) * self.scale + _LEFT, (self.top - y) * self.scale])


def svg(
    drawn: Sequence[Mark],
    crs_wkt: str,
    lines: tuple[Sequence[float], Sequence[float]],
    label: str,
    view: BoundingBox | None = None,
) -> str:
    """Draw a map: marks on the edges of tiles, with lines of longitude and latitude.

    Parameters
    ----------
    drawn
        What is on it.
    crs_wkt
        Its system.
    lines
        Xs and ys of edges.
    label
        What those hear who don't see it.
    view
        What it shows; by default all that is drawn.
    """
    boxes = [each.bounds for each in drawn]
    frame = _Frame.around(
        view
        or BoundingBox(
            min(box.left for box in boxes),
            min(box.bottom for box in boxes),
            max(box.right for box in boxes),
            max(box.top for box in boxes),
        )
    )
    width, height = frame.size
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}"'
            f' width="{_LEFT + width + _RIGHT:.0f}" height="{height + _BELOW:.0f}"'
            ' fill="none" stroke="currentColor" font-size="10" font-family="sans-serif">',
            f'<rect x="{_LEFT:.1f}" y="0.5" width="{width:.1f}" height="{height - 1:.1f}"'
            ' stroke-opacity="0.4"/>',
            *(_rectangles(each, frame) for each in drawn),
            *_graticule(frame, crs_wkt),
            _lattice_lines(frame, lines),
            "</svg>",
        )
    )


def _rectangles(mark: Mark, frame: _Frame) -> str:
    corners = np.array(
        [[mark.bounds.left, mark.bounds.top], [mark.bounds.right, mark.bounds.bottom]]
    )
    (left, top), (right, bottom) = frame.on_page(corners)
    total, y = sum(mark.shares.values()), top
    parts = []
    for kind, number in sorted(mark.shares.items()):
        height = (bottom - top) * number / total
        parts.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{height:.1f}"'
            f' fill="{colour(kind)}"/>'
        )
        y += height
    return f'<g stroke="none"><title>{escape(mark.title)}</title>{"".join(parts)}</g>'


def _lattice_lines(frame: _Frame, lines: tuple[Sequence[float], Sequence[float]]) -> str:
    xs, ys = lines
    left, right = max(min(xs), frame.left), min(max(xs), frame.right)
    bottom, top = max(min(ys), frame.bottom), min(max(ys), frame.top)
    ends = [((x, bottom), (x, top)) for x in xs if left <= x <= right]
    ends += [((left, y), (right, y)) for y in ys if bottom <= y <= top]
    path = "".join(_path(frame.on_page(np.array(pair))) for pair in ends)
    return f'<path d="{path}" stroke-opacity="0.6" stroke-width="0.7"/>'


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _graticule(frame: _Frame, crs_wkt: str) -> Iterator[str]:
    """Lines of longitude and latitude, and what they are called where they meet the frame."""
    view = BoundingBox(frame.left, frame.bottom, frame.right, frame.top)
    bottom, labelled = frame.size[1], -np.inf
    for line in graticule(view, crs_wkt):
        points = frame.on_page(line.points)
        yield f'<path d="{_path(points)}" stroke-opacity="0.5" stroke-dasharray="1 3"/>'
        if line.is_meridian:
            x, y = points[points[:, 1].argmax()]
            if y > bottom - 2 and x - labelled >= _APART:
                labelled = x
                yield _text(x, bottom + 12, "middle", degrees(line.value, "EW"))
        else:
            x, y = points[points[:, 0].argmin()]
            if x < _LEFT + 2:
                height = min(max(y + 3, 9), bottom)
                yield _text(_LEFT - 3, height, "end", degrees(line.value, "NS"))


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"'
        f' fill-opacity="0.75" stroke="none">{text}</text>'
    )
