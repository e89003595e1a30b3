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

from coalmine_consumers.aggregation.cells import in_experiments
from coalmine_consumers.aggregation.groups import distinct
from coalmine_consumers.aggregation.last_words import last_words
from coalmine_consumers.aggregation.late import windows_us
from coalmine_consumers.aggregation.references import Reference, References, read_references
from coalmine_consumers.aggregation.segments import read_segments
from coalmine_consumers.arrays import IndexArray, microseconds
from coalmine_consumers.sql import append_rows, fetch_table, lent, parsed, quote_identifier, statement
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.lookup import FACTS, counted_feedback, request_facts

Reaction = Literal["feedback", "scores"]

_PAYLOAD = {
    "feedback": (
        ("takes_back", pa.bool_()),
        ("said_at", pa.list_(pa.timestamp("us", "UTC"))),
        ("thumbs", pa.string()),
        ("rating", pa.float64()),
        ("has_correction", pa.bool_()),
    ),
    "scores": (
        ("takes_back", pa.bool_()),
        ("said_at", pa.timestamp("us", "UTC")),
        ("name", pa.string()),
        ("value", pa.float64()),
        ("is_outcome", pa.bool_()),
    ),
}
_WORDS = ("request_id", "unit_id", "feedback_id", "event_time", "thumbs", "rating", "has_correction")
_PENDING = {
    "feedback": (*_WORDS, "ingest_id"),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Attributed:
    """Reactions whose request is known, row by row."""

    reactions: pa.Table
    facts: pa.Table
    """The columns of `FACTS`."""
    was_stored: bool = False
    """Whether their requests are of earlier batches."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Last words on requests: one row per word to count, and one per word that counted and does so no more.

    Each says what it says, whether it is taken back, and its request's facts.
    """

    all: pa.Table
    in_time: pa.Table
    """The last words within the windows of their experiments."""
    references: References
    """Of these experiments."""


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Those of some requests."""

    all: pa.Table
    in_time: pa.Table | None
    references: list[Reference]


def attribute_scores(
    connection: duckdb.DuckDBPyConnection, directory: Path, rows: pa.Table, arrivals: Arrivals
) -> pa.Table:
    """Attributes scores whose request is known, old and new; keeps the rest for later.

    Args:
        connection: Inside the batch's transaction.
        directory: The store's folder.
        rows: New scores, as they are to be stored.
        arrivals: New requests.

    Returns:
        One row per attributed score: what it says, and its request's facts.
    """
    parts = _attributed(connection, directory, "scores", rows, arrivals)
    found = []
    for part in parts:
        no = pa.repeat(pa.scalar(value=False), part.reactions.num_rows)
        scores = part.reactions.append_column("is_outcome", no).append_column("takes_back", no)
        found.append(joined_scores(scores, part.facts))
    return _concatenated("scores", found)


def joined_scores(scores: pa.Table, facts: pa.Table) -> pa.Table:
    """What scores say and the facts of their requests, row by row, as rollups and cells take them.

    Args:
        scores: `event_time`, `name`, `value`, `is_outcome` and `takes_back`.
        facts: The columns of `FACTS`.
    """
    return _joined("scores", scores.append_column("said_at", scores["event_time"]), facts)


def attribute_feedback(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    rows: pa.Table,
    arrivals: Arrivals,
    ingest_id: int,
) -> Words:
    """Likewise for feedback, of which a unit's last word on a request counts."""
    parts = _attributed(connection, directory, "feedback", rows, arrivals)
    found = [_last_words(connection, directory, part, ingest_id) for part in parts if len(part.facts)]
    in_time = _concatenated("feedback", [words.in_time for words in found if words.in_time is not None])
    return Words(
        _concatenated("feedback", [words.all for words in found]),
        in_time,
        References(
            [each for words in found for each in words.references],
            segments=read_segments(connection, distinct(in_time["experiment"].drop_null())),
        ),
    )


def _last_words(
    connection: duckdb.DuckDBPyConnection, directory: Path, part: _Attributed, ingest_id: int
) -> _Words:
    said = part.reactions.select(_WORDS)
    about = Ids.from_arrow(said["request_id"])
    first = about.first_of_each()
    about, facts = about.take(first), part.facts.take(first)
    said = said.append_column("is_new", pa.repeat(pa.scalar(value=True), said.num_rows))
    if part.was_stored:
        counted = _with_ids(counted_feedback(connection, directory, about, ingest_id))
        counted = counted.append_column("is_new", pa.repeat(pa.scalar(value=False), counted.num_rows))
        said = pa.concat_tables([said.cast(counted.schema), counted])
    references = read_references(connection, distinct(in_experiments(facts)["experiment"]))
    within = windows_us(facts, References(references), "feedback")
    place = about.find(Ids.from_arrow(said["request_id"]))
    delay = microseconds(said["event_time"]) - microseconds(facts["event_time"])[place]
    in_time = np.flatnonzero(delay <= within[place])
    return _Words(
        _words(connection, said, about, facts),
        _words(connection, said.take(in_time), about, facts) if len(in_time) else None,
        references,
    )


def _words(connection: duckdb.DuckDBPyConnection, said: pa.Table, about: Ids, facts: pa.Table) -> pa.Table:
    # DuckDB finds `said` here.
    words: pa.Table = connection.execute(parsed(connection, last_words("said"))).to_arrow_table()
    return _joined("feedback", words, facts.take(about.find(Ids.from_arrow(words["request_id"]))))


def _attributed(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    reaction: Reaction,
    rows: pa.Table,
    arrivals: Arrivals,
) -> list[_Attributed]:
    """Reactions that are about a request of this batch, be they early or new, and about stored ones."""
    about_new: list[tuple[pa.Table, IndexArray]] = []
    about_stored: list[_Attributed] = []
    if len(arrivals.ids) and (early := _early(connection, reaction, arrivals)).num_rows:
        about_new.append((early, early["position"].to_numpy().astype(np.intp)))
    if rows.num_rows:
        rows = _with_correction(reaction, rows)
        request_ids = Ids.from_arrow(rows["request_id"])
        here = arrivals.ids.find(request_ids)
        same_batch = np.flatnonzero(here >= 0)
        if len(same_batch):
            about_new.append((rows.take(same_batch), here[same_batch]))
        elsewhere = np.flatnonzero(here < 0)
        if len(elsewhere):
            facts = request_facts(connection, directory, request_ids.take(elsewhere))
            stored = elsewhere[facts["position"].to_numpy()]
            about = _Attributed(rows.take(stored), facts.drop_columns("position"), was_stored=True)
            about_stored.append(about)
            _keep(connection, reaction, rows.take(np.setdiff1d(elsewhere, stored)))
    if not about_new:
        return about_stored
    columns = [name for name in _PENDING[reaction] if name != "ingest_id"]
    schema = about_new[-1][0].select(columns).schema
    reactions = pa.concat_tables([table.select(columns).cast(schema) for table, _ in about_new])
    position = np.concatenate([at for _, at in about_new])
    return [_Attributed(reactions, arrivals.facts_at(position)), *about_stored]


def _concatenated(reaction: Reaction, parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts) if parts else pa.schema([*FACTS, *_PAYLOAD[reaction]]).empty_table()


def _early(connection: duckdb.DuckDBPyConnection, reaction: Reaction, arrivals: Arrivals) -> pa.Table:
    """Takes reactions that arrived before their request out of the pending table."""
    table = quote_identifier(f"pending_{reaction}")
    least, greatest = arrivals.ids.bounds()
    bounds = {"min_id": least, "max_id": greatest}
    waiting = connection.execute(
        parsed(connection, f"SELECT count(*) FROM {table} WHERE request_id BETWEEN $min_id AND $max_id"),  # noqa: S608
        bounds,
    ).fetchall()
    if waiting == [(0,)]:
        return pa.table({})
    arrived = pa.table({"id": arrivals.ids.to_arrow(), "position": pa.array(np.arange(len(arrivals.ids)))})
    with lent(connection, arrived=arrived):
        found = fetch_table(connection, statement(f"pending_{reaction}_of", __package__), bounds)
    if found.num_rows:
        name = _PENDING_ID[reaction]
        done = pa.table({"id": Ids.from_arrow(found[name]).to_arrow()})
        with lent(connection, done=done):
            connection.execute(f"DELETE FROM {table} WHERE {name} IN (SELECT id FROM done)")  # noqa: S608
    return _with_ids(found)


def _with_ids(found: pa.Table) -> pa.Table:
    """Rows from DuckDB, which hands out ids as texts, with ids as they are stored."""
    for place, name in enumerate(found.column_names):
        if name in {"request_id", *_PENDING_ID.values()}:
            found = found.set_column(place, name, Ids.from_arrow(found[name]).to_arrow())
    return found


def _keep(connection: duckdb.DuckDBPyConnection, reaction: Reaction, rows: pa.Table) -> None:
    if rows.num_rows:
        append_rows(connection, f"pending_{reaction}", rows.select(_PENDING[reaction]))


def _with_correction(reaction: Reaction, rows: pa.Table) -> pa.Table:
    if reaction == "scores":
        return rows
    return rows.append_column("has_correction", rows["correction"].is_valid())


def _joined(reaction: Reaction, rows: pa.Table, facts: pa.Table) -> pa.Table:
    for name, kind in _PAYLOAD[reaction]:
        facts = facts.append_column(name, rows[name].cast(kind))
    return facts
