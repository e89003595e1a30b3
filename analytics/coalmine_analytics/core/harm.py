"""Evidence that the treatment is worse by more than a tolerance: what a rollback needs."""

import math

import numpy as np

from coalmine_analytics.arrays import FloatArray, IndexArray
from coalmine_analytics.core.contrast import Contrast, Stratified, side_by_side
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.worsening import Worsening


def lasting_harm_log_e(
    strata: Stratified, weight: FloatArray, tolerance: Worsening, *, mde: FloatArray
) -> FloatArray:
    """Evidence of harm that finds late harm soon, and that does not rest on one unit.

    One e-process forgets slowly: a long good past dilutes harm that begins late. So another one is begun with
    each stratum, and the k-th to be born has a weight of 1/(k (k+1)); those not yet born count 1. A weighted
    mean of e-processes is one, whatever the borders depend on, as the weights go by the order of birth.

    Nor may one unit decide: the evidence is what is left without the group of units that adds most to it.

    Args:
        strata: In the order of time, fields of shape (M, T, S).
        weight: As for `Stratified.contrast`.
        tolerance: Worsening that is still accepted, shape (M, 1).
        mde: As for `log_e_value`, shape (M, T).

    Returns:
        log E, shape (M, T); NaN where the arms cannot be compared.
    """
    found, begun = _mixed(strata, weight, tolerance, mde)
    rows, columns = np.nonzero(found > 0)  # elsewhere p is 1 already
    if rows.size:
        least = _without_one_group(strata, weight, tolerance, mde, (rows, columns), begun[rows, columns])
        found[rows, columns] = np.minimum(found[rows, columns], least)
    return found


def mixed_log_e(each: FloatArray) -> FloatArray:
    """Logarithm of the mixture over e-processes begun one after the other.

    Args:
        each: Their log E in the order of birth, shape (..., K); NaN for one without a look yet counts as 0.

    Returns:
        Shape (...); NaN where none has had a look.

    References:
        Shin, Ramdas and Rinaldo, arXiv:2203.03532v3, section 2: e-detectors, here with weights that sum to 1.
    """
    born = np.arange(1, each.shape[-1] + 1)
    unborn = np.full((*each.shape[:-1], 1), -math.log(len(born) + 1.0))
    weighted = np.concatenate([np.where(np.isnan(each), 0.0, each) - np.log(born * (born + 1.0)), unborn], -1)
    total = np.logaddexp.reduce(weighted, axis=-1)
    return np.where(np.isnan(each).all(axis=-1), np.nan, total)


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
    found = _beyond(tolerance.room(contrast, tolerance.side), mde)
    if (rows := tolerance.rows_of_both(len(found))).size:
        mine, some = tolerance.of_rows(rows), contrast.at(rows)
        other = _beyond(mine.room(some, -mine.side), np.broadcast_to(mde, found.shape)[rows])
        with np.errstate(invalid="ignore"):  # NaN where there is no look
            each = np.logaddexp(found[rows], other) - math.log(2.0)
        found[rows] = np.where(mine.both, each, found[rows])
    return found


def _beyond(room: Effect, mde: FloatArray | float) -> FloatArray:
    log_e = log_e_value(room, mde=mde, alternative="less")
    certain = (room.standard_error == 0) & (room.degrees_of_freedom > 0)
    return np.where(certain, 0.0, log_e)  # one value in both arms


def _mixed(
    strata: Stratified, weight: FloatArray, tolerance: Worsening, mde: FloatArray
) -> tuple[FloatArray, IndexArray]:
    """The mixture over e-processes begun with each stratum, and which of them has the most evidence."""
    each = harm_log_e(strata.begun_with_each(weight), tolerance.at((..., None)), mde=mde[..., None])
    largest = np.where(np.isnan(each), -np.inf, each).argmax(axis=-1)
    return mixed_log_e(each), largest


def _without_one_group(  # noqa: PLR0917 - of those harmed, and which
    strata: Stratified,
    weight: FloatArray,
    tolerance: Worsening,
    mde: FloatArray,
    at: tuple[IndexArray, IndexArray],
    begun: IndexArray,
) -> FloatArray:
    """Some comparisons, N of them, each without the group of units whose removal lowers the evidence most."""
    rows, columns = at
    *others, control = strata.arms
    y, x = np.empty((2, len(rows), *strata.y[0][:, :2].shape))
    for pairs, sums in ((y, strata.y), (x, strata.x)):
        for pair, row, column in zip(pairs, rows, columns, strict=True):
            pair[:, 0], pair[:, 1] = sums[row][:, control], sums[row][:, others[column]]
    mine = tolerance.at(rows)
    since = np.arange(weight.shape[-1]) >= begun[:, None]
    group = _most_influential(y, x, strata.at(at).contrast(weight[at] * since), mine.at((slice(None), 0)))
    y[np.arange(len(y)), ..., group] = x[np.arange(len(x)), ..., group] = 0.0
    found, _ = _mixed(side_by_side(y, x, 0, (1,)), weight[at][:, None], mine, mde[at][:, None])
    return np.nan_to_num(found[:, 0], nan=0.0)  # nothing is left to compare


def _most_influential(y: FloatArray, x: FloatArray, contrast: Contrast, tolerance: Worsening) -> IndexArray:
    """The group without which the room below the tolerance is largest, in standard errors; shape (N,)."""
    side = np.where(tolerance.both, -np.sign(contrast.difference.estimate), tolerance.side)
    room = tolerance.room(contrast, side)
    # (N, S, 2): side times weight for the treatment, minus that times the factor for control
    share = side[..., None] * contrast.weight
    signed = np.stack([-share * tolerance.factor(contrast, side)[..., None], share], axis=-1)
    arms = contrast.control, contrast.treatment
    ratio, total = (np.stack([getattr(arm, name) for arm in arms], axis=-1) for name in ("ratio", "sum_x"))
    # Lines of (N, 2 S, K)
    y, x = (sums.reshape(len(sums), -1, sums.shape[-1]) for sums in (y, x))
    signed, ratio, total = (each.reshape(len(each), -1) for each in (signed, ratio, total))
    counts = signed != 0
    of_total = np.divide(signed, total, out=np.zeros(signed.shape), where=counts)
    moved, own = np.empty((2, len(y), y.shape[-1]))
    residual, left = np.empty((2, *y.shape[1:]))
    for at in range(len(y)):  # one after the other, as its groups stay in the processor's cache
        with np.errstate(divide="ignore", invalid="ignore"):
            np.subtract(y[at], np.multiply(x[at], ratio[at, :, None], out=residual), out=residual)
            np.subtract(total[at, :, None], x[at], out=left)
            residual[~counts[at]], left[~counts[at]] = 0.0, 1.0
            own[at] = of_total[at] @ residual
            moved[at] = -(signed[at] @ np.divide(residual, left, out=residual))
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.square(room.standard_error)[:, None] - np.square(own)
        z = (room.estimate[:, None] + moved) / np.sqrt(np.maximum(squared, 1e-6 * np.square(own)))
    return np.asarray(np.where(np.isnan(z), np.inf, z).argmax(axis=-1))
