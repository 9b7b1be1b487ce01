"""`cedar list`, `show`, `update`, `watch` and `cancel`."""

from __future__ import annotations

from cedar import LocalStore
from cedar.cli import errors, output

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
TWO = ("--index", 0, 0, "--index", 0, 1)


def lose_metadata(here, item=ITEM):
    """Make an item fail: without its metadata nobody knows what to make."""
    (here / "store" / "CEDAR_PREARD" / f"{item}.json").unlink()


def test_list_has_a_name_a_line_and_json_a_summary_each(order, cedar):
    first, second = order(), order(tiles=("--index", 1, 1))
    assert cedar("list").out.split() == sorted([first, second])
    cedar("watch", first)
    listed = {each["name"]: each for each in cedar("list", "--json").json}
    assert set(listed[first]) == {
        "name", "submitted", "updated", "complete", "progress", "states",
    }  # fmt: skip
    assert (listed[first]["complete"], listed[first]["states"]) == (True, {"COMPLETED": 1})
    assert (listed[second]["complete"], listed[second]["states"]) == (False, {"READY": 1})


def test_a_damaged_record_is_named_and_the_others_are_listed(order, cedar, here):
    name = order()
    (here / "store" / "CEDAR_TRACKING" / "broken.json").write_text("{", "utf-8")
    assert cedar("list").out.split() == [name, "broken"]
    done = cedar("--json", "list")
    assert [each["name"] for each in done.json] == [name]
    assert done.code == 0
    assert done.err.startswith("Warning: left out: ")
    assert "broken" in done.err
    (here / "store" / "CEDAR_TRACKING" / "broken too.json").write_text("[]", "utf-8")
    done = cedar("update", "--all")
    assert (done.code, done.out) == (1, f"{name}: 1 READY\n")
    assert done.err.count("Error: ") == 2
    assert "broken too" in done.err


def test_show_has_what_is_known_of_each_item(order, cedar):
    name = order("--wait", tiles=(*TWO, "--index", 3, 3))
    lines = cedar("show", name).out.splitlines()
    assert lines[0] == f"{name}: 2 COMPLETED, 1 EMPTY"
    assert lines[2].split() == [ITEM, "COMPLETED", "2", "100%", "1"]
    assert set(cedar("show", name, "--json").json) == {
        "name", "complete", "progress", "states", "submission", "orders",
    }  # fmt: skip
    assert cedar("show", f"{name}.json", "--json").json["orders"][0] == {
        "name": ITEM,
        "state": "COMPLETED",
        "n_images": 2,
        "progress": 1.0,
        "error": None,
        "outputs": [f"{ITEM}.tif"],
    }


def test_watch_completes_an_order(order, cedar):
    name = order(tiles=TWO)
    done = cedar("watch", name)
    assert done == (0, f"{name}: 2 COMPLETED\n", "making: 100%, 2 COMPLETED\n")
    assert cedar("watch", name, "--json").json["complete"]


def test_watch_says_what_failed(order, cedar, here):
    name = order(tiles=TWO)
    lose_metadata(here)
    done = cedar("watch", name)
    assert done.code == 1
    assert f"FAILED {ITEM}: CEDAR_PREARD/{ITEM}.json is gone" in done.err
    shown = cedar("show", name)
    assert shown.code == 0
    assert f"{ITEM}: CEDAR_PREARD/{ITEM}.json is gone" in shown.out


def test_a_watch_that_runs_out_of_time_is_not_complete_yet(order, cedar, here):
    name = order()
    with LocalStore(here / "store").claim(f"CEDAR_PREARD/{ITEM}.tif") as ours:
        assert ours  # So that the watch has to wait for somebody.
        done = cedar("watch", name, "--timeout", 0, "--interval", 0.01)
    assert done.code == 3
    assert f"not complete yet; next: cedar watch {name}\n" in done.err
    assert cedar("watch", name).code == 0


def test_update_says_what_to_do_next(order, cedar):
    name = order()
    done = cedar("update", name)
    assert done == (0, f"{name}: 1 READY\n", f"next: cedar watch {name}\n")


def test_update_finds_that_an_image_is_gone(order, cedar, here):
    name = order("--wait")
    (here / "store" / "CEDAR_PREARD" / f"{ITEM}.tif").unlink()
    (updated,) = cedar("update", "--all", "--json").json
    assert updated["states"] == {"INCOMPLETE": 1}
    done = cedar("watch", name)
    assert (done.code, f"cedar show {name}" in done.err) == (3, True)


def test_ancestor_31_update_wants_a_name_or_all(order, cedar):
    name = order()
    for words in (), (name, "--all"):
        done = cedar("update", *words)
        assert done.code == 2
        assert "Error: give the name of an order, or --all" in done.err


def test_cancel_keeps_what_is_finished(order, cedar):
    name = order()
    assert cedar("cancel", name) == (0, f"{name}: 1 CANCELLED\n", "")
    done = cedar("watch", name)
    assert done.code == 1
    assert f"CANCELLED {ITEM}\n" in done.err
    finished = order("--wait", tiles=("--index", 0, 1))
    assert cedar("cancel", finished, "--json").json["states"] == {"COMPLETED": 1}


def test_many_failures_are_told_in_part(order, cedar, monkeypatch):
    name = order(tiles=TWO)
    cedar("cancel", name)
    monkeypatch.setattr(errors, "TOLD", 1)
    done = cedar("watch", name)
    assert done.err.count("CANCELLED ") == 1
    assert done.err.endswith(f"… and 1 more: cedar show {name}\n")


def test_without_a_terminal_progress_is_a_line_now_and_then(order, cedar, monkeypatch):
    name = order(tiles=TWO)
    monkeypatch.setattr(output, "LINE_INTERVAL", 0)
    assert cedar("watch", name).err.count("making: ") > 1
    assert cedar("watch", name, "-q").err == ""


def test_verbose_says_every_step_and_which_configuration_it_is(order, cedar):
    name = order(tiles=TWO)
    done = cedar("-v", "watch", name)
    assert "Info: the configuration is cedar.yaml" in done.err
    assert done.err.count("making: ") > 1
