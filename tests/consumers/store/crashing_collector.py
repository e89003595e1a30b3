"""A collector that kills itself in the middle of a commit: run by `test_crash.py` in a process of its own."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import PARTITION, Feed, dead_letter, feedback, request, score

SETTINGS = StoreSettings(
    segment_min_rows=10, segment_min_day_rows=4, threads=1, memory_limit_mb=256, checkpoint_threshold_mb=1
)
BATCHES = 4
PER_BATCH = 12


def batches() -> list[Any]:
    """Requests in segments and hot, feedback and scores before and after their request, dead letters."""
    feed = Feed()
    planned = []
    for number in range(BATCHES):
        rows = [request(100 * number + place) for place in range(PER_BATCH)]
        about = [*rows[:2], request(100 * (number + 1) + 2)]  # the last comes with the next batch
        given = [feedback(10_000 + 100 * number + place, row) for place, row in enumerate(about)]
        scores = [score(20_000 + 100 * number + place, row, 0.5) for place, row in enumerate(about)]
        planned.append(feed.batch(rows, given, scores, [dead_letter(bytes([number]))]))
    return planned


def run(folder: Path, lines: int) -> int:
    """Commit what is missing of the planned batches.

    Args:
        folder: The store's.
        lines: After how many executed lines of the store's code to die; 0 for never.

    Returns:
        How many lines ran.
    """
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal executed
        if "coalmine_consumers/store" not in frame.f_code.co_filename:
            return None
        if event == "line":
            executed += 1
            if executed == lines:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    planned = batches()
    sys.settrace(trace)
    store = Store.open(folder, SETTINGS)
    done = store.positions().get(PARTITION, 0)
    for batch in planned:
        if batch.starts[PARTITION] >= done:
            store.commit(batch)
    store.close()
    sys.settrace(None)
    return executed
