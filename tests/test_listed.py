"""Listed images: an order takes them and no others, and its record keeps saying so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from exporting import exporting_tracker
from orders import COLLECTION, MAY, real_tracker
from previewing import found, layers, unsearched

from cedar import LocalStore, runs
from cedar.cautions import of_items
from cedar.exceptions import InputError, NameTakenError, StoreError
from cedar.listed import parse
from cedar.states import TaskState

FIRST, SECOND = "LC08_224077_20200518", "LC08_224078_20200518"
GONE = "LC08_224078_20200603"
OTHER = "EXAMPLE/LC09/DN"
TILES = [(0, 0), (0, 1)]


class Full(LocalStore):
    """Takes an order's record, and no item's document."""

    def write(self, key, *args, **kwds):
        if key.startswith("CEDAR_PREARD/"):
            raise StoreError("the disk is full", key)
        return super().write(key, *args, **kwds)


@pytest.fixture
def tracker(tmp_path):
    return real_tracker(tmp_path / "store")


@pytest.fixture
def listing(tmp_path):
    """Write a file that lists images."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "images.txt"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def taken(tracker, name):
    """Indices of the images that the items of an order are made of."""
    documents = [
        tracker.store.read_metadata(entry["name"], entry["prefix"])
        for entry in tracker.read(name).orders
    ]
    return [
        [image["system:index"] for group in each["image"]["groups"] for image in group["images"]]
        for each in documents
    ]


# ---- the list


def test_a_file_has_an_id_a_line_whole_or_of_the_one_collection(listing):
    path = listing(f"# clear ones\n\n  {SECOND}  # the best\r\n{COLLECTION}/{FIRST}\n")
    assert parse(path, [COLLECTION]) == {COLLECTION: (FIRST, SECOND)}


@pytest.mark.parametrize("text", [f"\ufeff{FIRST}", f"{FIRST}\r\n", f"{FIRST}\n\n\n", f"{FIRST}#x"])
def test_files_of_other_editors_are_read_too(listing, text):
    assert parse(listing(text), [COLLECTION]) == {COLLECTION: (FIRST,)}


def test_images_of_several_collections_are_told_apart_by_their_ids():
    images = [f"{OTHER}/{FIRST}", f"{COLLECTION}/{SECOND}", f"{COLLECTION}/{FIRST}"]
    assert parse(images, [COLLECTION, OTHER]) == {COLLECTION: (FIRST, SECOND), OTHER: (FIRST,)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{FIRST}\n\n{FIRST}", f"line 3: {FIRST} is in line 1 already"),
        (f"{FIRST}\n{COLLECTION}/{FIRST}", f"line 2: {COLLECTION}/{FIRST} is in line 1 already"),
        (f"{FIRST}\n{FIRST}\n{FIRST}", f"line 2: {FIRST} is in line 1 already (and 1 more like"),
        (f"#\n{OTHER}/{FIRST}", f"line 2: {OTHER}/{FIRST} is of {OTHER}, which isn't ordered"),
        (f"{FIRST}, {SECOND}", f"line 1: '{FIRST}, {SECOND}' isn't the id of an image"),
        (f"{FIRST}/", f"line 1: '{FIRST}/' isn't the id of an image"),
        ("# none\n", f"images.txt lists no image of {COLLECTION}: list some, or don't order it"),
    ],
)
def test_a_line_that_cannot_be_used_is_an_error_that_says_which(listing, text, message):
    path = listing(text)
    with pytest.raises(InputError) as error:
        parse(path, [COLLECTION])
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([FIRST, f"{OTHER}/{FIRST}"], f"images, number 1: {FIRST} may be of several collections"),
        ([f"{OTHER}/{FIRST}"], f"images lists no image of {COLLECTION}"),
        ([f"{OTHER}/{FIRST}", 5], "images, number 2: 5 isn't the id of an image"),
        (FIRST, "images are a list of ids or the Path of a file, not a text"),
    ],
)
def test_a_list_that_cannot_be_used_is_an_error_too(images, message):
    with pytest.raises(InputError) as error:
        parse(images, [COLLECTION, OTHER])
    assert message in str(error.value)


