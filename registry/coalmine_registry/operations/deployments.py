"""Deployments: what each environment serves of each prompt. `change` is the only writer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, select

from coalmine_registry.deployment_state import DeploymentState, state_of
from coalmine_registry.errors import Conflict, NotFound, StaleRevision
from coalmine_registry.operations import approval, audit, outbox
from coalmine_registry.operations.inputs import environment_name, moment
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes, version_names
from coalmine_registry.records import DeploymentRecord, ServedVersion
from coalmine_registry.roles import Actor
from coalmine_registry.storage.tables import (
    deployment_revisions,
    deployments,
    environments,
    served_versions,
)
from coalmine_schemas.prompts import ServedPrompt, Snapshot, canonical_json, reference_to
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.names import check_prompt_name

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Largest snapshot of an environment."""


@dataclass(frozen=True, slots=True)
class Current:
    """The current state of a deployment."""

    environment: str
    prompt: str
    revision: int
    """0 before the first change."""
    state: DeploymentState | None

    @property
    def what(self) -> str:
        """Name of the deployment in errors."""
        return f"{self.prompt} in {self.environment}"

    def deployed(self) -> DeploymentState:
        """Returns the state.

        Raises:
            NotFound: Nothing is served yet.
        """
        if self.state is None:
            raise _not_served(self.environment, self.prompt)
        return self.state


def current(transaction: Transaction, environment: str, prompt: str) -> Current:
    """Returns what is served now.

    Raises:
        NotFound: The environment does not exist, or no such prompt is registered.
    """
    row = _row(transaction, environment_name(environment), prompt)
    if row is None:
        version_names(transaction, prompt)
        return Current(environment, prompt, 0, None)
    return Current(environment, prompt, row.revision, state_of(row.served, row.defaults))


def change(
    transaction: Transaction,
    actor: Actor,
    before: Current,
    state: DeploymentState,
    *,
    action: str,
    reason: str | None,
    returns: bool = False,
) -> DeploymentRecord:
    """Changes a deployment: pointer, history, revision of the environment, event and audit entry together.

    Args:
        transaction: Where to do it.
        actor: Who does it.
        before: What is served, as it was read.
        state: What is served from now on.
        action: What is done.
        reason: Why.
        returns: True if everybody gets what served in that place before: nobody has to approve that again.

    Raises:
        Forbidden: It shows something to more people than approved, and the actor may not approve that.
        Conflict: The environment would serve too much.
        StaleRevision: The deployment has changed since `before` was read.
    """
    key = {"environment": before.environment, "prompt": before.prompt}
    if not returns:
        approval.check_shown(transaction, actor, **key, before=before.state, after=state)
    revision = before.revision + 1
    served = state.served(revision).to_json()
    stamp = {"changed_at": transaction.now, "changed_by": actor.subject}
    row = {"revision": revision, "defaults": list(state.defaults), "served": served, **stamp}
    if before.state is None:
        transaction.insert(deployments, {**key, **row})
    elif not transaction.update(  # writers queue; if they ever did not, the later one fails
        deployments,
        and_(
            deployments.c.environment == before.environment,
            deployments.c.prompt == before.prompt,
            deployments.c.revision == before.revision,
        ),
        row,
    ):
        raise StaleRevision(before.what, before.revision, current(transaction, **key).revision)
    transaction.insert(
        deployment_revisions,
        {
            **key,
            "revision": revision,
            "action": action,
            "version": state.version,
            "served": served,
            "reason": reason,
            **stamp,
        },
    )
    _note_served(transaction, before, state, revision)
    if not (returns or action == "rollback"):  # what reduces harm is never held up
        _check_size(transaction, before, state)
    _count_up(transaction, before.environment)
    outbox.put(
        transaction,
        actor,
        (before.environment, before.prompt, revision),
        state,
        action=action,
        reason=reason,
    )
    audit.record(
        transaction,
        actor,
        action,
        prompt=before.prompt,
        version=state.version,
        environment=before.environment,
        before=None if before.state is None else before.state.served(before.revision).to_json(),
        after=served,
        reason=reason,
    )
    return deployment(transaction, before.environment, before.prompt)


def deployment(transaction: Transaction, environment: str, prompt: str) -> DeploymentRecord:
    """Returns what an environment serves of a prompt.

    Raises:
        NotFound: It serves no such prompt.
    """
    row = _row(transaction, environment_name(environment), prompt)
    if row is None:
        version_names(transaction, prompt)  # says so if there is no such prompt
        raise _not_served(environment, prompt)
    return _record(row, row.defaults[-1])


def all_deployments(transaction: Transaction, environment: str) -> list[DeploymentRecord]:
    """Returns what an environment serves, by prompt.

    Raises:
        NotFound: The environment does not exist.
    """
    query = select(deployments).where(deployments.c.environment == environment_name(environment))
    return [_record(row, row.defaults[-1]) for row in transaction.all(query.order_by(deployments.c.prompt))]


