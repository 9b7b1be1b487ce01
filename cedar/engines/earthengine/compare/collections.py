"""Questions about collections: what a search finds, and what it is told of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import ee

from cedar.exceptions import EngineError

from .asking import ANYWHERE, LANDSAT, Asking, types
from .questions import Question, Refused

#: The middle of North America, where Landsat took over 5,000 scenes in these months.
_LARGE: Final = ([-105, 30, -85, 45], "2018-01-01", "2019-10-01")
_MOST: Final = 5000
#: A property that no image has.
_NOWHERE: Final = "cedar_has_no_such_property"
#: Days in which both sensors have passed over a place, and one in the middle of Kansas.
_HLS_DATES: Final = ("2022-06-01", "2022-06-21")
_HLS_PLACE: Final = (-98.5, 38.5)
_HLS_BAND: Final = "B4"


def _rectangle(corners: Sequence[float]) -> ee.Geometry:
    return ee.Geometry.Rectangle(corners, "EPSG:4326", False)


def _scene_alone(asking: Asking) -> ee.ImageCollection:
    """Return the collection of the scene and no other."""
    scene = asking.scene()
    return (
        ee.ImageCollection(LANDSAT)
        .filterDate(scene.time_start, scene.time_start + 1)
        .filter(ee.Filter.eq("system:index", scene.index))
    )


def _ask_cap(asking: Asking) -> Any:
    corners, start, end = _LARGE
    many = ee.ImageCollection(LANDSAT).filterBounds(_rectangle(corners)).filterDate(start, end)
    rows = many.reduceColumns(ee.Reducer.toList(), ["system:index"]).get("list")
    count = asking.value(ee.List(rows).size())
    return f"more than {_MOST}" if count > _MOST else count


def _ask_mapped(asking: Asking) -> Any:
    scene = asking.scene()
    names = ["system:index", "system:id", "system:version"]
    mapped = _scene_alone(asking).map(lambda image: image.set("cedar", 1))
    rows = mapped.reduceColumns(ee.Reducer.toList(3, 2), names).get("list")
    (row,) = asking.value(rows)
    known = dict(zip(names, (scene.index, scene.id, scene.version), strict=True))
    kept = zip(names, row, strict=True)
    return {name: "kept" if known[name] == value else value for name, value in kept}


def _ask_missing(asking: Asking) -> Any:
    alone = _scene_alone(asking)
    filtered = {
        "all": alone,
        "neq": alone.filter(ee.Filter.neq(_NOWHERE, 1)),
        "lte": alone.filter(ee.Filter.lte(_NOWHERE, 1)),
    }
    sizes = asking.value(ee.List([images.size() for images in filtered.values()]))
    return dict(zip(filtered, sizes, strict=True))


def _ask_rows(asking: Asking) -> Any:
    alone = _scene_alone(asking)
    names = ["system:index", _NOWHERE]
    tables = [
        alone.reduceColumns(ee.Reducer.toList(2, optional), names).get("list")
        for optional in (1, 0)
    ]
    size, *rows = asking.value(ee.List([alone.size(), *tables]))
    optional, required = ([row[1:] for row in table] for table in rows)
    return {"all": size, "optional": optional, "required": required}


def _ask_touching(asking: Asking) -> Any:
    square = ee.FeatureCollection([ee.Feature(_rectangle([0, 0, 1, 1]))])
    others: Mapping[str, Sequence[float]] = {
        "overlap": [0.5, 0, 2, 1],
        "edge": [1, 0, 2, 1],
        "corner": [1, 1, 2, 2],
        "apart": [1.5, 0, 2, 1],
    }
    counts = [square.filterBounds(_rectangle(corners)).size() for corners in others.values()]
    return dict(zip(others, asking.value(ee.List(counts)), strict=True))


def _load(asking: Asking, older: int) -> Any:
    scene = asking.scene()
    if scene.version is None:
        raise EngineError("the scene has no version", transient=True)
    names = asking.value(ee.Image.load(scene.id, scene.version - older).bandNames())
    return "an image" if isinstance(names, list) and names else names


def _type_of(asking: Asking, collection: str) -> Any:
    place = ee.Geometry.Point(_HLS_PLACE)
    images = ee.ImageCollection(collection).filterBounds(place).filterDate(*_HLS_DATES)
    image = ee.Image(images.first()).select([_HLS_BAND])
    return types(asking.pixels(image, ANYWHERE))[_HLS_BAND]


def _hls(name: str, collection: str) -> Question:
    return Question(
        name,
        f"Which type has {_HLS_BAND} of {collection}?",
        lambda asking: _type_of(asking, collection),
        {dtype: dtype for dtype in ("float32", "float64", "int16")},
    )


QUESTIONS: Final = (
    Question(
        "reduce_columns_capped",
        f"Does reduceColumns refuse more than {_MOST:,} images, as cedar's search asks for them?",
        _ask_cap,
        {True: Refused(f"accumulating over {_MOST} elements"), False: f"more than {_MOST}"},
    ),
    Question(
        "map_keeps_id",
        "Does a mapped image keep its system:id and system:version?",
        _ask_mapped,
        {
            True: {"system:index": "kept", "system:id": "kept", "system:version": "kept"},
            False: {"system:index": "kept", "system:id": None, "system:version": None},
        },
    ),
    Question(
        "missing_passes_not",
        "Does an image that lacks a property pass neq and lte, which are negations?",
        _ask_missing,
        {True: {"all": 1, "neq": 1, "lte": 1}, False: {"all": 1, "neq": 0, "lte": 0}},
    ),
    Question(
        "missing_rows",
        "Is the row of an image that lacks a property kept, if the property is optional?",
        _ask_rows,
        {
            "if optional": {"all": 1, "optional": [[None]], "required": []},
            "never": {"all": 1, "optional": [], "required": []},
            "always": {"all": 1, "optional": [[None]], "required": [[None]]},
        },
    ),
    Question(
        "touching",
        "Does intersects find what only touches: by an edge, by a corner?",
        _ask_touching,
        {
            "closed": {"overlap": 1, "edge": 1, "corner": 1, "apart": 0},
            "open": {"overlap": 1, "edge": 0, "corner": 0, "apart": 0},
        },
    ),
    Question(
        "version_named",
        "Can an image be loaded by the version that it has?",
        lambda asking: _load(asking, 0),
        {"yes": "an image", "no": Refused()},
    ),
    Question(
        "version_older",
        "And by one that it hasn't?",
        lambda asking: _load(asking, 1),
        {"no": Refused(), "yes": "an image"},
    ),
    _hls("hls_landsat", "NASA/HLS/HLSL30/v002"),
    _hls("hls_sentinel", "NASA/HLS/HLSS30/v002"),
)
