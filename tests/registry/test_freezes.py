"""Freezes, and going back in a hurry."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coalmine_registry.errors import Forbidden, Frozen, Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Rule, ServeVersion
from tests.support.data.registry_case import ANN, BOB, CLEO, PROMPT, READER, arms, push, serve

LATER = datetime(2100, 1, 1, 9, 30, tzinfo=UTC)
GERMAN = Rule("german", {"language": ("de",)}, ServeVersion("1.0.0"))


def changes(registry: Registry) -> list[Callable[[], Any]]:
    """Everything that shows something new in prod."""
    return [
        lambda: registry.promote(BOB, PROMPT, "1.0.2", "prod"),
        lambda: registry.promote(ANN, PROMPT, "1.0.2", "prod"),
        lambda: registry.set_rules(BOB, "prod", PROMPT, [GERMAN]),
        lambda: registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.0", "1.0.1")),
    ]


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.1 in prod, where 1.0.0 was before."""
    serve(registry, "1.0.0", "1.0.1")
    push(registry, "1.0.2")
    return registry


@pytest.mark.parametrize("environment", ["prod", None])
@pytest.mark.parametrize("prompt", [PROMPT, None])
def test_what_is_frozen_only_goes_back(served: Registry, environment: str | None, prompt: str | None) -> None:
    made = served.freeze(CLEO, "Friday", environment=environment, prompt=prompt, until=LATER)
    said = rf"frozen by cleo until 2100-01-01 09:30 UTC: Friday\. .* `coalmine unfreeze {made.id}`"
    for each in changes(served):
        with pytest.raises(Frozen, match=said):
            each()
    assert served.rollback(ANN, "prod", PROMPT).version == "1.0.0"


def test_elsewhere_nothing_is_frozen(served: Registry) -> None:
    push(served, "1.0.0", prompt="other")
    served.freeze(CLEO, "Friday", environment="staging")
    served.freeze(CLEO, "Friday", prompt="other")
    for each in changes(served):
        each()


def test_an_experiment_shrinks_in_a_freeze_but_does_not_grow(served: Registry) -> None:
    served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.2", "1.0.1", 0.5))
    served.freeze(CLEO, "Friday")
    with pytest.raises(Frozen):
        served.set_weights(BOB, "tone", {"treatment": 0.6})
    served.set_weights(BOB, "tone", {"treatment": 0.2})
    with pytest.raises(Frozen):
        served.stop_experiment(BOB, "tone", "treatment")
    served.stop_experiment(BOB, "tone")


def test_a_freeze_ends_when_it_said_or_when_somebody_ends_it(served: Registry) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    clock = [now]
    registry = Registry(served._database, clock=lambda: clock[0])
    hour = timedelta(hours=1)
    registry.freeze(CLEO, "night", starts_at=now + hour, until=now + 2 * hour)
    registry.promote(BOB, PROMPT, "1.0.2", "prod")
    clock[0] = now + hour
    with pytest.raises(Frozen, match="until 2026-11-28 02:00 UTC: night"):
        registry.promote(BOB, PROMPT, "1.0.1", "prod")
    clock[0] = now + 2 * hour
    registry.promote(BOB, PROMPT, "1.0.1", "prod")
    made = registry.freeze(CLEO, "open", environment="prod")
    with pytest.raises(Frozen, match="until somebody ends it"):
        registry.promote(BOB, PROMPT, "1.0.2", "prod")
    ended = registry.unfreeze(BOB, made.id, reason="done")
    assert (ended.ended_by, ended.ended_at) == ("bob", clock[0])
    assert registry.unfreeze(CLEO, made.id) == ended
    registry.promote(BOB, PROMPT, "1.0.2", "prod")
    entries = [(each.action, each.actor, each.reason) for each in registry.audit_log().items]
    assert ("unfreeze", "bob", "done") in entries
    assert ("freeze", "cleo", "night") in entries


def test_a_freeze_counts_at_once_for_a_server_whose_clock_is_behind(served: Registry) -> None:
    behind = Registry(served._database, clock=lambda: datetime.now(UTC) - timedelta(minutes=10))
    planned = served.freeze(CLEO, "weekend", starts_at=datetime.now(UTC) + timedelta(minutes=5))
    behind.promote(BOB, PROMPT, "1.0.2", "prod")
    made = served.freeze(CLEO, "incident", environment="prod")
    with pytest.raises(Frozen, match="incident"):
        behind.promote(BOB, PROMPT, "1.0.1", "prod")
    behind.unfreeze(CLEO, made.id)
    behind.promote(BOB, PROMPT, "1.0.1", "prod")
    panicked = served.panic(ANN, PROMPT, "it is wrong")
    with pytest.raises(Frozen, match="it is wrong"):
        behind.promote(BOB, PROMPT, "1.0.1", "prod")
    assert behind.panic(ANN, PROMPT, "so it is").freeze == panicked.freeze
    assert [each.id for each in behind.freezes().items] == [panicked.freeze.id, planned.id]


def test_the_list_of_freezes(served: Registry) -> None:
    everywhere = served.freeze(CLEO, "a")
    prod = served.freeze(CLEO, "b", environment="prod")
    there = served.freeze(CLEO, "c", environment="dev", prompt=PROMPT)
    assert served.freezes().items == [there, prod, everywhere]
    assert served.freezes(environment="prod").items == [prod, everywhere]
    assert served.freezes(environment="dev", prompt=PROMPT).items == [there, everywhere]
    first = served.freezes(limit=2)
    assert served.freezes(cursor=first.next_cursor).items == [everywhere]
    served.unfreeze(CLEO, prod.id)
    assert served.freezes().items == [there, everywhere]
    assert len(served.freezes(ended=True).items) == 3


def test_what_cannot_be_frozen(served: Registry) -> None:
    with pytest.raises(Forbidden):
        served.freeze(ANN, "mine")
    with pytest.raises(Forbidden):
        served.unfreeze(READER, served.freeze(CLEO, "x").id)
    with pytest.raises(Invalid, match="reason"):
        served.freeze(CLEO, " ")
    for until in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1)):  # noqa: DTZ001 - none is the case
        with pytest.raises(Invalid, match="until"):
            served.freeze(CLEO, "x", until=until)
    for environment, prompt in (("mars", None), (None, "mars")):
        with pytest.raises(NotFound, match="mars"):
            served.freeze(CLEO, "x", environment=environment, prompt=prompt)
        with pytest.raises(NotFound, match="mars"):
            served.freezes(environment=environment, prompt=prompt)
    for freeze_id in (10**6, -1, 2**70, True):
        with pytest.raises(NotFound, match="no freeze"):
            served.unfreeze(CLEO, freeze_id)
