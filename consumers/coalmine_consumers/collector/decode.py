"""From raw messages to the rows one transaction stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

from coalmine_consumers.aggregation.coded_names import coded_names
from coalmine_consumers.collector.empty_names import without_empty_names
from coalmine_consumers.raw import (
    READ_EVENTS,
    UNROUTABLE,
    Gap,
    IngestedEvent,
    Origin,
    RawBatch,
    RawColumn,
    ReadEvent,
    TopicPartition,
    UnroutableMessage,
)
from coalmine_schemas.events import EventName
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.limits import MESSAGE_BYTES

if TYPE_CHECKING:
    # The store imports this module for its types and needs no decoder.
    from coalmine_consumers.aggregation.rollup import RollupRows
    from coalmine_consumers.store.segments import Segment
    from coalmine_schemas.batch import BatchDecoder, Failure

LedgerEvent = EventName | Literal["unroutable"]
"""What a message counts as in the ledger: its event, or "unroutable" when that is unknown."""

Stage = Literal["unknown", "frame", "decode", "validate"]
"""Where a message failed; the symbols of the `DeadLetter` event's `stage`."""


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """One message that could not be stored, with everything needed to replay it."""

    dead_letter_id: str
    """UUIDv7 text."""
    failed_at: datetime
    source_topic: str
    source_partition: str
    source_offset: int
    source_timestamp: datetime | None
    event: LedgerEvent
    stage: Stage
    reason: str
    schema_ref: str | None
    """Which schema the frame named ("fingerprint:..." or "id:..."), if it named one."""
    payload: bytes
    """The original bytes; empty for a tombstone, the beginning of a message that is too long."""
    key: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """What somebody else has made of a batch's rows already. It holds if each row is new and all are kept."""

    ingest_id: int
    """The batch's number in the files; the store must not have reached it."""
    written_at: datetime
    """What the files say in `ingested_at`."""
    folder: Path
    """Where the files are; their paths in it are those that they will have in the store."""
    segments: Mapping[IngestedEvent, Sequence["Segment"]]
    """Files of an event, in the order of its rows: together they hold all of them."""
    rollups: Sequence["RollupRows"]
    """Rollups of the requests."""


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What one store transaction writes: rows, dead letters, gaps and positions, all or nothing.

    For every event: `consumed[event] == rows in tables[event] + its dead letters + repeated[event]`.
    """

    tables: Mapping[ReadEvent, pa.Table]
    """Rows by event in the canonical Arrow schema (`coalmine_schemas.batch.arrow_schema`), in read order.

    Names of requests may be coded. Events with no row may be absent.
    """
    dead_letters: Sequence[FailedMessage]
    consumed: Mapping[LedgerEvent, int]
    """Messages read, by event, "unroutable" included."""
    starts: Mapping[TopicPartition, int]
    """Where each partition stood before this batch: must equal the stored position where there is one."""
    positions: Mapping[TopicPartition, int]
    """Next position to read after this batch. Same keys as `starts`."""
    gaps: Sequence[Gap] = ()
    skipped: Mapping[TopicPartition, int] = field(default_factory=dict)
    """How many of the positions passed never held a message for us (transaction markers, compaction)."""
    retired: Sequence[TopicPartition] = ()
    """Partitions that are gone for good (consumed spool files, deleted topics): delete their positions."""
    repeated: Mapping[LedgerEvent, int] = field(default_factory=dict)
    """Duplicates that were dropped before, by event."""
    ready: Ready | None = None
    """Files and rollups of the rows, if there are some."""


class RequestPricer(Protocol):
    """Fills in costs that clients did not know."""

    def price_requests(self, table: pa.Table) -> pa.Table:
        """The same rows in the same order, with more of `cost_nano_usd` known."""
        ...


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def refused_batch(raw: RawBatch, reason: str) -> DecodedBatch:
    """A poll of which no message can be stored: all become dead letters."""
    failed_at = datetime.now(UTC)
    dead_letters = [_unroutable(message, failed_at) for message in raw.unroutable]
    consumed: dict[LedgerEvent, int] = {UNROUTABLE: len(dead_letters)} if dead_letters else {}
    for event in READ_EVENTS:
        column = raw.columns.get(event)
        if column is None:
            continue
        for index in range(len(column.values)):
            letter = _dead_letter(
                column.values[index],
                column.origin(index),
                failed_at,
                event=event,
                stage="validate",
                reason=reason,
                schema_ref=None,
            )
            dead_letters.append(letter)
            consumed[event] = consumed.get(event, 0) + 1
    return _batch(raw, {}, dead_letters, consumed)


def decode_batch(raw: RawBatch, decoder: "BatchDecoder", pricer: RequestPricer) -> DecodedBatch:
    """Decodes every column of a poll, prices the requests, and turns what fails into dead letters.

    Raises:
        Transient: The schema registry does not answer; decode the same batch again later.
        Terminal: The schema registry denies access.
    """
    tables: dict[ReadEvent, pa.Table] = {}
    dead_letters: list[FailedMessage] = []
    consumed: dict[LedgerEvent, int] = {}
    failed_at = datetime.now(UTC)
    for event in READ_EVENTS:
        column = raw.columns.get(event)
        if column is None or not column.values:
            continue
        consumed[event] = len(column.values)
        result = decoder.decode(event, column.values, most_bytes=MESSAGE_BYTES)
        dead_letters.extend(_undecodable(event, column, failure, failed_at) for failure in result.failures)
        if result.table.num_rows:
            tables[event] = without_empty_names(event, result.table)
    if "requests" in tables:
        tables["requests"] = pricer.price_requests(coded_names(tables["requests"]))
    if raw.unroutable:
        consumed[UNROUTABLE] = len(raw.unroutable)
        dead_letters.extend(_unroutable(message, failed_at) for message in raw.unroutable)
    return _batch(raw, tables, dead_letters, consumed)


def _batch(
    raw: RawBatch,
    tables: dict[ReadEvent, pa.Table],
    dead_letters: list[FailedMessage],
    consumed: dict[LedgerEvent, int],
) -> DecodedBatch:
    return DecodedBatch(
        tables=tables,
        dead_letters=dead_letters,
        consumed=consumed,
        starts=raw.starts,
        positions=raw.positions,
        gaps=raw.gaps,
        skipped=raw.skipped,
        retired=raw.retired,
    )


def _undecodable(
    event: ReadEvent, column: RawColumn, failure: "Failure", failed_at: datetime
) -> FailedMessage:
    value, origin = column.values[failure.index], column.origin(failure.index)
    return _dead_letter(
        value,
        origin,
        failed_at,
        event=event,
        stage=failure.stage,
        reason=failure.reason,
        schema_ref=failure.schema_ref,
    )


def _unroutable(message: UnroutableMessage, failed_at: datetime) -> FailedMessage:
    return _dead_letter(
        message.value,
        message.origin,
        failed_at,
        event=UNROUTABLE,
        stage="frame",
        reason=message.reason,
        schema_ref=None,
    )


def _dead_letter(
    value: bytes | None,
    origin: Origin,
    failed_at: datetime,
    *,
    event: LedgerEvent,
    stage: Stage,
    reason: str,
    schema_ref: str | None,
) -> FailedMessage:
    payload = value or b""
    if len(payload) > MESSAGE_BYTES:
        stage, schema_ref = "frame", None
        reason = f"longer than {MESSAGE_BYTES} bytes, which are kept: {len(payload)}"
    return FailedMessage(
        dead_letter_id=uuid7(),
        failed_at=failed_at,
        source_topic=origin.topic,
        source_partition=origin.partition,
        source_offset=origin.offset,
        source_timestamp=_moment(origin.timestamp_ms),
        event=event,
        stage=stage,
        reason=reason,
        schema_ref=schema_ref,
        payload=payload[:MESSAGE_BYTES],
        key=origin.key and origin.key[:MESSAGE_BYTES],
    )


def _moment(timestamp_ms: int | None) -> datetime | None:
    """A producer's timestamp as a moment; None where the producer's clock is beyond the calendar."""
    if timestamp_ms is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return None
