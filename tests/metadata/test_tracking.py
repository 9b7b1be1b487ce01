from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.exceptions import DocumentError
from cedar.metadata import TrackingMetadata, program
from cedar.states import TaskState

VALID = Path(__file__).parent / "examples" / "tracking" / "valid"
OUTPUT = {"name": "x.tif", "size": 1, "checksum": None, "version": "1"}


def example(name: str = "exported") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VALID / f"{name}.json").read_text("utf-8"))
    return document


def record(*entries: Mapping[str, Any]) -> TrackingMetadata:
    """A record whose entries differ from the example's first in these keys."""
    document = example()
    first = {**document["orders"][0], "outputs": []}
    document["orders"] = [
        {**first, "name": f"item{number}", **entry} for number, entry in enumerate(entries)
    ]
    return TrackingMetadata(document)


def item(state: str, progress: float | None = None, outputs: int = 0) -> dict[str, Any]:
    return {"status": {"state": state, "progress": progress}, "outputs": [OUTPUT] * outputs}


DONE, READY, EMPTY = item("COMPLETED", 1, 1), item("READY", 0), item("EMPTY")


def test_the_record_is_a_mapping_over_its_document() -> None:
    document = example()
    metadata = TrackingMetadata(document)
    assert dict(metadata) == metadata.document == document
    assert len(metadata) == len(document)
    assert metadata == TrackingMetadata.loads(json.dumps(document))
    assert TrackingMetadata(MappingProxyType(document)) == TrackingMetadata(metadata) == metadata
    assert repr(metadata) == f"TrackingMetadata({document['tracking']['name']!r})"


def test_tuples_are_lists() -> None:
    document = example()
    document["orders"][0]["tile"] = (0, 0)
    assert TrackingMetadata(document).orders[0]["tile"] == [0, 0]


def test_the_record_changes_neither_with_what_it_came_from_nor_with_what_it_gave() -> None:
    document = example()
    metadata = TrackingMetadata(document)
    document["orders"].clear()
    metadata.document["orders"].clear()
    assert len(metadata.orders) == 2


def test_text_written_and_read_again_is_the_same_text() -> None:
    text = TrackingMetadata(example()).dumps()
    assert TrackingMetadata.loads(text.encode()).dumps() == text
    assert list(json.loads(text)) == list(example())
    assert text.startswith('{\n "schema_version": 1,\n')


def test_the_name_is_the_stores_else_the_documents() -> None:
    document = example()
    assert TrackingMetadata(document).name == document["tracking"]["name"]
    named = TrackingMetadata(document, "A-2.json")
    assert named.name == TrackingMetadata(named).name == "A-2"
    assert TrackingMetadata(named, "B").name == "B"


def test_ancestor_15_a_name_loses_its_suffix_and_no_letters() -> None:
    metadata = TrackingMetadata.loads(json.dumps(example()), "TRACKING_x_season.json")
    assert metadata.name == "TRACKING_x_season"


def test_entries_are_found_by_name() -> None:
    metadata = record(DONE, READY)
    assert metadata.entry("item1") is metadata.orders[1]
    with pytest.raises(KeyError, match="item2"):
        metadata.entry("item2")


def test_completed_without_outputs_counts_as_incomplete() -> None:
    metadata = record(DONE, item("COMPLETED", 1))
    assert metadata.states == {"COMPLETED": 1, "INCOMPLETE": 1}
    assert not metadata.complete
    assert metadata.progress == 0.5


@pytest.mark.parametrize("state", ["READY", "FAILED", "CANCELLED", "UNKNOWN", "HIBERNATING"])
def test_an_order_is_complete_when_every_item_is(state: str) -> None:
    assert record(DONE, DONE).complete
    assert not record(DONE, item(state)).complete


def test_ancestor_16_empty_items_do_not_keep_an_order_from_completing() -> None:
    assert record(DONE, EMPTY).complete
    assert record(DONE, EMPTY).progress == 1
    assert record(EMPTY).complete
    assert record(EMPTY).progress == 1


def test_progress_is_the_mean_over_the_items_that_have_something_to_make() -> None:
    assert record(DONE, DONE, READY, READY, EMPTY).progress == 0.5
    assert record(item("RUNNING", 0.5), item("RUNNING"), item("FAILED", 0.9)).progress == (
        pytest.approx(1 / 6)
    )


