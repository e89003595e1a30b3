"""Maintenance that dies by SIGKILL anywhere leaves every row once, every number right and no stray file."""

import shutil
import signal
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import ID_COLUMN, Store
from tests.consumers.maintenance.crashing_housekeeper import FIRST_KEPT, SETTINGS, prepare, run
from tests.support.campaign import size
from tests.support.oracles.store_state import assert_same, folded, query
from tests.support.processes.forked import FORKS, run_forked

PARTS = size(2, 6)


def state(folder: Path) -> dict[str, Any]:
    """What a store holds, after checking that its parts agree and each row is there once."""
    store = Store.open(folder, SETTINGS)
    try:
        found: dict[str, Any] = {}
        for event in INGESTED_EVENTS:
            ids = query(
                store,
                f"SELECT {ID_COLUMN[event]} FROM {event} WHERE event_time >= '{FIRST_KEPT}' ORDER BY ALL",
            )
            assert len(ids) == len(set(ids))
            found[event] = ids
        for table in ADDITIVE_TABLES:
            rows = folded(store, table)
            if table.startswith("rollup"):  # finer ones age away
                rows = {key: value for key, value in rows.items() if key[0] == "day"}
            found[table] = rows
        files = {path for path in (folder / "segments").rglob("*") if path.is_file()}
        live = query(store, "SELECT path FROM segments WHERE retired_at IS NULL")
        assert files == {folder / path for (path,) in live}
        report = audit(store, deep=True)
        assert report.ok, report.missing
        found["stored"] = report.identity.stored
    finally:
        store.close()
    return found


def assert_unchanged(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in (*INGESTED_EVENTS, "stored"):
        assert found[name] == expected[name]
    for table in ADDITIVE_TABLES:
        assert_same(found[table], expected[table])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "store"
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def expected(prepared: Path) -> dict[str, Any]:
    return state(prepared)


@pytest.fixture(scope="module")
def lines(prepared: Path, expected: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many lines of our code a whole run executes."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    shutil.copytree(prepared, folder)
    status, lines = run_forked(run, folder, 0)
    assert status == 0
    assert lines is not None
    assert_unchanged(state(folder), expected)
    store = Store.open(folder, SETTINGS)
    assert query(store, "SELECT count(*) FROM requests WHERE event_time < '2026-03-11'") == [(0,)]
    assert query(store, "SELECT count(*) FROM requests_hot") == [(0,)]
    reasons = query(store, "SELECT DISTINCT retired_reason FROM segments ORDER BY ALL NULLS LAST")
    assert reasons == [("merged",), ("retention",), (None,)]
    store.close()
    return lines


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_line_leaves_every_row_once_and_the_rest_can_follow(
    tmp_path: Path, prepared: Path, expected: dict[str, Any], lines: int, part: int
) -> None:
    """One random line in each part of the run: sealing, merging, folding, expiring, rebuilding."""
    folder = tmp_path / "store"
    shutil.copytree(prepared, folder)
    at = Random(part).randrange(lines * part // PARTS, lines * (part + 1) // PARTS) + 1
    assert run_forked(run, folder, at) == (-signal.SIGKILL, None)
    assert_unchanged(state(folder), expected)
    assert run_forked(run, folder, 0)[0] == 0
    assert_unchanged(state(folder), expected)


def test_a_kill_at_any_moment_does_too(tmp_path: Path, prepared: Path, expected: dict[str, Any]) -> None:
    """Also inside DuckDB and Parquet, where no line of ours runs."""
    random = Random(3)
    for attempt in range(size(1, 100)):
        folder = tmp_path / str(attempt)
        shutil.copytree(prepared, folder)
        files = {path for path in (folder / "segments").rglob("*") if path.is_file()}
        running = FORKS.Process(target=run, args=(folder, 0), daemon=True)
        running.start()
        while running.is_alive() and files >= set((folder / "segments").rglob("*.parquet")):
            time.sleep(0.002)  # until the first new segment
        time.sleep(random.uniform(0, 0.4))
        running.kill()
        running.join()
        assert_unchanged(state(folder), expected)
        shutil.rmtree(folder)
