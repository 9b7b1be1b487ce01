"""Orders of merged collections, on synthetic scenes of several Landsats, held against numpy."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import rasterio
from exported import exporting
from exporting import Exporter, exporting_tracker
from orders import utm_grid

from cedar import LocalStore, TileGrid, Tracker, defaults
from cedar.cautions import of_collections
from cedar.earlier import Standing
from cedar.emulator import Emulator
from cedar.emulator.synthetic import SyntheticCatalog
from cedar.emulator.values import Grid
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError, NameTakenError, StoreError
from cedar.listed import parse
from cedar.metadata import ImageMetadata
from cedar.record import Record
from cedar.sensors import definition, resolve
from cedar.states import TaskState

LT05, LE07, LC08, LC09 = (f"LANDSAT/{name}/C02/T1_L2" for name in ("LT05", "LE07", "LC08", "LC09"))
ALL = [LT05, LE07, LC08, LC09]
BANDS = ["coastal", "red", "qa"]
LANDSAT = {"landsat": {"merge": ALL, "bands": BANDS}}
#: When Landsat 7, 8 and 9 were in service: 7 and 9 see a tile on the same days.
THREE = ("2022-05-01", "2022-06-10")
#: Landsat 5 was in service, and then 8.
TWO = ("2012-04-01", "2013-05-01")
HLS = "NASA/HLS/HLSL30/v002"
NODATA = 65535
RED = {"scale": 0.0001, "offset": -0.5, "dtype": "uint16"}
#: Integers of one scale, and floats.
MIXED = {
    "mixed": {
        "merge": [LC08, HLS],
        "bands": ["red", "nir"],
        "encode": {"red": RED, "nir": RED},
        "group_by": "solar_day",
        "nodata": NODATA,
    }
}
CLOUDY = [{"function": "lte", "name": "CLOUD_COVER", "value": 40}]


def grid():
    return TileGrid(ul=(730_005, -2_778_015), crs="EPSG:32621", res=(30, 30), size=(40, 30))


def tracker_in(directory, engine=None, **settings):
    settings.setdefault("collections", LANDSAT)
    engine = engine or EarthEngine(url="emulator")
    return Tracker(grid(), LocalStore(directory), engine=engine, **settings)


@pytest.fixture
def tracker(tmp_path):
    return tracker_in(tmp_path / "store")


@pytest.fixture
def exported(tmp_path):
    """A tracker whose tasks are as a test says."""
    engine = Exporter(None, catalog=None)
    tracker = exporting_tracker(tmp_path / "bucket", engine, grid(), collections=LANDSAT)
    engine.store = tracker.store
    return tracker


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.0)


def documents(tracker, name):
    return [
        ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))
        for entry in tracker.read(name).orders
    ]


def read(image, native):
    a, b, c, d, e, f, *_ = grid()[0, 0].transform
    found = [band for band in image.bands if band.name == native]
    return found[0].read(Grid("EPSG:32621", (a, b, c, d, e, f), 40, 30)) if found else None


def expected(collection, metadata):
    """What the stack has to be: each layer of one member, by that one's names and mask."""
    catalog = SyntheticCatalog()
    for group in metadata.groups:
        member = collection.source_of(group["collection"])
        layer = np.full((len(metadata.bands), 30, 40), collection.nodata, collection.stack_dtype)
        for listed in group["images"]:
            assert listed["system:id"].startswith(f"{member.id}/")
            image = catalog.image(listed["system:id"])
            present = read(image, member.validity).mask
            for band, described in zip(layer, metadata.bands, strict=True):
                band[present] = collection.nodata
                name = described["name"]
                pixels = read(image, member.band(name).native) if name in member.chosen else None
                if pixels is not None:
                    there = present & pixels.mask
                    band[there] = pixels.values[there]
        yield layer


def assert_is_the_reference(tracker, name, definitions=LANDSAT):
    collection = resolve("landsat", definitions)
    record = tracker.read(name)
    assert record.complete, record.states
    for entry, metadata in zip(record.orders, documents(tracker, name), strict=True):
        (output,) = entry["outputs"]
        with rasterio.open(tracker.store.root / entry["prefix"] / output["name"]) as file:
            pixels, names = file.read(), file.descriptions
        assert np.array_equal(pixels, np.concatenate(list(expected(collection, metadata))))
        assert [*names] == metadata.band_names
        assert (pixels != collection.nodata).any()


def encoded(values, band, encoding):
    """Numbers of an encoding, a half up; what would be nodata is the number beside it."""
    physical = band.scale * values.astype("float64") + band.offset
    numbers = np.floor((physical - encoding.get("offset", 0)) / encoding["scale"] + 0.5)
    limits = np.iinfo(encoding["dtype"])
    numbers = np.clip(numbers, limits.min, limits.max)
    return np.where(numbers == NODATA, NODATA - 1, numbers)


