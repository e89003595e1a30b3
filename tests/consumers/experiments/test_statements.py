"""Each SQL file of the experiments, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from coalmine_consumers.sql import statement
from tests.support.oracles.empty_tables import empty_tables, insert

EXPERIMENTS = "coalmine_consumers.experiments"
NINE, LATE = "2026-03-10 09:00:00+00", "2026-03-11 09:00:00+00"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row."""
    with empty_tables() as opened:
        yield opened


def run(connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any) -> list[tuple[Any, ...]]:
    rows = connection.sql(statement(file, EXPERIMENTS), params=parameters or None).to_arrow_table()
    return sorted((tuple(row.values()) for row in rows.to_pylist()), key=str)


def cell(experiment: str, epoch: int | None, arm: str | None, **values: Any) -> dict[str, Any]:
    key = {"experiment": experiment, "allocation_epoch": epoch, "variant": arm}
    return {**key, "metric": "requests", "unit_group": 3, "n": 2, "sum_x": 2.0, "sum_y": 2.0, **values}


def unit(arm: str | None, unit_id: str, group: int = 3, **values: Any) -> dict[str, Any]:
    key = {"experiment": "e", "allocation_epoch": 1, "variant": arm, "unit_group": group}
    return {**key, "unit_id": unit_id, "requests": 1, **values}


def test_experiments(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "experiment_cells",
        cell("e", 2, "b"),
        cell("e", 1, "a"),
        cell("e", 1, "a", metric="quality", n=100),
        cell("f", None, None),
    )
    assert run(connection, "experiments") == [("e", 4, [1, 2], ["a", "b"]), ("f", 2, [0], None)]


def test_cell_sums(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "experiment_cells",
        cell("e", 1, "a", sum_y=1.5),
        cell("e", 1, "a", n=0, sum_x=0.0, sum_y=2.0),
        cell("e", None, "a"),
        cell("e", 1, None),
        cell("f", 1, "a"),
        cell("e", 1, "a", metric="feedback", matures_at=NINE),
        cell("e", 1, "a", metric="feedback", matures_at=LATE),
    )
    assert run(connection, "cell_sums", experiment="e", at=NINE) == [
        ("feedback", 1, "a", 3, 2.0, 2.0),
        ("requests", 0, "a", 3, 2.0, 2.0),
        ("requests", 1, "a", 3, 0.0, 2.0),
        ("requests", 1, "a", 3, 2.0, 1.5),
    ]


def test_segment_cell_sums(connection: duckdb.DuckDBPyConnection) -> None:
    def of(key: str, value: str, *arguments: Any, **values: Any) -> dict[str, Any]:
        return {**cell(*arguments, **values), "segment_key": key, "segment_value": value}

    keys = [{"segment_key": each, "since_ingest_id": 0} for each in ("plan", "language")]
    insert(connection, "segment_keys", *keys, {**keys[0], "segment_key": "gone", "until_ingest_id": 3})
    insert(
        connection,
        "experiment_segment_cells",
        of("plan", "pro", "e", 1, "a", sum_y=1.5),
        of("plan", "pro", "e", 1, "a", n=0, sum_x=0.0, sum_y=2.0),
        of("plan", "free", "e", None, "a"),
        of("language", "pro", "e", 1, "a"),
        of("gone", "x", "e", 1, "a"),
        of("plan", "pro", "e", 1, None),
        of("plan", "pro", "f", 1, "a"),
        of("plan", "pro", "e", 1, "a", metric="errors"),
        of("plan", "pro", "e", 1, "a", matures_at=LATE),
    )
    asked: dict[str, Any] = {"experiment": "e", "at": NINE, "metrics": ["requests"]}
    expected = [
        ("language", "pro", "requests", 1, "a", 3, 2.0, 2.0),
        ("plan", "free", "requests", 0, "a", 3, 2.0, 2.0),
        ("plan", "pro", "requests", 1, "a", 3, 0.0, 2.0),
        ("plan", "pro", "requests", 1, "a", 3, 2.0, 1.5),
    ]
    assert run(connection, "segment_cell_sums", **asked, keys=[]) == expected
    assert run(connection, "segment_cell_sums", **asked, keys=["language", "gone"]) == expected[:1]


def seen(first: str, last: str | None = None) -> dict[str, Any]:
    return {"first_event_time": first, "last_event_time": last or first}


