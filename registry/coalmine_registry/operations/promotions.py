"""Promotions: requests to serve a version by default, and their outcome.

States: `pending` -> `applied` | `rejected` | `stale`. A request by a person who may decide it is applied at
once. One that changes nothing is `unchanged`, and not stored.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, select

from coalmine_registry.deployment_state import DeploymentState, first_state
from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound, StaleRevision
from coalmine_registry.operations import approval, audit, deployments, freezes, steering
from coalmine_registry.operations.evidence import check_evidence, check_true
from coalmine_registry.operations.inputs import (
    check_revision,
    environment_name,
    evidence_given,
    is_storable,
    reason_given,
)
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.policies import policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable
from coalmine_registry.records import Evidence, Promotion, PromotionStatus
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import promotions
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.results import Page

_STATUSES = ("pending", "applied", "rejected", "stale")


def promote(
    transaction: Transaction,
    actor: Actor,
    prompt: str,
    version: str,
    environment: str,
    *,
    evidence: Sequence[Evidence],
    reason: str | None,
    expected_revision: int | None,
    override: bool = False,
) -> Promotion:
    """Requests that a version be served by default; applies it at once if the actor may decide that.

    Of what is the default already it only says so.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: The environment or the version does not exist.
        Conflict: The version is retired, an experiment replaces the default, or the same request is pending.
        Steered: A rollout steers the default, and the actor does not override that.
        Frozen: A freeze stands.
        EvidenceRefused: Evidence does not exist, did not pass, or is about another content.
        EvidenceMissing: The environment requires evidence that was not given.
        SuiteMissing: The environment requires a suite of evaluations.
        StaleRevision: The deployment has changed since.
        Invalid: Evidence or reason cannot be stored.
    """
    actor.require(Role.AUTHOR, "request promotions")
    environment_name(environment)
    promotion = Promotion(
        id=uuid7(),
        status="pending",
        prompt=prompt,
        version=version,
        environment=environment,
        evidence=evidence_given(evidence),
        reason=reason_given(reason),
        expected_revision=expected_revision,
        requested_by=actor.subject,
        requested_at=transaction.now,
        decided_by=None,
        decided_at=None,
        decision_reason=None,
        revision=None,
    )
    before, after = _next_state(transaction, promotion)
    if before.state is not None and before.state.default == after.default:
        return replace(promotion, status="unchanged", revision=before.revision)
    _check_open(transaction, actor, promotion, override=override)
    if _is_another(transaction, actor, promotion) and _may_show(transaction, actor, before, after):
        return _apply(transaction, actor, promotion, before, after, is_new=True)
    _check_not_waiting(transaction, promotion)
    transaction.insert(promotions, asdict(promotion))
    _note(transaction, actor, "request_promotion", promotion, promotion.reason)
    return promotion


def approve(
    transaction: Transaction, actor: Actor, promotion_id: str
) -> tuple[Promotion, StaleRevision | None]:
    """Applies a pending request.

    Returns:
        The request as it is now, and the error if it had become stale, as the default has changed since or
        the revision that was given is not the current one: that is recorded, so it must not undo the
        transaction.

    Raises:
        Forbidden: The actor is not an approver, or wrote the version.
        NotFound: The request does not exist.
        Conflict: It is already decided, the version is retired, or an experiment replaces the default.
        Steered: A rollout steers the default.
        Frozen: A freeze stands.
        EvidenceRefused: Evidence does not speak for the version any more.
        EvidenceMissing: The environment requires evidence by now that was not given.
    """
    actor.require(Role.APPROVER, "approve promotions")
    found = _waiting(transaction, promotion_id)
    _check_open(transaction, actor, found, override=False)
    needs_another = Forbidden(
        f"{actor.subject} wrote {found.prompt}@{found.version} or a part of it that nobody else has "
        f"approved in {found.environment}, or is no person: another person has to approve it there"
    )
    if not _is_another(transaction, actor, found):
        raise needs_another
    try:
        before, after = _next_state(transaction, found)
        _check_same_default(transaction, found, before)
        if not _may_show(transaction, actor, before, after):
            raise needs_another
        return _apply(transaction, actor, found, before, after, is_new=False), None
    except StaleRevision as stale:
        decided = replace(
            found,
            status="stale",
            decided_by=actor.subject,
            decided_at=transaction.now,
            decision_reason=str(stale),
        )
        transaction.update(promotions, promotions.c.id == found.id, asdict(decided))
        _note(transaction, actor, "promotion_stale", decided, str(stale))
        return decided, stale


def reject(transaction: Transaction, actor: Actor, promotion_id: str, reason: str | None) -> Promotion:
    """Rejects a pending request. The requester may withdraw it.

    Raises:
        Forbidden: The actor is neither an approver nor the requester.
        NotFound: The request does not exist.
        Conflict: It is already decided.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.AUTHOR, "reject promotions")
    given = reason_given(reason)
    found = _waiting(transaction, promotion_id)
    if not actor.is_any_of(frozenset({found.requested_by})):
        actor.require(Role.APPROVER, "reject promotions of others")
    decided = replace(
        found, status="rejected", decided_by=actor.subject, decided_at=transaction.now, decision_reason=given
    )
    transaction.update(promotions, promotions.c.id == found.id, asdict(decided))
    _note(transaction, actor, "reject_promotion", decided, given)
    return decided


