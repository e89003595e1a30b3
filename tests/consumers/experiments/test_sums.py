"""Sums of an experiment, from events that were ingested."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.experiments import ExperimentSums, experiment_sums
from coalmine_consumers.maintenance import MergePolicy, RetentionPolicy, rebuild
from coalmine_consumers.maintenance.compact import fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.forget import forget_units
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.policy import SealPolicy
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.ranges import Range
from tests.support.data.store_feed import START, Feed, Row, outcome, request
from tests.support.oracles.store_state import by_hand, query

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def exposed(number: int, unit: str, epoch: int, arm: str, after: timedelta = timedelta(0)) -> Row:
    return request(number, START + after, unit_id=unit, experiment="exp", allocation_epoch=epoch, variant=arm)


def sums_of(store: Store, at: datetime | None = None, **options: Any) -> ExperimentSums:
    with store.reader().snapshot() as snapshot:
        sums = experiment_sums(snapshot, "exp", at=at, **options)
    assert sums is not None
    return sums


def metric(sums: ExperimentSums, name: str) -> tuple[list[list[float]], list[list[float]]]:
    """Denominators and numerators by epoch and arm."""
    at = sums.metrics.index(name)
    return sums.x[at].sum(axis=-1).tolist(), sums.y[at].sum(axis=-1).tolist()


MOVED = [
    exposed(1, "stays", 1, "control"),
    exposed(2, "stays", 2, "control", HOUR),
    exposed(3, "moves", 1, "control", HOUR),
    exposed(4, "moves", 2, "treatment", 2 * HOUR),
    exposed(5, "comes late", 2, "treatment", 3 * HOUR),
    exposed(6, "is both at once", 1, "treatment", HOUR),
    exposed(7, "is both at once", 1, "control", HOUR),
]


@pytest.mark.parametrize(
    ("at_once", "order"),
    [
        pytest.param(at_once, order, marks=() if index == place else pytest.mark.campaign)
        for index, order in enumerate([(0, 1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1, 0), (3, 2, 1, 6, 0, 5, 4)])
        for place, at_once in enumerate((7, 3, 1))
    ],
)
def test_a_unit_is_first_exposed_once_however_its_events_arrive(
    store: Store, order: Sequence[int], at_once: int
) -> None:
    feed = Feed()
    for begin in range(0, len(order), at_once):
        store.commit(feed.batch([MOVED[at] for at in order[begin : begin + at_once]]))
    sums = sums_of(store)
    assert (sums.epochs, sums.arms) == ((1, 2), ("control", "treatment"))
    assert sums.first_units.tolist() == [[3, 0], [0, 1]]
    assert sums.units.sum(axis=-1).tolist() == [[3, 1], [1, 2]]


def test_first_exposures_survive_folding_rebuilding_and_retention(store: Store) -> None:
    feed = Feed()
    for row in reversed(MOVED):
        store.commit(feed.batch([row]))
    before = sums_of(store)
    fold(store, "experiment_units", rows_at_once=100)
    rebuild(store)
    seal(store, "requests", SealPolicy(max_rows=1, min_day_rows=1), START + 40 * DAY)
    assert expire(store, RetentionPolicy(raw_days=2), START + 40 * DAY).rows == len(MOVED)
    # An event of before everything, and one of after: of raw rows that are gone by now nothing must be asked.
    store.commit(
        feed.batch([exposed(8, "stays", 1, "treatment", -HOUR), exposed(9, "moves", 2, "control", DAY)])
    )
    rebuild(store)
    after = sums_of(store)
    assert before.first_units.tolist() == [[3, 0], [0, 1]]
    assert after.first_units.tolist() == [[2, 1], [0, 1]]
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_an_arm_that_got_nobody_exposed_nobody(store: Store) -> None:
    store.commit(Feed().batch(MOVED))
    sums = sums_of(store).with_arms(["another"])
    assert sums.first_units.tolist() == [[0, 3, 0], [0, 0, 1]]


RETURNING = [
    exposed(1, "returns", 1, "control"),
    exposed(2, "returns", 1, "control", 2 * HOUR),
    exposed(3, "returns", 1, "control", 3 * HOUR),
    exposed(4, "asks twice", 1, "control"),
    exposed(5, "asks twice", 1, "control", timedelta(minutes=59)),
    exposed(6, "is new", 1, "control", 20 * HOUR),
    exposed(7, "is new", 1, "control", 22 * HOUR),
]


def test_returning_is_judged_of_units_that_had_time_to_return(store: Store) -> None:
    feed = Feed()
    for row in RETURNING:
        store.commit(feed.batch([row]))
    assert metric(sums_of(store, START + 23 * HOUR), "requests.aged") == ([[0]], [[0]])
    sums = sums_of(store, START + 24 * HOUR)
    assert metric(sums, "requests.aged") == ([[2]], [[5]])
    assert metric(sums, "returned") == ([[2]], [[1]])
    sums = sums_of(store, START + 24 * HOUR, time_to_return=2 * HOUR)
    assert metric(sums, "returned") == ([[3]], [[2]])
    assert np.all(sums.x[sums.metrics.index("requests")].sum() == len(RETURNING))


WINDOW = 72 * HOUR
CALLS = [
    exposed(1, "buys twice", 1, "control"),
    exposed(2, "buys nothing", 1, "control", HOUR),
    exposed(3, "buys", 1, "treatment"),
    request(4, START + 39 * HOUR, unit_id="buys", prompt="greet"),
    exposed(5, "is new", 1, "treatment", 30 * HOUR),
    exposed(6, "changes arms", 1, "control"),
    exposed(7, "changes arms", 2, "treatment", 10 * HOUR),
    exposed(8, "comes back", 1, "treatment"),
    exposed(9, "comes back", 1, "treatment", 60 * HOUR),
    exposed(10, "is in both", 1, "treatment", 2 * HOUR),
    exposed(11, "is in both", 1, "control", 2 * HOUR),
]
BOUGHT = [
    outcome(1, START + 2 * HOUR, "spent", 10.0, unit_id="buys twice"),
    outcome(2, START + WINDOW, "spent", 5.0, unit_id="buys twice"),
    outcome(3, START + 40 * HOUR, "spent", 7.0, unit_id="buys"),  # its last call is of no experiment
    outcome(4, START + 29 * HOUR, "spent", 3.0, unit_id="is new"),  # before any call
    outcome(5, START + 40 * HOUR, "spent", 50.0, unit_id="is new"),
    outcome(6, START + 40 * HOUR, "spent", 30.0, unit_id="changes arms"),
    outcome(7, START + 61 * HOUR, "spent", 20.0, unit_id="comes back"),
    outcome(8, START + WINDOW + timedelta(microseconds=1), "spent", 40.0, unit_id="comes back"),
    outcome(9, START + 3 * HOUR, "spent", 2.0, unit_id="is in both"),
]
"""Of "comes back" one is beyond the window of the first call, and within that of the second."""


@pytest.fixture
def declared(tmp_path: Path) -> Iterator[Store]:
    settings = StoreSettings(ranges={"spent": Range(0.0, 100.0)})
    store = Store.open(tmp_path / "declared", settings)
    yield store
    store.close()


def per_unit(store: Store, hours: float) -> tuple[list[list[float]], list[list[float]]]:
    return metric(sums_of(store, START + hours * HOUR), "per_unit.spent")


_ORDERS_IN_FULL = [(1, False), (1, True), (4, False), (99, True)]
ALL_OLD = [[4, 3], [0, 0]], [[10 + 5 + 30 + 2, 7 + 20 + 50], [0, 0]]
"""Denominators and numerators by epoch and arm, once all units are old enough."""


def test_outcomes_of_units_count_from_their_first_exposure(declared: Store) -> None:
    declared.commit(Feed().batch(CALLS, scores=BOUGHT))
    settle_outcomes(declared, START)
    assert "per_unit.spent" not in sums_of(declared, START + WINDOW - timedelta(microseconds=1)).metrics
    assert per_unit(declared, 72) == ([[2, 2], [0, 0]], [[10 + 5 + 30, 7 + 20], [0, 0]])
    assert per_unit(declared, 73) == ([[3, 2], [0, 0]], [[45, 27], [0, 0]])
    assert per_unit(declared, 74) == ([[4, 2], [0, 0]], [[47, 27], [0, 0]])
    assert per_unit(declared, 102) == ALL_OLD
    last = sums_of(declared, START + 300 * HOUR)
    assert metric(last, "per_unit.spent") == ALL_OLD
    assert "per_unit.spent" not in last.binary
    # By their last calls, once these are old enough.
    assert metric(last, "spent") == ([[3, 3], [0, 1]], [[17, 110], [0, 30]])


@pytest.mark.parametrize(
    ("at_once", "backwards"),
    [
        (4, True),
        (99, False),
        *(pytest.param(*each, marks=pytest.mark.campaign) for each in _ORDERS_IN_FULL),
    ],
)
def test_outcomes_of_units_do_not_depend_on_the_order_of_events(
    declared: Store, backwards: bool, at_once: int
) -> None:
    feed, rows = Feed(), [*CALLS, *BOUGHT, *BOUGHT]
    rows = rows[::-1] if backwards else rows
    for begin in range(0, len(rows), at_once):
        batch = rows[begin : begin + at_once]
        scores = [row for row in batch if "score_id" in row]
        declared.commit(feed.batch([row for row in batch if "score_id" not in row], scores=scores))
        settle_outcomes(declared, START)
    assert per_unit(declared, 102) == ALL_OLD
    rebuild(declared)
    assert per_unit(declared, 102) == ALL_OLD


OF_SOMETHING: dict[str, tuple[dict[str, str], int]] = {
    "a session in the experiment": ({"session_id": "in"}, 1),
    "its unit and its session": ({"session_id": "in", "unit_id": "ann"}, 1),
    "a session of other calls": ({"session_id": "out"}, 0),
    "the prompt of the experiment": ({"prompt": "refund", "unit_id": "ann"}, 1),
    "another prompt": ({"prompt": "greet", "unit_id": "ann"}, 0),
    "any call": ({"unit_id": "ann"}, 1),
}


def test_outcomes_of_sessions_and_prompts_count_where_these_were(declared: Store) -> None:
    """Each case has a unit, its sessions and an arm of its own."""
    calls, said, expected = [], [], []
    for case, (of, counted) in enumerate(OF_SOMETHING.values()):
        ann, arm = f"ann-{case}", f"arm {case}"
        calls += [
            exposed(10 * case + 1, ann, 1, arm) | {"session_id": f"in-{case}"},
            request(10 * case + 2, START + HOUR, unit_id=ann, session_id=f"out-{case}", prompt="greet"),
            exposed(10 * case + 3, f"bob-{case}", 1, arm),
        ]
        whose = {name: each if name == "prompt" else f"{each}-{case}" for name, each in of.items()}
        said += [
            outcome(10 * case + 1, START + HOUR, "spent", 1.0, unit_id=f"bob-{case}"),
            outcome(10 * case + 2, START + 2 * HOUR, "spent", 8.0, **whose),
        ]
        expected.append(8 * counted + 1)
    declared.commit(Feed().batch(calls, scores=said))
    settle_outcomes(declared, START)
    assert sums_of(declared).arms == tuple(f"arm {case}" for case in range(len(OF_SOMETHING)))
    assert per_unit(declared, 72) == ([[2] * len(OF_SOMETHING)], [expected])
    # As it was settled before calls' units were kept.
    by_hand(declared, "UPDATE late_outcomes SET call_unit_id = NULL, call_experiment = NULL, open_since = 0")
    settle_outcomes(declared, START)
    assert per_unit(declared, 72) == ([[2] * len(OF_SOMETHING)], [expected])


@pytest.mark.parametrize("hours", [48, 960], ids=["before the window is over", "later"])
def test_outcomes_of_units_survive_retention(declared: Store, hours: int) -> None:
    feed = Feed()
    of_session = outcome(20, START + HOUR, "spent", 4.0, session_id="s")
    call = exposed(12, "of a session", 1, "control") | {"session_id": "s"}
    declared.commit(feed.batch([*CALLS, call], scores=[*BOUGHT, of_session]))
    settle_outcomes(declared, START)
    seal(declared, "requests", SealPolicy(max_rows=1, min_day_rows=1), START + 40 * DAY)
    seal(declared, "scores", SealPolicy(max_rows=1, min_day_rows=1), START + 40 * DAY)
    assert expire(declared, RetentionPolicy(raw_days=1), START + hours * HOUR).rows > 8
    if hours < 72:
        assert per_unit(declared, 72) == ([[3, 2], [0, 0]], [[45 + 4, 27], [0, 0]])
    for _ in ("expired", "folded and rebuilt"):
        assert per_unit(declared, 102) == ([[5, 3], [0, 0]], [[47 + 4, 77], [0, 0]])
        fold(declared, "experiment_cells", rows_at_once=100)
        rebuild(declared)
    report = audit(declared, deep=True)
    assert report.ok, report.missing


def test_forgetting_users_leaves_the_outcomes_of_units(declared: Store) -> None:
    of_session = outcome(20, START + HOUR, "spent", 4.0, session_id="s")
    call = exposed(12, "of a session", 1, "control") | {"session_id": "s"}
    declared.commit(Feed().batch([*CALLS, call], scores=[*BOUGHT, of_session]))
    done = forget_units(declared, ["buys twice", "of a session", "comes back"], MergePolicy(), START)
    assert set(done.left.values()) == {0}
    assert per_unit(declared, 102) == ([[5, 3], [0, 0]], [[47 + 4, 77], [0, 0]])
    whose = query(declared, "SELECT unit_id, call_unit_id FROM late_outcomes")
    assert not {"buys twice", "of a session", "comes back"} & {each for row in whose for each in row}


def test_units_behind_a_tenth_of_an_arm_are_named(store: Store) -> None:
    robot = [exposed(number, "robot", 1 + number % 2, "control") for number in range(6)]
    users = [exposed(10 + number, f"user-{number}", 1, "control") for number in range(24)]
    others = [exposed(100 + number, f"user-{number}", 1, "treatment") for number in range(11)]
    feed = Feed()
    store.commit(feed.batch([*robot, *users, *others]))
    (heavy,) = sums_of(store).heavy_units
    assert heavy == ("control", "robot", 6, 0.2)
    strays = [exposed(200 + number, "stray", 7, "control") for number in range(30)]
    store.commit(feed.batch(strays))
    both = sums_of(store)
    assert both.heavy_units[0] == ("control", "stray", 30, 0.5)
    assert both.only({1, 2}, {"control", "treatment"}).heavy_units == (heavy,)
    assert both.only({7}, {"treatment"}).heavy_units == ()
