"""Absolute limits: a broken version is stopped after a few units; outages and loud clients stop nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import FixedPlans, Plan, Readouts, read_out
from coalmine_analytics.results.readout import ArmReadout, LimitReadout, Readout
from coalmine_consumers.experiments import ExperimentSums
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.looked_at import SetClock
from tests.support.data.store_feed import Feed, many_requests

AT = datetime(2026, 3, 10, tzinfo=UTC)
METRICS = ("errors", "requests", "schema_valid", "sent")


def sums(
    *bad: float, control: float = 0.0, control_units: int = 200, requests: float = 1.0, metric: str = "errors"
) -> ExperimentSums:
    """One unit in a group; each of the treatment has a share of bad requests."""
    shape = (len(METRICS), 1, 2, 256)
    x, y = np.zeros(shape), np.zeros(shape)
    x[:, 0, 1, : len(bad)], x[:, 0, 0, :control_units] = requests, requests
    share = np.zeros(shape[1:])
    share[0, 1, : len(bad)], share[0, 0, :control_units] = bad, control
    y[METRICS.index("requests")] = x[0]
    y[METRICS.index("schema_valid")] = x[0]
    at = METRICS.index(metric)
    y[at] = x[0] * (1.0 - share if metric == "schema_valid" else share)
    units = (x[1] > 0).astype(np.int64)
    binary = frozenset(("schema_valid",) if metric != "sent" else ("schema_valid", "sent"))
    return ExperimentSums(
        "exp", METRICS, (1,), ("control", "treatment"), x, y, units, 1, units.sum(axis=-1), binary
    )


def arm(found: ExperimentSums, plan: Plan, before: Readout | None = None) -> ArmReadout:
    return read_out(found, plan, taken_at=AT, before=before).arms[0]


LIMITED = Plan(limits={"error_rate": 0.2})


def test_a_version_that_fails_is_rolled_back_within_ten_units_and_the_limit_is_named() -> None:
    found = arm(sums(*[1] * 9, 0), LIMITED)
    assert found.decision == "rollback"
    assert (
        found.words == "roll back: error_rate is above its limit of 20 %: 9 of 10 units, 0 of 200 in control"
    )
    (limit,) = found.limits
    assert replace(limit, log_e=None) == LimitReadout("error_rate", 0.2, 9, 10, 0, 200, None, True)
    assert limit.log_e is not None
    assert arm(sums(*[1] * 9, 0), Plan()).decision == "hold"


def test_a_limit_counts_who_comes_back_in_another_epoch_once() -> None:
    one = sums(*[1] * 9, 0)
    two = replace(
        one,
        epochs=(1, 2),
        x=np.tile(one.x, (1, 2, 1, 1)),
        y=np.tile(one.y, (1, 2, 1, 1)),
        units=np.tile(one.units, (2, 1, 1)),
        first_units=np.concatenate([one.first_units, 0 * one.first_units]),
        different_units=one.units_of_arms,
    )
    (limit,) = arm(two, LIMITED).limits
    assert (limit.bad_units, limit.units, limit.control_bad_units, limit.control_units) == (9, 10, 0, 200)


def test_a_rollback_stands_when_later_units_are_good() -> None:
    broken = read_out(sums(*[1] * 10), LIMITED, taken_at=AT)
    later = arm(sums(*[1] * 10, *[0] * 240), LIMITED, broken)
    assert (later.decision, later.words) == ("rollback", broken.arms[0].words)
    assert not later.limits[0].broken


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(sums(*[1] * 9, 0, control=0.9), id="an outage of both arms"),
        pytest.param(sums(1, 1, requests=500), id="two clients that try again and again"),
        pytest.param(sums(*[1] * 40, *[0] * 200), id="below the limit"),
        pytest.param(sums(*[0.15] * 250), id="all units fail now and then"),
    ],
)
def test_what_is_not_the_versions_doing_stops_nothing(found: ExperimentSums) -> None:
    read = arm(found, replace(LIMITED, overrides={"error_rate": MetricOverride(role="shown")}))
    assert not read.limits[0].broken
    assert read.decision != "rollback"


def test_answers_that_break_their_schema_count_and_so_does_a_name_of_ones_own() -> None:
    broken = sums(*[1] * 9, 0, metric="schema_valid")
    found = arm(broken, Plan(limits={"schema_invalid_rate": 0.1, "error_rate": 0.1}))
    assert [each.broken for each in found.limits] == [True, False]
    own = {"sent": MetricOverride(direction="lower")}
    (limit,) = arm(sums(*[1] * 9, 0, metric="sent"), Plan(limits={"sent": 0.1}, overrides=own)).limits
    assert limit.broken
    # Values other than 0 and 1 are no share of anything.
    other = replace(sums(*[1] * 9, 0, metric="sent"), binary=frozenset())
    (limit,) = arm(other, Plan(limits={"sent": 0.1}, overrides=own)).limits
    assert (limit.units, limit.broken) == (0, False)


def test_each_arm_has_its_own_and_more_arms_ask_for_more() -> None:
    both = sums(*[1] * 3)
    three = both.with_arms(["another"])
    fifth = Plan(limits={"error_rate": 0.05})
    assert arm(both, fifth).limits[0].broken
    found = read_out(three, fifth, taken_at=AT)
    assert [each.limits[0].broken for each in found.arms] == [False, False]


@pytest.mark.parametrize("name", ["eror_rate", "quality", "thumbs_up_rate", "sent"])
def test_only_a_rate_of_something_bad_has_a_limit(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"limit is '{name}': limit one of .*error_rate"):
        arm(sums(1), Plan(limits={name: 0.2}))


def test_a_limit_is_a_share() -> None:
    with pytest.raises(InvalidParameter, match="limit of error_rate is 20"):
        Plan(limits={"error_rate": 20})


def requests(units: list[str], arm: str, *, name: str, value: float, error: str | None) -> pa.Table:
    """A request of each unit, with a named value."""
    table = many_requests(len(units), seed=len(units))
    entry = [[(name, value)]] * len(units)
    given = {
        "unit_id": units,
        "variant": [arm] * len(units),
        "metrics": entry,
        "error_type": [error] * len(units),
    }
    for column, values in given.items():
        at = table.schema.get_field_index(column)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
    return table


@pytest.mark.parametrize(
    ("limit", "name", "good", "bad", "error"),
    [
        ("error_rate", "anything", 1.0, 1.0, "timeout"),
        ("schema_invalid_rate", "schema_valid", 1.0, 0.0, None),
        ("schema_invalid_rate", "schema_invalid", 0.0, 1.0, None),
        ("empty_answer_rate", "empty_answer", 0.0, 1.0, None),
    ],
)
def test_ten_units_suffice_from_events_to_the_decision(
    tmp_path: Path, limit: str, name: str, good: float, bad: float, error: str | None
) -> None:
    store, feed = Store.open(tmp_path / "store"), Feed()
    plan = Plan(limits={limit: 0.2}, weights={"control": 9, "treatment": 1})
    users = [f"user-{number}" for number in range(100)]
    store.commit(feed.batch(requests(users[:90], "control", name=name, value=good, error=None)))
    store.commit(feed.batch(requests(users[90:99], "treatment", name=name, value=bad, error=error)))
    store.commit(feed.batch(requests(users[99:], "treatment", name=name, value=good, error=None)))
    found = Readouts(store, FixedPlans(plan), clock=SetClock()).current("exp-1")
    store.close()
    assert found is not None
    (limited,) = found.arms[0].limits
    assert (limited.bad_units, limited.units) == (9, 10)
    assert (limited.control_bad_units, limited.control_units) == (0, 90)
    assert found.arms[0].decision == "rollback"
