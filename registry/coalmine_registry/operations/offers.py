"""Offers: versions that a service may prefer for a user who asks for them; nobody is assigned one."""

from collections.abc import Sequence
from typing import Final

from coalmine_registry.errors import Conflict
from coalmine_registry.operations import approval, deployments, freezes
from coalmine_registry.operations.evidence import check_new
from coalmine_registry.operations.inputs import check_revision, evidence_given, reason_given
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import DeploymentRecord, Evidence
from coalmine_registry.roles import Actor, Role

_MOST: Final = 20
_LONGEST_REASON: Final = 2_000


def offer(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    version: str,
    *,
    evidence: Sequence[Evidence],
    reason: str | None,
    expected_revision: int | None,
) -> DeploymentRecord:
    """Lets services prefer a version, until it is withdrawn. What users are assigned stays as it is.

    Rollouts go on meanwhile: who prefers a version is in no experiment.

    Raises:
        Forbidden: The actor is not an author; or nobody else has approved the version there, and the actor
            wrote it or is not an approver.
        NotFound: Nothing is served yet, or the version does not exist.
        Conflict: The version is retired, or too many are offered.
        EvidenceMissing: It never served there and lacks evidence.
        Frozen: A freeze stands.
        StaleRevision: The deployment has changed since.
    """
    actor.require(Role.AUTHOR, "offer versions")
    given, attached = reason_given(reason), evidence_given(evidence)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    check_new(transaction, environment, prompt, served=[version], known=state.versions(), evidence=attached)
    if version in state.offered:
        return deployments.deployment(transaction, environment, prompt)
    freezes.check(transaction, environment, prompt)
    if len(state.offered) >= _MOST:
        raise Conflict(
            f"{before.what} offers {len(state.offered)} versions, the most possible: withdraw one first"
        )
    after = state.with_offer(version)
    told = _told("offers", version, given)
    return deployments.change(transaction, actor, before, after, action="offer", reason=told)


def withdraw(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    version: str,
    *,
    reason: str | None,
    expected_revision: int | None,
) -> DeploymentRecord:
    """Offers a version no longer: who preferred it is served like everybody else.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: Nothing is served.
        Conflict: The version is not offered there.
        StaleRevision: The deployment has changed since.
    """
    actor.require(Role.AUTHOR, "withdraw offers")
    given = reason_given(reason)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    if version not in state.offered:
        known = ", ".join(state.offered) or "none"
        raise Conflict(f"{before.what} does not offer {version!r:.100}: it offers {known}")
    after = state.without_offers([version])
    told = _told("withdraws", version, given)
    made = deployments.change(transaction, actor, before, after, action="withdraw", reason=told, returns=True)
    less = {version} - after.versions()
    approval.withdraw(transaction, actor, environment, prompt, shown_less=sorted(less), after=after)
    return made


def _told(verb: str, version: str, reason: str | None) -> str:
    return f"{verb} {version}{f': {reason}' if reason else ''}"[:_LONGEST_REASON]
