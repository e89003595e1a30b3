import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.plain_number import plain_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.05e-05, "0.0000105"),
        (1794.3, "1,794"),
        (-1030.0, "-1,030"),
        (0.0002402, "0.00024"),
        (0.0, "0"),
        (12.345, "12.3"),
        (1e21, "1,000,000,000,000,000,000,000"),
        (float("inf"), "inf"),
    ],
)
def test_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_a_sign_is_written_where_asked_for() -> None:
    assert plain_number(0.5, sign=True) == "+0.5"
    assert plain_number(-0.5, sign=True) == "-0.5"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_never_an_exponent_and_always_near(value: float) -> None:
    text = plain_number(value)
    assert "e" not in text.lower()
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.01, abs=0.0)
