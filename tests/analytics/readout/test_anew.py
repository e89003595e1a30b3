"""Evidence that begins anew: nothing from before counts, it is on record, and it costs alpha."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_analytics.readout.anew import plan_of_restart
from coalmine_analytics.results.readout import MetricReadout, Readout
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.looked_at import CountedPlans, SetClock
from tests.support.data.store_feed import START, Feed, many_requests

EVEN = {"control": 1, "treatment": 1}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def commit(store: Store, feed: Feed, clock: SetClock, seed: int, count: int = 2_000) -> None:
    """Requests of the next hour."""
    store.commit(feed.batch(many_requests(count, seed=seed, start=clock.now, hours=1)))
    clock.now += timedelta(hours=1)


def errors(readout: Readout | None) -> MetricReadout:
    assert readout is not None
    (arm,) = readout.arms
    return next(each for each in arm.metrics if each.metric == "error_rate")


def test_only_what_comes_later_counts_and_a_new_process_goes_on_from_there(
    store: Store, tmp_path: Path
) -> None:
    clock, feed = SetClock(START), Feed()
    readouts = Readouts(store, FixedPlans(Plan(weights=EVEN)), clock=clock)
    commit(store, feed, clock, 0)
    first = readouts.current("exp-1")
    assert first is not None
    assert first.begun_anew is None
    begun = readouts.begin_anew("exp-1", "someone", "a deploy broke the first hour")
    assert begun is not None
    assert begun.begun_anew is not None
    assert (begun.begun_anew.number, begun.begun_anew.by) == (1, "someone")
    assert begun.begun_anew.reason == "a deploy broke the first hour"
    assert (begun.requests, begun.control_units, begun.arms[0].decision) == (0, 0, "hold")
    assert errors(begun).evidence.harm is None
    commit(store, feed, clock, 1)
    since = readouts.current("exp-1")
    assert since is not None
    assert (since.begun_anew, since.requests) == (begun.begun_anew, 2_000)
    assert since.alpha == pytest.approx(0.025)
    # The same as an experiment that has nothing but the second hour.
    other, later = Store.open(tmp_path / "other"), SetClock(START)
    later.now += timedelta(hours=1)
    commit(other, Feed(), later, 1)
    alone = Readouts(other, FixedPlans(Plan(weights=EVEN)), clock=later).current("exp-1")
    other.close()
    assert alone is not None
    assert (since.control_units, since.arms[0].units) == (alone.control_units, alone.arms[0].units)
    for name in ("effect", "log_e", "value", "control_value"):
        assert getattr(errors(since), name) == pytest.approx(getattr(errors(alone), name)), name
    assert Readouts(store, FixedPlans(Plan(weights=EVEN)), clock=clock).current("exp-1") == since
    plans = CountedPlans(Plan(weights=EVEN))
    assert Readouts(store, plans, clock=clock).take_due() == []
    assert plans.looks == 0, "nothing came since"
    path = readouts.path("exp-1")
    assert [look.begun_anew for look in path] == [None, begun.begun_anew, begun.begun_anew]
    again = readouts.begin_anew("exp-1", "someone", "and once more")
    assert again is not None
    assert again.begun_anew is not None
    assert again.begun_anew.number == 2
    assert again.alpha == pytest.approx(0.05 / 6)


def test_it_takes_requests_a_reason_and_an_experiment_that_runs(store: Store) -> None:
    clock = SetClock(START)
    readouts = Readouts(store, FixedPlans(Plan(stopped_at=START)), clock=clock)
    assert readouts.begin_anew("exp-1", "someone", "why not") is None
    commit(store, Feed(), clock, 0)
    with pytest.raises(InvalidParameter, match="stopped"):
        readouts.begin_anew("exp-1", "someone", "why not")
    with pytest.raises(InvalidParameter, match="reason is ' '"):
        readouts.begin_anew("exp-1", "someone", " ")


def test_all_restarts_together_spend_no_more_than_alpha() -> None:
    plan = Plan(alpha=0.05)
    assert plan_of_restart(plan, 0) == plan
    assert sum(plan_of_restart(plan, number).alpha for number in range(1, 2_000)) == pytest.approx(
        0.05, rel=1e-3
    )
