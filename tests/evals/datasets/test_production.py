from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from coalmine_consumers.store import Store
from coalmine_evals.datasets.case import read_case
from coalmine_evals.datasets.production import (
    Traffic,
    compare_with_production,
    production_weights,
    read_traffic,
    weighted_mean,
)
from coalmine_evals.results.datasets import Case
from tests.support.data.store_feed import START, Feed, request

DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def case(number: int, *capabilities: str, **values: object) -> Case:
    return read_case(
        {"id": str(number), "variables": {"q": "short"}, "capabilities": [*capabilities], **values}
    )


def traffic_of(**shares: dict[str, float]) -> Traffic:
    return Traffic("refund", "prod", START, START + DAY, 100, shares)


def test_requests_are_counted_by_their_segments(store: Store) -> None:
    rows = [
        request(
            number,
            segments=[("language", "de" if number % 4 == 0 else "en"), ("user", f"u{number}")]
            + ([("plan", "free")] if number < 10 else []),
        )
        for number in range(100)
    ]
    rows += [request(200, prompt="other"), request(201, environment="dev"), request(202, at=START + DAY)]
    store.commit(Feed().batch(requests=rows))
    found = read_traffic(store.reader(), "refund", "prod", START, START + DAY)
    assert found.requests == 100
    assert found.shares == {"language": {"en": 0.75, "de": 0.25}, "plan": {"free": 1.0}}
    assert read_traffic(store.reader(), "refund", None, START, START + 2 * DAY).requests == 102
    assert read_traffic(store.reader(), "none", None, START, START + DAY).requests == 0


def test_rare_values_of_a_key_are_counted_together(store: Store) -> None:
    values = ["en"] * 60 + [f"x{number}" for number in range(40)]
    rows = [request(number, segments=[("language", value)]) for number, value in enumerate(values)]
    store.commit(Feed().batch(requests=rows))
    shares = read_traffic(store.reader(), "refund", "prod", START, START + DAY).shares["language"]
    assert len(shares) == 21
    assert shares["(other)"] == pytest.approx(0.21)
    assert sum(shares.values()) == pytest.approx(1)


def test_what_production_has_and_the_cases_lack_is_named() -> None:
    cases = [case(number, "language=en") for number in range(98)]
    cases += [case(98, "language=de"), case(99, variables={"language": "fr", "q": "x" * 9_000})]
    cases += [case(100, "language=de", split="dev")]
    traffic = traffic_of(
        language={"en": 0.72, "de": 0.23, "fr": 0.05},
        input_length={"<500": 0.6, "8k+": 0.4},
        plan={"free": 1.0},
    )
    scores = {"correct": {str(number): float(number < 50) for number in range(100)}, "none": {"x": 1.0}}
    found = compare_with_production(("refunds", "0" * 64), cases, traffic, scores)
    assert found.cases == 100
    assert found.lacking == (
        "40% of the traffic has input_length 8k+, and 1% of the cases",
        "23% of the traffic has language de, and 1% of the cases",
        "5% of the traffic has language fr, and 1% of the cases",
        "no case says its plan, so it is not compared: tag cases, e.g. with the capability `plan=free`",
    )
    by_key = {each.key: each for each in found.segments}
    assert by_key["language"].distance == pytest.approx(0.26)
    assert by_key["plan"].distance is None
    assert by_key["plan"].unknown == 100
    assert found.weighting is not None
    assert found.weighting.keys == ("language", "input_length")
    assert found.weighting.effective_cases < 100
    (estimate,) = found.estimates
    assert (estimate.metric, estimate.unweighted, estimate.cases) == ("correct", 0.5, 100)
    assert estimate.weighted < 0.5


def test_weights_meet_the_shares_of_production() -> None:
    cases = [
        case(number, f"language={'de' if number < 10 else 'en'}", f"plan={'a' if number % 2 else 'b'}")
        for number in range(100)
    ]
    shares = {"language": {"de": 0.3, "en": 0.7}, "plan": {"a": 0.8, "b": 0.2}}
    weights = production_weights(cases, shares)
    assert weights is not None
    share = weights.values / weights.values.sum()
    assert share[:10].sum() == pytest.approx(0.3, abs=1e-6)
    assert share[1::2].sum() == pytest.approx(0.8, abs=1e-6)
    assert weights.values.mean() == pytest.approx(1)
    assert weights.weighting.unmet == pytest.approx(0)


def test_weights_of_one_stratum_are_its_share_by_its_cases() -> None:
    cases = [case(number, f"language={'de' if number < 20 else 'en'}") for number in range(100)]
    weights = production_weights(cases, {"language": {"de": 0.5, "en": 0.3, "fr": 0.2}})
    assert weights is not None
    assert weights.values[0] == pytest.approx(0.5 / 0.8 / 0.2)
    assert weights.values[99] == pytest.approx(0.3 / 0.8 / 0.8)
    assert weights.weighting.unmet == pytest.approx(0.2)
    assert weights.weighting.effective_cases == pytest.approx(1 / (0.625**2 / 20 + 0.375**2 / 80))


@pytest.mark.parametrize("shares", [{}, {"plan": {"free": 1.0}}, {"language": {"fr": 1.0}}])
def test_without_a_key_that_all_cases_know_there_are_no_weights(shares: dict[str, dict[str, float]]) -> None:
    assert production_weights([case(1, "language=en"), case(2, "language=en")], shares) is None
    assert production_weights([], {"language": {"en": 1.0}}) is None


def test_a_case_that_stands_for_too_many_is_cut() -> None:
    cases = [case(number, f"language={'de' if number == 0 else 'en'}") for number in range(1_000)]
    weights = production_weights(cases, {"language": {"de": 0.5, "en": 0.5}})
    assert weights is not None
    assert weights.weighting.largest < 20


def test_the_weighted_mean_is_the_post_stratified_one_with_its_error() -> None:
    cases = [case(number, f"language={'de' if number < 20 else 'en'}") for number in range(100)]
    random = np.random.default_rng(1)
    covered = 0
    weights = production_weights(cases, {"language": {"de": 0.5, "en": 0.5}})
    assert weights is not None
    scores = np.zeros(100)
    for _ in range(400):
        scores = random.binomial(1, np.where(np.arange(100) < 20, 0.4, 0.9)).astype(float)
        found = weighted_mean("correct", scores, weights.values, cases)
        assert found is not None
        assert found.weighted == pytest.approx((scores[:20].mean() + scores[20:].mean()) / 2)
        assert found.standard_error is not None
        covered += abs(found.weighted - 0.65) < 1.96 * found.standard_error
    assert 0.91 < covered / 400 < 0.99
    scores[:99] = np.nan
    only = weighted_mean("correct", scores, weights.values, cases)
    assert only is not None
    assert (only.cases, only.standard_error) == (1, None)
    assert weighted_mean("correct", np.full(100, np.nan), weights.values, cases) is None
