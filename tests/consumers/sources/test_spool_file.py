"""Whatever happened to a spool file, reading it ends, keeps what is whole, and counts the same each time."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.sources.spool_file import Damage, Records, read_pieces
from coalmine_schemas.spool_blocks import Layout
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter


def records(count: int, first: int = 0) -> list[SpoolRecord]:
    return [
        SpoolRecord("requests", f"key-{index}".encode(), f"value-{index}".encode(), index)
        for index in range(first, first + count)
    ]


def file_of(*blocks: list[SpoolRecord]) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        writer = SpoolWriter(Path(directory), fsync=False, seal_age_s=1e9)
        for block in blocks:
            writer.write(block)
        sealed = writer.seal()
        assert sealed is not None
        return sealed.read_bytes()


THREE = file_of(records(5), records(3, 5), records(4, 8))
ALL = records(12)


def read(data: bytes, start: int = 0) -> tuple[list[SpoolRecord], list[Damage], int]:
    kept: list[SpoolRecord] = []
    damages: list[Damage] = []
    end = start
    for piece in read_pieces(data, start):
        if isinstance(piece, Damage):
            damages.append(piece)
        else:
            assert piece.first == end if not damages else piece.first >= end
            kept += piece.records
        end = max(end, piece.end)
    return kept, damages, end


def test_a_whole_file_is_read_whole() -> None:
    assert read(THREE) == (ALL, [], 12)


def test_reading_goes_on_from_any_record() -> None:
    for start in range(13):
        assert read(THREE, start) == (ALL[start:], [], 12)


def test_blocks_after_one_of_unknown_length_are_found_by_their_marker() -> None:
    damaged = bytearray(THREE)
    start = Layout(THREE).blocks[1].start
    damaged[start : start + 3] = b"\xff\xff\xff"
    kept, damages, end = read(bytes(damaged))
    assert kept == ALL[:5] + ALL[8:]
    assert [(damage.first, damage.end) for damage in damages] == [(5, 6)]
    assert end == 10


def test_a_block_whose_records_cannot_be_read_takes_the_positions_it_claims() -> None:
    at = THREE.index(b"requests", THREE.index(b"value-5") - 40)
    damaged = bytearray(THREE)
    damaged[at - 1] = 0x7F  # the first record's topic claims to be longer than the block
    kept, damages, end = read(bytes(damaged))
    assert kept == ALL[:5] + ALL[8:]
    assert [(damage.first, damage.end) for damage in damages] == [(5, 8)]
    assert end == 12


def test_a_torn_end_is_one_lost_position() -> None:
    kept, damages, end = read(THREE[:-20])
    assert kept == ALL[:8]
    assert [(damage.first, damage.end) for damage in damages] == [(8, 9)]
    assert end == 9


def test_a_file_without_a_header_is_one_lost_position() -> None:
    for data in (b"", b"no spool at all", THREE[:30]):
        kept, damages, end = read(data)
        assert (kept, len(damages), end) == ([], 1, 1)


@given(
    st.lists(st.tuples(st.integers(0, len(THREE) - 1), st.integers(1, 255)), max_size=4),
    st.integers(0, len(THREE)),
    st.integers(0, 16),
)
def test_any_damage_ends_and_counts_the_same_from_every_start(
    flips: list[tuple[int, int]], length: int, start: int
) -> None:
    data = bytearray(THREE[:length] if length < len(THREE) - 5 else THREE)
    for at, change in flips:
        if at < len(data):
            data[at] ^= change
    whole = list(read_pieces(bytes(data), 0))
    end = 0
    for piece in whole:
        assert piece.first == end
        assert piece.end > piece.first
        end = piece.end
    later = [piece for piece in read_pieces(bytes(data), start) if piece.end > start]
    expected = [
        Records(start, piece.records[start - piece.first :])
        if isinstance(piece, Records) and piece.first < start
        else piece
        for piece in whole
        if piece.end > start
    ]
    assert later == expected
