from __future__ import annotations

import hashlib
import json

import pytest

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings
from cedar.emulator.transport import Call

FOLDER = "application/vnd.google-apps.folder"


# ---- what is there


def test_an_account_has_a_root_and_room(drive):
    about = drive.json("GET", "about")
    assert about["quotaBytesTotal"] == str(15 * 2**30)
    assert about["quotaBytesUsed"] == about["quotaBytesUsedInTrash"] == "0"
    assert about["user"]["emailAddress"] == "me@emulator.invalid"
    root = drive.json("GET", "files/root")
    assert root["id"] == about["rootFolderId"]
    assert (root["title"], root["mimeType"], root["parents"]) == ("My Drive", FOLDER, [])


def test_a_new_file_is_described(drive, emulator):
    now = emulator.clock.now()
    file = drive.uploaded(b"abc", title="a b.tif", description="why")
    assert drive.json("GET", f"files/{file['id']}") == file
    assert file["kind"] == "drive#file"
    assert (file["title"], file["description"], file["mimeType"]) == (
        "a b.tif",
        "why",
        "image/tiff",
    )
    assert (file["fileSize"], file["quotaBytesUsed"], file["fileExtension"]) == ("3", "3", "tif")
    assert file["md5Checksum"] == hashlib.md5(b"abc").hexdigest()
    assert file["createdDate"] == file["modifiedDate"]
    assert file["createdDate"][:19] == now.isoformat()[:19]
    assert len(file["createdDate"]) == len("2020-01-01T00:00:00.000Z")
    assert file["labels"]["trashed"] is file["labels"]["starred"] is False
    assert [parent["isRoot"] for parent in file["parents"]] == [True]
    assert (file["ownedByMe"], file["shared"], file["editable"]) == (True, False, True)
    assert file["capabilities"]["canDownload"]
    assert not file["capabilities"]["canAddChildren"]
    assert file["etag"].startswith('"')
    assert file["etag"].endswith('"')


def test_a_folder_has_no_content(drive):
    folder = drive.folder("F")
    assert "fileSize" not in folder
    assert "md5Checksum" not in folder
    assert "headRevisionId" not in folder
    assert folder["capabilities"]["canAddChildren"]
    assert drive.upload(b"x", folder["id"]).status == 400
    assert drive.upload(b"x", title="G", mimeType=FOLDER).status == 400
    reply = drive.download(folder["id"])
    assert json.loads(reply.content)["error"]["errors"][0]["reason"] == "fileNotDownloadable"


def test_a_file_without_a_content_is_empty(drive):
    file = drive.insert("a")
    assert file["fileSize"] == "0"
    assert file["md5Checksum"] == hashlib.md5(b"").hexdigest()
    assert drive.download(file["id"]).content == b""


def test_names_are_not_unique(drive):
    same = [drive.folder("EE")["id"] for _ in range(3)]
    assert len(set(same)) == 3
    assert drive.titles("title = 'EE'") == ["EE"] * 3


def test_root_stands_for_the_root_s_id(drive):
    root = drive.json("GET", "about")["rootFolderId"]
    for given in ("root", root):
        assert drive.insert("a", given)["parents"][0]["id"] == root
    assert len(drive.titles("'root' in parents")) == 2


def test_what_is_not_there_is_not_found(drive):
    for verb, path in (
        ("GET", "files/nope"),
        ("PATCH", "files/nope"),
        ("DELETE", "files/nope"),
        ("POST", "files/nope/trash"),
        ("POST", "files/nope/untrash"),
        ("GET", "files/nope/permissions"),
    ):
        assert drive.refusal(verb, path) == (404, "notFound", "File not found: nope")
    assert drive.download("nope").status == drive.upload(b"", "nope").status == 404
    refused = drive.refusal("POST", "files", {"parents": [{"id": "gone"}]})
    assert refused == (404, "notFound", "File not found: gone")


def test_an_unknown_method_or_parameter_is_refused(drive, emulator):
    code, reason, message = drive.refusal("POST", "files/x/copy")
    assert (code, reason) == (400, "badRequest")
    assert message == "The emulator's Drive has no POST /drive/v2/files/x/copy."
    assert emulator.requests[-1].method == "unknown"
    code, reason, message = drive.refusal("GET", "files", corpora="drive")
    assert message == "The emulator's Drive has no parameter 'corpora'."
    assert drive.titles(convert="false", supportsAllDrives="true", fields="items") == []


