"""Messages that could not be stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

DeadLetterStatus = Literal["open", "replayed", "discarded"]
FrameKind = Literal["single_object", "confluent", "none"]


@dataclass(frozen=True)
class _DeadLetter:
    __slots__ = ()

    dead_letter_id: str
    """UUIDv7: the order of ids is the order of time."""
    failed_at: datetime
    """When it was set aside, UTC."""
    source_topic: str
    """A Kafka topic, or `spool`."""
    source_partition: str
    """A Kafka partition, or a spool file."""
    source_offset: int
    """Position in the partition."""
    source_timestamp: datetime | None
    """When it was produced, UTC, as far as the source knows."""
    event: str
    """Which event it was sent as; `unroutable` if unknown."""
    stage: str
    """Step that failed: `frame`, `decode` or `validate`."""
    reason: str
    """Why it failed, at the last attempt."""
    schema_ref: str | None
    """Schema that the message named: `fingerprint:...` or `id:...`."""
    status: DeadLetterStatus
    """`discarded`: someone gave it up."""
    attempts: int
    """Failed attempts to store it again."""
    attempted_at: datetime | None
    """Time of the last such attempt, UTC."""
    published_at: datetime | None
    """When it was sent to the dead-letter topic, UTC; null if it was not."""
    size_bytes: int
    """Bytes of the message."""


@result
class DeadLetterRow(_DeadLetter):
    """A message that could not be stored."""


@result
class DeadLetterDetail(_DeadLetter):
    """A dead letter with its bytes."""

    frame: FrameKind
    """What its first bytes say: `single_object`, `confluent`, or `none` if they are not a frame."""
    published_as: str | None
    """The event and version that its frame names, if this server knows them."""
    payload_base64: str
    """The original message."""
    key_base64: str | None
    """Its key, if it had one."""


@result
class StillFailing:
    """A dead letter that cannot be stored yet."""

    dead_letter_id: str
    """Id of the dead letter."""
    stage: str
    """Step that failed: `frame`, `decode`, `validate`, or `unknown`."""
    reason: str
    """Why it failed."""


@result
class DeadLettersChanged:
    """What became of the dead letters that were chosen."""

    action: Literal["replay", "discard"]
    """What was asked for."""
    selected: int
    """Open dead letters that were chosen."""
    replayed: int
    """Events that are stored now."""
    duplicates: int
    """Events that had been stored in the meantime."""
    discarded: int
    """Dead letters that were given up."""
    failing: list[StillFailing]
    """Those that remain open, and why."""
