"""Each SQL file of drift, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from coalmine_consumers.sql import lent, statement
from tests.support.oracles.empty_tables import empty_tables, insert

DRIFT = "coalmine_consumers.drift"
KEY = {"prompt": "p", "version": "1", "environment": "prod"}
EARLY, LATE = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
KEYS = pa.Table.from_pylist([KEY])
SPAN = {"since": EARLY, "until": LATE, "through": 100}
IDS = {
    "least_id": "00000000-0000-7000-8000-000000000001",
    "greatest_id": "00000000-0000-7000-8000-000000000002",
}
EIGHT = int(datetime(2026, 3, 10, 8, tzinfo=UTC).timestamp()) // 3600


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row; raw events are only hot ones."""
    with empty_tables() as opened:
        for event in ("requests", "feedback"):
            opened.execute(f"CREATE VIEW {event} AS SELECT * FROM {event}_hot")
        opened.execute("CREATE VIEW scores AS SELECT *, name = 'outcome' AS is_outcome FROM scores_hot")
        yield opened


def run(connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = connection.sql(statement(file, DRIFT), params=parameters or None).to_arrow_table().to_pylist()
    return sorted(rows, key=str)


def run_spans(connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any) -> list[dict[str, Any]]:
    """Of one version all the time, and of one that there is not."""
    spans = [
        {"number": number, **KEY, "version": version, "since": EARLY, "until": LATE, **THRESHOLDS}
        for number, version in enumerate(("9", "1"))
    ]
    with lent(connection, spans=pa.Table.from_pylist(spans)):
        return run(connection, file, **SPAN, **parameters)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}+00:00")


def uuid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


def request(number: int, time: str = "10 08:30", **values: Any) -> dict[str, Any]:
    row = {
        "request_id": uuid(number),
        "event_time": at(time),
        "app": "a",
        **KEY,
        "unit_group": 3,
        "resolution": "live",
        "unit_id": f"u{number}",
        "request_model": "m",
        "latency_ms": 100.0,
        "ingest_id": 1,
        "ingested_at": at(time),
    }
    return {**row, **values}


def feedback(number: int, about: int, **values: Any) -> dict[str, Any]:
    times = dict.fromkeys(("event_time", "ingested_at"), at("10 12:00"))
    ids = {"feedback_id": uuid(number), "request_id": uuid(about), "ingest_id": 2}
    return {**ids, **times, "app": "a", **values}


def score(number: int, about: int, value: float, **values: Any) -> dict[str, Any]:
    times = dict.fromkeys(("event_time", "ingested_at"), at("10 12:00"))
    ids = {"score_id": uuid(number), "request_id": uuid(about), "ingest_id": 2}
    return {**ids, **times, "app": "a", "name": "quality", "value": value, "source": "judge", **values}


def test_touched_days(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, "10 08:30"),
        request(2, "11 08:30", ingest_id=6),
        request(3, "11 09:30", ingest_id=7),
        request(4, "12 08:30", ingest_id=8),
        request(5, "14 08:30", ingest_id=6, version="2"),
        request(6, "02 08:30", ingest_id=6),  # before what is summed up
    )
    with lent(connection, keys=KEYS):
        found = run(connection, "touched_days", after=5, through=7, since=at("05 00:00"), until=LATE)
    assert found == [{**KEY, "day": at("11 00:00")}]


def test_reacted_days(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, "10 08:30"),
        request(2, "11 08:30"),
        request(3, "12 08:30"),
        request(4, "12 08:31"),
        request(5, "14 08:30", version="2"),
        request(6, "02 08:30"),  # before what is summed up
    )
    ends = {"kept_from": at("05 00:00"), "until": LATE, "least_id": uuid(2), "greatest_id": uuid(6)}
    about = pa.table(
        {"request_id": pa.array([UUID(uuid(each)).bytes for each in (2, 3, 4, 5, 6)], pa.uuid())}
    )
    with lent(connection, keys=KEYS, new_reactions=about):
        found = run(connection, "reacted_days", **ends)
    assert found == [{**KEY, "day": day} for day in (at("11 00:00"), at("12 00:00"))]


