"""Rollback to a default that served before: at once, by one person, by moving a pointer."""

from collections.abc import Mapping

from sqlalchemy import select

from coalmine_registry.deployment_state import DeploymentState
from coalmine_registry.errors import Conflict
from coalmine_registry.operations import deployments, experiments
from coalmine_registry.operations.approval import withdraw
from coalmine_registry.operations.inputs import check_revision, reason_given
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable, contents_with_includes, statuses
from coalmine_registry.records import DeploymentRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import experiments as experiments_table
from coalmine_schemas.prompts import ServeExperiment


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

    Going back to what was approved and served before reduces harm, so authors may do it, too. Whatever else
    it would show needs an approver.

    Raises:
        Forbidden: The actor is not an author, or something would be shown to more people than approved.
        NotFound: Nothing is served, or the version does not exist.
        Conflict: The version never served there or is retired, is a treatment of a running experiment, or
            no earlier version is left.
        StaleRevision: The deployment has changed since.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.AUTHOR, "roll back")
    given = reason_given(reason)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    replaced = replaced_by(transaction, state)
    target = to_version
    if target is None and isinstance(state.default, ServeExperiment):
        target = replaced[state.default.experiment]
    if to_version is not None:
        _check_target(transaction, environment, prompt, to_version, state)
    if target is not None and target not in state.defaults:
        actor.require(Role.APPROVER, "roll back to what was no default before, or was rolled back itself")
    after = state.rolled_back(target, replaced, lambda version: can_be_served(transaction, prompt, version))
    for name in state.experiments:
        experiments.end(transaction, actor, name, None)
    made = deployments.change(transaction, actor, before, after, action="rollback", reason=given)
    less = (state.versions() | {*state.defaults}) - after.versions()
    withdraw(transaction, actor, environment, prompt, shown_less=sorted(less), after=after)
    return made


def _check_target(
    transaction: Transaction, environment: str, prompt: str, version: str, state: DeploymentState
) -> None:
    check_servable(transaction, prompt, version)
    if not deployments.has_served(transaction, environment, prompt, version):
        raise Conflict(
            f"{prompt}@{version} never served in {environment}, so it cannot be rolled back to: "
            "promote it instead"
        )
    for name, running in state.experiments.items():
        if version in [arm.version for arm in running.arms[:-1]] and version != running.arms[-1].version:
            raise Conflict(
                f"{prompt}@{version} is a treatment of experiment {name}: to serve it to everybody, stop the "
                "experiment and keep its arm"
            )


def replaced_by(transaction: Transaction, state: DeploymentState) -> Mapping[str, str]:
    """Returns the version that takes each experiment's place: the one it replaced, never a treatment."""
    running = experiments_table
    query = select(running.c.name, running.c.replaced).where(running.c.name.in_(list(state.experiments)))
    found = {}
    for row in transaction.all(query):
        *treatments, control = state.experiments[row.name].arms
        is_treatment = row.replaced in [arm.version for arm in treatments]
        found[row.name] = control.version if is_treatment else row.replaced
    return found


def can_be_served(transaction: Transaction, prompt: str, version: str) -> bool:
    """Returns True if neither the version nor what it includes was retired."""
    closure = contents_with_includes(transaction, [f"{prompt}@{version}"])
    return all(status == "active" for status in statuses(transaction, closure).values())
