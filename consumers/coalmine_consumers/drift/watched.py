"""Versions watched for drift: since when, against which reference, and how far they are summed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from coalmine_consumers.sql import Source, replace_rows

KEY = ("prompt", "version", "environment")
LISTED_KEYS = (
    "SELECT unnest($prompts) AS prompt, unnest($versions) AS version, unnest($environments) AS environment"
)
"""Versions as rows, of the parameters that `lists_of` returns."""
_TIME = pa.timestamp("us", "UTC")
_THRESHOLDS = ("cost_cap", "latency_cap", "latency_tail", "time_to_first_token_tail")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in KEY),
        ("first_hour", _TIME),
        ("reference_until", _TIME),
        ("through_ingest_id", pa.int64()),
        *((name, pa.float64()) for name in _THRESHOLDS),
    ]
)


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One version of a prompt in one environment."""

    prompt: str
    version: str
    environment: str

    def parameters(self) -> dict[str, Any]:
        """Returns SQL parameters."""
        return asdict(self)


def key_of(row: Mapping[str, Any]) -> VersionKey:
    """The version that a row names."""
    return VersionKey(*(row[name] for name in KEY))


def table_of(keys: Iterable[VersionKey]) -> pa.Table:
    """Versions as rows, for SQL."""
    return pa.Table.from_pylist([key.parameters() for key in keys])


def lists_of(keys: Iterable[VersionKey]) -> dict[str, list[str]]:
    """Returns versions as SQL parameters, a list for each part."""
    found = list(keys)
    return {f"{name}s": [getattr(key, name) for key in found] for name in KEY}


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
    return read_all_watched(source, [key]).get(key)


def read_all_watched(source: Source, keys: Sequence[VersionKey]) -> dict[VersionKey, Watched]:
    """Those of some versions that are watched."""
    rows = source.rows(
        "SELECT * FROM drift_versions WHERE prompt IN (SELECT unnest($prompts))",
        {"prompts": sorted({key.prompt for key in keys})},
    )
    found = {key_of(row): row for row in rows}
    return {key: _watched(key, found[key]) for key in keys if key in found}


def _watched(key: VersionKey, row: Mapping[str, Any]) -> Watched:
    return Watched(
        key,
        row["first_hour"],
        row["through_ingest_id"],
        Thresholds(**{name: row[name] for name in _THRESHOLDS}),
        row["reference_until"],
    )


def write_watched(connection: duckdb.DuckDBPyConnection, versions: Iterable[Watched]) -> None:
    """Saves versions, replacing what was known of them, inside a transaction of the store."""
    rows = [
        {
            **each.key.parameters(),
            "first_hour": each.first_hour,
            "reference_until": each.reference_until,
            "through_ingest_id": each.through_ingest_id,
            **asdict(each.thresholds),
        }
        for each in versions
    ]
    replace_rows(connection, "drift_versions", KEY, pa.Table.from_pylist(rows, schema=_SCHEMA))


def with_reference(watched: Watched, until: datetime) -> Watched:
    """The same with its reference frozen."""
    return replace(watched, reference_until=until)
