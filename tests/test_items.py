"""What travels between the parts of cedar."""

from __future__ import annotations

from pathlib import Path

import pytest

from cedar.items import ObjectInfo


def test_an_object_that_is_a_file_of_this_machine_has_a_path() -> None:
    assert ObjectInfo("a", 0, "1", ref="/store/a").path == Path("/store/a")


@pytest.mark.parametrize("ref", [None, "gs://bucket/a", "1AbCdEfGhIjKlMnOpQrStUvWxYz", ""])
def test_what_a_service_calls_an_object_is_no_path(ref: str | None) -> None:
    assert ObjectInfo("a", 0, "1", ref=ref).path is None
