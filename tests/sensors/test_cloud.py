"""`cloud`: a shorthand for the filter on a collection's own property."""

from __future__ import annotations

import json

import pytest

from cedar.config import Config
from cedar.engines.earthengine.filters import record
from cedar.exceptions import ConfigError, InputError
from cedar.sensors import known, resolve

LC08, S2, L30 = "LANDSAT/LC08/C02/T1_L2", "COPERNICUS/S2_SR_HARMONIZED", "NASA/HLS/HLSL30/v002"
S1 = "COPERNICUS/S1_GRD"
AT_NOON = {"function": "lte", "name": "SUN_ELEVATION", "value": 80}


def cloudless(collection, cloud=20):
    return resolve(collection, {collection: {"cloud": cloud}})


@pytest.mark.parametrize(
    ("collection", "name"),
    [
        (LC08, "CLOUD_COVER"),
        ("LANDSAT/LE07/C02/T2_TOA", "CLOUD_COVER"),
        (S2, "CLOUDY_PIXEL_PERCENTAGE"),
        (L30, "CLOUD_COVERAGE"),
    ],
)
def test_it_is_the_filter_on_the_collections_property(collection, name):
    wanted = {"function": "lte", "name": name, "value": 20}
    assert cloudless(collection).filters() == [wanted]
    assert cloudless(collection).filters([AT_NOON]) == [AT_NOON, wanted]
    assert record(wanted) == wanted
    assert known()[collection].filters([AT_NOON]) == [AT_NOON]


@pytest.mark.parametrize("collection", known().values(), ids=known())
def test_the_property_is_one_that_is_recorded(collection):
    assert collection.cloud is None
    assert collection.cloud_property in (None, *collection.properties)
    is_named = any("CLOUD" in name for name in collection.properties)
    assert is_named == (collection.cloud_property is not None)


@pytest.mark.parametrize("collection", [S1, "MODIS/061/MOD09GA"])
def test_a_collection_without_such_a_property_says_so(collection):
    with pytest.raises(InputError, match=f"{collection}: cloud: .* use `filters`"):
        cloudless(collection)


@pytest.mark.parametrize("cloud", [-1, 101, "few"])
def test_it_is_a_percentage(cloud):
    with pytest.raises(InputError, match=rf"{LC08}: cloud: .*{cloud}"):
        cloudless(LC08, cloud)


@pytest.mark.parametrize("cloud", [0, 100, 12.5])
def test_its_ends_are_percentages(cloud):
    assert cloudless(LC08, cloud).filters()[0]["value"] == cloud


@pytest.mark.parametrize(
    "given",
    [
        {"function": "gt", "name": "CLOUD_COVER", "value": 5},
        {"function": "Not", "filter": {"function": "eq", "name": "CLOUD_COVER", "value": -1}},
        {"function": "And", "filters": [AT_NOON, {"function": "notNull", "list": ["CLOUD_COVER"]}]},
        {"expression": '{"result": "0", "values": {"0": {"constantValue": "CLOUD_COVER"}}}'},
        {"expression": {"values": {"0": {"constantValue": "CLOUD_COVER"}}}},
    ],
)
def test_a_filter_on_the_same_property_is_refused(given):
    with pytest.raises(InputError, match="a filter is by CLOUD_COVER, too: give one of the two"):
        cloudless(LC08).filters([given])
    other = json.loads(json.dumps(given).replace("CLOUD_COVER", "CLOUD_COVER_LAND"))
    assert len(cloudless(LC08).filters([other])) == 2


def test_a_configuration_that_gives_both_is_refused(tmp_path):
    document = {
        "tile_grid": {
            "name": "g", "crs": "EPSG:32621", "ul": [0, 0], "res": [30, 30], "size": [9, 9],
        },
        "tracker": {
            "store": "local",
            "filters": {LC08: [{"function": "lte", "name": "CLOUD_COVER", "value": 5}]},
        },
        "local": {"directory": "here"},
        "earthengine": {"url": "emulator"},
        "collections": {LC08: {"cloud": 20}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="cloud: a filter is by CLOUD_COVER"):
        Config.from_dict(document, tmp_path)
    del document["tracker"]["filters"]
    assert Config.from_dict(document, tmp_path).collections[LC08] == {"cloud": 20}
