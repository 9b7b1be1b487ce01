"""Who may say no to an order, and that nothing is written then."""

import pytest
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError
from cedar.preview import Preview


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def tracker(tmp_path, emulator):
    return real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))


def searches(emulator):
    return sum(request.method == "value:compute" for request in emulator.requests)


def test_a_callable_decides_by_the_preview_and_no_is_an_error_before_anything_is_written(tracker):
    seen = []
    with pytest.raises(InputError, match="the order is not wanted"):
        tracker.submit(COLLECTION, (0, 0), *MAY, consent=seen.append)
    (preview,) = seen
    assert isinstance(preview, Preview)
    assert preview.n_tasks == 1
    assert preview.free > 0
    assert not [*tracker.store.root.iterdir()]


def test_with_a_yes_it_is_placed_and_searched_once(tracker, emulator):
    name, _ = tracker.submit(
        COLLECTION, (0, 0), *MAY, consent=lambda preview: preview.n_bytes < 10**6
    )
    assert tracker.list() == [name]
    assert searches(emulator) == 1


def test_what_is_previewed_is_what_is_placed(tracker, emulator):
    preview = tracker.preview(COLLECTION, [(0, 0), (0, 1)], *MAY)
    asked = len(emulator.requests)
    given = []
    name, _ = tracker.place(preview, consent=lambda seen: given.append(seen) or True)
    assert given == [preview]
    assert given[0] is preview
    assert len(emulator.requests) == asked
    assert [entry["n_images"] for entry in tracker.read(name).orders] == [2, 2]


def test_an_order_can_be_placed_by_itself_or_by_consent(tracker, emulator):
    order = tracker.order(COLLECTION, (0, 0), *MAY)
    with pytest.raises(InputError, match="not wanted"):
        tracker.place(order, consent=lambda _: False)
    assert tracker.list() == []
    name, _ = tracker.place(order)
    assert tracker.list() == [name]
    assert searches(emulator) == 1


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"max_tasks": 1}, "it has 2 tasks, and tracker.max_tasks is 1"),
        ({"max_gigabytes": 0.0005}, "tracker.max_gigabytes is 0.0005"),
    ],
)
def test_a_limit_refuses_more_however_it_is_submitted(tmp_path, emulator, limit, said):
    tracker = real_tracker(tmp_path, engine=EarthEngine(emulator=emulator), **limit)
    tiles = [(0, 0), (0, 1), (3, 3)]

    def consent(_):
        pytest.fail("what is refused isn't asked about")

    order = tracker.order(COLLECTION, tiles, *MAY)
    # The last was made where there were no limits.
    for given in (order, tracker.preview(COLLECTION, tiles, *MAY), Preview(order)):
        with pytest.raises(InputError, match=said):
            tracker.place(given, consent=consent)
    with pytest.raises(InputError, match=said):
        tracker.submit(COLLECTION, tiles, *MAY)
    assert not [*tmp_path.iterdir()]
    tracker.submit(COLLECTION, [(0, 0), (3, 3)], *MAY)


def test_where_there_is_nothing_to_order_nobody_is_asked(tracker):
    tracker.submit(COLLECTION, (0, 0), *MAY)
    with pytest.raises(InputError, match="nothing to order"):
        tracker.submit(COLLECTION, (0, 0), *MAY, existing="skip", consent=pytest.fail)
