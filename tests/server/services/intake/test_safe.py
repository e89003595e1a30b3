"""Framed events become safe, or their senders are told that they are not."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coalmine.emitters import SpoolEmitter
from coalmine.emitters.base import Emitter
from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import list_open, list_sealed
from coalmine_server.services.intake import Intake, IntakeUnavailable

RECORDS = [SpoolRecord("feedback", b"key", b"value", 0)] * 3


@contextmanager
def intake(
    spool: Path, *, max_bytes: int | None = None, max_waiting_bytes: int = 1_000_000
) -> Iterator[Intake]:
    def open_emitter(counters: Counters) -> Emitter:
        log = RateLimitedLogger(logging.getLogger("coalmine.intake"), every_s=60.0)
        return SpoolEmitter(spool, max_bytes=max_bytes, max_pending=100, counters=counters, log=log)

    made = Intake(open_emitter, wait_s=0.3, max_waiting_bytes=max_waiting_bytes)
    try:
        yield made
    finally:
        assert made.stop(10.0)


def test_events_are_in_a_file_once_they_are_taken(tmp_path: Path) -> None:
    with intake(tmp_path) as made:
        made.take(RECORDS)
        assert any(b"value" in path.read_bytes() for path in tmp_path.iterdir())
    assert len(list_sealed(tmp_path)) == 1
    assert list_open(tmp_path) == []


def test_a_full_spool_is_told_and_the_next_batch_tries_again(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100)
    with intake(tmp_path, max_bytes=50) as made:
        for _ in range(2):
            with pytest.raises(IntakeUnavailable, match="spool_full"):
                made.take(RECORDS)


def test_a_spool_that_cannot_be_written_is_told_and_its_events_are_kept(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_text("a file where the folder should be")
    with intake(spool) as made:
        with pytest.raises(IntakeUnavailable, match="cannot be written now"):
            made.take(RECORDS)
        spool.unlink()
    assert len(list_sealed(spool)) == 1


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def open_emitter(counters: Counters) -> Emitter:
        begun.set()
        go_on.wait()
        log = RateLimitedLogger(logging.getLogger("coalmine.intake"), every_s=60.0)
        return SpoolEmitter(tmp_path, max_bytes=None, max_pending=100, counters=counters, log=log)

    made = Intake(open_emitter, max_waiting_bytes=20)
    takers = [threading.Thread(target=made.take, args=(RECORDS,)) for _ in range(2)]
    takers[0].start()
    begun.wait()
    takers[1].start()
    while not made.waiting:
        pass
    with pytest.raises(IntakeUnavailable, match="too many events wait"):
        made.take(RECORDS)
    go_on.set()
    for each in takers:
        each.join()
    assert made.stop(10.0)


def test_a_stopped_intake_takes_nothing(tmp_path: Path) -> None:
    with intake(tmp_path) as made:
        pass
    with pytest.raises(IntakeUnavailable, match="stopping"):
        made.take(RECORDS)
