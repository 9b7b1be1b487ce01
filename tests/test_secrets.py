"""Secrets are shown nowhere, written nowhere, and sent to Google alone."""

import contextlib
import io
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import ee
import google.auth._exponential_backoff
import googleapiclient.http
import httplib2
import pytest
import requests
import yaml
from accounts import ACCOUNT, SECRET, USER, service_account, write
from exported import BUCKET, SHARDS
from orders import COLLECTION, COLLECTIONS, LANDSAT, utm_grid

from cedar import access, retry
from cedar.cli.errors import DONE, FAILED, USAGE
from cedar.cli.main import main
from cedar.emulator import Emulator
from cedar.emulator.faults import Faults
from cedar.emulator.server import Server
from cedar.emulator.settings import Settings
from cedar.emulator.transport import as_json
from cedar.engines.earthengine import session
from cedar.stores.gcs import GCSStore
from cedar.stores.gdrive import GDriveStore

KINDS = ("gcs", "gdrive")
SECTIONS = {"gcs": {"bucket": BUCKET}, "gdrive": {"folder": "cedar"}}
#: Google's hosts → services of the emulator.
HOSTS = {
    "earthengine.googleapis.com": "earthengine",
    "storage.googleapis.com": "gcs",
    "www.googleapis.com": "gdrive",
}
TOKENS = "oauth2.googleapis.com"
#: What google-auth asks by itself about a service account, in a thread of its own.
BOUNDARIES = "iamcredentials.googleapis.com"
SUBMIT = ("submit", COLLECTION, "--index", 0, 0, "--period-start", "2020-05-01",
          "--period-end", "2020-06-01")  # fmt: skip


