"""`cedar emulator`."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import textwrap
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from comparing import NAMED
from forked import COMMAND, Forked
from orders import COLLECTION, LANDSAT

from cedar.engines.earthengine import EarthEngine
from cedar.engines.earthengine.compare import compare as ask

SEVEN = json.dumps({"expression": {"result": "0", "values": {"0": {"constantValue": 7}}}}).encode()


@contextmanager
def serving(*words, ending=signal.SIGINT, code=130):
    """The command in a process of its own, and the lines that it wrote."""
    process = Forked(COMMAND, "emulator", *words)
    try:
        yield (line.rstrip() for line in process.stdout)
        process.send_signal(ending)
        assert process.wait(60) == code
        assert process.stderr.read().splitlines()[-1].endswith(": the emulator has stopped")
    finally:
        process.kill()
        process.communicate()


def compute(url):
    return urllib.request.urlopen(f"{url}/v1/projects/any/value:compute", SEVEN).read()


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_until_it_is_stopped(ending, code):
    with serving(ending=ending, code=code) as lines:
        url = next(lines)
        assert compute(url) == b'{"result": 7}'
    with pytest.raises(OSError, match="refused"):
        compute(url)


def test_what_it_says_to_write_into_a_configuration_works(cedar, configure):
    document = configure()
    with serving("--catalog", str(LANDSAT)) as lines:
        url, _, *setting, _, python = itertools.islice(lines, 6)
        document |= yaml.safe_load(textwrap.dedent("\n".join(setting)))
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
        done = cedar(
            "submit", COLLECTION, "--index", 0, 0,
            "--period-start", "2020-05-01", "--period-end", "2020-06-01", "--wait",
        )  # fmt: skip
        assert done.code == 0, done.err
    assert python.strip() == f'ee.Initialize(None, project="any", url="{url}")'


def test_an_order_is_exported_into_a_bucket_that_it_made(cedar, configure):
    document = configure()
    document["tracker"] |= {"store": "gcs"}
    with serving("--catalog", str(LANDSAT), "--bucket", "one", "--bucket", "two") as lines:
        _, _, *settings, _, _ = itertools.islice(lines, 9)
        document |= yaml.safe_load(textwrap.dedent("\n".join(settings)))
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
        done = cedar(
            "submit", COLLECTION, "--index", 0, 0,
            "--period-start", "2020-05-01", "--period-end", "2020-06-01", "--wait",
        )  # fmt: skip
        assert done.code == 0, done.err
        assert document["gcs"]["bucket"] == "one"
        document["gcs"]["bucket"] = "two"
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
        assert (cedar("auth", "gcs", "--check").code, cedar("list").out) == (0, "")


def test_it_serves_on_the_port_that_is_wanted_with_the_faults_that_are_wanted(here):
    port = 25_000 + os.getpid() % 5_000  # and the next two: below those that systems give away
    (here / "faults.yaml").write_text(
        "- {service: earthengine, method: 'value:*', nth: 1, action: status, value: quota}\n"
    )
    with serving("--port", str(port), "--faults", "faults.yaml", "--json") as lines:
        assert next(lines) == "{"
        assert next(lines) == f' "earthengine": "http://127.0.0.1:{port}",'
        with pytest.raises(urllib.request.HTTPError) as refused:
            compute(f"http://127.0.0.1:{port}")
        refused.value.close()
        assert refused.value.code == 429
        assert compute(f"http://127.0.0.1:{port}") == b'{"result": 7}'


def test_it_answers_by_the_profile_that_is_wanted(here):
    (here / "profile.json").write_text(json.dumps({"answers": {"map_keeps_id": False}}))
    with serving("--profile", "profile.json") as lines:
        (finding,) = ask(EarthEngine(url=next(lines)), [NAMED["map_keeps_id"]])
    assert finding.answer is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", 70000), "70000 is not in the range"),
        (("--catalog", "nowhere"), "there is no such directory"),
        (("--seed", -1), "-1 is not in the range"),
        (("--faults", "nowhere.yaml"), "nowhere.yaml: can't be read"),
        (("--faults", "broken.yaml"), "broken.yaml: can't be read"),
        (("--faults", "none.yaml"), "none.yaml: is no list of faults"),
        (("--bucket", "No Name"), "bucket 'No Name': "),
        (("--faults", "odd.yaml"), "unknown action 'explode'"),
    ],
)
def test_what_can_t_be_served_is_one_line(cedar, here, words, said):
    (here / "broken.yaml").write_text("[")
    (here / "none.yaml").write_text("")
    (here / "odd.yaml").write_text("[{service: earthengine, method: '*', nth: 1, action: explode}]")
    done = cedar("emulator", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_port_in_use_is_one_line(cedar):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cedar("emulator", "--port", taken.getsockname()[1])
    assert (done.code, done.out) == (2, "")
    assert "Address already in use" in done.err
    assert done.err.count("\n") == 1
