"""Strata of one comparison, such as allocation epochs: compared each by itself, then combined, never pooled.

While a ramp goes from 5 to 50 per cent and the base rate drifts, pooled sums compare different times: every
such comparison ends in a false alarm (Simpson's paradox). Within an epoch the split is constant. Nor are the
strata independent: the same users are in most of them, so the covariance of their groups is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, Index, IntArray
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import ArmRatio, arm_ratio

Sums = Sequence[FloatArray] | FloatArray
"""Sums of units' groups of M comparisons, each of shape (S, A, K): S strata, A arms, K groups."""

_BLOCK_ROWS = 512
"""Strata of arms handled together, which stay in the processor's cache: 1 MiB per array of 256 groups."""


@dataclass(frozen=True, eq=False)  # without slots, for what is kept once it was asked for
class Contrast:
    """Two arms over S strata, to be compared as R_T - factor R_C."""

    treatment: ArmRatio
    """Fields of shape (..., S)."""
    control: ArmRatio
    """Fields of shape (..., S)."""
    weight: FloatArray
    """Of the strata, shape (..., S), sum 1; 0 leaves one out, and all 0: there is nothing to compare."""
    shared: FloatArray
    """Covariances of treatment with itself, with control, and of control with itself, from units that are in
    several strata: of the weighted ratios, shape (..., 3)."""
    groups: FloatArray
    """Unit groups with a value in any stratum, shape (...)."""

    @cached_property
    def ratios(self) -> tuple[FloatArray, FloatArray]:
        """The weighted ratios of treatment and control, shape (...); NaN where nothing is to be compared."""
        known = self.weight.any(axis=-1)
        treatment, control = (
            np.where(known, np.where(self.weight > 0, self.weight * arm.ratio, 0.0).sum(axis=-1), np.nan)
            for arm in (self.treatment, self.control)
        )
        return treatment, control

    @cached_property
    def difference(self) -> Effect:
        """Treatment minus control."""
        return self.effect(1.0)

    def at(self, index: Index) -> "Contrast":
        """The comparisons at an index of numpy's."""
        arms = self.treatment.at(index), self.control.at(index)
        found = Contrast(*arms, self.weight[index], self.shared[index], self.groups[index])
        if "ratios" in self.__dict__:  # need not be computed again
            found.__dict__["ratios"] = tuple(ratio[index] for ratio in self.ratios)
        return found

    def effect(self, factor: FloatArray | float) -> Effect:
        """R_T - factor R_C, with the larger of the strata's variances and what their groups share on top.

        Args:
            factor: Of control; broadcasts to (...).

        Returns:
            Fields of shape (...); NaN where there is nothing to compare.

        References:
            Satterthwaite, Biometrics 2 (1946), for the degrees of freedom of a sum of variances; with several
            strata they are at most the number of groups less one.
        """
        times = np.asarray(factor, np.float64)
        each = difference(self.treatment, self.control.scaled(times[..., None]))
        counts = self.weight > 0
        variance = np.where(counts, np.square(self.weight * each.standard_error), 0.0)
        independent = variance.sum(axis=-1)
        df_each = np.where(counts, each.degrees_of_freedom, 1.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            df = np.square(independent) / (np.square(variance) / df_each).sum(axis=-1)
        df = np.where(independent > 0, df, np.where(counts, df_each, 0.0).sum(axis=-1))
        df = np.where(counts.sum(axis=-1) > 1, np.minimum(df, self.groups - 1.0), df)
        estimate = np.where(counts, self.weight * each.estimate, 0.0).sum(axis=-1)
        squared = independent + np.maximum((self.shared * _products(times)).sum(axis=-1), 0.0)
        known = counts.any(axis=-1)
        return Effect(np.where(known, estimate, np.nan), np.where(known, np.sqrt(squared), np.nan), df)

    def variance_parts(self, factor: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The p, h and q, shape (...), of the squared standard error p - 2 h factor + q factor^2."""
        treatment, control = self.treatment, self.control
        v_t, v_c = treatment.variance, control.variance
        square = np.square(factor)[..., None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pooling = (1.0 / treatment.sum_x + 1.0 / control.sum_x) / (treatment.sum_x + control.sum_x)
            pooled_t, pooled_c = pooling * treatment.residual_ss, pooling * control.residual_ss
            pooled = pooled_t + square * pooled_c > v_t + square * v_c
            squared = np.square(self.weight)
            counts = self.weight > 0
            p = np.where(counts, squared * np.where(pooled, pooled_t, v_t), 0.0).sum(axis=-1)
            q = np.where(counts, squared * np.where(pooled, pooled_c, v_c), 0.0).sum(axis=-1)
            counted = (self.shared * _products(factor)).sum(axis=-1) > 0
        tt, tc, cc = (np.where(counted, self.shared[..., part], 0.0) for part in range(3))
        return p + tt, tc, q + cc


def _products(factor: FloatArray) -> FloatArray:
    """What the covariances are multiplied with, shape (..., 3)."""
    return np.stack([np.ones_like(factor), -2.0 * factor, np.square(factor)], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Stratified:
    """Two arms over S strata whose weights are not chosen yet."""

    treatment: ArmRatio
    """Fields of shape (..., S)."""
    control: ArmRatio
    """Fields of shape (..., S)."""
    covariance: FloatArray
    """Of treatment with itself, with control, and of control with itself, between the strata, from the unit
    groups in common: shape (..., 3, S, S)."""
    groups: FloatArray
    """Unit groups with a value in any stratum, shape (...)."""
    y: Sums
    """Numerators it was made of."""
    x: Sums
    """Denominators."""
    arms: tuple[int, ...]
    """Where the treatments stand in these, T of them, and then control."""

    def at(self, index: Index) -> "Stratified":
        """The comparisons at an index of numpy's; the sums stay those of all."""
        return replace(
            self,
            treatment=self.treatment.at(index),
            control=self.control.at(index),
            covariance=self.covariance[index],
            groups=self.groups[index],
        )

    def contrast(self, weight: FloatArray) -> Contrast:
        """The strata combined by weights of shape (..., S), which are scaled to sum to 1."""
        total = weight.sum(axis=-1, keepdims=True)
        share = np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0)
        between = np.einsum("...s,...pst,...t->...p", share, self.covariance, share)
        return Contrast(self.treatment, self.control, share, between, self.groups)

    def begun_with_each(self, weight: FloatArray) -> Contrast:
        """The contrasts of the strata from the first, from the second on, and so forth: shape (..., S)."""
        apart = (..., None, slice(None))
        since = np.triu(np.ones((weight.shape[-1],) * 2))
        beside = replace(
            self,
            treatment=self.treatment.at(apart),
            control=self.control.at(apart),
            covariance=self.covariance[..., None, :, :, :],
            groups=self.groups[..., None],
        )
        return beside.contrast(weight[..., None, :] * since)

    def weights(self, enough: BoolArray, rate: BoolArray) -> FloatArray:
        """Weights of the strata, by inverse variance, or by size where there is no variance to go by.

        The variance of a rate is least where luck has it low, so a weight taken from it pulls towards 0, and
        a stratum without any event would have none. Rates are therefore weighted by size.

        Args:
            enough: Shape (..., S); False leaves a stratum out.
            rate: Where each value is 0 or 1; broadcasts to (...).

        Returns:
            Shape (..., S), not scaled; 0 where a stratum is left out.

        References:
            Cochran, Biometrics 10 (1954), for inverse variances; Mantel and Haenszel, JNCI 22 (1959).
        """
        each = difference(self.treatment, self.control)
        included = enough & each.usable
        precision = np.zeros(included.shape)
        np.divide(1.0, np.square(each.standard_error), out=precision, where=included)
        included = enough & (each.usable | each.identical)
        t, c = self.treatment.sum_x, self.control.sum_x
        size = np.divide(t * c, t + c, out=np.zeros(included.shape), where=included)
        return np.where(rate[..., None] | ~precision.any(axis=-1, keepdims=True), size, precision)


def one_stratum(treatment: ArmRatio, control: ArmRatio) -> Contrast:
    """Two arms that are compared as they are, fields of shape (...)."""
    shape = treatment.ratio.shape
    alone = (..., None)
    nothing = np.zeros((*shape, 3))
    return Contrast(treatment.at(alone), control.at(alone), np.ones((*shape, 1)), nothing, treatment.clusters)


def side_by_side(y: Sums, x: Sums, control: int, arms: Sequence[int]) -> Stratified:
    """Some arms beside control.

    Args:
        y: Numerators of M comparisons, each of shape (S, A, K): S strata, A arms, K groups of units.
        x: Denominators, same shape.
        control: Index of the control arm.
        arms: Indexes of the T others.

    Returns:
        Fields of shape (M, T, ...).
    """
    strata, count, size = y[0].shape
    others, same = list(arms), [control] * len(arms)
    ratios, groups = np.empty((4, len(y), strata, count)), np.empty((len(y), len(others)))
    covariance = np.zeros((len(y), len(others), 3, strata, strata))
    step = min(max(1, _BLOCK_ROWS // (strata * count)), len(y))
    block = np.empty((3, step, strata, count, size))  # memory that is asked for again and again costs more
    for start in range(0, len(y), step):
        some = slice(start, start + step)
        residual, *spare = block[:, : len(y[some])]
        ys, xs = _in_one(y[some], spare[0]), _in_one(x[some], spare[1])
        ratio = arm_ratio(ys, xs, residual=residual)
        ratios[:, some] = ratio.fields
        if ratio.clusters.min(initial=size) < size:
            present = np.asarray((xs > 0).any(axis=1))  # (M, A, K)
            groups[some] = (present[:, others] | present[:, same]).sum(axis=-1)
            in_any = present.any(axis=1).sum(axis=-1)
        else:
            groups[some], in_any = size, np.full(len(ys), size)
        if strata > 1:
            own, beside = _shared_covariance(residual, ratio, in_any, control)
            covariance[some, :, 0], covariance[some, :, 1] = own[:, others], beside[:, others]
            covariance[some, :, 2] = own[:, same]
    treatment, baseline = (ArmRatio(*ratios[..., chosen].swapaxes(2, 3)) for chosen in (others, same))
    return Stratified(treatment, baseline, covariance, groups, y, x, (*arms, control))


def _in_one(sums: Sums, spare: FloatArray) -> FloatArray:
    return sums if isinstance(sums, np.ndarray) else np.stack(sums, out=spare)


def _shared_covariance(
    residual: FloatArray, arms: ArmRatio, groups: IntArray, control: int
) -> tuple[FloatArray, FloatArray]:
    """Covariances between the ratios of different strata, from the unit groups they have in common.

    Args:
        residual: Of each group, shape (M, S, A, K): S strata, A arms, K groups.
        arms: Their ratios, fields of shape (M, S, A).
        groups: Those with a value in any stratum and arm, shape (M,).
        control: Index of the control arm.

    Returns:
        Of each arm with itself and with control, shape (M, A, S, S); 0 within a stratum: there no unit is in
        two arms, and `ArmRatio.variance` is that of one arm.
    """
    known = arms.sum_x > 0
    if not known.all():
        residual[~known] = 0.0
    inverse = np.divide(1.0, arms.sum_x, out=np.zeros(known.shape), where=known).swapaxes(1, 2)  # (M, A, S)
    along = residual.swapaxes(1, 2)  # (M, A, S, K)
    across = along.swapaxes(-1, -2)
    own, beside = along @ across, along @ across[:, control, None]
    n = groups[:, None, None, None]
    within = np.arange(residual.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = n / (n - 1.0) * inverse[..., None]
        own *= scale * inverse[..., None, :]
        beside *= scale * inverse[:, control, None, None, :]
    own[..., within, within] = beside[..., within, within] = 0.0
    return own, beside
