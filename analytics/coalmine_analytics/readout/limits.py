"""Absolute limits at one look: how many units of each arm are bad, and whether that is too many."""

from collections.abc import Sequence

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.kill_limits import limit_evidence
from coalmine_analytics.metrics.limits import bad_values
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.results.readout import LimitReadout
from coalmine_consumers.aggregation.cells import BUILT_IN
from coalmine_consumers.experiments import ExperimentSums


def limits_of(
    sums: ExperimentSums, parts: ExperimentSums, plan: Plan, control: int, arms: Sequence[int]
) -> list[tuple[LimitReadout, ...]]:
    """The limits of each arm, in the order of the plan.

    Args:
        sums: The look.
        parts: The same, cut at each border from which limits are watched anew.
        plan: With its limits.
        control: Index of the control arm.
        arms: Indexes of the T others.

    Raises:
        InvalidParameter: A limit is about something unknown.
    """
    if not plan.limits:
        return [() for _ in arms]
    bad, values = _counted(parts, plan)
    limit = np.array(list(plan.limits.values()))
    treatments, same = (
        (bad[:, :, chosen].swapaxes(1, 2), values[:, :, chosen].swapaxes(1, 2))
        for chosen in (list(arms), [control])
    )
    evidence = limit_evidence(treatments, same, limit[:, None])
    broken = evidence.broken(plan.budget.limits, limit.size * len(arms))
    if parts is not sums:
        bad, values = _counted(sums, plan)
    # Who came back in another epoch is one unit: what is counted by epoch is more by that.
    once = sums.units_of_arms / np.maximum(sums.units.sum(axis=(0, 2)), 1)
    units = np.minimum(sums.units, values) * once[:, None]
    share = np.divide(bad, values, out=np.zeros(values.shape), where=values > 0)
    bad_units, all_units = (each.sum(axis=(1, 3)) for each in (share * units, units))  # (L, A)
    return [
        tuple(
            LimitReadout(
                name=name,
                limit=float(limit[row]),
                bad_units=round(bad_units[row, index]),
                units=round(all_units[row, index]),
                control_bad_units=round(bad_units[row, control]),
                control_units=round(all_units[row, control]),
                log_e=_finite(float(evidence.log_e[row, column])),
                broken=bool(broken[row, column]),
            )
            for row, name in enumerate(plan.limits)
        )
        for column, index in enumerate(arms)
    ]


def broken_words(limits: Sequence[LimitReadout]) -> str:
    """Which limits are broken, with their counts; empty if none is."""
    return "; ".join(
        f"{each.name} is above its limit of {100 * each.limit:g} %: "
        f"{each.bad_units:,} of {each.units:,} units, "
        f"{each.control_bad_units:,} of {each.control_units:,} in control"
        for each in limits
        if each.broken
    )


def _counted(sums: ExperimentSums, plan: Plan) -> tuple[FloatArray, FloatArray]:
    """Bad values and all values of each limit, shape (L, S, A, 256)."""
    found = [_of_limit(sums, name, plan) for name in plan.limits]
    return np.stack([bad for bad, _ in found]), np.stack([values for _, values in found])


def _of_limit(sums: ExperimentSums, name: str, plan: Plan) -> tuple[FloatArray, FloatArray]:
    """Nothing where there is no data, or values other than 0 and 1."""
    for source in bad_values(name, plan.overrides):
        if source.cells in sums.metrics and (source.cells in sums.binary or source.cells in BUILT_IN):
            at = sums.metrics.index(source.cells)
            values = np.maximum(sums.x[at], 0.0)
            bad = np.clip(sums.y[at], 0.0, values)
            return (values - bad if source.zero else bad), values
    nothing = np.zeros(sums.units.shape)
    return nothing, nothing


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