class Google:
    """Google's hosts in place of the network: tokens by itself, the rest by an emulator.

    Attributes
    ----------
    tokens
        How the next tokens are answered: status and JSON, or text.
    elsewhere
        Where every service says that it has gone to.
    sent
        (host, Authorization) of each request.
    secrets
        What was sent for tokens, besides what every secret here has in it.
    """

    def __init__(self, emulator, monkeypatch):
        self.emulator, self.sent, self.secrets = emulator, [], set()
        self.tokens = 200, {"access_token": f"{SECRET}-token", "expires_in": 3600}
        self.elsewhere = None
        self._of_requests = requests.adapters.HTTPAdapter.send
        self._of_httplib2 = httplib2.Http._conn_request
        google = self

        def send(adapter, request, **kwds):
            return google.by_requests(adapter, request, **kwds)

        def request(http, connection, *asked):
            return google.by_httplib2(http, connection, *asked)

        # Below what follows redirections.
        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
        monkeypatch.setattr(httplib2.Http, "_conn_request", request)

    def by_requests(self, adapter, request, **kwds):
        host = urlsplit(request.url).hostname
        answer = self._answer(host, request.headers, request.body)
        if answer is None:
            request.url = self._address(request.url)
            return self._of_requests(adapter, request, **kwds)
        response = requests.Response()
        response.status_code, text, headers = answer
        response.headers.update(headers)
        response.raw, response.request, response.url = io.BytesIO(text), request, request.url
        return response

    def by_httplib2(self, http, connection, path, method, body, headers):
        answer = self._answer(connection.host, headers, body)
        if answer is None:
            if connection.host in HOSTS:
                there = urlsplit(self.emulator.urls[HOSTS[connection.host]]).netloc
                instead = httplib2.HTTPConnectionWithTimeout(there)
                connection = http.connections.setdefault(there, instead)
            return self._of_httplib2(http, connection, path, method, body, headers)
        status, text, headers = answer
        return httplib2.Response({"status": str(status), **headers}), text

    def _answer(self, host, headers, body):
        """What the network would answer, without the emulator; None: it has the answer."""
        shown = {str(name).lower(): value for name, value in headers.items()}
        self.sent.append((host, _text(shown.get("authorization"))))
        if host == TOKENS:
            self.secrets |= {
                value for (value,) in parse_qs(_text(body)).values() if len(value) > 60
            }
            status, answer = self.tokens
            text = answer if isinstance(answer, str) else json.dumps(answer)
            return status, text.encode(), {"content-type": "application/json"}
        if host == BOUNDARIES:
            return 404, b"{}", {"content-type": "application/json"}
        if self.elsewhere is not None and host in HOSTS:
            return 307, b"", {"location": self.elsewhere}
        return None

    def _address(self, url):
        parts = urlsplit(url)
        service = HOSTS.get(parts.hostname)
        if service is None:
            return url
        return url.replace(f"{parts.scheme}://{parts.netloc}", self.emulator.urls[service], 1)


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture(autouse=True)
def nobodys(tmp_path, monkeypatch):
    """An empty home, nobody's session, and no pauses."""
    monkeypatch.setattr(session, "_made", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(access, "PATIENCE", 0.0)
    for store in GCSStore, GDriveStore:
        monkeypatch.setattr(store, "write_interval", 0.0)
    monkeypatch.setattr(google.auth._exponential_backoff, "time", SimpleNamespace(sleep=id))
    monkeypatch.setattr(googleapiclient.http, "random", SimpleNamespace(random=lambda: 0.0))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ee.Reset()
    yield
    ee.Reset()


@pytest.fixture
def emulator(tmp_path):
    settings = Settings(object_writes=0)
    with Emulator(LANDSAT, state=tmp_path / "state", settings=settings) as emulator:
        emulator.make_bucket(BUCKET)
        yield emulator


@pytest.fixture
def googles(emulator, monkeypatch):
    return Google(emulator, monkeypatch)


@pytest.fixture
def configure():
    """Write cedar.yaml: what each section has besides."""

    def configure(kind, store=None, earthengine=None):
        document = {
            "tile_grid": utm_grid().to_dict() | {"crs": "EPSG:32621"},
            "tracker": {"store": kind, "export_image_kwds": SHARDS},
            kind: {**SECTIONS[kind], **(store or {})},
            "earthengine": earthengine or {},
            "collections": COLLECTIONS,
        }
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")

    return configure


@pytest.fixture
def cedar(capfd, caplog):
    """Run a command that says all it can; its exit code, result, and all that is said."""
    caplog.set_level(logging.DEBUG)

    def run(*words):
        capfd.readouterr()
        caplog.clear()
        code = main([*map(str, words), "-v", "--debug", "--log-file", "told.log"])
        out, err = capfd.readouterr()
        logged = "\n".join(record.getMessage() for record in caplog.records)
        return code, out, "\n".join([out, err, logged, caplog.text])

    return run


def check_told(said, *others):
    """Nothing that was said has a secret in it."""
    lines = _lines(service_account()["private_key"])
    for secret in (SECRET, "PRIVATE KEY", "Bearer ", "bearer ", *lines, *others):
        at = said.find(secret)
        # Not the whole of it in an error.
        assert at < 0, said[max(0, at - 80) : at + len(secret)]


def _lines(key):
    """The lines of a private key that aren't every key's."""
    return [line for line in key.splitlines() if "-" not in line and len(line) > 20][1:]


#: Files that have secrets.
CREDENTIALS = {
    "key.json",
    "credentials",
    ".netrc",
    "adc.json",
    "application_default_credentials.json",
}


def check_written(directory, *others):
    """No file has a secret in it, but for the credentials themselves."""
    secrets = [SECRET, "PRIVATE KEY", *others, *_lines(service_account()["private_key"])]
    files = [path for path in directory.rglob("*") if path.is_file()]
    seen = 0
    for path in files:
        if path.name in CREDENTIALS:
            continue
        content = path.read_bytes()
        seen += 1
        held = [secret for secret in secrets if secret.encode() in content]
        assert not held, path
    assert seen


def whole_order(cedar):
    """An order from submit to clean; all that was said."""
    told = []

    def done(*words):
        code, out, said = cedar(*words)
        assert code == DONE, said
        told.append(said)
        return out.strip()

    name = done(*SUBMIT)
    done("list", "--json")
    done("update", name)
    done("watch", name, "--interval", 0.05)
    done("show", name, "--json")
    done("download", name, "--dest", "home")
    yield "\n".join(told)
    done("clean", name, "--yes")
    yield "\n".join(told)


ACCOUNTS = {"user": lambda: USER, "service account": service_account}


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_order_with_an_account_shows_and_writes_no_secret(
    kind, account, googles, configure, cedar, tmp_path
):
    write(tmp_path / "here" / "key.json", ACCOUNTS[account]())
    configure(kind, {"credentials": "key.json"}, {"credentials": "key.json", "project": "mine"})
    for said in whole_order(cedar):
        assert bool(googles.secrets) == (account == "service account")
        check_told(said, *googles.secrets)
        check_written(tmp_path, *googles.secrets)
        assert "cedar" in said
    # So that it means something: the token was sent, and to Google's hosts only.
    told = {host for host, authorization in googles.sent if authorization is not None}
    service = {"gcs": "storage", "gdrive": "www"}[kind]
    assert told - {BOUNDARIES} == {"earthengine.googleapis.com", f"{service}.googleapis.com"}
    given = {authorization for _, authorization in googles.sent} - {None}
    assert given == {f"Bearer {SECRET}-token"}


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("service", ["ee", *KINDS])
def test_auth_shows_no_secret(service, account, googles, configure, cedar, tmp_path):
    write(tmp_path / "here" / "key.json", ACCOUNTS[account]())
    kind = "gcs" if service == "ee" else service
    configure(kind, {"credentials": "key.json"}, {"credentials": "key.json", "project": "mine"})
    for words in ((), ("--check",), ("--json",)):
        code, _, said = cedar("auth", service, *words)
        assert code == DONE
        check_told(said, *googles.secrets)
        assert "key.json" in said


DAMAGED = {
    "cut off": lambda: json.dumps(service_account())[:-1],
    "no key": lambda: {**service_account(), "private_key": f"{SECRET} BEGIN"},
    "half a key": lambda: {
        **service_account(),
        "private_key": service_account()["private_key"][:200],
    },
    "a list": lambda: {**USER, "refresh_token": [f"{SECRET}-refresh"]},
    "for elsewhere": lambda: {**service_account(), "token_uri": "https://example.org/token"},
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_about_a_credential_has_it_in_it(
    kind, damage, googles, configure, cedar, tmp_path
):
    write(tmp_path / "here" / "key.json", DAMAGED[damage]())
    configure(kind, {"credentials": "key.json"}, {"credentials": "key.json", "project": "mine"})
    for words in (SUBMIT, ("list",), ("auth", kind), ("auth", "ee", "--json")):
        code, _, said = cedar(*words)
        assert code != DONE
        assert "key.json" in said
        check_told(said)
    check_written(tmp_path)
    assert googles.sent == []


TOKEN_ANSWERS = {
    "revoked": (400, {"error": "invalid_grant", "error_description": "Token has been revoked."}),
    "unknown client": (401, {"error": "invalid_client", "error_description": "Unauthorized"}),
    "busy": (503, {"error": "unavailable"}),
    "a page": (200, "<html>Sign in</html>"),
    "nothing": (200, {}),
}


@pytest.fixture
def configured(configure, tmp_path, monkeypatch):
    """Write cedar.yaml with a credential; a failure is told at once."""
    monkeypatch.setattr(retry, "PATIENCE", 0.0)

    def configured(kind, account):
        write(tmp_path / "here" / "key.json", ACCOUNTS[account]())
        key = {"credentials": "key.json"}
        configure(kind, key, {**key, "project": "mine"})

    return configured


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_about_a_token_has_a_secret_in_it(
    kind, account, googles, configured, cedar, tmp_path
):
    configured(kind, account)
    for googles.tokens in TOKEN_ANSWERS.values():
        for words in (SUBMIT, ("list",), ("auth", kind, "--check"), ("auth", "ee", "--check")):
            code, _, said = cedar(*words)
            assert code != DONE
            check_told(said, *googles.secrets)
    check_written(tmp_path, *googles.secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_of_a_service_has_a_secret_in_it(
    kind, googles, configured, cedar, tmp_path, monkeypatch
):
    configured(kind, "user")
    faults = [*(("status", status) for status in (400, 401, 403, 404, 429, 503)),
              ("truncate", 10), ("reset", None)]  # fmt: skip
    for service in ("earthengine", kind):
        for action, value in faults:
            fault = {"service": service, "method": "*", "action": action, "value": value}
            googles.emulator._faults = Faults([{**fault, "nth": 1, "count": 10**6}])
            monkeypatch.setattr(session, "_made", None)
            code, _, said = cedar(*SUBMIT)
            assert code != DONE
            check_told(said, *googles.secrets)
    check_written(tmp_path, *googles.secrets)


@contextlib.contextmanager
def listening():
    """Another server of this machine, that isn't to be asked anything; what it was asked."""
    asked = []

    def handle(call):
        asked.append(call)
        return as_json({})

    server = Server(handle)
    try:
        yield server.url, asked
    finally:
        server.close()


def put_credentials_everywhere(home, elsewhere, monkeypatch):
    """Put a credential wherever one may be found, and name another host wherever one may be."""
    key = write(home / "adc.json", service_account())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home / "gcloud"))
    write(home / "gcloud" / "application_default_credentials.json", USER)
    write(home / ".config" / "earthengine" / "credentials", {**USER, "scopes": []})
    write(home / ".netrc", f"machine 127.0.0.1 login {SECRET} password {SECRET}\n")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", elsewhere)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere)


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_on_this_machine_sees_no_credential_of_the_many_there_are(
    kind, emulator, configure, cedar, tmp_path, monkeypatch
):
    calls, handle = [], Emulator._handle

    def noted(self, service, call):
        calls.append((service, call))
        return handle(self, service, call)

    monkeypatch.setattr(Emulator, "_handle", noted)
    with listening() as (elsewhere, asked):
        put_credentials_everywhere(tmp_path / "home", elsewhere, monkeypatch)
        write(tmp_path / "here" / "key.json", USER)
        configure(
            kind,
            {"url": emulator.urls[kind], "credentials": "key.json"},
            {"url": emulator.urls["earthengine"], "credentials": "key.json"},
        )
        for said in whole_order(cedar):
            check_told(said)
            check_written(tmp_path)
        for service in ("ee", kind):
            code, _, said = cedar("auth", service, "--check")
            assert code == DONE
            check_told(said)
    assert asked == []
    assert {service for service, _ in calls} == {kind, "earthengine"}
    for _, call in calls:
        assert "authorization" not in call.headers
        everything = f"{call.address}{dict(call.headers)}{call.body[:100_000]!r}"
        assert SECRET not in everything
        assert ACCOUNT not in everything


@pytest.mark.parametrize("kind", KINDS)
def test_no_service_leads_the_credential_to_another_host(kind, googles, configure, cedar, tmp_path):
    write(tmp_path / "here" / "key.json", USER)
    configure(kind, {"credentials": "key.json"}, {"credentials": "key.json", "project": "mine"})
    with listening() as (elsewhere, asked):
        googles.elsewhere = f"{elsewhere}/somewhere"
        for words in (("list",), SUBMIT, ("auth", kind, "--check"), ("auth", "ee", "--check")):
            code, _, said = cedar(*words)
            assert code != DONE
            check_told(said, *googles.secrets)
    assert asked == []
    assert [authorization for _, authorization in googles.sent if authorization]


@pytest.mark.parametrize(
    ("kind", "section"), [("gcs", "gcs"), ("gdrive", "gdrive"), ("gcs", "earthengine")]
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_credential_that_others_can_read_or_change_is_refused(
    kind, section, mode, googles, configure, cedar, tmp_path
):
    write(tmp_path / "here" / "key.json", service_account())
    write(tmp_path / "here" / "open.json", service_account(), mode)
    keys = {each: {"credentials": "key.json"} for each in (kind, "earthengine")}
    keys[section] = {"credentials": "open.json"}
    configure(kind, keys[kind], {**keys["earthengine"], "project": "mine"})
    for words, code in (
        (SUBMIT, USAGE),
        (("auth", "ee" if section == "earthengine" else kind), FAILED),
    ):
        found, _, said = cedar(*words)
        assert found == code
        assert "open.json: can be read by others; run `chmod 600" in said
        check_told(said, *googles.secrets)


@pytest.mark.parametrize(
    ("kind", "section"), [("gcs", "gcs"), ("gdrive", "gdrive"), ("gcs", "earthengine")]
)
@pytest.mark.parametrize(
    "url",
    ["https://example.org", "http://storage.googleapis.com", "https://googleapis.com.example.org"],
)
def test_a_host_that_is_neither_googles_nor_this_machine_is_refused(
    kind, section, url, googles, configure, cedar, tmp_path
):
    write(tmp_path / "here" / "key.json", USER)
    sections = {each: {"credentials": "key.json"} for each in (kind, "earthengine")}
    sections[section]["url"] = url
    configure(kind, sections[kind], {**sections["earthengine"], "project": "mine"})
    code, _, said = cedar(*SUBMIT)
    assert code == USAGE
    assert "credentials are sent nowhere else" in said
    assert googles.sent == []
