"""What others put into a store: none of it is believed, and nothing of theirs is touched."""

import copy
import json

import pytest
from hostile import stage_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orders import COLLECTION
from urllib3.response import HTTPResponse

from cedar.exceptions import CedarError
from cedar.stores import store_module
from cedar.stores.base import Store
from cedar.stores.local import LocalStore

KINDS = ("local", "gcs", "gdrive")


@pytest.fixture(scope="module")
def quick():
    """Nothing is written as seldom as the services ask for."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            for made in vars(store_module(kind)).values():
                if isinstance(made, type) and issubclass(made, Store) and made is not Store:
                    patch.setattr(made, "write_interval", 0.0)
        yield


@pytest.fixture(scope="module", params=KINDS)
def prepared(request, quick, tmp_path_factory):
    """A stage for all tests of a kind of store."""
    with stage_of(request.param, tmp_path_factory.mktemp(request.param)).set_up() as prepared:
        yield prepared


@pytest.fixture
def stage(prepared):
    """The stage as it is at the beginning."""
    prepared.reset()
    return prepared


def shown(stage):
    """What `list`, `show` do."""
    tracker = stage.tracker()
    assert stage.name in tracker.list()
    tracking = tracker.read(stage.name)
    json.dumps([tracking.show(), tracking.summary(), tracking.complete])


def downloaded(stage):
    tracker = stage.tracker()
    tracker.download(tracker.read(stage.name), stage.dest)


def cleaned(stage, force=False):
    tracker = stage.tracker()
    tracker.clean(tracker.read(stage.name), stage.name, force=force)


def ticked(stage):
    """A round of all orders: what is wrong with one doesn't stop the others."""
    for error in stage.tracker().tick().failures.values():
        raise error


def submitted(stage):
    """Another order: whether its names are free, the records of all others say."""
    stage.tracker().submit(COLLECTION, (0, 1), "2020-05-02", "2020-05-31")


COMMANDS = {
    "show": shown,
    "update": lambda stage: stage.tracker().update(stage.name),
    "watch": lambda stage: stage.tracker().watch(stage.name, interval=0.01, timeout=0),
    "tick": ticked,
    "cancel": lambda stage: stage.tracker().cancel(stage.name),
    "download": downloaded,
    "clean": cleaned,
    "clean --force": lambda stage: cleaned(stage, force=True),
    "submit": submitted,
}


def harmless(stage, command):
    """Carry a command out: it works or says in one line why not; and harms nothing either way.

    Returns
    -------
    str or None
        What it says.
    """
    around, before, versions = stage.around(), stage.look(), stage.versions()
    said = None
    try:
        COMMANDS[command](stage)
    except CedarError as error:
        said = str(error)
        assert said
        assert "\n" not in said
        assert len(said) < 2000
        assert stage.look() == before
    assert stage.around() == around
    now = stage.versions()
    assert {key: now.get(key) for key in stage.foreign} == {k: versions[k] for k in stage.foreign}
    return said


@pytest.mark.parametrize("command", COMMANDS)
def test_without_anything_hostile_each_command_works(stage, command):
    if command == "clean":
        assert "no verified copy" in harmless(stage, command)
    else:
        assert harmless(stage, command) is None
    if command == "clean --force":
        assert stage.versions().keys() == stage.foreign


#: Values that are of another type than what they take the place of, or of no sense there.
WRONG = [
    None, True, 0, -1, 1, 7.5, 1e308, 2**70, 10**300,
    "", "x", "../x", "/etc/x", "a/../../x", "\x00", "\ud800", "é" * 300,
    "2020-01-01T00:00:00+00:00", [], [[]], [None], [1, 2], ["x"], {}, {"a": 1}, {"": []},
]  # fmt: skip
#: Takes a value out, or puts it there twice.
ABSENT, TWICE = object(), object()


