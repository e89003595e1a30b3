"""The spool's files: what writers leave, readers find, whatever happens to the writers."""

import errno
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.spool_blocks import SYNC_BYTES, Layout, SpoolRecord, encode_block, encode_header
from coalmine_schemas.spool_format import (
    CorruptSpoolFile,
    SpoolWriter,
    claim,
    count_records,
    list_open,
    list_sealed,
    quarantine,
    read_blocks,
    recover,
)
from tests.support.doubles.small_disk import mounted_disk

_SYNC = bytes(range(SYNC_BYTES))
_RECORD = SpoolRecord("requests", b"key", b"value", 1_700_000_000_000_000)
_RECORDS = st.builds(
    SpoolRecord,
    topic=st.sampled_from(["requests", "feedback", "scores", "größer"]),
    key=st.none() | st.binary(max_size=20),
    value=st.binary(max_size=300),
    produced_at_us=st.integers(0, 2**62),
)
_BLOCKS = st.lists(st.lists(_RECORDS, min_size=1, max_size=70), min_size=1, max_size=6)


def _file_bytes(blocks: list[list[SpoolRecord]]) -> bytes:
    return encode_header(_SYNC) + b"".join(encode_block(block, _SYNC) for block in blocks)


def _read(path: Path, start: int = 0) -> list[SpoolRecord]:
    return [record for block in read_blocks(path, start=start) for record in block]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk") as directory:
        yield directory


@pytest.fixture
def other_process() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@given(blocks=_BLOCKS, start=st.integers(0, 450))
@settings(deadline=None)
def test_what_is_written_is_read_from_any_position(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[SpoolRecord]], start: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    writer = SpoolWriter(directory, seal_age_s=60, fsync=False)
    for block in blocks:
        writer.write(block)
    path = writer.close()
    assert path is not None
    flat = [record for block in blocks for record in block]
    assert list_sealed(directory) == [path]
    assert _read(path, start) == flat[start:]
    assert count_records(path) == len(flat)


def test_any_avro_tool_reads_a_sealed_file(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.write([_RECORD, SpoolRecord("scores", None, b"\x00", 0)])
    path = writer.close()
    assert path is not None
    with path.open("rb") as file:
        rows = list(fastavro.reader(file))
    assert [(row["topic"], row["key"], row["value"]) for row in rows] == [  # type: ignore[index, call-overload]
        ("requests", b"key", b"value"),
        ("scores", None, b"\x00"),
    ]
    assert rows[0]["produced_at"].timestamp() == 1_700_000_000  # type: ignore[index, call-overload, union-attr]


@given(blocks=_BLOCKS, data=st.data())
@settings(deadline=None)
def test_a_file_cut_anywhere_is_recovered_up_to_its_last_whole_block(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[SpoolRecord]], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    content = _file_bytes(blocks)
    ends = [len(encode_header(_SYNC))]
    ends += list(accumulate((len(encode_block(block, _SYNC)) for block in blocks), initial=ends[0]))[1:]
    hit = data.draw(st.integers(-1, len(blocks) - 1))
    cut = data.draw(st.integers(ends[hit] if hit >= 0 else 0, ends[hit + 1]))
    (directory / "a.avro.open").write_bytes(content[:cut])
    whole = sum(end <= cut for end in ends[1:])
    kept = [record for block in blocks[:whole] for record in block]

    (recovered,) = recover(directory)

    assert recovered.records == len(kept)
    assert list_open(directory) == []
    if kept:
        assert recovered.path == directory / "a.avro"
        assert recovered.cut_bytes == cut - ends[whole]
        assert _read(recovered.path) == kept
    else:
        assert recovered.path is None
        assert list(directory.iterdir()) == []


@given(blocks=_BLOCKS, data=st.data())
@settings(deadline=None)
def test_damage_to_a_sealed_file_is_told_and_what_was_before_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[SpoolRecord]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "a.avro"
    content = bytearray(_file_bytes(blocks))
    sizes = [len(encode_block(block, _SYNC)) for block in blocks]
    ends = list(accumulate(sizes, initial=len(encode_header(_SYNC))))
    hit = data.draw(st.integers(0, len(blocks) - 1))
    # The sync marker that ends a block: the one part whose every bit matters.
    content[ends[hit + 1] - data.draw(st.integers(1, SYNC_BYTES))] ^= 0x55
    path.write_bytes(content)
    before = [record for block in blocks[:hit] for record in block]

    read: list[SpoolRecord] = []
    with pytest.raises(CorruptSpoolFile) as caught:
        for block in read_blocks(path):
            read += block

    assert read == before
    assert caught.value.records_read == len(before)
    assert caught.value.offset_bytes == ends[hit]


@given(content=st.binary(max_size=400), prefix=st.sampled_from([b"", b"Obj\x01", encode_header(_SYNC)]))
@settings(deadline=None)
def test_no_bytes_whatever_make_reading_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, prefix: bytes
) -> None:
    path = tmp_path_factory.mktemp("spool") / "a.avro"
    path.write_bytes(prefix + content)
    try:
        _read(path)
    except CorruptSpoolFile as error:
        assert error.path == path
    assert Layout(prefix + content).end <= len(prefix + content)