def test_ids_can_be_had_beforehand(drive):
    ids = drive.json("GET", "files/generateIds", maxResults=3)["ids"]
    assert len(set(ids)) == 3
    assert len(drive.json("GET", "files/generateIds")["ids"]) == 10
    assert drive.uploaded(b"x", title="a", id=ids[0])["id"] == ids[0]
    again = drive.refusal("POST", "files", {"id": ids[0]})
    assert again == (409, "fileIdInUse", "A file already exists with the provided ID")
    assert drive.refusal("POST", "files", {"id": "short"})[:2] == (400, "invalid")
    assert drive.refusal("POST", "files", {"id": 3})[:2] == (400, "invalid")
    for count in ("0", "1001", "x", "²"):
        assert drive.refusal("GET", "files/generateIds", maxResults=count)[0] == 400


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b"[" * 100_000, b"3", b'{"title": "\\ud800"}']
)
def test_what_is_no_json_object_is_refused(drive, body):
    assert drive.refusal("POST", "files", body) == (400, "parseError", "Parse Error")


@pytest.mark.parametrize(
    "metadata",
    [
        {"title": 3},
        {"mimeType": []},
        {"description": {}},
        {"parents": "root"},
        {"parents": [{}]},
        {"parents": 3},
        {"labels": True},
        {"properties": [{}]},
        {"properties": "x"},
        {"properties": 3},
        {"modifiedDate": 3},
    ],
)
def test_metadata_of_a_wrong_type_is_refused(drive, metadata):
    code, reason, message = drive.refusal("POST", "files", metadata, setModifiedDate="true")
    assert (code, reason) == (400, "invalid")
    assert next(iter(metadata)) in message


# ---- changes


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_a_change_is_of_what_is_named_only(drive, emulator, verb):
    file = drive.uploaded(b"abc", title="a", description="why")
    emulator.clock.advance(1.5)
    changed = drive.json(verb, f"files/{file['id']}", {"title": "b", "labels": {"starred": True}})
    assert (changed["title"], changed["description"]) == ("b", "why")
    assert changed["labels"]["starred"]
    assert changed["modifiedDate"] > changed["createdDate"] == file["createdDate"]
    kept = ("md5Checksum", "headRevisionId", "mimeType", "parents")
    assert [changed[key] for key in kept] == [file[key] for key in kept]


def test_each_change_gives_another_etag_and_a_greater_version(drive, other):
    file = drive.insert("a")
    path = f"files/{file['id']}"
    seen = [file]
    for change in (
        lambda: drive.json("PATCH", path, {"title": "b"}),
        lambda: drive.json("POST", f"{path}/trash"),
        lambda: drive.json("POST", f"{path}/untrash"),
        lambda: drive.uploaded(b"x", file["id"]),
        lambda: drive.uploaded(b"x", file["id"]),
        lambda: drive.json(
            "POST",
            f"{path}/permissions",
            {"type": "user", "role": "reader", "value": "a@b.invalid"},
        ),
    ):
        change()
        seen.append(drive.json("GET", path))
    assert len({each["etag"] for each in seen}) == len(seen)
    versions = [int(each["version"]) for each in seen]
    assert versions == sorted(set(versions))
    revisions = [each["headRevisionId"] for each in seen]
    assert len(set(revisions)) == 3  # of three contents
    assert drive.json("GET", path)["etag"] == seen[-1]["etag"]


def test_a_date_of_change_can_be_given(drive):
    file = drive.insert("a")
    path, date = f"files/{file['id']}", "2001-02-03T04:05:06.789Z"
    assert drive.json("PATCH", path, {"modifiedDate": date})["modifiedDate"] != date
    changed = drive.json("PATCH", path, {"modifiedDate": date}, setModifiedDate="true")
    assert changed["modifiedDate"] == date
    bad = drive.refusal("PATCH", path, {"modifiedDate": "then"}, setModifiedDate="true")
    assert bad[:2] == (400, "invalid")


def test_properties_are_merged_by_key(drive):
    file = drive.insert("a", properties=[{"key": "k", "value": "1"}, {"key": "l", "value": "2"}])
    changed = drive.json(
        "PATCH",
        f"files/{file['id']}",
        {"properties": [{"key": "k", "value": "3"}, {"key": "l", "value": None}]},
    )
    assert [(each["key"], each["value"]) for each in changed["properties"]] == [("k", "3")]


