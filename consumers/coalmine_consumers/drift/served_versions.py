"""Versions of a prompt that serve, and changes of who gets which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from coalmine_consumers.drift.watched import VersionKey, lists_of
from coalmine_consumers.sql import Source, statement


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """One version of a prompt in one environment."""

    environment: str
    version: str
    requests: int
    lately: int
    """In the last two days on which the environment had requests of the prompt."""
    last_event_time: datetime


@dataclass(frozen=True, slots=True)
class Reallocation:
    """A change of what an environment serves of a prompt: of who gets a version, not of the version."""

    event_time: datetime
    version: str | None
    action: str


@dataclass(frozen=True, slots=True)
class DayOfRequests:
    """One day on which a version had requests."""

    day: datetime
    requests: int
    first_event_time: datetime


def days_of_requests(source: Source, key: VersionKey) -> list[DayOfRequests]:
    """The days on which a version had requests, oldest first."""
    query = """
        SELECT
            bucket_start AS day,
            sum(requests)::BIGINT AS requests,
            min(first_event_time) AS first_event_time
        FROM rollups
        WHERE resolution = 'day' AND prompt = $prompt AND version = $version AND environment = $environment
        GROUP BY day HAVING sum(requests) > 0 ORDER BY day
    """
    return [DayOfRequests(**row) for row in source.rows(query, key.parameters())]


def served_versions(source: Source, prompt: str) -> list[ServedVersion]:
    """By environment, the one that serves most now first."""
    rows = source.rows(statement("served_versions", __package__), {"prompt": prompt})
    return [ServedVersion(**row) for row in rows]


def most_served(
    source: Source,
    most: int,
    *,
    environment: str | None = None,
    among: Sequence[str] | None = None,
    after: tuple[str, str] = ("", ""),
) -> list[VersionKey]:
    """The version with the most requests now, of each prompt and environment in the order of these names.

    Args:
        source: Of the store.
        most: Maximum number of versions.
        environment: Only this one.
        among: Only of prompts that match one of these patterns; None for all.
        after: Only what comes after this prompt and environment.
    """
    parameters = {
        "environment": environment,
        "among": None if among is None else [*among],
        "after_prompt": after[0],
        "after_environment": after[1],
        "most": most,
    }
    return [VersionKey(**row) for row in source.rows(statement("most_served", __package__), parameters)]


def prompts(source: Source) -> list[str]:
    """Every prompt that had requests."""
    rows = source.table("SELECT DISTINCT prompt FROM rollups WHERE resolution = 'day' ORDER BY prompt")
    found: list[str] = rows["prompt"].to_pylist()
    return found


def reallocations(
    source: Source, since: Mapping[VersionKey, datetime]
) -> dict[VersionKey, list[Reallocation]]:
    """Changes of who got each of some versions since a moment, oldest first."""
    found: dict[VersionKey, list[Reallocation]] = {key: [] for key in since}
    parameters = {**lists_of(since), "since": [*since.values()]}
    for row in source.rows(statement("deployments_of", __package__), parameters):
        key = VersionKey(row.pop("prompt"), row.pop("of_version"), row.pop("environment"))
        found[key].append(Reallocation(**row))
    return found


def touched_versions(source: Source, after: int, through: int) -> list[VersionKey]:
    """Versions that batches in (after, through] brought requests of."""
    rows = source.rows(statement("touched_versions", __package__), {"after": after, "through": through})
    return [VersionKey(**row) for row in rows]
