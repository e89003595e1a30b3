"""The state of ingest: what the store's books say, and what the collector of this process says."""

from datetime import datetime
from typing import Literal

from coalmine_consumers.collector.health import CollectorHealth
from coalmine_consumers.queries import IngestHealth
from coalmine_consumers.raw import TopicPartition

from coalmine_server.services.models import Counts, GapRow, IngestStatus, PartitionStatus, StoreSizes


def ingest_status(
    books: IngestHealth,
    collector: CollectorHealth | None,
    *,
    source: Literal["kafka", "spool"],
    since: datetime,
    embedded: bool,
    waiting_for: str | None,
) -> IngestStatus:
    """Puts both together.

    Args:
        books: What the store says.
        collector: What the collector says; None while it has no source, or where there is none.
        source: Where events come from.
        since: When the store became this process's.
        embedded: Whether a command asks without a server.
        waiting_for: What keeps the collector from its source, if anything does.
    """
    reason = waiting_for if collector is None else collector.reason
    waits = reason is not None or (collector is not None and collector.state == "waiting")
    lag = None if collector is None else collector.lag
    return IngestStatus(
        state="embedded" if embedded else "waiting" if waits else "running",
        reason=reason,
        source=source,
        started_at=since,
        last_commit_at=books.last_commit_at,
        events_per_s=0.0 if collector is None else collector.events_per_s,
        lag=None if lag is None else lag.messages,
        lag_note=None if lag is None else lag.note,
        counts=Counts.model_validate(books.counts),
        by_event={event: Counts.model_validate(counts) for event, counts in books.by_event.items()},
        dead_letters_open=books.dead_letters_open,
        unattributed_feedback=books.unattributed_feedback,
        unattributed_scores=books.unattributed_scores,
        ahead_of_clock=books.ahead_of_clock,
        gaps=[GapRow.model_validate(gap) for gap in books.gaps],
        gaps_total=books.gaps_total,
        partitions=_partitions(books, {} if lag is None else dict(lag.partitions), known=lag is not None),
        store=StoreSizes.model_validate(books.store),
    )


def _partitions(
    books: IngestHealth, lags: dict[TopicPartition, int], *, known: bool
) -> list[PartitionStatus]:
    # A partition that the source does not list has nothing waiting: a spool file that was read whole.
    return [
        PartitionStatus(
            topic=partition.topic,
            partition=partition.partition,
            position=books.positions.get(partition),
            lag=lags.get(partition, 0) if known else None,
        )
        for partition in sorted({*books.positions, *lags})
    ]
