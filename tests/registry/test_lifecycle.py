from datetime import UTC, datetime, timedelta

import pytest

from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import PromptContent, Rule, ServeVersion
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ANN, BOB, PROMPT, arms, push, serve


def test_a_retired_version_is_readable_and_is_not_served(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    before = registry.version(PROMPT, "1.1.0")
    assert registry.retire(BOB, PROMPT, "1.1.0", "harmful").status == "retired"
    after = registry.version(PROMPT, "1.1.0")
    assert (after.content, after.digest, after.status) == (before.content, before.digest, "retired")
    assert [each.version for each in registry.versions(PROMPT).items] == ["1.1.0", "1.0.0"]
    for environment in ("dev", "staging", "prod"):
        with pytest.raises(Conflict, match=r"support-refund@1\.1\.0 is retired and cannot be served"):
            registry.promote(BOB, PROMPT, "1.1.0", environment)


def test_a_request_for_a_version_that_was_retired_is_not_approved(registry: Registry) -> None:
    push(registry, "1.0.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    registry.retire(BOB, PROMPT, "1.0.0")
    with pytest.raises(Conflict, match="retired"):
        registry.approve(BOB, asked.id)


def test_what_is_served_anywhere_is_not_retired(registry: Registry) -> None:
    registry.register(ANN, "style", "1.0.0", PromptContent(template="Be kind."))
    registry.register(ANN, PROMPT, "1.0.0", content('{{ question }}{% include "style@1.0.0" %}'))
    push(registry, "2.0.0", "3.0.0", "4.0.0")
    registry.promote(BOB, PROMPT, "1.0.0", "prod")
    registry.promote(BOB, PROMPT, "2.0.0", "staging")
    registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeVersion("3.0.0"))])
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("4.0.0", "2.0.0"))
    for name, version, where in [
        (PROMPT, "1.0.0", "in prod"),  # what the experiment returns to
        (PROMPT, "2.0.0", "in prod; in staging"),
        (PROMPT, "3.0.0", "in prod"),
        (PROMPT, "4.0.0", "in prod"),
        ("style", "1.0.0", r"in prod as a part of support-refund@1\.0\.0"),
    ]:
        with pytest.raises(Conflict, match=f"is in use: {where}"):
            registry.retire(BOB, name, version)
    registry.stop_experiment(BOB, "tone")
    assert registry.retire(BOB, PROMPT, "4.0.0").status == "retired"


def test_a_rules_version_that_an_experiment_replaced_is_not_retired(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0", "1.3.0")
    registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeVersion("1.1.0"))])
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.2.0", "1.3.0"), "x")
    with pytest.raises(Conflict, match="in prod"):
        registry.retire(BOB, PROMPT, "1.1.0")


def test_what_includes_a_retired_version_is_neither_registered_nor_served(registry: Registry) -> None:
    registry.register(ANN, "style", "1.0.0", PromptContent(template="Be kind."))
    including = content('{{ question }}{% include "style@1.0.0" %}')
    registry.register(ANN, PROMPT, "1.0.0", including)
    registry.retire(BOB, "style", "1.0.0")
    with pytest.raises(Conflict, match=r"style@1\.0\.0, which support-refund@1\.0\.0 includes, is retired"):
        registry.promote(BOB, PROMPT, "1.0.0", "prod")
    with pytest.raises(Conflict, match=r"includes style@1\.0\.0, which is retired"):
        registry.register(ANN, PROMPT, "1.0.1", including)
    with pytest.raises(Conflict, match=r"includes style@1\.0\.0, which is retired"):
        registry.classify(PROMPT, "1.0.1", including)
    assert not registry.register(ANN, PROMPT, "1.0.0", including).created


def test_only_what_is_retired_is_archived(registry: Registry) -> None:
    push(registry, "1.0.0")
    with pytest.raises(Conflict, match="retire it first"):
        registry.archive(BOB, PROMPT, "1.0.0")
    registry.retire(BOB, PROMPT, "1.0.0")
    with pytest.raises(Conflict, match="is already retired"):
        registry.retire(BOB, PROMPT, "1.0.0")
    assert registry.archive(BOB, PROMPT, "1.0.0").status == "archived"
    with pytest.raises(Conflict, match="is already archived"):
        registry.archive(BOB, PROMPT, "1.0.0")
    assert registry.version(PROMPT, "1.0.0").status == "archived"


def test_retiring_takes_an_approver_and_a_version(registry: Registry) -> None:
    push(registry, "1.0.0")
    for change in (registry.retire, registry.archive):
        with pytest.raises(Forbidden):
            change(ANN, PROMPT, "1.0.0")
        with pytest.raises(NotFound):
            change(BOB, PROMPT, "2.0.0")


def test_hygiene_lists_what_rests_and_is_neither_new_nor_served_nor_used(address: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now = [start]
    with Registry.open(address, clock=lambda: now[0]) as registry:
        registry.register(ANN, "style", "1.0.0", PromptContent(template="Be kind."))
        registry.register(ANN, PROMPT, "1.0.0", content('{{ question }}{% include "style@1.0.0" %}'))
        push(registry, *(f"1.{minor}.0" for minor in range(1, 11)), "1.2.1")
        registry.promote(BOB, PROMPT, "1.0.0", "prod")
        registry.retire(BOB, PROMPT, "1.1.0")
        now[0] = start + timedelta(days=100)
        push(registry, "1.3.1")
        used = {
            (PROMPT, "1.4.0"): now[0] - timedelta(days=2),
            (PROMPT, "1.5.0"): now[0] - timedelta(days=60),
        }
        listed = registry.hygiene(used, keep_newest=3, idle_days=30)
        found = listed.items
        assert listed.traffic_known
        assert not registry.hygiene(None).traffic_known
        assert [each.version for each in found] == ["1.2.0", "1.2.1", "1.3.0", "1.6.0", "1.7.0", "1.5.0"]
        assert {each.name for each in found} == {PROMPT}
        assert found[-1].last_used_at == used[PROMPT, "1.5.0"]
        assert found[0].last_used_at is None
        assert found[0].newer_versions == 10
        assert registry.hygiene(used, keep_newest=3, idle_days=101).items == []
        assert registry.hygiene(used, keep_newest=100, idle_days=0).items == []
        for wrong in ((-1, 1), (1, -1), (1, 10**6)):
            with pytest.raises(Invalid):
                registry.hygiene({}, *wrong)
