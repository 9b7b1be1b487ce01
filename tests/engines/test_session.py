"""Which session of Earth Engine is used, what it asks for, and what goes wrong with it."""

import json
import traceback
import urllib.request
from urllib.parse import urlsplit

import ee
import pytest
from accounts import CLIENTS_OWN, SECRET, USER, Google, service_account, write
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, utm_grid

from cedar import LocalStore, Tracker
from cedar.credentials import VARIABLE
from cedar.emulator import Emulator, server
from cedar.engines import earthengine
from cedar.engines.earthengine import DEFAULT_URL, HIGH_VOLUME_URL, EarthEngine, session
from cedar.engines.earthengine.limiter import Limiter
from cedar.exceptions import CedarError, ConfigError, EngineError, InputError

CONNECTING = ["discovery", "discovery", "algorithms"]


@pytest.fixture(autouse=True)
def nobodys_session(monkeypatch):
    """No session before the test; whatever it makes is gone after it."""
    monkeypatch.setattr(session, "_made", None)
    ee.Reset()
    # While this is empty, the client looks for a list of them on the network.
    ee.deprecation.deprecated_assets["not fetched"] = None
    yield
    ee.Reset()


def initialize(emulator):
    """What a caller does by hand."""
    transport = emulator.transport
    ee.Initialize(None, project="callers", url=emulator.url, http_transport=transport)


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def google(emulator, monkeypatch):
    """Earth Engine with an account: a session that would use the network comes here."""
    google = Google(emulator)
    monkeypatch.setattr(session.Transport, "request", google.request)
    return google


@pytest.fixture
def key(tmp_path):
    """A service account's key file."""
    return write(tmp_path / "key.json", service_account())


@pytest.fixture
def clients_own(tmp_path, monkeypatch):
    """Where ``earthengine authenticate`` writes."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".config" / "earthengine" / "credentials"


@pytest.fixture
def headers(monkeypatch):
    """Headers of all requests that the emulator's servers get."""
    seen = []
    parse = server._Connection.parse_request

    def seeing(self):
        parsed = parse(self)
        seen.append((self.path, dict(self.headers)))
        return parsed

    monkeypatch.setattr(server._Connection, "parse_request", seeing)
    return seen


class Counting(Limiter):
    """Keeps the sizes of the requests that it let through."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def request(self, size=0):
        self.sizes.append(size)
        return super().request(size)


@pytest.fixture
def limiter(monkeypatch):
    """The process's limiter, anew."""
    limiter = Counting()
    monkeypatch.setattr(session, "LIMITER", limiter)
    return limiter


def methods(emulator):
    return [request.method for request in emulator.requests]


def tracker_of(tmp_path, engine=None):
    return Tracker(utm_grid(), LocalStore(tmp_path), engine=engine, collections=COLLECTIONS)


def order(tracker, tile=(0, 0)):
    name, _ = tracker.submit(COLLECTION, tile, *MAY)
    return tracker.watch(name)


def test_an_engine_asks_for_nothing_until_it_is_needed_and_then_connects_once(emulator):
    engine = EarthEngine(emulator=emulator)
    engine.identity()
    engine.check()
    engine.record_filter({"function": "lte", "name": "CLOUD_COVER", "value": 80})
    assert emulator.requests == []
    engine.connect()
    engine.connect()
    assert methods(emulator) == CONNECTING


def test_the_session_that_the_caller_initialized_is_used(tmp_path, emulator):
    initialize(emulator)
    asked = len(emulator.requests)
    tracking = order(tracker_of(tmp_path))
    assert tracking.complete
    assert tracking["engine"] == {
        "name": "earthengine",
        "url": "emulator",
        "project": "callers",
        "emulated": True,
    }
    assert methods(emulator)[asked:] == ["value:compute", "image:computePixels"]


def test_a_callers_session_that_was_replaced_is_never_mistaken_for_it(tmp_path, emulator):
    initialize(emulator)
    tracker = tracker_of(tmp_path)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    with Emulator(LANDSAT) as other:
        EarthEngine(emulator=other).connect()
        with pytest.raises(ConfigError, match="was replaced by another"):
            tracker.submit(COLLECTION, (0, 1), *MAY)
        with pytest.raises(ConfigError, match="was replaced by another"):
            tracker.watch(name)
        assert {*methods(other)} <= {*CONNECTING}
    initialize(emulator)
    assert tracker.watch(name).complete


