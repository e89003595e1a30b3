"""Each SQL file of the store, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coalmine_consumers.sql import fetch_rows, quote_identifier, quote_literal, statement
from coalmine_consumers.store.ids import Ids
from tests.support.oracles.empty_tables import empty_tables, insert

A, B, C, D = (UUID(int=number << 64) for number in (1, 2, 3, 2**63))
STORE = "coalmine_consumers.store"
AGGREGATION = "coalmine_consumers.aggregation"
BOUNDS = {"min_id": A, "max_id": D}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row."""
    with empty_tables() as opened:
        yield opened


def ids(name: str, *values: UUID, extra: dict[str, list[Any]] | None = None) -> pa.Table:
    column = Ids.from_arrow(pa.array([str(value) for value in values], pa.string())).to_arrow()
    return pa.table({name: column, **(extra or {})})


def lend_ids(connection: duckdb.DuckDBPyConnection, name: str, *values: UUID) -> None:
    positions = pa.array(range(len(values)), pa.int64())
    connection.register(name, ids("id", *values, extra={"position": positions}))


def run(
    connection: duckdb.DuckDBPyConnection, name: str, package: str = STORE, /, **parameters: Any
) -> list[dict[str, Any]]:
    return fetch_rows(connection, statement(name, package), parameters)


AT = "2026-03-10 08:00:00+00"
HOT = {"ingest_id": 1, "ingested_at": AT, "event_time": AT, "app": "a"}
REQUEST = {
    **HOT,
    "environment": "prod",
    "prompt": "refund",
    "version": "1.0.0",
    "unit_group": 5,
    "resolution": "live",
    "unit_id": "u",
    "request_model": "asked",
    "latency_ms": 1.0,
    "segments": [{"key": "plan", "value": "pro"}],
}
EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "requests": ("request_id", REQUEST),
    "feedback": ("feedback_id", {**HOT, "request_id": C}),
    "scores": ("score_id", {**HOT, "request_id": C, "name": "q", "value": 1.0, "source": "human"}),
}


@pytest.mark.parametrize("event", EVENTS)
def test_stored_in_hot(connection: duckdb.DuckDBPyConnection, event: str) -> None:
    id_name, row = EVENTS[event]
    insert(connection, f"{event}_hot", {**row, id_name: A}, {**row, id_name: D})
    lend_ids(connection, "wanted", D, B, A, C)
    query = statement("stored_in_hot", STORE).format(event=event, id=id_name)
    assert sorted(row["position"] for row in fetch_rows(connection, query, BOUNDS)) == [0, 2]
    assert fetch_rows(connection, query, {"min_id": B, "max_id": C}) == []


@pytest.mark.parametrize("event", EVENTS)
def test_stored_in_segments(connection: duckdb.DuckDBPyConnection, event: str, tmp_path: Path) -> None:
    id_name, _ = EVENTS[event]
    paths = [str(tmp_path / name) for name in ("one.parquet", "two.parquet")]
    pq.write_table(ids(id_name, A), paths[0])
    pq.write_table(ids(id_name, D, B), paths[1])
    lend_ids(connection, "wanted", D, C, A)
    query = statement("stored_in_segments", STORE).format(id=id_name)
    found = fetch_rows(connection, query, {**BOUNDS, "paths": paths})
    assert sorted(row["position"] for row in found) == [0, 2]
    assert fetch_rows(connection, query, {"min_id": B, "max_id": C, "paths": paths}) == []


FACTS = {
    "event_time": "2026-03-10 08:00:00+00:00",
    "prompt": "refund",
    "version": "1.0.0",
    "variant": None,
    "environment": "prod",
    "app": "a",
    "model": "asked",
    "experiment": None,
    "allocation_epoch": None,
    "unit_group": 5,
    "ingest_id": 1,
    "segments": [{"key": "plan", "value": "pro"}],
}


