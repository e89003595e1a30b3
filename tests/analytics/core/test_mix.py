"""Arms in one mix: what differs by the mix alone is no effect."""

import numpy as np
import pytest

from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.mix import same_mix
from coalmine_analytics.core.ratio import arm_ratio


def parts(seed: int, cached: tuple[float, float], effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Latency of cached and other calls, control before treatment: shape (2, 2, 256)."""
    rng = np.random.default_rng(seed)
    calls = np.stack(
        [
            rng.poisson(20.0 * np.array(share)[:, None], (2, 256))
            for share in (cached, tuple(1 - each for each in cached))
        ]
    ).astype(float)
    unit = rng.normal(0, 20, (1, 2, 256))
    level = np.array([200.0, 1_000.0])[:, None, None] + unit
    level[:, 1] += effect
    return calls * level + rng.normal(0, 5, calls.shape) * np.sqrt(calls), calls


def test_fewer_cached_calls_are_no_slower_version() -> None:
    y, x = parts(1, cached=(0.6, 0.3))
    plain = arm_ratio(y.sum(axis=0), x.sum(axis=0))
    assert plain.ratio[1] - plain.ratio[0] > 200
    mixed = arm_ratio(*same_mix(y, x))
    effect = difference(mixed.at((1,)), mixed.at((0,)))
    assert abs(float(effect.estimate)) < 3 * float(effect.standard_error)
    slower = arm_ratio(*same_mix(*parts(1, cached=(0.6, 0.3), effect=30.0)))
    assert float(slower.ratio[1] - mixed.ratio[1]) == pytest.approx(30.0)


def test_the_variance_is_that_of_the_weighted_ratios_with_what_groups_share() -> None:
    y, x = parts(2, cached=(0.6, 0.3))
    mixed = arm_ratio(*same_mix(y, x))
    total = x.sum(axis=-1)
    weight = total.sum(axis=1) / total.sum()
    ratio = y.sum(axis=-1) / total
    influence = np.einsum("p,pak->ak", weight, (y - ratio[..., None] * x) / total[..., None])
    np.testing.assert_allclose(mixed.ratio, weight @ ratio, rtol=1e-12)
    np.testing.assert_allclose(mixed.variance, 256 / 255 * np.square(influence).sum(axis=-1), rtol=1e-9)
    np.testing.assert_allclose(mixed.sum_x, total.sum(axis=0))


def test_one_part_is_left_as_it_is_and_one_that_an_arm_hardly_has_is_left_out() -> None:
    y, x = parts(3, cached=(0.5, 0.5))
    for sums, mixed in zip((y, x), same_mix(y[:1], x[:1]), strict=True):
        np.testing.assert_allclose(mixed, sums[0], rtol=1e-9, atol=1e-6)
    x[1, 1, 1:], y[1, 1, 1:] = 0.0, 0.0  # a single group
    for sums, mixed in zip((y, x), same_mix(y, x), strict=True):
        np.testing.assert_allclose(mixed, sums[0], rtol=1e-9, atol=1e-6)
    none = same_mix(np.zeros((2, 2, 256)), np.zeros((2, 2, 256)))
    assert not none[0].any()
    assert not none[1].any()
