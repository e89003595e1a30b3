"""What people said of calls: an inbox, from raw rows while they are kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from coalmine_consumers.queries.cover import BEGINNING, END
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.stored_call import public
from coalmine_consumers.results import FeedbackRow, Opinion
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import BAD_CURSOR, decode_cursor, encode_cursor
from coalmine_schemas.results import Page

ASKED_BEFORE: Final = timedelta(days=30)
"""Feedback comes at most so long after its request."""


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
    since = filters.since or BEGINNING
    parameters = {
        **filters.parameters(),
        "since": since,
        "until": filters.until or END,
        "asked": BEGINNING if since - BEGINNING < ASKED_BEFORE else since - ASKED_BEFORE,
        "negative": None if opinion == "any" else opinion == "negative",
        "limit": limit + 1,
        **_after(cursor),
    }
    with reader.snapshot() as snapshot:
        found = snapshot.rows(statement("feedback_ids", __package__), parameters)
        rows = found[:limit]
        whole = _whole(snapshot, rows) if rows else {}
    items = [_row(whole[row["feedback_id"]], row["negative"], private=private) for row in rows]
    return Page(items, _cursor(rows[-1]) if len(found) > limit else None)


def _whole(source: Source, rows: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    given, asked = ([row[name] for row in rows] for name in ("event_time", "requested_at"))
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


def _after(cursor: str | None) -> dict[str, bool | datetime | UUID | None]:
    if cursor is None:
        return {"after_negative": None, "after_time": None, "after_id": None}
    negative, time_us, name = decode_cursor(cursor, [int, int, str])
    try:
        at, found = BEGINNING + timedelta(microseconds=time_us), UUID(name)
    except (OverflowError, ValueError) as error:
        raise InvalidParameter(BAD_CURSOR) from error
    return {"after_negative": bool(negative), "after_time": at, "after_id": found}
