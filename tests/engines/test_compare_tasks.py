"""Comparing by exports: two tiny tasks answer, and nothing is left of them."""

from __future__ import annotations

import json

import pytest
from comparing import BUCKET, ENGINE, FOREIGN, NAMED, Exporting, Odd, found

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers, possible_answers
from cedar.emulator.settings import Settings
from cedar.engines.earthengine.compare import QUESTIONS, TASKS, Exports, compare, document, planned
from cedar.engines.earthengine.compare.tasks import CANCELLING, INTERVAL, PATIENCE

OF_EXPORTS = [question for question in QUESTIONS if question.needs_bucket]
OF_LISTS = [NAMED["operations_order"], NAMED["operations_kept"]]
WITH_TASKS = [*OF_EXPORTS, *OF_LISTS]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (name, answer)
        for name in ("duplicate_request", "shard_dash", "operations_order")
        for answer in possible_answers()[name]
    ],
)
def test_each_answer_of_each_switch_of_tasks_is_found(name, answer):
    with Exporting(answers=Answers(**{name: answer})) as exporting:
        findings = exporting.ask(WITH_TASKS)
        assert exporting.keys == FOREIGN
    assert findings[name].answer == answer
    for other, finding in findings.items():
        if other not in (name, "operations_kept"):
            assert finding.outcome == "as assumed", finding
    assert findings["operations_kept"].observed == {
        "listed": 2,
        "complete": True,
        "oldest_in_days": 0,
    }


def warnings(caplog):
    """What cedar warned of; the client says that it tries again."""
    return [each.getMessage() for each in caplog.records if each.name.startswith("cedar.")]


def test_two_tasks_are_started_and_the_second_not_twice():
    with Exporting() as exporting:
        findings = exporting.ask(OF_EXPORTS)
        assert exporting.count("image:export") == sum(q.requests for q in OF_EXPORTS)
        assert exporting.count("operations.cancel") == 0
    assert TASKS == 2
    sent = findings["duplicate_request"].sent
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert sent[0]["requestId"] == sent[0]["description"]


def test_the_questions_of_tasks_do_not_need_one_another():
    for question in OF_EXPORTS:
        with Exporting() as exporting:
            assert exporting.ask([question])[question.name].outcome == "as assumed"
            assert exporting.keys == FOREIGN


def test_without_a_bucket_they_are_not_answered():
    for finding in found(OF_EXPORTS).values():
        assert (finding.outcome, finding.failure) == ("not answered", "no bucket was given")
    assert planned(with_bucket=False) == [each for each in QUESTIONS if each not in OF_EXPORTS]
    assert planned(with_bucket=True) == [*QUESTIONS]


