"""Will this plan ever end? Before an experiment starts, from how many units came, and how values vary.

For each stage the look is worked out that two equal arms would give, without chance: the same ratios, with
the variance per unit of the traffic there was. Each stage is taken by itself, though a readout also counts
the stages before it: a forecast errs to the long side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.acceptance import Seen, acceptable_log_e
from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.ratio import ArmRatio, arm_ratio
from coalmine_analytics.errors import invalid
from coalmine_analytics.metrics import Metric, planned
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.scales import first_mde, worsening
from coalmine_analytics.results.plan_check import CheckedMetric, CheckedStage, PlanCheck
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.experiments import UNIT_GROUPS, PromptTraffic

SHARES = (0.05, 0.1, 0.25, 0.5)
"""Shares that are proposed for the last stage, where another would end in time."""
_TIMES = 200
_SHORTEST_H = 0.05
_POWER = float(norm.ppf(0.9))


@dataclass(frozen=True, slots=True)
class Stage:
    """A share of units, for some time."""

    share: float
    """Of the treatment, in (0, 1)."""
    hours: float | None = None
    """None: until it is decided."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise invalid("share of a stage", self.share, "give a share between 0 and 1, e.g. 10%")
        if self.hours is not None and not 0 < self.hours < np.inf:
            raise invalid("hours of a stage", self.hours, "give a length such as 2h")


DEFAULT_STAGES = (Stage(0.1, 2.0), Stage(0.5))
"""A tenth of the units for two hours, then half of them until it is decided."""


def check_plan(
    traffic: PromptTraffic,
    plan: Plan,
    stages: Sequence[Stage] = DEFAULT_STAGES,
    *,
    prompt: str,
    environment: str,
    longest_hours: float = 336.0,
) -> PlanCheck:
    """Forecast when an equal version would be promoted, and what harm each stage finds.

    Args:
        traffic: Of the prompt, of late.
        plan: Metrics with their roles and margins, and alpha.
        stages: In their order; the last lasts until it is decided.
        prompt: Name of the prompt.
        environment: Where the traffic was.
        longest_hours: Hours after which nobody waits any more.

    Raises:
        InvalidParameter: A stage is not possible, or there is none.
    """
    if not stages:
        raise invalid("stages", "none", "give at least one")
    before = sum(stage.hours or 0.0 for stage in stages[:-1])
    forecast = _Forecast(traffic, plan, max(longest_hours - before, _SHORTEST_H))
    checked = tuple(forecast.stage(stage) for stage in stages)
    needed = forecast.hours_to_promotion(stages[-1].share)
    hours = None if needed is None else before + max(needed, stages[-1].hours or 0.0)
    ends = hours is not None and hours <= longest_hours
    if ends and hours is not None:
        words = f"an equal version is promoted after {_duration(hours)}, in half of the runs"
    else:
        words = forecast.too_little(stages[-1].share, longest_hours)
    return PlanCheck(
        prompt=prompt,
        environment=environment,
        since=traffic.since,
        until=traffic.until,
        requests=traffic.requests,
        units=traffic.units,
        ends=ends,
        hours=hours if ends else None,
        longest_hours=longest_hours,
        words=words,
        stages=checked,
    )


