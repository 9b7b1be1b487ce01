from __future__ import annotations

import json

import pytest

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

ME = "me@emulator.invalid"
DENIED = (403, "insufficientFilePermissions")


def share(owner, file, role, who=ME):
    asked = {"type": "user", "role": role, "value": who}
    return owner.json("POST", f"files/{file['id']}/permissions", asked)


@pytest.fixture
def theirs(other):
    """A folder of somebody else's with a file in it."""
    folder = other.folder("EE")
    return folder, other.uploaded(b"abc", title="a.tif", parents=[{"id": folder["id"]}])


def test_a_token_that_is_an_address_names_the_account(drive, other, wire, emulator):
    assert other.json("GET", "about")["user"]["emailAddress"] == "other@example.invalid"
    assert other.json("GET", "about")["rootFolderId"] != drive.json("GET", "about")["rootFolderId"]
    for token in ("ya29.secret", "", "a@b c@d"):
        about = wire(emulator, token).json("GET", "about")
        assert about == drive.json("GET", "about")
        assert "secret" not in json.dumps(about)


def test_what_is_not_shared_is_not_there(drive, theirs):
    for file in theirs:
        assert drive.refusal("GET", f"files/{file['id']}")[0] == 404
        assert drive.download(file["id"]).status == 404
    assert drive.titles() == []


def test_a_reader_reads_and_does_nothing_else(drive, other, theirs):
    folder, file = theirs
    share(other, folder, "reader")
    assert drive.download(file["id"]).content == b"abc"
    assert drive.titles(f"'{folder['id']}' in parents") == ["a.tif"]
    assert sorted(drive.titles()) == ["EE", "a.tif"]
    for verb, path, *body in (
        ("PATCH", f"files/{file['id']}", {"title": "b"}),
        ("DELETE", f"files/{file['id']}"),
        ("POST", f"files/{file['id']}/trash"),
        ("POST", f"files/{file['id']}/untrash"),
        ("POST", f"files/{file['id']}/permissions", {"type": "user"}),
        ("POST", "files", {"parents": [{"id": folder["id"]}]}),
    ):
        assert drive.refusal(verb, path, *body)[:2] == DENIED
    assert drive.upload(b"new", file["id"]).status == 403
    assert drive.upload(b"new", parents=[{"id": folder["id"]}]).status == 403


def test_a_writer_changes_what_is_there_and_adds_but_takes_nothing_away(drive, other, theirs):
    folder, file = theirs
    share(other, folder, "writer")
    assert drive.uploaded(b"new", file["id"])["owners"][0]["emailAddress"] != ME
    mine = drive.insert("mine", folder["id"])
    assert (mine["ownedByMe"], mine["shared"]) == (True, True)
    assert sorted(other.titles(f"'{folder['id']}' in parents")) == ["a.tif", "mine"]
    assert other.uploaded(b"", mine["id"])["userPermission"]["role"] == "writer"
    for path in (f"files/{folder['id']}", f"files/{file['id']}"):
        assert drive.refusal("DELETE", path)[:2] == DENIED
        assert drive.refusal("PATCH", path, {"labels": {"trashed": True}})[:2] == DENIED
    assert other.refusal("DELETE", f"files/{mine['id']}")[:2] == DENIED


def test_what_is_shared_says_so(drive, other, theirs):
    folder, file = theirs
    assert not other.json("GET", f"files/{folder['id']}")["shared"]
    share(other, folder, "reader")
    for owned, seen in ((True, other), (False, drive)):
        for each in (folder, file):
            described = seen.json("GET", f"files/{each['id']}")
            assert (described["ownedByMe"], described["shared"]) == (owned, True)
    described = drive.json("GET", f"files/{folder['id']}")
    assert described["parents"] == []  # their root isn't there for me
    assert described["userPermission"]["role"] == "reader"
    assert not described["capabilities"]["canEdit"]
    assert drive.json("GET", f"files/{file['id']}")["parents"][0]["id"] == folder["id"]
    assert drive.titles("sharedWithMe = true") == ["EE"]
    assert (
        drive.titles("sharedWithMe = false") == drive.titles("not sharedWithMe = true") == ["a.tif"]
    )
    assert drive.titles("'other@example.invalid' in owners and title='EE'") == ["EE"]
    assert drive.titles("'me' in owners") == []


def test_permissions_are_listed_the_owner_s_first_and_the_last_given_holds(drive, other, theirs):
    folder, _ = theirs
    share(other, folder, "reader")
    given = share(other, folder, "writer")
    assert (given["role"], given["emailAddress"], given["type"]) == ("writer", ME, "user")
    items = drive.json("GET", f"files/{folder['id']}/permissions")["items"]
    assert [each["role"] for each in items] == ["owner", "writer"]
    assert items[1] == given
    assert items[0]["id"] == other.json("GET", "about")["permissionId"] != given["id"]
    share(other, folder, "reader")
    assert drive.refusal("PATCH", f"files/{folder['id']}", {})[:2] == DENIED


def test_the_better_of_two_parts_holds(drive, other, theirs):
    folder, file = theirs
    share(other, folder, "writer")
    share(other, file, "reader")
    assert drive.json("PATCH", f"files/{file['id']}", {"title": "b"})["title"] == "b"


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "anyone", "role": "reader"},
        {"type": "user", "role": "owner", "value": "a@b.invalid"},
        {"type": "user", "role": "reader", "value": "nobody"},
        {"type": "user", "role": "reader", "value": 3},
        {"type": "user", "role": [], "value": "a@b.invalid"},
        {},
    ],
)
def test_other_ways_to_share_are_refused(drive, asked):
    file = drive.insert("a")
    refused = drive.refusal("POST", f"files/{file['id']}/permissions", asked)
    assert refused[:2] == (400, "invalidSharingRequest")


def test_what_others_put_into_a_folder_outlives_it(drive, other, theirs):
    folder, file = theirs
    share(other, folder, "writer")
    mine = drive.uploaded(b"mine", title="mine", parents=[{"id": folder["id"]}])
    other.json("POST", f"files/{folder['id']}/trash")
    assert drive.titles("trashed=true and 'me' in owners") == ["mine"]
    other.json("DELETE", f"files/{folder['id']}")
    assert drive.titles("trashed=false") == ["mine"]
    assert drive.refusal("GET", f"files/{file['id']}")[0] == 404
    assert drive.json("GET", f"files/{mine['id']}")["parents"] == []
    assert drive.download(mine["id"]).content == b"mine"
    assert not drive.json("GET", f"files/{mine['id']}")["shared"]


def test_a_file_counts_in_its_owner_s_drive(wire):
    with Emulator(settings=Settings(drive_quota=5)) as emulator:
        drive, other = wire(emulator), wire(emulator, "other@example.invalid")
        file = other.uploaded(b"abc", title="a")
        share(other, file, "writer")
        assert drive.json("GET", "about")["quotaBytesUsed"] == "0"
        assert drive.upload(b"123456", file["id"]).status == 403
        assert drive.upload(b"12345", file["id"]).status == 200
        assert other.json("GET", "about")["quotaBytesUsed"] == "5"
        assert drive.uploaded(b"12345", title="b")["ownedByMe"]
