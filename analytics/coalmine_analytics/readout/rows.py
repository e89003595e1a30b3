"""One metric of one arm, as text and plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.circumstances import is_waiting, returns
from coalmine_analytics.readout.decisions import Judge, Running
from coalmine_analytics.readout.evidence import Weighed
from coalmine_analytics.readout.scales import ArrayScales
from coalmine_analytics.readout.shown import Estimate, shown, shown_words
from coalmine_analytics.readout.strata import Strata
from coalmine_analytics.results.readout import MetricEvidence, MetricReadout, Scales
from coalmine_analytics.sample_size import NotEnoughData
from coalmine_consumers.aggregation.cells import PER_UNIT
from coalmine_consumers.experiments import ExperimentSums


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is known of M metrics and T arms at one look."""

    sums: ExperimentSums
    metrics: Sequence[Metric]
    control: int
    """Index of the control arm."""
    arms: Sequence[int]
    """Indexes of the T others."""
    strata: Strata
    scales: ArrayScales
    weighed: Weighed
    running: Running
    judge: Judge
    taken_at: datetime


class Rows:
    """The rows of a look; arrays become plain numbers for all of them at once."""

    def __init__(self, look: Observed) -> None:
        effect, weighed, running = look.strata.effect, look.weighed, look.running
        self._look = look
        self._sums = look.sums
        self._identical = effect.identical.tolist()
        value, control_value = look.strata.contrast.ratios
        usable = effect.usable
        self._usable = usable.tolist()
        self._numbers = _plain(
            value=value,
            control_value=control_value,
            effect=np.where(usable, effect.estimate, np.nan),
            standard_error=effect.standard_error,
            degrees_of_freedom=effect.degrees_of_freedom,
            log_e=weighed.difference,
            lower=weighed.lower,
            upper=weighed.upper,
            relative_lower=weighed.relative_lower,
            relative_upper=weighed.relative_upper,
        )
        self._evidence = _plain(
            difference=running.difference,
            harm=running.harm,
            acceptable=running.acceptable,
            better=running.better,
        )
        scales = look.scales
        self._scales = _plain(mde=scales.mde, margin=scales.margin, tolerance=scales.tolerance)
        self._units = look.sums.units_of_arms.tolist()
        self._with_value = [
            each.tolist() for each in (look.strata.latest_units_treatment, look.strata.latest_units_control)
        ]
        self._hypotheses = [metric.hypothesis for metric in look.metrics]

    def readout(self, row: int, column: int, before: MetricReadout | None) -> MetricReadout:
        """One metric of one arm.

        Args:
            row: Of the metric.
            column: Of the arm.
            before: The metric at the look before, under the same hypothesis.
        """
        at, look = (row, column), self._look
        metric, arms = look.metrics[row], (look.control, look.arms[column])
        numbers = self._numbers[row][column]
        if not self._usable[row][column] and not metric.per_unit:
            # No interval can be had, but what was counted is known.
            for name, index in zip(("control_value", "value"), arms, strict=True):
                numbers[name] = self._share(metric, metric.cells, [index])
        verdict = look.judge.metric(*at)
        raw_control, raw, clipped = self._raw(metric, arms)
        words = verdict.words
        if verdict.verdict == "not enough data":
            words = self._too_little(metric, at)
        elif self._identical[row][column]:
            words = f"{words}; every value is the same in both arms"
        now = Estimate(
            **{name: numbers[name] for name in ("effect", "lower", "upper")},
            control=numbers["control_value"],
            relative_lower=numbers["relative_lower"],
            relative_upper=numbers["relative_upper"],
        )
        units = self._units[arms[1]]
        since = shown(metric, verdict.verdict, now, taken_at=look.taken_at, units=units, before=before)
        if since is not None:
            words = f"{words}; {shown_words(metric, since, now)}"
        mde, margin, tolerance = self._scales[row][column].values()
        return MetricReadout(
            metric=metric.name,
            unit=metric.unit,
            direction=metric.direction,
            role=metric.role,
            required=look.judge.is_required(*at),
            goal=look.judge.is_goal(metric),
            units=self._with_value[0][row][column],
            control_units=self._with_value[1][row][column],
            verdict=verdict.verdict,
            words=words,
            shown=since,
            relative_effect=now.effect / abs(now.control) if now.effect is not None and now.control else None,
            evidence=MetricEvidence(**self._evidence[row][column]),
            adjusted_p=verdict.adjusted_p,
            units_needed=verdict.units_needed,
            scales=Scales(mde, margin or 0.0, tolerance or 0.0) if mde is not None else None,
            hypothesis=self._hypotheses[row],
            raw_control_value=raw_control,
            raw_value=raw,
            clipped_share=clipped,
            **numbers,
        )

    def _too_little(self, metric: Metric, at: tuple[int, int]) -> str:
        if is_waiting(metric, self._sums.metrics):
            return "waiting for its reference: too few values from before the experiment"
        if metric.cells.startswith(PER_UNIT):
            return "late outcomes count 72 hours after a call: too few units were served before that"
        if returns(metric):
            return "too few units have had time to come back"
        strata = self._look.strata
        units = int(strata.most_units_treatment[at]), int(strata.most_units_control[at])
        return NotEnoughData(*units).reason

    def _raw(self, metric: Metric, arms: tuple[int, int]) -> tuple[float | None, float | None, float | None]:
        """Means without the cap in control and in the arm, and the share of values beyond it."""
        if metric.raw_cells is None:
            return None, None, None
        control, arm = (self._share(metric, metric.raw_cells, [index]) for index in arms)
        return control, arm, self._share(metric, metric.clipped_cells or "", list(arms), scale=1.0)

    def _share(
        self, metric: Metric, cells: str, arms: Sequence[int], *, scale: float | None = None
    ) -> float | None:
        """Numerator over denominator of all epochs together; descriptive, not used in any test."""
        if cells not in self._sums.metrics:
            return None
        at = self._sums.metrics.index(cells)
        x = self._sums.x[at][:, arms].sum()
        factor = metric.scale if scale is None else scale
        return float(self._sums.y[at][:, arms].sum() / x) * factor if x > 0 else None


def cache_saving(sums: ExperimentSums, arm: int) -> float | None:
    """Share of an arm's cost at full prices that the provider's cache saved; None where it is unknown."""
    names = ("cost_nano_usd", "cost_uncached_nano_usd")
    if not set(names) <= set(sums.metrics):
        return None
    at = [sums.metrics.index(name) for name in names]
    x, y = (each[at][:, :, arm].sum(axis=(1, 2)) for each in (sums.x, sums.y))
    # Costs may be known of more requests than costs without a cache are.
    return float(1.0 - (y[0] / x[0]) / (y[1] / x[1])) if (x > 0).all() and y[1] > 0 else None


def _plain(**values: FloatArray) -> list[list[dict[str, float | None]]]:
    """Numbers of each metric and arm as a result carries them: None where NaN or infinite."""
    stacked = np.stack(list(values.values()), axis=-1)
    found = stacked.astype(object)
    found[~np.isfinite(stacked)] = None
    return [[dict(zip(values, numbers, strict=True)) for numbers in row] for row in found.tolist()]