def test_engines_take_turns(tmp_path, emulator):
    with Emulator() as synthetic:
        first, second = EarthEngine(emulator=emulator), EarthEngine(emulator=synthetic)
        for tile in ((0, 0), (0, 1)):
            assert order(tracker_of(tmp_path / "real", first), tile).complete
            name, _ = tracker_of(tmp_path / "made", second).submit(
                "LANDSAT/LC08/C02/T1_L2", tile, *MAY
            )
            assert tracker_of(tmp_path / "made", second).read(name).orders[0]["n_images"] > 0
        pixels = ["value:compute", "image:computePixels"]
        assert [method for method in methods(emulator) if method in pixels] == pixels * 2
        assert [method for method in methods(synthetic) if method in pixels] == pixels[:1] * 2


def test_the_connections_of_an_engine_whose_turn_is_over_are_closed(emulator, monkeypatch):
    closed = []

    def close(self):
        closed.append(self)

    monkeypatch.setattr(session.Transport, "close", close)
    first = EarthEngine(url=emulator.urls["earthengine"])
    first.connect()
    transport = session.current()[2]
    first.connect()
    assert closed == []
    EarthEngine(emulator=emulator).connect()
    assert closed == [transport]


def test_an_engines_own_session_is_not_taken_for_the_callers(emulator):
    EarthEngine(emulator=emulator).connect()
    assert earthengine.default().identity()["emulated"] is False


def test_ancestor_09_a_project_is_needed_and_the_error_says_where_to_set_it(tmp_path):
    tracker = tracker_of(tmp_path)
    with pytest.raises(ConfigError, match=r"set `project`.*\$GOOGLE_CLOUD_PROJECT.*emulator"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.list() == []


def test_the_project_is_what_is_given_else_the_environments_else_the_credentials(
    monkeypatch, key, clients_own
):
    assert EarthEngine(credentials=key).project == "of-the-key"
    monkeypatch.setenv(VARIABLE, str(key))
    assert EarthEngine().project == "of-the-key"
    write(clients_own, {"project": "set-by-the-client"})
    assert EarthEngine().project == "set-by-the-client"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-there")
    assert EarthEngine().identity() == {
        "name": "earthengine",
        "url": DEFAULT_URL,
        "project": "from-there",
        "emulated": False,
    }
    assert EarthEngine(project="given").project == "given"
    assert EarthEngine(url="emulator").project is None
    assert EarthEngine(url="http://localhost:9").project is None


def test_without_credentials_the_error_says_how_to_get_some(tmp_path):
    tracker = tracker_of(tmp_path, EarthEngine(project="mine"))
    with pytest.raises(ConfigError, match="earthengine authenticate"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.list() == []


def test_credentials_that_others_can_read_are_not_used(google, key):
    key.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others"):
        EarthEngine("mine", credentials=key).connect()
    assert google.asked == []


@pytest.mark.parametrize("url", [DEFAULT_URL, HIGH_VOLUME_URL])
def test_with_an_account_everything_is_asked_of_google_with_its_token(
    tmp_path, google, key, url, caplog
):
    section = {"project": "mine", "credentials": key.name, "high_volume": url == HIGH_VOLUME_URL}
    tracking = order(tracker_of(tmp_path, earthengine.from_config(section, key.parent)))
    assert tracking.complete
    assert tracking["engine"]["url"] == url
    sent = [headers for host, headers in google.asked if host == urlsplit(url).hostname]
    assert len(sent) == len(CONNECTING) + 2
    assert {headers["authorization"] for headers in sent} == {f"Bearer {SECRET}-token"}
    # With the clients' discovery no project is named; with all else, the configuration's.
    assert {headers.get("x-goog-user-project") for headers in sent[2:]} == {"mine"}
    assert {host for host, _ in google.asked} == {urlsplit(url).hostname, "oauth2.googleapis.com"}
    written = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.json") if path != key)
    assert "mine" in written
    assert SECRET not in written + caplog.text


def test_what_earthengine_authenticate_wrote_is_used_before_other_credentials(
    google, key, clients_own, monkeypatch
):
    monkeypatch.setenv(VARIABLE, str(key))
    write(clients_own, {**CLIENTS_OWN, "project": "mine"})
    EarthEngine().connect()
    assert session.project() == "mine"
    assert ee._state.get_state().credentials.refresh_token == CLIENTS_OWN["refresh_token"]


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"refresh_token": [SECRET]})])
def test_a_damaged_file_of_earthengine_authenticate_is_one_line(google, clients_own, content):
    write(clients_own, content)
    with pytest.raises(ConfigError, match=r"credentials .*earthengine/credentials: ") as caught:
        EarthEngine("mine").connect()
    assert SECRET not in str(caught.value)


