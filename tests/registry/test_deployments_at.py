"""What an environment served at a time."""

from datetime import UTC, datetime, timedelta

import pytest

from coalmine_registry.errors import Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import ServeExperiment, ServeVersion
from tests.support.data.registry_case import BOB, PROMPT, arms, push, serve

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_what_was_served_at_a_time(registry: Registry) -> None:
    clock = [NOON]
    own = Registry(registry._database, clock=lambda: clock[0])
    serve(own, "1.0.0")
    push(own, "1.0.1")
    clock[0] = NOON + MINUTE
    own.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.1", "1.0.0"))
    clock[0] = NOON + 2 * MINUTE
    own.stop_experiment(BOB, "tone", "treatment")
    serve(own, "1.0.0", prompt="other")

    first = own.deployment_at("prod", PROMPT, NOON + MINUTE / 2)
    assert (first.version, first.default, first.revision) == ("1.0.0", ServeVersion("1.0.0"), 1)
    second = own.deployment_at("prod", PROMPT, NOON + MINUTE)
    assert (second.default, list(second.experiments)) == (ServeExperiment("tone"), ["tone"])
    assert own.deployment_at("prod", PROMPT, NOON + 9 * MINUTE) == own.deployment("prod", PROMPT)
    assert [each.prompt for each in own.deployments_at("prod", NOON)] == [PROMPT]
    assert own.deployments_at("prod", NOON + 2 * MINUTE) == own.deployments("prod")
    assert own.deployments_at("prod", NOON - MINUTE) == []
    with pytest.raises(NotFound, match="prod served no prompt 'support-refund' at 2026-11-28T11:59"):
        own.deployment_at("prod", PROMPT, NOON - MINUTE)
    for environment, prompt in (("mars", PROMPT), ("prod", "mars")):
        with pytest.raises(NotFound, match="mars"):
            own.deployment_at(environment, prompt, NOON)
    with pytest.raises(Invalid, match="time zone"):
        own.deployments_at("prod", datetime(2026, 1, 1))  # noqa: DTZ001 - that is the case
