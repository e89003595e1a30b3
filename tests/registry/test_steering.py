"""Rollbacks, rules and what is served because of them."""

import pytest

from coalmine_registry.errors import Conflict, EvidenceMissing, Forbidden, Invalid, NotFound, StaleRevision
from coalmine_registry.operations import deployments
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import (
    PromptContent,
    Rule,
    ServedPrompt,
    ServeExperiment,
    ServeVersion,
    Snapshot,
    resolve,
)
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import (
    ADMIN,
    ANN,
    BOB,
    PROMPT,
    READER,
    arms,
    history,
    passed,
    push,
    serve,
)

_ENTERPRISE = Rule("enterprise", {"tier": ("enterprise",)}, ServeVersion("1.0.0"))


def test_a_rollback_moves_the_pointer_back(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0", "1.2.0")
    back = registry.rollback(BOB, "prod", PROMPT, None, "worse", 3)
    assert (back.version, back.revision, back.changed_by) == ("1.1.0", 4, "bob")
    assert registry.rollback(BOB, "prod", PROMPT).version == "1.0.0"
    with pytest.raises(Conflict, match=r"nothing was served before 1\.0\.0"):
        registry.rollback(BOB, "prod", PROMPT)
    assert registry.rollback(BOB, "prod", PROMPT, "1.2.0").version == "1.2.0"


def test_a_rollback_ends_a_running_experiment(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    back = registry.rollback(BOB, "prod", PROMPT)
    assert (back.version, back.default, back.experiments) == ("1.0.0", ServeVersion("1.0.0"), {})
    ended = registry.experiment("tone")
    assert (ended.status, ended.stopped_by, ended.kept) == ("stopped", "bob", None)


def test_a_rollback_leads_only_to_what_served_there(registry: Registry) -> None:
    serve(registry, "1.0.0")
    serve(registry, "1.1.0", environment="staging")
    with pytest.raises(Conflict, match="never served in prod"):
        registry.rollback(BOB, "prod", PROMPT, "1.1.0")
    with pytest.raises(NotFound):
        registry.rollback(BOB, "prod", PROMPT, "7.0.0")
    with pytest.raises(NotFound, match="dev serves no prompt"):
        registry.rollback(BOB, "dev", PROMPT)


def test_a_rollback_does_not_lead_to_what_is_retired(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0", "1.2.0")
    registry.retire(BOB, PROMPT, "1.1.0")
    with pytest.raises(Conflict, match=r"support-refund@1\.1\.0 is retired and cannot be served"):
        registry.rollback(BOB, "prod", PROMPT, "1.1.0")
    assert registry.rollback(BOB, "prod", PROMPT).version == "1.0.0"


def test_rolling_back_takes_an_author_and_the_latest_state(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    with pytest.raises(Forbidden):
        registry.rollback(READER, "prod", PROMPT)
    with pytest.raises(StaleRevision):
        registry.rollback(BOB, "prod", PROMPT, expected_revision=1)


def test_rules_are_served_in_their_order_and_segment_by_segment(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0", "1.2.0")
    rules = [
        Rule("careful", {"tier": ("enterprise", "public"), "country": ("DE",)}, ServeVersion("1.0.0")),
        Rule("enterprise", {"tier": ("enterprise",)}, ServeVersion("1.1.0")),
    ]
    done = registry.set_rules(BOB, "prod", PROMPT, rules, 3)
    assert (done.rules, done.revision) == (tuple(rules), 4)
    snapshot = registry.snapshot("prod")
    for segments, version in [
        ({"tier": "enterprise", "country": "DE"}, "1.0.0"),
        ({"tier": "public", "country": "DE"}, "1.0.0"),
        ({"tier": "enterprise", "country": "FR"}, "1.1.0"),
        ({"tier": "public", "country": "FR"}, "1.2.0"),
        ({}, "1.2.0"),
    ]:
        assert resolve(snapshot, PROMPT, "unit", segments).version == version
    assert registry.set_rules(BOB, "prod", PROMPT, []).rules == ()


def test_a_rule_serves_only_what_is_there_and_not_retired(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "0.9.0")
    registry.retire(BOB, PROMPT, "0.9.0")
    for version, error in (("0.9.0", Conflict), ("5.0.0", NotFound)):
        with pytest.raises(error):
            registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeVersion(version))])
    with pytest.raises(Conflict, match="no experiment tone runs here"):
        registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeExperiment("tone"))])
    with pytest.raises(NotFound):
        registry.set_rules(BOB, "staging", PROMPT, [])


@pytest.mark.parametrize(
    "rules",
    [
        [_ENTERPRISE, _ENTERPRISE],
        [Rule("", {"a": ("b",)}, ServeVersion("1.0.0"))],
        [Rule("x", {}, ServeVersion("1.0.0"))],
        [Rule("x", {"a": ()}, ServeVersion("1.0.0"))],
        [Rule("x", {"a": ("\0",)}, ServeVersion("1.0.0"))],
        [Rule("x", {"\ud800": ("b",)}, ServeVersion("1.0.0"))],
        [Rule("x\0", {"a": ("b",)}, ServeVersion("1.0.0"))],
        [Rule("x\u200b", {"a": ("b",)}, ServeVersion("1.0.0"))],
        [Rule("\u202ex", {"a": ("b",)}, ServeVersion("1.0.0"))],
        [Rule("x\ny", {"a": ("b",)}, ServeVersion("1.0.0"))],
        [Rule(f"r{number}", {"a": ("b",)}, ServeVersion("1.0.0")) for number in range(101)],
    ],
)
def test_rules_that_make_no_sense_are_refused(registry: Registry, rules: list[Rule]) -> None:
    serve(registry, "1.0.0")
    with pytest.raises(Invalid, match="rule"):
        registry.set_rules(BOB, "prod", PROMPT, rules)


