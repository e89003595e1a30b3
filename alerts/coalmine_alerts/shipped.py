"""What rollouts that ended brought, as their last decision had measured it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select

from coalmine_alerts.results.digest import Outcome, Shipped, ShippedEffect
from coalmine_alerts.rules.words import change_words
from coalmine_registry.operations.inputs import is_storable
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_registry.storage.rollout_tables import rollout_decisions, rollouts
from coalmine_registry.storage.tables import versions
from coalmine_rollouts import storage
from coalmine_rollouts.records import Rollout, State

MOST_ROLLOUTS: Final = 500
_MOST_CHANGES: Final = 3
_ENDINGS: Final[Mapping[State, Outcome]] = {
    "rolled_back": "rolled back",
    "aborted": "stopped",
    "superseded": "stopped",
    "cancelled": "stopped",
    "expired": "no answer",
}


def shipped_between(
    registry: Registry,
    since: datetime,
    until: datetime,
    environment: str | None = None,
    prompt: str | None = None,
) -> tuple[Shipped, ...]:
    """Returns the rollouts that ended in a period, newest last; of very many the newest.

    Args:
        registry: Which made them.
        since: They ended then or later.
        until: They ended before.
        environment: Only there; None: all.
        prompt: Only of this one; None: all.
    """

    def work(tx: Transaction) -> list[Shipped]:
        table = rollouts.c
        query = select(rollouts).where(
            table.ended_at >= since, table.ended_at < until, table.started_at.is_not(None)
        )
        if environment is not None:
            query = query.where(table.environment == environment)
        if prompt is not None:
            query = query.where(table.prompt == (prompt if is_storable(prompt) else ""))
        query = query.order_by(table.ended_at.desc(), table.id).limit(MOST_ROLLOUTS)
        found = [storage.row_of(row).rollout for row in reversed(tx.all(query))]
        looks = _last_looks(tx, [each.id for each in found])
        registered = _registered(tx, {each.prompt for each in found})
        return [
            _one(each, looks.get(each.id, {}), registered.get((each.prompt, each.treatment)))
            for each in found
        ]

    return tuple(registry.read(work))


def _last_looks(tx: Transaction, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The look that each rollout's last decision stood on, up to its end."""
    made = rollout_decisions.c
    last = (
        select(made.rollout, func.max(made.seq).label("seq"))
        .join(rollouts, rollouts.c.id == made.rollout)
        .where(made.rollout.in_(ids), made.at <= rollouts.c.ended_at)
        .group_by(made.rollout)
        .subquery()
    )
    query = select(made.rollout, made.evidence).join(
        last, and_(made.rollout == last.c.rollout, made.seq == last.c.seq)
    )
    return {row.rollout: row.evidence.get("look") or {} for row in tx.all(query)}


def _registered(tx: Transaction, prompts: Iterable[str]) -> dict[tuple[str, str], datetime]:
    """When each version of some prompts was registered."""
    made = versions.c
    query = select(made.prompt, made.version, made.created_at).where(made.prompt.in_(sorted(prompts)))
    return {(row.prompt, row.version): row.created_at for row in tx.all(query)}


def _one(rollout: Rollout, look: Mapping[str, Any], registered: datetime | None) -> Shipped:
    metrics = [each for each in look.get("metrics", ()) if each.get("value") is not None]
    ended = rollout.ended_at
    assert ended is not None
    outcome = _ENDINGS.get(rollout.state) or _outcome(metrics)
    lead_time_s = exposed = None
    if rollout.state == "completed" and registered is not None:
        lead_time_s = (ended - registered).total_seconds()
    everybody = (look.get("units") or 0) + (look.get("control_units") or 0)
    if outcome == "rolled back" and everybody:
        exposed = look["units"] / everybody
    return Shipped(
        rollout=rollout.id,
        environment=rollout.environment,
        prompt=rollout.prompt,
        before=rollout.control,
        version=rollout.treatment,
        outcome=outcome,
        changes=_changes(metrics),
        effects=tuple(_effect(each) for each in metrics),
        ended_at=ended,
        lead_time_s=lead_time_s,
        exposed_share=exposed,
        out_s=None if rollout.started_at is None else (ended - rollout.started_at).total_seconds(),
    )


def _outcome(metrics: Sequence[Mapping[str, Any]]) -> Outcome:
    verdicts = {each["verdict"] for each in metrics if each.get("role") != "shown"}
    if "better" in verdicts and "worse" not in verdicts:
        return "better"
    # What need not be proven, such as thumbs, is hardly ever.
    proven = {each["verdict"] for each in metrics if each.get("role") == "must_prove"} - {"not applicable"}
    all_proven = bool(proven) and proven <= {"not worse", "better"}
    return "not worse" if all_proven and "worse" not in verdicts else "undecided"


def _changes(metrics: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is shown, in words; where nothing is, what was measured of what matters."""
    acting = [each for each in metrics if each.get("role") != "shown"] or [*metrics]
    shown = [each for each in acting if each["verdict"] in ("worse", "better")] or acting
    shown.sort(key=lambda each: each["verdict"] != "worse")
    return tuple(
        f"{each['metric']} {change_words(each['control_value'], each['effect'], each['unit'])}"
        for each in shown[:_MOST_CHANGES]
    )


def _effect(metric: Mapping[str, Any]) -> ShippedEffect:
    return ShippedEffect(**{each.name: metric[each.name] for each in fields(ShippedEffect)})
