"""Files of grids."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from example_grids import PARAGUAY, paraguay

from cedar.exceptions import InputError
from cedar.grids import load_grids


def test_named_grids_are_read_from_a_mapping_or_a_list(tmp_path: Any) -> None:
    nameless = {key: value for key, value in PARAGUAY.items() if key != "name"}
    path = tmp_path / "grids.yaml"
    path.write_text(yaml.dump({"EAST": PARAGUAY, "PY": nameless}))
    assert load_grids(path) == {"EAST": paraguay(), "PY": paraguay(name="PY")}
    path.write_text(yaml.dump([PARAGUAY]))
    assert load_grids(path) == {"Paraguay east": paraguay()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it must hold grids"),
        ("{}", "at least one grid"),
        ("EAST: 3", "it must hold grids"),
        ("- {crs: 4326}", "each with a name"),
        ("EAST: {crs: 4326}", "needs ul, res, size"),
        ("EAST: [", "while parsing"),
        (yaml.dump([PARAGUAY, PARAGUAY]), "each name once"),
    ],
)
def test_a_file_of_grids_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Any, text: str, message: str
) -> None:
    path = tmp_path / "grids.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_grids(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_grids_is_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"can't read .*none\.yaml: No such file"):
        load_grids(tmp_path / "none.yaml")
