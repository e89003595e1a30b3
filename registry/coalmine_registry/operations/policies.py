"""Policies: what an environment requires before it serves a version."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy import select

from coalmine_registry.errors import SuiteMissing
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import (
    check_revision,
    days_given,
    environment_name,
    required_evidence,
)
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Policy
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import environments

FREE: Final = "dev"
"""Authors try versions there: no approval is needed. What it requires, registering a version requires."""


def policy(transaction: Transaction, environment: str) -> Policy:
    """Returns the policy of an environment.

    Raises:
        NotFound: The environment does not exist.
    """
    name = environment_name(environment)
    if name in transaction.policies:
        return transaction.policies[name]
    row = transaction.one(select(environments).where(environments.c.name == name))
    assert row is not None
    found = transaction.policies[name] = Policy(
        environment=row.name,
        required_evidence=tuple(row.required_evidence),
        revision=row.policy_revision,
        needs_approval=row.name != FREE,
        requires_suite=row.requires_suite,
        evidence_max_age_days=row.evidence_max_age_days,
    )
    return found


def set_policy(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    evidence: Sequence[str],
    expected_revision: int | None,
    *,
    requires_suite: bool = False,
    evidence_max_age_days: int | None = None,
) -> Policy:
    """Changes what an environment requires.

    Args:
        transaction: Where to do it.
        actor: Who does it.
        environment: The environment.
        evidence: Kinds of evidence that a promotion needs.
        expected_revision: Revision that the actor has seen; None to change any.
        requires_suite: Whether a prompt needs a suite of evaluations; where the environment is dev, before
            any of its versions is registered.
        evidence_max_age_days: Age from which recorded evidence counts no more; None if it counts for ever.

    Raises:
        Forbidden: The actor is not an admin.
        NotFound: The environment does not exist.
        Invalid: A kind of evidence, or the age, is not valid.
        StaleRevision: The policy has changed since.
    """
    actor.require(Role.ADMIN, "set policies")
    before = policy(transaction, environment)
    after = replace(
        before,
        required_evidence=required_evidence(evidence),
        requires_suite=requires_suite is True,
        evidence_max_age_days=days_given("evidence_max_age_days", evidence_max_age_days),
        revision=before.revision + 1,
    )
    check_revision(f"the policy of {environment}", expected_revision, before.revision)
    transaction.update(
        environments,
        environments.c.name == environment,
        {
            "required_evidence": list(after.required_evidence),
            "requires_suite": after.requires_suite,
            "evidence_max_age_days": after.evidence_max_age_days,
            "policy_revision": after.revision,
        },
    )
    transaction.policies[environment] = after
    audit.record(
        transaction,
        actor,
        "set_policy",
        environment=environment,
        before=_told(before),
        after=_told(after),
    )
    return after


def check_suite(transaction: Transaction, environment: str, prompt: str) -> None:
    """Checks that a prompt has a suite of evaluations if the environment requires one.

    Raises:
        SuiteMissing: It has none.
    """
    if policy(transaction, environment).requires_suite and not transaction.has_suite(prompt):
        raise SuiteMissing(environment, prompt)


def _told(said: Policy) -> dict[str, Any]:
    found = asdict(said)
    del found["environment"], found["needs_approval"]
    return {**found, "required_evidence": list(said.required_evidence)}
