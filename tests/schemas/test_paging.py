import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import LONGEST_CURSOR, decode_cursor, encode_cursor

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.tuples(TEXT, st.integers(), st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_a_cursor_is_url_safe_and_decodes_to_its_key(key: tuple[str, int, float | None]) -> None:
    cursor = encode_cursor(key)
    assert all(letter.isalnum() or letter in "-_" for letter in cursor)
    assert decode_cursor(cursor, (str, int, (float, type(None)))) == list(key)


@pytest.mark.parametrize(
    "cursor", ["", "?", "a", "YQ", "e30", "x" * (LONGEST_CURSOR + 8), encode_cursor(["a", 1])]
)
def test_what_is_no_cursor_of_the_list_is_refused_with_a_remedy(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="leave it out for the first page"):
        decode_cursor(cursor, (str, str))
