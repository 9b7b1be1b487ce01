"""`cedar log`, and the file that everything logged is kept in."""

import logging
import re

from cedar.cli.base import Settings
from cedar.cli.errors import logged

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"


def test_log_shows_what_became_of_each_item_and_when(order, cedar):
    name = order("--wait")
    done = cedar("log", name)
    assert done.code == 0
    lines = [line.split("  ") for line in done.out.splitlines()]
    assert lines[0][1:] == [name, "submitted"]
    assert [line[1:] for line in lines[1:]] == [
        [ITEM, "READY"], [ITEM, "RUNNING"], [ITEM, "COMPLETED"],
    ]  # fmt: skip
    times = [line[0] for line in lines]
    assert times == sorted(times)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", times[0])


def test_log_as_json_and_of_some_items(order, cedar):
    name = order(tiles=("--index", 0, 0, "--index", 0, 1))
    found = cedar("log", name, "--item", "*h000*", "--json").json
    assert [event["item"] for event in found] == [None, ITEM]
    assert found[1].keys() == {"time", "time_ms", "item", "attempt", "state", "cause"}


def test_the_causes_are_shown(order, cedar, here):
    name = order()
    for path in (here / "store" / "CEDAR_PREARD").glob("*.json"):
        path.unlink()
    cedar("watch", name)
    last = cedar("log", name).out.splitlines()[-1]
    assert "  FAILED: " in last
    assert "is gone" in last


def test_a_log_file_keeps_what_is_logged_with_time_and_level(order, cedar, here):
    name = order()
    for words in (("--log-file", "cedar.log", "show", name), ("show", "NONE", "--log-file",
                  "cedar.log")):  # fmt: skip
        cedar(*words)
    lines = (here / "cedar.log").read_text("utf-8").splitlines()
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|ERROR|DEBUG|WARNING) [\w.]+: ")
    assert all(form.match(line) for line in lines)
    assert sum("INFO cedar.cli.base: the configuration is" in line for line in lines) == 2
    assert "ERROR cedar.cli.errors: Error: there is no order 'NONE'" in lines[-1]


def test_what_a_thread_logs_too_late_opens_no_log_file_again(here):
    late = logging.makeLogRecord(
        {"msg": "too late", "name": "cedar", "levelno": logging.INFO, "levelname": "INFO"}
    )
    with logged(Settings(log_file="cedar.log", quiet=True)):
        handlers = logging.getLogger().handlers[:]
        logging.getLogger("cedar").info("in time")
    for handler in handlers:
        handler.handle(late)
    assert re.fullmatch(r".* INFO cedar: in time\n", (here / "cedar.log").read_text())


def test_an_error_is_said_once_with_a_log_file_too(order, cedar):
    order()
    done = cedar("show", "NONE", "--log-file", "cedar.log")
    assert done.err.count("there is no order 'NONE'") == 1


def test_a_log_file_that_can_not_be_written_ends_the_command_before_it_begins(order, cedar, here):
    name = order()
    done = cedar("cancel", name, "--log-file", here / "none" / "cedar.log")
    assert done.code == 2
    assert "No such file or directory" in done.err
    assert cedar("show", name, "--json").json["states"] == {"READY": 1}