@pytest.mark.parametrize("place", ["hot", "segments"])
def test_facts(connection: duckdb.DuckDBPyConnection, tmp_path: Path, place: str) -> None:
    arm: dict[str, Any] = {"variant": "treatment", "experiment": "exp", "allocation_epoch": 2}
    answered = {**REQUEST, **arm, "request_id": B, "response_model": "answered"}
    insert(connection, "requests_hot", {**REQUEST, "request_id": A}, answered)
    lend_ids(connection, "wanted", B, C, A, B)
    parameters: dict[str, Any] = dict(BOUNDS)
    if place == "segments":
        path = str(tmp_path / "moved.parquet")
        rows = connection.sql("SELECT * FROM requests_hot").to_arrow_table()
        rows = rows.set_column(0, "request_id", Ids.from_arrow(rows["request_id"]).to_arrow())
        pq.write_table(rows, path)
        parameters["paths"] = [path]
    facts = statement(f"facts_in_{place}", STORE)
    found = sorted(
        fetch_rows(connection, facts.format(segments="segments"), parameters), key=lambda row: row["position"]
    )
    for row in found:
        row["event_time"] = str(row["event_time"])
    plain = {"position": 2, **FACTS}
    in_arm = {**FACTS, **arm, "model": "answered"}
    assert found == [{"position": 0, **in_arm}, plain, {"position": 3, **in_arm}]


def segment(number: int, low: UUID, high: UUID, **values: Any) -> dict[str, Any]:
    moments = dict.fromkeys(("min_event_time", "max_event_time", "created_at"), AT)
    row = {"segment_id": UUID(int=number), "event": "requests", "path": f"{number}", "day": "2026-03-10"}
    return {**row, **moments, "rows": 1, "size_bytes": 1, "min_id": low, "max_id": high, **values}


def test_overlapping_segments(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "segments",
        segment(1, A, A),
        segment(2, A, B),
        segment(3, C, D),
        segment(4, D, D),
        segment(5, A, D, event="scores"),
        segment(6, A, D, retired_at="2026-03-11 00:00:00+00"),
        segment(7, A, D),
    )
    found = run(connection, "overlapping_segments", event="requests", min_id=B, max_id=C)
    assert {row["path"] for row in found} == {"2", "3", "7"}


def test_pending_feedback_of(connection: duckdb.DuckDBPyConnection) -> None:
    waiting = {"event_time": AT, "ingest_id": 1}
    said = {"thumbs": "up", "rating": 2.0, "has_correction": True}
    insert(
        connection,
        "pending_feedback",
        {**waiting, **said, "unit_id": "ann", "feedback_id": A, "request_id": C},
        {**waiting, "feedback_id": B, "request_id": D, "has_correction": False},
    )
    lend_ids(connection, "arrived", A, C)
    found = run(connection, "pending_feedback_of", min_id=A, max_id=C)
    (row,) = found
    assert str(row.pop("event_time")).startswith(AT[:19])
    assert row == {"position": 1, "feedback_id": str(A), "request_id": str(C), "unit_id": "ann", **said}


def test_pending_scores_of(connection: duckdb.DuckDBPyConnection) -> None:
    waiting = {"event_time": AT, "ingest_id": 1, "name": "q", "value": 0.5}
    insert(
        connection,
        "pending_scores",
        {**waiting, "score_id": A, "request_id": C},
        {**waiting, "score_id": B, "request_id": D},
    )
    lend_ids(connection, "arrived", C, A)
    found = run(connection, "pending_scores_of", min_id=A, max_id=C)
    (row,) = found
    assert str(row.pop("event_time")).startswith(AT[:19])
    assert row == {"position": 0, "score_id": str(A), "request_id": str(C), "name": "q", "value": 0.5}


OUTCOME = {"app": "b", "name": "converted", "value": 1.0, "ingest_id": 4, "ingested_at": AT}


