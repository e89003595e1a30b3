"""Late outcomes: what is known of a unit or session later counts for the last call before it.

An outcome names no call, so which one it belongs to is looked up, and changes when a call arrives late that
began between. A commit only notes what there is to look up: new outcomes are open, and so are those again
that a new request may be the last before. Settling them is a task of housekeeping, since it reads three
days of raw rows to find the calls of a few units. It asks one statement (`last_exposures.sql`), which is
the definition, and moves an outcome from one call to a later one, never back: what was settled stays when
its call expires.

The table keeps what was settled. So a rebuild and an audit count outcomes as they count scores: of the
request they are attributed to, from the batch that was the last when they were
(`scores_with_outcomes.sql`). Outcomes of units are counted otherwise, see `unit_outcomes.py`.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.late import OUTCOME_WINDOW_US
from coalmine_consumers.sql import fetch_rows, fetch_table, lent, parsed, statement
from coalmine_consumers.store.attribution import joined_scores
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.ledger import last_ingest_id
from coalmine_consumers.store.lookup import FACTS, request_facts

MOST_AT_ONCE: Final = 50_000
"""Outcomes settled in one transaction."""

_KEPT: Final = (
    *("score_id", "event_time", "app", "name", "value", "unit_id", "session_id", "prompt"),
    *("ingest_id", "ingested_at"),
)
_OPEN: Final = """
SELECT * EXCLUDE (app, ingest_id, ingested_at, open_since)
FROM late_outcomes
WHERE open_since <= $through
ORDER BY event_time, score_id
LIMIT $most
"""
_SETTLE: Final = """
UPDATE late_outcomes AS outcome SET
    open_since = NULL,
    request_id = settled.request_id::UUID,
    request_time = settled.request_time,
    call_unit_id = settled.call_unit_id,
    call_experiment = settled.call_experiment,
    attributed_in = settled.attributed_in
FROM settled
WHERE outcome.score_id = settled.score_id::UUID
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What was found out about open outcomes; nothing is changed yet."""

    through: int
    """The last batch that was known."""
    settled: pa.Table
    """Where each of them belongs now, by `score_id`: the columns that settling changes."""
    scores: pa.Table
    """What that adds and takes back: as `joined_scores`, with `score_id` and `attributed_in`."""
    is_rest: bool
    """Whether there are more open outcomes."""


def split_outcomes(scores: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Scores of requests, and late outcomes."""
    if not scores.num_rows:
        return scores, scores
    of_requests = pc.and_(scores["unit_id"].is_null(), scores["session_id"].is_null())
    return scores.filter(of_requests), scores.filter(pc.invert(of_requests))


def keep_outcomes(connection: duckdb.DuckDBPyConnection, outcomes: pa.Table) -> None:
    """Keeps new outcomes, open.

    Args:
        connection: Inside the batch's transaction.
        outcomes: As they are stored.
    """
    if outcomes.num_rows:
        with lent(connection, outcomes=outcomes.select(_KEPT)):
            connection.execute(
                "INSERT INTO late_outcomes BY NAME SELECT *, ingest_id AS open_since FROM outcomes"
            ).fetchall()


def reopen_outcomes(connection: duckdb.DuckDBPyConnection, requests: pa.Table, ingest_id: int) -> None:
    """Opens outcomes again that one of these requests may be the last before.

    Args:
        connection: Inside the batch's transaction.
        requests: New ones.
        ingest_id: The batch.
    """
    first = pc.min(requests["event_time"])
    # Nearly always there is none: calls arrive at once, and what comes of them is later.
    later = "SELECT count(*) FROM late_outcomes WHERE event_time >= $first"
    if connection.execute(parsed(connection, later), {"first": first.as_py()}).fetchall() == [(0,)]:
        return
    arrived = requests.select(["unit_id", "session_id", "event_time"])
    with lent(connection, arrived=arrived):
        connection.execute(
            statement("reopen_outcomes", __package__),
            {"first": first.as_py(), "window_us": OUTCOME_WINDOW_US, "ingest_id": ingest_id},
        ).fetchall()


