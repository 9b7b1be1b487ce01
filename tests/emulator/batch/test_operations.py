"""Operations as the official client sees them."""

from __future__ import annotations

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor

import ee
import pytest
from export_requests import BUCKET, cloud, make_bucket, request, tiles, to_drive

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings

NAME = re.compile("projects/any/operations/[A-Z0-9]{24}")
IDLE = Settings(concurrent_tasks=0)


@pytest.fixture
def idle(landsat):
    """An emulator whose tasks wait for ever."""
    with Emulator(landsat, settings=IDLE) as emulator:
        yield emulator


def emulators(landsat, **settings):
    answers = settings.pop("answers", Answers())
    settings = Settings(**{"concurrent_tasks": 0, **settings})
    return Emulator(landsat, clock="stepped", settings=settings, answers=answers)


def insert_ended(emulator, count, project="any"):
    """Operations of others, by the thousand."""
    with emulator._state.transaction() as rows:
        rows.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
            "WHERE n < ?) INSERT INTO operations (id, project, description, priority, state, "
            "created, started, updated, ended) "
            "SELECT printf('%024d', n), ?, 'another', 100, 'SUCCEEDED', n, n, n, n FROM numbers",
            (count, project),
        )


def times(metadata):
    return {
        key: dt.datetime.fromisoformat(metadata[key]) for key in metadata if key.endswith("Time")
    }


# ---- how one reads


def test_an_export_s_operation_waits_runs_and_succeeds(landsat, each_way):
    with Emulator(landsat, clock="stepped", settings=Settings(task_seconds=60)) as emulator:
        client = each_way(emulator)
        make_bucket(emulator)
        now = emulator.clock.now()
        started = client.data.exportImage("an-id", request(cloud(**tiles()), priority={"value": 7}))
        assert NAME.fullmatch(started["name"])
        assert not started.get("done")
        metadata = started["metadata"]
        assert metadata["@type"].endswith("google.earthengine.v1.OperationMetadata")
        assert metadata["state"] == "PENDING"
        assert (metadata["type"], metadata["priority"]) == ("EXPORT_IMAGE", 7)
        assert metadata["description"] == "an-export"
        assert times(metadata) == {
            "createTime": now,
            "updateTime": now,
            "startTime": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        }

        emulator.settle()
        emulator.clock.advance(59)
        emulator.settle()
        running = client.data.getOperation(started["name"])["metadata"]
        assert running["state"] == "RUNNING"
        assert running["attempt"] == 1
        assert times(running)["startTime"] == now
        # All that is to be computed is, and nothing is written.
        assert [stage["displayName"] for stage in running["stages"]] == [
            "Create Local Files",
            "Write Files to Destination",
        ]
        assert running["stages"][0]["completeWorkUnits"] == 6
        assert running["stages"][0]["totalWorkUnits"] == "6"
        assert "completeWorkUnits" not in running["stages"][1]
        assert running["progress"] == 0.5

        emulator.clock.advance(1)
        emulator.settle()
        ended = client.data.getOperation(started["name"])
        assert ended["done"] is True
        assert "error" not in ended
        metadata = ended["metadata"]
        assert (metadata["state"], metadata["progress"]) == ("SUCCEEDED", 1)
        assert times(metadata)["endTime"] == now + dt.timedelta(seconds=60)
        assert metadata["destinationUris"] == [
            f"https://console.developers.google.com/storage/browser/{BUCKET}/folder/"
        ]
        assert "batchEecuUsageSeconds" not in metadata
        assert client.data.listOperations() == [ended]


def test_the_client_s_own_tasks_work(landsat, each_way):
    with Emulator(landsat, settings=IDLE) as emulator:
        client = each_way(emulator)
        task = client.batch.Export.image.toCloudStorage(
            client.Image("EXAMPLE/LC08/DN/LC08_224077_20200518"),
            description="by_a_task",
            bucket=BUCKET,
            region=client.Geometry.Rectangle([730005, -2779000, 731000, -2778015], "EPSG:32621"),
            scale=30,
            priority=3,
            maxPixels=10**10,
            shardSize=64,
            fileDimensions=[128, 192],
            skipEmptyTiles=True,
            formatOptions={"cloudOptimized": True, "noData": 0},
        )
        task.start()
        assert task.status()["state"] == "READY"
        (listed,) = client.batch.Task.list()
        assert (listed.id, listed.config["description"]) == (task.id, "by_a_task")
        task.cancel()
        assert task.status()["state"] == "CANCELLED"
        assert task.status()["error_message"] == "Cancelled."


