"""Notebooks of the documentation run, and are kept without what they show: that is made anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def cells(path):
    notebook = json.loads(path.read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    assert {cell["execution_count"] for cell in cells(path)} == {None}
    assert [cell["outputs"] for cell in cells(path) if cell["outputs"]] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_in_order(path, tmp_path):
    text = "\n".join("".join(cell["source"]) for cell in cells(path))
    subprocess.run([sys.executable, "-c", text], cwd=tmp_path, check=True, timeout=100)