def test_new_reactions(connection: duckdb.DuckDBPyConnection) -> None:
    insert(connection, "feedback_hot", feedback(1, 3, ingest_id=7), feedback(2, 1, ingest_id=5))
    insert(
        connection,
        "scores_hot",
        score(1, 4, 0.5, ingest_id=6),
        score(2, 1, 0.5, ingest_id=8),
        score(3, 5, 0.5, ingest_id=6, event_time=at("09 00:00"), name="outcome"),
        score(4, 6, 0.5, ingest_id=8, event_time=at("09 00:00"), name="outcome"),
    )

    def about(**reacted: Any) -> list[str]:
        connection.execute(
            statement("new_reactions", DRIFT), {"after": 5, "through": 7, **reacted}
        ).fetchall()
        rows = connection.sql("SELECT request_id::VARCHAR FROM new_reactions ORDER BY ALL").fetchall()
        connection.execute("DROP TABLE new_reactions").fetchall()
        return [each for (each,) in rows]

    moment = at("10 12:00")
    assert about(reacted_since=moment, reacted_until=moment) == [uuid(3), uuid(4), uuid(5)]
    assert about(reacted_since=None, reacted_until=None) == [uuid(5)]  # attributed by another batch


def test_new_spans(connection: duckdb.DuckDBPyConnection) -> None:
    def batch(ingest_id: int, first: str, last: str, **values: Any) -> dict[str, Any]:
        times = {"first_event_time": at(first), "last_event_time": at(last), "committed_at": at(last)}
        counts = dict.fromkeys(("consumed", "stored", "duplicates", "dead_lettered", "ahead_of_clock"), 1)
        return {"ingest_id": ingest_id, "event": "requests", **times, **counts, **values}

    (row,) = run(connection, "new_spans", after=5, through=7)
    assert set(row.values()) == {None}
    insert(
        connection,
        "batches",
        batch(5, "01 00:00", "02 00:00"),
        batch(6, "03 00:00", "04 00:00"),
        batch(9, "02 00:00", "05 00:00", first_ingest_id=7),  # folded
        batch(10, "01 00:00", "09 00:00"),
        batch(6, "07 00:00", "08 00:00", event="scores"),
        batch(7, "06 00:00", "07 00:00", event="feedback"),
        batch(8, "01 00:00", "09 00:00", event="feedback"),
        batch(7, "01 00:00", "09 00:00", event="deployments"),
    )
    (row,) = run(connection, "new_spans", after=5, through=7)
    assert list(row.values()) == [at("02 00:00"), at("05 00:00"), at("06 00:00"), at("08 00:00")]


THRESHOLDS = {"cost_cap": 50.0, "latency_cap": 150.0, "latency_tail": 120.0, "first_token_tail": 10.0}


def test_request_sums(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, cost_nano_usd=80, input_tokens=7, time_to_first_token_ms=11.0, unit_id="u"),
        request(2, cost_nano_usd=20, latency_ms=400.0, error_type="timeout", unit_id="u"),
        request(3, finish_reason="refusal", latency_ms=130.0),
        request(4, unit_group=5),
        request(5, "10 09:00"),
        request(6, version="2"),
        request(7, ingest_id=101),
    )
    first, other, later = run_spans(connection, "request_sums", refusals=["refusal"])
    assert first == {
        "number": 1,
        "hour": EIGHT,
        "unit_group": 3,
        "requests": 3,
        "units": 2,
        "errors": 1,
        "refusals": 1,
        "cost_n": 2,
        "cost": 70.0,
        "latency_n": 3,
        "latency": 380.0,
        "latency_over": 2,
        "first_token_n": 1,
        "first_token_over": 1,
        "input_tokens_n": 1,
        "input_tokens": 7.0,
        "output_tokens_n": 0,
        "output_tokens": None,
    }
    assert (other["unit_group"], other["requests"]) == (5, 1)
    assert later["hour"] == EIGHT + 1


def test_named_sums(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, metrics=[{"key": "quality", "value": 0.5}, {"key": "zeal", "value": 1.0}]),
        request(2, metrics=[]),
        request(3, version="2", metrics=[{"key": "quality", "value": 0.1}]),
    )
    insert(connection, "scores_hot", score(1, 2, 0.9), score(2, 3, 0.1), score(3, 2, 0.1, ingest_id=101))
    assert run_spans(connection, "named_sums", **IDS) == [
        {"number": 1, "hour": EIGHT, "unit_group": 3, "name": "quality", "n": 2, "total": pytest.approx(1.4)},
        {"number": 1, "hour": EIGHT, "unit_group": 3, "name": "zeal", "n": 1, "total": 1.0},
    ]


