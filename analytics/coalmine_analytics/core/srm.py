"""Sample-ratio mismatch: whether units arrive in the arms in the planned proportions."""

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import invalid

CONCENTRATION = 1000.0
"""How closely the alternatives crowd around the plan: sharpest for shares some per cent off it."""


def srm_log_e(
    units: npt.ArrayLike, weights: npt.ArrayLike, *, concentration: float = CONCENTRATION
) -> FloatArray:
    """Natural logarithm of the e-value against the planned split, valid at every look.

    A Dirichlet-multinomial against the multinomial. Exact, not asymptotic, if the units are assigned
    independently. Count units, never requests. Epochs are independent: add their logarithms (`sum(axis)`).

    Args:
        units: Units seen in each arm, shape (..., A), >= 0.
        weights: Planned proportions, shape (..., A), >= 0, sum > 0; scaled to sum to one.
        concentration: Of the Dirichlet distribution, > 0.

    Returns:
        Shape (...,); infinite when an arm of weight 0 has units; 0 without any unit.

    Raises:
        InvalidParameter: A count or a weight is negative or not finite, or all weights are 0.

    References:
        Lindon and Malek, arXiv:2011.03567v4, section 3.
    """
    n, w = np.broadcast_arrays(np.asarray(units, np.float64), np.asarray(weights, np.float64))
    if not np.all(np.isfinite(n) & (n >= 0)):
        raise invalid("units", np.asarray(units).tolist(), "counts are finite and >= 0")
    if not np.all(np.isfinite(w) & (w >= 0)) or not np.all(w.sum(axis=-1) > 0):
        raise invalid(
            "weights", np.asarray(weights).tolist(), "weights are >= 0, and at least one is above 0"
        )
    if not (np.isfinite(concentration) and concentration > 0):
        raise invalid("concentration", concentration, "give a positive number")
    plan = w / w.sum(axis=-1, keepdims=True)
    prior = concentration * plan
    planned = plan > 0
    safe = np.where(planned, prior, 1.0)
    arms = np.where(planned, gammaln(safe + n) - gammaln(safe) - xlogy(n, np.where(planned, plan, 1.0)), 0.0)
    total = n.sum(axis=-1)
    log_e = arms.sum(axis=-1) + gammaln(concentration) - gammaln(concentration + total)
    impossible = np.any(~planned & (n > 0), axis=-1)
    return np.where(impossible, np.inf, log_e)
