"""`cedar emulator compare`, and the emulator with what it has found."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import ee
import pytest
import yaml
from comparing import NAMED

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.engines.earthengine import compare as comparison
from cedar.engines.earthengine import session
from cedar.engines.earthengine.compare import NOT_ASKED, QUESTIONS, TASKS, planned, tasks

BUCKET = "a-bucket-for-it"
PROFILE = Path("earthengine-profile.json")


@pytest.fixture(autouse=True)
def nobodys_session(monkeypatch):
    """No session before the test, so that all is asked for; whatever it makes is gone after it."""
    monkeypatch.setattr(session, "_made", None)
    ee.Reset()
    yield
    ee.Reset()


@pytest.fixture
def reached(configure):
    """Write a configuration with this section of Earth Engine, and these others."""

    def reached(section, **others):
        document = configure(**others) | {"earthengine": section}
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")

    return reached


@pytest.fixture
def emulator():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def live(cedar, reached, emulator):
    """Compare the emulator of this process, by loopback."""
    reached({"url": emulator.urls["earthengine"]})
    return lambda *words: cedar("emulator", "compare", "--live", *words)


def test_without_live_it_says_what_it_would_ask_and_asks_nothing(cedar, emulator):
    done = cedar("emulator", "compare")
    assert (done.code, done.err) == (0, "")
    for question in planned(with_bucket=False):
        assert f"{question.name} " in done.out
        assert question.asks in done.out
    assert "35 requests to Earth Engine" in done.out
    assert "With --bucket NAME" in done.out
    assert all(name in done.out for name in NOT_ASKED)
    assert done.out.splitlines()[-1] == "Nothing was asked; --live asks."
    assert not PROFILE.exists()


def test_with_a_bucket_it_says_what_of_tasks_too(cedar):
    done = cedar("emulator", "compare", "--bucket", BUCKET)
    assert all(question.asks in done.out for question in QUESTIONS)
    assert f"{TASKS} export tasks" in done.out
    assert f"a few KB in {BUCKET}, are deleted at the end" in done.out
    plan = cedar("emulator", "--json", "compare", "--bucket", BUCKET).json
    assert len(plan["questions"]) == len(QUESTIONS)
    assert (plan["requests"], plan["tasks"]) == (38, 2)
    assert cedar("emulator", "compare", "--json").json["tasks"] == 0


def test_live_it_writes_a_profile_that_the_emulator_takes(live, emulator):
    done = live("--yes", "--profile", "found.json", "--json")
    # There are no two tasks whose order could be looked at.
    assert done.code == 1
    assert "written: found.json; next: cedar emulator --profile found.json" in done.err
    profile = json.loads(Path("found.json").read_text("utf-8"))
    assert done.json == profile
    assert [each["question"] for each in profile["evidence"]] == [
        question.name for question in planned(with_bucket=False)
    ]
    assert profile["emulated"]
    assert Answers.load("found.json") == Answers()
    assert len(emulator.requests) == 35


def test_with_a_bucket_everything_is_answered_and_nothing_is_left(cedar, reached, monkeypatch):
    monkeypatch.setattr(tasks, "INTERVAL", 0.01)
    reached(
        {"url": "emulator", "state": "state"},
        tracker={"store": "gcs"},
        gcs={"bucket": "of-the-configuration", "url": "emulator"},
    )
    done = cedar("emulator", "compare", "--live", "--yes", "--bucket", BUCKET)
    assert done.code == 0, done.err
    answers = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert ["duplicate_request", "as assumed  operation"] in answers
    assert ["shard_dash", "as assumed  True"] in answers
    text = PROFILE.read_text("utf-8")
    assert BUCKET not in text
    assert json.loads(text)["answers"]["shard_dash"] is True
    with Emulator(state="state") as emulator:
        url = f"{emulator.urls['gcs']}/storage/v1/b/{BUCKET}/o"
        assert "items" not in json.load(urllib.request.urlopen(url))


def test_the_emulator_writes_into_no_real_bucket(live, emulator):
    done = live("--yes", "--bucket", BUCKET)
    assert (done.code, done.out) == (2, "")
    assert "either Earth Engine or the bucket is the emulator's" in done.err
    assert not emulator.requests


def test_off_a_terminal_it_needs_a_yes(live, emulator):
    done = live()
    assert (done.code, done.out) == (2, "")
    assert "--live needs --yes" in done.err
    assert not emulator.requests


@pytest.mark.parametrize(("answer", "code", "asked"), [(b"n\n", 1, 0), (b"y\n", 1, 35)])
def test_on_a_terminal_it_says_the_costs_and_asks(
    live, on_a_terminal, emulator, answer, code, asked
):
    ended, seen = on_a_terminal(["emulator", "compare", "--live"], answer)
    assert ended == code, seen
    assert "35 requests to Earth Engine" in seen
    assert f"Ask {emulator.urls['earthengine']}? [y/N]" in seen
    assert ("nothing was asked" in seen) == (not asked)
    assert PROFILE.exists() == bool(asked)
    assert ("  as assumed    down-right" in seen) == bool(asked)
    assert ("  not answered  there are no two tasks to be listed" in seen) == bool(asked)
    assert len(emulator.requests) == asked


def test_a_file_that_is_there_is_kept_and_nothing_is_asked(live, emulator):
    PROFILE.write_text("mine")
    done = live("--yes")
    assert (done.code, done.out) == (2, "")
    assert "earthengine-profile.json is there already: name another file" in done.err
    assert PROFILE.read_text() == "mine"
    done = live("--yes", "--profile", "nowhere/profile.json")
    assert "nowhere/profile.json has no directory" in done.err
    assert not emulator.requests


def test_where_no_file_can_be_written_what_was_found_is_still_shown(live, monkeypatch):
    touching = NAMED["touching"]

    def ask(asking):
        PROFILE.write_text("somebody else's")
        return touching.ask(asking)

    monkeypatch.setattr(comparison, "planned", lambda with_bucket: [replace(touching, ask=ask)])
    done = live("--yes")
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        "Error: earthengine-profile.json: can't be written: File exists",
    )
    assert done.out.splitlines()[-1].split() == ["touching", "as", "assumed", "closed"]
    assert PROFILE.read_text() == "somebody else's"


def test_a_service_that_can_t_be_reached_is_one_line_and_no_profile(cedar, reached, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with Emulator() as gone:
        reached({"url": gone.urls["earthengine"]})
    done = cedar("emulator", "compare", "--live", "--yes")
    assert (done.code, done.out) == (1, "")
    assert "can't be reached" in done.err
    assert not PROFILE.exists()


@pytest.mark.parametrize("option", [("--port", "0"), ("--no-strict",), ("--profile", "x")])
def test_what_is_the_servers_alone_is_refused(cedar, option):
    done = cedar("emulator", *option, "compare")
    assert (done.code, done.out) == (2, "")
    assert f"{option[0]} doesn't go with `compare`" in done.err.replace("--strict", option[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "can't be read"),
        ("[", "can't be read"),
        ("[]", "is no profile"),
        ('{"answers": 7}', "is no profile"),
        ('{"answers": {"colour": "red"}}', "has no question 'colour'"),
        ('{"answers": {"tie": "middle"}}', "tie is one of 'down-right'"),
        ('{"answers": {"tie": ["down-right"]}}', "tie is one of 'down-right'"),
    ],
)
def test_a_profile_that_is_none_is_one_line(cedar, here, text, said):
    if text is not None:
        (here / "profile.json").write_text(text)
    done = cedar("emulator", "--profile", "profile.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: profile.json: ")
    assert said in done.err
    assert done.err.count("\n") == 1