def test_a_file_never_becomes_a_folder(drive):
    file, folder = drive.insert("a"), drive.folder("F")
    assert drive.refusal("PATCH", f"files/{file['id']}", {"mimeType": FOLDER})[0] == 400
    assert drive.refusal("PATCH", f"files/{folder['id']}", {"mimeType": "a/b"})[0] == 400
    assert drive.json("PATCH", f"files/{file['id']}", {"mimeType": "a/b"})["mimeType"] == "a/b"


def test_a_file_is_moved_from_one_folder_to_another(drive):
    here, there = drive.folder("here"), drive.folder("there")
    file = drive.insert("a", here["id"])
    path = f"files/{file['id']}"
    refused = drive.refusal("PATCH", path, {}, addParents=there["id"])
    assert refused == (403, "cannotAddParent", "Increasing the number of parents is not allowed")
    drive.json("PATCH", path, {}, addParents=there["id"], removeParents=here["id"])
    assert drive.titles(f"'{there['id']}' in parents") == ["a"]
    assert drive.titles(f"'{here['id']}' in parents") == []
    drive.json("PATCH", path, {"parents": [{"id": here["id"]}]})
    assert drive.titles(f"'{here['id']}' in parents") == ["a"]
    assert drive.json("PATCH", path, {}, removeParents=here["id"])["parents"] == []
    assert drive.json("PATCH", path, {}, addParents="root")["parents"][0]["isRoot"]
    both = [{"id": "root"}, {"id": here["id"]}]
    assert drive.refusal("POST", "files", {"parents": both})[1] == "cannotAddParent"


def test_a_file_is_no_folder_and_a_folder_not_in_itself(drive):
    file, outer = drive.insert("a"), drive.folder("outer")
    inner = drive.folder("inner", outer["id"])
    assert (
        drive.refusal("POST", "files", {"parents": [{"id": file["id"]}]})[1] == "parentNotAFolder"
    )
    for into in (inner, outer):
        refused = drive.refusal("PATCH", f"files/{outer['id']}", {"parents": [{"id": into["id"]}]})
        assert refused[:2] == (400, "invalid")


# ---- trash and deletion


def test_what_is_in_a_folder_goes_into_the_trash_with_it(drive):
    outer = drive.folder("outer")
    inner = drive.folder("inner", outer["id"])
    file = drive.insert("a", inner["id"])
    trashed = drive.json("POST", f"files/{outer['id']}/trash")
    assert trashed["labels"]["trashed"] is trashed["explicitlyTrashed"] is True
    below = drive.json("GET", f"files/{file['id']}")
    assert (below["labels"]["trashed"], below["explicitlyTrashed"]) == (True, False)
    assert drive.titles("trashed = false") == []
    # What comes into it is in the trash, and what leaves it isn't.
    assert drive.insert("late", inner["id"])["labels"]["trashed"]
    moved = drive.json("PATCH", f"files/{file['id']}", {"parents": [{"id": "root"}]})
    assert not moved["labels"]["trashed"]
    drive.json("POST", f"files/{outer['id']}/untrash")
    assert sorted(drive.titles("trashed = false")) == ["a", "inner", "late", "outer"]


def test_what_was_in_the_trash_by_itself_stays_there(drive):
    folder = drive.folder("F")
    file = drive.insert("a", folder["id"])
    drive.json("PATCH", f"files/{file['id']}", {"labels": {"trashed": True}})
    drive.json("POST", f"files/{folder['id']}/trash")
    drive.json("POST", f"files/{folder['id']}/untrash")
    assert drive.titles("trashed = true") == ["a"]


def test_deletion_is_for_good_and_of_all_that_is_in_a_folder(drive, emulator):
    outer = drive.folder("outer")
    inner = drive.folder("inner", outer["id"])
    file = drive.uploaded(b"abc", title="a", parents=[{"id": inner["id"]}])
    assert len(list(emulator._state.blobs.iterdir())) == 1
    assert drive.ask("DELETE", f"/drive/v2/files/{outer['id']}").status == 204
    for gone in (outer, inner, file):
        assert drive.refusal("GET", f"files/{gone['id']}")[0] == 404
    assert list(emulator._state.blobs.iterdir()) == []