def members_of(metadata):
    return [group["collection"] for group in metadata.groups]


def test_a_stack_of_several_satellites_is_what_each_scene_has(tracker):
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    tracker.watch(name)
    tracker.update(name)
    assert_is_the_reference(tracker, name)
    (entry,) = tracker.read(name).orders
    assert entry["name"] == "landsat_h000v000_2022-05-01_2022-06-10"
    (metadata,) = documents(tracker, name)
    assert set(members_of(metadata)) == {LE07, LC08, LC09}
    assert entry["n_bands"] == len(BANDS) * len(metadata.groups)


def test_two_satellites_on_one_day_are_two_layers_in_the_order_of_members(tracker):
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    (metadata,) = documents(tracker, name)
    keys = [(g["date"], g["time"], ALL.index(g["collection"])) for g in metadata.groups]
    assert keys == sorted(keys)
    by_date = {}
    for date, _, member in keys:
        by_date.setdefault(date, []).append(ALL[member])
    assert [LE07, LC09] in by_date.values()
    assert len(set(metadata.band_names)) == len(metadata.band_names)


def test_a_band_that_a_member_lacks_is_nodata_in_its_layers_and_listed(tmp_path):
    settings = {"filters": {"landsat": CLOUDY}}
    tracker = tracker_in(tmp_path, **settings)
    name, _ = tracker.submit("landsat", (0, 0), *TWO)
    tracker.watch(name)
    assert_is_the_reference(tracker, name)
    (metadata,) = documents(tracker, name)
    assert set(members_of(metadata)) == {LE07, LC08, LT05}
    for group in metadata.groups:
        lacks = group["collection"] in (LT05, LE07)
        assert all(("coastal" in i.get("missing", ())) == lacks for i in group["images"])


def test_a_metadata_says_how_each_members_images_are_read(tracker):
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    image = documents(tracker, name)[0]["image"]
    assert [band["native"] for band in image["bands"]] == BANDS
    assert image["validity"] == "qa"
    natives = {
        each: [band["native"] for band in form["bands"]] for each, form in image["members"].items()
    }
    assert natives[LT05] == ["SR_B3", "QA_PIXEL"]
    assert natives[LC09] == ["SR_B1", "SR_B4", "QA_PIXEL"]
    assert {form["validity"] for form in image["members"].values()} == {"QA_PIXEL"}


def test_only_members_that_were_in_service_are_searched_once_each(tmp_path):
    with Emulator() as emulator:
        tracker = tracker_in(tmp_path, EarthEngine(emulator=emulator))
        searched = []
        search = tracker.engine.search
        tracker.engine.search = lambda c, *rest: (searched.append(c.id), search(c, *rest))[1]
        tracker.submit("landsat", (0, 0), *THREE, "MS")
        assert sorted(searched) == [LC08, LC09, LE07]
        computed = [each for each in emulator.requests if each.method == "value:compute"]
        assert len(computed) <= 3


def test_filters_are_a_members_own_or_of_all(tmp_path):
    paths = {
        "landsat": [{"function": "eq", "name": "WRS_PATH", "value": 224}],
        LC08: [{"function": "eq", "name": "WRS_PATH", "value": 225}],
    }
    found = {}
    for key in ("landsat", LC08):
        tracker = tracker_in(tmp_path / key[:3], filters={key: paths[key]})
        name, _ = tracker.submit("landsat", (0, 0), *THREE)
        found[key] = documents(tracker, name)[0]
        assert tracker.read(name)["submission"]["filters"] == {key: paths[key]}
    in_path = [i["WRS_PATH"] for g in found["landsat"].groups for i in g["images"]]
    assert set(in_path) == {224}
    of = {each: {i["WRS_PATH"] for g in found[LC08].groups for i in g["images"]
                 if g["collection"] == each} for each in (LC08, LC09)}  # fmt: skip
    assert of[LC08] <= {225}
    assert 224 in of[LC09]
    assert found["landsat"]["order"]["filters"] == paths["landsat"]
    assert found[LC08]["order"]["filters"] == []
    assert found[LC08]["order"]["member_filters"] == {LC08: paths[LC08]}


