from __future__ import annotations

import http.client
import json
import threading

import pytest

from cedar.emulator import Emulator
from cedar.emulator.faults import ERRORS, Faults
from cedar.emulator.limits import CONCURRENT
from cedar.exceptions import InputError

SEVEN = json.dumps({"expression": {"result": "0", "values": {"0": {"constantValue": 7}}}}).encode()


def fault(action, **settings):
    when = {} if "probability" in settings else {"nth": 1}
    return {"service": "earthengine", "method": "*", "action": action, **when, **settings}


def discover(emulator, ask):
    return ask(emulator, "GET", "/$discovery/rest")


def compute(emulator, ask):
    return ask(emulator, "POST", "/v1/projects/any/value:compute", SEVEN)


# ---- what goes wrong, in this process and over a socket


@pytest.mark.parametrize("error", ERRORS)
def test_a_status_is_answered_once_in_the_service_s_form(landsat, ask, error):
    code, word, message = ERRORS[error]
    with Emulator(landsat, faults=[fault("status", nth=2, value=error)]) as emulator:
        answers = [discover(emulator, ask) for _ in range(3)]
    assert [status for status, _ in answers] == [200, code, 200]
    expected = {"error": {"code": code, "message": message, "status": word}}
    assert json.loads(answers[1][1]) == expected
    assert [request.status for request in emulator.requests] == [200, code, 200]


def test_too_many_requests_are_refused_in_the_service_s_words():
    assert ERRORS[429][2].startswith("Too Many Requests")
    assert ERRORS[429] == (CONCURRENT.code, CONCURRENT.status, CONCURRENT.words)
    assert ERRORS["quota"][2].startswith("Quota exceeded for quota metric")


def test_a_reset_connection_is_no_answer_and_is_in_the_log(landsat, ask):
    with Emulator(landsat, faults=[fault("reset")]) as emulator:
        with pytest.raises(ConnectionResetError) as raised:
            compute(emulator, ask)
        # Over the socket a real reset, not an end that comes too early.
        assert raised.type is ConnectionResetError
        assert compute(emulator, ask)[0] == 200
    assert [request.status for request in emulator.requests] == [None, 200]


@pytest.mark.parametrize(
    ("value", "arriving"),
    [(None, lambda n: n // 2), (0.25, lambda n: n // 4), (0.0, lambda _: 0), (10, lambda _: 10)],
)
def test_a_truncated_answer_is_an_incomplete_read(landsat, ask, value, arriving):
    with Emulator(landsat, faults=[fault("truncate", value=value)]) as emulator:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)) as raised:
            discover(emulator, ask)
        whole = len(discover(emulator, ask)[1])
    part = arriving(whole)
    assert f"{part} bytes read, {whole - part} more expected" in str(raised.value)
    assert [request.status for request in emulator.requests] == [200, 200]


def test_an_answer_shorter_than_the_bytes_it_is_cut_to_arrives(landsat, ask):
    with Emulator(landsat, faults=[fault("truncate", value=1000)]) as emulator:
        assert compute(emulator, ask) == (200, b'{"result": 7}')


def test_a_failure_after_the_fact_has_happened_though_it_says_it_has_not(landsat, ask, monkeypatch):
    carried_out = []
    monkeypatch.setattr("cedar.emulator.earthengine.evaluate", lambda *_: carried_out.append(1))
    with Emulator(landsat, faults=[fault("fail-after", value=503)]) as emulator:
        assert compute(emulator, ask)[0] == 503
        assert carried_out == [1]
        assert compute(emulator, ask)[0] == 200


def test_a_corrupt_image_is_whole_but_for_one_bit(landsat, ask):
    request = json.dumps(
        {
            "expression": {
                "result": "0",
                "values": {
                    "0": {
                        "functionInvocationValue": {
                            "functionName": "Image.constant",
                            "arguments": {"value": {"constantValue": 7}},
                        }
                    }
                },
            },
            "fileFormat": "NPY",
            "grid": {
                "dimensions": {"width": 8, "height": 8},
                "affineTransform": {"scaleX": 1, "scaleY": -1},
                "crsCode": "EPSG:4326",
            },
        }
    ).encode()
    with Emulator(landsat, faults=[fault("corrupt", value=100, count=2)]) as emulator:
        path = "/v1/projects/any/image:computePixels"
        answers = [ask(emulator, "POST", path, request) for _ in range(3)]
    (_, corrupt), (_, again), (status, good) = answers
    assert (status, corrupt) == (200, again)
    assert [i for i, (a, b) in enumerate(zip(corrupt, good, strict=True)) if a != b] == [100]
    assert (corrupt[100] ^ good[100]).bit_count() == 1


def test_what_the_service_says_is_never_corrupt(landsat, ask):
    with Emulator(landsat, faults=[fault("corrupt")]) as emulator:
        assert compute(emulator, ask) == (200, b'{"result": 7}')


def test_a_delayed_answer_comes_when_the_clock_says_so(landsat, ask):
    answers = []
    late = fault("delay", value=5)
    with Emulator(landsat, faults=[late], clock="stepped") as emulator:
        thread = threading.Thread(target=lambda: answers.append(compute(emulator, ask)))
        thread.start()
        emulator.clock.wait_for_sleepers(1)
        emulator.clock.advance(4)
        emulator.clock.wait_for_sleepers(1)
        assert compute(emulator, ask)[0] == 200  # others aren't late
        assert answers == []
        emulator.clock.advance(1)
        thread.join()
    assert answers == [(200, b'{"result": 7}')]


