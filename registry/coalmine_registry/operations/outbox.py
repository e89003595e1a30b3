"""Events that have not been sent yet, written in the transaction of the change."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from coalmine_registry.deployment_state import DeploymentState
from coalmine_registry.operations.pages import page_size
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import OutboxEntry
from coalmine_registry.roles import Actor
from coalmine_registry.storage.tables import outbox
from coalmine_schemas.events import (
    Deployment,
    DeploymentArm,
    DeploymentExperiment,
    EventName,
    RolloutTransition,
)
from coalmine_schemas.prompts import ServeExperiment


def put(
    transaction: Transaction,
    actor: Actor,
    which: tuple[str, str, int],
    state: DeploymentState,
    *,
    action: str,
    reason: str | None,
) -> None:
    """Adds the event of a change, with all experiments that run.

    Readers of version 1 know one: that of the default, else the first.

    Args:
        transaction: The transaction of the change.
        actor: Who made it.
        which: Environment, prompt and revision of the deployment.
        state: What is served from now on.
        action: What was done.
        reason: Why.
    """
    environment, prompt, revision = which
    running = _experiments(state)
    first = running[0] if running else None
    rollout, decision = transaction.rollout or (None, None)
    event = Deployment(
        environment=environment,
        prompt=prompt,
        event_time=transaction.now,
        revision=revision,
        version=state.version,
        experiment=None if first is None else first.name,
        allocation_epoch=None if first is None else first.allocation_epoch,
        arms=() if first is None else first.arms,
        action=action,
        changed_by=actor.subject,
        reason=reason,
        experiments=running,
        rollout=rollout,
        rollout_decision=decision,
    )
    _insert(transaction, "deployment", event)


def put_transition(transaction: Transaction, rollout: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
    """Adds the event of a decision about a rollout.

    Args:
        transaction: The transaction of the decision.
        rollout: The rollout's row; of it only what never changes.
        decision: The row of the decision.
    """
    event = RolloutTransition(
        rollout=rollout["id"],
        decision=decision["seq"],
        event_time=decision["at"],
        environment=rollout["environment"],
        prompt=rollout["prompt"],
        rule=rollout["rule"],
        treatment=rollout["treatment"],
        control=rollout["control"],
        kind=decision["kind"],
        from_state=decision["from_state"],
        state=decision["to_state"],
        from_stage=decision["from_stage"],
        stage=decision["to_stage"],
        weights=decision["weights"] or {},
        reasons="; ".join(decision["reasons"]) or None,
        evidence_json=json.dumps(decision["evidence"]) if decision["evidence"] else None,
        actor=decision["actor"],
        revision=decision["revision"],
    )
    _insert(transaction, "rollout_transition", event)


def pending(transaction: Transaction, limit: int) -> list[OutboxEntry]:
    """Returns events that have not been sent yet, oldest first.

    Raises:
        Invalid: `limit` is not a positive integer.
    """
    query = select(outbox).order_by(outbox.c.id).limit(page_size(limit))
    return [OutboxEntry(row.id, *_read(row.kind, row.event)) for row in transaction.all(query)]


def delivered(transaction: Transaction, ids: Sequence[int]) -> None:
    """Deletes events that were sent."""
    transaction.connection.execute(delete(outbox).where(outbox.c.id.in_(list(ids))))


def _experiments(state: DeploymentState) -> list[DeploymentExperiment]:
    """Returns the experiments that run: that of the default first, then by the order of their rules."""
    places = ((None, state.default), *((rule.name, rule.serve) for rule in state.rules))
    found: dict[str, DeploymentExperiment] = {}
    for rule, serve in places:
        if isinstance(serve, ServeExperiment) and serve.experiment not in found:
            experiment = state.experiments[serve.experiment]
            found[serve.experiment] = DeploymentExperiment(
                name=serve.experiment,
                rule=rule,
                allocation_epoch=experiment.allocation_epoch,
                arms=[
                    DeploymentArm(variant=arm.variant, version=arm.version, weight=arm.weight)
                    for arm in experiment.arms
                ],
            )
    return list(found.values())


def _insert(transaction: Transaction, kind: str, event: Deployment | RolloutTransition) -> None:
    record = {**event.to_record(), "event_time": event.event_time.isoformat()}
    transaction.insert(outbox, {"kind": kind, "event": record})


def _read(kind: str, stored: dict[str, Any]) -> tuple[EventName, Deployment | RolloutTransition]:
    record = {**stored, "event_time": datetime.fromisoformat(stored["event_time"])}
    if kind == "deployment":
        return "deployments", Deployment.from_record(record)
    return "rollout_transitions", RolloutTransition(**record)
