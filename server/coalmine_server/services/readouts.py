"""Readouts: plans from settings and registry, and the questions that routes ask about experiments."""

from datetime import timedelta

from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_consumers.store import Store
from coalmine_server.services.experiment_plans import ExperimentRegistry, RegistryPlans
from coalmine_server.settings.readout import ExperimentSetting, MetricSetting, ReadoutSettings


def make_readouts(
    store: Store, settings: ReadoutSettings, registry: ExperimentRegistry | None = None
) -> Readouts:
    """Readouts of a store, judged as the settings say, and as the registry planned where they say nothing."""
    plans = plans_of(settings)
    return Readouts(store, plans if registry is None else RegistryPlans(plans, registry))


def arms_to_promote(readouts: Readouts, experiment: str) -> list[str]:
    """Returns the arms of an experiment that its latest look says to promote."""
    readout = readouts.current(experiment, max_age=timedelta.max)
    return [] if readout is None else [arm.arm for arm in readout.arms if arm.decision == "promote"]


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
