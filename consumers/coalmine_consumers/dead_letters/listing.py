"""Looking at dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from coalmine_consumers.dead_letters.header import FrameHeader, describe
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader

DeadLetterStatus = Literal["open", "replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters. None leaves a property open."""

    status: DeadLetterStatus | None = None
    event: str | None = None
    """An event, or "unroutable"."""
    stage: str | None = None
    source_topic: str | None = None
    since: datetime | None = None
    """Those that failed at or after this."""
    until: datetime | None = None
    """Those that failed before this."""
    ids: Sequence[str] | None = None
    """Of these only; what is no UUID matches nothing."""

    def parameters(self) -> dict[str, Any]:
        """As the statements of this package take it."""
        return {
            "status": self.status,
            "event": self.event,
            "stage": self.stage,
            "source_topic": self.source_topic,
            "since": self.since,
            "until": self.until,
            "ids": None if self.ids is None else [each for each in map(_uuid, self.ids) if each is not None],
        }


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """One message that could not be stored, without its bytes."""

    dead_letter_id: str
    failed_at: datetime
    source_topic: str
    source_partition: str
    source_offset: int
    source_timestamp: datetime | None
    event: str
    stage: str
    reason: str
    """Why; of the last attempt, if it was tried again."""
    schema_ref: str | None
    status: DeadLetterStatus
    attempts: int
    """How often it was tried again in vain."""
    attempted_at: datetime | None
    published_at: datetime | None
    """When it was sent to the topic of dead letters, if it was."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be stored, with its bytes."""

    summary: DeadLetterSummary
    header: FrameHeader
    payload: bytes
    key: bytes | None

    def hex_lines(self, width: int = 16) -> list[str]:
        """The bytes for people: offset, hexadecimal, printable characters."""
        lines = []
        for start in range(0, len(self.payload), width):
            part = self.payload[start : start + width]
            plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
            lines.append(f"{start:08x}  {part.hex(' '):<{3 * width - 1}}  {plain}")
        return lines


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some dead letters, newest first."""

    items: tuple[DeadLetterSummary, ...]
    next_before: str | None
    """The `before` of the next page, or None."""


def list_dead_letters(
    reader: Reader,
    chosen: DeadLetterFilter | None = None,
    *,
    limit: int = 100,
    before: str | None = None,
) -> DeadLetterPage:
    """Dead letters, newest first.

    Args:
        reader: Of the store.
        chosen: Which; all if None.
        limit: At most so many.
        before: Only those older than this dead letter: the `next_before` of the page before.
    """
    bound = None if before is None else (_uuid(before) or UUID(int=0))
    parameters = (chosen or DeadLetterFilter()).parameters() | {"before": bound, "limit": limit + 1}
    rows = reader.table(statement("list_dead_letters", __package__), parameters).to_pylist()
    items = tuple(DeadLetterSummary(**row) for row in rows[:limit])
    return DeadLetterPage(items, items[-1].dead_letter_id if len(rows) > limit and items else None)


def get_dead_letter(reader: Reader, dead_letter_id: str) -> DeadLetter | None:
    """One dead letter with its bytes; None if there is none of that id."""
    identifier = _uuid(dead_letter_id)
    if identifier is None:
        return None
    rows = reader.table(statement("get_dead_letter", __package__), {"id": identifier}).to_pylist()
    if not rows:
        return None
    row: Mapping[str, Any] = rows[0]
    summary = {name: value for name, value in row.items() if name not in ("payload", "key")}
    return DeadLetter(DeadLetterSummary(**summary), describe(row["payload"]), row["payload"], row["key"])


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
