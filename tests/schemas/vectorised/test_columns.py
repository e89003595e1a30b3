import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.vectorised.columns import flags, valid_rows


@given(st.lists(st.booleans()), st.integers(0, 20), st.integers(0, 20))
def test_flags_are_the_truth_values_of_an_array_or_a_part_of_one(
    values: list[bool], first: int, length: int
) -> None:
    part = pa.array(values, pa.bool_()).slice(min(first, len(values)), length)
    assert flags(part).tolist() == part.to_pylist()


@given(st.lists(st.one_of(st.none(), st.integers(0, 9))), st.integers(0, 20))
def test_valid_rows_are_those_that_are_not_null(values: list[int | None], first: int) -> None:
    part = pa.array(values, pa.int64()).slice(min(first, len(values)))
    found = valid_rows(part)
    expected = [value is not None for value in part.to_pylist()]
    assert (found is None) == all(expected)
    assert found is None or found.tolist() == expected
