"""Lists of dead letters, and single ones with their bytes."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from coalmine_consumers.results import DeadLetterDetail, DeadLetterRow, DeadLetterStatus, FrameKind
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.catalogue import by_fingerprint
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.framing import FrameError, SingleObject, parse_header
from coalmine_schemas.paging import BAD_CURSOR, decode_cursor, encode_cursor
from coalmine_schemas.results import Page


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters; None does not filter."""

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
    """Only these; what is not a UUID matches nothing."""

    def parameters(self) -> dict[str, Any]:
        """Returns the parameters of this package's statements."""
        return {
            "status": self.status,
            "event": self.event,
            "stage": self.stage,
            "source_topic": self.source_topic,
            "since": self.since,
            "until": self.until,
            "ids": None if self.ids is None else [each for each in map(_uuid, self.ids) if each is not None],
        }


def list_dead_letters(
    reader: Reader, chosen: DeadLetterFilter | None = None, *, limit: int = 100, cursor: str | None = None
) -> Page[DeadLetterRow]:
    """Returns dead letters, newest first.

    Args:
        reader: Of the store.
        chosen: Which; all by default.
        limit: Maximum number of rows.
        cursor: The `next_cursor` of the previous page.

    Raises:
        InvalidParameter: `cursor` is not one of this list.
    """
    before = None if cursor is None else _decoded(cursor)
    parameters = (chosen or DeadLetterFilter()).parameters() | {"before": before, "limit": limit + 1}
    rows = reader.rows(statement("list_dead_letters", __package__), parameters)
    items = [DeadLetterRow(**row) for row in rows[:limit]]
    return Page(items, encode_cursor([items[-1].dead_letter_id]) if len(rows) > limit else None)


def get_dead_letter(reader: Reader, dead_letter_id: str) -> DeadLetterDetail | None:
    """Returns one dead letter with its bytes, or None if there is none with that id."""
    identifier = _uuid(dead_letter_id)
    rows = reader.rows(statement("get_dead_letter", __package__), {"id": identifier}) if identifier else []
    if not rows:
        return None
    (row,) = rows
    payload, key = row.pop("payload"), row.pop("key")
    frame, published_as = _described(payload)
    return DeadLetterDetail(
        **row,
        frame=frame,
        published_as=published_as,
        payload_base64=base64.b64encode(payload).decode("ascii"),
        key_base64=None if key is None else base64.b64encode(key).decode("ascii"),
    )


def _described(payload: bytes) -> tuple[FrameKind, str | None]:
    """Returns what kind of frame a dead letter is, and the event and version that it names, if known here.

    Never raises: dead letters are here because their bytes are wrong.
    """
    try:
        header = parse_header(payload)
    except FrameError:
        return "none", None
    if not isinstance(header, SingleObject):
        return "confluent", None
    schema = by_fingerprint(header.fingerprint)
    return "single_object", None if schema is None else f"{schema.event} version {schema.version}"


def _decoded(cursor: str) -> UUID:
    (dead_letter_id,) = decode_cursor(cursor, (str,))
    identifier = _uuid(dead_letter_id)
    if identifier is None:
        raise InvalidParameter(BAD_CURSOR)
    return identifier


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
