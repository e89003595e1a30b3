"""What a decision depends on beside evidence: which metrics can be judged, and what is the case now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from coalmine_analytics.arrays import BoolArray, IntArray
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.scales import worsening
from coalmine_analytics.readout.strata import Strata
from coalmine_analytics.results.readout import MetricReadout, Readout
from coalmine_analytics.sample_size import MIN_UNITS

RARE_SHARE = 0.01
"""A metric that fewer than one in a hundred units have in both arms is not applicable."""
SETTLED_AFTER = timedelta(hours=1)
"""From the first look on: scores and feedback come later than requests, and may count later still."""

UNDER_WAY = timedelta(hours=1)
"""After an experiment was stopped, for the events of its last calls to come in."""


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """Of one look at M metrics and T arms."""

    units: IntArray
    """Units of each arm, shape (T,)."""
    all_units: int
    """Of all arms, control among them."""
    rare: BoolArray
    """It is settled what can be judged, and hardly any unit has a value, nor in control, or but 0; (M, T)."""
    waived: BoolArray
    """Need not be proven, for it was rare when that was settled; (M, T)."""
    beyond_margin: BoolArray
    """The estimate of now is worse by more than the margin; (M, T)."""
    srm_mismatch: bool
    no_control_since: int | None
    """The epoch from which on control gets no units."""
    broken_limits: Sequence[str]
    """Absolute limits that each arm breaks, in words; empty where it breaks none."""


def is_waiting(metric: Metric, cells: Collection[str]) -> bool:
    """True if a metric that counts against a reference has values, but no reference yet."""
    measure = metric.cells.removesuffix(".capped").removesuffix(".over_cap").removesuffix(".over_p95")
    return metric.cells not in cells and measure != metric.cells and measure in cells


def is_final(
    plan: Plan, before: Readout | None, taken_at: datetime, *, requests: int, is_maturing: bool
) -> bool:
    """True if nothing will change any more, for the experiment was stopped a while ago.

    Calls that were under way then have ended, and reactions to the last of them are old enough to count.

    Args:
        plan: Knows when it was stopped.
        before: The look before.
        taken_at: Time of this look.
        requests: At this look.
        is_maturing: True if something counts only later.
    """
    if plan.stopped_at is None or taken_at - plan.stopped_at < UNDER_WAY or is_maturing:
        return False
    return before is not None and before.requests == requests


def returns(metric: Metric) -> bool:
    """True if a metric counts only units that have had time to come back."""
    return metric.per_unit or metric.cells == "returned"


def is_settled(units: int, readout: Readout | None, taken_at: datetime, min_units: int) -> bool:
    """True if it can be said which metrics will have values: nobody is kept waiting for what never comes.

    Args:
        units: Of the arm.
        readout: Of this look or of one before; knows when the first was.
        taken_at: Time of the look.
        min_units: Of the plan.
    """
    return units >= min_units and readout is not None and taken_at - readout.first_at >= SETTLED_AFTER


def rare(
    strata: Strata,
    units: IntArray,
    control_units: int,
    *,
    settled: Sequence[bool],
    waiting: Sequence[bool],
    may_be_free: Sequence[bool],
) -> BoolArray:
    """Which metrics are not applicable: shape (M, T).

    A cost that is 0 everywhere can no more be shown to be within 10 % of control's than one that is unknown.

    Args:
        strata: The look.
        units: Units of the T arms.
        control_units: Those of control.
        settled: Of each arm.
        waiting: Of each metric: true if it has values that cannot be used yet.
        may_be_free: Of each metric: true if lower is better, and its margin is a share of control's value.
    """
    few = strata.most_units_treatment < np.minimum(MIN_UNITS, RARE_SHARE * units)
    few &= strata.most_units_control < min(MIN_UNITS, RARE_SHARE * control_units)
    nothing = strata.effect.identical & (strata.contrast.ratios[1] == 0)
    few |= nothing & np.array(may_be_free, np.bool_)[:, None]
    return np.asarray(few & np.array(settled, np.bool_) & ~np.array(waiting, np.bool_)[:, None])


def waived(
    now: BoolArray, settled_before: Sequence[bool], known: Sequence[Sequence[MetricReadout | None]]
) -> BoolArray:
    """Which metrics need not be proven: settled once; shape (M, T).

    Args:
        now: Those that are rare at this look.
        settled_before: Of each arm.
        known: Metrics at the look before, by metric and arm.
    """
    found = now.copy()
    for row, of_metric in enumerate(known):
        for column, (settled, metric) in enumerate(zip(settled_before, of_metric, strict=True)):
            if settled and metric is not None:
                found[row, column] = metric.role == "must_prove" and not metric.required
    return found


def beyond_margin(metrics: Sequence[Metric], strata: Strata) -> BoolArray:
    """Whether estimates are worse by more than the margin, shape (M, T); false where there is none.

    Args:
        metrics: M of them.
        strata: The look.
    """
    margin, estimate = worsening(metrics, lambda metric: metric.margin), strata.effect.estimate
    worse = np.where(margin.both, np.abs(estimate), -margin.side * estimate)
    with np.errstate(invalid="ignore"):
        return np.asarray(worse > margin.absolute(strata.contrast))
