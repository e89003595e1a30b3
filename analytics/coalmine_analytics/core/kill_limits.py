"""Kill limits: a share of bad units that no comparison is needed to condemn."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln, xlog1py, xlogy

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.core.harm import mixed_log_e
from coalmine_analytics.errors import invalid

LEAST_UNITS = 3
"""Bad units without which none is: a client that retries must not stop a rollout alone."""
_OF_BOTH = 20.0
"""From this e-value of control on, an outage of both arms is taken to be the cause."""


def limit_log_e(bad: npt.ArrayLike, units: npt.ArrayLike, limit: npt.ArrayLike) -> FloatArray:
    """Natural logarithm of the e-value against "at most `limit` of the units are bad", valid at every look.

    A likelihood ratio of a mixture, uniform over the shares above the limit, against the limit. Exact if
    units are independent; each counts once. As the ratio is convex in each unit's outcome, a unit may also
    count in part, with the share of its requests that are bad.

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


@dataclass(frozen=True, slots=True, eq=False)
class LimitEvidence:
    """Of limits and arms; fields of shape (...)."""

    log_e: FloatArray
    """Against "at most so many", without times at which control was above the limit, too."""
    hit: IntArray
    """Groups of units that had something bad."""

    def broken(self, budget: float, tests: int) -> BoolArray:
        """Where a limit is broken.

        Args:
            budget: Chance that any of them ever is, if none is exceeded.
            tests: Limits times arms that are watched.
        """
        return np.asarray((self.log_e >= math.log(tests / budget)) & (self.hit >= LEAST_UNITS))


def limit_evidence(
    treatment: tuple[FloatArray, FloatArray], control: tuple[FloatArray, FloatArray], limit: npt.ArrayLike
) -> LimitEvidence:
    """Evidence that an arm is above a limit and control is not, looked for anew from each stratum on.

    A group of units counts once, with the share of its values that are bad: a unit that tries again and
    again is still one. With more units than groups that asks for more than units would.

    What breaks control as well is an outage, not the version's doing, and no evidence. It counts for the
    time from a stratum on, so that an outage long ago does not excuse what comes later.

    Args:
        treatment: Bad values and all values, shape (..., S, K): S strata in the order of time, K groups.
        control: Likewise.
        limit: The share that is allowed, in (0, 1); broadcasts to (...).

    Returns:
        Fields of shape (...); log E is 0 without any value.
    """
    each, of_control = (_since_each(*arm, limit) for arm in (treatment, control))
    alone = np.where(of_control >= math.log(_OF_BOTH), np.minimum(each, 0.0), each)
    return LimitEvidence(mixed_log_e(alone), (treatment[0] > 0).any(axis=-2).sum(axis=-1))


def _since_each(bad: FloatArray, values: FloatArray, limit: npt.ArrayLike) -> FloatArray:
    """Evidence of the strata from the first, from the second on, and so forth: shape (..., S)."""
    y, x = (np.flip(np.flip(sums, -2).cumsum(axis=-2), -2) for sums in (bad, values))
    share = np.divide(y, x, out=np.zeros(x.shape), where=x > 0)
    units = (x > 0).sum(axis=-1)
    counted = np.clip(np.clip(share, 0.0, 1.0).sum(axis=-1), 0.0, units)
    return limit_log_e(counted, units, np.asarray(limit, np.float64)[..., None])
