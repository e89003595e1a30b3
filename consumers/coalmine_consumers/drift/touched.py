"""Which days of versions have to be summed up again, because batches added to them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import duckdb

from coalmine_consumers.drift.watched import VersionKey, key_of, table_of
from coalmine_consumers.sql import fetch_rows, lent, statement
from coalmine_consumers.store import Stretch, narrow, widen

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""An old store may hold later times; calendars end soon after it."""


def touched_days(
    cursor: duckdb.DuckDBPyConnection,
    keys: Sequence[VersionKey],
    *,
    after: int,
    through: int,
    kept_from: datetime,
) -> dict[VersionKey, list[datetime]]:
    """Days with requests of some batches, or with requests that these brought feedback or scores about.

    Args:
        cursor: In a transaction.
        keys: Which versions.
        after: The last batch that is summed up already; 0 if none is.
        through: The last batch that counts.
        kept_from: Nothing before it is summed up any more.

    Returns:
        The first moments of each version's days, in the order of time.
    """
    found: dict[VersionKey, set[datetime]] = {}
    with lent(cursor, keys=table_of(keys)):
        for row in _rows(cursor, after, through, kept_from):
            found.setdefault(key_of(row), set()).add(row["day"])
    return {key: sorted(days) for key, days in found.items()}


def _rows(
    cursor: duckdb.DuckDBPyConnection, after: int, through: int, kept_from: datetime
) -> list[dict[str, Any]]:
    batches = {"after": after, "through": through}
    since, until, reacted = kept_from, FOREVER, []
    if after:  # otherwise everything, and batches of early releases do not say which times they brought
        (spans,) = fetch_rows(cursor, statement("new_spans", __package__), batches)
        of_reactions = {name: spans[name] for name in ("reacted_since", "reacted_until")}
        reacted = _reacted(cursor, {**batches, **of_reactions}, kept_from)
        if spans["since"] is None:
            return reacted
        since, until = max(since, spans["since"]), min(until, spans["until"])
    narrow(cursor, "requests", Stretch(since=since, until=until))
    days = statement("touched_days", __package__)
    came = fetch_rows(cursor, days, {**batches, "since": since, "until": until})
    widen(cursor, "requests")
    return [*came, *reacted]


def _reacted(
    cursor: duckdb.DuckDBPyConnection, batches: dict[str, Any], kept_from: datetime
) -> list[dict[str, Any]]:
    cursor.execute(statement("new_reactions", __package__), batches).fetchall()
    ((least_id, greatest_id),) = cursor.execute(
        "SELECT min(request_id)::VARCHAR, max(request_id)::VARCHAR FROM temp.new_reactions"
    ).fetchall()
    found: list[dict[str, Any]] = []
    if least_id is not None:
        narrow(cursor, "requests", Stretch(least_id=UUID(least_id), greatest_id=UUID(greatest_id)))
        parameters = {
            "kept_from": kept_from,
            "until": FOREVER,
            "least_id": least_id,
            "greatest_id": greatest_id,
        }
        found = fetch_rows(cursor, statement("reacted_days", __package__), parameters)
        widen(cursor, "requests")
    cursor.execute("DROP TABLE temp.new_reactions").fetchall()
    return found
