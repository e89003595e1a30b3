"""McNemar's exact test: of the cases that differ, do as many become better as worse?"""

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from coalmine_analytics.arrays import FloatArray


def mcnemar(better: npt.ArrayLike, worse: npt.ArrayLike) -> FloatArray:
    """Two-sided p-value of "as many become better as worse", exact given how many differ.

    Assumes independent cases. 1 where none differs.

    Args:
        better: Cases that became right, any shape.
        worse: Cases that became wrong, the same shape.

    References:
        Q. McNemar, Psychometrika 12 (1947).
    """
    fewer = np.minimum(better, worse)
    return np.minimum(2.0 * _at_most(fewer, np.add(better, worse)), 1.0)


def mcnemar_worse(better: npt.ArrayLike, worse: npt.ArrayLike) -> FloatArray:
    """The same, one-sided: p-value of "no more become worse than better"."""
    return _at_most(np.asarray(better), np.add(better, worse))


def _at_most(successes: npt.NDArray[np.generic], trials: npt.NDArray[np.generic]) -> FloatArray:
    return np.asarray(bdtr(successes.astype(np.float64), trials.astype(np.int64), 0.5), dtype=np.float64)
