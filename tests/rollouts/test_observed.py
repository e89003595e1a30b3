"""What the store says about the prompts of rollouts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_consumers.sql import fetch_rows, statement
from tests.support.oracles.empty_tables import empty_tables, insert

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)


def batch(ingest_id: int, at: datetime | None, event: str = "requests") -> dict[str, Any]:
    counts = dict.fromkeys(("consumed", "stored", "duplicates", "dead_lettered", "ahead_of_clock"), 0)
    return {"ingest_id": ingest_id, "committed_at": NOW, "event": event, "last_event_time": at, **counts}


def progress(after: int, *batches: dict[str, Any]) -> tuple[int, datetime | None]:
    """The newest batch, and the newest event of those after one."""
    with empty_tables() as tables:
        insert(tables, "batches", *batches)
        parameters = {"after": after, "since": NOW - timedelta(hours=1), "now": NOW}
        (row,) = fetch_rows(tables, statement("progress", "coalmine_rollouts"), parameters)
    return row["ingest_id"], row["watermark"]


def test_the_watermark_is_the_newest_request_since_a_batch_and_not_ahead_of_the_clock() -> None:
    def ago(minutes: int) -> datetime:
        return NOW - timedelta(minutes=minutes)

    assert progress(0) == (0, None)
    some = (batch(1, ago(3)), batch(2, ago(5)), batch(3, ago(1), "feedback"), batch(4, None))
    assert progress(0, *some) == (4, ago(3))
    assert progress(1, *some) == (4, ago(5))
    assert progress(2, *some) == (4, None)
    assert progress(0, batch(1, ago(120))) == (1, None)
    assert progress(0, batch(1, ago(-90))) == (1, ago(-1))
