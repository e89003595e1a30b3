"""Results of statements become Python values and numpy arrays without pandas, and as pyarrow has them."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from coalmine_consumers.arrays import numbers
from coalmine_consumers.sql import as_rows


def _table(zone: str) -> pa.Table:
    return pa.table(
        {
            "whole": pa.array([0, 1, 2]),
            "text": pa.array(["a", None, "c"]),
            "list": pa.array([[0], [], None]),
            "struct": pa.array([{"a": 1}, {"a": None}, None]),
            "moment": pa.array([None, 1, 2_500_000]).cast(pa.timestamp("us", zone)),
            "plain": pa.array([None, 1, 2_500_000]).cast(pa.timestamp("us")),
        }
    )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_rows_are_those_that_pyarrow_makes(zone: str) -> None:
    rows = as_rows(_table(zone))
    assert rows == _table(zone).to_pylist()
    assert rows[2]["moment"] == datetime.fromtimestamp(2.5, UTC)
    assert rows[0]["moment"] is None


def test_no_rows_are_no_rows() -> None:
    assert as_rows(pa.schema([("n", pa.int64())]).empty_table()) == []


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64()])
def test_numbers_are_those_of_the_column(kind: pa.DataType) -> None:
    column = pa.chunked_array([[1, 2], [], [3]], kind)
    assert np.array_equal(numbers(column), [1, 2, 3])
    assert np.array_equal(numbers(column.chunk(0)), [1, 2])
    assert numbers(column).dtype == kind.to_pandas_dtype()


def test_none_imports_pandas() -> None:
    """Tables from DuckDB are not made by `pa.array`, which imports it, too."""
    program = """
import sys
import duckdb
from coalmine_consumers.arrays import numbers
from coalmine_consumers.sql import as_rows
from coalmine_consumers.store.reader import Reader

with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": False}) as connection:
    found = connection.sql("SELECT 1 AS n, to_timestamp(1) AS moment").to_arrow_table()
    Reader(connection).rows("SELECT to_timestamp(1) AS moment")
as_rows(found), numbers(found["n"])
assert "pandas" not in sys.modules
found["n"].to_numpy()
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"  # the check can fail
