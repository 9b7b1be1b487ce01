"""How many of a project's tasks run at once: what the service says, asked once."""

import ee
import pytest
from orders import LANDSAT

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.base import Engine
from cedar.engines.earthengine import EarthEngine
from cedar.engines.earthengine.session import ask
from cedar.exceptions import EngineError


@pytest.fixture
def emulator():
    with Emulator(LANDSAT, settings=Settings(concurrent_tasks=25)) as emulator:
        yield emulator


def configs(emulator):
    return [request.path for request in emulator.requests if request.method == "config"]


def test_it_is_the_projects_and_is_asked_once(emulator):
    engine = EarthEngine("mine", emulator=emulator)
    assert [engine.concurrency(), engine.concurrency()] == [25, 25]
    assert configs(emulator) == ["/v1/projects/mine/config"]


def test_the_official_client_reads_the_projects_configuration(emulator):
    EarthEngine("mine", emulator=emulator).connect()
    assert ask(ee.data.getProjectConfig) == {
        "name": "projects/mine/config",
        "maxConcurrentExports": 25,
    }


def test_where_the_project_has_no_say_it_is_not_known(emulator, monkeypatch):
    monkeypatch.setattr(ee.data, "getProjectConfig", lambda: {"name": "projects/mine/config"})
    assert EarthEngine("mine", emulator=emulator).concurrency() is None


@pytest.mark.parametrize("given", ["many", "", "2.5"])
def test_an_answer_that_is_no_number_is_an_error(emulator, monkeypatch, given):
    monkeypatch.setattr(ee.data, "getProjectConfig", lambda: {"maxConcurrentExports": given})
    with pytest.raises(EngineError, match="its answer can't be read"):
        EarthEngine("mine", emulator=emulator).concurrency()


def test_a_refusal_is_in_the_services_words_and_the_next_call_asks_again():
    refused = {"service": "earthengine", "method": "config", "nth": 1, "action": "status"}
    with Emulator(LANDSAT, faults=[{**refused, "value": 403}]) as emulator:
        engine = EarthEngine("mine", emulator=emulator)
        with pytest.raises(EngineError, match="The caller does not have permission"):
            engine.concurrency()
        assert engine.concurrency() == 2


def test_an_engine_of_which_nothing_is_known_says_none():
    assert Engine.concurrency(object()) is None