def test_feedback_sums(connection: duckdb.DuckDBPyConnection) -> None:
    insert(connection, "requests_hot", request(1), request(2), request(3, version="2"))
    insert(
        connection,
        "feedback_hot",
        feedback(1, 1, thumbs="up", correction="no"),
        feedback(2, 2, thumbs="down", rating=4.0),
        feedback(3, 3, thumbs="up"),
        feedback(4, 1, thumbs="up", ingest_id=101),
    )
    (row,) = run_spans(connection, "feedback_sums", **IDS)
    assert list(row.values()) == [1, EIGHT, 3, 2, 1, 2, 1, 1, 4.0]
    insert(connection, "feedback_hot", feedback(5, 2, thumbs="up"))  # a later word of the same unit
    (row,) = run_spans(connection, "feedback_sums", **IDS)
    assert list(row.values()) == [1, EIGHT, 3, 2, 1, 2, 2, 1, 4.0]


def test_model_sums(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, response_model="m-1"),
        request(2, "10 08:10", response_model="m-1"),
        request(3, response_model="m-2"),
        request(4),
    )
    found = run_spans(connection, "model_sums")
    assert [(row["response_model"], row["requests"], row["first_event_time"]) for row in found] == [
        ("m-1", 2, at("10 08:10")),
        ("m-2", 1, at("10 08:30")),
    ]
    assert found[0]["hour"] == at("10 08:00")


def test_thresholds(connection: duckdb.DuckDBPyConnection) -> None:
    insert(connection, "requests_hot", *(request(n, latency_ms=float(n), cost_nano_usd=7) for n in range(5)))
    span = {**KEY, "since": EARLY, "until": LATE}
    (row,) = run(connection, "thresholds", **span, cap=1.0, tail=0.5, least=5)
    assert list(row.values()) == [7.0, 4.0, 2.0, None]
    (row,) = run(connection, "thresholds", **span, cap=1.0, tail=0.5, least=6)
    assert set(row.values()) == {None}


def test_version_lives(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [request(day, f"{day} 09:10") for day in (10, 12, 13, 14)]
    insert(connection, "requests_hot", *rows, request(3, "11 08:00", version="2"))

    def life(days: int = 2, version: str = "1") -> list[Any]:
        keys = pa.Table.from_pylist([{**KEY, "version": version}, {**KEY, "version": "3"}])
        with lent(connection, keys=keys):
            (row,) = run(connection, "version_lives", days=days)
        return [row[name] for name in ("first_hour", "last_event_time", "old_enough")]

    # The day it began on is no whole one, and the day without a request does not count.
    assert life() == [at("10 09:00"), at("14 09:10"), at("14 00:00")]
    assert life(days=3) == [at("10 09:00"), at("14 09:10"), at("15 00:00")]
    assert life(days=4) == [at("10 09:00"), at("14 09:10"), None]
    assert life(version="2") == [at("11 08:00"), at("11 08:00"), None]


def test_requests_of_days(connection: duckdb.DuckDBPyConnection) -> None:
    def bucket(day: str, requests: int, **values: Any) -> dict[str, Any]:
        return {
            **KEY,
            "app": "a",
            "model": "m",
            "resolution": "day",
            "bucket_start": at(day),
            "requests": requests,
            **values,
        }

    insert(
        connection,
        "rollups",
        bucket("10 00:00", 5),
        bucket("11 00:00", 6, model="other"),
        bucket("11 00:00", 70, resolution="hour"),
        bucket("11 00:00", 700, version="2"),
        bucket("12 00:00", 7_000),
    )
    with lent(connection, keys=KEYS):
        assert run(connection, "requests_of_days", since=at("10 00:00"), until=at("12 00:00")) == [
            {"requests": 11}
        ]


def test_narrowed(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, "10 08:30"),
        request(2, "11 08:30"),
        request(3, "10 08:30", version="2"),
        request(4, "10 09:30", ingest_id=8),
    )
    with lent(connection, keys=KEYS):
        span = {"since": at("10 00:00"), "until": at("11 00:00"), "through": 7}
        connection.execute(statement("narrowed", DRIFT), span).fetchall()
    assert connection.sql("SELECT request_id::VARCHAR FROM narrowed").fetchall() == [(uuid(1),)]
    connection.execute("DROP TABLE temp.narrowed").fetchall()


