"""Computes the digest of a week from the registry and the alerts' own database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import Connection, func, select

from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.results.digest import Digest, Duty, Outcome, Shipped
from coalmine_alerts.rules.words import change_words
from coalmine_alerts.storage.rows import alert_of
from coalmine_alerts.storage.tables import alerts, marks, transitions
from coalmine_registry.errors import NotFound
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_registry.storage.database import Database
from coalmine_registry.storage.rollout_tables import rollout_decisions, rollouts
from coalmine_registry.storage.tables import audit
from coalmine_rollouts import storage
from coalmine_rollouts.records import Rollout, RolloutDecision, State

_WEEK: Final = timedelta(days=7)
_MOST_ROLLOUTS: Final = 500
_MOST_DUTIES: Final = 8
_MOST_CHANGES: Final = 3
_BY_HAND: Final = ("promote", "rollback", "set_rules", "panic")
_ENDINGS: Final[Mapping[State, Outcome]] = {
    "rolled_back": "rolled back",
    "aborted": "stopped",
    "superseded": "stopped",
    "cancelled": "stopped",
    "expired": "no answer",
}


def week_of(at: datetime) -> tuple[str, datetime, datetime]:
    """Returns the last whole ISO week before a moment: its name, its beginning and its end, in UTC."""
    monday = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    until = monday - timedelta(days=monday.weekday())
    since = until - _WEEK
    year, week, _ = since.isocalendar()
    return f"{year}-W{week:02d}", since, until


def week_named(week: str) -> tuple[str, datetime, datetime]:
    """Returns an ISO week by its name, such as `2026-W47`; raises ValueError."""
    since = datetime.strptime(f"{week}-1", "%G-W%V-%u").replace(tzinfo=UTC)
    return week, since, since + _WEEK


def digest_of(
    registry: Registry | None,
    database: Database,
    *,
    week: tuple[str, datetime, datetime],
    environment: str | None = None,
    last_used: Mapping[tuple[str, str], datetime] | None = None,
) -> Digest:
    """Computes the digest of a week.

    Args:
        registry: None: nothing is known of rollouts.
        database: Of alerts.
        week: As `week_of` returns it.
        environment: None: all of them.
        last_used: Time of the last call by prompt and version, as `Registry.hygiene` takes it; None: unknown.
    """
    name, since, until = week
    shipped = _shipped(registry, since, until, environment) if registry is not None else ()
    open_alerts, counts = database.read(lambda connection: _alerts(connection, since, until, environment))
    lead_times = [each.lead_time_s for each in shipped if each.lead_time_s is not None]
    return Digest(
        week=name,
        since=since,
        until=until,
        environment=environment,
        shipped=shipped,
        median_lead_time_s=median(lead_times) if lead_times else None,
        changed_by_hand=_by_hand(registry, since, until, environment) if registry is not None else 0,
        duties=_duties(open_alerts),
        tidying=_tidying(registry, last_used, counts["noise"]),
        alerts_open=len(open_alerts),
        **counts,
    )


def _shipped(
    registry: Registry, since: datetime, until: datetime, environment: str | None
) -> tuple[Shipped, ...]:
    def work(tx: Transaction) -> list[tuple[Rollout, RolloutDecision | None]]:
        table, made = rollouts.c, rollout_decisions.c
        query = select(rollouts).where(
            table.ended_at >= since, table.ended_at < until, table.started_at.is_not(None)
        )
        if environment is not None:
            query = query.where(table.environment == environment)
        query = query.order_by(table.ended_at.desc(), table.id).limit(_MOST_ROLLOUTS)
        found = []
        for row in reversed(tx.all(query)):
            rollout = storage.row_of(row).rollout
            last = select(rollout_decisions).where(made.rollout == rollout.id, made.at <= rollout.ended_at)
            decision = tx.all(last.order_by(made.seq.desc()).limit(1))
            found.append((rollout, storage.decision_of(decision[0]) if decision else None))
        return found

    return tuple(_one(registry, rollout, decision) for rollout, decision in registry.read(work))


def _one(registry: Registry, rollout: Rollout, decision: RolloutDecision | None) -> Shipped:
    look: Mapping[str, Any] = (decision.evidence.get("look") if decision is not None else None) or {}
    metrics = [each for each in look.get("metrics", ()) if each.get("value") is not None]
    ended = rollout.ended_at
    assert ended is not None
    outcome = _ENDINGS.get(rollout.state) or _outcome(metrics)
    lead_time_s = exposed = None
    if rollout.state == "completed":
        try:
            registered = registry.version(rollout.prompt, rollout.treatment).created_at
            lead_time_s = (ended - registered).total_seconds()
        except NotFound:
            pass
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
        ended_at=ended,
        lead_time_s=lead_time_s,
        exposed_share=exposed,
        out_s=None if rollout.started_at is None else (ended - rollout.started_at).total_seconds(),
    )


def _outcome(metrics: Sequence[Mapping[str, Any]]) -> Outcome:
    verdicts = {each["verdict"] for each in metrics if each.get("role") != "shown"}
    if "better" in verdicts and "worse" not in verdicts:
        return "better"
    return "not worse" if verdicts and verdicts <= {"not worse", "better"} else "undecided"


def _changes(metrics: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is shown, in words; where nothing is, what was measured of what matters."""
    acting = [each for each in metrics if each.get("role") != "shown"] or [*metrics]
    shown = [each for each in acting if each["verdict"] in ("worse", "better")] or acting
    shown.sort(key=lambda each: each["verdict"] != "worse")
    return tuple(
        f"{each['metric']} {change_words(each['control_value'], each['effect'], each['unit'])}"
        for each in shown[:_MOST_CHANGES]
    )