def deployments_at(
    transaction: Transaction, environment: str, at: datetime, prompt: str | None = None
) -> list[DeploymentRecord]:
    """Returns what an environment served at a time, by prompt.

    Args:
        transaction: Where to look.
        environment: The environment.
        at: The time.
        prompt: Only this one.

    Raises:
        NotFound: The environment does not exist, or served no such prompt by then.
        Invalid: The time has no time zone.
    """
    table = deployment_revisions
    query = select(table).where(
        table.c.environment == environment_name(environment),
        table.c.changed_at <= moment("at", at),
    )
    if prompt is not None:
        version_names(transaction, prompt)
        query = query.where(table.c.prompt == prompt)
    latest = {row.prompt: row for row in transaction.all(query.order_by(table.c.prompt, table.c.revision))}
    if prompt is not None and not latest:
        raise NotFound(f"{environment} served no prompt {prompt!r:.100} at {at.isoformat()}")
    return [_record(row, row.version) for row in latest.values()]


def versions_served(transaction: Transaction, environment: str, prompt: str) -> list[ServedVersion]:
    """Returns every version that is or was served there, oldest first.

    Raises:
        NotFound: Nothing was ever served.
    """
    now = current(transaction, environment, prompt).deployed().versions()
    table = served_versions
    query = select(table).where(table.c.environment == environment, table.c.prompt == prompt)
    return [
        ServedVersion(row.version, row.first_revision, row.first_served_at, row.version in now)
        for row in transaction.all(query.order_by(table.c.first_revision, table.c.version))
    ]


def has_served(transaction: Transaction, environment: str, prompt: str, version: str) -> bool:
    """Returns True if the version is or was served there."""
    table = served_versions
    query = select(table.c.version).where(
        table.c.environment == environment, table.c.prompt == prompt, table.c.version == version
    )
    return transaction.one(query) is not None


def environment_revision(transaction: Transaction, environment: str) -> int:
    """Returns a number that grows with every change of what the environment serves.

    Raises:
        NotFound: The environment does not exist.
    """
    query = select(environments.c.revision).where(environments.c.name == environment_name(environment))
    row = transaction.one(query)
    assert row is not None
    return int(row.revision)


def snapshot(transaction: Transaction, environment: str) -> Snapshot:
    """Returns everything that the environment serves, with all contents that it needs.

    Raises:
        NotFound: The environment does not exist.
    """
    revision = environment_revision(transaction, environment)
    query = select(deployments.c.prompt, deployments.c.served)
    rows = transaction.all(
        query.where(deployments.c.environment == environment).order_by(deployments.c.prompt)
    )
    prompts = {row.prompt: ServedPrompt.from_json(row.served) for row in rows}
    references = {
        reference_to(name, version) for name, served in prompts.items() for version in served.versions()
    }
    found = contents_with_includes(transaction, references)
    return Snapshot(environment, revision, prompts, {each: found[each] for each in sorted(found)})


def _row(transaction: Transaction, environment: str, prompt: str) -> Row[Any] | None:
    try:
        check_prompt_name(prompt)
    except InvalidPrompt:
        return None
    query = select(deployments)
    return transaction.one(
        query.where(deployments.c.environment == environment, deployments.c.prompt == prompt)
    )


def _not_served(environment: str, prompt: str) -> NotFound:
    return NotFound(f"{environment} serves no prompt {prompt!r:.100}: promote a version first")


def _record(row: Row[Any], version: str) -> DeploymentRecord:
    served = ServedPrompt.from_json(row.served)
    return DeploymentRecord(
        environment=row.environment,
        prompt=row.prompt,
        revision=row.revision,
        version=version,
        default=served.default,
        rules=served.rules,
        experiments=served.experiments,
        offered=served.offered,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )


def _note_served(transaction: Transaction, before: Current, state: DeploymentState, revision: int) -> None:
    for version in sorted(state.shown()):
        if not has_served(transaction, before.environment, before.prompt, version):
            transaction.insert(
                served_versions,
                {
                    "environment": before.environment,
                    "prompt": before.prompt,
                    "version": version,
                    "first_revision": revision,
                    "first_served_at": transaction.now,
                },
            )


def _check_size(transaction: Transaction, before: Current, state: DeploymentState) -> None:
    """Refuses what makes the snapshot, which every client keeps in memory, too large.

    Raises:
        Conflict: It would be; a change that makes it smaller is fine all the same.
    """
    whole = len(canonical_json(snapshot(transaction, before.environment).to_json()))
    if whole > _MOST_BYTES and _bytes(transaction, before.prompt, state) > _bytes(
        transaction, before.prompt, before.state
    ):
        raise Conflict(
            f"{before.environment} would serve {whole} bytes, which every client keeps in memory: at most "
            f"{_MOST_BYTES} are possible: serve shorter versions or fewer rules"
        )


def _bytes(transaction: Transaction, prompt: str, state: DeploymentState | None) -> int:
    if state is None:
        return 0
    contents = contents_with_includes(
        transaction, [reference_to(prompt, version) for version in state.versions()]
    )
    return len(canonical_json(state.served(0).to_json())) + sum(
        len(canonical_json(each.to_json())) for each in contents.values()
    )


def _count_up(transaction: Transaction, environment: str) -> None:
    revision = environment_revision(transaction, environment) + 1
    transaction.update(environments, environments.c.name == environment, {"revision": revision})
    transaction.changed[environment] = revision
