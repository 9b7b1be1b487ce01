"""How commands end: one line, and an exit code that says what kind of end it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import yaml
from orders import COLLECTION

from cedar import retry
from cedar.tracker import Tracker

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")
FIRST = ("submit", COLLECTION, "--index", 0, 0, *MAY)


@pytest.fixture
def refused(cedar, here):
    """Run a command that can't work: one line, exit code 2, nothing written; what the line says."""

    def refused(*words):
        before = sorted(here.rglob("*"))
        done = cedar(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Error: ")
        assert done.err.count("\n") == 1
        assert sorted(here.rglob("*")) == before
        return done.err

    return refused


def test_no_configuration(refused):
    assert "cedar config template" in refused(*FIRST)


def test_broken_yaml(refused, here):
    (here / "cedar.yaml").write_text("tracker:\n  store: [local\n", "utf-8")
    assert "cedar.yaml: line 3, column 1: " in refused(*FIRST)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"tracker": {"stoer": "local"}}, "stoer"),
        ({"tracker": {"store": "moon"}}, "no store is called 'moon'"),
        ({"tracker": {"store": "gcs"}}, "needs a section 'gcs'"),
        ({"tracker": {"filters": {COLLECTION: [{"function": "ltee"}]}}}, "'lte'"),
        ({"tracker": {"name_template": "{tile.__class__}"}}, "{tile.__class__}"),
        ({"tracker": {"name_template": "{colection}"}}, "colection"),
        ({"earthengine": {"catalog": "none"}}, "none"),
    ],
)
def test_ancestor_29_a_configuration_that_can_not_be_used(refused, configure, sections, message):
    configure(**sections)
    assert message in refused(*FIRST)


def test_a_name_template_that_can_not_tell_items_apart(refused, configure):
    configure(tracker={"name_template": "{collection}"})
    assert "name" in refused(*FIRST, "--index", 0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("submit", "LANDSAT/LC08/C01/T1_SR", *FIRST[2:]), "use LANDSAT/LC08/C02/T1_L2"),
        (("submit", COLLECTION, "--index", 9, 9, *MAY), "tile (9, 9) is outside tile grid"),
        ((*FIRST, "--period-end", "2020-04-01"), "2020-04-01"),
        ((*FIRST, "--period-start", "yesterday"), "'yesterday' is not a date"),
        ((*FIRST, "--period-freq", "1M"), "pandas no longer takes 'M'"),
        ((*FIRST, "--period-freq", "often"), "'often' can't be read"),
        ((*FIRST, "--roi", "none.geojson"), "can't read none.geojson"),
        (("-C", "none.yaml", "list"), "there is no configuration none.yaml"),
        (("watch", "X", "--interval", 0), "'--interval'"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("list", "--frob"), "No such option '--frob'"),
        (("show",), "Missing argument 'NAME'; `cedar show --help` says what there is"),
        (("config",), "Missing command; `cedar config --help`"),
        (("show", "../X"), "can't be the key of an object"),
    ],
)
def test_wrong_arguments(refused, configure, words, message):
    configure()
    assert message in refused(*words)


def test_a_region_that_is_no_geojson(refused, configure, here):
    configure()
    (here / "roi.geojson").write_text("{", "utf-8")
    assert "roi.geojson" in refused(*FIRST, "--roi", "roi.geojson")


def test_the_real_service_without_a_project(refused, here):
    (here / "cedar.yaml").write_text(
        "tile_grid: {crs: EPSG:32621, ul: [730005, -2778015], res: [30, 30], size: [300, 250]}\n"
        "tracker: {store: local}\n"
        "local: {directory: store}\n",
        "utf-8",
    )
    command = ("submit", "LANDSAT/LC08/C02/T1_L2", *FIRST[2:])
    assert "set `project` in section `earthengine`" in refused(*command)
    assert "set `project`" in refused("config", "check")


@pytest.mark.parametrize("command", ["show", "update", "watch", "download", "clean", "cancel"])
def test_an_order_that_does_not_exist(configure, cedar, here, command):
    configure()
    done = cedar(command, "X")
    assert (done.code, done.out) == (1, "")
    assert (
        done.err
        == "Error: there is no order 'X' in the store: `cedar list` shows those there are\n"
    )
    assert not (here / "store").exists()


