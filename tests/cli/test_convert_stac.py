"""`cedar convert --stac`."""

from __future__ import annotations

import json

import yaml


def test_the_catalog_of_cubes_is_written_and_said(order, cedar, here):
    name = order("--wait")
    assert cedar("download", name).code == 0
    done = cedar("convert", name, "--format", "cog", "--stac")
    catalog = here / name / "stac" / "catalog.json"
    assert done.code == 0
    assert f"catalog: {catalog}" in done.err
    document = json.loads(
        (here / name / "stac" / "EXAMPLE_LC08_DN" / "collection.json").read_text()
    )
    assert document["summaries"]["cedar:order"] == [name]
    assert cedar("convert", name, "--format", "cog", "--stac", "--json").json["catalog"] == str(
        catalog
    )


def test_without_it_there_is_none(order, cedar, here):
    name = order("--wait")
    assert cedar("download", name).code == 0
    done = cedar("convert", name, "--json")
    assert "catalog" not in done.json
    assert not (here / name / "stac").exists()


def test_a_configuration_asks_for_it(order, cedar, here):
    name = order("--wait")
    assert cedar("download", name).code == 0
    path = here / "cedar.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"ard": {"stac": True}}))
    assert cedar("convert", name).code == 0
    assert (here / name / "stac" / "EXAMPLE_LC08_DN_netcdf" / "collection.json").exists()
