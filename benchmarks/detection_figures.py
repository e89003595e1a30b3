"""Figures of simulated experiments, and the targets they must meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import nct, t

from benchmarks.detection_experiment import ALPHA, SHARE, Stop, Watched
from benchmarks.detection_runs import look_times
from coalmine_analytics.metrics import BUILT_IN
from coalmine_analytics.readout import Plan
from coalmine_simulator.services import search_stable

EFFECT = -0.05
"""Of the worse version on quality, relative."""
TOLERANCE = next(metric.tolerance.value for metric in BUILT_IN if metric.name == "quality")
"""Harm means worse than this, relative; so what has to be found is the rest of the effect."""
POWER = 0.8
HORIZON = 3
"""A worse version has to be found within so many times the yardstick."""
REQUESTS = 34_000
"""Watched in each run at most: a little more than `HORIZON` times the decision's yardstick."""

LEAST_FOUND = 0.85
MOST_FALSE_ALARMS = 0.05
LATEST_MEAN_STOP = 1.70
"""Over the yardstick, at 5/95 with users who come back.

In 150 runs of a simulation of the core the e-value alone finds .95 within 3 n and stops after 1.24 n. Looking
for late harm (.91, 1.38) and leaving out the group of units that adds most (.89, 1.54) cost the rest.
"""


@dataclass(frozen=True, slots=True)
class Method:
    """What one way of watching found."""

    name: str
    runs: int
    detected: int
    """Worse versions found within `HORIZON` times the yardstick."""
    false_alarms: int
    requests_p50: float | None
    """Requests to detection, both arms together."""
    requests_p90: float | None
    canary_p50: float | None
    canary_p90: float | None
    fixed_horizon_requests: float
    """The yardstick: of a two-sided test, as tests are planned, and as `coalmine calibrate` has it."""
    one_sided_requests: float
    """The same of a one-sided test."""
    mean_stop_requests: float
    """Mean requests to detection; a run that was not found in time counts with `HORIZON` yardsticks."""

    @property
    def mean_stop_ratio(self) -> float:
        """Mean stop over the yardstick."""
        return self.mean_stop_requests / self.fixed_horizon_requests


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures."""

    decision: Method
    quality: Method
    peeking: Method
    acting_metrics: int
    blamed_quality: int
    """Rollbacks of the worse version that name quality."""


def fixed_horizon(equal: Sequence[Watched], effect: float, alpha: float) -> float:
    """Requests at which one single t-test finds an effect with a chance of `POWER`.

    The test knows which requests come from the same user. Its variance after so many requests is the mean
    over runs with equal versions; it falls more slowly than 1/n, because users who come often come again.

    Args:
        equal: Runs with equal versions.
        effect: Difference in quality, absolute.
        alpha: Of one side, in (0, 1).

    Raises:
        RuntimeError: So many requests were not watched.
    """
    standard_error = np.sqrt(np.mean([run.variances for run in equal], axis=0))
    # Nearly all of the variance is the small arm's, so its units are the degrees of freedom.
    df = SHARE * np.mean([run.units for run in equal], axis=0) - 1
    power = nct.sf(t.isf(alpha, df), df, abs(effect) / standard_error)
    if power[-1] < POWER:
        raise RuntimeError(f"a fixed-horizon test needs more than the {REQUESTS:,} requests that are watched")
    return float(np.interp(POWER, power, look_times(REQUESTS)))


def summarise(worse: Sequence[Watched], equal: Sequence[Watched]) -> Summary:
    """All figures from what was watched."""
    quality = search_stable().quality
    acting_metrics = max(run.acting_metrics for run in (*worse, *equal))

    def method(name: str, attribute: str, alpha: float, effect: float) -> Method:
        return _method(
            name,
            [getattr(run, attribute) for run in worse],
            [getattr(run, attribute) for run in equal],
            fixed_horizon(equal, effect * quality, alpha / 2),
            fixed_horizon(equal, effect * quality, alpha),
        )

    family, beyond = Plan(alpha=ALPHA).budget.overall / acting_metrics, EFFECT + TOLERANCE
    return Summary(
        decision=method("decision of the readout", "rollback", family, beyond),
        quality=method("quality alone, running p", "quality", ALPHA, beyond),
        peeking=method("t-test of quality at each look", "peeking", ALPHA, EFFECT),
        acting_metrics=acting_metrics,
        blamed_quality=sum(run.rollback is not None and "quality" in run.blamed for run in worse),
    )


def _method(
    name: str,
    found: Sequence[Stop | None],
    alarms: Sequence[Stop | None],
    yardstick: float,
    one_sided: float,
) -> Method:
    latest = HORIZON * yardstick
    in_time = [stop for stop in found if stop is not None and stop.requests <= latest]
    stops = [latest if stop is None else min(stop.requests, latest) for stop in found]

    def percentile(values: list[int], share: float) -> float | None:
        return float(np.percentile(values, share)) if values else None

    requests, canary = [stop.requests for stop in in_time], [stop.canary for stop in in_time]
    return Method(
        name=name,
        runs=len(found),
        detected=len(in_time),
        false_alarms=sum(stop is not None for stop in alarms),
        requests_p50=percentile(requests, 50),
        requests_p90=percentile(requests, 90),
        canary_p50=percentile(canary, 50),
        canary_p90=percentile(canary, 90),
        fixed_horizon_requests=yardstick,
        one_sided_requests=one_sided,
        mean_stop_requests=float(np.mean(stops)),
    )


def misses(summary: Summary) -> list[str]:
    """Targets that the decision does not meet, in words."""
    decision = summary.decision
    found = []
    if decision.detected < LEAST_FOUND * decision.runs:
        found.append(f"found {decision.detected} of {decision.runs}, less than {LEAST_FOUND:.0%}")
    if decision.false_alarms > MOST_FALSE_ALARMS * decision.runs:
        found.append(
            f"{decision.false_alarms} false alarms in {decision.runs} runs, more than {MOST_FALSE_ALARMS:.0%}"
        )
    if decision.mean_stop_ratio > LATEST_MEAN_STOP:
        found.append(
            f"stops after {decision.mean_stop_ratio:.2f} fixed-horizon sample sizes on average, "
            f"more than {LATEST_MEAN_STOP:.2f}"
        )
    return found
