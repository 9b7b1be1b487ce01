"""With which credential Drive is reached, what is said of it, and where it goes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httplib2
import pytest
from accounts import ACCOUNT, SECRET, USER, service_account, write
from drives import OTHER, Account, drive, store_of
from google.oauth2.credentials import Credentials

from cedar import retry
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.emulator.transport import Call
from cedar.exceptions import ConfigError, StoreError
from cedar.stores import kinds, store_module
from cedar.stores.gdrive import GDriveStore
from cedar.stores.gdrive_access import Reached, check, describe
from cedar.stores.gdrive_errors import SCOPE

Serve = Callable[..., Emulator]
EARTH_ENGINES = {
    "refresh_token": f"{SECRET}-own",
    "scopes": ["https://www.googleapis.com/auth/earthengine", SCOPE],
}


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(drive(*faults, **kwds))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)
    return tmp_path


class Google:
    """The network as far as Google: tokens, and Drive at its host, which is the emulator's."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch):
        self.emulator = emulator
        self.asked: list[tuple[str | None, str]] = []
        self.token: tuple[int, Any] = 200, {"access_token": f"{SECRET}-token", "expires_in": 3600}
        monkeypatch.setattr(
            httplib2.Http, "request", lambda _, *args, **kwds: self.request(*args, **kwds)
        )

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> Any:
        url, headers = urlsplit(uri), {k.lower(): str(v) for k, v in (headers or {}).items()}
        self.asked.append((url.hostname, headers.get("authorization", "")))
        if url.hostname == "oauth2.googleapis.com":
            status, answer = self.token
            return httplib2.Response({"status": status}), json.dumps(answer).encode()
        assert url.hostname == "www.googleapis.com"
        data = body.encode() if isinstance(body, str) else body or b""
        reply = self.emulator._handle("gdrive", Call(method, uri, headers, data))
        found = {key.lower(): value for key, value in reply.headers.items()}
        return httplib2.Response({"status": reply.status, **found}), bytes(reply.content)


def test_drive_is_a_kind_of_store() -> None:
    assert "gdrive" in kinds()
    assert not [kind for kind in kinds() if kind.startswith("gdrive_")]
    assert store_module("gdrive").GDriveStore is GDriveStore


def test_without_its_extra_the_store_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pydrive2'] = None\n"
        "from cedar.stores import store_module\n"
        "try: store_module('gdrive')\n"
        "except ValueError as error: print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "pip install 'cedar-eo[gdrive]'" in said


def test_on_loopback_no_credential_is_looked_for(
    serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".config/earthengine/credentials", "not even JSON")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    emulator = serve()
    store = store_of(emulator, credentials=home / "missing.json")
    store.write("a", b"")
    found = describe(store)
    assert (found.emulated, found.credential, found.missing, found.doubts) == (True, None, (), ())
    assert found.notes == (
        "the credential is sent nowhere, since the host is on this machine: leave `credentials` "
        "out of section `gdrive`",
    )


def test_the_drive_of_whom_earth_engine_knows_is_used(
    serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(home / ".config/earthengine/credentials", EARTH_ENGINES)
    google = Google(serve(), monkeypatch)
    store = GDriveStore("cedar")
    found = describe(store)
    assert google.asked == []
    assert (found.folder, found.url, found.emulated) == (
        "cedar",
        "https://www.googleapis.com",
        False,
    )
    assert found.credential is not None
    assert (found.credential.kind, found.credential.path) == ("user", path)
    assert (found.missing, found.notes) == ((), ())
    assert found.doubts == (
        "Earth Engine exports to the Drive of the account that it knows: that has to be the one "
        "of this credential",
    )
    store.write("P/a", b"1")
    assert store.read("P/a") == b"1"
    assert store.identity()["identity"] == store.base()[0].id
    hosts = [host for host, _ in google.asked]
    assert hosts.count("oauth2.googleapis.com") == 1
    tokens = {token for host, token in google.asked if host == "www.googleapis.com"}
    assert tokens == {f"Bearer {SECRET}-token"}


def test_no_credential_is_an_error_that_says_how_to_get_one(home: Path) -> None:
    store = GDriveStore("cedar")
    with pytest.raises(ConfigError, match="earthengine authenticate"):
        store.stat("a")
    found = describe(store)
    assert found.credential is None
    assert "earthengine authenticate" in found.missing[0]
    assert (found.doubts, found.notes) == ((), ())


def test_a_credential_for_something_else_is_said(home: Path) -> None:
    scopes = ["https://www.googleapis.com/auth/earthengine"]
    path = write(home / ".config/earthengine/credentials", {**EARTH_ENGINES, "scopes": scopes})
    (missing,) = describe(GDriveStore("cedar")).missing
    assert missing.startswith(f"{path} is not for Drive: run `earthengine authenticate --force`")


def test_a_service_account_has_no_room_in_drive(home: Path) -> None:
    path = write(home / "key.json", service_account())
    found = describe(GDriveStore("id:folder", credentials=path))
    assert found.credential is not None
    assert found.credential.account == ACCOUNT
    assert [doubt for doubt in found.doubts if "has no room in Drive" in doubt]
    assert f"{ACCOUNT} has to be let edit the folder folder" in found.doubts


def test_what_may_not_be_meant_is_noted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / ".config/earthengine/credentials", EARTH_ENGINES, mode=0o644)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/elsewhere.json")
    notes = describe(GDriveStore("cedar")).notes
    assert notes == (
        f"others can read {path}: run `chmod 600 {path}`",
        f"$GOOGLE_APPLICATION_CREDENTIALS is not used, since {path} goes first: give its path as "
        "`credentials` in section `gdrive`",
    )


