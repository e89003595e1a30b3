"""One look: for each comparison an estimate, or the statement that it is too early for one."""

import numpy as np
import numpy.typing as npt

from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.ratio import FloatArray
from coalmine_analytics.sample_size import MIN_UNITS, Estimate, NotEnoughData


def look(
    effect: Effect,
    units_treatment: npt.ArrayLike,
    units_control: npt.ArrayLike,
    *,
    mde: FloatArray | float,
    alpha: float = 0.05,
    min_units: int = MIN_UNITS,
) -> list[Estimate | NotEnoughData]:
    """Two-sided estimates of effects against no effect, each with an interval that holds at every look.

    Args:
        effect: Differences, fields of shape (N,).
        units_treatment: Units in the arm under test, shape (N,) or a number: exact units, not groups.
        units_control: Units in the other.
        mde: As for `log_e_value`.
        alpha: In (0, 1).
        min_units: No estimate before so many units in each arm.

    Returns:
        N results, in order.

    Raises:
        InvalidParameter: alpha or mde out of range.
    """
    shape = effect.estimate.shape
    n_t = np.broadcast_to(np.asarray(units_treatment, np.int64), shape)
    n_c = np.broadcast_to(np.asarray(units_control, np.int64), shape)
    log_e = log_e_value(effect, mde=mde)
    lower, upper = confidence_sequence(effect, mde=mde, alpha=alpha)
    enough = effect.usable & (np.minimum(n_t, n_c) >= min_units)
    fields = (effect.estimate, lower, upper, effect.standard_error, effect.degrees_of_freedom, log_e)
    return [
        Estimate(*values) if usable else NotEnoughData(treatment, control, min_units)
        for usable, treatment, control, *values in zip(
            enough.tolist(), n_t.tolist(), n_c.tolist(), *(field.tolist() for field in fields), strict=True
        )
    ]
