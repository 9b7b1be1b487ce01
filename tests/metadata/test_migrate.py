from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cedar.exceptions import DocumentError
from cedar.metadata import ImageMetadata, TrackingMetadata

ANCESTOR = Path(__file__).parents[1] / "data" / "ancestor"


def ancestor(kind: str) -> dict[str, Any]:
    text = (ANCESTOR / f"example_metadata_{kind}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_record_of_2019_can_be_listed_and_shown() -> None:
    metadata = TrackingMetadata(ancestor("tracking"), "as the store calls it")
    assert metadata.summary() == {
        "name": "as the store calls it",
        "submitted": "2019-06-19T15:14:10.782701+00:00",
        "updated": "2019-06-19T19:50:59+00:00",
        "complete": False,
        "progress": 0.0,
        "states": {"INCOMPLETE": 1},
    }
    [entry] = metadata.show()["orders"]
    assert entry["name"] == "LANDSAT_LE07_C01_T1_SR_h069v052_1997-01-01_2002-01-01"
    assert (entry["n_images"], entry["outputs"]) == (None, [])


def test_a_record_of_2019_keeps_what_it_had() -> None:
    old, new = ancestor("tracking"), TrackingMetadata(ancestor("tracking"))
    assert new["metadata"] == old["metadata"] == ["1r3HwlnBySE8WAv-Ms4_CUs3TkHhDFu9n"]
    assert new["tracking"]["name"] == old["tracking"]["name"]
    assert (
        new["tracking"].items()
        >= {**old["tracking"], "submitted": new["tracking"]["submitted"]}.items()
    )
    assert new["submission"]["tile_grid"] == old["submission"]["tile_grid"]
    assert new["submission"]["collections"] == old["tracking"]["collections"]
    assert new["orders"][0]["status"] == old["orders"][0]["status"]
    assert new["orders"][0].items() >= old["orders"][0].items()


def test_a_record_of_2019_has_no_identity() -> None:
    metadata = TrackingMetadata(ancestor("tracking"))
    assert metadata["store"] is None
    assert metadata["engine"] is None


def test_times_of_2019_without_offset_are_utc() -> None:
    submission = TrackingMetadata(ancestor("tracking"))["submission"]
    assert submission["submitted"] == "2019-06-19T15:12:18.270257+00:00"
    assert submission["period_start"] == "1997-01-01T00:00:00+00:00"
    assert submission["period_end"] == "2020-01-01T00:00:00+00:00"


def test_image_metadata_of_2019_has_groups_bands_and_filters_of_today() -> None:
    old, new = ancestor("image"), ImageMetadata(ancestor("image"))
    assert [band["name"] for band in new.bands] == old["image"]["bands"]
    assert [group["date"] for group in new.groups] == ["2007-01-15"]
    assert new.groups[0]["time"] == "2007-01-15T14:52:47.610000+00:00"
    [scene] = new.groups[0]["images"]
    assert scene == {**old["image"]["images"][0][0], "system:index": "LE07_007047_20070115"}
    assert new["order"]["filters"] == [{"expression": old["order"]["filters"][0]}]
    assert new["order"]["date_start"] == "2007-01-01T00:00:00+00:00"
    assert (new.dtype, new.nodata, new.request_id) == (None, -9999, None)
    assert new["task"]["status"]["update_timestamp_ms"] is None
    assert new["task"]["status"]["id"] == "7BUI2AIAG6YVSY5MO2FNF3Q7"


@pytest.mark.parametrize("kind", ["tracking", "image"])
def test_documents_of_2019_written_again_are_documents_of_today(kind: str) -> None:
    metadata = (TrackingMetadata if kind == "tracking" else ImageMetadata)(ancestor(kind))
    assert metadata["schema_version"] == 1
    assert type(metadata).loads(metadata.dumps()) == metadata


def test_ancestor_18_documents_with_the_name_of_its_module_are_read() -> None:
    document = ancestor("tracking")
    document["program"]["name"] = "cedar.metadata"
    assert TrackingMetadata(document)["program"]["name"] == "cedar"


@pytest.mark.parametrize("name", ["../x", "/x", "a\\b", ".."])
def test_names_of_2019_never_leave_their_folder(name: str) -> None:
    for change in (
        lambda document: document["orders"][0].update(name=name),
        lambda document: document["orders"][0].update(prefix=name),
        lambda document: document["tracking"].update(prefix=name),
        lambda document: document.update(metadata=[name]),
    ):
        document = ancestor("tracking")
        change(document)
        with pytest.raises(DocumentError, match="not a name that stays in its folder"):
            TrackingMetadata(document)


def test_days_of_2019_without_images_are_no_groups() -> None:
    document = ancestor("image")
    document["image"]["images"].append([])
    assert ImageMetadata(document) == ImageMetadata(ancestor("image"))


def test_what_is_damaged_in_a_document_of_2019_is_named() -> None:
    document = ancestor("image")
    del document["image"]["images"][0][0]["system:time_start"]
    with pytest.raises(DocumentError, match="image, groups, entry 1: lacks 'date'"):
        ImageMetadata(document)
