"""The spool source: living and dead writers, damaged files, and removal only after a commit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coalmine_consumers.errors import SourceUnavailable
from coalmine_consumers.raw import RawBatch, TopicPartition
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter, list_open, list_sealed
from tests.support.doubles.source_harness import Ledger, drain


def records(count: int, prefix: str = "", topic: str = "requests") -> list[SpoolRecord]:
    return [
        SpoolRecord(topic, None, f"{prefix}{index}".encode(), 1_700_000_000_000_000) for index in range(count)
    ]


def seal(directory: Path, *blocks: list[SpoolRecord]) -> Path:
    writer = SpoolWriter(directory, fsync=False, seal_age_s=1e9)
    for block in blocks:
        writer.write(block)
    sealed = writer.seal()
    assert sealed is not None
    return sealed


def open_source(directory: Path, ledger: Ledger) -> SpoolSource:
    source = SpoolSource(directory)
    source.start(ledger.read_positions, ledger.quiesce)
    return source


def poll(source: SpoolSource) -> RawBatch:
    batch = source.poll(1000, 0.0)
    assert batch is not None
    return batch


def test_a_file_is_removed_only_after_all_of_it_is_committed(tmp_path: Path) -> None:
    path = seal(tmp_path, records(10))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    first, second = source.poll(6, 0.0), source.poll(6, 0.0)
    assert first is not None
    assert second is not None
    assert source.poll(6, 0.0) is None
    assert path.exists()
    ledger.commit(first, source)
    assert path.exists()
    ledger.commit(second, source)
    assert not path.exists()


def test_positions_of_removed_files_are_forgotten_with_the_next_batch(tmp_path: Path) -> None:
    gone = seal(tmp_path, records(3))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    drain(source, ledger, 3)
    source.poll(10, 0.0)
    assert ledger.positions == {TopicPartition("spool", gone.name): 3}
    seal(tmp_path, records(2))
    batch = poll(source)
    assert batch.retired == (TopicPartition("spool", gone.name),)


def test_a_directory_that_stays_as_it_is_is_not_listed_again(tmp_path: Path) -> None:
    listed: list[str] = []
    is_over = False

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if not is_over and event in ("os.listdir", "os.scandir") and arguments[0] == str(tmp_path):
            listed.append(event)

    source = open_source(tmp_path, Ledger())
    os.utime(tmp_path, (0, 0))
    assert source.poll(10, 0.0) is None
    sys.addaudithook(note)  # there is no way to take it away
    assert [source.poll(10, 0.0) for _ in range(20)] == [None] * 20
    before = len(listed)
    assert before < 20, "but now and then, for files of dead writers"
    seal(tmp_path, records(2))
    assert poll(source).messages == 2
    assert len(listed) > before
    is_over = True


def test_a_file_that_comes_in_the_same_tick_of_the_clock_as_a_change_before_is_seen(tmp_path: Path) -> None:
    source = open_source(tmp_path, Ledger())
    seal(tmp_path, records(1))
    assert poll(source).messages == 1
    changed_at = tmp_path.stat().st_mtime_ns
    assert source.poll(10, 0.0) is None
    seal(tmp_path, records(2))
    os.utime(tmp_path, ns=(changed_at, changed_at))
    assert poll(source).messages == 2


def test_positions_of_files_removed_before_a_crash_are_forgotten(tmp_path: Path) -> None:
    ledger = Ledger()
    old = TopicPartition("spool", "0193-long-gone.avro")
    ledger.positions = {old: 5, TopicPartition("coalmine.requests", "0"): 7}
    seal(tmp_path, records(2))
    assert poll(open_source(tmp_path, ledger)).retired == (old,)


def test_a_file_that_was_committed_before_a_crash_is_removed_unread(tmp_path: Path) -> None:
    path = seal(tmp_path, records(4))
    ledger = Ledger()
    ledger.positions[TopicPartition("spool", path.name)] = 4
    source = open_source(tmp_path, ledger)
    assert source.poll(10, 0.0) is None
    assert source.poll(10, 0.0) is None
    assert not path.exists()


def test_a_living_writers_open_file_is_left_alone(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, fsync=False, seal_age_s=1e9)
    writer.write(records(3))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    assert source.poll(10, 0.0) is None
    assert len(list_open(tmp_path)) == 1
    writer.write(records(2))
    writer.seal()
    drain(source, ledger, 5)


def test_a_dead_writers_file_is_recovered_up_to_its_last_whole_block(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter, list_open
writer = SpoolWriter(Path({str(tmp_path)!r}), seal_age_s=1e9)
writer.write([SpoolRecord("requests", None, b"%d" % i, 0) for i in range(5)])
(path,) = list_open(Path({str(tmp_path)!r}))
with path.open("ab") as torn:
    torn.write(b"\\x0a\\xff\\x01 half a block")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    ledger = Ledger()
    drain(open_source(tmp_path, ledger), ledger, 5)
    assert ledger.values["requests"] == [b"%d" % index for index in range(5)]
    assert ledger.gaps == []


def test_a_damaged_file_is_kept_aside_and_what_is_readable_is_stored(tmp_path: Path) -> None:
    path = seal(tmp_path, records(4, "a"), records(4, "b"), records(4, "c"))
    data = bytearray(path.read_bytes())
    data[data.index(b"b2") - 30] ^= 0x55
    at = data.index(b"b0") - 14
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    intact = seal(tmp_path, records(2, "d"))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    drain(source, ledger, 10)
    assert ledger.values["requests"] == [b"a0", b"a1", b"a2", b"a3", b"c0", b"c1", b"c2", b"c3", b"d0", b"d1"]
    assert [(gap.partition, gap.expected_offset, gap.reason) for gap in ledger.gaps] == [
        (path.name, 4, "damaged")
    ]
    source.poll(10, 0.0)
    assert list_sealed(tmp_path) == []
    assert [file.name for file in (tmp_path / "damaged").iterdir()] == [path.name]
    assert (tmp_path / "damaged" / path.name).read_bytes() == data
    assert not intact.exists()


def test_damage_is_recorded_once_although_setting_the_file_aside_was_missed(tmp_path: Path) -> None:
    path = seal(tmp_path, records(4, "a"), records(4, "b"))
    path.write_bytes(path.read_bytes()[:-9])
    ledger = Ledger()
    ledger.commit(poll(open_source(tmp_path, ledger)))  # committed, but the source never heard of it
    assert path.exists()
    again = open_source(tmp_path, ledger)
    assert again.poll(10, 0.0) is None
    assert again.poll(10, 0.0) is None
    assert len(ledger.gaps) == 1
    assert not path.exists()
    assert (tmp_path / "damaged" / path.name).exists()


@pytest.mark.parametrize("content", [b"", b"rubbish", bytes(1000)])
def test_a_file_of_rubbish_is_a_gap_and_no_endless_loop(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0193e5a0-0000-7000-8000-000000000000.avro"
    path.write_bytes(content)
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    ledger.commit(poll(source), source)
    assert source.poll(10, 0.0) is None
    assert [gap.reason for gap in ledger.gaps] == ["damaged"]
    assert (tmp_path / "damaged" / path.name).exists()


def test_a_file_that_cannot_be_opened_does_not_hold_up_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "0000-a-directory.avro").mkdir()
    seal(tmp_path, records(3))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)
    drain(source, ledger, 3)
    for _ in range(3):
        assert source.poll(10, 0.0) is None
    assert sum("cannot read" in message for message in caplog.messages) == 1


def test_a_file_that_can_be_opened_at_last_is_read_though_its_directory_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.spool.RETRY_EVERY_S", 0.0)
    spool = tmp_path / "spool"
    waiting = spool / "0000-a-directory.avro"
    waiting.mkdir(parents=True)
    source = open_source(spool, Ledger())
    for _ in range(2):
        os.utime(spool, (0, 0))
        assert source.poll(10, 0.0) is None
    waiting.rmdir()
    seal(tmp_path, records(3)).rename(waiting)
    os.utime(spool, (0, 0))
    assert poll(source).messages == 3


def test_a_file_begun_and_taken_by_somebody_else_is_a_loss(tmp_path: Path) -> None:
    path = seal(tmp_path, records(6))
    ledger = Ledger()
    ledger.positions[TopicPartition("spool", path.name)] = 2

    class Vanishing(SpoolSource):
        def _open_next(self, assembly):  # type: ignore[no-untyped-def]
            original = Path.read_bytes

            def read_bytes(self: Path) -> bytes:
                self.unlink()
                return original(self)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Path, "read_bytes", read_bytes)
                return super()._open_next(assembly)

    source = Vanishing(tmp_path)
    source.start(ledger.read_positions, ledger.quiesce)
    ledger.commit(poll(source), source)
    assert [(gap.expected_offset, gap.reason) for gap in ledger.gaps] == [(2, "vanished")]


def test_records_of_an_event_nobody_keeps_are_unroutable(tmp_path: Path) -> None:
    seal(tmp_path, records(2, "a") + records(1, "x", topic="alerts") + records(1, "y", topic="no\x00such"))
    batch = poll(open_source(tmp_path, Ledger()))
    assert batch.messages == 4
    assert [(message.value, message.origin.offset) for message in batch.unroutable] == [
        (b"x0", 2),
        (b"y0", 3),
    ]
    assert "alerts" in batch.unroutable[0].reason


def test_a_directory_that_appears_later_is_read(tmp_path: Path) -> None:
    directory = tmp_path / "later"
    ledger = Ledger()
    ledger.positions[TopicPartition("spool", "some.avro")] = 3
    source = open_source(directory, ledger)
    assert source.poll(10, 0.0) is None
    assert source.lag().messages == 0
    seal(directory, records(3))
    batch = poll(source)
    assert batch.messages == 3
    assert batch.retired == ()


def test_a_spool_that_cannot_be_listed_is_unavailable_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(tmp_path, records(3))
    ledger = Ledger()
    source = open_source(tmp_path, ledger)

    def refuse(directory: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(directory))

    with monkeypatch.context() as patch:
        patch.setattr("coalmine_consumers.sources.spool.list_sealed", refuse)
        with pytest.raises(SourceUnavailable):
            source.poll(10, 0.0)
        assert "cannot be read" in str(source.lag().note)
    drain(source, ledger, 3)


def test_lag_estimates_files_it_has_not_counted(tmp_path: Path) -> None:
    for _ in range(12):
        seal(tmp_path, records(100))
    source = open_source(tmp_path, Ledger())
    first, second = source.lag(), source.lag()
    assert "estimated" in str(first.note)
    assert second.note is None
    assert second.messages == 1200
