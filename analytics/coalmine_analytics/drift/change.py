"""The change behind a drift: when it began, its size, and how many units share it."""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.drift.e_detector import CLIP
from coalmine_consumers.drift import DaySeries

LIKELIHOOD_DROP = 2.0
"""Beginnings with a log likelihood at most this far below the best remain possible."""
SHARED_Z = 3.0
"""With each part of the unit groups counted as one, a drift must still be this many standard errors."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a shift began, as places of buckets."""

    most_likely: int
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift over some buckets, metric's unit."""

    before: float
    after: float
    lower: float
    upper: float

    @property
    def size(self) -> float:
        """After minus before."""
        return self.after - self.before


def beginning(deviation: FloatArray, sigma: FloatArray, last: int, *, upward: bool) -> Beginning:
    """Estimate when a shift seen in bucket `last` began, by least squares over clipped deviations.

    Args:
        deviation: Of each bucket, shape (T,), NaN without data.
        sigma: Shape (T,).
        last: The last bucket to use.
        upward: Its direction.

    References:
        D. V. Hinkley, Inference about the change-point in a sequence of random variables, Biometrika 57
        (1970): the maximum likelihood estimate for a step from a known level.
    """
    d, s = deviation[: last + 1], sigma[: last + 1]
    known = np.isfinite(d) & np.isfinite(s)
    weight = np.where(known, 1.0 / np.square(np.where(known, s, 1.0)), 0.0)
    clipped = np.where(known, np.clip(d, -CLIP * s, CLIP * s), 0.0) * (1.0 if upward else -1.0)
    from_here = np.cumsum((weight * clipped)[::-1])[::-1]
    information = np.cumsum(weight[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(known & (from_here > 0), np.square(from_here) / (2.0 * information), -np.inf)
    best = int(np.argmax(gain))
    possible = np.flatnonzero(gain >= gain[best] - LIKELIHOOD_DROP)
    return Beginning(best, int(possible[0]), int(possible[-1]))


def shift_of(
    x: FloatArray,
    y: FloatArray,
    expected: FloatArray,
    sigma: FloatArray,
    *,
    standard_error: float,
    size: float,
) -> Shift | None:
    """Return actual and expected values, and a confidence sequence of the difference; None without data.

    Args:
        x: Denominators of the buckets, shape (T,).
        y: Numerators, same shape.
        expected: Values of the reference, same shape; NaN where unknown.
        sigma: Standard deviation of a bucket's ratio, same shape.
        standard_error: Of the whole reference's level.
        size: The smallest shift that matters.
    """
    known = np.isfinite(expected) & np.isfinite(sigma)
    total = float(x[known].sum())
    if not total > 0:
        return None
    before = float((x[known] * expected[known]).sum()) / total
    after = float(y[known].sum()) / total
    variance = float(np.square(x[known] * sigma[known]).sum()) / total**2 + standard_error**2
    one = np.array([1.0])
    effect = Effect(one * (after - before), one * np.sqrt(variance), one * np.inf)
    lower, upper = confidence_sequence(effect, mde=size)
    return Shift(before, after, float(lower[0]), float(upper[0]))


def shared_z(days: DaySeries, window: tuple[int, int], reference: tuple[int, int], *, level: float) -> float:
    """Standardise a shift with each part of the unit groups counted as one over the whole time.

    Many hours of one busy user look like much evidence, but are one user. Each part is compared with itself
    in the reference. While nothing has changed, their sums of y - level * x are independent with mean 0; a
    shift of all users moves them all to one side, a shift of one user only one.

    Args:
        days: Of the metric, in its own unit.
        window: First and last day, since 1970.
        reference: Likewise.
        level: What the reference gives over the window.

    Returns:
        Sum over parts by the root of their squares' sum: at most the root of the number of parts.
    """
    x, y = _part_sums(days, window)
    usual_x, usual_y = _part_sums(days, reference)
    if not usual_x.sum() > 0:
        return 0.0
    usual_level = usual_y.sum() / usual_x.sum()
    own = np.where(usual_x > 0, usual_y / np.where(usual_x > 0, usual_x, 1.0) - usual_level, 0.0)
    residual = y - (level + own) * x
    length = float(np.sqrt(np.square(residual).sum()))
    return float(residual.sum()) / length if length > 0 else 0.0


def _part_sums(days: DaySeries, window: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    chosen = (days.day >= window[0]) & (days.day <= window[1])
    return days.x[chosen].sum(axis=0), days.y[chosen].sum(axis=0)
