"""Analysts' SQL: right on hot and stored rows, and bounded in what it reads, writes and takes."""

import resource
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from coalmine_consumers.ad_hoc import TABLES, Limits, run_query
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import Feed, feedback, request, score

SMALL = StoreSettings(segment_min_rows=100, segment_min_day_rows=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """100 calls in a file and 20 hot ones, feedback and scores."""
    store = Store.open(tmp_path / "store", SMALL)
    feed = Feed()
    calls = [request(number, cost_nano_usd=number, input_text="my secret") for number in range(120)]
    store.commit(feed.batch(calls[:100]))
    store.commit(feed.batch(calls[100:]))
    store.commit(
        feed.batch([], [feedback(1, calls[0], comment="bad", unit_id="user-0")], [score(1, calls[0], 0.5)])
    )
    yield store
    store.close()


def rows(store: Store, statement: str, *, private: bool = False) -> list[dict[str, object]]:
    found, _ = run_query(store, statement, private=private)
    return list(found.to_pylist())


def test_hot_and_stored_rows_are_counted_once(store: Store) -> None:
    assert store.reader().rows("SELECT count(*) AS n FROM segments") == [{"n": 1}]
    assert rows(store, "SELECT count(*) AS n, sum(cost_nano_usd)::BIGINT AS cost FROM requests;") == [
        {"n": 120, "cost": sum(range(120))}
    ]
    joined = """
        WITH liked AS (SELECT request_id, thumbs FROM feedback)
        SELECT count(*) AS n, avg(value) AS quality -- a comment
        FROM requests JOIN liked USING (request_id) JOIN scores USING (request_id)"""
    assert rows(store, joined) == [{"n": 1, "quality": 0.5}]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_read_and_described(store: Store, table: str) -> None:
    assert {"n"} == set(rows(store, f"SELECT count(*) AS n FROM {table}")[0])
    assert rows(store, f"DESCRIBE {table}")


def test_rollups_agree_with_raw_rows(store: Store) -> None:
    found = rows(store, "SELECT sum(requests)::BIGINT AS n FROM rollups WHERE resolution = 'day'")
    assert found == [{"n": 120}]


def test_texts_are_left_out_and_users_have_pseudonyms_unless_asked_for(store: Store) -> None:
    columns = {str(row["column_name"]) for row in rows(store, "DESCRIBE requests")}
    assert "unit_id" in columns
    assert "input_text" not in columns
    assert "comment" not in {row["column_name"] for row in rows(store, "DESCRIBE feedback")}
    counted = "SELECT count(DISTINCT unit_id) AS n, min(unit_id) AS one FROM requests"
    (shown,) = rows(store, counted)
    assert shown["n"] == 7
    assert "user" not in str(shown["one"])
    (again,) = rows(store, counted)
    assert again["one"] != shown["one"]
    (known,) = rows(store, "SELECT min(unit_id) AS one, max(input_text) AS said FROM requests", private=True)
    assert known == {"one": "user-0", "said": "my secret"}


def test_users_are_the_same_in_every_table_of_an_answer(store: Store) -> None:
    both = "SELECT count(*) AS n FROM requests JOIN feedback USING (request_id, unit_id)"
    assert rows(store, both) == [{"n": 1}]


def test_the_answer_is_bounded_and_says_so(store: Store) -> None:
    found, more = run_query(store, "SELECT cost_nano_usd AS c FROM requests ORDER BY c DESC", Limits(rows=3))
    assert (found["c"].to_pylist(), more) == ([119, 118, 117], True)
    found, more = run_query(store, "SELECT 1 AS one", Limits(rows=1))
    assert (found.num_rows, more) == (1, False)
    with pytest.raises(InvalidParameter, match="select fewer columns"):
        run_query(store, "SELECT repeat('x', 1000000) FROM range(3)", Limits(answer_mb=1))


def test_time_and_memory_are_bounded(store: Store) -> None:
    with pytest.raises(InvalidParameter, match=r"more than 0\.2 s"):
        run_query(store, "SELECT count(*) FROM range(100000000000)", Limits(timeout_s=0.2))
    with pytest.raises(InvalidParameter, match="memory"):
        run_query(
            store,
            "SELECT len(list(a.range || '-' || b.range)) FROM range(30000) a, range(3000) b",
            Limits(memory_mb=32, timeout_s=120),
        )


def test_one_value_is_bounded_too(store: Store) -> None:
    """DuckDB counts no single value as memory, and looks at the clock between chunks only."""
    of_other_tests = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    for statement in (
        "SELECT len(repeat('x', 2000000000))",
        "SELECT len(range(400000000))",
        "SELECT repeat('x', 1000000) FROM range(9000)",
    ):
        with pytest.raises(InvalidParameter, match=r"memory|select fewer columns"):
            run_query(store, statement)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert children <= max(of_other_tests, 2**20)  # kB; and none of it in this process
    slow = "SELECT sum(levenshtein(repeat('a', 90000), repeat('b', 90000) || range)) FROM range(2000)"
    with pytest.raises(InvalidParameter, match=r"more than 0\.2 s"):
        run_query(store, slow, Limits(timeout_s=0.2))
    many = "SELECT list_transform(range(30000000), lambda x: true) AS many"
    with pytest.raises(InvalidParameter, match=r"memory|values"):
        run_query(store, many)


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT 1 FROM {'(' * 4_000}requests{')' * 4_000}",  # DuckDB's parser takes minutes and gigabytes
        f"SELECT 1 FROM {'requests, ' * 1_900}requests",
        f"SELECT * FROM {'(SELECT * FROM ' * 700}requests{')' * 700}",
        f"SELECT {'CASE WHEN true THEN ' * 700}1{' END' * 700}",
        f"SELECT 1::{'MAP(INT, ' * 900}INT{')' * 900}",
    ],
    ids=["parentheses", "joins", "subqueries", "cases", "types"],
)
def test_a_statement_that_is_hard_to_read_costs_this_process_nothing(store: Store, statement: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(InvalidParameter, match=r"too complicated|memory|more than"):
        run_query(store, statement, Limits(timeout_s=5))
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 200_000  # kB


def test_a_statement_whose_names_take_long_is_ended_though_it_would_run(store: Store) -> None:
    """DuckDB looks up every column of a join in all tables before, and is not interrupted then."""
    joins = " ".join(f"NATURAL JOIN requests r{number}" for number in range(150))
    with pytest.raises(InvalidParameter, match="too complicated"):
        run_query(store, f"SELECT count(*) AS n FROM requests {joins}", Limits(reading_s=1))
    assert rows(store, "SELECT count(*) AS n FROM requests") == [{"n": 120}]


def test_no_function_reads_the_catalogue(store: Store) -> None:
    """As macros of DuckDB do, and those of its next version may."""
    with duckdb.connect() as connection:
        macros = connection.sql(
            "SELECT DISTINCT function_name, parameters FROM duckdb_functions() "
            "WHERE function_type = 'macro' AND regexp_matches(macro_definition, '(?i)\\bFROM\\b.*\\(')"
        ).fetchall()
    assert ("pg_get_viewdef", ["oid"]) in macros
    for name, parameters in macros:
        with pytest.raises(InvalidParameter, match=rf"{name}\(\) is not allowed"):
            run_query(store, f"SELECT {name}({', '.join('1' for _ in parameters)}) FROM requests")


def test_nothing_says_how_pseudonyms_are_made_or_where_files_are(store: Store) -> None:
    for catalog in ("duckdb_views", "sqlite_master", "duckdb_settings"):
        shadowed = f"SELECT * FROM (WITH {catalog} AS (SELECT 1) FROM {catalog}), {catalog}, requests"
        anchor = (
            f"WITH RECURSIVE {catalog} AS (FROM {catalog} UNION ALL FROM {catalog}) FROM {catalog}, requests"
        )
        for statement in (shadowed, anchor):
            with pytest.raises(InvalidParameter, match=f"no table {catalog}"):
                run_query(store, statement)
    for function, arguments in (
        ("current_setting", "'allowed_paths'"),
        ("json_serialize_plan", "'SELECT unit_id FROM requests'"),
        ("pg_get_viewdef", "1"),
        ("write_log", "'x'"),
    ):
        with pytest.raises(InvalidParameter, match=rf"{function}\(\) is not allowed"):
            run_query(store, f"SELECT {function}({arguments}) FROM requests")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("WITH requests AS (FROM requests WHERE cost_nano_usd > 9) SELECT count(*) AS n FROM requests", 110),
        ("WITH a AS (FROM requests), b AS (FROM a LIMIT 3) SELECT count(*) AS n FROM b", 3),
        (
            "WITH RECURSIVE a AS (SELECT 1 i UNION ALL SELECT i + 1 FROM a WHERE i < 9) SELECT max(i) FROM A",
            9,
        ),
        ("SELECT count(*) FROM MAIN.requests", 120),
        ("SELECT count(*) FROM requests; -- all of them", 120),
        ("SELECT count(*) FROM requests /* ; */ ; ;", 120),
    ],
)
def test_names_of_a_with_hold_where_they_are_seen(store: Store, statement: str, expected: int) -> None:
    ((value,),) = (row.values() for row in rows(store, statement))
    assert value == expected


