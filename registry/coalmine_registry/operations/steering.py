"""Places that a rollout steers: who may change them besides it, and how it goes back."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, select

from coalmine_registry.errors import Conflict, Forbidden, NotFound, Steered
from coalmine_registry.operations import approval, audit, deployments
from coalmine_registry.operations.freezes import needed_reason
from coalmine_registry.operations.inputs import check_revision, is_storable, reason_given
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import DeploymentRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import tokens
from coalmine_schemas.prompts import ServeExperiment, ServeVersion

LIVE: Final = ("pending", "running", "paused", "baking")
"""States of a rollout that has not ended."""


def check_place(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    rule: str | None,
    *,
    override: bool,
    reason: str | None,
) -> None:
    """Checks that no rollout steers a place, except for its own controller.

    One that only advises steers nothing: people follow it by hand. Nor does one that waits: whoever asks for
    one keeps nobody from changing what is served, and it sees that its base has changed.

    Args:
        transaction: Where to look.
        actor: Who would change it.
        environment: Environment of the place.
        prompt: Prompt of the place.
        rule: Rule of the place; None for the default.
        override: True to change it all the same, which goes into the audit log.
        reason: Why.

    Raises:
        Steered: Names the rollout.
        Forbidden: Only an approver may override one, who neither wrote what it rolls out nor started one
            that asks another person.
        Invalid: An override has no reason.
    """
    row = transaction.one(
        select(rollouts).where(
            is_held(environment, prompt, rule),
            rollouts.c.state != "pending",
            rollouts.c.mode == "act",
        )
    )
    if row is None or actor.rollout == row.id:
        return
    if not override:
        where = "" if rule is None else f" under rule {rule}"
        raise Steered(f"{prompt} in {environment}{where}", row.id)
    actor.require(Role.APPROVER, "override a rollout")
    asks = row.plan.get("approve_before") and actor.is_any_of(frozenset({row.started_by}))
    if asks or approval.is_author(transaction, actor, prompt, row.treatment):
        did = f"started {row.id}, which asks for approval" if asks else f"wrote {prompt}@{row.treatment}"
        raise Forbidden(
            f"{actor.subject} {did}: another person has to override it; to abort it needs nobody else"
        )
    audit.record(
        transaction,
        actor,
        "override_rollout",
        prompt=prompt,
        environment=environment,
        after={"rollout": row.id, "state": row.state, "rule": rule},
        reason=needed_reason(reason),
    )


def check_still_allowed(transaction: Transaction, person: Actor) -> None:
    """Checks that what a person asked for earlier may still be done in the name of that person.

    A token that was replaced by another one of at least the same role does not matter.

    Raises:
        Forbidden: The token was revoked, and the person has none that allows as much.
    """
    own = transaction.one(select(tokens.c.revoked_at).where(tokens.c.id == person.token_id))
    if own is None or own.revoked_at is None:
        return
    for other in transaction.all(select(tokens).where(tokens.c.revoked_at.is_(None))):
        if person.is_any_of(frozenset({other.subject})) and Role(other.role).allows(person.role):
            return
    raise Forbidden(
        f"the token with which {person.subject} asked for this was revoked: another has to approve it"
    )


def steered_rules(transaction: Transaction, environment: str, prompt: str) -> list[str]:
    """Returns the rules whose versions rollouts steer."""
    query = select(rollouts.c.rule).where(
        rollouts.c.environment == environment,
        rollouts.c.prompt == prompt,
        rollouts.c.rule.is_not(None),
        rollouts.c.occupies,
    )
    return [row.rule for row in transaction.all(query.order_by(rollouts.c.rule))]


def approve_all(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    version: str,
    rule: str | None,
) -> None:
    """Records that the actor approves a version for everybody in a place, without serving it.

    A rollout shows it to more and more people: who starts it approves all of that, as its controller is no
    person and approves nothing.

    Args:
        transaction: Where to do it.
        actor: The person who starts the rollout, or another one who approves it.
        environment: Environment of the place.
        prompt: Prompt of the place.
        version: The treatment.
        rule: Rule of the place; None for the default.

    Raises:
        Forbidden: The actor wrote it and nobody else has approved it for so many, or is no approver.
        NotFound: Nothing is served yet, or the rule does not exist.
    """
    before = deployments.current(transaction, environment, prompt).deployed()
    if before.serves(rule) is None:
        raise NotFound(f"no rule {rule!r:.100} here: set it first")
    after = before.returned(rule, version)  # to look at only
    approval.check_shown(transaction, actor, environment, prompt, before=before, after=after)


def to_control(
    transaction: Transaction,
    actor: Actor,
    rollout: str,
    *,
    reason: str | None,
    expected_revision: int | None,
) -> DeploymentRecord:
    """Serves the control of a rollout again, where its treatment replaced it and no experiment runs any more.

    It served there when the rollout started, so nothing has to be approved. Other places stay as they are.

    Raises:
        Forbidden: The actor is neither an author nor the controller of the rollout.
        NotFound: The rollout does not exist.
        Conflict: Its experiment still runs, or something else is served there by now.
        StaleRevision: The deployment has changed since.
    """
    actor.require(Role.AUTHOR, "go back to the control", rollout=rollout)
    given = reason_given(reason)
    row = rollout_row(transaction, rollout)
    before = deployments.current(transaction, row.environment, row.prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    serve = state.serves(row.rule)
    if serve == ServeVersion(row.control):
        return deployments.deployment(transaction, row.environment, row.prompt)
    if serve != ServeVersion(row.treatment):
        what = f"experiment {serve.experiment}" if isinstance(serve, ServeExperiment) else "another version"
        raise Conflict(f"{before.what} serves {what} where {rollout} ran: stop or change that instead")
    after = state.returned(row.rule, row.control).without_offers([row.treatment])
    made = deployments.change(
        transaction, actor, before, after, action="rollback", reason=given, returns=True
    )
    key = {"environment": row.environment, "prompt": row.prompt}
    approval.withdraw(transaction, actor, **key, shown_less=[row.treatment], after=after)
    return made


def is_held(environment: str, prompt: str, rule: str | None) -> ColumnElement[bool]:
    """Returns the condition of the rollout that holds a place."""
    table = rollouts.c
    return and_(
        table.environment == environment,
        table.prompt == prompt,
        table.rule.is_(None) if rule is None else table.rule == rule,
        table.occupies,
    )


def rollout_row(transaction: Transaction, rollout: str) -> Row[Any]:
    """Returns the row of a rollout.

    Raises:
        NotFound: There is none of that id.
    """
    row = None
    if is_storable(rollout):
        row = transaction.one(select(rollouts).where(rollouts.c.id == rollout))
    if row is None:
        raise NotFound(f"no rollout {rollout!r:.100}: `coalmine rollout list` lists all")
    return row
