from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.store.ids import Ids

# Few high halves, so that ids often differ in their second half only.
CLASHING = st.builds(
    lambda high, low: UUID(int=(high << 64) | low),
    st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    st.sampled_from([0, 1, 2, 2**63, 2**64 - 1]),
)
ANY = st.one_of(CLASHING, st.uuids())


def ids(values: list[UUID]) -> Ids:
    return Ids.from_arrow(pa.array([str(value) for value in values], pa.string()))


def uuids(column: Ids) -> list[UUID]:
    return [UUID(int=(int(high) << 64) | int(low)) for high, low in zip(column.high, column.low, strict=True)]


@given(st.lists(ANY))
def test_text_becomes_the_number_that_uuid_reads(values: list[UUID]) -> None:
    assert uuids(ids(values)) == values


@given(st.lists(ANY, min_size=1), st.data())
def test_all_forms_of_a_column_read_the_same(values: list[UUID], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(values)))
    text = pa.array([str(value) for value in values], pa.string())
    forms = [
        pa.chunked_array([text.slice(0, start), text.slice(start)]),
        text.cast(pa.large_string()),
        pa.array([str(value).upper() for value in values]),
        pa.array([value.hex for value in values]),
        pa.array([value.bytes for value in values], pa.binary(16)),
        ids(values).to_arrow(),
    ]
    for form in forms:
        assert uuids(Ids.from_arrow(form)) == values
        assert uuids(Ids.from_arrow(form.slice(start))) == values[start:]


@pytest.mark.parametrize(
    "text",
    ["", "g" * 36, "0" * 36, "00000000-0000-0000-0000-00000000000g", "00000000+0000-0000-0000-000000000000"],
)
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Ids.from_arrow(pa.array([str(uuid4()), text]))


@given(st.lists(ANY))
def test_order_is_that_of_uuids_and_keeps_equal_ids_in_place(values: list[UUID]) -> None:
    assert list(ids(values).order()) == sorted(range(len(values)), key=lambda row: (values[row], row))


@given(st.lists(ANY, min_size=1))
def test_bounds_are_the_least_and_the_greatest(values: list[UUID]) -> None:
    assert ids(values).bounds() == (min(values), max(values))


@given(st.lists(ANY))
def test_the_first_of_each_is_kept(values: list[UUID]) -> None:
    expected = sorted({value: values.index(value) for value in values}.values())
    assert list(ids(values).first_of_each()) == expected


@given(st.lists(ANY, unique=True), st.lists(ANY))
def test_find_says_where_each_wanted_id_is(values: list[UUID], wanted: list[UUID]) -> None:
    expected = [values.index(each) if each in values else -1 for each in wanted]
    assert list(ids(values).find(ids(wanted))) == expected


def test_parquet_and_duckdb_read_the_same_ids_in_the_same_order(tmp_path: Path) -> None:
    values = [UUID(int=number << 96) for number in (2**31 - 1, 2**31, 0, 2**32 - 1, 7)]
    path = f"{tmp_path}/ids.parquet"
    pq.write_table(pa.table({"id": ids(values).to_arrow()}), path)
    found = duckdb.connect().sql(f"SELECT id, typeof(id) FROM '{path}' ORDER BY id").fetchall()
    assert found == [(value, "UUID") for value in sorted(values)]
    statistics = pq.ParquetFile(path).metadata.row_group(0).column(0).statistics
    assert (UUID(bytes=statistics.min), UUID(bytes=statistics.max)) == (min(values), max(values))


def test_no_ids_are_an_empty_column() -> None:
    assert len(Ids.none()) == 0
    assert len(Ids.from_arrow(pa.chunked_array([], pa.string()))) == 0
    assert Ids.none().to_arrow().type == pa.uuid()
    assert list(Ids.none().find(ids([UUID(int=1)]))) == [-1]
    assert np.array_equal(Ids.none().first_of_each(), np.empty(0))


@given(st.lists(ANY, min_size=1), st.data())
def test_the_exclusive_or_of_all_ids_and_all_but_one_is_that_one(
    values: list[UUID], data: st.DataObject
) -> None:
    missing = data.draw(st.integers(0, len(values) - 1))
    rest = ids(values[:missing] + values[missing + 1 :]).exclusive_or()
    assert rest.int ^ ids(values).exclusive_or().int == values[missing].int