def test_listed_images_are_named_by_the_member_that_they_are_of(tracker, tmp_path):
    before, _ = tracker.submit("landsat", (0, 0), *THREE)
    groups = documents(tracker, before)[0].groups
    wanted = [groups[0]["images"][0]["system:id"], groups[-1]["images"][-1]["system:id"]]
    gone = f"{LC08}/LC08_224077_20220101"
    other = tracker_in(tmp_path / "other")
    order = other.order("landsat", (0, 0), *THREE, images=[*wanted, gone])
    assert order.not_found == (gone,)
    name = other.place(order)[0]
    taken = [i["system:id"] for g in documents(other, name)[0].groups for i in g["images"]]
    assert sorted(taken) == sorted(wanted)
    record = other.read(name)
    assert set(record["submission"]["images"]) == set(ALL)
    other.watch(name)
    assert_is_the_reference(other, name)
    with pytest.raises(NameTakenError, match="another list of images"):
        other.submit("landsat", (0, 0), *THREE, images=wanted)


def test_a_list_has_to_say_which_member_an_image_is_of():
    members = {"landsat": [LC08, LC09]}
    assert parse([f"{LC09}/A"], ["landsat"], members) == {LC08: (), LC09: ("A",)}
    for given in ("A", "landsat/A"):
        with pytest.raises(InputError, match="may be of several collections: write COLLECTION/A"):
            parse([given], ["landsat"], members)
    with pytest.raises(InputError, match="lists no image of landsat"):
        parse([f"{LT05}/A"], ["landsat", LT05], members)


def test_a_record_alone_tells_a_later_process_all_of_it(tmp_path, monkeypatch):
    tracker = tracker_in(tmp_path / "store", filters={"landsat": CLOUDY})
    write = tracker.store.write

    def refuse(key, *args, **kwds):
        if key.startswith("CEDAR_PREARD/"):
            raise StoreError("the disk is full", key)
        return write(key, *args, **kwds)

    with monkeypatch.context() as patch:
        patch.setattr(tracker.store, "write", refuse)
        with pytest.raises(StoreError):
            tracker.submit("landsat", (0, 0), *THREE)
    (name,) = tracker.list()
    assert tracker.read(name).states == {TaskState.UNSUBMITTED: 1}
    later = tracker_in(tmp_path / "store", collections={})
    later.watch(name)
    assert_is_the_reference(later, name)
    whole = tracker_in(tmp_path / "whole", filters={"landsat": CLOUDY})
    other, _ = whole.submit("landsat", (0, 0), *THREE)
    assert documents(later, name)[0]["image"] == documents(whole, other)[0]["image"]


def test_the_same_request_again_is_a_plan_and_one_of_other_members_another(exported):
    name, _ = exported.submit("landsat", (0, 0), *THREE)
    exported.engine.finish()
    exported.update(name)
    with pytest.raises(NameTakenError, match="there is nothing new"):
        exported.submit("landsat", (0, 0), *THREE)
    order = exported.order("landsat", (0, 0), THREE[0], "2022-06-10", existing="error")
    assert [each.standing for each in order.earlier] == [Standing.UNCHANGED]
    for settings in (
        {"landsat": {"merge": ALL[1:], "bands": BANDS}},
        {**LANDSAT, LC08: {"resampling": "mean"}},
    ):
        other = copy.copy(exported)
        other._collections = settings
        with pytest.raises(NameTakenError, match=r"other settings .*\((members|members, merge)\)"):
            other.submit("landsat", (0, 0), *THREE)
    titled = copy.copy(exported)
    titled._collections = {**LANDSAT, LC09: {"bands": ["blue"]}}
    with pytest.raises(NameTakenError, match="there is nothing new"):
        titled.submit("landsat", (0, 0), *THREE)
    filtered = copy.copy(exported)
    filtered._filters = {LC09: CLOUDY}
    with pytest.raises(NameTakenError, match="there with other filters"):
        filtered.submit("landsat", (0, 0), *THREE)
    assert exported.list() == [name]


def test_an_extension_is_of_all_members(exported):
    name, _ = exported.submit(
        "landsat", (0, 0), "2022-05-01", "2022-06-01", "MS", period_closed="left"
    )
    later = copy.copy(exported)
    later._collections = {}
    following, _ = later.extend(name, "2022-07-01")
    (metadata,) = documents(later, following)[:1]
    assert set(members_of(metadata)) == {LE07, LC08, LC09}
    first, second = (exported.read(each)["submission"] for each in (name, following))
    assert first["definitions"] == second["definitions"]


def end_too_large(tracker, name):
    engine = tracker.engine
    for task in list(engine.tasks.values()):
        if task.state == TaskState.READY:
            engine.become(task, TaskState.FAILED, error="User memory limit exceeded.")
    tracker.update(name)


