"""Arrow columns as numpy arrays, with what is null said apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A number column without its nulls: which rows have a value, and those values."""

    rows: Int64s | None
    """Indexes of the rows with a value; None when all rows have one."""
    floats: Floats
    integers: Int64s | None
    """The values exactly, if the column holds whole numbers."""

    def of(self, of_row: Int64s) -> Int64s:
        """Group numbers of the rows that have a value."""
        return of_row if self.rows is None else of_row[self.rows]


def known(column: pa.ChunkedArray) -> Known:
    """Read a number column."""
    rows = None
    if column.null_count:
        rows = np.flatnonzero(column.is_valid().to_numpy()).astype(np.int64)
        column = column.drop_null()
    values = column.to_numpy()
    integers = values.astype(np.int64) if pa.types.is_integer(column.type) else None
    return Known(rows, values.astype(np.float64), integers)


def microseconds(column: pa.ChunkedArray) -> Int64s:
    """Times as microseconds since 1970."""
    result: Int64s = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return result


def timestamps(values: Int64s) -> pa.Array:
    """Microseconds since 1970 as times in UTC."""
    return pa.array(values).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def is_known(column: pa.ChunkedArray) -> Booleans:
    """Where a column has a value."""
    result: Booleans = column.is_valid().to_numpy()
    return result


def is_one_of(column: pa.ChunkedArray, values: tuple[str, ...]) -> Booleans:
    """Where a text column has one of these values; false where it is null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    result: Booleans = pc.is_in(column, value_set=pa.array(values)).to_numpy()
    return result
