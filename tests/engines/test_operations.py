"""Asking how tasks are, in few requests; finding and cancelling them."""

import datetime as dt
import math
import random

import ee
import httplib2
import pytest
from batch_service import PROJECT, START, BatchService, operation

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EngineError
from cedar.states import TaskState


def ours(numbers):
    return [operation(number) for number in numbers]


def foreign(number):
    return [operation(each, prefix="THEIRS") for each in range(number)]


@pytest.fixture
def service():
    with Emulator() as emulator:
        yield BatchService(emulator)


@pytest.fixture
def engine(service):
    engine = EarthEngine("mine", emulator=service)
    engine.connect()
    ee.data.setMaxRetries(0)
    yield engine
    ee.data.setMaxRetries(5)


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
@pytest.mark.parametrize("others", [0, 400, 401, 1400])
def test_600_tasks_are_asked_for_in_as_many_requests_as_there_are_pages_and_one_more(
    engine, service, order, others
):
    wanted = ours(range(1000, 1600))
    service.operations = [*foreign(others), *wanted]
    match order:
        case "newest":
            service.operations.reverse()
        case "shuffled":
            random.Random(7).shuffle(service.operations)
    found = engine.poll([f"OURS{number}" for number in range(1000, 1600)])
    assert found.keys() == {f"OURS{number}" for number in range(1000, 1600)}
    assert {status.state for status in found.values()} == {TaskState.COMPLETED}
    assert len(service.asked) <= math.ceil((600 + others) / 500) + 1


def test_60_000_foreign_operations_behind_ours_are_not_read(engine, service):
    service.operations = [*ours(range(600)), *foreign(60_000)]
    found = engine.poll([f"OURS{number}" for number in range(600)])
    assert len(found) == 600
    assert service.asked == [("GET", "")] * 2


def test_a_few_tasks_are_asked_for_by_name(engine, service):
    service.operations = [*foreign(60_000), *ours(range(2))]
    assert engine.poll(["OURS0", "OURS1"]).keys() == {"OURS0", "OURS1"}
    assert sorted(service.asked) == [("GET", "OURS0"), ("GET", "OURS1")]


def test_the_last_few_are_asked_for_by_name_rather_than_looked_for(engine, service):
    service.operations = [*ours(range(499)), *foreign(60_000), *ours([499, 500])]
    assert len(engine.poll([f"OURS{number}" for number in range(501)])) == 501
    assert service.asked[0] == ("GET", "")
    assert sorted(service.asked[1:]) == [("GET", "OURS499"), ("GET", "OURS500")]


def test_nothing_is_asked_where_nothing_is_wanted(engine, service):
    assert engine.poll([]) == {}
    assert service.asked == []


def test_a_task_that_the_service_has_forgotten_is_not_in_the_answer(engine, service):
    service.operations = ours(range(3))
    found = engine.poll(["OURS0", "OURS1", "OURS2", *(f"GONE{number}" for number in range(9))])
    assert found.keys() == {"OURS0", "OURS1", "OURS2"}


def test_a_task_that_the_list_leaves_out_is_not_taken_for_forgotten(engine, service):
    """While it is read page by page, the list changes."""
    service.operations, service.unlisted = ours(range(600)), ours(range(600, 610))
    assert len(engine.poll([f"OURS{number}" for number in range(610)])) == 610


@pytest.mark.parametrize(("status", "transient"), [(403, False), (503, True)])
@pytest.mark.parametrize("where", ["", "OURS0"])
def test_a_service_that_can_not_be_asked_forgets_nothing(engine, service, where, status, transient):
    service.refusals["GET", where] = status
    service.operations = foreign(3)
    with pytest.raises(EngineError, match="It will not be") as caught:
        engine.poll(["OURS0", "OURS1", "OURS2"])
    assert caught.value.transient is transient


@pytest.mark.parametrize("page", [b"<html>a proxy's page", b'{"operat', b"[]"])
@pytest.mark.parametrize("ids", [["OURS0"], ["OURS0", "OURS1", "OURS2"]])
def test_an_answer_that_can_not_be_read_forgets_nothing(engine, service, monkeypatch, ids, page):
    answer = httplib2.Response({"status": 200}), page
    monkeypatch.setattr(service, "request", lambda *_, **__: answer)
    with pytest.raises(EngineError, match="can't be read") as caught:
        engine.poll(ids)
    assert caught.value.transient


