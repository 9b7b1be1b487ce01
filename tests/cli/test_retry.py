"""`cedar retry`, and how commands tell what went wrong."""

import json

import pytest
from orders import LANDSAT

from cedar import Tracker
from cedar.causes import Policy
from cedar.cli import errors
from cedar.cli.output import troubles
from cedar.config import load
from cedar.metadata import TrackingMetadata

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
OTHER = "EXAMPLE_LC08_DN_h001v000_2020-05-01_2020-06-01"
TWO = ("--index", 0, 0, "--index", 0, 1)
GONE = "Image.load: Image asset 'X' not found."


@pytest.fixture
def record(here):
    """Change the status of an order's items in its record, as nobody else would."""

    def change(name, *changes):
        path = here / "store" / "CEDAR_TRACKING" / f"{name}.json"
        document = json.loads(path.read_text())
        for entry, status in zip(document["orders"], changes, strict=True):
            entry["status"] |= status
        path.write_text(json.dumps(document))
        return TrackingMetadata(document)

    return change


def failed(words):
    return {"state": "FAILED", "error_message": words}


def lose_an_image(here, name):
    """Take an image off the catalog that items are made of."""
    catalog = here / "catalog"
    catalog.mkdir()
    for file in LANDSAT.iterdir():
        if file.is_file() and not file.name.endswith("224077_20200518.json"):
            (catalog / file.name).write_bytes(file.read_bytes())
    return catalog


def test_how_often_something_is_tried_again_is_a_setting(configure, cedar):
    configure(tracker={"retry": {"attempts": 2, "later_minutes": 5}})
    config = load("cedar.yaml")
    assert config.retry == Tracker.from_config(config).policy == Policy(2, 5)
    assert cedar("config", "show", "--json").json["tracker"]["retry"]["attempts"] == 2
    configure(tracker={"retry": {"attempts": 0}})
    assert cedar("config", "check").code == 2


def test_retry_makes_what_failed_again(order, cedar, record):
    name = order(tiles=TWO)
    record(name, failed("User memory limit exceeded."), {})
    done = cedar("retry", name)
    assert done == (0, f"{name}: 2 READY\n", f"1 new attempt\nnext: cedar watch {name}\n")
    assert cedar("watch", name).code == 0


def test_retry_says_when_there_is_nothing_to_make_again(order, cedar):
    name = order("--wait")
    done = cedar("retry", name)
    assert done == (0, f"{name}: 1 COMPLETED\n", "nothing is made again\n")


def test_retry_takes_states_and_items(order, cedar, record):
    name = order(tiles=TWO)
    record(name, {"state": "CANCELLED"}, failed("Something new."))
    shown = cedar("retry", name, "--state", "CANCELLED", "--item", ITEM, "--json").json
    assert [item["state"] for item in shown["orders"]] == ["READY", "FAILED"]
    done = cedar("retry", name, "--item", "X*")
    assert (done.code, "no item of" in done.err) == (2, True)
    assert cedar("retry", name, "--state", "COMPLETED").code == 2


def test_retry_begins_at_once_what_waits_for_its_time(order, cedar, record):
    name = order()
    record(name, failed("Quota exceeded."))
    assert cedar("watch", name, "--timeout", 0).code == 3
    lines = cedar("show", name).out.splitlines()[-2:]
    assert lines[0].startswith("READY until ")
    assert lines[0].endswith(f"{ITEM}: Quota exceeded.")
    assert lines[1] == "  `cedar retry` begins it at once"
    done = cedar("retry", name)
    assert done == (
        0, f"{name}: 1 READY\n", f"1 attempt waits no longer\nnext: cedar watch {name}\n",
    )  # fmt: skip
    assert cedar("watch", name).code == 0


def test_retry_splits(order, cedar, record):
    name = order()
    record(name, failed("User memory limit exceeded."))
    done = cedar("retry", name, "--split")
    assert (done.out, done.err.splitlines()[0]) == (f"{name}: 2 READY\n", "2 new attempts")
    shown = cedar("watch", name, "--json").json
    assert [item["name"] for item in shown["orders"]] == [f"{ITEM}-p01", f"{ITEM}-p02"]


