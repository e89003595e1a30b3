"""What is decided about rollouts, and the answers to what people asked of them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, func, select

from coalmine_registry.operations import outbox
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.storage.rollout_tables import rollout_commands, rollout_decisions


def next_seq(transaction: Transaction, rollout_id: str) -> int:
    """Returns the number of the next decision."""
    table = rollout_decisions.c
    found = transaction.one(select(func.max(table.seq)).where(table.rollout == rollout_id))
    return 1 + ((found[0] if found is not None else None) or 0)


def insert_decision(
    transaction: Transaction, rollout: Mapping[str, Any], decision: Mapping[str, Any]
) -> None:
    """Adds a decision, and the event that tells of it.

    Args:
        transaction: Where to do it.
        rollout: The rollout's row; of it only what never changes.
        decision: The row.
    """
    transaction.insert(rollout_decisions, decision)
    outbox.put_transition(transaction, rollout, decision)


def close_commands(
    transaction: Transaction, rollout_id: str, answer: str, *, command_id: int | None = None
) -> None:
    """Answers a command, or all that wait."""
    table = rollout_commands.c
    where = and_(table.rollout == rollout_id, table.done_at.is_(None))
    if command_id is not None:
        where = and_(where, table.id == command_id)
    transaction.update(rollout_commands, where, {"done_at": transaction.now, "answer": answer})