def test_an_id_that_is_none_names_no_other_resource(engine, service):
    """A record may be anybody's."""
    assert engine.poll(["../algorithms", "a/b?c#d"]) == {}
    assert {name for _, name in service.asked} == {"..%2Falgorithms", "a%2Fb%3Fc%23d"}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", TaskState.READY),
        ("RUNNING", TaskState.RUNNING),
        ("CANCELLING", TaskState.CANCEL_REQUESTED),
        ("SUCCEEDED", TaskState.COMPLETED),
        ("CANCELLED", TaskState.CANCELLED),
        ("FAILED", TaskState.FAILED),
        ("PONDERING", "PONDERING"),
    ],
)
def test_states_are_in_the_words_of_tasks_and_an_unknown_one_as_it_came(
    engine, service, word, state
):
    service.operations = [operation(0, word)]
    assert engine.poll(["OURS0"])["OURS0"].state == state


def test_all_that_the_service_says_of_a_task_is_kept(engine, service):
    described = {
        "state": "FAILED",
        "startTime": "2026-11-01T00:00:01.234567891Z",
        "updateTime": "2026-11-01T01:00:00+01:00",
        "progress": 0.5,
        "destinationUris": ["https://example.org/here"],
        "batchEecuUsageSeconds": 12.5,
    }
    failed = operation(0, **described) | {"done": True, "error": {"code": 3, "message": "No."}}
    service.operations = [failed]
    status = engine.poll(["OURS0"])["OURS0"]
    created = int(START.timestamp() * 1000)
    assert (status.name, status.id) == (f"{PROJECT}/OURS0", "OURS0")
    assert (status.state, status.error) == (TaskState.FAILED, "No.")
    assert (status.created, status.started, status.updated) == (created, created + 1234, created)
    assert (status.progress, status.eecu_seconds) == (0.5, 12.5)
    assert (status.description, status.urls) == ("OURS-0-a1", ("https://example.org/here",))


def test_what_the_service_does_not_say_of_a_task_is_none(engine, service):
    waiting = operation(0, "PENDING", startTime="1970-01-01T00:00:00Z")
    service.operations = [waiting, {"name": f"{PROJECT}/BARE"}]
    found = engine.poll(["OURS0", "BARE"])
    assert found["OURS0"].started is None
    assert (found["OURS0"].eecu_seconds, found["OURS0"].error) == (None, None)
    assert (found["BARE"].created, found["BARE"].state) == (None, "STATE_UNSPECIFIED")


@pytest.mark.parametrize("newest_first", [True, False])
def test_tasks_are_found_by_description_the_newest_first_and_none_from_before(
    engine, service, newest_first
):
    def called(number, description):
        return operation(number, description=description)

    service.operations = sorted(
        [*foreign(1200), called(5, "A-a1"), called(900, "A-a1"), called(800, "A-a1")],
        key=lambda each: each["metadata"]["createTime"],
        reverse=newest_first,
    )
    service.operations.append(called(901, "B-a1"))
    found = engine.find(["A-a1", "B-a1", "C-a1"], START + dt.timedelta(seconds=6))
    assert {key: [status.id for status in tasks] for key, tasks in found.items()} == {
        "A-a1": ["OURS900", "OURS800"],
        "B-a1": ["OURS901"],
        "C-a1": [],
    }


def test_all_tasks_are_listed_a_page_at_a_time_or_those_from_a_time_on(engine, service):
    service.operations = [operation(number) for number in range(1200)]
    listed = engine.list_tasks()
    assert next(listed).id == "OURS0"
    assert len(service.asked) == 1
    assert len([*listed]) == 1199
    since = START + dt.timedelta(seconds=1190)
    assert [status.id for status in engine.list_tasks(since)] == [
        f"OURS{number}" for number in range(1190, 1200)
    ]


def test_a_task_is_cancelled_by_its_id(engine, service):
    service.operations = [operation(0, "RUNNING")]
    engine.cancel("OURS0")
    assert service.asked == [("POST", "OURS0:cancel")]


@pytest.mark.parametrize("word", ["SUCCEEDED", "CANCELLED", "FAILED"])
def test_a_task_that_has_ended_stays_as_it_is_when_it_is_cancelled(engine, service, word):
    service.operations = [operation(0, word)]
    service.refusals["POST", "OURS0:cancel"] = 400
    engine.cancel("OURS0")


def test_a_task_that_the_service_has_forgotten_needs_no_cancelling(engine, service):
    engine.cancel("GONE")
    assert service.asked == [("POST", "GONE:cancel"), ("GET", "GONE")]


@pytest.mark.parametrize(("status", "transient"), [(403, False), (503, True)])
def test_a_task_that_could_not_be_cancelled_is_an_error(engine, service, status, transient):
    service.operations = [operation(0, "RUNNING")]
    service.refusals["POST", "OURS0:cancel"] = status
    with pytest.raises(EngineError, match="It will not be") as caught:
        engine.cancel("OURS0")
    assert caught.value.transient is transient


def test_how_much_room_the_queue_has_is_not_asked(engine, service):
    assert engine.room() is None
    assert service.asked == []
