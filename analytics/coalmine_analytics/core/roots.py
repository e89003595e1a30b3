"""Roots of many rising functions at once."""

from collections.abc import Callable
from typing import Final

import numpy as np

from coalmine_analytics.arrays import FloatArray

_STEPS: Final = 60
"""At most so many steps; about eight suffice."""


def rising_root(
    excess: Callable[[FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
    *,
    f_high: FloatArray,
    enough: float,
    within: float = 0.0,
) -> FloatArray:
    """Where `excess` becomes positive, each between its own bounds; the end from above, never below the root.

    Args:
        excess: Of an array of shape (...), each element by itself; rising.
        low: The lower bounds, shape (...); returned where there it is positive already.
        high: The upper ones; returned where even there it is negative.
        f_high: Of `high`.
        enough: An excess that is 0.
        within: A distance of the bounds from each other that is 0.

    References:
        False position with the Illinois rule (Dowell and Jarratt, BIT 11, 1971): it keeps the bracket and
        needs no derivative.
    """
    f_low = excess(low)
    high = np.where(f_low >= 0, low, high)
    unreachable = f_high < 0
    was_above, was_below = np.zeros(high.shape, np.bool_), np.zeros(high.shape, np.bool_)
    for _ in range(_STEPS):
        done = (np.abs(f_high) < enough) | unreachable | (high - low <= np.maximum(within, 4e-16 * high))
        if done.all():
            break
        gap = f_high - f_low
        step = np.clip(np.where(gap > 0, f_high / np.where(gap > 0, gap, 1.0), 0.5), 1e-3, 1.0 - 1e-3)
        middle = np.where(done, high, high - step * (high - low))
        f_middle = excess(middle)
        above = f_middle >= 0
        # An end that stays twice in a row is drawn nearer by half of its excess.
        f_low = np.where(above, np.where(was_above, 0.5, 1.0) * f_low, f_middle)
        low = np.where(above, low, middle)
        f_high = np.where(done, f_high, np.where(above, f_middle, np.where(was_below, 0.5, 1.0) * f_high))
        high = np.where(above, middle, high)
        was_above, was_below = above, ~above
    return high
