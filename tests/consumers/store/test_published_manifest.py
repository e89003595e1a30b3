"""Whoever reads the raw files by `segments.json` sees every sealed row once, also while files are merged."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl
import pytest

from coalmine_consumers.maintenance import Housekeeping, MaintenancePolicy
from coalmine_consumers.maintenance.policy import MergePolicy, RetentionPolicy, SealPolicy
from coalmine_consumers.maintenance.rebuild import rebuild
from coalmine_consumers.queries import segment_files
from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import START, Feed, id_at, request
from tests.support.eventually import eventually

POLICY = MaintenancePolicy(
    seal=SealPolicy(max_rows=1, small_day_max_age_s=0),
    merge=MergePolicy(fan_in=2, settle_s=0),
    retention=RetentionPolicy(raw_days=None),
)


def listed(directory: Path) -> list[str]:
    paths: list[str] = json.loads((directory / "segments.json").read_text())["requests"]
    return paths


def rows_listed(directory: Path) -> list[bytes]:
    paths = [directory / path for path in listed(directory)]
    return pl.read_parquet(paths, columns=["request_id"])["request_id"].to_list() if paths else []


def test_the_list_has_every_sealed_row_once_before_and_after_merging(tmp_path: Path) -> None:
    feed = Feed()
    with closing(Store.open(tmp_path)) as store:
        assert json.loads((tmp_path / "segments.json").read_text()) == {
            "requests": [],
            "feedback": [],
            "scores": [],
        }
        housekeeping = Housekeeping(store, POLICY)
        now = datetime.now(UTC)
        for number in range(6):
            store.commit(feed.batch([request(number, START), request(100 + number, START)]))
            now += timedelta(hours=1)
            assert not [outcome for outcome in housekeeping.tick(now) if outcome.error]
            found = rows_listed(tmp_path)
            assert (len(found), len(set(found))) == (2 * number + 2, 2 * number + 2)
            page = segment_files(store.reader(), limit=100)
            assert [row.path for row in page.items] == listed(tmp_path)
        assert len(list((tmp_path / "segments").rglob("*.parquet"))) > len(listed(tmp_path))
        first = segment_files(store.reader(), "requests", limit=1)
        assert [row.path for row in first.items] == listed(tmp_path)[:1]
    (tmp_path / "segments.json").unlink()
    with closing(Store.open(tmp_path)):
        assert len(rows_listed(tmp_path)) == 12


def test_a_list_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Store.open(tmp_path, StoreSettings(segment_min_rows=30, segment_min_day_rows=1))) as store:
        (tmp_path / "segments.json").unlink()
        (tmp_path / "segments.json").mkdir()
        rows = [request(number) for number in range(30)]
        store.commit(Feed().batch(rows))
        assert store.reader().rows("SELECT count(*) AS n FROM requests") == [{"n": 30}]
        assert store.reader().rows("SELECT count(*) AS n FROM segments") == [{"n": 1}]
    assert "segments.json cannot be written" in caplog.text


def test_readers_see_each_row_once_while_files_are_merged_dropped_and_rebuilt_from(tmp_path: Path) -> None:
    feed, today, over = Feed(), datetime.now(UTC), threading.Event()
    long_ago = today - timedelta(days=5)
    reads: dict[str, int] = {"polars": 0, "duckdb": 0}
    wrong: list[str] = []

    def read(name: str, ids: Callable[[list[str]], list[bytes]]) -> None:
        most = 0
        while not over.is_set():
            paths = [str(tmp_path / path) for path in listed(tmp_path)]
            found = ids(paths) if paths else []
            if len(set(found)) < len(found):
                wrong.append(f"{name}: {len(found)} rows of {len(set(found))} ids")
            # Sealed rows of today never leave the list.
            now = sum(each >= first_of_today for each in found)
            if now < most:
                wrong.append(f"{name}: {now} rows of today after {most}")
            most, reads[name] = now, reads[name] + 1
            time.sleep(0.01)  # the store's own work needs the processor, too

    def by_polars(paths: list[str]) -> list[bytes]:
        return pl.read_parquet(paths, columns=["request_id"])["request_id"].to_list()

    def by_duckdb(paths: list[str]) -> list[bytes]:
        with duckdb.connect() as own:
            found = own.execute("SELECT request_id::UUID FROM read_parquet(?)", [paths]).fetchall()
        return [each.bytes for (each,) in found]

    first_of_today = UUID(id_at(today, 0)).bytes
    with closing(Store.open(tmp_path)) as store:
        housekeeping = Housekeeping(store, replace(POLICY, retention=RetentionPolicy(raw_days=1)))
        readers = [
            threading.Thread(target=read, args=each)
            for each in (("polars", by_polars), ("duckdb", by_duckdb))
        ]
        for reader in readers:
            reader.start()
        try:
            for number in range(12):
                at = long_ago if number % 3 == 0 else today
                store.commit(feed.batch([request(100 * number + each, at) for each in range(50)]))
                assert not [outcome for outcome in housekeeping.tick(datetime.now(UTC)) if outcome.error]
                if number % 4 == 3:
                    rebuild(store)
                before = dict(reads)
                eventually(lambda before=before: all(reads[name] > before[name] for name in reads))  # type: ignore[misc]
        finally:
            over.set()
            for reader in readers:
                reader.join()
        assert wrong == []
        for later in range(1, 6):  # every task is due again
            housekeeping.tick(today + timedelta(minutes=11 * later))
        assert len(rows_listed(tmp_path)) == 8 * 50