def test_requests_are_in_the_log_by_their_methods(idle, exports):
    client = exports(idle)
    name = client.start()
    client.state(name)
    client.ee.data.listOperations()
    client.ee.data.cancelOperation(name)
    assert [each.method for each in idle.requests if each.service == "earthengine"][-4:] == [
        "image:export",
        "operations.get",
        "operations.list",
        "operations.cancel",
    ]


def test_a_priority_of_zero_and_no_description_are_left_out_as_all_zeros_are(idle, exports):
    client = exports(idle)
    metadata = client.metadata(client.start(description="", priority=0))
    assert metadata.keys().isdisjoint({"priority", "description", "attempt", "progress", "stages"})


def test_an_operation_is_known_in_its_own_project_only(idle, exports):
    client = exports(idle)
    name = client.start()
    other = name.replace("any", "other")
    for ask in (client.ee.data.getOperation, client.ee.data.cancelOperation):
        with pytest.raises(ee.EEException, match=f'Operation "{other}" not found'):
            ask(other)
    assert idle.requests[-1].status == 404
    assert client.ee.data.listOperations("projects/other") == []


# ---- request ids


def test_an_export_sent_twice_with_one_request_id_is_one_operation(idle, exports):
    client = exports(idle)
    first = client.start("an-id")
    assert client.start("an-id", description="differs") == first
    assert client.start("another-id") != first
    assert len(client.ee.data.listOperations()) == 2


def test_many_at_a_time_with_one_request_id_start_one_operation(idle, exports):
    client = exports(idle)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: client.start("an-id"), range(32)))
    assert len(set(names)) == 1
    assert len(client.ee.data.listOperations()) == 1


def test_without_a_request_id_each_export_is_another_operation(idle, exports):
    client = exports(idle)
    assert client.start() != client.start()


def test_a_request_id_counts_within_its_project(idle, connect):
    client = connect(idle)
    for project in ("any", "other"):
        client.data.setCloudApiUserProject(project)
        client.data.exportImage("an-id", request())
        assert len(client.data.listOperations()) == 1


def test_a_second_export_with_a_request_id_may_be_an_error(landsat, exports):
    with emulators(landsat, answers=Answers(duplicate_request="already-exists")) as emulator:
        client = exports(emulator)
        client.start("an-id")
        with pytest.raises(ee.EEException, match="already exists") as raised:
            client.start("an-id")
        assert raised.value.__context__.resp.status == 409
        assert len(client.ee.data.listOperations()) == 1


# ---- the queue's length


def full(landsat, **settings):
    return emulators(landsat, queued_tasks=3, **settings)