def test_what_was_too_large_is_cut_by_dates_then_by_bands_of_each_member(exported):
    name, _ = exported.submit("landsat", (0, 0), "2022-05-01", "2022-05-20")
    for _ in range(6):
        end_too_large(exported, name)
        exported.retry(name, split=True)
        parts = documents(exported, name)
        if any(len(each.bands) < len(BANDS) for each in parts):
            break
    halves = [each for each in parts if len(each.bands) < len(BANDS)]
    assert halves
    for part in halves:
        names = [band["name"] for band in part.bands]
        for each, form in part["image"]["members"].items():
            mine = [band["name"] for band in form["bands"]]
            assert mine == [n for n in names if not (n == "coastal" and each in (LT05, LE07))]
            assert "qa" in [band["name"] for band in form["presence"]]
    layers = [pull(part) for part in parts]
    collection = resolve("landsat", LANDSAT)
    for part, pixels in zip(parts, layers, strict=True):
        assert np.array_equal(pixels, np.concatenate(list(expected(collection, part))))


def pull(metadata):
    """Pixels of a stack, read from the emulator."""
    import tempfile
    from pathlib import Path

    from cedar.items import Destination

    engine = EarthEngine(url="emulator")
    request = engine.prepare(metadata, Destination("local", "", "CEDAR_PREARD"), {})
    with tempfile.TemporaryDirectory() as scratch:
        path = engine.pull(request, Path(scratch), lambda *_: None)
        with rasterio.open(path) as file:
            return file.read()


def test_a_preview_says_how_many_images_each_member_has_and_what_it_lacks(tracker):
    preview = tracker.preview("landsat", (0, 0), *THREE)
    of = preview.to_dict()["total"]["members"]
    assert of[LT05] == 0
    assert sum(of.values()) == len(preview.images)
    (line,) = [line for line in preview.lines() if line.startswith("of them")]
    assert f"{of[LC08]} of {LC08}" in line
    doubts = [each for each in of_collections(preview.order) if "has no" in each]
    assert doubts == [
        f"landsat: {each} has no coastal: nodata in its layers" for each in (LT05, LE07)
    ]
    alone = tracker.preview(LC08, (0, 0), *THREE)
    assert "members" not in alone.to_dict()["total"]
    assert not [line for line in alone.lines() if line.startswith("of them")]


def test_a_coarser_grid_needs_a_member_to_say_how_it_is_read(tmp_path):
    coarse = TileGrid(ul=(730_005, -2_778_015), crs="EPSG:32621", res=(90, 90), size=(10, 10))
    tracker = Tracker(
        coarse, LocalStore(tmp_path), engine=EarthEngine(url="emulator"), collections=LANDSAT
    )
    with pytest.raises(InputError, match=r"LANDSAT/.*: the grid's pixels of 90 m are coarser"):
        tracker.submit("landsat", (0, 0), *THREE)
    given = {"landsat": {**LANDSAT["landsat"], "resampling": "mean"}}
    tracker = Tracker(
        coarse, LocalStore(tmp_path), engine=EarthEngine(url="emulator"), collections=given
    )
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    assert tracker.watch(name).complete


def test_a_lost_record_is_made_of_its_items_documents_again(tmp_path):
    filters = {"landsat": CLOUDY, LC08: [{"function": "eq", "name": "WRS_PATH", "value": 225}]}
    tracker = tracker_in(tmp_path, filters=filters)
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    tracker.watch(name)
    before = tracker.read(name)
    tracker.store.delete(f"CEDAR_TRACKING/{name}.json")
    tracker.import_tasks(tracker.find_order(name))
    again = tracker.read(name)
    assert again["submission"]["collections"] == ["landsat"]
    assert again["submission"]["filters"] == before["submission"]["filters"]
    assert again.complete


def test_what_is_merged_is_never_asked_of_the_service(tmp_path):
    with Emulator() as emulator:
        sent = []
        tracker = tracker_in(tmp_path, EarthEngine(emulator=emulator))
        answer = emulator.transport.request

        def request(uri, method="GET", body=None, **kwds):
            sent.append(body if isinstance(body, str) else (body or b"").decode("latin-1"))
            return answer(uri, method=method, body=body, **kwds)

        emulator.transport.request = request
        name, _ = tracker.submit("landsat", (0, 0), *THREE)
        tracker.watch(name)
    assert any(LC08 in body for body in sent)
    assert not any('"landsat"' in body or "landsat/" in body for body in sent)


def test_an_order_may_have_a_merged_collection_and_one_of_its_members(tracker):
    name, _ = tracker.submit(["landsat", LC08], (0, 0), *THREE)
    merged, alone = documents(tracker, name)
    assert set(tracker.read(name)["submission"]["definitions"]) == {"landsat", LC08}
    assert [band["name"] for band in alone.bands] != BANDS
    ids = {i["system:id"] for g in alone.groups for i in g["images"]}
    assert ids == {i["system:id"] for g in merged.groups if g["collection"] == LC08
                   for i in g["images"]}  # fmt: skip


