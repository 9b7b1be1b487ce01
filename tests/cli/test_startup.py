"""How fast the command line is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: What takes long to import, or is only needed by some commands.
HEAVY = {
    *("ee", "jsonschema", "jsonschema_rs", "numpy", "pandas", "pyproj"),
    *("rasterio", "rich", "shapely", "yaml"),
}


def loaded(program):
    """Top names of the modules that a program has loaded at its end."""
    program += "\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("words", [["--help"], ["submit", "--help"], ["--version"], ["frob"]])
def test_ancestor_32_help_imports_nothing_but_click(words):
    ours = loaded(f"from cedar.cli.main import main\nmain({words!r})")
    assert not ours & HEAVY
    # What this Python loads by itself is no fault of ours.
    assert ours - loaded("import click") - sys.stdlib_module_names == {"cedar"}
