"""Methods on trial: ours, and the shortcuts that must be seen to fail. Each gives evidence at every look."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from scipy import stats

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.calibration.traffic import Sums
from coalmine_analytics.core.contrast import Stratified, side_by_side
from coalmine_analytics.core.e_process import Alternative, log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import ArmRatio, arm_ratio
from coalmine_analytics.sample_size import MIN_UNITS

ALPHA = 0.05
"""Of every method."""
REJECTED = -math.log(ALPHA)
"""Log E from which on a hypothesis is rejected."""


_NOT_RATES = np.zeros((1, 1), np.bool_)


class Shortcut(Protocol):
    """A method that must be seen to fail; created for each block of replications."""

    def look(self, sums: Sums) -> FloatArray:
        """Log E against "no effect" of each replication, shape (B,); NaN where there is no look yet."""


MakeShortcut = Callable[[float], Shortcut]
"""From the minimum detectable effect."""


def arms_of(sums: Sums) -> tuple[ArmRatio, ArmRatio]:
    """Treatment and control of each replication."""
    both = arm_ratio(sums.y, sums.x)
    return both.at((..., 1)), both.at((..., 0))


class Engine:
    """Ours: the core statistic on groups of units, by epoch."""

    def __init__(self, mde: float, alternatives: Sequence[Alternative], theta0: float = 0.0) -> None:
        self.mde, self.theta0 = mde, theta0
        self.alternatives = tuple(alternatives)
        self._epochs = Epochs()

    def looks(self, sums: Sums) -> dict[str, FloatArray]:
        """Log E of each alternative."""
        effect = self.effect(sums)
        return {
            side: log_e_value(effect, mde=self.mde, theta0=self.theta0, alternative=side)
            for side in self.alternatives
        }

    def effect(self, sums: Sums) -> Effect:
        """The effect of all epochs until now, unusable where there are too few units."""
        stratified, enough = self._epochs.until(sums)
        return stratified.contrast(stratified.weights(enough, _NOT_RATES)).difference.at((..., 0))


class Epochs:
    """Sums of the epochs of one block of replications."""

    def __init__(self) -> None:
        self._ended: list[Sums] = []
        self._last: Sums | None = None

    def until(self, sums: Sums) -> tuple[Stratified, BoolArray]:
        """Both arms of each replication by epoch, and which epochs have enough units: shape (B, 1, E)."""
        if self._last is not None and self._last.epoch != sums.epoch:
            self._ended.append(self._last)  # nothing is added to the sums of an epoch that has ended
        self._last = sums
        epochs = [*self._ended, sums]
        y, x = (np.stack([getattr(each, name) for each in epochs], axis=1) for name in ("y", "x"))
        enough = np.stack([each.units.min(axis=1) for each in epochs], axis=1) >= MIN_UNITS
        return side_by_side(y, x, 0, (1,)), enough[:, None]


def requests_as_units(sums: Sums) -> Effect:
    """The textbook's difference of two means, as if every request were another user's."""
    n, total = sums.x.sum(axis=2), sums.y.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        variance = (sums.squares - n * mean * mean) / (n - 1.0)
        of_mean = variance / n
        df = np.square(of_mean.sum(axis=1)) / (np.square(of_mean) / (n - 1.0)).sum(axis=1)
    effect = Effect(mean[:, 1] - mean[:, 0], np.sqrt(np.maximum(of_mean.sum(axis=1), 0.0)), df)
    return effect.only_where(sums.units.min(axis=1) >= MIN_UNITS)


class PeekingT:
    """Welch's t-test at every look, as if it were the only one."""

    def __init__(self, mde: float) -> None:
        del mde

    def look(self, sums: Sums) -> FloatArray:
        """-log p."""
        effect = requests_as_units(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(effect.estimate / effect.standard_error)
            p = 2.0 * stats.t.sf(t, effect.degrees_of_freedom)
            return np.where(effect.usable, -np.log(p), np.nan)


class PlainAsymptotic:
    """The usual asymptotic confidence sequence: the small arm's own variance, and no degrees of freedom."""

    def __init__(self, mde: float) -> None:
        self.mde = mde

    def look(self, sums: Sums) -> FloatArray:
        """Log E of the normal mixture of one width."""
        return _normal(requests_as_units(sums), self.mde)


class PooledVariance:
    """Our e-value with the pooled variance alone, as if both arms had one shape."""

    def __init__(self, mde: float) -> None:
        self.mde = mde

    def look(self, sums: Sums) -> FloatArray:
        """Log E as ours, of another standard error."""
        treatment, control = arms_of(sums)
        effect = difference(treatment, control)
        both = (treatment.residual_ss + control.residual_ss) / (treatment.sum_x + control.sum_x)
        se = np.sqrt(both / treatment.sum_x + both / control.sum_x)
        pooled = Effect(effect.estimate, se, effect.degrees_of_freedom)
        return log_e_value(pooled.only_where(sums.units.min(axis=1) >= MIN_UNITS), mde=self.mde)


class RequestLevel:
    """Our e-value with a variance over requests, where users return."""

    def __init__(self, mde: float) -> None:
        self.mde = mde

    def look(self, sums: Sums) -> FloatArray:
        """Log E as ours, of another standard error."""
        return log_e_value(requests_as_units(sums), mde=self.mde)


class PooledRamp:
    """Our e-value of the sums of all epochs together."""

    def __init__(self, mde: float) -> None:
        self.mde = mde
        self._ended: list[Sums] = []
        self._last: Sums | None = None

    def look(self, sums: Sums) -> FloatArray:
        """Log E as ours, of pooled sums."""
        if self._last is not None and sums.epoch != self._last.epoch:
            self._ended.append(self._last)  # nothing is added to the sums of an epoch that has ended
        self._last = sums
        y, x, units = sums.y, sums.x, sums.units
        for epoch in self._ended:
            y, x, units = y + epoch.y, x + epoch.x, units + epoch.units
        effect = difference(*arms_of(Sums(sums.look, 0, y, x, units, sums.squares)))
        return log_e_value(effect.only_where(units.min(axis=1) >= MIN_UNITS), mde=self.mde)


class IndependentEpochs:
    """Our e-value of epochs combined as if each had other users."""

    def __init__(self, mde: float) -> None:
        self.mde = mde
        self._epochs = Epochs()

    def look(self, sums: Sums) -> FloatArray:
        """Log E as ours, of another standard error."""
        strata, enough = self._epochs.until(sums)
        apart = replace(strata, covariance=np.zeros_like(strata.covariance))
        contrast = apart.contrast(apart.weights(enough, _NOT_RATES))
        return log_e_value(contrast.difference.at((..., 0)), mde=self.mde)


def _normal(effect: Effect, mde: float) -> FloatArray:
    forever = Effect(effect.estimate, effect.standard_error, np.full(effect.estimate.shape, np.inf))
    return log_e_value(forever, mde=mde, mixture=(1.0,))