def test_a_block_length_of_endless_digits_is_damage_and_not_a_long_calculation() -> None:
    layout = Layout(encode_header(_SYNC) + b"\xff" * 1_000_000)
    assert layout.reason == "impossible block length"


def test_an_open_file_is_read_up_to_its_last_whole_block(tmp_path: Path) -> None:
    path = tmp_path / "a.avro.open"
    path.write_bytes(_file_bytes([[_RECORD], [_RECORD, _RECORD]])[:-3])
    assert _read(path) == [_RECORD]


def test_an_envelope_with_a_field_more_is_read_by_the_rules_of_avro(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    newer = {
        "type": "record",
        "name": "SpoolRecord",
        "namespace": "coalmine.spool",
        "fields": [
            {"name": "host", "type": "string"},
            {"name": "topic", "type": "string"},
            {"name": "value", "type": "bytes"},
            {"name": "key", "type": ["null", "bytes"], "default": None},
            {"name": "produced_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    row = {"host": "a", "topic": "requests", "value": b"v", "key": b"k", "produced_at": 7}
    with path.open("wb") as file:
        fastavro.writer(file, newer, [row, row])
    assert _read(path) == [SpoolRecord("requests", b"k", b"v", 7)] * 2


def test_files_sort_by_the_time_they_were_begun(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, fsync=False)
    paths = []
    for number in range(5):
        writer.write([_RECORD._replace(produced_at_us=number)])
        paths.append(writer.seal())
    assert list_sealed(tmp_path) == paths
    assert [_read(path)[0].produced_at_us for path in list_sealed(tmp_path)] == list(range(5))


def test_a_file_is_sealed_by_size(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, seal_size_bytes=5000, seal_age_s=3600, fsync=False)
    writer.write([_RECORD._replace(value=bytes(3000))])
    assert writer.seal_if_due() is None
    assert 0 < writer.due_in_s() <= 3600
    writer.write([_RECORD._replace(value=bytes(3000))])
    assert writer.due_in_s() == 0
    assert writer.seal_if_due() == list_sealed(tmp_path)[0]
    assert writer.due_in_s() == float("inf")


def test_a_file_is_sealed_by_age(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, seal_age_s=0.05, fsync=False)
    writer.write([_RECORD])
    deadline = time.monotonic() + 10
    while writer.seal_if_due() is None:
        assert time.monotonic() < deadline
    assert len(list_sealed(tmp_path)) == 1


def test_a_directory_that_does_not_exist_is_empty_and_is_made_by_writing(tmp_path: Path) -> None:
    directory = tmp_path / "home" / "spool"
    assert list_sealed(directory) == []
    assert recover(directory) == []
    writer = SpoolWriter(directory)
    writer.write([_RECORD])
    writer.close()
    assert len(list_sealed(directory)) == 1


def test_writing_nothing_makes_no_file(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.write([])
    assert writer.close() is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_deleted_is_given_up_for_a_new_one(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, seal_age_s=60)
    writer.write([_RECORD])
    list_open(tmp_path)[0].unlink()
    writer.write([_RECORD, _RECORD])
    path = writer.close()
    assert path is not None
    assert count_records(path) == 2


def test_a_living_writers_file_is_left_alone(
    tmp_path: Path, other_process: list[subprocess.Popen[bytes]]
) -> None:
    _start_writer(tmp_path, other_process)
    assert recover(tmp_path) == []
    assert len(list_open(tmp_path)) == 1


def test_a_killed_writers_file_is_recovered(
    tmp_path: Path, other_process: list[subprocess.Popen[bytes]]
) -> None:
    for _ in range(5):
        process = _start_writer(tmp_path, other_process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        told = [json.loads(line) for line in process.stdout.read().splitlines() if line.endswith(b"]")]
        (recovered,) = recover(tmp_path)
        assert recovered.path is not None
        numbers = [record.produced_at_us for record in _read(recovered.path)]
        assert numbers == list(range(len(numbers)))
        # What the writer was told is written, is written; it may have got one block further.
        assert len(numbers) >= 3 * len(told)
        assert recovered.records == len(numbers)
        recovered.path.unlink()


_WRITER = """
import sys, json
from pathlib import Path
from coalmine_schemas.spool_format import SpoolWriter, SpoolRecord
writer = SpoolWriter(Path(sys.argv[1]), seal_size_bytes=1 << 40, seal_age_s=1e9)
number = 0
while True:
    numbers = range(number, number + 3)
    writer.write([SpoolRecord("requests", b"k", bytes(500), n) for n in numbers])
    print(json.dumps(list(numbers)), flush=True)
    number += 3
"""


def _start_writer(directory: Path, processes: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """A process that writes and tells, until it is killed; returned once it has told a few times."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(directory)], stdout=subprocess.PIPE)
    processes.append(process)
    assert process.stdout is not None
    for _ in range(20):
        assert process.stdout.readline()
    return process


def test_a_forked_child_that_abandons_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, seal_age_s=3600)
    writer.write([_RECORD])
    child = os.fork()
    if child == 0:
        try:
            writer.abandon()
            assert recover(tmp_path) == []  # the parent's lock still holds
            writer.write([_RECORD, _RECORD])
            writer.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    writer.write([_RECORD])
    writer.close()
    assert sorted(count_records(path) for path in list_sealed(tmp_path)) == [2, 2]


def test_a_sealed_file_is_claimed_once(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.write([_RECORD])
    path = writer.close()
    assert path is not None
    held = claim(path)
    assert held is not None
    assert claim(path) is None
    os.close(held)
    again = claim(path)
    assert again is not None
    path.unlink()
    os.close(again)
    assert claim(path) is None


def test_a_quarantined_file_is_out_of_sight_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(b"nonsense")
    kept = quarantine(path)
    assert list_sealed(tmp_path) == list_open(tmp_path) == []
    assert kept.read_bytes() == b"nonsense"


def test_a_full_disk_takes_whole_blocks_only(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(20_000))
    writer = SpoolWriter(small_disk / "spool", seal_age_s=3600)
    written = 0
    with pytest.raises(OSError) as caught:
        for _ in range(1000):
            writer.write([_RECORD._replace(value=bytes(3000))])
            written += 1
    assert caught.value.errno == errno.ENOSPC
    assert 0 < written < 20
    assert [len(block) for block in read_blocks(list_open(small_disk / "spool")[0])] == [1] * written
    filler.unlink()
    writer.write([_RECORD])  # the very file that had no room goes on
    path = writer.close()
    assert path is not None
    assert count_records(path) == written + 1


def test_a_full_disk_leaves_no_empty_files_behind(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    writer = SpoolWriter(small_disk)
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            writer.write([_RECORD])
        assert caught.value.errno == errno.ENOSPC
    assert list_open(small_disk) == []


_LIMITED = """
import resource, sys
from pathlib import Path
from coalmine_schemas.spool_format import SpoolWriter, SpoolRecord
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = SpoolWriter(Path(sys.argv[1]), seal_age_s=3600)
written = 0
try:
    while True:
        writer.write([SpoolRecord("requests", None, bytes(3000), written)])
        written += 1
except OSError as error:
    print(written, error.errno)
writer.close()
"""


def test_a_limit_on_file_sizes_takes_whole_blocks_only(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], check=True, capture_output=True, text=True
    )
    written, error_number = map(int, done.stdout.split())
    assert (written, error_number) == (6, errno.EFBIG)
    assert [record.produced_at_us for record in _read(list_sealed(tmp_path)[0])] == list(range(6))


def test_an_error_survives_pickling() -> None:
    error = CorruptSpoolFile(Path("a.avro"), 12, 3, "torn block")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.offset_bytes, again.records_read) == (Path("a.avro"), 12, 3)
    assert str(again) == "a.avro: torn block at byte 12, after 3 records"


def test_the_spool_is_private_unless_its_folder_was_made_to_be_shared(tmp_path: Path) -> None:
    for name, bits, mode in (("own", None, 0o600), ("shared", 0o2770, 0o660)):
        directory = tmp_path / name / "spool"
        if bits is not None:
            directory.mkdir(parents=True)
            directory.chmod(bits)
        before = os.umask(0)
        try:
            writer = SpoolWriter(directory)
            writer.write([SpoolRecord("t", None, b"x", 0)])
        finally:
            os.umask(before)
        assert {stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()} == {mode}
        if bits is None:
            assert (
                stat.S_IMODE(directory.stat().st_mode)
                == stat.S_IMODE(directory.parent.stat().st_mode)
                == 0o700
            )
        writer.close()
