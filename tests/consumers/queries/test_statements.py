"""Each SQL file of the queries, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pytest

from coalmine_consumers.aggregation.histograms import LOG_GAMMA, ZERO_BUCKET, bucket_of
from coalmine_consumers.queries.measures import SEEN
from coalmine_consumers.queries.quantities import chosen_calls
from coalmine_consumers.sql import statement
from tests.support.oracles.empty_tables import empty_tables, insert

QUERIES = "coalmine_consumers.queries"
HOUR = datetime(2026, 3, 10, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANY: dict[str, Any] = dict.fromkeys(("environment", "app", "model"))
ALL: dict[str, Any] = {"among": None}
"""Prompts of all names."""
BOTH: list[dict[str, Any]] = [{"prompt": "p", "version": "1"}, {"prompt": "p", "version": "2"}]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row."""
    with empty_tables() as opened:
        yield opened


KEYS = "prompt, version"
SHOWN = ("environments", "models", "variants", "first_event_time", "last_event_time")


def run(connection: duckdb.DuckDBPyConnection, file: str, /, **parameters: Any) -> list[dict[str, Any]]:
    text = statement(file, QUERIES)
    if "keys" in text:  # the columns that tell rows apart
        text = text.format(
            keys=parameters.pop("keys", KEYS),
            calls=chosen_calls("tier", {}),
            seen=parameters.pop("seen", SEEN),
        )
    found: list[dict[str, Any]] = connection.sql(text, params=parameters or None).to_arrow_table().to_pylist()
    return found


def piece(resolution: str, since: datetime, until: datetime) -> dict[str, Any]:
    return {"resolution": resolution, "since": since, "until": until}


MINUTES = [piece("minute", HOUR, HOUR + 2 * MINUTE)]
CHOSEN: dict[str, Any] = {**ANY, "preferred": None, "versions": BOTH, "pieces": MINUTES}


def row(minute: int, version: str = "1", resolution: str = "minute", **values: Any) -> dict[str, Any]:
    keys = {
        "resolution": resolution,
        "bucket_start": HOUR + minute * MINUTE,
        "prompt": "p",
        "version": version,
    }
    return {**keys, "environment": "prod", "app": "a", "model": "m", **values}


def test_totals(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=2, errors=1, latency_n=2, latency_mean=10.0, cost_known=1, cost_nano_usd=10**30),
        row(
            1, requests=1, latency_n=1, latency_mean=40.0, environment="dev", model="a", first_event_time=HOUR
        ),
        row(1, feedback=3, thumbs_up=2, thumbs_down=1, first_event_time=HOUR),
        row(1, version="2", requests=5, input_tokens=7, input_tokens_known=4, variant="treatment"),
        row(2, requests=100),
        row(0, resolution="hour", requests=1000),
        row(0, resolution="day", requests=10_000),
    )
    both = run(connection, "totals", **CHOSEN, bucket_s=None)
    assert [(found["version"], found["requests"]) for found in both] == [("1", 3), ("2", 5)]
    first, second = both
    assert first["latency_ms_mean"] == 20.0
    assert (first["errors"], first["feedback"], first["thumbs_up"], first["thumbs_down"]) == (1, 3, 2, 1)
    assert (first["cost_known"], int(first["cost_nano_usd"])) == (1, 10**30)
    assert (first["environments"], first["models"]) == (["dev", "prod"], ["a", "m"])
    assert (first["variants"], second["variants"]) == ([], ["treatment"])
    assert (first["bucket"], first["first_event_time"], first["last_event_time"]) == (None, HOUR, None)
    assert (second["input_tokens_known"], second["input_tokens"], second["latency_ms_mean"]) == (4, 7, None)

    by_time = run(connection, "totals", **CHOSEN, bucket_s=60)
    assert [(found["bucket"], found["version"], found["requests"]) for found in by_time] == [
        (HOUR, "1", 2),
        (HOUR + MINUTE, "1", 1),
        (HOUR + MINUTE, "2", 5),
    ]
    in_fives = run(connection, "totals", **CHOSEN, bucket_s=300)
    assert [(found["bucket"], found["version"], found["requests"]) for found in in_fives] == [
        (HOUR, "1", 3),
        (HOUR, "2", 5),
    ]
    in_sixths = run(connection, "totals", **CHOSEN, bucket_s=21_600)
    assert {found["bucket"] for found in in_sixths} == {HOUR.replace(hour=6)}
    assert run(connection, "totals", **CHOSEN, bucket_s=60, seen="") == [
        {name: value for name, value in found.items() if name not in SHOWN} for found in by_time
    ]
    mixed = [piece("minute", HOUR + 2 * MINUTE, HOUR + 3 * MINUTE), piece("day", HOUR, HOUR + MINUTE)]
    (found,) = run(connection, "totals", **ANY, preferred=None, versions=BOTH, pieces=mixed, bucket_s=None)
    assert found["requests"] == 10_100


