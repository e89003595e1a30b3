"""Reads one sealed spool file to its end, whatever state it is in.

`spool_format.read_blocks` stops at the first damage. Here reading goes on after it: the marker that
ends every block is searched for, and blocks that are whole again are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coalmine_schemas.spool_blocks import SYNC_BYTES, Block, Layout, SpoolRecord, decode_block


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive readable records."""

    first: int
    """Position of the first one."""
    records: Sequence[SpoolRecord]

    @property
    def end(self) -> int:
        """Position after the last one."""
        return self.first + len(self.records)


@dataclass(frozen=True, slots=True)
class Damage:
    """A part that cannot be read.

    It takes up positions, so that a position past it means it was handled: as many as its block
    claims to hold records, or one when not even that can be read.
    """

    first: int
    end: int
    reason: str


def read_pieces(data: bytes, start: int) -> Iterator[Records | Damage]:
    """Reads the bytes of a sealed file from a position on.

    The same bytes always give the same positions, so a reader may stop anywhere and go on later.

    Args:
        data: The whole file.
        start: Next position to read. A damaged part before it is still yielded, as damage, so that the
            caller learns of it.
    """
    seen = 0
    while True:
        layout = Layout(data)
        for block in layout.blocks:
            end = seen + _positions(block)
            try:
                records = decode_block(data, block, layout.writer_schema)
            except Exception as error:  # noqa: BLE001 - damaged bytes make any of them
                yield Damage(seen, end, f"unreadable block ({type(error).__name__}: {error})")
            else:
                if end > start:
                    yield Records(max(seen, start), records[max(0, start - seen) :])
            seen = end
        if layout.reason is None:
            return
        yield Damage(seen, seen + 1, layout.reason)
        seen += 1
        resume = _after_next_marker(data, layout.end)
        if resume is None:
            return
        header_end = layout.blocks[0].start if layout.blocks else layout.end
        data = data[:header_end] + data[resume:]


def _positions(block: Block) -> int:
    """Records the block claims to hold, limited to what its length could hold at all."""
    return min(block.count, block.body_end - block.body_start)


def _after_next_marker(data: bytes, end: int) -> int | None:
    """Where the next block may begin after damage that starts at `end`."""
    if end < SYNC_BYTES:
        return None  # not even the header is whole, so the marker is unknown
    marker = data[end - SYNC_BYTES : end]  # the header ends with it, and so does every block
    found = data.find(marker, end)
    resume = found + SYNC_BYTES
    return None if found < 0 or resume >= len(data) else resume
