"""Check digits, with the examples of their standards and one digit changed."""

import pytest

from coalmine_schemas.check_digits import luhn, mod_97


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
