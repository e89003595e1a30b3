"""The audit log: who did what, when, with which token, and what changed. Rows are only ever added."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from coalmine_registry.operations.inputs import is_storable
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import AuditEntry
from coalmine_registry.roles import Actor
from coalmine_registry.storage.tables import audit
from coalmine_schemas.results import Page


def record(
    transaction: Transaction,
    actor: Actor,
    action: str,
    *,
    prompt: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Adds an entry, in the transaction of the change."""
    transaction.insert(
        audit,
        {
            "at": transaction.now,
            "actor": actor.subject,
            "token_id": actor.token_id,
            "action": action,
            "prompt": prompt,
            "version": version,
            "environment": environment,
            "before": before,
            "after": after,
            "reason": reason,
        },
    )


def last(transaction: Transaction) -> int:
    """Returns the number of the newest entry; 0 if there is none."""
    row = transaction.one(select(func.max(audit.c.id)))
    return 0 if row is None or row[0] is None else int(row[0])


def page(
    transaction: Transaction, prompt: str | None, environment: str | None, limit: int, cursor: str | None
) -> Page[AuditEntry]:
    """Returns a page of entries, newest first.

    Raises:
        Invalid: `limit` or `cursor` is not valid.
    """
    query = select(audit).order_by(audit.c.id.desc())
    before = cursor_key(cursor, int)
    if before is not None:
        query = query.where(audit.c.id < before)
    for column, wanted in ((audit.c.prompt, prompt), (audit.c.environment, environment)):
        if wanted is not None:
            if not is_storable(wanted):
                return Page([], None)
            query = query.where(column == wanted)
    return page_of(
        transaction.connection, query, limit, lambda row: AuditEntry(**row._mapping), lambda row: (row.id,)
    )