def test_a_full_queue_refuses_in_the_service_s_words(landsat, exports, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client's, before it asks again
    with full(landsat) as emulator:
        client = exports(emulator)
        names = [client.start(f"id-{i}") for i in range(3)]
        with pytest.raises(
            ee.EEException,
            match=r"^Too many tasks already in the queue \(3\)\. Please wait for some of them to "
            r"complete\.$",
        ):
            client.start("id-3")
        assert client.start("id-2") == names[2]  # what there is, is there
        client.ee.data.cancelOperation(names[0])
        client.start("id-3")


def test_each_project_has_a_queue_and_those_that_run_do_not_wait(landsat, exports):
    with full(landsat, concurrent_tasks=1, task_seconds=60) as emulator:
        client = exports(emulator)
        for project in ("any", "other"):
            client.ee.data.setCloudApiUserProject(project)
            for _ in range(4):
                client.start()


def test_the_queue_takes_any_number_where_it_isn_t_strict(landsat, exports):
    settings = Settings(concurrent_tasks=0, queued_tasks=3)
    with Emulator(landsat, settings=settings, strict=False) as emulator:
        client = exports(emulator)
        for _ in range(5):
            client.start()
        assert len(client.ee.data.listOperations()) == 5


# ---- lists


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("page_size", [None, 1, 2, 5, 7])
def test_a_list_has_every_operation_once_in_order(landsat, each_way, order, page_size):
    answers = Answers(operations_order=order)
    with emulators(landsat, answers=answers, page_size=page_size) as emulator:
        client = each_way(emulator)
        names = [client.data.exportImage("", request())["name"] for _ in range(5)]
        listed = [operation["name"] for operation in client.data.listOperations()]
        assert listed == (names if order == "oldest" else names[::-1])
        asked = [each.method for each in emulator.requests].count("operations.list")
        assert asked == (1 if page_size is None else -(-5 // page_size))


def test_what_starts_between_two_pages_moves_nothing(landsat, exports):
    with emulators(landsat, page_size=2) as emulator:
        client = exports(emulator)
        names = [client.start() for _ in range(4)][::-1]
        operations = client.ee.data._get_cloud_projects().operations()
        first = operations.list(name="projects/any", pageSize=2).execute()
        client.start()
        token = first["nextPageToken"]
        second = operations.list(name="projects/any", pageSize=2, pageToken=token).execute()
        assert [each["name"] for each in first["operations"] + second["operations"]] == names
        assert "nextPageToken" not in second


def test_a_page_has_500_at_most_and_60000_operations_are_120_of_them(idle, exports):
    client = exports(idle)
    client.start()
    insert_ended(idle, 60_000)
    insert_ended_before = len(idle.requests)
    listed = client.ee.data.listOperations()
    assert len({operation["name"] for operation in listed}) == 60_001
    assert len(idle.requests) - insert_ended_before == 121


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("pageSize=-1", "must not be negative"),
        ("pageSize=x", "Invalid page size 'x'"),
        ("pageToken=x", "Invalid page token"),
        ("pageToken=AAAAAAAAAAAAAAAAAAAA", "Invalid page token"),
        ("pageToken=__________8", "Invalid page token"),
        ("pageToken=%20", "Invalid page token"),
        ("pageToken=%C3%A4", "Invalid page token"),
    ],
)
def test_a_page_that_is_none_is_refused(idle, ask, query, problem):
    status, body = ask(idle, "GET", f"/v1/projects/any/operations?{query}")
    assert status == 400
    assert problem in body.decode()


def test_a_page_size_of_zero_is_as_many_as_there_may_be(idle, exports, ask):
    client = exports(idle)
    for _ in range(3):
        client.start()
    _, body = ask(idle, "GET", "/v1/projects/any/operations?pageSize=0")
    assert body.count(b'"name"') == 3
    status, body = ask(idle, "GET", "/v1/projects/empty/operations")
    assert (status, body) == (200, b"{}")


# ---- forgetting


def test_what_has_ended_is_forgotten_after_a_time_with_its_request_id(landsat, exports):
    with emulators(landsat, forget_after=100) as emulator:
        client = exports(emulator)
        waiting, cancelled = client.start("waiting"), client.start("cancelled")
        client.ee.data.cancelOperation(cancelled)
        emulator.clock.advance(99)
        assert client.state(cancelled) == "CANCELLED"
        assert client.start("cancelled") == cancelled
        emulator.clock.advance(1)
        with pytest.raises(ee.EEException, match="not found"):
            client.state(cancelled)
        with pytest.raises(ee.EEException, match="not found"):
            client.ee.data.cancelOperation(cancelled)
        assert [each["name"] for each in client.ee.data.listOperations()] == [waiting]
        assert client.start("cancelled") not in (waiting, cancelled)


def test_nothing_is_forgotten_unless_so_set(landsat, exports):
    with emulators(landsat) as emulator:
        client = exports(emulator)
        name = client.start()
        client.ee.data.cancelOperation(name)
        emulator.clock.advance(1e9)
        assert client.state(name) == "CANCELLED"


# ---- what outlasts an emulator


def test_operations_outlast_the_emulator_with_their_state(landsat, tmp_path, exports):
    def emulator():
        return Emulator(landsat, state=tmp_path / "state", settings=IDLE)

    with emulator() as first:
        client = exports(first)
        waiting, cancelled = client.start("an-id"), client.start()
        client.ee.data.cancelOperation(cancelled)
        before = client.ee.data.listOperations()
    with emulator() as second:
        client = exports(second)
        assert client.ee.data.listOperations() == before
        assert client.start("an-id") == waiting


def test_without_a_state_operations_end_with_the_emulator(landsat, exports):
    with Emulator(landsat, settings=IDLE) as emulator:
        client = exports(emulator)
        client.start()
        directory = emulator._state.directory
    assert not directory.exists()
    with emulator:
        assert exports(emulator).ee.data.listOperations() == []


def test_nothing_is_made_for_who_exports_nothing(landsat, tmp_path, exports):
    with Emulator(landsat, state=tmp_path / "state") as emulator:
        assert exports(emulator).ee.Number(1).getInfo() == 1
        emulator.settle()
    assert not (tmp_path / "state").exists()


def test_an_export_is_not_for_drive_alone(idle, exports):
    client = exports(idle)
    assert client.state(client.start(files=to_drive())) == "PENDING"


def test_the_project_s_configuration_tells_how_many_tasks_run_at_once(landsat, each_way):
    with Emulator(landsat, settings=Settings(concurrent_tasks=3)) as emulator:
        config = each_way(emulator).data.getProjectConfig()
        assert config == {"name": "projects/any/config", "maxConcurrentExports": 3}
        assert emulator.requests[-1].method == "config"
