"""Attribution: feedback and scores find their request, whichever arrives first.

An event is about a request of the same batch, of an earlier batch, or of one still to come. In the first
two cases it is attributed now; in the last it waits in a pending table until its request is stored.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import IndexArray
from coalmine_consumers.sql import fetch_table, lent, quote_identifier, statement
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.lookup import FACTS, request_facts

Reaction = Literal["feedback", "scores"]

_PAYLOAD = {
    "feedback": (("thumbs", pa.string()), ("rating", pa.float64()), ("has_correction", pa.bool_())),
    "scores": (("name", pa.string()), ("value", pa.float64())),
}
_PENDING = {
    "feedback": (
        "feedback_id",
        "request_id",
        "event_time",
        "thumbs",
        "rating",
        "has_correction",
        "ingest_id",
    ),
    "scores": ("score_id", "request_id", "event_time", "name", "value", "ingest_id"),
}
_PENDING_ID = {"feedback": "feedback_id", "scores": "score_id"}


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """The requests a batch stores, as attribution sees them."""

    ids: Ids
    facts: pa.Table
    """One row per id, with the columns of `FACTS`."""

    def facts_at(self, rows: IndexArray) -> pa.Table:
        """Facts of some of the requests, in plain types."""
        return self.facts.select([name for name, _ in FACTS]).take(rows).cast(pa.schema(FACTS))


def attribute(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    reaction: Reaction,
    rows: pa.Table,
    arrivals: Arrivals,
) -> pa.Table:
    """Attributes reactions whose request is known, old and new; keeps the rest for later.

    Args:
        connection: Inside the batch's transaction, which sees no row of this batch yet.
        directory: The store's folder.
        reaction: What the rows are.
        rows: New feedback or scores, as they are to be stored.
        arrivals: New requests.

    Returns:
        One row per attributed event: what it says, and its request's facts.
    """
    parts = [_early(connection, reaction, arrivals)] if len(arrivals.ids) else []
    if rows.num_rows:
        rows = _with_correction(reaction, rows)
        request_ids = Ids.from_arrow(rows["request_id"])
        here = arrivals.ids.find(request_ids)
        same_batch = np.flatnonzero(here >= 0)
        if len(same_batch):
            parts.append(_joined(reaction, rows.take(same_batch), arrivals.facts_at(here[same_batch])))
        elsewhere = np.flatnonzero(here < 0)
        if len(elsewhere):
            facts = request_facts(connection, directory, request_ids.take(elsewhere))
            stored = elsewhere[facts["position"].to_numpy()]
            parts.append(_joined(reaction, rows.take(stored), facts.drop_columns("position")))
            _keep(connection, reaction, rows.take(np.setdiff1d(elsewhere, stored)))
    return pa.concat_tables(parts) if parts else pa.schema([*FACTS, *_PAYLOAD[reaction]]).empty_table()


def _early(connection: duckdb.DuckDBPyConnection, reaction: Reaction, arrivals: Arrivals) -> pa.Table:
    """Takes reactions that arrived before their request out of the pending table."""
    table = quote_identifier(f"pending_{reaction}")
    least, greatest = arrivals.ids.bounds()
    bounds = {"min_id": least, "max_id": greatest}
    waiting = connection.sql(
        f"SELECT count(*) FROM {table} WHERE request_id BETWEEN $min_id AND $max_id",  # noqa: S608
        params=bounds,
    ).fetchall()
    if waiting == [(0,)]:
        return pa.schema([*FACTS, *_PAYLOAD[reaction]]).empty_table()
    arrived = pa.table({"id": arrivals.ids.to_arrow(), "position": pa.array(np.arange(len(arrivals.ids)))})
    with lent(connection, arrived=arrived):
        found = fetch_table(connection, statement(f"pending_{reaction}_of", __package__), bounds)
    if found.num_rows:
        name = _PENDING_ID[reaction]
        done = pa.table({"id": Ids.from_arrow(found[name]).to_arrow()})
        with lent(connection, done=done):
            connection.execute(f"DELETE FROM {table} WHERE {name} IN (SELECT id FROM done)")  # noqa: S608
    return _joined(reaction, found, arrivals.facts_at(found["position"].to_numpy().astype(np.intp)))


def _keep(connection: duckdb.DuckDBPyConnection, reaction: Reaction, rows: pa.Table) -> None:
    if rows.num_rows:
        with lent(connection, early=rows.select(_PENDING[reaction])):
            table = quote_identifier(f"pending_{reaction}")
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM early")  # noqa: S608


def _with_correction(reaction: Reaction, rows: pa.Table) -> pa.Table:
    if reaction == "scores":
        return rows
    return rows.append_column("has_correction", rows["correction"].is_valid())


def _joined(reaction: Reaction, rows: pa.Table, facts: pa.Table) -> pa.Table:
    for name, kind in _PAYLOAD[reaction]:
        facts = facts.append_column(name, rows[name].cast(kind))
    return facts
