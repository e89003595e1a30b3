import numpy as np
import pytest

from coalmine_analytics.paired import cases_needed, flicker_share, paired_interval, smallest_drop


def test_right_or_wrong_answers_have_the_score_interval() -> None:
    values = [1.0] * 28 + [-1.0] * 25 + [0.0] * 565
    found = paired_interval(values, range(618), alpha=0.05)
    assert found.method == "tango"
    assert round(float(found.lower), 4) == -0.0148
    assert not found.alike


def test_many_graded_scores_have_the_t_interval_and_few_the_bootstrap() -> None:
    values = np.random.default_rng(0).uniform(-0.5, 0.5, 600)
    assert paired_interval(values, range(600), alpha=0.05).method == "t"
    assert paired_interval(values[:499], range(499), alpha=0.05).method == "bootstrap-t"
    assert paired_interval(values, np.arange(600) // 20, alpha=0.05).method == "bootstrap-t"


def test_where_nothing_differs_three_in_n_may_be_worse_unseen() -> None:
    found = paired_interval(np.zeros(120), range(120), alpha=0.05)
    assert found.alike
    assert float(found.lower) == pytest.approx(-3 / 120, rel=0.01)
    assert float(found.upper) == pytest.approx(3 / 120, rel=0.01)
    assert found.p_worse == 1.0
    few = paired_interval(np.zeros(120), np.arange(120) // 20, alpha=0.05)
    assert float(few.lower) == pytest.approx(-0.5, rel=0.01)  # six clusters say little


def test_where_every_case_became_wrong_harm_is_sure() -> None:
    found = paired_interval(-np.ones(40), range(40), alpha=0.05)
    assert not found.alike
    assert found.upper < -0.85
    assert found.p_worse == pytest.approx(0.5**40)


def test_one_cluster_says_nothing() -> None:
    for values in ([0.3, 0.4, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        found = paired_interval(values, ["a"] * 3, alpha=0.05)
        assert found.lower == -1.0
        assert found.p_worse == 1.0


def test_copies_of_a_case_are_no_more_evidence() -> None:
    """Each case five times, as one cluster: the interval is about that of the cases once."""
    rng = np.random.default_rng(1)
    for values in (rng.choice([-1.0, 0.0, 0.0, 1.0], 80), rng.uniform(-0.5, 0.4, 80)):
        once = paired_interval(values, range(80), alpha=0.05)
        copied = paired_interval(np.repeat(values, 5), np.repeat(np.arange(80), 5), alpha=0.05)
        naive = paired_interval(np.repeat(values, 5), range(400), alpha=0.05)
        assert float(copied.lower) == pytest.approx(float(once.lower), abs=0.01)
        assert naive.upper - naive.lower < 0.6 * (copied.upper - copied.lower)


def test_power_in_numbers() -> None:
    """120 cases with a spread of .31 show a drop of 7 points; 3 points take about 660 cases."""
    drop = smallest_drop(0.31 / 120**0.5, alpha=0.05, clusters=120)
    assert drop == pytest.approx(0.0704, abs=1e-4)
    assert cases_needed(drop, 120, 0.03) == pytest.approx(660, abs=2)
    assert smallest_drop(0.0, alpha=0.05, clusters=100) == pytest.approx(0.03, abs=1e-4)


def test_the_smallest_drop_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(6)
    drop = smallest_drop(0.3 / 200**0.5, alpha=0.05, clusters=200)
    values = np.clip(rng.normal(-drop, 0.3, (2_000, 200)), -1, 1)
    found = paired_interval(values, range(200), alpha=0.05)
    assert (found.p_worse <= 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_flicker_is_the_variance_that_more_repeats_take_away() -> None:
    rng = np.random.default_rng(7)
    level = rng.normal(0, 0.1, (20_000, 1))  # between cases: .01; within: twice .02 / 2 repeats
    new, old = (0.5 + level * side + rng.normal(0, 0.02**0.5, (20_000, 2)) for side in (1.0, 0.0))
    assert flicker_share(new, old) == pytest.approx(0.02 / 0.03, abs=0.02)
    assert flicker_share(new[:, :1], old[:, :1]) is None
    assert flicker_share(np.ones((5, 2)), np.ones((5, 2))) is None


def test_repeats_that_are_missing_do_not_count() -> None:
    new = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 0.0], [0.0, 1.0]])
    old = np.array([[1.0], [0.0], [1.0], [0.0]])
    share = flicker_share(new, old)
    assert share is not None
    assert 0.0 < share <= 1.0


@pytest.mark.parametrize("values", [[1.0, 0.0, 0.0, 1.0], [0.5, 0.1, 0.1, 0.5], [-1.0, 0.0, 0.0, -1.0]])
def test_clusters_that_are_alike_by_chance_do_not_make_it_sure(values: list[float]) -> None:
    found = paired_interval(values, ["a", "a", "b", "b"], alpha=0.05)
    assert found.se > 0
    assert found.upper - found.lower > 0.9
    assert found.p_worse > 0.05