@pytest.mark.parametrize(
    ("name", "value", "requests"),
    [
        ("environment", "dev", 2),
        ("app", "b", 2),
        ("model", "n", 2),
        ("versions", BOTH[1:], 2),
        ("preferred", True, 2),
    ],
)
def test_totals_of_one_value(
    connection: duckdb.DuckDBPyConnection, name: str, value: object, requests: int
) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=1),
        row(0, "2", requests=2, environment="dev", app="b", model="n", variant="preferred"),
    )
    chosen = {**ANY, "preferred": None, "versions": BOTH, name: value}
    found = run(connection, "totals", **chosen, pieces=MINUTES, bucket_s=None)
    assert sum(each["requests"] for each in found) == requests


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("prompt", "p", ["1", "2"]),
        ("prompt", "q", ["3"]),
        ("prompt", "r", []),
        ("version", "2", ["2"]),
        ("environment", "dev", ["2"]),
        ("app", "b", ["2"]),
        ("from_prompt", "p", ["1", "2", "3"]),
        ("from_prompt", "q", ["3"]),
        ("enough", 1, ["1", "2"]),
        ("enough", 3, ["1", "2", "3"]),
    ],
)
def test_matching_versions(
    connection: duckdb.DuckDBPyConnection, name: str, value: str | int, found: list[str]
) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=1),
        row(1, requests=1),
        row(0, "2", requests=2, environment="dev", app="b"),
        {**row(0, "3"), "prompt": "q"},
        row(2, "4"),
        row(0, "5", resolution="hour"),
    )
    chosen = {**ANY, **ALL, "prompt": None, "version": None, "from_prompt": None, "enough": None, name: value}
    rows = run(connection, "matching_versions", **chosen, pieces=MINUTES)
    assert sorted(each["version"] for each in rows) == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("prompt", "p", ["1", "2"]),
        ("prompt", "q", ["3"]),
        ("among", ["q*"], ["3"]),
        ("version", "2", ["2"]),
        ("environment", "dev", ["2"]),
        ("app", "b", ["2"]),
        ("model", "n", []),
        ("enough", None, ["1", "2", "3"]),
    ],
)
def test_versions_of_days(
    connection: duckdb.DuckDBPyConnection, name: str, value: object, found: list[str]
) -> None:
    day = HOUR.replace(hour=0)
    insert(
        connection,
        "rollups",
        row(0, resolution="day", requests=1),
        row(1, resolution="day", requests=1),
        row(0, "2", resolution="day", environment="dev", app="b"),
        {**row(0, "3", resolution="day"), "prompt": "q"},
        {**row(0, "4", resolution="day"), "bucket_start": day + timedelta(days=1)},
        {**row(0, "5", resolution="day"), "bucket_start": day - timedelta(days=1)},
        row(0, "6", resolution="hour"),
    )
    period = {"since": day, "until": day + timedelta(days=1)}
    chosen = {**ANY, **ALL, **period, "prompt": None, "version": None, "enough": None, name: value}
    rows = run(connection, "versions_of_days", **chosen)
    assert sorted(each["version"] for each in rows) == found
    assert len(run(connection, "versions_of_days", **{**chosen, "enough": 1})) == min(1, len(found))


