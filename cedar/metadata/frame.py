"""The items of an order as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from ..changes import is_cleaned, state_of

Entry = Mapping[str, Any]

#: Columns, and what each holds; numbers that may be missing are pandas' own.
COLUMNS: Final[Mapping[str, str]] = {
    "collection": "str",
    "row": "Int64",
    "col": "Int64",
    "date_start": "datetime64[ns, UTC]",
    "date_end": "datetime64[ns, UTC]",
    "family": "object",
    "state": "str",
    "n_images": "Int64",
    "n_groups": "Int64",
    "n_bands": "Int64",
    "attempt": "Int64",
    "task_id": "object",
    "created": "datetime64[ns, UTC]",
    "started": "datetime64[ns, UTC]",
    "updated": "datetime64[ns, UTC]",
    "eecu_seconds": "float64",
    "n_outputs": "int64",
    "bytes": "int64",
    "error": "object",
}


def frame(entries: list[Entry]) -> pd.DataFrame:
    """Make the table of :meth:`cedar.TrackingMetadata.to_frame`."""
    rows = [_row(entry) for entry in entries]
    names = pd.Index([entry["name"] for entry in entries], dtype="str", name="name")
    return pd.DataFrame(rows, names, [*COLUMNS]).astype(COLUMNS)


def _row(entry: Entry) -> dict[str, Any]:
    status, tile = entry["status"], entry["tile"] or (None, None)
    outputs = [] if is_cleaned(entry) else entry["outputs"]
    return {
        **{column: entry.get(column) for column in COLUMNS},
        "row": tile[0],
        "col": tile[1],
        "date_start": _time(entry["date_start"]),
        "date_end": _time(entry["date_end"]),
        "state": str(state_of(entry)),
        "task_id": status.get("id"),
        "created": _moment(status.get("creation_timestamp_ms")),
        "started": _moment(status.get("start_timestamp_ms")),
        "updated": _moment(status.get("update_timestamp_ms")),
        "eecu_seconds": status.get("eecu_seconds"),
        "n_outputs": len(outputs),
        "bytes": sum(output["size"] or 0 for output in outputs),
        "error": status.get("error_message"),
    }


def _time(text: str | None) -> pd.Timestamp | None:
    return None if text is None else pd.Timestamp(text)


def _moment(milliseconds: int | None) -> pd.Timestamp | None:
    return None if milliseconds is None else pd.Timestamp(milliseconds, unit="ms", tz="UTC")
