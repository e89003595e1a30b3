"""Numbers computed by other people's code."""

import numpy as np
import pytest

from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import arm_mean


def tuned_information(alpha: float) -> float:
    """The a = tau^2 / se^2 at which a band of one width is about tightest: arXiv:2103.06476v7, eq. 161."""
    return float(-2.0 * np.log(alpha) + np.log(1.0 - 2.0 * np.log(alpha)))


# gbstats 0.8.0, SequentialTwoSidedTTest, absolute: count, mean and variance of control, then of treatment,
# tuning parameter, alpha; lower, upper, p. Golden, because its pins (numpy 1, pandas 1) exclude ours.
GBSTATS = [
    (1000, .5, .25, 1000, .55, .2475, 5000, .05,
     -0.01967498056876754, 0.11967498056876763, 0.30234665578638353),
    (19000, .03, .0291, 1000, .05, .0475, 20000, .05,
     -0.00125330816599592, 0.04125330816599593, 0.0798591812790759),
    (500, 12., 400., 450, 9., 350., 1000, .1,
     -6.4725414448449285, 0.47254144484492855, 0.22956977515752874),
    (2000000, 1., 9., 1900000, 1.01, 9.2, 5000, .01,
     -0.003081279921388227, 0.023081279921388247, 0.4496989590344677),
    (40, .7, .02, 35, .71, .03, 5000, .05, -0.2690553789184125, 0.28905537891841254, 1.0),
]  # fmt: skip


@pytest.mark.parametrize("golden", GBSTATS)
def test_unpooled_normal_form_is_that_of_gbstats(golden: tuple[float, ...]) -> None:
    n_c, mean_c, variance_c, n_t, mean_t, variance_t, tuned_for, alpha, lower, upper, p = golden
    welch = difference(arm_mean(n_t, mean_t, variance_t), arm_mean(n_c, mean_c, variance_c), pooled=False)
    effect = Effect(welch.estimate, welch.standard_error, np.array(np.inf))
    # Theirs has a = N rho^2 with rho^2 = tuned_information / tuned_for.
    tau = float(effect.standard_error) * np.sqrt((n_c + n_t) * tuned_information(alpha) / tuned_for)
    ours = confidence_sequence(effect, mde=tau, alpha=alpha, mixture=(1.0,))
    assert float(ours[0]) == pytest.approx(lower, abs=1e-9)
    assert float(ours[1]) == pytest.approx(upper, abs=1e-9)
    log_e = float(log_e_value(effect, mde=tau, mixture=(1.0,)))
    assert min(1.0, np.exp(-log_e)) == pytest.approx(p, abs=1e-9)