def find_exposures(cursor: duckdb.DuckDBPyConnection, directory: Path) -> Settlement | None:
    """Looks up where open outcomes belong; None if there is none.

    Args:
        cursor: For reading beside the writer.
        directory: The store's folder.
    """
    cursor.begin()  # the last batch, outcomes and requests must be of one state
    try:
        through = last_ingest_id(cursor)
        found = fetch_table(cursor, _OPEN, {"through": through, "most": MOST_AT_ONCE})
        if not found.num_rows:
            return None
        outcomes = found.to_pylist()
        last = _last_exposures(cursor, found)
        calls = [(row, last[row["score_id"]]) for row in outcomes if row["score_id"] in last]
        moving = [(row, exposure) for row, exposure in calls if _moves(row, exposure)]
        leaving = [row for row, _ in moving if row["request_id"] is not None]
        gone, facts_before = _facts(cursor, directory, [row["request_id"] for row in leaving])
        # A call whose raw row has expired says no more what it had added, so its outcomes stay with it.
        stay = {leaving[at]["score_id"] for at in gone}
        moving = [(row, exposure) for row, exposure in moving if row["score_id"] not in stay]
        leaving = [row for row in leaving if row["score_id"] not in stay]
        _, facts = _facts(cursor, directory, [exposure["request_id"] for _, exposure in moving])
    finally:
        cursor.rollback()
    # Those that stay may have been settled before it was kept whose call it is.
    new = {row["score_id"]: call for row, call in calls if row["request_id"] == call["request_id"]}
    new |= {row["score_id"]: call | {"attributed_in": through} for row, call in moving}
    return Settlement(
        through,
        _settled([row | new.get(row["score_id"], {}) for row in outcomes]),
        pa.concat_tables(
            [
                _scores([row | {"attributed_in": through} for row, _ in moving], facts, takes_back=False),
                _scores(leaving, facts_before, takes_back=True),
            ]
        ),
        is_rest=len(outcomes) == MOST_AT_ONCE,
    )


def settle_outcomes(connection: duckdb.DuckDBPyConnection, found: Settlement) -> pa.Table:
    """Writes down what was found out; returns what it adds to rollups and cells.

    An outcome that a commit opened again meanwhile is left to the next time.

    Args:
        connection: Inside a transaction.
        found: Of now, but for commits.
    """
    valid = fetch_table(
        connection,
        "SELECT score_id::VARCHAR AS score_id FROM late_outcomes WHERE open_since <= $through",
        {"through": found.through},
    )["score_id"]
    settled, scores = (
        rows.filter(pc.is_in(rows["score_id"], value_set=valid.combine_chunks()))
        for rows in (found.settled, found.scores)
    )
    with lent(connection, settled=settled):
        connection.execute(_SETTLE).fetchall()
    return scores


def _last_exposures(cursor: duckdb.DuckDBPyConnection, outcomes: pa.Table) -> dict[str, Row]:
    bounds = pc.min_max(outcomes["event_time"]).as_py()
    first = bounds["min"] - timedelta(microseconds=OUTCOME_WINDOW_US)
    parameters = {"window_us": OUTCOME_WINDOW_US, "first": first, "last": bounds["max"]}
    query = statement("last_exposures", __package__).format(requests="requests", outcomes="open")
    open_ids = outcomes.set_column(0, "score_id", Ids.from_arrow(outcomes["score_id"]).to_arrow())
    with lent(cursor, open=open_ids.select(["score_id", "event_time", "unit_id", "session_id", "prompt"])):
        rows = fetch_rows(cursor, query, parameters)
    return {row.pop("score_id"): row for row in rows}


def _moves(outcome: Row, exposure: Row) -> bool:
    if outcome["request_id"] is None:
        return True
    now, before = ((each["request_time"], each["request_id"]) for each in (exposure, outcome))
    return bool(now > before)


def _facts(
    cursor: duckdb.DuckDBPyConnection, directory: Path, request_ids: list[str]
) -> tuple[list[int], pa.Table]:
    """Places of the requests that are not stored any more, and the facts of the others, in their order."""
    if not request_ids:
        return [], pa.schema(FACTS).empty_table()
    wanted = Ids.from_arrow(pa.array(request_ids, pa.string()))
    found = request_facts(cursor, directory, wanted).sort_by("position")
    there = set(found["position"].to_pylist())
    return [at for at in range(len(request_ids)) if at not in there], found.drop_columns("position")


def _scores(outcomes: list[Row], facts: pa.Table, *, takes_back: bool) -> pa.Table:
    scores = pa.table(
        {
            "event_time": pa.array([each["event_time"] for each in outcomes], pa.timestamp("us", "UTC")),
            "name": pa.array([each["name"] for each in outcomes], pa.string()),
            "value": pa.array([each["value"] for each in outcomes], pa.float64()),
            "is_outcome": pa.array([True] * len(outcomes), pa.bool_()),
            "takes_back": pa.array([takes_back] * len(outcomes), pa.bool_()),
        }
    )
    joined = joined_scores(scores, facts)
    ids = pa.array([each["score_id"] for each in outcomes], pa.string())
    attributed_in = pa.array([each["attributed_in"] for each in outcomes], pa.int64())
    return joined.append_column("score_id", ids).append_column("attributed_in", attributed_in)


def _settled(outcomes: list[Row]) -> pa.Table:
    return pa.table(
        {
            "score_id": pa.array([each["score_id"] for each in outcomes], pa.string()),
            "request_id": pa.array([each["request_id"] for each in outcomes], pa.string()),
            "request_time": pa.array([each["request_time"] for each in outcomes], pa.timestamp("us", "UTC")),
            "call_unit_id": pa.array([each["call_unit_id"] for each in outcomes], pa.string()),
            "call_experiment": pa.array([each["call_experiment"] for each in outcomes], pa.string()),
            "attributed_in": pa.array([each["attributed_in"] for each in outcomes], pa.int64()),
        }
    )