def test_unit_counts(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "experiment_units",
        unit("a", "x", **seen(NINE)),
        unit("a", "x", **seen("2026-03-10 10:00:00+00")),  # of another batch
        unit("a", "y", **seen(NINE, "2026-03-10 09:59:59+00")),
        unit("a", "late", **seen(LATE, "2026-03-12 09:00:00+00")),
        unit("b", "x", **seen(LATE)),
        unit("a", "z", 4),  # stored before times were
        unit("a", "x", allocation_epoch=None),
        unit(None, "x"),
        unit("a", "w", experiment="f"),
    )
    found = run(connection, "unit_counts", experiment="e", aged_before=NINE, apart_s=3600.0)
    assert found == [
        (0, "a", 3, 1, 1, 1.0, 0, "x", 1),
        (1, "a", 3, 3, 2, 3.0, 1, "x", 2),
        (1, "a", 4, 1, 1, 1.0, 0, "z", 1),
        (1, "b", 3, 1, 0, 0.0, 0, "x", 1),
    ]


def test_first_exposures(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "experiment_units",
        unit("b", "moved", allocation_epoch=1, **seen(LATE)),
        unit("a", "moved", allocation_epoch=2, **seen(NINE)),
        unit("b", "tied", allocation_epoch=1, **seen(NINE)),
        unit("a", "tied", allocation_epoch=2, **seen(NINE)),
        unit("b", "old", allocation_epoch=2),  # stored before times were
        unit("a", "old", allocation_epoch=1, **seen(NINE)),
        unit(None, "no arm", allocation_epoch=1, **seen(NINE)),
        unit("a", "other", experiment="f", **seen(NINE)),
    )
    places = {"epochs": [1, 1, 2, 2], "arms": ["a", "b", "a", "b"]}

    def found(exposed_before: str) -> list[tuple[Any, ...]]:
        return run(connection, "first_exposures", experiment="e", exposed_before=exposed_before, **places)

    assert found(LATE) == [(1, 3, 1, 1), (2, 3, 1, 1), (3, 3, 1, 1)]
    assert found("2026-03-10 08:59:59.999999+00") == [(1, 3, 1, 0), (2, 3, 1, 0), (3, 3, 1, 1)]


def test_allocations(connection: duckdb.DuckDBPyConnection) -> None:
    def change(epoch: int | None, revision: int, weight: float, name: str = "e", arms: int = 1) -> Any:
        arm = {"variant": "a", "version": "1", "weight": weight}
        running = {"name": name, "rule": None, "allocation_epoch": epoch, "arms": [arm] * arms}
        other = {**running, "name": "of-default", "allocation_epoch": 9}
        key = {"environment": "prod", "prompt": "p", "revision": revision, "experiments": [other, running]}
        times = dict.fromkeys(("event_time", "ingested_at"), f"2026-03-10 08:00:{revision:02d}+00")
        return {**key, **times, "action": "x", "changed_by": "y", "ingest_id": 1}

    insert(
        connection,
        "deployments",
        change(1, 1, 0.25),
        change(2, 2, 0.5),
        change(2, 3, 0.75),  # the same epoch once more
        change(None, 4, 1.0),
        change(3, 5, 1.0, arms=0),  # over
        change(1, 6, 1.0, "f"),
    )
    rows = run(connection, "allocations", experiment="e")
    assert [(epoch, [arm["weight"] for arm in arms]) for epoch, arms in rows] == [
        (0, [1.0]),
        (1, [0.25]),
        (2, [0.75]),
    ]


FREE, PAID = ("[{'key': 'tier', 'value': '" + tier + "'}]" for tier in ("free", "paid"))
REQUESTS = (
    "(SELECT * FROM (VALUES "
    f"('1', 'u', TIMESTAMPTZ '2026-03-10 08:30:00+00', 'e', 'a', {FREE}, 10, 15, 1.0, NULL), "
    f"('1', 'u', TIMESTAMPTZ '2026-03-10 08:40:00+00', 'e', NULL, {PAID}, 20, 20, 2.0, 5.0), "
    "('2', 'v', TIMESTAMPTZ '2026-03-10 09:10:00+00', NULL, NULL, [], 30, 45, 3.0, NULL)) AS rows "
    "(version, unit_id, event_time, experiment, variant, segments, cost_nano_usd, cost_uncached_nano_usd, "
    "latency_ms, time_to_first_token_ms))"
)


def run_on(connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any) -> list[dict[str, Any]]:
    query = statement(file, EXPERIMENTS).format(requests=REQUESTS)
    rows: list[dict[str, Any]] = connection.sql(query, params=parameters or None).to_arrow_table().to_pylist()
    return rows


def test_version_segments(connection: duckdb.DuckDBPyConnection) -> None:
    assert run_on(connection, "version_segments") == [{"key": "tier", "different": 2, "requests": 2}]


def test_version_spans(connection: duckdb.DuckDBPyConnection) -> None:
    one, two = sorted(run_on(connection, "version_spans"), key=lambda row: str(row["version"]))
    assert (one["requests"], one["units"], one["experiments"]) == (2, 1, ["e"])
    assert one["last_event_time"].minute == 40
    assert two["hours"] == [one["hours"][0] + 1]
    assert two["experiments"] is None


