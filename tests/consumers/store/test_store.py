import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import START, Feed, request
from tests.support.repository.tree import ROOT

READ = """
import sys
from pathlib import Path
from coalmine_consumers.store import Store
store = Store.open(Path(sys.argv[1]))
(row,) = store.reader().table("SELECT event_time, event_time::VARCHAR AS text FROM requests").to_pylist()
print(row["event_time"].isoformat(), row["text"])
store.close()
"""


def test_what_was_committed_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "new" / "store")
    feed = Feed()
    store.commit(feed.batch([request(1)]))
    positions = store.positions()
    store.close()
    store = Store.open(tmp_path / "new" / "store")
    assert store.positions() == positions
    assert store.reader().table("SELECT count(*) AS n FROM requests").to_pylist() == [{"n": 1}]
    store.close()


def test_times_are_utc_wherever_the_machine_stands(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.commit(Feed().batch([request(1)]))
    store.close()
    found = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)],
        env={**os.environ, "TZ": "Pacific/Chatham"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["2026-03-10T08:00:00+00:00", "2026-03-10", "08:00:00+00"]


def test_a_transaction_that_raises_changes_nothing_and_the_next_one_works(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction() as connection:
        connection.execute("INSERT INTO schema_migrations (name) VALUES ('half')").fetchall()
        raise RuntimeError
    with store.transaction() as connection:
        connection.execute("INSERT INTO schema_migrations (name) VALUES ('whole')").fetchall()
    names = store.reader().table("SELECT name FROM schema_migrations")["name"].to_pylist()
    assert "whole" in names
    assert "half" not in names


def test_writers_take_turns(store: Store) -> None:
    """Commits and maintenance in other threads never meet inside a transaction."""
    inside: list[int] = []
    most: list[int] = []

    def write() -> None:
        for _ in range(20):
            with store.transaction() as connection:
                inside.append(1)
                most.append(len(inside))
                connection.execute("UPDATE batches SET stored = stored + 1").fetchall()
                inside.pop()

    store.commit(Feed().batch([request(1)]))
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert store.reader().table("SELECT stored FROM batches").to_pylist() == [{"stored": 81}]


def test_settings_reach_duckdb(tmp_path: Path) -> None:
    settings = StoreSettings(memory_limit_mb=300, threads=1, checkpoint_threshold_mb=5)
    store = Store.open(tmp_path, settings)
    names = ("memory_limit", "threads", "checkpoint_threshold", "TimeZone")
    sql = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    (found,) = store.reader().table(sql).to_pylist()
    assert found == {
        "memory_limit": "300.0 MiB",
        "threads": 1,
        "checkpoint_threshold": "5.0 MiB",
        "TimeZone": "UTC",
    }
    store.close()


def test_ingested_at_is_the_time_of_the_commit(store: Store) -> None:
    before = datetime.now(UTC)
    store.commit(Feed().batch([request(1, START)]))
    (row,) = store.reader().table("SELECT ingested_at FROM requests").to_pylist()
    assert before <= row["ingested_at"] <= datetime.now(UTC)
