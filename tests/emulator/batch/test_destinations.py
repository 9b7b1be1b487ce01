"""Where files go: buckets and folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
from export_requests import (
    BUCKET,
    ask,
    cloud,
    content,
    drive,
    make_bucket,
    make_folder,
    objects,
    pixels,
    tiles,
    to_drive,
)

from cedar.emulator import Emulator
from cedar.emulator.batch import destinations
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings


@pytest.fixture
def emulator(landsat):
    with Emulator(landsat, clock="stepped") as emulator:
        yield emulator


def run(emulator, exports, **changes):
    """Export, and wait; the operation's metadata, or the error."""
    client = exports(emulator)
    name = client.start(**changes)
    emulator.settle()
    operation = client.ee.data.getOperation(name)
    return operation.get("error") or operation["metadata"]


# ---- Cloud Storage


def test_names_of_objects_may_hold_anything(emulator, exports):
    make_bucket(emulator)
    prefix = "a b/ü#?%+/x"
    (uri,) = run(emulator, exports, files=cloud(prefix))["destinationUris"]
    listed = json.loads(ask(emulator, "gcs", "GET", f"/storage/v1/b/{BUCKET}/o"))["items"]
    assert [(item["name"], item["contentType"]) for item in listed] == [
        (f"{prefix}.tif", "image/tiff")
    ]
    assert uri == (
        f"https://console.developers.google.com/storage/browser/{BUCKET}/a%20b/%C3%BC%23%3F%25%2B/"
    )


def test_files_without_a_folder_are_in_the_bucket_itself(emulator, exports):
    make_bucket(emulator)
    metadata = run(emulator, exports, files=cloud("x"))
    assert metadata["destinationUris"] == [
        f"https://console.developers.google.com/storage/browser/{BUCKET}/"
    ]


def test_a_bucket_that_does_not_exist_fails_the_task(emulator, exports):
    error = run(emulator, exports)
    assert error == {"code": 5, "message": "The specified bucket does not exist."}


def test_a_file_larger_than_a_piece_arrives_whole(emulator, exports, monkeypatch):
    make_bucket(emulator)
    run(emulator, exports, files=cloud("whole"))
    monkeypatch.setattr(destinations, "_CHUNK", 2**18)
    for service in (cloud("pieces"), to_drive("pieces")):
        run(emulator, exports, files=service)
    whole, pieces = objects(emulator)["whole.tif"], objects(emulator)["pieces.tif"]
    assert len(whole) > 2**18
    assert pieces == whole
    ((file,),) = ([each for each in drive(emulator) if each["title"] == "pieces.tif"],)
    assert content(emulator, file["id"]) == whole


def test_an_object_that_was_just_written_is_written_again_when_it_may_be(emulator, exports):
    make_bucket(emulator)
    run(emulator, exports)
    client = exports(emulator)
    name = client.start()
    emulator.settle()
    assert client.state(name) == "RUNNING"
    emulator.clock.advance(1)
    emulator.settle()
    assert client.state(name) == "SUCCEEDED"


def test_a_task_that_waits_for_a_destination_can_be_cancelled(emulator, exports):
    make_bucket(emulator)
    run(emulator, exports)
    before = objects(emulator)
    client = exports(emulator)
    name = client.start()
    emulator.settle()
    client.ee.data.cancelOperation(name)
    emulator.settle()
    assert client.state(name) == "CANCELLED"
    assert objects(emulator) == before


def test_what_tasks_write_is_not_in_the_log_and_has_no_faults(landsat, exports):
    faults = [{"service": "gcs", "method": "objects.upload", "action": "reset", "probability": 1}]
    with Emulator(landsat, faults=faults) as emulator:
        make_bucket(emulator)
        assert run(emulator, exports)["state"] == "SUCCEEDED"
        assert [each.method for each in emulator.requests if each.service == "gcs"] == [
            "buckets.insert"
        ]


# ---- Drive


def folder_of(emulator, title="image.tif"):
    """Ids of the folders that the files of a title are in, the oldest first."""
    files = [file for file in drive(emulator) if file["title"] == title]
    return [file["parents"][0]["id"] for file in files]


