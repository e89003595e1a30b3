"""Messages that could not be stored."""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer


class DeadLetterRow(Answer):
    """A message that could not be stored."""

    dead_letter_id: str
    failed_at: datetime
    """When it was set aside, UTC."""
    source_topic: str
    source_partition: str
    source_offset: int
    source_timestamp: datetime | None
    """When it was produced, UTC, as far as the source knows."""
    event: str
    """Which event it was sent as; `unroutable` if nothing says so."""
    stage: str
    """Step that failed: `frame`, `decode` or `validate`."""
    reason: str
    """Why it failed, the last time that was tried."""
    schema_ref: str | None
    """Schema that the message named: `fingerprint:...` or `id:...`."""
    status: Literal["open", "replayed", "discarded"]
    """`discarded`: somebody gave it up."""
    attempts: int
    """How often storing it was tried again in vain."""
    attempted_at: datetime | None
    """When that was tried last, UTC."""
    published_at: datetime | None
    """When it was sent to the topic of dead letters, UTC; null if it was not."""
    size_bytes: int
    """Bytes of the message."""


class DeadLetters(Answer):
    """Dead letters, newest first."""

    items: list[DeadLetterRow]
    next_before: str | None = None
    """The `before` of the next page, or null."""


class DeadLetterDetail(DeadLetterRow):
    """A dead letter with its bytes."""

    frame: str
    """What its first bytes say: `single_object`, `confluent`, or `none` if it is no frame."""
    published_as: str | None
    """The event and version that its frame names, if this server knows them."""
    payload_base64: str
    """The original message."""
    key_base64: str | None
    """Its key, if it had one."""


class StillFailing(Answer):
    """A dead letter that cannot be stored yet."""

    dead_letter_id: str
    stage: str
    """Step that failed: `frame`, `decode`, `validate`, or `unknown`."""
    reason: str
    """Why."""


class DeadLettersChanged(Answer):
    """What became of the dead letters that were chosen."""

    action: Literal["replay", "discard"]
    selected: int
    """Open dead letters that were chosen."""
    replayed: int
    """Events that are stored now."""
    duplicates: int
    """Events that had been stored meanwhile."""
    discarded: int
    """Dead letters that were given up."""
    failing: list[StillFailing]
    """Those that stay open, and why."""
