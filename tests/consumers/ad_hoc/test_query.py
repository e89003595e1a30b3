"""Analysts' SQL: right on hot and stored rows, and bounded in what it reads, writes and takes."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.ad_hoc import TABLES, Limits, process, run_query
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store, StoreSettings, raw_relation
from coalmine_schemas.errors import InvalidParameter
from tests.support.campaign import size
from tests.support.data.store_feed import Feed, feedback, request, score
from tests.support.oracles.store_state import count

SMALL = StoreSettings(segment_min_rows=100, segment_min_day_rows=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """100 calls in a file and 20 hot ones, feedback and scores. To read only: it serves all tests."""
    store = Store.open(tmp_path_factory.mktemp("ad_hoc") / "store", SMALL)
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


def test_every_table_can_be_read_and_described(store: Store) -> None:
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
    expected = {table: count(store, table) for table in TABLES}
    assert expected["requests"] == 120
    assert rows(store, f"SELECT {counts}") == [expected]
    described = " UNION ALL ".join(
        f"SELECT '{table}' AS described, column_name FROM (DESCRIBE {table})" for table in TABLES
    )
    found = rows(store, described, private=True)
    for table in TABLES:
        columns = {row["column_name"] for row in found if row["described"] == table}
        with store.cursor() as cursor:
            rows_of = raw_relation(cursor, store.directory, table) if table in INGESTED_EVENTS else table
            assert columns == set(cursor.sql(f"FROM {rows_of}").columns), table
    assert {row["column_name"] for row in rows(store, "DESCRIBE gaps")} == {
        row["column_name"] for row in found if row["described"] == "gaps"
    }


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


def test_one_value_is_bounded_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB counts no single value as memory, and looks at the clock between chunks only."""
    # So long the process computes in vain.
    monkeypatch.setattr("coalmine_consumers.ad_hoc.query._GRACE_S", float(size(1, 5)))
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
    many = f"SELECT list_transform(range({size(1_000_000, 30_000_000)}), lambda x: true) AS many"
    with pytest.raises(InvalidParameter, match=r"memory|values"):
        run_query(store, many, Limits(answer_mb=size(8, 64)))


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
        run_query(store, f"SELECT count(*) AS n FROM requests {joins}", Limits(reading_s=0.3))
    assert rows(store, "SELECT count(*) AS n FROM requests") == [{"n": 120}]


def test_names_of_a_with_hold_where_they_are_seen(store: Store) -> None:
    in_a_with = {
        "WITH requests AS (FROM requests WHERE cost_nano_usd > 9) SELECT count(*) AS n FROM requests": 110,
        "WITH a AS (FROM requests), b AS (FROM a LIMIT 3) SELECT count(*) AS n FROM b": 3,
        "WITH RECURSIVE a AS (SELECT 1 i UNION ALL SELECT i + 1 FROM a WHERE i < 9) SELECT max(i) FROM A": 9,
        "SELECT count(*) FROM MAIN.requests": 120,
    }
    found = rows(store, f"SELECT {', '.join(f'({each}) AS v{n}' for n, each in enumerate(in_a_with))}")
    assert list(found[0].values()) == list(in_a_with.values())


@pytest.mark.parametrize("end", ["; -- all of them", " /* ; */ ; ;"])
def test_a_statement_may_end(store: Store, end: str) -> None:
    assert rows(store, f"SELECT count(*) AS n FROM requests{end}") == [{"n": 120}]


def test_values_that_arrow_has_not_are_texts(store: Store) -> None:
    told = {
        "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
        "'101'::BIT": "101",
        "99999999999999999999999999999999999999999": "99999999999999999999999999999999999999999",
        "'12:00:00+05'::TIMETZ": "12:00:00+05",
        "'a text'::VARIANT": "a text",
        "TIMESTAMP '2026-11-30 10:00:01' - TIMESTAMP '2026-11-29 09:00:00'": "1 day 01:00:01",
        "[1::UHUGEINT]": "[1]",
        "170141183460469231731687303715884105727::HUGEINT": 2**127 - 1,
    }
    found, _ = run_query(store, f"SELECT {', '.join(f'{each} AS a' for each in told)}", Limits())
    assert [column[0].as_py() for column in found.columns] == list(told.values())


def test_what_is_no_text_is_refused(store: Store) -> None:
    with pytest.raises(InvalidParameter, match="surrogate"):
        run_query(store, "SELECT '\ud800'")


def test_nothing_but_the_tables_can_be_read_or_changed(store: Store) -> None:
    """What is refused before it is run, which is told by `tables_of`: test_check.py has every case."""
    (file,) = store.reader().rows("SELECT path FROM segments")
    for statement, why in (
        ("DELETE FROM requests", "only SELECT"),
        (f"SELECT * FROM '{store.directory / str(file['path'])}'", "no table"),
        ("FROM hidden.requests_hot, requests", "without a schema"),
        ("SELECT pg_get_viewdef(1) FROM requests", r"pg_get_viewdef\(\) is not allowed"),
        ("SELECT nope FROM requests", "nope"),
        ("SELECT " + "1," * 20_000 + "1", "characters"),
    ):
        with pytest.raises(InvalidParameter, match=why):
            run_query(store, statement)
    assert rows(store, "SELECT count(*) AS n FROM requests") == [{"n": 120}]


def test_a_merged_view_is_read_while_others_write(tmp_path: Path) -> None:
    """The snapshot is of the last committed state; a commit neither waits for it nor breaks it."""
    store, feed = Store.open(tmp_path / "store", SMALL), Feed()
    store.commit(feed.batch([request(number) for number in range(120)]))
    before = rows(store, "SELECT count(*) AS n FROM requests")
    store.commit(feed.batch([request(500), request(501)]))
    assert (before, rows(store, "SELECT count(*) AS n FROM requests")) == ([{"n": 120}], [{"n": 122}])
    store.close()


def test_a_statement_does_not_wait_for_numpy() -> None:
    """Its import would be a third of the start of the process, and nothing there needs it."""
    told = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", process.__file__],
        input='{"statement": "", "limits": {}}',
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert {"pyarrow", "duckdb"} <= imported
    assert not {name for name in imported if name.startswith("numpy.")}