def test_timeseries_keys(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=1),
        row(0, "2", environment="dev", app="b"),
        row(1, "2"),
        row(4),
        row(5),
        row(0, "3"),
        row(0, resolution="hour"),
    )
    everything = {
        **ANY,
        "resolution": "minute",
        "since": HOUR,
        "until": HOUR + 5 * MINUTE,
        "bucket_s": 120,
        "versions": [{**BOTH[1], "place": 0}, {**BOTH[0], "place": 1}],
        "after_bucket": None,
        "after_place": None,
        "limit": 10,
    }

    def keys(**chosen: Any) -> list[tuple[int, str]]:
        rows = run(connection, "timeseries_keys", **{**everything, **chosen})
        return [((each["bucket"] - HOUR) // MINUTE, each["version"]) for each in rows]

    assert keys() == [(0, "2"), (0, "1"), (4, "1")]
    assert keys(limit=2) == [(0, "2"), (0, "1")]
    assert keys(after_bucket=HOUR, after_place=0) == [(0, "1"), (4, "1")]
    assert keys(after_bucket=HOUR, after_place=1) == [(4, "1")]
    assert keys(after_bucket=HOUR, after_place=-1, limit=1) == [(0, "2")]
    assert keys(environment="dev") == keys(app="b") == [(0, "2")]
    assert keys(since=HOUR + MINUTE, bucket_s=60) == [(1, "2"), (4, "1")]


@pytest.fixture
def histograms(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    insert(
        connection,
        "rollup_histograms",
        row(0, metric="latency_ms", buckets=[1, 5], counts=[2, 3]),
        row(1, metric="latency_ms", buckets=[5, -2147483648], counts=[4, 1]),
        row(1, metric="cost_nano_usd", buckets=[5], counts=[9]),
        row(1, version="2", metric="latency_ms", buckets=[], counts=[]),
        row(2, metric="latency_ms", buckets=[7], counts=[100]),
    )
    return connection


def test_histograms(histograms: duckdb.DuckDBPyConnection) -> None:
    found = run(histograms, "histograms", **CHOSEN, bucket_s=None, metrics=["latency_ms"])
    key = {"bucket": None, "prompt": "p", "version": "1", "metric": "latency_ms"}
    assert sorted(found, key=str) == [
        {**key, "buckets": [1, 5], "counts": [2, 3]},
        {**key, "buckets": [5, -2147483648], "counts": [4, 1]},
        {**key, "version": "2", "buckets": [], "counts": []},
    ]
    both = ["cost_nano_usd", "latency_ms"]
    by_time = run(histograms, "histograms", **CHOSEN, keys="version", bucket_s=60, metrics=both)
    assert sorted((each["bucket"], each["version"], *each["counts"]) for each in by_time) == [
        (HOUR, "1", 2, 3),
        (HOUR + MINUTE, "1", 4, 1),
        (HOUR + MINUTE, "1", 9),
        (HOUR + MINUTE, "2"),
    ]


def test_named_means(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollup_metrics",
        row(0, name="quality", n=1, mean=1.0, m2=0.0),
        row(1, name="quality", n=3, mean=0.0, m2=0.0),
        row(1, name="other", n=3, mean=9.0, m2=0.0),
        row(2, name="quality", n=3, mean=9.0, m2=0.0),
    )
    found = run(connection, "named_means", **CHOSEN, bucket_s=None, name="quality")
    assert found == [{"bucket": None, "prompt": "p", "version": "1", "mean": 0.25, "n": 4}]
    by_time = run(connection, "named_means", **CHOSEN, bucket_s=60, name="quality")
    assert [(each["bucket"], each["mean"]) for each in by_time] == [(HOUR, 1.0), (HOUR + MINUTE, 0.0)]


def test_facets(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, resolution="day", first_event_time=HOUR, last_event_time=HOUR),
        row(1, resolution="day", model="n", first_event_time=HOUR - MINUTE, last_event_time=HOUR),
        row(1, resolution="day", version="2"),
        row(1, version="3"),
    )
    nothing = dict.fromkeys(("prompt", "version", "environment", "app", "model"))
    times = {"first_event_time": HOUR - MINUTE, "last_event_time": HOUR}
    latest = [
        {**nothing, "prompt": "p", "version": "1", **times},
        {**nothing, "environment": "prod", **times},
        {**nothing, "app": "a", **times},
        {**nothing, "model": "m", "first_event_time": HOUR, "last_event_time": HOUR},
        {**nothing, **times},
    ]
    older = {**nothing, "prompt": "p", "version": "2", "first_event_time": None, "last_event_time": None}
    assert run(connection, "facets", **ALL, most=1) == latest
    other = {**nothing, "model": "n", **times}
    assert run(connection, "facets", **ALL, most=2) == [latest[0], older, *latest[1:4], other, latest[4]]


def test_segment_files(connection: duckdb.DuckDBPyConnection) -> None:
    segment = {
        "segment_id": "00000000-0000-0000-0000-000000000001",
        "min_id": "00000000-0000-0000-0000-000000000001",
        "max_id": "00000000-0000-0000-0000-000000000001",
        "event": "requests",
        "day": "2026-03-10",
        "rows": 3,
        "size_bytes": 9,
        "min_event_time": HOUR,
        "max_event_time": HOUR,
        "created_at": HOUR,
    }
    insert(
        connection,
        "segments",
        {**segment, "path": "b"},
        {**segment, "path": "a"},
        {**segment, "path": "c", "retired_at": HOUR},
        {**segment, "path": "d", "event": "scores"},
        {**segment, "path": "e"},
    )
    found = run(connection, "segment_files", event="requests", after="a", limit=2)
    assert [(row["path"], row["rows"], row["size_bytes"]) for row in found] == [("b", 3, 9), ("e", 3, 9)]


def test_ingest_counts(connection: duckdb.DuckDBPyConnection) -> None:
    ledger = {"ingest_id": 1, "stored": 1, "duplicates": 2, "dead_lettered": 3, "ahead_of_clock": 1}
    insert(
        connection,
        "batches",
        {**ledger, "event": "requests", "consumed": 6, "committed_at": HOUR},
        {**ledger, "event": "requests", "consumed": 6, "committed_at": HOUR + MINUTE},
        {**ledger, "event": "scores", "consumed": 6, "committed_at": HOUR},
    )
    sums = {"stored": 2, "duplicates": 4, "dead_lettered": 6, "ahead_of_clock": 2}
    assert run(connection, "ingest_counts") == [
        {"event": "requests", "consumed": 12, **sums, "last_commit_at": HOUR + MINUTE},
        {
            "event": "scores",
            "consumed": 6,
            **{name: value // 2 for name, value in sums.items()},
            "last_commit_at": HOUR,
        },
    ]


def test_store_rows(connection: duckdb.DuckDBPyConnection) -> None:
    hot = {"app": "a", "event_time": HOUR, "ingest_id": 1, "ingested_at": HOUR}
    some_id = "00000000-0000-0000-0000-000000000001"
    insert(connection, "feedback_hot", {**hot, "feedback_id": some_id, "request_id": some_id})
    segment = {"segment_id": some_id, "path": "x", "day": HOUR.date(), "min_id": some_id, "max_id": some_id}
    segment |= dict.fromkeys(("min_event_time", "max_event_time", "created_at"), HOUR)
    insert(
        connection,
        "segments",
        {**segment, "event": "feedback", "rows": 5, "size_bytes": 100},
        {**segment, "event": "feedback", "rows": 6, "size_bytes": 200},
        {**segment, "event": "requests", "rows": 7, "size_bytes": 300, "retired_at": HOUR},
    )
    assert run(connection, "store_rows") == [
        {"event": "feedback", "rows": 12, "files": 2, "size_bytes": 300},
        {"event": "requests", "rows": 0, "files": 0, "size_bytes": 0},
        {"event": "scores", "rows": 0, "files": 0, "size_bytes": 0},
    ]


def test_standing(connection: duckdb.DuckDBPyConnection) -> None:
    some_id = "00000000-0000-0000-0000-000000000001"
    pending = {"request_id": some_id, "event_time": HOUR, "ingest_id": 1}
    insert(connection, "pending_feedback", {**pending, "feedback_id": some_id, "has_correction": False})
    insert(connection, "pending_scores", *[{**pending, "score_id": some_id, "name": "q", "value": 1.0}] * 2)
    outcome = {"score_id": some_id, "event_time": HOUR, "app": "a", "name": "q", "value": 1.0, "unit_id": "u"}
    outcome |= {"ingest_id": 1, "ingested_at": HOUR}
    insert(connection, "late_outcomes", outcome, {**outcome, "request_id": some_id})
    letter = {"dead_letter_id": some_id, "failed_at": HOUR, "source_topic": "t", "source_partition": "0"}
    letter |= {"source_offset": 0, "event": "scores", "stage": "frame", "reason": "r", "payload": b""}
    insert(
        connection,
        "dead_letters",
        *(
            {**letter, "status": status, "ingest_id": 1}
            for status in ("open", "replayed", "open", "discarded")
        ),
    )
    (found,) = run(connection, "standing")
    assert (found["dead_letters_open"], found["unattributed_feedback"], found["unattributed_scores"]) == (
        2,
        1,
        3,
    )
    assert found["gaps_total"] == 0


def test_latest_gaps(connection: duckdb.DuckDBPyConnection) -> None:
    gap = {"topic": "t", "partition": "0", "available_offset": 9, "reason": "expired", "ingest_id": 1}
    insert(
        connection,
        "gaps",
        *({**gap, "expected_offset": number, "detected_at": HOUR + number * MINUTE} for number in range(4)),
    )
    found = run(connection, "latest_gaps", limit=2)
    assert [each["expected_offset"] for each in found] == [3, 2]


def test_deployment_marks(connection: duckdb.DuckDBPyConnection) -> None:
    known = {"ingest_id": 1, "ingested_at": HOUR, "action": "promote", "changed_by": "bob", "experiments": []}
    insert(
        connection,
        "deployments",
        *(
            {**known, "environment": environment, "prompt": prompt, "revision": revision, "event_time": at}
            for environment, prompt, revision, at in (
                ("prod", "p", 2, HOUR + 2 * MINUTE),
                ("prod", "p", 1, HOUR),
                ("prod", "q", 1, HOUR + MINUTE),
                ("dev", "p", 1, HOUR + 3 * MINUTE),
            )
        ),
    )
    everything = {**ALL, "prompt": None, "environment": None, "since": None, "until": None, "limit": 10}

    def marks(**chosen: Any) -> list[tuple[str, str, int]]:
        found = run(connection, "deployment_marks", **{**everything, **chosen})
        return [(each["environment"], each["prompt"], each["revision"]) for each in found]

    assert marks() == [("prod", "p", 1), ("prod", "q", 1), ("prod", "p", 2), ("dev", "p", 1)]
    assert marks(prompt="p", environment="prod") == [("prod", "p", 1), ("prod", "p", 2)]
    assert marks(since=HOUR + MINUTE, until=HOUR + 2 * MINUTE) == [("prod", "q", 1)]
    assert marks(limit=2) == [("prod", "p", 2), ("dev", "p", 1)]  # the latest


def test_unpriced(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=4, errors=1, input_tokens_known=3, cost_known=1),
        row(1, requests=2, input_tokens_known=2, cost_known=2, model="n"),
    )
    chosen = {**ANY, **ALL, "prompt": None, "version": None, "pieces": MINUTES}
    (found,) = run(connection, "unpriced", **chosen)
    assert (found["model"], found["requests"], found["without_usage"], found["without_price"]) == (
        "m",
        4,
        1,
        2,
    )
    assert run(connection, "unpriced", **{**chosen, "model": "n"}) == []


def said_and_asked(connection: duckdb.DuckDBPyConnection) -> None:
    """Three requests, each with feedback: a thumb down, a thumb down taken back, a correction."""
    for event in ("requests", "feedback"):
        connection.execute(f"CREATE VIEW {event} AS SELECT * FROM {event}_hot").fetchall()
    for number in range(3):
        insert(
            connection,
            "requests_hot",
            {
                **{"request_id": UUID(int=number), "event_time": HOUR, "prompt": "p", "version": "1"},
                **{"environment": "prod", "app": "a", "request_model": "m", "response_model": "n"},
                **{"unit_group": 0, "resolution": "live", "unit_id": "u", "latency_ms": 1.0, "ingest_id": 1},
                **{"output_tokens": 10 * number, "ingested_at": HOUR},
            },
        )
    said: list[tuple[int, int, dict[str, Any]]] = [
        (0, 1, {"thumbs": "down"}),
        (1, 2, {"thumbs": "down"}),
        (1, 3, {"thumbs": "up"}),
        (2, 4, {"correction": "x"}),
    ]
    for number, (about, minute, values) in enumerate(said):
        insert(
            connection,
            "feedback_hot",
            {
                **{"feedback_id": UUID(int=100 + number), "request_id": UUID(int=about), "app": "a"},
                **{"event_time": HOUR + minute * MINUTE, "ingest_id": 1, "ingested_at": HOUR, **values},
            },
        )


def test_feedback_ids(connection: duckdb.DuckDBPyConnection) -> None:
    said_and_asked(connection)
    nothing: dict[str, Any] = dict.fromkeys(("prompt", "version", "after_time", "after_id"))
    span = {"from": HOUR, "to": HOUR + 9 * MINUTE, "until": HOUR + 9 * MINUTE, "asked": HOUR, "limit": 10}
    nothing |= {"least_id": UUID(int=0), "greatest_id": UUID(int=2**128 - 1)}

    def found(negative: bool, **changes: Any) -> list[int]:
        chosen = {**ANY, **ALL, **nothing, **span, "negative": negative, **changes}
        return [
            UUID(str(each["feedback_id"])).int - 100 for each in run(connection, "feedback_ids", **chosen)
        ]

    assert (found(True), found(False)) == ([3, 0], [2, 1])
    assert found(True, after_time=HOUR + 4 * MINUTE, after_id=UUID(int=103)) == [0]
    assert found(False, to=HOUR + 3 * MINUTE) == [1]
    assert found(True, limit=1) == [3]
    assert found(True, greatest_id=UUID(int=0)) + found(True, least_id=UUID(int=99)) == [0]


def test_feedback_rows(connection: duckdb.DuckDBPyConnection) -> None:
    said_and_asked(connection)
    times = {"given_since": HOUR, "given_until": HOUR + 9 * MINUTE, "asked_since": HOUR, "asked_until": HOUR}
    ids = {"feedback_ids": [UUID(int=102)], "request_ids": [UUID(int=1)]}
    (found,) = run(connection, "feedback_rows", **times, **ids)
    assert (found["thumbs"], found["version"], found["model"]) == ("up", "1", "n")
    assert found["requested_at"] == HOUR


def test_length_place(connection: duckdb.DuckDBPyConnection) -> None:
    said_and_asked(connection)
    chosen = {"prompt": "p", "version": "1", "environment": "prod", "since": HOUR, "until": HOUR + MINUTE}
    (found,) = run(connection, "length_place", **chosen, value=20)
    assert found == {"n": 3, "smaller": 2, "equal": 1, "median": 10.0, "p95": 19.0}
    (nothing,) = run(connection, "length_place", **{**chosen, "version": "2"}, value=20)
    assert (nothing["n"], nothing["median"]) == (0, None)


def test_model_use(connection: duckdb.DuckDBPyConnection) -> None:
    def day(minute: int, requests: int, **values: Any) -> dict[str, Any]:
        at = HOUR + minute * MINUTE
        return row(
            minute, resolution="day", requests=requests, first_event_time=at, last_event_time=at, **values
        )

    insert(
        connection,
        "rollups",
        day(0, 9),
        day(5, 2),
        day(5, 1, prompt="q", version="7"),
        day(6, 1, prompt="q", environment="dev", model="new"),
        day(0, 9, model="gone"),
        row(6, requests=100, model="by minute"),
    )
    first, second = run(connection, "model_use", since=HOUR + MINUTE, most=1, limit=9, **ALL)
    assert (first["environment"], first["model"], first["requests"]) == ("prod", "m", 3)
    assert (first["prompts"], first["prompts_in_all"]) == (["p"], 2)
    assert (first["first_seen"], first["last_seen"]) == (HOUR, HOUR + 5 * MINUTE)
    assert (second["environment"], second["model"], second["first_seen"]) == ("dev", "new", HOUR + 6 * MINUTE)
    assert len(run(connection, "model_use", since=HOUR + MINUTE, most=1, limit=1, **ALL)) == 1


CALLS: dict[str, Any] = {**ANY, **ALL, "prompt": None, "version": None, "since": None, "until": None}


def raw_calls(connection: duckdb.DuckDBPyConnection) -> None:
    """Three calls: two of users of a tier, one of which has a model of its own."""
    different: list[dict[str, Any]] = [
        {"segments": [{"key": "tier", "value": "pro"}], "cost_nano_usd": 5, "response_model": "n"},
        {"segments": [{"key": "tier", "value": "pro"}], "error_type": "timeout", "variant": "preferred"},
        {"version": "2", "time_to_first_token_ms": 0.0, "metrics": [{"key": "quality", "value": 0.5}]},
    ]
    for number, values in enumerate(different):
        insert(
            connection,
            "requests_hot",
            {
                "request_id": UUID(int=number),
                "event_time": HOUR + number * MINUTE,
                "prompt": "p",
                "version": "1",
                "environment": "prod",
                "app": "a",
                "unit_id": "u",
                "unit_group": 0,
                "resolution": "fixed",
                "request_model": "m",
                "latency_ms": 10.0 * number,
                "ingest_id": 1,
                "ingested_at": HOUR,
                **values,
            },
        )
    for event in ("requests", "feedback", "scores"):
        connection.execute(f"CREATE VIEW {event} AS SELECT * FROM {event}_hot")


def test_chosen_calls(connection: duckdb.DuckDBPyConnection) -> None:
    raw_calls(connection)

    def chosen(only: dict[str, str] | None = None, **parameters: Any) -> list[tuple[Any, ...]]:
        text = chosen_calls("tier", only or {})
        found = connection.sql(text, params={**CALLS, **parameters}).to_arrow_table().to_pylist()
        return [(each["version"], each["model"], each["segment"], each["preferred"]) for each in found]

    every = [("1", "n", "pro", False), ("1", "m", "pro", True), ("2", "m", "", False)]
    assert chosen() == every
    assert chosen(model="n") == every[:1]
    assert chosen({"tier": "pro"}) == every[:2]
    assert chosen({"tier": "pro", "lang": "de"}) == []
    assert chosen({"tier": ""}) == every[2:]
    assert chosen(since=HOUR + MINUTE, until=HOUR + 2 * MINUTE) == every[1:2]
    assert chosen(version="2", prompt="p", environment="prod", app="a") == every[2:]


def test_totals_of_calls(connection: duckdb.DuckDBPyConnection) -> None:
    raw_calls(connection)
    said: dict[str, Any] = {"request_id": UUID(int=0), "app": "a", "ingest_id": 1, "ingested_at": HOUR}
    for number, (unit, thumbs) in enumerate([("u", "up"), ("u", "down"), ("v", "up")]):
        values = {"unit_id": unit, "thumbs": thumbs, "event_time": HOUR + number * MINUTE}
        insert(connection, "feedback_hot", {**said, "feedback_id": UUID(int=number), **values})
    pro, others = run(connection, "totals_of_calls", **CALLS, keys="segment")[::-1]
    assert (pro["segment"], pro["requests"], pro["errors"], others["requests"]) == ("pro", 2, 1, 1)
    assert (pro["cost_known"], pro["cost_nano_usd"], others["cost_known"]) == (1, 5, 0)
    assert (pro["latency_ms_mean"], pro["models"], pro["variants"]) == (5.0, ["m", "n"], ["preferred"])
    assert (pro["feedback"], pro["thumbs_up"], pro["thumbs_down"]) == (2, 1, 1)  # the last word of each unit
    assert (others["feedback"], others["first_event_time"]) == (0, HOUR + 2 * MINUTE)


def test_histograms_of_calls(connection: duckdb.DuckDBPyConnection) -> None:
    raw_calls(connection)
    found = run(
        connection,
        "histograms_of_calls",
        **CALLS,
        keys="version",
        log_gamma=LOG_GAMMA,
        zero_bucket=ZERO_BUCKET,
    )
    assert [(each["version"], each["metric"], each["histogram_bucket"], each["n"]) for each in found] == [
        ("1", "latency_ms", ZERO_BUCKET, 1),
        ("1", "latency_ms", int(bucket_of(np.array([10.0]))[0]), 1),
        ("2", "latency_ms", int(bucket_of(np.array([20.0]))[0]), 1),
        ("2", "time_to_first_token_ms", ZERO_BUCKET, 1),
    ]


def test_named_means_of_calls(connection: duckdb.DuckDBPyConnection) -> None:
    raw_calls(connection)
    scored = {"app": "z", "name": "quality", "source": "judge", "ingest_id": 1, "ingested_at": HOUR}
    for number, value in ((0, 0.25), (2, 1.0), (9, 7.0)):
        ids = {"score_id": UUID(int=number), "request_id": UUID(int=number), "event_time": HOUR}
        insert(connection, "scores_hot", {**scored, **ids, "value": value})
    found = run(connection, "named_means_of_calls", **CALLS, keys="app, version", name="quality")
    assert [(each["app"], each["version"], each["mean"], each["n"]) for each in found] == [
        ("a", "1", 0.25, 1),
        ("a", "2", 0.75, 2),
    ]


def test_calls_in_period(connection: duckdb.DuckDBPyConnection) -> None:
    raw_calls(connection)
    file = {"segment_id": UUID(int=1), "path": "x", "day": HOUR.date(), "size_bytes": 1, "created_at": HOUR}
    ends = {
        "min_id": UUID(int=1),
        "max_id": UUID(int=2),
        "min_event_time": HOUR,
        "max_event_time": HOUR + 10 * MINUTE,
    }
    insert(connection, "segments", {**file, **ends, "event": "requests", "rows": 100})
    insert(connection, "segments", {**file, **ends, "event": "scores", "rows": 100})
    insert(connection, "segments", {**file, **ends, "event": "requests", "rows": 100, "retired_at": HOUR})

    def calls(since: datetime, until: datetime) -> int:
        (found,) = run(connection, "calls_in_period", since=since, until=until)
        return int(found["calls"])

    assert calls(HOUR, HOUR + 20 * MINUTE) == 103
    assert calls(HOUR + 5 * MINUTE, HOUR + 20 * MINUTE) == 50
    assert calls(HOUR + 20 * MINUTE, HOUR + 30 * MINUTE) == 0


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in files(QUERIES).joinpath("sql").iterdir():
        assert f"def test_{entry.name.removesuffix('.sql')}(" in mine, entry.name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: ", "-- Units: "):
            assert heading in entry.read_text(encoding="utf-8"), (entry.name, heading)


COSTS: dict[str, Any] = {
    **ANY,
    **ALL,
    "prompt": None,
    "version": None,
    "bucket_s": None,
    "shown": None,
    "limit": 9,
}


def test_costs(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=2, cost_known=2, cost_nano_usd=40, cost_mean=20.0, cost_m2=50.0, input_tokens=9),
        row(1, requests=3, errors=1, cost_known=1, cost_nano_usd=50, cost_mean=50.0, cost_m2=0.0, model="n"),
        row(1, version="2", requests=1, input_tokens=7, input_tokens_known=1, cached_input_tokens=2),
        row(2, requests=100, cost_known=1, cost_nano_usd=10**9),
        row(0, resolution="hour", requests=1000),
    )
    chosen = {key: value for key, value in COSTS.items() if key not in ("bucket_s", "shown")}
    first, second = run(connection, "costs", **chosen, by="version", pieces=MINUTES)
    assert (first["prompt"], first["name"]) == ("p", "1")
    assert (first["requests"], first["errors"], first["priced_requests"]) == (5, 1, 3)
    assert (int(first["cost_nano_usd"]), first["models"]) == (90, ["m", "n"])
    # 15, 25 and 50 are 15, 5 and 20 away from their mean.
    assert first["cost_m2"] == pytest.approx(15.0**2 + 5.0**2 + 20.0**2)
    assert first["input_tokens_per_request"] is None
    assert (second["name"], second["cost_m2"], int(second["cost_nano_usd"])) == ("2", None, 0)
    assert (second["input_tokens_per_request"], second["cached_input_tokens_per_request"]) == (7.0, 2.0)
    assert {
        (each["groups"], each["all_requests"], int(each["all_cost_nano_usd"])) for each in (first, second)
    } == {(2, 6, 90)}
    (only,) = run(
        connection, "costs", **{**chosen, "model": "n", "limit": 1}, by="environment", pieces=MINUTES
    )
    assert (only["name"], only["requests"]) == ("prod", 3)


def test_costliest_models(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=2, cost_nano_usd=40),
        row(1, requests=1, cost_nano_usd=50, model="n"),
        row(1, requests=3, cost_nano_usd=50, model="o", environment="dev"),
        row(1, version="2", requests=1, cost_nano_usd=15),
        row(2, requests=100, cost_nano_usd=10**9, model="late"),
        row(0, resolution="hour", requests=1000, model="hour"),
    )
    chosen = {key: value for key, value in COSTS.items() if key not in ("bucket_s", "shown")}

    def models(**values: Any) -> list[str]:
        rows = run(connection, "costliest_models", **{**chosen, "pieces": MINUTES, **values})
        return [each["model"] for each in rows]

    by_cost = run(connection, "costs", **chosen, by="model", pieces=MINUTES)
    assert models() == [each["name"] for each in by_cost] == ["m", "o", "n"]
    assert models(limit=1) == ["m"]
    assert (models(environment="dev"), models(version="2"), models(among=["q*"])) == (["o"], ["m"], [])


