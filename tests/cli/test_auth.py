"""`cedar auth ee`."""

from __future__ import annotations

from pathlib import Path

import ee
import pytest
import yaml
from accounts import ACCOUNT, SECRET, Google, service_account, write

from cedar.emulator import Emulator
from cedar.engines.earthengine import DEFAULT_URL, HIGH_VOLUME_URL, session


@pytest.fixture(autouse=True)
def nobodys(tmp_path, monkeypatch):
    """Nobody's session, and no credential but those that a test writes."""
    monkeypatch.setattr(session, "_made", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ee.Reset()
    yield
    ee.Reset()


@pytest.fixture
def reached(configure, here):
    """Write a configuration with this section, and no other, of Earth Engine."""

    def reached(**section):
        document = configure() | {"earthengine": section}
        Path("cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")

    return reached


@pytest.fixture
def key(here):
    """A service account's key file."""
    return write(here / "key.json", service_account())


@pytest.fixture
def emulator():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def google(emulator, monkeypatch):
    """Earth Engine with an account, in place of the network."""
    google = Google(emulator)
    monkeypatch.setattr(session.Transport, "request", google.request)
    return google


def test_it_says_which_credential_and_project_are_used_and_asks_nobody(cedar, reached, key, google):
    reached(project="mine", credentials="key.json")
    done = cedar("auth", "ee")
    assert (done.code, done.err, google.asked) == (0, "", [])
    url, credential, project, doubt, unknown = done.out.splitlines()
    assert url == f"url: {DEFAULT_URL}"
    assert credential == f"credential: service account {ACCOUNT}, from {key}"
    assert project == "project: mine, from the configuration"
    assert doubt.startswith(f"perhaps missing: {ACCOUNT} needs the roles")
    assert unknown == (
        "not known yet: whether the service can be used; `cedar auth ee --check` asks"
    )


def test_as_json(cedar, reached, key, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    reached(credentials="key.json", high_volume=True)
    known = cedar("auth", "ee", "--json").json
    assert known.pop("doubts")
    assert known == {
        "url": HIGH_VOLUME_URL,
        "emulated": False,
        "credential": {"kind": "service account", "source": str(key), "account": ACCOUNT},
        "project": {"id": "of-the-environment", "source": "$GOOGLE_CLOUD_PROJECT"},
        "missing": [],
        "notes": [],
        "works": None,
        "refusal": None,
    }


def test_what_is_missing_is_told_all_at_once_and_then_nobody_is_asked(cedar, reached, google):
    reached()
    for words in ((), ("--check",)):
        done = cedar("auth", "ee", *words)
        assert done.code == 1
        missing = [line for line in done.out.splitlines() if line.startswith("missing: ")]
        assert "earthengine authenticate" in missing[0]
        assert "`project`" in missing[1]
    assert google.asked == []
    assert cedar("auth", "ee", "--check", "--json").json["works"] is False


def test_check_proves_it_with_one_computation(cedar, reached, key, google, emulator):
    reached(project="mine", credentials="key.json")
    done = cedar("auth", "ee", "--check")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "check: it works"
    assert "perhaps" not in done.out
    assert [request.method for request in emulator.requests][-1] == "value:compute"
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        ("algorithms", 403, "Earth Engine: The caller does not have permission"),
        ("value:*", 403, "Earth Engine: The caller does not have permission"),
    ],
)
def test_where_the_service_refuses_its_words_are_told(
    cedar, reached, key, google, monkeypatch, method, status, said
):
    fault = {"service": "earthengine", "method": method, "nth": 1, "action": "status"}
    reached(project="mine", credentials="key.json")
    with Emulator(faults=[{**fault, "value": status}]) as google.emulator:
        done = cedar("auth", "ee", "--check", "--debug")
    assert done.code == 1
    assert f"check: {said}" in done.out
    assert "perhaps missing: " in done.out
    assert SECRET not in done.out + done.err


def test_a_credential_that_was_revoked_is_told_without_it(cedar, reached, key, google):
    google.token = 400, {"error": "invalid_grant", "error_description": f"Bad {ACCOUNT}"}
    reached(project="mine", credentials="key.json")
    done = cedar("auth", "ee", "--check", "--debug")
    assert done.code == 1
    assert "check: Earth Engine: no token for the credential: invalid_grant" in done.out
    assert "PRIVATE" not in done.out + done.err


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_the_emulator_needs_no_credential(cedar, reached, emulator, words):
    for url in ("emulator", emulator.urls["earthengine"]):
        reached(url=url)
        done = cedar("auth", "ee", *words)
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines() == [
            f"url: {url}: the emulator, not Earth Engine",
            "credential: none is needed, and none is looked for",
            "check: it works"
            if words
            else "not known yet: whether the service can be used; `cedar auth ee --check` asks",
        ]


def test_it_needs_a_configuration_that_can_be_used(cedar, reached):
    assert cedar("auth", "ee").code == 2
    reached(url="https://example.org")
    done = cedar("auth", "ee")
    assert done.code == 2
    assert "credentials are sent nowhere else" in done.err


def test_without_saying_which_it_is_wrong_usage(cedar):
    assert cedar("auth").code == 2


@pytest.fixture
def stored(configure, here):
    """Write a configuration with this store."""

    def stored(kind, **section):
        document = configure()
        document["tracker"] |= {"store": kind}
        Path("cedar.yaml").write_text(yaml.safe_dump(document | {kind: section}), "utf-8")

    return stored


SECTIONS = {"gcs": {"bucket": "a-bucket"}, "gdrive": {"folder": "cedar"}}


@pytest.mark.parametrize("kind", SECTIONS)
def test_what_only_a_store_knows_is_not_known_before_it_is_asked(cedar, stored, emulator, kind):
    emulator.make_bucket("a-bucket")
    stored(kind, **SECTIONS[kind], url=emulator.urls[kind])
    *_, unknown = cedar("auth", kind).out.splitlines()
    assert unknown.startswith("not known yet: whether the ")
    assert unknown.endswith(f"`cedar auth {kind} --check` asks")
    assert [request.service for request in emulator.requests] == []
    done = cedar("auth", kind, "--check")
    assert (done.code, done.out.splitlines()[-1]) == (0, "check: it works")
    assert "not known" not in done.out


@pytest.mark.parametrize("kind", SECTIONS)
def test_where_a_credential_is_missing_there_is_nothing_to_ask(cedar, stored, kind):
    stored(kind, **SECTIONS[kind])
    done = cedar("auth", kind)
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("missing: no Google credential")
    assert f"in section `{kind}`" in done.out
