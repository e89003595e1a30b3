"""Check digits of numbers that belong to people, for whatever masks or forbids them."""

from collections.abc import Sequence
from itertools import accumulate


def luhn(digits: str) -> bool:
    """True if the last digit is the one that Luhn's check gives (ISO/IEC 7812-1, annex B).

    Args:
        digits: Decimal digits and nothing else.
    """
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def luhn_sums(digits: Sequence[int]) -> tuple[list[int], list[int]]:
    """Sums by which Luhn's check of any part of some digits is one subtraction.

    The part from `begin` to before `end` passes if `(sums[end % 2][end] - sums[end % 2][begin]) % 10` is 0.

    Args:
        digits: From 0 to 9.
    """
    doubled = [sum(divmod(2 * each, 10)) for each in digits]
    places = range(len(digits))
    # The last digit counts once, the one before it twice, and so on.
    even, odd = (
        [0, *accumulate((doubled if place % 2 == end else digits)[place] for place in places)]
        for end in (0, 1)
    )
    return even, odd


def mod_97(iban: str) -> bool:
    """True if an account number has the check digits of ISO 13616.

    Args:
        iban: Letters and digits in upper case, without spaces.
    """
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1
