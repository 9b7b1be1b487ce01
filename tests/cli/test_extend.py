"""`cedar extend`, and the plan that `cedar submit` tells."""

import json

import pytest
from orders import COLLECTION, LANDSAT
from previewing import unsearched

from cedar.cli.preview import lines
from cedar.earlier import Earlier, Standing
from cedar.preview import Preview
from cedar.states import TaskState

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")
TWO = ("--index", 0, 0, "--index", 0, 1)
ITEM = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
OTHER = "EXAMPLE_LC08_DN_h001v000_2020-05-01_2020-06-01"
MONTHLY = ("--period-freq", "MS", "--period-closed", "left")


@pytest.fixture
def fewer(here):
    """A catalog that lacks one of the two scenes."""
    catalog = here / "fewer"
    catalog.mkdir()
    for path in LANDSAT.glob("LC08_224078_20200518*"):
        (catalog / path.name).write_bytes(path.read_bytes())
    return str(catalog)


def test_the_same_again_orders_nothing_and_is_no_failure(order, cedar):
    name = order("--wait")
    done = cedar("submit", COLLECTION, "--index", 0, 0, *MAY)
    assert (done.code, done.out) == (0, "")
    assert "plan     0 new, 1 unchanged, 0 failed, 0 stale, 0 no longer wanted\n" in done.err
    assert "nothing to order: all of it exists already" in done.err
    again = cedar("submit", COLLECTION, "--index", 0, 0, *MAY, "--json").json
    assert again["name"] is None
    assert again["plan"]["unchanged"] == [{"name": ITEM, "order": name, "state": "COMPLETED"}]
    assert cedar("list").out == f"{name}\n"


def test_what_is_new_is_ordered_and_what_is_not_wanted_any_more_named(order, cedar):
    name = order("--wait", tiles=TWO)
    done = cedar("submit", COLLECTION, "--index", 0, 0, "--index", 1, 0, *MAY, "--json")
    assert done.code == 0
    assert [len(items) for items in done.json["plan"].values()] == [1, 1, 0, 0, 1]
    assert f"no longer wanted: {OTHER} of {name}, which stays as it is" in done.err
    shown = cedar("show", done.json["name"], "--json").json
    assert len(shown["orders"]) == 1


@pytest.mark.parametrize(
    ("state", "words"), [("FAILED", ""), ("UNKNOWN", ""), ("CANCELLED", " --state CANCELLED")]
)
def test_what_failed_is_named_with_the_command_that_helps(order, cedar, here, state, words):
    name = order(tiles=TWO)
    path = here / "store" / "CEDAR_TRACKING" / f"{name}.json"
    document = json.loads(path.read_text())
    for entry in document["orders"]:
        entry["status"]["state"] = state
    path.write_text(json.dumps(document))
    done = cedar("submit", COLLECTION, *TWO, *MAY)
    said = f"failed: {ITEM} and 1 more of {name}: `cedar retry {name}{words}` makes it again"
    assert (done.code, said in done.err) == (0, True)
    assert cedar("retry", name, *words.split()).out == f"{name}: 2 READY\n"


def test_stale_items_are_named_and_replaced_only_if_that_is_asked_for(
    order, configure, cedar, fewer
):
    configure(earthengine={"catalog": fewer})
    name = cedar("submit", COLLECTION, *TWO, *MAY, "--wait").out.strip()
    configure()
    same = ("submit", COLLECTION, *TWO, *MAY)
    done = cedar(*same)
    assert done.code == 0
    assert (
        f"stale: {ITEM} of {name}: 1 images more, 0 fewer; `cedar submit --stale` orders it again"
    ) in done.err
    assert cedar("list").out == f"{name}\n"
    dry = cedar(*same, "--stale", "--dry-run")
    assert f"stale: {ITEM} of {name}: 1 images more, 0 fewer; ordered again" in dry.out
    done = cedar(*same, "--stale", "--wait", "--json")
    assert done.json["states"] == {"COMPLETED": 2}
    assert done.json["plan"]["new"] == []
    assert "2 unchanged" in cedar(*same).err


def test_only_some_of_many_stale_ones_are_named():
    many = tuple(
        Earlier(f"X{n}", "ORDER", Standing.STALE, TaskState.READY, ("a",)) for n in range(22)
    )
    order = unsearched()
    said = [*lines(Preview(type(order)(**{**vars(order), "earlier": many})), 0, images=False)]
    assert "stale: X19 of ORDER: 1 images more, 0 fewer; still being made" in said
    assert "stale: … and 2 more of ORDER" in said
    assert not any("X20" in line for line in said)


@pytest.mark.parametrize("options", [("--stale", "--overwrite"), ("--skip-existing", "--stale")])
def test_only_one_thing_can_be_done_about_what_exists(configure, cedar, options):
    configure()
    done = cedar("submit", COLLECTION, *TWO, *MAY, *options)
    assert (done.code, "exclude each other" in done.err) == (2, True)


def test_extend_orders_the_time_after_and_the_second_time_nothing(order, cedar):
    name = order(*MONTHLY)
    dry = cedar("extend", name, "--to", "2020-07-01", "--dry-run", "--json").json
    assert [item["date_start"][:10] for item in dry["items"]] == ["2020-06-01"]
    assert dry["plan"]["unchanged"][0]["order"] == name
    assert cedar("list").out == f"{name}\n"
    done = cedar("extend", name, "--to", "2020-07-01")
    assert done.code == 0
    shown = cedar("show", done.out.strip(), "--json").json
    assert shown["submission"]["coverage"] == [
        "2020-06-01T00:00:00+00:00",
        "2020-07-01T00:00:00+00:00",
    ]
    again = cedar("extend", name, "--to", "2020-07-01", "--json")
    assert (again.code, again.json["name"]) == (0, None)
    assert len(cedar("list").out.split()) == 2


def test_extend_names_what_is_stale_of_the_last_periods(order, configure, cedar, fewer):
    configure(earthengine={"catalog": fewer})
    name = cedar("submit", COLLECTION, "--index", 0, 0, *MAY, *MONTHLY, "--wait").out.strip()
    configure()
    done = cedar("extend", name, "--to", "2020-06-01")
    assert (done.code, done.out) == (0, "")
    assert f"stale: {ITEM} of {name}: 1 images more, 0 fewer" in done.err


def test_extend_asks_on_a_terminal(order, cedar, on_a_terminal):
    name = order(*MONTHLY)
    code, seen = on_a_terminal(("extend", name, "--to", "2020-07-01"), b"n\n")
    assert code == 1, seen
    assert "nothing was ordered" in seen
    code, seen = on_a_terminal(("extend", name, "--to", "2020-07-01", "--yes"), None)
    assert code == 0, seen
    assert "[y/N]" not in seen


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("NEVER", "--to", "2020-07-01"), "there is no order 'NEVER'"),
        (("NEVER",), "Missing option '--to'"),
    ],
)
def test_extend_needs_an_order_and_a_date(configure, cedar, words, message):
    configure()
    done = cedar("extend", *words)
    assert (done.code in (1, 2), done.out) == (True, "")
    assert message in done.err


def test_extend_refuses_what_is_no_date(order, cedar):
    done = cedar("extend", order(), "--to", "soon")
    assert (done.code, "'soon' is not a date" in done.err) == (2, True)
