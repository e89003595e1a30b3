"""Each SQL file of the experiments, with given rows and expected rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
from coalmine_consumers.store.migrate import migrate, published_migrations
from coalmine_consumers.store.statements import quote_identifier, statement

EXPERIMENTS = "coalmine_consumers.experiments"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row."""
    with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": False}) as opened:
        migrate(opened, published_migrations())
        yield opened


def insert(connection: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        names = ", ".join(map(quote_identifier, row))
        places = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values())).fetchall()


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
    )
    assert run(connection, "cell_sums", experiment="e") == [
        ("requests", 0, "a", 3, 2.0, 2.0),
        ("requests", 1, "a", 3, 2.0, 3.5),
    ]


def test_unit_counts(connection: duckdb.DuckDBPyConnection) -> None:
    insert(
        connection,
        "experiment_units",
        unit("a", "x"),
        unit("a", "x"),  # of another batch
        unit("a", "y"),
        unit("b", "x"),
        unit("a", "z", 4),
        unit("a", "x", allocation_epoch=None),
        unit(None, "x"),
        unit("a", "w", experiment="f"),
    )
    assert run(connection, "unit_counts", experiment="e") == [
        (0, "a", 3, 1),
        (1, "a", 3, 2),
        (1, "a", 4, 1),
        (1, "b", 3, 1),
    ]


def test_every_statement_has_a_test_and_says_what_it_is_for() -> None:
    mine = Path(__file__).read_text(encoding="utf-8")
    for entry in files(EXPERIMENTS).joinpath("sql").iterdir():
        assert f"def test_{entry.name.removesuffix('.sql')}(" in mine, entry.name
        for heading in ("-- Purpose: ", "-- Grain: ", "-- Parameters: ", "-- Units: "):
            assert heading in entry.read_text(encoding="utf-8"), (entry.name, heading)
