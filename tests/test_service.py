"""The units and the image that the documentation gives: what they run is what cedar has."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from cedar.cli.errors import INCOMPLETE, SIGNALLED
from cedar.cli.main import group, main
from cedar.config import example

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "examples"
#: How files of a service end; the others are of docs/extending.rst.
UNITS = ("", ".service", ".timer")


def unit(name):
    """A unit's sections. systemd's keys have capitals."""
    parser = ConfigParser(interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read_string((EXAMPLES / name).read_text("utf-8"))
    return parser


def parsed(words):
    """Parse a command of cedar's with its options; an error of usage where there is none."""
    context = click.Context(group, info_name="cedar")
    name, command, rest = group.resolve_command(context, list(words))
    return command.make_context(name, rest, parent=context)


@pytest.fixture
def steps():
    """Instructions of the container file, and what each is given, one stage after the other."""
    text = (EXAMPLES / "Containerfile").read_text("utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def given(steps, instruction):
    return [rest for name, rest in steps if name == instruction]


# ---- units


def test_the_service_runs_a_command_that_cedar_has():
    program, *words = shlex.split(unit("cedar-tick.service")["Service"]["ExecStart"])
    assert Path(program).name == "cedar"
    context = parsed(words)
    assert (context.command.name, context.obj.config) == ("tick", "cedar.yaml")


def test_a_command_that_cedar_has_not_would_be_seen():
    with pytest.raises(click.UsageError):
        parsed(["tock"])
    with pytest.raises(click.UsageError):
        parsed(["tick", "--no-such-option"])


def test_what_is_unfinished_or_was_stopped_in_order_has_not_failed():
    service = unit("cedar-tick.service")["Service"]
    codes = {int(code) for code in service["SuccessExitStatus"].split()}
    assert codes == {INCOMPLETE, SIGNALLED + signal.SIGTERM}
    assert service["Type"] == "oneshot"


def test_the_timer_starts_the_service_that_has_its_name():
    timer = unit("cedar-tick.timer")
    assert (EXAMPLES / timer["Timer"].get("Unit", "cedar-tick.service")).is_file()
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert "Install" not in unit("cedar-tick.service")


def test_a_round_as_the_service_makes_it(tmp_path, monkeypatch, capsys):
    service = unit("cedar-tick.service")["Service"]
    directory = Path(service["WorkingDirectory"].replace("%h", str(tmp_path)))
    program, *words = shlex.split(service["ExecStart"].replace("%h", str(tmp_path)))
    Path(program).parent.mkdir(parents=True)
    Path(program).symlink_to(Path(sys.executable).parent / "cedar")
    (directory / "cedar.yaml").write_text(example("template"), "utf-8")
    monkeypatch.chdir(directory)
    january = ("--period-start", "2020-01-01", "--period-end", "2020-02-01")
    main(["submit", "LANDSAT/LC08/C02/T1_L2", "--index", "0", "0", *january])
    name = capsys.readouterr().out.strip()
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (INCOMPLETE, f"{name}: 1 READY\n")


# ---- the image


def test_the_image_is_built_of_all_that_is_installed(steps):
    copied = {
        source
        for rest in given(steps, "COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    metadata, packages = parser["metadata"], parser["options"]["package_dir"]
    needed = {"setup.cfg", "pyproject.toml", metadata["license_files"]}
    needed.add(metadata["long_description"].removeprefix("file: "))
    needed |= {line.split(" = ")[1] for line in packages.strip().splitlines()}
    assert copied == needed
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_runs_what_was_installed_into_it_with_commands_that_cedar_has(steps):
    (environment,) = re.findall(r"python3 -m venv (\S+)", "\n".join(given(steps, "RUN")))
    (entry,) = map(json.loads, given(steps, "ENTRYPOINT"))
    (words,) = map(json.loads, given(steps, "CMD"))
    assert entry == [f"{environment}/bin/cedar"]
    assert parsed(words).command.name == "tick"
    assert f"--from=build {environment} {environment}" in given(steps, "COPY")
    (installed,) = [rest for rest in given(steps, "RUN") if "/pip install" in rest]
    assert installed.startswith(f"{environment}/bin/pip install")


def test_the_image_installs_extras_that_there_are(steps):
    (extras,) = re.findall(r"\.\[(.*)\]", "\n".join(given(steps, "RUN")))
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    assert set(extras.split(",")) <= parser["options.extras_require"].keys()


# ---- the page


def test_the_page_shows_every_file():
    page = (ROOT / "docs" / "service.rst").read_text("utf-8")
    shown = set(re.findall(r"^\.\. literalinclude:: examples/(\S+)$", page, re.MULTILINE))
    assert shown == {
        path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix in UNITS
    }
