import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.groups import codes_of, codes_of_numbers, group_by, unify

TEXTS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y", "z", None])))


@given(TEXTS)
def test_groups_are_the_distinct_combinations_nulls_included(
    rows: list[tuple[str | None, str | None]],
) -> None:
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)]
    for encode in (False, True):
        coded = [codes_of(column.dictionary_encode() if encode else column) for column in columns]
        groups = group_by(*coded)
        assert groups.count == len(set(rows))
        for row, group in enumerate(groups.of_row):
            assert rows[groups.a_row[group]] == rows[row]


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 2**40))))
def test_sparse_numbers_are_grouped_without_a_table_of_all_codes(rows: list[tuple[int, int]]) -> None:
    codes = [codes_of_numbers(np.array([row[place] for row in rows], np.int64)) for place in (0, 1)]
    groups = group_by(*codes, *codes)
    assert groups.count == len(set(rows))
    for row, group in enumerate(groups.of_row):
        assert rows[groups.a_row[group]] == rows[row]


@given(TEXTS)
def test_unify_takes_the_second_where_the_first_is_null(rows: list[tuple[str | None, str | None]]) -> None:
    first, second = (
        pa.chunked_array([pa.array([row[place] for row in rows], pa.string()).dictionary_encode()])
        for place in (0, 1)
    )
    expected = [one if one is not None else other for one, other in rows]
    assert unify(first, second).to_pylist() == expected


def test_codes_of_no_chunks_are_no_codes() -> None:
    assert len(codes_of(pa.chunked_array([], pa.string())).of_row) == 0
