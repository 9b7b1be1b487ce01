"""What the official clients see: googleapiclient, and pydrive2 on top of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import google_auth_httplib2
import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload
from pydrive2.auth import GoogleAuth
from pydrive2.drive import GoogleDrive
from pydrive2.files import ApiRequestError

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

FOLDER = "application/vnd.google-apps.folder"


class Auth(GoogleAuth):
    """Goes to an emulator, each thread by connections of its own, which are closed at the end."""

    def __init__(self, url: str):
        super().__init__(
            settings_file=None,
            settings={
                "client_config_backend": "settings",
                "save_credentials": False,
                "client_config": {"client_id": "x", "client_secret": "x", "revoke_uri": ""},
            },
            http_timeout=60,
        )
        document = json.loads(discovery_cache.get_static_doc("drive", "v2"))
        document |= {"rootUrl": f"{url}/", "baseUrl": f"{url}/drive/v2/"}
        document.pop("mtlsRootUrl", None)
        self._document, self.opened = document, []

    @property
    def access_token_expired(self) -> bool:
        return False

    def Get_Http_Object(self) -> Any:  # noqa: N802 - pydrive2's name
        http = self._build_http()
        self.opened.append(http)
        return google_auth_httplib2.AuthorizedHttp(AnonymousCredentials(), http=http)

    def Authorize(self) -> None:  # noqa: N802 - pydrive2's name
        self.http = self.Get_Http_Object()
        self.service = build_from_document(self._document, http=self.http)

    def close(self) -> None:
        for http in self.opened:
            http.close()


def authorized(emulator: Emulator) -> Auth:
    auth = Auth(emulator.urls["gdrive"])
    auth.Authorize()
    return auth


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(settings=Settings(page_size=3)) as emulator:
        yield emulator


@pytest.fixture
def auth(emulator: Emulator) -> Iterator[Auth]:
    with closing(authorized(emulator)) as auth:
        yield auth


@pytest.fixture
def auth_with() -> Iterator[Callable[..., Auth]]:
    """Makes an emulator, and goes there."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            closing(authorized(stack.enter_context(Emulator(**settings))))
        )


@pytest.fixture
def google(auth: Auth) -> GoogleDrive:
    return GoogleDrive(auth)


def put(google: GoogleDrive, text: str, **metadata: Any) -> Any:
    file = google.CreateFile(metadata)
    file.SetContentString(text)
    file.Upload()
    return file


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiRequestError) as error:
        call()
    return error.value.error["code"], error.value.GetField("reason")


# ---- pydrive2


def test_a_file_goes_there_and_back(google, tmp_path):
    data = os.urandom(3 * 2**20 + 7)
    (tmp_path / "there.tif").write_bytes(data)
    folder = google.CreateFile({"title": "EE", "mimeType": FOLDER, "parents": [{"id": "root"}]})
    folder.Upload()
    file = google.CreateFile({"title": "a.tif", "parents": [{"id": folder["id"]}]})
    file.SetContentFile(str(tmp_path / "there.tif"))
    file.Upload()
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()
    assert (file["fileSize"], file["mimeType"]) == (str(len(data)), "image/tiff")
    google.CreateFile({"id": file["id"]}).GetContentFile(str(tmp_path / "back"), chunksize=2**20)
    assert (tmp_path / "back").read_bytes() == data
    file.content.close()


def test_text_is_read_and_replaced_in_place(google, emulator):
    file = put(google, '{"é": 1}', title="it's \\ odd.json")
    assert google.CreateFile({"id": file["id"]}).GetContentString() == '{"é": 1}'
    again = google.CreateFile({"id": file["id"]})
    again.SetContentString("new")
    again.Upload()
    assert google.CreateFile({"id": file["id"]}).GetContentString() == "new"
    title = "it's \\ odd.json".replace("\\", "\\\\").replace("'", "\\'")
    assert len(google.ListFile({"q": f"title='{title}'"}).GetList()) == 1
    assert [request.method for request in emulator.requests[:4]] == [
        "files.upload", "files.upload", "files.get", "files.download",
    ]  # fmt: skip