def test_a_key_file_that_others_can_read_is_refused(home: Path) -> None:
    path = write(home / "key.json", USER, mode=0o644)
    with pytest.raises(ConfigError, match="can be read by others; run `chmod 600"):
        GDriveStore("cedar", credentials=path).stat("a")


def test_what_gcloud_wrote_does_not_say_what_it_is_for(home: Path) -> None:
    path = write(home / "adc.json", USER)
    doubts = describe(GDriveStore("cedar", credentials=path)).doubts
    assert "doesn't say what it is for" in doubts[1]


def test_a_credential_may_be_given(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    google = Google(serve(), monkeypatch)
    store = GDriveStore("cedar", credentials=Credentials(f"{SECRET}-given"))
    found = describe(store)
    assert found.credential is not None
    assert (found.credential.kind, found.credential.source) == ("Credentials", "the caller")
    store.write("a", b"")
    assert {token for _, token in google.asked} == {f"Bearer {SECRET}-given"}


def test_no_secret_is_told(
    serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(home / ".config/earthengine/credentials", EARTH_ENGINES)
    google = Google(
        serve({"method": "files.get", "action": "status", "value": 401, "nth": 1, "count": 9}),
        monkeypatch,
    )
    told = []
    with caplog.at_level(logging.DEBUG):
        store = GDriveStore("cedar")
        told += [repr(store), repr(describe(store))]
        store.write("P/a.tif", b"")
        with pytest.raises(StoreError, match="the credential isn't taken") as caught:
            store.write("P/a.tif", b"", f"{'x' * 30}/1")
        told.append(str(caught.value))
        google.token = (
            400,
            {"error": "invalid_grant", "error_description": "Token has been revoked."},
        )
        with pytest.raises(
            StoreError, match=r"no token .*invalid_grant: Token has been rev"
        ) as caught:
            GDriveStore("cedar").stat("a")
        told += [str(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert SECRET not in caplog.text + "".join(told)


# Asking the service


def test_what_the_service_says_is_told(serve: Serve) -> None:
    emulator = serve(settings=Settings(drive_quota=1000))
    store = store_of(emulator)
    assert check(store) == Reached("me@emulator.invalid", None, 0, 0, 1000, ())
    assert Account(emulator).files() == []
    store.write("a", b"12345")
    Account(emulator).folder("cedar")
    found = check(store)
    assert (found.folder, found.namesakes, found.used) == (store.base()[0].id, 1, 5)


def test_what_lacks_is_told(serve: Serve) -> None:
    emulator = serve(settings=Settings(drive_quota=5))
    other = Account(emulator, OTHER)
    folder = other.folder("theirs")
    other.share(folder, "me@emulator.invalid", "reader")
    Account(emulator).file("a", b"12345", "root")
    assert check(store_of(emulator, f"id:{folder}")).lacking == (
        "the right to edit the folder 'theirs': ask its owner for it",
        "room: all 5 bytes are used",
    )


@pytest.mark.parametrize("about", [{"quotaType": "UNLIMITED", "quotaBytesTotal": "0"}, {}])
def test_room_may_be_unlimited(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, about: dict[str, str]
) -> None:
    store = store_of(serve())
    used = {"quotaBytesUsed": "7", **about}
    monkeypatch.setattr(type(store.connection), "ask", lambda *_, **__: used)
    assert store.quota() == (7, None)
    used["quotaBytesUsedAggregate"] = "8"
    assert store.quota() == (8, None)


def test_what_is_refused_when_asked_is_said(serve: Serve) -> None:
    emulator = serve({"method": "about", "action": "status", "value": 403, "nth": 1})
    with pytest.raises(StoreError, match="can't look at the account in Drive"):
        check(store_of(emulator))
