"""Which values moved: the core's statistic for each, corrected for how many were looked at."""

from dataclasses import replace

import numpy as np
import pytest

from coalmine_analytics.core.effect import difference, paired_difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.explain.moved import moved_values
from coalmine_analytics.metrics import BUILT_IN
from coalmine_consumers.explain import ValueSums

QUALITY = BUILT_IN[0]
VALUES = 12


def sums(random: np.random.Generator, effects: dict[int, float], units: int = 4_000) -> ValueSums:
    """Users with a level of their own, half of whom come back on side b; each value has its own users."""
    x, y = np.zeros((VALUES, 2, 256)), np.zeros((VALUES, 2, 256))
    value = random.integers(0, VALUES, units)
    group = random.integers(0, 256, units)
    level = random.normal(0.7, 0.1, units)
    for side in range(2):
        here = random.random(units) < 0.75
        count = 1 + random.poisson(2, units)
        shift = np.array([effects.get(each, 0.0) for each in value]) * side
        total = count * (level + shift) + random.normal(0, 0.1 * np.sqrt(count))
        at = (value[here], np.full(here.sum(), side), group[here])
        np.add.at(x, at, count[here])
        np.add.at(y, at, total[here])
    names = tuple(f"value-{at}" for at in range(VALUES))
    return ValueSums(("tier",) * VALUES, names, x.sum(axis=-1).astype(np.int64), x, y)


def test_the_segment_that_moved_is_found_and_said() -> None:
    found = moved_values(sums(np.random.default_rng(1), {3: -0.1}), QUALITY, mde=0.02, alpha=0.05)
    first, *others = found
    assert (first.value, first.verdict) == ("value-3", "moved")
    assert first.effect == pytest.approx(-0.1, abs=0.03)
    assert first.words.startswith("tier=value-3: quality -0.")
    assert first.words.endswith("), moved")
    assert first.lower is not None
    assert first.upper is not None
    assert first.lower < -0.1 < first.upper < 0
    assert {each.verdict for each in others} == {"no difference shown"}


def test_where_nothing_moved_nothing_is_said_to_have_moved() -> None:
    """And without Holm, at 12 values, something would be too often: the correction is what holds it."""
    random = np.random.default_rng(2)
    runs, alarms, uncorrected = 150, 0, 0
    for _ in range(runs):
        null = sums(random, {}, units=2_000)
        alarms += any(each.verdict == "moved" for each in moved_values(null, QUALITY, mde=0.02, alpha=0.05))
        effect = paired_difference(null.y, null.x)
        uncorrected += bool((np.abs(effect.estimate) > 1.96 * effect.standard_error).any())
    assert alarms / runs <= 0.05
    assert uncorrected / runs >= 0.25


def test_too_little_data_is_said_and_not_guessed() -> None:
    thin = sums(np.random.default_rng(3), {}, units=4_000)
    x, y = thin.x.copy(), thin.y.copy()
    x[5, 1, 29:], y[5, 1, 29:] = 0.0, 0.0
    (last,) = [
        each
        for each in moved_values(replace(thin, x=x, y=y), QUALITY, mde=0.02, alpha=0.05)
        if each.verdict == "not enough data"
    ]
    assert (last.value, last.effect, last.adjusted_p) == ("value-5", None, None)
    assert "each side needs 30 units first" in last.words
    too_early = moved_values(thin, QUALITY, mde=float("nan"), alpha=0.05)
    assert {each.verdict for each in too_early} == {"not enough data"}


def test_sides_that_share_nobody_are_compared_as_the_core_does() -> None:
    random = np.random.default_rng(4)
    x = np.zeros((1, 2, 256))
    x[0, 0, :128], x[0, 1, 128:] = random.integers(1, 9, (2, 128))
    y = x * random.normal(0.7, 0.1, x.shape)
    a, b = (arm_ratio(y[:, side], x[:, side]) for side in range(2))
    core, paired = difference(b, a), paired_difference(y, x)
    assert paired.estimate == core.estimate
    np.testing.assert_allclose(paired.standard_error, core.standard_error, rtol=1e-12)


def test_what_users_bring_to_both_sides_cancels() -> None:
    random = np.random.default_rng(5)
    x = np.full((200, 2, 256), 10.0)
    level = random.normal(0.7, 0.2, (200, 1, 256))
    y = x * (level + random.normal(0, 0.02, x.shape))
    effect = paired_difference(y, x)
    off = np.abs(effect.estimate) > 1.97 * effect.standard_error
    assert 0.01 <= off.mean() <= 0.1
    a, b = (arm_ratio(y[:, side], x[:, side]) for side in range(2))
    assert (effect.standard_error < 0.2 * difference(b, a).standard_error).all()