def test_a_folder_is_made_in_the_root_where_there_is_none(emulator, exports):
    metadata = run(emulator, exports, files=to_drive(**tiles()))
    (folder,) = (each for each in drive(emulator) if each["title"] == "A folder")
    files = [each for each in drive(emulator) if each != folder]
    assert (folder["title"], folder["parents"][0]["isRoot"]) == ("A folder", True)
    assert metadata["destinationUris"] == [f"https://drive.google.com/#folders/{folder['id']}"]
    assert {file["parents"][0]["id"] for file in files} == {folder["id"]}
    assert {file["mimeType"] for file in files} == {"image/tiff"}
    assert len(files) == 6
    assert run(emulator, exports, files=to_drive("other"))["state"] == "SUCCEEDED"
    assert [file["title"] for file in drive(emulator)].count("A folder") == 1


def test_pixels_in_drive_are_those_in_a_bucket(emulator, exports):
    make_bucket(emulator)
    run(emulator, exports)
    run(emulator, exports, files=to_drive())
    (file,) = (file for file in drive(emulator) if file["title"] == "image.tif")
    (there,) = objects(emulator).values()
    assert np.array_equal(pixels(content(emulator, file["id"])), pixels(there))


def test_of_several_folders_the_one_modified_last_is_used(emulator, exports):
    ids = []
    for _ in range(3):
        ids.append(make_folder(emulator, "A folder"))
        emulator.clock.advance(1)
    ask(emulator, "gdrive", "PATCH", f"/drive/v2/files/{ids[1]}", {"description": "newer"})
    run(emulator, exports, files=to_drive())
    assert folder_of(emulator) == [ids[1]]


def test_a_folder_in_the_trash_is_not_used(emulator, exports):
    trashed = make_folder(emulator, "A folder")
    ask(emulator, "gdrive", "POST", f"/drive/v2/files/{trashed}/trash")
    run(emulator, exports, files=to_drive())
    (used,) = folder_of(emulator)
    assert used != trashed


def test_a_folder_s_name_is_no_path_and_may_hold_quotes(emulator, exports):
    title = r"a/b'c\d"
    folder = make_folder(emulator, title)
    run(emulator, exports, files=to_drive(folder=title))
    assert folder_of(emulator) == [folder]


def test_each_task_may_make_a_folder_of_its_own(landsat, exports):
    with Emulator(landsat, answers=Answers(drive_folder="new")) as emulator:
        make_folder(emulator, "A folder")
        for _ in range(2):
            run(emulator, exports, files=to_drive(**tiles()))
        titles = [file["title"] for file in drive(emulator)]
        assert titles.count("A folder") == 3
        first = folder_of(emulator, "image-0000000000-0000000000.tif")
        last = folder_of(emulator, "image-0000000128-0000000256.tif")
        assert len(set(first)) == 2
        assert last == first


@pytest.mark.parametrize("folder", [None, ""])
@pytest.mark.parametrize("policy", ["last-modified", "new"])
def test_without_a_folder_files_are_in_the_root(landsat, exports, folder, policy):
    with Emulator(landsat, answers=Answers(drive_folder=policy)) as emulator:
        metadata = run(emulator, exports, files=to_drive(folder=folder))
        (file,) = drive(emulator)
        assert file["parents"][0]["isRoot"] is True
        (uri,) = metadata["destinationUris"]
        assert uri == f"https://drive.google.com/#folders/{file['parents'][0]['id']}"


def test_two_exports_of_one_name_are_two_files_in_drive(emulator, exports):
    for _ in range(2):
        run(emulator, exports, files=to_drive())
    assert [file["title"] for file in drive(emulator)].count("image.tif") == 2


def test_many_tasks_at_once_make_one_folder(landsat, exports):
    settings = Settings(concurrent_tasks=8)
    with Emulator(landsat, settings=settings) as emulator:
        client = exports(emulator)
        for i in range(8):
            client.start(files=to_drive(f"image{i}"))
        emulator.settle()
        titles = [file["title"] for file in drive(emulator)]
        assert titles.count("A folder") == 1
        assert len(titles) == 9


def test_a_drive_that_is_full_fails_the_task_in_its_words(landsat, exports):
    with Emulator(landsat, settings=Settings(drive_quota=1000)) as emulator:
        error = run(emulator, exports, files=to_drive())
    assert error["code"] == 7
    assert "quota" in error["message"]
