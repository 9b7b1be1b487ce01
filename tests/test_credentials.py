"""Which credential is used, and that a secret is neither shown nor sent astray."""

from __future__ import annotations

import os
import traceback

import google.auth
import pytest
from accounts import ACCOUNT, CLIENTS_OWN, SECRET, USER, WORKLOAD, service_account, write
from ee import oauth

from cedar.credentials import (
    VARIABLE,
    check_private,
    check_url,
    find,
    for_google,
    is_loopback,
    lacks_scopes,
    of_earthengine,
    read,
)
from cedar.exceptions import ConfigError, InputError

SCOPES = ["https://www.googleapis.com/auth/earthengine"]


@pytest.fixture
def gcloud(tmp_path, monkeypatch):
    """Where gcloud writes application default credentials; nothing is there, nor elsewhere."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    return tmp_path / "gcloud" / "application_default_credentials.json"


def test_where_there_is_none_there_is_none(gcloud):
    assert find(SCOPES) is None


def test_a_directory_with_credentials_in_it_is_not_looked_at(gcloud, tmp_path, monkeypatch):
    for name in ("credentials.json", "application_default_credentials.json", "settings.yaml"):
        write(tmp_path / name, USER)
    monkeypatch.chdir(tmp_path)
    assert find(SCOPES) is None


def test_what_gcloud_wrote_is_found_and_said_where(gcloud):
    write(gcloud, {**USER, "quota_project_id": "quota"})
    found = find(SCOPES)
    assert (found.kind, found.source, found.project) == ("user", str(gcloud), "quota")
    assert found.account is None


def test_the_file_that_the_variable_names_goes_first(gcloud, tmp_path, monkeypatch):
    write(gcloud, USER)
    path = write(tmp_path / "key.json", service_account())
    monkeypatch.setenv(VARIABLE, str(path))
    found = find(SCOPES)
    assert (found.kind, found.project) == ("service account", "of-the-key")
    assert found.account == ACCOUNT
    assert found.source == f"${VARIABLE}: {path}"


def test_a_variable_that_names_no_file_is_an_error_and_nothing_else_is_taken(gcloud, monkeypatch):
    write(gcloud, USER)
    monkeypatch.setenv(VARIABLE, "nowhere.json")
    with pytest.raises(ConfigError, match=r"nowhere\.json: No such file"):
        find(SCOPES)


def test_the_machines_metadata_server_is_asked_only_where_no_file_is_and_it_may_be(
    gcloud, monkeypatch
):
    asked = []

    def default(scopes):
        asked.append(scopes)
        return object(), "of-the-machine"

    monkeypatch.setattr(google.auth, "default", default)
    assert find(SCOPES, ask=False) is None
    assert asked == []
    assert find(SCOPES).project == "of-the-machine"
    write(gcloud, USER)
    assert find(SCOPES).kind == "user"
    assert asked == [SCOPES]


def test_a_users_token_is_asked_for_what_the_user_agreed_to_others_for_what_is_needed(tmp_path):
    """A token for other scopes than those agreed to would be refused."""
    path = tmp_path / "c.json"
    assert read(write(path, USER), SCOPES).credentials.scopes is None
    assert read(write(path, service_account()), SCOPES).credentials.scopes == SCOPES
    assert read(write(path, WORKLOAD), SCOPES).credentials.scopes == SCOPES


def test_reading_a_workload_identity_asks_nobody(tmp_path):
    """Its token would come from another server, which a test can't reach."""
    found = read(write(tmp_path / "c.json", WORKLOAD), SCOPES)
    assert (found.kind, found.project) == ("workload identity", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{{{SECRET}", "is not JSON"),
        (b"\xff" + SECRET.encode(), "is not JSON"),
        (f'["{SECRET}"]', "is no JSON object"),
        ({}, "type is None, none of authorized_user"),
        ({"type": "magic", "refresh_token": SECRET}, "type is 'magic'"),
        ({**USER, "refresh_token": [SECRET]}, "refresh_token is no text"),
        ({"type": "authorized_user", "refresh_token": SECRET}, "missing fields"),
        ({"type": "service_account", "private_key": [SECRET]}, "private_key is no text"),
        ({"type": "service_account", "private_key": SECRET}, "missing fields"),
        ("damaged key", "google-auth can't use it"),
        ({**WORKLOAD, "credential_source": SECRET}, "google-auth can't use it"),
    ],
)
def test_a_file_that_can_t_be_used_is_one_line_without_its_secret(tmp_path, content, said):
    path = tmp_path / "c.json"
    if content == "damaged key":
        content = {**service_account(), "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}"}
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, content)
    with pytest.raises(ConfigError) as caught:
        read(path, SCOPES)
    told = "".join(traceback.format_exception(caught.value))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in told