def test_costs_over_time(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        row(0, requests=2, cost_known=2, cost_nano_usd=40),
        row(1, requests=3, cost_known=1, cost_nano_usd=50, model="n"),
        row(1, version="2", requests=1, environment="dev"),
        row(1, version="2", requests=1, cost_nano_usd=70, model="o"),
        row(2, requests=100, cost_nano_usd=10**9),
        row(0, resolution="hour", requests=1000),
    )
    asked = {key: value for key, value in COSTS.items() if key != "limit"} | {"pieces": MINUTES}

    def found(**chosen: Any) -> list[tuple[Any, ...]]:
        rows = run(connection, "costs_over_time", **{**asked, "bucket_s": 60, **chosen})
        names = ("name", "prompt", "others", "requests", "cost_nano_usd")
        return [((each["bucket"] - HOUR) // MINUTE, *(each[name] for name in names)) for each in rows]

    assert found(by="model", shown=[{"prompt": "", "name": "n"}]) == [
        (0, None, "", True, 2, 40),
        (1, "n", "", False, 3, 50),
        (1, None, "", True, 2, 70),
    ]
    one, two = ({"prompt": "p", "name": name} for name in "12")
    assert found(by="version", shown=[one, two], bucket_s=120) == [
        (0, "1", "p", False, 5, 90),
        (0, "2", "p", False, 2, 70),
    ]
    assert found(by="environment", shown=None, environment="dev") == [(1, "dev", "", False, 1, 0)]
    assert found(by="prompt", shown=None, among=["q*"]) == found(by="app", shown=None, version="3") == []


def test_costs_of_calls(connection: duckdb.DuckDBPyConnection) -> None:
    def call(minute: int, cost: int | None, unit: str, plan: str | None, **values: Any) -> dict[str, Any]:
        segments = [] if plan is None else [{"key": "plan", "value": plan}]
        return {
            "event_time": HOUR + minute * MINUTE,
            "cost_nano_usd": cost,
            "unit_id": unit,
            "segments": segments,
            **values,
        }

    connection.execute("CREATE TABLE requests AS FROM requests_hot").fetchall()  # without its constraints
    insert(
        connection,
        "requests",
        call(0, 30, "a", "pro", input_tokens=10, cached_input_tokens=4),
        call(1, 10, "a", None, error_type="TimeoutError"),
        call(1, None, "b", "pro", response_model="n"),
        call(9, 99, "c", "pro"),
    )
    chosen = {**COSTS, "since": HOUR, "until": HOUR + 2 * MINUTE}
    by_user = run(connection, "costs_of_calls", **chosen, by="user", segment=None)
    assert [(each["name"], each["requests"], each["errors"]) for each in by_user] == [
        ("a", 2, 1),
        ("b", 1, 0),
    ]
    first, second = by_user
    assert (int(first["cost_nano_usd"]), first["priced_requests"], first["cost_m2"]) == (40, 2, 200.0)
    assert (first["input_tokens_per_request"], first["cached_input_tokens_per_request"]) == (10.0, 4.0)
    assert (int(second["cost_nano_usd"]), second["priced_requests"], second["groups"]) == (0, 0, 2)
    assert (int(second["all_requests"]), int(second["all_cost_nano_usd"])) == (3, 40)
    by_plan = run(connection, "costs_of_calls", **chosen, by="segment", segment="plan")
    assert [(each["name"], each["requests"]) for each in by_plan] == [("pro", 2), (None, 1)]
    shown = [{"prompt": "", "name": None}]
    apart = {**chosen, "shown": shown, "bucket_s": 60}
    by_time = run(connection, "costs_of_calls", **apart, by="segment", segment="plan")
    assert [(each["bucket"], each["name"], each["others"], each["requests"]) for each in by_time] == [
        (HOUR, None, True, 1),
        (HOUR + MINUTE, None, False, 1),
        (HOUR + MINUTE, None, True, 1),
    ]
    (only,) = run(connection, "costs_of_calls", **{**chosen, "model": "n"}, by="user", segment=None)
    assert only["name"] == "b"


PATTERNS = ["support.*", "faq-?", "a*b*c", "x"]


@pytest.mark.parametrize(
    "name", ["support.a", "support.", "support", "faq-1", "faq-12", "abc", "ab", "x", "X", "xx"]
)
def test_patterns_of_prompts_mean_the_same_everywhere(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    insert(connection, "rollups", row(0, prompt=name, requests=1))
    chosen = {**ANY, "prompt": None, "version": None, "from_prompt": None, "enough": None, "pieces": MINUTES}
    for pattern in PATTERNS:
        found = run(connection, "matching_versions", **chosen, among=["no-other", pattern])
        assert bool(found) is fnmatchcase(name, pattern), pattern
    everything = run(connection, "matching_versions", **chosen, among=None)
    assert [each["prompt"] for each in everything] == [name]
    assert run(connection, "matching_versions", **chosen, among=[]) == []
