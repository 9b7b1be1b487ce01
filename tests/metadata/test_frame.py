"""An order's items as a table of pandas."""

import json
from pathlib import Path

import pandas as pd
import pytest
from exporting import exporting_tracker
from orders import COLLECTION, MAY

from cedar import TrackingMetadata
from cedar.metadata.frame import COLUMNS


@pytest.fixture
def tracker(tmp_path):
    return exporting_tracker(tmp_path)


def test_items_are_rows_by_name_with_what_the_record_has_of_each(tracker):
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1), (3, 3)], *MAY)
    tracker.engine.finish()
    tracking = tracker.update(name)
    table = tracking.to_frame()
    assert [*table.index] == [entry["name"] for entry in tracking.orders]
    assert {column: str(kind) for column, kind in table.dtypes.items()} == COLUMNS
    assert [*table["state"]] == ["COMPLETED", "COMPLETED", "EMPTY"]
    first, entry = table.iloc[0], tracking.orders[0]
    assert (first["row"], first["col"]) == (0, 0)
    assert first["date_start"] == pd.Timestamp("2020-05-01", tz="UTC")
    assert first["task_id"] == entry["status"]["id"]
    assert first["created"].value // 10**6 == entry["status"]["creation_timestamp_ms"]
    assert first["n_outputs"] == len(entry["outputs"]) == 6
    assert first["bytes"] == sum(output["size"] for output in entry["outputs"])
    assert table["n_images"].sum() == sum(entry["n_images"] for entry in tracking.orders)
    last = table.iloc[2]
    assert pd.isna(last["task_id"])
    assert pd.isna(last["eecu_seconds"])
    assert (last["n_outputs"], last["bytes"]) == (0, 0)


def test_an_error_is_in_the_services_words(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "FAILED", error="Export failed: no such bucket")
    table = tracker.update(name).to_frame()
    assert [*table["error"]] == ["Export failed: no such bucket"]


def test_an_order_without_items_is_an_empty_table(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    table = TrackingMetadata(dict(tracker.read(name)) | {"orders": []}).to_frame()
    assert table.empty
    assert [*table.columns] == [*COLUMNS]


def test_records_of_2019_are_tables_too():
    path = Path(__file__).parents[1] / "data" / "ancestor" / "example_metadata_tracking.json"
    tracking = TrackingMetadata(json.loads(path.read_text("utf-8")))
    table = tracking.to_frame()
    assert [*table.index] == [entry["name"] for entry in tracking.orders]
    # They didn't say an item's dates, and not its tile.
    assert table[["date_start", "row"]].isna().all(axis=None)
    assert [*table["state"]] == [TrackingMetadata.state(entry) for entry in tracking.orders]