def test_retry_shows_which_images_are_others_now_and_wants_a_yes(
    order, cedar, record, configure, here
):
    name = order()
    record(name, failed(GONE))
    configure(earthengine={"catalog": str(lose_an_image(here, name))})
    done = cedar("retry", name)
    assert done.code == 1
    assert f"{ITEM}: its images aren't those that were ordered\n  - " in done.err
    assert "1 item left: `--yes` makes them of other images" in done.err
    done = cedar("retry", name, "--yes")
    assert (done.code, done.out) == (0, f"{name}: 1 READY\n")
    assert cedar("watch", name).code == 0


def test_on_a_terminal_retry_asks(order, on_a_terminal, record, configure, here):
    name = order()
    record(name, failed(GONE))
    configure(earthengine={"catalog": str(lose_an_image(here, name))})
    code, seen = on_a_terminal(("retry", name), b"y\n")
    assert "Make them of what there is now?" in seen
    assert (code, "1 new attempt" in seen) == (0, True)


def test_many_differences_are_told_in_part(monkeypatch, capsys):
    from cedar.cli import retry
    from cedar.cli.base import Settings
    from cedar.retrying import Difference

    monkeypatch.setattr(retry, "_TOLD", 1)
    retry._tell(Settings(), [Difference("a", ("1", "2"), ()), Difference("b", (), ("3",))])
    assert capsys.readouterr().err.splitlines() == [
        "a: its images aren't those that were ordered",
        "  + 1",
        "  + … and 1 more",
        "… and 1 more item",
    ]


def test_failures_of_one_cause_are_told_together_in_the_services_words(order, cedar, record):
    name = order(tiles=TWO)
    words = "Image.load: Image asset 'A/{}' not found."
    record(name, failed(words.format(1)), failed(words.format(2)))
    done = cedar("watch", name)
    assert done.code == 1
    assert done.err.splitlines()[-5:] == [
        "FAILED 2 items, same cause: Image.load: Image asset 'A/1' not found.",
        f"  {ITEM}",
        f"  {OTHER}",
        "  an image is gone: `cedar retry` searches again, and shows what changed",
        f"next: cedar retry {name}",
    ]
    shown = cedar("show", name).out
    assert shown.count("same cause: Image.load") == 1
    assert shown.endswith(f"next: cedar retry {name}\n")


@pytest.mark.parametrize(
    ("status", "line", "advice"),
    [
        (failed("Something new."), f"FAILED {ITEM}: Something new.", "doesn't pass by itself"),
        ({"state": "UNKNOWN"}, f"UNKNOWN {ITEM}", "looks for it once more"),
        ({"state": "COMPLETED"}, f"INCOMPLETE {ITEM}", "files of it are missing"),
        ({"state": "CANCELLED"}, f"CANCELLED {ITEM}", None),
        (
            {"state": "READY", "error_message": "Quota exceeded.", "not_before_ms": 4102444800000},
            f"READY until 2100-01-01 00:00 UTC {ITEM}: Quota exceeded.",
            "`cedar retry` begins it at once",
        ),
        ({"state": "READY"}, None, None),
    ],
)
def test_what_went_wrong_is_told_with_what_helps(order, record, status, line, advice):
    lines = troubles(record(order(), status), 10, "more")
    assert lines[:1] == ([line] if line else [])
    assert len(lines) == bool(line) + bool(advice)
    assert advice is None or advice in lines[1]


def test_of_many_items_of_a_cause_some_are_named(order, cedar, record, monkeypatch):
    name = order(tiles=TWO)
    record(name, failed("Something new."), failed("Something new."))
    monkeypatch.setattr(errors, "TOLD", 1)
    assert f"  … and 1 more: cedar show {name}\n" in cedar("watch", name).err


def test_an_incomplete_order_is_offered_to_be_made_again(order, cedar, here):
    name = order("--wait")
    (here / "store" / "CEDAR_PREARD" / f"{ITEM}.tif").unlink()
    cedar("update", name)
    done = cedar("watch", name)
    assert done.code == 3
    assert done.err.endswith(f"next: cedar retry {name}\n")
    assert cedar("retry", name).code == 0
    assert cedar("watch", name).code == 0