def test_a_lost_answer_is_as_good_as_a_duplicate(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    lost = {"service": "earthengine", "method": "image:export", "nth": 1}
    for answer in possible_answers()["duplicate_request"]:
        with Exporting(
            answers=Answers(duplicate_request=answer),
            faults=[{**lost, "action": "fail-after", "value": 503}],
        ) as exporting:
            findings = exporting.ask([NAMED["duplicate_request"]])
        assert findings["duplicate_request"].answer == answer


def test_two_tasks_of_one_request_id_are_no_answer_and_both_are_waited_for():
    with Exporting() as exporting:
        started = []

        def another(ask):
            started.append(ask())
            # As a service would that looks at no request id.
            return started[0] if len(started) == 1 else second.encode()

        exporting.ask([NAMED["single_file"]])
        (listed,) = operations_of(exporting.emulator)
        second = json.dumps(listed)
        exporting.exports = Exports(
            exporting.store, sleep=lambda _seconds: exporting.emulator.settle()
        )
        odd = Odd(exporting.emulator, "image:export", another)
        findings = exporting.ask([NAMED["duplicate_request"], NAMED["shard_dash"]], odd.engine)
        assert exporting.keys == FOREIGN
    assert findings["duplicate_request"].outcome == "unexpected"
    assert findings["duplicate_request"].observed == "another"
    assert findings["shard_dash"].outcome == "as assumed"


def operations_of(emulator):
    _, content = emulator.transport.request(f"{emulator.url}/v1/projects/cedar-emulator/operations")
    return json.loads(content)["operations"]


def test_a_task_that_fails_is_an_observation_in_the_services_words():
    failing = {"service": "earthengine", "method": "task", "nth": 1, "action": "status"}
    with Exporting(faults=[{**failing, "value": "memory"}]) as exporting:
        findings = exporting.ask([NAMED["shard_dash"], NAMED["single_file"]])
        assert exporting.keys == FOREIGN
    assert findings["shard_dash"].outcome == "unexpected"
    assert "the task is FAILED: User memory limit" in findings["shard_dash"].observed.words
    assert findings["single_file"].outcome == "as assumed"


def test_a_file_that_is_missing_is_no_answer():
    half = {"service": "earthengine", "method": "task", "nth": 1, "action": "half"}
    with Exporting(faults=[half]) as exporting:
        finding = exporting.ask([NAMED["shard_dash"]])["shard_dash"]
        assert exporting.keys == FOREIGN
    assert finding.outcome == "unexpected"
    assert finding.observed == ["-0000000000-0000000000.tif"]


ENDLESS = {"clock": "stepped", "settings": Settings(task_seconds=1e6)}


def test_a_task_that_takes_too_long_is_cancelled(caplog):
    with Exporting(**ENDLESS) as exporting:
        finding = exporting.ask([NAMED["single_file"]])["single_file"]
        assert exporting.count("operations.cancel") == 1
        assert PATIENCE <= exporting.slept <= PATIENCE + CANCELLING
        assert exporting.count("operations.get") >= PATIENCE // INTERVAL
        assert exporting.keys == FOREIGN
        (listed,) = operations_of(exporting.emulator)
    assert listed["metadata"]["state"] == "CANCELLED"
    assert finding.outcome == "not answered"
    assert "still RUNNING after 30 minutes" in finding.failure
    assert not warnings(caplog)


def test_one_that_goes_on_though_it_was_cancelled_is_said(caplog):
    def running(ask):
        operation = json.loads(ask())
        operation["metadata"]["state"] = "CANCELLING"
        return json.dumps(operation).encode()

    with Exporting(**ENDLESS) as exporting:
        odd = Odd(exporting.emulator, "/operations/[^/:]+", running)
        exporting.ask([NAMED["duplicate_request"]], odd.engine)
    assert exporting.slept == CANCELLING
    (said,) = warnings(caplog)
    assert f"{exporting.exports.prefix}/ in the bucket may be left" in said
    assert said.endswith("to be deleted: sharded")


def test_an_interruption_cancels_what_runs_and_deletes_what_is_there(caplog):
    with Exporting(**ENDLESS) as exporting:

        def interrupted(_seconds):
            exporting.emulator.settle()
            if not exporting.count("operations.cancel"):
                raise KeyboardInterrupt

        exporting.exports = Exports(exporting.store, sleep=interrupted)
        exporting.store.write(f"{exporting.exports.prefix}/whole.tif", b"half")
        with pytest.raises(KeyboardInterrupt):
            exporting.ask(WITH_TASKS)
        assert exporting.count("operations.cancel") == 1
        assert exporting.keys == FOREIGN
    assert not warnings(caplog)


def test_a_start_that_is_in_doubt_is_said(monkeypatch, caplog):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    broken = {"service": "earthengine", "method": "image:export", "nth": 1, "count": 6}
    with Exporting(faults=[{**broken, "action": "status", "value": 503}]) as exporting:
        finding = exporting.ask([NAMED["single_file"]])["single_file"]
        assert exporting.keys == FOREIGN
    assert finding.outcome == "not answered"
    assert "currently unavailable" in finding.failure
    assert "to be deleted: whole" in warnings(caplog)[0]


def test_a_bucket_that_can_t_be_listed_is_no_evidence(caplog):
    refusing = {"service": "gcs", "method": "objects.list", "nth": 1, "count": 99}
    with Exporting(faults=[{**refusing, "action": "status", "value": 403}]) as exporting:
        finding = exporting.ask([NAMED["single_file"]])["single_file"]
    assert finding.outcome == "not answered"
    assert BUCKET in finding.failure
    assert exporting.exports.prefix in warnings(caplog)[0]


def test_a_task_that_the_service_forgets_is_an_observation():
    with Exporting(settings=Settings(forget_after=0)) as exporting:
        finding = exporting.ask([NAMED["single_file"]])["single_file"]
        assert exporting.keys == FOREIGN
    assert finding.outcome == "unexpected"
    assert "doesn't know the task" in finding.observed.words


def test_nothing_is_looked_for_in_a_bucket_that_nothing_was_written_to():
    with Exporting() as exporting:
        exporting.ask([NAMED["operations_kept"]])
        assert exporting.count("objects.list") == 0


def operation(created):
    return {"name": "projects/p/operations/A", "metadata": {"createTime": created}}


@pytest.mark.parametrize(
    ("minutes", "outcome"),
    [
        ((1, 2, 2), "differs"),
        ((2, 2, 1), "as assumed"),
        ((1, 2, 1), "unexpected"),
        ((1, 1), "not answered"),
    ],
)
def test_the_order_of_operations_is_that_of_their_times(minutes, outcome):
    listed = [operation(f"2026-01-01T00:0{minute}:00.5Z") for minute in minutes]
    content = json.dumps({"operations": listed}).encode()
    with Emulator() as emulator:
        odd = Odd(emulator, "/operations", lambda _ask: content)
        (finding,) = compare(odd.engine, [NAMED["operations_order"]])
    assert finding.outcome == outcome


@pytest.mark.parametrize("listed", [[{}], ["x"], [operation("yesterday")], 7, {"a": 1}])
def test_an_odd_list_of_operations_is_no_answer_and_shows_nothing_of_it(listed):
    content = json.dumps({"operations": listed, "secret": "of a task"}).encode()
    with Emulator() as emulator:
        odd = Odd(emulator, "/operations", lambda _ask: content)
        findings = [*compare(odd.engine, OF_LISTS)]
    for finding in findings:
        assert finding.answer is None
        assert "secret" not in json.dumps(document([finding], ENGINE, []))
