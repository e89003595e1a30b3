"""Check digits, with the examples of their standards and one digit changed."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.check_digits import luhn, luhn_sums, mod_97


@pytest.mark.parametrize("digits", ["4111111111111111", "79927398713", "378282246310005"])
def test_one_wrong_digit_fails_luhns_check(digits: str) -> None:
    assert luhn(digits)
    for place, digit in enumerate(digits):
        assert not luhn(f"{digits[:place]}{(int(digit) + 1) % 10}{digits[place + 1 :]}")


@pytest.mark.parametrize("iban", ["GB82WEST12345698765432", "DE89370400440532013000"])
def test_one_wrong_digit_fails_the_check_of_account_numbers(iban: str) -> None:
    assert mod_97(iban)
    for place in range(8, len(iban)):
        assert not mod_97(f"{iban[:place]}{(int(iban[place]) + 1) % 10}{iban[place + 1 :]}")


@given(st.lists(st.integers(0, 9), max_size=30))
def test_sums_say_of_each_part_what_luhns_check_says(digits: list[int]) -> None:
    sums = luhn_sums(digits)
    for begin, end in combinations(range(len(digits) + 1), 2):
        passes = (sums[end % 2][end] - sums[end % 2][begin]) % 10 == 0
        assert passes == luhn("".join(map(str, digits[begin:end])))