@given(
    st.lists(
        st.builds(
            item,
            st.sampled_from([*TaskState, "HIBERNATING"]).map(str),
            st.none() | st.floats(0, 1),
            st.integers(0, 1),
        )
    )
)
def test_progress_is_one_exactly_where_nothing_is_left_to_make(entries: list[Any]) -> None:
    metadata = record(*entries)
    assert 0 <= metadata.progress <= 1
    assert not metadata.complete or metadata.progress == 1
    assert sum(metadata.states.values()) == len(entries)


def test_active_items_have_work_to_do_or_under_way() -> None:
    states = ["UNSUBMITTED", "READY", "RUNNING", "CANCEL_REQUESTED", "UNKNOWN", "HIBERNATING"]
    metadata = record(DONE, EMPTY, *map(item, states))
    assert [entry["status"]["state"] for entry in metadata.active] == states[:4]
    assert not record(DONE, EMPTY, item("COMPLETED")).active


def test_the_summary_is_a_line_of_list() -> None:
    metadata = record(DONE, DONE, READY, READY, EMPTY)
    updated = dt.datetime(2026, 11, 21, 3, 8, 2, 999999, dt.UTC)
    assert metadata.summary(updated) == {
        "name": "TRACKING_PERIOD2020-01-01-2020-12-31_TASK20261121T030735",
        "submitted": "2026-11-21T03:07:35+00:00",
        "updated": "2026-11-21T03:08:02+00:00",
        "complete": False,
        "progress": 0.5,
        "states": {"COMPLETED": 2, "READY": 2, "EMPTY": 1},
    }
    assert metadata.summary()["updated"] == metadata.summary()["submitted"]


def test_ancestor_17_times_of_a_status_are_milliseconds() -> None:
    times = [1795230999000, 1795230455000, None]
    metadata = record(
        *({"status": {"state": "RUNNING", "update_timestamp_ms": time}} for time in times)
    )
    assert metadata.summary()["updated"] == "2026-11-21T03:16:39+00:00"


def test_show_has_the_order_item_by_item() -> None:
    failed = {"status": {"state": "FAILED", "error_message": "Computation timed out."}}
    metadata = record(DONE, {**failed, "n_images": None})
    assert metadata.show() == {
        "name": metadata.name,
        "complete": False,
        "progress": 0.5,
        "states": {"COMPLETED": 1, "FAILED": 1},
        "submission": example()["submission"],
        "orders": [
            {
                "name": "item0",
                "state": "COMPLETED",
                "n_images": 41,
                "progress": 1.0,
                "error": None,
                "outputs": ["x.tif"],
            },
            {
                "name": "item1",
                "state": "FAILED",
                "n_images": None,
                "progress": 0.0,
                "error": "Computation timed out.",
                "outputs": [],
            },
        ],
    }


def test_keys_and_states_of_a_later_release_are_kept() -> None:
    metadata = TrackingMetadata(example("keys_of_a_later_release"))
    assert metadata["sharing"] == {"with": ["lab-2"]}
    assert metadata.states == {"HIBERNATING": 1}


def test_a_later_version_says_to_upgrade() -> None:
    with pytest.raises(DocumentError, match=r"document NAME is of schema_version 2.*upgrade cedar"):
        TrackingMetadata({**example(), "schema_version": 2}, "NAME")


def test_ancestor_5_no_frequency_and_grids_in_degrees_pass() -> None:
    metadata = TrackingMetadata(example("degrees_and_dates_of_service"))
    assert metadata["submission"]["period_freq"] is None
    assert metadata["submission"]["tile_grid"]["res"] == [0.00025, 0.00025]


def test_ancestor_18_the_program_is_cedar() -> None:
    assert program()["name"] == "cedar"
    assert program().keys() == {"name", "version", "ee"}
    assert TrackingMetadata({**example(), "program": program()})["program"] == program()
    with pytest.raises(DocumentError, match=r"program, name: 'cedar\.metadata' is not 'cedar'"):
        TrackingMetadata({**example(), "program": {**program(), "name": "cedar.metadata"}})