@pytest.mark.parametrize("command", ["show", "update", "watch", "download", "clean", "cancel"])
def test_a_damaged_record(order, cedar, here, command):
    name = order()
    record = here / "store" / "CEDAR_TRACKING" / f"{name}.json"
    record.write_text(record.read_text("utf-8")[:-100], "utf-8")
    damaged = record.read_bytes()
    done = cedar(command, name)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert name in done.err
    assert done.err.count("\n") == 1
    assert record.read_bytes() == damaged


def test_options_work_before_and_after_and_with_either_dash(configure, cedar, here):
    configure()
    (here / "cedar.yaml").rename(here / "other.yaml")
    spelled = ("--period_start", "2020-05-01", "--period_end", "2020-06-01", "--no_save_empty")
    submitted = cedar("--json", "submit", COLLECTION, "--index", 0, 0, *spelled, "-C", "other.yaml")
    name = submitted.json["name"]
    assert f"next: cedar watch {name} -C other.yaml\n" in submitted.err
    assert cedar("-C", "other.yaml", "list", "--json").json[0]["name"] == name
    assert cedar("config", "-C", "other.yaml", "show", "--json").code == 0


def test_without_a_command_there_is_help(cedar):
    assert cedar().out == cedar("--help").out
    assert cedar("--version").out.startswith("cedar ")


def raising(error):
    def method(*_args, **_settings):
        raise error

    return method


def test_a_fault_is_one_line_that_asks_to_report_it(order, cedar, monkeypatch):
    name = order()
    monkeypatch.setattr(Tracker, "read", raising(KeyError("x")))
    done = cedar("show", name)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "Error: a fault in cedar, KeyError: 'x'; please report it, with what the same command says "
        "with --debug\n"
    )
    assert "Traceback" in cedar("show", name, "--debug").err


def test_debug_shows_where_an_expected_error_comes_from(configure, cedar):
    configure()
    done = cedar("show", "X", "--debug")
    assert done.code == 1
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("Error: there is no order 'X'")


def test_what_the_system_refuses_is_one_line(order, cedar, monkeypatch):
    name = order()
    monkeypatch.setattr(Tracker, "read", raising(PermissionError(13, "Permission denied", "/x")))
    assert cedar("show", name) == (1, "", "Error: /x: Permission denied\n")


def terminated(*_args, **_settings):
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("method", "code", "word"),
    [(raising(KeyboardInterrupt()), 130, "Interrupted"), (terminated, 143, "Terminated")],
)
@pytest.mark.parametrize(
    ("command", "called", "message"),
    [
        ("watch", "watch", "`cedar watch {name}` goes on"),
        ("download", "download", "`cedar download {name}` goes on"),
        ("clean", "clean", "`cedar clean {name}` goes on"),
        ("show", "read", "nothing was changed"),
    ],
)
def test_who_is_interrupted_is_told_how_to_go_on(
    order, cedar, monkeypatch, method, code, word, command, called, message
):
    name = order()
    monkeypatch.setattr(Tracker, called, method)
    assert cedar(command, name) == (code, "", f"{word}: {message.format(name=name)}\n")


def test_a_submit_that_is_interrupted_says_where_to_look(configure, cedar, monkeypatch):
    configure()
    monkeypatch.setattr(Tracker, "place", raising(KeyboardInterrupt()))
    done = cedar(*FIRST)
    assert done.code == 130
    assert done.err.splitlines()[-1] == (
        "Interrupted: if `cedar list` shows the order, `cedar watch` goes on with it"
    )


def test_who_stops_reading_is_not_told_of_it(here):
    process = subprocess.Popen(
        [sys.executable, "-m", "cedar", "collections"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_who_waits_for_a_service_that_isn_t_there_is_told_so_at_once(
    cedar, configure, here, monkeypatch
):
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(retry, "PATIENCE", 0.1)
    monkeypatch.setattr(retry, "_SILENCE", 0.0)
    document = configure() | {"gcs": {"bucket": "a-bucket", "url": "http://127.0.0.1:9"}}
    document["tracker"]["store"] = "gcs"
    (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
    done = cedar("list")
    waiting, refused = done.err.splitlines()
    assert waiting == ("Warning: list gs://a-bucket: ConnectionError; trying again for 0 s more")
    assert "can't be reached" in refused
