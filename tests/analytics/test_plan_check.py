"""Will a plan ever end: forecasts from what a store holds of a prompt, against simulated rollouts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import numpy as np
import pytest

from coalmine_analytics.calibration.end_to_end.course import course_of
from coalmine_analytics.calibration.end_to_end.service import Change, Service, requests_of
from coalmine_analytics.metrics import MetricOverride, Size
from coalmine_analytics.plan_check import Stage, check_plan
from coalmine_analytics.readout import Plan
from coalmine_analytics.results.plan_check import PlanCheck
from coalmine_consumers.experiments import PromptTraffic, prompt_traffic
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.service_requests import request_rows
from tests.support.data.store_feed import START, Feed, request

UNTIL = datetime.now(UTC)
FIRST = 0.2
"""Hours of the first stage."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def traffic_in(store: Store, prompt: str = "refund", environment: str = "prod") -> PromptTraffic | None:
    with store.cursor() as cursor:
        return prompt_traffic(cursor, prompt, environment, START - timedelta(days=1), UNTIL)


def service_of(per_s: float) -> Service:
    """A service with a tenth of its units in the canary, then half of them."""
    hours = min(24.0 * 14, max(1.5, 4 / per_s))
    loyal = max(int(10_000 * per_s), 100)
    return Service(per_s=per_s, hours=hours, loyal_users=loyal, stages=((0.1, FIRST), (0.5, inf)))


def traffic_of(store: Store, service: Service, hours: float, seed: int = 1) -> PromptTraffic:
    """The traffic of a service before any experiment, through a store."""
    rng = np.random.default_rng(seed)
    before = requests_of(replace(service, hours=hours, stages=((0.5, inf),)), Change(), rng)
    store.commit(Feed().batch(request_rows(before, START, rng)))
    found = traffic_in(store)
    assert found is not None
    return found


def checked(
    traffic: PromptTraffic, *stages: Stage, plan: Plan | None = None, longest_h: float = 336
) -> PlanCheck:
    return check_plan(
        traffic, plan or Plan(), stages, prompt="refund", environment="prod", longest_h=longest_h
    )


def assert_near_the_median(store: Store, per_s: float, history: int, runs: int) -> None:
    service = service_of(per_s)
    traffic = traffic_of(store, service, min(336.0, history / per_s / 3_600))
    found = checked(traffic, Stage(0.1, FIRST), Stage(0.5)).hours
    courses = [
        course_of(service, Change(), Plan(), np.random.default_rng(seed), until_decided=True)
        for seed in range(runs)
    ]
    median = np.median([max(course.promoted_h, FIRST) for course in courses])
    assert found == pytest.approx(median, rel=0.3)


def test_the_time_to_promotion_is_near_the_median_of_simulated_rollouts(store: Store) -> None:
    assert_near_the_median(store, 10.0, history=25_000, runs=3)


@pytest.mark.campaign
@pytest.mark.parametrize("per_s", [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0])
def test_the_time_to_promotion_is_near_the_median_at_every_pace(store: Store, per_s: float) -> None:
    assert_near_the_median(store, per_s, history=100_000, runs=9)


