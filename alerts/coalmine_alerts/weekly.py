"""Computes the digest of a week from the registry and the alerts' own database."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import Connection, func, select

from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.results.digest import Digest, Duty
from coalmine_alerts.shipped import shipped_between
from coalmine_alerts.storage.rows import alert_of
from coalmine_alerts.storage.tables import alerts, marks, transitions
from coalmine_registry.registry import Registry
from coalmine_registry.storage.database import Database
from coalmine_registry.storage.tables import audit

_WEEK: Final = timedelta(days=7)
_MOST_DUTIES: Final = 8
_BY_HAND: Final = ("promote", "rollback", "set_rules", "panic")


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
    shipped = shipped_between(registry, since, until, environment) if registry is not None else ()
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
