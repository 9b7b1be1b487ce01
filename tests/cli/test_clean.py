"""`cedar clean --dry-run`: what would be deleted, and what would be refused."""

from __future__ import annotations

import json

from cedar import LocalStore

ITEMS = tuple(f"EXAMPLE_LC08_DN_h00{col}v000_2020-05-01_2020-06-01" for col in (0, 1))
TWO = ("--index", 0, 0, "--index", 0, 1)


def inventory(here):
    """Files in the store, but for what it needs for itself; and what is in them."""
    return {
        str(path.relative_to(here / "store")): path.read_bytes()
        for path in (here / "store").glob("CEDAR_*/*")
        if path.is_file()
    }


def key_of(path):
    return "/".join(path.parts[-2:])


def test_a_dry_run_lists_what_clean_then_deletes(order, cedar, here):
    name = order("--wait", tiles=TWO)
    cedar("download", name)
    there = inventory(here)
    done = cedar("clean", name, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert inventory(here) == there
    *lines, total = done.out.splitlines()
    keys = [line.split("  ")[0] for line in lines]
    assert [key.rpartition(".")[2] for key in keys] == ["tif", "tif", "json", "json", "json"]
    assert keys[-1] == f"CEDAR_TRACKING/{name}.json"
    size = len(there[keys[0]])
    assert lines[0].endswith(f"  {size:,} bytes")
    assert " version " in lines[0]
    assert total.startswith(f"{name}: 5 files, ")
    found = cedar("clean", name, "--dry-run", "--json").json
    assert [each["key"] for each in found["would_delete"]] == keys
    assert found["bytes"] == sum(each["size"] for each in found["would_delete"])
    assert (found["left"], found["refused"]) == ([], [])
    cedar("clean", name, "--yes")
    assert inventory(here) == {}
    assert keys[:4] == sorted(keys[:4], key=lambda key: (key.endswith("json"), key))


def test_a_dry_run_lists_the_record_only_if_that_goes(order, cedar):
    name = order("--wait")
    found = cedar("clean", name, "--dry-run", "--keep-tracking", "--json").json
    assert {each["key"] for each in found["would_delete"]} == {
        f"CEDAR_PREARD/{ITEMS[0]}.tif", f"CEDAR_PREARD/{ITEMS[0]}.json",
    }  # fmt: skip


def test_a_dry_run_says_which_items_clean_refuses(order, cedar, here):
    name = order("--wait", tiles=TWO)
    cedar("download", name)
    (here / name / f"{ITEMS[1]}.tif").unlink()
    done = cedar("clean", name, "--dry-run")
    assert done.code == 0
    assert len(done.out.splitlines()) == 6
    assert done.err.splitlines() == [
        "would be refused, 1 item: no verified copy of it is on this machine",
        f"  {ITEMS[1]}",
    ]
    assert cedar("clean", name, "--yes").code == 1
    assert cedar("clean", name, "--dry-run", "--force", "--json").json["refused"] == []


def test_a_dry_run_names_what_is_under_way(order, cedar, here):
    name = order(tiles=TWO)
    path = here / "store" / "CEDAR_TRACKING" / f"{name}.json"
    path.write_text(path.read_text("utf-8").replace('"READY"', '"RUNNING"', 1), "utf-8")
    assert cedar("clean", name, "--dry-run").err.splitlines() == [
        "would be refused, 1 item: it is being made",
        f"  {ITEMS[0]}",
        "would be refused, 1 item: no verified copy of it is on this machine",
        f"  {ITEMS[1]}",
    ]


def test_a_dry_run_names_a_few_of_many_items_that_are_refused(order, cedar, monkeypatch):
    monkeypatch.setattr("cedar.cli.clean.TOLD", 1)
    name = order(tiles=TWO)
    said = cedar("clean", name, "--dry-run").err.splitlines()
    assert said[1:] == [f"  {ITEMS[0]}", "  … and 1 more"]


def test_a_dry_run_lists_what_earlier_attempts_left(order, cedar, here):
    name = order("--wait")
    cedar("download", name)
    left = here / "store" / "CEDAR_PREARD" / f"{ITEMS[0]}-0000000000-0000000000.tif"
    left.write_bytes(b"the first attempt's")
    path = here / "store" / "CEDAR_TRACKING" / f"{name}.json"
    document = json.loads(path.read_bytes())
    (entry,) = document["orders"]
    output, version = entry["outputs"][0], LocalStore(here / "store").stat(key_of(left)).version
    entry["attempts"] = [
        {"attempt": 1, "outputs": [output | {"name": left.name, "version": version}]},
        {"attempt": 2, "outputs": [output | {"name": left.name, "version": "replaced since"}]},
    ]
    path.write_text(json.dumps(document), "utf-8")
    found = cedar("clean", name, "--dry-run", "--json").json
    assert [each["key"] for each in found["would_delete"]][:2] == [
        f"CEDAR_PREARD/{ITEMS[0]}.tif", key_of(left),
    ]  # fmt: skip
    assert found["left"] == []
    cedar("clean", name, "--yes")
    assert inventory(here) == {}


def test_a_dry_run_says_what_the_order_did_not_make(order, cedar, here):
    name = order("--wait", tiles=TWO)
    cedar("download", name)
    image, document = (
        here / "store" / "CEDAR_PREARD" / f"{ITEMS[0]}.{suffix}" for suffix in ("tif", "json")
    )
    image.write_bytes(b"somebody's")
    document.write_text('{"order": {"tracking": "another", "submitted": ""}}', "utf-8")
    (here / "store" / "CEDAR_PREARD" / f"{ITEMS[1]}.tif").unlink()
    done = cedar("clean", name, "--dry-run", "--json")
    left = {f"CEDAR_PREARD/{path.name}" for path in (image, document)}
    assert {*done.json["left"]} == left
    assert {each["key"] for each in done.json["would_delete"]} == {
        f"CEDAR_PREARD/{ITEMS[1]}.json", f"CEDAR_TRACKING/{name}.json",
    }  # fmt: skip
    told = cedar("clean", name, "--dry-run").err.splitlines()
    assert {line.rpartition(": ")[2] for line in told} == left
    cedar("clean", name, "--yes")
    assert inventory(here).keys() == left


def test_a_dry_run_asks_nobody(order, on_a_terminal):
    name = order("--wait")
    code, seen = on_a_terminal(("clean", name, "--dry-run"), None)
    assert code == 0
    assert "[y/N]" not in seen
