from __future__ import annotations

import json

import pytest

from cedar.emulator import Emulator
from cedar.emulator.faults import Faults
from cedar.exceptions import InputError


def ask(emulator: Emulator, path: str = "/$discovery/rest") -> tuple[int, bytes]:
    response, content = emulator.transport.request(emulator.url + path)
    return response.status, content


def test_a_status_is_answered_once_in_the_service_s_form(landsat):
    fault = {
        "service": "earthengine",
        "method": "disc*",
        "nth": 2,
        "action": "status",
        "value": 503,
    }
    with Emulator(landsat, faults=[fault]) as emulator:
        answers = [ask(emulator) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 503, 200]
    assert json.loads(answers[1][1]) == {
        "error": {
            "code": 503,
            "message": "The service is currently unavailable.",
            "status": "UNAVAILABLE",
        }
    }
    assert [request.status for request in emulator.requests] == [200, 503, 200]


def test_a_reset_connection_raises_and_is_in_the_log(landsat):
    fault = {"service": "earthengine", "method": "*", "nth": 1, "action": "reset"}
    with Emulator(landsat, faults=[fault]) as emulator:
        with pytest.raises(ConnectionResetError):
            ask(emulator)
        assert ask(emulator)[0] == 200
    assert [request.status for request in emulator.requests] == [None, 200]


def test_a_truncated_answer_is_half_of_it(landsat):
    fault = {"service": "earthengine", "method": "*", "nth": 1, "action": "truncate"}
    with Emulator(landsat, faults=[fault]) as emulator:
        (status, half), (_, whole) = ask(emulator), ask(emulator)
    assert status == 200
    assert half == whole[: len(whole) // 2]


def test_a_fault_counts_only_the_methods_it_is_for(landsat):
    fault = {"service": "earthengine", "method": "value:*", "nth": 1, "action": "reset"}
    with Emulator(landsat, faults=[fault]) as emulator:
        assert [ask(emulator)[0] for _ in range(3)] == [200, 200, 200]


def test_probability_is_the_same_with_the_same_seed():
    fault = {"service": "earthengine", "method": "*", "probability": 0.3, "action": "reset"}

    def happened(seed: int) -> list[bool]:
        faults = Faults([fault], seed)
        return [faults.next("earthengine", "discovery") is not None for _ in range(200)]

    assert happened(1) == happened(1)
    assert happened(1) != happened(2)
    assert 30 < sum(happened(1)) < 90


GOOD = {"service": "earthengine", "method": "*", "nth": 1, "action": "reset"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": "*"}, "unknown key 'methods'"),
        ({"service": "gcs"}, "unknown service 'gcs'"),
        ({"method": 3}, "method is a glob"),
        ({"action": "explode"}, "unknown action 'explode'"),
        ({"probability": 0.5}, "either nth or probability"),
        ({"nth": None}, "either nth or probability"),
        ({"nth": 0}, "nth counts from 1"),
        ({"nth": None, "probability": 2}, "probability is from 0 to 1"),
        ({"action": "status"}, "status None is none of 400"),
        ({"action": "status", "value": 418}, "status 418 is none of 400"),
        ({"value": 503}, "reset takes no value"),
    ],
)
def test_a_fault_that_can_t_be_used_is_an_error(change, words):
    with pytest.raises(InputError, match=words):
        Emulator(faults=[{**GOOD, **change}])


def test_a_fault_without_an_action_is_an_error():
    with pytest.raises(InputError, match="'action' is missing"):
        Emulator(faults=[{"service": "earthengine", "method": "*", "nth": 1}])
