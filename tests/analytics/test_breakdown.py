"""Groups of requests beside each other: intervals, and which groups cannot be told apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from coalmine_analytics.breakdown import broken_down
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.results.breakdown import Breakdown, BreakdownMetric
from coalmine_consumers.experiments import GroupQuestion, group_sums, segment_keys
from coalmine_consumers.store import Store
from tests.support.data.store_feed import Feed, Row, request

BY_VERSION = GroupQuestion("refund", "version")
BREAKDOWN = TypeAdapter(Breakdown)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def calls(version: str, count: int, *, failing: float, seed: int = 1, **values: Any) -> list[Row]:
    """Requests of as many users, of which a share fails."""
    random = np.random.default_rng(seed)
    return [
        request(
            seed * 100_000 + number,
            version=version,
            unit_id=f"user-{seed}-{number}",
            error_type="timeout" if random.random() < failing else None,
            **values,
        )
        for number in range(count)
    ]


def found_in(store: Store, question: GroupQuestion = BY_VERSION) -> Breakdown:
    with store.cursor() as cursor:
        sums = group_sums(cursor, question)
        assert sums is not None
        return broken_down(sums, question, segment_keys(cursor, question, 12))


def metric(found: Breakdown, name: str) -> BreakdownMetric:
    (one,) = [each for each in found.metrics if each.metric == name]
    return one


def test_versions_that_chance_alone_may_have_taken_apart_are_named(store: Store) -> None:
    rows = [
        *calls("1.0.0", 1_500, failing=0.05),
        *calls("1.1.0", 1_500, failing=0.06, seed=2),
        *calls("1.2.0", 1_500, failing=0.25, seed=3),
    ]
    store.commit(Feed().batch(rows))
    found = found_in(store)
    assert BREAKDOWN.validate_json(BREAKDOWN.dump_json(found)) == found
    assert [(each.name, each.requests, each.units) for each in found.groups] == [
        ("1.0.0", 1_500, 1_500),
        ("1.1.0", 1_500, 1_500),
        ("1.2.0", 1_500, 1_500),
    ]
    errors = metric(found, "error_rate")
    assert errors.values[-1].group == "1.2.0"
    assert errors.values[-1].not_told_apart_from == ()
    assert {errors.values[0].group, *errors.values[0].not_told_apart_from} == {"1.0.0", "1.1.0"}
    assert set(errors.best) == {"1.0.0", "1.1.0"}
    assert errors.words.startswith("the best is one of ")


def test_a_clear_winner_is_one_and_no_difference_is_none(store: Store) -> None:
    rows = [*calls("1.0.0", 1_500, failing=0.3), *calls("1.1.0", 1_500, failing=0.02, seed=2)]
    store.commit(Feed().batch(rows))
    found = found_in(store)
    assert metric(found, "error_rate").words == "1.1.0 is better than each of the others"
    assert metric(found, "error_rate").best == ("1.1.0",)


def test_the_interval_is_wider_than_one_for_a_single_look_and_about_the_value(store: Store) -> None:
    store.commit(Feed().batch(calls("1.0.0", 2_000, failing=0.1)))
    with store.cursor() as cursor:
        sums = group_sums(cursor, BY_VERSION)
    assert sums is not None
    at = sums.metrics.index("errors")
    ratio = arm_ratio(sums.y[at, 0], sums.x[at, 0])
    errors = metric(broken_down(sums, BY_VERSION), "error_rate")
    (one,) = errors.values
    assert one.value == pytest.approx(float(ratio.ratio))
    assert one.lower is not None
    assert one.upper is not None
    assert 0.0 <= one.lower < one.value < one.upper <= 1.0  # type: ignore[operator]
    assert (one.upper - one.lower) / 2 > 1.96 * float(np.sqrt(ratio.variance))
    assert errors.words == "there is nothing to compare it with"


def test_few_users_have_no_interval_and_are_told_apart_from_nobody(store: Store) -> None:
    rows = [*calls("1.0.0", 500, failing=0.0), *calls("1.1.0", 20, failing=1.0, seed=2)]
    store.commit(Feed().batch(rows))
    few = metric(found_in(store), "error_rate").values[-1]
    assert (few.group, few.units, few.lower, few.upper) == ("1.1.0", 20, None, None)
    assert few.not_told_apart_from == ("1.0.0",)


def test_groups_are_models_or_values_of_a_segment_too(store: Store) -> None:
    rows = [
        *calls("1.0.0", 300, failing=0.1, segments=[{"key": "tier", "value": "it's free"}]),
        *calls("1.0.0", 200, failing=0.1, seed=2, segments=[{"key": "tier", "value": "paid"}]),
        *calls("1.0.0", 100, failing=0.1, seed=3, request_model="gpt-4o"),
    ]
    store.commit(Feed().batch(rows))
    tiers = found_in(store, GroupQuestion("refund", "segment", "tier"))
    assert [each.name for each in tiers.groups] == ["it's free", "paid", ""]
    assert tiers.segments == ("tier",)
    models = found_in(store, GroupQuestion("refund", "model", version="1.0.0", environment="prod"))
    assert [(each.name, each.requests) for each in models.groups] == [("gpt-4o-mini", 500), ("gpt-4o", 100)]


def test_the_most_common_of_many_groups_are_compared(store: Store) -> None:
    rows = [
        row for place in range(15) for row in calls(f"1.{place}.0", 20 - place, failing=0.1, seed=place + 1)
    ]
    store.commit(Feed().batch(rows))
    found = found_in(store)
    assert (len(found.groups), found.left_out) == (12, 3)
    assert "1.14.0" not in {each.name for each in found.groups}


def test_of_very_many_requests_those_of_some_units_are_counted(store: Store) -> None:
    store.commit(Feed().batch(calls("1.0.0", 2_000, failing=0.1)))
    with store.cursor() as cursor:
        sums = group_sums(cursor, BY_VERSION, most_requests=500)
    assert sums is not None
    assert sums.counted_share == 0.25
    assert sums.groups[0].requests == 2_000
    assert 350 < sums.x[sums.metrics.index("errors")].sum() < 650


def test_without_requests_there_is_nothing(store: Store) -> None:
    with store.cursor() as cursor:
        assert group_sums(cursor, BY_VERSION) is None
