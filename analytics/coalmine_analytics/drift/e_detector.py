"""Evidence for a lasting shift: a Shiryaev-Roberts e-detector, a sum of e-processes from each bucket on."""

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import invalid

CLIP = 2.0
"""A bucket counts as at most this many standard deviations: one wild hour is not drift."""
LARGEST_BET = 1.0
"""In standard deviations of a bucket. With `CLIP` a bucket adds at most 1.5 to the logarithm."""
SIZES = (0.5, 1.0, 2.0, 4.0)
"""Shifts bet on, in units of the smallest one that matters."""


def log_evidence(
    deviation: FloatArray, sigma: FloatArray, *, tolerance: FloatArray | float, size: FloatArray | float
) -> FloatArray:
    """Logarithm of the evidence, after each bucket, that a shift began at some bucket before.

    M(t) is the sum over all buckets k <= t of an e-process that begins at k: the product over k..t of
    exp(b z - b^2 / 2), averaged over bets b (shifts of several sizes) and both directions. While nothing has
    changed each e-process has mean at most 1, so M(t) - t is a supermartingale, and the expected number of
    buckets until M first reaches A is at least A. That is a theorem if, given the past, each clipped
    z = (deviation -+ tolerance) / sigma is sub-Gaussian with variance at most 1 and no mean in the bet's
    direction. `reference` is there to make it so and simulated seasons check it: a calibrated heuristic.

    Args:
        deviation: Of a bucket from what the reference would give, shape (..., T), oldest first. NaN: no data,
            which adds nothing.
        sigma: Its standard deviation while nothing has changed, same shape.
        tolerance: A shift up to this size either way is not drift, shape (...,), same unit.
        size: The smallest shift that matters, shape (...,), same unit, > 0.

    Returns:
        Shape (..., 2, T): evidence for an upward and for a downward shift; M is the sum of both.

    Raises:
        InvalidParameter: A size that is not positive, or a negative tolerance.

    References:
        Shin, Ramdas, Rinaldo, E-detectors: a nonparametric framework for sequential change detection,
        arXiv:2203.03532 as of October 2023: e-detectors of the Shiryaev-Roberts kind, their average run
        length, and their mixtures.
    """
    smallest, allowed = np.asarray(size, np.float64), np.asarray(tolerance, np.float64)
    if not (smallest > 0).all():
        raise invalid("size", size, "give the smallest shift that matters, > 0")
    if not (allowed >= 0).all():
        raise invalid("tolerance", tolerance, "give the largest shift that is not drift, >= 0")
    known = np.isfinite(deviation) & np.isfinite(sigma)
    scale = np.where(known, sigma, 1.0)
    d = np.where(known, deviation, 0.0)
    signed = np.stack([d, -d], axis=-2) - allowed[..., None, None]
    z = np.clip(signed / scale[..., None, :], -CLIP, CLIP)  # (..., 2, T)
    shifts = smallest[..., None] * np.array(SIZES)  # (..., J)
    bet = np.minimum(shifts[..., None, :, None] / scale[..., None, None, :], LARGEST_BET)  # (..., 1, J, T)
    gain = np.where(known[..., None, None, :], bet * z[..., None, :] - 0.5 * np.square(bet), 0.0)
    total = np.cumsum(gain, axis=-1)
    # sum over k of exp(total(t) - total(k-1)), as logarithms; a bucket without data starts no e-process.
    start = np.where(known[..., None, None, :], gain - total, -np.inf)
    log_sum = total + np.logaddexp.accumulate(start, axis=-1)
    top = log_sum.max(axis=-2, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        mixed = top[..., 0, :] + np.log(np.exp(log_sum - top).sum(axis=-2)) - np.log(2.0 * len(SIZES))
    return np.asarray(mixed)
