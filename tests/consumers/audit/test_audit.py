"""An audit of a store that is whole balances; after any accident it says what is missing."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from coalmine_consumers.audit import audit, waiting_in_spool
from coalmine_consumers.raw import Gap, TopicPartition
from coalmine_consumers.results import AuditReport
from coalmine_consumers.store import Store, StoreSettings, live_segments
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, request, score

EXPERIMENT = {"experiment": "refund-tone", "allocation_epoch": 1, "variant": "treatment"}


SETTINGS = StoreSettings(segment_min_rows=50, segment_min_day_rows=10, threads=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches, the first of them in a segment: rows of all kinds and some of each trouble."""
    directory = tmp_path_factory.mktemp("audit") / "store"
    store = Store.open(directory, SETTINGS)
    feed = Feed()
    early = request(500, START + timedelta(minutes=1))
    requests = [request(n, START + timedelta(seconds=n), **EXPERIMENT) for n in range(60)]
    store.commit(feed.batch(requests, feedback=[feedback(1, requests[3]), feedback(2, early)]))
    store.commit(
        feed.batch(
            [*requests[:5], *(request(n, START + timedelta(seconds=n)) for n in range(100, 120))],
            feedback=[feedback(3, requests[4], thumbs="up")],
            scores=[score(4, requests[5], 0.5), score(5, early, 0.7)],
            dead_letters=[dead_letter(b"?"), dead_letter(b"!", event="unroutable")],
        )
    )
    store.close()
    return directory


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it to spoil."""
    store = Store.open(shutil.copytree(whole, tmp_path, dirs_exist_ok=True), SETTINGS)
    yield store
    store.close()


def _only_problem(report: AuditReport) -> str:
    assert not report.ok
    (problem,) = report.missing
    return problem


def test_a_whole_store_balances(store: Store) -> None:
    report = audit(store, waiting=7)
    assert report.ok, report.missing
    assert report.missing == ()
    assert all(check.ok for check in report.checks)
    identity = report.identity
    # 60 + 2, then 25 + 1 + 2 + 2 dead, then 7 that wait
    assert identity.read == 62 + 30
    assert (identity.stored, identity.duplicates, identity.dead_lettered, identity.waiting) == (85, 5, 2, 7)
    assert str(identity) == "read 92 = stored 85 + duplicates 5 + dead-lettered 2; 7 waiting"
    assert (report.unattributed_feedback, report.unattributed_scores) == (1, 1)


def test_an_empty_store_balances(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "empty")
    report = audit(store)
    store.close()
    assert report.ok
    assert report.identity.read == 0


def test_a_hot_row_deleted_by_hand_is_named(store: Store) -> None:
    with store.transaction() as connection:
        ((gone,),) = connection.sql(
            "SELECT request_id FROM requests_hot ORDER BY 1 LIMIT 1 OFFSET 7"
        ).fetchall()
        connection.execute("DELETE FROM requests_hot WHERE request_id = $id", {"id": gone}).fetchall()
    problem = _only_problem(audit(store))
    assert "1 requests missing: batch 2" in problem
    assert str(gone) in problem


def test_a_row_deleted_inside_a_segment_is_named(store: Store) -> None:
    with store.cursor() as cursor:
        (segment,) = live_segments(cursor, "requests")
    path = store.directory / segment.path
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.slice(1), path)
    report = audit(store)
    assert not report.ok
    file_problem, row_problem, *others = report.missing
    assert segment.path in file_problem
    assert "59 rows" in file_problem
    assert "1 requests missing: batch 1" in row_problem
    assert any("experiment cells" in other for other in others)


def test_a_deleted_segment_file_is_named(store: Store) -> None:
    with store.cursor() as cursor:
        (segment,) = live_segments(cursor, "requests")
    (store.directory / segment.path).unlink()
    report = audit(store)
    assert not report.ok
    assert f"segment file {segment.path} is missing: it held 60 requests" in report.missing[0]
    assert "60 requests missing: batch 1" in report.missing[1]


def test_a_damaged_segment_file_is_named(store: Store) -> None:
    with store.cursor() as cursor:
        (segment,) = live_segments(cursor, "requests")
    path = store.directory / segment.path
    path.write_bytes(path.read_bytes()[:100])
    report = audit(store)
    assert not report.ok
    assert f"segment file {segment.path} is damaged" in report.missing[0]


@pytest.mark.parametrize(
    ("accident", "check"),
    [
        ("DELETE FROM dead_letters WHERE payload = '?'::BLOB", "dead letters"),
        ("UPDATE source_positions SET next_offset = next_offset + 1", "positions"),
        ("UPDATE batches SET duplicates = duplicates + 1 WHERE ingest_id = 2", "ledger"),
        ("DELETE FROM rollups WHERE resolution = 'day'", "rollups of requests"),
        (
            "DELETE FROM experiment_cells WHERE unit_group IN (SELECT min(unit_group) FROM experiment_units)",
            "experiment cells",
        ),
        ("DELETE FROM experiment_units", "experiment units"),
    ],
)
def test_each_check_sees_its_accident(store: Store, accident: str, check: str) -> None:
    with store.transaction() as connection:
        connection.execute(accident).fetchall()
    report = audit(store)
    assert not report.ok
    assert check in {each.name for each in report.checks if not each.ok}
    assert any(problem.startswith(f"{check}: expected") for problem in report.missing)


def test_a_batch_the_ledger_does_not_know_is_told(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute("UPDATE requests_hot SET ingest_id = 99 WHERE ingest_id = 2").fetchall()
    report = audit(store)
    assert not report.ok
    assert any("claim batch 99, which the ledger does not know" in problem for problem in report.missing)
    assert any("20 requests missing: batch 2" in problem for problem in report.missing)


def test_what_was_lost_before_it_could_be_read_is_told_apart(store: Store) -> None:
    feed = Feed(offset=200)
    start = next(iter(store.positions().values()))
    feed.offset = start
    gap = Gap("coalmine.mixed", "0", start, start, datetime.now(UTC), "expired")
    store.commit(feed.batch([request(900)], gaps=[gap]))
    assert audit(store).ok


@pytest.mark.parametrize(
    ("accident", "check"),
    [
        ("UPDATE rollups SET requests = requests - 1 WHERE resolution = 'minute'", "resolutions of rollups"),
        ("DELETE FROM rollups WHERE resolution = 'hour' AND requests > 0", "resolutions of rollups"),
        (
            "UPDATE rollups SET bucket_start = bucket_start + INTERVAL 1 DAY WHERE resolution = 'day'",
            "rollups of each day",
        ),
    ],
)
def test_days_and_resolutions_are_compared_and_named(store: Store, accident: str, check: str) -> None:
    with store.transaction() as connection:
        connection.execute(accident).fetchall()
    report = audit(store)
    assert not report.ok
    (problem,) = [problem for problem in report.missing if problem.startswith(f"{check}: ")]
    assert "2026-03-10" in problem


def test_a_deep_audit_sees_what_sums_do_not_show(store: Store) -> None:
    whole = audit(store, deep=True)
    assert whole.ok, whole.missing
    accidents = {
        "rollups": "UPDATE rollups SET latency_mean = latency_mean * (1 + 1e-6)",
        "rollup_histograms": "UPDATE rollup_histograms SET counts = [x + 1 for x in counts]",
        "rollup_metrics": "DELETE FROM rollup_metrics WHERE resolution = 'hour'",
        "experiment_cells": "UPDATE experiment_cells SET sum_y = sum_y + 1 WHERE metric = 'latency_ms' AND "
        "unit_group = (SELECT max(unit_group) FROM experiment_cells)",
        "experiment_units": "UPDATE experiment_units SET unit_id = unit_id || '!' WHERE requests > 5",
    }
    with store.transaction() as connection:
        for accident in accidents.values():
            assert connection.execute(accident).fetchall() != [(0,)]
    assert audit(store).ok
    report = audit(store, deep=True)
    failed = {check.name for check in report.checks if not check.ok}
    assert failed == {f"recount of {table}" for table in accidents}


def test_the_report_says_what_was_compared_and_what_is_missing(store: Store) -> None:
    report = audit(store, waiting=7)
    assert report.ok is True
    assert report.identity.balanced
    assert report.identity.read == 92
    assert report.summary == "read 92 = stored 85 + duplicates 5 + dead-lettered 2; 7 waiting"
    assert {check.name for check in report.checks} >= {"ledger", "positions", "rows", "segments"}
    with store.transaction() as connection:
        connection.execute("DELETE FROM requests_hot").fetchall()
    report = audit(store, waiting=7)
    assert "rows" in {check.name for check in report.checks if not check.ok}
    assert any(sentence.startswith("20 requests missing: batch 2") for sentence in report.missing)


def test_the_spool_is_counted_to_the_last_record(tmp_path: Path) -> None:
    record = SpoolRecord("requests", None, b"x", 1_760_000_000_000_000)
    sealed, unsealed = SpoolWriter(tmp_path), SpoolWriter(tmp_path)
    sealed.write([record] * 5)
    path = sealed.seal()
    assert path is not None
    unsealed.write([record] * 3)
    assert waiting_in_spool(tmp_path, {}).messages == 8
    read = {TopicPartition("spool", path.name): 4}
    assert waiting_in_spool(tmp_path, read).messages == 4
    assert waiting_in_spool(tmp_path / "none", {}).messages == 0
    unsealed.close()