def test_reference_end(connection: duckdb.DuckDBPyConnection) -> None:
    def hour(time: str, requests: float, **values: Any) -> dict[str, Any]:
        row = {**KEY, "metric": "requests", "hour": at(time), "groups": 1, "sum_x": 1.0, "residual_ss": 0.0}
        return {**row, "sum_y": requests, **values}

    insert(
        connection,
        "drift_hours",
        hour("10 08:00", 60.0),
        hour("11 08:00", 10.0),
        hour("11 09:00", 10.0),
        hour("13 08:00", 10.0),
        hour("15 08:00", 30.0),
        hour("16 08:00", 1.0),
        hour("10 08:00", 900.0, metric="errors"),
        hour("12 08:00", 900.0, version="2"),
    )

    def end(
        days: int,
        least: int,
        first: str = "10 08:00",
        complete: str = "30 00:00",
        ignored: Sequence[int] = (),
    ) -> object:
        parameters = {
            "first_hour": at(first),
            "complete": at(complete),
            "days": days,
            "least": least,
            "ignored": [date(2026, 3, day) for day in ignored],
        }
        (row,) = run(connection, "reference_end", **KEY, **parameters)
        return row["until"]

    assert end(2, 50) == at("14 00:00")
    assert end(2, 50, first="10 00:00") == at("12 00:00")  # the first day is a whole one, too
    assert end(2, 100) == at("16 00:00")  # goes on until there is enough
    assert end(2, 121) is None  # reached on the last day, which may not be over
    assert end(2, 122) is None
    assert end(2, 50, complete="13 23:00") is None
    assert end(2, 50, ignored=[13]) == at("16 00:00")  # a day that does not count
    assert end(2, 61, ignored=[10]) is None  # nor do its requests


def test_noted_days(connection: duckdb.DuckDBPyConnection) -> None:
    def act(day: int, ignored: bool, hour: int, reason: str, **values: Any) -> dict[str, Any]:
        row = {"prompt": "p", "environment": None, "day": date(2026, 3, day), "acted_by": "ada"}
        return {**row, "ignored": ignored, "acted_at": at(f"20 {hour:02}:00"), "reason": reason, **values}

    insert(
        connection,
        "drift_ignored_days",
        act(2, True, 8, "outage"),
        act(1, True, 8, "holiday"),
        act(2, False, 9, "it was none", environment="prod"),
        act(2, True, 10, "elsewhere", environment="dev"),
        act(2, True, 10, "another", prompt="q"),
        act(3, True, 7, "first"),
        act(3, False, 7, "then"),
    )
    keys = {"prompts": ["p", "p", "p"], "versions": ["1", "2", "1"], "environments": ["prod", "prod", "dev"]}
    rows = connection.sql(statement("noted_days", DRIFT), params=keys).to_arrow_table().to_pylist()
    found = {
        of: [(row["day"].day, row["ignored"], row["reason"]) for row in rows if row["of_environment"] == of]
        for of in ("prod", "dev")
    }
    assert found["prod"] == [(1, True, "holiday"), (2, False, "it was none"), (3, False, "then")]
    assert found["dev"] == [(1, True, "holiday"), (2, True, "elsewhere"), (3, False, "then")]


def test_answering_models(connection: duckdb.DuckDBPyConnection) -> None:
    def answered(time: str, model: str, requests: int, **values: Any) -> dict[str, Any]:
        row = {**KEY, "hour": at(time), "request_model": "m", "first_event_time": at(time)}
        return {**row, "response_model": model, "requests": requests, **values}

    insert(
        connection,
        "drift_models",
        answered("10 08:00", "m-1", 50),
        answered("12 08:00", "m-2", 25),
        answered("12 09:00", "m-1", 75),
        answered("01 09:00", "n-1", 1, request_model="n"),
        answered("10 08:00", "m-9", 9, version="2"),
    )
    first, second, other = run(
        connection, "answering_models", **{f"{name}s": [value] for name, value in KEY.items()}
    )
    assert (first["response_model"], first["requests"], first["share_lately"]) == ("m-1", 125, 0.75)
    assert (first["first_event_time"], first["last_hour"]) == (at("10 08:00"), at("12 09:00"))
    assert (second["response_model"], second["share_lately"]) == ("m-2", 0.25)
    assert (other["request_model"], other["share_lately"]) == ("n", 1.0)