def _by_hand(registry: Registry, since: datetime, until: datetime, environment: str | None) -> int:
    table = audit.c
    query = select(func.count()).where(
        table.at >= since,
        table.at < until,
        table.action.in_(_BY_HAND),
        table.actor.not_like("rollout:%"),
    )
    if environment is not None:
        query = query.where(table.environment == environment)
    return int(registry.read(lambda tx: tx.all(query)[0][0]))


def _alerts(
    connection: Connection, since: datetime, until: datetime, environment: str | None
) -> tuple[list[Alert], dict[str, Any]]:
    def is_here(alert: Alert) -> bool:
        return environment is None or alert.labels.get("environment") in (None, environment)

    known = {alert.fingerprint: alert for alert in map(alert_of, connection.execute(select(alerts)))}
    known = {key: alert for key, alert in known.items() if is_here(alert)}
    made = transitions.c
    fired = connection.execute(
        select(made.fingerprint, made.firing, func.max(made.told))
        .where(made.at >= since, made.at < until, made.to_state == "firing")
        .group_by(made.fingerprint, made.firing)
    ).all()
    fired = [row for row in fired if row[0] in known]
    marked = connection.execute(
        select(marks.c.fingerprint, marks.c.useful).where(marks.c.at >= since, marks.c.at < until)
    ).all()
    noise: dict[str, int] = {}
    for fingerprint, is_useful in marked:
        if fingerprint in known and not is_useful:
            rule = known[fingerprint].rule
            noise[rule] = noise.get(rule, 0) + 1
    return [alert for alert in known.values() if alert.state == "firing"], {
        "alerts_told": sum(bool(told) for *_, told in fired),
        "alerts_held_back": sum(not told for *_, told in fired),
        "useful": sum(bool(is_useful) for fingerprint, is_useful in marked if fingerprint in known),
        "noise": noise,
    }


def _duties(open_alerts: Iterable[Alert]) -> tuple[Duty, ...]:
    order = {"page": 0, "warning": 1, "info": 2}
    waiting = sorted(
        (alert for alert in open_alerts if alert.silenced_until is None and alert.inhibited_by is None),
        key=lambda alert: (order[alert.severity], alert.since),
    )
    return tuple(
        Duty(alert.story.title, f"/alerts?fingerprint={alert.fingerprint}")
        for alert in waiting[:_MOST_DUTIES]
    )


def _tidying(
    registry: Registry | None,
    last_used: Mapping[tuple[str, str], datetime] | None,
    noise: Mapping[str, int],
) -> tuple[Duty, ...]:
    found = []
    if registry is not None and last_used is not None:
        idle = registry.hygiene(last_used).items
        if idle:
            few = ", ".join(f"{each.name} {each.version}" for each in idle[:3])
            more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
            found.append(Duty(f"Retire {len(idle)} unused versions: {few}{more}", "/prompts"))
    found += [
        Duty(f"Tune {rule}: {number} of its alerts were called noise", f"/alerts?rule={rule}")
        for rule, number in sorted(noise.items(), key=lambda each: -each[1])[:3]
    ]
    return tuple(found)
