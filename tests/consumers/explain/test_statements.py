"""Each SQL file of explanations, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from coalmine_consumers.sql import statement

EXPLAIN = "coalmine_consumers.explain"
FREE, PAID = ("[{'key': 'tier', 'value': '" + tier + "'}]" for tier in ("free", "paid"))
LAID_OUT = f"""
CREATE TABLE explained_requests AS SELECT * FROM (VALUES
    (0, TIMESTAMPTZ '2026-03-10 08:30:00+00', '08', 3, 11, '1', 'shop', {FREE}, 'small', 10, 20, 1.5, true,
     'live', 100, 1.0, 0.5),
    (0, TIMESTAMPTZ '2026-03-10 08:40:00+00', '08', 3, 11, '1', 'shop', {FREE}, 'small', 10, 20, 1.5, true,
     'live', 50, 2.0, 1.0),
    (1, TIMESTAMPTZ '2026-03-10 09:30:00+00', '09', 4, 12, '2', 'shop', {PAID}, 'large', 30, 40, 2.5, false,
     'disk', 200, 1.0, 0.25),
    (1, TIMESTAMPTZ '2026-03-10 09:40:00+00', '09', 4, 12, '2', 'shop', NULL, 'large', NULL, 40, 2.5, false,
     'live', 300, 1.0, 0.75),
    (1, TIMESTAMPTZ '2026-03-10 09:50:00+00', '09', 4, 12, '2', 'shop', {PAID}, 'large', 30, 40, 2.5, false,
     'live', 10, 0.0, 0.0)
) AS rows (side, event_time, time, unit_group, unit, version, app, segments, model, input_tokens,
           output_tokens, latency_ms, streamed, resolution, bucket, x, y)
"""

ASKED = "CREATE TABLE asked AS SELECT * FROM (VALUES ('s'), ('r')) AS rows (request_id)"
"""The requests in question: what is said of those before and after them is not read."""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Some requests laid out; the last has no value of the metric."""
    with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": False}) as opened:
        opened.execute(LAID_OUT)
        yield opened


def run(
    connection: duckdb.DuckDBPyConnection, file: str, places: dict[str, str] | None = None, **parameters: Any
) -> list[tuple[Any, ...]]:
    query = statement(file, EXPLAIN)
    if places is not None:
        query = query.format(**places)
    rows = connection.sql(query, params=parameters or None).to_arrow_table()
    return [tuple(row.values()) for row in rows.to_pylist()]


def test_dimension_sums(connection: duckdb.DuckDBPyConnection) -> None:
    assert run(connection, "dimension_sums") == [
        (0, "1", "small", "shop", "08", 3, 2, 3.0, 1.5),
        (1, "2", "large", "shop", "09", 4, 2, 2.0, 1.0),
    ]


def test_segment_keys(connection: duckdb.DuckDBPyConnection) -> None:
    assert run(connection, "segment_keys") == [("tier", 2, 3)]


def test_segment_values(connection: duckdb.DuckDBPyConnection) -> None:
    assert run(connection, "segment_values", keys=["tier", "other"]) == [
        ("tier", "free", 2, 3.0, 0.0),
        ("tier", "paid", 1, 0.0, 1.0),
    ]
    assert run(connection, "segment_values", keys=["other"]) == []


def test_segment_sums(connection: duckdb.DuckDBPyConnection) -> None:
    assert run(connection, "segment_sums", wanted=["tier\x1fpaid", "tier"]) == [
        ("tier", "paid", 1, 4, 1, 1.0, 0.25)
    ]


def test_unsegmented_sums(connection: duckdb.DuckDBPyConnection) -> None:
    assert run(connection, "unsegmented_sums", key="tier") == [(1, 4, 1, 1.0, 0.75)]
    assert len(run(connection, "unsegmented_sums", key="language")) == 2


def test_mix_cells(connection: duckdb.DuckDBPyConnection) -> None:
    places = {"version": "version", "model": "''", "mix": "$mix"}
    assert run(connection, "mix_cells", places, mix="all") == [
        (0, "1", "", "all", 3, 3.0, 1.5),
        (1, "2", "", "all", 4, 2.0, 1.0),
    ]


def test_mix_counts(connection: duckdb.DuckDBPyConnection) -> None:
    places = {"version": "''", "mix": "$mix || coalesce(segments[1].value, '')"}
    ((different, effective, cells),) = run(connection, "mix_counts", places, mix="m", below=2**32)
    assert (different, effective, cells) == (3, 25 / 11, 25 / 11)  # shares 3/5, 1/5 and 1/5
    ((different, effective, cells),) = run(
        connection, "mix_counts", {"version": "''", "mix": "''"}, below=210
    )
    assert (different, effective, cells) == (1, 1.0, 16 / 10)  # models: 3/4 and 1/4


