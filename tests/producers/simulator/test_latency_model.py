import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.distributions import Lognormal
from coalmine_simulator.latency_model import TokenLatencyModel

DRAWS = 20_000


def test_without_noise_latency_is_the_stated_sum() -> None:
    model = TokenLatencyModel(100.0, 0.5, 20.0, Lognormal(1.0, 0.0))
    times = model.draw(1000, 50, random.Random(1))
    assert times.time_to_first_token_ms == pytest.approx(100 + 500)
    assert times.latency_ms == pytest.approx(100 + 500 + 1000)


def test_the_noise_has_median_1_and_the_stated_spread() -> None:
    rng = random.Random(3)
    model = TokenLatencyModel()
    exact = TokenLatencyModel(noise=Lognormal(1.0, 0.0)).draw(500, 100, rng).latency_ms
    logs = [math.log(model.draw(500, 100, rng).latency_ms / exact) for _ in range(DRAWS)]
    assert statistics.fmean(logs) == pytest.approx(0.0, abs=5 * 0.2 / math.sqrt(DRAWS))
    assert statistics.stdev(logs) == pytest.approx(0.2, abs=5 * 0.2 / math.sqrt(2 * DRAWS))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 1000))
def test_the_first_token_never_comes_after_the_last(context: int, generated: int, seed: int) -> None:
    times = TokenLatencyModel().draw(context, generated, random.Random(seed))
    assert 0 < times.time_to_first_token_ms <= times.latency_ms
    assert math.isfinite(times.latency_ms)
