"""Collector status, audit and dead letters, from the store of this process."""

from collections.abc import Mapping

from coalmine_consumers import audit, queries
from coalmine_consumers.audit.backlog import waiting_in_spool
from coalmine_consumers.dead_letters import DeadLetterFilter, discard_dead_letters, replay_dead_letters
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.results import AuditReport, DeadLettersChanged, IngestStatus, PartitionStatus
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.services.wiring import decoding, pricer, source_kind


def ingest_status(owned: OwnedStore) -> IngestStatus:
    """Combines what the store has recorded with what the collector of this process says."""
    recorded = queries.ingest_health(owned.store.reader())
    collector = None if owned.ingest is None else owned.ingest.health()
    waiting_for = None if owned.ingest is None else owned.ingest.waiting_for
    reason = waiting_for if collector is None else collector.reason
    waits = reason is not None or (collector is not None and collector.state == "waiting")
    lag = None if collector is None else collector.lag
    lags = {} if lag is None else dict(lag.partitions)
    as_of = owned.as_of()
    return IngestStatus(
        state="replica"
        if as_of
        else "embedded"
        if owned.ingest is None
        else "waiting"
        if waits
        else "running",
        reason=reason,
        source=source_kind(owned.settings),
        started_at=owned.since,
        last_commit_at=recorded.last_commit_at,
        events_per_s=0.0 if collector is None else collector.events_per_s,
        lag=None if lag is None else lag.messages,
        lag_note=None if lag is None else lag.note,
        counts=recorded.counts,
        by_event=dict(recorded.by_event),
        dead_letters_open=recorded.dead_letters_open,
        unattributed_feedback=recorded.unattributed_feedback,
        unattributed_scores=recorded.unattributed_scores,
        ahead_of_clock=recorded.ahead_of_clock,
        names_beyond_limit=recorded.names_beyond_limit,
        gaps=list(recorded.gaps),
        gaps_total=recorded.gaps_total,
        partitions=_partitions(recorded.positions, lags, known=lag is not None),
        store=recorded.store,
        as_of=as_of,
    )


def _partitions(
    positions: Mapping[TopicPartition, int], lags: Mapping[TopicPartition, int], *, known: bool
) -> list[PartitionStatus]:
    # A partition that the source does not list has nothing waiting: a spool file that was read completely.
    return [
        PartitionStatus(
            topic=partition.topic,
            partition=partition.partition,
            position=positions.get(partition),
            lag=lags.get(partition, 0) if known else None,
        )
        for partition in sorted({*positions, *lags})
    ]


def audited(owned: OwnedStore, *, deep: bool) -> AuditReport:
    """Checks that everything adds up; deep: recounts every number of rollups and cells, too."""
    return audit.audit(owned.store, waiting=_waiting(owned), deep=deep)


def _waiting(owned: OwnedStore) -> int:
    """Messages on their way into the store, as far as this machine knows."""
    in_spool = waiting_in_spool(owned.settings.spool_dir, owned.store.positions()).messages
    collector = None if owned.ingest is None else owned.ingest.health()
    if owned.settings.kafka.bootstrap_servers is None or collector is None:
        return in_spool
    return in_spool + collector.lag.messages


def discarded(owned: OwnedStore, chosen: DeadLetterFilter) -> DeadLettersChanged:
    """Gives up dead letters."""
    return discard_dead_letters(owned.store, chosen)


def replayed(owned: OwnedStore, chosen: DeadLetterFilter) -> DeadLettersChanged:
    """Tries to store dead letters again."""
    with decoding(owned.settings) as decoder:
        return replay_dead_letters(owned.store, decoder, pricer(owned.settings), chosen)
