"""Comparing: whatever the service's answers are, they are found, and nothing it says is a crash."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace

import ee
import numpy as np
import pytest
from accounts import ACCOUNT
from comparing import ENGINE, NAMED, Odd, by_name, found
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.questions import LIKELIEST, Answers, possible_answers
from cedar.engines.earthengine import EarthEngine, session
from cedar.engines.earthengine.compare import (
    NOT_ASKED,
    QUESTIONS,
    SETUP_REQUESTS,
    Finding,
    Question,
    Refused,
    compare,
    document,
    planned,
    save,
)
from cedar.exceptions import EngineError, InputError

#: What the emulator hasn't got.
UNKNOWN_TO_THE_EMULATOR = {"pyramid"}
WITHOUT_A_BUCKET = planned(with_bucket=False)
OF_TASKS = {"operations_order", "operations_kept"}
SWITCHES = [each for each in WITHOUT_A_BUCKET if each.is_switch and each.name not in OF_TASKS]
OF_VALUES = [
    NAMED[name]
    for name in (
        "stack_names", "reduce_columns_capped", "map_keeps_id", "missing_passes_not",
        "missing_rows", "touching", "version_named", "version_older",
    )
]  # fmt: skip
OF_PIXELS = [
    each for each in WITHOUT_A_BUCKET if each.name not in OF_TASKS and each not in OF_VALUES
]


@pytest.fixture(scope="module")
def compared():
    """All findings about an emulator, by name, and how many requests of each method they took."""
    with pytest.MonkeyPatch.context() as patch, Emulator() as emulator:
        # Nobody's session, so that all is asked for.
        patch.setattr(session, "_made", None)
        ee.Reset()
        findings = by_name(compare(EarthEngine(emulator=emulator), WITHOUT_A_BUCKET))
        requests = Counter(request.method for request in emulator.requests)
    return findings, requests


@pytest.mark.parametrize(
    ("question", "answer"),
    [(question, answer) for question in SWITCHES for answer in possible_answers()[question.name]],
    ids=lambda given: getattr(given, "name", given),
)
def test_each_answer_of_each_switch_is_found(question, answer):
    finding = found([question], answers=Answers(**{question.name: answer}))[question.name]
    assert finding.answer == answer, finding
    assumed = answer == getattr(LIKELIEST, question.name)
    assert finding.outcome == ("as assumed" if assumed else "differs")


@pytest.mark.parametrize("tie", possible_answers()["tie"])
def test_what_is_only_reported_is_found_whatever_a_switch_says(tie):
    finding = found([NAMED["reprojected_tie"]], answers=Answers(tie=tie))["reprojected_tie"]
    assert finding.answer == tie


@pytest.mark.parametrize("tie", ["down-right", "up-left"])
def test_a_service_without_pyramids_takes_one_of_the_pixels(tie):
    finding = found([NAMED["pyramid"]], strict=False, answers=Answers(tie=tie))["pyramid"]
    assert (finding.outcome, finding.answer) == ("differs", tie)


def test_a_pyramid_is_known_by_its_means():
    def means(ask):
        array = np.load(io.BytesIO(ask()))["SR_B4"]
        if len(array) == 61:
            natives.append(array)
            return of_bytes(array.astype([("SR_B4", "u2")]))
        (native,) = natives
        squares = native[:60, :60].reshape(30, 2, 30, 2).mean(axis=(1, 3))
        return of_bytes(np.floor(squares).astype([("SR_B4", "u2")]))

    natives = []
    with Emulator(strict=False) as emulator:
        odd = Odd(emulator, "image:computePixels", means)
        (finding,) = compare(odd.engine, [NAMED["pyramid"]])
    assert finding.answer == "mean, cut off"


def test_every_switch_is_asked_about_or_said_not_to_be():
    asked = {question.name for question in QUESTIONS if question.is_switch}
    assert asked | {*NOT_ASKED} == {*possible_answers()}
    assert not asked & {*NOT_ASKED}


@pytest.mark.parametrize(
    "question", [q for q in QUESTIONS if q.is_switch], ids=lambda question: question.name
)
def test_a_question_expects_something_for_each_of_its_switchs_answers(question):
    assert {*question.expected} == {*possible_answers()[question.name]}


def test_names_are_told_apart_and_observations_too():
    assert len(NAMED) == len(QUESTIONS)
    for question in QUESTIONS:
        for answer, expected in question.expected.items():
            if not isinstance(expected, Refused):
                assert question.answer_to(expected) == answer


def test_the_emulator_is_as_cedar_takes_the_service_for(compared):
    findings, _ = compared
    assert [*findings] == [question.name for question in WITHOUT_A_BUCKET]
    unexpected = {name for name, each in findings.items() if each.outcome == "unexpected"}
    assert unexpected == UNKNOWN_TO_THE_EMULATOR
    for name in {*findings} - unexpected - OF_TASKS:
        assert findings[name].outcome == "as assumed", findings[name]
    # There are no tasks.
    assert findings["operations_order"].outcome == "not answered"
    assert "give a bucket" in findings["operations_order"].failure
    assert findings["operations_kept"].outcome == "noted"
    assert findings["operations_kept"].observed == {
        "listed": 0,
        "complete": True,
        "oldest_in_days": None,
    }


def test_as_many_requests_are_sent_as_are_said(compared):
    findings, requests = compared
    for finding in findings.values():
        assert len(finding.sent) == finding.question.requests, finding.question.name
    assert requests.total() == sum(q.requests for q in WITHOUT_A_BUCKET) + SETUP_REQUESTS
    assert 25 <= requests.total() <= 40


def test_the_scene_is_looked_for_once():
    with Emulator() as emulator:
        findings = compare(EarthEngine(emulator=emulator), [NAMED["tie"], NAMED["pinned"]])
        assert all(finding.outcome == "as assumed" for finding in findings)
        pixels = Counter(r.method for r in emulator.requests)["image:computePixels"]
    assert pixels == 3


def test_what_is_sent_is_kept_as_it_was_sent():
    finding = found([NAMED["wkt"]])["wkt"]
    (request,) = finding.sent
    assert request["method"] == "image:computePixels"
    assert "Albers" in request["grid"]["crsWkt"]
    values = request["expression"]["values"]
    assert values[request["expression"]["result"]]["functionInvocationValue"]["functionName"] == (
        "Image.constant"
    )


# ---- a service that is another


def test_what_is_refused_is_evidence_and_ends_nothing():
    refusing = {"service": "earthengine", "action": "status", "value": 403, "nth": 1, "count": 999}
    findings = found(
        [*OF_VALUES, NAMED["types"], NAMED["masked_value"]],
        faults=[{**refusing, "method": "value:*"}],
    )
    # It needs no scene, and comes by another method.
    assert findings.pop("masked_value").outcome == "as assumed"
    for finding in findings.values():
        assert finding.answer is None
    refused = findings["touching"]
    assert refused.outcome == "unexpected"
    assert refused.observed == Refused("Earth Engine: The caller does not have permission", 403)
    assert findings["types"].outcome == "not answered"
    assert "no scene to ask about" in findings["types"].failure


def test_what_could_not_be_asked_is_no_evidence(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    broken = {"service": "earthengine", "method": "value:*", "action": "status", "value": 503}
    findings = found(
        [NAMED["touching"], NAMED["stack_names"]], faults=[{**broken, "nth": 1, "count": 6}]
    )
    assert findings["touching"].outcome == "not answered"
    assert "currently unavailable" in findings["touching"].failure
    assert findings["touching"].observed is None
    assert findings["touching"].answer is None
    assert findings["stack_names"].outcome == "as assumed"


def test_a_tie_that_no_rule_makes_is_said_by_how_much():
    def shuffled(ask):
        array = np.load(io.BytesIO(ask()))
        file = io.BytesIO()
        np.save(file, np.sort(array, axis=0))
        return file.getvalue()

    with Emulator() as emulator:
        odd = Odd(emulator, "image:computePixels", shuffled, spare=1)
        (finding,) = compare(odd.engine, [NAMED["tie"]])
    assert finding.outcome == "unexpected"
    assert {*finding.observed} == {*possible_answers()["tie"]}
    assert all(0 <= share < 1 for share in finding.observed.values())


def test_a_scene_without_a_pattern_settles_no_tie():
    def flat(ask):
        array = np.load(io.BytesIO(ask()))
        file = io.BytesIO()
        np.save(file, np.zeros_like(array))
        return file.getvalue()

    with Emulator() as emulator:
        (finding,) = compare(Odd(emulator, "image:computePixels", flat).engine, [NAMED["tie"]])
    assert finding.outcome == "unexpected"
    assert finding.observed == [*possible_answers()["tie"]]


def of_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        of_bytes(np.zeros((1, 1))),
        of_bytes(np.zeros((0, 0), [("SR_B4", "u2")])),
        of_bytes(np.zeros((7, 3), [("SR_B4", "S3")])),
        of_bytes(np.zeros((1, 1), [("SR_B4", "S3")])),
        of_bytes(np.full((1, 1), 3.5, [("SR_B4", "f8"), ("b", "i1")])),
        of_bytes(np.full((1, 1), np.nan, [("SR_B4", "f4")])),
    ],
    ids=["nothing", "a page", "no fields", "no pixels", "texts", "text", "others", "no number"],
)
@pytest.mark.parametrize("spare", [0, 1], ids=["from the start", "of a known scene"])
def test_odd_pixels_are_no_answer_and_no_crash(content, spare):
    with Emulator() as emulator:
        odd = Odd(emulator, "image:computePixels", lambda _ask: content, spare=spare)
        findings = by_name(compare(odd.engine, OF_PIXELS))
    assert [*findings] == [question.name for question in OF_PIXELS]
    answered = {name: each.answer for name, each in findings.items() if each.answer is not None}
    assert not answered
    json.dumps(document(findings.values(), ENGINE, []))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.fixture(scope="module")
def odd():
    """An emulator, one for all examples, whose values are whatever an example wants."""
    with Emulator() as emulator:
        yield Odd(emulator, "value:compute", None)


@given(result=JSON)
def test_odd_values_are_no_crash(odd, result):
    engine, content = odd.engine, json.dumps({"result": result}).encode()
    odd.change, odd.spare = lambda _ask: content, 1
    findings = [*compare(engine, OF_VALUES)]
    assert [finding.question for finding in findings] == OF_VALUES
    json.dumps(document(findings, engine.identity(), []))
    odd.spare = 0
    (of_a_scene,) = compare(engine, [NAMED["tie"]])
    assert of_a_scene.outcome == "not answered"


def test_a_scene_may_have_no_version():
    def without(ask):
        answer = json.loads(ask())
        if isinstance(answer["result"][0], list):  # the scene, and its projection
            answer["result"][0][0][2] = None
        return json.dumps(answer).encode()

    with Emulator() as emulator:
        odd = Odd(emulator, "value:compute", without)
        findings = by_name(compare(odd.engine, [NAMED["version_older"], NAMED["tie"]]))
    assert findings["version_older"].failure == "the scene has no version"
    assert findings["tie"].outcome == "as assumed"


def test_a_search_that_finds_too_few_says_how_many():
    content = b'{"result": 12}'
    with Emulator() as emulator:
        odd = Odd(emulator, "value:compute", lambda _ask: content)
        (finding,) = compare(odd.engine, [NAMED["reduce_columns_capped"]])
    assert (finding.outcome, finding.observed) == ("unexpected", 12)


def test_a_service_that_can_t_be_connected_to_is_an_error():
    with pytest.raises(EngineError, match="isn't running"):
        [*compare(EarthEngine(emulator=Emulator()), WITHOUT_A_BUCKET)]


# ---- the profile

OTHER = Answers(
    **{
        question.name: next(
            answer for answer in possible_answers()[question.name] if answer != question.assumed
        )
        for question in SWITCHES
    }
)


def test_an_emulator_with_the_profile_of_another_is_as_that(tmp_path):
    path = tmp_path / "profile.json"
    save(document(found(SWITCHES, answers=OTHER).values(), ENGINE, []), path)
    assert Answers.load(path) == OTHER
    again = found([NAMED["cast_overflow"]], answers=Answers.load(path))
    assert again["cast_overflow"].answer == "wrap"


def test_a_profile_has_the_evidence(compared):
    findings, _ = compared
    profile = document(findings.values(), ENGINE, [])
    assert {*profile["answers"]} == {question.name for question in SWITCHES}
    assert Answers(**profile["answers"]) == LIKELIEST
    assert (profile["url"], profile["emulated"]) == ("emulator", True)
    assert profile["client"].startswith("earthengine-api 1.")
    evidence = {each["question"]: each for each in profile["evidence"]}
    touching, capped = evidence["touching"], evidence["reduce_columns_capped"]
    assert touching["observed"] == {"overlap": 1, "edge": 1, "corner": 1, "apart": 0}
    assert [each["answer"] for each in touching["expected"]] == ["closed", "open"]
    assert (touching["answer"], touching["assumed"]) == ("closed", "closed")
    assert (touching["is_switch"], capped["is_switch"]) == (False, True)
    assert touching["requests"][0]["method"] == "value:compute"
    assert "accumulating over 5000 elements" in capped["observed"]["refused"]
    assert capped["observed"]["status"] == 400
    assert capped["expected"][0]["observation"] == {
        "refused": "accumulating over 5000 elements",
        "status": None,
    }
    hls, pyramid = evidence["hls_landsat"], evidence["pyramid"]
    assert (hls["outcome"], hls["answer"]) == ("as assumed", "float32")
    assert (pyramid["outcome"], pyramid["answer"]) == ("unexpected", None)


def test_what_is_the_users_own_is_withheld():
    words = (
        f"Caller {ACCOUNT} can't use project my-project-1, nor projects/my-project-1/operations/X "
        "or consumer 'projects/123456': see projects/earthengine-public/assets/A in bucket "
        "own-one, not in own-one-2; Project other-2 for project_number:123456, a project is needed"
    )
    question = Question("one", "One?", lambda asking: None, {})
    finding = Finding(question, Refused(words, 403), ({"bucket": "own-one", "n": 1},))
    identity = {"url": "https://x", "project": "my-project-1", "emulated": False}
    (evidence,) = document([finding], identity, ["own-one"])["evidence"]
    assert evidence["observed"]["refused"] == (
        "Caller … can't use project …, nor projects/…/operations/X or consumer 'projects/…': see "
        "projects/earthengine-public/assets/A in bucket …, not in own-one-2; Project … for "
        "project_number:…, a project is needed"
    )
    assert evidence["requests"] == [{"bucket": "…", "n": 1}]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "profile.json").write_text("mine")
    with pytest.raises(InputError, match="can't be written: File exists"):
        save({}, tmp_path / "profile.json")
    assert (tmp_path / "profile.json").read_text() == "mine"


def test_a_refusal_is_one_by_its_words_and_status():
    any_, words = Refused(), Refused("is too large", 400)
    observed = Refused("Earth Engine: it is too large", 400)
    assert any_.is_in(observed)
    assert words.is_in(observed)
    assert not words.is_in(replace(observed, status=403))
    assert not words.is_in(Refused("it is small", 400))
    assert not any_.is_in("it is too large")
    assert str(words) == "refused: is too large"
