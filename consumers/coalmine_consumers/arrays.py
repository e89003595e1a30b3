"""numpy array types, and Arrow columns as numpy arrays with their nulls told apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
UIntArray = npt.NDArray[np.uint64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.intp]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A number column without its nulls: which rows have a value, and those values."""

    rows: IntArray | None
    """Indexes of the rows with a value; None when all rows have one."""
    floats: FloatArray
    integers: IntArray | None
    """The values exactly, if the column holds whole numbers."""

    def of(self, of_row: IntArray) -> IntArray:
        """Group numbers of the rows that have a value."""
        return of_row if self.rows is None else of_row[self.rows]


def known(column: pa.ChunkedArray) -> Known:
    """Reads a number column."""
    rows = None
    if column.null_count:
        rows = np.flatnonzero(column.is_valid().to_numpy()).astype(np.int64)
        column = column.drop_null()
    values = column.to_numpy()
    integers = values.astype(np.int64) if pa.types.is_integer(column.type) else None
    return Known(rows, values.astype(np.float64), integers)


def numbers(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """A number column without nulls, in place.

    By way of DLPack: the first `to_numpy` of a process imports pandas, which takes as long as all the rest of
    a short command.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return np.from_dlpack(column)


def microseconds(column: pa.ChunkedArray) -> IntArray:
    """Times as microseconds since 1970."""
    result: IntArray = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return result


def timestamps(values: IntArray) -> pa.Array:
    """Microseconds since 1970 as times in UTC."""
    return pa.array(values).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def is_known(column: pa.ChunkedArray) -> BoolArray:
    """Where a column has a value."""
    result: BoolArray = column.is_valid().to_numpy()
    return result


def is_one_of(column: pa.ChunkedArray, values: tuple[str, ...]) -> BoolArray:
    """Where a text column has one of these values; false where it is null."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see `store.py`

    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    result: BoolArray = pc.is_in(column, value_set=pa.array(values)).to_numpy()
    return result
