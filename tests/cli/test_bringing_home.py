"""`cedar download` and `cedar clean`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"


def stored(here):
    """Files in the store, but for what it needs for itself."""
    return [path for path in (here / "store").glob("CEDAR_*/*") if path.is_file()]


def test_download_puts_the_order_into_a_directory_of_its_name(order, cedar, here):
    name = order("--wait")
    done = cedar("download", name, "--dest", "data")
    assert (done.code, done.out) == (0, f"data/{name}\n")
    files = {f"{ITEM}.tif", f"{ITEM}.json", f"{name}.json"}
    assert {path.name for path in (here / "data" / name).iterdir()} == files
    downloaded = cedar("download", name, "--json").json
    (paths,) = downloaded.pop("files").values()
    assert downloaded == {
        "name": name, "directory": name, "complete": True, "states": {"COMPLETED": 1},
        "failed": [],
    }  # fmt: skip
    assert {Path(path).name for path in paths} == files - {f"{name}.json"}
    assert all((here / path).is_file() for path in paths)


def test_a_download_of_what_is_not_finished_is_not_complete(order, cedar, here):
    name = order()
    done = cedar("download", name)
    assert done.code == 3
    assert f"next: cedar watch {name}" in done.err
    assert (here / name / f"{name}.json").is_file()


def test_a_download_where_nothing_can_be_written_is_one_line(order, cedar, here):
    name = order("--wait")
    (here / "data").write_text("a file", "utf-8")
    done = cedar("download", name, "--dest", "data")
    assert done.code == 1
    assert [line for line in done.err.splitlines() if "Error" in line] == [
        done.err.splitlines()[-1]
    ]


def test_clean_takes_what_was_downloaded(order, cedar, here):
    name = order("--wait")
    done = cedar("clean", name)
    assert done.code == 1
    assert f"no verified copy of {ITEM} is on this machine" in done.err
    assert len(stored(here)) == 3
    cedar("download", name)
    done = cedar("clean", name, "--yes")
    assert (done.code, done.out) == (0, f"{name}: 2 files deleted\n")
    assert stored(here) == []
    assert cedar("list").out == ""


def test_clean_asks_on_a_terminal(order, cedar, on_a_terminal, here):
    name = order("--wait")
    cedar("download", name)
    code, seen = on_a_terminal(("clean", name), b"n\n")
    assert (code, len(stored(here))) == (1, 3)
    assert f"Delete 1 image of {name} from the store? [y/N]" in seen
    assert "nothing was deleted" in seen
    code, seen = on_a_terminal(("clean", name), b"y\n")
    assert (code, stored(here)) == (0, []), seen


def test_clean_with_force_takes_all_but_the_record_if_that_is_kept(order, cedar, here):
    name = order("--wait")
    done = cedar("clean", name, "--yes", "--force", "--keep-tracking", "--json")
    (deleted,) = done.json["deleted"].values()
    assert sorted(deleted) == [f"{ITEM}.json", f"{ITEM}.tif"]
    assert [path.stem for path in stored(here)] == [name]


def test_ancestor_30_no_command_needs_what_it_does_not_use(order, cedar, here):
    """The client of Earth Engine is needed to search and to pull, and for nothing else."""
    name = order("--wait")
    program = f"""
import json, sys
for package in ("ee", "googleapiclient", "google"):
    sys.modules[package] = None
from cedar.cli.main import main
commands = ["list"], ["show"], ["update"], ["download"], ["verify"], ["cancel"], ["clean", "--yes"]
codes = [main([*words, *([{name!r}] if words != ["list"] else [])]) for words in commands]
print(json.dumps(codes))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * 7, done.stderr
