"""A default stands once: the command, the route and the function behind them have the same."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from coalmine_analytics.drift import DriftPlan
from coalmine_analytics.readout import Plan
from coalmine_consumers.collector.collector import CollectorSettings
from coalmine_consumers.maintenance.policy import MaintenancePolicy
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_consumers.store import StoreSettings
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import MOST_AT_ONCE, Rollouts
from coalmine_server.api.routes import (
    access,
    evidence,
    experiments,
    freezes,
    pipeline,
    promotions,
    prompts,
    rollouts,
)
from coalmine_server.cli import dead_letters, explain, readout, timeline, versions
from coalmine_server.cli.prompts import inspect as commands
from coalmine_server.cli.prompts import rollouts as rollout_commands
from coalmine_server.services.drift import drift_plan
from coalmine_server.services.plan_metrics import plans_of
from coalmine_server.services.store_settings import store_settings
from coalmine_server.services.wiring import collector_settings, maintenance_policy
from coalmine_server.settings import (
    IngestSettings,
    KafkaSettings,
    RetentionSettings,
    RolloutSettings,
    Settings,
    StoreSection,
)
from coalmine_server.settings.readout import ReadoutSettings

_SAME = (
    (
        "hygiene, newest",
        (commands.hygiene, "keep"),
        (prompts.hygiene, "keep_newest"),
        (Registry.hygiene, "keep_newest"),
    ),
    (
        "hygiene, days",
        (commands.hygiene, "idle_days"),
        (prompts.hygiene, "idle_days"),
        (Registry.hygiene, "idle_days"),
    ),
    ("prompts", (prompts.prompts, "limit"), (Registry.prompts, "limit")),
    ("versions", (prompts.prompt_versions, "limit"), (Registry.versions, "limit")),
    ("promotions", (promotions.promotions, "limit"), (Registry.promotions, "limit")),
    ("experiments", (experiments.experiments, "limit"), (Registry.experiments, "limit")),
    ("rollouts", (rollouts.rollouts, "limit"), (Rollouts.rollouts, "limit")),
    ("decisions", (rollouts.rollout_decisions, "limit"), (Rollouts.decisions, "limit")),
    ("freezes", (freezes.freezes, "limit"), (Registry.freezes, "limit")),
    ("ended freezes", (freezes.freezes, "ended"), (Registry.freezes, "ended")),
    ("evidence", (evidence.prompt_evidence, "limit"), (Registry.evidence_of, "limit")),
    ("log", (access.prompt_log, "limit"), (access.audit_log, "limit"), (Registry.audit_log, "limit")),
)


_BY_SETTINGS = (
    (collector_settings(IngestSettings()), CollectorSettings()),
    (store_settings(StoreSection(), ReadoutSettings()), StoreSettings()),
    (maintenance_policy(StoreSection(), RetentionSettings()), MaintenancePolicy()),
    (plans_of(ReadoutSettings()).default, Plan()),
    (drift_plan(Settings()), DriftPlan()),
    (KafkaSettings().group_id, KafkaSourceSettings("").group_id),
    (RolloutSettings().most_at_once, MOST_AT_ONCE),
)
_ASKED_WITHOUT = (
    (versions.versions, ("prompt", "version", "environment", "app", "since", "until")),
    (versions.timeseries, ("prompt", "version", "environment", "app", "since", "until", "step")),
    (dead_letters.list_, ("status", "event", "stage")),
    (explain.explain, ("metric", "a", "b", "since", "until", "before_since", "before_until", "segment")),
    (readout.compare, ("environment", "since", "until", "segment")),
    (timeline.timeline, ("environment", "since", "until")),
    (rollout_commands.start, ("environment", "plan", "template", "rule", "start_at")),
    (rollout_commands.check, ("environment", "plan", "template")),
    (readout.drift, ("version", "environment", "metric")),
)


@pytest.mark.parametrize(
    ("by_settings", "of_the_part"), _BY_SETTINGS, ids=[type(part).__name__ for _, part in _BY_SETTINGS]
)
def test_settings_have_the_defaults_of_the_parts(by_settings: object, of_the_part: object) -> None:
    assert by_settings == of_the_part


@pytest.mark.parametrize(("command", "options"), _ASKED_WITHOUT)
def test_commands_leave_defaults_to_the_routes(command: Callable[..., Any], options: tuple[str, ...]) -> None:
    parameters = inspect.signature(command).parameters
    assert {name: parameters[name].default for name in options} == dict.fromkeys(options)


def test_the_limit_of_dead_letters_is_that_of_the_route() -> None:
    command, route = (
        inspect.signature(each).parameters["limit"] for each in (dead_letters.list_, pipeline.dead_letters)
    )
    assert command.default == route.default


@pytest.mark.parametrize("doors", [doors for _, *doors in _SAME], ids=[name for name, *_ in _SAME])
def test_every_door_has_the_same_default(doors: list[tuple[Callable[..., Any], str]]) -> None:
    defaults = {inspect.signature(door).parameters[parameter].default for door, parameter in doors}
    assert len(defaults) == 1
    assert inspect.Parameter.empty not in defaults