def test_an_empty_file_goes_there_and_back(google, tmp_path):
    file = put(google, "", title="empty")
    google.CreateFile({"id": file["id"]}).GetContentFile(str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b""


def test_lists_come_in_pages(google, emulator):
    folder = google.CreateFile({"title": "F", "mimeType": FOLDER})
    folder.Upload()
    for i in range(8):
        put(google, "{}", title=f"x{i}.json", parents=[{"id": folder["id"]}])
    q = f"'{folder['id']}' in parents and trashed=false and title contains 'x'"
    before = len(emulator.requests)
    found = google.ListFile({"q": q, "orderBy": "title desc"}).GetList()
    assert [file["title"] for file in found] == [f"x{i}.json" for i in range(7, -1, -1)]
    assert len(emulator.requests) - before == 3


def test_trash_and_deletion(google):
    file = put(google, "1", title="a")
    file.Trash()
    assert len(google.ListFile({"q": "trashed=true"}).GetList()) == 1
    file.UnTrash()
    assert google.ListFile({"q": "trashed=true"}).GetList() == []
    file.Delete()
    assert refused(google.CreateFile({"id": file["id"]}).FetchMetadata) == (404, "notFound")


def test_errors_have_their_reasons(google, tmp_path):
    folder = google.CreateFile({"title": "F", "mimeType": FOLDER})
    folder.Upload()
    with pytest.raises(ApiRequestError):
        folder.GetContentFile(str(tmp_path / "back"))
    assert refused(google.CreateFile({"id": "nope"}).FetchMetadata) == (404, "notFound")
    assert refused(google.ListFile({"q": "title ="}).GetList) == (400, "invalid")


def test_the_quota_is_shown_and_holds(auth_with):
    google = GoogleDrive(auth_with(settings=Settings(drive_quota=10)))
    put(google, "1234", title="a")
    about = google.GetAbout()
    assert (about["quotaBytesTotal"], about["quotaBytesUsed"]) == ("10", "4")
    assert refused(lambda: put(google, "x" * 7, title="b")) == (403, "quotaExceeded")


def test_permissions_are_given(google):
    file = put(google, "1", title="a")
    given = {"type": "user", "role": "reader", "value": "other@example.invalid"}
    file.InsertPermission(given)
    assert [each["role"] for each in file["permissions"]] == ["owner", "reader"]


def test_many_threads_at_once(google, tmp_path):
    data = os.urandom(2**20)
    (tmp_path / "there").write_bytes(data)
    shared = google.CreateFile({"title": "shared"})
    shared.SetContentFile(str(tmp_path / "there"))
    shared.Upload()
    shared.content.close()

    def one(i: int) -> bool:
        google.CreateFile({"id": shared["id"]}).GetContentFile(str(tmp_path / str(i)))
        put(google, str(i), title=f"t{i}")
        return (tmp_path / str(i)).read_bytes() == data

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(32)))
    found = google.ListFile({"q": "title contains 't'", "orderBy": "title"}).GetList()
    assert sorted(file["title"] for file in found) == sorted(f"t{i}" for i in range(32))


# ---- googleapiclient


def files(auth: Auth) -> Any:
    return auth.service.files()


def media(data: bytes, **settings: Any) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(io.BytesIO(data), "a/b", **settings)


@pytest.mark.parametrize(
    "settings", [{}, {"resumable": True}, {"resumable": True, "chunksize": 2**18}]
)
@pytest.mark.parametrize("size", [0, 1, 2**18, 2**18 + 1, 2**20])
def test_an_upload_of_any_kind_and_size(auth, settings, size):
    data = os.urandom(size)
    file = files(auth).insert(body={"title": "a"}, media_body=media(data, **settings)).execute()
    assert (file["fileSize"], file["mimeType"]) == (str(size), "a/b")
    assert files(auth).get_media(fileId=file["id"]).execute() == data


def test_an_upload_goes_on_after_faults(auth_with):
    faults = [
        {"service": "gdrive", "method": "files.upload", "action": action, "value": 503, "nth": nth}
        for action, nth in (("status", 3), ("fail-after", 7))  # the second and the last chunk
    ]
    data = os.urandom(2**20)
    auth = auth_with(faults=faults)
    request = files(auth).insert(
        body={"title": "a"}, media_body=media(data, resumable=True, chunksize=2**18)
    )
    file, failures = None, []
    while file is None:
        try:
            _, file = request.next_chunk()
        except HttpError as error:
            failures.append(error.resp.status)
    assert failures == [503, 503]
    assert file["md5Checksum"] == hashlib.md5(data).hexdigest()
    assert len(files(auth).list().execute()["items"]) == 1


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ("rate-limit", 403, "userRateLimitExceeded"),
        ("drive-quota", 403, "quotaExceeded"),
        (429, 429, "rateLimitExceeded"),
        (503, 503, "backendError"),
    ],
)
def test_faults_have_reasons(auth_with, error, code, reason):
    fault = {"service": "gdrive", "method": "files.list", "nth": 1, "action": "status"}
    google = GoogleDrive(auth_with(faults=[{**fault, "value": error}]))
    assert refused(google.ListFile().GetList) == (code, reason)
    assert google.ListFile().GetList() == []