def test_the_root_is_not_changed(drive):
    for verb, path in (
        ("DELETE", "files/root"),
        ("POST", "files/root/trash"),
        ("PATCH", "files/root"),
    ):
        assert drive.refusal(verb, path)[:2] == (403, "insufficientFilePermissions")
    assert drive.upload(b"", "root").status == 403


# ---- If-Match


def change_each_way(drive, file, headers):
    """Statuses of every kind of change, each refused or carried out, deletion last."""
    path = f"/drive/v2/files/{file['id']}"
    return [
        drive.ask("PATCH", path, {"title": "b"}, headers).status,
        drive.upload(b"new", file["id"], headers).status,
        drive.ask("POST", f"{path}/trash", headers=headers).status,
        drive.ask("POST", f"{path}/untrash", headers=headers).status,
        drive.ask("DELETE", path, headers=headers).status,
    ]


def test_a_change_of_what_has_changed_is_refused(drive):
    file = drive.uploaded(b"old", title="a")
    old = {"If-Match": file["etag"]}
    assert drive.ask("PATCH", f"/drive/v2/files/{file['id']}", {"title": "b"}, old).status == 200
    assert change_each_way(drive, file, old) == [412] * 5
    refused = drive.refusal("DELETE", f"files/{file['id']}", b"", old)
    assert refused == (412, "conditionNotMet", "Precondition Failed")
    assert drive.download(file["id"]).content == b"old"


def test_any_etag_will_do_for_a_star_or_where_it_is_not_minded(drive, wire):
    file = drive.uploaded(b"old", title="a")
    assert change_each_way(drive, file, {"If-Match": "*"}) == [200, 200, 200, 200, 204]
    with Emulator(answers=Answers(drive_etag=False)) as emulator:
        heedless = wire(emulator)
        file = heedless.uploaded(b"old", title="a")
        assert change_each_way(heedless, file, {"If-Match": '"x"'}) == [200, 200, 200, 200, 204]


# ---- quota


def test_a_full_drive_takes_no_more_and_the_trash_counts(wire):
    with Emulator(settings=Settings(drive_quota=10)) as emulator:
        drive = wire(emulator)
        file = drive.uploaded(b"123456", title="a")
        drive.json("POST", f"files/{file['id']}/trash")
        about = drive.json("GET", "about")
        assert (about["quotaBytesUsed"], about["quotaBytesUsedInTrash"]) == ("6", "6")
        refused = json.loads(drive.upload(b"12345", title="b").content)["error"]
        assert (refused["code"], refused["errors"][0]["reason"]) == (403, "quotaExceeded")
        assert refused["message"] == "The user has exceeded their Drive storage quota"
        assert len(list(emulator._state.blobs.iterdir())) == 1
        assert drive.uploaded(b"1234567890", file["id"])["fileSize"] == "10"  # instead of the six
        assert drive.insert("empty")["fileSize"] == "0"
        assert drive.folder("F")["quotaBytesUsed"] == "0"
        drive.json("DELETE", f"files/{file['id']}")
        assert drive.uploaded(b"1234567890", title="c")["fileSize"] == "10"


def test_a_quota_that_shrank_is_no_hindrance_to_writing_less(wire, tmp_path):
    with Emulator(state=tmp_path) as emulator:
        file = wire(emulator).uploaded(b"123456", title="a")
    with Emulator(state=tmp_path, settings=Settings(drive_quota=3)) as emulator:
        assert wire(emulator).uploaded(b"12345", file["id"])["fileSize"] == "5"


# ---- several emulators, and none


def test_two_emulators_have_one_drive(wire, tmp_path):
    with Emulator(state=tmp_path) as one, Emulator(state=tmp_path) as two:
        file = wire(one).uploaded(b"abc", title="a")
        assert wire(two).download(file["id"]).content == b"abc"
        assert wire(two).json("GET", "about") == wire(one).json("GET", "about")
        wire(two).uploaded(b"new", file["id"])
        assert wire(one).download(file["id"]).content == b"new"
    with Emulator(state=tmp_path) as three:
        assert wire(three).titles() == ["a"]


def test_it_answers_without_http_and_without_a_log(emulator):
    service = emulator._services["gdrive"]
    reply = service.answer("files.insert", Call("POST", "/drive/v2/files", body=b'{"title": "a"}'))
    assert json.loads(reply.content)["selfLink"].startswith("/drive/v2/files/")
    assert emulator.requests == []
