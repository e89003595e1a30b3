from datetime import timedelta

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_consumers.maintenance.slices import slices
from tests.support.data.store_feed import START

MEMORY = duckdb.connect(config={"autoinstall_known_extensions": False, "TimeZone": "UTC"})


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60), st.integers(1, 30))
def test_slices_hold_every_bucket_once_oldest_first_and_end_when_full(
    rows: list[tuple[int, int]], max_rows: int
) -> None:
    table = pa.table(
        {
            "resolution": ["minute"] * len(rows),
            "bucket_start": [START + timedelta(minutes=bucket) for bucket, _ in rows],
            "name": [key for _, key in rows],
        }
    )
    MEMORY.register("parts", table)
    sizes = {START + timedelta(minutes=bucket): 0 for bucket, _ in rows}
    for bucket, _ in rows:
        sizes[START + timedelta(minutes=bucket)] += 1
    found = [part["bucket_start"].to_pylist() for part in slices(MEMORY, "parts", "name", max_rows=max_rows)]
    assert [bucket for part in found for bucket in part] == sorted(sizes)
    for number, part in enumerate(found):
        size = sum(sizes[bucket] for bucket in part)
        assert size - sizes[part[-1]] < max_rows
        assert size >= max_rows or number == len(found) - 1
    unfolded = slices(MEMORY, "parts", "name", max_rows=max_rows, only_unfolded=True)
    doubled = {START + timedelta(minutes=bucket) for bucket, key in rows if rows.count((bucket, key)) > 1}
    assert {bucket for part in unfolded for bucket in part["bucket_start"].to_pylist()} == doubled