def test_a_credential_shows_no_secret(tmp_path):
    for content in (USER, service_account()):
        found = read(write(tmp_path / "c.json", content), SCOPES)
        shown = f"{found!r}{found}{found.credentials!r}"
        assert found.kind in shown
        assert SECRET not in shown
        assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize(
    "content",
    [
        lambda: {**service_account(), "token_uri": "https://example.org/token"},
        lambda: {**service_account(), "token_uri": "http://oauth2.googleapis.com/token"},
        lambda: {**service_account(), "token_uri": "http://localhost/token"},
        lambda: {**WORKLOAD, "token_url": "https://sts.googleapis.com.example.org/v1/token"},
        lambda: {**WORKLOAD, "service_account_impersonation_url": "https://example.org/a"},
        lambda: {
            "type": "impersonated_service_account",
            "source_credentials": {**service_account(), "token_uri": "https://example.org/token"},
        },
    ],
)
def test_a_file_that_would_have_its_secret_sent_elsewhere_is_refused(tmp_path, content):
    with pytest.raises(ConfigError, match=r"would be sent to '.*', which isn't Google's"):
        read(write(tmp_path / "c.json", content()), SCOPES)


@pytest.mark.parametrize(
    "host", ["oauth2.googleapis.com/token", "accounts.google.com/o/oauth2/token"]
)
def test_where_google_gives_tokens_they_are_fetched(tmp_path, host):
    path = write(tmp_path / "c.json", {**service_account(), "token_uri": f"https://{host}"})
    assert read(path, SCOPES).kind == "service account"


# A store's


