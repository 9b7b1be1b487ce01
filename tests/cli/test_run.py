"""`cedar run`."""

from __future__ import annotations

import json
import signal

import pytest
import yaml
from forked import COMMAND, Forked
from orders import COLLECTION

from cedar.tracker import Tracker

PLACED = {
    "collections": [COLLECTION],
    "period_start": "2020-05-01",
    "period_end": "2020-06-01",
    "steps": {"watch": {"interval": 0.01}, "download": {"dest": "data"}},
}


@pytest.fixture
def write(here, configure):
    """Write a configuration, and the file of a run."""
    configure()

    def write(**orders):
        text = yaml.safe_dump({"name": "a-run", "orders": orders}, sort_keys=False)
        (here / "run.yaml").write_text(text, "utf-8")

    return write


def order(row, col, **changes):
    return PLACED | {"tiles": {"index": [[row, col]]}} | changes


def test_a_run_ends_with_a_table_and_what_it_did_goes_to_standard_error(write, cedar, here):
    write(one=order(0, 0), two=order(0, 1, after=["one"]))
    done = cedar("run", "run.yaml")
    assert done.code == 0, done.err
    header, one, two = done.out.splitlines()
    assert header.split() == ["order", "result", "record", "items"]
    assert one.split()[:2] == ["one", "DONE"]
    assert two.endswith("1 COMPLETED")
    name = one.split()[2]
    assert f"one: placed as {name}\none: watching {name}\n" in done.err
    assert len(list((here / "data" / name).glob("*.tif"))) == 1


def test_json_has_each_order(write, cedar):
    write(one=order(0, 0))
    done = cedar("run", "run.yaml", "--json")
    (name,) = cedar("list").out.split()
    assert done.json == {
        "run": "a-run",
        "orders": [
            {
                "order": "one",
                "result": "DONE",
                "record": name,
                "states": {"COMPLETED": 1},
                "message": None,
            }
        ],
    }


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(write, cedar, here):
    write(one=order(0, 0, tiles={"row": [0, 3], "col": [0]}), two=order(0, 1, after=["one"]))
    done = cedar("run", "run.yaml", "--dry-run")
    assert done.code == 0
    assert [" ".join(line.split()) for line in done.out.splitlines()] == [
        "order after what there is to do",
        "one 2 items, 1 without images submit, watch, download",
        "two one 1 item submit, watch, download",
    ]
    assert not (here / "store").exists()


def test_a_dry_run_of_what_is_there_says_so_as_well(write, cedar):
    write(one=order(0, 0))
    cedar("run", "run.yaml")
    assert "1 COMPLETED  nothing: it is done" in cedar("run", "run.yaml", "--dry-run").out
    write(
        one=order(0, 0),
        two=order(0, 0),
        three=order(
            0, 0, tiles={"row": [0], "col": [0, 1]}, steps={"submit": {"existing": "skip"}}
        ),
    )
    done = cedar("run", "run.yaml", "--dry-run")
    assert done.code == 1
    assert "it can't be placed" in done.out
    assert "1 item, 1 left out, which exist already" in done.out
    assert "two: EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01 exists in order" in done.err


def test_what_failed_is_listed_at_the_end_with_its_cause(write, cedar):
    empty = {"submit": {"error_if_empty": True}}
    write(bad=order(3, 3, steps=empty), good=order(0, 0), then=order(0, 1, after=["bad"]))
    done = cedar("run", "run.yaml")
    assert done.code == 1
    assert [line.split()[:2] for line in done.out.splitlines()[1:]] == [
        ["bad", "FAILED"],
        ["good", "DONE"],
        ["then", "WAITING"],
    ]
    *_, bad, then = done.err.splitlines()
    assert bad.startswith("FAILED bad: no image was found for EXAMPLE_LC08_DN_h003v003")
    assert then == "WAITING then: waits for bad"


def test_what_waits_for_an_order_that_is_left_out_is_not_complete(write, cedar):
    write(one=order(0, 0), two=order(0, 1, after=["one"]))
    done = cedar("run", "run.yaml", "--only", "two")
    assert (done.code, cedar("list").out) == (3, "")
    assert cedar("run", "run.yaml", "--only", "one").code == 0
    assert cedar("run", "run.yaml", "--only", "two").code == 0


def test_a_run_whose_time_is_over_is_not_complete(write, cedar, monkeypatch):
    write(one=order(0, 0))
    monkeypatch.setattr(Tracker, "watch", lambda self, name, *_args: self.read(name))
    done = cedar("run", "run.yaml", "--timeout", 0)
    assert done.code == 3
    assert "UNFINISHED one: not complete yet: 1 READY" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.yaml",), "Error: can't read nowhere.yaml: No such file or directory"),
        (("run.yaml", "--only", "won"), "Error: no order or group is called 'won'; the nearest is"),
        (("run.yaml", "--timeout", "-1"), "Error: Invalid value for '--timeout'"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(write, cedar, words, said):
    write(one=order(0, 0))
    done = cedar("run", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)
    assert len(done.err.splitlines()) == 1


def test_a_changed_order_is_exit_code_2(write, cedar):
    write(one=order(0, 0))
    cedar("run", "run.yaml")
    write(one=order(0, 1))
    done = cedar("run", "run.yaml")
    assert done.code == 2
    assert "tile_indices was [[0, 0]], and is [[0, 1]]" in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_order_and_the_same_command_goes_on(write, cedar, here, number, code):
    steps = {"watch": None}
    write(**{f"of-{row}-{col}": order(row, col, steps=steps) for row in range(2) for col in (0, 1)})
    with Forked(COMMAND, "run", "run.yaml") as process:
        said = next(line for line in process.stderr if "watching" in line)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    assert "`cedar run run.yaml` goes on" in said.splitlines()[-1]
    for record in (here / "store" / "CEDAR_TRACKING").glob("*.json"):
        states = [e["status"]["state"] for e in json.loads(record.read_text())["orders"]]
        assert not {"RUNNING", "CANCEL_REQUESTED"} & {*states}
    assert cedar("run", "run.yaml").code == 0
    assert len(cedar("list").out.split()) == 4
