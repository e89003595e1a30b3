"""Days that do not count in drift detection: who ignored them, when and why."""

from collections.abc import Collection, Iterable
from dataclasses import asdict

import duckdb

from coalmine_consumers.drift.watched import VersionKey, lists_of
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


def ignored_days(
    source: Source, keys: Collection[VersionKey], special: Collection[Days]
) -> dict[VersionKey, list[DayIgnored]]:
    """What holds of each day that was named, also where it counts again; an act overrules the settings.

    Args:
        source: Where the acts are.
        keys: Which versions.
        special: As the settings name them.
    """
    acts: dict[tuple[str, str], list[DayIgnored]] = {}
    for row in source.rows(statement("noted_days", __package__), lists_of(keys)):
        acts.setdefault((row["prompt"], row.pop("of_environment")), []).append(DayIgnored(**row))
    return {key: _named(key.prompt, special, acts.get((key.prompt, key.environment), [])) for key in keys}


def _named(prompt: str, special: Iterable[Days], acts: Iterable[DayIgnored]) -> list[DayIgnored]:
    found = {
        day: DayIgnored(prompt, None, day, ignored=True, reason=SPECIAL, acted_by=None, acted_at=None)
        for days in special
        for day in days
    }
    found |= {act.day: act for act in acts}
    return [found[day] for day in sorted(found)]
