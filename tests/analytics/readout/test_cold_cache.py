"""An arm with little traffic finds its prompt in the provider's cache less often: that is not the version."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_analytics.results.readout import ArmReadout, MetricReadout
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.store import Store
from coalmine_schemas.batch import arrow_schema
from tests.support.data.looked_at import SetClock
from tests.support.data.store_feed import START, Feed, many_requests

WEIGHTS = {"treatment": 0.05, "control": 0.95}
GUARDED = ("cost_per_request_uncached", "cost_over_cap_rate", "latency_ms", "latency_over_cap_rate",
           "latency_over_p95_rate", "time_to_first_token_over_p95_rate")  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "store")) as store:
        yield store


def requests(
    count: int, seed: int, *, cached: tuple[float, float], experiment: bool = True, slower: float = 1.0
) -> pa.Table:
    """Requests of as many users, most of them with a long prompt that the cache may hold.

    Args:
        count: How many.
        seed: Of the draw.
        cached: Shares of requests that hit the cache, in the treatment and in control.
        experiment: False for the week before.
        slower: Factor of the treatment's latencies.
    """
    random = np.random.default_rng(seed)
    start = START if experiment else START - timedelta(days=1)
    rows = many_requests(count, seed=seed, start=start, hours=5, experiment="exp" if experiment else None)
    treated = random.random(count) < WEIGHTS["treatment"]
    hit = random.random(count) < np.where(treated, *cached)
    tokens = random.integers(1_800, 2_200, count)
    latency = np.where(hit, 600.0, 1_200.0) * random.lognormal(0, 0.25, count) * np.where(treated, slower, 1)
    nothing: list[list[object]] = [[]] * count
    changed: dict[str, Iterable[object]] = {
        "prompt": np.full(count, "refund"),
        "environment": np.full(count, "prod"),
        "provider": np.full(count, "openai"),
        "request_model": np.full(count, "gpt-4o-mini"),
        "response_model": np.full(count, None),
        "variant": np.where(treated, "treatment", "control"),
        "unit_id": np.array([f"{seed}-{number}" for number in range(count)]),
        "input_tokens": tokens,
        "cached_input_tokens": np.where(hit, tokens * 9 // 10, 0),
        "output_tokens": np.full(count, 50),
        "cost_nano_usd": np.full(count, None),
        "cost_source": np.full(count, "unknown"),
        "latency_ms": latency,
        "time_to_first_token_ms": latency / 3,
        "error_type": np.full(count, None),
        "finish_reason": np.full(count, "stop"),
        "metrics": nothing,
        "other_usage": nothing,
    }
    schema = arrow_schema("requests")
    for name, values in changed.items():
        field = schema.field(name)
        column = pa.array(list(values), field.type)
        rows = rows.set_column(rows.column_names.index(name), field, column)
    return Pricer().price_requests(rows)


def read(store: Store) -> ArmReadout:
    """The readout once it is settled what can be judged."""
    clock = SetClock()
    # Users who come once never return, and nobody rates or corrects: no part of this.
    plan = Plan(weights=WEIGHTS, overrides={"requests_per_unit": MetricOverride(role="shown")})
    readouts = Readouts(store, FixedPlans(plan), clock=clock)
    readouts.current("exp")
    clock.move(hours=2)
    readout = readouts.current("exp")
    assert readout is not None
    (arm,) = readout.arms
    return arm


def metric(arm: ArmReadout, name: str) -> MetricReadout:
    (found,) = [each for each in arm.metrics if each.metric == name]
    return found


def run(store: Store, *, cached: tuple[float, float], slower: float = 1.0) -> ArmReadout:
    feed = Feed()
    store.commit(feed.batch(requests(4_000, 1, cached=(0.7, 0.7), experiment=False)))
    for seed in range(2, 5):
        store.commit(feed.batch(requests(20_000, seed, cached=cached, slower=slower)))
    return read(store)


def test_an_equal_version_with_a_cold_cache_is_accepted(store: Store) -> None:
    arm = run(store, cached=(0.05, 0.75))
    dearer = metric(arm, "cost_per_request")
    assert dearer.relative_effect == pytest.approx(0.4, abs=0.1)
    slower = metric(arm, "latency_ms")
    assert slower.raw_value is not None
    assert slower.raw_control_value is not None
    assert slower.raw_value > 1.3 * slower.raw_control_value
    for name in GUARDED:
        assert metric(arm, name).evidence.harm in (None, pytest.approx(1.0, abs=0.5)), name
    assert arm.decision == "promote", arm.words
    rebuild(store)
    again = read(store)
    for name in GUARDED:
        one, other = metric(arm, name), metric(again, name)
        assert (one.value, one.log_e) == pytest.approx((other.value, other.log_e), rel=1e-9), name


def test_a_slower_version_is_found_whatever_the_cache_does(store: Store) -> None:
    arm = run(store, cached=(0.05, 0.75), slower=1.3)
    assert arm.decision == "rollback"
    assert metric(arm, "latency_ms").verdict == "worse"
    assert metric(arm, "latency_ms").relative_effect == pytest.approx(0.3, abs=0.05)