@pytest.fixture
def clients_own(gcloud, tmp_path, monkeypatch):
    """Where `earthengine authenticate` writes; nothing is there, nor elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".config" / "earthengine" / "credentials"


def test_a_store_takes_the_file_then_earth_engines_then_the_default(clients_own, gcloud, tmp_path):
    with pytest.raises(ConfigError, match=r"run `earthengine authenticate`.*in section `gcs`"):
        for_google(None, SCOPES, "gcs")
    write(gcloud, USER)
    assert for_google(None, SCOPES, "gcs").source == str(gcloud)
    write(clients_own, CLIENTS_OWN)
    assert for_google(None, SCOPES, "gcs").source == str(clients_own)
    key = write(tmp_path / "key.json", service_account())
    assert for_google(key, SCOPES, "gcs").account == ACCOUNT


def test_a_stores_key_file_is_the_users_alone(clients_own, tmp_path):
    key = write(tmp_path / "key.json", service_account(), 0o640)
    with pytest.raises(ConfigError, match="can be read by others"):
        for_google(key, SCOPES, "gcs")


@pytest.mark.parametrize(
    "stored",
    [
        CLIENTS_OWN,
        {**CLIENTS_OWN, "project": "mine"},
        {"refresh_token": SECRET, "client_id": "own", "client_secret": SECRET, "scopes": ["a"]},
        {**CLIENTS_OWN, "project": None},
    ],
)
def test_what_earth_engines_client_wrote_is_read_as_it_reads_it(clients_own, stored):
    write(clients_own, stored)
    (found, project), theirs = of_earthengine(), oauth.get_credentials_arguments()
    assert {key: getattr(found.credentials, key) for key in theirs} == theirs
    assert (found.kind, found.path) == ("user", clients_own)
    assert project == for_google(None, SCOPES, "gcs").project == stored.get("project")
    assert SECRET not in repr(found)


def test_where_only_a_project_was_set_it_goes_with_the_default_credential(clients_own, gcloud):
    assert of_earthengine() == (None, None)
    write(clients_own, {"project": "set"})
    assert of_earthengine() == (None, "set")
    write(gcloud, {**USER, "quota_project_id": "quota"})
    assert for_google(None, SCOPES, "gcs").project == "set"


def test_the_machines_metadata_server_may_be_left_alone(clients_own, monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: (object(), "of-the-machine"))
    assert for_google(None, SCOPES, "gcs").project == "of-the-machine"
    with pytest.raises(ConfigError, match="no Google credential"):
        for_google(None, SCOPES, "gcs", ask=False)


def test_what_it_doesn_t_say_it_is_for_may_be_for_anything(clients_own):
    write(clients_own, {"refresh_token": SECRET})
    found, _ = of_earthengine()
    assert found.credentials.scopes is None


@pytest.mark.parametrize(
    "wrong",
    [
        f"{{{SECRET}",
        {**CLIENTS_OWN, "refresh_token": [SECRET]},
        {**CLIENTS_OWN, "client_secret": [SECRET]},
        {**CLIENTS_OWN, "client_id": [SECRET]},
        {**CLIENTS_OWN, "scopes": SECRET},
        {**CLIENTS_OWN, "scopes": [1]},
        {**CLIENTS_OWN, "project": 1},
    ],
)
def test_a_damaged_file_of_earth_engines_client_is_named(clients_own, wrong):
    write(clients_own, wrong)
    with pytest.raises(ConfigError, match=f"^credentials {clients_own}: ") as caught:
        for_google(None, SCOPES, "gcs")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_credential_for_something_else_lacks_what_is_needed(clients_own, tmp_path):
    write(clients_own, CLIENTS_OWN)
    own, _ = of_earthengine()
    assert lacks_scopes(own, ["https://www.googleapis.com/auth/drive"])
    assert not lacks_scopes(own, ["another", *SCOPES])
    user = read(write(tmp_path / "user.json", USER), SCOPES)
    assert not lacks_scopes(user, ["another"])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_private_file_that_others_can_read_is_refused_and_how_to_mend_it_is_said(tmp_path, mode):
    path = write(tmp_path / "a key.json", USER, mode)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        check_private(path)
    command = str(caught.value).split("`")[1]
    assert os.system(command) == 0
    check_private(path)


def test_a_link_is_refused(tmp_path):
    path = write(tmp_path / "key.json", USER)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(ConfigError, match="is a link"):
        check_private(link)


@pytest.mark.parametrize(
    "url",
    [
        "https://earthengine.googleapis.com",
        "https://earthengine-highvolume.googleapis.com/",
        "https://EarthEngine.googleapis.com:443",
        "http://localhost:8080",
        "http://127.0.0.1:9",
        "https://[::1]:8080",
    ],
)
def test_googles_hosts_and_this_machine_are_taken(url):
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://earthengine.googleapis.com",
        "https://googleapis.com.example.org",
        "https://evilgoogleapis.com",
        "https://example.org/.googleapis.com",
        "https://example.org#.googleapis.com",
        "https://example.org?.googleapis.com",
        "https://example.org\\.googleapis.com",
        "https://example.org\\@earthengine.googleapis.com",
        "https://earthengine.googleapis.com@example.org",
        "https://user:password@earthengine.googleapis.com",
        "http://localhost@example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://[::1",
        "http://localhost:port",
        "http://localhost\n.example.org",
        "ftp://localhost",
        "earthengine.googleapis.com",
        "emulated",
        "",
    ],
)
def test_other_hosts_are_refused_however_they_are_written(url):
    with pytest.raises(InputError, match="credentials are sent nowhere else"):
        check_url(url)
    assert not is_loopback(url)


def test_this_machine_is_not_googles():
    assert not is_loopback("https://earthengine.googleapis.com")
    assert is_loopback("http://LOCALHOST:80/")
