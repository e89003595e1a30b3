"""Will this plan ever end? Before an experiment starts, from how many units came, and how values vary.

For each stage the look is worked out that two equal arms would give, without chance: the same ratios, with
the variance per unit of the traffic there was. Each stage is taken by itself, though a readout also counts
the stages before it: a forecast errs to the long side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.core.acceptance import Seen, acceptable_log_e
from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.ratio import ArmRatio
from coalmine_analytics.errors import invalid
from coalmine_analytics.metrics import Metric, planned
from coalmine_analytics.readout.circumstances import RARE_SHARE
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.scales import first_mde, worsening
from coalmine_analytics.results.plan_check import CheckedMetric, CheckedStage, PlanCheck
from coalmine_analytics.results.verdicts import ACTING
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_analytics.traffic_growth import TrafficGrowth
from coalmine_consumers.experiments import PromptTraffic
from coalmine_schemas.plain_number import hours_in_words
from coalmine_schemas.prompts import percent

WEIGHTS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
"""Proposed for the first stage, where another would end in time."""
_TIMES = 400
_SHORTEST_H = 0.02
_POWER = float(ndtri(0.9))


@dataclass(frozen=True, slots=True)
class Stage:
    """A share of units, until enough time has passed, enough units have come, and nothing is in the way."""

    weight: float
    """Share of the treatment, in (0, 1)."""
    min_time_h: float = 0.0
    min_units: int = 0
    """Units of the treatment, and of the control, with a value of each metric that must be proven."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < 1:
            raise invalid("weight of a stage", self.weight, "give a share between 0 and 1, e.g. 0.1")
        if not 0 <= self.min_time_h < np.inf:
            raise invalid("min_time_h of a stage", self.min_time_h, "give hours, e.g. 2")
        if self.min_units < 0:
            raise invalid("min_units of a stage", self.min_units, "give a number of units, e.g. 100")


DEFAULT_STAGES = (Stage(0.1, 2.0), Stage(0.5))
"""A tenth of the units for two hours, then half of them until it is decided."""


def check_plan(
    traffic: PromptTraffic,
    plan: Plan,
    stages: Sequence[Stage] = DEFAULT_STAGES,
    *,
    prompt: str,
    environment: str,
    longest_h: float = 336.0,
) -> PlanCheck:
    """Forecast when an equal version would be promoted, and what harm each stage finds.

    Args:
        traffic: Of the prompt, of late.
        plan: Metrics with their roles and margins, and alpha.
        stages: In their order; the last lasts until it is decided.
        prompt: Name of the prompt.
        environment: Where the traffic was.
        longest_h: Hours after which nobody waits any more.

    Raises:
        InvalidParameter: A stage is not possible, or there is none.
    """
    if not stages:
        raise invalid("stages", "none", "give at least one")
    forecast = _Forecast(traffic, plan, longest_h)
    lengths = forecast.lengths_h(stages)
    ends, hours = sum(lengths) <= longest_h, sum(lengths)
    return PlanCheck(
        prompt=prompt,
        environment=environment,
        since=traffic.since,
        until=traffic.until,
        requests=traffic.requests,
        units=int(traffic.units[-1]),
        ends=ends,
        hours=hours if ends else None,
        longest_h=longest_h,
        words=(
            f"an equal version is promoted after {hours_in_words(hours)}, in half of the runs"
            if ends
            else forecast.too_little(stages, longest_h)
        ),
        first_weight=None if ends else forecast.first_weight(stages, longest_h),
        stages=tuple(
            forecast.stage(stage, hours, last=stage is stages[-1])
            for stage, hours in zip(stages, lengths, strict=True)
        ),
    )


