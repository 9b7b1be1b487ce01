"""Failures of tasks, each class of them, from the service to what is said and done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from orders import COLLECTION, LANDSAT

from cedar import defaults
from cedar.causes import ADVICE, Help
from cedar.emulator import Emulator
from cedar.emulator.faults import ERRORS
from cedar.emulator.settings import Settings
from cedar.stores.gcs import GCSStore

ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
QUICK = Settings(object_writes=0)
MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")
DAILY = (
    429,
    "RESOURCE_EXHAUSTED",
    "Your usage exceeded the custom quota for 'earthengine.googleapis.com/daily_eecu_usage_time'.",
)
#: What ends so, and isn't tried again: the second is of two parts, the last two nobody sorts.
LASTING = [
    (Help.SMALLER, "memory"),
    (Help.SMALLER, "timeout"),
    (Help.SMALLER, "too-large"),
    (Help.NOTHING, "drive-quota"),
    (Help.NOTHING, 403),
    (Help.NOTHING, 400),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "RETRY_FIRST", 0.001)
    monkeypatch.setattr(GCSStore, "write_interval", 0.0)
    monkeypatch.setitem(ERRORS, "daily", DAILY)


@pytest.fixture
def use(configure, here):
    """Write a configuration that exports, by the addresses of an emulator."""

    def use(emulator):
        emulator.make_bucket("a-bucket")
        document = configure(
            tracker={"store": "gcs", "retry": {"attempts": 2}},
            gcs={"bucket": "a-bucket", "url": emulator.urls["gcs"]},
        )
        document["earthengine"] = {"url": emulator.urls["earthengine"]}
        (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")

    return use


def failing(value, count=1):
    """An emulator whose first tasks end with an error."""
    task = {"service": "earthengine", "method": "task", "nth": 1, "count": count}
    faults = [{**task, "action": "status", "value": value}]
    return Emulator(LANDSAT, faults=faults, settings=QUICK)


def words(value):
    return " ".join(ERRORS[value][2].split())


def submitted(cedar):
    return cedar("submit", COLLECTION, "--index", 0, 0, *MAY).out.strip()


def watched(cedar, name):
    return cedar("watch", name, "--interval", 0.05)


def begun(emulator):
    return sum(request.method == "image:export" for request in emulator.requests)


@pytest.mark.parametrize(("helps", "value"), LASTING)
def test_what_doesnt_pass_ends_failed_with_the_services_words_and_what_helps(
    use, cedar, helps, value
):
    with failing(value) as emulator:
        use(emulator)
        name = submitted(cedar)
        done = watched(cedar, name)
        said = [f"FAILED {ITEM}: {words(value)}", f"  {ADVICE[helps]}", f"next: cedar retry {name}"]
        assert (done.code, done.err.splitlines()[-3:]) == (1, said)
        assert cedar("show", name).out.splitlines()[-3:] == said
        assert f"  {ITEM}  FAILED: {words(value)}\n" in cedar("log", name).out
        assert begun(emulator) == 1
        again = cedar("retry", name, *(["--split"] if helps == Help.SMALLER else []))
        assert again.code == 0, again.err
        assert watched(cedar, name).code == 0


@pytest.mark.parametrize("value", [500, 503, 504])
def test_what_passes_is_made_again_by_itself_and_the_log_says_why(use, cedar, value):
    with failing(value) as emulator:
        use(emulator)
        name = submitted(cedar)
        assert watched(cedar, name).code == 0
        assert begun(emulator) == 2
        assert f"  {ITEM}  FAILED: {words(value)}\n" in cedar("log", name).out


def test_what_should_pass_and_doesnt_ends_failed_after_so_many_attempts(use, cedar):
    with failing(500, count=2) as emulator:
        use(emulator)
        name = submitted(cedar)
        done = watched(cedar, name)
        said = [f"FAILED {ITEM}: {words(500)}", f"  {ADVICE[Help.AGAIN]}"]
        assert (done.code, done.err.splitlines()[-3:-1]) == (1, said)
        assert begun(emulator) == 2
        assert cedar("retry", name).code == 0
        assert watched(cedar, name).code == 0


@pytest.mark.parametrize("value", ["quota", "rate-limit", 429, "daily"])
def test_a_quota_is_waited_for_and_retry_begins_at_once(use, cedar, value):
    with failing(value) as emulator:
        use(emulator)
        name = submitted(cedar)
        while "FAILED" not in cedar("update", name).out:
            pass  # Its task runs.
        assert cedar("tick").code == 3
        standing, advice = cedar("show", name).out.splitlines()[-2:]
        assert standing.startswith("UNSUBMITTED until ")
        assert standing.endswith(f" UTC {ITEM}: {words(value)}")
        assert (" 08:00 UTC " in standing) >= (value == "daily")
        assert advice == "  `cedar retry` begins it at once"
        assert cedar("tick").code == 3
        assert begun(emulator) == 1
        assert "1 attempt waits no longer" in cedar("retry", name).err
        assert watched(cedar, name).code == 0
        assert begun(emulator) == 2


def test_an_image_that_is_gone_is_searched_again_once_somebody_agrees(use, cedar, here):
    left = here / "left"
    left.mkdir()
    for file in LANDSAT.iterdir():
        if not file.name.endswith("224077_20200518.json"):
            (left / file.name).symlink_to(file)
    waits = replace(QUICK, concurrent_tasks=0)
    with Emulator(LANDSAT, state=here / "state", settings=waits) as emulator:
        use(emulator)
        name = submitted(cedar)
    with Emulator(left, state=here / "state", settings=QUICK) as emulator:
        use(emulator)
        done = watched(cedar, name)
        failed, advice = done.err.splitlines()[-3:-1]
        assert done.code == 1
        assert failed.startswith(f"FAILED {ITEM}: Image.load: Image asset '")
        assert failed.endswith("' not found (does not exist or caller does not have access).")
        assert advice == f"  {ADVICE[Help.SEARCH]}"
        assert begun(emulator) == 0
        assert cedar("retry", name).code == 1
        assert cedar("retry", name, "--yes").code == 0
        assert watched(cedar, name).code == 0
