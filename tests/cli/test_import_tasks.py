"""`cedar import-tasks`."""

import pytest

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"


@pytest.fixture
def lost(order, cedar, here):
    """Name of an order that is done, and whose record is gone."""
    name = order("--wait")
    (here / "store" / "CEDAR_TRACKING" / f"{name}.json").unlink()
    return name


def test_a_lost_record_is_shown_and_then_rebuilt(lost, cedar):
    done = cedar("import-tasks", "--order", lost, "--dry-run")
    assert done.code == 0
    first, header, row = done.out.splitlines()
    assert first == f"{lost}: 1 COMPLETED"
    assert header.split() == ["item", "state", "files", "task", "document"]
    assert row.split() == [ITEM, "COMPLETED", "1", "-", "yes"]
    assert cedar("list").out == ""
    done = cedar("import-tasks", "--order", lost, "--yes")
    assert (done.code, done.out) == (0, f"{lost}\n")
    assert f"next: cedar watch {lost}" in done.err
    assert cedar("update", lost).out == f"{lost}: 1 COMPLETED\n"
    assert cedar("download", lost).code == 0


def test_files_are_imported_and_what_an_order_has_is_left_out(lost, cedar, here):
    cedar("import-tasks", "--order", lost)
    (here / "store" / "CEDAR_PREARD" / "mine.tif").write_bytes(b"pixels")
    done = cedar("import-tasks", "--from-files", "--name", "MINE", "--json")
    assert done.code == 0
    assert done.json == {
        "name": "MINE",
        "states": {"COMPLETED": 1},
        "orders": [
            {
                "name": "mine",
                "prefix": "CEDAR_PREARD",
                "state": "COMPLETED",
                "task": None,
                "outputs": ["mine.tif"],
                "documented": False,
            }
        ],
        "left_out": {ITEM: lost},
    }
    assert f"left out: order {lost} has {ITEM}" in done.err
    assert cedar("list").out == f"MINE\n{lost}\n"


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_it_asks(lost, cedar, on_a_terminal, answer, code):
    ended, seen = on_a_terminal(("import-tasks", "--order", lost), answer)
    assert ended == code
    assert "Record 1 item? [y/N]" in seen
    assert cedar("list").out == ("" if code else f"{lost}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--order", "X", "--pattern", "A*"), "an order is rebuilt whole"),
        (("--prefix", "A", "--prefix", "B"), "give --prefix once"),
        ((), "--from-files"),
        (("--from-files", "--pattern", "none*", "--since", "2020-01-01"), "nothing to import"),
        (("--order", "NEVER"), "--prefix"),
    ],
)
def test_what_can_not_be_imported_is_one_line(lost, cedar, words, message):
    done = cedar("import-tasks", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert cedar("list").out == ""