def test_a_delay_by_the_real_clock_passes(landsat, ask):
    with Emulator(landsat, faults=[fault("delay", value=0.01)]) as emulator:
        assert compute(emulator, ask)[0] == 200


@pytest.mark.parametrize("by_loopback", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        fault("status", value=503),
        fault("status", value="quota"),
        fault("reset"),
        fault("truncate"),
        fault("delay", value=0.01),
        fault("fail-after", value=500),
    ],
    ids=lambda given: f"{given['action']} {given.get('value')}",
)
def test_the_official_client_gets_over_a_fault(landsat, connect, monkeypatch, given, by_loopback):
    monkeypatch.setattr("random.random", lambda: 0.0)  # its first wait is that × 2 s
    given["method"] = "value:*"
    with Emulator(landsat, faults=[given]) as emulator:
        ee = connect(emulator, by_loopback=by_loopback)
        assert ee.Number(3).add(4).getInfo() == 7
    tries = [request for request in emulator.requests if request.method == "value:compute"]
    assert len(tries) == (1 if given["action"] == "delay" else 2)


# ---- when it does


def outcomes(faults, n, method="discovery"):
    return [bool(faults.next("earthengine", method)) for _ in range(n)]


def test_a_fault_counts_only_the_methods_it_is_for(landsat):
    faults = Faults([fault("reset", method="value:*", nth=2)])
    assert outcomes(faults, 5) == [False] * 5
    assert outcomes(faults, 3, "value:compute") == [False, True, False]


def test_a_fault_may_last_for_some_requests():
    assert outcomes(Faults([fault("reset", nth=2, count=3)]), 6) == [
        False, True, True, True, False, False,
    ]  # fmt: skip


def test_the_first_fault_that_applies_wins_and_all_count():
    faults = Faults([fault("reset", nth=2), fault("delay", value=1, nth=1, count=3)])
    actions = [faults.next("earthengine", "discovery").action for _ in range(3)]
    assert actions == ["delay", "reset", "delay"]


def test_probability_is_the_same_with_the_same_seed():
    def happened(seed):
        return outcomes(Faults([fault("reset", probability=0.3)], seed), 200)

    assert happened(1) == happened(1)
    assert happened(1) != happened(2)
    assert 30 < sum(happened(1)) < 90


def test_probability_of_a_method_is_not_moved_by_requests_of_others():
    alone, mixed = (Faults([fault("reset", probability=0.5)], 1) for _ in range(2))
    expected = outcomes(alone, 50, "value:compute")
    got = []
    for _ in range(50):
        got += outcomes(mixed, 1, "value:compute")
        outcomes(mixed, 3, "image:computePixels")
    assert got == expected
    assert outcomes(alone, 50, "algorithms") != expected


# ---- what can't be a fault

GOOD = fault("reset")
ODDS = fault("reset", probability=0.5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("reset", "'reset' is no mapping"),
        ({**GOOD, "methods": "*"}, "unknown key 'methods'"),
        ({"service": "earthengine", "method": "*", "nth": 1}, "'action' is missing"),
        ({**GOOD, "service": "s3"}, "unknown service 's3'"),
        ({**GOOD, "method": 3}, "method is a glob"),
        ({**GOOD, "action": "explode"}, "unknown action 'explode'"),
        ({**GOOD, "action": ["reset"]}, "unknown action"),
        ({**GOOD, "probability": 0.5}, "either nth or probability"),
        ({**GOOD, "nth": None}, "either nth or probability"),
        ({**GOOD, "nth": 0}, "nth counts from 1"),
        ({**GOOD, "count": 0}, "count counts from 1"),
        ({**ODDS, "count": 2}, "count goes with nth only"),
        ({**ODDS, "probability": 2}, "probability is from 0 to 1"),
        ({**ODDS, "probability": "often"}, "probability is from 0 to 1"),
        (fault("status"), "status takes one of 400, .*, too-large, not None"),
        (fault("status", value=418), "status takes one of 400"),
        (fault("fail-after", value=[]), "fail-after takes one of 400"),
        ({**fault("status", value="memory"), "service": "gdrive"}, "gdrive has no error 'memory'"),
        (fault("reset", value=503), "reset takes no value"),
        (fault("delay"), "delay takes seconds"),
        (fault("delay", value=-1), "delay takes seconds"),
        (fault("delay", value=float("inf")), "delay takes seconds"),
        (fault("truncate", value=1.5), "truncate takes bytes"),
        (fault("truncate", value=-1), "truncate takes bytes"),
        (fault("truncate", value=True), "truncate takes bytes"),
        (fault("corrupt", value=0.5), "corrupt takes the place of a byte"),
        (fault("corrupt", value=-1), "corrupt takes the place of a byte"),
        (fault("corrupt", value=True), "corrupt takes the place of a byte"),
        (fault("corrupt", value="1"), "corrupt takes the place of a byte"),
    ],
)
def test_a_fault_that_can_t_be_used_is_an_error(given, words):
    with pytest.raises(InputError, match=words):
        Emulator(faults=[given])


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_seed_is_a_whole_number_from_0(seed):
    with pytest.raises(InputError, match="seed is a whole number from 0"):
        Emulator(seed=seed)
