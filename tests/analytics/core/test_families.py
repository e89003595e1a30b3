"""Several looks, several hypotheses."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_analytics.core.holm import holm
from coalmine_analytics.core.running_p import continue_p, running_p
from coalmine_schemas.errors import InvalidParameter
from tests.support.campaign import size
from tests.support.later import later

if TYPE_CHECKING:
    from statsmodels.stats import multitest
else:
    multitest = later("statsmodels.stats.multitest")

ps = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=size(5, 20))  # statsmodels collects garbage at each call, which costs half a second
@given(ps)
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], rtol=1e-12)


@given(ps, st.data())
def test_holm_rises_with_every_p(p: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(p) - 1))
    larger = [*p[:at], data.draw(st.floats(p[at], 1)), *p[at + 1 :]]
    assert (holm(larger) >= holm(p)).all()
    assert (holm(p) >= p).all()


def test_a_hypothesis_without_a_look_still_counts_for_the_family() -> None:
    adjusted = holm([0.01, np.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.03)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.08)
    by_column = holm(np.array([[0.01, 0.5], [0.04, 0.5]]), axis=0)
    np.testing.assert_allclose(by_column, [[0.02, 1.0], [0.04, 1.0]])
    with pytest.raises(InvalidParameter, match="between 0 and 1"):
        holm([1.5])


@given(st.lists(st.floats(-5, 30) | st.just(np.nan), min_size=1, max_size=20))
def test_the_running_p_only_falls_and_can_be_continued(log_e: list[float]) -> None:
    p = running_p(log_e)
    known = p[~np.isnan(p)]
    assert (np.diff(known) <= 0).all()
    assert (known <= 1).all()
    step: np.ndarray = np.array(np.nan)
    for look, value in enumerate(log_e):
        step = continue_p(step, value)
        np.testing.assert_equal(step, p[look])


def test_no_look_yet_is_no_p_value_rather_than_1() -> None:
    p = running_p([np.nan, np.nan, -1.0, 3.0])
    assert np.isnan(p[:2]).all()
    assert p[2] == 1.0
    assert p[3] == pytest.approx(np.exp(-3.0))


def test_a_decision_latches_at_the_first_crossing() -> None:
    log_e = np.array([[np.nan, 0.0, 4.0, 1.0], [0.0, 1.0, 2.0, 2.9]])
    crossed = running_p(log_e) <= 0.05
    assert np.where(crossed.any(axis=-1), crossed.argmax(axis=-1), -1).tolist() == [2, -1]
    assert crossed[0, 2:].all()
