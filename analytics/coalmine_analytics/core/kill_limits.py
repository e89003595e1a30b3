"""Kill limits: a share of bad units that no comparison is needed to condemn."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln, xlog1py, xlogy

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.errors import invalid

CUT = 1_000.0
"""A limit is broken from an e-value of this times the number of limits: all together err once in so many."""
LEAST_UNITS = 3
"""Bad units without which none is: a client that retries must not stop a rollout alone."""
_OF_BOTH = 20.0
"""From this e-value of control on, an outage of both arms is taken to be the cause."""


def limit_log_e(bad: npt.ArrayLike, units: npt.ArrayLike, limit: npt.ArrayLike) -> FloatArray:
    """Natural logarithm of the e-value against "at most `limit` of the units are bad", valid at every look.

    A likelihood ratio of a mixture, uniform over the shares above the limit, against the limit. Exact if
    units are independent; each counts once.

    Args:
        bad: Bad units, shape (...), 0 to `units`.
        units: Units, same shape.
        limit: The share that is allowed, in (0, 1); broadcasts.

    Returns:
        Shape (...); 0 without any unit.

    Raises:
        InvalidParameter: A count or a limit is out of range.

    References:
        Howard, Ramdas, McAuliffe and Sekhon, arXiv:1810.08240v6, proposition 7: beta-binomial mixtures.
    """
    k, n, p = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in (bad, units, limit)))
    if not np.all((k >= 0) & (k <= n) & np.isfinite(n)):
        raise invalid("bad", np.asarray(bad).tolist(), "give between 0 and as many as there are units")
    if not np.all((p > 0) & (p < 1)):
        raise invalid("limit", np.asarray(limit).tolist(), "give a share between 0 and 1")
    good = n - k
    with np.errstate(divide="ignore"):  # far below the limit nothing of the mixture is left
        above = np.log(betainc(good + 1.0, k + 1.0, 1.0 - p))
    mixture = betaln(k + 1.0, good + 1.0) + above - np.log1p(-p)
    return np.asarray(mixture - xlogy(k, p) - xlog1py(good, -p))


def broken(
    treatment: tuple[npt.ArrayLike, npt.ArrayLike],
    control: tuple[npt.ArrayLike, npt.ArrayLike],
    limit: npt.ArrayLike,
    *,
    limits: int,
) -> BoolArray:
    """Where the treatment breaks a limit and control does not.

    Args:
        treatment: Bad units and units, shape (...).
        control: Likewise.
        limit: As for `limit_log_e`.
        limits: Number of limits that are watched.

    Returns:
        Shape (...).
    """
    alone = limit_log_e(*treatment, limit) >= math.log(CUT * limits)
    both = limit_log_e(*control, limit) >= math.log(_OF_BOTH)
    return np.asarray(alone & (np.asarray(treatment[0]) >= LEAST_UNITS) & ~both)
