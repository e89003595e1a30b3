"""Cohen's kappa and prediction-powered means: numbers of others, and coverage by simulation."""

from typing import cast

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from coalmine_analytics.agreement import agreement
from coalmine_analytics.prediction_powered import MIN_LABELS, corrected_mean
from coalmine_schemas.errors import InvalidParameter


def _rated(table: list[list[int]]) -> tuple[list[float], list[float]]:
    size = len(table) - 1
    pairs = [(i / size, j / size) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize(
    "table",
    [
        [[20, 5], [10, 15]],
        [[44, 5, 1], [7, 20, 3], [9, 5, 6]],
        [[9, 3, 0, 1], [2, 8, 2, 0], [0, 1, 9, 4], [1, 0, 2, 7]],
    ],
)
def test_kappa_is_that_of_statsmodels_with_linear_weights(table: list[list[int]]) -> None:
    first, second = _rated(table)
    ours = agreement(first, second, range(len(first)))
    theirs = cohens_kappa(np.array(table), wt="linear")
    assert ours.kappa == pytest.approx(theirs.kappa, abs=1e-12)
    assert ours.kappa is not None
    assert ours.lower is not None
    assert ours.upper is not None
    assert ours.lower < ours.kappa < ours.upper
    # The asymptotic interval is another one, of about the same width.
    assert ours.upper - ours.lower == pytest.approx(theirs.kappa_upp - theirs.kappa_low, rel=0.25)


def test_the_published_example_of_two_raters() -> None:
    """Two readers of 50 applications: 20 twice yes, 15 twice no; kappa .40."""
    first, second = _rated([[20, 5], [10, 15]])
    found = agreement(first, second, range(50))
    assert (found.agreement, found.by_chance, found.kappa) == pytest.approx((0.7, 0.5, 0.4))


def test_full_agreement_of_few_cases_is_no_certainty() -> None:
    found = agreement([0, 1] * 5, [0, 1] * 5, range(10))
    assert found.kappa == 1
    assert found.lower is not None
    assert 0.2 < found.lower < 0.5


def test_one_verdict_throughout_says_nothing() -> None:
    assert agreement([1.0] * 40, [1.0] * 40, range(40)).kappa is None


def test_cases_of_one_cluster_count_as_fewer() -> None:
    first, second = _rated([[20, 5], [10, 15]])
    alone = agreement(first, second, range(50))
    again = agreement(first * 4, second * 4, [*range(50)] * 4)
    assert again.kappa == pytest.approx(alone.kappa)
    assert again.lower == pytest.approx(alone.lower, abs=0.01)
    assert agreement(first * 4, second * 4, range(200)).lower > cast("float", alone.lower)  # type: ignore[operator]


@pytest.mark.parametrize(("first", "second"), [([], []), ([0.0], [0.0, 1.0]), ([2.0], [1.0])])
def test_ratings_that_are_none_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InvalidParameter):
        agreement(first, second, range(len(first)))


@pytest.mark.parametrize(("cases", "share", "kappa"), [(30, 0.2, 0.85), (50, 0.5, 0.6), (100, 0.1, 0.4)])
def test_the_interval_of_kappa_covers(cases: int, share: float, kappa: float) -> None:
    rng = np.random.default_rng(7)
    both = share * share + kappa * share * (1 - share)
    one = share * (1 - share) * (1 - kappa)
    missed = np.zeros(2)
    for _ in range(600):
        drawn = rng.choice(4, cases, p=[both, one, one, 1 - both - 2 * one])
        found = agreement(drawn < 2, drawn % 2 == 0, range(cases))
        if found.lower is not None and found.upper is not None:
            missed += (found.lower > kappa, found.upper < kappa)
    assert missed[0] <= 600 * 0.045  # the end that decides whether a judge may
    assert missed[1] <= 600 * 0.075


def _drawn(
    rng: np.random.Generator, total: int, labelled: int, shift: float
) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random(total) < 0.7
    wrong = rng.random(total) < np.where(truth, 0.05, shift)
    judged = np.where(wrong, ~truth, truth).astype(float)
    labels = np.full(total, np.nan)
    known = rng.choice(total, labelled, replace=False)
    labels[known] = truth[known]
    return judged, labels


def test_a_lenient_judge_is_corrected_and_the_interval_covers() -> None:
    rng = np.random.default_rng(11)
    missed, widths, naive = 0, [], 0
    for _ in range(600):
        judged, labels = _drawn(rng, 600, 60, 0.4)
        found = corrected_mean(judged, labels, range(600))
        assert found is not None
        missed += not found.lower <= 0.7 <= found.upper
        known = labels[~np.isnan(labels)]
        widths.append((found.upper - found.lower) / (4 * known.std() / np.sqrt(60)))
        naive += abs(found.raw - 0.7) > 1.96 * judged.std() / np.sqrt(600)
    assert missed <= 600 * 0.075
    assert naive > 600 * 0.9  # the raw mean is far off, and sure of it
    assert np.mean(widths) < 0.95  # and the judge helps beyond the labels alone


@pytest.mark.parametrize("labelled", [12, 20])
def test_few_labels_that_a_judge_agrees_with_are_no_certainty(labelled: int) -> None:
    rng = np.random.default_rng(labelled)
    missed = 0
    for _ in range(500):
        judged, labels = _drawn(rng, 300, labelled, 0.2)
        found = corrected_mean(judged, labels, range(300))
        assert found is not None
        missed += not found.lower <= 0.7 <= found.upper
    assert missed <= 500 * 0.08


def test_a_judge_that_knows_nothing_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    labels = np.full(500, np.nan)
    labels[:50] = rng.random(50) < 0.5
    found = corrected_mean(rng.random(500), labels, range(500))
    assert found is not None
    assert found.weight < 0.5
    alone = np.nanstd(labels, ddof=1) / np.sqrt(50) * 2.01
    assert (found.upper - found.lower) / 2 < alone * 1.1


def test_clusters_widen_and_few_labels_correct_nothing() -> None:
    rng = np.random.default_rng(5)
    judged, labels = _drawn(rng, 300, 300, 0.3)
    alone = corrected_mean(judged, labels, range(300))
    doubled = corrected_mean(np.tile(judged, 3), np.tile(labels, 3), [*range(300)] * 3)
    assert alone is not None
    assert doubled is not None
    assert doubled.upper - doubled.lower == pytest.approx(alone.upper - alone.lower, rel=0.02)
    labels[MIN_LABELS - 1 :] = np.nan
    assert corrected_mean(judged, labels, range(300)) is None
    with pytest.raises(InvalidParameter):
        corrected_mean([np.nan], [1.0], ["a"])
