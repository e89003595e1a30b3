"""Rollback to a version that served before: at once, by one person, by moving a pointer."""

from sqlalchemy import select

from coalmine_registry.errors import Conflict
from coalmine_registry.operations import deployments, experiments
from coalmine_registry.operations.inputs import check_revision, reason_given
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable, contents_with_includes, statuses
from coalmine_registry.records import DeploymentRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import experiments as experiments_table


def rollback(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    to_version: str | None,
    reason: str | None,
    expected_revision: int | None,
) -> DeploymentRecord:
    """Serves an earlier default again, and stops all experiments of the prompt there.

    Raises:
        Forbidden: The actor is not an approver.
        NotFound: Nothing is served, or the version does not exist.
        Conflict: The version never served there or is retired, or no earlier version is left.
        StaleRevision: The deployment has changed since.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.APPROVER, "roll back")
    given = reason_given(reason)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    if to_version is not None:
        check_servable(transaction, prompt, to_version)
        if not deployments.has_served(transaction, environment, prompt, to_version):
            raise Conflict(
                f"{prompt}@{to_version} never served in {environment}, so it cannot be rolled back to: "
                "promote it instead"
            )
    running = experiments_table
    replaced = {
        row.name: row.replaced
        for row in transaction.all(
            select(running.c.name, running.c.replaced).where(running.c.name.in_(list(state.experiments)))
        )
    }
    after = state.rolled_back(
        to_version, replaced, lambda version: _can_be_served(transaction, prompt, version)
    )
    for name in state.experiments:
        experiments.end(transaction, actor, name, None)
    return deployments.change(transaction, actor, before, after, action="rollback", reason=given)


def _can_be_served(transaction: Transaction, prompt: str, version: str) -> bool:
    closure = contents_with_includes(transaction, [f"{prompt}@{version}"])
    return all(status == "active" for status in statuses(transaction, closure).values())
