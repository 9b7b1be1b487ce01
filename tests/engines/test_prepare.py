"""The request of one attempt at an item: what it says, and what is refused before it is sent."""

import pytest
from orders import COLLECTION, MAY, real_tracker

from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.items import Destination
from cedar.metadata import ImageMetadata

BUCKET = Destination("gcs", "bucket", "PREFIX")
FOLDER = Destination("gdrive", "PREFIX", "")


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """300 × 250 pixels, one group of three bands of uint16."""
    tracker = real_tracker(tmp_path_factory.mktemp("store"))
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    return ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))


def prepare(metadata, destination=BUCKET, options=None, attempt=1):
    return EarthEngine(url="emulator").prepare(metadata, destination, options or {}, attempt)


def changed(metadata, section, **fields):
    document = metadata.document
    document[section] |= fields
    return ImageMetadata.view(document)


@pytest.mark.parametrize("destination", [BUCKET, FOLDER])
def test_an_exports_request_has_all_that_decides_which_files_there_will_be(metadata, destination):
    options = {"fileDimensions": 512, "formatOptions": {"cloudOptimized": True}}
    request = prepare(metadata, destination, options)
    assert request.options == {
        "fileDimensions": [512, 512],
        "shardSize": 256,
        "maxPixels": 10**13,
        "formatOptions": {"cloudOptimized": True},
    }
    assert (request.request_id, request.destination) == (metadata.request_id, destination)


def test_a_pulls_request_has_the_options_that_were_given(metadata):
    options = {"maxPixels": 75_000}
    assert prepare(metadata, Destination("local", "", "PREFIX"), options).options == options


def test_each_attempt_has_its_own_description(metadata):
    name = metadata["task"]["name"]
    assert prepare(metadata).description == f"{name}-a1"
    assert prepare(metadata, attempt=12).description == f"{name}-a12"


@pytest.mark.parametrize("kind", ["gcs", "gdrive", "local"])
def test_a_tile_of_more_pixels_than_max_pixels_is_refused(metadata, kind):
    with pytest.raises(InputError, match="300 × 250 pixels are more than maxPixels 74999 allows"):
        prepare(metadata, Destination(kind, "there", "PREFIX"), {"maxPixels": 74_999})


def test_an_export_has_at_most_5000_bands_and_a_pull_any_number(metadata):
    (group,) = metadata.groups
    fits = changed(metadata, "image", groups=[group] * 1666)
    assert prepare(fits).options["shardSize"] == 64
    many = changed(metadata, "image", groups=[group] * 1667)
    with pytest.raises(InputError, match="5001 bands are more than the 5000"):
        prepare(many)
    prepare(many, Destination("local", "", "PREFIX"))


@pytest.mark.parametrize("name", ["a" * 98, "with space", "dötted", "a.b", "a/b", "a\n"])
@pytest.mark.parametrize("destination", [BUCKET, FOLDER])
def test_a_name_that_no_task_can_be_described_by_is_refused(metadata, name, destination):
    with pytest.raises(InputError, match="can't be the description of a task"):
        prepare(changed(metadata, "task", name=name), destination)


@pytest.mark.parametrize("request_id", [None, "", "a" * 61, "a_b", "a\n"])
def test_nothing_is_exported_without_a_request_id_that_the_service_knows_again(
    metadata, request_id
):
    with pytest.raises(InputError, match=r"its request id .* isn't one"):
        prepare(changed(metadata, "task", request_id=request_id))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shardSize": "many"}, "shardSize is a whole number"),
        ({"fileDimensions": 300}, "must be multiples of shardSize"),
        ({"crs": "EPSG:4326"}, "crs is the tile's to say"),
    ],
)
def test_options_of_a_document_are_checked_again(metadata, options, message):
    with pytest.raises(InputError, match=message):
        prepare(metadata, options=options)
