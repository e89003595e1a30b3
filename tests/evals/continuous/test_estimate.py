"""Means over all requests from a sample that was not taken at one rate, with intervals that hold."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pytest

from coalmine_evals.continuous import storage
from coalmine_evals.continuous.estimate import hajek, quality_of
from coalmine_evals.continuous.storage import ProductionScore
from tests.support.doubles.production import PROMPT, Production


def test_the_plain_mean_with_its_t_interval_if_all_weights_are_alike() -> None:
    # scipy.stats.t.interval(.95, 4, mean, sem) of 1, 0, 1, 1, 0: independent figures
    found = hajek([2.0] * 5, [2.0, 0.0, 2.0, 2.0, 0.0])
    assert found is not None
    assert found == pytest.approx((0.6, -0.0800874, 1.2800874), abs=1e-6)


def test_too_little_says_so() -> None:
    assert hajek([], []) is None
    found = hajek([3.0], [1.5])
    assert found is not None
    assert found[0] == 0.5
    assert np.isnan(found[1])


def test_a_few_scores_that_are_all_alike_are_no_certainty() -> None:
    found = hajek([2.0] * 10, [2.0] * 10)
    assert found is not None
    # Exact is 0.025 ** (1 / 10): with so many good requests of all, ten of ten are good in 2.5 % of samples.
    assert found == pytest.approx((1.0, 1.0 - np.log(40) / 10, 1.0))
    assert found[1] < 0.025 ** (1 / 10)
    uneven = hajek([10.0] + [1.0] * 9, [5.0] + [0.5] * 9)
    assert uneven is not None
    assert uneven == pytest.approx((0.5, 0.0, 1.0))  # one unit says most of it
    assert hajek([1.0] * 1_000, [0.0] * 1_000) == pytest.approx((0.0, 0.0, np.log(40) / 1_000))


def test_the_interval_holds_where_strata_differ_and_users_ask_often() -> None:
    random = np.random.default_rng(11)
    hits, runs = 0, 400
    for _ in range(runs):
        users = 300
        enterprise = random.random(users) < 0.2
        liking = random.beta(4, 2, users) * np.where(enterprise, 0.6, 1.0)
        requests = 1 + random.poisson(3, users)
        rate = np.where(enterprise, 0.5, 0.1)
        weight, weighted = np.zeros(users), np.zeros(users)
        for user in range(users):
            taken = random.random(requests[user]) < rate[user]
            scores = (random.random(requests[user]) < liking[user]).astype(float)
            weight[user], weighted[user] = (taken / rate[user]).sum(), (taken * scores / rate[user]).sum()
        truth = 4 * (4 / 6) * (0.8 + 0.2 * 0.6) / 4
        found = hajek(
            [each for each in weight if each],
            [sums for each, sums in zip(weight, weighted, strict=True) if each],
        )
        assert found is not None
        hits += found[1] <= truth <= found[2]
    assert 0.92 < hits / runs < 0.98


def test_quality_is_weighted_by_version_and_metric_and_shown_by_stratum(production: Production) -> None:
    now = production.now()

    def one(
        number: int, *, value: float | None, stratum: str, probability: float, counts: bool
    ) -> ProductionScore:
        return ProductionScore(
            metric="faithful",
            request_id=f"r{number}",
            score_id=f"s{number}",
            scorer="fake@1",
            environment="prod",
            prompt=PROMPT,
            version="1.0.0",
            experiment=None,
            arm=None,
            unit=f"u{number}",
            stratum=stratum,
            probability=probability,
            counts=counts,
            value=value,
            reason=None if value is not None else "no",
            cost_nano_usd=0,
            requested_at=now - timedelta(hours=1),
            scored_at=now,
            event=None,
        )

    scores = [one(n, value=1.0, stratum="", probability=0.1, counts=True) for n in range(4)]
    scores += [one(n, value=0.0, stratum="tier=a", probability=0.5, counts=n == 4) for n in range(4, 8)]
    scores.append(one(8, value=None, stratum="", probability=0.1, counts=True))
    production.database.write(lambda c: storage.add_scores(c, scores))
    found = production.database.read(
        lambda c: quality_of(
            c, prompt=PROMPT, environment="prod", metric=None, since=now - timedelta(days=1), until=now
        )
    )
    whole, stratum = found
    assert (whole.stratum, whole.scored, whole.unscored, whole.units) == (None, 8, 1, 8)
    assert whole.mean == pytest.approx(40 / 48)
    assert whole.unweighted == pytest.approx(0.8)
    assert (stratum.stratum, stratum.mean, stratum.unweighted) == ("tier=a", 0.0, 0.0)

    # Another judge from now on: what it says is not averaged with what others said before.
    later = replace(one(9, value=0.5, stratum="", probability=0.1, counts=True), scorer="fake@2")
    production.database.write(lambda c: storage.add_scores(c, [later]))
    for environment in ("prod", None):
        read = partial(quality_of, prompt=PROMPT, environment=environment, metric=None, until=now)
        (of_last,) = production.database.read(partial(read, since=now - timedelta(days=1)))
        assert (of_last.mean, of_last.scored) == (0.5, 1)

    # Of a period that is over, what scored then.
    long_ago = now - timedelta(days=9)
    first = replace(one(10, value=0.25, stratum="", probability=0.1, counts=True), requested_at=long_ago)
    production.database.write(lambda c: storage.add_scores(c, [first]))
    week = partial(quality_of, prompt=PROMPT, environment="prod", metric="faithful")
    periods = [(now - timedelta(days=10), now - timedelta(days=8)), (now - timedelta(days=1), now)]
    means = [
        each.mean
        for since, until in periods
        for each in production.database.read(partial(week, since=since, until=until))
    ]
    assert means == [0.25, 0.5]