def calls(connection: duckdb.DuckDBPyConnection, *rows: tuple[UUID, str, str, str | None, str]) -> None:
    """Requests: id, time, unit, session and prompt; those of session t are in an experiment."""
    keys = ("request_id", "event_time", "unit_id", "session_id", "prompt")
    named = (dict(zip(keys, row, strict=True)) for row in rows)
    insert(
        connection,
        "requests_hot",
        *({**REQUEST, **row, "experiment": "e" if row["session_id"] == "t" else None} for row in named),
    )


def exposures(connection: duckdb.DuckDBPyConnection, **whose: str | None) -> list[UUID]:
    """The request that an outcome of nine o'clock belongs to, with a window of an hour; none or one."""
    outcome = {"unit_id": None, "session_id": None, "prompt": None, **whose}
    extra = {name: pa.array([value], pa.string()) for name, value in outcome.items()}
    nine = pa.array([datetime(2026, 3, 10, 9, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    connection.register("open", ids("score_id", D, extra={"event_time": nine, **extra}))
    text = statement("last_exposures", STORE).format(requests="requests_hot", outcomes="open")
    bounds = {"first": "2026-03-10 08:00:00+00", "last": "2026-03-10 09:00:00+00"}
    found = fetch_rows(connection, text, {"window_us": 3_600_000_000, **bounds})
    assert all(row["score_id"] == str(D) for row in found)
    facts = "SELECT unit_id AS call_unit_id, experiment AS call_experiment FROM requests_hot "
    for row in found:
        (call,) = fetch_rows(connection, f"{facts} WHERE request_id = $id", {"id": row["request_id"]})
        assert call.items() <= row.items()
    return [UUID(row["request_id"]) for row in found]


def test_last_exposures(connection: duckdb.DuckDBPyConnection) -> None:
    e, f = UUID(int=5 << 64), UUID(int=6 << 64)
    calls(
        connection,
        (A, "2026-03-10 07:59:59+00", "ann", "s", "refund"),
        (B, "2026-03-10 08:00:00+00", "ann", "s", "refund"),
        (C, "2026-03-10 08:30:00+00", "ann", "t", "greet"),
        (e, "2026-03-10 09:00:01+00", "ann", "s", "refund"),
        (f, "2026-03-10 09:00:00+00", "bob", "t", "refund"),
    )
    assert exposures(connection, unit_id="ann") == [C]
    assert exposures(connection, unit_id="ann", prompt="refund") == [B]
    assert exposures(connection, unit_id="ann", session_id="s") == [B]
    assert exposures(connection, session_id="t") == [f]
    assert exposures(connection, session_id="t", prompt="greet") == [C]
    assert exposures(connection, unit_id="cid") == exposures(connection, unit_id="bob", session_id="s") == []


def test_last_exposures_of_calls_at_one_moment(connection: duckdb.DuckDBPyConnection) -> None:
    at = "2026-03-10 08:30:00+00"
    calls(connection, *((each, at, "ann", in_, "refund") for each, in_ in ((B, "t"), (D, None), (C, "t"))))
    assert exposures(connection, unit_id="ann") == [D]


def test_reopen_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    settled = {
        "event_time": "2026-03-10 09:00:00+00",
        "request_time": "2026-03-10 08:30:00+00",
        "request_id": A,
    }
    never = {"event_time": "2026-03-10 09:00:00+00"}
    outcomes: dict[str, dict[str, Any]] = {
        "was earlier": {**settled, "unit_id": "ann"},
        "none was known": {**never, "unit_id": "ann"},
        "of a session": {**never, "session_id": "s"},
        "of both": {**never, "unit_id": "ann", "session_id": "s"},
        "of another": {**never, "unit_id": "bob"},
        "was later": {**settled, "unit_id": "ann", "request_time": "2026-03-10 08:50:00+00"},
        "before": {**never, "unit_id": "ann", "event_time": "2026-03-10 08:39:59+00"},
        "beyond the window": {**never, "unit_id": "ann", "event_time": "2026-03-10 09:40:01+00"},
    }
    names = list(outcomes)
    rows = ({**OUTCOME, **row, "score_id": UUID(int=at)} for at, row in enumerate(outcomes.values()))
    insert(connection, "late_outcomes", *rows)
    moment = pa.array([datetime(2026, 3, 10, 8, 40, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    connection.register("arrived", pa.table({"unit_id": ["ann"], "session_id": ["s"], "event_time": moment}))
    parameters = {"first": "2026-03-10 08:40:00+00", "window_us": 3_600_000_000, "ingest_id": 7}
    connection.execute(statement("reopen_outcomes", STORE), parameters).fetchall()
    found = fetch_rows(
        connection, "SELECT score_id FROM late_outcomes WHERE open_since = 7 ORDER BY score_id"
    )
    assert [names[UUID(row["score_id"]).int] for row in found] == names[:4]


def test_scores_with_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    raw = {**OUTCOME, "event_time": AT, "source": "judge"}
    insert(
        connection,
        "scores_hot",
        {**raw, "score_id": A, "request_id": C, "rationale": "why"},
        {**raw, "score_id": B, "request_id": B, "unit_id": "ann"},
        {**raw, "score_id": D, "request_id": D, "session_id": "s"},
    )
    kept = {**OUTCOME, "event_time": AT}
    insert(
        connection,
        "late_outcomes",
        {**kept, "score_id": B, "unit_id": "ann", "request_id": C, "attributed_in": 9},
        {**kept, "score_id": D, "session_id": "s"},
    )
    text = statement("scores_with_outcomes", STORE).format(scores="scores_hot")
    found = fetch_rows(connection, f"SELECT * FROM ({text}) ORDER BY score_id")
    whose = {"unit_id", "session_id", "prompt"}
    assert set(found[0]) == set(connection.table("scores_hot").columns) - whose | {"is_outcome"}
    columns = ("request_id", "ingest_id", "is_outcome", "rationale", "source")
    assert [tuple(row[name] for name in columns) for row in found] == [
        (str(C), 4, False, "why", "judge"),
        (str(C), 9, True, None, "unknown"),
        (None, 4, True, None, "unknown"),
    ]


def test_unit_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    def unit(of: str, arm: str | None, at: str | None, **values: Any) -> dict[str, Any]:
        key = {"experiment": "e", "allocation_epoch": 1, "variant": arm, "unit_group": 3, "unit_id": of}
        seen = None if at is None else f"2026-03-10 {at}:00+00"
        return {**key, "requests": 1, "first_event_time": seen, "last_event_time": seen, **values}

    def bound(metric: str, low: float | None, high: float | None, **values: Any) -> dict[str, Any]:
        key = {"experiment": "e", "metric": metric, "low": low, "high": high, "basis": "declared"}
        return {**key, "since_ingest_id": 9, "frozen_at": AT, **values}

    insert(
        connection,
        "experiment_units",
        unit("ann", "b", "08:30", allocation_epoch=2),
        unit("ann", "a", "08:00", allocation_epoch=None),
        unit("ann", "a", "07:00", experiment="other"),
        unit("ann", None, "07:59"),
        unit("bob", "b", "08:10"),
        unit("bob", "a", "08:10"),
        unit("old", "a", None),  # stored before times were
    )
    insert(
        connection,
        "experiment_bounds",
        bound("custom.errors", 0.0, 1.0),
        bound("spent", 0.0, 50.0, basis="first values", since_ingest_id=4),
        bound("spent", -1e200, 1e200, experiment="other"),
        bound("unknown", None, None),
    )

    def said(name: str, at: str, value: float, of: str | None = "ann", **values: Any) -> dict[str, Any]:
        whose = {"unit_id": of, "event_time": f"2026-03-10 {at}+00", "name": name, "value": value}
        return {**OUTCOME, **whose, "ingest_id": 5, **values}

    rows = [
        said("errors", "08:00:00", 1.0),
        said("errors", "09:00:00", 0.5, ingest_id=1),
        said("errors", "07:59:59", 1.0),  # before
        said("errors", "09:00:00.000001", 1.0),  # after
        said("errors", "08:20:00", 0.25, of=None, session_id="s", call_unit_id="ann", call_experiment="e"),
        said("errors", "08:20:00", 1.0, of=None, session_id="s", call_unit_id="ann"),
        said("errors", "08:20:00", 1.0, prompt="greet", call_experiment="other"),
        said("spent", "08:20:00", 20.0, of="bob"),
        said("spent", "08:30:00", 70.0, of="bob"),
        said("spent", "08:30:00", 7.0, of="bob", ingest_id=4),  # a first value
        said("spent", "07:30:00", 1e300),
        said("unknown", "08:30:00", 1.0),
        said("errors", "08:30:00", 1.0, of="old"),
        said("errors", "08:30:00", 1.0, of="nobody"),
    ]
    insert(connection, "late_outcomes", *({**row, "score_id": UUID(int=at)} for at, row in enumerate(rows)))
    named = {"names": ["errors", "spent", "unknown"], "metrics": ["custom.errors", "spent", "unknown"]}

    def found(experiment: str | None, at: str) -> list[tuple[Any, ...]]:
        text = statement("unit_outcomes", STORE).format(outcomes="late_outcomes")
        parameters = {"experiment": experiment, "window_us": 3_600_000_000, "at": at, **named}
        return [tuple(row.values()) for row in fetch_rows(connection, text, parameters)]

    young = datetime(2026, 3, 10, 9, 10, tzinfo=UTC)
    assert found("e", "2026-03-10 09:00:00+00") == [
        ("e", "custom.errors", 0, "a", 3, None, 3, 1.75),
        ("e", "spent", 1, "a", 3, young, 2, 70.0),
    ]
    assert found(None, "2026-03-10 09:10:00+00")[1:] == [
        ("e", "spent", 1, "a", 3, None, 2, 70.0),
        ("other", "spent", 1, "a", 3, None, 1, 1e140),
    ]


def test_counted_feedback(connection: duckdb.DuckDBPyConnection) -> None:
    said = {"event_time": AT, "app": "a", "metadata": [], "ingested_at": AT, "unit_id": "ann", "thumbs": "up"}
    insert(
        connection,
        "feedback_hot",
        {**said, "feedback_id": A, "request_id": C, "ingest_id": 6, "correction": "no"},
        {**said, "feedback_id": B, "request_id": C, "ingest_id": 7},
        {**said, "feedback_id": D, "request_id": D, "ingest_id": 6},
    )
    connection.register("about", ids("id", C))
    query = statement("counted_feedback", STORE).format(reactions="feedback_hot")
    (found,) = fetch_rows(connection, query, {"min_id": C, "max_id": C, "ingest_id": 7})
    assert (found["feedback_id"], found["unit_id"], found["has_correction"]) == (str(A), "ann", True)


def test_last_words(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE said AS SELECT * FROM (VALUES "
        "(1, 'ann', 1, 10, 'up', 2.0, FALSE, FALSE), (1, 'ann', 2, 30, 'down', NULL, FALSE, TRUE), "
        "(1, 'ann', 3, 20, 'up', 5.0, TRUE, TRUE), (1, NULL, 4, 10, 'up', NULL, FALSE, TRUE), "
        "(2, 'ann', 5, 10, 'up', NULL, FALSE, FALSE)"
        ") AS rows (request_id, unit_id, feedback_id, event_time, thumbs, rating, has_correction, is_new)"
    )
    rows = fetch_rows(connection, statement("last_words", AGGREGATION).format(said="said"))
    assert sorted(tuple(row.values()) for row in rows) == [
        (1, 0, [], True, "up", 2.0, False),
        (1, 1, [10], False, "up", None, False),
        (1, 2, [30, 20], False, "down", 5.0, True),
    ]


POSITIONS = """
SELECT topic, "partition", topic_id, first_offset, next_offset, skipped FROM source_positions ORDER BY ALL
"""


def moved(*rows: tuple[str, str, str, int, int, int]) -> pa.Table:
    names = ("topic", "partition", "topic_id", "start_offset", "next_offset", "skipped")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def test_move_positions(connection: duckdb.DuckDBPyConnection) -> None:
    first = [("t", "0", "", 5, 9, 1), ("t", "1", "", 0, 2, 0)]
    second = [("t", "0", "", 9, 12, 2), ("u", "0", "", 1, 1, 0), ("t", "1", "new", 0, 7, 4)]
    for rows in (first, second):
        connection.register("moved", moved(*rows))
        connection.execute(statement("move_positions", STORE)).fetchall()
    found = connection.sql(POSITIONS).fetchall()
    assert found == [
        ("t", "0", "", 5, 12, 3),
        ("t", "1", "", 0, 2, 0),
        ("t", "1", "new", 0, 7, 4),
        ("u", "0", "", 1, 1, 0),
    ]


def test_retire_positions(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        ("spool", "a", "", 0, 4, 0),
        ("spool", "b", "", 3, 5, 0),
        ("spool", "c", "", 0, 9, 0),
        ("other", "a", "", 1, 2, 0),
        ("t", "0", "old", 10, 30, 5),
        ("t", "0", "new", 0, 7, 0),
    ]
    connection.register("moved", moved(*rows))
    connection.execute(statement("move_positions", STORE)).fetchall()
    gone = {
        "topic": [*["spool"] * 3, "t"],
        "partition": ["a", "b", "unknown", "0"],
        "topic_id": ["", "", "", "old"],
    }
    connection.register("gone", pa.table(gone))
    connection.execute(statement("retire_positions", STORE)).fetchall()
    held = connection.sql("SELECT topic, partitions, consumed FROM retired_positions ORDER BY ALL").fetchall()
    assert held == [("spool", 2, 6), ("t", 1, 15)]


def test_record_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    columns = [name for name in connection.table("batches").columns if name != "first_ingest_id"]
    row: dict[str, Any] = dict(zip(columns, range(1, len(columns) + 1), strict=True))
    row |= {
        "event": "scores",
        "committed_at": AT,
        "first_event_time": AT,
        "last_event_time": None,
        "id_xor": B,
    }
    connection.execute(statement("record_ledger", STORE), row).fetchall()
    (found,) = connection.sql("SELECT * FROM batches").to_arrow_table().to_pylist()
    assert found.pop("first_ingest_id") is None
    assert {name: str(value) for name, value in found.items()} == {
        name: f"{value}:00" if value == AT else str(value) for name, value in row.items()
    }


def test_reference_histograms(connection: duckdb.DuckDBPyConnection) -> None:
    def row(resolution: str, start: str, prompt: str = "p", **values: Any) -> dict[str, Any]:
        keys = {"resolution": resolution, "bucket_start": f"2026-03-10 {start}+00", "prompt": prompt}
        series = {"version": "1", "environment": "prod", "app": "a", "model": "m", "metric": "latency_ms"}
        return {**keys, **series, "buckets": [1, 2], "counts": [10, 1], **values}

    insert(
        connection,
        "rollup_histograms",
        row("hour", "07:00:00", buckets=[2, 3], counts=[5, 7]),
        row("hour", "08:00:00"),  # the last hour is read by the minute
        row("hour", "05:00:00"),  # too long ago
        row("minute", "08:01:00", buckets=[3], counts=[100], version="2"),
        row("minute", "08:02:00"),  # the experiment has begun
        row("minute", "07:59:00"),  # in its hour already
        row("hour", "07:00:00", prompt="other"),
        row("hour", "07:00:00", environment="staging"),
        row("hour", "07:00:00", metric="cost_nano_usd"),
        row("hour", "05:00:00", metric="feedback_delay_ms", buckets=[7], counts=[9]),
        row("hour", "03:00:00", metric="feedback_delay_ms"),  # too long ago even for that
    )
    times = {
        "late_since": datetime(2026, 3, 10, 4, tzinfo=UTC),
        "since": datetime(2026, 3, 10, 6, tzinfo=UTC),
        "hour": datetime(2026, 3, 10, 8, tzinfo=UTC),
        "until": datetime(2026, 3, 10, 8, 2, tzinfo=UTC),
    }
    populations = [
        {"experiment": "e", "prompt": "p", "environment": "prod", **times},
        {"experiment": "e", "prompt": "other", "environment": "dev", **times},
    ]
    connection.register("populations", pa.Table.from_pylist(populations))
    late = ["feedback_delay_ms"]
    metrics = ["latency_ms", "time_to_first_token_ms", *late]
    found = run(connection, "reference_histograms", AGGREGATION, metrics=metrics, late=late)
    minute_ms = 60_000.0
    assert [tuple(each.values()) for each in found] == [
        ("e", "feedback_delay_ms", 7, 9, 182 * minute_ms),
        ("e", "latency_ms", 2, 5, 62 * minute_ms),
        ("e", "latency_ms", 3, 107, 62 * minute_ms),
    ]


def test_new_names(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "known_names",
        {"kind": "prompt", "name": "old", "first_seen": "2026-03-09"},
        {"kind": "prompt", "name": "today", "first_seen": "2026-03-10"},
    )
    names = [("app", "a", "x"), ("prompt", "old", "x"), *(("prompt", name, "x") for name in "abba")]
    names += [("prompt", name, "y") for name in ("c", "b")]
    arriving = [{"kind": kind, "name": name, "app": app} for kind, name, app in names]
    connection.register("arriving", pa.Table.from_pylist(arriving))
    found = run(connection, "new_names", day=date(2026, 3, 10), most=3, most_of_app=1)
    assert sorted(tuple(row.values()) for row in found) == [
        ("app", "a", "x", True),
        ("prompt", "a", "x", True),
        ("prompt", "b", "y", True),
        ("prompt", "c", "y", False),
    ]


def test_insert_deployments(connection: duckdb.DuckDBPyConnection) -> None:
    at = datetime(2026, 3, 10, 8, tzinfo=UTC)
    change = {
        "environment": "prod",
        "prompt": "p",
        "event_time": at,
        "revision": 1,
        "version": "1.0.0",
        "experiment": None,
        "allocation_epoch": None,
        "arms": [],
        "experiments": [
            {
                "name": "tone",
                "rule": "german",
                "allocation_epoch": 1,
                "arms": [{"variant": "control", "version": "1.0.0", "weight": 1.0}],
            }
        ],
        "action": "promote",
        "changed_by": "bob",
    }
    arriving = [change, change, {**change, "revision": 2}, {**change, "environment": "dev"}]
    connection.register("arriving", pa.Table.from_pylist(arriving))
    for ingest_id in (1, 2):
        parameters = {"ingest_id": ingest_id, "ingested_at": at}
        connection.execute(statement("insert_deployments", STORE), parameters).fetchall()
    found = connection.sql("SELECT environment, revision, ingest_id FROM deployments ORDER BY ALL").fetchall()
    assert found == [("dev", 1, 1), ("prod", 1, 1), ("prod", 2, 1)]


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in [*(files(STORE) / "sql").iterdir(), *(files(AGGREGATION) / "sql").iterdir()]:
        name = entry.name.removesuffix(".sql")
        names = {name, *(name.removesuffix(f"_{last}") for last in ("in_hot", "in_segments", *EVENTS))}
        assert any(f"def test_{each}(" in mine for each in names), name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: "):
            assert heading in entry.read_text(encoding="utf-8"), (name, heading)


def test_names_and_texts_are_quoted(connection: duckdb.DuckDBPyConnection) -> None:
    name, text = 'a "wild" name', "it's"
    view = f"CREATE VIEW {quote_identifier(name)} AS SELECT {quote_literal(text)} AS x"
    connection.execute(view).fetchall()
    assert connection.sql(f"FROM {quote_identifier(name)}").fetchall() == [(text,)]