def test_sampled_requests(connection: duckdb.DuckDBPyConnection) -> None:
    rows = run(connection, "sampled_requests", {"segments": ", segments[1].value AS segment_0"}, below=250)
    assert rows == [
        (0, 11, "1", "small", "shop", "live", True, 10, 20, 1.5, 8, 0.5, 2.0, "free"),
        (0, 11, "1", "small", "shop", "live", True, 10, 20, 1.5, 8, 0.5, 1.0, "free"),
        (1, 12, "2", "large", "shop", "disk", False, 30, 40, 2.5, 9, 0.25, 1.0, "paid"),
    ]


def test_score_reactions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE scores AS SELECT * FROM (VALUES "
        "('r', 'quality', 0.5), ('r', 'quality', 0.25), ('s', 'quality', 1.0), ('r', 'tone', 9.0), "
        "('a', 'quality', 9.0), ('t', 'quality', 9.0)"
        ") AS rows (request_id, name, value)"
    )
    connection.execute(ASKED)
    assert sorted(run(connection, "score_reactions", name="quality")) == [("r", 2, 0.75), ("s", 1, 1.0)]


def test_feedback_reactions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE feedback AS SELECT * FROM (VALUES "
        "('r', 'a', 1, 1, 'up', NULL, NULL), ('r', 'b', 2, 1, 'down', 'no', 4.0), "
        "('r', 'c', 3, 1, NULL, NULL, 2.0), "
        "('s', NULL, 4, 1, NULL, 'no', NULL), ('r', 'a', 5, 2, 'down', NULL, NULL), "
        "('r', 'a', 6, 3, 'up', NULL, NULL), ('a', 'a', 7, 1, 'up', NULL, NULL), "
        "('t', 'a', 8, 1, 'up', NULL, NULL)"
        ") AS rows (request_id, unit_id, feedback_id, event_time, thumbs, correction, rating)"
    )
    connection.execute(ASKED)
    assert sorted(run(connection, "feedback_reactions")) == [
        ("r", 3, 1, 2, 1, 2, 6.0),
        ("s", 1, 1, 0, 0, 0, 0.0),
    ]


def test_explained_requests(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE requests AS SELECT *, [] AS segments, 'm' AS request_model, NULL AS response_model, "
        "'shop' AS app, NULL AS variant, 'e' AS experiment, 1 AS input_tokens, 1 AS output_tokens, "
        "1.0 AS latency_ms, NULL AS time_to_first_token_ms, 'live' AS resolution, 3 AS unit_group "
        "FROM (VALUES "
        "('r', 'p', 'prod', '1', 'u', TIMESTAMPTZ '2026-03-10 08:00:00+00'), "
        "('s', 'p', 'prod', '2', 'u', TIMESTAMPTZ '2026-03-10 09:00:00+00'), "
        "('t', 'p', 'test', '2', 'u', TIMESTAMPTZ '2026-03-10 09:00:00+00'), "
        "('u', 'q', 'prod', '2', 'u', TIMESTAMPTZ '2026-03-10 09:00:00+00'), "
        "('v', 'p', 'prod', '2', 'u', TIMESTAMPTZ '2026-03-10 10:00:00+00')"
        ") AS rows (request_id, prompt, environment, version, unit_id, event_time)"
    )
    places = {
        "x": "1",
        "y": "coalesce(reaction.value, 7)",
        "reactions": "SELECT 's' AS request_id, 5 AS value",
    }
    times = {"a_since": "2026-03-10 08:00:00+00", "a_until": "2026-03-10 09:00:00+00"}
    times |= {"b_since": "2026-03-10 09:00:00+00", "b_until": "2026-03-10 10:00:00+00"}
    anyone = dict.fromkeys(("environment", "a_version", "b_version"))
    query = statement("explained_requests", EXPLAIN).format(**places)

    def sides(**more: Any) -> list[tuple[Any, ...]]:
        casts = {name: f"${name}::TIMESTAMPTZ" for name in times}
        timed = query
        for name, cast in casts.items():
            timed = timed.replace(f"${name}", cast)
        found = connection.sql(
            f"SELECT side, y, experiment FROM ({timed}) ORDER BY ALL",
            params={"prompt": "p", **anyone, **times, **more},
        )
        return found.fetchall()

    assert sides() == [(0, 7.0, None), (1, 5.0, None), (1, 7.0, None)]
    assert sides(environment="prod") == [(0, 7.0, None), (1, 5.0, None)]
    nowhere = dict.fromkeys(times)
    by_version = sides(environment="prod", a_version="1", b_version="2", **nowhere)
    assert by_version == [(0, 7.0, None), (1, 5.0, None), (1, 7.0, None)]


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in files(EXPLAIN).joinpath("sql").iterdir():
        assert f"def test_{entry.name.removesuffix('.sql')}(" in mine, entry.name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: ", "-- Units: "):
            assert heading in entry.read_text(encoding="utf-8"), (entry.name, heading)