class _Forecast:
    """Looks at equal arms, at any time."""

    def __init__(self, traffic: PromptTraffic, plan: Plan, longest_hours: float) -> None:
        self._traffic = traffic
        self._plan = plan
        acting = [metric for metric in planned(plan.overrides) if metric.role in _ACTING]
        self._metrics = [
            metric for metric in acting if metric.cells in traffic.metrics and not metric.per_unit
        ]
        at = [traffic.metrics.index(metric.cells) for metric in self._metrics]
        scale = np.array([[metric.scale] for metric in self._metrics])
        self._arm = arm_ratio(traffic.y[at] * scale, traffic.x[at])  # (M,)
        self._times = np.geomspace(_SHORTEST_H, longest_hours, _TIMES)

    def stage(self, stage: Stage) -> CheckedStage:
        """What one stage shows."""
        end = self._times[-1] if stage.hours is None else stage.hours
        accepted = self._hours_to_accept(stage.share)
        harm = self._smallest_harm(stage.share, end)
        rows = []
        for row, metric in enumerate(self._metrics):
            hours = float(accepted[row]) if metric.role == "must_prove" else np.inf
            rows.append(
                CheckedMetric(
                    metric=metric.name,
                    unit=metric.unit,
                    role=metric.role,
                    value=_known(self._arm.ratio[row]),
                    hours_to_accept=_known(hours),
                    smallest_harm=_known(harm[row]),
                    words=_words(metric, hours, float(harm[row]), float(self._arm.ratio[row])),
                )
            )
        units = self._traffic.units_in(np.array([end]))[0] * stage.share
        return CheckedStage(
            stage.share, stage.hours, int(units), _known(self._hours_to_min_units(stage.share)), tuple(rows)
        )

    def hours_to_promotion(self, share: float) -> float | None:
        """Hours of a stage until an equal version has passed; None: not in time."""
        proven = [metric.role == "must_prove" for metric in self._metrics]
        hours = max([*self._hours_to_accept(share)[proven], self._hours_to_min_units(share)])
        return _known(hours)

    def too_little(self, share: float, longest_hours: float) -> str:
        """Why it does not end, and what would help."""
        accepted = self._hours_to_accept(share)
        blocking = [
            metric.name
            for metric, hours in zip(self._metrics, accepted, strict=True)
            if metric.role == "must_prove" and not np.isfinite(hours)
        ]
        why = f"too little traffic to prove {', '.join(blocking)}" if blocking else "too few units"
        found = f"not within {_duration(longest_hours)}: {why}"
        for other in SHARES:
            if other > share and (hours := self.hours_to_promotion(other)) is not None:
                return f"{found}; with {other:.0%} of the units it takes {_duration(hours)}"
        return f"{found}; larger margins, or a role of must_not_harm for what is rare, would let it end"

    def _hours_to_min_units(self, share: float) -> float:
        units = self._traffic.units_in(self._times)
        reached = units * min(share, 1 - share) >= MIN_UNITS
        reached &= units * share >= self._plan.min_units
        return float(self._times[reached.argmax()]) if reached.any() else np.inf

    def _hours_to_accept(self, share: float) -> FloatArray:
        """Hours until equal arms are accepted, shape (M,); infinite: not in time."""
        treatment, control, seen, units = self._arms(share, self._times)
        contrast = one_stratum(treatment, control)
        margin = worsening(self._metrics, lambda metric: metric.margin)
        mde = self._mde(share)
        log_e = acceptable_log_e(contrast, margin, seen, mde=mde)
        passed = (log_e >= -np.log(self._plan.alpha)) & (units >= MIN_UNITS)
        first = self._times[passed.argmax(axis=1)]
        return np.where(passed.any(axis=1), first, np.inf)

    def _smallest_harm(self, share: float, hours: float) -> FloatArray:
        """Worsening that nine of ten runs have found by then, shape (M,)."""
        treatment, control, _, units = self._arms(share, np.array([hours]))
        contrast = one_stratum(treatment, control)
        effect = contrast.difference
        alpha = self._plan.budget.overall / max(len(self._metrics), 1)  # the last of Holm's steps
        z = critical_z(
            np.maximum(effect.standard_error, 1e-300),
            effect.degrees_of_freedom,
            mde=self._mde(share),
            alpha=alpha,
            one_sided=True,
        )
        tolerance = worsening(self._metrics, lambda metric: metric.tolerance).absolute(contrast)
        harm = tolerance + (z + _POWER) * effect.standard_error
        return np.where(units >= MIN_UNITS, harm, np.inf)[:, 0]

    def _mde(self, share: float) -> FloatArray:
        """As a readout fixes it, shape (M, 1)."""
        treatment, control, _, units = self._arms(share, self._times[-1:])
        contrast = one_stratum(treatment, control)
        mde = first_mde(self._metrics, contrast.difference, contrast.ratios[1], units)
        return np.where(np.isfinite(mde), mde, 1.0)

    def _arms(self, share: float, hours: FloatArray) -> tuple[ArmRatio, ArmRatio, Seen, FloatArray]:
        """Two equal arms at some times, fields of shape (M, T), and the units of the smaller one."""
        units = self._traffic.units_in(hours)
        treatment, control = (self._grown(units * part / self._traffic.units) for part in (share, 1 - share))
        having = np.minimum(treatment.sum_x, units * share)
        rate = np.array([[metric.kind == "rate"] for metric in self._metrics])
        per_unit = np.maximum(treatment.sum_x / np.maximum(having, 1e-9), 1.0)
        smaller = np.minimum(having, np.minimum(control.sum_x, units * (1 - share)))
        return treatment, control, Seen(having, per_unit, rate), smaller

    def _grown(self, times: FloatArray) -> ArmRatio:
        """The traffic there was, as if so many times of it had come: the variance shrinks accordingly."""
        arm = self._arm
        sum_x, residual_ss = (each[:, None] * times for each in (arm.sum_x, arm.residual_ss))
        groups = UNIT_GROUPS * -np.expm1(-times * self._traffic.units / UNIT_GROUPS)
        clusters = np.maximum(np.minimum(arm.clusters[:, None], groups), 2.0)
        return ArmRatio(np.broadcast_to(arm.ratio[:, None], sum_x.shape), sum_x, residual_ss, clusters)


_ACTING = ("must_prove", "must_not_harm")


def _words(metric: Metric, hours: float, harm: float, value: float) -> str:
    found = "harm is not found"
    if np.isfinite(harm):
        relative = f" ({harm / abs(value):.0%})" if value and metric.kind != "rate" else ""
        found = f"finds harm of {harm:.3g}{relative} by its end"
    if metric.role != "must_prove":
        return found
    if not np.isfinite(hours):
        return f"an equal version is not shown to be within {metric.margin}; {found}"
    return f"an equal version is shown to be within {metric.margin} after {_duration(hours)}; {found}"


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{max(hours * 60, 1):.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
