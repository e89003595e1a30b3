"""Evidence that the treatment is worse by more than a tolerance: what a rollback needs."""

import math

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.worsening import Worsening


def harm_log_e(contrast: Contrast, tolerance: Worsening, *, mde: FloatArray | float) -> FloatArray:
    """Evidence that the treatment is worse by more than the tolerance.

    Correct over metrics by Holm on the running p. Where any change is harm this is the mean of the e-values
    of both sides, which is an e-value itself. Identical values are no evidence: log E is 0.

    Args:
        contrast: The arms, shape (...).
        tolerance: Worsening that is still accepted; broadcasts.
        mde: As for `log_e_value`.

    Returns:
        log E, shape (...); NaN where the arms cannot be compared.

    Raises:
        InvalidParameter: An mde is not positive and finite.
    """
    side, both = tolerance.side, tolerance.both
    found = _beyond(tolerance.room(contrast, side), mde)
    if both.any():
        other = _beyond(tolerance.room(contrast, -side), mde)
        with np.errstate(invalid="ignore"):  # NaN where there is no look
            found = np.where(both, np.logaddexp(found, other) - math.log(2.0), found)
    return found


def _beyond(room: Effect, mde: FloatArray | float) -> FloatArray:
    log_e = log_e_value(room, mde=mde, alternative="less")
    certain = (room.standard_error == 0) & (room.degrees_of_freedom > 0)
    return np.where(certain, 0.0, log_e)  # one value in both arms
