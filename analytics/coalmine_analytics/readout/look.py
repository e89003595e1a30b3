"""A readout of one look: pure, from sums, plan and the readout before."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_analytics.core.running_p import continue_p
from coalmine_analytics.core.srm import srm_log_e
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.readout.decisions import Judge, Running
from coalmine_analytics.readout.evidence import ArrayScales, Weighed, fix_scales, weigh
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.strata import Strata, stratify
from coalmine_analytics.results.readout import (
    ArmReadout,
    MetricEvidence,
    MetricReadout,
    Readout,
    Scales,
    SrmReadout,
)
from coalmine_analytics.sample_size import NotEnoughData
from coalmine_consumers.experiments import ExperimentSums


def read_out(
    sums: ExperimentSums, plan: Plan, *, taken_at: datetime, before: Readout | None = None
) -> Readout:
    """Every metric of every arm against control.

    Valid at all looks together: p-values are running minima, and decisions stand. Epochs are compared each by
    itself and then combined. Rollback: harm of any metric whose role is `must_prove` or `must_not_harm`, Holm
    over these and arms. Promotion: each that is `must_prove` at alpha (intersection-union), and if there are
    goals at least one better (Holm over goals and arms); Holm over arms; no signal harmed; no sample-ratio
    mismatch.

    Args:
        sums: The look.
        plan: Fixed before the first look. MetricEvidence gathered under other hypotheses is dropped.
        taken_at: Time of the look.
        before: The readout of the look before, if there was one.

    Raises:
        InvalidParameter: The plan does not fit the experiment.
    """
    control_name = plan.control_of(sums.arms)
    control = sums.arms.index(control_name)
    others = [index for index in range(len(sums.arms)) if index != control]
    metrics = metrics_in(sums.metrics, plan.overrides)
    names = [sums.arms[index] for index in others]
    earlier = _Earlier(before if before is not None and before.control == control_name else None)
    strata = stratify(sums, metrics, control, others)
    known = [[earlier.metric(arm, metric) for arm in names] for metric in metrics]
    scales = fix_scales(
        metrics, strata, [[None if each is None else each.scales for each in row] for row in known]
    )
    weighed = weigh(metrics, strata, scales, alpha=plan.alpha)
    running = Running(
        difference=_continue(weighed.difference, known, "difference"),
        harm=_continue(weighed.harm, known, "harm"),
        acceptable=_continue(weighed.acceptable, known, "acceptable"),
        better=_continue(weighed.better, known, "better"),
    )
    srm = _srm(sums, plan, earlier.readout)
    judge = Judge(metrics, plan, running, weighed, srm_mismatch=srm.mismatch)
    units, requests = sums.units.sum(axis=(0, 2)), sums.x[sums.metrics.index("requests")].sum(axis=(0, 2))
    arms = []
    for column, (index, name) in enumerate(zip(others, names, strict=True)):
        verdict = judge.arm(column, earlier.decision(name))
        arms.append(
            ArmReadout(
                arm=name,
                units=int(units[index]),
                requests=int(requests[index]),
                decision=verdict.decision,
                words=verdict.words,
                units_needed=verdict.units_needed,
                acceptable_p=verdict.acceptable_p,
                metrics=tuple(
                    _Row(sums, metric, row, column, (control, index)).readout(
                        strata, scales, weighed, running, judge
                    )
                    for row, metric in enumerate(metrics)
                ),
            )
        )
    return Readout(
        experiment=sums.experiment,
        taken_at=taken_at,
        through_ingest_id=sums.through_ingest_id,
        alpha=plan.alpha,
        control=control_name,
        control_units=int(units[control]),
        control_requests=int(requests[control]),
        epochs=sums.epochs,
        srm=srm,
        arms=tuple(arms),
    )


class _Earlier:
    """The previous look."""

    def __init__(self, readout: Readout | None) -> None:
        self.readout = readout
        self._arms = {} if readout is None else {arm.arm: arm for arm in readout.arms}
        self._metrics = {
            (arm.arm, metric.metric): metric for arm in self._arms.values() for metric in arm.metrics
        }

    def metric(self, arm: str, metric: Metric) -> MetricReadout | None:
        """A metric of an arm, if its hypothesis is the same."""
        found = self._metrics.get((arm, metric.name))
        return found if found is not None and found.hypothesis == metric.hypothesis else None

    def decision(self, arm: str) -> ArmReadout | None:
        """The arm at that look."""
        return self._arms.get(arm)


def _continue(
    log_e: FloatArray, known: Sequence[Sequence[MetricReadout | None]], question: str
) -> FloatArray:
    """Running p-values after this look."""
    before = [
        [np.nan if each is None else _number(getattr(each.evidence, question)) for each in row]
        for row in known
    ]
    return continue_p(np.reshape(np.array(before, np.float64), log_e.shape), log_e)


def _srm(sums: ExperimentSums, plan: Plan, before: Readout | None) -> SrmReadout:
    units = sums.units.sum(axis=-1)
    log_e, planned = 0.0, False
    for epoch, counts in zip(sums.epochs, units, strict=True):
        weights = plan.weights_of(epoch)
        if weights is not None:
            planned = True
            shares = np.array([weights.get(arm, 0.0) for arm in sums.arms])
            log_e += float(srm_log_e(counts, shares))
    if not planned:
        return SrmReadout(
            p=None, log_e=None, mismatch=False, words="not checked: the planned split of units is unknown"
        )
    p = float(continue_p(_number(None if before is None else before.srm.p), log_e))
    mismatch = p <= plan.alpha or (before is not None and before.srm.mismatch)
    words = (
        "units do not arrive in the planned proportions: find the cause before trusting any effect"
        if mismatch
        else "no deviation from the planned proportions shown"
    )
    return SrmReadout(p=p, log_e=log_e if np.isfinite(log_e) else None, mismatch=mismatch, words=words)


class _Row:
    """One metric of one arm, as text and plain numbers."""

    def __init__(
        self, sums: ExperimentSums, metric: Metric, row: int, column: int, arms: tuple[int, int]
    ) -> None:
        self._sums = sums
        self._metric = metric
        self._at = (row, column)
        self._arms = arms

    def readout(
        self, strata: Strata, scales: ArrayScales, weighed: Weighed, running: Running, judge: Judge
    ) -> MetricReadout:
        """Assemble the readout."""
        at, metric = self._at, self._metric
        usable = bool(strata.effect.usable[at])
        effect = known(strata.effect.estimate[at])
        control_value, value = known(strata.control.ratio[at]), known(strata.treatment.ratio[at])
        if not usable and not metric.per_unit:  # no interval can be had, but what was counted is known
            control_value, value = (self._share(metric.cells, [index]) for index in self._arms)
        verdict = judge.metric(*at)
        fixed = np.isfinite(scales.mde[at])
        raw_control, raw, clipped = self._raw()
        words = verdict.words
        if verdict.verdict == "not enough data":
            words = self._too_little(strata)
        return MetricReadout(
            metric=metric.name,
            unit=metric.unit,
            direction=metric.direction,
            role=metric.role,
            goal=judge.is_goal(metric),
            verdict=verdict.verdict,
            words=words,
            control_value=control_value,
            value=value,
            effect=effect if usable else None,
            lower=known(weighed.lower[at]),
            upper=known(weighed.upper[at]),
            relative_effect=effect / control_value
            if usable and effect is not None and control_value
            else None,
            relative_lower=known(weighed.relative_lower[at]),
            relative_upper=known(weighed.relative_upper[at]),
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
        if self._metric.cells not in self._sums.metrics and self._metric.raw_cells is not None:
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


def _number(value: float | None) -> float:
    return np.nan if value is None else value