def test_windows_hold_all_sums_and_units_are_counted_over_every_length(store: Store) -> None:
    service = Service(per_s=0.2, loyal=0.8, loyal_users=200)
    rng = np.random.default_rng(5)
    before = requests_of(replace(service, hours=7.0, stages=((0.5, inf),)), Change(), rng)
    store.commit(Feed().batch(request_rows(before, START, rng)))
    found = traffic_in(store)
    assert found is not None
    assert (found.requests, found.x.shape[1:]) == (len(before.at_s), (7, 256))
    row = found.metrics.index("errors")
    assert found.x[row].sum() == len(before.at_s)
    assert found.y[row].sum() == before.values["errors"].sum()
    span = before.at_s[-1] - before.at_s[0]
    place = np.minimum((before.at_s - before.at_s[0]) // (span / 7), 6).astype(int)
    assert found.x[row].sum(axis=1) == pytest.approx(np.bincount(place), abs=1)
    assert found.lengths.tolist() == [1, 2, 4, 7]
    for length, units in zip(found.lengths.tolist(), found.units.tolist(), strict=True):
        blocks = 7 // length
        expected = [len(np.unique(before.unit[place // length == block])) for block in range(blocks)]
        assert units == pytest.approx(np.mean(expected), abs=1)


def test_other_prompts_and_environments_do_not_count(store: Store) -> None:
    rows = [request(n, START + timedelta(minutes=n)) for n in range(60)]
    rows += [request(100 + n, START + timedelta(minutes=n), prompt="greet") for n in range(9)]
    rows += [request(200 + n, START + timedelta(minutes=n), environment="staging") for n in range(5)]
    store.commit(Feed().batch(rows))
    found = traffic_in(store)
    assert found is not None
    assert (found.requests, found.units.tolist()) == (60, [7])


@pytest.mark.parametrize("count", [0, 1])
def test_a_moment_of_traffic_is_no_traffic(store: Store, count: int) -> None:
    if count:
        store.commit(Feed().batch([request(1)]))
    assert traffic_in(store) is None


def test_a_plan_that_cannot_end_says_why_and_which_first_stage_would_help(store: Store) -> None:
    traffic = traffic_of(store, service_of(1.0), 4.0)
    small = Stage(0.01, 1.0, min_units=1_000)
    found = checked(traffic, small, Stage(0.5), longest_h=24)
    assert (found.ends, found.hours, found.stages[0].hours) == (False, None, None)
    assert found.first_weight is not None
    assert "too few units come for the stage of 1%" in found.words
    assert f"with a first stage of {found.first_weight:.0%}" in found.words
    again = checked(traffic, replace(small, weight=found.first_weight), Stage(0.5), longest_h=24)
    assert again.ends


def test_what_is_too_rare_to_be_proven_is_named(store: Store) -> None:
    traffic = traffic_of(store, service_of(0.1), 40.0)
    strict = Plan(overrides={"error_rate": MetricOverride(margin=Size(0.0005))})
    found = checked(traffic, Stage(0.1, 2.0), Stage(0.5), plan=strict, longest_h=48)
    assert not found.ends
    assert "too little traffic to prove error_rate" in found.words
    assert found.first_weight is None


def test_larger_stages_find_smaller_harm_and_tolerances_are_added(store: Store) -> None:
    traffic = traffic_of(store, service_of(1.0), 8.0)

    def harm(stage: Stage, plan: Plan | None = None) -> float:
        first = checked(traffic, stage, Stage(0.5), plan=plan).stages[0]
        (quality,) = [each for each in first.metrics if each.metric == "quality"]
        assert quality.smallest_harm is not None
        return quality.smallest_harm

    assert harm(Stage(0.1, 2.0)) > harm(Stage(0.1, 8.0)) > harm(Stage(0.5, 8.0))
    tolerant = Plan(overrides={"quality": MetricOverride(tolerance=Size(0.05), margin=Size(0.06))})
    assert harm(Stage(0.1, 2.0), tolerant) > harm(Stage(0.1, 2.0)) + 0.04


def test_the_last_stage_waits_for_the_units_of_a_promotion(store: Store) -> None:
    traffic = traffic_of(store, service_of(1.0), 4.0)
    many = checked(traffic, Stage(0.5), plan=Plan(min_units=20_000))
    few = checked(traffic, Stage(0.5), plan=Plan(min_units=600))
    assert many.hours is not None
    assert few.hours is not None
    assert many.hours == many.stages[0].hours_to_min_units
    assert many.hours > 2 * few.hours
    assert many.stages[0].units >= 20_000


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ({"weight": 0.0}, "weight of a stage"),
        ({"weight": 1.0}, "weight of a stage"),
        ({"weight": 0.1, "min_time_h": -1.0}, "min_time_h of a stage"),
        ({"weight": 0.1, "min_time_h": inf}, "min_time_h of a stage"),
        ({"weight": 0.1, "min_units": -1}, "min_units of a stage"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(stage: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        Stage(**stage)  # type: ignore[arg-type]
