"""How a bucket is reached: what is sent where, what is said of it, and what is never said."""

from __future__ import annotations

import io
import json
import logging
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import requests.adapters
from accounts import ACCOUNT, CLIENTS_OWN, SECRET, service_account, write
from buckets import BUCKET, asked, serving, store_of
from google.auth.credentials import Credentials as AnyCredentials
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceAccount

from cedar import retry
from cedar.credentials import VARIABLE
from cedar.emulator.server import Server
from cedar.emulator.transport import Call, Reply
from cedar.exceptions import ConfigError, StoreError
from cedar.stores.gcs import GCSStore
from cedar.stores.gcs_access import PERMISSIONS, Reached, check, describe

TOKEN = f"{SECRET}-token"
RESOURCE = {"name": "a", "size": "4", "generation": "7", "crc32c": "rth90Q==", "bucket": BUCKET}


class Google:
    """The network, as far as a store needs it: Google's tokens, and Cloud Storage's answers.

    Attributes
    ----------
    sent : list of PreparedRequest
    answer : (int, value)
        Status of what Cloud Storage answers, and what, as JSON.
    """

    def __init__(self) -> None:
        self.sent: list[requests.PreparedRequest] = []
        self.answer: tuple[int, Any] = 200, {**RESOURCE, "updated": "2026-01-02T03:04:05.678Z"}
        self.fault: Exception | None = None

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        host = urlsplit(request.url).hostname
        if host == "oauth2.googleapis.com":
            return self._respond(request, 200, {"access_token": TOKEN, "expires_in": 3600})
        self.sent.append(request)
        if self.fault is not None:
            raise self.fault
        return self._respond(request, *self.answer)

    def _respond(
        self, request: requests.PreparedRequest, status: int, content: Any
    ) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = status, request, str(request.url)
        text = content if isinstance(content, str) else json.dumps(content)
        answer.raw = io.BytesIO(text.encode())
        return answer

    @property
    def hosts(self) -> set[str | None]:
        return {urlsplit(str(request.url)).hostname for request in self.sent}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Google:
    google = Google()
    # google-auth asks Google where a key may be used, in a thread that would outlast the test.
    boundary = "_maybe_start_regional_access_boundary_refresh"
    monkeypatch.setattr(ServiceAccount, boundary, lambda *_: None)
    monkeypatch.setattr(
        requests.adapters.HTTPAdapter, "send", lambda _, *args, **kwds: google.send(*args, **kwds)
    )
    return google


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where no credential is, and no patience."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    return tmp_path / "home"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write(tmp_path / "key.json", service_account())


@pytest.fixture
def with_token() -> Credentials:
    return Credentials(TOKEN)


# What is sent where


def test_a_token_goes_to_cloud_storage(google: Google, key: Path) -> None:
    info = GCSStore(BUCKET, credentials=key).stat("a")
    assert (info.version, info.size, info.checksum) == ("7", 4, "crc32c:rth90Q==")
    (request,) = google.sent
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert str(request.url).startswith(f"https://storage.googleapis.com/storage/v1/b/{BUCKET}/o/a")


def test_who_pays_is_said_where_that_is_wanted(google: Google, with_token: Credentials) -> None:
    GCSStore(BUCKET, credentials=with_token).stat("a")
    GCSStore(BUCKET, credentials=with_token, project="payer").stat("a")
    assert ["userProject=payer" in str(request.url) for request in google.sent] == [False, True]


