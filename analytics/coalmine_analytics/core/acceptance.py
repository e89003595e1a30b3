"""Evidence that the treatment is worse by less than a margin: what a promotion needs, and a gain, too."""

import math
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.worsening import Worsening

_PRIOR_EVENTS = 3.0
"""Until there are more events than that, they may all come together: one unit's requests count as one."""
_STAKE = 0.1
"""Share of the stake of what is accepted because nothing happened, beside what is accepted otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """How many units the evidence rests on; fields of shape (...)."""

    units: FloatArray
    """Units of the treatment with a value."""
    per_unit: FloatArray
    """Values of a unit, on average, of both arms, >= 1."""
    rate: BoolArray
    """True where each value is 0 or 1."""


def acceptable_log_e(
    contrast: Contrast, margin: Worsening, seen: Seen, *, mde: FloatArray | float
) -> FloatArray:
    """Evidence that the treatment is worse by less than the margin.

    Each metric at alpha without correction: all must succeed (intersection-union, Berger 1982). Where any
    change is harm both sides must succeed.

    A rate has no variance while nothing happened, and least where luck made it look best. So its standard
    error is at least that under the hypothesis (a score test): the binomial one of an arm that is worse by
    the margin, times the design effect of its units.

    Nor can few units show what happens to few. If a worsening by the margin means that a share s of units is
    hit, n units without a hit have a chance of at most (1-s)^n: no more evidence than that is claimed, with a
    tenth of the stake. Where all values of both arms are the same, it is the evidence. For a rate s is the
    margin; for other values it is the margin over control's value: a hit costs a unit its whole value.

    Args:
        contrast: The arms, shape (...).
        margin: Worsening that would not be accepted; broadcasts.
        seen: Of the same comparisons.
        mde: As for `log_e_value`.

    Returns:
        log E, shape (...); NaN where the arms cannot be compared.

    Raises:
        InvalidParameter: An mde is not positive and finite.

    References:
        Farrington and Manning, Statistics in Medicine 9 (1990), for variances under the hypothesis.
    """
    identical = contrast.difference.identical

    def within(side: FloatArray) -> FloatArray:
        room = _room(contrast, margin, seen, side)
        return np.where(identical, np.where(room.estimate > 0, np.inf, 0.0), _within(room, mde))

    found = within(margin.side)
    if margin.both.any():
        found = np.where(margin.both, np.minimum(found, within(-margin.side)), found)
    return np.minimum(found, _unhit_log_e(contrast, margin, seen))


def superior_log_e(contrast: Contrast, nothing: Worsening, *, mde: FloatArray | float) -> FloatArray:
    """Evidence that the treatment is better, or worse by `nothing`: correct over goals by Holm."""
    found = _within(nothing.room(contrast, nothing.side), mde)
    return np.where(contrast.difference.identical, 0.0, found)


def units_to_acceptable(
    contrast: Contrast,
    margin: Worsening,
    seen: Seen,
    units: FloatArray | IntArray,
    *,
    mde: FloatArray | float,
    alpha: float,
) -> FloatArray:
    """Further units of both arms until `acceptable_log_e` reaches 1/alpha; see `units_needed`."""

    def needed(side: FloatArray) -> FloatArray:
        room = _room(contrast, margin, seen, side)
        found = units_needed(room, units, mde=mde, alternative="greater", alpha=alpha)
        # The same values stay the same: enough now, or never where the margin is a share of 0.
        return np.where(contrast.difference.identical, np.where(room.estimate > 0, 0.0, np.inf), found)

    more = needed(margin.side)
    if margin.both.any():
        more = np.where(margin.both, np.fmax(more, needed(-margin.side)), more)
    missing = np.maximum(-math.log(alpha) - _unhit_log_e(contrast, margin, seen), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        unhit = missing / -np.log1p(-_share_hit(contrast, margin, seen)) * (units / seen.units)
    return np.maximum(more, np.ceil(np.where(missing > 0, unhit, 0.0)))


def _within(room: Effect, mde: FloatArray | float) -> FloatArray:
    return log_e_value(room, mde=mde, alternative="greater")


def _unhit_log_e(contrast: Contrast, margin: Worsening, seen: Seen) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(-seen.units * np.log1p(-_share_hit(contrast, margin, seen)) + math.log(_STAKE))


def _share_hit(contrast: Contrast, margin: Worsening, seen: Seen) -> FloatArray:
    """The share of units that a worsening by the margin hits at least, 0 to 1."""
    control = np.abs(contrast.ratios[1])
    size = margin.absolute(contrast)
    whole = np.where(seen.rate | (control == 0), 1.0, control)
    share = np.where(margin.relative & ~seen.rate, margin.size, size / whole)
    return np.clip(np.where(np.isnan(share), 0.0, share), 0.0, 1.0)


def _room(contrast: Contrast, margin: Worsening, seen: Seen, side: FloatArray) -> Effect:
    """Room below the margin, for a rate with the larger standard error under the hypothesis."""
    room = margin.room(contrast, side)
    if not seen.rate.any():
        return room
    counts = contrast.weight > 0
    squared = np.square(contrast.weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_t, of_c = (
            np.where(counts, squared / arm.sum_x, 0.0).sum(axis=-1)
            for arm in (contrast.treatment, contrast.control)
        )
        control = np.clip(contrast.ratios[1], 0.0, 1.0)
        worse = np.clip(control - side * margin.absolute(contrast), 0.0, 1.0)
        variance = _spread(worse) * of_t
        variance += np.square(margin.factor(contrast, side)) * _spread(control) * of_c
        variance *= _design_effect(contrast, seen, of_t, of_c)
        error = np.sqrt(np.fmax(np.square(room.standard_error), np.where(seen.rate, variance, 0.0)))
    return Effect(room.estimate, error, room.degrees_of_freedom)


def _design_effect(contrast: Contrast, seen: Seen, of_t: FloatArray, of_c: FloatArray) -> FloatArray:
    """How many times larger the variance of units that return is than that of as many independent values."""
    counts = contrast.weight > 0
    treatment, control = contrast.ratios
    arms = contrast.treatment, contrast.control
    x = np.where(counts, sum(arm.sum_x for arm in arms), 0.0).sum(axis=-1)
    y = np.where(counts, sum(arm.ratio * arm.sum_x for arm in arms), 0.0).sum(axis=-1)
    binomial = np.maximum(_spread(treatment) * of_t + _spread(control) * of_c, _spread(y / x) * (of_t + of_c))
    found = np.where(binomial > 0, np.square(contrast.difference.standard_error) / binomial, 1.0)
    events = np.clip(np.minimum(y, x - y), 0.0, None)
    shrunk = (events * found + _PRIOR_EVENTS * seen.per_unit) / (events + _PRIOR_EVENTS)
    return np.asarray(np.maximum(shrunk, 1.0))


def _spread(rate: FloatArray) -> FloatArray:
    """Variance of one value that is 0 or 1."""
    p = np.clip(rate, 0.0, 1.0)
    return np.asarray(p * (1.0 - p))
