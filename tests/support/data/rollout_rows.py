"""Rows of rollouts, written past the controller."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from coalmine_registry.registry import Registry
from coalmine_registry.storage.rollout_tables import rollout_decisions, rollouts
from tests.support.data.registry_case import PROMPT

AT = datetime(2026, 11, 28, tzinfo=UTC)


def rollout_row(name: str, **changes: Any) -> dict[str, Any]:
    """A running rollout of 1.0.1 against 1.0.0 in prod."""
    return {
        "id": name,
        "environment": "prod",
        "prompt": PROMPT,
        "rule": None,
        "treatment": "1.0.1",
        "control": "1.0.0",
        "plan": {},
        "plan_digest": "sha256:0",
        "mode": "act",
        "state": "running",
        "reasons": [],
        "stage": 0,
        "holds": [],
        "clock": {},
        "row_version": 1,
        "occupies": True,
        "started_by": "bob",
        "started_role": "approver",
        "started_token_id": "token-bob",
        "created_at": AT,
        "evidence": [],
        **changes,
    }


def add_rollout(registry: Registry, name: str, **changes: Any) -> None:
    """Stores one."""
    registry.transact(lambda transaction: transaction.insert(rollouts, rollout_row(name, **changes)))


def change_rollout(registry: Registry, name: str, **changes: Any) -> None:
    """Changes one."""
    registry.transact(lambda transaction: transaction.update(rollouts, rollouts.c.id == name, changes))


def rollout(registry: Registry, name: str) -> Any:
    """Returns its row."""
    return registry.transact(lambda tx: tx.one(select(rollouts).where(rollouts.c.id == name)))


def decisions(registry: Registry, name: str) -> list[Any]:
    """Returns its decisions, oldest first."""
    table = rollout_decisions
    query = select(table).where(table.c.rollout == name).order_by(table.c.seq)
    return registry.transact(lambda transaction: transaction.all(query))