def test_an_engine_of_this_machine_reads_no_credential_and_sends_none(
    emulator, headers, tmp_path, clients_own, monkeypatch
):
    damaged = write(tmp_path / "damaged.json", "{")
    monkeypatch.setenv(VARIABLE, str(damaged))
    write(clients_own, "{")
    engine = EarthEngine(url=emulator.urls["earthengine"], credentials=damaged)
    assert order(tracker_of(tmp_path / "store", engine)).complete
    assert len(headers) == len(emulator.requests) == len(CONNECTING) + 2
    assert not [sent for _, sent in headers if "Authorization" in sent]


def test_an_engine_that_takes_over_sends_nothing_of_the_session_before_it(
    emulator, headers, key, monkeypatch
):
    """The client keeps credentials and keys that it isn't given others for."""
    with monkeypatch.context() as patch:
        google = Google(emulator)
        patch.setattr(session.Transport, "request", google.request)
        EarthEngine("mine", credentials=key).connect()
        credentials = ee._state.get_state().credentials
        ee.Initialize(credentials, cloud_api_key=SECRET, project="callers", http_transport=google)
    EarthEngine(url=emulator.urls["earthengine"]).connect()
    assert ee.Number(7).getInfo() == 7
    assert [path for path, _ in headers if "value:compute" in path]
    assert not [sent for _, sent in headers if "Authorization" in sent]
    assert SECRET not in str(headers)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(emulator, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    EarthEngine(url=emulator.urls["earthengine"]).connect()
    assert methods(emulator) == CONNECTING


def test_connecting_makes_no_request_but_to_the_service(emulator, monkeypatch):
    """The client would fetch a list of deprecated assets, without a timeout."""
    monkeypatch.setattr(ee.deprecation, "deprecated_assets", {})
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_: pytest.fail("a hidden request"))
    EarthEngine(emulator=emulator).connect()
    assert methods(emulator) == CONNECTING


def test_searches_and_pulls_go_through_one_limiter_in_a_callers_session_too(
    tmp_path, emulator, limiter
):
    initialize(emulator)
    order(tracker_of(tmp_path))
    assert len(limiter.sizes) == 2
    # 300 × 250 pixels of three bands, each value with a byte of mask.
    assert limiter.sizes == [0, 300 * 250 * 3 * 3]


def test_a_429_that_the_client_gives_up_on_slows_the_limiter(tmp_path, limiter):
    fault = {"service": "earthengine", "method": "value:*", "nth": 1, "action": "status"}
    with Emulator(LANDSAT, faults=[{**fault, "value": 429}]) as emulator:
        initialize(emulator)
        ee.data.setMaxRetries(0)
        with pytest.raises(EngineError) as caught:
            tracker_of(tmp_path).submit(COLLECTION, (0, 0), *MAY)
    assert caught.value.transient
    assert limiter.allowed == 20


@pytest.mark.parametrize(
    ("status", "answer", "transient"),
    [
        (400, {"error": "invalid_grant", "error_description": "Token was revoked."}, False),
        (503, {"error": "internal_failure"}, True),
    ],
)
def test_a_credential_that_gets_no_token_is_one_line_without_its_secret(
    google, tmp_path, monkeypatch, caplog, status, answer, transient
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    google.token = status, answer
    path = write(tmp_path / "user.json", USER)
    with pytest.raises(EngineError, match=r"no token.*`cedar auth ee` says") as caught:
        EarthEngine("mine", credentials=path).connect()
    assert caught.value.transient is transient
    assert answer["error"] in str(caught.value)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert SECRET not in told
    assert {host for host, _ in google.asked} == {"oauth2.googleapis.com"}


def test_a_host_that_credentials_may_not_be_sent_to_is_refused_from_the_start():
    with pytest.raises(InputError, match="credentials are sent nowhere else"):
        EarthEngine(project="mine", url="https://example.org")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"catalog": "scenes"}, "catalog goes with `url: emulator` only"),
        ({"url": "emulator", "credentials": "key.json"}, "the emulator takes no credentials"),
        ({"url": "http://localhost:9", "high_volume": True}, "either url or high_volume"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path, section, said):
    with pytest.raises(ConfigError, match=said):
        earthengine.from_config(section, tmp_path)


