"""The audit and the outbox: whatever happens is in both, in the transaction in which it happens."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from coalmine_registry.errors import Conflict, Invalid
from coalmine_registry.operations import experiments
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import AuditEntry
from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import Deployment, DeploymentArm, RolloutTransition
from coalmine_schemas.prompts import Rule, ServeVersion
from tests.support.data.registry_case import (
    ADMIN,
    ANN,
    BOB,
    PROMPT,
    arms,
    deployment_events,
    history,
    push,
    serve,
)


@pytest.fixture
def story(registry: Registry) -> Registry:
    """A prompt that has lived through everything."""
    push(registry, "1.0.0", "1.1.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod", reason="first")
    registry.approve(BOB, asked.id)
    registry.set_rules(BOB, "prod", PROMPT, [Rule("x", {"a": ("b",)}, ServeVersion("1.0.0"))])
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"), reason="try")
    registry.set_weights(BOB, "tone", {"treatment": 0.5})
    registry.rollback(BOB, "prod", PROMPT, None, "worse")
    registry.reject(BOB, registry.promote(ANN, PROMPT, "1.1.0", "prod").id, "no")
    registry.retire(BOB, PROMPT, "1.1.0", "harmful")
    registry.set_policy(ADMIN, "staging", ("eval_run",))
    return registry


def test_the_audit_tells_the_whole_story(story: Registry) -> None:
    entries = story.audit_log().items[::-1]
    assert [(each.action, each.actor, each.version) for each in entries] == [
        ("register", "ann", "1.0.0"),
        ("register", "ann", "1.1.0"),
        ("request_promotion", "ann", "1.0.0"),
        ("promote", "bob", "1.0.0"),
        ("approve_promotion", "bob", "1.0.0"),
        ("set_rules", "bob", "1.0.0"),
        ("start_experiment", "bob", "1.0.0"),
        ("set_weights", "bob", "1.0.0"),
        ("rollback", "bob", "1.0.0"),
        ("request_promotion", "ann", "1.1.0"),
        ("reject_promotion", "bob", "1.1.0"),
        ("retire", "bob", "1.1.0"),
        ("set_policy", "root", None),
    ]
    assert {each.token_id for each in entries} == {"token-ann", "token-bob", "token-root"}
    rollback = entries[8]
    assert rollback.reason == "worse"
    assert rollback.before is not None
    assert rollback.after is not None
    assert rollback.before["default"] == {"experiment": "tone"}
    assert rollback.before["experiments"]["tone"]["arms"][0]["weight"] == 0.5
    assert rollback.after["default"] == {"version": "1.0.0"}
    assert (rollback.before["revision"], rollback.after["revision"]) == (4, 5)
    assert entries[11].before == {"status": "active"}
    assert entries[11].after == {"status": "retired"}


def test_the_audit_comes_in_pages_and_by_prompt_or_environment(story: Registry) -> None:
    seen: list[AuditEntry] = []
    cursor: str | None = None
    while True:
        page = story.audit_log(limit=4, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == story.audit_log().items
    assert [each.action for each in story.audit_log(environment="staging").items] == ["set_policy"]
    assert len(story.audit_log(prompt=PROMPT).items) == len(seen) - 1
    assert story.audit_log(prompt="other").items == []
    assert story.audit_log(prompt="\0").items == []
    for limit, cursor in ((0, None), (1, "x"), (1, "9" * 30)):
        with pytest.raises(Invalid):
            story.audit_log(limit=limit, cursor=cursor)


def test_what_was_written_stays_as_it_was(story: Registry, address: str) -> None:
    before = (story.audit_log(), story.versions(PROMPT), history(story))
    database = Database(address)
    for statement in (
        "UPDATE audit SET actor = 'somebody else'",
        "DELETE FROM audit",
        "UPDATE deployment_revisions SET version = '6.6.6'",
        "DELETE FROM deployment_revisions",
        "UPDATE versions SET content = '{}'",
        "UPDATE versions SET author = 'somebody else'",
        "UPDATE versions SET digest = 'sha256:0'",
        "DELETE FROM versions",
    ):
        with pytest.raises(DBAPIError, match=r"append-only|immutable|stays"):
            _write(database, statement)
    database.close()
    with Registry.open(address) as again:
        assert before == (again.audit_log(), again.versions(PROMPT), history(again))


def _write(database: Database, statement: str) -> None:
    database.write(lambda connection: connection.execute(text(statement)))


@pytest.mark.postgres
def test_whole_tables_are_not_emptied_either(new_address: Callable[[str], str]) -> None:
    database = Database(new_address("postgresql"))
    for table in ("audit", "deployment_revisions", "versions"):
        with pytest.raises(DBAPIError, match="append-only"):
            _write(database, f"TRUNCATE {table} CASCADE")
    database.close()


def test_every_change_of_what_is_served_is_an_event(story: Registry) -> None:
    events = deployment_events(story)
    assert [(each.action, each.revision) for each in events] == [
        ("promote", 1),
        ("set_rules", 2),
        ("start_experiment", 3),
        ("set_weights", 4),
        ("rollback", 5),
    ]
    first, weights, last = events[0], events[3], events[4]
    assert (first.environment, first.prompt, first.version) == ("prod", PROMPT, "1.0.0")
    assert (first.changed_by, first.reason, first.experiment, first.arms) == ("bob", "first", None, [])
    assert (weights.experiment, weights.allocation_epoch, weights.version) == ("tone", 2, "1.0.0")
    assert weights.arms == [
        DeploymentArm(variant="treatment", version="1.1.0", weight=0.5),
        DeploymentArm(variant="control", version="1.0.0", weight=0.5),
    ]
    assert (last.experiment, last.arms, last.reason) == (None, [], "worse")
    assert first.event_time.tzinfo is not None
    encoder = Encoder(SingleObjectFraming())
    assert all(encoder.encode("deployments", each.to_record()) for each in events)


def test_an_event_tells_of_all_experiments_and_of_the_rollout(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    rules = [Rule(name, {"a": (name,)}, ServeVersion("1.0.0")) for name in ("x", "y")]
    registry.set_rules(BOB, "prod", PROMPT, rules)
    for name, rule in (("of-y", "y"), ("of-x", "x"), ("of-default", None)):
        registry.start_experiment(BOB, "prod", PROMPT, name, arms("1.1.0", "1.0.0"), rule=rule)

    def decide(transaction: Transaction) -> None:
        transaction.rollout = ("of-x", 7)
        experiments.set_weights(
            transaction, BOB, "of-x", {"treatment": 0.5}, reason=None, expected_revision=None
        )

    registry.transact(decide)
    *_, before, last = deployment_events(registry)
    assert [(each.name, each.rule, each.allocation_epoch) for each in last.experiments] == [
        ("of-default", None, 1),
        ("of-x", "x", 2),
        ("of-y", "y", 1),
    ]
    assert [arm.weight for arm in last.experiments[1].arms] == [0.5, 0.5]
    assert (last.experiment, last.rollout, last.rollout_decision) == ("of-default", "of-x", 7)
    assert (before.rollout, before.rollout_decision) == (None, None)
    assert Encoder(SingleObjectFraming()).encode("deployments", last.to_record())


def _revision(event: object) -> int | None:
    assert isinstance(event, Deployment | RolloutTransition)
    return event.revision


def test_events_are_sent_until_they_were(story: Registry) -> None:
    waiting = story.outbox_pending(2)
    assert [_revision(each.event) for each in waiting] == [1, 2]
    story.outbox_delivered([each.id for each in waiting])
    assert [_revision(each.event) for each in story.outbox_pending()] == [3, 4, 5]
    story.outbox_delivered([])
    story.outbox_delivered([each.id for each in waiting])
    assert len(story.outbox_pending()) == 3


def test_what_is_refused_leaves_nothing_behind(registry: Registry) -> None:
    serve(registry, "1.0.0")
    before = (registry.audit_log(), registry.outbox_pending(), registry.deployment("prod", PROMPT))
    with pytest.raises(Conflict):
        registry.rollback(BOB, "prod", PROMPT)
    with pytest.raises(Invalid):
        registry.start_experiment(BOB, "prod", PROMPT, "tone", [])
    assert before == (registry.audit_log(), registry.outbox_pending(), registry.deployment("prod", PROMPT))