def test_the_environment_leads_no_credential_astray(
    google: Google, with_token: Credentials, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would send it to $STORAGE_EMULATOR_HOST; requests, what ~/.netrc has instead."""
    for name in ("STORAGE_EMULATOR_HOST", "API_ENDPOINT_OVERRIDE"):
        monkeypatch.setenv(name, "http://example.org")
    write(home / ".netrc", "machine storage.googleapis.com login nobody password other\n")
    store = GCSStore(BUCKET, credentials=with_token)
    store.stat("a")
    list(store.objects())
    store.write("a", b"data")
    with pytest.raises(StoreError, match="answers, but not as Cloud Storage does"):
        store.read("a")
    store.delete("a")
    store.delete_many({})
    assert google.hosts == {"storage.googleapis.com"}
    assert {request.headers["Authorization"] for request in google.sent} == {f"Bearer {TOKEN}"}


def test_a_redirection_is_not_followed(with_token: Credentials) -> None:
    asked_elsewhere: list[Call] = []

    def elsewhere(call: Call) -> Reply:
        asked_elsewhere.append(call)
        return Reply(200, "text/plain", b"")

    there = Server(elsewhere)
    here = Server(lambda _: Reply(302, "text/plain", b"", headers={"Location": there.url}))
    try:
        with pytest.raises(StoreError):
            GCSStore(BUCKET, url=here.url).stat("a")
    finally:
        for server in here, there:
            server.close()
    assert asked_elsewhere == []


def test_on_this_machine_no_credential_is_looked_for_or_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_token: Credentials
) -> None:
    monkeypatch.setattr("cedar.access.for_google", lambda *_: pytest.fail("it is"))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere.json"))
    headers: list[Any] = []

    def answer(call: Call) -> Reply:
        headers.append(call.headers)
        return Reply(404, "text/plain", b"No such object")

    server = Server(answer)
    try:
        for credentials in (None, with_token, tmp_path / "nowhere.json"):
            with pytest.raises(LookupError):
                GCSStore(BUCKET, url=server.url, credentials=credentials).stat("a")
    finally:
        server.close()
    assert len(headers) == 3
    assert not any("authorization" in each for each in headers)


def test_without_a_credential_nothing_is_asked(google: Google) -> None:
    with pytest.raises(ConfigError, match="no Google credential: run `earthengine authenticate`"):
        GCSStore(BUCKET).stat("a")
    assert google.sent == []


def test_a_file_that_others_can_read_is_refused(google: Google, key: Path) -> None:
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        GCSStore(BUCKET, credentials=key).stat("a")
    assert google.sent == []


def test_a_credential_of_another_cloud_is_refused(google: Google, key: Path) -> None:
    write(key, {**service_account(), "universe_domain": "example.org"})
    with pytest.raises(ConfigError, match="the credential isn't for Cloud Storage"):
        GCSStore(BUCKET, credentials=key).stat("a")
    assert google.sent == []


# What is said


def refusal(message: str, reason: str = "forbidden") -> dict[str, Any]:
    return {"error": {"message": message, "errors": [{"reason": reason, "message": message}]}}


NO_RIGHT = f"{ACCOUNT} does not have storage.objects.get access to the object."
SAID = [
    (401, refusal("Invalid Credentials"), "Invalid Credentials; the credential isn't taken"),
    (403, refusal(NO_RIGHT), r"storage\.objects\.get access .*role Storage Object User"),
    (
        403,
        refusal("Request had insufficient authentication scopes."),
        "insufficient authentication scopes.; run `earthengine authenticate --force`",
    ),
    (
        400,
        refusal("Bucket is a requester pays bucket but no user project provided."),
        "say who pays as `project` in section `gcs`",
    ),
    (404, refusal("The specified bucket does not exist."), "make the bucket, or correct"),
    (404, "The specified bucket does not exist.", "make the bucket, or correct"),
    (404, "No such object: a-bucket/a", r"^a is not in gs://a-bucket$"),
    (403, f"<html>{SECRET}</html>", "can't look at gs://a-bucket/a: Forbidden"),
    (400, ["odd"], "can't look at gs://a-bucket/a: BadRequest"),
    (400, refusal("much\n" * 10_000), "much much"),
    (200, f"<html>{SECRET}</html>", "answers, but not as Cloud Storage does"),
    (307, "", "can't look at gs://a-bucket/a: "),
]


@pytest.mark.parametrize(("status", "answer", "said"), SAID)
def test_an_error_says_in_a_line_what_is_wrong_and_how_to_mend_it(
    google: Google,
    key: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
    answer: object,
    said: str,
) -> None:
    google.answer = status, answer
    store = GCSStore(BUCKET, credentials=key)
    with caplog.at_level(logging.DEBUG, "cedar"), pytest.raises(StoreError, match=said) as caught:
        store.stat("a")
    told = str(caught.value)
    assert caught.value.key == "a"
    assert "\n" not in told
    assert len(told) < 700
    assert SECRET not in told
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (requests.ConnectTimeout(f"{SECRET}"), "can't be reached: it doesn't answer"),
        (requests.ConnectionError(f"{SECRET}"), "can't be reached: ConnectionError"),
        (requests.exceptions.ChunkedEncodingError(SECRET), "can't be reached: Chunked"),
        (RefreshError(f"revoked {'x' * 1000}", {"id_token": SECRET}), "no token .*: revoked x+; "),
        (RefreshError(), "no token for the credential: RefreshError; `cedar auth gcs`"),
    ],
)
def test_where_nothing_comes_that_is_said_without_an_address_or_a_secret(
    google: Google,
    with_token: Credentials,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    said: str,
) -> None:
    google.fault = fault
    with caplog.at_level(logging.DEBUG, "cedar"), pytest.raises(StoreError, match=said) as caught:
        GCSStore(BUCKET, credentials=with_token).stat("a")
    told = str(caught.value)
    if not isinstance(fault, RefreshError):
        told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told + caplog.text
    assert len(str(caught.value)) < 700


def test_why_nothing_comes_is_what_the_system_says(with_token: Credentials) -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9 can't be reached: Connection refused"):
        GCSStore(BUCKET, url="http://127.0.0.1:9").stat("a")


def test_a_host_that_can_t_prove_who_it_is_isn_t_asked_again(
    google: Google, with_token: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 60.0)
    google.fault = requests.exceptions.SSLError(SECRET)
    google.fault.__cause__ = ssl.SSLCertVerificationError(1, "self-signed certificate")
    with pytest.raises(StoreError, match="prove who it is: self-signed certificate"):
        GCSStore(BUCKET, credentials=with_token).stat("a")
    assert len(google.sent) == 1


def test_an_uploads_address_is_in_no_error_and_no_log(
    google: Google,
    with_token: Credentials,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has it can write the object."""
    monkeypatch.setattr("cedar.stores.gcs_upload.PART", 1)
    path = tmp_path / "a.tif"
    path.write_bytes(b"data")
    address = f"https://storage.googleapis.com/upload?upload_id={SECRET}"
    respond = google._respond

    def with_address(request: requests.PreparedRequest, status: int, _: Any) -> requests.Response:
        if SECRET not in str(request.url):
            answer = respond(request, 200, {})
            answer.headers["Location"] = address
            return answer
        if failing[0] is None:
            return respond(request, 400, f"{address} is no more")
        raise failing[0]

    monkeypatch.setattr(google, "_respond", with_address)
    for fault in (None, requests.ConnectionError(f"{address} is away")):
        failing = [fault]
        with caplog.at_level(logging.DEBUG, "cedar"), pytest.raises(StoreError) as caught:
            GCSStore(BUCKET, credentials=with_token).put(path, "a")
        assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text


# What it would be reached with


@pytest.fixture
def clients_own(home: Path) -> Path:
    return home / ".config" / "earthengine" / "credentials"


def test_where_there_is_no_credential_that_is_missing(google: Google) -> None:
    access = describe(GCSStore(BUCKET))
    assert (access.bucket, access.url) == (BUCKET, "https://storage.googleapis.com")
    assert (access.credential, access.emulated, access.project) == (None, False, None)
    (missing,) = access.missing
    assert "`earthengine authenticate`" in missing
    assert access.doubts == access.notes == ()
    assert google.sent == []


def test_it_says_which_credential_is_used_and_what_it_needs(google: Google, key: Path) -> None:
    access = describe(GCSStore(BUCKET, credentials=key, project="payer"))
    assert access.credential is not None
    assert (access.credential.kind, access.credential.source) == ("service account", str(key))
    assert access.project == "payer"
    assert access.missing == access.notes == ()
    (doubt,) = access.doubts
    assert doubt.startswith(
        f"{ACCOUNT} needs the role Storage Object User (roles/storage.objectUser)"
    )
    assert SECRET not in repr(access)
    assert google.sent == []


def test_the_callers_own_credential_is_the_callers(with_token: Credentials) -> None:
    access = describe(GCSStore(BUCKET, credentials=with_token))
    assert access.credential is not None
    assert (access.credential.kind, access.credential.source) == ("Credentials", "the caller")
    assert access.doubts[0].startswith("the account needs the role")


@pytest.mark.parametrize(
    ("scopes", "enough"),
    [
        (["https://www.googleapis.com/auth/earthengine"], False),
        (["https://www.googleapis.com/auth/devstorage.read_only"], False),
        (["https://www.googleapis.com/auth/devstorage.full_control", "openid"], True),
        (["https://www.googleapis.com/auth/cloud-platform"], True),
    ],
)
def test_a_token_for_something_else_is_of_no_use(
    clients_own: Path, scopes: list[str], enough: bool
) -> None:
    write(clients_own, {**CLIENTS_OWN, "scopes": scopes})
    missing = describe(GCSStore(BUCKET)).missing
    assert missing == () if enough else "`earthengine authenticate --force`" in missing[0]


def test_what_may_not_be_as_it_was_meant_is_noted(
    clients_own: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(clients_own, CLIENTS_OWN, 0o644)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")
    monkeypatch.setenv(VARIABLE, str(key))
    emulator, readable, before = describe(GCSStore(BUCKET)).notes
    assert emulator.startswith("$STORAGE_EMULATOR_HOST is not used")
    assert readable == f"others can read {clients_own}: run `chmod 600 {clients_own}`"
    assert before.startswith(f"${VARIABLE} is not used, since {clients_own} goes first")
    assert len(describe(GCSStore(BUCKET, credentials=key)).notes) == 1


def test_on_this_machine_nothing_is_needed(clients_own: Path, key: Path) -> None:
    write(clients_own, "{")
    access = describe(GCSStore(BUCKET, url="http://localhost:1"))
    assert (access.emulated, access.credential) == (True, None)
    assert access.missing == access.doubts == access.notes == ()
    (note,) = describe(GCSStore(BUCKET, url="http://localhost:1", credentials=key)).notes
    assert note.startswith("the credential is sent nowhere")


# What the service says


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:
        yield lambda *faults: stack.enter_context(serving(tmp_path / "state", *faults))


def test_a_bucket_is_checked_by_two_requests(serve: Callable[..., Any]) -> None:
    emulator = serve()
    assert check(store_of(emulator)) == Reached("US", "STANDARD", ())
    assert asked(emulator) == [("buckets.testIamPermissions", 200), ("buckets.get", 200)]


def test_what_whoever_asks_may_not_know_is_not_known(serve: Callable[..., Any]) -> None:
    unknown = {"method": "buckets.testIamPermissions", "action": "status", "value": 404, "nth": 1}
    hidden = {"method": "buckets.get", "action": "status", "value": 403, "nth": 1}
    assert check(store_of(serve(unknown, hidden))) == Reached(None, None, None)


@pytest.mark.parametrize("method", ["buckets.testIamPermissions", "buckets.get"])
def test_what_fails_is_an_error(serve: Callable[..., Any], method: str) -> None:
    fault = {"method": method, "action": "status", "value": 400, "nth": 1}
    with pytest.raises(StoreError, match="can't check gs://a-bucket: "):
        check(store_of(serve(fault)))


def test_a_bucket_that_isn_t_there_is_an_error(serve: Callable[..., Any]) -> None:
    with pytest.raises(StoreError, match=r"can't check gs://another: .*make the bucket"):
        check(store_of(serve(), "another"))


def test_what_is_lacking_is_named(google: Google, with_token: Credentials) -> None:
    google.answer = 200, {"permissions": list(PERMISSIONS[:2])}
    reached = check(GCSStore(BUCKET, credentials=with_token))
    assert reached.lacking == ("storage.objects.create", "storage.objects.delete")


def test_a_check_doesn_t_wait_long(
    google: Google, with_token: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 1000.0)
    monkeypatch.setattr("cedar.access.PATIENCE", 0.0)
    google.fault = requests.ConnectionError()
    with pytest.raises(StoreError, match="can't be reached"):
        check(GCSStore(BUCKET, credentials=with_token))


def test_any_of_googles_credentials_will_do(google: Google) -> None:
    class Own(AnyCredentials):
        def refresh(self, request: object) -> None:
            self.token = TOKEN

    GCSStore(BUCKET, credentials=Own()).stat("a")
    assert google.sent[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_users_own_token_is_fetched_from_google(google: Google, clients_own: Path) -> None:
    write(clients_own, {**CLIENTS_OWN, "project": "mine"})
    GCSStore(BUCKET).stat("a")
    assert google.sent[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert google.sent[0].headers["x-goog-user-project"] == "mine"
