"""Status of ingest, as far as the store knows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.results import Counts, GapRow, StoreSizes
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader

MOST_GAPS = 100


@dataclass(frozen=True, slots=True)
class IngestHealth:
    """Everything the store has recorded about ingest."""

    last_commit_at: datetime | None
    counts: Counts
    """Over all events."""
    by_event: dict[str, Counts]
    """"unroutable" are messages that do not say which event they are."""
    ahead_of_clock: int
    """Stored events whose time lies too far in the future."""
    names_beyond_limit: dict[str, int]
    """Events whose name of a kind was one too many on its day, by kind."""
    dead_letters_open: int
    unattributed_feedback: int
    """Feedback whose request has not arrived."""
    unattributed_scores: int
    gaps: list[GapRow]
    """Newest first, at most `MOST_GAPS`."""
    gaps_total: int
    positions: dict[TopicPartition, int]
    """Next offset to read."""
    store: StoreSizes


def ingest_health(reader: Reader) -> IngestHealth:
    """Reads the ledger and the manifest, no raw rows."""
    with reader.snapshot() as snapshot:
        ledger = snapshot.rows(statement("ingest_counts", __package__))
        (standing,) = snapshot.rows(statement("standing", __package__))
        gaps = snapshot.rows(statement("latest_gaps", __package__), {"limit": MOST_GAPS})
        sizes = snapshot.rows(statement("store_rows", __package__))
        beyond = snapshot.rows("SELECT kind, sum(events) AS events FROM names_beyond_limit GROUP BY kind")
        positions = snapshot.rows(
            'SELECT topic, "partition", topic_id, next_offset FROM source_positions ORDER BY ALL'
        )
    return IngestHealth(
        last_commit_at=max((row["last_commit_at"] for row in ledger), default=None),
        counts=_counts(ledger),
        by_event={row["event"]: _counts([row]) for row in ledger},
        ahead_of_clock=sum(row["ahead_of_clock"] for row in ledger),
        names_beyond_limit={row["kind"]: int(row["events"]) for row in beyond},
        dead_letters_open=standing["dead_letters_open"],
        unattributed_feedback=standing["unattributed_feedback"],
        unattributed_scores=standing["unattributed_scores"],
        gaps=[GapRow(**row) for row in gaps],
        gaps_total=standing["gaps_total"],
        positions={
            TopicPartition(row["topic"], row["partition"], row["topic_id"]): row["next_offset"]
            for row in positions
        },
        store=StoreSizes(
            database_bytes=_database_bytes(Path(standing["database_path"])),
            segment_bytes=sum(row["size_bytes"] for row in sizes),
            segments=sum(row["files"] for row in sizes),
            rows={row["event"]: row["rows"] for row in sizes},
        ),
    )


def _database_bytes(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}.wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _counts(rows: Iterable[Mapping[str, Any]]) -> Counts:
    rows = list(rows)
    return Counts(
        consumed=sum(row["consumed"] for row in rows),
        stored=sum(row["stored"] for row in rows),
        duplicates=sum(row["duplicates"] for row in rows),
        dead_lettered=sum(row["dead_lettered"] for row in rows),
    )
