"""Disks that are full, read-only or gone: counted, logged now and then, and the service does not notice."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coalmine import Coalmine, Stats
from coalmine.emitters import SpoolEmitter
from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_format import SpoolRecord, list_open, list_sealed
from tests.support.doubles.small_disk import make_read_only, make_writable, mounted_disk
from tests.support.eventually import eventually
from tests.support.oracles.produced import ids, spooled


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk", size_kib=256) as directory:
        yield directory


def _call(cm: Coalmine) -> str:
    with cm.call("p", version="1", segments={f"padding{n}": "x" * 400 for n in range(5)}) as call:
        pass
    return call.request_id


def _adds_up(stats: Stats) -> bool:
    return stats.produced == stats.delivered + stats.spooled + sum(stats.dropped.values()) + stats.queued


def test_a_full_disk_costs_events_and_nothing_else(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        cm = Coalmine("bot", home=small_disk, max_queued_events=50)
        made = [_call(cm) for _ in range(40)]
        assert cm.flush(30)
        while not cm.stats().dropped:
            made.append(_call(cm))
            cm.flush(0.05)
        for _ in range(100):
            _call(cm)
        eventually(lambda: set(cm.stats().dropped) >= {"disk_full"})
        assert not cm.flush(0.2)
        assert cm.close(30)
    stats = cm.stats()
    assert stats.queued == 0
    assert _adds_up(stats)
    assert set(stats.dropped) <= {"disk_full", "queue_full"}
    kept = spooled(small_disk)
    assert len(kept) == stats.spooled >= 40
    assert set(ids(kept).values()) == {1}
    assert [one.id for one in kept][:40] == made[:40]
    messages = [record.getMessage() for record in caplog.records]
    assert 1 <= len(messages) <= 3, messages
    assert any("No space left on device" in message for message in messages)


def test_events_wait_in_memory_until_there_is_room_again(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with Coalmine("bot", home=small_disk) as cm:
        made = [_call(cm) for _ in range(20)]
        assert not cm.flush(0.3)
        assert (cm.stats().queued, cm.stats().dropped) == (20, {})
        filler.unlink()
        assert cm.flush(30)
    assert ids(spooled(small_disk)) == dict.fromkeys(made, 1)


def test_a_file_system_that_turns_read_only_and_back(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), Coalmine("bot", home=small_disk, max_queued_events=30) as cm:
        made = [_call(cm) for _ in range(10)]
        assert cm.flush(30)
        make_read_only(small_disk)
        made += [_call(cm) for _ in range(30)]
        while not cm.stats().dropped.get("read_only"):
            _call(cm)
            cm.flush(0.01)
        make_writable(small_disk)
        assert cm.flush(30)
        stats = cm.stats()
    assert _adds_up(stats)
    assert stats.spooled == stats.produced - sum(stats.dropped.values())
    assert {one.id for one in spooled(small_disk)} >= set(made[:10])
    assert "Read-only file system" in caplog.text


def test_a_spool_below_a_file_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a directory")
    with caplog.at_level(logging.WARNING):
        cm = Coalmine("bot", home=tmp_path / "file" / "home")
        for _ in range(5):
            _call(cm)
        assert not cm.flush(0.1)
        assert cm.close(30)
    assert cm.stats().dropped == {"spool_error": 5}
    assert len(caplog.records) == 1


def test_a_directory_that_is_removed_is_made_again(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        _call(cm)
        assert cm.flush(30)
        for _ in range(5):
            shutil.rmtree(tmp_path / "spool")
            made = _call(cm)
            assert cm.flush(30)
            assert [one.id for one in spooled(tmp_path)] == [made]
        assert cm.stats().dropped == {}


def test_a_directory_removed_under_an_open_file_costs_no_later_event(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        first = _call(cm)
        eventually(lambda: list_open(tmp_path / "spool"))
        shutil.rmtree(tmp_path / "spool")
        made = [_call(cm) for _ in range(20)]
        assert cm.flush(30)
    found = ids(spooled(tmp_path))
    found.pop(first, None)  # it may have been on its way when there was a file already
    assert found == dict.fromkeys(made, 1)


def test_a_spool_at_its_limit_takes_no_more_until_it_was_read(tmp_path: Path) -> None:
    clock = _Clock()
    counters = Counters()
    emitter = _emitter(tmp_path, counters, clock, max_bytes=10_000)
    for _ in range(100):
        emitter.submit(SpoolRecord("requests", None, bytes(1000), 0))
        emitter.poll()
    emitter.seal()
    stats = counters.snapshot(waiting=0)
    assert 9 <= stats.spooled <= 11
    assert stats.dropped == {"spool_full": 100 - stats.spooled}
    for path in list_sealed(tmp_path):
        path.unlink()
    clock.now += 10  # it looks at the directory now and then
    emitter.submit(SpoolRecord("requests", None, bytes(1000), 0))
    emitter.poll()
    assert counters.snapshot(waiting=0).spooled == stats.spooled + 1


def test_files_grow_larger_when_nobody_reads_them(tmp_path: Path) -> None:
    clock = _Clock()
    emitter = _emitter(tmp_path, Counters(), clock)
    ages = []
    for files in (0, 99, 100, 1000):
        for number in range(files):
            (tmp_path / f"{number:05}.avro").touch()
        clock.now += 10
        emitter.submit(SpoolRecord("requests", None, b"x", 0))
        emitter.poll()
        ages.append(emitter._writer.seal_age_s)
        emitter.seal()
        for path in list_sealed(tmp_path):
            path.unlink()
    assert ages == [0.5, 0.5, 10.0, 60.0]


def test_what_does_not_fit_the_limit_of_the_process_is_counted(tmp_path: Path) -> None:
    code = """
import resource, sys
from coalmine import Coalmine
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
cm = Coalmine("bot", home=sys.argv[1])
for number in range(43):
    with cm.call("p", version="1", segments={f"padding{n}": "x" * 400 for n in range(5)}):
        pass
    if number < 3:
        assert cm.flush(30)
assert not cm.flush(0.1)
cm.close(5)
stats = cm.stats()
print(stats.produced, stats.spooled, stats.dropped["disk_full"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    )
    produced, written, dropped = map(int, done.stdout.split())
    assert produced == written + dropped == 43
    assert written >= 3
    assert len(spooled(tmp_path)) == written
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _emitter(
    directory: Path, counters: Counters, clock: _Clock, *, max_bytes: int | None = None
) -> SpoolEmitter:
    return SpoolEmitter(
        directory,
        max_bytes=max_bytes,
        max_pending=10,
        counters=counters,
        log=RateLimitedLogger(logging.getLogger("coalmine")),
        clock=clock,
    )