def test_version_quantiles(connection: duckdb.DuckDBPyConnection) -> None:
    (row,) = run_on(connection, "version_quantiles", cap=1.0, tail=0.5)
    assert list(row.values()) == [30, 45, 3.0, 2.0, 5.0]


def traffic(unit_id: str, at: str, window: int = 0) -> dict[str, Any]:
    return {"unit_id": unit_id, "event_time": at, "experiment": str(window)}


def create_traffic(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TEMP TABLE traffic (unit_id VARCHAR, event_time TIMESTAMPTZ, experiment VARCHAR)"
    )


def run_over(connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any) -> list[tuple[Any, ...]]:
    query = statement(file, EXPERIMENTS).format(requests="traffic")
    return [
        tuple(row.values())
        for row in connection.sql(query, params=parameters or None).to_arrow_table().to_pylist()
    ]


def test_traffic_span(connection: duckdb.DuckDBPyConnection) -> None:
    create_traffic(connection)
    assert run_over(connection, "traffic_span") == []
    insert(connection, "traffic", traffic("a", NINE), traffic("b", LATE), traffic("a", LATE))
    ((first, last, requests),) = run_over(connection, "traffic_span")
    assert (last - first, requests) == (timedelta(days=1), 3)


def test_request_groups(connection: duckdb.DuckDBPyConnection) -> None:
    create_traffic(connection)
    insert(
        connection,
        "traffic",
        traffic("a", NINE, 1),
        traffic("a", LATE),
        traffic("a", NINE),
        traffic("b", NINE),
    )
    query = statement("request_groups", EXPERIMENTS).format(requests="traffic", group="experiment")
    most, other = connection.sql(query).to_arrow_table().to_pylist()
    assert (most["name"], most["requests"], most["units"]) == ("0", 3, 2)
    assert most["last_event_time"] - most["first_event_time"] == timedelta(days=1)
    assert (other["name"], other["requests"], other["units"]) == ("1", 1, 1)


def test_units_by_length(connection: duckdb.DuckDBPyConnection) -> None:
    windows = {"a": (0, 1, 2, 4), "b": (0, 0, 3), "c": (2,), "d": (4,)}
    rows = [traffic(unit, NINE, window) for unit, found in windows.items() for window in found]
    create_traffic(connection)
    insert(connection, "traffic", *rows)
    # Windows 0 and 1 have a and b; 2 and 3 a, c and b; of five windows the last is no whole pair.
    assert run_over(connection, "units_by_length", windows=5, lengths=[1, 2, 5]) == [
        (1, 8 / 5),
        (2, 5 / 2),
        (5, 4.0),
    ]


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in files(EXPERIMENTS).joinpath("sql").iterdir():
        assert f"def test_{entry.name.removesuffix('.sql')}(" in mine, entry.name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: ", "-- Units: "):
            assert heading in entry.read_text(encoding="utf-8"), (entry.name, heading)


def test_units_since(connection: duckdb.DuckDBPyConnection) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    insert(
        connection,
        "experiment_units",
        {**unit("a", "stays away"), "last_event_time": noon - timedelta(seconds=1)},
        {**unit("a", "comes back"), "last_event_time": noon - timedelta(hours=1)},
        {**unit("a", "comes back"), "last_event_time": noon},
        {**unit("a", "comes late"), "last_event_time": noon + timedelta(hours=1)},
        {**unit("b", "elsewhere", 7), "last_event_time": noon},
        {**unit(None, "no arm"), "last_event_time": noon},
    )
    assert run(connection, "units_since", experiment="e", since=noon) == [(1, "a", 3, 2), (1, "b", 7, 1)]
    assert run(connection, "units_since", experiment="f", since=noon) == []


def test_different_units(connection: duckdb.DuckDBPyConnection) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    insert(
        connection,
        "experiment_units",
        {**unit("a", "stays"), "allocation_epoch": 1, "last_event_time": noon - timedelta(hours=1)},
        {**unit("a", "stays"), "allocation_epoch": 2, "last_event_time": noon},
        {**unit("b", "was once"), "allocation_epoch": 1, "last_event_time": noon - timedelta(hours=1)},
        {**unit("b", "names no epoch"), "allocation_epoch": None, "last_event_time": noon},
        {**unit(None, "no arm"), "last_event_time": noon},
    )

    def counted(epochs: list[int], since: datetime | None = None) -> list[tuple[Any, ...]]:
        return sorted(run(connection, "different_units", experiment="e", epochs=epochs, since=since))

    assert counted([0, 1, 2]) == [("a", 1), ("b", 2)]
    assert counted([1]) == [("a", 1), ("b", 1)]
    assert counted([0, 1, 2], noon) == [("a", 1), ("b", 1)]
