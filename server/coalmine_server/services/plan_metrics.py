"""How metrics are judged: as settings say, and as the plan of an experiment says."""

from dataclasses import replace
from typing import Any

from coalmine_analytics.metrics import BUILT_IN, MetricOverride, bad_values
from coalmine_analytics.readout import FixedPlans, Plan
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.size import Size
from coalmine_server.settings.readout import ExperimentSetting, MetricSetting, ReadoutSettings


def plans_of(settings: ReadoutSettings) -> FixedPlans:
    """The plans that settings know."""
    overrides = {name: _override(setting) for name, setting in settings.metrics.items()}
    return FixedPlans(
        Plan(alpha=settings.alpha, min_units=settings.min_units, overrides=overrides),
        {name: _plan(setting, settings, overrides) for name, setting in settings.experiments.items()},
    )


def _plan(
    setting: ExperimentSetting, settings: ReadoutSettings, overrides: dict[str, MetricOverride]
) -> Plan:
    return Plan(
        control=setting.control,
        alpha=setting.alpha or settings.alpha,
        min_units=setting.min_units or settings.min_units,
        goals=frozenset(setting.goals),
        overrides=overrides,
        weights=setting.weights,
    )


def _override(setting: MetricSetting) -> MetricOverride:
    return MetricOverride(
        direction=setting.direction,
        unit=setting.unit,
        role=setting.role,
        margin=setting.margin,
        tolerance=setting.tolerance,
        mde=setting.mde,
    )


def check_metrics(plan: ExperimentPlan, settings: ReadoutSettings) -> None:
    """Checks that every metric of a plan can be judged: a built-in one, or one whose direction is given.

    What it limits must be a rate, and its segments declared.

    Raises:
        InvalidParameter: One is not.
    """
    known = {metric.name for metric in BUILT_IN}
    known |= {name for name, each in settings.metrics.items() if each.direction is not None}
    known |= {name for name, each in plan.metrics.items() if each.direction is not None}
    for name in (*plan.goals, *plan.metrics):
        if name not in known:
            near = nearest(name, known)
            hint = f" did you mean {near}?" if near else ""
            raise InvalidParameter(
                f"no metric {name!r:.100} is built in:{hint} For one of your own, say which direction is "
                "better: higher, lower, or same"
            )
    for key in plan.segments:
        if key not in settings.segments:
            declared = ", ".join(settings.segments) or "none is"
            raise InvalidParameter(
                f"segment {key!r:.100} is not declared ({declared}): add it to the setting readout.segments"
            )
    directions = {name: each.direction for name, each in settings.metrics.items()}
    directions |= {name: each.direction for name, each in plan.metrics.items() if each.direction is not None}
    for name in plan.limits:
        bad_values(name, {own: MetricOverride(direction=way) for own, way in directions.items()})


def plan_with(given: ExperimentPlan, plan: Plan) -> Plan:
    """The plan with what an experiment was started with."""
    overrides = dict(plan.overrides)
    for name, metric in given.metrics.items():
        sizes = {part: getattr(metric, part) for part in ("margin", "tolerance", "mde")}
        changes: dict[str, Any] = {part: Size.parse(text) for part, text in sizes.items() if text is not None}
        if metric.direction is not None:
            changes["direction"] = metric.direction
        if metric.role is not None:
            changes["role"] = metric.role
        overrides[name] = replace(overrides.get(name, MetricOverride()), **changes)
    return replace(
        plan,
        alpha=given.alpha or plan.alpha,
        goals=frozenset(given.goals) or plan.goals,
        segments=frozenset(given.segments),
        overrides=overrides,
        limits=given.limits or plan.limits,
    )