def test_what_is_no_text_is_refused(store: Store) -> None:
    with pytest.raises(InvalidParameter, match="surrogate"):
        run_query(store, "SELECT '\ud800'")


def test_nothing_but_the_tables_can_be_read_or_changed(store: Store, tmp_path: Path) -> None:
    (file,) = store.reader().rows("SELECT path FROM segments")
    stored = store.directory / str(file["path"])
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    for statement, why in (
        ("DELETE FROM requests", "only SELECT"),
        ("COPY (SELECT 1) TO 'x.csv'", "only SELECT"),
        ("SET memory_limit = '10GB'", "only SELECT"),
        ("ATTACH 'x.db'", "only SELECT"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("SELEC 1", "syntax error"),
        (f"SELECT * FROM '{stored}'", "no table"),
        (f"FROM read_parquet('{stored}')", "read_parquet"),
        (f"SELECT (SELECT max(input_text) FROM '{stored}')", "no table"),
        (f'SELECT * FROM (WITH "{stored}" AS (SELECT 1) SELECT 1), "{stored}"', "no table"),
        (f'WITH "{stored}" AS (SELECT 1) FROM "{stored}"', "of a WITH"),
        (
            "SELECT input_text FROM requests_hot, (WITH requests_hot AS (SELECT 1 AS one) SELECT one FROM "
            "requests_hot), (SELECT count(*) FROM requests)",
            "no table requests_hot",
        ),
        ("FROM hidden.requests_hot, requests", "without a schema"),
        (f"FROM read_csv('{other}')", "read_csv"),
        (f"DESCRIBE '{stored}'", "no table|DESCRIBE"),
        ("FROM read_text('/etc/passwd')", "read_text"),
        ("FROM glob('/*')", "glob"),
        ("FROM query('SELECT 1')", r"query\(\)"),
        ("FROM query_table('requests_hot')", "query_table"),
        ("FROM duckdb_settings()", "duckdb_settings"),
        ("FROM requests_hot", "did you mean requests"),
        ("FROM experiment_units", "no table"),
        ("FROM information_schema.tables", "without a schema"),
        ("SHOW TABLES", "no table|DESCRIBE"),
        ("SELECT nope FROM requests", "nope"),
        ("SELECT " + "1," * 20_000 + "1", "characters"),
    ):
        with pytest.raises(InvalidParameter, match=why):
            run_query(store, statement)
    assert rows(store, "SELECT count(*) AS n FROM requests") == [{"n": 120}]


def test_a_merged_view_is_read_while_others_write(store: Store) -> None:
    """The snapshot is of the last committed state; a commit neither waits for it nor breaks it."""
    before = rows(store, "SELECT count(*) AS n FROM requests")
    store.commit(Feed(offset=122).batch([request(500), request(501)]))
    assert (before, rows(store, "SELECT count(*) AS n FROM requests")) == ([{"n": 120}], [{"n": 122}])
