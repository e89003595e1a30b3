"""What people said of calls: an inbox, from raw rows while they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from coalmine_consumers.queries.cover import BEGINNING, END
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.stored_call import public
from coalmine_consumers.results import FeedbackRow, Opinion
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store import Reader, Snapshot, Stretch
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import BAD_CURSOR, decode_cursor, encode_cursor
from coalmine_schemas.results import Page

ASKED_BEFORE: Final = timedelta(days=30)
"""Feedback comes at most so long after its request."""
_FIRST_LOOK: Final = timedelta(hours=1)
_MOMENT: Final = timedelta(microseconds=1)
_KINDS: Final[Mapping[Opinion, tuple[bool, ...]]] = {
    "negative": (True,),
    "positive": (False,),
    "any": (True, False),
}
_ASKED: Final = """
SELECT min(request_id) AS least_id, max(request_id) AS greatest_id
FROM feedback
WHERE event_time >= $from AND event_time < $to
"""
_OLDEST: Final = "SELECT min(event_time) AS at FROM feedback"
_NEWEST: Final = "SELECT max(event_time) AS at FROM feedback WHERE event_time >= $since"
_LATELY: Final = timedelta(days=1)
"""Where the newest is looked for first: all of the column would be read for it."""


@dataclass(frozen=True, slots=True)
class _After:
    """The last row of the page before."""

    negative: bool
    event_time: datetime
    feedback_id: UUID


def feedback(
    reader: Reader,
    filters: Filters,
    opinion: Opinion = "any",
    *,
    limit: int,
    cursor: str | None = None,
    private: bool,
) -> Page[FeedbackRow]:
    """Returns feedback on stored calls: what is negative first, then the newest.

    Args:
        reader: Of the store.
        filters: Calls that count; the period is that of the feedback, to the microsecond.
        opinion: Only feedback that is so.
        limit: Items of a page.
        cursor: `next_cursor` of the page before.
        private: False to leave out texts, and identifiers of users.

    Raises:
        InvalidParameter: `cursor` is not one of this list.
    """
    with reader.snapshot() as snapshot:
        found = _found(snapshot, filters, opinion, limit + 1, cursor)
        rows = found[:limit]
        whole = _whole(snapshot, rows) if rows else {}
    items = [_row(whole[row["feedback_id"]], row["negative"], private=private) for row in rows]
    return Page(items, _cursor(rows[-1]) if len(found) > limit else None)


def _found(
    source: Snapshot, filters: Filters, opinion: Opinion, limit: int, cursor: str | None
) -> list[dict[str, Any]]:
    """Ids of a page. Looks back from the end, farther and farther, until there are enough."""
    kinds = _KINDS[opinion]
    after = None if cursor is None else _after(cursor)
    if after is not None:
        if after.negative not in kinds:
            raise InvalidParameter(BAD_CURSOR)
        kinds = kinds[kinds.index(after.negative) :]
    newest = _newest(source)
    if newest is None:
        return []
    since = filters.since or source.rows(_OLDEST)[0]["at"]
    until = min(filters.until or END, newest + _MOMENT)
    rows: list[dict[str, Any]] = []
    for negative in kinds:
        here = after if after is not None and after.negative == negative else None
        end = until if here is None else min(until, here.event_time + _MOMENT)
        length = _FIRST_LOOK
        while since < end and len(rows) < limit:
            begin = max(since, end - length)
            source.narrow("feedback", Stretch(since=begin, until=until))
            ((least_id, greatest_id),) = (
                row.values() for row in source.rows(_ASKED, {"from": begin, "to": end})
            )
            if least_id is None:  # nobody said anything
                end, length = begin, length * 4
                continue
            source.narrow("requests", Stretch(least_id=least_id, greatest_id=greatest_id))
            parameters = {
                **filters.parameters(),
                "least_id": least_id,
                "greatest_id": greatest_id,
                "negative": negative,
                "from": begin,
                "to": end,
                "until": until,
                "asked": begin - ASKED_BEFORE,
                "after_time": None if here is None else here.event_time,
                "after_id": None if here is None else here.feedback_id,
                "limit": limit - len(rows),
            }
            rows += source.rows(statement("feedback_ids", __package__), parameters)
            end, length = begin, length * 4
    return rows


def _newest(source: Source) -> datetime | None:
    """When somebody last said something."""
    for since in (datetime.now(UTC) - _LATELY, BEGINNING):
        found: datetime | None = source.rows(_NEWEST, {"since": since})[0]["at"]
        if found is not None:
            return found
    return None


def _whole(source: Snapshot, rows: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    given, asked = ([row[name] for row in rows] for name in ("event_time", "requested_at"))
    source.narrow("feedback", Stretch(since=min(given), until=max(given)))
    source.narrow("requests", Stretch(since=min(asked), until=max(asked)))
    parameters = {
        "feedback_ids": [row["feedback_id"] for row in rows],
        "given_since": min(given),
        "given_until": max(given),
        "request_ids": [row["request_id"] for row in rows],
        "asked_since": min(asked),
        "asked_until": max(asked),
    }
    found = source.rows(statement("feedback_rows", __package__), parameters)
    return {row["feedback_id"]: row for row in found}


def _row(row: dict[str, Any], negative: bool, *, private: bool) -> FeedbackRow:
    segments = {each["key"]: each["value"] for each in row["segments"] or ()}
    ids = {name: str(row[name]) for name in ("feedback_id", "request_id")}
    shown = row if private else public(row)
    return FeedbackRow(**{**shown, **ids, "segments": segments, "negative": negative, "private": private})


def _cursor(row: Mapping[str, Any]) -> str:
    time_us = (row["event_time"] - BEGINNING) // timedelta(microseconds=1)
    return encode_cursor([int(row["negative"]), time_us, str(row["feedback_id"])])


def _after(cursor: str) -> _After:
    negative, time_us, name = decode_cursor(cursor, [int, int, str])
    try:
        return _After(bool(negative), BEGINNING + timedelta(microseconds=time_us), UUID(name))
    except (OverflowError, ValueError) as error:
        raise InvalidParameter(BAD_CURSOR) from error
