"""One metric of one arm, as text and plain numbers."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from coalmine_analytics.arrays import known
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.circumstances import is_waiting
from coalmine_analytics.readout.decisions import Judge, Running
from coalmine_analytics.readout.evidence import Weighed
from coalmine_analytics.readout.scales import ArrayScales
from coalmine_analytics.readout.shown import Estimate, shown, shown_words
from coalmine_analytics.readout.strata import Strata
from coalmine_analytics.results.readout import MetricEvidence, MetricReadout, Scales
from coalmine_analytics.sample_size import NotEnoughData
from coalmine_consumers.experiments import ExperimentSums


class Row:
    """A metric of an arm at one look."""

    def __init__(
        self, sums: ExperimentSums, metric: Metric, row: int, column: int, arms: tuple[int, int]
    ) -> None:
        self._sums = sums
        self._metric = metric
        self._at = (row, column)
        self._arms = arms

    def readout(
        self,
        strata: Strata,
        scales: ArrayScales,
        weighed: Weighed,
        running: Running,
        judge: Judge,
        *,
        taken_at: datetime,
        before: MetricReadout | None,
    ) -> MetricReadout:
        """Assemble the readout.

        Args:
            strata: The look.
            scales: Sizes of changes.
            weighed: Evidence at this look.
            running: Evidence up to this look.
            judge: Knows the verdict.
            taken_at: Time of the look.
            before: The metric at the look before, under the same hypothesis.
        """
        at, metric = self._at, self._metric
        usable = bool(strata.effect.usable[at])
        effect = known(strata.effect.estimate[at])
        control_value, value = (known(ratio[at]) for ratio in reversed(strata.contrast.ratios))
        if not usable and not metric.per_unit:  # no interval can be had, but what was counted is known
            control_value, value = (self._share(metric.cells, [index]) for index in self._arms)
        verdict = judge.metric(*at)
        fixed = np.isfinite(scales.mde[at])
        raw_control, raw, clipped = self._raw()
        words = verdict.words
        if verdict.verdict == "not enough data":
            words = self._too_little(strata)
        now = Estimate(
            effect if usable else None,
            known(weighed.lower[at]),
            known(weighed.upper[at]),
            control_value,
            known(weighed.relative_lower[at]),
            known(weighed.relative_upper[at]),
        )
        units = int(self._sums.units[:, self._arms[1]].sum())
        since = shown(metric, verdict.verdict, now, taken_at=taken_at, units=units, before=before)
        if since is not None:
            words = f"{words}; {shown_words(metric, since, now)}"
        return MetricReadout(
            metric=metric.name,
            unit=metric.unit,
            direction=metric.direction,
            role=metric.role,
            required=judge.is_required(*at),
            goal=judge.is_goal(metric),
            verdict=verdict.verdict,
            words=words,
            shown=since,
            control_value=control_value,
            value=value,
            effect=now.effect,
            lower=now.lower,
            upper=now.upper,
            relative_effect=now.effect / control_value if now.effect is not None and control_value else None,
            relative_lower=now.relative_lower,
            relative_upper=now.relative_upper,
            standard_error=known(strata.effect.standard_error[at]),
            degrees_of_freedom=known(strata.effect.degrees_of_freedom[at]),
            log_e=known(weighed.difference[at]),
            evidence=MetricEvidence(
                difference=known(running.difference[at]),
                harm=known(running.harm[at]),
                acceptable=known(running.acceptable[at]),
                better=known(running.better[at]),
            ),
            adjusted_p=verdict.adjusted_p,
            units_needed=verdict.units_needed,
            scales=Scales(float(scales.mde[at]), float(scales.margin[at]), float(scales.tolerance[at]))
            if fixed
            else None,
            hypothesis=metric.hypothesis,
            raw_control_value=raw_control,
            raw_value=raw,
            clipped_share=clipped,
        )

    def _too_little(self, strata: Strata) -> str:
        if is_waiting(self._metric, self._sums.metrics):
            return "waiting for its reference: too few values from before the experiment"
        units = int(strata.most_units_treatment[self._at]), int(strata.most_units_control[self._at])
        return NotEnoughData(*units).reason

    def _raw(self) -> tuple[float | None, float | None, float | None]:
        """Means without the cap in control and in the arm, and the share of values beyond it."""
        if self._metric.raw_cells is None:
            return None, None, None
        control, arm = (self._share(self._metric.raw_cells, [index]) for index in self._arms)
        clipped = self._share(self._metric.clipped_cells or "", list(self._arms), scale=1.0)
        return control, arm, clipped

    def _share(self, cells: str, arms: Sequence[int], *, scale: float | None = None) -> float | None:
        """Numerator over denominator of all epochs together; descriptive, not used in any test."""
        if cells not in self._sums.metrics:
            return None
        at = self._sums.metrics.index(cells)
        x = self._sums.x[at][:, arms].sum()
        factor = self._metric.scale if scale is None else scale
        return float(self._sums.y[at][:, arms].sum() / x) * factor if x > 0 else None
