"""A readout of one look: pure, from sums, plan and the readout before."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.running_p import continue_p
from coalmine_analytics.metrics import metrics_in, planned
from coalmine_analytics.readout.borders import split_at
from coalmine_analytics.readout.circumstances import (
    Circumstances,
    beyond_margin,
    is_final,
    is_settled,
    is_waiting,
    rare,
    returns,
    waived,
)
from coalmine_analytics.readout.decisions import Judge, Running
from coalmine_analytics.readout.evidence import weigh
from coalmine_analytics.readout.limits import broken_words, limits_of
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.rows import Observed, Rows, cache_saving
from coalmine_analytics.readout.sample_ratio import sample_ratio
from coalmine_analytics.readout.scales import scales_of
from coalmine_analytics.readout.segments import segments_of
from coalmine_analytics.readout.strata import stratify
from coalmine_analytics.results.readout import (
    ArmReadout,
    HeavyUnitReadout,
    MetricReadout,
    Readout,
    SegmentReadout,
)
from coalmine_analytics.results.verdicts import Decision
from coalmine_consumers.experiments import ExperimentSums


def read_out(
    sums: ExperimentSums,
    plan: Plan,
    *,
    taken_at: datetime,
    before: Readout | None = None,
    borders: Sequence[ExperimentSums] = (),
) -> Readout:
    """Every metric of every arm against control.

    Valid at all looks together: p-values are running minima, and decisions stand. Epochs are compared each by
    itself and then combined. Rollback: harm of any metric whose role is `must_prove` or `must_not_harm`, Holm
    over these and arms, or an absolute limit that is broken. Promotion: each that is `must_prove` at alpha
    (intersection-union), and if there are goals at least one better (Holm over goals and arms); Holm over
    arms; no signal harmed; no sample-ratio mismatch. That a metric is better which is no goal: Holm over
    all that are judged and arms.

    Args:
        sums: The look.
        plan: Fixed before the first look. MetricEvidence gathered under other hypotheses is dropped.
        taken_at: Time of the look.
        before: The readout of the look before, if there was one.
        borders: Earlier sums, oldest first: from each on harm is looked for anew, as from each epoch on.

    Raises:
        InvalidParameter: The plan does not fit the experiment.
    """
    control_name = plan.control_of(sums.arms)
    control = sums.arms.index(control_name)
    others = [index for index in range(len(sums.arms)) if index != control]
    judged = planned(plan.overrides)
    needed = {metric.cells for metric in judged if metric.role == "must_prove"}
    metrics = metrics_in({*sums.metrics, *needed}, plan.overrides)
    names = [sums.arms[index] for index in others]
    earlier = _Earlier(before if before is not None and before.control == control_name else None)
    strata = stratify(sums, metrics, control, others)
    hypotheses = [metric.hypothesis for metric in metrics]
    known = [
        [earlier.metric(arm, metric.name, hypothesis) for arm in names]
        for metric, hypothesis in zip(metrics, hypotheses, strict=True)
    ]
    scales = scales_of(
        metrics, strata, [[None if each is None else each.scales for each in row] for row in known]
    )
    cut = split_at(sums, borders) if borders else sums
    parts = stratify(cut, metrics, control, others) if borders else strata
    weighed = weigh(metrics, strata, parts, scales.mde, alpha=plan.alpha)
    running = Running(
        difference=_continue(weighed.difference, known, "difference"),
        harm=_continue(weighed.harm, known, "harm"),
        acceptable=_continue(weighed.acceptable, known, "acceptable"),
        better=_continue(weighed.better, known, "better"),
    )
    srm = sample_ratio(sums, plan, earlier.readout)
    units, requests = sums.units_of_arms, sums.x[sums.metrics.index("requests")].sum(axis=(0, 2))
    no_control_since = plan.no_control_since(control_name, sums.epochs)
    waiting = [is_waiting(metric, sums.metrics) or returns(metric) for metric in metrics]
    settled = [is_settled(int(units[index]), before, taken_at, plan.min_units) for index in others]
    may_be_free = [metric.margin.relative and metric.direction == "lower" for metric in metrics]
    now_rare = rare(
        strata, units[others], int(units[control]), settled=settled, waiting=waiting, may_be_free=may_be_free
    )
    limits = limits_of(sums, cut, plan, control, others)
    segments = segments_of(
        sums,
        metrics,
        plan,
        control,
        others,
        mde=scales.mde,
        known=known,
        before=[earlier.segments(name) for name in names],
    )
    judge = Judge(
        metrics,
        plan,
        running,
        weighed,
        Circumstances(
            units=units[others],
            all_units=int(units.sum()),
            rare=now_rare,
            waived=waived(now_rare, [earlier.is_settled(name, plan.min_units) for name in names], known),
            beyond_margin=beyond_margin(metrics, strata),
            srm_mismatch=srm.mismatch,
            no_control_since=no_control_since,
            broken_limits=[broken_words(each) for each in limits],
        ),
        judged=judged,
    )
    rows = Rows(Observed(sums, metrics, control, others, strata, scales, weighed, running, judge, taken_at))
    arms = []
    for column, (index, name) in enumerate(zip(others, names, strict=True)):
        verdict = judge.arm(column, earlier.arm(name))
        arms.append(
            ArmReadout(
                arm=name,
                units=int(units[index]),
                requests=int(requests[index]),
                decision=verdict.decision,
                words=verdict.words,
                decided_at=earlier.decided_at(name, verdict.decision, taken_at),
                units_needed=verdict.units_needed,
                acceptable_p=verdict.acceptable_p,
                metrics=tuple(rows.readout(row, column, known[row][column]) for row in range(len(metrics))),
                limits=limits[column],
                segments=segments[column],
                cache_saving=cache_saving(sums, index),
                heavy_units=tuple(
                    HeavyUnitReadout(unit_id=each.unit_id, requests=each.requests, share=each.share)
                    for each in sums.heavy_units
                    if each.arm == name
                ),
            )
        )
    return Readout(
        experiment=sums.experiment,
        taken_at=taken_at,
        through_ingest_id=sums.through_ingest_id,
        alpha=plan.alpha,
        budget=plan.budget,
        first_at=taken_at if before is None else before.first_at,
        control=control_name,
        control_units=int(units[control]),
        control_requests=int(requests[control]),
        control_cache_saving=cache_saving(sums, control),
        epochs=sums.epochs,
        epoch_since=taken_at
        if before is None or before.epochs[-1:] != sums.epochs[-1:]
        else before.epoch_since,
        borders=() if before is None else before.borders,
        no_control_since=no_control_since,
        stopped=plan.stopped_at is not None,
        final=is_final(plan, before, taken_at, requests=int(requests.sum()), is_maturing=sums.is_maturing),
        begun_anew=None if before is None else before.begun_anew,
        srm=srm,
        arms=tuple(arms),
        left_out_requests=sums.left_out_requests,
    )


class _Earlier:
    """The previous look."""

    def __init__(self, readout: Readout | None) -> None:
        self.readout = readout
        self._arms = {} if readout is None else {arm.arm: arm for arm in readout.arms}
        self._metrics = {
            (arm.arm, metric.metric): metric for arm in self._arms.values() for metric in arm.metrics
        }

    def metric(self, arm: str, metric: str, hypothesis: str) -> MetricReadout | None:
        """A metric of an arm, if its hypothesis is the same."""
        found = self._metrics.get((arm, metric))
        return found if found is not None and found.hypothesis == hypothesis else None

    def decided_at(self, arm: str, decision: Decision, now: datetime) -> datetime | None:
        """When this decision was made: then, if it stood already, or now."""
        if decision == "hold":
            return None
        before = self._arms.get(arm)
        return before.decided_at if before is not None and before.decision == decision else now

    def is_settled(self, arm: str, min_units: int) -> bool:
        """True if it was settled at that look which metrics of the arm can be judged."""
        found = self._arms.get(arm)
        if found is None or self.readout is None:
            return False
        return is_settled(found.units, self.readout, self.readout.taken_at, min_units)

    def segments(self, arm: str) -> tuple[SegmentReadout, ...]:
        """Segments of an arm at that look."""
        found = self._arms.get(arm)
        return () if found is None else found.segments

    def arm(self, arm: str) -> ArmReadout | None:
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


def _number(value: float | None) -> float:
    return np.nan if value is None else value