def day(time: str, version: str, requests: int, **values: Any) -> dict[str, Any]:
    row = {"resolution": "day", "prompt": "p", "environment": "prod", "app": "a", "model": "m"}
    times = {"bucket_start": at(f"{time} 00:00"), "last_event_time": at(f"{time} 09:00")}
    return {**row, **times, "version": version, "requests": requests, **values}


def test_served_versions(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        day("01", "1", 900),
        day("12", "1", 10),
        day("11", "2", 20),
        day("12", "2", 20, model="n"),
        day("12", "3", 50, environment="staging"),
        day("12", "4", 50, prompt="q"),
        day("12", "2", 99, resolution="hour"),
        day("12", "5", 0),  # feedback alone
    )
    rows = connection.sql(statement("served_versions", DRIFT), params={"prompt": "p"})
    found = [tuple(row.values()) for row in rows.to_arrow_table().to_pylist()]
    assert found == [
        ("prod", "2", 40, 40, at("12 09:00")),
        ("prod", "1", 910, 10, at("12 09:00")),
        ("staging", "3", 50, 50, at("12 09:00")),
    ]


def test_most_served(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "rollups",
        day("01", "1", 900),
        day("12", "1", 10),
        day("11", "2", 20),
        day("12", "2", 99, resolution="hour"),
        day("12", "3", 50, environment="staging"),
        day("03", "4", 50, prompt="q"),
        day("12", "5", 0, prompt="r"),  # feedback alone
    )
    every = {"environment": None, "among": None, "after_prompt": "", "after_environment": "", "most": 9}

    def served(**asked: Any) -> list[tuple[str, ...]]:
        rows = connection.sql(statement("most_served", DRIFT), params={**every, **asked}).to_arrow_table()
        return [tuple(row.values()) for row in rows.to_pylist()]

    found = [("p", "2", "prod"), ("p", "3", "staging"), ("q", "4", "prod")]
    assert served() == found
    assert served(most=2) == found[:2]
    assert served(after_prompt="p", after_environment="prod") == found[1:]
    assert served(environment="prod") == [found[0], found[2]]
    assert served(among=["q*", "x"]) == found[2:]


def test_touched_versions(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "requests_hot",
        request(1, ingest_id=5),
        request(2, ingest_id=6),
        request(3, ingest_id=7),
        request(4, ingest_id=7, environment="staging"),
        request(5, ingest_id=8, version="2"),
    )
    found = run(connection, "touched_versions", after=5, through=7)
    assert [row["environment"] for row in found] == ["prod", "staging"]


def test_deployments_of(connection: duckdb.DuckDBPyConnection) -> None:
    def change(revision: int, time: str, **values: Any) -> dict[str, Any]:
        key = {"environment": "prod", "prompt": "p", "revision": revision, "version": "1", "action": "x"}
        times = dict.fromkeys(("event_time", "ingested_at"), at(time))
        return {**key, **times, "experiments": [], "changed_by": "y", "ingest_id": 1, **values}

    insert(
        connection,
        "deployments",
        change(2, "12 08:00"),
        change(1, "10 08:00"),
        change(3, "13 08:00", environment="staging"),
        change(4, "13 08:00", prompt="q"),
    )
    rows = run(
        connection,
        "deployments_of",
        prompts=["p", "p", "p"],
        versions=["8", "9", "9"],
        environments=["prod", "prod", "staging"],
        since=[at("11 00:00"), at("12 09:00"), at("11 00:00")],
    )
    assert [(row["of_version"], row["environment"], row["event_time"], row["action"]) for row in rows] == [
        ("8", "prod", at("12 08:00"), "x"),
        ("9", "staging", at("13 08:00"), "x"),
    ]


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in files(DRIFT).joinpath("sql").iterdir():
        assert f"def test_{entry.name.removesuffix('.sql')}(" in mine, entry.name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: ", "-- Units: "):
            assert heading in entry.read_text(encoding="utf-8"), (entry.name, heading)
