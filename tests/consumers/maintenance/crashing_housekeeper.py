"""Maintenance that kills itself in the middle: run by `test_crash.py` in a process of its own."""

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from coalmine_consumers.maintenance import (
    AgeingPolicy,
    CompactionPolicy,
    LedgerPolicy,
    MaintenancePolicy,
    MergePolicy,
    RetentionPolicy,
    SealPolicy,
    rebuild,
)
from coalmine_consumers.maintenance.ledger import fold_ledger
from coalmine_consumers.store import Store, StoreSettings
from tests.consumers.maintenance.settled import settled
from tests.support.data.store_feed import START, Feed, feedback, request, score

SETTINGS = StoreSettings(segment_min_rows=10, segment_min_day_rows=4, threads=1, memory_limit_mb=256)
POLICY = MaintenancePolicy(
    seal=SealPolicy(max_rows=1, min_day_rows=1),
    merge=MergePolicy(settle_s=-1e9),  # commits make their segments today, long after NOW
    retention=RetentionPolicy(raw_days=1, file_grace_s=0),
    ageing=AgeingPolicy(minute_days=0, hour_days=1),
    compaction=CompactionPolicy(min_rows=1, rows_at_once=30),
)
NOW = START + timedelta(days=2)
FIRST_KEPT = NOW.date() - timedelta(days=1)


def prepare(folder: Path) -> None:
    """A store of three days: hot rows and segments, requests with and without feedback."""
    store = Store.open(folder, SETTINGS)
    feed = Feed()
    for day in range(3):
        for part in range(3):
            first = 100 * day + 20 * part
            rows = [
                request(
                    first + place,
                    START + timedelta(days=day, minutes=place),
                    experiment="tone",
                    allocation_epoch=1,
                    variant="treatment",
                )
                for place in range(14 if part else 6)
            ]
            given = [feedback(10_000 + first + place, row, rating=3.0) for place, row in enumerate(rows[:3])]
            scores = [score(20_000 + first + place, row, 0.5) for place, row in enumerate(rows[:2])]
            store.commit(feed.batch(rows, given, scores))
    store.close()


def run(folder: Path, lines: int) -> int:
    """Seal, merge, fold, let expire and age, delete files and rebuild.

    Args:
        folder: The store's.
        lines: After how many executed lines of our code to die; 0 for never.

    Returns:
        How many lines ran.
    """
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal executed
        if "coalmine_consumers/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            executed += 1
            if executed == lines:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    store = Store.open(folder, SETTINGS)
    sys.settrace(trace)
    settled(store, POLICY, NOW)
    fold_ledger(store, LedgerPolicy(apart_s=-7200.0), datetime.now(UTC))
    rebuild(store)
    sys.settrace(None)
    store.close()
    return executed