def test_a_record_is_json_that_says_what_members_were(tracker):
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    record = Record.open(tracker.store, "CEDAR_TRACKING", name)
    said = record.view["submission"]["definitions"]["landsat"]
    assert json.loads(json.dumps(said))["merge"] == ALL
    assert resolve("landsat", {"landsat": said}) == resolve("landsat", LANDSAT)


def test_members_of_different_scales_agree_where_they_are_encoded(tmp_path):
    tracker = tracker_in(tmp_path, collections=MIXED)
    name, _ = tracker.submit("mixed", (0, 0), "2022-05-01", "2022-05-20")
    assert tracker.watch(name).complete
    collection, (metadata,) = resolve("mixed", MIXED), documents(tracker, name)
    assert (metadata.dtype, collection.stack_bytes) == ("uint16", (4, 4))
    assert set(members_of(metadata)) == {LC08, HLS}
    for band in metadata.bands:
        assert (band["scale"], band["offset"]) == (0.0001, -0.5)
    (entry,) = tracker.read(name).orders
    with rasterio.open(tracker.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        pixels = file.read().reshape(-1, 2, 30, 40)
        assert file.nodata == NODATA
    catalog, seen = SyntheticCatalog(), {}
    for group, layer in zip(metadata.groups, pixels, strict=True):
        member = collection.source_of(group["collection"])
        wanted = np.full((2, 30, 40), NODATA)
        for listed in group["images"]:
            image = catalog.image(listed["system:id"])
            read_bands = [read(image, member.band(n).native) for n in ("red", "nir")]
            present = np.any([each.mask for each in read_bands], axis=0)
            if member.validity is not None:
                present = read(image, member.validity).mask
            for band, each, n in zip(wanted, read_bands, ("red", "nir"), strict=True):
                band[present] = NODATA
                there = present & each.mask
                band[there] = encoded(each.values[there], member.band(n), RED)
        assert np.array_equal(layer, wanted)
        seen[member.id] = seen.get(member.id, False) or (layer != NODATA).any()
    assert seen == {LC08: True, HLS: True}


def test_a_record_of_encoded_members_makes_the_same_collection():
    collection = resolve("mixed", MIXED)
    said = json.loads(json.dumps(definition(collection)))
    assert resolve("mixed", {"mixed": said}) == collection


def test_clouds_of_a_member_are_its_own_filter(tmp_path):
    tracker = tracker_in(tmp_path, collections={**LANDSAT, LC08: {"cloud": 30}})
    name, _ = tracker.submit("landsat", (0, 0), *THREE)
    recorded = tracker.read(name)["submission"]["filters"]
    assert recorded == {LC08: [{"function": "lte", "name": "CLOUD_COVER", "value": 30}]}
    (metadata,) = documents(tracker, name)
    clouds = {
        each: [i["CLOUD_COVER"] for g in metadata.groups for i in g["images"]
               if g["collection"] == each] for each in (LC08, LE07, LC09)
    }  # fmt: skip
    assert max(clouds[LC08], default=0) <= 30 < max(clouds[LE07] + clouds[LC09])


def test_what_the_service_exports_is_what_cedar_pulls(tmp_path):
    when = ("2022-05-01", "2022-05-12")
    settings = {"collections": LANDSAT}
    with exporting("gcs", tmp_path / "here", emulator={"catalog": None}, **settings) as (
        _,
        tracker,
    ):
        name, _ = tracker.submit("landsat", (0, 0), *when)
        assert tracker.watch(name, interval=0.05).complete
        tracker.download(tracker.read(name), tmp_path / "exported")
    own = Tracker(
        utm_grid(), LocalStore(tmp_path / "own"), engine=EarthEngine(url="emulator"), **settings
    )
    other, _ = own.submit("landsat", (0, 0), *when)
    (entry,) = own.watch(other).orders
    with rasterio.open(own.store.root / entry["prefix"] / entry["outputs"][0]["name"]) as file:
        whole, names = file.read(), file.descriptions
    files = sorted((tmp_path / "exported").rglob("*.tif"))
    assert len(files) > 1
    for path in files:
        row, column = (int(each) for each in path.stem.rsplit("-", 2)[1:])
        with rasterio.open(path) as file:
            part = whole[:, row : row + file.height, column : column + file.width]
            assert np.array_equal(file.read(), part)
            assert file.descriptions == names