def test_a_file_that_is_not_there_or_is_no_text_is_an_error(listing, tmp_path):
    with pytest.raises(InputError, match=r"can't read .*nowhere.txt: No such file"):
        parse(tmp_path / "nowhere.txt", [COLLECTION])
    with pytest.raises(InputError, match=r"can't use .*images.txt as a list of images: it isn't"):
        parse(listing("é", "latin-1"), [COLLECTION])


# ---- the order


def test_listed_images_are_taken_and_no_others(tracker, listing):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY, images=listing(f"{SECOND}\n"))
    assert taken(tracker, name) == [[SECOND], [SECOND]]
    assert tracker.watch(name).complete
    whole, _ = tracker.submit(COLLECTION, (1, 0), *MAY, images=[SECOND, FIRST])
    assert taken(tracker, whole) == [[FIRST, SECOND]]


def test_filters_and_periods_leave_out_listed_images_as_any(tmp_path):
    filters = {COLLECTION: [{"function": "eq", "name": "WRS_ROW", "value": 78}]}
    tracker = real_tracker(tmp_path, filters=filters)
    both = [FIRST, SECOND]
    preview = tracker.preview(COLLECTION, (0, 0), *MAY, images=both)
    assert preview.order.not_found == (f"{COLLECTION}/{FIRST}",)
    # The search goes a day further than the periods.
    early = tracker.order(COLLECTION, (0, 0), "2020-05-01", "2020-05-18", images=both)
    assert early.not_found == tuple(f"{COLLECTION}/{index}" for index in both)


def test_the_record_says_which_images_were_listed(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=[SECOND, FIRST])
    assert tracker.read(name)["submission"]["images"] == {COLLECTION: [FIRST, SECOND]}
    other, _ = tracker.submit(COLLECTION, (1, 1), *MAY)
    assert "images" not in tracker.read(other)["submission"]


def test_a_submit_that_was_cut_off_goes_on_with_the_listed_images(tracker):
    failing = real_tracker(tracker.store.root, engine=tracker.engine)
    failing.store = Full(tracker.store.root)
    with pytest.raises(StoreError, match="the disk is full"):
        failing.submit(COLLECTION, TILES, *MAY, images=[SECOND])
    (name,) = tracker.list()
    assert tracker.resume(name).states == {"READY": 2}
    assert taken(tracker, name) == [[SECOND], [SECOND]]


def test_listed_images_that_nothing_has_are_named(tracker):
    preview = tracker.preview(COLLECTION, TILES, *MAY, images=[FIRST, GONE])
    (warning,) = [each for each in preview.warnings if "listed" in each]
    assert warning == (
        "1 of 2 listed images: no tile, period and filter has it, or it doesn't exist: "
        f"{COLLECTION}/{GONE}"
    )
    assert json.loads(json.dumps(preview.to_dict()))["not_found"] == [f"{COLLECTION}/{GONE}"]
    assert tracker.preview(COLLECTION, TILES, *MAY, images=[FIRST]).to_dict()["not_found"] == []
    assert "not_found" not in tracker.preview(COLLECTION, TILES, *MAY).to_dict()


def test_of_many_that_nothing_has_the_first_are_named():
    order = found(unsearched(), layers("2020-05-01"))
    indices = [f"{number:03d}" for number in range(25)]
    order = replace(
        order,
        submission=replace(order.submission, images={"A": indices}),
        not_found=tuple(f"A/{index}" for index in indices),
    )
    (warning,) = of_items(order)
    assert warning.startswith("25 of 25 listed images: ")
    assert warning.endswith("A/018, A/019 and 5 more")


