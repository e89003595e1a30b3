"""Sums of an experiment, from events that were ingested."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.experiments import ExperimentSums, experiment_sums
from coalmine_consumers.maintenance import RetentionPolicy, rebuild
from coalmine_consumers.maintenance.compact import fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.policy import SealPolicy
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.ranges import Range
from tests.support.data.store_feed import START, Feed, Row, outcome, request

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


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1, 0), (3, 2, 1, 6, 0, 5, 4)])
@pytest.mark.parametrize("at_once", [1, 3, 7])
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


def test_outcomes_are_divided_by_all_units_that_had_the_time(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "declared", StoreSettings(ranges={"spent": Range(0.0, 100.0)}))
    feed = Feed()
    calls = [
        exposed(1, "buys twice", 1, "control"),
        exposed(2, "buys nothing", 1, "control", HOUR),
        exposed(3, "buys", 1, "treatment"),
        exposed(4, "is new", 1, "treatment", 30 * HOUR),
        exposed(5, "changes arms", 1, "control"),
        exposed(6, "changes arms", 2, "treatment", 10 * HOUR),
    ]
    bought = [
        outcome(1, START + 2 * HOUR, "spent", 10.0, unit_id="buys twice"),
        outcome(2, START + 3 * HOUR, "spent", 5.0, unit_id="buys twice"),
        outcome(3, START + 40 * HOUR, "spent", 7.0, unit_id="buys"),
        outcome(4, START + 40 * HOUR, "spent", 50.0, unit_id="is new"),
        outcome(5, START + 40 * HOUR, "spent", 30.0, unit_id="changes arms"),
    ]
    store.commit(feed.batch(calls, scores=bought))
    settle_outcomes(store, START)
    # The window is 72 hours, and calls mature together every four and a half.
    early, later, last = (sums_of(store, START + hours * HOUR) for hours in (74.4, 86.5, 107))
    assert "per_unit.spent" not in early.metrics
    assert metric(later, "per_unit.spent") == ([[3, 1], [0, 1]], [[15, 7], [0, 30]])
    assert metric(last, "per_unit.spent") == ([[3, 2], [0, 1]], [[15, 57], [0, 30]])
    assert metric(last, "spent") == ([[2, 2], [0, 1]], [[15, 57], [0, 30]])
    assert "per_unit.spent" not in last.binary
    store.close()


def test_units_behind_a_tenth_of_an_arm_are_named(store: Store) -> None:
    robot = [exposed(number, "robot", 1 + number % 2, "control") for number in range(6)]
    users = [exposed(10 + number, f"user-{number}", 1, "control") for number in range(24)]
    others = [exposed(100 + number, f"user-{number}", 1, "treatment") for number in range(11)]
    store.commit(Feed().batch([*robot, *users, *others]))
    (heavy,) = sums_of(store).heavy_units
    assert heavy == ("control", "robot", 6, 0.2)
