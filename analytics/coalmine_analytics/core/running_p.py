"""The running p-value: the evidence of many looks together; decisions on it latch."""

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray


def running_p(log_e: npt.ArrayLike, *, axis: int = -1) -> FloatArray:
    """The least 1/E of all looks so far, at most 1.

    Under the hypothesis P(p ever <= alpha) <= alpha, however often one looks and whenever one stops.

    Args:
        log_e: Logarithms of e-values by look, shape (..., T, ...); NaN where no look was possible.
        axis: The axis of looks, in the order of time.

    Returns:
        Same shape; NaN before the first possible look, never 1 for want of data.

    References:
        Johari et al., arXiv:1512.04922v3, section 3: always-valid p-values.
    """
    best = np.fmax.accumulate(np.asarray(log_e, dtype=np.float64), axis=axis)
    return np.asarray(np.exp(-np.maximum(best, 0.0)))


def continue_p(before: npt.ArrayLike, log_e: npt.ArrayLike) -> FloatArray:
    """The running p after one more look.

    Args:
        before: Running p of the looks until now, shape (...,); NaN if there was none.
        log_e: Logarithm of the e-value at the new look, same shape; NaN if it yields none.

    Returns:
        Same shape; what `running_p` gives for all looks together.
    """
    now = np.exp(-np.maximum(np.asarray(log_e, dtype=np.float64), 0.0))
    return np.asarray(np.fmin(np.asarray(before, dtype=np.float64), now))
