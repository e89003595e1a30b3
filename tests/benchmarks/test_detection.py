"""The benchmark of detection runs on the real pipeline, and its figures mean what they say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.detection import main
from benchmarks.detection_experiment import ALPHA, Stop, Watched
from benchmarks.detection_figures import EFFECT, REQUESTS, fixed_horizon, misses, summarise
from benchmarks.detection_runs import Task, look_times, watch
from coalmine_simulator.services import search_stable

LOOKS = np.array(look_times(REQUESTS))
NOTHING = Watched(0, None, "hold", None, None, 11, (), ())


def equal_run(variance_per_request: float, alarm: Stop | None = None) -> Watched:
    """A run with equal versions whose requests are all of different users."""
    variances = tuple((variance_per_request / LOOKS).tolist())
    return replace(
        NOTHING, rollback=alarm, quality=alarm, variances=variances, units=tuple((100 * LOOKS).tolist())
    )


def worse_run(requests: int | None) -> Watched:
    """A run with a worse version that everything finds at once."""
    stop = None if requests is None else Stop(requests, requests // 20)
    return replace(NOTHING, rollback=stop, blamed="roll back: worse in quality", quality=stop, peeking=stop)


def test_a_much_worse_version_is_rolled_back_through_the_whole_pipeline() -> None:
    (found,) = watch(Task((1,), -0.3, 2_500))
    assert found.rollback is not None
    assert found.rollback.requests in look_times(2_500)
    # 30 units of the canary come first.
    assert 40 <= found.rollback.canary <= 0.1 * found.rollback.requests
    assert found.blamed.startswith("roll back: worse in")
    assert "quality" in found.blamed
    assert found.quality == found.peeking == found.rollback
    assert (found.acting_metrics, found.variances) == (13, ())


@pytest.mark.campaign
def test_the_last_line_is_json_with_the_promised_names(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--runs", "1", "--json"])
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert status == (0 if result["within_targets"] else 1)
    assert (result["runs"], result["false_alarms"]) == (1, 0)
    assert result["acting_metrics"] in {10, 11}
    assert result["detected"] in {0, 1}
    if result["detected"]:
        assert 1_000 < result["requests_to_detection_p50"] <= REQUESTS
    assert 4_000 < result["fixed_horizon_requests"] < REQUESTS / 2
    assert lines[1].startswith("decision of the readout")


def test_the_yardstick_is_the_textbook_sample_size() -> None:
    effect, variance = 0.04, 0.6
    wanted = (norm.isf(0.025) + norm.isf(0.2)) ** 2 * variance / effect**2
    assert fixed_horizon([equal_run(variance)], effect, 0.025) == pytest.approx(wanted, rel=0.01)
    with pytest.raises(RuntimeError, match="needs more than"):
        fixed_horizon([equal_run(100 * variance)], effect, 0.05)


def test_what_is_found_late_is_not_found_and_false_alarms_count() -> None:
    equal = [equal_run(0.6) for _ in range(100)]
    beyond = (EFFECT + 0.01) * search_stable().quality
    plain, family = (fixed_horizon(equal, beyond, alpha / 2) for alpha in (ALPHA, 0.8 * ALPHA / 11))
    good = summarise([worse_run(round(plain))] * 100, equal)
    assert misses(good) == []
    assert good.decision.detected == 100
    assert good.quality.mean_stop_ratio == pytest.approx(1.0, rel=1e-3)
    assert (good.decision.requests_p50, good.decision.canary_p50) == (round(plain), round(plain) // 20)
    assert good.blamed_quality == 100
    late = summarise([worse_run(round(3 * family) + 2)] * 16 + [worse_run(round(plain))] * 84, equal)
    assert misses(late) == ["found 84 of 100, less than 85%"]
    assert late.quality.detected == 84
    slow = summarise([worse_run(round(1.8 * family))] * 100, equal)
    assert "stops after 1.80 fixed-horizon sample sizes" in misses(slow)[0]
    noisy = [*equal[:94], *[equal_run(0.6, Stop(2_000, 100))] * 6]
    loud = misses(summarise([worse_run(2_000)] * 100, noisy))
    assert loud == ["6 false alarms in 100 runs, more than 5%"]
    assert summarise([worse_run(None)], equal).decision.requests_p50 is None
