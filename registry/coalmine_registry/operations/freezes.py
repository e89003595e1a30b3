"""Freezes: while one stands, what is served may go back, and nothing new is shown to anybody."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from coalmine_registry.errors import Frozen, Invalid, NotFound
from coalmine_registry.freeze_records import FreezeRecord
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import environment_name, moment, reason_given
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import version_names
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import freezes
from coalmine_registry.storage.tables import audit as audit_log
from coalmine_schemas.results import Page


def freeze(
    transaction: Transaction,
    actor: Actor,
    reason: str | None,
    *,
    environment: str | None,
    prompt: str | None,
    starts_at: datetime | None,
    until: datetime | None,
) -> FreezeRecord:
    """Freezes an environment, a prompt, one in the other, or everything.

    Raises:
        Forbidden: The actor is not an approver.
        NotFound: The environment or the prompt does not exist.
        Invalid: There is no reason, or a time has no time zone or is over.
    """
    actor.require(Role.APPROVER, "freeze what is served")
    start = transaction.now if starts_at is None else moment("starts_at", starts_at)
    end = None if until is None else moment("until", until)
    if until is not None and end is not None and end <= max(start, transaction.now):
        raise Invalid("until", until.isoformat(), "give a time to come, after the start")
    return insert(transaction, actor, reason, environment, prompt, starts_at=start, until=end)


def insert(
    transaction: Transaction,
    actor: Actor,
    reason: str | None,
    environment: str | None,
    prompt: str | None,
    *,
    starts_at: datetime,
    until: datetime | None,
) -> FreezeRecord:
    """Adds a freeze, whoever the actor is; `freeze` checks that."""
    if environment is not None:
        environment_name(environment)
    if prompt is not None:
        version_names(transaction, prompt)
    row = {
        "environment": environment,
        "prompt": prompt,
        "reason": needed_reason(reason),
        "frozen_by": actor.subject,
        "starts_at": starts_at,
        "until": until,
    }
    made = transaction.connection.execute(freezes.insert().values(row)).inserted_primary_key
    assert made is not None
    found = read_freeze(transaction, made[0])
    _note(transaction, actor, "freeze", found, found.reason)
    return found


def unfreeze(transaction: Transaction, actor: Actor, freeze_id: int, reason: str | None) -> FreezeRecord:
    """Ends a freeze. Ending one that has ended changes nothing.

    Raises:
        Forbidden: The actor is not an approver.
        NotFound: There is no such freeze.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.APPROVER, "end freezes")
    given = reason_given(reason)
    found = read_freeze(transaction, freeze_id)
    if found.ended_at is not None or (found.until is not None and found.until <= transaction.now):
        return found
    ended = {"ended_by": actor.subject, "ended_at": transaction.now}
    transaction.update(freezes, freezes.c.id == freeze_id, ended)
    found = read_freeze(transaction, freeze_id)
    _note(transaction, actor, "unfreeze", found, given)
    return found


def page(
    transaction: Transaction,
    environment: str | None,
    prompt: str | None,
    *,
    ended: bool,
    limit: int,
    cursor: str | None,
) -> Page[FreezeRecord]:
    """Returns a page of freezes, newest first.

    Args:
        transaction: Where to look.
        environment: Only those that count there.
        prompt: Only those that count for it.
        ended: True to list those that are over, too.
        limit: Maximum number.
        cursor: Where the page before ended.

    Raises:
        NotFound: The environment or the prompt does not exist.
        Invalid: `limit` or `cursor` is not valid.
    """
    query = select(freezes).order_by(freezes.c.id.desc())
    before = cursor_key(cursor, int)
    if before is not None:
        query = query.where(freezes.c.id < before)
    if environment is not None:
        query = query.where(_is_or_all(freezes.c.environment, environment_name(environment)))
    if prompt is not None:
        version_names(transaction, prompt)
        query = query.where(_is_or_all(freezes.c.prompt, prompt))
    if not ended:
        query = query.where(_not_over(transaction.now))
    return page_of(
        transaction.connection, query, limit, lambda row: FreezeRecord(**row._mapping), lambda row: (row.id,)
    )


def standing(transaction: Transaction, environment: str, prompt: str) -> list[FreezeRecord]:
    """Returns the freezes that count there now, oldest first."""
    query = select(freezes).where(
        _is_or_all(freezes.c.environment, environment),
        _is_or_all(freezes.c.prompt, prompt),
        is_in_force(transaction.now),
    )
    return [FreezeRecord(**row._mapping) for row in transaction.all(query.order_by(freezes.c.id))]


def is_in_force(now: datetime) -> ColumnElement[bool]:
    """The condition that a freeze counts now.

    One that began when it was made counts at once also for a server whose clock is behind that of its maker.
    """
    began_at_once = exists().where(audit_log.c.action == "freeze", audit_log.c.at == freezes.c.starts_at)
    return and_(or_(freezes.c.starts_at <= now, began_at_once), _not_over(now))


def check(transaction: Transaction, environment: str, prompt: str) -> None:
    """Checks that something new may be shown.

    Raises:
        Frozen: Says who froze it, why, until when, and how to end that.
    """
    for each in standing(transaction, environment, prompt):
        until = "until somebody ends it" if each.until is None else f"until {each.until:%Y-%m-%d %H:%M} UTC"
        raise Frozen(
            f"{prompt} in {environment} is frozen by {each.frozen_by} {until}: {each.reason}. Going back is "
            f"possible; for anything else, wait or have an approver end it: `coalmine unfreeze {each.id}`"
        )


def needed_reason(reason: str | None) -> str:
    """Returns a reason.

    Raises:
        Invalid: There is none, or it cannot be stored.
    """
    given = reason_given(reason)
    if given is None:
        raise Invalid("reason", reason, "say why; it is shown to others and goes into the audit log")
    return given


def read_freeze(transaction: Transaction, freeze_id: object) -> FreezeRecord:
    """Returns one freeze; raises NotFound."""
    is_id = isinstance(freeze_id, int) and not isinstance(freeze_id, bool) and 0 <= freeze_id < 2**63
    row = transaction.one(select(freezes).where(freezes.c.id == freeze_id)) if is_id else None
    if row is None:
        raise NotFound(f"no freeze {freeze_id!r:.40}: list the freezes that stand")
    return FreezeRecord(**row._mapping)


def _not_over(now: datetime) -> ColumnElement[bool]:
    return and_(freezes.c.ended_at.is_(None), or_(freezes.c.until.is_(None), freezes.c.until > now))


def _is_or_all(column: Any, value: str) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    return or_(column.is_(None), column == value)


def _note(
    transaction: Transaction, actor: Actor, action: str, told: FreezeRecord, reason: str | None
) -> None:
    audit.record(
        transaction,
        actor,
        action,
        prompt=told.prompt,
        environment=told.environment,
        after={
            "freeze": told.id,
            "starts_at": told.starts_at.isoformat(),
            "until": None if told.until is None else told.until.isoformat(),
        },
        reason=reason,
    )
