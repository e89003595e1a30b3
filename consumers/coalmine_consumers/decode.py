"""From raw messages to the rows one transaction stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa
from coalmine_schemas.events import EventName

from coalmine_consumers.raw import Gap, IngestedEvent, TopicPartition

LedgerEvent = EventName | Literal["unroutable"]
"""What a message counts as in the ledger: its event, or "unroutable" when nothing says which it is."""

Stage = Literal["unknown", "frame", "decode", "validate"]
"""Where a message failed; the symbols of the `DeadLetter` event's `stage`."""


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
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
    """The original bytes; empty for a tombstone."""
    key: bytes | None


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What one store transaction writes: rows, dead letters, gaps and positions, all or nothing.

    For every event: `consumed[event] == rows in tables[event] + dead letters of that event`.
    """

    tables: Mapping[IngestedEvent, pa.Table]
    """Rows by event in the canonical Arrow schema (`coalmine_schemas.batch.arrow_schema`), in read order.

    Events with no row may be absent.
    """
    dead_letters: Sequence[DeadLetterRow]
    consumed: Mapping[LedgerEvent, int]
    """Messages read, by event, "unroutable" included."""
    starts: Mapping[TopicPartition, int]
    """Where each partition stood before this batch: must equal the stored position where there is one."""
    positions: Mapping[TopicPartition, int]
    """Next position to read after this batch. Same keys as `starts`."""
    gaps: Sequence[Gap] = ()
    retired: Sequence[TopicPartition] = ()
    """Partitions that are gone for good (consumed spool files): delete their stored positions."""
