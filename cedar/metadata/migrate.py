"""Reads documents of 2019, which have no schema_version, as documents of the current form.

What they have is kept, what they lack becomes null or empty, and what isn't of their form either is
left as it is, for the schema to refuse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from .validation import SCHEMA_VERSION, Kind

_Change = Callable[[Any], Any]

_TIMESTAMPS: Final = ("creation_timestamp_ms", "start_timestamp_ms", "update_timestamp_ms")


def migrate(document: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """The document in the current form.

    Parameters
    ----------
    document : dict
        Of any version; it isn't changed.
    kind : {'tracking', 'image'}
        Which document it is.
    """
    if "schema_version" in document:
        return document
    changed = _tracking(document) if kind == "tracking" else _image(document)
    return {"schema_version": SCHEMA_VERSION, **changed}


def _tracking(document: dict[str, Any]) -> dict[str, Any]:
    tracking = document.get("tracking")
    collections = tracking.get("collections", []) if isinstance(tracking, dict) else []
    submission: dict[str, Any] = {
        "collections": collections,
        "coverage": None,
        "filters": {},
        "group_by": {},
    }
    changed: dict[str, Any] = _record(
        document,
        {"revision": 0, "writer": None, "store": None, "engine": None},
        {
            "program": _program,
            "submission": lambda value: _record(
                value,
                submission,
                {
                    "submitted": _utc,
                    "period_start": _utc,
                    "period_end": _utc,
                    "tile_grid": lambda grid: _record(grid, {"name": None, "limits": None}),
                },
            ),
            "tracking": lambda value: _record(
                value, {"export_image_kwds": {}}, {"submitted": _utc}
            ),
            "orders": lambda value: _each(value, _entry),
        },
    )
    return changed


def _entry(entry: Any) -> Any:
    unknown = dict.fromkeys(
        (
            "collection", "tile", "date_start", "date_end", "n_images", "n_groups", "n_bands",
            "dtype", "nodata", "request_id", "family",
        )
    )  # fmt: skip
    defaults: dict[str, Any] = {
        **unknown,
        "attempt": 1,
        "attempts": [],
        "outputs": [],
        "downloads": [],
    }
    return _record(entry, defaults, {"status": _status})


def _status(status: Any) -> Any:
    # The client of 2019 wrote "" for a moment that hadn't come yet.
    return _record(status, {}, dict.fromkeys(_TIMESTAMPS, lambda value: value or None))


def _image(document: dict[str, Any]) -> dict[str, Any]:
    order = {
        "date_start": _utc,
        "date_end": _utc,
        "submitted": _utc,
        "filters": lambda value: _each(value, _filter),
    }
    changed: dict[str, Any] = _record(
        document,
        {"engine": None},
        {
            "program": _program,
            "order": lambda value: _record(value, {"tracking": None}, order),
            "task": lambda value: _record(value, {"request_id": None}, {"status": _status}),
            "image": _stack,
        },
    )
    return changed


def _stack(image: Any) -> Any:
    changed = _record(
        image,
        {"dtype": None, "nodata": None, "group_by": None},
        {
            "bands": lambda value: _each(value, _band),
            "images": _groups,
        },
    )
    if isinstance(changed, dict) and "images" in changed:
        changed.setdefault("groups", changed.pop("images"))
    return changed


def _band(band: Any) -> Any:
    return {"name": band, "native": None} if isinstance(band, str) else band


def _groups(images: Any) -> Any:
    # A day without images is no group.
    return [_group(day) for day in images if day != []] if isinstance(images, list) else images


def _group(images: Any) -> dict[str, Any]:
    scenes = _each(images, _scene)
    try:
        first = min(scene["system:time_start"] for scene in scenes)
        time = dt.datetime.fromtimestamp(first / 1000, dt.UTC)
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        return {"images": scenes}
    return {"date": time.date().isoformat(), "time": time.isoformat(), "images": scenes}


def _scene(scene: Any) -> Any:
    index = str(scene.get("system:id", "")).rpartition("/")[2] if isinstance(scene, dict) else ""
    return _record(scene, {"system:index": index}, {"system:time_start": _whole})


def _filter(value: Any) -> Any:
    """A graph as the client of 2019 serialized it: an expression like any other."""
    return {"expression": value} if isinstance(value, dict) and "function" not in value else value


def _program(program: Any) -> Any:
    # Some releases of 2019 wrote the name of the module.
    return _record(
        program, {}, {"name": lambda name: "cedar" if name == "cedar.metadata" else name}
    )


def _utc(value: Any) -> Any:
    """A time without offset with that of UTC, which is what it meant."""
    try:
        time = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return value if time.tzinfo else time.replace(tzinfo=dt.UTC).isoformat()


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _record(
    value: Any, defaults: Mapping[str, Any], changes: Mapping[str, _Change] | None = None
) -> Any:
    """An object with the keys that it lacks, and some of those that it has rewritten."""
    if not isinstance(value, dict):
        return value
    rewrite = changes or {}
    return {
        key: rewrite[key](item) if key in rewrite else item
        for key, item in {**defaults, **value}.items()
    }


def _each(value: Any, change: _Change) -> Any:
    return [change(item) for item in value] if isinstance(value, list) else value
