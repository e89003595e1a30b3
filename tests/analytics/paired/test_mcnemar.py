import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as independent

from coalmine_analytics.paired import mcnemar, mcnemar_worse


@pytest.mark.parametrize(
    ("better", "worse"),
    [(0, 0), (0, 1), (0, 5), (5, 0), (3, 3), (4, 9), (152, 209), (306, 79), (1_000, 1_100)],
)
def test_the_exact_test_agrees_with_statsmodels(better: int, worse: int) -> None:
    expected = independent([[7, better], [worse, 11]], exact=True).pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-12)


def test_the_published_comparison_of_two_models() -> None:
    """1,319 questions, of which 152 became right and 209 wrong."""
    assert round(float(mcnemar(152, 209)), 4) == 0.0032


def test_one_side_counts_what_became_worse() -> None:
    assert mcnemar_worse(0, 5) == pytest.approx(1 / 32)
    assert mcnemar_worse(5, 0) == pytest.approx(1.0)
    assert mcnemar_worse(0, 0) == 1.0
    np.testing.assert_allclose(mcnemar_worse([0, 2], [5, 1]), [1 / 32, 7 / 8])
