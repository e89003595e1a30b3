"""Summaries of scores."""

import numpy as np
import pytest

from coalmine_evals.scorers.summary import summary_of

NAN = float("nan")


def test_a_case_counts_once_however_many_repeats_have_a_score() -> None:
    found = summary_of("right", np.array([[1.0, 0.0], [1.0, NAN], [NAN, NAN]]))
    assert found.mean == 0.75
    assert found.sd == pytest.approx(0.5 / 2**0.5)
    assert (found.minimum, found.maximum, found.count, found.unscored) == (0.0, 1.0, 3, 3)


def test_nothing_scored_has_no_mean_and_one_case_no_spread() -> None:
    nothing = summary_of("right", np.full((2, 1), NAN))
    assert (nothing.mean, nothing.sd, nothing.minimum, nothing.maximum) == (None, None, None, None)
    assert (nothing.count, nothing.unscored) == (0, 2)
    assert summary_of("right", np.empty((0, 3))).mean is None
    one = summary_of("right", np.array([[0.5]]))
    assert (one.mean, one.sd) == (0.5, None)