def promotion(transaction: Transaction, promotion_id: str) -> Promotion:
    """Returns one request.

    Raises:
        NotFound: The request does not exist.
    """
    row = None
    if is_storable(promotion_id):
        row = transaction.one(select(promotions).where(promotions.c.id == promotion_id))
    if row is None:
        raise NotFound(f"no promotion {promotion_id!r:.100}: `coalmine promotions` lists all")
    return _promotion(row)


def page(
    transaction: Transaction, status: PromotionStatus | None, limit: int, cursor: str | None
) -> Page[Promotion]:
    """Returns a page of requests, newest first.

    Raises:
        Invalid: `status`, `limit` or `cursor` is not valid.
    """
    query = select(promotions).order_by(promotions.c.id.desc())
    if status is not None:
        if status not in _STATUSES:
            raise Invalid("status", status, f"give one of {', '.join(_STATUSES)}")
        query = query.where(promotions.c.status == status)
    before = cursor_key(cursor, str)
    if before is not None:
        query = query.where(promotions.c.id < before)
    return page_of(transaction.connection, query, limit, _promotion, lambda row: (row.id,))


def _is_another(transaction: Transaction, actor: Actor, wanted: Promotion) -> bool:
    """Returns True if it needs no approval, or the actor is an approver who did not write the version."""
    if not policy(transaction, wanted.environment).needs_approval:
        return True
    return actor.role.allows(Role.APPROVER) and not approval.is_author(
        transaction, actor, wanted.prompt, wanted.version
    )


def _may_show(
    transaction: Transaction, actor: Actor, before: deployments.Current, after: DeploymentState
) -> bool:
    return approval.may_show(
        transaction, actor, before.environment, before.prompt, before=before.state, after=after
    )


def _next_state(transaction: Transaction, wanted: Promotion) -> tuple[deployments.Current, DeploymentState]:
    """Returns the deployment now and after the promotion, if everything the environment requires is there."""
    check_servable(transaction, wanted.prompt, wanted.version)
    check_true(transaction, wanted.prompt, [wanted.version], wanted.evidence)
    check_evidence(transaction, wanted.environment, wanted.prompt, wanted.version, wanted.evidence)
    before = deployments.current(transaction, wanted.environment, wanted.prompt)
    check_revision(before.what, wanted.expected_revision, before.revision)
    state = first_state(wanted.version) if before.state is None else before.state.promoted(wanted.version)
    return before, state


def _check_same_default(transaction: Transaction, asked: Promotion, now: deployments.Current) -> None:
    """Refuses to replace a default that whoever asked has not seen, e.g. to go back behind a newer one."""
    if now.state is None or now.state.version == asked.version:
        return
    try:
        (seen,) = deployments.deployments_at(transaction, asked.environment, asked.requested_at, asked.prompt)
    except NotFound:  # nothing was served then
        raise StaleRevision(now.what, 0, now.revision) from None
    if seen.version != now.state.version:
        raise StaleRevision(now.what, seen.revision, now.revision)


def _apply(
    transaction: Transaction,
    actor: Actor,
    wanted: Promotion,
    before: deployments.Current,
    after: DeploymentState,
    *,
    is_new: bool,
) -> Promotion:
    revision = before.revision
    if before.state is None or before.state.default != after.default:  # else somebody else was faster
        made = deployments.change(transaction, actor, before, after, action="promote", reason=wanted.reason)
        revision = made.revision
    applied = replace(
        wanted,
        status="applied",
        decided_by=actor.subject,
        decided_at=transaction.now,
        revision=revision,
    )
    if is_new:
        transaction.insert(promotions, asdict(applied))
    else:
        transaction.update(promotions, promotions.c.id == wanted.id, asdict(applied))
        _note(transaction, actor, "approve_promotion", applied, None)
    return applied


def _check_open(transaction: Transaction, actor: Actor, wanted: Promotion, *, override: bool) -> None:
    """Checks that neither a rollout nor a freeze keeps the default as it is."""
    place = (wanted.environment, wanted.prompt, None)
    steering.check_place(transaction, actor, *place, override=override, reason=wanted.reason)
    freezes.check(transaction, wanted.environment, wanted.prompt)


def _check_not_waiting(transaction: Transaction, wanted: Promotion) -> None:
    row = transaction.one(
        select(promotions.c.id).where(
            promotions.c.status == "pending",
            promotions.c.prompt == wanted.prompt,
            promotions.c.version == wanted.version,
            promotions.c.environment == wanted.environment,
        )
    )
    if row is not None:
        raise Conflict(
            f"promotion {row.id} of {wanted.prompt}@{wanted.version} to {wanted.environment} is already "
            "pending: have it approved, or reject it first"
        )


def _waiting(transaction: Transaction, promotion_id: str) -> Promotion:
    found = promotion(transaction, promotion_id)
    if found.status != "pending":
        raise Conflict(f"promotion {found.id} is already {found.status}: make a new request")
    return found


def _note(transaction: Transaction, actor: Actor, action: str, told: Promotion, reason: str | None) -> None:
    audit.record(
        transaction,
        actor,
        action,
        prompt=told.prompt,
        version=told.version,
        environment=told.environment,
        after={
            "promotion": told.id,
            "status": told.status,
            "requested_by": told.requested_by,
            "evidence": [asdict(each) for each in told.evidence],
        },
        reason=reason,
    )


def _promotion(row: Row[Any]) -> Promotion:
    evidence = tuple(Evidence(**each) for each in row.evidence)
    return Promotion(**{**row._mapping, "evidence": evidence})
