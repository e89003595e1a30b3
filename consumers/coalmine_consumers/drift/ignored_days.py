"""Days that do not count in drift detection: who ignored them, when and why."""

from collections.abc import Iterable
from dataclasses import asdict

import duckdb

from coalmine_consumers.drift.watched import VersionKey
from coalmine_consumers.results import DayIgnored
from coalmine_consumers.sql import Source, statement
from coalmine_schemas.days import Days

SPECIAL = "named in drift.special_days"


def note_day(connection: duckdb.DuckDBPyConnection, act: DayIgnored) -> None:
    """Appends an act, inside a transaction of the store."""
    connection.execute(
        "INSERT INTO drift_ignored_days "
        "VALUES ($prompt, $environment, $day, $ignored, $reason, $acted_by, $acted_at)",
        asdict(act),
    ).fetchall()


def ignored_days(source: Source, key: VersionKey, special: Iterable[Days]) -> list[DayIgnored]:
    """What holds of each day that was named, also where it counts again; an act overrules the settings.

    Args:
        source: Where the acts are.
        key: Which version.
        special: As the settings name them.
    """
    found = {
        day: DayIgnored(key.prompt, None, day, ignored=True, reason=SPECIAL, acted_by=None, acted_at=None)
        for days in special
        for day in days
    }
    parameters = {"prompt": key.prompt, "environment": key.environment}
    for row in source.rows(statement("noted_days", __package__), parameters):
        found[row["day"]] = DayIgnored(**row)
    return [found[day] for day in sorted(found)]
