"""Groups rows by several columns at once, as small whole numbers numpy can count by.

DuckDB groups as well as this, but each statement hashes every text again: for the half a dozen
aggregates of a batch, coding each column once halves the work.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import IntArray

_DENSE_LIMIT = 1 << 20  # up to here a table of all possible codes is cheaper than sorting the codes
_CODE_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """A column as numbers: equal values have equal codes, each in [0, size)."""

    of_row: IntArray
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which group each row is in, and one row of each group to read the group's key from."""

    of_row: IntArray
    """In [0, count)."""
    a_row: IntArray
    """Shape (count,)."""

    @property
    def count(self) -> int:
        """How many groups there are; none is empty."""
        return len(self.a_row)

    def as_codes(self) -> Codes:
        """The groups as a column of codes, to group further by."""
        return Codes(self.of_row, self.count)


def codes_of(column: pa.ChunkedArray | pa.Array) -> Codes:
    """Codes a column of texts (plain or dictionary-encoded) or numbers; null is a value like any other."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combining no chunks gives a chunked array back
        array = pa.array([], column.type)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    size = len(array.dictionary)
    indices = array.indices
    if indices.null_count:
        indices, size = indices.fill_null(size), size + 1
    return Codes(indices.to_numpy(zero_copy_only=False).astype(np.int64), size)


def distinct(column: pa.ChunkedArray) -> list[str]:
    """The values that the codes of `codes_of` stand for, in their order; null, if there is one, is last."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return []
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    names: list[str] = array.dictionary.to_pylist()
    return names


def codes_of_numbers(values: IntArray) -> Codes:
    """Codes whole numbers by their distance from the least."""
    if not len(values):
        return Codes(values, 0)
    least = int(values.min())
    size = int(values.max()) - least + 1
    if size > _CODE_LIMIT:
        distinct, of_row = np.unique(values, return_inverse=True)
        return Codes(of_row.astype(np.int64), len(distinct))
    return Codes(values - least, size)


def group_by(*columns: Codes) -> Groups:
    """Groups rows by all columns together."""
    combined, *rest = [column for column in columns if column.size != 1] or columns[:1]
    for column in rest:
        if combined.size * max(column.size, 1) > _CODE_LIMIT:
            combined = group_by(combined).as_codes()
        combined = Codes(combined.of_row * column.size + column.of_row, combined.size * column.size)
    if combined.size <= max(_DENSE_LIMIT, 4 * len(combined.of_row)):
        present = np.zeros(combined.size, np.bool_)
        present[combined.of_row] = True
        of_row = (np.cumsum(present) - 1)[combined.of_row]
        count = int(np.count_nonzero(present))
    else:
        distinct, of_row = np.unique(combined.of_row, return_inverse=True)
        count = len(distinct)
    a_row = np.zeros(count, np.int64)
    a_row[of_row] = np.arange(len(of_row))
    return Groups(of_row.astype(np.int64, copy=False), a_row)


def unify(first: pa.ChunkedArray, second: pa.ChunkedArray) -> pa.ChunkedArray:
    """`first`, or `second` where it is null; dictionaries in, a dictionary out."""
    left, right = _dictionary(first), _dictionary(second)
    codes: dict[str, int] = {}
    remaps = [
        np.array([codes.setdefault(value, len(codes)) for value in side.dictionary.to_pylist()] or [0])
        for side in (left, right)
    ]
    taken = [
        remap[side.indices.fill_null(0).to_numpy(zero_copy_only=False)]
        for remap, side in zip(remaps, (left, right), strict=True)
    ]
    indices = np.where(np.asarray(left.is_valid()), *taken).astype(np.int32)
    known = np.asarray(left.is_valid()) | np.asarray(right.is_valid())
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(pa.array(indices, mask=~known), pa.array(list(codes), pa.string()))]
    )


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
