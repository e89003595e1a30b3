"""A store that dies by SIGKILL anywhere holds every batch whole or not at all."""

import shutil
import signal
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coalmine_consumers.store import Store
from tests.consumers.store.crashing_collector import run
from tests.support.campaign import size
from tests.support.data.store_feed import PARTITION
from tests.support.processes.forked import FORKS, run_forked

PARTS = size(3, 12)


def state(folder: Path) -> dict[str, Any]:
    """What a store holds, after checking that its parts agree."""
    store = Store.open(folder)
    try:
        reader = store.reader()
        (found,) = reader.table(
            """
            SELECT
                (SELECT count(*) FROM requests) AS requests,
                (SELECT count(DISTINCT request_id) FROM requests) AS distinct_requests,
                (SELECT count(*) FROM feedback) AS feedback,
                (SELECT count(*) FROM scores) AS scores,
                (SELECT count(*) FROM dead_letters) AS dead_letters,
                (SELECT count(*) FROM pending_feedback) AS pending_feedback,
                (SELECT count(*) FROM pending_scores) AS pending_scores,
                (SELECT coalesce(sum(requests), 0)::BIGINT FROM rollups
                    WHERE resolution = 'minute') AS rolled,
                (SELECT coalesce(sum(feedback), 0)::BIGINT FROM rollups
                    WHERE resolution = 'hour') AS attributed,
                (SELECT coalesce(sum(n), 0)::BIGINT FROM rollup_metrics WHERE resolution = 'day') AS scored,
                (SELECT coalesce(sum(list_sum(counts)), 0)::BIGINT FROM rollup_histograms
                    WHERE resolution = 'day' AND metric = 'latency_ms') AS in_histograms,
                (SELECT coalesce(sum(consumed), 0)::BIGINT FROM batches) AS consumed,
                (SELECT coalesce(sum(rows), 0)::BIGINT FROM segments WHERE event = 'requests') AS in_segments
            """
        ).to_pylist()
        files = [path for path in (folder / "segments").rglob("*") if path.is_file()]
        manifest = reader.table("SELECT path FROM segments")["path"].to_pylist()
        assert sorted(path.relative_to(folder).as_posix() for path in files) == sorted(manifest)
        position = store.positions().get(PARTITION, 0)
    finally:
        store.close()
    whole = found["requests"] // 12
    expected = {
        "requests": 12 * whole,
        "distinct_requests": 12 * whole,
        "feedback": 3 * whole,
        "scores": 3 * whole,
        "dead_letters": whole,
        "pending_feedback": min(whole, 1),  # of each batch one waits for the next
        "pending_scores": min(whole, 1),
        "rolled": 12 * whole,
        "attributed": max(3 * whole - 1, 0),
        "scored": max(3 * whole - 1, 0),
        "in_histograms": 12 * whole,
        "consumed": 19 * whole,
        "in_segments": 12 * whole,
    }
    assert found == expected
    assert position == 19 * whole
    return {**found, "whole": whole}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many lines of the store's code a whole run executes."""
    folder = tmp_path_factory.mktemp("whole")
    status, lines = run_forked(run, folder, 0)
    assert status == 0
    assert state(folder)["whole"] == 4
    assert lines is not None
    return lines


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_line_leaves_whole_batches_and_the_rest_can_follow(
    tmp_path: Path, lines: int, part: int
) -> None:
    """One random line in each part of the run: opening, migrating, every step of four commits, closing."""
    at = Random(part).randrange(lines * part // PARTS, lines * (part + 1) // PARTS) + 1
    assert run_forked(run, tmp_path, at) == (-signal.SIGKILL, None)
    before = state(tmp_path)["whole"]
    assert run_forked(run, tmp_path, 0)[0] == 0
    assert state(tmp_path)["whole"] == 4 >= before


def test_a_kill_at_any_moment_does_too(tmp_path: Path) -> None:
    """Also inside DuckDB and Parquet, where no line of ours runs."""
    random = Random(5)
    counts = []
    attempts = size(2, 100)
    for attempt in range(attempts):
        folder = tmp_path / str(attempt)
        running = FORKS.Process(target=run, args=(folder, 0), daemon=True)
        running.start()
        while not (folder / "coalmine.duckdb.wal").exists() and running.is_alive():
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.5))
        running.kill()
        running.join()
        counts.append(state(folder)["whole"])
        shutil.rmtree(folder)
    assert len(counts) == attempts
