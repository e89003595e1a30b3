"""Event ids as 128-bit numbers, for whole columns at once.

Ids travel as UUID text and are stored as 16 bytes, whose order DuckDB, Parquet's statistics and
`uuid.UUID` agree on; UUIDv7 makes it the order of time.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UInt64s = npt.NDArray[np.uint64]

_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)
_HEX[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16, dtype=np.uint8)
_HYPHENS = (8, 13, 18, 23)
_DIGITS = np.array([place for place in range(36) if place not in _HYPHENS])


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """A column of ids, split into halves because numpy has no 128-bit integer."""

    high: UInt64s
    low: UInt64s

    @classmethod
    def from_arrow(cls, column: pa.ChunkedArray | pa.Array) -> "Ids":
        """Read ids that are UUID text, 16 bytes each, or Arrow's uuid type. None may be null.

        Raises:
            ValueError: A text is no UUID.
        """
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        parts = [_bytes_of(chunk) for chunk in chunks]
        halves = np.concatenate(parts).view(">u8") if parts else np.empty((0, 2), ">u8")
        return cls(halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64))

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

    def take(self, chosen: npt.NDArray[Any]) -> "Ids":
        """The ids at these indexes, or where this mask is true."""
        return Ids(self.high[chosen], self.low[chosen])

    def order(self) -> npt.NDArray[np.intp]:
        """Indexes that sort the ids; equal ids keep their order."""
        by_high = np.argsort(self.high, kind="stable")
        high = self.high[by_high]
        if not np.any(high[1:] == high[:-1]):  # the usual case: no two ids share their first 64 bits
            return by_high
        return np.lexsort((self.low, self.high))

    def bounds(self) -> tuple[UUID, UUID]:
        """The least and the greatest id. At least one id must be there."""
        least, greatest = self.high.min(), self.high.max()
        return (
            UUID(int=(int(least) << 64) | int(self.low[self.high == least].min())),
            UUID(int=(int(greatest) << 64) | int(self.low[self.high == greatest].max())),
        )


def _bytes_of(chunk: pa.Array) -> npt.NDArray[np.uint8]:
    """Shape (n, 16)."""
    if isinstance(chunk, pa.ExtensionArray):
        chunk = chunk.storage
    if pa.types.is_fixed_size_binary(chunk.type):
        data = np.frombuffer(chunk.buffers()[1], np.uint8)
        return data[chunk.offset * 16 : (chunk.offset + len(chunk)) * 16].reshape(-1, 16)
    text = _hyphenated(chunk)
    if text is None:
        return np.array([list(UUID(value).bytes) for value in chunk.to_pylist()], np.uint8).reshape(-1, 16)
    digits = _HEX[text[:, _DIGITS]]
    if digits.max(initial=0) > 15 or np.any(text[:, _HYPHENS] != ord("-")):
        raise ValueError("an id is not a UUID")
    return (digits[:, 0::2] << np.uint8(4)) | digits[:, 1::2]


def _hyphenated(chunk: pa.Array) -> npt.NDArray[np.uint8] | None:
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