def test_what_is_left_out_was_not_searched_and_may_have_them(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=[FIRST, GONE])
    tracker.watch(name)

    def warning(existing):
        preview = tracker.preview(
            COLLECTION, [(0, 0), (3, 3)], *MAY, existing=existing, images=[FIRST, GONE]
        )
        return next(each for each in preview.warnings if "listed" in each)

    assert warning("skip").startswith("2 of 2 listed images")
    assert "or it doesn't exist, or one of the items left out has it: " in warning("skip")
    # What an earlier order has of the same request is searched.
    assert warning("error").endswith(f"or it doesn't exist: {COLLECTION}/{GONE}")


# ---- the same again


def test_the_same_list_in_another_order_is_the_same_request(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=[FIRST, SECOND])
    tracker.watch(name)
    again = [f"{COLLECTION}/{SECOND}", FIRST]
    (earlier,) = tracker.order(COLLECTION, TILES, *MAY, images=again).earlier
    assert (earlier.standing, earlier.order) == ("unchanged", name)


@pytest.mark.parametrize(
    ("before", "now"), [([FIRST], None), (None, [FIRST]), ([FIRST], [FIRST, SECOND])]
)
def test_another_list_is_another_request(tracker, before, now):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=before)
    tracker.watch(name)
    with pytest.raises(NameTakenError, match="there with another list of images"):
        tracker.order(COLLECTION, (0, 0), *MAY, images=now)


def test_an_order_of_listed_images_cannot_be_extended(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=[FIRST])
    with pytest.raises(InputError, match=f"{name} can't be extended, since it is of listed images"):
        tracker.extend(name, "2020-07-01")


def test_an_order_of_listed_images_is_no_extension_of_another(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    # Listed, or not, it would be of the very period that comes next.
    tracker.submit(COLLECTION, (0, 0), "2020-06-01", "2020-07-01", images=[GONE])
    with pytest.raises(NameTakenError, match="there with another list of images"):
        tracker.extend(name, "2020-07-01")


def test_what_is_searched_again_for_a_retry_is_the_list_only(tmp_path):
    """Another image than were ordered would be a difference, which nobody has agreed to."""
    tracker = exporting_tracker(tmp_path)
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY, images=[SECOND])
    (task,) = tracker.engine.tasks.values()
    words = "Image.load: Image asset 'X' not found."
    tracker.engine.become(task, TaskState.FAILED, error=words)
    assert tracker.update(name).states == {"FAILED": 1}
    assert tracker.retry(name).states == {"READY": 1}
    assert tracker.read(name).orders[0]["n_images"] == 1


# ---- runs


@pytest.fixture
def run_of(tmp_path):
    """Write a run's file of one order, and load it."""

    def write(images):
        order = {
            "collections": [COLLECTION],
            "tiles": {"index": [[0, 0]]},
            "period_start": MAY[0],
            "period_end": MAY[1],
            "images": images,
            "steps": {"watch": {"interval": 0.01}},
        }
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump({"name": "a-run", "orders": {"one": order}}), "utf-8")
        return runs.load(path)

    return write


def test_a_run_takes_the_images_of_a_file_beside_it(run_of, tracker, listing):
    listing(f"{COLLECTION}/{SECOND}\n")
    run = run_of("images.txt")
    (plan,) = run.plan(tracker)
    assert (plan.n_items, plan.n_empty, plan.error) == (1, 0, None)
    (outcome,) = run.execute(tracker)
    assert outcome.result == runs.Result.DONE
    assert taken(tracker, outcome.record) == [[SECOND]]
    assert [outcome.result for outcome in run.execute(tracker)] == [runs.Result.DONE]


def test_a_run_whose_list_has_changed_since_it_was_placed_is_an_error(run_of, tracker):
    run_of([SECOND]).execute(tracker)
    with pytest.raises(InputError, match=rf'images was .*"{SECOND}".*, and is .*"{FIRST}"'):
        run_of([FIRST]).execute(tracker)


def test_a_list_of_a_run_that_cannot_be_used_stops_it(run_of, tracker, listing):
    listing(f"{OTHER}/{FIRST}")
    with pytest.raises(InputError, match=r"order one: .*images.txt, line 1: .* isn't ordered"):
        run_of("images.txt").execute(tracker)
    assert tracker.list() == []