@pytest.mark.parametrize("url", [DEFAULT_URL, "https://earthengine-highvolume.googleapis.com/"])
def test_hosts_of_googles_are_taken_and_recorded(url):
    identity = EarthEngine(project="mine", url=url).identity()
    assert (identity["url"], identity["emulated"]) == (url.rstrip("/"), False)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "http://127.0.0.1:9", "https://[::1]:8080"]
)
def test_what_is_on_this_machine_is_the_emulator_and_never_recorded_with_a_port(url):
    engine = EarthEngine(url=url)
    assert engine.identity() == {
        "name": "earthengine",
        "url": "emulator",
        "project": None,
        "emulated": True,
    }
    engine.check()


@pytest.mark.parametrize(
    ("fault", "transient"),
    [
        ({"action": "status", "value": 400}, False),
        ({"action": "status", "value": 403}, False),
        ({"action": "status", "value": 429}, True),
        ({"action": "status", "value": 500}, True),
        ({"action": "status", "value": 503}, True),
        ({"action": "reset"}, True),
        ({"action": "truncate"}, True),
    ],
)
def test_an_error_of_the_services_says_whether_it_may_pass(tmp_path, fault, transient):
    fault = {"service": "earthengine", "method": "value:*", "probability": 1.0, **fault}
    with Emulator(LANDSAT, faults=[fault]) as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        # The client tries again by itself, with pauses.
        ee.data.setMaxRetries(0)
        tracker = tracker_of(tmp_path, engine)
        with pytest.raises(EngineError, match="Earth Engine") as caught:
            tracker.submit(COLLECTION, (0, 0), *MAY)
    assert caught.value.transient is transient
    assert "\n" not in str(caught.value)
    assert list(tracker.store.objects()) == []


@pytest.mark.parametrize("method", ["discovery", "algorithms"])
@pytest.mark.parametrize("action", ["reset", "truncate"])
def test_a_connection_that_fails_is_one_error_and_the_next_try_connects(
    monkeypatch, method, action
):
    monkeypatch.setattr("googleapiclient.http._retry_request", _once)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fault = {"service": "earthengine", "method": method, "nth": 1, "action": action}
    with Emulator(LANDSAT, faults=[fault]) as emulator:
        engine = EarthEngine(emulator=emulator)
        with pytest.raises(EngineError, match="Earth Engine") as caught:
            engine.connect()
        assert caught.value.transient
        engine.connect()
        assert methods(emulator)[-3:] == CONNECTING


@pytest.mark.parametrize(
    ("method", "status", "said", "transient"),
    [
        ("discovery", 403, "The caller does not have permission", False),
        ("discovery", 404, "has no Earth Engine", False),
        ("discovery", 503, "The service is currently unavailable", True),
        ("algorithms", 403, "The caller does not have permission", False),
    ],
)
def test_a_service_that_refuses_a_session_is_told_in_its_words_and_leaves_none(
    monkeypatch, method, status, said, transient
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fault = {"service": "earthengine", "method": method, "probability": 1.0, "action": "status"}
    with Emulator(faults=[{**fault, "value": status}]) as emulator:
        with pytest.raises(EngineError, match=said) as caught:
            EarthEngine(emulator=emulator).connect()
        assert caught.value.transient is transient
        assert earthengine.default().identity()["emulated"] is False


def test_a_fault_in_the_code_is_not_taken_for_one_of_the_connection(emulator):
    EarthEngine(emulator=emulator).connect()
    for wrong in (lambda: None.missing, lambda: len(7), lambda: {}["missing"]):
        with pytest.raises((AttributeError, TypeError, KeyError)):
            session.ask(wrong)
    with pytest.raises(EngineError, match="can't be read") as caught:
        session.ask(lambda: json.loads("<html>a proxy's page"))
    assert caught.value.transient


def _once(http, num_retries, req_type, sleep, rand, uri, method, *args, **kwargs):
    return http.request(uri, method, *args, **kwargs)


def test_asking_for_too_much_is_told_apart(emulator):
    EarthEngine(emulator=emulator).connect()
    with pytest.raises(EngineError) as caught, session.translated():
        raise ee.EEException("User memory limit exceeded.")
    assert caught.value.too_large
    assert isinstance(caught.value, CedarError)


def test_how_to_mend_it_is_said_where_the_services_words_do_not(emulator):
    EarthEngine(emulator=emulator).connect()
    with (
        pytest.raises(EngineError, match="`earthengine authenticate --force`"),
        session.translated(),
    ):
        raise ee.EEException("Request had insufficient authentication scopes.")
