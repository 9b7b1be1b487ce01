"""The record of an order."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..changes import is_cleaned, state_of
from ..exceptions import DocumentError
from ..shards import check_count
from ..states import ACTIVE, TaskState
from .document import Document
from .validation import title

if TYPE_CHECKING:
    import pandas as pd

Entry = Mapping[str, Any]


class TrackingMetadata(Document):
    """The record of an order: what was asked for, and what became of each item.

    A mapping like the document in the store, which :meth:`cedar.steering.Steering.read` reads.

    Examples
    --------
    >>> from cedar import LocalStore, TileGrid, Tracker
    >>> from cedar.engines.earthengine import EarthEngine
    >>> grid = TileGrid((730005, -2778015), "EPSG:32621", res=(30, 30), size=(64, 64))
    >>> tracker = Tracker(grid, LocalStore("store"), engine=EarthEngine(url="emulator"))
    >>> name, _ = tracker.submit("LANDSAT/LC08/C02/T1_L2", [(0, 0)], "2020-01-01", "2020-02-01")
    >>> record = tracker.read(name)
    >>> record.states, record.complete
    ({'READY': 1}, False)
    >>> record.orders[0]["name"]
    'LANDSAT_LC08_C02_T1_L2_h000v000_2020-01-01_2020-02-01'
    >>> record["tracking"]["prefix"]
    'CEDAR_TRACKING'
    """

    kind = "tracking"
    named_in = "tracking"

    @property
    def orders(self) -> Sequence[Entry]:
        """The entries, one an item."""
        orders: list[Entry] = self["orders"]
        return orders

    def entry(self, name: str) -> Entry:
        """The entry of the item `name`.

        Raises
        ------
        KeyError
            The order has no item of that name.
        """
        return self._entries[name]

    @staticmethod
    def state(entry: Entry) -> str:
        """The state of `entry` as summaries count it.

        INCOMPLETE where it is COMPLETED and lacks outputs, CLEANED where those were deleted.
        """
        return str(state_of(entry))

    @property
    def states(self) -> dict[str, int]:
        """How many items are in each state."""
        return dict(Counter(map(self.state, self.orders)))

    @property
    def complete(self) -> bool:
        """Whether every item is COMPLETED with its outputs recorded, or EMPTY.

        Whose files were deleted since, as somebody asked, was complete.
        """
        return self.states.keys() <= {TaskState.COMPLETED, TaskState.CLEANED, TaskState.EMPTY}

    @property
    def progress(self) -> float:
        """0 to 1: mean over the items that have something to make; 1 if none has."""
        progress = [
            _progress(entry) for entry in self.orders if self.state(entry) != TaskState.EMPTY
        ]
        return sum(progress) / len(progress) if progress else 1.0

    @property
    def file_dimensions(self) -> tuple[int, int] | None:
        """Columns and rows of an exported file at the most; None where cedar pulls.

        Raises
        ------
        DocumentError
            They are something else.
        InputError
            An image would come as too many files.
        """
        given = self["tracking"]["export_image_kwds"].get("fileDimensions")
        if given is None or self["store"] is None:
            return None
        match [given, given] if isinstance(given, int) else given:
            case [int(columns), int(rows)] if min(columns, rows) > 0:
                width, height = self["submission"]["tile_grid"]["size"]
                check_count((width, height), (columns, rows))
                return columns, rows
        raise DocumentError(
            f"{title(self.kind, self.name)}: fileDimensions {str(given)[:40]} is no columns and "
            "rows",
            self.name,
        )

    @property
    def active(self) -> tuple[Entry, ...]:
        """The entries with work to do, or under way."""
        return tuple(entry for entry in self.orders if entry["status"]["state"] in ACTIVE)

    def summary(self, updated: dt.datetime | None = None) -> dict[str, Any]:
        """The order in one line of a list.

        Parameters
        ----------
        updated : datetime.datetime, optional
            When the record was last written; by default the newest update of an item's status,
            else the submission.
        """
        submitted: str = self["tracking"]["submitted"]
        newest = max(
            (entry["status"].get("update_timestamp_ms") or 0 for entry in self.orders), default=0
        )
        if updated is None and newest:
            updated = dt.datetime.fromtimestamp(newest / 1000, dt.UTC)
        return {
            "name": self.name,
            "submitted": submitted,
            "updated": updated.isoformat(timespec="seconds") if updated else submitted,
            "complete": self.complete,
            "progress": self.progress,
            "states": self.states,
        }

    def show(self) -> dict[str, Any]:
        """The order item by item."""
        return {
            "name": self.name,
            "complete": self.complete,
            "progress": self.progress,
            "states": self.states,
            "submission": self["submission"],
            "orders": [
                {
                    "name": entry["name"],
                    "state": self.state(entry),
                    "n_images": entry["n_images"],
                    "progress": _progress(entry),
                    "error": entry["status"].get("error_message"),
                    "outputs": []
                    if is_cleaned(entry)
                    else [output["name"] for output in entry["outputs"]],
                }
                for entry in self.orders
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """The items as a table, a row each, by their names.

        Columns are ``collection``, ``row`` and ``col`` of the tile, ``date_start`` and
        ``date_end``, ``family``, ``state`` as summaries count it, ``n_images``, ``n_groups``,
        ``n_bands``, ``attempt``, ``task_id``, the moments ``created``, ``started`` and
        ``updated``, ``eecu_seconds``, ``n_outputs`` and ``bytes`` of files in the store, and
        ``error`` in the service's words. Times are in UTC; what isn't known is missing.
        """
        from .frame import frame

        return frame([*self.orders])

    def _repr_html_(self) -> str:
        from .face import of_record

        return of_record(self)

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {entry["name"]: entry for entry in self.orders}


def _progress(entry: Entry) -> float:
    match TrackingMetadata.state(entry):
        case TaskState.COMPLETED | TaskState.CLEANED | TaskState.EMPTY:
            return 1.0
        case TaskState.RUNNING:
            return float(entry["status"].get("progress") or 0)
    return 0.0
