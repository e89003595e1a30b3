"""Rows of rollouts in the registry's database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row as SqlRow
from sqlalchemy import and_, or_, select

from coalmine_registry.errors import StaleRevision
from coalmine_registry.operations import steering
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Evidence
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollout_commands, rollouts
from coalmine_rollouts.inputs import Held, Row
from coalmine_rollouts.plan import RolloutPlan
from coalmine_rollouts.records import (
    TERMINAL,
    Approval,
    Command,
    Rollout,
    RolloutCommand,
    RolloutDecision,
    RolloutHold,
)
from coalmine_rollouts.stage_clock import StageClock


def row_of(found: SqlRow[Any]) -> Row:
    """Returns a stored rollout."""
    clock, given = found.clock, found.evidence
    holds = tuple(
        RolloutHold(each["name"], each["text"], datetime.fromisoformat(each["since"])) for each in found.holds
    )
    rollout = Rollout(
        **{
            name: getattr(found, name)
            for name in (
                *("id", "environment", "prompt", "rule", "treatment", "control", "plan_digest", "template"),
                *("mode", "state", "stage", "row_version", "revision", "occupies", "started_by"),
                *("created_at", "started_at", "ended_at", "retry_of", "replaced_by", "reason"),
            )
        },
        plan=_plan(found.plan_digest, found.plan),
        reasons=tuple(found.reasons),
        holds=holds,
        approvals=tuple(
            Approval(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in given["approvals"]
        ),
    )
    return Row(
        rollout=rollout,
        clock=StageClock.from_json(clock["stage"]),
        held={each.name: Held(text=each.text, since=each.since) for each in holds},
        commanded_at=_moment(clock["commanded_at"]),
        effective_at=_moment(clock["effective_at"]),
        told=tuple(clock["told"]),
        known=given["known"],
        start_at=_moment(given["start_at"]),
    )


def values_of(row: Row) -> dict[str, Any]:
    """Returns what a change may change, as the table holds it."""
    rollout = row.rollout
    return {
        "control": rollout.control,
        "state": rollout.state,
        "reasons": list(rollout.reasons),
        "stage": rollout.stage,
        "holds": [
            {"name": name, "text": held.text, "since": held.since.isoformat()}
            for name, held in row.held.items()
        ],
        "clock": clock_json(row),
        "revision": rollout.revision,
        "occupies": rollout.occupies,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
        "replaced_by": rollout.replaced_by,
    }


def clock_json(row: Row) -> dict[str, Any]:
    """Returns what only the controller needs, as the table holds it."""
    return {
        "stage": row.clock.to_json(),
        "commanded_at": None if row.commanded_at is None else row.commanded_at.isoformat(),
        "effective_at": None if row.effective_at is None else row.effective_at.isoformat(),
        "told": list(row.told),
    }


def insert(transaction: Transaction, row: Row, starter: Actor, attached: Sequence[Evidence]) -> None:
    """Adds a rollout."""
    rollout = row.rollout
    transaction.insert(
        rollouts,
        {
            **values_of(row),
            **{
                name: getattr(rollout, name)
                for name in (
                    *("id", "environment", "prompt", "rule", "treatment", "plan_digest", "template", "mode"),
                    *("row_version", "created_at", "retry_of", "reason", "started_by"),
                )
            },
            "plan": rollout.plan.to_json(),
            "started_role": starter.role.value,
            "started_token_id": starter.token_id,
            "evidence": {
                "attached": [_evidence_json(each) for each in attached],
                "approvals": [],
                "known": row.known,
                "start_at": None if row.start_at is None else row.start_at.isoformat(),
            },
        },
    )


def update(transaction: Transaction, before: Row, values: Mapping[str, Any]) -> None:
    """Changes a rollout that nobody has changed since it was read.

    Raises:
        StaleRevision: Somebody has.
    """
    rollout = before.rollout
    where = and_(rollouts.c.id == rollout.id, rollouts.c.row_version == rollout.row_version)
    if not transaction.update(rollouts, where, {**values, "row_version": rollout.row_version + 1}):
        raise stale(transaction, rollout)


def check_current(transaction: Transaction, rollout: Rollout) -> None:
    """Checks that nobody has changed a rollout since it was read.

    Raises:
        StaleRevision: Somebody has.
    """
    found = transaction.one(select(rollouts.c.row_version).where(rollouts.c.id == rollout.id))
    if found is None or found.row_version != rollout.row_version:
        raise stale(transaction, rollout)


def stale(transaction: Transaction, rollout: Rollout) -> StaleRevision:
    """Returns the error for a rollout that has changed."""
    found = transaction.one(select(rollouts.c.row_version).where(rollouts.c.id == rollout.id))
    return StaleRevision(f"rollout {rollout.id}", rollout.row_version, 0 if found is None else found[0])


def keep_clock(transaction: Transaction, row: Row) -> None:
    """Stores how far the clock is; whoever reads the rollout need not care."""
    rollout = row.rollout
    where = and_(rollouts.c.id == rollout.id, rollouts.c.row_version == rollout.row_version)
    transaction.update(rollouts, where, {"clock": clock_json(row)})


def read_row(transaction: Transaction, rollout_id: str) -> Row:
    """Returns one rollout.

    Raises:
        NotFound: There is none of that id.
    """
    return row_of(steering.rollout_row(transaction, rollout_id))


def starter_of(transaction: Transaction, rollout_id: str) -> tuple[Actor, tuple[Evidence, ...]]:
    """Returns who started a rollout, and the evidence given then."""
    table = rollouts.c
    query = select(table.started_by, table.started_role, table.started_token_id, table.evidence)
    found = transaction.one(query.where(table.id == rollout_id))
    assert found is not None
    actor = Actor(found.started_by, Role(found.started_role), found.started_token_id)
    return actor, tuple(Evidence(**each) for each in found.evidence["attached"])


def add_approval(transaction: Transaction, rollout_id: str, approval: Approval | None) -> None:
    """Notes what a person approved; None: nothing is approved any more."""
    found = transaction.one(select(rollouts.c.evidence).where(rollouts.c.id == rollout_id))
    assert found is not None
    given = dict(found.evidence)
    given["approvals"] = (
        []
        if approval is None
        else [
            *given["approvals"],
            {
                "what": approval.what,
                "by": approval.by,
                "role": approval.role,
                "token_id": approval.token_id,
                "at": approval.at.isoformat(),
            },
        ]
    )
    transaction.update(rollouts, rollouts.c.id == rollout_id, {"evidence": given})


def attach(transaction: Transaction, rollout_id: str, evidence: Sequence[Evidence]) -> None:
    """Adds evidence to that of the start."""
    found = transaction.one(select(rollouts.c.evidence).where(rollouts.c.id == rollout_id))
    assert found is not None
    attached = [*found.evidence["attached"], *(asdict(each) for each in evidence)]
    transaction.update(
        rollouts, rollouts.c.id == rollout_id, {"evidence": {**found.evidence, "attached": attached}}
    )


def live_rows(transaction: Transaction, ended_since: datetime) -> list[Row]:
    """Returns rollouts that have not ended, and those that ended since a moment; by age."""
    table = rollouts.c
    query = select(rollouts).where(or_(table.state.not_in(sorted(TERMINAL)), table.ended_at >= ended_since))
    return [row_of(each) for each in transaction.all(query.order_by(table.created_at, table.id))]


def holder_of(transaction: Transaction, environment: str, prompt: str, rule: str | None) -> Row | None:
    """Returns the rollout that holds a place."""
    found = transaction.one(select(rollouts).where(steering.is_held(environment, prompt, rule)))
    return None if found is None else row_of(found)


def decision_of(found: SqlRow[Any]) -> RolloutDecision:
    """Returns a stored decision."""
    return RolloutDecision(**{**found._mapping, "reasons": tuple(found.reasons)})


def open_commands(transaction: Transaction, rollout_ids: Sequence[str]) -> dict[str, list[Command]]:
    """Returns the commands that wait, oldest first, by rollout."""
    table = rollout_commands.c
    query = select(rollout_commands).where(table.rollout.in_(list(rollout_ids)), table.done_at.is_(None))
    found: dict[str, list[Command]] = {}
    for each in transaction.all(query.order_by(table.id)):
        actor = Actor(each.actor, Role(each.role), each.token_id)
        command = Command(each.id, each.kind, actor, each.reason, each.arguments, each.seen_row_version)
        found.setdefault(each.rollout, []).append(command)
    return found


def command_of(found: SqlRow[Any]) -> RolloutCommand:
    """Returns a stored command."""
    fields = ("id", "rollout", "kind", "actor", "reason", "asked_at", "done_at", "answer")
    return RolloutCommand(**{name: getattr(found, name) for name in fields})


def unfinished(transaction: Transaction, names: Sequence[str]) -> dict[str, str]:
    """Returns those of some rollouts that are not completed, with their state."""
    table = rollouts.c
    query = select(table.id, table.state).where(table.id.in_(list(names)))
    found = {each.id: each.state for each in transaction.all(query)} if names else {}
    return {name: found.get(name, "unknown") for name in names if found.get(name) != "completed"}


_PLANS: dict[str, RolloutPlan] = {}
"""By digest: a tick reads the same plans again and again."""
_MOST_PLANS: Final = 1_000


def _plan(digest: str, document: Mapping[str, Any]) -> RolloutPlan:
    plan = _PLANS.get(digest)
    if plan is None:
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        plan = _PLANS[digest] = RolloutPlan.from_json(document)
    return plan


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _evidence_json(evidence: Evidence) -> dict[str, str]:
    return {"kind": evidence.kind, "reference": evidence.reference, "summary": evidence.summary}
