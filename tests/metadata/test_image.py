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


def test_an_empty_item_has_no_groups_and_no_request() -> None:
    metadata = ImageMetadata.loads((VALID / "empty.json").read_bytes())
    assert metadata.groups == []
    assert metadata.request_id is None
