"""What the store says about ingest, and about what is served now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from coalmine_alerts.facts import (
    AnsweredBy,
    AppTraffic,
    Health,
    Ingest,
    LimitWatch,
    Served,
    VersionPlace,
)
from coalmine_analytics.core.kill_limits import limit_evidence
from coalmine_consumers.aggregation.rollup import REFUSALS
from coalmine_consumers.queries.cover import BEGINNING, floor
from coalmine_consumers.queries.measures import kept_from
from coalmine_consumers.results import GapRow
from coalmine_consumers.sql import Source, statement
from coalmine_rollouts.records import AppBehind

KNOWN_FOR: Final = timedelta(days=8)
"""Versions that had no request for so long are forgotten."""
MOST_VERSIONS: Final = 2_000
"""Versions that are looked at, those with the most requests first."""
LATELY: Final = timedelta(minutes=10)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_SILENT: Final = timedelta(minutes=5)
"""A silence of so long is compared with the days before."""
_DAYS_BEFORE: Final = 6
"""Rollups per minute are kept for a week."""
_LEAST_DAYS: Final = 2
_MOST_GAPS: Final = 20
_GROUPS: Final = 256
_STRATUM_S: Final = 300
_PACKAGE: Final = "coalmine_alerts"


def read_ingest(source: Source, now: datetime, health: Health) -> Ingest:
    """Returns how ingest stands."""
    parameters = {"now": now, "lately": now - LATELY, "day": now - _DAY, "waited": now - _HOUR}
    (row,) = source.rows(statement("ingest_now", _PACKAGE), parameters)
    first, newest = row.pop("first_day"), row.pop("newest_event_at")
    gaps = source.rows(
        statement("gaps_since", _PACKAGE), {"since": now - _DAY, "now": now, "limit": _MOST_GAPS}
    )
    return Ingest(
        **row,
        newest_event_at=newest,
        expected_since=None if first is None else _expected(source, first, newest or now - _DAY, now),
        gaps=[GapRow(**each) for each in gaps],
        health=health,
    )


def _expected(source: Source, first: datetime, newest: datetime, now: datetime) -> float | None:
    """The least that came on the days before, in the time for which nothing comes now."""
    if now - newest < _SILENT:
        return None
    since = max(floor(newest, "minute") + timedelta(minutes=1), now - _DAY)
    parameters = {"since": since, "until": now, "days": _DAYS_BEFORE, "first": first}
    rows = source.rows(statement("requests_on_days_before", _PACKAGE), parameters)
    return min(float(row["requests"]) for row in rows) if len(rows) >= _LEAST_DAYS else None


def read_served(source: Source, now: datetime) -> list[Served]:
    """Returns the versions that had requests in the last days."""
    parameters = {"since": now - KNOWN_FOR, "now": now, "limit": MOST_VERSIONS, **last_hour(source, now)}
    rows = source.rows(statement("served", _PACKAGE), parameters)
    return [Served(key=_key(row), **_rest(row)) for row in rows]


def read_answered(source: Source, now: datetime) -> list[AnsweredBy]:
    """Returns the models that answered in the last hour."""
    parameters = {"since": now - KNOWN_FOR, "now": now, "limit": MOST_VERSIONS, **last_hour(source, now)}
    rows = source.rows(statement("answered_lately", _PACKAGE), parameters)
    return [AnsweredBy(key=_key(row), **_rest(row)) for row in rows]


def read_apps(source: Source, now: datetime) -> list[AppTraffic]:
    """Returns what applications did in the last minutes."""
    parameters = {"since": now - LATELY, "now": now, "early": now - LATELY + LATELY / 5}
    return [AppTraffic(**row) for row in source.rows(statement("apps_lately", _PACKAGE), parameters)]


def read_limits(source: Source, now: datetime, limits: Mapping[str, float]) -> list[LimitWatch]:
    """Returns how versions stand against absolute limits.

    Raw requests are read only where failures are above a limit: that is where evidence can come from.

    Args:
        source: Of the store.
        now: The time.
        limits: The share allowed, by rate: `error_rate`, `refusal_rate`.
    """
    if not limits:
        return []
    recent = last_hour(source, now)
    found = []
    for row in source.rows(statement("bad_lately", _PACKAGE), {**recent, "now": now, "lately": now - LATELY}):
        for name, limit in limits.items():
            bad = BAD_REQUESTS[name]
            lately, requests = int(row[f"{bad}_lately"]), int(row["requests_lately"])
            count = float(row[bad]), int(row["requests"]), 0.0, 0
            if lately > limit * requests:
                count = _evidence(source, _key(row), now, bad, limit)
            found.append(LimitWatch(_key(row), name, limit, *count, lately, requests))
    return found


BAD_REQUESTS: Final[Mapping[str, str]] = {"error_rate": "errors", "refusal_rate": "refusals"}
"""Columns that count what is bad, by rate."""


def _evidence(
    source: Source, key: VersionPlace, now: datetime, bad: str, limit: float
) -> tuple[float, int, float, int]:
    """Bad units, units, evidence, and groups of units with something bad, in the last hour."""
    since = now - _HOUR
    parameters = {**key.labels(), "since": since, "now": now, "refusals": list(REFUSALS)}
    rows = source.table(statement("bad_units", _PACKAGE), parameters)
    strata = int(_HOUR.total_seconds()) // _STRATUM_S
    sums = np.zeros((2, strata, _GROUPS))
    at = rows["stratum"].to_numpy().astype(np.intp), rows["unit_group"].to_numpy().astype(np.intp)
    np.add.at(sums[0], at, rows[bad].to_numpy())
    np.add.at(sums[1], at, rows["requests"].to_numpy())
    nothing = np.zeros((strata, _GROUPS))
    evidence = limit_evidence((sums[0], sums[1]), (nothing, nothing), limit)
    of_bad, of_all = sums.sum(axis=1)
    units = of_all > 0
    return (
        float((of_bad[units] / of_all[units]).sum()),
        int(units.sum()),
        float(evidence.log_e),
        int(evidence.hit),
    )


def read_behind(source: Source, key: VersionPlace, since: datetime, now: datetime) -> list[AppBehind]:
    """Returns who has served a version since a moment without having named it."""
    parameters = {**key.labels(), "since": since, "now": now}
    return [AppBehind(**row) for row in source.rows(statement("still_served", _PACKAGE), parameters)]


def last_hour(source: Source, now: datetime) -> dict[str, Any]:
    """Where the last hour begins, and the finest resolution that is kept of it."""
    recent = now - _HOUR
    fine = "minute" if kept_from(source).get("minute", BEGINNING) <= recent else "hour"
    return {"recent": recent if fine == "minute" else floor(recent, "hour"), "fine": fine}


def _key(row: Mapping[str, Any]) -> VersionPlace:
    return VersionPlace(row["environment"], row["prompt"], row["version"])


def _rest(row: Mapping[str, Any]) -> dict[str, Any]:
    moments: Sequence[str] = ("first_at", "last_at")
    return {
        name: value.astimezone(UTC) if name in moments else value
        for name, value in row.items()
        if name not in VersionPlace._fields
    }
