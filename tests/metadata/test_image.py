from __future__ import annotations

import json
from pathlib import Path

from cedar.metadata import ImageMetadata

VALID = Path(__file__).parent / "examples" / "image" / "valid"


def test_image_metadata_says_what_a_stack_is_made_of() -> None:
    document = json.loads((VALID / "stack.json").read_text("utf-8"))
    metadata = ImageMetadata(document, "NAME.json")
    assert dict(metadata) == document
    assert metadata.name == "NAME"
    assert ImageMetadata(document).name == document["task"]["name"]
    assert [band["native"] for band in metadata.bands] == ["SR_B4", "SR_B5", "QA_PIXEL"]
    assert [group["date"] for group in metadata.groups] == ["2020-01-11"]
    assert (metadata.dtype, metadata.nodata) == ("uint16", 0)
    assert metadata.request_id == "0d7d1a52-8a35-4f0c-9a53-5b1a0f7c1c55"


def test_bands_that_are_joined_are_of_images_too() -> None:
    metadata = ImageMetadata.loads((VALID / "joined.json").read_bytes())
    assert len(metadata.image_ids) == 2
    assert {each.rpartition("/")[0] for each in metadata.image_ids} == {
        "COPERNICUS/S2_SR_HARMONIZED",
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
    }


def test_the_validity_band_has_its_name_in_the_stack_if_it_is_there() -> None:
    metadata = ImageMetadata.loads((VALID / "joined.json").read_bytes())
    assert metadata.validity == "scl"
    document = metadata.document
    document["image"]["validity"] = "QA60"
    assert ImageMetadata(document).validity is None
    del document["image"]["validity"]
    assert ImageMetadata(document).validity is None


def test_an_empty_item_has_no_groups_and_no_request() -> None:
    metadata = ImageMetadata.loads((VALID / "empty.json").read_bytes())
    assert metadata.groups == []
    assert metadata.request_id is None
