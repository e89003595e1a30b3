"""Versions watched for drift: since when, against which reference, and how far they are summed up."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from coalmine_consumers.sql import Source

KEY = ("prompt", "version", "environment")
_OF_KEY = "prompt = $prompt AND version = $version AND environment = $environment"


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One version of a prompt in one environment."""

    prompt: str
    version: str
    environment: str

    def parameters(self) -> dict[str, Any]:
        """Returns SQL parameters."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Caps of heavy-tailed measures, and what counts as slow; None where too little was known."""

    cost_cap: float | None = None
    """Nano-dollars, as the others fixed once, when the version began to be watched."""
    latency_cap: float | None = None
    """In ms."""
    latency_tail: float | None = None
    """In ms."""
    time_to_first_token_tail: float | None = None
    """In ms."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is kept of one watched version."""

    key: VersionKey
    first_hour: datetime
    through_ingest_id: int
    thresholds: Thresholds
    reference_until: datetime | None = None
    """End of the reference, once it is frozen."""


def read_watched(source: Source, key: VersionKey) -> Watched | None:
    """A version, if it is watched."""
    rows = source.rows(f"SELECT * FROM drift_versions WHERE {_OF_KEY}", key.parameters())  # noqa: S608
    if not rows:
        return None
    (row,) = rows
    names = ("cost_cap", "latency_cap", "latency_tail", "time_to_first_token_tail")
    return Watched(
        key,
        row["first_hour"],
        row["through_ingest_id"],
        Thresholds(**{name: row[name] for name in names}),
        row["reference_until"],
    )


def write_watched(connection: duckdb.DuckDBPyConnection, watched: Watched) -> None:
    """Saves a version, replacing what was known of it, inside a transaction of the store."""
    connection.execute(f"DELETE FROM drift_versions WHERE {_OF_KEY}", watched.key.parameters()).fetchall()  # noqa: S608
    row = {
        **watched.key.parameters(),
        "first_hour": watched.first_hour,
        "reference_until": watched.reference_until,
        "through_ingest_id": watched.through_ingest_id,
        **asdict(watched.thresholds),
    }
    values = ", ".join(f"${name}" for name in row)
    connection.execute(f"INSERT INTO drift_versions ({', '.join(row)}) VALUES ({values})", row).fetchall()  # noqa: S608


def with_reference(watched: Watched, until: datetime) -> Watched:
    """The same with its reference frozen."""
    return replace(watched, reference_until=until)
