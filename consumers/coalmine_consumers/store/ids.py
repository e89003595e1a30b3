"""Event ids as 128-bit numbers, for whole columns at once.

Ids travel as UUID text and are stored as 16 bytes, whose order DuckDB, Parquet's statistics and
`uuid.UUID` agree on; UUIDv7 makes it the order of time.
"""

import binascii
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import BoolArray, ByteArray, IndexArray, UIntArray

_HYPHENS = np.array([8, 13, 18, 23])
_DIGITS = np.delete(np.arange(36), _HYPHENS)


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """A column of ids, split into halves because numpy has no 128-bit integer."""

    high: UIntArray
    low: UIntArray

    @classmethod
    def from_arrow(cls, column: pa.ChunkedArray | pa.Array) -> "Ids":
        """Reads ids that are UUID text, 16 bytes each, or Arrow's uuid type. None may be null.

        Raises:
            ValueError: A text is not a UUID.
        """
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        parts = [_bytes_of(chunk) for chunk in chunks]
        halves = np.ascontiguousarray(np.concatenate(parts)).view(">u8") if parts else np.empty((0, 2), ">u8")
        return cls(halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64))

    @classmethod
    def none(cls) -> "Ids":
        """Returns an empty column."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64))

    def to_arrow(self) -> pa.Array:
        """As Arrow's uuid type, which Parquet and DuckDB know as UUID."""
        halves = np.empty((len(self), 2), ">u8")
        halves[:, 0], halves[:, 1] = self.high, self.low
        storage = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(self), [None, pa.py_buffer(halves.tobytes())]
        )
        return pa.ExtensionArray.from_storage(pa.uuid(), storage)

    def __len__(self) -> int:
        return len(self.high)

    def take(self, chosen: IndexArray | BoolArray) -> "Ids":
        """The ids at these indexes, or where this mask is true."""
        return Ids(self.high[chosen], self.low[chosen])

    def order(self) -> IndexArray:
        """Indexes that sort the ids; equal ids keep their order."""
        order = np.argsort(self.high)
        high = self.high[order]
        same = high[1:] == high[:-1]
        # A millisecond's ids often share their first 64 bits; only those need the second half.
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same)) if same.any() else None
        if tied is not None:
            rows = order[tied]
            order[tied] = rows[np.lexsort((rows, self.low[rows], self.high[rows]))]
        return order

    def first_of_each(self) -> IndexArray:
        """Ascending indexes of each id's first occurrence."""
        order = self.order()
        high, low = self.high[order], self.low[order]
        again = np.zeros(len(order), np.bool_)
        again[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        is_first = np.empty_like(again)
        is_first[order] = ~again
        return np.flatnonzero(is_first)

    def find(self, wanted: "Ids") -> IndexArray:
        """Where each wanted id is in this column, or -1. No id may occur here twice."""
        order = self.order()
        high, low = self.high[order], self.low[order]
        found = np.full(len(wanted), -1, np.intp)
        place = np.searchsorted(high, wanted.high, side="left")
        open_ = np.flatnonzero(place < len(high))
        while len(open_):  # more than once only for ids that share their first 64 bits
            at = place[open_]
            same_high = high[at] == wanted.high[open_]
            hit = same_high & (low[at] == wanted.low[open_])
            found[open_[hit]] = order[at[hit]]
            open_ = open_[same_high & ~hit]
            place[open_] += 1
            open_ = open_[place[open_] < len(high)]
        return found

    def exclusive_or(self) -> UUID:
        """All ids combined by exclusive or; it does not depend on their order."""
        high, low = np.bitwise_xor.reduce(self.high), np.bitwise_xor.reduce(self.low)
        return UUID(int=(int(high) << 64) | int(low))

    def bounds(self) -> tuple[UUID, UUID]:
        """The least and the greatest id. At least one id must be there."""
        least, greatest = self.high.min(), self.high.max()
        return (
            UUID(int=(int(least) << 64) | int(self.low[self.high == least].min())),
            UUID(int=(int(greatest) << 64) | int(self.low[self.high == greatest].max())),
        )


def _bytes_of(chunk: pa.Array) -> ByteArray:
    """Shape (n, 16)."""
    if isinstance(chunk, pa.ExtensionArray):
        chunk = chunk.storage
    if pa.types.is_fixed_size_binary(chunk.type):
        data = np.frombuffer(chunk.buffers()[1], np.uint8)
        return data[chunk.offset * 16 : (chunk.offset + len(chunk)) * 16].reshape(-1, 16)
    text = _hyphenated(chunk)
    if text is None:
        return np.array([list(UUID(value).bytes) for value in chunk.to_pylist()], np.uint8).reshape(-1, 16)
    if np.any(text.take(_HYPHENS, axis=1) != ord("-")):
        raise ValueError("an id is not a UUID")
    # binascii.Error, which names a character that is not hexadecimal, is a ValueError.
    return np.frombuffer(binascii.unhexlify(text.take(_DIGITS, axis=1).data), np.uint8).reshape(-1, 16)


def _hyphenated(chunk: pa.Array) -> ByteArray | None:
    """The texts as shape (n, 36), or None if one has another length (UUIDs have other spellings too)."""
    if not pa.types.is_string(chunk.type):
        chunk = chunk.cast(pa.string())
    offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    if len(chunk) == 0:
        return np.empty((0, 36), np.uint8)
    if np.any(np.diff(offsets) != 36):
        return None
    data = np.frombuffer(chunk.buffers()[2], np.uint8)
    return data[offsets[0] : offsets[-1]].reshape(-1, 36)