class _Forecast:
    """Looks at equal arms, at any time."""

    def __init__(self, traffic: PromptTraffic, plan: Plan, longest_h: float) -> None:
        self._plan = plan
        self._longest_h = longest_h
        self._metrics = [
            metric
            for metric in planned(plan.overrides)
            if metric.role in ACTING and metric.cells in traffic.metrics and not metric.per_unit
        ]
        self._family_size = max(sum(metric.role in ACTING for metric in planned(plan.overrides)), 1)
        at = [traffic.metrics.index(metric.cells) for metric in self._metrics]
        scale = np.array([metric.scale for metric in self._metrics])
        self._growth = TrafficGrowth(traffic, traffic.x[at], traffic.y[at] * scale[:, None, None])
        self._times = np.geomspace(_SHORTEST_H, max(longest_h, 2 * _SHORTEST_H), _TIMES)
        must_prove = np.array([metric.role == "must_prove" for metric in self._metrics], np.bool_)
        # As in a readout: what hardly any unit has need not be proven.
        _, _, seen, _ = self._arms(0.5, self._times[-1:])
        few = np.minimum(MIN_UNITS, RARE_SHARE * self._growth.units(self._times[-1:]) / 2)
        self._proven = must_prove & (seen.units[:, 0] >= few)

    def lengths_h(self, stages: Sequence[Stage]) -> list[float]:
        """Hours that each stage lasts; infinite: not in time."""
        found = [max(stage.min_time_h, self._hours_to_units(stage)) for stage in stages]
        last = stages[-1]
        accepted = self._hours_to_accept(last.weight)[self._proven]
        needed = Stage(last.weight, min_units=MIN_UNITS)
        found[-1] = max(
            [*accepted, found[-1], self._hours_to_units(needed), self._hours_to_promotable(last.weight)]
        )
        return found

    def stage(self, stage: Stage, hours: float, *, last: bool) -> CheckedStage:
        """What one stage shows.

        Args:
            stage: The stage.
            hours: How long it lasts; infinite: not in time.
            last: True if it is the last one.
        """
        end = min(hours, self._longest_h)
        accepted = self._hours_to_accept(stage.weight)
        harm = self._smallest_harm(stage.weight, end)
        rows = []
        for row, metric in enumerate(self._metrics):
            value = float(self._growth.ratio[row])
            to_accept = float(accepted[row]) if last and self._proven[row] else np.inf
            rows.append(
                CheckedMetric(
                    metric=metric.name,
                    unit=metric.unit,
                    role=metric.role,
                    value=_known(value),
                    hours_to_accept=_known(to_accept),
                    smallest_harm=_known(harm[row]),
                    words=_words(metric, to_accept, float(harm[row]), value, last=last),
                )
            )
        to_units = self._hours_to_units(Stage(stage.weight, min_units=max(stage.min_units, MIN_UNITS)))
        if last:
            to_units = max(to_units, self._hours_to_promotable(stage.weight))
        return CheckedStage(
            weight=stage.weight,
            min_time_h=stage.min_time_h,
            min_units=stage.min_units,
            hours=_known(hours),
            units=int(self._growth.units(np.array([end]))[0] * stage.weight),
            hours_to_min_units=_known(to_units),
            metrics=tuple(rows),
        )

    def first_weight(self, stages: Sequence[Stage], longest_h: float) -> float | None:
        """Smallest first stage with which it ends in time; later stages that are no larger are left out."""
        for weight in WEIGHTS:
            if weight > stages[0].weight and sum(self.lengths_h(_begun_at(stages, weight))) <= longest_h:
                return weight
        return None

    def too_little(self, stages: Sequence[Stage], longest_h: float) -> str:
        """Why it does not end, and what would help."""
        accepted = self._hours_to_accept(stages[-1].weight)
        blocking = [
            metric.name
            for metric, hours, proven in zip(self._metrics, accepted, self._proven, strict=True)
            if proven and not np.isfinite(hours)
        ]
        lengths = self.lengths_h(stages)
        if blocking:
            why = f"too little traffic to prove {', '.join(blocking)}"
        elif np.isfinite(sum(lengths)):
            why = f"it takes {hours_in_words(sum(lengths))}"
        else:
            stage = stages[int(np.argmax(lengths))]
            why = f"too few units come for the stage of {percent(stage.weight)}"
        found = f"not within {hours_in_words(longest_h)}: {why}"
        weight = self.first_weight(stages, longest_h)
        if weight is not None:
            hours = hours_in_words(sum(self.lengths_h(_begun_at(stages, weight))))
            return f"{found}; with a first stage of {percent(weight)} it takes {hours}"
        return f"{found}; larger margins, or a role of must_not_harm for what is rare, would let it end"

    def _hours_to_units(self, stage: Stage) -> float:
        """Until both arms have the units with a value of what must be proven."""
        if not stage.min_units:
            return 0.0
        _, _, _, smaller = self._arms(stage.weight, self._times)
        units = self._growth.units(self._times) * min(stage.weight, 1 - stage.weight)
        least = np.minimum(smaller[self._proven].min(axis=0, initial=np.inf), units)
        return self._first(least >= stage.min_units)

    def _hours_to_promotable(self, weight: float) -> float:
        return self._first(self._growth.units(self._times) * weight >= self._plan.min_units)

    def _first(self, reached: BoolArray) -> float:
        return float(self._times[reached.argmax()]) if reached.any() else np.inf

    def _hours_to_accept(self, weight: float) -> FloatArray:
        """Hours until equal arms are accepted, shape (M,); infinite: not in time."""
        treatment, control, seen, units = self._arms(weight, self._times)
        contrast = one_stratum(treatment, control)
        margin = worsening(self._metrics, lambda metric: metric.margin)
        log_e = acceptable_log_e(contrast, margin, seen, mde=self._mde(weight))
        passed = (log_e >= -np.log(self._plan.alpha)) & (units >= MIN_UNITS)
        first = self._times[passed.argmax(axis=1)]
        return np.where(passed.any(axis=1), first, np.inf)

    def _smallest_harm(self, weight: float, hours: float) -> FloatArray:
        """Worsening that nine of ten runs have found by then, shape (M,)."""
        treatment, control, _, units = self._arms(weight, np.array([hours]))
        contrast = one_stratum(treatment, control)
        effect = contrast.difference
        known = effect.standard_error > 0  # what never happened has none
        z = critical_z(
            np.where(known, effect.standard_error, 1.0),
            effect.degrees_of_freedom,
            mde=self._mde(weight),
            # Half of what is staked, for harm that begins later; the last of Holm's steps.
            alpha=self._plan.budget.overall / 2.0 / self._family_size,
            one_sided=True,
        )
        tolerance = worsening(self._metrics, lambda metric: metric.tolerance).absolute(contrast)
        found = known & np.isfinite(z) & (units >= MIN_UNITS)
        harm = tolerance + (np.where(found, z, 0.0) + _POWER) * effect.standard_error
        return np.where(found, harm, np.inf)[:, 0]

    def _mde(self, weight: float) -> FloatArray:
        """As a readout fixes it, shape (M, 1)."""
        treatment, control, _, units = self._arms(weight, self._times[-1:])
        contrast = one_stratum(treatment, control)
        mde = first_mde(self._metrics, contrast.difference, contrast.ratios[1], units)
        return np.where(np.isfinite(mde), mde, 1.0)

    def _arms(self, weight: float, hours: FloatArray) -> tuple[ArmRatio, ArmRatio, Seen, FloatArray]:
        """Two equal arms at some times, fields of shape (M, T), and the units with a value of the smaller."""
        units = self._growth.units(hours)
        treatment, control = (self._growth.arm(hours, part) for part in (weight, 1 - weight))
        having = np.minimum(treatment.sum_x, units * weight)
        rate = np.array([[metric.kind == "rate"] for metric in self._metrics])
        per_unit = np.maximum(treatment.sum_x / np.maximum(having, 1e-9), 1.0)
        smaller = np.minimum(having, np.minimum(control.sum_x, units * (1 - weight)))
        return treatment, control, Seen(having, per_unit, rate), smaller


def _begun_at(stages: Sequence[Stage], weight: float) -> list[Stage]:
    """The plan with another weight of its first stage."""
    return [replace(stages[0], weight=weight), *(stage for stage in stages[1:] if stage.weight > weight)]


def _words(metric: Metric, hours: float, harm: float, value: float, *, last: bool) -> str:
    found = "harm is not found"
    if np.isfinite(harm):
        relative = f" ({harm / abs(value):.0%})" if value and metric.kind != "rate" else ""
        found = f"finds harm of {harm:.3g}{relative} by its end"
    if metric.role != "must_prove" or not last:
        return found
    if not np.isfinite(hours):
        return f"an equal version is not shown to be within {metric.margin}; {found}"
    return f"an equal version is shown to be within {metric.margin} after {hours_in_words(hours)}; {found}"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
