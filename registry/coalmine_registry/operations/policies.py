"""Policies: what an environment requires before it serves a version."""

from collections.abc import Sequence

from sqlalchemy import select

from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import check_revision, environment_name, required_evidence
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Policy
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import environments

_FREE = "dev"
"""Authors try versions there: no approval is needed."""


def policy(transaction: Transaction, environment: str) -> Policy:
    """Returns the policy of an environment.

    Raises:
        NotFound: The environment does not exist.
    """
    table = environments
    row = transaction.one(select(table).where(table.c.name == environment_name(environment)))
    assert row is not None
    return Policy(row.name, tuple(row.required_evidence), row.policy_revision, row.name != _FREE)


def set_policy(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    evidence: Sequence[str],
    expected_revision: int | None,
) -> Policy:
    """Changes which evidence an environment requires.

    Raises:
        Forbidden: The actor is not an admin.
        NotFound: The environment does not exist.
        Invalid: A kind of evidence is not valid.
        StaleRevision: The policy has changed since.
    """
    actor.require(Role.ADMIN, "set policies")
    before = policy(transaction, environment)
    wanted = required_evidence(evidence)
    check_revision(f"the policy of {environment}", expected_revision, before.revision)
    transaction.update(
        environments,
        environments.c.name == environment,
        {"required_evidence": list(wanted), "policy_revision": before.revision + 1},
    )
    audit.record(
        transaction,
        actor,
        "set_policy",
        environment=environment,
        before={"required_evidence": list(before.required_evidence), "revision": before.revision},
        after={"required_evidence": list(wanted), "revision": before.revision + 1},
    )
    return policy(transaction, environment)