def paths(value, path=()):
    """The way to every value in a document but itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, key))


def changed(document, path, value):
    """A document where something else is at the end of a path."""
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is ABSENT:
        del inner[path[-1]]
    elif value is TWICE and isinstance(inner, list):
        inner.append(inner[path[-1]])
    elif value is TWICE:
        inner[f"{path[-1]}_"] = inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


def tried(stage, document, path, value, command):
    """Carry a command out where a document has something else at the end of a path."""
    stage.reset()
    key = stage.key if document is stage.record else stage.image_key
    stage.place(key, json.dumps(changed(document, path, value)).encode())
    return harmless(stage, command)


def anything_wrong(stage, data):
    """Put something wrong anywhere into a document, and carry any command out."""
    document = data.draw(st.sampled_from([stage.record, stage.image]))
    path = data.draw(st.sampled_from(list(paths(document))))
    value = data.draw(st.sampled_from([*WRONG, ABSENT, TWICE]))
    command = data.draw(st.sampled_from(list(COMMANDS)))
    tried(stage, document, path, value, command)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("prepared", ["local"], indirect=True)
def test_a_wrong_value_in_any_field_is_refused_or_does_no_harm(prepared, data):
    anything_wrong(prepared, data)


@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=settings.default.max_examples // 5,
)
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("prepared", ["gcs", "gdrive"], indirect=True)
def test_a_wrong_value_in_a_bucket_or_a_drive_does_no_harm_either(prepared, data):
    anything_wrong(prepared, data)


def texts(good, other):
    """Contents that a document may have and none should, by what they are."""
    text = json.dumps(good)
    deep = f'"{next(iter(good))}": {"[" * 5000}{"]" * 5000}, "program": '
    return {
        "empty": b"",
        "deep lists": b"[" * 200_000,
        "10,000 digits": text.replace('"nodata": 0', f'"nodata": {"9" * 10_000}').encode(),
        "not a number": text.replace('"nodata": 0', '"nodata": NaN').encode(),
        "infinity": text.replace('"nodata": 0', '"nodata": -Infinity').encode(),
        "beyond floats": text.replace('"nodata": 0', '"nodata": 1e999').encode(),
        "binary": bytes(range(256)),
        "zeros": bytes(1000),
        "cut off": text.encode()[:-100],
        "two of them": text.encode() * 2,
        "a page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "a list": b"[]",
        "text": b'"x"',
        "null": b"null",
        "deep mappings": b'{"a":' * 200_000,
        "deep and closed": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep inside": text.replace('"program": ', deep).encode(),
        "UTF-16": text.encode("utf-16"),
        "Latin-1": text.replace("CEDAR_PREARD", "\xe9").encode("latin-1"),
        "half a character": text.replace("CEDAR_PREARD", "\\udc80").encode(),
        "a later release's": text.replace('"schema_version": 1', '"schema_version": 2').encode(),
        "another document": json.dumps(other).encode(),
    }


def of_these(stage, found):
    """All of them for one kind of store, a few for the others: what reads them is the same."""
    return list(found.items())[: None if stage.kind == "local" else 2]


def test_a_record_that_is_none_is_refused_by_every_command(stage):
    for what, data in of_these(stage, texts(stage.record, stage.image)):
        for command in COMMANDS:
            stage.reset()
            stage.place(stage.key, data)
            assert stage.name in (harmless(stage, command) or ""), (what, command)


def test_metadata_that_is_none_is_refused_where_it_is_needed(stage):
    for what, data in of_these(stage, texts(stage.image, stage.record)):
        for command in ("watch", "update", "download", "clean --force"):
            stage.reset()
            stage.place(stage.image_key, data)
            assert harmless(stage, command) is None, (what, command)
            if command == "watch":
                entry = stage.tracker().read(stage.name).orders[1]
                assert entry["status"]["state"] == "FAILED", what
                assert entry["name"] in entry["status"]["error_message"]
            if command == "clean --force" and what in (
                "empty",
                "binary",
                "null",
                "another document",
            ):
                # Nobody knows whose it is.
                assert stage.image_key in stage.versions()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("prepared", ["local"], indirect=True)
def test_what_is_odd_but_plain_is_taken(stage, command):
    text = json.dumps(stage.record)
    for odd in (
        b"\xef\xbb\xbf" + text.encode(),
        text.replace('"orders": ', '"orders": 5, "orders": ').encode(),
        text.replace('"revision": ', f'"revision": {"1" * 4000}').encode(),
        text.replace('"program": ', '"later": {"than": ["this"]}, "program": ').encode(),
        text.replace('"outputs": [{', '"outputs": [{"later": true, ').encode(),
    ):
        stage.reset()
        stage.place(stage.key, odd)
        assert (harmless(stage, command) is None) == (command != "clean")


@pytest.mark.parametrize("prepared", ["gcs"], indirect=True)
@pytest.mark.parametrize("command", ["update", "watch", "cancel", "clean --force"])
def test_files_that_no_image_comes_as_are_not_looked_for(stage, command):
    dimensions = ("tracking", "export_image_kwds", "fileDimensions")
    for value in (0, -64, [64], [64, 0], [[64], 64], "64", {}, 1.5):
        assert "is no columns and rows" in tried(stage, stage.record, dimensions, value, command)


@pytest.mark.parametrize("prepared", ["gcs"], indirect=True)
@pytest.mark.parametrize("command", ["update", "watch"])
def test_more_files_than_an_image_may_have_are_not_counted_up(stage, command):
    lacking = changed(stage.record, ("orders", 0, "outputs"), [])
    huge = changed(lacking, ("submission", "tile_grid", "size"), [2**70, 250])
    stage.place(stage.key, json.dumps(huge).encode())
    assert "more than the 1,000,000 files" in harmless(stage, command)


HUGE = 600 * 10**6


@pytest.fixture
def unread(monkeypatch):
    """Nothing of such a size may be read, neither of a file nor of an answer."""
    read, stream = LocalStore.read, HTTPResponse.stream

    def of_a_file(store, key, *args):
        assert store.stat(key).size < HUGE
        return read(store, key, *args)

    def of_an_answer(response, *args, **kwds):
        assert int(response.headers["Content-Length"]) < HUGE
        return stream(response, *args, **kwds)

    monkeypatch.setattr(LocalStore, "read", of_a_file)
    monkeypatch.setattr(HTTPResponse, "stream", of_an_answer)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_record_of_600_megabytes_is_refused_before_it_is_read(stage, command, unread):
    stage.grow(stage.key, HUGE)
    assert f"{stage.key} has 600,000,000 bytes" in harmless(stage, command)
    if stage.kind == "gdrive":
        # Its parts are read by other means.
        asked = [request.method for request in stage.emulator.requests]
        last = len(asked) - asked[::-1].index("files.upload")
        assert "files.download" not in asked[last:]


@pytest.mark.parametrize("command", ["watch", "clean --force"])
def test_metadata_of_600_megabytes_is_neither_read_nor_anybodys(stage, command, unread):
    stage.grow(stage.image_key, HUGE)
    assert harmless(stage, command) is None
    assert stage.image_key in stage.versions()
    if command == "watch":
        entry = stage.tracker().read(stage.name).orders[1]
        assert entry["status"]["state"] == "FAILED"
        assert "600,000,000 bytes" in entry["status"]["error_message"]


def test_names_that_lead_elsewhere_are_as_if_they_were_not_there(stage):
    stage.place_hostile()
    for command in COMMANDS:
        if command != "clean":
            assert harmless(stage, command) is None, command
    listed = stage.tracker().list()
    assert not [name for name in listed if name.strip("./") != name or "/" in name]
    assert stage.has_hostile()


#: What a record may call an output, so that it leads out of its folder.
LEADING_OUT = [
    "../x",
    "../../x",
    "/etc/x",
    "..",
    ".",
    "",
    "a/../../x",
    "..\\x",
    "a\x00b",
    "\n",
    "x\ud800",
]


@pytest.mark.parametrize("field", ["output", "item", "prefix", "order", "document"])
def test_names_in_a_record_do_not_lead_out_of_its_folders(stage, field):
    where = {
        "output": ("orders", 0, "outputs", 0, "name"),
        "item": ("orders", 0, "name"),
        "prefix": ("orders", 0, "prefix"),
        "order": ("tracking", "name"),
        "document": ("metadata", 0),
    }[field]
    for name in LEADING_OUT[: None if stage.kind == "local" else 2]:
        for command in ("update", "watch", "download", "clean --force"):
            said = tried(stage, stage.record, where, name, command)
            # An empty prefix is the top of a store.
            assert said is not None or (field, name) == ("prefix", ""), (name, command)
