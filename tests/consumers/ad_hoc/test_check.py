"""Which statements are refused before they run; test_query.py has that they do not run then."""

import duckdb
import pytest

from coalmine_consumers.ad_hoc.check import tables_of
from coalmine_consumers.ad_hoc.process import syntax_tree
from coalmine_schemas.errors import InvalidParameter

STORED = "/var/lib/coalmine/segments/requests/day=2026-01-01/1.parquet"
"""A file of the store."""


def refused(statement: str, why: str) -> None:
    """As the process that is to run it says what it reads."""
    tree = syntax_tree(statement)
    assert "\n" not in tree
    with pytest.raises(InvalidParameter, match=why):
        tables_of(tree)


def test_tables_are_told() -> None:
    assert tables_of(syntax_tree("SELECT 1")) == set()
    both = "SELECT * FROM Requests JOIN main.feedback USING (request_id)"
    assert tables_of(syntax_tree(both)) == {"requests", "feedback"}
    assert tables_of(syntax_tree("DESCRIBE scores")) == {"scores"}
    assert tables_of(syntax_tree("WITH requests AS (FROM gaps) FROM requests")) == {"gaps"}


def test_no_function_reads_the_catalogue() -> None:
    """As macros of DuckDB do, and those of its next version may."""
    with duckdb.connect() as connection:
        macros = connection.sql(
            "SELECT DISTINCT function_name, parameters FROM duckdb_functions() "
            "WHERE function_type = 'macro' AND regexp_matches(macro_definition, '(?i)\\bFROM\\b.*\\(')"
        ).fetchall()
    assert ("pg_get_viewdef", ["oid"]) in macros
    for name, parameters in macros:
        arguments = ", ".join("1" for _ in parameters)
        refused(f"SELECT {name}({arguments}) FROM requests", rf"{name}\(\) is not allowed")


def test_nothing_says_how_pseudonyms_are_made_or_where_files_are() -> None:
    for catalog in ("duckdb_views", "sqlite_master", "duckdb_settings"):
        refused(
            f"SELECT * FROM (WITH {catalog} AS (SELECT 1) FROM {catalog}), {catalog}, requests",
            f"no table {catalog}",
        )
        refused(
            f"WITH RECURSIVE {catalog} AS (FROM {catalog} UNION ALL FROM {catalog}) FROM {catalog}, requests",
            f"no table {catalog}",
        )
    for function, arguments in (
        ("current_setting", "'allowed_paths'"),
        ("json_serialize_plan", "'SELECT unit_id FROM requests'"),
        ("pg_get_viewdef", "1"),
        ("write_log", "'x'"),
    ):
        refused(f"SELECT {function}({arguments}) FROM requests", rf"{function}\(\) is not allowed")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM requests", "only SELECT"),
        ("COPY (SELECT 1) TO 'x.csv'", "only SELECT"),
        ("SET memory_limit = '10GB'", "only SELECT"),
        ("ATTACH 'x.db'", "only SELECT"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("SELEC 1", "syntax error"),
        (f"SELECT * FROM '{STORED}'", "no table"),
        (f"FROM read_parquet('{STORED}')", "read_parquet"),
        (f"SELECT (SELECT max(input_text) FROM '{STORED}')", "no table"),
        (f'SELECT * FROM (WITH "{STORED}" AS (SELECT 1) SELECT 1), "{STORED}"', "no table"),
        (f'WITH "{STORED}" AS (SELECT 1) FROM "{STORED}"', "of a WITH"),
        (
            "SELECT input_text FROM requests_hot, (WITH requests_hot AS (SELECT 1 AS one) SELECT one FROM "
            "requests_hot), (SELECT count(*) FROM requests)",
            "no table requests_hot",
        ),
        ("FROM hidden.requests_hot, requests", "without a schema"),
        ("FROM read_csv('other.csv')", "read_csv"),
        (f"DESCRIBE '{STORED}'", "no table|DESCRIBE"),
        ("FROM read_text('/etc/passwd')", "read_text"),
        ("FROM glob('/*')", "glob"),
        ("FROM query('SELECT 1')", r"query\(\)"),
        ("FROM query_table('requests_hot')", "query_table"),
        ("FROM duckdb_settings()", "duckdb_settings"),
        ("FROM requests_hot", "did you mean requests"),
        ("FROM experiment_units", "no table"),
        ("FROM information_schema.tables", "without a schema"),
        ("SHOW TABLES", "no table|DESCRIBE"),
    ],
)
def test_nothing_but_the_tables_can_be_named(statement: str, why: str) -> None:
    refused(statement, why)
