"""What is said of the credential and the project of Earth Engine, and of what they lack."""

from __future__ import annotations

from pathlib import Path

import google.auth
import pytest
from accounts import ACCOUNT, CLIENTS_OWN, SECRET, USER, service_account, write
from google.auth.compute_engine import Credentials

from cedar.credentials import VARIABLE
from cedar.engines.earthengine import EarthEngine
from cedar.engines.earthengine.access import describe


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No credential is found, unless the test writes one."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def clients_own():
    return Path.home() / ".config" / "earthengine" / "credentials"


@pytest.fixture
def gcloud():
    return Path.home() / ".config" / "gcloud" / "application_default_credentials.json"


@pytest.fixture
def key(tmp_path):
    return write(tmp_path / "key.json", service_account())


def test_where_there_is_nothing_both_are_missing_and_how_to_mend_it_is_said():
    access = describe(EarthEngine())
    assert (access.credential, access.project) == (None, None)
    credential, project = access.missing
    assert "`earthengine authenticate`" in credential
    assert "set `project` in section `earthengine`" in project
    assert access.doubts == access.notes == ()


def test_a_user_with_a_project_lacks_nothing(clients_own):
    write(clients_own, {**CLIENTS_OWN, "project": "mine"})
    access = describe(EarthEngine())
    assert (access.credential.kind, access.credential.source) == ("user", str(clients_own))
    assert (access.project.id, access.project.source) == ("mine", str(clients_own))
    assert access.missing == access.doubts == access.notes == ()
    assert SECRET not in repr(access)


def test_the_project_set_in_the_client_goes_with_gclouds_credential(clients_own, gcloud):
    write(clients_own, {"project": "set"})
    write(gcloud, {**USER, "quota_project_id": "quota"})
    access = describe(EarthEngine())
    assert access.credential.source == str(gcloud)
    assert access.project.id == "set"


@pytest.mark.parametrize("scopes", [["https://www.googleapis.com/auth/drive"], ["openid"]])
def test_a_token_for_something_else_is_of_no_use(clients_own, scopes):
    write(clients_own, {**CLIENTS_OWN, "scopes": scopes, "project": "mine"})
    (missing,) = describe(EarthEngine()).missing
    assert "`earthengine authenticate --force`" in missing


def test_a_service_account_may_lack_roles_which_only_the_service_knows(key):
    access = describe(EarthEngine("mine", credentials=key))
    assert (access.project.id, access.project.source) == ("mine", "the configuration")
    assert access.missing == ()
    (doubt,) = access.doubts
    assert ACCOUNT in doubt
    assert "Earth Engine Resource Viewer and Service Usage Consumer in project mine" in doubt


def test_a_machine_may_lack_scopes_too(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: (Credentials(), "of-the-machine"))
    access = describe(EarthEngine("mine"))
    assert access.credential.source == "the machine's metadata server"
    assert "cloud-platform" in access.doubts[1]


def test_a_machines_project_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: pytest.fail("it was"))
    assert EarthEngine().identity()["project"] is None


def test_a_credential_that_can_t_be_used_is_missing_and_why_is_said(key):
    key.chmod(0o644)
    access = describe(EarthEngine("mine", credentials=key))
    assert access.credential is None
    (missing,) = access.missing
    assert "can be read by others; run `chmod 600" in missing


def test_a_file_of_the_users_that_others_can_read_is_used_but_noted(gcloud):
    write(gcloud, USER, 0o644)
    access = describe(EarthEngine("mine"))
    assert access.credential is not None
    assert access.notes == (f"others can read {gcloud}: run `chmod 600 {gcloud}`",)


def test_a_credential_that_another_goes_before_is_noted(clients_own, key, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(key))
    assert describe(EarthEngine("mine")).notes == ()
    write(clients_own, CLIENTS_OWN)
    (note,) = describe(EarthEngine("mine")).notes
    assert note.startswith(f"${VARIABLE} is not used, since {clients_own} goes first")


@pytest.mark.parametrize("url", ["emulator", "http://localhost:9"])
def test_the_emulator_needs_nothing_and_what_there_is_isn_t_read(url, clients_own, monkeypatch):
    write(clients_own, "{")
    monkeypatch.setenv(VARIABLE, str(clients_own))
    access = describe(EarthEngine(url=url))
    assert (access.url, access.emulated, access.credential) == (url, True, None)
    assert access.missing == access.doubts == access.notes == ()


def test_a_credential_that_the_host_would_not_get_is_noted(key):
    access = describe(EarthEngine(url="http://localhost:9", credentials=key))
    assert access.credential is None
    (note,) = access.notes
    assert note.startswith("the credential is sent nowhere")
