"""Statements, their rows, and Arrow tables that become rows."""

import subprocess
import sys

import duckdb
import pyarrow as pa

from coalmine_consumers.sql import append_rows, fetch_rows, fetch_table, replace_rows


def test_rows_are_appended_by_the_names_of_their_columns_and_replaced_by_their_keys() -> None:
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE "a table" (key VARCHAR, value INTEGER DEFAULT 7)')
        append_rows(connection, "a table", pa.table({"value": [1, 2], "key": ["a", "b"]}))
        append_rows(connection, "a table", pa.table({"key": ["c"]}))
        replace_rows(connection, "a table", ["key"], pa.table({"key": ["b", "d"], "value": [3, 4]}))
        found = fetch_rows(connection, 'FROM "a table" WHERE value > $least ORDER BY key', {"least": 1})
        assert [(row["key"], row["value"]) for row in found] == [("b", 3), ("c", 7), ("d", 4)]


def test_a_table_larger_than_the_memory_of_duckdb_is_fetched_whole() -> None:
    with duckdb.connect(config={"memory_limit": "32MiB", "threads": 1}) as connection:
        found = fetch_table(
            connection, "SELECT range AS number, 'a text of 24 characters' FROM range(1_500_000)"
        )
        assert found.nbytes > 40 << 20
        assert found["number"].to_numpy()[[0, -1]].tolist() == [0, 1_499_999]


def test_users_see_no_warning_of_duckdb() -> None:
    program = "import duckdb, coalmine_consumers.sql as s; s.fetch_table(duckdb.connect(), 'SELECT 1')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