def test_versions_that_come_in_by_a_rule_need_the_evidence_too(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    registry.set_policy(ADMIN, "prod", ("eval_run",))
    rule = Rule("x", {"a": ("b",)}, ServeVersion("1.1.0"))
    with pytest.raises(EvidenceMissing):
        registry.set_rules(BOB, "prod", PROMPT, [rule])
    with pytest.raises(EvidenceMissing):
        registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    registry.set_rules(BOB, "prod", PROMPT, [rule], evidence=(passed(registry, "1.1.0"),))
    registry.set_rules(BOB, "prod", PROMPT, [])
    registry.set_rules(BOB, "prod", PROMPT, [rule])


def test_a_snapshot_holds_all_that_can_be_served_and_all_that_is_included(registry: Registry) -> None:
    registry.register(ANN, "house", "1.0.0", PromptContent(template="Be kind."))
    registry.register(ANN, "style", "1.0.0", PromptContent(template='{% include "house@1.0.0" %}'))
    registry.register(ANN, PROMPT, "1.0.0", content('{{ question }}{% include "style@1.0.0" %}'))
    push(registry, "2.0.0", "3.0.0", "4.0.0")
    registry.promote(BOB, PROMPT, "1.0.0", "prod")
    registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeVersion("2.0.0"))])
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("3.0.0", "1.0.0"))
    snapshot = registry.snapshot("prod")
    assert set(snapshot.contents) == {
        *(f"{PROMPT}@{version}" for version in ("1.0.0", "2.0.0", "3.0.0")),
        "style@1.0.0",
        "house@1.0.0",
    }
    assert snapshot.revision == registry.environment_revision("prod") == 3
    assert snapshot.prompts[PROMPT].revision == 3
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_an_environment_that_serves_nothing_has_an_empty_snapshot(registry: Registry) -> None:
    assert registry.snapshot("staging") == Snapshot("staging", 0)
    with pytest.raises(NotFound):
        registry.snapshot("moon")
    with pytest.raises(NotFound):
        registry.environment_revision("\0")


def test_the_revision_of_an_environment_changes_with_each_change_there_only(registry: Registry) -> None:
    heard: list[tuple[str, int]] = []
    registry.on_change(lambda environment, revision: heard.append((environment, revision)))
    serve(registry, "1.0.0")
    serve(registry, "1.0.0", prompt="other")
    registry.promote(BOB, PROMPT, "1.0.0", "staging")
    with pytest.raises(StaleRevision):
        registry.rollback(BOB, "prod", PROMPT, expected_revision=9)
    assert heard == [("prod", 1), ("prod", 2), ("staging", 1)]
    assert [registry.environment_revision(each) for each in ("dev", "staging", "prod")] == [0, 1, 2]
    assert [each.prompt for each in registry.deployments("prod")] == ["other", PROMPT]


def test_a_listener_that_fails_undoes_nothing_and_keeps_nobody_else_from_listening(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(environment: str, revision: int) -> None:
        raise RuntimeError("of its own")

    heard: list[tuple[str, int]] = []
    registry.on_change(fail)
    registry.on_change(lambda environment, revision: heard.append((environment, revision)))
    serve(registry, "1.0.0")
    assert heard == [("prod", 1)]
    assert registry.deployment("prod", PROMPT).version == "1.0.0"
    assert "of its own" in caplog.text


def test_a_snapshot_is_new_after_another_process_changed_something(registry: Registry, address: str) -> None:
    serve(registry, "1.0.0")
    assert registry.snapshot("prod").prompts[PROMPT].default == ServeVersion("1.0.0")
    with Registry.open(address) as other:
        push(other, "1.1.0")
        other.promote(BOB, PROMPT, "1.1.0", "prod")
    assert registry.snapshot("prod").prompts[PROMPT].default == ServeVersion("1.1.0")


def test_the_history_of_a_deployment_has_every_revision(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    registry.rollback(BOB, "prod", PROMPT, None, "worse")
    changes = history(registry)
    assert [(each.revision, each.action, each.version) for each in changes] == [
        (3, "rollback", "1.0.0"),
        (2, "promote", "1.1.0"),
        (1, "promote", "1.0.0"),
    ]
    assert changes[0].reason == "worse"
    now = registry.deployment("prod", PROMPT)
    served = ServedPrompt(now.revision, now.default, now.rules, now.experiments)
    assert changes[0].served == served.to_json()
    assert [
        (each.version, each.first_revision, each.serving) for each in registry.served_versions("prod", PROMPT)
    ] == [("1.0.0", 1, True), ("1.1.0", 2, False)]


def test_an_environment_serves_no_more_than_clients_can_keep(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "_MOST_BYTES", 28_000)
    for name in ("a", "b", "c"):
        registry.register(ANN, name, "1.0.0", content("{{ question }}" + "x" * 5_000))
        registry.register(ANN, name, "1.0.1", content("{{ question }}" + "x" * 12_000))
        registry.promote(ANN, name, "1.0.0", "dev")
    registry.promote(ANN, "a", "1.0.1", "dev")
    with pytest.raises(Conflict, match=r"dev would serve .* at most 28000 are possible"):
        registry.promote(ANN, "b", "1.0.1", "dev")
    registry.promote(ANN, "b", "1.0.0", "staging")
    monkeypatch.setattr(deployments, "_MOST_BYTES", 10)
    registry.promote(ANN, "a", "1.0.0", "dev")  # smaller than before
    registry.rollback(ANN, "dev", "a", "1.0.1")  # and a rollback always works
