"""The engine on cumulative sufficient statistics, to check it against real experiments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, IndexArray
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.ratio import arm_mean
from coalmine_analytics.core.running_p import running_p
from coalmine_analytics.errors import check_alpha, invalid
from coalmine_analytics.sample_size import MIN_UNITS

Verdict = Literal["not enough data", "no difference shown", "treatment higher", "treatment lower"]
"""What is known at a look. A difference, once shown, stands for the rest of its series."""


AUTO_MDE = 0.2
"""`auto`: the minimum detectable effect in pooled standard deviations."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Cumulative statistics of both arms; all fields have one entry per look."""

    series: Sequence[tuple[str, ...]]
    """Experiment, variant and metric of each look."""
    time: FloatArray
    """When it was taken, in any unit; order within a series."""
    count_c: FloatArray
    """Units in control so far."""
    count_t: FloatArray
    """Units in treatment so far."""
    mean_c: FloatArray
    """Mean in control so far, metric's own unit."""
    mean_t: FloatArray
    """Mean in treatment so far."""
    variance_c: FloatArray
    """Sample variance in control so far (divisor n - 1); NaN if unknown: fewer than 2 units."""
    variance_t: FloatArray
    """Sample variance in treatment so far."""

    @property
    def complete(self) -> BoolArray:
        """True where nothing is unknown but the mean of no unit and the variance of one."""
        found = np.isfinite(self.time)
        for n, mean, variance in (
            (self.count_c, self.mean_c, self.variance_c),
            (self.count_t, self.mean_t, self.variance_t),
        ):
            found &= np.isfinite(n) & ((n < 1) | np.isfinite(mean)) & ((n < 2) | np.isfinite(variance))
        return found

    def without_incomplete(self) -> "Looks":
        """The same, with no unit in looks that are not complete: they say nothing."""
        complete = self.complete
        counts = (np.where(complete, each, 0.0) for each in (self.count_c, self.count_t))
        means = (np.where(complete, each, np.nan) for each in (self.mean_c, self.mean_t))
        variances = (np.where(complete, each, np.nan) for each in (self.variance_c, self.variance_t))
        return Looks(self.series, self.time, *counts, *means, *variances)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the engine says; all fields have one entry per look, in the order given."""

    estimate: FloatArray
    """mean_t - mean_c; NaN while an arm has no unit."""
    lower: FloatArray
    """Lower end of the confidence sequence at this look; -infinity while nothing can be excluded."""
    upper: FloatArray
    """Upper end."""
    p: FloatArray
    """Running p-value of its series up to this look; NaN before there is enough data."""
    verdict: list[Verdict]
    """In words; of a look that is not complete, `not enough data`."""
    series_count: int
    """Different series."""


def check(looks: Looks, *, alpha: float = 0.05, mde: float | Literal["auto"] = "auto") -> Checked:
    """Estimates, intervals, running p-values and verdicts, two-sided, of every look of every series.

    Args:
        looks: At least one look, in any order. Those that are not complete say nothing, and hide nothing.
        alpha: Chance of ever erring in a series, in (0, 1).
        mde: Minimum detectable effect, metric's own unit, or `auto`: 0.2 pooled standard deviations at the
            first look of the series (that has any variance).

    Returns:
        One entry per look.

    Raises:
        InvalidParameter: alpha, mde or a statistic out of range.
    """
    check_alpha(alpha)
    if mde != "auto" and not (np.isfinite(mde) and mde > 0):
        raise invalid("mde", mde, "give a positive effect size in the metric's own unit, or auto")
    complete = looks.complete
    looks = looks if complete.all() else looks.without_incomplete()
    ids: dict[tuple[str, ...], int] = {}
    code = np.fromiter((ids.setdefault(key, len(ids)) for key in looks.series), np.int64, len(looks.series))
    order = np.lexsort((looks.time, code))  # stable: equal times stay in the order given
    first = np.flatnonzero(np.diff(code[order], prepend=-1))

    width: FloatArray | float = mde if mde != "auto" else _auto_mde(looks, order, first)
    effect = difference(
        arm_mean(looks.count_t, looks.mean_t, looks.variance_t),
        arm_mean(looks.count_c, looks.mean_c, looks.variance_c),
    )
    enough = effect.usable & (np.minimum(looks.count_t, looks.count_c) >= MIN_UNITS)
    log_e = np.where(enough, log_e_value(effect, mde=width), np.nan)
    lower, upper = confidence_sequence(effect, mde=width, alpha=alpha)

    p = np.empty(len(code))
    shown = np.zeros(len(code))  # sign of the difference that was shown, 0 before
    for begin, end in zip(first, [*first[1:], len(code)], strict=True):
        rows = order[begin:end]
        p[rows] = running_p(log_e[rows])
        crossed = log_e[rows] >= -np.log(alpha)
        if crossed.any():
            at = int(crossed.argmax())
            shown[rows[at:]] = np.sign(effect.estimate[rows[at]])
    p[~complete] = np.nan
    return Checked(
        np.where((looks.count_t > 0) & (looks.count_c > 0), effect.estimate, np.nan),
        np.where(enough, lower, -np.inf),
        np.where(enough, upper, np.inf),
        p,
        _verdicts(np.isfinite(p), shown),
        len(ids),
    )


def _auto_mde(looks: Looks, order: IndexArray, first: IndexArray) -> FloatArray:
    """The minimum detectable effect of each look's series, from its first look with any variance.

    Looks before that one cannot be tested anyway: nothing varies in them. A series without one gets 1.
    """
    n_c, n_t = looks.count_c, looks.count_t
    spread_c = np.where(n_c >= 2, (n_c - 1) * looks.variance_c, 0.0)
    spread_t = np.where(n_t >= 2, (n_t - 1) * looks.variance_t, 0.0)
    sd = np.sqrt((spread_c + spread_t) / np.maximum(n_c + n_t - 2, 1.0))
    width = np.ones(len(order))
    for begin, end in zip(first, [*first[1:], len(order)], strict=True):
        rows = order[begin:end]
        varied = sd[rows] > 0
        if varied.any():
            width[rows] = AUTO_MDE * sd[rows[int(varied.argmax())]]
    return width


def _verdicts(known: BoolArray, shown: FloatArray) -> list[Verdict]:
    words: dict[float, Verdict] = {
        0.0: "no difference shown",
        1.0: "treatment higher",
        -1.0: "treatment lower",
    }
    return [words[sign] if looked else "not enough data" for looked, sign in zip(known, shown, strict=True)]
