"""Which session of Earth Engine is used, what it asks for, and what goes wrong with it."""

import ee
import pytest
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, utm_grid

from cedar import LocalStore, Tracker
from cedar.emulator import Emulator
from cedar.engines import earthengine
from cedar.engines.earthengine import DEFAULT_URL, EarthEngine, session
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


def test_an_engines_own_session_is_not_taken_for_the_callers(emulator):
    EarthEngine(emulator=emulator).connect()
    assert earthengine.default().identity()["emulated"] is False


def test_ancestor_09_a_project_is_needed_and_the_error_says_where_to_set_it(tmp_path):
    tracker = tracker_of(tmp_path)
    with pytest.raises(ConfigError, match=r"set `project`.*\$GOOGLE_CLOUD_PROJECT.*emulator"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.list() == []


def test_the_project_comes_from_the_environment_where_it_is_not_given(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-there")
    assert EarthEngine().identity() == {
        "name": "earthengine",
        "url": DEFAULT_URL,
        "project": "from-there",
        "emulated": False,
    }
    assert EarthEngine(project="given").project == "given"
    assert EarthEngine(url="emulator").project is None


def test_without_credentials_the_error_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    tracker = tracker_of(tmp_path, EarthEngine(project="mine"))
    with pytest.raises(ConfigError, match="earthengine authenticate"):
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.list() == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://earthengine.googleapis.com",
        "https://googleapis.com.example.org",
        "https://evilgoogleapis.com",
        "ftp://localhost",
        "earthengine.googleapis.com",
        "emulated",
    ],
)
def test_credentials_are_sent_to_no_host_but_googles(url):
    with pytest.raises(InputError, match="credentials are sent nowhere else"):
        EarthEngine(project="mine", url=url)


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


def _once(http, num_retries, req_type, sleep, rand, uri, method, *args, **kwargs):
    return http.request(uri, method, *args, **kwargs)


def test_asking_for_too_much_is_told_apart(emulator):
    EarthEngine(emulator=emulator).connect()
    with pytest.raises(EngineError) as caught, session.translated():
        raise ee.EEException("User memory limit exceeded.")
    assert caught.value.too_large
    assert isinstance(caught.value, CedarError)