def test_a_range_and_the_download_s_own_link(auth):
    file = files(auth).insert(body={"title": "a"}, media_body=media(b"0123456789")).execute()
    request = files(auth).get_media(fileId=file["id"])
    request.headers["Range"] = "bytes=2-4"
    assert request.execute() == b"234"
    _, content = auth.http.request(file["downloadUrl"])
    assert content == b"0123456789"
    into = io.BytesIO()
    download = MediaIoBaseDownload(into, files(auth).get_media(fileId=file["id"]), chunksize=3)
    done = False
    while not done:
        _, done = download.next_chunk()
    assert into.getvalue() == b"0123456789"


@pytest.mark.parametrize("resumable", [True, False])
def test_if_match_reaches_it(auth, resumable):
    file = files(auth).insert(body={"title": "a"}, media_body=media(b"old")).execute()
    statuses = []
    for _ in range(2):
        request = files(auth).update(
            fileId=file["id"], media_body=media(b"new", resumable=resumable)
        )
        request.headers["If-Match"] = file["etag"]
        try:
            request.execute()
            statuses.append(200)
        except HttpError as error:
            statuses.append(error.resp.status)
    assert statuses == [200, 412]


def test_a_q_too_long_for_an_address_comes_as_a_body(auth, emulator):
    for title in "ab":
        files(auth).insert(body={"title": title}).execute()
    q = " or ".join(["title='a'"] * 250)
    found = files(auth).list(q=q).execute()
    assert [file["title"] for file in found["items"]] == ["a"]
    assert emulator.requests[-1].method == "files.list"


def test_a_verb_may_come_as_a_header(drive):
    file = drive.insert("a")
    headers = {"X-HTTP-Method-Override": "PATCH", "Content-Type": "application/json"}
    assert drive.json("POST", f"files/{file['id']}", {"title": "b"}, headers)["title"] == "b"


def test_a_batch_is_one_request(auth, emulator):
    ids = [files(auth).insert(body={"title": str(i)}).execute()["id"] for i in range(3)]
    before, answers = len(emulator.requests), {}
    batch = auth.service.new_batch_http_request(
        callback=lambda name, answer, error: answers.update({name: (answer, error)})
    )
    batch.add(files(auth).trash(fileId=ids[0]), request_id="trash")
    batch.add(files(auth).patch(fileId=ids[1], body={"title": "é"}), request_id="patch")
    batch.add(files(auth).delete(fileId=ids[2]), request_id="delete")
    batch.add(files(auth).get(fileId="nope"), request_id="get" * 30)
    batch.add(files(auth).get_media(fileId=ids[0]), request_id="media")
    batch.execute()
    assert [request.method for request in emulator.requests[before:]] == ["batch"]
    assert answers["trash"][0]["labels"]["trashed"]
    assert answers["patch"][0]["title"] == "é"
    assert answers["delete"] == ("", None)
    assert answers["get" * 30][1].resp.status == 404
    assert answers["get" * 30][1].reason == "File not found: nope"
    assert "A batch may not hold files.download" in str(answers["media"][1])
    left = files(auth).list(q="trashed=false").execute()["items"]
    assert [file["id"] for file in left] == [ids[1]]


# ---- two emulators at a time


def test_of_writers_at_once_one_succeeds_and_nothing_is_lost(wire, tmp_path):
    with Emulator(state=tmp_path) as one, Emulator(state=tmp_path) as two:
        file = wire(one).uploaded(b"0", title="counter")
        succeeded = []

        def count(emulator: Emulator) -> None:
            drive = wire(emulator)
            for _ in range(20):
                etag = drive.json("GET", f"files/{file['id']}")["etag"]
                value = int(bytes(drive.download(file["id"]).content))
                reply = drive.upload(b"%d" % (value + 1), file["id"], {"If-Match": etag})
                if reply.status == 200:
                    succeeded.append(1)
                else:
                    assert reply.status == 412

        threads = [threading.Thread(target=count, args=(one if i % 2 else two,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 20 <= len(succeeded) <= 80
        assert bytes(wire(one).download(file["id"]).content) == b"%d" % len(succeeded)
